"""`kaona lrs key` and `kaona lrs refused`, and how the tool's settings reach the record store."""

import json
from datetime import UTC, datetime

import pytest
from click.testing import CliRunner
from sqlalchemy import select

from kernel.db import Database
from kernel.errors import KaonaError
from lti_tool.app import create_app
from lti_tool.cli import cli
from lti_tool.lti.tenants import find_tenant_id
from lti_tool.models.audit import AuditEntry
from lti_tool.settings import Settings, SettingsInvalid, read_settings
from xapi import usage

V2 = {"X-Experience-API-Version": "2.0.0"}
COURSE, PASSED = "https://agency.example.go.th/courses/1", "http://adlnet.gov/expapi/verbs/passed"
PROVIDER = {"issuer": "https://id.example", "audience": "kaona", "jwks_url": "https://id.example/keys", "tenant": "dmd"}


pytestmark = pytest.mark.one_database


@pytest.fixture(scope="module")
def environment(database_maker, tmp_path_factory):
    """The settings of the one installation that the commands act on."""
    with pytest.MonkeyPatch.context() as patch:
        settings = {"KAONA_DATA_DIR": str(tmp_path_factory.mktemp("lrs-keys")), "KAONA_DATABASE_URL": database_maker.new()}
        for name, value in settings.items():
            patch.setenv(name, value)
        patch.setattr("lti_tool.migrate.ensure_current", lambda _database: None)
        yield settings


@pytest.fixture(scope="module")
def kaona(environment):
    """Runs one command in this process, on an installation with two agencies."""

    def run(*arguments, code=0):
        done = CliRunner().invoke(cli, arguments)
        assert done.exit_code == code, done.output
        if isinstance(done.exception, KaonaError):
            return f"{done.exception.code}: {done.exception}"
        return json.loads(done.output) if "--json" in arguments else done.output

    for key in ("dmd", "dsd"):
        run("tenant", "add", key, "--name-th", key, "--name-en", key)
    return run


@pytest.fixture(scope="module")
def http(environment, kaona):
    return create_app(read_settings(environment)).test_client()


@pytest.fixture
def database(environment):
    database = Database(environment["KAONA_DATABASE_URL"])
    yield database
    database.dispose()


def listed(kaona, made, *command):
    """The lines of a list that are about one key."""
    return [line for line in kaona(*(command or ("lrs", "key", "list")), "--tenant", "dmd", "--json") if line["key"] == made["key"]]


def test_a_key_for_a_slice_is_made_listed_and_works(kaona, http):
    made = kaona(
        "lrs", "key", "create", "warehouse", "--tenant", "dmd", "--scope", "statements/read", "--scope", "statements/read/mine",
        "--activity", COURSE, "--verb", PASSED, "--pseudonymous", "--per-minute", "2", "--expires", "2999-09-30", "--json",
    )  # fmt: skip

    [shown] = listed(kaona, made)

    assert set(made) == {"key", "secret"}
    assert shown == {
        "key": made["key"], "name": "warehouse", "scopes": "statements/read/mine statements/read", "pseudonymous": True,
        "slice": {"verbs": [PASSED], "activities": [COURSE]}, "requests_per_minute": 2, "requests": 0, "written": 0, "read": 0,
        "last_used_at": None, "expires_at": "2999-09-30T17:00:00.000Z", "old_secret_until": None, "revoked_at": None,
    }  # fmt: skip
    assert [http.get("/xapi/statements", headers=V2, auth=(made["key"], made["secret"])).status_code for _ in range(3)] == [200, 200, 429]
    assert kaona("lrs", "key", "list", "--tenant", "dsd", "--json") == []


def test_a_key_is_rotated_and_revoked(kaona, http):
    first = kaona("lrs", "key", "create", "warehouse", "--tenant", "dmd", "--scope", "all", "--json")
    second = kaona("lrs", "key", "rotate", first["key"], "--tenant", "dmd", "--json")
    third = kaona("lrs", "key", "rotate", first["key"], "--tenant", "dmd", "--overlap-hours", "0", "--json")

    def statuses():
        return [http.get("/xapi/statements", headers=V2, auth=(one["key"], one["secret"])).status_code for one in (first, second, third)]

    assert {one["key"] for one in (first, second, third)} == {first["key"]}
    assert statuses() == [401, 401, 200]
    assert "key_not_found" in kaona("lrs", "key", "revoke", first["key"], "--tenant", "dsd", code=1)
    assert kaona("lrs", "key", "revoke", first["key"], "--tenant", "dmd") == "revoked\n"
    assert statuses() == [401, 401, 401]
    assert "key_not_found" in kaona("lrs", "key", "rotate", first["key"], "--tenant", "dmd", code=1)


def test_what_is_done_to_a_key_stands_in_the_audit_log(kaona, database):
    """S31."""
    made = kaona("lrs", "key", "create", "warehouse", "--tenant", "dmd", "--scope", "all", "--json")
    fresh = kaona("lrs", "key", "rotate", made["key"], "--tenant", "dmd", "--json")
    kaona("lrs", "key", "revoke", made["key"], "--tenant", "dmd")

    with database.reading() as db:
        every = db.scalars(select(AuditEntry).where(AuditEntry.event.startswith("lrs_key.")).order_by(AuditEntry.id)).all()
    entries = [entry for entry in every if entry.details["key"] == made["key"]]

    assert [entry.event for entry in entries] == ["lrs_key.created", "lrs_key.rotated", "lrs_key.revoked"]
    assert not {made["secret"], fresh["secret"]} & {
        value for entry in entries for value in entry.details.values() if isinstance(value, str)
    }


def test_use_and_refusals_are_told(kaona, database):
    made = kaona("lrs", "key", "create", "warehouse", "--tenant", "dmd", "--scope", "all", "--json")
    with database.engine.connect() as db:
        tenant_id = find_tenant_id(db, "dmd")
    seen = usage.Usage(database, lambda: datetime.now(UTC))
    seen.count(tenant_id, made["key"], requests=2, written=30, read=7)
    seen.note(
        tenant_id, usage.Refusal(datetime(2026, 11, 22, tzinfo=UTC), made["key"], "POST", "statements", 400, "x", "one_ifi", "/0/actor")
    )
    seen.flush()

    [shown] = listed(kaona, made)

    assert (shown["requests"], shown["written"], shown["read"]) == (2, 30, 7)
    assert listed(kaona, made, "lrs", "refused") == [
        {
            "at": "2026-11-22T00:00:00.000Z", "key": made["key"], "method": "POST", "resource": "statements", "status": 400,
            "code": "x", "rule": "one_ifi", "place": "/0/actor",
        }
    ]  # fmt: skip
    assert "/0/actor" in kaona("lrs", "refused", "--tenant", "dmd", "--key", made["key"])
    assert kaona("lrs", "refused", "--tenant", "dsd", "--json") == []


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--scope", "statements"], 1, "scopes"),
        (["--scope", "all", "--pseudonymous"], 1, "statements/read"),
        (["--scope", "all", "--verb", "passed"], 1, "/verbs/0"),
        (["--scope", "all", "--expires", "2001-01-01"], 1, "future"),
        (["--scope", "all", "--expires", "2999-01-01", "--days", "3"], 2, "--days"),
        (["--scope", "all", "--expires", "tomorrow"], 2, "--expires"),
        ([], 2, "--scope"),
    ],
)
def test_a_key_that_makes_no_sense_ends_with_a_sentence(kaona, arguments, code, words):
    assert words in kaona("lrs", "key", "create", "x", "--tenant", "dmd", *arguments, code=code)


def test_the_tool_gives_tokens(kaona, http):
    made = kaona("lrs", "key", "create", "warehouse", "--tenant", "dmd", "--scope", "statements/read", "--json")

    token = http.post("/oauth/token", data={"grant_type": "client_credentials"}, auth=(made["key"], made["secret"])).json["access_token"]

    assert http.get("/xapi/statements", headers={**V2, "Authorization": f"Bearer {token}"}).status_code == 200


def test_an_agency_that_a_provider_is_set_up_for_is_found_by_its_code(kaona, database):
    with database.engine.connect() as db:
        found = [find_tenant_id(db, key) for key in ("dmd", "dsd", "nobody")]

    assert None not in found[:2]
    assert found[0] != found[1]
    assert found[2] is None


def test_providers_are_read_from_the_settings():
    text = json.dumps([PROVIDER | {"scopes": {"reader": ["statements/read"]}, "algorithms": ["ES256"]}])

    [provider] = read_settings({"KAONA_LRS_IDENTITY_PROVIDERS": text}).lrs_identity_providers

    assert (provider.issuer, provider.scopes, provider.algorithms) == ("https://id.example", {"reader": ("statements/read",)}, ("ES256",))


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("yes", "JSON"),
        ("{}", "the whole"),
        (json.dumps([PROVIDER | {"audiance": "x"}]), "0/audiance"),
        (json.dumps([PROVIDER | {"tenant": ""}]), "tenant_claim"),
        (json.dumps([PROVIDER | {"algorithms": ["HS256"]}]), "algorithms"),
        (json.dumps([PROVIDER | {"scopes": {"reader": ["everything"]}}]), "everything"),
        (json.dumps([PROVIDER, {}]), "1/issuer"),
    ],
)
def test_providers_that_are_wrong_stop_the_start_with_their_place(value, words):
    with pytest.raises(SettingsInvalid) as refused:
        read_settings({"KAONA_LRS_IDENTITY_PROVIDERS": value})

    assert words in str(refused.value)
    assert "docs/record-store.md" in str(refused.value)


@pytest.mark.parametrize("url", ["localhost:6379", "http://localhost", "memcached://x"])
def test_a_redis_is_named_by_its_address(url):
    with pytest.raises(SettingsInvalid, match="redis://host:port"):
        read_settings({"KAONA_REDIS_URL": url})


def test_a_redis_without_its_client_stops_the_start_with_the_cure(monkeypatch):
    monkeypatch.setattr("lti_tool.settings.find_spec", lambda _: object())
    assert Settings(redis_url="redis://localhost:6379/0").redis_url

    monkeypatch.setattr("lti_tool.settings.find_spec", lambda name: None if name == "redis" else object())
    with pytest.raises(SettingsInvalid, match=r"kaona\[redis\]"):
        read_settings({"KAONA_REDIS_URL": "redis://localhost:6379/0"})
