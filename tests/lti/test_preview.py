"""A teacher looks through a learner's eyes: the real pages, and nothing of it anywhere."""

import re
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import func, select

import assessment.api as assessment
import learning.api as learning
from assessment import pool
from assessment.models import Attempt
from lti_tool import models
from lti_tool.dev.respondent import Respondent, form_fields, read_bank
from lti_tool.lti import vocabulary as v
from lti_tool.web.csrf import token_of
from lti_tool.workflows import background
from lti_tool.workflows.preview import KEPT
from tests.conftest import _known_metadatas
from tests.lti.lti_world import SECRET, TOOL, Moment, Tool, code_of
from tests.stock import stock

pytestmark = pytest.mark.stocked

BANK = read_bank()
WHAT_LOOKING_MAY_WRITE = {"launch", "attempt", "presentation", "response", "ability_estimate", "attempt_event"}


class Teacher:
    """A teacher of a course, at the teacher's page of the assessment."""

    def __init__(self, tool: Tool) -> None:
        self.tool = tool
        with tool.database.transaction() as db:
            self.form = stock(db, now=tool.moment.now)
        self.back = ""
        self.launch = self.open()

    def open(self) -> UUID:
        launch = self.tool.launched(**{v.ROLES: ["Instructor"], v.CUSTOM: {"activity": f"assessment:{self.form.uuid}"}})
        self.back = f"/teach/{launch}/activities/{self.form.uuid}"
        return launch

    def post(self, launch: UUID, path: str, **fields: str) -> Any:
        data = {"csrf": token_of(launch, SECRET), **fields}
        return self.tool.browser.post(path, base_url=TOOL, data=data, headers={"Origin": TOOL, "Accept": "text/html"})

    def get(self, path: str) -> Any:
        return self.tool.browser.get(path, base_url=TOOL, headers={"Accept": "text/html"})

    def look(self, activity: str, back: str | None = None) -> Any:
        """Begins a preview. Returns the answer, which leads to the learner's page."""
        return self.post(self.launch, f"/design/{self.launch}/preview", activity=activity, back=self.back if back is None else back)

    def look_at_the_assessment(self) -> tuple[UUID, str]:
        """The preview's launch, and the path of its first page."""
        path = self.look(f"assessment:{self.form.uuid}").headers["Location"]
        return UUID(path.split("/")[2]), path

    def sit(self, preview: UUID, *, answers: int = 100) -> Any:
        """Answers so many items, or to the end. Returns the last page."""
        begun = self.post(preview, f"/learn/{preview}/assessment/{self.form.uuid}/start")
        path, page = begun.headers["Location"], self.get(begun.headers["Location"])
        respondent = Respondent(dict.fromkeys(("DLIT", "DGOV", "DLEAD"), 0.5), seed=1, bank=BANK)
        for number in range(answers):
            item = respondent.find(page.text.replace("&#39;", "'").replace("&amp;", "&").replace("&#34;", '"'))
            hidden = dict(re.findall(r'<input type="hidden" name="(presentation|kind|client_id)" value="([^"]*)"', page.text))
            answer = self.post(preview, f"{path}/responses", **hidden, **form_fields(item, respondent.answer(item)))
            assert answer.status_code == 303, (number, answer.text[:500])
            page = self.get(answer.headers["Location"])
            if answer.headers["Location"].endswith("/result"):
                break
        return page

    def stop(self, preview: UUID) -> Any:
        return self.post(preview, f"/design/{preview}/preview/end")


@pytest.fixture
def teacher(tool: Tool) -> Teacher:
    return Teacher(tool)


def count_rows(tool: Tool) -> dict[str, int]:
    """Rows of every table that there is."""
    with tool.database.reading() as db:
        tables = [table for metadata in _known_metadatas() for table in metadata.tables.values()]
        return {table.name: db.scalar(select(func.count()).select_from(table)) or 0 for table in tables}


def exposure(teacher: Teacher) -> tuple[dict[int, int], int]:
    """How often each item was met, as this process knows it and as a fresh look at the database has it."""
    with teacher.tool.database.reading() as db:
        newest = db.scalar(select(Attempt.form_version_id).limit(1))
        version = db.scalar(select(pool.FormVersion.uuid).where(pool.FormVersion.id == newest)) if newest else None
        if version is None:
            return {}, 0
        form = pool.compiled_form(db, version)
        known, read = pool.exposure_of(db, form), pool._read_exposure(db, form)
        assert (known.counts, known.n_attempts) == (read.counts, read.n_attempts)
        return known.counts, known.n_attempts


def test_u8_a_whole_preview_writes_its_own_rows_only_and_none_is_left_when_it_has_ended(teacher: Teacher):
    before = count_rows(teacher.tool)

    preview, first = teacher.look_at_the_assessment()
    intro = teacher.get(first)
    result = teacher.sit(preview)
    teacher.post(preview, f"/learn/{preview}/language", language="en", back=first)
    for page in ("roadmap", "path"):
        assert teacher.get(f"/learn/{preview}/{page}").status_code == 200
    during = count_rows(teacher.tool)
    stopped = teacher.stop(preview)

    assert "ดูตัวอย่าง" in intro.text
    assert 'id="levels"' in result.text
    assert {name for name in during if during[name] != before[name]} == WHAT_LOOKING_MAY_WRITE - {"attempt_event"}
    assert during["launch"] == before["launch"] + 1
    assert (stopped.status_code, stopped.headers["Location"]) == (303, teacher.back)
    assert count_rows(teacher.tool) == before


def test_u8_no_item_counts_as_shown_because_of_a_preview(teacher: Teacher):
    preview, _ = teacher.look_at_the_assessment()

    teacher.sit(preview, answers=4)

    with teacher.tool.database.reading() as db:
        assert db.scalar(select(func.count()).select_from(Attempt)) == 1
    assert exposure(teacher) == ({}, 0)


def test_u8_the_teacher_sees_nobody_who_was_not_there_before(teacher: Teacher):
    page_before = teacher.get(teacher.back).text
    preview, _ = teacher.look_at_the_assessment()
    teacher.sit(preview)

    (user,) = teacher.tool.rows(models.User)
    with teacher.tool.database.reading() as db:
        asked = {"tenant_id": user.tenant_id, "form_uuid": teacher.form.uuid}
        assert assessment.list_outcomes(db, person_uuids=[preview, user.person_uuid], **asked) == {}
        assert assessment.find_attempt(db, person_uuid=user.person_uuid, **asked) is None
    assert strip_times(teacher.get(teacher.back).text) == strip_times(page_before)


def test_the_worker_never_ends_a_preview_nor_records_it_and_removes_it_after_a_day(teacher: Teacher):
    before = count_rows(teacher.tool)
    preview, _ = teacher.look_at_the_assessment()
    teacher.sit(preview, answers=2)
    late = Moment(teacher.tool.moment.now + timedelta(hours=3))

    n_closed = background.close_overdue_attempts(teacher.tool.database, teacher.tool.app.settings, late)
    background.sweep(teacher.tool.database, late)
    still_there = count_rows(teacher.tool)
    late.now = teacher.tool.moment.now + KEPT + timedelta(seconds=1)
    background.sweep(teacher.tool.database, late)

    assert n_closed == 0
    assert (still_there["attempt"], still_there["launch"]) == (before["attempt"] + 1, before["launch"] + 1)
    assert count_rows(teacher.tool) == before


def test_a_preview_whose_time_runs_out_ends_by_itself_and_records_nothing(teacher: Teacher):
    preview, _ = teacher.look_at_the_assessment()
    teacher.sit(preview, answers=2)
    before = count_rows(teacher.tool)
    (attempt,) = teacher.tool.rows(Attempt)
    teacher.tool.moment.pass_by(minutes=50)

    page = teacher.get(f"/learn/{preview}/attempts/{attempt.uuid}")

    assert page.headers["Location"].endswith("/result")
    changed = {name: n - before[name] for name, n in count_rows(teacher.tool).items() if n != before[name]}
    assert changed == {"ability_estimate": len(teacher.form.domains)}


def test_a_second_look_ends_the_first(teacher: Teacher):
    first, _ = teacher.look_at_the_assessment()
    teacher.sit(first, answers=1)

    second, path = teacher.look_at_the_assessment()

    assert first != second
    assert teacher.get(f"/learn/{first}/roadmap").status_code == 404
    assert teacher.get(path).status_code == 200
    assert teacher.tool.rows(Attempt) == []


def test_a_new_launch_of_the_teacher_does_not_end_the_look(teacher: Teacher):
    _, path = teacher.look_at_the_assessment()

    teacher.open()

    assert teacher.get(path).status_code == 200


def test_the_look_is_a_learners_alone_and_opens_no_page_of_teachers_or_staff(teacher: Teacher):
    preview, _ = teacher.look_at_the_assessment()

    for path in (
        f"/teach/{preview}/activities/{teacher.form.uuid}",
        f"/design/{preview}/choose",
        f"/executive/{preview}/",
        f"/admin/{preview}/",
    ):
        assert teacher.get(path).status_code == 404
    assert teacher.post(preview, f"/design/{preview}/preview", activity="path").status_code == 404


def test_another_persons_browser_sees_nothing_of_the_look(teacher: Teacher):
    preview, path = teacher.look_at_the_assessment()
    other = teacher.tool.new_browser()
    teacher.tool.launched(other, sub="u-2")

    page = other.get(path, base_url=TOOL, headers={"Accept": "text/html"})

    assert (page.status_code, code_of(page)) == (409, "other_person")
    assert [one.uuid for one in teacher.tool.rows(models.Launch) if one.preview_of_id] == [preview]


def test_only_a_designer_may_begin_a_look_and_only_a_look_can_be_ended(teacher: Teacher):
    learner = teacher.tool.launched(sub="u-3")

    begun = teacher.post(learner, f"/design/{learner}/preview", activity="path")
    ended = teacher.post(learner, f"/design/{learner}/preview/end")

    assert (begun.status_code, ended.status_code) == (404, 404)
    assert len(teacher.tool.rows(models.Launch)) == 2


def test_s23_a_look_at_what_the_agency_does_not_have_is_refused(teacher: Teacher):
    for activity in (
        "",
        "assessment",
        "assessment:x",
        f"assessment:{UUID(int=1)}",
        f"resource:{UUID(int=1)}",
        "admin",
        "path:1",
        "resource:",
    ):
        assert teacher.look(activity).status_code == 404, activity

    assert len(teacher.tool.rows(models.Launch)) == 1


def test_the_way_back_is_a_page_of_the_same_launch(teacher: Teacher):
    for back in ("https://evil.example/", "//evil.example", "/admin/", f"/design/{teacher.launch}/../x", "", f"/teach/{UUID(int=1)}/"):
        preview = UUID(teacher.look("roadmap", back).headers["Location"].split("/")[2])

        assert teacher.stop(preview).headers["Location"] == f"/design/{teacher.launch}/choose", back


def test_paths_roadmap_and_resources_are_shown_as_to_somebody_new(teacher: Teacher):
    with teacher.tool.database.reading() as db:
        resource = learning.list_resources(db)[0]

    for activity in ("path", "roadmap", f"resource:{resource.uuid}"):
        page = teacher.get(teacher.look(activity).headers["Location"])

        assert page.status_code == 200
        assert 'class="preview"' in page.text


def strip_times(page: str) -> str:
    """A page without what differs from one request to the next."""
    return re.sub(r"\d\d:\d\d", "", page)


def test_nobodys_data_are_handed_out_in_a_preview_and_the_log_stays_as_it_was(teacher: Teacher):
    preview, _ = teacher.look_at_the_assessment()
    before = len(teacher.tool.rows(models.AuditEntry))

    page = teacher.get(f"/privacy/{preview}/")
    answer = teacher.post(preview, f"/privacy/{preview}/data.json")

    assert page.status_code == 200
    assert "data.json" not in page.text
    assert answer.status_code == 404
    assert len(teacher.tool.rows(models.AuditEntry)) == before
