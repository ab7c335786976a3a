"""Partitions by month: made ahead, filled from the default one, opened only where a page needs them; and what 0001 made moves into them."""

import json
import re
import uuid
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import event, text

from kernel.db import Database
from xapi import api, links, partitions
from xapi.api import migrate
from xapi.partitions import Month, keep_ahead, list_months, windows
from xapi.timestamps import moment_of, place_of, written

ANSWERED = "http://adlnet.gov/expapi/verbs/answered"
ACTIVITY = "https://agency.example.go.th/items/1"


def make_partitions(database, now):
    with database.transaction() as db:
        return keep_ahead(db.connection(), now=now)


def only_on_postgresql(backend):
    if backend != "postgresql":
        pytest.skip("SQLite keeps plain tables")


def rows_in(database, table):
    with database.reading() as db:
        return db.scalar(text(f"SELECT count(*) FROM {table}"))


def test_a_month_is_a_range_of_places():
    december = Month(2026, 12)

    assert december.start == place_of(datetime(2026, 12, 1, tzinfo=UTC))
    assert december.next == Month(2027, 1)
    assert december.plus(-24) == Month(2024, 12)
    assert (str(december), december.suffix) == ("2026-12", "2026_12")
    assert Month.of(datetime(2027, 1, 1, 6, 59, tzinfo=UTC).astimezone()) == Month(2027, 1)
    assert Month.of(moment_of(december.next.start - 1)) == december


@pytest.mark.parametrize("ascending", [True, False])
def test_windows_cover_a_range_once_and_in_order(database, backend, ascending):
    low, high = Month(2024, 3).start + 5, Month(2026, 11).start + 77

    with database.looking() as db:
        parts = list(windows(db, low, high, ascending=ascending))
        none = list(windows(db, high, low, ascending=ascending))

    assert sorted(parts) == (parts if ascending else parts[::-1])
    assert min(parts)[0] == low
    assert max(parts)[1] == high
    assert all(before[1] == after[0] for before, after in zip(sorted(parts), sorted(parts)[1:], strict=False))
    assert len(parts) == (3 if backend == "postgresql" else 1)
    assert not [part for part in none if part[0] < part[1]]


def test_partitions_are_made_ahead_and_only_once(database, backend, now):
    only_on_postgresql(backend)

    made = make_partitions(database, now)
    again = make_partitions(database, now)
    later = make_partitions(database, now + timedelta(days=31))

    months = ["2026_11", "2026_12", "2027_01", "2027_02"]
    assert made == [f"{table}_{month}" for table in ("xapi_statement", "xapi_link") for month in months]
    assert again == []
    assert later == ["xapi_statement_2027_03", "xapi_link_2027_03"]
    with database.looking() as db:
        assert [str(month) for month in list_months(db)] == ["2026-11", "2026-12", "2027-01", "2027-02", "2027-03"]


def test_a_statement_goes_to_its_month_and_without_one_to_the_default(database, backend, lrs, clock, new_statement):
    only_on_postgresql(backend)
    make_partitions(database, clock.now)

    for _ in range(6):
        assert lrs.post(new_statement()).status_code == 200
        clock.forward(days=31)

    assert [rows_in(database, f"xapi_statement_{month}") for month in ("2026_11", "2026_12", "2027_01", "2027_02")] == [1, 1, 1, 1]
    assert rows_in(database, "xapi_statement_default") == 2
    assert len(lrs.ids()) == 6


def test_partitions_that_came_late_take_in_what_waits_in_the_default_one(database, backend, lrs, clock, new_statement):
    only_on_postgresql(backend)
    ids = []
    for _ in range(3):
        ids += lrs.post([new_statement(), new_statement()]).json
        clock.forward(days=31)
    assert rows_in(database, "xapi_statement_default") == 6
    before = lrs.get(ascending="true").json

    made = make_partitions(database, clock.now)

    assert "xapi_statement_2026_11" in made
    assert rows_in(database, "xapi_statement_default") == rows_in(database, "xapi_link_default") == 0
    assert rows_in(database, "xapi_statement_2026_12") == 2
    assert lrs.get(ascending="true").json == before
    assert lrs.ids(verb=ANSWERED, ascending="true") == ids


def test_an_id_is_unique_across_months(database, lrs, clock, new_statement):
    make_partitions(database, clock.now)
    known = new_statement(id=str(uuid.uuid4()))
    lrs.post(known)
    clock.forward(days=62)

    assert lrs.post([new_statement(), known]).status_code == 200
    assert lrs.post([new_statement(), {**known, "result": {"success": True}}]).status_code == 409
    assert len(lrs.ids()) == 2


def test_references_reach_across_months(database, lrs, clock, new_statement):
    make_partitions(database, clock.now)
    [target] = lrs.post(new_statement()).json
    clock.forward(days=31)
    [voider] = lrs.post(
        new_statement(verb={"id": "http://adlnet.gov/expapi/verbs/voided"}, object={"objectType": "StatementRef", "id": target})
    ).json

    assert lrs.get(statementId=target).status_code == 404
    assert lrs.get(voidedStatementId=target).status_code == 200
    assert lrs.ids(verb=ANSWERED) == [voider]


def test_a_page_opens_no_partition_that_it_does_not_need(database, lrs, clock, new_statement, monkeypatch):
    only_on_postgresql(database.engine.dialect.name)
    monkeypatch.setattr(partitions, "MONTHS_AHEAD", 35)
    make_partitions(database, clock.now)
    first = Month.of(clock.now)
    for _ in range(36):
        lrs.post([new_statement() for _ in range(3)])
        clock.now = moment_of(Month.of(clock.now).next.start)
    plans = []

    @event.listens_for(database.engine, "before_cursor_execute")
    def explain(connection, cursor, statement, parameters, *_rest):
        if "FROM xapi_" in statement and "xapi_key" not in statement:
            cursor.execute("EXPLAIN (FORMAT TEXT) " + statement, parameters)
            plans.append("\n".join(row[0] for row in cursor.fetchall()))

    for params in ({}, {"verb": ANSWERED}, {"verb": ANSWERED, "activity": ACTIVITY}):
        for ascending, month in (("true", first), ("false", first.plus(35))):
            plans.clear()

            assert len(lrs.ids(limit=2, ascending=ascending, **params)) == 2

            assert set(re.findall(r"xapi_(?:statement|link)_(\d{4}_\d\d|default)", "\n".join(plans))) == {month.suffix}


def old_rows(agent):
    """What 0001 kept of a tenant: three statements, the third of which voids the first."""
    first, second, third = (str(uuid.uuid4()) for _ in range(3))
    start = datetime(2026, 9, 30, 23, 59, 59, 999_998, tzinfo=UTC)
    moments = [start, start + timedelta(microseconds=1), start + timedelta(days=40)]
    authority = {"objectType": "Agent", "account": {"homePage": "https://e.go.th", "name": "k"}}
    rows = []
    for place, (statement_id, stored) in enumerate(zip((first, second, third), moments, strict=True), start=1):
        document = {"id": statement_id, "actor": agent, "verb": {"id": ANSWERED}, "object": {"id": ACTIVITY}, "authority": authority}
        if place == 3:
            document |= {
                "verb": {"id": "http://adlnet.gov/expapi/verbs/voided"},
                "object": {"objectType": "StatementRef", "id": first},
            }
        document |= {"stored": written(stored), "timestamp": written(stored), "version": "2.0.0"}
        rows.append((place, statement_id, stored, authority, document))
    return rows


def fill_0001(database, rows):
    with database.transaction() as db:
        on_sqlite = database.engine.dialect.name == "sqlite"
        last = place_of(rows[-1][2])
        db.execute(text("INSERT INTO xapi_head (tenant_id, seq, stored_us) VALUES (7, 3, :last)"), {"last": last})
        for place, statement_id, stored, authority, document in rows:
            keys = links.keys_of(document, authority) | (links.keys_of(rows[0][4], authority) if place == 3 else set())
            values = {
                "seq": place,
                "id": statement_id.replace("-", "") if on_sqlite else statement_id,
                "stored": f"{stored:%Y-%m-%d %H:%M:%S.%f}" if on_sqlite else stored,
                "authority": links.authority_key(authority),
                "target": (rows[0][1].replace("-", "") if on_sqlite else rows[0][1]) if place == 3 else None,
                "voids": "own" if place == 3 else None,
                "voided": place == 1,
                "document": json.dumps(document),
            }
            db.execute(
                text(
                    "INSERT INTO xapi_statement (tenant_id, seq, id, stored, authority_key, target_id, voids, voided, document)"
                    " VALUES (7, :seq, :id, :stored, :authority, :target, :voids, :voided, :document)"
                ),
                values,
            )
            for key in keys:
                db.execute(text("INSERT INTO xapi_link (tenant_id, key, seq) VALUES (7, :key, :seq)"), {"key": key, "seq": place})


def test_a_database_of_0001_moves_up_with_its_statements(database_maker, backend, agent, now):
    database = Database(database_maker.new_empty())
    migrate(database, "0001")
    rows = old_rows(agent)
    fill_0001(database, rows)

    migrate(database)
    migrate(database)

    with database.reading() as db:
        kept = list(api.iter_statements(db, tenant_id=7))
        found = list(api.iter_statements_of(db, tenant_id=7, agent=agent))
        assert [row.statement for row in kept] == [row[4] for row in rows]
        assert [row.stored for row in kept] == [row[2] for row in rows]
        assert [row.seq for row in kept] == [place_of(row[2]) for row in rows]
        assert [row.voided for row in kept] == [True, False, False]
        assert [statement["id"] for statement in found] == [rows[1][1], rows[2][1]]
        assert all(api.has_statement(db, tenant_id=7, statement_id=row[1]) for row in rows)
    with database.transaction() as db:
        again = {name: value for name, value in rows[1][4].items() if name not in ("stored", "authority")}
        reference = {"actor": agent, "verb": {"id": ANSWERED}, "object": {"objectType": "StatementRef", "id": rows[1][1]}}
        api.store_statements(db, tenant_id=7, statements=[again, reference], authority=rows[0][3], now=now)
    with database.reading() as db:
        assert [row.id for row in api.iter_statements(db, tenant_id=7)][:3] == [row[1] for row in rows]
        assert api.count_statements(db, tenant_id=7) == 4
        if backend == "postgresql":
            assert rows_in(database, "xapi_statement_2026_09") == 2
            assert rows_in(database, "xapi_link_default") == rows_in(database, "xapi_statement_default") == 0
    database.dispose()
