"""The doctor: what is wrong with a platform is told in words with the cure, on the page as by the command."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from click.testing import CliRunner
from sqlalchemy import event, update

from kernel.outbox import OutboxItem, OutboxLane
from lti_tool import models
from lti_tool.cli import doctor as command
from lti_tool.jobs import score_reconcile
from lti_tool.lti import vocabulary as v
from lti_tool.lti.grants import grant_role
from lti_tool.lti.keysets import clock_difference_seconds
from lti_tool.lti.tenants import add_tenant
from lti_tool.settings import Settings
from lti_tool.workflows import doctor
from lti_tool.workflows.findings import WORDS, finding
from tests.lti.gradebook_world import Course, new_course
from tests.lti.lti_world import CLIENT_ID, TOOL, Answer, Platform, Tool, register

pytestmark = pytest.mark.one_database

RESULTS = "/course/lineitems/1/lineitem/results"
SCORES = "/course/lineitems/1/lineitem/scores"


@pytest.fixture
def course(tool: Tool, monkeypatch: pytest.MonkeyPatch) -> Course:
    """A course whose one learner has 70 of 100 in the gradebook, on a platform whose clock is right."""
    course = new_course(tool, monkeypatch)
    course.launched_at = course.now
    course.learner = course.launch(line_item=course.gradebook.add(resourceLinkId="7", scoreMaximum=100.0))
    course.enqueue(70.0)
    course.settle()
    change(tool, update(models.KeySet).values(clock_difference_seconds=0.5))
    return course


def change(tool: Tool, *statements: Any) -> None:
    with tool.database.transaction() as db:
        for statement in statements:
            db.execute(statement)


def look(tool: Tool) -> doctor.DoctorSummary:
    with tool.database.reading() as db:
        return doctor.summary_of(db, now=tool.moment.now)


def codes(summary: doctor.DoctorSummary) -> dict[str, bool]:
    """Every finding, with whether it needs a person."""
    found = [*summary.findings, *(one for platform in summary.platforms for one in platform.findings)]
    return {one.code: one.needs_person for one in found}


def test_u10_a_platform_that_works_has_its_last_times_and_no_finding(course: Course):
    summary = look(course.tool)

    (platform,) = summary.platforms
    assert (platform.last_launch_at, platform.last_roster_at) == (course.launched_at, None)
    assert platform.last_score_at is not None
    assert course.launched_at <= platform.last_score_at <= course.now
    assert (platform.waiting_scores, platform.parked_scores, platform.oldest_waiting_at) == (0, 0, None)
    assert (codes(summary), summary.needs_person) == ({}, False)


@pytest.mark.parametrize(
    ("values", "code", "needs_person"),
    [
        ({"last_error": "timeout"}, "key_set_unreachable", True),
        ({"refused": {"k1": "too_short"}}, "keys_refused", True),
        ({"clock_difference_seconds": -31.0}, "clock_differs", True),
    ],
)
def test_u10_what_is_wrong_with_the_keys_or_the_clock_of_a_platform_is_told(course: Course, values: Any, code: str, needs_person: bool):
    change(course.tool, update(models.KeySet).values(**values))

    assert codes(look(course.tool)) == {code: needs_person}


@pytest.mark.parametrize("values", [{"last_error": "fetching"}, {"clock_difference_seconds": 29.0}, {"clock_difference_seconds": None}])
def test_what_is_only_on_its_way_or_within_bounds_is_no_finding(course: Course, values: Any):
    change(course.tool, update(models.KeySet).values(**values))

    assert codes(look(course.tool)) == {}


def test_u10_a_platform_that_waits_for_approval_says_that_alone(course: Course):
    change(course.tool, update(models.Registration).values(pending_since=course.now))

    assert codes(look(course.tool)) == {"pending": True}


def test_u10_a_platform_that_was_switched_off_has_no_finding(course: Course):
    change(course.tool, update(models.Registration).values(disabled_at=course.now), update(models.KeySet).values(last_error="timeout"))

    summary = look(course.tool)

    assert (summary.platforms[0].is_disabled, codes(summary)) == (True, {})


def test_u10_a_new_platform_is_told_what_comes_next_and_one_without_deployment_what_it_lacks(tool: Tool):
    assert codes(look(tool)) == {"never_launched": False}

    with tool.database.transaction() as db:
        db.query(models.Deployment).delete()

    assert codes(look(tool)) == {"no_deployment": True}


def test_u10_a_refused_score_is_told_with_its_reason_and_cure_until_it_has_gone(course: Course):
    usual = course.tool.platform.answers[SCORES]
    course.tool.platform.answers[SCORES] = lambda _: Answer(403)
    course.tool.moment.pass_by(seconds=5)
    course.enqueue(80.0)
    course.settle()

    summary = look(course.tool)
    found = summary.platforms[0].findings[0]
    assert (found.code, found.reason, summary.platforms[0].parked_scores) == ("scores_parked", "status 403", 1)
    assert "does not let us write" in found.what["en"]
    assert "ไม่ให้ระบบเขียน" in found.what["th"]
    assert "course" in found.cure["en"]
    (item,) = summary.parked
    assert (item.reason, item.cure) == ("status 403", found.cure)

    course.tool.platform.answers[SCORES] = usual
    course.launch(line_item=course.columns()[0].url)
    course.tool.moment.pass_by(seconds=5)
    course.enqueue(90.0)
    course.settle()

    summary = look(course.tool)
    assert (codes(summary), summary.parked) == ({}, ())


def test_s13_a_score_refused_for_its_person_needs_nobody_where_the_platform_takes_others(course: Course):
    course.tool.platform.answers[SCORES] = lambda _: Answer(400)
    course.tool.moment.pass_by(seconds=5)
    course.enqueue(80.0)
    course.settle()

    assert codes(look(course.tool)) == {"scores_parked": False}

    change(course.tool, update(models.Score).values(sent_at=None))
    assert codes(look(course.tool)) == {"scores_parked": True}


def test_u10_differences_are_counted_as_the_comparison_finds_them(course: Course):
    course.gradebook.set_by_hand(50.0)
    (found,) = course.reconcile()
    assert found.kind == "changed"
    assert codes(look(course.tool)) == {"grades_changed": False}

    course.gradebook.grades.clear()
    (found,) = course.reconcile()
    assert found.kind == "missing"
    assert codes(look(course.tool)) == {"grades_missing": True}


def test_a_difference_below_the_tolerance_is_none_for_both(course: Course):
    change(course.tool, update(models.Score).values(result_given=70.009, result_read_at=course.now))

    with course.tool.database.reading() as db:
        assert score_reconcile.list_differences(db, columns=[course.columns()[0].id]) == []
    assert codes(look(course.tool)) == {}


def test_u10_a_column_that_is_gone_and_results_that_cannot_be_read_are_told(course: Course):
    course.tool.platform.answers[RESULTS] = lambda _: Answer(500)
    course.reconcile()
    assert codes(look(course.tool)) == {"results_unread": False}

    course.tool.platform.answers[RESULTS] = lambda _: Answer(404)
    course.reconcile()

    summary = look(course.tool)
    assert (codes(summary), summary.platforms[0].columns_gone) == ({"columns_gone": False}, 1)


def test_u10_a_column_that_cannot_be_made_is_told_with_the_permission_that_is_missing(course: Course):
    change(course.tool, update(models.LineItem).values(last_error="scope_missing"))

    summary = look(course.tool)

    assert codes(summary) == {"columns_failed": True}
    assert "Ask the administrator of the LMS" in summary.platforms[0].findings[0].cure["en"]


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (None, {}),
        ("status 403", {"roster_not_allowed": True}),
        ("empty", {"roster_incomplete": False}),
        ("timeout", {"roster_away": False}),
    ],
)
def test_u10_the_last_reading_of_members_and_its_fault_are_told(course: Course, fault: str | None, expected: dict[str, bool]):
    read_at = course.now - timedelta(hours=3)
    with course.tool.database.transaction() as db:
        context = db.query(models.Context).one()
        db.add(models.Roster(context_id=context.id, tenant_id=context.tenant_id, read_at=read_at, last_error=fault))

    summary = look(course.tool)

    assert (codes(summary), summary.platforms[0].last_roster_at) == (expected, read_at)


def test_u10_a_platform_that_is_away_is_told_and_needs_a_person_after_an_hour(course: Course):
    course.tool.platform.answers[SCORES] = lambda _: Answer(503)
    course.tool.moment.pass_by(seconds=5)
    waits_since = course.now
    course.enqueue(80.0)
    course.settle()
    change(course.tool, update(OutboxLane).values(paused_until=waits_since + timedelta(hours=2)))
    assert [item.state for item in course.tool.rows(OutboxItem)] == ["done", "waiting"]

    assert codes(look(course.tool)) == {"platform_away": False}

    course.tool.moment.pass_by(minutes=61)
    summary = look(course.tool)
    assert codes(summary) == {"queue_old": True, "platform_away": False}
    assert summary.platforms[0].oldest_waiting_at == summary.oldest_waiting_at == waits_since


def test_u10_a_worker_that_does_nothing_is_told_but_a_long_queue_is_not_taken_for_that(course: Course):
    course.tool.moment.pass_by(seconds=5)
    course.enqueue(80.0)
    course.tool.moment.pass_by(minutes=20)
    assert codes(look(course.tool)) == {"worker_absent": True}

    change(course.tool, update(OutboxItem).where(OutboxItem.state == "done").values(ended_at=course.now))
    assert codes(look(course.tool)) == {}


def test_u10_keys_that_are_due_are_told(course: Course):
    import xapi.api as xapi

    with course.tool.database.transaction() as db:
        tenant_id = db.query(models.Tenant).first().id
        for name, days in (("soon", 13), ("later", 15)):
            xapi.create_key(
                db, tenant_id=tenant_id, name=name, scopes=["all"], now=course.now, expires_at=course.now + timedelta(days=days)
            )
    summary = look(course.tool)
    assert (codes(summary), summary.needs_person) == ({"lrs_key_ends": True}, True)
    assert "soon" in summary.findings[0].what["th"]

    change(course.tool, update(models.ToolKey).values(signs_from=course.now - timedelta(days=366)))
    assert codes(look(course.tool)) == {"lrs_key_ends": True, "tool_key_old": True}


def test_the_number_of_queries_does_not_grow_with_agencies_and_platforms(course: Course, other_platform: Platform):
    def count() -> int:
        seen: list[str] = []
        listen: Callable[..., None] = lambda *a: seen.append(a[2])  # noqa: E731  a listener
        event.listen(course.tool.database.engine, "before_cursor_execute", listen)
        look(course.tool)
        event.remove(course.tool.database.engine, "before_cursor_execute", listen)
        return len(seen)

    before = count()
    with course.tool.database.transaction() as db:
        for number in range(5):
            key = f"agency{number}"
            add_tenant(db, key=key, name={"th": key, "en": key}, home_page=f"https://{key}.example.go.th", now=course.now)
            register(db, other_platform, course.tool.moment, tenant=key, client_id=key)

    assert len(look(course.tool).platforms) == 6
    assert count() == before


def test_s23_an_administrator_sees_the_own_agency_alone(course: Course, other_platform: Platform):
    with course.tool.database.transaction() as db:
        add_tenant(db, key="dmd", name={"th": "ก", "en": "A"}, home_page="https://dmd.example.go.th", now=course.now)
        register(db, other_platform, course.tool.moment, tenant="dmd", client_id="other")
        mine = db.query(models.Registration).first()
        theirs = db.query(models.Tenant).filter_by(key="dmd").one()

    with course.tool.database.reading() as db:
        summary = doctor.summary_of(db, now=course.now, tenant_id=theirs.id)

    assert [platform.client_id for platform in summary.platforms] == ["other"]
    assert (summary.statements, mine.client_id == "other") == (0, False)


def test_u10_the_page_and_the_command_say_the_same(course: Course, settings: Settings, monkeypatch: pytest.MonkeyPatch):
    tool = course.tool
    change(tool, update(models.KeySet).values(last_error="timeout"))
    monkeypatch.setattr(command, "open_installation", lambda: (settings, tool.database))
    monkeypatch.setattr(command, "now", tool.moment)

    done = CliRunner().invoke(command.doctor, ["--json"])
    told = CliRunner().invoke(command.doctor, [])

    (found,) = json.loads(done.stdout)["platforms"][0]["findings"]
    assert (done.exit_code, told.exit_code) == (1, 1)
    assert f"{found['what']['en']} {found['cure']['en']}" in told.stdout
    browser = tool.new_browser()
    launch = tool.launched(
        browser,
        **{
            v.TARGET_LINK_URI: f"{TOOL}/open/admin",
            v.RESOURCE_LINK: {"id": "9"},
            "sub": grant(tool),
            v.LAUNCH_PRESENTATION: {"document_target": "window"},
        },
    )
    change(tool, update(models.KeySet).values(last_error="timeout"))
    page = browser.get(f"/admin/{launch}/", base_url=TOOL, headers={"Accept": "text/html"}).text
    assert found["what"]["th"] in page
    assert found["cure"]["th"] in page


def grant(tool: Tool) -> str:
    """An administrator of the agency. Returns the sub."""
    with tool.database.transaction() as db:
        grant_role(db, issuer=tool.platform.url, client_id=CLIENT_ID, sub="boss", role="administrator", now=tool.moment.now)
    return "boss"


@pytest.mark.parametrize("code", sorted(WORDS))
def test_every_finding_has_whole_sentences_in_both_languages(code: str):
    found = finding(code, reason="timeout", keys="k1", seconds=40.0, n=3, minutes=70, name="k", days=3)

    for texts in (found.what, found.cure):
        assert set(texts) == {"th", "en"}
        assert all(text and "{" not in text for text in texts.values())
        assert texts["en"].endswith(".")


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"date": "Sun, 22 Nov 2026 02:30:40 GMT"}, 40.0),
        ({"date": "Sun, 22 Nov 2026 02:20:00 GMT", "age": "600"}, 0.0),
        ({"date": "yesterday"}, None),
        ({"date": "Sun, 22 Nov 2026 02:30:40 GMT", "age": "x"}, None),
        ({}, None),
    ],
)
def test_a_servers_clock_is_read_from_its_answer_even_through_a_cache(now: Any, headers: dict[str, str], seconds: float | None):
    assert clock_difference_seconds(headers, now) == seconds


def test_the_clock_of_a_platform_is_noted_whenever_its_keys_are_fetched(tool: Tool):
    tool.launched(tool.new_browser())

    (row,) = tool.rows(models.KeySet)
    assert row.clock_difference_seconds is not None
