"""A platform registers itself: the page, the confirmation, the guard before both, and the shapes in which LMSs describe themselves."""

import html
import json
import re
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Browser
from werkzeug.serving import make_server
from werkzeug.test import TestResponse

from kernel.http import GuardedClient, HttpPolicy, HttpResponse
from lti_tool import models
from lti_tool.lti import vocabulary as v
from lti_tool.lti.dynamic_registration import (
    SCOPES,
    TOOL_CONFIGURATION,
    AnswerUnusable,
    ConfigurationIncomplete,
    EndpointForeign,
    IssuerForeign,
    RegistrationRejected,
    client_registration,
    read_answer,
    read_configuration,
)
from lti_tool.lti.invites import invite_url, make_invite
from lti_tool.lti.registrations import approve_platform, disable_platform, list_platforms
from lti_tool.lti.tenants import get_tenant
from lti_tool.models.audit import first_broken_audit
from lti_tool.views.registration import HTTP
from tests.lti.lti_world import CLIENT_ID, TOOL, Answer, Call, Moment, Platform, Tool, code_of, sign

pytestmark = pytest.mark.one_database

TOKEN = "eyJhbGciOiJSUzI1NiJ9.c2VjcmV0.c2lnbmF0dXJl"
PLATFORM_CONFIGURATION = "https://purl.imsglobal.org/spec/lti-platform-configuration"


def configuration(url: str, **changes: Any) -> dict[str, Any]:
    """What a Moodle says of itself."""
    return {
        "issuer": url,
        "authorization_endpoint": f"{url}/auth",
        "token_endpoint": f"{url}/token",
        "token_endpoint_auth_methods_supported": ["private_key_jwt"],
        "token_endpoint_auth_signing_alg_values_supported": ["RS256"],
        "jwks_uri": f"{url}/jwks",
        "registration_endpoint": f"{url}/register",
        "scopes_supported": ["openid", *SCOPES],
        "response_types_supported": ["id_token"],
        "subject_types_supported": ["public", "pairwise"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "claims_supported": ["sub", "iss", "name", "given_name", "family_name", "email"],
        PLATFORM_CONFIGURATION: {
            "product_family_code": "moodle",
            "version": "4.5.6 (Build: 20250811)",
            "messages_supported": [
                {"type": "LtiResourceLinkRequest"},
                {"type": "LtiDeepLinkingRequest", "placements": ["ContentArea"]},
            ],
            "variables": ["Context.id.history"],
        },
        **changes,
    }


class Newcomer:
    """A platform that is not registered yet, and its administrator before our page."""

    def __init__(self, tool: Tool, platform: Platform, moment: Moment) -> None:
        self.tool, self.platform, self.moment = tool, platform, moment
        self.configuration = configuration(platform.url)
        self.client_id = "new-client"
        self.answer: dict[str, Any] = {"client_id": self.client_id, TOOL_CONFIGURATION: {"deployment_id": "7"}}
        platform.answers["/config"] = lambda _: Answer(body=json.dumps(self.configuration).encode())
        platform.answers["/register"] = lambda _: Answer(body=json.dumps(self.answer).encode(), headers={"Content-Type": "text/html"})

    def invited(self, **options: Any) -> str:
        with self.tool.database.transaction() as db:
            return make_invite(db, tenant_id=get_tenant(db, "opdc").id, now=self.moment.now, **options).token

    def opens(self, invite: str | None, language: str = "th", **changes: Any) -> TestResponse:
        parameters = {"invite": invite, "openid_configuration": f"{self.platform.url}/config", "registration_token": TOKEN, **changes}
        query = urlencode({name: value for name, value in parameters.items() if value is not None})
        headers = {"Accept-Language": language, "Accept": "text/html"}
        return self.tool.new_browser().get(f"/lti/register?{query}", base_url=TOOL, headers=headers)

    def confirms(self, page: TestResponse, **changes: Any) -> TestResponse:
        """Presses the page's button, in a browser without a cookie."""
        data = {"offer": field_of(page, "offer"), "language": "th", "names": "yes", **changes}
        return self.tool.new_browser().post("/lti/register", data=data, base_url=TOOL, headers={"Accept": "text/html"})

    def registers(self, **changes: Any) -> TestResponse:
        response = self.confirms(self.opens(self.invited()), **changes)
        assert response.status_code == 200, response.text
        return response

    @property
    def posted(self) -> dict[str, Any]:
        (call,) = [call for call in self.platform.calls if call.path == "/register"]
        body: dict[str, Any] = json.loads(call.body)
        return body

    @property
    def registration(self) -> models.Registration:
        (made,) = [row for row in self.tool.rows(models.Registration) if row.client_id != CLIENT_ID]
        assert isinstance(made, models.Registration)
        return made

    def events(self) -> list[str]:
        return [entry.event for entry in self.tool.rows(models.AuditEntry)]


def field_of(page: TestResponse, name: str) -> str:
    found = re.search(rf'name="{name}" value="([^"]*)"', page.text)
    assert found, page.text[:2000]
    return html.unescape(found.group(1))


@pytest.fixture
def newcomer(tool: Tool, other_platform: Platform, moment: Moment) -> Newcomer:
    return Newcomer(tool, other_platform, moment)


# --- the page and the confirmation -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("language", "words"),
    [("th", ("เชื่อมต่อ LMS นี้", "หน่วยงานหนึ่ง", "ส่งคะแนน")), ("en", ("Connect this LMS", "Agency one", "send learners"))],
)
def test_u9_the_page_names_both_sides_the_permissions_and_the_privacy_choices(newcomer: Newcomer, language: str, words: tuple[str, ...]):
    page = newcomer.opens(newcomer.invited(), language)

    assert page.status_code == 200
    for word in (*words, "Moodle", newcomer.platform.url, TOOL, f'lang="{language}"'):
        assert word in page.text
    assert "E-mail" in page.text or "อีเมล" in page.text


def test_the_page_changes_its_language_without_cookie_and_without_asking_the_platform_again(newcomer: Newcomer):
    page = newcomer.opens(newcomer.invited(), "th")

    offer = field_of(page, "offer")
    other = newcomer.tool.new_browser().post("/lti/register/language", data={"offer": offer, "language": "en"}, base_url=TOOL)

    assert "Connect this LMS" in other.text
    assert newcomer.platform.count("/config") == 1


def test_q12_the_page_sets_no_cookie_and_the_platform_may_frame_it(newcomer: Newcomer):
    page = newcomer.opens(newcomer.invited())
    done = newcomer.confirms(page)

    for response in (page, done):
        assert "Set-Cookie" not in response.headers
        assert f"frame-ancestors 'self' {newcomer.platform.url}" in response.headers["Content-Security-Policy"]


def test_a_confirmed_platform_launches(newcomer: Newcomer):
    newcomer.registers()
    tool = newcomer.tool
    names: dict[str, Any] = {"iss": newcomer.platform.url, "client_id": newcomer.client_id}
    login = tool.login(**names)
    claims = tool.claims(login, **{
        "iss": newcomer.platform.url, "aud": newcomer.client_id, v.DEPLOYMENT_ID: "7", v.AGS_ENDPOINT: None, v.LAUNCH_PRESENTATION: None,
    })  # fmt: skip

    assert tool.post(login.state, sign(claims)).status_code == 303


def test_the_last_page_closes_itself_towards_the_platform_and_says_what_comes_next(newcomer: Newcomer):
    done = newcomer.registers()

    assert f'data-close-for="{newcomer.platform.url}" data-close-now' in done.text
    assert "close.js" in done.text
    assert "Activate" in done.text


def test_u9_a_key_set_that_cannot_be_read_is_told_and_undoes_nothing(newcomer: Newcomer):
    newcomer.platform.answers["/jwks"] = lambda _: Answer(500)

    done = newcomer.registers(language="en")

    assert "could not be read yet" in done.text
    assert "data-close-now" not in done.text
    assert newcomer.registration.disabled_at is None


def test_s31_the_audit_log_tells_of_the_invite_its_use_and_the_registration(newcomer: Newcomer):
    newcomer.registers()

    assert [event for event in newcomer.events() if event.startswith(("invite", "platform"))][-3:] == [
        "invite.made",
        "platform.registered",
        "invite.used",
    ]
    with newcomer.tool.database.reading() as db:
        assert first_broken_audit(db) is None


# --- invites ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("invite", [None, "", "x" * 43])
def test_h40_without_an_invite_nobody_is_called(newcomer: Newcomer, invite: str | None):
    response = newcomer.opens(invite)

    assert (response.status_code, code_of(response)) == (403, "invite_missing")
    assert newcomer.platform.calls == []
    assert "frame-ancestors 'none'" in response.headers["Content-Security-Policy"]


def test_s10_an_invite_works_once(newcomer: Newcomer):
    invite = newcomer.invited()
    newcomer.confirms(newcomer.opens(invite))
    calls = len(newcomer.platform.calls)

    again = newcomer.opens(invite)

    assert (again.status_code, code_of(again)) == (403, "invite_used")
    assert len(newcomer.platform.calls) == calls


def test_s10_a_page_that_was_opened_before_the_invite_was_used_is_refused(newcomer: Newcomer):
    invite = newcomer.invited()
    early, other = newcomer.opens(invite), newcomer.opens(invite)
    newcomer.confirms(other)

    late = newcomer.confirms(early)

    assert (late.status_code, code_of(late)) == (403, "invite_used")
    assert newcomer.platform.count("/register") == 1


def test_s10_an_invite_expires(newcomer: Newcomer):
    invite = newcomer.invited(life=timedelta(days=1))
    newcomer.moment.pass_by(hours=24)

    response = newcomer.opens(invite)

    assert (response.status_code, code_of(response)) == (403, "invite_expired")
    assert newcomer.platform.calls == []


def test_s10_an_invite_is_kept_as_a_digest_only(newcomer: Newcomer):
    invite = newcomer.invited()

    (row,) = newcomer.tool.rows(models.Invite)

    assert len(invite) >= 43  # 256 bits
    assert invite not in json.dumps({name: str(value) for name, value in vars(row).items()})


def test_an_invite_opened_by_hand_tells_where_it_belongs(newcomer: Newcomer):
    invite = newcomer.invited()

    page = newcomer.opens(invite, "en", openid_configuration=None, registration_token=None)

    assert page.status_code == 200
    assert invite_url(TOOL, invite) in html.unescape(page.text)
    assert newcomer.platform.calls == []


def test_a_page_left_open_for_half_an_hour_is_refused_and_the_invite_still_works(newcomer: Newcomer):
    invite = newcomer.invited()
    page = newcomer.opens(invite)
    newcomer.moment.pass_by(minutes=31)

    late = newcomer.confirms(page)

    assert (late.status_code, code_of(late)) == (403, "offer_expired")
    assert newcomer.confirms(newcomer.opens(invite)).status_code == 200


@pytest.mark.parametrize("offer", ["", "x", "gAAAAABnotours", "ก"])
def test_a_form_that_is_not_ours_is_refused(newcomer: Newcomer, offer: str):
    response = newcomer.tool.browser.post("/lti/register", data={"offer": offer}, base_url=TOOL, headers={"Accept": "text/html"})

    assert (response.status_code, code_of(response)) == (403, "offer_expired")


def test_a_parameter_given_twice_is_refused(newcomer: Newcomer):
    query = urlencode([("invite", newcomer.invited()), ("openid_configuration", "https://a"), ("openid_configuration", "https://b")])

    response = newcomer.tool.browser.get(f"/lti/register?{query}", base_url=TOOL, headers={"Accept": "text/html"})

    assert (response.status_code, code_of(response)) == (400, "registration_malformed")


def test_two_confirmations_at_once_make_one_registration(newcomer: Newcomer):
    page = newcomer.opens(newcomer.invited())
    at_work, go_on = threading.Event(), threading.Event()

    def slowly(_: Call) -> Answer:
        at_work.set()
        go_on.wait(5)
        return Answer(body=json.dumps(newcomer.answer).encode())

    newcomer.platform.answers["/register"] = slowly
    answers: list[TestResponse] = []
    threads = [threading.Thread(target=lambda: answers.append(newcomer.confirms(page))) for _ in range(2)]
    threads[0].start()
    assert at_work.wait(5)
    threads[1].start()
    go_on.set()
    for thread in threads:
        thread.join()

    assert [answer.status_code for answer in answers] == [200, 200]
    assert newcomer.platform.count("/register") == 1
    assert newcomer.registration.client_id == newcomer.client_id


def test_two_pages_of_one_invite_confirmed_at_once_make_one_registration(newcomer: Newcomer):
    invite = newcomer.invited()
    first, second = newcomer.opens(invite), newcomer.opens(invite)
    during: list[TestResponse] = []

    def meanwhile(_: Call) -> Answer:
        during.append(newcomer.confirms(second))
        return Answer(body=json.dumps(newcomer.answer).encode())

    newcomer.platform.answers["/register"] = meanwhile
    done = newcomer.confirms(first)

    assert (done.status_code, during[0].status_code, code_of(during[0])) == (200, 409, "registration_under_way")
    assert newcomer.platform.count("/register") == 1


# --- the guard --------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def guarded(newcomer: Newcomer) -> Iterator[Newcomer]:
    """Before a tool that stands in the open: loopback and private addresses are closed, `inside.example` resolves to one."""
    names = {"inside.example": ["10.0.0.5"], "loop.example": ["127.0.0.1"], "0x7f000001": ["127.0.0.1"], "2130706433": ["127.0.0.1"]}
    newcomer.tool.app.extensions[HTTP] = GuardedClient(HttpPolicy(), resolve=lambda name, _: names.get(name, []))
    yield newcomer


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1:{port}", "[::1]:{port}", "0x7f000001:{port}", "2130706433:{port}", "169.254.169.254", "inside.example",
        "loop.example:{port}", "[::ffff:127.0.0.1]:{port}", "user@127.0.0.1:{port}",
    ],
)  # fmt: skip
def test_h38_a_configuration_inside_is_refused_before_anybody_is_called(guarded: Newcomer, host: str):
    host = host.format(port=guarded.platform.url.rsplit(":", 1)[1])

    response = guarded.opens(guarded.invited(), openid_configuration=f"https://{host}/config")

    assert response.status_code == 400
    assert code_of(response) in {"platform_unreachable", "registration_malformed"}
    assert guarded.platform.calls == []


def test_h38_a_configuration_by_plain_http_is_refused(guarded: Newcomer):
    response = guarded.opens(guarded.invited())

    assert (response.status_code, code_of(response)) == (400, "platform_unreachable")
    assert guarded.platform.calls == []


@pytest.mark.parametrize("issuer", ["https://other.example", "http://127.0.0.1:1", "http://localhost"])
def test_h39_an_issuer_that_is_not_the_host_of_the_configuration_is_refused(newcomer: Newcomer, issuer: str):
    newcomer.configuration["issuer"] = issuer

    response = newcomer.opens(newcomer.invited())

    assert (response.status_code, code_of(response)) == (400, "issuer_foreign")
    assert newcomer.platform.count("/register") == 0
    assert newcomer.events()[-1] == "registration.refused"


@pytest.mark.parametrize("name", ["authorization_endpoint", "token_endpoint", "jwks_uri", "registration_endpoint"])
def test_s10_an_address_on_a_foreign_host_is_refused(newcomer: Newcomer, platform: Platform, name: str):
    newcomer.configuration[name] = f"{platform.url}/x"

    response = newcomer.opens(newcomer.invited())

    assert (response.status_code, code_of(response)) == (400, "endpoint_foreign")
    assert platform.calls == []


def test_s10_a_host_that_the_invite_names_is_approved(newcomer: Newcomer, platform: Platform):
    newcomer.configuration["jwks_uri"] = f"{platform.url}/jwks"

    page = newcomer.opens(newcomer.invited(hosts=[platform.url.removeprefix("http://")]))

    assert page.status_code == 200


@pytest.mark.parametrize("name", ["issuer", "authorization_endpoint", "token_endpoint", "jwks_uri", "registration_endpoint"])
@pytest.mark.parametrize("value", [None, 5, "", "javascript:alert(1)", "//lms", "https://u@lms.example/x"])
def test_s10_a_configuration_without_a_usable_address_is_refused(newcomer: Newcomer, name: str, value: Any):
    newcomer.configuration[name] = value

    response = newcomer.opens(newcomer.invited())

    assert (response.status_code, code_of(response)) == (400, "configuration_incomplete")


@pytest.mark.parametrize(
    "answer",
    [
        Answer(body=b"<html>root:x:0:0 secret of the inside</html>"), Answer(404, b"secret of the inside"), Answer(body=b"[]"),
        Answer(302, headers={"Location": "http://169.254.169.254/"}), Answer(body=b'{"issuer": 1, "issuer": 2}'), Answer(500, b"{}"),
    ],
)  # fmt: skip
def test_s11_what_came_instead_of_a_configuration_is_never_repeated(newcomer: Newcomer, answer: Answer):
    newcomer.platform.answers["/config"] = lambda _: answer

    response = newcomer.opens(newcomer.invited())

    assert (response.status_code, code_of(response)) == (400, "configuration_unreadable")
    assert "secret of the inside" not in response.text


def test_s10_the_registration_token_is_in_no_log_line_and_in_no_row(newcomer: Newcomer, capfd: pytest.CaptureFixture[str]):
    page = newcomer.opens(newcomer.invited())
    newcomer.platform.answers["/register"] = lambda _: Answer(400, b"nothing")
    newcomer.confirms(page)
    newcomer.platform.answers["/register"] = lambda _: Answer(body=json.dumps(newcomer.answer).encode())
    done = newcomer.confirms(page)

    assert done.status_code == 200
    assert TOKEN not in page.text + done.text
    assert TOKEN not in "".join(capfd.readouterr())
    stored = "".join(
        str(vars(row)) for model in (models.Invite, models.Registration, models.AuditEntry) for row in newcomer.tool.rows(model)
    )
    assert TOKEN not in stored


def test_the_registration_token_goes_to_the_platform_as_a_bearer_token(newcomer: Newcomer):
    newcomer.registers()

    assert {call.path: call.headers.get("authorization") for call in newcomer.platform.calls if call.path != "/jwks"} == {
        "/config": f"Bearer {TOKEN}",  # Canvas asks for it here too
        "/register": f"Bearer {TOKEN}",
    }


# --- what the platform answers ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [200, 201, 202])
def test_q4_any_status_of_success_and_any_content_type_will_do(newcomer: Newcomer, status: int):
    newcomer.platform.answers["/register"] = lambda _: Answer(status, json.dumps(newcomer.answer).encode(), {"Content-Type": "text/html"})

    newcomer.registers()

    assert newcomer.registration.client_id == newcomer.client_id


@pytest.mark.parametrize(
    ("answer", "code", "shown"),
    [
        (Answer(400, b"missing required attribute <b>jwks_uri</b>"), "registration_rejected", "missing required attribute &lt;b&gt;"),
        (Answer(401, b"token_already_used"), "registration_rejected", "token_already_used"),
        (Answer(422, b'{"errors":[{"message":"No placements"}]}'), "registration_rejected", "No placements"),
        (Answer(400, b'{"error":"invalid_redirect_uri","error_description":"not ours"}'), "registration_rejected", "not ours"),
        (Answer(404, b"<!DOCTYPE html><html><script>alert(1)</script>Invalid request</html>"), "registration_rejected", "404"),
        (Answer(302, headers={"Location": "http://169.254.169.254/"}), "registration_rejected", "302"),
        (Answer(200, b"<html>welcome</html>"), "registration_answer_unusable", "Client ID"),
        (Answer(200, b'{"client_id": 5}'), "registration_answer_unusable", "Client ID"),
    ],
)
def test_q4_a_refusal_is_shown_in_both_languages_and_the_invite_can_be_used_again(
    newcomer: Newcomer, answer: Answer, code: str, shown: str
):
    invite = newcomer.invited()
    good = newcomer.platform.answers["/register"]
    newcomer.platform.answers["/register"] = lambda _: answer

    refused = newcomer.confirms(newcomer.opens(invite))

    assert (refused.status_code, code_of(refused)) == (400, code)
    assert shown in refused.text
    assert "<script>alert" not in refused.text
    assert 'lang="en"' in refused.text
    assert f"frame-ancestors 'self' {newcomer.platform.url}" in refused.headers["Content-Security-Policy"]
    newcomer.platform.answers["/register"] = good
    assert newcomer.confirms(newcomer.opens(invite)).status_code == 200


def test_q4_a_platform_that_hangs_up_is_told_and_the_invite_is_free_again(newcomer: Newcomer):
    invite = newcomer.invited()
    page = newcomer.opens(invite)
    newcomer.platform.close()
    newcomer.tool.app.extensions[HTTP] = GuardedClient(HttpPolicy(dev_mode=True))  # one without a connection from before

    refused = newcomer.confirms(page)

    assert (refused.status_code, code_of(refused)) == (400, "platform_unreachable")
    assert [row.claimed_at for row in newcomer.tool.rows(models.Invite)] == [None]


def test_h23_a_platform_that_hangs_is_given_up_after_its_time(newcomer: Newcomer, monkeypatch: pytest.MonkeyPatch):
    http = newcomer.tool.app.extensions[HTTP]
    whole = http.request

    def hastily(*arguments: Any, **options: Any) -> HttpResponse:
        return whole(*arguments, **options | {"total_seconds": 0.3})

    page = newcomer.opens(newcomer.invited())
    monkeypatch.setattr(http, "request", hastily)
    release = threading.Event()
    newcomer.platform.answers["/register"] = lambda _: Answer(200 if release.wait(3) else 500)

    refused = newcomer.confirms(page)
    release.set()

    assert (refused.status_code, code_of(refused)) == (400, "platform_unreachable")
    assert "timeout" in refused.text


def test_q4_a_known_word_of_moodle_is_explained(newcomer: Newcomer):
    newcomer.platform.answers["/register"] = lambda _: Answer(401, b"token_already_used")

    refused = newcomer.confirms(newcomer.opens(newcomer.invited()))

    assert "paste the invite again" in refused.text
    assert "วางลิงก์เชิญอีกครั้ง" in refused.text


# --- what we send -----------------------------------------------------------------------------------------------------------------


def test_q05_the_domain_carries_the_port_of_the_target(newcomer: Newcomer):
    newcomer.registers()

    assert newcomer.posted[TOOL_CONFIGURATION]["domain"] == "127.0.0.1:8000"
    assert newcomer.posted[TOOL_CONFIGURATION]["target_link_uri"] == f"{TOOL}/lti/launch"


def test_q06_what_the_platform_says_of_scopes_is_not_trusted(newcomer: Newcomer):
    newcomer.answer["scope"] = "everything"

    newcomer.registers()

    assert newcomer.registration.scopes == list(SCOPES)


def test_q07_every_scope_is_asked_for_by_its_name(newcomer: Newcomer):
    newcomer.registers()

    assert set(newcomer.posted["scope"].split(" ")) == {v.SCOPE_LINE_ITEM, v.SCOPE_RESULT_READ, v.SCOPE_SCORE, v.SCOPE_MEMBERS}


@pytest.mark.parametrize(("names", "claims"), [("yes", {"name", "given_name", "family_name"}), ("no", set())])
def test_q08_s32_names_are_asked_for_only_if_the_administrator_wants_them_and_mail_never(newcomer: Newcomer, names: str, claims: set[str]):
    newcomer.registers(names=names)

    assert set(newcomer.posted[TOOL_CONFIGURATION]["claims"]) == {"iss", "sub", *claims}
    assert newcomer.registration.keeps_names is (names == "yes")


def test_q09_custom_parameters_are_lower_case_words_with_plain_values(newcomer: Newcomer):
    newcomer.registers()

    custom = newcomer.posted[TOOL_CONFIGURATION]["custom_parameters"]
    assert custom == {"context_history": "$Context.id.history", "link_history": "$ResourceLink.id.history"}
    for name, value in custom.items():
        assert re.fullmatch(r"[a-z_]+", name)
        assert isinstance(value, str)
        assert not set("\r\n=") & set(value)


def test_q10_names_and_descriptions_are_plain_text_in_both_languages(newcomer: Newcomer):
    newcomer.registers()

    tool = newcomer.posted[TOOL_CONFIGURATION]
    texts = [newcomer.posted["client_name"], newcomer.posted["client_name#th"], tool["description"], tool["description#th"]]
    assert texts[:2] == ["Kaona", "ก้าวหน้า"]
    assert not any(set("<>&") & set(text) for text in texts)


def test_q11_the_same_client_again_is_brought_up_to_date(newcomer: Newcomer):
    newcomer.registers()
    first = newcomer.registration
    newcomer.configuration["token_endpoint"] = f"{newcomer.platform.url}/token2"
    newcomer.platform.calls.clear()

    newcomer.registers(names="no")

    assert (newcomer.registration.id, newcomer.registration.token_url) == (first.id, f"{newcomer.platform.url}/token2")
    assert [row.deployment_id for row in newcomer.tool.rows(models.Deployment) if row.registration_id == first.id] == ["7"]


def test_q11_after_an_update_nobody_is_sent_to_activate_what_stays_active(newcomer: Newcomer):
    first = newcomer.registers()
    newcomer.tool.moment.pass_by(hours=1)

    offered, again = newcomer.opens(newcomer.invited()), newcomer.registers()

    assert "“Pending”" in first.text
    assert "“Pending”" in offered.text  # the LMS may make a second tool as well: only it knows
    assert "“Pending”" not in again.text
    assert "Tool configuration usage" in again.text


def test_q11_a_platform_of_another_agency_is_not_taken_over(newcomer: Newcomer):
    newcomer.platform.answers["/config"] = lambda _: Answer(body=json.dumps(configuration(newcomer.platform.url)).encode())
    newcomer.registers()
    from lti_tool.lti.tenants import add_tenant

    with newcomer.tool.database.transaction() as db:
        two = add_tenant(db, key="two", name={"th": "สอง", "en": "Two"}, home_page="https://two.example", now=newcomer.moment.now)
        invite = make_invite(db, tenant_id=two.id, now=newcomer.moment.now).token

    refused = newcomer.confirms(newcomer.opens(invite))

    assert (refused.status_code, code_of(refused)) == (409, "platform_exists")


def test_a_client_id_of_one_platform_gives_another_no_tokens(newcomer: Newcomer, platform: Platform):
    """A second issuer with the first one's client id and token service would have the first one's tokens sent to its own hosts."""
    newcomer.configuration["token_endpoint"] = f"{platform.url}/token"
    newcomer.answer["client_id"] = CLIENT_ID

    refused = newcomer.confirms(newcomer.opens(newcomer.invited(hosts=[platform.url.removeprefix("http://")])))

    assert (refused.status_code, code_of(refused)) == (409, "client_taken")


def test_the_announced_messages_are_those_that_we_take(newcomer: Newcomer):
    newcomer.registers()

    messages = {message["type"]: message for message in newcomer.posted[TOOL_CONFIGURATION]["messages"]}
    assert set(messages) == {
        "LtiResourceLinkRequest", "LtiDeepLinkingRequest", "LtiSubmissionReviewRequest", "LtiDataPrivacyLaunchRequest",
    }  # fmt: skip
    deep_linking = messages["LtiDeepLinkingRequest"]
    assert (deep_linking["target_link_uri"], deep_linking["placements"]) == (f"{TOOL}/open/choose", ["ContentArea"])
    assert "label#th" in deep_linking


def test_the_registration_has_what_openid_asks_for(newcomer: Newcomer):
    newcomer.registers()

    posted = newcomer.posted
    assert (posted["application_type"], posted["response_types"], posted["token_endpoint_auth_method"]) == (
        "web",
        ["id_token"],
        "private_key_jwt",
    )
    assert set(posted["grant_types"]) == {"implicit", "client_credentials"}
    assert (posted["initiate_login_uri"], posted["redirect_uris"], posted["jwks_uri"]) == (
        f"{TOOL}/lti/login",
        [f"{TOOL}/lti/launch"],
        f"{TOOL}/lti/jwks.json",
    )
    assert newcomer.tool.browser.get(posted["logo_uri"].removeprefix(TOOL), base_url=TOOL).status_code == 200
    assert not {"policy_uri", "tos_uri", "contacts"} & set(posted)


# --- the deployment ---------------------------------------------------------------------------------------------------------------


@pytest.fixture
def silent(newcomer: Newcomer) -> Newcomer:
    """A platform that does not tell its deployment at registration, as Canvas, Brightspace and Blackboard do."""
    newcomer.answer = {"client_id": newcomer.client_id}
    newcomer.registers()
    return newcomer


def deployments(newcomer: Newcomer) -> list[str]:
    return [row.deployment_id for row in newcomer.tool.rows(models.Deployment) if row.registration_id == newcomer.registration.id]


def kept_launch(newcomer: Newcomer, deployment: str) -> TestResponse:
    """A launch in the browser of its own login."""
    tool, browser = newcomer.tool, newcomer.tool.new_browser()
    login = tool.login(browser, iss=newcomer.platform.url, client_id=newcomer.client_id)
    claims = tool.claims(login, **{
        "iss": newcomer.platform.url, "aud": newcomer.client_id, v.DEPLOYMENT_ID: deployment, v.AGS_ENDPOINT: None,
        v.LAUNCH_PRESENTATION: None,
    })  # fmt: skip
    return tool.post(login.state, sign(claims), browser)


def test_a_deployment_that_was_not_told_comes_with_the_first_launch_and_only_one(silent: Newcomer):
    first = kept_launch(silent, "dep-1")
    second = kept_launch(silent, "dep-2")

    assert first.status_code == 303
    assert (second.status_code, code_of(second)) == (400, "deployment_unknown")
    assert deployments(silent) == ["dep-1"]
    assert "deployment.learned" in silent.events()


def test_a_first_launch_that_is_refused_teaches_no_deployment(silent: Newcomer):
    tool, browser = silent.tool, silent.tool.new_browser()
    login = tool.login(browser, iss=silent.platform.url, client_id=silent.client_id)
    claims = tool.claims(login, **{"iss": silent.platform.url, "aud": silent.client_id, v.DEPLOYMENT_ID: "dep-x", v.ROLES: "Learner"})

    refused = tool.post(login.state, sign(claims), browser)

    assert (refused.status_code, deployments(silent)) == (400, [])


def test_a_deployment_is_not_learned_after_thirty_days(silent: Newcomer):
    silent.moment.pass_by(days=31)

    late = kept_launch(silent, "dep-1")

    assert (late.status_code, code_of(late)) == (400, "deployment_unknown")


# --- open registration ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def open_house(newcomer: Newcomer) -> Newcomer:
    """Registration without an invite is switched on."""
    newcomer.tool.app.settings = newcomer.tool.app.settings.model_copy(update={"open_registration": True})
    return newcomer


def test_s10_an_open_registration_waits_for_approval(open_house: Newcomer):
    page = open_house.opens(None, agency="opdc")
    done = open_house.confirms(page)

    assert done.status_code == 200
    assert open_house.registration.pending_since == open_house.moment.now
    login = open_house.tool.login(iss=open_house.platform.url, client_id=open_house.client_id)
    assert (login.response.status_code, code_of(login.response)) == (403, "registration_pending")
    assert "platform.pending" in open_house.events()

    with open_house.tool.database.transaction() as db:
        approve_platform(db, open_house.registration.id, now=open_house.moment.now, actor="user:1")
    open_house.moment.pass_by(seconds=10)  # what the process remembers of platforms is over

    assert kept_launch(open_house, "7").status_code == 303
    assert "platform.approved" in open_house.events()


def test_s10_an_open_registration_changes_nothing_that_was_approved(open_house: Newcomer):
    open_house.registers()

    refused = open_house.confirms(open_house.opens(None, agency="opdc"))

    assert (refused.status_code, code_of(refused)) == (409, "platform_exists")
    assert open_house.registration.pending_since is None


@pytest.mark.parametrize("agency", [None, "nobody"])
def test_h40_an_open_registration_needs_an_agency_that_we_know(open_house: Newcomer, agency: str | None):
    response = open_house.opens(None, agency=agency)

    assert (response.status_code, code_of(response)) == (403, "invite_missing")
    assert open_house.platform.calls == []


def test_h40_an_agency_without_invite_is_refused_while_open_registration_is_off(newcomer: Newcomer):
    assert code_of(newcomer.opens(None, agency="opdc")) == "invite_missing"
    assert newcomer.platform.calls == []


def test_s10_no_more_than_twenty_registrations_wait_at_once(open_house: Newcomer):
    for number in range(20):
        open_house.answer = {"client_id": f"client-{number}"}
        assert open_house.confirms(open_house.opens(None, agency="opdc")).status_code == 200
    open_house.answer = {"client_id": "one-too-many"}

    refused = open_house.confirms(open_house.opens(None, agency="opdc"))

    assert (refused.status_code, code_of(refused)) == (409, "pending_full")


def test_a_disabled_platform_that_registers_again_by_invite_is_taken_back(newcomer: Newcomer):
    newcomer.registers()
    with newcomer.tool.database.transaction() as db:
        disable_platform(db, newcomer.registration.id, now=newcomer.moment.now)
    newcomer.platform.calls.clear()

    newcomer.registers()

    with newcomer.tool.database.reading() as db:
        assert [view.is_enabled for view in list_platforms(db)] == [True, True]


# --- the shapes of platforms, by their public documents ---------------------------------------------------------------------------

CANVAS = {
    "issuer": "https://canvas.instructure.com",
    "authorization_endpoint": "https://sso.canvaslms.com/api/lti/authorize_redirect",
    "registration_endpoint": "https://school.instructure.com/api/lti/registrations",
    "jwks_uri": "https://sso.canvaslms.com/api/lti/security/jwks",
    "token_endpoint": "https://sso.canvaslms.com/login/oauth2/token",
    "authorization_server": "canvas.instructure.com",
    "scopes_supported": [*SCOPES, "https://canvas.instructure.com/lti/public_jwk/scope/update"],
    PLATFORM_CONFIGURATION: {
        "product_family_code": "canvas",
        "version": "vCloud",
        "messages_supported": [
            {"type": "LtiResourceLinkRequest", "placements": ["account_navigation", "course_navigation"]},
            {"type": "LtiDeepLinkingRequest", "placements": ["assignment_selection", "link_selection"]},
        ],
        "notice_types_supported": ["LtiHelloWorldNotice"],
        "variables": ["ResourceLink.id"],
        "https://canvas.instructure.com/lti/account_name": "Test University",
        "https://canvas.instructure.com/lti/account_lti_guid": "guid:canvas-lms",
    },
}
BRIGHTSPACE = {
    "issuer": "https://school.brightspace.com",
    "authorization_endpoint": "https://school.brightspace.com/d2l/lti/authenticate",
    "registration_endpoint": "https://school.brightspace.com/d2l/api/lti/registration?token=once",
    "jwks_uri": "https://school.brightspace.com/d2l/.well-known/jwks",
    "token_endpoint": "https://auth.brightspace.com/core/connect/token",
    "authorization_server": "https://api.brightspace.com/auth/token",
    PLATFORM_CONFIGURATION: {"product_family_code": "desire2learn", "version": "20.25", "messages_supported": []},
}
BLACKBOARD = {
    "issuer": "https://blackboard.com",
    "authorization_endpoint": "https://developer.blackboard.com/api/v1/gateway/oidcauth",
    "token_endpoint": "https://developer.blackboard.com/api/v1/gateway/oauth2/jwttoken",
    "jwks_uri": "https://developer.blackboard.com/.well-known/jwks.json",
    "registration_endpoint": "https://developer.blackboard.com/api/v1/gateway/registerLti?registrationToken=0000",
    "scopes_supported": ["openid"],
    PLATFORM_CONFIGURATION: {
        "product_family_code": "BlackboardLearn",
        "messages_supported": [{"type": "LtiResourceLinkRequest"}, {"type": "ContextLaunchRequest"}],
    },
}
SAKAI = {
    "issuer": "https://lms.example.ac.th",
    "authorization_endpoint": "https://lms.example.ac.th/imsoidc/lti13/oidc_auth",
    "token_endpoint": "https://lms.example.ac.th/imsblis/lti13/token/12",
    "jwks_uri": "https://lms.example.ac.th/imsblis/lti13/keyset",
    "registration_endpoint": "https://lms.example.ac.th/imsblis/lti13/registration_endpoint/12",
    "scopes_supported": ["openid"],
    PLATFORM_CONFIGURATION: {
        "product_family_code": "sakailms.org",
        "version": "23.1",
        "messages_supported": [{"type": "LtiResourceLinkRequest"}],
    },
}
OPEN_EDX = {
    "issuer": "https://courses.example.go.th",
    "authorization_endpoint": "https://courses.example.go.th/api/lti_consumer/v1/launch/",
    "token_endpoint": "https://courses.example.go.th/api/lti_consumer/v1/token/0a1b",
    "jwks_uri": "https://courses.example.go.th/api/lti_consumer/v1/public_keysets/0a1b",
    "registration_endpoint": "https://courses.example.go.th/api/lti_consumer/v1/register/0a1b",
}  # it has no dynamic registration yet; its addresses are those that its set-up page shows
SHAPES: dict[str, tuple[dict[str, Any], str]] = {
    "canvas": (CANVAS, "https://school.instructure.com/api/lti/security/openid-configuration"),
    "brightspace": (BRIGHTSPACE, "https://school.brightspace.com/d2l/lti/openid-configuration?token=once"),
    "blackboard": (BLACKBOARD, "https://developer.blackboard.com/api/v1/gateway/openid-configuration?registrationToken=0000"),
    "sakai": (SAKAI, "https://lms.example.ac.th/imsblis/lti13/well_known/openid-configuration?key=12"),
    "openedx": (OPEN_EDX, "https://courses.example.go.th/.well-known/openid-configuration"),
    "moodle": (configuration("https://lms.example.go.th"), "https://lms.example.go.th/mod/lti/openid-configuration.php"),
}


@pytest.mark.parametrize("name", SHAPES)
def test_the_published_shape_of_each_platform_is_read(name: str):
    document, url = SHAPES[name]

    found = read_configuration(document, url=url)

    assert (found.issuer, found.token_endpoint, found.jwks_uri) == (document["issuer"], document["token_endpoint"], document["jwks_uri"])


@pytest.mark.parametrize(
    ("name", "audience"),
    [("canvas", None), ("brightspace", "https://api.brightspace.com/auth/token"), ("blackboard", None), ("sakai", None), ("moodle", None)],
)
def test_the_audience_of_token_requests_is_that_of_the_platform(name: str, audience: str | None):
    document, url = SHAPES[name]

    assert read_configuration(document, url=url).token_audience == audience


def test_canvas_is_told_of_messages_and_placements_in_its_own_words():
    document, url = SHAPES["canvas"]

    sent = client_registration(read_configuration(document, url=url), public_url="https://kaona.example", with_names=False)

    tool = sent[TOOL_CONFIGURATION]
    assert {message["type"] for message in tool["messages"]} == {"LtiResourceLinkRequest", "LtiDeepLinkingRequest"}
    assert tool["messages"][1]["placements"] == ["assignment_selection", "link_selection"]
    assert tool["https://canvas.instructure.com/lti/privacy_level"] == "anonymous"


def changed(shape: str, **changes: Any) -> Callable[[], object]:
    document, url = SHAPES[shape]
    address = changes.pop("url", url)
    return lambda: read_configuration({**document, **changes}, url=address)


@pytest.mark.parametrize(
    ("read", "error"),
    [
        (changed("canvas", url="https://evil.example/openid-configuration"), IssuerForeign),
        (changed("canvas", url="https://instructure.com.evil.example/x"), IssuerForeign),
        (changed("canvas", jwks_uri="https://evil.example/jwks"), EndpointForeign),
        (changed("canvas", jwks_uri="http://sso.canvaslms.com/jwks"), ConfigurationIncomplete),
        (changed("blackboard", url="https://school.blackboard.com/bbcswebdav/courses/x/openid.json"), IssuerForeign),
        (changed("moodle", issuer="https://canvas.instructure.com"), IssuerForeign),
        (changed("moodle", issuer="https://lms.example.go.th?x"), ConfigurationIncomplete),
        (changed("moodle", issuer="http://lms.example.go.th"), ConfigurationIncomplete),
        (changed("moodle", token_endpoint="https://auth.brightspace.com/core/connect/token"), EndpointForeign),
    ],
)
def test_s10_a_vendors_shared_hosts_open_no_door_for_others(read: Callable[[], object], error: type[Exception]):
    with pytest.raises(error):
        read()


@pytest.mark.parametrize("audience", ["https://api.brightspace.com/auth/token", "https://victim.example/token", "not an address", 5])
def test_an_assertion_is_never_made_out_to_somebody_else_than_its_receiver(audience: Any):
    document = configuration("https://lms.example.go.th", authorization_server=audience)

    assert read_configuration(document, url="https://lms.example.go.th/c").token_audience is None


def test_a_vendors_audience_is_used_only_with_the_vendors_token_service():
    document, url = SHAPES["brightspace"]
    own = {**document, "token_endpoint": "https://school.brightspace.com/token"}

    assert read_configuration(own, url=url).token_audience is None


def test_canvas_people_meet_it_at_their_schools_address(newcomer: Newcomer):
    from lti_tool.lti.invites import InviteView
    from lti_tool.lti.registering import RegistrationRequest, make_offer

    document, _ = SHAPES["canvas"]
    shared = {**document, "registration_endpoint": "https://canvas.instructure.com/api/lti/registrations"}
    url = "https://canvas.instructure.com/api/lti/security/openid-configuration"

    class Http:
        def get(self, *_: Any, **__: Any) -> HttpResponse:
            return HttpResponse(200, {}, json.dumps(shared).encode())

    request, invite = RegistrationRequest("i", "", url, TOKEN), InviteView(1, 1, {"th": "ก"}, ())
    http: Any = Http()

    seen = make_offer(http, request, invite, framed_by="https://school.instructure.com", is_dev=False)
    not_theirs = make_offer(http, request, invite, framed_by="https://evil.example", is_dev=False)

    assert seen.frame_origins == ("https://school.instructure.com", "https://canvas.instructure.com")
    assert not_theirs.frame_origins == ("https://canvas.instructure.com",)


def response(status: int, body: bytes) -> HttpResponse:
    return HttpResponse(status, {}, body)


def test_q11_the_deployment_is_taken_from_the_answer():
    answered = {"client_id": "c", TOOL_CONFIGURATION: {"deployment_id": "7"}}

    assert read_answer(response(200, json.dumps(answered).encode())).deployment_id == "7"
    assert read_answer(response(201, b'{"client_id": "c"}')).deployment_id is None
    assert read_answer(response(200, json.dumps({"client_id": "c", TOOL_CONFIGURATION: []}).encode())).deployment_id is None


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b'{"client_id": ""}', b'{"client_id": "a\\nb"}'])
def test_an_answer_without_a_client_id_is_no_registration(body: bytes):
    with pytest.raises(AnswerUnusable):
        read_answer(response(200, body))


def test_a_long_error_is_cut_and_its_control_characters_are_gone():
    with pytest.raises(RegistrationRejected) as refused:
        read_answer(response(400, b"bad\r\n\x1b[31m" + b"x" * 5000))

    assert refused.value.shown.startswith("bad [31mxxx")
    assert len(refused.value.shown) == 300


@pytest.mark.browser
def test_q12_in_a_frame_of_the_platform_one_button_registers_and_the_platform_is_told_to_close(newcomer: Newcomer, chromium: Browser):
    server = make_server("127.0.0.1", 0, newcomer.tool.app, threaded=True)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    query = urlencode({
        "invite": newcomer.invited(), "openid_configuration": f"{newcomer.platform.url}/config", "registration_token": TOKEN,
    })  # fmt: skip
    parent = f"""<!doctype html><title>LMS</title><p id="said"></p>
    <iframe width="885" height="600" src="http://127.0.0.1:{server.server_port}/lti/register?{html.escape(query)}"></iframe>
    <script>addEventListener("message", (event) => {{
      document.getElementById("said").textContent = event.data.subject + " from " + event.origin;
    }});</script>"""
    newcomer.platform.answers["/lms"] = lambda _: Answer(body=parent.encode(), headers={"Content-Type": "text/html"})
    context = chromium.new_context(locale="th-TH")
    page = context.new_page()
    try:
        page.goto(f"{newcomer.platform.url}/lms")
        page.frame_locator("iframe").get_by_role("button", name="เชื่อมต่อ").click()
        page.wait_for_function("document.getElementById('said').textContent !== ''")

        assert page.locator("#said").text_content() == f"org.imsglobal.lti.close from http://127.0.0.1:{server.server_port}"
        assert context.cookies() == []
    finally:
        context.close()
        server.shutdown()
    assert newcomer.registration.client_id == newcomer.client_id
