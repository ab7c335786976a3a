import json
import os
import socket
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

import pytest

from lti_tool.cli import main, processes

ROOT = Path(__file__).parents[2]
PLATFORM = [
    "--issuer", "https://lms.example.go.th", "--client-id", "abc", "--deployment", "1",
    "--auth-url", "https://lms.example.go.th/auth", "--token-url", "https://lms.example.go.th/token", "--jwks-url", "https://lms.example.go.th/certs",
]  # fmt: skip


@dataclass
class Done:
    """A command that came to its end."""

    stdout: str
    stderr: str


@pytest.fixture
def environment(database_maker, tmp_path):
    """An installation of its own with a database of today's schema."""
    return {"KAONA_DATA_DIR": str(tmp_path), "KAONA_DATABASE_URL": database_maker.new_migrated()}


@pytest.fixture
def kaona(environment, tmp_path, monkeypatch):
    """Runs one command in this process."""
    for name in [name for name in os.environ if name.startswith("KAONA_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)

    def run(*arguments, code=0, **settings):
        with monkeypatch.context() as patch, redirect_stdout(StringIO()) as out, redirect_stderr(StringIO()) as err:
            for name, value in (environment | settings).items():
                patch.setenv(name, value.format(folder=tmp_path))
            try:
                main(list(arguments))
                ended = 0
            except SystemExit as end:
                ended = end.code
        assert ended == code, err.getvalue()
        return Done(out.getvalue(), err.getvalue())

    return run


@pytest.fixture
def kaona_process(environment, tmp_path):
    """Runs one command as a process."""
    names = {name: value for name, value in os.environ.items() if not name.startswith("KAONA_")}

    def run(*arguments, code=0, **settings):
        command = [sys.executable, "-m", "lti_tool", *arguments]
        around = names | environment | {"PYTHONPATH": str(ROOT)} | settings
        done = subprocess.run(command, env=around, capture_output=True, text=True, check=False, cwd=tmp_path)
        assert done.returncode == code, done.stderr
        return Done(done.stdout, done.stderr)

    return run


def test_a_newcomer_connects_a_platform_and_loads_the_content(environment, kaona, kaona_process, database_maker):
    environment["KAONA_DATABASE_URL"] = database_maker.new_empty()
    kaona_process("tenant", "add", "dmd", "--name-th", "กรมตัวอย่าง", "--name-en", "Sample Department")
    kaona("platform", "add", "--tenant", "dmd", *PLATFORM)
    kaona("items", "load-defaults")

    platforms = json.loads(kaona_process("platform", "list", "--json").stdout)
    forms = json.loads(kaona("items", "forms", "--tenant", "dmd", "--json").stdout)
    frameworks = json.loads(kaona("framework", "list", "--json").stdout)

    assert [(each["issuer"], each["client_id"], each["deployments"], each["tenant"]) for each in platforms] == [
        ("https://lms.example.go.th", "abc", ["1"], "dmd")
    ]
    assert forms[0]["url"].startswith("http://127.0.0.1:8000/open/assessment/")
    assert {"th-ds-2561", "th-ds-2567"} <= {each["id"] for each in frameworks}


def test_a_secret_is_printed_once_and_never_again(kaona):
    kaona("tenant", "add", "dmd", "--name-th", "ก", "--name-en", "A")

    made = json.loads(kaona("lrs", "key", "create", "reader", "--tenant", "dmd", "--scope", "statements/read", "--json").stdout)
    listed = kaona("lrs", "key", "list", "--tenant", "dmd", "--json").stdout

    assert set(made) == {"key", "secret"}
    assert made["key"] in listed
    assert made["secret"] not in listed


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["platform", "add", "--tenant", "nobody", *PLATFORM], 1, "tenant_unknown"),
        (["platform", "add", "--tenant", "nobody"], 2, "--issuer"),
        (["nothing"], 2, "nothing"),
        (["lrs", "key", "create", "x", "--tenant", "nobody", "--scope", "all"], 1, "tenant_unknown"),
        (["score", "retry", "no-such"], 1, "not_found"),
    ],
)
def test_wrong_words_end_with_a_sentence_and_a_code(kaona, arguments, code, words):
    done = kaona(*arguments, code=code)

    assert words in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.one_database
def test_wrong_settings_stop_the_start_together(kaona_process):
    done = kaona_process("serve", code=2, KAONA_PUBLIC_URL="http://kaona.example.go.th", KAONA_WEB_WORKERS="0")

    assert "KAONA_PUBLIC_URL" in done.stderr
    assert "KAONA_WEB_WORKERS" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_doctor_tells_a_fresh_installation_that_all_is_well(kaona):
    report = json.loads(kaona("doctor", "--json").stdout)

    assert report["platforms"] == []
    assert report["statements"] == 0


def test_a_rebuild_of_nothing_is_equal(kaona):
    assert json.loads(kaona("roadmap", "rebuild", "--json").stdout) == {
        "statements": 0, "evidence": 0, "attainment": 0, "equal": 0, "different": 0, "differences": [],
    }  # fmt: skip


def test_help_imports_no_room():
    code = (
        "import sys, lti_tool.cli as c\n"
        "try: c.main(['--help'])\n"
        "finally: print([m for m in sys.modules if m in {'flask', 'sqlalchemy', 'pydantic'}])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)

    assert done.stdout.rstrip().endswith("[]")


@pytest.mark.one_database
@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"KAONA_DATABASE_URL": "sqlite:///{folder}/text"}, ["file is not a database", "KAONA_DATABASE_URL"]),
        ({"KAONA_DATABASE_URL": "sqlite:///{folder}/none/kaona.sqlite"}, ["unable to open", "KAONA_DATABASE_URL"]),
        ({"KAONA_DATA_DIR": "{folder}/text"}, ["File exists", "KAONA_DATA_DIR"]),
        ({"KAONA_DATA_DIR": "{folder}/text/below"}, ["Not a directory", "KAONA_DATA_DIR"]),
        ({"KAONA_DATABASE_URL": "postgresql://kaona:hunter2@127.0.0.1:1/kaona"}, ["refused", "KAONA_DATABASE_URL", "kaona:***@"]),
        ({"KAONA_DATABASE_URL": "postgresql://kaona:hunter2@nobody.invalid/kaona"}, ["nobody.invalid", "KAONA_DATABASE_URL"]),
    ],
)
@pytest.mark.parametrize("command", [("tenant", "list"), ("db", "upgrade")])
def test_what_the_machine_refuses_is_told_in_one_sentence_without_the_password(kaona, tmp_path, command, settings, words):
    (tmp_path / "text").write_text("not a database " * 200)

    done = kaona(*command, code=1, **settings)

    assert len(done.stderr.splitlines()) == 1
    assert all(word in done.stderr for word in words)
    assert "hunter2" not in done.stderr


@pytest.fixture
def taken():
    """A port on which somebody listens."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield str(listener.getsockname()[1])


@pytest.mark.one_database
def test_an_address_that_cannot_be_listened_on_is_named_before_anything_starts(kaona, taken, tmp_path, monkeypatch):
    monkeypatch.setattr(processes, "run_web", lambda *_: pytest.fail("it started"))

    used = kaona("serve", "--port", taken, code=1).stderr
    foreign = kaona("serve", "--host", "192.0.2.1", code=1).stderr
    unknown = kaona("serve", "--host", "nobody.invalid", code=1).stderr

    assert "address_unusable" in used
    assert f"127.0.0.1 port {taken}: Address already in use" in used
    assert "192.0.2.1" in foreign
    assert "nobody.invalid" in unknown
    assert not (tmp_path / "secret.key").exists()


@pytest.mark.one_database
def test_neither_a_web_process_nor_a_worker_starts_where_the_address_is_taken(kaona_process, taken, tmp_path):
    done = kaona_process("all", "--port", taken, code=1)

    assert f"127.0.0.1 port {taken}: Address already in use" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "secret.key").exists()


@pytest.mark.one_database
def test_a_demo_with_equal_ports_is_wrong_usage_and_prepares_nothing(kaona, tmp_path):
    done = kaona("demo", "--port", "8123", "--lms-port", "8123", "--fresh", code=2)

    assert "--lms-port" in done.stderr
    assert not (tmp_path / "demo").exists()


def test_a_person_that_no_launch_can_name_gets_no_right(kaona):
    kaona("tenant", "add", "dmd", "--name-th", "ก", "--name-en", "A")
    kaona("platform", "add", "--tenant", "dmd", *PLATFORM)
    who = ["--issuer", "https://lms.example.go.th", "--client-id", "abc", "--role", "executive"]

    assert "sub_invalid" in kaona("admin", "grant", *who, "--sub", "x" * 256, code=1).stderr
    assert "sub_invalid" in kaona("admin", "grant", *who, "--sub", "", code=1).stderr
    kaona("admin", "grant", *who, "--sub", "x" * 255)


@pytest.mark.parametrize("names", [("", "A"), ("ก", " ")])
def test_an_agency_without_a_name_is_refused(kaona, names):
    done = kaona("tenant", "add", "dmd", "--name-th", names[0], "--name-en", names[1], code=1)

    assert "tenant_name_empty" in done.stderr


def test_a_frame_origin_cannot_bring_a_policy_of_its_own(kaona):
    kaona("tenant", "add", "dmd", "--name-th", "ก", "--name-en", "A")

    done = kaona("platform", "add", "--tenant", "dmd", *PLATFORM, "--frame-origin", "https://x; script-src *", code=1)

    assert "platform_invalid" in done.stderr
