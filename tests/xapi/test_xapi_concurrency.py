"""Many writers and readers at once: nothing is missed, doubled or out of order."""

import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import pytest
from flask import Flask

from kernel.clock import system_clock
from xapi import api

PEPPER = b"pepper of the tests"
N_WRITERS = 8
N_BATCHES = 12
BATCH = 3


@pytest.fixture
def live(database, lrs):
    """The same credential on an LRS whose clock runs."""
    app = Flask("live")
    app.register_blueprint(api.create_lrs(database, clock=system_clock, key_pepper=PEPPER))
    return lambda: type(lrs)(app.test_client(), lrs.key)


def write(client, new_statement):
    ids = []
    for _ in range(N_BATCHES):
        answer = client.post([new_statement() for _ in range(BATCH)])
        assert answer.status_code == 200, answer.text
        ids += answer.json
    return ids


def poll_by_since(client, is_over):
    """What a consumer does that asks for all after the last statement it saw."""
    seen, since = [], None
    while True:
        over = is_over.is_set()
        answer = client.get(ascending="true", limit=7, **({"since": since} if since else {}))
        assert answer.status_code == 200, answer.text
        page = answer.json["statements"]
        seen += [statement["id"] for statement in page]
        since = page[-1]["stored"] if page else since
        if over and not page:
            return seen


def poll_by_consistent_through(client, is_over):
    """What a consumer does that reads whole walks of `more` and goes on from the consistent-through of the first page."""
    seen, since = set(), None
    while True:
        over = is_over.is_set()
        answer = client.get(ascending="true", limit=7, **({"since": since} if since else {}))
        since = answer.headers["X-Experience-API-Consistent-Through"]
        while True:
            assert answer.status_code == 200, answer.text
            seen |= {statement["id"] for statement in answer.json["statements"]}
            if not answer.json["more"]:
                break
            answer = client.follow(answer.json["more"])
        if over:
            return seen


def test_pollers_miss_and_double_nothing_while_writers_run(live, database, new_statement):
    is_over = threading.Event()
    with ThreadPoolExecutor(N_WRITERS + 2) as pool:
        by_since = pool.submit(poll_by_since, live(), is_over)
        by_header = pool.submit(poll_by_consistent_through, live(), is_over)
        writers = [pool.submit(write, live(), new_statement) for _ in range(N_WRITERS)]
        written = {statement_id for writer in writers for statement_id in writer.result(60)}
        is_over.set()
        seen = by_since.result(60)

        assert len(written) == N_WRITERS * N_BATCHES * BATCH
        assert len(seen) == len(set(seen))
        assert set(seen) == written
        assert by_header.result(60) == written

    with database.reading() as db:
        rows = list(api.iter_statements(db, tenant_id=1, batch=100))
    assert [row.id for row in rows] == seen
    assert all(before.stored < after.stored for before, after in pairwise(rows))


def test_a_reader_never_sees_a_later_place_before_an_earlier_one(live, database, new_statement):
    is_over = threading.Event()

    def watch():
        last_seen: set[int] = set()
        while not is_over.is_set():
            with database.reading() as db:
                places = {row.seq for row in api.iter_statements(db, tenant_id=1)}
            new = places - last_seen
            if last_seen and new:
                assert min(new) > max(last_seen)
            last_seen = places

    with ThreadPoolExecutor(N_WRITERS + 1) as pool:
        watcher = pool.submit(watch)
        for writer in [pool.submit(write, live(), new_statement) for _ in range(N_WRITERS)]:
            writer.result(60)
        is_over.set()
        watcher.result(60)


def test_one_statement_sent_by_many_at_once_is_stored_once(live, database, new_statement):
    known = new_statement(id=str(uuid.uuid4()))
    start = threading.Barrier(N_WRITERS)

    def send(client):
        start.wait()
        return client.post([known, new_statement()]).status_code

    with ThreadPoolExecutor(N_WRITERS) as pool:
        statuses = list(pool.map(send, [live() for _ in range(N_WRITERS)]))

    assert statuses == [200] * N_WRITERS
    with database.reading() as db:
        assert api.count_statements(db, tenant_id=1) == N_WRITERS + 1


def test_of_two_meanings_sent_at_once_one_is_stored_and_the_other_a_conflict(live, database, new_statement):
    statement_id = str(uuid.uuid4())
    start = threading.Barrier(2)

    def send(success):
        start.wait()
        return live().post([new_statement(), new_statement(id=statement_id, result={"success": success})]).status_code

    with ThreadPoolExecutor(2) as pool:
        statuses = sorted(pool.map(send, [True, False]))

    assert statuses == [200, 409]
    with database.reading() as db:
        assert api.count_statements(db, tenant_id=1) == 2


def test_batches_with_the_same_statements_in_other_orders_do_not_deadlock(live, new_statement):
    shared = [new_statement(id=str(uuid.uuid4())) for _ in range(20)]
    orders = [shared, shared[::-1], shared[10:] + shared[:10], shared[::2] + shared[1::2]] * 2

    with ThreadPoolExecutor(len(orders)) as pool:
        statuses = list(pool.map(lambda order: live().post(order).status_code, orders))

    assert statuses == [200] * len(orders)
