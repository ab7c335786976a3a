import stat

import pytest

from lti_tool.settings import Settings, SettingsInvalid, read_settings


def test_with_nothing_set_everything_has_a_value():
    settings = read_settings({})

    assert settings.resolved_database_url.startswith("sqlite:///")
    assert settings.dev_mode


def test_all_faults_are_told_together_each_with_its_name_and_cure():
    with pytest.raises(SettingsInvalid) as refused:
        read_settings(
            {
                "KAONA_PUBLIC_URL": "http://kaona.example.go.th",
                "KAONA_DATABASE_URL": "mysql://x/y",
                "KAONA_WEB_WORKERS": "many",
                "KAONA_ALLOWED_NETWORKS": "10.0.0.0/33",
                "KAONA_PUBLICURL": "https://x",
                "KAONA_SECRET_KEY_FILE": "/no/such/file",
            }
        )

    text = str(refused.value)
    for name in (
        "KAONA_PUBLIC_URL: plain HTTP",
        "KAONA_DATABASE_URL: use",
        "KAONA_WEB_WORKERS: write a whole number from 1 to 64",
        "KAONA_SECRET_KEY_FILE: /no/such/file cannot be read",
        "KAONA_ALLOWED_NETWORKS: ",
        "KAONA_PUBLICURL: there is no such",
    ):
        assert name in text


@pytest.mark.parametrize(
    "url",
    [
        "https://a@b",
        "ftp://a",
        "https://a/b",
        "https://a?x=1",
        "a.b",
        "https://",
        "https://a:65536",
        "https://a:0",
        "https://[a",
        "https://a;b",
        "https://a\n.b",
    ],
)
def test_a_public_address_that_is_no_origin_is_refused(url):
    with pytest.raises(SettingsInvalid, match="KAONA_PUBLIC_URL"):
        read_settings({"KAONA_PUBLIC_URL": url})


def test_the_secret_is_made_once_and_for_this_user_only(tmp_path):
    settings = Settings(data_dir=tmp_path / "new")

    first = settings.secret_key

    assert len(first) >= 32
    assert settings.secret_key == first
    assert stat.S_IMODE((tmp_path / "new" / "secret.key").stat().st_mode) == 0o600


def test_a_weak_secret_stops_the_start_with_its_cure(tmp_path):
    (tmp_path / "weak").write_bytes(b"hunter2")

    with pytest.raises(SettingsInvalid, match="holds 7 bytes, at least 32 are needed; make it by"):
        read_settings({"KAONA_SECRET_KEY_FILE": str(tmp_path / "weak")})


def test_a_postgresql_address_is_taken_in_its_common_forms():
    assert read_settings({"KAONA_DATABASE_URL": "postgresql://u:p@h/d"}).database_url == "postgresql+psycopg://u:p@h/d"


def test_a_folder_is_no_secret(tmp_path):
    for number in range(200):
        (tmp_path / f"file-{number}").touch()  # the folder itself is larger than a secret

    with pytest.raises(SettingsInvalid, match="is a folder"):
        read_settings({"KAONA_SECRET_KEY_FILE": str(tmp_path)})


@pytest.mark.parametrize(
    "url", ["sqlite://", "sqlite:///:memory:", "sqlite:///file::memory:?uri=true", "sqlite:///file:x?mode=memory&uri=true"]
)
def test_a_database_in_memory_is_refused_with_the_reason(url):
    with pytest.raises(SettingsInvalid, match=r"KAONA_DATABASE_URL: .*each process would have its own"):
        read_settings({"KAONA_DATABASE_URL": url})


@pytest.mark.parametrize(
    ("name", "value", "cure"),
    [
        ("WEB_THREADS", "999", "write a whole number from 1 to 64"),
        ("WEB_THREADS", "2.5", "write a whole number from 1 to 64"),
        ("WORKER_POLL_SECONDS", "soon", "write a number from 0.05 to 60"),
        ("WORKER_POLL_SECONDS", "nan", "write a number from 0.05 to 60"),
        ("METRICS_PUBLIC", "perhaps", "write true or false"),
        ("LOG_LEVEL", "LOUD", "write DEBUG, INFO, WARNING or ERROR"),
        ("ALLOWED_PORTS", "443,²", "write port numbers from 1 to 65535"),
        ("ALLOWED_PORTS", "๔๔๓", "write port numbers from 1 to 65535"),
        ("ALLOWED_PORTS", "9" * 5000, "write port numbers from 1 to 65535"),
        ("DATABASE_URL", "postgresql://h:port/d", "write it as sqlite:///FILE"),
    ],
)
def test_a_wrong_value_is_answered_by_what_to_write(name, value, cure):
    with pytest.raises(SettingsInvalid) as refused:
        read_settings({f"KAONA_{name}": value})

    assert f"KAONA_{name}: {cure}" in str(refused.value)
