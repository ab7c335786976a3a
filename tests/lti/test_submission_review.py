"""Submission review: a teacher looks at one learner's work, where the platform asks and where the list of the course leads."""

import re
from html import unescape
from typing import Any
from uuid import UUID, uuid4

import pytest
from werkzeug.test import Client

from lti_tool import models
from lti_tool.dev.respondent import Respondent, form_fields, read_bank
from lti_tool.lti import vocabulary as v
from lti_tool.web.csrf import token_of
from tests.lti.lti_world import SECRET, TOOL, Moment, Platform, Tool, code_of, register, sign
from tests.stock import stock

pytestmark = [pytest.mark.stocked, pytest.mark.one_database]

BANK = read_bank()
INSTRUCTOR = f"{v.MEMBERSHIP}#Instructor"


class Course:
    """A course with an assessment, its learners and its teacher, each with a browser."""

    def __init__(self, tool: Tool) -> None:
        self.tool = tool
        with tool.database.transaction() as db:
            self.form = stock(db, now=tool.moment.now).uuid
        self.custom = {v.CUSTOM: {"activity": f"assessment:{self.form}"}}
        self.teacher = tool.new_browser()

    def start(self, sub: str = "u-1", *, answers: int = 100, **claims: Any) -> Client:
        """A learner opens the assessment, begins it and answers so many items, or to the end."""
        browser = self.tool.new_browser()
        launch = self.tool.launched(browser, sub=sub, **self.custom, **claims)
        if not answers:
            return browser
        path = self.post(browser, launch, f"/learn/{launch}/assessment/{self.form}/start").headers["Location"]
        respondent = Respondent(dict.fromkeys(("DLIT", "DGOV", "DLEAD"), 0.5), seed=1, bank=BANK)
        for _number in range(answers):
            page = browser.get(path, base_url=TOOL)
            if page.status_code == 303:
                break
            item = respondent.find(page.text.replace("&#39;", "'").replace("&amp;", "&").replace("&#34;", '"'))
            hidden = dict(re.findall(r'<input type="hidden" name="(presentation|kind|client_id)" value="([^"]*)"', page.text))
            self.post(browser, launch, f"{path}/responses", **hidden, **form_fields(item, respondent.answer(item)))
            self.tool.moment.pass_by(seconds=20)
        return browser

    def post(self, browser: Client, launch: UUID, path: str, **fields: str) -> Any:
        data = {"csrf": token_of(launch, SECRET), **fields}
        answer = browser.post(path, base_url=TOOL, data=data, headers={"Origin": TOOL, "Accept": "text/html"})
        assert answer.status_code == 303, answer.text[:2000]
        return answer

    def review(self, for_user: str = "u-1", **claims: Any) -> Any:
        """The page that a submission review leads a teacher to."""
        asked = {v.MESSAGE_TYPE: v.SUBMISSION_REVIEW_REQUEST, v.FOR_USER: {"user_id": for_user}, v.ROLES: [INSTRUCTOR]}
        launched = self.tool.launch(self.teacher, **{"sub": "teacher", "name": "ครู", **asked, **self.custom, **claims})
        assert launched.status_code == 303, launched.text[:2000]
        assert re.fullmatch(r"/teach/[0-9a-f-]{36}/review", launched.headers["Location"])
        return self.teacher.get(launched.headers["Location"], base_url=TOOL)

    def row(self, model: Any, **wanted: Any) -> Any:
        (found,) = [one for one in self.tool.rows(model) if all(getattr(one, name) == value for name, value in wanted.items())]
        return found


@pytest.fixture
def course(tool: Tool) -> Course:
    return Course(tool)


def test_q25_a_teacher_sees_the_levels_the_answers_and_why_what_is_right_is_right(course: Course):
    course.start(name="นางสาวกมล")

    page = course.review()

    assert page.status_code == 200
    assert "นางสาวกมล" in page.text
    answers = page.text.partition('id="answers"')[2]
    shown = re.findall(r"<h3>([^<]+)</h3>", answers)
    assert 18 <= len(shown) <= 20
    assert {unescape(stem).strip() for stem in shown} <= {stem.strip() for stem in BANK}
    assert len(re.findall('class="tag (?:good|bad)"', answers)) == len(shown)
    assert answers.count("<summary>") == len(shown)
    assert 0 < answers.count('class="tag good"') < len(shown)
    assert answers.count("คำตอบที่ถูกต้อง</dt>") == answers.count('class="tag bad"')


def test_q25_the_same_by_an_activity_that_the_platform_sends_no_column_for(course: Course):
    course.start()

    assert 'id="answers"' in course.review(**{v.AGS_ENDPOINT: None}).text


def test_each_look_at_a_learners_answers_leaves_one_line_in_the_audit_log(course: Course):
    course.start()
    course.review()

    line = course.row(models.AuditEntry, event="submission.reviewed")
    person = course.row(models.User, sub="u-1").person_uuid
    assert (line.details["person"], line.actor) == (str(person), f"user:{course.row(models.User, sub='teacher').id}")


@pytest.mark.parametrize(
    ("answers", "said"),
    [(None, "ยังไม่เคยเปิดกิจกรรมจากรายวิชานี้"), (0, "ยังไม่ได้เริ่มทำแบบประเมิน"), (3, "ตอบแล้ว 3 ข้อ")],
)
def test_q25_a_learner_without_a_finished_sitting_is_told_in_words_and_no_answer_is_shown(course: Course, answers: int | None, said: str):
    if answers is not None:
        course.start(answers=answers)

    page = course.review()

    assert page.status_code == 200
    assert said in page.text
    assert 'id="answers"' not in page.text
    assert not [entry for entry in course.tool.rows(models.AuditEntry) if entry.event == "submission.reviewed"]


def test_a_link_that_shows_no_assessment_has_nothing_to_review(course: Course):
    course.start()

    page = course.review(**{v.CUSTOM: {"activity": "path"}, v.RESOURCE_LINK: {"id": "link-2"}})

    assert "ไม่ได้แสดงแบบประเมิน" in page.text


def test_q25_s23_a_sitting_in_another_course_is_not_shown_in_this_one(course: Course):
    course.start(**{v.CONTEXT: {"id": "course-2"}, v.RESOURCE_LINK: {"id": "link-2"}})
    assert "ยังไม่เคยเปิดกิจกรรมจากรายวิชานี้" in course.review().text

    course.start(answers=0)  # now a learner of this course too
    page = course.review()

    assert "ยังไม่ได้เริ่มทำแบบประเมิน" in page.text
    assert 'id="answers"' not in page.text


def test_s23_the_person_of_the_same_number_at_another_platform_is_nobody_here(course: Course, other_platform: Platform, moment: Moment):
    with course.tool.database.transaction() as db:
        register(db, other_platform, moment)
    login = course.tool.login(course.tool.new_browser(), iss=other_platform.url)
    course.start()
    browser = course.tool.new_browser()
    login = course.tool.login(browser, iss=other_platform.url)
    claims = course.tool.claims(login, iss=other_platform.url, sub="teacher", **{
        v.MESSAGE_TYPE: v.SUBMISSION_REVIEW_REQUEST, v.FOR_USER: {"user_id": "u-1"}, v.ROLES: [INSTRUCTOR], v.AGS_ENDPOINT: None,
        **course.custom,
    })  # fmt: skip

    launched = course.tool.post(login.state, sign(claims), browser)
    page = browser.get(launched.headers["Location"], base_url=TOOL)

    assert "ยังไม่เคยเปิดกิจกรรมจากรายวิชานี้" in page.text


def test_a_teacher_of_the_course_is_no_learner_to_review(course: Course):
    course.tool.launched(course.tool.new_browser(), sub="other-teacher", **{v.ROLES: [INSTRUCTOR]})

    assert "ยังไม่เคยเปิดกิจกรรมจากรายวิชานี้" in course.review("other-teacher").text


def test_what_a_designer_placed_behind_the_link_is_what_is_reviewed(course: Course):
    course.start()
    with course.tool.database.transaction() as db:
        user, link = course.row(models.User, sub="u-1"), course.row(models.ResourceLink, lti_id="link-1")
        made = models.Placement(
            tenant_id=user.tenant_id, registration_id=user.registration_id, created_by_id=user.id, activity="roadmap", title="x",
            created_at=course.tool.moment.now, changed_at=course.tool.moment.now,
        )  # fmt: skip
        db.add(made)
        db.flush()
        db.get_one(models.ResourceLink, link.id).placement_id = made.id

    assert "ไม่ได้แสดงแบบประเมิน" in course.review().text


# --- the same page from the list of the course ----------------------------------------------------------------------------------------


def page_of_learner(course: Course, person: UUID, *, query: str = "", form: UUID | None = None) -> Any:
    launched = course.tool.launched(course.teacher, sub="teacher", **{v.ROLES: [INSTRUCTOR]}, **course.custom)
    return course.teacher.get(f"/teach/{launched}/review/{form or course.form}/{person}{query}", base_url=TOOL)


def test_a_teacher_opens_the_work_of_a_learner_of_the_course_and_changes_the_language_there(course: Course):
    course.start()
    person = course.row(models.User, sub="u-1").person_uuid

    page = page_of_learner(course, person)
    assert 'id="answers"' in page.text

    form = re.search(r'action="([^"]+/language)">.*?name="csrf" value="([^"]+)">.*?name="back" value="([^"]+)"', page.text, re.DOTALL)
    assert form
    action, csrf, back = form.groups()
    changed = course.teacher.post(action, base_url=TOOL, data={"csrf": csrf, "back": back, "language": "en"}, headers={"Origin": TOOL})
    assert (changed.status_code, changed.headers["Location"]) == (303, back)
    assert "A learner's work</h1>" in course.teacher.get(back, base_url=TOOL).text


def test_h28_nobody_else_is_found_there(course: Course):
    course.start(answers=0, **{v.CONTEXT: {"id": "course-2"}, v.RESOURCE_LINK: {"id": "link-2"}})
    elsewhere = course.row(models.User, sub="u-1").person_uuid

    for person, form in ((elsewhere, None), (uuid4(), None), (elsewhere, uuid4())):
        answer = page_of_learner(course, person, form=form)
        assert (answer.status_code, "answers" in answer.text.partition("<main")[2]) == (404, False)


def test_h28_a_learner_finds_no_page_of_anybodys_work_not_even_their_own(course: Course):
    browser = course.start()
    person = course.row(models.User, sub="u-1").person_uuid
    launch = max(course.tool.rows(models.Launch), key=lambda row: row.id).uuid

    for path in (f"/teach/{launch}/review", f"/teach/{launch}/review/{course.form}/{person}"):
        answer = browser.get(path, base_url=TOOL, headers={"Accept": "text/html"})
        assert (answer.status_code, code_of(answer)) == (404, "not_found")


@pytest.mark.parametrize("query", ["?attempt=x", "?attempt=11111111-1111-4111-8111-111111111111"])
def test_a_sitting_that_is_not_there_is_not_found(course: Course, query: str):
    course.start()

    assert page_of_learner(course, course.row(models.User, sub="u-1").person_uuid, query=query).status_code == 404


def test_of_two_sittings_the_newest_is_shown_first_and_the_other_one_can_be_opened(course: Course):
    course.start()
    course.tool.moment.pass_by(days=1)
    course.start()
    person = course.row(models.User, sub="u-1").person_uuid

    page = page_of_learner(course, person)
    links = re.findall(r'href="([^"]+\?attempt=[0-9a-f-]{36})"( aria-current="true")?', page.text)
    assert [bool(current) for _, current in links] == [True, False]
    older = course.teacher.get(links[1][0], base_url=TOOL)

    assert older.status_code == 200
    assert re.findall(r'href="[^"]+\?attempt=[0-9a-f-]{36}"( aria-current="true")?', older.text) == ["", ' aria-current="true"']
