import threading
import time
from datetime import timedelta

from sqlalchemy import select

from kernel import outbox
from kernel.clock import system_clock
from kernel.db import Database
from kernel.outbox import OutboxItem
from lti_tool.jobs.worker import Worker


def _put(database: Database, now, *keys):
    with database.transaction() as db:
        for key in keys:
            outbox.put(db, tenant_id=1, kind="test", key=key, payload={"key": key}, now=now)


def _worker(database, clock, handler, housekeeping=lambda: None):
    return Worker(database=database, clock=clock, handlers={"test": handler}, housekeeping=housekeeping, poll_seconds=0.01)


def _states(database):
    with database.reading() as db:
        return {item.key: item.state for item in db.scalars(select(OutboxItem))}


def test_each_due_effect_is_carried_out_once(database, now):
    _put(database, now, "a", "b")
    seen = []

    def handler(item):
        seen.append(item.key)
        with database.transaction() as db:
            outbox.finish(db, item, now=now)

    worker = _worker(database, lambda: now, handler)

    assert [worker.run_once(), worker.run_once()] == [2, 0]
    assert seen == ["a", "b"]
    assert _states(database) == {"a": "done", "b": "done"}


def test_an_effect_that_fails_comes_back_later_and_does_not_stop_the_others(database, now):
    _put(database, now, "bad", "good")

    def handler(item):
        if item.key == "bad":
            raise RuntimeError("broken")
        with database.transaction() as db:
            outbox.finish(db, item, now=now)

    _worker(database, lambda: now, handler).run_once()

    assert _states(database) == {"bad": "waiting", "good": "done"}
    with database.reading() as db:
        bad = db.scalars(select(OutboxItem).where(OutboxItem.key == "bad")).one()
    assert bad.due_at > now
    assert bad.last_error == "unexpected: RuntimeError"
    assert bad.lease is None


def test_a_dead_workers_effect_is_taken_over_after_its_lease(database, now):
    _put(database, now, "a")
    with database.transaction() as db:
        outbox.claim(db, kinds=["test"], now=now)  # this worker is never heard of again
    seen = []
    worker = _worker(database, lambda: now + timedelta(seconds=60), lambda item: seen.append(item.attempts))

    worker.run_once()

    assert seen == [2]


def test_an_effect_whose_lease_ran_out_while_others_were_served_is_left_to_others(database, now):
    _put(database, now, "slow", "late")
    moment = [now]
    seen = []

    def handler(item):
        seen.append(item.key)
        moment[0] += timedelta(seconds=61)

    _worker(database, lambda: moment[0], handler).run_once()

    assert seen == ["slow"]


def test_it_looks_after_the_rest_and_stops_when_told(database, now):
    looked = threading.Event()
    stop = threading.Event()
    worker = _worker(database, lambda: now, lambda _item: None, housekeeping=looked.set)
    thread = threading.Thread(target=worker.run, args=(stop,))

    thread.start()

    assert looked.wait(5)
    stop.set()
    thread.join(5)
    assert not thread.is_alive()


def _running(worker, stop):
    thread = threading.Thread(target=worker.run, args=(stop,))
    thread.start()
    return thread


def _until(condition, seconds=15.0):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.02)
    return False


def _put_in_lane(database, lane, *keys):
    with database.transaction() as db:
        for key in keys:
            outbox.put(db, tenant_id=1, kind="test", key=key, payload={}, now=system_clock(), lane=lane)


def _paced(database, handler, **options):
    return Worker(
        database=database, clock=system_clock, handlers={"test": handler}, housekeeping=lambda: None, poll_seconds=0.05, **options
    )


def test_a_system_that_hangs_delays_only_what_is_meant_for_itself(database):
    _put_in_lane(database, "hangs", *(f"hangs{n}" for n in range(10)))
    _put_in_lane(database, "well", *(f"well{n:02}" for n in range(20)))
    release, stop, hanging = threading.Event(), threading.Event(), []

    def handler(item):
        if item.lane == "hangs":
            hanging.append(item.key)
            release.wait(20)
        with database.transaction() as db:
            outbox.finish(db, item, now=system_clock())

    thread = _running(_paced(database, handler, threads=4, per_second=1000.0), stop)
    try:
        assert _until(lambda: sum(state == "done" for state in _states(database).values()) == 20)
        assert sorted(key for key, state in _states(database).items() if state == "done") == [f"well{n:02}" for n in range(20)]
        assert len(hanging) <= 2  # half of the threads, and never more
    finally:
        release.set()
        stop.set()
        thread.join(20)


def test_the_pace_of_a_lane_is_kept(database):
    _put_in_lane(database, "a", *(f"{n}" for n in range(9)))
    began, stop, started = [], threading.Event(), time.monotonic()

    def handler(item):
        began.append(time.monotonic())
        with database.transaction() as db:
            outbox.finish(db, item, now=system_clock())

    thread = _running(_paced(database, handler, threads=8, per_second=8.0), stop)
    try:
        assert _until(lambda: len(began) == 9)
    finally:
        stop.set()
        thread.join(20)
    assert max(began) - started >= 1.0  # eight intervals of an eighth


def test_a_worker_that_stops_gives_back_what_it_had_not_begun(database):
    _put_in_lane(database, "a", "now", "in a second")
    done, stop = threading.Event(), threading.Event()

    def handler(item):
        with database.transaction() as db:
            outbox.finish(db, item, now=system_clock())
        done.set()

    thread = _running(_paced(database, handler, threads=4, per_second=1.0), stop)
    assert done.wait(15)
    stop.set()
    thread.join(15)

    assert not thread.is_alive()
    with database.reading() as db:
        rows = {row.key: (row.state, row.attempts, row.lease) for row in db.scalars(select(OutboxItem))}
    assert (rows["now"][0], rows["in a second"]) in {("done", ("waiting", 0, None)), ("done", ("done", 1, None))}


def test_an_effect_that_breaks_in_its_thread_is_tried_again_and_the_worker_goes_on(database):
    _put_in_lane(database, "a", "bad", "good")
    stop = threading.Event()

    def handler(item):
        if item.key == "bad":
            raise RuntimeError("broken")
        with database.transaction() as db:
            outbox.finish(db, item, now=system_clock())

    thread = _running(_paced(database, handler, per_second=50.0), stop)
    try:
        assert _until(lambda: _states(database)["good"] == "done")
        assert _until(lambda: _last_error(database, "bad") == "unexpected: RuntimeError")
    finally:
        stop.set()
        thread.join(15)


def test_housekeeping_that_breaks_stops_no_effect(database):
    _put_in_lane(database, "a", "one")
    stop = threading.Event()

    def handler(item):
        with database.transaction() as db:
            outbox.finish(db, item, now=system_clock())

    def break_down():
        raise RuntimeError("broken")

    worker = Worker(database=database, clock=system_clock, handlers={"test": handler}, housekeeping=break_down, poll_seconds=0.05)
    thread = _running(worker, stop)
    try:
        assert _until(lambda: _states(database)["one"] == "done")
    finally:
        stop.set()
        thread.join(15)


def _last_error(database, key):
    with database.reading() as db:
        return db.scalar(select(OutboxItem.last_error).where(OutboxItem.key == key))
