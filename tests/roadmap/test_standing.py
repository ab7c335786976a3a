"""Targets, scope and where a person stands, by the door."""

from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import event

from kernel.db import Database
from kernel.errors import KaonaError
from roadmap import api as roadmap
from roadmap.errors import AlignmentOnly, TargetRefused, UnknownFramework, UnknownNode, UnknownRole
from roadmap.targets import SETTERS, TargetFact, resolve
from tests.roadmap.factories import area_result, document, name

DLIT, DGOV, CYBER = "th-ds-2567#DLIT", "th-ds-2567#DGOV", "th-ds-2567#CYBER"
PERSON = name("person")
TODAY = date(2026, 11, 22)


@pytest.fixture
def loaded(database: Database, now: datetime) -> Database:
    with database.transaction() as db:
        roadmap.load_frameworks(db, document(), now=now)
    return database


def ask(database: Database, now: datetime, node_key: str = DLIT, **overrides: Any) -> roadmap.TargetView:
    values: dict[str, Any] = {"tenant_id": 1, "min_level": 2, "role": None, "due": None, "set_by": "agency"}
    with database.transaction() as db:
        return roadmap.set_target(db, node_key=node_key, now=now, **(values | overrides))


def standings(database: Database, now: datetime, tenant_id: int = 1) -> dict[str, roadmap.Standing]:
    with database.reading() as db:
        found = roadmap.standing_of(db, tenant_id=tenant_id, person_uuid=PERSON, today=TODAY, now=now)
    return {one.node.key: one for one in found}


def place(database: Database, now: datetime, **values: Any) -> roadmap.PersonView:
    with database.transaction() as db:
        return roadmap.place_person(db, tenant_id=1, person_uuid=PERSON, now=now, **values)


def test_without_a_target_entered_there_is_no_target(loaded: Database, now: datetime) -> None:
    place(loaded, now, role="OPS")
    with loaded.transaction() as db:
        roadmap.record_statements(db, tenant_id=1, statements=[area_result(PERSON, DLIT, 2, now)])

    found = standings(loaded, now)

    assert list(found) == ["th-ds-2567#DLIT", "th-ds-2567#DGOV", "th-ds-2567#DLEAD"]
    assert {(one.target, one.gap, one.due, one.source) for one in found.values()} == {(None, None, None, None)}
    with loaded.reading() as db:
        assert roadmap.list_targets(db, tenant_id=1) == []


def test_many_people_stand_where_each_of_them_stands_alone_and_cost_no_more_statements(loaded: Database, now: datetime) -> None:
    people = [name("person", number) for number in range(6)]
    ask(loaded, now)
    ask(loaded, now, role="OPS", min_level=3)
    with loaded.transaction() as db:
        roadmap.place_person(db, tenant_id=1, person_uuid=people[0], now=now, role="OPS")
        statements = [area_result(person, key, n % 4, now) for n, person in enumerate(people[:5]) for key in (DLIT, DGOV)[: 1 + n % 2]]
        roadmap.record_statements(db, tenant_id=1, statements=statements)
    asked: list[str] = []

    with loaded.reading() as db:
        event.listen(loaded.engine, "before_cursor_execute", lambda *told: asked.append(told[2]))
        together = roadmap.standings_of(db, tenant_id=1, person_uuids=people, today=TODAY, now=now)
        n_together = len(asked)
        alone = {one: roadmap.standing_of(db, tenant_id=1, person_uuid=one, today=TODAY, now=now) for one in people}

    assert together == alone
    assert [together[person][0].level for person in people] == [0, 1, 2, 3, 0, None]
    assert {together[person][0].target for person in people} == {2, 3}
    assert n_together <= 8, asked[:n_together]


def test_an_adoption_holds_from_midnight_in_thailand(loaded: Database) -> None:
    past_midnight = datetime(2026, 11, 30, 17, 5, tzinfo=UTC)  # five past midnight on 1 December in Bangkok
    with loaded.transaction() as db:
        roadmap.adopt_framework(db, tenant_id=1, framework_id="th-ds-2561", valid_from=date(2026, 12, 1), now=past_midnight)

    placed = place(loaded, past_midnight, role="MGT")

    assert placed.role == "MGT"
    with pytest.raises(TargetRefused):
        ask(loaded, past_midnight, node_key=DLIT)


def test_an_unknown_level_is_not_0_and_has_no_gap(loaded: Database, now: datetime) -> None:
    ask(loaded, now)

    found = standings(loaded, now)[DLIT]

    assert (found.level, found.target, found.gap, found.attainment) == (None, 2, None, None)


def test_the_gap_is_the_levels_to_go(loaded: Database, now: datetime) -> None:
    ask(loaded, now, min_level=3, due=date(2027, 9, 30))
    ask(loaded, now, DGOV, min_level=1)
    with loaded.transaction() as db:
        roadmap.record_statements(db, tenant_id=1, statements=[area_result(PERSON, key, 2, now) for key in (DLIT, DGOV)])

    found = standings(loaded, now)

    assert (found[DLIT].level, found[DLIT].gap, found[DLIT].due, found[DLIT].source) == (2, 1, date(2027, 9, 30), "agency")
    assert found[DGOV].gap == 0
    assert found[DLIT].attainment is not None


def test_an_elective_area_appears_with_its_target(loaded: Database, now: datetime) -> None:
    assert CYBER not in standings(loaded, now)

    ask(loaded, now, CYBER)

    assert standings(loaded, now)[CYBER].target == 2
    assert CYBER not in standings(loaded, now, tenant_id=2)


def test_the_agency_overrides_the_ministry_and_the_ministry_the_nation(loaded: Database, now: datetime) -> None:
    ask(loaded, now, tenant_id=None, set_by="national", min_level=4)
    assert (standings(loaded, now)[DLIT].target, standings(loaded, now)[DLIT].source) == (4, "national")
    assert standings(loaded, now, tenant_id=2)[DLIT].target == 4

    ask(loaded, now, set_by="ministry", min_level=3)
    assert (standings(loaded, now)[DLIT].target, standings(loaded, now)[DLIT].source) == (3, "ministry")

    ask(loaded, now, set_by="agency", min_level=1)
    assert (standings(loaded, now)[DLIT].target, standings(loaded, now)[DLIT].source) == (1, "agency")


def test_a_target_for_ones_role_overrides_that_for_everyone(loaded: Database, now: datetime) -> None:
    ask(loaded, now, min_level=3)
    ask(loaded, now, role="OPS", min_level=1)
    ask(loaded, now, role="EXE", min_level=4)
    assert standings(loaded, now)[DLIT].target == 3

    place(loaded, now, role="OPS")
    assert standings(loaded, now)[DLIT].target == 1

    place(loaded, now, role="EXE")
    assert standings(loaded, now)[DLIT].target == 4


def test_a_personnel_group_is_a_role_too(loaded: Database, now: datetime) -> None:
    ask(loaded, now, role="IT", min_level=4)

    place(loaded, now, role="OPS", personnel_group="IT")

    assert standings(loaded, now)[DLIT].target == 4


def test_a_target_set_again_replaces_itself_and_can_be_taken_back(loaded: Database, now: datetime) -> None:
    first, second = ask(loaded, now, min_level=2), ask(loaded, now, min_level=3)

    with loaded.transaction() as db:
        assert roadmap.list_targets(db, tenant_id=1) == [second]
        assert first.uuid == second.uuid
        assert not roadmap.remove_target(db, tenant_id=2, target_uuid=second.uuid)
        assert roadmap.remove_target(db, tenant_id=1, target_uuid=second.uuid)
        assert roadmap.list_targets(db, tenant_id=1) == []


@pytest.mark.parametrize(
    ("overrides", "refusal"),
    [
        ({"min_level": 0}, TargetRefused),
        ({"min_level": 5}, TargetRefused),
        ({"min_level": True}, TargetRefused),
        ({"set_by": "me"}, TargetRefused),
        ({"tenant_id": None, "set_by": "agency"}, TargetRefused),
        ({"tenant_id": None, "set_by": "ministry"}, TargetRefused),
        ({"role": "BOSS"}, UnknownRole),
        ({"node_key": "th-ds-2567#NONE"}, UnknownNode),
        ({"node_key": "th-ds-2561#DLit"}, TargetRefused),
        ({"node_key": "eu-digcomp-3.0#1"}, AlignmentOnly),
    ],
)
def test_a_target_that_cannot_be_is_refused(loaded: Database, now: datetime, overrides: dict[str, Any], refusal: type[KaonaError]) -> None:
    with pytest.raises(refusal) as refused:
        ask(loaded, now, **overrides)

    assert refused.value.sentence("th")
    with loaded.reading() as db:
        assert roadmap.list_targets(db, tenant_id=1) == []


def test_a_target_may_be_set_on_a_framework_that_is_adopted_for_later(loaded: Database, now: datetime) -> None:
    with loaded.transaction() as db:
        roadmap.adopt_framework(db, tenant_id=1, framework_id="th-ds-2561", valid_from=date(2027, 1, 1), now=now)

    ask(loaded, now, "th-ds-2561#DLit", role="SVC")

    with loaded.reading() as db:
        later = roadmap.standing_of(db, tenant_id=1, person_uuid=PERSON, today=date(2027, 1, 1), now=now)
    assert "th-ds-2561#DLit" not in standings(loaded, now)
    assert later == []


def test_placing_a_person_again_keeps_what_is_known_of_them(loaded: Database, now: datetime) -> None:
    place(loaded, now, role="SUP", personnel_group="NONIT", unit="legal", unit_label={"th": "กองกฎหมาย"})

    again = place(loaded, now)

    assert (again.role, again.personnel_group, again.unit, again.unit_label) == ("SUP", "NONIT", "legal", {"th": "กองกฎหมาย"})
    assert place(loaded, now, unit="hr").unit_label == {}


def test_a_person_who_left_can_come_back(loaded: Database, now: datetime) -> None:
    place(loaded, now)

    with loaded.transaction() as db:
        assert roadmap.leave_scope(db, tenant_id=1, person_uuid=PERSON, now=now)
        assert not roadmap.leave_scope(db, tenant_id=1, person_uuid=PERSON, now=now)
        left = roadmap.find_person(db, tenant_id=1, person_uuid=PERSON)
    assert left is not None
    assert left.left_at == now
    assert place(loaded, now).left_at is None


def test_a_role_that_the_framework_does_not_name_is_refused(loaded: Database, now: datetime) -> None:
    with pytest.raises(UnknownRole):
        place(loaded, now, role="MGT")


def test_there_is_no_standing_without_a_framework(database: Database, now: datetime) -> None:
    with pytest.raises(UnknownFramework):
        standings(database, now)


targets = st.builds(
    TargetFact,
    uuid=st.uuids(),
    node_uuid=st.just(name("node")),
    role=st.sampled_from([None, "OPS", "EXE"]),
    min_level=st.integers(1, 4),
    due=st.none(),
    set_by=st.sampled_from(SETTERS),
)


@given(st.lists(targets, max_size=6), st.sampled_from([frozenset(), frozenset({"OPS"}), frozenset({"OPS", "IT"})]))
def test_no_target_is_more_specific_than_the_one_resolved(facts: list[TargetFact], roles: frozenset[str]) -> None:
    resolved = resolve(facts, roles=roles)

    fitting = [fact for fact in facts if fact.role is None or fact.role in roles]
    assert (resolved is None) == (not fitting)
    for fact in fitting:
        assert resolved is not None
        nearer = SETTERS.index(fact.set_by) - SETTERS.index(resolved.set_by)
        assert nearer >= 0
        if nearer == 0:
            assert resolved.role is not None or fact.role is None
            if (resolved.role is None) == (fact.role is None):
                assert resolved.min_level >= fact.min_level
