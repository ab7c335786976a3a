"""The straight way in: one round trip on PostgreSQL, and nothing that it lets pass, forgets or tells otherwise than the long way."""

import io
import json
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import event

from tests.xapi.conftest import PEPPER, LrsClient
from xapi import api, request
from xapi.timestamps import moment_of, of_place, place_of, written

ITEM = "https://agency.example.go.th/new"
VOIDED = {"id": "http://adlnet.gov/expapi/verbs/voided"}


@contextmanager
def counted(database):
    """What is asked of the database within the block."""
    asked = []

    def hear(_connection, _cursor, statement, *_):
        asked.append(statement)

    event.listen(database.engine, "before_cursor_execute", hear)
    yield asked
    event.remove(database.engine, "before_cursor_execute", hear)


@pytest.fixture
def known(lrs, clock, new_statement):
    """A client that was met before, and whose use was written down within the hour."""
    for _ in range(3):
        assert lrs.post(new_statement()).status_code == 200
    return lrs


def test_a_batch_of_a_known_client_is_one_round_trip(database, known, new_statement):
    with counted(database) as asked:
        answer = known.post(
            [new_statement(object={"id": "https://agency.example.go.th/new", "definition": {"type": "https://x.th/t"}})] * 1
        )

    assert answer.status_code == 200
    if database.engine.dialect.name == "postgresql":
        assert len(asked) == 1
    activity = known.call("GET", "/activities", activityId=ITEM).json
    assert activity["definition"] == {"type": "https://x.th/t"}


def test_a_key_that_was_revoked_writes_nothing_more(database, known, new_statement, clock):
    with database.transaction() as db:
        api.revoke_key(db, tenant_id=1, key=known.key.key, now=clock.now)

    assert [known.post(body).status_code for body in (new_statement(), [], [{}], b"no JSON")] == [401] * 4
    with database.reading() as db:
        assert api.count_statements(db) == 3


def test_a_secret_that_was_replaced_writes_nothing_more(database, http, known, new_statement, clock):
    with database.transaction() as db:
        fresh = api.rotate_key(db, tenant_id=1, key=known.key.key, now=clock.now, overlap=timedelta(0), pepper=PEPPER)

    assert known.post(new_statement()).status_code == 401
    assert LrsClient(http, fresh).post(new_statement()).status_code == 200


def test_a_key_that_ended_since_it_was_met_writes_nothing_more(new_client, clock, new_statement):
    client = new_client("all", expires_at=clock.now + timedelta(minutes=5))
    assert [client.post(new_statement()).status_code for _ in range(2)] == [200, 200]

    clock.forward(minutes=5)

    assert client.post(new_statement()).status_code == 401


def test_a_request_counts_once_whichever_way_it_goes(new_client, new_statement):
    client = new_client("all", requests_per_minute=6)
    for body in (
        new_statement(),
        new_statement(),
        [{}],
        new_statement(verb=VOIDED, object={"objectType": "StatementRef", "id": "0" * 8}),
        b"-",
    ):
        assert client.post(body).status_code in (200, 400)

    assert [client.post(new_statement()).status_code for _ in range(2)] == [200, 429]


def test_what_was_voided_before_it_came_is_void(known, new_statement):
    late = "7ce8bd5c-2f2c-4b12-a36d-3a7a34b20a1f"
    assert known.post(new_statement(verb=VOIDED, object={"objectType": "StatementRef", "id": late})).status_code == 200

    assert known.post([new_statement(), new_statement(id=late)]).status_code == 200

    assert (known.get(statementId=late).status_code, known.get(voidedStatementId=late).status_code) == (404, 200)


def test_a_known_id_is_compared_and_two_of_a_kind_are_refused(known, new_statement):
    one = new_statement(id="7ce8bd5c-2f2c-4b12-a36d-3a7a34b20a1f")
    assert known.post(one).status_code == 200

    assert known.post([new_statement(), one]).status_code == 200
    assert known.post([new_statement(), {**one, "result": {"success": True}}]).status_code == 409
    assert known.post([new_statement(id=one["id"].replace("7", "8"))] * 2).status_code == 400
    assert len(known.ids()) == 5


@pytest.mark.parametrize("moment", [(2027, 1, 31, 23, 59, 59, 999_999), (2028, 2, 29, 0, 0, 0, 0), (2255, 6, 1, 7, 8, 9, 1)])
def test_the_moment_of_storing_is_written_as_its_place_says(database, known, clock, new_statement, moment):
    clock.now = datetime(*moment, tzinfo=UTC)

    known.post([new_statement(), new_statement()])

    with database.reading() as db:
        for row in list(api.iter_statements(db, tenant_id=1))[3:]:
            assert row.statement["stored"] == row.statement["timestamp"] == written(moment_of(row.seq)) == of_place(row.seq)
            assert row.seq in (place_of(clock.now), place_of(clock.now) + 1)


def test_control_characters_in_texts_stay_as_they_came(lrs, new_statement):
    statement = new_statement(result={"response": "a\x01b\x1f"}, timestamp="2026-11-22T02:30:00.123Z")
    [known] = lrs.post([statement]).json

    kept = lrs.get(statementId=known).data.decode()

    assert '"response": "a\\u0001b\\u001f"' in kept
    assert lrs.get(statementId=known).json["result"] == statement["result"]


def test_a_body_that_is_too_long_and_says_no_length_is_refused_whole(database, known, new_statement, monkeypatch):
    """What follows the first bytes of it is no body of its own."""
    monkeypatch.setattr(request, "MAX_BODY_BYTES", 999)
    body = b" " * 1_000 + json.dumps(new_statement()).encode()

    answer = known.http.post(
        "/xapi/statements",
        input_stream=io.BytesIO(body),
        content_type="application/json",
        headers={"X-Experience-API-Version": "2.0.0"},
        auth=(known.key.key, known.key.secret),
        environ_overrides={"wsgi.input_terminated": True},
    )

    assert answer.status_code == 413
    assert len(known.ids()) == 3
