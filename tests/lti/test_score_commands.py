"""`kaona score`: what is parked, the columns, what gradebooks hold, and the cures."""

import json
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import update

from kernel.errors import NotFound
from lti_tool import models
from lti_tool.cli import common
from lti_tool.cli import score as score_commands
from tests.lti.gradebook_world import Course, new_course
from tests.lti.lti_world import Answer, Tool

pytestmark = pytest.mark.stocked

SCORES = "/course/lineitems/1/lineitem/scores"


@pytest.fixture
def course(tool: Tool, monkeypatch: pytest.MonkeyPatch) -> Course:
    """A course whose one learner has 70 of 100 there."""
    course = new_course(tool, monkeypatch)
    course.learner = course.launch(line_item=course.gradebook.add(resourceLinkId="7"))
    course.enqueue(70.0)
    course.settle()
    return course


@pytest.fixture
def kaona(course: Course, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Runs one command on the course's installation."""
    for place in (common, score_commands):
        monkeypatch.setattr(place, "open_installation", lambda: (course.tool.app.settings, course.tool.database))
    for place in (common, score_commands):
        monkeypatch.setattr(place, "now", course.tool.moment)

    def run(*arguments: str, **options: Any) -> Result:
        done = CliRunner().invoke(score_commands.score, [str(argument) for argument in arguments], **options)
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return done

    return run


def test_a_parked_score_is_listed_with_its_reason_and_sent_again(course: Course, kaona: Callable[..., Result]):
    usual = course.tool.platform.answers[SCORES]
    course.tool.platform.answers[SCORES] = lambda _: Answer(404)
    course.tool.moment.pass_by(seconds=5)
    course.enqueue(80.0)
    course.settle()
    (parked,) = json.loads(kaona("list", "--json").stdout)
    assert (parked["state"], parked["last_error"]) == ("parked", "status 404")

    course.tool.platform.answers[SCORES] = usual
    assert "waiting" in kaona("retry", parked["key"]).stdout
    course.settle()

    assert (course.gradebook.grade(), json.loads(kaona("list", "--json").stdout), course.columns()[0].gone_at) == (80.0, [], None)


def test_differences_are_listed_in_words_and_one_is_sent_again(course: Course, kaona: Callable[..., Result]):
    course.gradebook.grades.clear()
    course.tool.moment.pass_by(seconds=5)

    told = json.loads(kaona("reconcile", "--json").stdout)

    (found,) = told["differences"]
    assert (told["columns"], found["kind"], found["sent"], found["held"]) == (1, "missing", 70.0, None)
    assert set(found["words"]) == {"th", "en"}
    assert "1 columns compared, 1 differences" in kaona("reconcile").stdout
    assert json.loads(kaona("reconcile", "--tenant", "other", "--json").stdout) == {"columns": 0, "differences": []}
    assert json.loads(kaona("reconcile", "--platform", course.tool.platform.url, "--json").stdout)["columns"] == 1

    assert "on its way" in kaona("resend", found["column"], found["person"]).stdout
    course.settle()
    assert course.gradebook.grade() == 70.0
    assert [entry.event for entry in course.tool.rows(models.AuditEntry)][-1] == "score.resent"


def test_columns_are_listed_and_those_that_we_made_changed_and_deleted(course: Course, kaona: Callable[..., Result]):
    (listed,) = json.loads(kaona("columns", "--json").stdout)
    assert (listed["column"], listed["state"], listed["made_by_us"], listed["tenant"]) == (1, "there", False, "opdc")
    with pytest.raises(NotFound):
        kaona("delete-column", "1", "--yes")  # it came with the link
    with course.tool.database.transaction() as db:
        db.execute(update(models.LineItem).values(is_ours=True))

    kaona("change-column", "1", "--label", "ชื่อใหม่", "--maximum", "50", "--closes", "2026-12-01")
    course.settle()
    item = course.gradebook.items[1]
    assert (item["label"], item["scoreMaximum"], item["resourceLinkId"], "endDateTime" in item) == ("ชื่อใหม่", 50.0, "7", True)

    assert kaona("delete-column", "1", input="n\n").exit_code == 1
    course.settle()
    assert course.gradebook.items
    kaona("delete-column", "1", "--yes")
    course.settle()
    assert course.gradebook.items == {}
    assert json.loads(kaona("columns", "--json").stdout)[0]["state"] == "gone"
    assert json.loads(kaona("columns", "--platform", "https://other", "--json").stdout) == []


def test_what_is_not_there_is_refused(course: Course, kaona: Callable[..., Result]):
    for arguments in (["retry", "no-such"], ["resend", "1", str(uuid4())], ["change-column", "99", "--label", "x"]):
        with pytest.raises(NotFound):
            kaona(*arguments)
