"""Signs of integrity in a course: measured by the worker, looked at and decided by its teachers, told to the learner, forgotten in time."""

import html
import re
import threading
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from werkzeug.test import TestResponse

import assessment.api as assessment
from assessment.models import AbilityEstimate, IntegrityCheck, IntegrityFlag, IntegrityReview, Response
from lti_tool import models
from lti_tool.dev.respondent import Respondent, read_bank
from lti_tool.lti import vocabulary as v
from lti_tool.web.csrf import token_of
from lti_tool.workflows import integrity
from lti_tool.workflows.attempt_finished import record_outcome
from tests.lti.gradebook_world import ABLE, Course, new_course
from tests.lti.lti_world import SECRET, TOOL, Tool, code_of

pytestmark = [pytest.mark.stocked, pytest.mark.one_database]


class Room:
    """A course with learners who sit and a teacher who looks."""

    def __init__(self, course: Course) -> None:
        self.course, self.tool = course, course.tool
        course.load()

    def sits(
        self, sub: str, *, seed: int = 1, answers: int | None = None, ms: int = 30_000, away: int = 0, abilities: Any = ABLE,
        link: str = "7", context: str = "course-1", moves: int = 0,
    ) -> UUID:  # fmt: skip
        """A whole sitting. seed: of the items and of the answers; answers: of another seed; away: times that the page was left for 10 s."""
        context_claim = {"id": context, "title": context, "type": ["CourseSection"]}
        launch = self.course.launch(sub=sub, link=link, **{v.CONTEXT: context_claim})
        respondent = Respondent(abilities, answers or seed, read_bank())
        with self.tool.database.transaction() as db:
            who = {"tenant_id": launch.tenant_id, "person_uuid": db.get_one(models.User, launch.user_id).person_uuid}
            attempt = assessment.start_attempt(
                db, **who, form_uuid=self.course.form.uuid, launch_ref=str(launch.uuid), seed=seed, now=self.course.now
            ).attempt_uuid
            step = assessment.get_step(db, attempt, **who, device=str(launch.uuid), now=self.course.now)
            for move in range(moves):
                for back, device in enumerate((f"other {move}", str(launch.uuid))):
                    at = self.course.now + timedelta(seconds=2 * move + back)
                    step = assessment.get_step(db, attempt, **who, device=device, now=at)
            while step.item is not None:
                answer = assessment.Answer(
                    step.item.presentation_uuid, str(step.position), respondent.answer_to(step.item.stem), ms,
                    away_count=away if step.position == 1 else 0, away_ms=10_000 * away if step.position == 1 else 0,
                )  # fmt: skip
                step = assessment.submit_response(db, attempt, answer, **who, device=str(launch.uuid), now=self.course.now)
            record_outcome(db, tenant_id=launch.tenant_id, attempt_uuid=attempt, public_url=TOOL, now=self.course.now)
        return attempt

    def look(self, *, compare: bool = False) -> None:
        integrity.look(self.tool.database, self.tool.moment)
        if compare:
            self.tool.moment.pass_by(minutes=10)
            integrity.look(self.tool.database, self.tool.moment)

    def flags(self) -> set[tuple[str, str]]:
        with self.tool.database.reading() as db:
            found = assessment.list_reviews(db, tenant_id=1)
        return {(str(one.attempt_uuid), flag.kind) for one in found for flag in one.flags}

    def teacher(self, sub: str = "t-1", **claims: Any) -> tuple[UUID, Any]:
        browser = self.tool.new_browser()
        return self.tool.launched(browser, **{"sub": sub, v.ROLES: [f"{v.MEMBERSHIP}#Instructor"], **claims}), browser

    def get(self, who: tuple[UUID, Any], path: str) -> TestResponse:
        launch, browser = who
        return browser.get(f"/teach/{launch}/integrity/{self.course.form.uuid}{path}", base_url=TOOL, headers={"Accept": "text/html"})

    def decide(self, who: tuple[UUID, Any], attempt: UUID, **fields: str) -> TestResponse:
        launch, browser = who
        path = f"/teach/{launch}/integrity/{self.course.form.uuid}/{attempt}"
        data = {"csrf": token_of(launch, SECRET), **fields}
        return browser.post(path, base_url=TOOL, data=data, headers={"Origin": TOOL, "Accept": "text/html"})


@pytest.fixture
def room(tool: Tool, monkeypatch: pytest.MonkeyPatch) -> Room:
    return Room(new_course(tool, monkeypatch))


def test_a_sitting_without_signs_is_measured_once_and_opens_no_review(room: Room):
    room.sits("u-1")

    room.look()
    (check,) = room.tool.rows(IntegrityCheck)
    room.look()

    assert (check.n_rapid, check.n_away, check.away_seconds, check.n_moves) == (0, 0, 0, 0)
    assert check.n_answers >= 18
    assert len(room.tool.rows(IntegrityCheck)) == 1
    assert room.tool.rows(IntegrityReview) == []


def test_hurry_absence_and_moves_open_a_review_and_change_no_score(room: Room):
    hasty, absent, moved = room.sits("u-1", ms=900), room.sits("u-2", away=12), room.sits("u-3", moves=2)
    before = [(row.attempt_id, row.domain, row.theta, row.level) for row in room.tool.rows(AbilityEstimate)]

    room.look()

    assert room.flags() == {(str(hasty), "rapid"), (str(absent), "away"), (str(moved), "moved")}
    details = {row.kind: row.detail for row in room.tool.rows(IntegrityFlag)}
    assert details["rapid"]["n_rapid"] == details["rapid"]["n_answers"] >= 18
    assert details["away"] == {"n_away": 12, "away_seconds": 120}
    assert details["moved"] == {"n_moves": 4}
    assert [(row.attempt_id, row.domain, row.theta, row.level) for row in room.tool.rows(AbilityEstimate)] == before


def test_a_sitting_without_a_script_has_no_times_and_is_not_called_hasty(room: Room):
    room.sits("u-1", ms=-1)  # no time that could be

    room.look()

    assert room.tool.rows(IntegrityReview) == []


def test_the_answers_of_two_who_copy_open_a_review_of_each_and_of_nobody_else(room: Room):
    middling = {"DLIT": -0.5, "DGOV": -0.5, "DLEAD": -0.5}
    for n in range(3):
        room.sits(f"u-{n}", seed=100 + n, abilities=middling)
    one, other = room.sits("c-1", seed=1, answers=50, abilities=middling), room.sits("c-2", seed=1, answers=50, abilities=middling)

    room.look(compare=True)
    room.look(compare=True)

    similar = {attempt for attempt, kind in room.flags() if kind == "similar"}
    assert similar == {str(one), str(other)}
    keys = {row.key for row in room.tool.rows(IntegrityFlag) if row.kind == "similar"}
    assert keys == similar
    assert all(row.compared_at is not None for row in room.tool.rows(IntegrityCheck))


def test_the_worker_looks_beside_its_effects_and_a_fault_does_not_end_it(room: Room, monkeypatch: pytest.MonkeyPatch):
    room.sits("u-1")
    monkeypatch.setattr(integrity, "EVERY_SECONDS", 0.001)
    stop, looks = threading.Event(), []

    def look_twice(database: Any, clock: Any) -> None:
        looks.append(len(looks))
        if len(looks) == 1:
            raise ValueError
        real(database, clock)
        stop.set()

    real = integrity.look
    monkeypatch.setattr(integrity, "look", look_twice)
    integrity.Looker(room.tool.database, room.tool.moment).run(stop)

    assert looks == [0, 1]
    assert len(room.tool.rows(IntegrityCheck)) == 1


def test_a_teacher_sees_what_was_seen_and_what_it_may_mean_innocently_and_decides_with_a_reason(room: Room):
    attempt = room.sits("u-1", ms=900)
    room.look()
    teacher = room.teacher()

    listed = html.unescape(room.get(teacher, "").text)
    page = html.unescape(room.get(teacher, f"/{attempt}").text)
    without = room.decide(teacher, attempt, decision="talk", reason="  ")
    unknown = room.decide(teacher, attempt, decision="guilty", reason="x")
    done = room.decide(teacher, attempt, decision="talk", reason="คุยกันแล้ว เครื่องมีปัญหา")
    twice = room.decide(teacher, attempt, decision="no_concern", reason="เปลี่ยนใจ")

    assert "คำตอบที่ตอบเร็วเกินไป" in listed
    assert "รอการตัดสิน" in listed
    assert "ไม่ใช่ผลวัดที่ใช้ได้สมบูรณ์" in page
    assert "อาจมีสาเหตุปกติ" in page
    assert (without.status_code, unknown.status_code, done.status_code) == (422, 422, 303)
    assert (twice.status_code, code_of(twice)) == (409, "review_decided")
    assert "คุยกันแล้ว เครื่องมีปัญหา" in html.unescape(room.get(teacher, f"/{attempt}").text)
    (review,) = room.tool.rows(IntegrityReview)
    assert (review.decision, review.reason) == ("talk", "คุยกันแล้ว เครื่องมีปัญหา")
    events = [row for row in room.tool.rows(models.AuditEntry) if row.event.startswith("integrity.")]
    assert [row.event for row in events][-2:] == ["integrity.decided", "integrity.viewed"]
    assert "เครื่อง" not in str([row.details for row in events])


def test_a_teacher_of_another_course_a_designer_and_a_learner_find_nothing(room: Room):
    attempt = room.sits("u-1", ms=900)
    room.look()
    elsewhere = room.teacher("t-2", **{v.CONTEXT: {"id": "course-2", "title": "อื่น"}, v.RESOURCE_LINK: {"id": "9"}})
    designer = room.teacher("d-1", **{v.ROLES: [f"{v.MEMBERSHIP}#ContentDeveloper"]})
    learner = room.teacher("u-1", **{v.ROLES: [f"{v.MEMBERSHIP}#Learner"]})

    assert str(attempt) not in room.get(elsewhere, "").text
    assert room.get(elsewhere, f"/{attempt}").status_code == room.decide(elsewhere, attempt, decision="talk", reason="x").status_code == 404
    assert [room.get(who, "").status_code for who in (designer, learner)] == [404, 404]
    assert room.tool.rows(IntegrityReview)[0].decision is None


def test_the_other_of_a_similar_pair_is_named_in_the_same_course_alone(room: Room):
    weak = {"DLIT": -1.5, "DGOV": -1.5, "DLEAD": -1.5}
    here, there = room.sits("u-8", answers=50, abilities=weak), room.sits("u-9", answers=50, abilities=weak, link="9", context="course-2")
    room.look(compare=True)

    page = html.unescape(room.get(room.teacher(), f"/{here}").text)

    assert {attempt for attempt, kind in room.flags() if kind == "similar"} == {str(here), str(there)}
    assert "เหมือนกับของ ผู้เรียนในรายวิชาอื่น" in page
    assert str(there) not in page


def test_another_attempt_that_is_offered_counts_neither_for_the_number_nor_for_the_days(room: Room):
    attempt = room.sits("u-1", ms=900)
    launch = room.course.launch(sub="u-1")
    room.course.place(launch, admission={"attempts": 1, "days_between": 30})
    room.look()

    def may_begin() -> str | None:
        browser = room.tool.new_browser()
        mine = room.tool.launched(browser, sub="u-1", **{v.RESOURCE_LINK: {"id": "7", "title": "แบบประเมิน"}})
        page = browser.get(f"/learn/{mine}/assessment/{room.course.form.uuid}", base_url=TOOL).text
        return re.search(r'id="refusal"', page) is None

    before = may_begin()
    room.decide(room.teacher(), attempt, decision="retake", reason="เครือข่ายขัดข้อง")

    assert (before, may_begin()) == (False, True)


def test_a_new_sign_opens_a_closed_review_again_unless_another_attempt_was_offered(room: Room):
    weak = {"DLIT": -1.5, "DGOV": -1.5, "DLEAD": -1.5}
    one, other = [room.sits(sub, answers=50, abilities=weak, ms=900) for sub in ("u-8", "u-9")]
    room.look()
    teacher = room.teacher()
    room.decide(teacher, one, decision="no_concern", reason="ปกติ")
    room.decide(teacher, other, decision="retake", reason="ทำใหม่")

    room.tool.moment.pass_by(minutes=10)
    room.look()

    with room.tool.database.reading() as db:
        decisions = {row.attempt_uuid: row.decision for row in assessment.list_reviews(db, tenant_id=1)}
    assert decisions == {one: None, other: "retake"}


def test_the_learner_finds_the_signs_and_the_decision_among_the_data_about_them(room: Room):
    attempt = room.sits("u-1", ms=900, away=2)
    room.look()
    room.decide(room.teacher(), attempt, decision="no_concern", reason="รู้เรื่องนี้ดีอยู่แล้ว")
    browser = room.tool.new_browser()
    mine = room.tool.launched(browser, sub="u-1")

    page = html.unescape(browser.get(f"/privacy/{mine}/", base_url=TOOL).text)
    data = browser.post(f"/privacy/{mine}/data.json", base_url=TOOL, data={"csrf": token_of(mine, SECRET)}, headers={"Origin": TOOL}).json

    assert "การตรวจดูการทำแบบประเมิน" in page
    (review,) = data["reviews"]
    assert (review["attempt"], review["decision"], review["reason"]) == (str(attempt), "no_concern", "รู้เรื่องนี้ดีอยู่แล้ว")
    assert [sign["kind"] for sign in review["signs"]] == ["rapid"]
    assert data["attempts"][0]["answers"][0]["away_count"] == 2
    assert data["attempts"][0]["answers"][0]["away_ms"] == 20_000


def test_signs_and_times_away_are_forgotten_a_year_after_the_sitting_and_the_score_stays(room: Room):
    room.sits("u-1", ms=900, away=2)
    room.look()
    room.tool.moment.pass_by(days=365, minutes=1)
    room.sits("u-2", ms=900, away=2)

    room.look()
    room.look()

    assert len(room.tool.rows(IntegrityCheck)) == len(room.tool.rows(IntegrityReview)) == len(room.tool.rows(IntegrityFlag)) == 1
    times = [row.away_ms for row in room.tool.rows(Response) if row.away_ms]
    assert times == [20_000]
    assert len(room.tool.rows(AbilityEstimate)) == 6


def test_an_erased_persons_signs_go_with_their_attempts(room: Room):
    room.sits("u-1", ms=900, away=2), room.sits("u-2", ms=900)
    room.look()
    people = {row.sub: row.person_uuid for row in room.tool.rows(models.User)}
    with room.tool.database.transaction() as db:
        assessment.forget_person(db, tenant_id=1, person_uuid=people["u-1"], keep_as=UUID(int=5))
        assessment.forget_person(db, tenant_id=1, person_uuid=people["u-2"], keep_as=None)

    assert room.tool.rows(IntegrityCheck) == room.tool.rows(IntegrityReview) == room.tool.rows(IntegrityFlag) == []
    assert {row.away_ms for row in room.tool.rows(Response)} == {None}
