"""The LRS without HTTP: what an application that carries it does in its own transaction."""

import uuid

import pytest
from sqlalchemy import event, func, select

from kernel.errors import Conflict
from xapi import api, looking
from xapi.api import StatementInvalid
from xapi.models import link

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


def referring(new_statement, number, target):
    """Statement `number` of a chain, found by a verb of its own, that refers to another."""
    verb = {"id": f"https://agency.example.go.th/verbs/{number}"}
    return new_statement(id=str(uuid.UUID(int=number)), verb=verb, object={"objectType": "StatementRef", "id": str(uuid.UUID(int=target))})


@pytest.mark.parametrize("is_ring", [True, False])
def test_a_long_chain_of_references_in_one_batch_costs_in_proportion_to_its_length(database, new_statement, now, *, is_ring):
    n = 120
    chain = [referring(new_statement, number, (number + 1) % n if is_ring else number + 1) for number in range(n)]

    with database.transaction() as db:
        api.store_statements(db, tenant_id=1, statements=chain, authority=AUTHORITY, now=now)
        n_links = db.scalar(select(func.count()).select_from(link))

    assert n_links <= n * 15  # its own four keys, and the verbs of ten others


@pytest.mark.parametrize("is_ahead", [True, False])
def test_a_statement_at_the_end_of_a_long_stored_chain_costs_no_more_statements_of_sql_than_at_a_shorter_one(
    database, new_statement, now, *, is_ahead
):
    asked = []
    event.listen(database.engine, "before_cursor_execute", lambda *call: asked.append(call[2]))

    def cost(tenant_id, n):
        chain = [referring(new_statement, number, number - 1 if is_ahead else number + 1) for number in range(1, n)]
        last = referring(new_statement, 0, n + 1) if is_ahead else referring(new_statement, 0, 1)
        with database.transaction() as db:
            api.store_statements(db, tenant_id=tenant_id, statements=chain, authority=AUTHORITY, now=now)
            asked.clear()
            api.store_statements(db, tenant_id=tenant_id, statements=[last], authority=AUTHORITY, now=now)
            return len(asked)

    assert cost(1, 20) == cost(2, 40)


def test_many_statements_are_counted_about(database, lrs, new_statement, monkeypatch):
    lrs.post([new_statement() for _ in range(57)])
    monkeypatch.setattr(looking, "COUNTED", 20)
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("ANALYZE")

    with database.reading() as db:
        counts = [api.count_statements(db, tenant_id=1), api.count_statements(db), api.count_statements(db, tenant_id=2)]

    assert counts == [57, 57, 0]
