"""Who writes to a SQLite file: one after the other, in order, across processes; and statements made once."""

import multiprocessing
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from sqlalchemy import JSON, Column, Float, Integer, MetaData, String, Table, Uuid, bindparam, exists, insert, select
from sqlalchemy.exc import DBAPIError, IntegrityError

from kernel.db import Database, UtcDateTime
from kernel.outbox import OutboxLane
from kernel.prepared import OneOf, Prepared, all_but_id, either
from kernel.turns import Turn

METADATA = MetaData()
note = Table(
    "prepared_note",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("uuid", Uuid, unique=True, nullable=False),
    Column("words", JSON, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("kind", String(8)),
    Column("share", Float),
)
AMONG = Prepared(select(note.c.uuid, note.c.share).where(OneOf(note.c.uuid, "uuids")).order_by(note.c.id))
ONCE = Prepared(either(lambda insert: insert(note).values(all_but_id(note)).on_conflict_do_nothing(index_elements=["uuid"])))
ADD = Prepared(insert(note).values(all_but_id(note)).returning(note.c.id))
WRITE = Prepared(insert(note).values(all_but_id(note)))
FIND = Prepared(
    select(note.c.uuid, note.c.words, note.c.at, exists().where(note.c.kind == "other")).where(
        note.c.uuid == bindparam("uuid"), note.c.kind == "this"
    )
)
NOW = datetime(2026, 11, 22, 2, 30, 1, 250_000, tzinfo=UTC)


@pytest.fixture
def notes(database: Database) -> Database:
    METADATA.create_all(database.engine)
    return database


def test_a_prepared_statement_gives_and_takes_the_values_of_its_columns(notes: Database):
    row = {"uuid": uuid4(), "words": {"th": "คำ", "en": [1, None]}, "at": NOW, "kind": "this", "share": 0.1}

    with notes.transaction() as db:
        [(first,)] = ADD.rows(db, row)
    with notes.writing() as db:
        [(second,)] = ADD.rows(db, {**row, "uuid": uuid4()})

    assert second > first
    with notes.reading() as db:
        assert FIND.first(db, {"uuid": row["uuid"]}) == (row["uuid"], row["words"], NOW, False)
        assert FIND.first(db, {"uuid": uuid4()}) is None
    with notes.looking() as db:
        assert FIND.rows(db, {"uuid": row["uuid"]}) == [(row["uuid"], row["words"], NOW, False)]


@pytest.mark.parametrize("n", [0, 1, 1000])
def test_a_prepared_statement_takes_a_list_of_any_length_and_gives_fractions_back(notes: Database, n):
    rows = [{"uuid": uuid4(), "words": "", "at": NOW, "kind": None, "share": number / 3} for number in range(n)]

    with notes.transaction() as db:
        db.execute(insert(note), [*rows, {**(rows or [{"words": "", "at": NOW, "kind": None, "share": 1.0}])[0], "uuid": uuid4()}])
        found = AMONG.rows(db, {"uuids": [row["uuid"] for row in rows]})

    assert found == [(row["uuid"], row["share"]) for row in rows]


def test_a_statement_of_either_database_passes_over_a_row_that_stands_there(notes: Database):
    row = {"uuid": uuid4(), "words": "first", "at": NOW, "kind": None, "share": None}

    with notes.transaction() as db:
        assert [ONCE.count(db, row), ONCE.count(db, {**row, "words": "second"})] == [1, 0]

    with notes.reading() as db:
        assert db.scalars(select(note.c.words)).all() == ["first"]


def test_a_prepared_statement_sees_what_a_session_has_added_where_it_is_asked_to(database: Database):
    waiting = Prepared(select(OutboxLane.name))

    with database.transaction() as db:
        db.add(OutboxLane(name="lms", next_at=NOW))
        assert waiting.rows(db, {}) == []
        assert waiting.flushed_rows(db, {}) == [("lms",)]
    with database.reading() as db:
        db.add(OutboxLane(name="other", next_at=NOW))
        assert waiting.flushed_rows(db, {}) == [("lms",)]


def test_a_prepared_statement_fails_as_any_other_and_tells_no_values(notes: Database):
    row = {"uuid": uuid4(), "words": "secret word", "at": NOW, "kind": None, "share": None}
    with notes.transaction() as db:
        WRITE.count(db, row)

    with pytest.raises(IntegrityError) as refused, notes.writing() as db:
        WRITE.count(db, row)

    assert "secret word" not in str(refused.value)
    with notes.transaction() as db:
        assert WRITE.count(db, {**row, "uuid": uuid4()}) == 1


def test_what_a_short_write_began_is_gone_when_it_fails(notes: Database):
    uuid = uuid4()

    with pytest.raises(LookupError), notes.writing() as db:
        if notes.engine.dialect.name == "sqlite":  # on PostgreSQL each statement is a transaction of its own
            WRITE.count(db, {"uuid": uuid, "words": 1, "at": NOW, "kind": "this", "share": 0.1})
        raise LookupError

    with notes.reading() as db:
        assert FIND.first(db, {"uuid": uuid}) is None


def test_a_turn_passes_between_processes_and_nobody_is_left_out(tmp_path):
    spawn = multiprocessing.get_context("spawn")
    told, begin = spawn.Queue(), spawn.Barrier(3)
    processes = [spawn.Process(target=_take_turns, args=(f"{tmp_path}/db", number, told, begin)) for number in range(3)]

    for process in processes:
        process.start()
    spans = sorted(told.get(timeout=60) for _ in range(3 * 40))
    for process in processes:
        process.join(30)

    ends = [end for _, end, _ in spans]
    assert all(begun >= end for (begun, _, _), end in zip(spans[1:], ends, strict=False))
    longest = max(spans[place + 1][0] - spans[place][0] for place in range(len(spans) - 1))
    assert {number for _, _, number in spans[:12]} == {0, 1, 2} or longest > 1  # a machine that stood still says nothing


def test_a_turn_that_does_not_come_leaves_the_word_to_the_database(tmp_path):
    file = f"{tmp_path}/db"
    holder, waiter = Turn(file, wait_seconds=5), Turn(file, wait_seconds=0.05)
    with holder.taken():
        began = time.monotonic()
        with waiter.taken():
            waited = time.monotonic() - began

    assert 0.05 <= waited < 4
    with waiter.taken(), pytest.raises(BlockingIOError):
        _try_at_once(file)


def test_writers_of_one_database_wait_for_each_other_and_lose_nothing(notes: Database):
    def write() -> None:
        for _ in range(10):
            with notes.transaction() as db:
                WRITE.count(db, {"uuid": uuid4(), "words": [], "at": NOW, "kind": "this", "share": 0.1})

    _all([write] * 6)

    with notes.reading() as db:
        assert len(db.execute(select(note.c.id)).all()) == 60


def test_a_statement_that_the_database_does_not_know_is_an_error_of_the_database(database: Database):
    with pytest.raises(DBAPIError), database.looking() as db:
        FIND.first(db, {"uuid": uuid4()})


def _all(work: list[Callable[[], None]]) -> None:
    threads = [threading.Thread(target=one) for one in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _take_turns(file: str, number: int, told: "multiprocessing.Queue[tuple[float, float, int]]", begin: "threading.Barrier") -> None:
    turn = Turn(file, wait_seconds=30)
    begin.wait(30)
    for _ in range(40):
        with turn.taken():
            begun = time.monotonic()
            time.sleep(0.001)
            told.put((begun, time.monotonic(), number))


def _try_at_once(file: str) -> None:
    import fcntl
    from pathlib import Path

    with Path(f"{file}-turn").open() as turn:
        fcntl.flock(turn, fcntl.LOCK_EX | fcntl.LOCK_NB)
