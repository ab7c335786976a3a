"""The arithmetic of deadlines: properties over any clock, against a second way to count."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assessment.timing import (
    AWAY_AFTER,
    NOTICE,
    Allowance,
    Clock,
    allow,
    away,
    begin_hold,
    end_hold,
    item_deadline,
    item_seconds,
    scaled_seconds,
)

START = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)

allowances = st.builds(
    Allowance,
    factor_percent=st.integers(100, 1000),
    extra_minutes=st.integers(0, 1440),
    pauses=st.integers(0, 20),
    pause_minutes=st.integers(0, 240),
)
moments = st.integers(0, 20_000_000).map(lambda tenths: START + timedelta(milliseconds=tenths))
clocks = st.builds(
    Clock,
    started_at=st.just(START),
    limit_minutes=st.integers(1, 600),
    factor_percent=st.integers(100, 1000),
    extra_minutes=st.integers(0, 600),
    paused_seconds=st.integers(0, 7200),
)


def test_a_deadline_is_the_start_the_limit_by_its_factor_the_minutes_and_the_pauses():
    clock = Clock(START, 40, factor_percent=150, extra_minutes=10, paused_seconds=125)

    assert clock.deadline_at == datetime(2026, 11, 22, 10, 12, 5, tzinfo=UTC)  # 9:00 + 1 h + 10 min + 2 min 5 s


@given(clocks, allowances, allowances)
def test_allowances_together_are_as_good_as_each(clock, one, other):
    both = allow(clock, one.joined(other), now=START).deadline_at

    assert both >= allow(clock, one, now=START - timedelta(days=9)).deadline_at
    assert both >= allow(clock, other, now=START - timedelta(days=9)).deadline_at
    assert one.joined(other) == other.joined(one)


@given(clocks, allowances, moments)
def test_less_time_leaves_the_notice_or_all_that_was_left(clock, allowance, now):
    changed = allow(clock, allowance, now=now)

    assert changed.left(now) >= min(clock.left(now), NOTICE)


@given(clocks, allowances, moments)
def test_a_notice_is_never_longer_than_it_must_be(clock, allowance, now):
    changed = allow(clock, allowance, now=now)

    plain = START + timedelta(
        seconds=scaled_seconds(clock.limit_minutes * 60, allowance.factor_percent) + allowance.extra_minutes * 60 + clock.paused_seconds
    )
    assert changed.deadline_at == plain or changed.left(now) < min(clock.left(now), NOTICE) + SECOND


@given(clocks, allowances, moments)
def test_more_time_holds_in_full(clock, allowance, now):
    more = Allowance(max(allowance.factor_percent, clock.factor_percent), max(allowance.extra_minutes, clock.extra_minutes))

    changed = allow(clock, more, now=now)

    assert changed.notice_seconds == 0
    assert changed.deadline_at >= clock.deadline_at


@given(clocks, moments, st.integers(1, 14_400), st.integers(0, 20_000_000))
def test_a_pause_costs_no_time_to_work_in_and_gives_less_than_a_second(clock, now, seconds, rested):
    """However early or late it is ended."""
    back_at = now + timedelta(milliseconds=rested)

    held = begin_hold(clock, "pause", began_at=now, seconds=seconds)
    back = end_hold(held, now=back_at)

    assert held.left(now) == clock.left(now)
    assert held.left(now + timedelta(seconds=seconds) / 2) == clock.left(now)
    used = min(back_at - now, timedelta(seconds=seconds))
    assert clock.deadline_at + used <= back.deadline_at < clock.deadline_at + used + SECOND
    assert back.hold is None
    assert back.left(back_at) == back.deadline_at - back_at


@given(clocks, st.lists(st.tuples(st.integers(1, 600), st.integers(1, 900), st.integers(0, 1200)), max_size=8))
def test_many_pauses_add_up_to_what_was_rested(clock, rests):
    """Counted a second time as plain seconds: work, pause, work, pause."""
    now, expected = START, clock.deadline_at
    for work, longest, rested in rests:
        now += work * SECOND
        clock = begin_hold(clock, "pause", began_at=now, seconds=longest)
        now += rested * SECOND
        clock = end_hold(clock, now=now)
        expected += min(rested, longest) * SECOND

    assert clock.deadline_at == expected


@given(clocks, st.lists(st.integers(0, 3000), min_size=1, max_size=6), st.integers(1, 60))
def test_absences_stop_the_clock_up_to_their_bound_and_no_longer(clock, absences, away_minutes):
    deadline, now, stood = clock.deadline_at, START, 0
    for seconds in absences:
        back_at = now + seconds * SECOND
        clock = end_hold(away(clock, last_sign_at=now, now=back_at, away_minutes=away_minutes), now=back_at)
        stood += min(seconds, away_minutes * 60 - stood) if seconds * SECOND > AWAY_AFTER else 0
        now = back_at + SECOND

    assert clock.deadline_at == deadline + stood * SECOND
    assert clock.away_seconds == stood <= away_minutes * 60


def test_where_the_clock_runs_on_nobody_is_away():
    clock = Clock(START, 40)

    assert away(clock, last_sign_at=START, now=START + timedelta(hours=2), away_minutes=0) is clock


def test_time_taken_away_in_a_pause_leaves_its_notice_after_the_pause():
    now = START + timedelta(minutes=50)
    paused = begin_hold(Clock(START, 40, extra_minutes=30), "pause", began_at=now, seconds=600)

    changed = allow(paused, Allowance(), now=now + timedelta(minutes=2))

    assert changed.left(now + timedelta(minutes=2)) == NOTICE


@pytest.mark.parametrize(
    ("limit", "factor", "minutes", "expected"),
    [(60, 100, 0, 60), (60, 150, 0, 90), (45, 133, 0, 60), (60, 150, 10, None), (None, 200, 0, None)],
)
def test_limits_of_items_grow_with_the_factor_and_fall_away_with_added_minutes(limit, factor, minutes, expected):
    assert item_seconds(limit, factor_percent=factor, extra_minutes=minutes) == expected


def test_the_time_of_an_item_leaves_out_the_pauses_since_it_was_shown():
    over_at = item_deadline(shown_at=START, seconds=60, paused_before_seconds=300, paused_seconds=420)

    assert over_at == START + timedelta(minutes=3)
