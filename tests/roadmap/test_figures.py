"""Figures to decide by: who is counted, what is measured, what is hidden."""

from datetime import date, datetime
from typing import Any

import pytest
from sqlalchemy import event

from kernel.db import Database
from roadmap import api as roadmap
from roadmap import commands, queries
from roadmap.attainment import KindPolicy, Rule
from tests.roadmap.factories import area_result, course_done, days, document, name

DLIT, DGOV, DLEAD = "th-ds-2567#DLIT", "th-ds-2567#DGOV", "th-ds-2567#DLEAD"
TODAY = date(2026, 11, 22)


@pytest.fixture
def loaded(database: Database, now: datetime) -> Database:
    with database.transaction() as db:
        roadmap.load_frameworks(db, document(), now=now)
    return database


def fill(
    database: Database, now: datetime, unit: str | None, levels: list[int | None], *, tenant_id: int = 1, key: str = DLIT, **who: Any
) -> None:
    """People of one unit, each at a level or unknown."""
    with database.transaction() as db:
        statements = []
        for index, level in enumerate(levels):
            person = name(tenant_id, unit, index)
            label = {"th": f"กอง {unit}"} if unit else None
            roadmap.place_person(db, tenant_id=tenant_id, person_uuid=person, now=now, unit=unit, unit_label=label, **who)
            if level is not None:
                statements.append(area_result(person, key, level, now))
        roadmap.record_statements(db, tenant_id=tenant_id, statements=statements)


def ask(database: Database, now: datetime, min_level: int = 2, *, tenant_id: int = 1, role: str | None = None, key: str = DLIT) -> None:
    with database.transaction() as db:
        roadmap.set_target(db, tenant_id=tenant_id, node_key=key, min_level=min_level, role=role, due=None, set_by="agency", now=now)


def read(database: Database, now: datetime, *tenant_ids: int, **options: Any) -> roadmap.Figures:
    with database.reading() as db:
        return roadmap.figures(db, tenant_ids=tenant_ids or (1,), today=TODAY, now=now, **options)


def area(found: roadmap.Figures | roadmap.GroupFigure, key: str = DLIT) -> roadmap.AreaFigure:
    return next(one for one in found.areas if one.node.key == key)


def test_everyone_in_scope_is_the_denominator_and_unknown_stands_apart(loaded: Database, now: datetime) -> None:
    ask(loaded, now)
    fill(loaded, now, "a", [0] * 4 + [1] * 4 + [2] * 6 + [3] * 6 + [None] * 20)

    found = read(loaded, now)

    one = area(found)
    assert found.n_scope == 40
    assert (one.scope, one.assessed, one.met, one.unknown, one.levels) == (40, 20, 12, 20, (4, 4, 6, 6, 0))
    assert (one.coverage, one.attainment) == (0.5, 0.3)
    assert one.mean_gap == 0.6
    assert not one.hidden
    assert found.as_of == now
    assert [figure.node.key for figure in found.areas] == [DLIT, DGOV, DLEAD]


@pytest.mark.parametrize(("n_short", "mean_gap"), [(0, 0.0), (1, None), (4, None), (5, 0.5)])
def test_the_mean_gap_is_withheld_while_it_would_tell_the_gap_of_a_few(
    loaded: Database, now: datetime, n_short: int, mean_gap: float | None
) -> None:
    ask(loaded, now)
    fill(loaded, now, "a", [0] * n_short + [2] * (20 - n_short))

    one = area(read(loaded, now).units[0])

    assert (one.met, one.mean_gap, one.hidden) == (20 - n_short, mean_gap, mean_gap is None)


def test_without_a_target_there_is_coverage_and_no_attainment(loaded: Database, now: datetime) -> None:
    fill(loaded, now, "a", [2] * 20)

    one = area(read(loaded, now))

    assert (one.has_target, one.assessed, one.met, one.attainment, one.mean_gap, one.hidden) == (False, 20, None, None, None, False)
    assert one.levels == (0, 0, 20, 0, 0)


def test_each_person_is_measured_against_the_target_of_their_own_role(loaded: Database, now: datetime) -> None:
    ask(loaded, now, 1, role="OPS")
    ask(loaded, now, 3, role="EXE")
    fill(loaded, now, "a", [2] * 10 + [0] * 10, role="OPS")
    fill(loaded, now, "b", [2] * 10 + [3] * 10, role="EXE")

    found = read(loaded, now)

    assert area(found).met == 20
    assert {row.key: area(row).met for row in found.units} == {"a": 10, "b": 10}
    assert area(found).mean_gap == 0.5


def test_a_person_who_left_is_not_counted(loaded: Database, now: datetime) -> None:
    fill(loaded, now, "a", [2] * 20)
    with loaded.transaction() as db:
        roadmap.leave_scope(db, tenant_id=1, person_uuid=name(1, "a", 0), now=now)

    found = read(loaded, now)

    assert (found.n_scope, area(found).assessed) == (19, 19)


def test_a_person_assessed_but_not_in_scope_is_not_counted(loaded: Database, now: datetime) -> None:
    fill(loaded, now, "a", [2] * 20)
    with loaded.transaction() as db:
        roadmap.record_statements(db, tenant_id=1, statements=[area_result(name("stranger"), DLIT, 3, now)])

    assert area(read(loaded, now)).assessed == 20


def test_units_have_their_names_and_the_unknown_unit_says_so(loaded: Database, now: datetime) -> None:
    fill(loaded, now, "a", [2] * 10 + [1] * 10)
    fill(loaded, now, None, [2] * 10 + [1] * 10)

    found = read(loaded, now)

    assert {row.key: row.label["th"] for row in found.units} == {"a": "กอง a", "": "ไม่ทราบหน่วยงานย่อย"}
    assert found.agencies == ()


def test_a_small_unit_is_hidden_with_a_second_one_and_no_number_of_either_is_there(loaded: Database, now: datetime) -> None:
    ask(loaded, now)
    fill(loaded, now, "a", [1, 2, 2])
    fill(loaded, now, "b", [1] * 10 + [2] * 10)
    fill(loaded, now, "c", [1] * 20 + [2] * 20)

    found = read(loaded, now)

    rows = {row.key: row for row in found.units}
    assert (rows["a"].hidden, rows["b"].hidden, rows["c"].hidden) == (True, True, False)
    for key in "ab":
        one = area(rows[key])
        assert one.hidden
        assert {rows[key].scope, one.scope, one.assessed, one.met, one.coverage, one.attainment, one.mean_gap, one.unknown} == {None}
        assert one.levels == ()
    assert (found.n_scope, area(found).met, area(rows["c"]).met) == (63, 32, 20)


def test_all_or_none_of_a_small_group_hides_the_result_and_leaves_participation(loaded: Database, now: datetime) -> None:
    ask(loaded, now)
    fill(loaded, now, "a", [2] * 10)
    fill(loaded, now, "b", [1] * 10 + [2] * 10)
    fill(loaded, now, "c", [1] * 20 + [2] * 20)

    one = area(next(row for row in read(loaded, now).units if row.key == "a"))

    assert (one.scope, one.assessed, one.met, one.attainment, one.mean_gap, one.hidden) == (10, 10, None, None, None, True)


def test_an_agency_of_fewer_than_k_shows_nothing_at_all(loaded: Database, now: datetime) -> None:
    fill(loaded, now, "a", [2] * 4)

    found = read(loaded, now)

    assert found.n_scope is None
    assert all(one.hidden and one.scope is None and one.assessed is None for one in found.areas)
    assert all(row.hidden for row in found.units)


def test_an_agency_without_people_shows_nothing(loaded: Database, now: datetime) -> None:
    found = read(loaded, now)

    assert found.n_scope is None
    assert found.units == ()


def test_several_agencies_are_rows_of_one_table(loaded: Database, now: datetime) -> None:
    for tenant_id in (1, 2):
        ask(loaded, now, tenant_id=tenant_id)
        fill(loaded, now, "a", [1] * 10 + [2] * 10 * tenant_id, tenant_id=tenant_id)

    found = read(loaded, now, 1, 2)

    assert [(row.tenant_id, row.scope, area(row).met) for row in found.agencies] == [(1, 20, 10), (2, 30, 20)]
    assert found.units == ()
    assert (found.n_scope, area(found).met) == (50, 30)


def test_an_agency_hidden_in_the_table_of_all_is_hidden_in_its_own_page_of_that_reader(loaded: Database, now: datetime) -> None:
    fill(loaded, now, "a", [1, 2, 3], tenant_id=1)
    fill(loaded, now, "a", [1] * 20, tenant_id=2)
    fill(loaded, now, "a", [1] * 60, tenant_id=3)

    of_all, own_page = read(loaded, now, 1, 2, 3), read(loaded, now, 1, 2, 3, agency=2)

    assert [row.hidden for row in of_all.agencies] == [True, True, False]
    assert own_page.n_scope is None
    assert [row.hidden for row in own_page.units] == [True]
    assert read(loaded, now, 2).n_scope == 20
    assert area(read(loaded, now, 1, 2, 3, agency=3)).assessed == 60


def test_agencies_with_different_frameworks_are_not_mixed(loaded: Database, now: datetime) -> None:
    with loaded.transaction() as db:
        roadmap.adopt_framework(db, tenant_id=2, framework_id="th-ds-2561", valid_from=date(2026, 1, 1), now=now)
    fill(loaded, now, "a", [1] * 20, tenant_id=1)
    fill(loaded, now, "a", [2] * 30, tenant_id=2, key="th-ds-2561#DLit")

    found = read(loaded, now, 1, 2)

    assert found.n_scope == 50
    assert (area(found).scope, area(found).assessed) == (20, 20)
    assert (area(found, "th-ds-2561#DLit").scope, area(found, "th-ds-2561#DLit").assessed) == (30, 30)


def test_an_elective_area_is_reported_once_it_has_a_target(loaded: Database, now: datetime) -> None:
    fill(loaded, now, "a", [1] * 20)
    ask(loaded, now, key="th-ds-2567#CYBER")

    assert [one.node.code for one in read(loaded, now).areas] == ["DLIT", "DGOV", "DLEAD", "CYBER"]


def test_few_people_have_no_distribution(loaded: Database, now: datetime) -> None:
    fill(loaded, now, "a", [1] * 14)

    one = area(read(loaded, now))

    assert (one.assessed, one.levels, one.unknown) == (14, (), 0)


def test_expired_levels_are_not_counted(loaded: Database, now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    rule = Rule("test-expiring", {"test": KindPolicy(3, valid_days=365), "course": KindPolicy(1)})
    monkeypatch.setattr(commands, "RULE", rule)
    monkeypatch.setattr(queries, "RULE", rule)
    fill(loaded, now, "a", [3] * 30)
    with loaded.transaction() as db:
        courses = [course_done(name(1, "a", index), DLIT, now) for index in range(20)]
        roadmap.record_statements(db, tenant_id=1, statements=courses)

    assert area(read(loaded, now)).levels == (0, 0, 0, 30, 0)
    assert area(read(loaded, now + days(365))).levels == (0, 20, 0, 0, 0), "the moment of expiry is over"
    assert area(read(loaded, now + days(366))).levels == (0, 20, 0, 0, 0)


def test_every_figure_has_its_definition_in_both_languages(loaded: Database, now: datetime) -> None:
    definitions = read(loaded, now).definitions

    shown = {"scope", "assessed", "coverage", "met", "attainment", "mean_gap", "levels", "unknown", "hidden", "as_of", "no_target"}
    assert shown == definitions.keys()
    assert all(texts["th"] and texts["en"] for texts in definitions.values())


def test_more_people_cost_no_more_queries(loaded: Database, now: datetime) -> None:
    ask(loaded, now)

    def n_queries(n_people: int) -> int:
        for unit in range(n_people // 10):
            fill(loaded, now, f"u{unit}", [1, 2] * 5)
        asked: list[str] = []
        event.listen(loaded.engine, "before_cursor_execute", lambda *call: asked.append(call[2]))
        read(loaded, now)
        return len(asked)

    few, many = n_queries(10), n_queries(100)

    assert many == few <= 12
