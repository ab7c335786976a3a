"""The way out: by the person, from every page, here or everywhere else."""

import json
from typing import Any
from uuid import UUID

import pytest
from werkzeug.test import Client, TestResponse

from kernel.ids import digest
from lti_tool import models
from lti_tool.lti import vocabulary as v
from lti_tool.web.csrf import token_of
from tests.lti.lti_world import SECRET, TOOL, Tool, code_of

pytestmark = [pytest.mark.stocked, pytest.mark.one_database]

SESSION = "__Host-kaona-session"
PAGE = {"Accept": "text/html"}


def leave(tool: Tool, launch: UUID, browser: Client | None = None, *, where: str = "", **headers: str) -> TestResponse:
    data = {"csrf": token_of(launch, SECRET)}
    return (browser or tool.browser).post(f"/leave/{launch}/{where}", base_url=TOOL, data=data, headers={"Origin": TOOL, **PAGE, **headers})


def look(tool: Tool, launch: UUID, browser: Client | None = None) -> TestResponse:
    return (browser or tool.browser).get(f"/privacy/{launch}/", base_url=TOOL, headers=PAGE)


def test_v7_signing_out_ends_the_session_on_our_side_and_clears_the_browser(tool: Tool):
    launch = tool.launched()
    cookie = tool.browser.get_cookie(SESSION, domain="127.0.0.1")
    assert cookie is not None

    page = leave(tool, launch)

    assert (page.status_code, page.headers["Clear-Site-Data"]) == (200, '"cache", "storage"')
    assert tool.browser.get_cookie(SESSION, domain="127.0.0.1") is None
    tool.browser.set_cookie(SESSION, cookie.value, domain="127.0.0.1")  # one that somebody kept
    assert code_of(look(tool, launch)) == "session_missing"
    assert [(row.session_hash, row.return_url) for row in tool.rows(models.Launch)] == [(None, None)]
    assert [entry.event for entry in tool.rows(models.AuditEntry)][-1] == "session.ended"


def test_v7_the_page_leads_back_to_the_course_and_a_new_launch_goes_on(tool: Tool):
    way_back = f"{tool.platform.url}/course/view?id=7"
    launch = tool.launched(**{v.LAUNCH_PRESENTATION: {"document_target": "window", "return_url": way_back}})

    page = leave(tool, launch)

    assert f'href="{way_back}"' in page.text
    assert look(tool, tool.launched()).status_code == 200


@pytest.mark.parametrize("role", ["Learner", "Instructor"])
def test_v7_every_page_has_the_way_out(tool: Tool, role: str):
    opened: Any = tool.launch(**{v.ROLES: [role]})
    page = tool.browser.get(opened.headers["Location"], base_url=TOOL, follow_redirects=True)

    assert f'action="/leave/{opened.headers["Location"].split("/")[2]}/"' in page.text


def test_v7_the_visits_that_are_open_are_shown_and_those_elsewhere_can_be_ended(tool: Tool):
    elsewhere = tool.new_browser()
    other = tool.launched(elsewhere, **{v.CONTEXT: {"id": "other", "title": "วิชาอื่น"}})
    here = tool.launched()
    somebody = tool.new_browser()
    theirs = tool.launched(somebody, sub="u-2")
    shown = tool.browser.get(f"/privacy/{here}/", base_url=TOOL, headers=PAGE).text
    assert shown.index("(เบราว์เซอร์นี้)") < shown.index("วิชาอื่น")

    answer = leave(tool, here, where="elsewhere")

    assert (answer.status_code, answer.headers["Location"]) == (303, f"/privacy/{here}/")
    assert (look(tool, here).status_code, look(tool, theirs, somebody).status_code) == (200, 200)
    assert code_of(look(tool, other, elsewhere)) == "session_missing"
    assert "วิชาอื่น" not in tool.browser.get(f"/privacy/{here}/", base_url=TOOL, headers=PAGE).text
    entry = tool.rows(models.AuditEntry)[-1]
    assert (entry.event, entry.details) == ("session.ended_elsewhere", {"sessions": 1})


def test_v7_a_visit_that_time_has_ended_is_not_shown(tool: Tool):
    tool.launched(tool.new_browser(), **{v.CONTEXT: {"id": "other", "title": "วิชาอื่น"}})
    tool.moment.pass_by(minutes=61)
    here = tool.launched()

    assert "วิชาอื่น" not in tool.browser.get(f"/privacy/{here}/", base_url=TOOL, headers=PAGE).text


@pytest.mark.parametrize("headers", [{"Origin": "https://evil.example"}, {"Origin": "null"}])
@pytest.mark.parametrize("where", ["", "elsewhere"])
def test_h26_another_site_signs_nobody_out(tool: Tool, headers: dict[str, str], where: str):
    launch = tool.launched()

    assert leave(tool, launch, where=where, **headers).status_code == 403
    assert look(tool, launch).status_code == 200


def test_a_session_in_the_path_ends_as_well(tool: Tool):
    launch = tool.launched()
    (row,) = tool.rows(models.Launch)
    token = "p" * 64
    with tool.database.transaction() as db:
        db.query(models.Launch).filter_by(id=row.id).update({"session_hash": digest(token)})
    browser = tool.new_browser()
    address = f"/s/{token}/leave/{launch}/"

    page = browser.post(address, base_url=TOOL, data={"csrf": token_of(launch, SECRET)}, headers={"Origin": TOOL, **PAGE})

    assert page.status_code == 200
    assert tool.rows(models.Launch)[0].session_hash is None


def test_v16_a_page_that_the_role_may_not_open_leaves_a_line_in_the_log(tool: Tool, capfd: pytest.CaptureFixture[str]):
    launch = tool.launched()
    capfd.readouterr()

    assert tool.browser.get(f"/admin/{launch}/", base_url=TOOL, headers=PAGE).status_code == 404

    lines = [json.loads(line) for line in capfd.readouterr().err.splitlines()]
    missing = [line for line in lines if line["event"] == "right_missing"]
    assert [(line["launch"], line["needs"], line["endpoint"]) for line in missing] == [(str(launch), ["administrator"], "admin.home")]
