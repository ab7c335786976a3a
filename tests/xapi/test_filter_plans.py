"""Every filter, every pair of filters and every slice is answered by an index, on both databases."""

import re
from itertools import combinations, product

import pytest
from sqlalchemy import event

from xapi import links

PASSED = "http://adlnet.gov/expapi/verbs/passed"
REGISTRATION = "2c0f4d28-4d2c-4b2a-9c4e-3b1f5a0f2567"
COURSE = "https://agency.example.go.th/courses/1"


@pytest.fixture
def plans(database):
    """The plans of the statements of SQL that read statements, as the database makes them, with what they answer."""
    on_postgresql = database.engine.dialect.name == "postgresql"
    found = []

    @event.listens_for(database.engine, "before_cursor_execute")
    def explain(connection, cursor, statement, parameters, *_rest):
        if not re.search(r"FROM .*xapi_(statement|link)", statement, re.DOTALL):
            return
        if on_postgresql:  # in a small table it would rather read all: what remains is what no index can answer
            cursor.execute("SET enable_seqscan = off")
            cursor.execute("EXPLAIN " + statement, parameters)
            found.append("\n".join(row[0] for row in cursor.fetchall()))
            cursor.execute("RESET enable_seqscan")
        else:
            cursor.execute("EXPLAIN QUERY PLAN " + statement, parameters)
            found.append("\n".join(row[3] for row in cursor.fetchall()))

    yield found
    event.remove(database.engine, "before_cursor_execute", explain)


def reads_all(plan):
    """Whether a table of statements is read from end to end."""
    return re.search(r"Seq Scan on xapi_|SCAN xapi_\w+(?! USING)", plan) is not None


def filters(agent):
    since, until = "2026-11-22T00:00:00Z", "2026-11-23T00:00:00Z"
    return {
        "agent": {"agent": agent},
        "related agent": {"agent": agent, "related_agents": "true"},
        "verb": {"verb": PASSED},
        "activity": {"activity": COURSE},
        "related activity": {"activity": COURSE, "related_activities": "true"},
        "registration": {"registration": REGISTRATION},
        "since": {"since": since},
        "until": {"until": until},
    }


def test_every_filter_and_every_pair_of_filters_reads_by_an_index(lrs, plans, new_statement, agent):
    known = lrs.post([new_statement(verb={"id": PASSED}, object={"id": COURSE}, context={"registration": REGISTRATION})]).json
    lrs.post([new_statement() for _ in range(30)])
    named = filters(agent)
    pairs = [pair for pair in combinations(named, 2) if len({name.removeprefix("related ") for name in pair}) == 2]

    for names, ascending in product([(), *((name,) for name in named), *pairs], ["true", "false"]):
        plans.clear()
        ids = lrs.ids(limit=25, ascending=ascending, **{name: value for one in names for name, value in named[one].items()})

        assert plans, names
        assert not any(map(reads_all, plans)), (names, ascending, plans)
        assert known[0] in ids or not set(names) - {"agent", "related agent", "since", "until"}


def test_one_statement_is_found_by_an_index(lrs, plans, new_statement):
    [known] = lrs.post(new_statement()).json

    lrs.get(statementId=known)
    lrs.get(voidedStatementId=known)

    assert plans
    assert not any(map(reads_all, plans))


def test_a_reader_of_its_own_statements_reads_by_an_index(new_client, plans, new_statement):
    own = new_client("statements/write", "statements/read/mine")
    own.post([new_statement() for _ in range(30)])

    for params in ({}, {"verb": PASSED}):
        own.ids(limit=25, **params)

    assert plans
    assert not any(map(reads_all, plans))


@pytest.mark.parametrize("n_values", [1, 3])
def test_a_feed_of_every_kind_of_slice_reads_by_an_index(lrs, plans, new_statement, agent, n_values):
    auth = (lrs.key.key, lrs.key.secret)
    members = {
        "verbs": [PASSED, "https://e.go.th/1", "https://e.go.th/2"][:n_values],
        "activities": [COURSE, "https://e.go.th/1", "https://e.go.th/2"][:n_values],
        "agents": [agent, {"mbox": "mailto:a@e.go.th"}, {"mbox": "mailto:b@e.go.th"}][:n_values],
        "registrations": [REGISTRATION, REGISTRATION[:-1] + "8", REGISTRATION[:-1] + "9"][:n_values],
    }
    [known] = lrs.post(new_statement(verb={"id": PASSED}, object={"id": COURSE}, context={"registration": REGISTRATION})).json
    lrs.post([new_statement() for _ in range(30)])

    for names in [(), *((name,) for name in members), *combinations(members, 2), tuple(members)]:
        lrs.http.put("/xapi/feeds/all", json={name: members[name] for name in names}, auth=auth)
        plans.clear()
        ids = [one["id"] for one in lrs.http.get("/xapi/feeds/all", auth=auth).json["statements"]]

        assert known in ids
        assert plans, names
        assert not any(map(reads_all, plans)), (names, plans)


def test_a_plan_that_reads_all_is_noticed(database, plans, lrs, new_statement):
    lrs.post(new_statement())

    with database.looking() as db:
        db.exec_driver_sql("SELECT count(*) FROM xapi_statement WHERE length(document) > 0")

    assert reads_all(plans[-1])


@pytest.mark.parametrize("ascending", ["true", "false"])
def test_of_several_keys_the_rarest_leads(database, lrs, new_statement, agent, ascending):
    """Not the first one that is asked by: an agent that does much may be asked for with a verb that is rare."""
    lrs.post([new_statement() for _ in range(120)] + [new_statement(verb={"id": PASSED})])
    leads = []

    def hear(_connection, _cursor, statement, parameters, *_rest):
        if "EXISTS" in statement:
            values = [parameters["key_0_0"]] if isinstance(parameters, dict) else parameters
            plain = (getattr(one, "obj", one) for one in values)  # psycopg wraps bytes
            leads.append(next(bytes(one) for one in plain if isinstance(one, bytes | memoryview)))

    event.listen(database.engine, "before_cursor_execute", hear)
    found = lrs.ids(agent=agent, verb=PASSED, ascending=ascending)
    event.remove(database.engine, "before_cursor_execute", hear)

    assert len(found) == 1
    assert set(leads) == {links.verb_key(PASSED)}
