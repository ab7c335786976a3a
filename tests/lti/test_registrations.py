"""Platforms, tool keys, rosters and the audit log, through the functions behind the commands."""

import json
from datetime import timedelta
from typing import Any

import pytest
from joserfc.jwk import RSAKey

from kernel.db import Database
from kernel.http import GuardedClient, HttpPolicy
from lti_tool import models
from lti_tool.lti import vocabulary as v
from lti_tool.lti.dynamic_registration import SCOPES
from lti_tool.lti.errors import ClientUnknown, ToolKeyUnreadable
from lti_tool.lti.grants import GrantUnknown, grant_role
from lti_tool.lti.registrations import PlatformExists, PlatformInvalid, check_platform, list_platforms
from lti_tool.lti.tenants import TenantExists, TenantInvalid, TenantUnknown, add_tenant
from lti_tool.lti.tool_keys import ensure_tool_key, public_key_set, rotate_tool_key, signing_key
from lti_tool.models.audit import append_audit, first_broken_audit
from tests.lti.lti_world import CLIENT_ID, KEYS, SECRET, Answer, Moment, Tool, public, register

HTTP = GuardedClient(HttpPolicy(dev_mode=True))


def test_a_platform_registered_again_is_brought_up_to_date(tool: Tool, moment: Moment):
    with tool.database.transaction() as db:
        register(
            db, tool.platform, moment, deployment="2", jwks_url=f"{tool.platform.url}/jwks2", frame_origins=["https://portal.example/x"]
        )
        (view,) = list_platforms(db)

    assert (view.deployments, view.jwks_url) == (("1", "2"), f"{tool.platform.url}/jwks2")
    assert view.frame_origins == (tool.platform.url, "https://portal.example")
    assert view.approved_hosts == (tool.platform.url.removeprefix("http://"),)


def test_a_platform_of_one_agency_is_not_taken_over_by_another(tool: Tool, moment: Moment):
    with tool.database.transaction() as db:
        add_tenant(db, key="two", name={"th": "สอง", "en": "Two"}, home_page="https://two.example", now=moment.now)

    with pytest.raises(PlatformExists), tool.database.transaction() as db:
        register(db, tool.platform, moment, tenant="two")


def test_a_registration_with_faults_is_refused_with_all_of_them(tool: Tool, moment: Moment):
    with pytest.raises(PlatformInvalid) as refused, tool.database.transaction() as db:
        register(db, tool.platform, moment, auth_url="javascript:1", token_url="", deployment="d" * 256)

    for word in ("auth url", "token url", "deployment"):
        assert word in str(refused.value)


def test_agencies_have_a_key_of_their_own(tool: Tool, moment: Moment):
    with tool.database.transaction() as db:
        values: dict[str, Any] = {"name": {"th": "x", "en": "x"}, "now": moment.now}
        with pytest.raises(TenantExists):
            add_tenant(db, key="opdc", home_page="https://x.example", **values)
        with pytest.raises(TenantInvalid):
            add_tenant(db, key="A B", home_page="https://x.example", **values)
        with pytest.raises(TenantUnknown):
            register(db, tool.platform, moment, tenant="nobody")
        with pytest.raises(GrantUnknown):
            grant_role(db, issuer=tool.platform.url, client_id=CLIENT_ID, sub="u", role="king", now=moment.now)
        with pytest.raises(ClientUnknown):
            grant_role(db, issuer="x", client_id=CLIENT_ID, sub="u", role="executive", now=moment.now)


def check(tool: Tool) -> Any:
    return check_platform(tool.database, issuer=tool.platform.url, client_id=CLIENT_ID, http=HTTP, secret=SECRET, clock=tool.moment)


def test_a_platform_that_is_well_has_no_faults(tool: Tool):
    tool.platform.answers["/jwks"] = lambda _: Answer(body=json.dumps({"keys": [public(KEYS[0])]}).encode(), headers={})
    granted = {"access_token": "t", "expires_in": 3600, "scope": " ".join(SCOPES)}
    tool.platform.answers["/token"] = lambda _: Answer(body=json.dumps(granted).encode())
    from datetime import UTC, datetime

    tool.moment.now = datetime.now(UTC)

    found = check(tool)

    assert found.faults == ()
    assert (found.n_keys, found.refused_keys) == (1, {})
    assert abs(found.clock_difference_seconds) < 5
    assert v.SCOPE_SCORE in found.granted_scopes


def test_every_fault_of_a_platform_is_told_together(tool: Tool):
    tool.platform.keys = [public(KEYS[0], use="enc")]
    tool.platform.answers["/token"] = lambda _: Answer(404, b"<html>")

    faults = "\n".join(fault["en"] for fault in check(tool).faults)  # and its clock is the machine's, far from the test's

    for words in ("key-0 is not used", "no key that can check", "clock", "no access token (status 404"):
        assert words in faults


def test_a_platform_that_is_away_is_told_so(tool: Tool):
    tool.platform.close()

    faults = "\n".join(fault["en"] for fault in check(tool).faults)

    assert "The key set cannot be read" in faults
    assert "The token URL cannot be called" in faults


def test_s08_keys_are_thumbprints_and_two_are_published_during_a_rotation(database: Database, moment: Moment):
    with database.transaction() as db:
        first = rotate_tool_key(db, secret=SECRET, now=moment.now)
        ensure_tool_key(db, secret=SECRET, now=moment.now)
        second = rotate_tool_key(db, secret=SECRET, now=moment.now)

        published = public_key_set(db, now=moment.now)["keys"]
        assert [key["kid"] for key in published] == [first, second]
        assert [RSAKey.import_key({name: key[name] for name in ("kty", "n", "e")}).thumbprint() for key in published] == [first, second]
        assert all(key.keys().isdisjoint({"d", "p", "q"}) for key in published)
        assert signing_key(db, secret=SECRET, now=moment.now).kid == first
        moment.pass_by(hours=24)
        assert signing_key(db, secret=SECRET, now=moment.now).kid == second
        assert len(public_key_set(db, now=moment.now)["keys"]) == 2
        moment.pass_by(days=7)
        assert [key["kid"] for key in public_key_set(db, now=moment.now)["keys"]] == [second]


def test_s08_private_keys_are_unreadable_without_the_installations_secret(database: Database, moment: Moment):
    with database.transaction() as db:
        rotate_tool_key(db, secret=SECRET, now=moment.now)
        assert "PRIVATE KEY" not in db.query(models.ToolKey).one().private_key

        with pytest.raises(ToolKeyUnreadable):
            signing_key(db, secret=b"y" * 32, now=moment.now)


def test_s31_the_audit_log_shows_where_it_was_changed(database: Database, moment: Moment):
    with database.transaction() as db:
        for number in range(5):
            append_audit(db, event="thing.done", actor="command", now=moment.now + timedelta(seconds=number), details={"ข้อ": number})
    with database.reading() as db:
        assert first_broken_audit(db) is None
    with database.transaction() as db:
        db.query(models.AuditEntry).filter_by(id=3).update({"details": {"ข้อ": 99}})
    with database.reading() as db:
        assert first_broken_audit(db) == 3
    with database.transaction() as db:
        db.query(models.AuditEntry).filter_by(id=3).delete()
    with database.reading() as db:
        assert first_broken_audit(db) == 4


def test_s31_two_who_write_the_audit_log_at_once_make_one_chain(database: Database, moment: Moment):
    import threading

    def write() -> None:
        for _ in range(5):
            with database.transaction() as db:
                append_audit(db, event="thing.done", actor="command", now=moment.now)

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    with database.reading() as db:
        assert db.query(models.AuditEntry).count() == 20
        assert first_broken_audit(db) is None


def test_the_librarys_configuration_reads_our_database(tool: Tool):
    from lti_tool.lti.pylti import ToolConf

    with tool.database.reading() as db:
        conf = ToolConf(db)
        registration = conf.find_registration_by_params(tool.platform.url, CLIENT_ID)
        assert registration is not None
        assert (registration.get_key_set_url(), registration.get_tool_private_key()) == (f"{tool.platform.url}/jwks", None)
        assert conf.find_registration_by_params(tool.platform.url, "x") is None
        assert conf.find_deployment_by_params(tool.platform.url, "1", CLIENT_ID) is not None
        assert conf.find_deployment_by_params(tool.platform.url, "9", CLIENT_ID) is None
    assert ToolConf.issuers_relation_types == {}  # the library's shared state stays untouched
