import threading
from datetime import timedelta

from sqlalchemy import select

from kernel import outbox
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
