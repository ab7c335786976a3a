"""Launches where the browser keeps no cookie for us: the platform keeps the proof, the session stands in the path. Without a browser."""

import re
from html import unescape
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import pytest
from werkzeug.test import Client, TestResponse

from lti_tool import logs, models
from lti_tool.lti import vocabulary as v
from lti_tool.web.csrf import token_of
from tests.lti.lti_world import SECRET, TOOL, Login, Tool, assert_refused, code_of, sign

pytestmark = pytest.mark.one_database

KEPT = "_parent"
HEAD = re.compile(r"/s/[A-Za-z0-9_-]{64}(?=/learn/)")


class Forgetful(Client):
    """A browser that keeps no cookie."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named, use_cookies=False)


@pytest.fixture
def browser(tool: Tool) -> Client:
    return Forgetful(tool.app)


class Begun:
    """A login whose page puts a value into the platform's storage."""

    def __init__(self, tool: Tool, browser: Client, **changes: Any) -> None:
        self.page = tool.login(browser, lti_storage_target=KEPT, **changes).response
        self.data = {name: unescape(value) for name, value in re.findall(r'data-(\w+)="([^"]*)"', self.page.text)}
        self.login = Login(self.page)
        self.page.headers["Location"] = self.data.get("next", "")


def post(tool: Tool, browser: Client, begun: Begun, stored: str | None, *, origin: str | None = TOOL, **claims: Any) -> TestResponse:
    """The launch as a platform posts it (`stored` None), or as our page posts it again."""
    claims = {v.TARGET_LINK_URI: f"{TOOL}/lti/launch"} | claims
    data = {"state": begun.login.state, "id_token": sign(tool.claims(begun.login, **claims))} | (
        {} if stored is None else {"stored": stored}
    )
    headers = {"Accept": "text/html"} | ({"Origin": origin} if origin else {})
    return browser.post("/lti/launch", data=data, base_url=TOOL, headers=headers)


def launched(tool: Tool, browser: Client, **claims: Any) -> str:
    """Path of the first page of a launch by the platform's storage."""
    begun = Begun(tool, browser)
    response = post(tool, browser, begun, begun.data["value"], **claims)
    assert response.status_code == 303, response.text
    return str(response.headers["Location"])


def look(browser: Client, path: str, **headers: str) -> TestResponse:
    return browser.get(path, base_url=TOOL, headers={"Accept": "text/html", **headers})


def launch_in(path: str) -> UUID:
    return UUID(path.split("/learn/")[1].split("/", 1)[0])


def test_a_login_that_names_a_storage_gets_a_page_that_puts_a_value_there(tool: Tool, browser: Client):
    begun = Begun(tool, browser)

    assert begun.page.status_code == 200
    assert begun.data["origin"] == tool.platform.url
    assert begun.data["target"] == KEPT
    assert begun.data["next"].startswith(f"{tool.platform.url}/auth?")
    assert len(begun.data["value"]) == 43
    assert begun.data["value"] not in begun.data["next"]
    assert f"frame-ancestors 'self' {tool.platform.url}" in begun.page.headers["Content-Security-Policy"]
    assert 'href="/lti/login?' in begun.page.text  # the way on without script


@pytest.mark.parametrize(("changes", "headers"), [({}, {}), ({"lti_storage_target": KEPT}, {"Sec-Fetch-Dest": "document"})])
def test_q18_a_login_without_storage_or_in_a_window_of_its_own_is_answered_by_302(tool: Tool, changes: Any, headers: Any):
    data = {"iss": tool.platform.url, "login_hint": "u-1", "target_link_uri": TOOL, **changes}

    assert tool.new_browser().post("/lti/login", data=data, base_url=TOOL, headers=headers).status_code == 302


def test_a_browser_that_brought_our_cookie_needs_no_storage(tool: Tool):
    tool.login()

    assert tool.login(lti_storage_target=KEPT).response.status_code == 302


def test_a_framed_login_without_cookie_is_sent_round_once_and_then_told(tool: Tool, browser: Client):
    data = {"iss": tool.platform.url, "login_hint": "u-1", "target_link_uri": TOOL, "lti_message_hint": '{"cmid":3}'}
    frame = {"Sec-Fetch-Dest": "iframe", "Accept": "text/html"}

    round_trip = browser.post("/lti/login", data=data, base_url=TOOL, headers=frame)
    told = look(browser, round_trip.headers["Location"], **frame)

    assert (round_trip.status_code, urlsplit(round_trip.headers["Location"]).path) == (302, "/lti/login")
    assert_refused(tool, told, "binding_missing")
    assert "lti_message_hint=%7B%22cmid%22%3A3%7D" in told.text
    with_cookies = tool.new_browser()
    again = with_cookies.post("/lti/login", data=data, base_url=TOOL, headers=frame)
    assert with_cookies.get(again.headers["Location"], base_url=TOOL, headers=frame).headers["Location"].startswith(tool.platform.url)


def test_who_chooses_content_in_a_frame_without_cookie_is_not_sent_into_a_window_that_cannot_hand_back(tool: Tool, browser: Client):
    data = {"iss": tool.platform.url, "login_hint": "u-1", "target_link_uri": f"{TOOL}/open/choose", "lti_message_hint": "x"}
    frame = {"Sec-Fetch-Dest": "iframe", "Accept": "text/html"}
    login = tool.login(target_link_uri=f"{TOOL}/open/choose")

    at_launch = tool.post(login.state, sign(tool.claims(login)), tool.new_browser())
    at_login = look(browser, browser.post("/lti/login", data=data, base_url=TOOL, headers=frame).headers["Location"], **frame)

    assert_refused(tool, at_login, "choice_needs_cookie")
    for told in (at_login, at_launch):
        assert code_of(told) == "choice_needs_cookie"
        assert 'target="_blank"' not in told.text
        assert "Allow cookies for this site" in told.text
        assert "บันทึกกิจกรรมโดยยังไม่เลือกเนื้อหา" in told.text


def test_a_launch_without_cookie_asks_the_storage_before_it_shows_or_stores_anything(tool: Tool, browser: Client):
    response = post(tool, browser, Begun(tool, browser), None, origin=tool.platform.url)

    assert response.status_code == 200
    assert 'name="stored" value=""' in response.text
    assert "data-value" not in response.text
    assert "สมชาย" not in response.text
    assert tool.rows(models.Launch) == []
    assert "Set-Cookie" not in response.headers


def test_the_value_from_the_storage_opens_a_session_in_the_path_and_sets_no_cookie(tool: Tool, browser: Client):
    begun = Begun(tool, browser)

    response = post(tool, browser, begun, begun.data["value"])

    assert HEAD.match(response.headers["Location"])
    assert "Set-Cookie" not in response.headers
    page = look(browser, response.headers["Location"])
    assert page.status_code == 200
    assert page.headers["Referrer-Policy"] == "same-origin"  # nobody else learns the address


def test_a_launch_by_storage_works_once(tool: Tool, browser: Client):
    begun = Begun(tool, browser)
    assert post(tool, browser, begun, begun.data["value"]).status_code == 303

    assert_refused(tool, post(tool, browser, begun, begun.data["value"]), "state_used")


def test_h02_neither_another_value_nor_that_of_another_login_will_do(tool: Tool, browser: Client):
    begun, other = Begun(tool, browser), Begun(tool, browser)

    for wrong in (other.data["value"], "x" * 43, begun.login.state, begun.login.nonce, "ก"):
        assert_refused(tool, post(tool, browser, begun, wrong), "other_browser")
    assert post(tool, browser, begun, begun.data["value"]).status_code == 303


def test_a_value_that_no_page_of_ours_posts_is_not_looked_at(tool: Tool, browser: Client):
    begun = Begun(tool, browser)

    for origin in (tool.platform.url, "https://evil.example", "null", None):
        response = post(tool, browser, begun, begun.data["value"], origin=origin)
        assert (response.status_code, "Location" in response.headers) == (200, False)
    assert tool.rows(models.Launch) == []


def test_an_empty_answer_of_the_storage_leads_to_the_offer_of_a_tab(tool: Tool, browser: Client):
    response = post(tool, browser, Begun(tool, browser), "")

    assert_refused(tool, response, "binding_missing")
    assert "lti_storage_target" not in response.text.split('target="_blank"')[0].rsplit("href=", 1)[1]


def test_a_launch_by_storage_passes_every_other_check(tool: Tool, browser: Client):
    begun = Begun(tool, browser)

    assert_refused(tool, post(tool, browser, begun, begun.data["value"], nonce="other"), "nonce_wrong", 401)
    assert_refused(tool, post(tool, browser, begun, begun.data["value"], aud="other"), "audience_wrong", 401)
    tool.moment.pass_by(seconds=601)
    assert_refused(tool, post(tool, browser, begun, begun.data["value"]), "state_expired")


def test_a_login_without_storage_gets_no_session_in_the_path(tool: Tool, browser: Client):
    login = tool.login(browser)
    data = {"state": login.state, "id_token": sign(tool.claims(login)), "stored": "x" * 43}

    response = browser.post("/lti/launch", data=data, base_url=TOOL, headers={"Accept": "text/html", "Origin": TOOL})

    assert_refused(tool, response, "other_browser")


def test_a_session_in_the_path_is_none_in_a_cookie_nor_the_other_way_round(tool: Tool, browser: Client):
    path = launched(tool, browser)
    head, token = HEAD.match(path)[0], HEAD.match(path)[0].removeprefix("/s/")  # type: ignore[index]
    plain = path.removeprefix(head)
    assert look(browser, plain).status_code == 401
    assert look(browser, plain, Cookie=f"__Host-kaona-session={token}").status_code == 401

    launch = tool.launched(sub="u-2")
    cookie = tool.browser.get_cookie("__Host-kaona-session", domain="127.0.0.1")
    assert cookie is not None
    assert look(browser, f"/s/{cookie.value}/learn/{launch}/roadmap").status_code == 404
    assert look(browser, f"/s/{cookie.value}{'x' * 21}/learn/{launch}/roadmap").status_code == 401
    assert look(tool.browser, f"/s/{'x' * 64}/learn/{launch}/roadmap").status_code == 401  # the head of the address counts


@pytest.mark.parametrize(
    "headers", [{"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}, {"Sec-Fetch-Dest": "document", "Sec-Fetch-Site": "none"}]
)
def test_a_copied_or_planted_address_opens_nothing(tool: Tool, browser: Client, headers: dict[str, str]):
    path = launched(tool, browser)

    assert look(browser, path, **headers).status_code == 401
    assert look(browser, path, **{"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Dest": "iframe"}).status_code == 200


def test_s18_a_session_in_the_path_ends_as_any_other(tool: Tool, browser: Client):
    first = launched(tool, browser)
    second = launched(tool, browser)
    assert (look(browser, first).status_code, look(browser, second).status_code) == (401, 200)  # a newer launch in the course

    tool.moment.pass_by(minutes=61)
    assert look(browser, second).status_code == 401  # an idle hour


def test_s19_the_page_of_another_person_is_refused(tool: Tool, browser: Client):
    mine, theirs = launched(tool, browser), launched(tool, browser, sub="u-2")
    head = HEAD.match(theirs)

    assert head is not None
    assert code_of(look(browser, head[0] + HEAD.sub("", mine))) == "other_person"


def test_s20_a_write_needs_our_origin_and_the_pages_token(tool: Tool, browser: Client):
    path = launched(tool, browser)
    launch = launch_in(path)
    address = f"{path.split('/learn/')[0]}/learn/{launch}/language"
    data = {"language": "en", "back": HEAD.sub("", path)}
    token = token_of(launch, SECRET)

    for origin, sent in (("https://evil.example", token), ("null", token), (TOOL, "")):
        assert browser.post(address, data=data | {"csrf": sent}, base_url=TOOL, headers={"Origin": origin}).status_code == 403
    changed = browser.post(address, data=data | {"csrf": token}, base_url=TOOL, headers={"Origin": TOOL})
    assert (changed.status_code, changed.headers["Location"]) == (303, path)


def test_every_address_of_a_page_keeps_the_session_and_no_file_does(tool: Tool, browser: Client):
    path = launched(tool, browser, **{v.LAUNCH_PRESENTATION: {"locale": "th"}})
    head = path.split("/learn/")[0]

    page = look(browser, path)

    assert page.status_code == 200
    addresses = re.findall(r'(?:href|src|action)="(/[^"]*)"', page.text)
    assert any(address.startswith(head) for address in addresses)
    for address in addresses:
        assert address.startswith(("/static/", f"{head}/")), address


def test_nothing_of_the_address_reaches_the_log_or_the_error_page(tool: Tool, browser: Client, capsys: pytest.CaptureFixture[str]):
    logs.configure("DEBUG")
    path = launched(tool, browser)
    token = path.split("/")[2]

    answers = [look(browser, path), look(browser, path.split("/learn/")[0] + "/nowhere"), look(browser, f"/s/{token}/admin/x")]

    assert token not in capsys.readouterr().err
    assert [answer.status_code for answer in answers] == [200, 404, 404]
    assert token not in str([row.__dict__ for row in tool.rows(models.Launch)])
