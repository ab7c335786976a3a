"""The administrator's pages of platforms, by HTTP, and what they change in launches and sessions."""

import html
import json
import re
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import pytest
from werkzeug.test import Client, TestResponse

from kernel.ids import new_uuid
from lti_tool import models
from lti_tool.lti import vocabulary as v
from lti_tool.lti.dynamic_registration import SCOPES
from lti_tool.lti.grants import grant_role
from lti_tool.lti.invites import get_invite
from lti_tool.lti.registrations import get_platform_named
from lti_tool.lti.tenants import add_tenant
from lti_tool.models.audit import first_broken_audit
from lti_tool.web.csrf import token_of
from tests.lti.lti_world import CLIENT_ID, SECRET, TOOL, Answer, Moment, Platform, Tool, code_of, register

pytestmark = pytest.mark.one_database

TYPED = {
    "issuer": "https://lms.example.go.th",
    "client_id": "typed",
    "deployment": "1",
    "auth_url": "https://lms.example.go.th/mod/lti/auth.php",
    "token_url": "https://lms.example.go.th/mod/lti/token.php",
    "jwks_url": "https://lms.example.go.th/mod/lti/certs.php",
    "token_audience": "",
}


class Administrator:
    """An administrator of the agency, in a window of their own."""

    def __init__(self, tool: Tool) -> None:
        self.tool = tool
        self.browser: Client = tool.new_browser()
        with tool.database.transaction() as db:
            grant_role(db, issuer=tool.platform.url, client_id=CLIENT_ID, sub="boss", role="administrator", now=tool.moment.now)
        link = {v.TARGET_LINK_URI: f"{TOOL}/open/admin", v.RESOURCE_LINK: {"id": "link-9"}}
        response = tool.launch(self.browser, sub="boss", **link, **{v.LAUNCH_PRESENTATION: {"document_target": "window"}})
        assert response.status_code == 303, response.text
        self.launch = UUID(response.headers["Location"].split("/")[2])

    def opens(self, path: str = "") -> TestResponse:
        return self.browser.get(f"/admin/{self.launch}/platforms/{path}", base_url=TOOL, headers={"Accept": "text/html"})

    def sends(self, path: str, **fields: str) -> TestResponse:
        data = {"csrf": token_of(self.launch, SECRET), **fields}
        headers = {"Origin": TOOL, "Accept": "text/html"}
        return self.browser.post(f"/admin/{self.launch}/platforms/{path}", data=data, base_url=TOOL, headers=headers)

    def acts(self, path: str, **fields: str) -> None:
        """Sends a form to the present platform; it must lead back to the platform's page."""
        response = self.sends(f"{self.uuid}/{path}", **fields)
        assert (response.status_code, response.headers["Location"].rsplit("/", 1)[1]) == (303, str(self.uuid)), response.text

    @property
    def uuid(self) -> UUID:
        with self.tool.database.reading() as db:
            return get_platform_named(db, issuer=self.tool.platform.url, client_id=CLIENT_ID).uuid

    @property
    def registration(self) -> models.Registration:
        (made,) = [row for row in self.tool.rows(models.Registration) if row.client_id == CLIENT_ID]
        assert isinstance(made, models.Registration)
        return made

    def last_event(self) -> models.AuditEntry:
        entry = self.tool.rows(models.AuditEntry)[-1]
        assert isinstance(entry, models.AuditEntry)
        return entry


@pytest.fixture
def boss(tool: Tool) -> Administrator:
    return Administrator(tool)


def test_u9_an_invite_is_shown_once_and_works(boss: Administrator):
    made = boss.sends("invite")

    found = re.search(r'value="([^"]*/lti/register\?invite=[^"]*)"', made.text)
    assert found
    (token,) = parse_qs(urlsplit(html.unescape(found.group(1))).query)["invite"]
    assert token not in boss.opens().text
    with boss.tool.database.reading() as db:
        assert get_invite(db, token, now=boss.tool.moment.now).hosts == ()
    assert (boss.last_event().event, boss.last_event().actor[:5]) == ("invite.made", "user:")
    assert token not in json.dumps([entry.details for entry in boss.tool.rows(models.AuditEntry)])


def test_the_list_shows_each_platform_with_its_state(boss: Administrator):
    page = boss.opens()

    assert page.status_code == 200
    assert boss.tool.platform.url in page.text
    assert "เปิดใช้งาน" in page.text


def test_u9_the_manual_page_gives_every_value_to_copy(boss: Administrator):
    page = html.unescape(boss.opens("new").text)

    for value in (f"{TOOL}/lti/launch", f"{TOOL}/lti/login", f"{TOOL}/lti/jwks.json", f"{TOOL}/open/choose", *SCOPES, "127.0.0.1:8000"):
        assert value in page
    assert "context_history=$Context.id.history" in page


def test_a_platform_that_is_typed_in_is_registered(boss: Administrator):
    done = boss.sends("new", **TYPED)

    assert done.status_code == 303
    page = boss.browser.get(done.headers["Location"], base_url=TOOL)
    for value in ("https://lms.example.go.th", "typed", TYPED["token_url"]):
        assert value in page.text


def test_a_typed_platform_without_deployment_learns_it_from_its_first_launch(boss: Administrator):
    boss.sends("new", **TYPED | {"deployment": ""})

    (made,) = [row for row in boss.tool.rows(models.Registration) if row.client_id == "typed"]
    assert made.learns_deployment_until == boss.tool.moment.now + timedelta(days=30)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"auth_url": "javascript:alert(1)"}, "auth url ไม่ใช่ที่อยู่เว็บ"),
        ({"issuer": ""}, "issuer ต้องยาว"),
        ({"token_audience": "https://api.brightspace.com/auth/token"}, "audience"),
        ({"client_id": "x" * 300}, "client id ต้องยาว"),
    ],
)
def test_what_is_wrong_is_told_beside_what_was_typed(boss: Administrator, changes: dict[str, str], words: str):
    refused = boss.sends("new", **TYPED | changes)

    assert refused.status_code == 400
    assert words in refused.text
    assert f'value="{TYPED["jwks_url"]}"' in refused.text
    assert [row.client_id for row in boss.tool.rows(models.Registration)] == [CLIENT_ID]


def test_a_typed_platform_gets_no_tokens_of_another_one(boss: Administrator):
    refused = boss.sends("new", **TYPED | {"client_id": CLIENT_ID, "token_url": f"{boss.tool.platform.url}/token"})

    assert refused.status_code == 409
    assert [row.client_id for row in boss.tool.rows(models.Registration)] == [CLIENT_ID]


def test_u9_the_check_on_a_button_tells_what_is_wrong_in_plain_words(boss: Administrator):
    boss.tool.platform.answers["/token"] = lambda _: Answer(400, b'{"error":"invalid_client"}')

    page = boss.sends(f"{boss.uuid}/check")

    assert page.status_code == 200
    assert "LMS ไม่ออกโทเคนให้" in page.text
    assert "invalid_client" in page.text


def test_u9_the_check_names_each_permission_that_is_missing(boss: Administrator):
    granted = {"access_token": "t", "expires_in": 3600, "scope": v.SCOPE_SCORE}
    boss.tool.platform.answers["/token"] = lambda _: Answer(body=json.dumps(granted).encode())

    page = boss.sends(f"{boss.uuid}/check")

    assert "อ่านรายชื่อสมาชิก" in page.text
    assert "ส่งคะแนนของผู้เรียนกลับ" not in page.text


def test_the_check_needs_the_token_of_the_page(boss: Administrator):
    before = len(boss.tool.platform.calls)

    refused = boss.sends(f"{boss.uuid}/check", csrf="x")

    assert refused.status_code == 403
    assert len(boss.tool.platform.calls) == before


def test_no_transaction_is_open_while_the_check_calls_the_platform(boss: Administrator):
    free: list[bool] = []

    def looks(_: Any) -> Answer:
        with boss.tool.database.transaction() as db:  # on SQLite this waits for any other writer
            grant_role(db, issuer=boss.tool.platform.url, client_id=CLIENT_ID, sub="x", role="executive", now=boss.tool.moment.now)
        free.append(True)
        return Answer(400, b"{}")

    boss.tool.platform.answers["/token"] = looks

    assert boss.sends(f"{boss.uuid}/check").status_code == 200
    assert free == [True]


def test_a_disabled_platform_is_refused_and_comes_back(boss: Administrator, tool: Tool):
    learner = tool.new_browser()
    tool.launched(learner)

    boss.acts("state", act="disable")
    tool.moment.pass_by(seconds=10)  # what the process remembers of platforms is over
    refused = tool.login().response
    assert (refused.status_code, code_of(refused)) == (400, "issuer_unknown")
    assert boss.registration.disabled_at is not None

    with tool.database.transaction() as db:
        from lti_tool.lti.registrations import enable_platform

        enable_platform(db, boss.registration.id, now=tool.moment.now, actor="user:1")
    tool.moment.pass_by(seconds=10)
    assert tool.launch().status_code == 303


def test_an_administrator_who_disables_their_own_platform_is_out_at_once(boss: Administrator):
    boss.acts("state", act="disable")

    assert boss.opens().status_code in {401, 404}


def test_keys_are_rotated_once_a_day_at_the_most(boss: Administrator):
    assert boss.sends("keys").status_code == 303
    again = boss.sends("keys")

    assert (again.status_code, code_of(again)) == (409, "rotation_under_way")
    assert len(boss.tool.rows(models.ToolKey)) == 2


def test_s10_a_pending_platform_is_approved_on_its_page(boss: Administrator):
    with boss.tool.database.transaction() as db:
        other = register(
            db, boss.tool.platform, boss.tool.moment, client_id="waiting", is_pending=True, token_url=f"{boss.tool.platform.url}/token2"
        )
    (row,) = [row for row in boss.tool.rows(models.Registration) if row.id == other]
    page = boss.opens(str(row.uuid))
    assert "อนุมัติ" in page.text

    boss.sends(f"{row.uuid}/state", act="approve")

    assert [each.pending_since for each in boss.tool.rows(models.Registration)] == [None, None]
    assert boss.last_event().event == "platform.approved"


# --- privacy ----------------------------------------------------------------------------------------------------------------------


def test_s32_names_are_forgotten_and_not_kept_again_when_the_switch_is_off(boss: Administrator, tool: Tool):
    tool.launched(tool.new_browser())
    assert "สมชาย ใจดี" in {user.display_name for user in tool.rows(models.User)}

    boss.acts("privacy", names="no")
    assert {user.display_name for user in tool.rows(models.User)} == {None}
    tool.moment.pass_by(seconds=10)
    tool.launched(tool.new_browser())
    assert {user.display_name for user in tool.rows(models.User)} == {None}

    boss.acts("privacy", names="yes")
    tool.moment.pass_by(seconds=10)
    tool.launched(tool.new_browser())
    assert "สมชาย ใจดี" in {user.display_name for user in tool.rows(models.User)}


# --- addresses --------------------------------------------------------------------------------------------------------------------


def test_further_addresses_are_added_and_those_of_the_platform_stay(boss: Administrator):
    boss.acts("addresses", frame_origins="https://portal.example.go.th/x", service_hosts="ags.example.go.th other.example:8443")

    own = boss.tool.platform.url
    assert boss.registration.frame_origins == [own, "https://portal.example.go.th"]
    assert boss.registration.approved_hosts == [own.removeprefix("http://"), "ags.example.go.th:443", "other.example:8443"]

    boss.acts("addresses", frame_origins="", service_hosts="")
    assert boss.registration.frame_origins == [own]


@pytest.mark.parametrize("address", ["https://x;script-src", "javascript:1", "https://u@x.example"])
def test_an_address_that_is_none_is_refused(boss: Administrator, address: str):
    refused = boss.sends(f"{boss.uuid}/addresses", frame_origins=address, service_hosts="")

    assert (refused.status_code, code_of(refused)) == (400, "platform_invalid")


def test_a_further_deployment_is_let_in(boss: Administrator, tool: Tool):
    assert code_of(tool.launch(**{v.DEPLOYMENT_ID: "2"})) == "deployment_unknown"

    boss.acts("deployments", deployment="2")

    assert tool.launch(**{v.DEPLOYMENT_ID: "2"}).status_code == 303
    assert "deployment.added" in [entry.event for entry in tool.rows(models.AuditEntry)]


# --- the block list ---------------------------------------------------------------------------------------------------------------


def test_s04_a_blocked_person_is_refused_at_launch_and_at_each_request(boss: Administrator, tool: Tool):
    browser = tool.new_browser()
    launch = tool.launched(browser)
    page, headers = f"/learn/{launch}/language", {"Accept": "text/html", "Origin": TOOL}
    form = {"csrf": token_of(launch, SECRET), "language": "en"}
    assert browser.post(page, data=form, base_url=TOOL, headers=headers).status_code == 303

    boss.acts("people", act="block", sub="u-1")

    on_page = browser.post(page, data=form, base_url=TOOL, headers=headers)
    assert (on_page.status_code, code_of(on_page)) == (401, "person_blocked")
    at_launch = tool.launch(tool.new_browser())
    assert (at_launch.status_code, code_of(at_launch)) == (401, "person_blocked")
    assert "u-1" in boss.opens(str(boss.uuid)).text


def test_a_person_can_be_blocked_before_the_first_launch_and_let_in_again(boss: Administrator, tool: Tool):
    boss.acts("people", act="block", sub="newcomer")
    assert code_of(tool.launch(tool.new_browser(), sub="newcomer")) == "person_blocked"

    boss.acts("people", act="unblock", sub="newcomer")

    assert tool.launch(tool.new_browser(), sub="newcomer").status_code == 303
    events = [entry.event for entry in tool.rows(models.AuditEntry)]
    assert [event for event in events if event.startswith("person.")] == ["person.blocked", "person.unblocked"]


def test_s31_the_chain_of_the_audit_log_holds_after_all_of_it(boss: Administrator):
    boss.sends("invite")
    boss.sends("keys")
    boss.acts("people", act="block", sub="u-7")
    boss.acts("people", act="unblock", sub="u-7")
    boss.acts("privacy", names="no")
    boss.acts("addresses", frame_origins="", service_hosts="")
    boss.acts("state", act="disable")

    with boss.tool.database.reading() as db:
        assert first_broken_audit(db) is None


@pytest.mark.parametrize("sub", ["", "x" * 256, "ภาษาไทย"])
def test_nobody_is_blocked_by_an_id_that_no_platform_sends(boss: Administrator, sub: str):
    refused = boss.sends(f"{boss.uuid}/people", act="block", sub=sub)

    assert (refused.status_code, code_of(refused)) == (400, "sub_invalid")


# --- who may see it ---------------------------------------------------------------------------------------------------------------


def test_s23_a_platform_of_another_agency_is_not_there(boss: Administrator, other_platform: Platform, moment: Moment):
    with boss.tool.database.transaction() as db:
        add_tenant(db, key="two", name={"th": "สอง", "en": "Two"}, home_page="https://two.example", now=moment.now)
        theirs = register(db, other_platform, moment, tenant="two")
    (uuid,) = [row.uuid for row in boss.tool.rows(models.Registration) if row.id == theirs]

    assert boss.opens(str(uuid)).status_code == 404
    for path, fields in {
        "check": {}, "state": {"act": "disable"}, "addresses": {}, "privacy": {"names": "no"}, "deployments": {"deployment": "9"},
        "people": {"act": "block", "sub": "u"},
    }.items():  # fmt: skip
        assert boss.sends(f"{uuid}/{path}", **fields).status_code == 404, path
    assert other_platform.calls == []
    assert other_platform.url not in boss.opens().text
    assert boss.opens(str(new_uuid())).status_code == 404


def test_h28_a_learner_sees_none_of_these_pages(tool: Tool):
    browser = tool.new_browser()
    launch = tool.launched(browser)

    for path in ("", "new", "instructions/moodle"):
        assert browser.get(f"/admin/{launch}/platforms/{path}", base_url=TOOL).status_code == 404
    data, headers = {"csrf": token_of(launch, SECRET)}, {"Origin": TOOL}
    with tool.database.reading() as db:
        uuid = get_platform_named(db, issuer=tool.platform.url, client_id=CLIENT_ID).uuid
    for path in ("invite", "keys", f"{uuid}/check", f"{uuid}/state"):
        assert browser.post(f"/admin/{launch}/platforms/{path}", data=data, base_url=TOOL, headers=headers).status_code == 404


def test_s21_the_pages_are_never_framed(boss: Administrator):
    for path in ("", "new", "instructions/canvas", str(boss.uuid)):
        assert "frame-ancestors 'none'" in boss.opens(path).headers["Content-Security-Policy"]


@pytest.mark.parametrize("lms", ["moodle", "canvas", "brightspace", "blackboard", "sakai", "openedx", "other"])
def test_the_instructions_for_each_lms_have_our_values_filled_in(boss: Administrator, lms: str):
    page = boss.opens(f"instructions/{lms}")

    assert page.status_code == 200
    assert f"{TOOL}/lti/login" in html.unescape(page.text)


def test_there_are_no_instructions_for_an_lms_that_we_do_not_know(boss: Administrator):
    assert boss.opens("instructions/nothing").status_code == 404


def test_the_json_for_canvas_is_json_and_names_our_addresses(boss: Administrator):
    found = re.search(r'<textarea[^>]*id="canvas-json"[^>]*>(.*?)</textarea>', boss.opens("instructions/canvas").text, re.DOTALL)

    assert found
    document = json.loads(html.unescape(found.group(1)))
    assert (document["oidc_initiation_url"], document["public_jwk_url"]) == (f"{TOOL}/lti/login", f"{TOOL}/lti/jwks.json")
    assert set(document["scopes"]) == set(SCOPES)


def test_the_pages_change_their_language(boss: Administrator):
    there = f"/admin/{boss.launch}/platforms/new"
    changed = boss.sends("language", language="en", back=there)

    assert changed.headers["Location"] == there
    assert "Connect by hand" in boss.opens("new").text
