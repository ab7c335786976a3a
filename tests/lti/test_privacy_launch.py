"""A data privacy launch, and the page of what is kept: everybody sees their own, whoever answers for the agency sees counts."""

import re
from typing import Any
from uuid import UUID

import pytest

from lti_tool import models
from lti_tool.lti import vocabulary as v
from lti_tool.lti.grants import grant_role
from lti_tool.web.csrf import token_of
from tests.lti.lti_world import CLIENT_ID, SECRET, TOOL, Tool, code_of
from tests.lti.test_submission_review import Course

pytestmark = pytest.mark.one_database

PRIVACY = {v.RESOURCE_LINK: None, v.CONTEXT: None, v.AGS_ENDPOINT: None, v.CUSTOM: None}
SYSTEM_ADMINISTRATOR = "http://purl.imsglobal.org/vocab/lis/v2/system/person#Administrator"


def opened(tool: Tool, browser: Any = None, **claims: Any) -> tuple[UUID, Any]:
    """The launch and the page that it leads to."""
    browser = browser or tool.browser
    launched = tool.launch(browser, **{v.MESSAGE_TYPE: v.DATA_PRIVACY_REQUEST, **PRIVACY, **claims})
    assert launched.status_code == 303, launched.text[:2000]
    path = launched.headers["Location"]
    assert re.fullmatch(r"/privacy/[0-9a-f-]{36}/", path)
    return UUID(path.split("/")[2]), browser.get(path, base_url=TOOL)


def download(tool: Tool, launch: UUID, browser: Any = None, *, csrf: str | None = None) -> Any:
    data = {"csrf": token_of(launch, SECRET) if csrf is None else csrf}
    return (browser or tool.browser).post(
        f"/privacy/{launch}/data.json", base_url=TOOL, data=data, headers={"Origin": TOOL, "Accept": "text/html"}
    )


@pytest.fixture
def course(tool: Tool) -> Course:
    return Course(tool)


@pytest.mark.parametrize("name", [v.DATA_PRIVACY_REQUEST, v.DATA_PRIVACY_REQUEST_OF_FIRST_DRAFT])
@pytest.mark.parametrize("roles", [[], ["Learner"], ["http://purl.imsglobal.org/vocab/lis/v2/institution/person#Student"]])
def test_everybody_may_ask_what_is_kept_of_them_whatever_their_part(tool: Tool, name: str, roles: list[str]):
    _, page = opened(tool, **{v.MESSAGE_TYPE: name, v.ROLES: roles})

    assert page.status_code == 200
    assert "หน่วยงานหนึ่ง" in page.text
    assert 'id="agency"' not in page.text


def test_the_page_counts_what_there_is_and_the_file_holds_it(course: Course):
    browser = course.start()
    launch, page = opened(course.tool, browser, **{v.ROLES: []})

    rows = dict(re.findall(r'<th scope="row" role="rowheader">([^<]+)</th>.*?class="number"[^>]*><span>(\d+)</span>', page.text, re.DOTALL))
    answer = download(course.tool, launch, browser)
    data = answer.get_json()

    assert answer.headers["Content-Disposition"] == 'attachment; filename="kaona-my-data.json"'
    assert answer.headers["Cache-Control"] == "no-store"
    assert data["identity"]["id_on_the_platform"] == "u-1"
    assert data["identity"]["name"] == "สมชาย ใจดี"
    (attempt,) = data["attempts"]
    assert attempt["state"] == "finished"
    assert 18 <= len(attempt["answers"]) <= 20
    assert len(attempt["levels"]) == 3
    assert len(data["levels"]) == 3
    assert all(level["evidence"] for level in data["levels"])
    assert rows["ขั้นตอนในเส้นทางการเรียนรู้ของท่าน"] == str(len(data["path"]))
    assert {rows["คำตอบของท่าน"], rows["การทำแบบประเมินของท่าน"]} == {str(len(attempt["answers"])), "1"}
    assert rows["บันทึกการเรียนรู้ (xAPI)"] == str(len(data["statements"]))
    assert len(data["statements"]) > len(attempt["answers"])
    person = data["identity"]["id_in_statements"]
    assert all(statement["actor"]["account"]["name"] == person for statement in data["statements"])


def test_h32_the_file_tells_neither_keys_nor_rationales_nor_ways_into_a_session(course: Course):
    browser = course.start()
    launch, _ = opened(course.tool, browser, **{v.ROLES: []})

    text = download(course.tool, launch, browser).text

    assert not re.search(r"correct|rationale|session_hash|return_url|sesskey|state_hash", text)


def test_one_persons_file_holds_nothing_of_another(course: Course):
    course.start()
    launch, page = opened(course.tool, sub="u-2", name=None, **{v.ROLES: []})

    data = download(course.tool, launch).get_json()

    assert "สมชาย" not in page.text
    assert (data["identity"]["id_on_the_platform"], data["identity"]["name"]) == ("u-2", None)
    assert not any(data[kind] for kind in ("attempts", "statements", "scores", "courses", "levels", "path"))
    assert len(data["visits"]) == 1


def test_a_file_that_was_taken_leaves_one_line_in_the_audit_log(tool: Tool):
    launch, _ = opened(tool)
    download(tool, launch)

    (line,) = [entry for entry in tool.rows(models.AuditEntry) if entry.event == "person_data.exported"]
    assert line.details == {"by": "person"}


def test_s20_the_file_is_not_handed_to_a_foreign_page(tool: Tool):
    launch, _ = opened(tool)

    answer = download(tool, launch, csrf="x")

    assert (answer.status_code, code_of(answer)) == (403, "foreign_request")
    assert download(tool, launch, tool.new_browser()).status_code == 401


def test_who_answers_for_the_agency_sees_counts_and_nobodys_record(course: Course):
    course.start()

    _, by_platform = opened(course.tool, course.tool.new_browser(), sub="officer", name="เจ้าหน้าที่", **{v.ROLES: [SYSTEM_ADMINISTRATOR]})
    with course.tool.database.transaction() as db:
        granted = {"sub": "admin", "role": "administrator", "now": course.tool.moment.now}
        grant_role(db, issuer=course.tool.platform.url, client_id=CLIENT_ID, **granted)
    _, by_grant = opened(course.tool, course.tool.new_browser(), sub="admin", name=None, **{v.ROLES: []})

    for page in (by_platform, by_grant):
        agency = page.text.partition('id="agency"')[2]
        counts = dict(re.findall(r'role="rowheader">([^<]+)</th>.*?<span>(\d+)</span>', agency, re.DOTALL))
        assert int(counts["บุคคล"]) >= 2
        assert int(counts["คำตอบ"]) >= 18
        assert int(counts["บันทึกการเรียนรู้ (xAPI)"]) >= 18
        assert "สมชาย" not in page.text


def test_for_user_opens_nobody_elses_record_to_an_administrator(course: Course):
    course.start()

    launch, page = opened(course.tool, course.tool.new_browser(), sub="officer", **{
        v.ROLES: [SYSTEM_ADMINISTRATOR], v.FOR_USER: {"user_id": "u-1"}, "name": None,
    })  # fmt: skip

    assert "สมชาย" not in page.text
    assert course.tool.rows(models.Launch)[-1].uuid == launch


def test_being_an_administrator_of_the_platform_opens_nothing_in_a_course(tool: Tool):
    launch, _ = opened(tool, **{v.ROLES: [SYSTEM_ADMINISTRATOR]})

    for path in (f"/teach/{launch}/review", f"/admin/{launch}/", f"/design/{launch}/choose", f"/learn/{launch}/roadmap"):
        assert tool.browser.get(path, base_url=TOOL).status_code == 404


def test_every_page_of_a_learner_leads_to_it_and_its_language_can_be_changed(course: Course):
    launch = course.tool.launched(**course.custom)
    intro = course.tool.browser.get(f"/learn/{launch}/assessment/{course.form}", base_url=TOOL)
    assert f'href="/privacy/{launch}/"' in intro.text

    data = {"csrf": token_of(launch, SECRET), "language": "en", "back": f"/privacy/{launch}/"}
    changed = course.tool.browser.post(f"/privacy/{launch}/language", base_url=TOOL, data=data, headers={"Origin": TOOL})

    assert changed.headers["Location"] == f"/privacy/{launch}/"
    assert "What is kept about you</h1>" in course.tool.browser.get(f"/privacy/{launch}/", base_url=TOOL).text
