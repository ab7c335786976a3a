"""Statements in, evidence and attainment out, by the door on both databases; and all of it once more from nothing."""

import random
import threading
import time
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event, select, text, update
from sqlalchemy.orm import Session

from kernel.db import Base, Database
from roadmap import api as roadmap
from roadmap import attainment, commands, queries
from roadmap.attainment import KindPolicy, Rule
from roadmap.errors import RuleVersionChanged, UnknownFramework, UnknownNode
from roadmap.models import Attainment, Evidence
from tests.roadmap.factories import CLIENT, area_result, course_done, days, document, name, voiding

DLIT, DGOV, DLEAD = "th-ds-2567#DLIT", "th-ds-2567#DGOV", "th-ds-2567#DLEAD"
AREAS = (DLIT, DGOV, DLEAD)
PERSON = name("person")


@pytest.fixture
def loaded(database: Database, now: datetime) -> Database:
    with database.transaction() as db:
        roadmap.load_frameworks(db, document(), now=now)
    return database


def record(database: Database, statements: Sequence[dict[str, Any]], tenant_id: int = 1) -> roadmap.Recorded:
    with database.transaction() as db:
        return roadmap.record_statements(db, tenant_id=tenant_id, statements=statements)


def levels(database: Database, now: datetime, person: UUID = PERSON, tenant_id: int = 1) -> dict[str, int]:
    with database.reading() as db:
        return {one.node_key: one.level for one in roadmap.attainment_of(db, tenant_id=tenant_id, person_uuid=person, now=now)}


def rows(database: Database) -> dict[str, list[dict[str, Any]]]:
    """Every derived row, every column."""
    with database.reading() as db:
        return {
            table: sorted((dict(row) for row in db.execute(select(Base.metadata.tables[table])).mappings()), key=str)
            for table in ("evidence", "attainment", "evidence_withdrawal")
        }


def test_a_sitting_becomes_evidence_and_attainment_with_its_error_and_source(loaded: Database, now: datetime) -> None:
    statements = [area_result(PERSON, key, rank, now, borderline=key == DGOV) for rank, key in enumerate(AREAS)]

    recorded = record(loaded, statements)

    with loaded.reading() as db:
        views = roadmap.attainment_of(db, tenant_id=1, person_uuid=PERSON, now=now)
        (evidence,) = roadmap.evidence_of(db, tenant_id=1, person_uuid=PERSON, node_key=DGOV)
    assert (recorded.n_evidence, recorded.persons, len(recorded.nodes)) == (3, (PERSON,), 3)
    assert {view.node_key: view.level for view in views} == {DLIT: 0, DGOV: 1, DLEAD: 2}
    view = next(view for view in views if view.node_key == DGOV)
    assert (view.theta, view.se, view.borderline, view.as_of, view.rule_version) == (-0.5, 0.4, True, now, "2026-2")
    assert view.statement_ids == (UUID(statements[1]["id"]),)
    assert view.evidence_ids == (evidence.uuid,)
    assert (evidence.kind, evidence.level, evidence.counts, evidence.deciding) == ("test", 1, True, True)


def test_the_same_statement_again_changes_nothing(loaded: Database, now: datetime) -> None:
    statements = [area_result(PERSON, DLIT, 2, now), course_done(PERSON, DGOV, now)]
    record(loaded, statements)
    before = rows(loaded)

    again = record(loaded, [*statements, *statements])

    assert again == roadmap.Recorded(0, (), ())
    assert rows(loaded) == before


def test_a_worse_sitting_leaves_the_level_and_stays_in_the_evidence(loaded: Database, now: datetime) -> None:
    record(loaded, [area_result(PERSON, DLIT, 3, now - days(30))])

    record(loaded, [area_result(PERSON, DLIT, 1, now, attempt=2)])

    with loaded.reading() as db:
        evidence = roadmap.evidence_of(db, tenant_id=1, person_uuid=PERSON, node_key=DLIT)
    assert levels(loaded, now) == {DLIT: 3}
    assert [(one.level, one.deciding) for one in evidence] == [(1, False), (3, True)]


def test_a_self_report_is_kept_and_never_counts(loaded: Database, now: datetime) -> None:
    record(loaded, [area_result(PERSON, DLIT, 3, now, evidence_kind="self-report")])

    with loaded.reading() as db:
        (evidence,) = roadmap.evidence_of(db, tenant_id=1, person_uuid=PERSON, node_key=DLIT)
    assert levels(loaded, now) == {}
    assert (evidence.counts, evidence.deciding, evidence.level) == (False, False, 0)


def test_a_person_of_one_agency_is_a_stranger_in_another(loaded: Database, now: datetime) -> None:
    record(loaded, [area_result(PERSON, DLIT, 3, now)], tenant_id=1)

    assert levels(loaded, now, tenant_id=2) == {}


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize("voiding_first", [True, False])
def test_a_voided_statement_gives_no_evidence_whichever_comes_first(
    loaded: Database, now: datetime, *, voiding_first: bool, together: bool
) -> None:
    kept, voided = area_result(PERSON, DLIT, 1, now), area_result(PERSON, DLIT, 3, now, attempt=2)
    record(loaded, [kept])
    order = [voiding(voided, now), voided] if voiding_first else [voided, voiding(voided, now)]

    for batch in [order] if together else [[one] for one in order]:
        record(loaded, batch)

    assert levels(loaded, now) == {DLIT: 1}
    assert [row["statement_id"] for row in rows(loaded)["evidence"]] == [UUID(kept["id"])]


def test_a_voiding_of_another_authority_ahead_of_its_statement_withdraws_nothing_however_often_it_is_heard(
    loaded: Database, now: datetime
) -> None:
    statement = area_result(PERSON, DLIT, 3, now)
    foreign = voiding(statement, now, authority=CLIENT)

    for batch in ([foreign], [statement], [foreign], [foreign, statement]):
        record(loaded, batch)
    report = rebuild(loaded, [(1, foreign), (1, statement), (1, foreign)])

    assert levels(loaded, now) == {DLIT: 3}
    assert report.n_different == 0


def test_a_voiding_of_another_authority_that_the_lrs_took_withdraws_for_good(loaded: Database, now: datetime) -> None:
    statement = area_result(PERSON, DLIT, 3, now)
    by_an_administrator = voiding(statement, now, authority=CLIENT)

    for batch in ([statement], [by_an_administrator], [statement]):
        record(loaded, batch)
    report = rebuild(loaded, [(1, statement), (1, by_an_administrator)])

    assert levels(loaded, now) == {}
    assert report.n_different == 0


def test_a_rebuild_leaves_out_what_the_lrs_holds_as_voided(loaded: Database, now: datetime) -> None:
    statement = area_result(PERSON, DLIT, 3, now)

    report = rebuild(loaded, [(1, voiding(statement, now, authority=CLIENT), False), (1, statement, True)])

    assert (report.n_statements, report.n_evidence, levels(loaded, now)) == (2, 0, {})


def test_an_account_of_another_home_page_is_nobody_in_the_agency(loaded: Database, now: datetime) -> None:
    statement = course_done(PERSON, DLIT, now)
    elsewhere = statement | {
        "id": str(name("elsewhere")),
        "actor": statement["actor"] | {"account": {"homePage": "https://x.example", "name": str(PERSON)}},
    }

    with loaded.transaction() as db:
        roadmap.record_statements(db, tenant_id=1, statements=[elsewhere], home_page="https://agency.example")
    nobody = levels(loaded, now)
    with loaded.transaction() as db:
        roadmap.record_statements(db, tenant_id=1, statements=[statement], home_page="https://agency.example")
        report = roadmap.rebuild(db, [(1, elsewhere), (1, statement)], home_pages={1: "https://agency.example"})

    assert nobody == {}
    assert levels(loaded, now) == {DLIT: 1}
    assert (report.n_evidence, report.n_different) == (1, 0)


@pytest.mark.parametrize("moment", ["9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z"])
def test_a_moment_that_cannot_be_leaves_a_roadmap_as_it_was(loaded: Database, now: datetime, moment: str) -> None:
    sound = area_result(PERSON, DLIT, 2, now)
    absurd = course_done(PERSON, DLIT, now, verb="passed") | {"timestamp": moment, "stored": "2026-11-22T02:30:00.000Z"}

    record(loaded, [sound, absurd])

    assert levels(loaded, now) == {DLIT: 2}
    with loaded.reading() as db:
        assert len(roadmap.evidence_of(db, tenant_id=1, person_uuid=PERSON, node_key=DLIT)) == 1


def test_evidence_of_several_nodes_is_asked_in_one_go(loaded: Database, now: datetime) -> None:
    record(
        loaded, [area_result(PERSON, DLIT, 3, now - days(30)), area_result(PERSON, DLIT, 1, now, attempt=2), course_done(PERSON, DGOV, now)]
    )

    with loaded.reading() as db:
        one_by_one = {key: roadmap.evidence_of(db, tenant_id=1, person_uuid=PERSON, node_key=key) for key in AREAS}
        asked: list[str] = []
        event.listen(loaded.engine, "before_cursor_execute", lambda *call: asked.append(call[2]))
        together = roadmap.evidence_of(db, tenant_id=1, person_uuid=PERSON, node_keys=AREAS)
        with pytest.raises(UnknownNode):
            roadmap.evidence_of(db, tenant_id=1, person_uuid=PERSON, node_keys=[DLIT, "th-ds-2567#NONE"])

    assert together == one_by_one
    assert [len(together[key]) for key in AREAS] == [2, 1, 0]
    assert len(asked) == 4  # three, and the refused one


def test_a_framework_is_read_once_and_forgotten_with_a_rollback(database: Database, now: datetime) -> None:
    with database.transaction() as db:
        savepoint = db.begin_nested()
        roadmap.load_frameworks(db, document(), now=now)
        savepoint.rollback()
        with pytest.raises(UnknownFramework):
            roadmap.active_framework(db, tenant_id=1, on=now.date())
        roadmap.load_frameworks(db, document(), now=now)
    asked: list[str] = []
    event.listen(database.engine, "before_cursor_execute", lambda *call: asked.append(call[2]))

    with database.reading() as db:
        first = roadmap.active_framework(db, tenant_id=1, on=now.date())
        for _ in range(3):
            roadmap.standing_of(db, tenant_id=1, person_uuid=PERSON, today=now.date(), now=now)
            assert roadmap.active_framework(db, tenant_id=1, on=now.date()) is first

    assert sum("FROM framework_node" in statement for statement in asked) <= 1


def test_voiding_the_only_evidence_makes_the_level_unknown_again(loaded: Database, now: datetime) -> None:
    statement = area_result(PERSON, DLIT, 3, now)
    record(loaded, [statement])

    recorded = record(loaded, [voiding(statement, now)])

    assert levels(loaded, now) == {}
    assert recorded == roadmap.Recorded(0, (PERSON,), (queries_node(DLIT),))


def queries_node(key: str) -> UUID:
    return roadmap.node_uuid(*key.split("#"))


def test_another_agency_cannot_void_our_evidence(loaded: Database, now: datetime) -> None:
    statement = area_result(PERSON, DLIT, 3, now)
    record(loaded, [statement])

    record(loaded, [voiding(statement, now)], tenant_id=2)

    assert levels(loaded, now) == {DLIT: 3}


def test_evidence_of_a_framework_that_is_loaded_later_is_not_lost(database: Database, now: datetime) -> None:
    record(database, [area_result(PERSON, DLIT, 2, now)])
    assert levels(database, now) == {}

    with database.transaction() as db:
        roadmap.load_frameworks(db, document(), now=now)

    assert levels(database, now) == {DLIT: 2}


def test_evidence_of_an_unknown_node_is_refused_by_name(loaded: Database) -> None:
    with loaded.reading() as db, pytest.raises(UnknownNode):
        roadmap.evidence_of(db, tenant_id=1, person_uuid=PERSON, node_key="th-ds-2567#NONE")


def test_a_finished_sitting_costs_few_queries(loaded: Database, now: datetime) -> None:
    answered = [area_result(PERSON, DLIT, 1, now, attempt=index) for index in range(20)]
    for statement in answered:
        statement["verb"]["id"] = "http://adlnet.gov/expapi/verbs/answered"
    statements = [*answered, *(area_result(PERSON, key, 2, now, attempt="t") for key in AREAS)]
    asked: list[str] = []
    event.listen(loaded.engine, "before_cursor_execute", lambda *call: asked.append(call[2]))

    record(loaded, statements)

    asked = [statement for statement in asked if not statement.startswith("BEGIN")]
    assert len(asked) <= 8, asked


def test_an_expired_level_gives_way_when_it_is_read(loaded: Database, now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    rule = Rule("test-expiring", {"test": KindPolicy(3, valid_days=365), "course": KindPolicy(1)})
    monkeypatch.setattr(commands, "RULE", rule)
    monkeypatch.setattr(queries, "RULE", rule)
    record(loaded, [course_done(PERSON, DLIT, now), area_result(PERSON, DLIT, 3, now), area_result(PERSON, DGOV, 3, now)])

    assert levels(loaded, now + days(364)) == {DLIT: 3, DGOV: 3}
    assert levels(loaded, now + days(365)) == {DLIT: 1}


def test_a_rule_that_changed_without_a_new_name_is_refused(loaded: Database, now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    record(loaded, [area_result(PERSON, DLIT, 3, now)])
    monkeypatch.setattr(commands, "RULE", Rule(attainment.RULE.key, {"test": KindPolicy(4)}))

    with pytest.raises(RuleVersionChanged):
        record(loaded, [area_result(PERSON, DLIT, 3, now, attempt=2)])


def test_a_reviewed_link_carries_a_level_and_says_so(loaded: Database, now: datetime) -> None:
    record(loaded, [area_result(PERSON, "th-ds-2561#DS300", 2, now)])
    assert levels(loaded, now) == {"th-ds-2561#DS300": 2}

    with loaded.transaction() as db:
        roadmap.review_link(
            db, from_key="th-ds-2561#DS300", to="th-ds-2567#DG-AFDZ-020", relation="replacedBy", reviewed_by="an expert", now=now
        )

    with loaded.reading() as db:
        views = {view.node_key: view for view in roadmap.attainment_of(db, tenant_id=1, person_uuid=PERSON, now=now)}
    assert views["th-ds-2567#DG-AFDZ-020"].level == 2
    assert views["th-ds-2567#DG-AFDZ-020"].carried_from == "th-ds-2561#DS300"
    assert views["th-ds-2561#DS300"].carried_from is None


def test_two_transactions_on_one_person_do_not_overlook_each_other(loaded: Database, now: datetime) -> None:
    """The higher level must win although both began before either was stored."""
    if loaded.engine.dialect.name == "sqlite":
        pytest.skip("SQLite has one writer at a time")
    entered = threading.Event()

    def other() -> None:
        with loaded.transaction() as db:
            entered.set()
            roadmap.record_statements(db, tenant_id=1, statements=[area_result(PERSON, DLIT, 1, now, attempt=2)])

    second = threading.Thread(target=other)
    with loaded.transaction() as db:
        roadmap.record_statements(db, tenant_id=1, statements=[area_result(PERSON, DLIT, 3, now)])
        second.start()
        entered.wait(5)
        time.sleep(0.3)
    second.join(10)

    assert levels(loaded, now) == {DLIT: 3}


def rebuild(database: Database, statements: Sequence[Any]) -> roadmap.RebuildReport:
    with database.transaction() as db:
        return roadmap.rebuild(db, iter(statements))


def test_a_rebuild_brings_every_row_back_equal(loaded: Database, now: datetime) -> None:
    voided = area_result(PERSON, DGOV, 3, now)
    history = [area_result(PERSON, DLIT, 2, now), course_done(PERSON, DGOV, now), voided, voiding(voided, now)]
    other = [area_result(PERSON, DLIT, 1, now, attempt=7)]
    record(loaded, history)
    record(loaded, other, tenant_id=2)
    before = rows(loaded)

    report = rebuild(loaded, [*((1, one) for one in history), *((2, one) for one in other)])

    assert rows(loaded) == before
    assert report == roadmap.RebuildReport(n_statements=5, n_evidence=3, n_attainment=3, n_equal=6, n_different=0, differences=[])


def test_a_rebuild_names_a_row_that_was_tampered_with_and_puts_it_right(loaded: Database, now: datetime) -> None:
    statement = area_result(PERSON, DLIT, 1, now)
    record(loaded, [statement])
    with loaded.transaction() as db:
        db.execute(update(Attainment).values(level=3))
        db.execute(update(Evidence).values(se=0.1))

    report = rebuild(loaded, [(1, statement)])

    assert (report.n_equal, report.n_different) == (0, 2)
    assert "se 0.1 -> 0.4" in report.differences[0]
    assert "level 3 -> 1" in report.differences[1]
    assert str(PERSON) in report.differences[1]
    assert levels(loaded, now) == {DLIT: 1}


def test_a_rebuild_names_rows_that_vanish_and_rows_that_appear(loaded: Database, now: datetime) -> None:
    gone, new = area_result(PERSON, DLIT, 1, now), area_result(PERSON, DGOV, 1, now)
    record(loaded, [gone])

    report = rebuild(loaded, [(1, new)])

    assert (report.n_equal, report.n_different) == (0, 4)
    assert sorted(sentence.rsplit(": ")[-1] for sentence in report.differences) == ["appeared", "appeared", "vanished", "vanished"]


def test_a_rebuild_can_be_done_twice(loaded: Database, now: datetime) -> None:
    statement = area_result(PERSON, DLIT, 1, now)
    record(loaded, [statement])

    first, second = rebuild(loaded, [(1, statement)]), rebuild(loaded, [(1, statement)])

    assert first == second
    assert second.n_different == 0


def test_two_hundred_people_are_rebuilt_in_a_few_seconds_from_a_stream(loaded: Database, now: datetime) -> None:
    def history() -> Iterator[tuple[int, dict[str, Any]]]:
        for index in range(200):
            for answer in range(20):
                answered = area_result(name(index), DLIT, 1, now, attempt=answer)
                yield 1, answered | {"verb": {"id": "http://adlnet.gov/expapi/verbs/answered"}}
            for key in AREAS:
                yield 1, area_result(name(index), key, index % 4, now)

    with loaded.transaction() as db:
        roadmap.record_statements(db, tenant_id=1, statements=[one for _, one in history()])

    started = time.process_time()
    with loaded.transaction() as db:
        report = roadmap.rebuild(db, history())

    assert (report.n_statements, report.n_evidence, report.n_attainment, report.n_equal) == (4600, 600, 600, 1200)
    assert time.process_time() - started < 5


@st.composite
def histories(draw: st.DrawFn) -> list[dict[str, Any]]:
    moment = datetime.fromisoformat("2026-11-22T02:30:00+00:00")
    people = [name("h", index) for index in range(2)]
    statements = []
    for index in range(draw(st.integers(0, 7))):
        person, key, at = draw(st.sampled_from(people)), draw(st.sampled_from(AREAS[:2])), moment - days(draw(st.integers(0, 400)))
        if draw(st.booleans()):
            statement = area_result(person, key, draw(st.integers(0, 4)), at, attempt=index, borderline=draw(st.booleans()))
        else:
            statement = course_done(person, key, at, course=index)
        statements.append(statement)
        if draw(st.integers(0, 3)) == 0:
            statements.append(voiding(statement, at))
    return statements


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(histories(), st.randoms(), st.integers(1, 4))
def test_whatever_the_order_and_the_batches_the_rows_are_the_same_and_a_rebuild_is_equal(
    loaded: Database, history: list[dict[str, Any]], chance: random.Random, size: int
) -> None:
    shuffled = list(history)
    chance.shuffle(shuffled)
    with loaded.transaction() as db:
        _forget(db)
        roadmap.record_statements(db, tenant_id=1, statements=history)
    expected = rows(loaded)

    with loaded.transaction() as db:
        _forget(db)
        for start in range(0, len(shuffled), size):
            roadmap.record_statements(db, tenant_id=1, statements=shuffled[start : start + size])
    in_pieces = rows(loaded)
    report = rebuild(loaded, [(1, one) for one in shuffled])

    for table in ("evidence", "attainment"):
        assert in_pieces[table] == expected[table]
    assert rows(loaded) == in_pieces
    assert report.n_different == 0


def _forget(db: Session) -> None:
    for table in ("attainment", "evidence", "evidence_withdrawal"):
        db.execute(text(f"DELETE FROM {table}"))
