"""Places: one order for all who read, whatever writers do at the same time; work that PostgreSQL ends for a deadlock is done again."""

import threading
import time
from base64 import b64encode
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from itertools import pairwise

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from bench.lrs_client import Server, write_and_poll
from kernel.clock import system_clock
from kernel.db import Database
from xapi import api
from xapi.timestamps import moment_of, place_of


def places(database, tenant_id=1):
    with database.reading() as db:
        return [row.seq for row in api.iter_statements(db, tenant_id=tenant_id)]


def test_a_place_is_the_moment_of_storing(database, lrs, clock, new_statement):
    lrs.post([new_statement(), new_statement()])
    clock.forward(seconds=3)
    lrs.post(new_statement())

    stored = [statement["stored"] for statement in lrs.get(ascending="true").json["statements"]]

    start = place_of(clock.now - timedelta(seconds=3))
    assert places(database) == [start, start + 1, place_of(clock.now)]
    assert stored == [moment_of(place).isoformat(timespec="microseconds").replace("+00:00", "Z") for place in places(database)]


def test_places_fit_into_the_numbers_of_json_for_two_centuries(now):
    assert place_of(now + timedelta(days=365 * 228)) < 2**53


def test_tenants_have_sequences_of_their_own(database, lrs, new_client, new_statement):
    other = new_client("all", tenant_id=2)
    lrs.post([new_statement() for _ in range(3)])
    other.post(new_statement())

    assert len(places(database)) == 3
    assert places(database, tenant_id=2) == places(database)[:1]


def test_the_answer_to_a_write_says_that_it_can_be_read(lrs, clock, new_statement):
    written = lrs.post([new_statement(), new_statement()])

    last = lrs.get(limit=1).json["statements"][0]["stored"]

    assert written.headers["X-Experience-API-Consistent-Through"] == last


def test_a_known_statement_takes_no_place_and_leaves_the_order_whole(database, lrs, new_statement):
    known = new_statement(id="8f87ccde-bb56-4c2e-ab83-44982ef22df0")
    lrs.post(known)
    lrs.post([new_statement(), known, new_statement()])

    found = places(database)

    assert len(found) == 3
    assert all(before < after for before, after in pairwise(found))


def test_a_transaction_that_lost_a_deadlock_is_done_again(database, backend):
    if backend == "sqlite":
        pytest.skip("SQLite has one writer: nobody can wait in a circle")
    with database.transaction() as db:
        db.execute(text("CREATE TABLE pot (id int PRIMARY KEY, n int)"))
        db.execute(text("INSERT INTO pot VALUES (1, 0), (2, 0)"))
    both_hold_one = threading.Barrier(2)
    tries = []

    def fill(first, second):
        def work(db):
            tries.append(first)
            db.execute(text("UPDATE pot SET n = n + 1 WHERE id = :id"), {"id": first})
            with suppress(threading.BrokenBarrierError):
                both_hold_one.wait(5 if len(tries) <= 2 else 0)
            db.execute(text("UPDATE pot SET n = n + 1 WHERE id = :id"), {"id": second})

        database.write(work)

    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(fill, 1, 2), pool.submit(fill, 2, 1)]:
            done.result(20)

    assert len(tries) == 3
    with database.reading() as db:
        assert db.execute(text("SELECT n FROM pot")).scalars().all() == [2, 2]


def test_other_faults_are_told_at_once(database):
    tries = []

    def work(db):
        tries.append(1)
        raise OperationalError("none", None, Exception("away"))

    with pytest.raises(OperationalError):
        database.write(work)

    assert len(tries) == 1


def test_no_lock_of_a_tenant_is_held_while_its_statements_are_judged(database, lrs, new_statement):
    """A batch that is refused by its last statement never took the tenant's turn."""
    lrs.post(new_statement())
    holding, done = threading.Event(), threading.Event()

    def hold():
        with database.transaction() as db:
            db.execute(text("UPDATE xapi_head SET seq = seq"))
            holding.set()
            done.wait(10)

    holder = threading.Thread(target=hold)
    holder.start()
    assert holding.wait(10)
    begun = time.monotonic()
    refused = lrs.post([new_statement() for _ in range(20)] + [{"actor": 1}])
    taken = time.monotonic() - begun
    done.set()
    holder.join()

    assert refused.status_code == 400
    assert taken < 5


@pytest.mark.long
def test_consumers_miss_double_and_disorder_nothing_under_32_writers_in_two_processes(database_maker):
    from bench.common import free_port, granian

    url = database_maker.new_empty()
    database = Database(url)
    api.migrate(database)
    with database.transaction() as db:
        made = api.create_key(db, tenant_id=1, name="bench", scopes=["all"], now=system_clock(), pepper=b"bench")
    port = free_port()
    authorization = "Basic " + b64encode(f"{made.key}:{made.secret}".encode()).decode()

    with granian("bench.lrs_server:app", port, {"BENCH_DATABASE_URL": url}):
        seen = write_and_poll(Server(port, authorization), 96, 10, 7, 32)

    assert seen["errors"] == []
    assert seen["acknowledged"] == 960
    assert seen["consumers"] == {name: {"missed": 0, "twice": 0, "out_of_order": 0} for name in ("since", "more")}
    database.dispose()
    database_maker.drop(url)
