"""Retention: what was stored before a month leaves, all of it and nothing else."""

import hashlib
import json

import pytest
from sqlalchemy import func, select, text

from xapi import retention
from xapi.models import attachment, attachment_link, head, link, reference, registry, statement
from xapi.partitions import Month, keep_ahead, list_months
from xapi.retention import list_leaving, retain

ANSWERED = "http://adlnet.gov/expapi/verbs/answered"
TABLES = (statement, link, registry, reference)


@pytest.fixture
def three_months(database, lrs, new_client, clock, new_statement):
    """Ids by month of what two tenants stored from September to November 2026; November's partitions are there."""
    other = new_client("all", tenant_id=2)
    clock.forward(days=-61)
    ids = {}
    for month in ("2026-09", "2026-10", "2026-11"):
        plain = new_statement()
        ids[month] = lrs.post([plain, new_statement()]).json + other.post(new_statement()).json
        lrs.post(new_statement(object={"objectType": "StatementRef", "id": ids[month][0]}))
        if month != "2026-11":
            clock.forward(days=30.5)
    with database.transaction() as db:
        keep_ahead(db.connection(), now=clock.now)
    return ids


def counts(database):
    with database.reading() as db:
        return {table.name: db.scalar(select(func.count()).select_from(table)) for table in TABLES}


def places_below(database, month):
    with database.reading() as db:
        return sum(db.scalar(select(func.count()).select_from(table).where(table.c.seq < month.start)) for table in TABLES)


def test_what_is_to_leave_is_told_before(database, three_months, backend):
    with database.reading() as db:
        leaving = list_leaving(db.connection(), Month(2026, 11))
        assert list_leaving(db.connection(), Month(2026, 9)) == []

    assert [(str(each.month), each.statements) for each in leaving] == [("2026-09", 4), ("2026-10", 4)]
    assert all((each.size or 0) > 0 if backend == "postgresql" else each.size is None for each in leaving)
    assert counts(database)["xapi_statement"] == 12


def test_statements_before_the_month_leave_and_the_others_stay(database, lrs, new_client, three_months):
    kept = lrs.get(since="2026-11-01T00:00:00Z").json["statements"]
    other = new_client("all", tenant_id=2)

    left = retain(database, since=Month(2026, 11))

    assert [each.statements for each in left] == [4, 4]
    assert lrs.get().json["statements"] == kept
    assert len(kept) == 3
    assert other.ids() == [three_months["2026-11"][2]]
    assert lrs.ids(verb=ANSWERED, ascending="true") == [one["id"] for one in kept][::-1]
    for statement_id in three_months["2026-09"][:2] + three_months["2026-10"][:2]:
        assert lrs.get(statementId=statement_id).status_code == 404
    assert lrs.get(statementId=three_months["2026-11"][0]).status_code == 200
    assert places_below(database, Month(2026, 11)) == 0


def test_months_go_by_their_partitions(database, three_months, backend):
    if backend != "postgresql":
        pytest.skip("SQLite keeps plain tables")

    retain(database, since=Month(2026, 11))

    with database.looking() as db:
        assert str(list_months(db)[0]) == "2026-11"
        assert not db.scalar(text("SELECT to_regclass('xapi_statement_2026_09')"))
        assert not db.scalar(text("SELECT to_regclass('xapi_link_2026_10')"))


def test_rows_that_no_partition_had_taken_in_leave_too(database, lrs, new_statement, clock):
    clock.forward(days=-61)
    lrs.post(new_statement())
    clock.forward(days=61)
    lrs.post(new_statement())

    retain(database, since=Month(2026, 11))

    assert len(lrs.ids()) == 1
    assert counts(database)["xapi_statement"] == counts(database)["xapi_id"] == 1


def test_an_id_that_left_is_free_again(database, lrs, new_statement, three_months):
    retain(database, since=Month(2026, 11))

    answer = lrs.post(new_statement(id=three_months["2026-09"][0], result={"success": True}))

    assert answer.status_code == 200
    assert lrs.get(statementId=three_months["2026-09"][0]).json["result"] == {"success": True}


def test_contents_of_attachments_leave_with_their_last_statement(database, lrs, new_statement, clock):
    content = b"proof"
    about = {
        "usageType": "https://e.go.th/proof",
        "display": {"th": "หลักฐาน"},
        "contentType": "text/plain",
        "length": len(content),
        "sha2": hashlib.sha256(content).hexdigest(),
    }
    parts = [json.dumps(new_statement(attachments=[about])).encode(), content]
    types = [b"application/json", b"text/plain\r\nContent-Transfer-Encoding: binary\r\nX-Experience-API-Hash: " + about["sha2"].encode()]
    body = b"".join(b"--b\r\nContent-Type: " + kind + b"\r\n\r\n" + part + b"\r\n" for kind, part in zip(types, parts, strict=True))
    clock.forward(days=-61)
    assert lrs.post(body + b"--b--\r\n", content_type="multipart/mixed; boundary=b").status_code == 200
    clock.forward(days=61)
    lrs.post(new_statement())

    retain(database, since=Month(2026, 11))

    with database.reading() as db:
        assert db.scalar(select(func.count()).select_from(attachment_link)) == 0
        assert db.scalar(select(func.count()).select_from(attachment)) == 0


def test_pages_and_walks_begin_where_the_sequence_was_cut(database, lrs, three_months):
    more = lrs.get(limit=1, ascending="true").json["more"]

    retain(database, since=Month(2026, 11))

    assert lrs.follow(more).json["statements"][0]["id"] == three_months["2026-11"][0]
    with database.reading() as db:
        assert db.scalars(select(head.c.first)).all() == [Month(2026, 11).start] * 2


def test_it_may_be_interrupted_and_begun_again(database, lrs, three_months, monkeypatch):
    monkeypatch.setattr(retention, "CHUNK", 2)
    real, calls = retention._delete, []

    def fails(*arguments):
        calls.append(arguments)
        if len(calls) == 4:
            raise KeyboardInterrupt
        real(*arguments)

    monkeypatch.setattr(retention, "_delete", fails)
    with pytest.raises(KeyboardInterrupt):
        retain(database, since=Month(2026, 11))
    assert len(lrs.ids()) == 3
    monkeypatch.setattr(retention, "_delete", real)

    retain(database, since=Month(2026, 11))

    assert places_below(database, Month(2026, 11)) == 0
    assert len(lrs.ids()) == 3
