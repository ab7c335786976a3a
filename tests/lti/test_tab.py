"""From a frame into a tab of its own: for the administrator's page, which no frame may hold."""

import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from werkzeug.test import Client, TestResponse

from lti_tool import models
from lti_tool.lti import vocabulary as v
from lti_tool.lti.grants import grant_role
from lti_tool.lti.sessions import end_other_sessions
from tests.lti.lti_world import CLIENT_ID, TOOL, Tool, code_of, sign

pytestmark = pytest.mark.one_database

PAGE = {"Accept": "text/html"}


def framed(tool: Tool, browser: Client | None = None, **changes: Any) -> TestResponse:
    """An administrator opens the link in the page of the LMS."""
    browser = browser or tool.browser
    with tool.database.transaction() as db:
        grant_role(db, issuer=tool.platform.url, client_id=CLIENT_ID, sub="boss", role="administrator", now=tool.moment.now)
    login = tool.login(browser)
    token = sign(tool.claims(login, **{"sub": "boss", v.TARGET_LINK_URI: f"{TOOL}/open/admin", **changes}))
    data = {"state": login.state, "id_token": token}
    return browser.post("/lti/launch", data=data, base_url=TOOL, headers={**PAGE, "Sec-Fetch-Dest": "iframe"})


def ticket_in(response: TestResponse) -> str:
    found = re.search(r'href="(/lti/tab/[^"]+)" target="_blank" rel="noopener"', response.text)
    assert found, response.text
    return found[1]


def go_on(tab: Client, ticket: str, origin: str | None = TOOL) -> TestResponse:
    return tab.post(ticket, base_url=TOOL, headers={**PAGE, **({"Origin": origin} if origin else {})})


def is_signed_in(response: TestResponse) -> bool:
    return any("kaona-session" in cookie for cookie in response.headers.getlist("Set-Cookie"))


def test_the_tab_asks_who_continues_and_opens_the_administrators_page(tool: Tool):
    ticket, tab = ticket_in(framed(tool)), tool.new_browser()

    asked = tab.get(ticket, base_url=TOOL, headers=PAGE)
    gone_on = go_on(tab, ticket)

    assert "ดำเนินการต่อในชื่อ สมชาย ใจดี" in asked.text
    assert "รายวิชา" in asked.text
    assert not is_signed_in(asked)
    (row,) = tool.rows(models.Launch)
    assert (gone_on.status_code, gone_on.headers["Location"]) == (303, f"/admin/{row.uuid}/")
    assert tab.get(gone_on.headers["Location"], base_url=TOOL).status_code == 200
    assert not row.framed


def test_the_frame_gets_one_way_out_and_neither_a_cookie_nor_anything_of_the_page(tool: Tool):
    response = framed(tool)

    (row,) = tool.rows(models.Launch)
    assert response.status_code == 200
    assert not is_signed_in(response)
    assert str(row.uuid) not in response.text
    assert tool.browser.get(f"/admin/{row.uuid}/", base_url=TOOL).status_code == 401


def test_only_the_platform_may_frame_the_way_out_and_nobody_what_comes_behind_it(tool: Tool):
    response, tab = framed(tool), tool.new_browser()
    ticket = ticket_in(response)
    asked = tab.get(ticket, base_url=TOOL)
    page = tab.get(go_on(tab, ticket).headers["Location"], base_url=TOOL)
    spent = tab.get(ticket, base_url=TOOL, headers=PAGE)

    def ancestors(answer: TestResponse) -> str:
        return answer.headers["Content-Security-Policy"].split("frame-ancestors ")[1]

    assert ancestors(response) == f"'self' {tool.platform.url}"
    assert [ancestors(answer) for answer in (asked, page, spent)] == ["'none'"] * 3


@pytest.mark.parametrize("seconds", [0, 59])
def test_a_ticket_works_once(tool: Tool, seconds: int):
    ticket = ticket_in(framed(tool))
    tool.moment.pass_by(seconds=seconds)
    assert go_on(tool.new_browser(), ticket).status_code == 303

    again, looked = go_on(tool.new_browser(), ticket), tool.new_browser().get(ticket, base_url=TOOL, headers=PAGE)

    for refused in (again, looked):
        assert (refused.status_code, code_of(refused)) == (400, "ticket_spent")
        assert "เปิดกิจกรรมนี้อีกครั้ง" in refused.text
        assert not is_signed_in(refused)


def test_of_two_tabs_that_spend_a_ticket_at_once_one_is_signed_in(tool: Tool):
    ticket = ticket_in(framed(tool))

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: go_on(tool.new_browser(), ticket), range(4)))

    assert sorted(answer.status_code for answer in answers) == [303, 400, 400, 400]


def test_a_ticket_is_over_after_a_minute(tool: Tool):
    ticket = ticket_in(framed(tool))
    tool.moment.pass_by(seconds=60)

    assert code_of(go_on(tool.new_browser(), ticket)) == "ticket_spent"


@pytest.mark.parametrize("made_up", ["/lti/tab/" + "x" * 48, "/lti/tab/" + "x" * 43, "/lti/tab/x"])
def test_a_ticket_that_nobody_made_opens_nothing(tool: Tool, made_up: str):
    framed(tool)

    assert code_of(go_on(tool.new_browser(), made_up)) == "ticket_spent"


def test_a_ticket_opens_its_own_launch_and_a_newer_launch_takes_it_over(tool: Tool):
    first = ticket_in(framed(tool))
    other = ticket_in(framed(tool, **{v.CONTEXT: {"id": "course-2"}}))
    again = ticket_in(framed(tool))

    assert code_of(go_on(tool.new_browser(), first)) == "ticket_spent"
    for ticket, title in ((other, None), (again, "รายวิชา")):
        launch = go_on(tool.new_browser(), ticket).headers["Location"].split("/")[2]
        row = next(one for one in tool.rows(models.Launch) if str(one.uuid) == launch)
        assert next(course.title for course in tool.rows(models.Context) if course.id == row.context_id) == title


def test_a_ticket_ends_with_the_persons_sessions(tool: Tool):
    ticket = ticket_in(framed(tool))
    with tool.database.transaction() as db:
        end_other_sessions(db, user_id=1, token="")

    assert code_of(go_on(tool.new_browser(), ticket)) == "ticket_spent"


@pytest.mark.parametrize("origin", [None, "null", "https://evil.example"])
def test_s20_another_site_signs_nobody_in_and_spends_nothing(tool: Tool, origin: str | None):
    ticket = ticket_in(framed(tool))

    refused = go_on(tool.new_browser(), ticket, origin)

    assert (refused.status_code, code_of(refused)) == (403, "foreign_request")
    assert not is_signed_in(refused)
    assert go_on(tool.new_browser(), ticket).status_code == 303


def test_neither_a_ticket_nor_a_session_is_taken_for_the_other(tool: Tool):
    ticket = ticket_in(framed(tool)).rsplit("/", 1)[1]
    (row,) = tool.rows(models.Launch)
    tab = tool.new_browser()
    for name in ("kaona-session", "__Host-kaona-session"):
        tab.set_cookie(name, ticket, domain="127.0.0.1")

    by_cookie = tab.get(f"/admin/{row.uuid}/", base_url=TOOL)
    by_path = tool.new_browser().get(f"/s/{ticket}/admin/{row.uuid}/", base_url=TOOL)
    signed_in = go_on(tab, f"/lti/tab/{ticket}")
    session = re.search(r"__Host-kaona-session=([^;]+)", str(signed_in.headers.getlist("Set-Cookie")))

    assert (by_cookie.status_code, by_path.status_code) == (401, 404)
    assert session is not None
    assert code_of(go_on(tool.new_browser(), f"/lti/tab/{session[1]}")) == "ticket_spent"


def test_s31_the_audit_log_tells_of_the_tab_and_neither_log_nor_row_holds_the_ticket(tool: Tool):
    ticket = ticket_in(framed(tool))
    stored = repr([vars(row) for row in tool.rows(models.Launch)])
    go_on(tool.new_browser(), ticket)

    (row,) = tool.rows(models.Launch)
    entry = tool.rows(models.AuditEntry)[-1]
    assert (entry.event, entry.actor, entry.details) == ("ticket.spent", f"user:{row.user_id}", {"launch": str(row.uuid)})
    assert ticket.rsplit("/", 1)[1] not in stored + repr([vars(one) for one in tool.rows(models.AuditEntry)])


def test_a_right_that_was_taken_meanwhile_opens_nothing(tool: Tool):
    ticket, tab = ticket_in(framed(tool)), tool.new_browser()
    with tool.database.transaction() as db:
        db.query(models.Grant).delete()

    assert tab.get(go_on(tab, ticket).headers["Location"], base_url=TOOL).status_code == 404


def test_a_nameless_administrator_is_asked_without_a_name_in_the_language_of_the_launch(tool: Tool):
    ticket = ticket_in(framed(tool, name=None, **{v.LAUNCH_PRESENTATION: {"locale": "en", "document_target": "iframe"}}))

    asked = tool.new_browser().get(ticket, base_url=TOOL)

    assert "<h1>Continue to the administrator's page?</h1>" in asked.text.replace("&#39;", "'")
    assert "Agency one" in asked.text


def test_a_browser_that_does_not_say_where_it_shows_the_page_is_believed_by_the_platforms_word(tool: Tool):
    with tool.database.transaction() as db:
        grant_role(db, issuer=tool.platform.url, client_id=CLIENT_ID, sub="boss", role="administrator", now=tool.moment.now)
    link = {"sub": "boss", v.TARGET_LINK_URI: f"{TOOL}/open/admin"}

    in_frame = tool.launch(**link)
    in_window = tool.launch(**link, **{v.LAUNCH_PRESENTATION: {"document_target": "window"}})

    assert (in_frame.status_code, in_window.status_code) == (200, 303)
