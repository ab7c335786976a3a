import threading
from datetime import UTC, datetime, timedelta, timezone

import pytest
from sqlalchemy import select

from kernel import outbox
from kernel.db import Database
from kernel.outbox import OutboxItem


def _put(db, key, now):
    return outbox.put(db, tenant_id=1, kind="test", key=key, payload={}, now=now)


def test_a_transaction_that_raises_leaves_nothing(database: Database, now):
    with pytest.raises(RuntimeError), database.transaction() as db:
        _put(db, "a", now)
        raise RuntimeError

    with database.reading() as db:
        assert db.scalars(select(OutboxItem)).all() == []


def test_what_a_reader_adds_is_dropped(database: Database, now):
    with database.reading() as db:
        db.add(OutboxItem(tenant_id=1, kind="test", key="a", payload={}, due_at=now, created_at=now))

    with database.reading() as db:
        assert db.scalars(select(OutboxItem)).all() == []


def test_moments_come_back_aware_in_utc_whatever_zone_they_went_in_with(database: Database):
    bangkok = datetime(2026, 2, 28, 23, 30, 0, 123456, tzinfo=timezone(timedelta(hours=7)))
    with database.transaction() as db:
        _put(db, "a", bangkok)

    with database.reading() as db:
        stored = db.scalars(select(OutboxItem)).one().created_at

    assert stored == datetime(2026, 2, 28, 16, 30, 0, 123456, tzinfo=UTC)
    assert stored.utcoffset() == timedelta(0)


def test_a_moment_without_a_zone_is_refused(database: Database):
    with pytest.raises(ValueError, match="without a zone"), database.transaction() as db:
        _put(db, "a", datetime(2026, 1, 1))  # noqa: DTZ001  that is the point


def test_writers_at_once_all_get_their_turn(database: Database, now):
    def write(worker):
        for n in range(10):
            with database.transaction() as db:
                db.scalars(select(OutboxItem).limit(1)).all()  # a read before the write must not spoil the write
                _put(db, f"{worker}-{n}", now)

    threads = [threading.Thread(target=write, args=(worker,)) for worker in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    with database.reading() as db:
        assert len(db.scalars(select(OutboxItem)).all()) == 80


def test_two_workers_never_claim_the_same_row(database: Database, now):
    with database.transaction() as db:
        for n in range(60):
            _put(db, str(n), now)
    claimed: list[int] = []

    def work():
        while True:
            with database.transaction() as db:
                items = outbox.claim(db, kinds=["test"], now=now, limit=5)
            if not items:
                return
            claimed.extend(item.id for item in items)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(claimed) == 60
    assert len(set(claimed)) == 60


def test_a_commit_that_need_not_be_durable_is_read_by_all_and_the_next_one_is_durable_again(database: Database, now):
    with database.transaction(durable=False) as db:
        _put(db, "a", now)

    with database.transaction() as db:
        assert [item.key for item in db.scalars(select(OutboxItem))] == ["a"]
        if database.engine.dialect.name == "sqlite":
            assert db.connection().exec_driver_sql("PRAGMA synchronous").scalar() == 2
        else:
            assert db.connection().exec_driver_sql("SHOW synchronous_commit").scalar() == "on"


def test_a_reader_sees_one_moment_whatever_is_written_meanwhile(database: Database, now):
    with database.reading() as reader:
        before = len(reader.scalars(select(OutboxItem)).all())
        with database.transaction() as db:
            _put(db, "a", now)
        during = len(reader.scalars(select(OutboxItem)).all())
    with database.reading() as reader:
        after = len(reader.scalars(select(OutboxItem)).all())

    assert (before, during, after) == (0, 0, 1)
