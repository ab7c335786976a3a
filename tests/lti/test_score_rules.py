"""Which sitting stands in which column, and what a teacher may do about it."""

import itertools
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select, update

from kernel.errors import NotFound
from kernel.outbox import OutboxItem
from lti_tool import models
from lti_tool.jobs import score_publish
from lti_tool.jobs.score_publish import outbox_keys_of
from lti_tool.lti import vocabulary as v
from lti_tool.lti.ags import ScoreInvalid
from lti_tool.workflows import background, gradebook, standing, teacher_scores
from lti_tool.workflows.gradebook import Sitting, points, standing_sitting
from tests.lti.gradebook_world import ABLE, UNABLE, Course, new_course
from tests.lti.lti_world import Tool

pytestmark = pytest.mark.stocked

FORM = uuid4()
NOON = datetime(2026, 11, 22, 5, tzinfo=UTC)


def sitting(share: float, hour: int) -> Sitting:
    return Sitting(FORM, NOON + timedelta(hours=hour), NOON + timedelta(hours=hour, minutes=30), share, {"a": share})


@pytest.mark.parametrize(("policy", "hour"), [("best", 2), ("last", 3), ("first", 1)])
def test_the_policy_decides_which_sitting_stands(policy: str, hour: int):
    sittings = [sitting(0.4, 3), sitting(0.2, 1), sitting(0.9, 2)]

    for order in itertools.permutations(sittings):
        assert standing_sitting(order, policy) == sitting(next(one.share for one in sittings if one == sitting(one.share, hour)), hour)


def test_of_equally_good_sittings_the_earliest_stands():
    assert standing_sitting([sitting(0.5, 2), sitting(0.5, 1), sitting(0.1, 3)], "best") == sitting(0.5, 1)


def test_without_a_sitting_nothing_stands():
    assert [standing_sitting([], policy) for policy in ("best", "last", "first")] == [None, None, None]


@given(st.lists(st.tuples(st.floats(0, 1), st.integers(0, 1000)), min_size=1, unique_by=lambda one: one[1]))
def test_no_other_sitting_is_better_later_or_earlier_than_the_one_that_stands(drawn: list[tuple[float, int]]):
    sittings = [sitting(share, hour) for share, hour in drawn]
    stands = {policy: standing_sitting(sittings, policy) for policy in ("best", "last", "first")}

    assert stands["best"].share == max(one.share for one in sittings)
    assert stands["last"].finished_at == max(one.finished_at for one in sittings)
    assert stands["first"].finished_at == min(one.finished_at for one in sittings)


@given(st.floats(-2, 2), st.floats(0.001, 100_000))
def test_q40_points_are_clamped_on_our_side(share: float, maximum: float):
    assert 0.0 <= points(share, maximum) <= maximum


@pytest.fixture
def course(tool: Tool, monkeypatch: pytest.MonkeyPatch) -> Course:
    course = new_course(tool, monkeypatch)
    course.load()
    return course


@pytest.mark.parametrize(("policy", "shares"), [("best", [1.0]), ("last", [1.0, 0.0]), ("first", [1.0])])
def test_sittings_through_a_placed_link_follow_its_policy(course: Course, policy: str, shares: list[float]):
    coupled = course.gradebook.add(resourceLinkId="7")
    launch = course.launch(line_item=coupled)
    course.place(launch, attempts_policy=policy)

    for abilities in (ABLE, UNABLE):
        course.sit(launch, abilities)
        course.settle()
        course.tool.moment.pass_by(hours=1)

    sent = course.gradebook.bodies()
    assert [body["scoreGiven"] / body["scoreMaximum"] for body in sent] == pytest.approx(shares, abs=0.12)
    (score,) = course.scores()
    assert (score.maximum, score.state) == (20.0, "sent")


def test_a_link_that_nobody_placed_shows_the_last_sitting(course: Course):
    launch = course.launch(line_item=course.gradebook.add(resourceLinkId="7"))
    for abilities in (ABLE, UNABLE):
        course.sit(launch, abilities)
        course.settle()
        course.tool.moment.pass_by(hours=1)

    assert course.gradebook.grade() == pytest.approx(0.0, abs=12)
    assert [score.maximum for score in course.scores()] == [100.0]


def test_a_score_tells_when_the_sitting_began_and_was_handed_in(course: Course):
    launch = course.launch(line_item=course.gradebook.add(resourceLinkId="7"))
    course.sit(launch)
    course.settle()

    (body,) = course.gradebook.bodies()
    assert body["submission"] == {"startedAt": "2026-11-22T02:30:00Z", "submittedAt": "2026-11-22T02:30:00Z"}
    assert (body["activityProgress"], body["gradingProgress"]) == ("Completed", "FullyGraded")


def test_q37_a_sitting_without_an_answer_sends_nothing(course: Course):
    launch = course.launch(line_item=course.gradebook.add(resourceLinkId="7"))
    course.sit(launch, answers=0)
    course.tool.moment.pass_by(hours=3)

    assert background.close_overdue_attempts(course.tool.database, course.tool.app.settings, course.tool.moment) == 1
    course.settle()
    assert (course.scores(), course.gradebook.bodies()) == ([], [])


def test_a_sitting_whose_time_ran_out_is_scored_too(course: Course):
    launch = course.launch(line_item=course.gradebook.add(resourceLinkId="7"))
    course.sit(launch, answers=4)
    course.tool.moment.pass_by(hours=3)

    background.close_overdue_attempts(course.tool.database, course.tool.app.settings, course.tool.moment)
    course.settle()

    (body,) = course.gradebook.bodies()
    assert body["submission"]["startedAt"] < body["submission"]["submittedAt"] < body["timestamp"]


def test_a_copied_link_begins_with_an_empty_column(course: Course):
    launch = course.launch(line_item=course.gradebook.add(resourceLinkId="7"))
    placement = course.place(launch)
    course.sit(launch)
    course.settle()
    copied = course.gradebook.add(resourceLinkId="70", resourceId=str(placement.uuid))

    copy = course.launch(link="70", line_item=copied, **{v.CONTEXT: {"id": "course-2", "title": "สำเนา"}})
    with course.tool.database.transaction() as db:
        db.execute(update(models.ResourceLink).where(models.ResourceLink.id == copy.resource_link_id).values(placement_id=placement.id))
    course.settle()

    assert (len(course.scores()), course.gradebook.grade(2)) == (1, None)
    course.sit(copy, UNABLE)
    course.settle()
    assert len(course.scores()) == 2
    assert course.gradebook.grade(1) != course.gradebook.grade(2)


def person(course: Course, launch: models.Launch) -> UUID:
    return next(user.person_uuid for user in course.tool.rows(models.User) if user.id == launch.user_id)


def test_a_teacher_sets_points_by_hand_and_takes_them_back(course: Course):
    coupled = course.gradebook.add(resourceLinkId="7", scoreMaximum=20.0)
    learner, teacher = course.launch(line_item=coupled), course.launch(sub="t-1", role="Instructor", line_item=coupled)
    course.place(learner)
    course.sit(learner)
    course.settle()
    own = course.gradebook.grade()
    principal, who = course.teacher(teacher), person(course, learner)

    with course.tool.database.transaction() as db:
        teacher_scores.override(db, principal, who, 12.5, " ปรับตามเอกสาร ", course.now)
    course.settle()
    body = course.gradebook.bodies()[-1]
    assert (body["scoreGiven"], body["scoreMaximum"], body["comment"], body["scoringUserId"]) == (12.5, 20.0, "ปรับตามเอกสาร", "t-1")

    course.tool.moment.pass_by(hours=1)
    course.sit(learner, UNABLE)  # a later sitting does not touch what the teacher set
    course.settle()
    assert course.gradebook.grade() == 12.5

    with course.tool.database.transaction() as db:
        teacher_scores.clear_override(db, principal, who, course.now)
    course.settle()
    assert course.gradebook.grade() == own
    events = [(entry.event, entry.actor) for entry in course.tool.rows(models.AuditEntry) if entry.event.startswith("score.")]
    assert events == [("score.overridden", f"user:{teacher.user_id}"), ("score.override_cleared", f"user:{teacher.user_id}")]


@pytest.mark.parametrize("given", [-0.1, 20.1, float("nan")])
def test_points_by_hand_lie_between_nothing_and_the_maximum(course: Course, given: float):
    learner = course.launch(line_item=course.gradebook.add(resourceLinkId="7"))
    course.place(learner)

    with pytest.raises(ScoreInvalid), course.tool.database.transaction() as db:
        teacher_scores.override(db, course.teacher(learner), person(course, learner), given, None, course.now)
    assert course.scores() == []


def test_points_by_hand_that_no_sitting_stands_behind_are_not_taken_back_here(course: Course):
    learner = course.launch(line_item=course.gradebook.add(resourceLinkId="7"))
    with course.tool.database.transaction() as db:
        teacher_scores.override(db, course.teacher(learner), person(course, learner), 50.0, None, course.now)
    course.settle()

    with pytest.raises(teacher_scores.NoScore), course.tool.database.transaction() as db:
        teacher_scores.clear_override(db, course.teacher(learner), person(course, learner), course.now)
    assert [(score.given, score.override_by_id is None) for score in course.scores()] == [(50.0, False)]


@pytest.mark.parametrize("who", ["teacher", "other course", "removed", "nobody"])
def test_a_teacher_changes_scores_of_present_learners_of_the_course_alone(course: Course, who: str):
    coupled = course.gradebook.add(resourceLinkId="7")
    learner, teacher = course.launch(line_item=coupled), course.launch(sub="t-1", role="Instructor", line_item=coupled)
    elsewhere = course.launch(sub="u-9", link="9", **{v.CONTEXT: {"id": "course-9", "title": "อื่น"}})
    if who == "removed":
        with course.tool.database.transaction() as db:
            db.execute(update(models.Enrolment).where(models.Enrolment.user_id == learner.user_id).values(removed_at=course.now))
    chosen = {"teacher": teacher, "other course": elsewhere, "removed": learner}
    uuid = person(course, chosen[who]) if who in chosen else uuid4()

    for act in (
        lambda db: teacher_scores.override(db, course.teacher(teacher), uuid, 1.0, None, course.now),
        lambda db: teacher_scores.resend(db, course.teacher(teacher), uuid, course.now),
        lambda db: teacher_scores.clear_override(db, course.teacher(teacher), uuid, course.now),
    ):
        with pytest.raises(NotFound), course.tool.database.transaction() as db:
            act(db)


def test_a_link_without_a_column_takes_no_points(course: Course):
    learner = course.launch()

    with pytest.raises(teacher_scores.NoColumn), course.tool.database.transaction() as db:
        teacher_scores.override(db, course.teacher(learner), person(course, learner), 1.0, None, course.now)


def test_a_score_that_was_parked_is_sent_again_when_the_teacher_says_so(course: Course):
    coupled = course.gradebook.add(resourceLinkId="7")
    learner = course.launch(line_item=coupled)
    course.sit(learner)
    kept = course.gradebook.items.pop(1)
    course.settle()
    with course.tool.database.reading() as db:
        view = standing.score_views(db, course.teacher(learner))[person(course, learner)]
        column = standing.column_view(db, course.teacher(learner))
    assert (view.state, view.fault == standing.FAULTS["status 404"].what, view.cure is None) == ("parked", True, False)
    assert column is not None
    assert column.is_gone

    course.gradebook.items[1] = kept
    with course.tool.database.transaction() as db:
        assert teacher_scores.resend_parked(db, course.teacher(learner), course.now) == 1
    course.settle()

    assert [score.state for score in course.scores()] == ["sent"]
    assert course.columns()[0].gone_at is None
    with course.tool.database.transaction() as db:
        assert teacher_scores.resend(db, course.teacher(learner), person(course, learner), course.now) == 1
    course.settle()
    assert len(course.gradebook.bodies()) == 3


def test_a_preview_gives_no_score(course: Course):
    launch = course.launch(line_item=course.gradebook.add(resourceLinkId="7"))
    with course.tool.database.transaction() as db:
        db.execute(update(models.Launch).where(models.Launch.id == launch.id).values(preview_of_id=launch.id))
    course.sit(launch)
    course.settle()

    assert course.scores() == []


def test_a_change_of_the_rules_computes_every_score_again(course: Course):
    launch = course.launch(line_item=course.gradebook.add(resourceLinkId="7"))
    placement = course.place(launch, attempts_policy="best")
    for abilities in (ABLE, UNABLE):
        course.sit(launch, abilities)
        course.settle()
        course.tool.moment.pass_by(hours=1)
    best = course.gradebook.grade()

    with course.tool.database.transaction() as db:
        db.execute(update(models.Placement).where(models.Placement.id == placement.id).values(attempts_policy="last"))
        gradebook.placement_changed(db, placement.id, course.now)
    course.settle()

    assert course.gradebook.grade() < best


def test_a_score_that_two_begin_at_the_same_moment_is_stored_once(course: Course):
    """The worker fills a new column for somebody whose finish is being stored: the one that comes second neither fails nor wins unseen."""
    course.load()
    course.sit(course.launch())
    url = course.gradebook.add()
    launch = course.launch(line_item=url)

    def fill() -> int:
        with course.tool.database.transaction() as db:
            return gradebook.fill_person(db, link_id=launch.resource_link_id, user_id=launch.user_id, now=course.now)

    with ThreadPoolExecutor(1) as worker, course.tool.database.transaction() as db:
        column = db.scalars(select(models.LineItem).filter_by(url=url, resource_link_id=launch.resource_link_id)).one()
        user = db.get_one(models.User, launch.user_id)
        score_publish.enqueue_score(db, line_item=column, user=user, score_given=1.0, score_maximum=100.0, comment=None, now=course.now)
        filled = worker.submit(fill)
        time.sleep(0.3)  # until the other stands before the row, or before the turn to write

    assert filled.result() > 0
    with course.tool.database.reading() as db:
        score = db.scalars(select(models.Score).filter_by(line_item_id=column.id)).one()
        versions = sorted(item.payload["version"] for item in db.scalars(select(OutboxItem).where(outbox_keys_of(score.id))))
    assert (score.version, versions) == (2, [1, 2])
    assert score.given > 1.0
