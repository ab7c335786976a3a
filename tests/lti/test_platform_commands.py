"""`kaona platform` in this process, on an installation of its own, before a platform on loopback."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import select

from kernel.db import Database
from kernel.errors import KaonaError
from lti_tool import models
from lti_tool.cli.platform import platform as platform_group
from lti_tool.cli.tenant import tenant as tenant_group
from lti_tool.lti.invites import get_invite
from lti_tool.models.audit import first_broken_audit
from lti_tool.settings import Settings
from tests.conftest import DatabaseMaker
from tests.lti.lti_world import CLIENT_ID, Answer, Platform

Kaona = Callable[..., Result]


@pytest.fixture
def address(database_maker: DatabaseMaker) -> Iterator[str]:
    url = database_maker.new_migrated()
    yield url
    database_maker.drop(url)


@pytest.fixture
def kaona(address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Kaona:
    """Runs one command; it must end with `code`."""
    monkeypatch.setenv("KAONA_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("KAONA_DATABASE_URL", address)

    def run(*arguments: str, code: int = 0) -> Result:
        group = {"platform": platform_group, "tenant": tenant_group}[arguments[0]]
        done = CliRunner().invoke(group, list(arguments[1:]))
        assert done.exit_code == code, (done.output, done.exception)
        return done

    run("tenant", "add", "dmd", "--name-th", "กรมตัวอย่าง", "--name-en", "Sample Department")
    return run


def added(kaona: Kaona, platform: Platform, *more: str) -> Result:
    return kaona(
        "platform", "add", "--tenant", "dmd", "--issuer", platform.url, "--client-id", CLIENT_ID, "--deployment", "1",
        "--auth-url", f"{platform.url}/auth", "--token-url", f"{platform.url}/token", "--jwks-url", f"{platform.url}/jwks", *more,
    )  # fmt: skip


def rows(address: str, model: Any) -> list[Any]:
    database = Database(address, pool_size=2)
    with database.reading() as db:
        found = list(db.scalars(select(model)))
        db.expunge_all()
    database.dispose()
    return found


def test_an_invite_is_printed_with_its_end_and_works(kaona: Kaona, address: str):
    printed = json.loads(kaona("platform", "invite", "--tenant", "dmd", "--json").stdout)

    assert set(printed) == {"url", "expires_at"}
    url, token = printed["url"].split("?invite=")
    assert url == "http://127.0.0.1:8000/lti/register"
    (made,) = rows(address, models.Invite)
    database = Database(address, pool_size=2)
    with database.reading() as db:
        assert get_invite(db, token, now=made.created_at).hosts == ()
    database.dispose()


def test_an_invite_for_nobody_is_refused(kaona: Kaona):
    refused = kaona("platform", "invite", "--tenant", "nobody", code=1)

    assert isinstance(refused.exception, KaonaError)
    assert refused.exception.code == "tenant_unknown"


def test_an_added_platform_is_looked_at_and_its_keys_are_read(kaona: Kaona, address: str, platform: Platform):
    done = added(kaona, platform, "--json")

    assert json.loads(done.stdout)["issuer"] == platform.url
    assert [len(row.keys) for row in rows(address, models.KeySet)] == [1]


def test_a_fault_of_an_added_platform_is_told_and_undoes_nothing(kaona: Kaona, address: str, platform: Platform):
    platform.answers["/jwks"] = lambda _: Answer(500)

    done = added(kaona, platform)

    assert "The key set cannot be read" in done.stderr
    assert [row.client_id for row in rows(address, models.Registration)] == [CLIENT_ID]


def test_the_check_exits_with_one_when_something_is_wrong_and_leaves_out_what_is_switched_off(kaona: Kaona, platform: Platform):
    added(kaona, platform, "--no-check")
    platform.answers["/token"] = lambda _: Answer(404, b"<html>")

    found = json.loads(kaona("platform", "check", "--json", code=1).stdout)
    assert any("no access token" in fault for fault in found[0]["faults"])

    kaona("platform", "disable", "--issuer", platform.url, "--client-id", CLIENT_ID)
    assert json.loads(kaona("platform", "check", "--json").stdout) == []


def test_a_platform_is_switched_off_and_on_and_people_are_shut_out_and_let_in(kaona: Kaona, address: str, platform: Platform):
    added(kaona, platform, "--no-check")
    named = ("--issuer", platform.url, "--client-id", CLIENT_ID)

    kaona("platform", "disable", *named)
    assert "disabled" in kaona("platform", "list").stdout
    kaona("platform", "enable", *named)
    assert "enabled" in kaona("platform", "list").stdout
    assert kaona("platform", "block", *named, "--sub", "42").stdout == "blocked\n"
    assert kaona("platform", "block", *named, "--sub", "42").stdout == "was blocked already\n"
    assert kaona("platform", "unblock", *named, "--sub", "42").stdout == "unblocked\n"
    kaona("platform", "approve", *named)  # not pending: nothing to do
    kaona("platform", "rotate-keys")

    assert [entry.event for entry in rows(address, models.AuditEntry)] == [
        "tenant.added", "platform.registered", "platform.disabled", "platform.enabled", "person.blocked", "person.unblocked",
        "tool_key.made",
    ]  # fmt: skip
    database = Database(address, pool_size=2)
    with database.reading() as db:
        assert first_broken_audit(db) is None
    database.dispose()


def test_a_command_for_a_platform_that_we_do_not_know_is_refused(kaona: Kaona):
    refused = kaona("platform", "block", "--issuer", "https://x.example", "--client-id", "c", "--sub", "1", code=1)

    assert isinstance(refused.exception, KaonaError)
    assert refused.exception.code == "client_unknown"


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("HTTPS://Kaona.Example.go.th:443/", "https://kaona.example.go.th"),
        ("https://kaona.example.go.th:8443", "https://kaona.example.go.th:8443"),
        ("http://LOCALHOST:80", "http://localhost"),
        ("https://[2001:DB8::1]:443", "https://[2001:db8::1]"),
    ],
)
def test_q13_the_public_url_is_kept_in_the_form_in_which_launches_compare_it(written: str, meant: str):
    assert Settings(public_url=written).public_url == meant
