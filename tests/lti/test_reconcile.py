"""What gradebooks hold beside what we sent: read back, told in words, never overwritten."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from kernel.outbox import OutboxItem
from lti_tool import models
from lti_tool.jobs import score_reconcile
from lti_tool.lti import vocabulary as v
from lti_tool.workflows import background, standing
from tests.lti.gradebook_world import RESULTS, Course, new_course
from tests.lti.lti_world import Answer, Tool

pytestmark = pytest.mark.stocked

PATH = "/course/lineitems/1/lineitem/results"


@pytest.fixture
def course(tool: Tool, monkeypatch: pytest.MonkeyPatch) -> Course:
    """A course whose one learner has 70 of 100 in a column of 21."""
    course = new_course(tool, monkeypatch)
    course.learner = course.launch(line_item=course.gradebook.add(resourceLinkId="7", scoreMaximum=21.0))
    course.enqueue(70.0)
    course.settle()
    return course


def test_q40_a_rescaled_result_is_the_same_grade(course: Course):
    assert course.gradebook.grade() == pytest.approx(14.7)

    assert course.reconcile() == []

    (score,), (column,) = course.scores(), course.columns()
    assert (score.result_given, score.result_read_at) == (pytest.approx(70.0), course.now)
    assert column.results_read_at == course.now
    (call,) = course.gradebook.calls("GET", "/results")
    assert (call.headers["accept"], call.path) == (RESULTS, f"{PATH}?type_id=1")  # no limit: Moodle answers that with an HTML page


def test_a_teachers_change_is_told_and_never_overwritten(course: Course):
    course.gradebook.set_by_hand(21.0)
    n_before = len(course.gradebook.bodies())

    (found,) = course.reconcile()

    assert (found.kind, found.held, found.given, found.maximum) == ("changed", pytest.approx(100.0), 70.0, 100.0)
    assert "100" in found.words("en")
    assert "70" in found.words("th")
    course.settle()
    assert (len(course.gradebook.bodies()), course.gradebook.grade()) == (n_before, 21.0)
    with course.tool.database.reading() as db:
        (view,) = standing.score_views(db, course.teacher(course.learner)).values()
    assert (view.differs, view.in_gradebook) == (True, pytest.approx(100.0))


def test_a_grade_that_is_missing_is_told(course: Course):
    course.gradebook.grades.clear()

    (found,) = course.reconcile()

    assert (found.kind, found.held) == ("missing", None)
    assert course.gradebook.bodies()[1:] == []


def test_a_list_that_was_not_read_to_its_end_says_nothing_of_those_who_are_not_in_it(course: Course):
    headers = {"Link": "<x>; rel=\u201cnext\u201d".encode().decode("latin-1")}
    course.tool.platform.answers[PATH] = lambda _: Answer(body=b"[]", headers=headers)

    assert course.reconcile() == []
    assert course.scores()[0].result_read_at is None


def test_a_score_that_was_sent_after_the_reading_is_not_compared(course: Course):
    course.gradebook.set_by_hand(21.0)
    course.reconcile()
    course.gradebook.grades.clear()
    course.tool.moment.pass_by(seconds=5)
    course.enqueue(80.0)
    course.settle()

    with course.tool.database.reading() as db:
        assert score_reconcile.list_differences(db, columns=[course.columns()[0].id]) == []


@pytest.mark.parametrize("status", [403, 404])
def test_a_column_that_is_gone_is_told_with_the_cure_and_comes_back_when_it_does(course: Course, status: int):
    usual = course.tool.platform.answers[PATH]
    course.tool.platform.answers[PATH] = lambda _: Answer(status)

    (found,) = course.reconcile()
    assert (found.kind, course.columns()[0].gone_at) == ("column_gone", course.now)
    assert "course" in found.words("en")

    course.tool.platform.answers[PATH] = usual
    assert course.reconcile() == []
    assert course.columns()[0].gone_at is None


@pytest.mark.parametrize("answer", [Answer(500), Answer(200, b"<html>"), Answer(200, b"{}")])
def test_results_that_cannot_be_read_are_told_and_change_nothing(course: Course, answer: Answer):
    course.tool.platform.answers[PATH] = lambda _: answer

    (found,) = course.reconcile()

    assert found.kind == "unread"
    assert (course.scores()[0].result_read_at, course.columns()[0].gone_at) == (None, None)


@pytest.mark.parametrize(
    "result", [{}, {"userId": "u-1"}, {"userId": "u-1", "resultScore": "70"}, {"userId": "u-1", "resultScore": 1, "resultMaximum": 0}, 5]
)
def test_what_is_no_grade_counts_as_none(course: Course, result: Any):
    import json

    course.tool.platform.answers[PATH] = lambda _: Answer(body=json.dumps([result]).encode())

    assert [found.kind for found in course.reconcile()] == ["missing"]


def test_a_platform_that_lets_us_read_no_results_is_not_asked(course: Course):
    with course.tool.database.transaction() as db:
        db.execute(update(models.LineItem).values(scopes=[v.SCOPE_SCORE]))

    assert course.reconcile() == []
    assert course.gradebook.calls("GET", "/results") == []


def test_no_transaction_is_open_while_results_are_read(course: Course):
    usual = course.tool.platform.answers[PATH]

    def write_beside(call: Any) -> Answer:
        with course.tool.database.transaction() as db:
            db.execute(update(models.User).values(display_name="beside"))
        return usual(call)

    course.tool.platform.answers[PATH] = write_beside

    assert course.reconcile() == []


def test_every_night_each_column_in_use_is_compared_once(course: Course):
    course.tool.moment.now = course.now.replace(hour=17, minute=59)  # a minute before one at night in Bangkok is 17:59 UTC

    def nights() -> list[str]:
        background.sweep(course.tool.database, course.tool.moment)
        return [item.key for item in course.tool.rows(OutboxItem) if item.kind == score_reconcile.KIND]

    assert nights() == []
    course.tool.moment.pass_by(minutes=2)
    assert nights() == nights() == ["score.reconcile:1:2026-11-23"]
    course.settle()
    assert len(course.gradebook.calls("GET", "/results")) == 1
    course.tool.moment.pass_by(days=1)
    assert len(nights()) == 2
    course.settle()
    course.tool.moment.now += score_reconcile.COMPARED_FOR + timedelta(days=1)
    assert len(nights()) < 3
