from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from itertools import pairwise

from sqlalchemy import select

from kernel import outbox
from kernel.db import Database
from kernel.outbox import OutboxItem, OutboxLane, Pace


def test_the_same_key_is_kept_once(database: Database, now):
    with database.transaction() as db:
        assert outbox.put(db, tenant_id=1, kind="score.publish", key="a", payload={}, now=now)
        assert not outbox.put(db, tenant_id=1, kind="score.publish", key="a", payload={"other": 1}, now=now)

    with database.transaction() as db:
        claimed = outbox.claim(db, kinds=["score.publish"], now=now)

    assert [item.payload for item in claimed] == [{}]


def test_a_claimed_item_is_not_claimed_again_until_its_lease_ends(database: Database, now):
    with database.transaction() as db:
        outbox.put(db, tenant_id=1, kind="score.publish", key="a", payload={}, now=now)
    with database.transaction() as db:
        first = outbox.claim(db, kinds=["score.publish"], now=now)
    with database.transaction() as db:
        during = outbox.claim(db, kinds=["score.publish"], now=now + timedelta(seconds=59))
    with database.transaction() as db:
        after = outbox.claim(db, kinds=["score.publish"], now=now + timedelta(seconds=60))

    assert (len(first), len(during), len(after)) == (1, 0, 1)
    assert after[0].attempts == 2
    with database.transaction() as db:
        assert not outbox.finish(db, first[0], now=now)
        assert outbox.finish(db, after[0], now=now)


A_SECOND = timedelta(seconds=1)
PACE = Pace(5.0, ahead=A_SECOND, at_once=20)


def _put(db, now, *keys, lane=None):
    for key in keys:
        outbox.put(db, tenant_id=1, kind="test", key=key, payload={}, now=now, lane=lane)


def _claim(database: Database, now, **options):
    with database.transaction() as db:
        return outbox.claim(db, kinds=["test"], now=now, **{"pace": PACE, "limit": 50, **options})


def _states(database: Database):
    with database.reading() as db:
        return {item.key: item.state for item in db.scalars(select(OutboxItem))}


def _end(database: Database, items, now):
    with database.transaction() as db:
        for item in items:
            outbox.finish(db, item, now=now)


def test_no_more_effects_of_one_lane_begin_in_a_second_than_its_pace_whoever_claims(database: Database, now):
    with database.transaction() as db:
        _put(db, now, *(f"{n:02}" for n in range(40)), lane="a")

    starts = []
    for step in range(60):  # two workers look ten times a second
        moment = now + step * A_SECOND / 10
        for claimed in (_claim(database, moment), _claim(database, moment)):
            starts += [item.start_at for item in claimed]
            _end(database, claimed, moment)

    assert len(starts) == 35  # five a second for six seconds, and those of the second ahead
    assert starts == sorted(starts)
    assert min(later - earlier for earlier, later in pairwise(starts)) >= A_SECOND / 5
    assert all(start >= now for start in starts)


def test_lanes_take_turns_and_what_has_no_lane_is_never_held_up(database: Database, now):
    with database.transaction() as db:
        _put(db, now, *(f"a{n}" for n in range(9)), lane="a")
        _put(db, now, *(f"b{n}" for n in range(9)), lane="b")
        _put(db, now, "free0", "free1")

    assert {item.key for item in _claim(database, now, limit=6)} == {"free0", "a0", "b0", "free1", "a1", "b1"}


def test_one_lane_has_no_more_under_way_than_it_may(database: Database, now):
    with database.transaction() as db:
        _put(db, now, *(f"a{n}" for n in range(9)), lane="a")
    pace = Pace(1000.0, ahead=A_SECOND, at_once=3)

    first = _claim(database, now, pace=pace)
    assert (len(first), _claim(database, now + A_SECOND, pace=pace)) == (3, [])
    _end(database, first[:2], now)

    assert len(_claim(database, now + A_SECOND, pace=pace)) == 2


def test_a_lane_whose_system_is_away_is_left_alone_for_pauses_that_double_and_then_tried_with_one(database: Database, now):
    with database.transaction() as db:
        _put(db, now, *(f"a{n}" for n in range(5)), lane="a")
        _put(db, now, "b0", lane="b")
    pauses, moment = [], now
    for _ in range(8):
        claimed = [item for item in _claim(database, moment) if item.lane == "a"]
        assert len(claimed) == (5 if moment == now else 1)
        with database.transaction() as db:
            for item in claimed:
                outbox.pause_lane(db, "a", now=moment, note="timeout")
                outbox.retry(db, item, now=moment, note="timeout", after_seconds=0)
            until = db.get_one(OutboxLane, "a").paused_until
        assert not [item for item in _claim(database, until - A_SECOND) if item.lane == "a"]
        pauses.append((until - moment).total_seconds())
        moment = until

    assert pauses == [5, 10, 20, 40, 80, 160, 240, 240]  # five that failed together counted as one
    with database.transaction() as db:
        outbox.resume_lane(db, "a")
    assert len([item for item in _claim(database, moment) if item.lane == "a"]) == 5


def test_a_pause_that_the_system_asks_for_is_kept(database: Database, now):
    with database.transaction() as db:
        _put(db, now, "a0", lane="a")
        outbox.pause_lane(db, "a", now=now, note="status 503", after_seconds=900)

    with database.reading() as db:
        assert not outbox.is_any_due(db, kinds=["test"], now=now + timedelta(seconds=899), pace=PACE)
        assert outbox.is_any_due(db, kinds=["test"], now=now + timedelta(seconds=900), pace=PACE)
    assert len(_claim(database, now + timedelta(seconds=900))) == 1


def test_a_row_that_was_not_begun_is_given_back_as_it_was(database: Database, now):
    with database.transaction() as db:
        _put(db, now, "a")
    claimed = _claim(database, now)
    with database.transaction() as db:
        outbox.give_back(db, claimed)

    (again,) = _claim(database, now)
    assert again.attempts == 1


def test_parked_rows_wait_for_a_person_and_ended_ones_are_forgotten(database: Database, now):
    with database.transaction() as db:
        _put(db, now, "done", "parked", "waiting")
    _end(database, [item for item in _claim(database, now) if item.key == "done"], now)
    with database.transaction() as db:
        assert outbox.park(db, keys=["parked", "waiting"], now=now, note="gone") == 0  # somebody holds them
        later = now + timedelta(seconds=61)
        assert outbox.park(db, keys=["parked"], now=later, note="gone") == 1
        assert outbox.sweep(db, before=later) == 1

    assert _states(database) == {"parked": "parked", "waiting": "waiting"}
    with database.transaction() as db:
        assert [outbox.rearm(db, keys=["parked", "waiting"], now=now) for _ in range(2)] == [1, 0]
    assert _states(database) == {"parked": "waiting", "waiting": "waiting"}


def test_two_workers_never_take_the_same_row_of_a_lane(database: Database, now):
    with database.transaction() as db:
        _put(db, now, *(f"{n:03}" for n in range(60)), lane="a")
    pace = Pace(1000.0, ahead=A_SECOND, at_once=60)

    def take(_: int) -> list[str]:
        return [item.key for item in _claim(database, now, limit=5, pace=pace)]

    with ThreadPoolExecutor(4) as threads:
        taken = [key for keys in threads.map(take, range(16)) for key in keys]

    assert len(taken) == len(set(taken)) > 5
