"""The LRS without HTTP: what an application that carries it does in its own transaction."""

import uuid

import pytest

from kernel.errors import Conflict
from xapi import api
from xapi.api import StatementInvalid

AUTHORITY = {"objectType": "Agent", "account": {"homePage": "https://kaona.example.go.th", "name": "kaona"}}


def test_statements_are_stored_in_the_callers_transaction(database, new_statement, now):
    known = str(uuid.uuid4())

    with database.transaction() as db:
        ids = api.store_statements(db, tenant_id=1, statements=[new_statement(id=known), new_statement()], authority=AUTHORITY, now=now)
        again = api.store_statements(db, tenant_id=1, statements=[new_statement(id=known)], authority=AUTHORITY, now=now)

    assert ids[0] == known
    assert again == [known]
    with database.reading() as db:
        rows = list(api.iter_statements(db, tenant_id=1))
        assert api.count_statements(db, tenant_id=1) == 2
    assert [row.id for row in rows] == ids
    assert rows[0].statement["authority"] == AUTHORITY
    assert rows[0].stored == now
    assert not rows[0].voided


def test_a_rolled_back_transaction_keeps_nothing(database, new_statement, now):
    with pytest.raises(RuntimeError), database.transaction() as db:
        api.store_statements(db, tenant_id=1, statements=[new_statement()], authority=AUTHORITY, now=now)
        raise RuntimeError

    with database.reading() as db:
        assert api.count_statements(db) == 0


def test_the_door_refuses_as_http_does(database, new_statement, now):
    statement_id = str(uuid.uuid4())
    with database.transaction() as db:
        api.store_statements(db, tenant_id=1, statements=[new_statement(id=statement_id)], authority=AUTHORITY, now=now)

        with pytest.raises(StatementInvalid) as refusal:
            api.store_statements(db, tenant_id=1, statements=[new_statement(), new_statement(actor={})], authority=AUTHORITY, now=now)
        with pytest.raises(Conflict):
            other = new_statement(id=statement_id, result={"success": True})
            api.store_statements(db, tenant_id=1, statements=[other], authority=AUTHORITY, now=now)

    assert refusal.value.place == "/1/actor"


def test_iteration_goes_on_after_a_place_and_through_every_tenant(database, new_statement, now):
    with database.transaction() as db:
        for tenant_id in (2, 1):
            api.store_statements(db, tenant_id=tenant_id, statements=[new_statement() for _ in range(5)], authority=AUTHORITY, now=now)

    with database.reading() as db:
        every = list(api.iter_statements(db, batch=2))
        rest = list(api.iter_statements(db, tenant_id=1, after=every[2].seq, batch=2))
        with pytest.raises(ValueError, match="tenant"):
            next(api.iter_statements(db, after=1))

    assert [row.tenant_id for row in every] == [1] * 5 + [2] * 5
    assert [row.id for row in rest] == [row.id for row in every[3:5]]


def test_a_voided_statement_is_iterated_and_marked(database, new_statement, now):
    with database.transaction() as db:
        [target] = api.store_statements(db, tenant_id=1, statements=[new_statement()], authority=AUTHORITY, now=now)
        voider = new_statement(verb={"id": "http://adlnet.gov/expapi/verbs/voided"}, object={"objectType": "StatementRef", "id": target})
        api.store_statements(db, tenant_id=1, statements=[voider], authority=AUTHORITY, now=now)

    with database.reading() as db:
        assert [row.voided for row in api.iter_statements(db, tenant_id=1)] == [True, False]


def test_numbers_and_thai_text_survive_the_door(database, new_statement, now):
    sent = new_statement(result={"response": "๔๒ ตอบ", "score": {"raw": 0.1, "scaled": 1.0}})

    with database.transaction() as db:
        api.store_statements(db, tenant_id=1, statements=[sent], authority=AUTHORITY, now=now)

    with database.reading() as db:
        [row] = api.iter_statements(db, tenant_id=1)
    assert row.statement["result"] == sent["result"]
