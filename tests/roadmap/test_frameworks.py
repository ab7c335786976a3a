"""Frameworks by the door: what the document says, whole, and never changed."""

import copy
from datetime import date, datetime
from typing import Any

import pytest

from kernel.db import Database
from roadmap import api as roadmap
from roadmap.errors import AdoptionConflict, AlignmentOnly, FrameworkRefused, UnknownFramework, UnknownLink, VersionImmutable
from roadmap.framework import node_uuid, parse_document
from tests.roadmap.factories import document


def small(**overrides: Any) -> dict[str, Any]:
    framework = {
        "id": "th-x",
        "title": {"th": "กรอบ", "en": "Framework"},
        "version": "1",
        "issuer": "X",
        "skill_groups": [{"code": "G", "label": {"th": "ก"}, "confidence": "high"}],
        "competencies": [{"code": "C", "group": "G", "label": {"th": "ข"}, "confidence": "high"}],
    }
    return {"format": "roadmap-seed", "frameworks": [framework | overrides], "crosswalks": []}


def test_the_default_document_loads_with_four_frameworks_and_its_crosswalk(database: Database, now: datetime) -> None:
    with database.transaction() as db:
        views = roadmap.load_frameworks(db, document(), now=now)

    with database.reading() as db:
        current = roadmap.get_framework(db, "th-ds-2567")
        links = roadmap.list_links(db)
    assert [view.id for view in views] == ["th-ds-2561", "th-ds-2567", "th-tpqi-dlit-9", "eu-digcomp-3.0"]
    assert [(len(view.groups), len(view.nodes)) for view in views] == [(7, 22), (7, 22), (0, 9), (5, 5)]
    assert [node.key for node in current.groups if node.core] == ["th-ds-2567#DLIT", "th-ds-2567#DGOV", "th-ds-2567#DLEAD"]
    assert [role.code for role in current.role_levels] == ["OPS", "SUP", "EXE"]
    assert [role.code for role in current.personnel_groups] == ["IT", "NONIT"]
    assert current.groups[0].uuid == node_uuid("th-ds-2567", "DLIT")
    assert len(links) == len(document()["crosswalks"])


def test_the_default_scale_is_marked_provisional(database: Database, now: datetime) -> None:
    with database.transaction() as db:
        views = roadmap.load_frameworks(db, document(), now=now)

    assert all([level.rank for level in view.scale] == [0, 1, 2, 3, 4] for view in views)
    assert all(level.provisional for view in views for level in view.scale)
    assert views[1].scale[3].label == {"th": "ชำนาญ", "en": "Practised"}


def test_records_of_low_confidence_await_confirmation_in_the_aspect_that_is_unsure(database: Database, now: datetime) -> None:
    with database.transaction() as db:
        views = {view.id: view for view in roadmap.load_frameworks(db, document(), now=now)}

    placed = {node.code for node in views["th-ds-2567"].nodes if "group" in node.awaiting}
    coded = {node.code for node in views["th-ds-2561"].nodes if "code" in node.awaiting}
    worded = {node.code for node in views["th-ds-2567"].nodes if "label" in node.awaiting}
    assert placed == {"DG-EJJM-026", "DG-WPJL-028"}
    assert coded == {"DLit500", "DLit600", "DG-SLA"}
    assert worded == {node.code for node in views["th-ds-2567"].groups}


def test_loading_twice_changes_nothing(database: Database, now: datetime) -> None:
    with database.transaction() as db:
        first = roadmap.load_frameworks(db, document(), now=now)
    with database.transaction() as db:
        second = roadmap.load_frameworks(db, document(), now=now)
        links = roadmap.list_links(db)

    assert first == second
    assert len(links) == len(document()["crosswalks"])


def test_a_loaded_version_refuses_other_content(database: Database, now: datetime) -> None:
    changed = document()
    changed["frameworks"][1]["skill_groups"][0]["label"]["th"] = "อื่น"
    with database.transaction() as db:
        before = roadmap.load_frameworks(db, document(), now=now)

    with pytest.raises(VersionImmutable, match="th-ds-2567"), database.transaction() as db:
        roadmap.load_frameworks(db, changed, now=now)

    with database.reading() as db:
        assert roadmap.get_framework(db, "th-ds-2567") == before[1]


def test_a_loaded_link_refuses_other_content(database: Database, now: datetime) -> None:
    changed = document()
    changed["crosswalks"][0]["basis"] = "another reason"
    with database.transaction() as db:
        roadmap.load_frameworks(db, document(), now=now)

    with pytest.raises(VersionImmutable, match="SPM500 exactMatch"), database.transaction() as db:
        roadmap.load_frameworks(db, changed, now=now)


def test_a_later_document_may_link_to_frameworks_that_are_loaded(database: Database, now: datetime) -> None:
    later = small()
    link = {"from": "th-ds-2567#DLIT", "to": "th-x#group:G", "relation": "replacedBy", "source": "x", "confidence": "medium"}
    later["crosswalks"] = [link]

    with database.transaction() as db:
        roadmap.load_frameworks(db, document(), now=now)
        roadmap.load_frameworks(db, later, now=now)
        links = roadmap.list_links(db)

    assert any((one.from_key, one.to, one.carries) == ("th-ds-2567#DLIT", "th-x#G", False) for one in links)


@pytest.mark.parametrize(
    ("overrides", "place"),
    [
        ({"competencies": [{"code": "C", "label": {"en": "only"}, "confidence": "high"}]}, "frameworks[0].competencies[0].label.th"),
        (
            {"competencies": [{"code": "G", "label": {"th": "ก"}, "confidence": "high"}]},
            "frameworks[0].competencies[0].code: 'G' is given twice",
        ),
        (
            {"competencies": [{"code": "C", "group": "H", "label": {"th": "ก"}, "confidence": "high"}]},
            "frameworks[0].C.group: 'th-x#H' is no group",
        ),
        ({"competencies": [{"code": "C", "label": {"th": "ก"}, "confidence": "sure"}]}, "frameworks[0].competencies[0].confidence"),
        ({"competencies": [{"code": "ก ข", "label": {"th": "ก"}, "confidence": "high"}]}, "frameworks[0].competencies[0].code"),
        (
            {"competencies": [{"code": "C", "label": {"th": "ก"}, "confidence": "high", "role_groups": ["Z"]}]},
            "frameworks[0].C.role_groups: 'Z'",
        ),
        ({"competencies": "none"}, "frameworks[0].competencies: must be a list"),
        ({"competencies": ["none"]}, "frameworks[0].competencies[0]: must be an object"),
        ({"id": "No Id"}, "frameworks[0].id"),
        ({"version": ""}, "frameworks[0].version"),
        (
            {"skill_groups": [{"code": code, "group": above, "label": {"th": "ก"}, "confidence": "high"} for code, above in ("GH", "HG")]},
            "frameworks[0].G.group: the parents run in a ring",
        ),
    ],
)
def test_a_fault_refuses_the_document_and_names_its_place(overrides: dict[str, Any], place: str) -> None:
    with pytest.raises(FrameworkRefused) as refusal:
        parse_document(small(**overrides))

    assert any(fault.startswith(place) for fault in refusal.value.faults), refusal.value.faults


@pytest.mark.parametrize(
    ("link", "place"),
    [
        ({"from": "th-x#C", "to": "th-y#C", "relation": "exactMatch"}, "crosswalks[0].to: 'th-y#C'"),
        ({"from": "th-x#D", "to": "tpqi:1", "relation": "exactMatch"}, "crosswalks[0].from: 'th-x#D'"),
        ({"from": "th-x#C", "to": "tpqi:1", "relation": "sameAs"}, "crosswalks[0].relation: 'sameAs'"),
        ({"from": "th-x#C", "to": "th-x#C", "relation": "exactMatch"}, "crosswalks[0].to: a node cannot"),
    ],
)
def test_a_faulty_link_refuses_the_document(link: dict[str, Any], place: str) -> None:
    with pytest.raises(FrameworkRefused) as refusal:
        parse_document(small() | {"crosswalks": [link | {"source": "x", "confidence": "high"}]})

    assert any(fault.startswith(place) for fault in refusal.value.faults), refusal.value.faults


def test_every_fault_is_named_at_once_and_nothing_is_kept(database: Database, now: datetime) -> None:
    faulty = document()
    faulty["frameworks"].append(
        small(id="th-x", version="", competencies=[{"code": "C", "label": {}, "confidence": "high"}])["frameworks"][0]
    )

    with pytest.raises(FrameworkRefused) as refusal, database.transaction() as db:
        roadmap.load_frameworks(db, faulty, now=now)

    assert len(refusal.value.faults) == 2
    with database.reading() as db:
        assert roadmap.list_frameworks(db) == []


@pytest.mark.parametrize("document_", [{}, {"format": "other"}, [], "text", None])
def test_something_that_is_no_framework_document_is_refused(document_: Any) -> None:
    with pytest.raises(FrameworkRefused):
        parse_document(document_)


def test_an_agency_holds_2567_until_it_adopts_another(database: Database, now: datetime) -> None:
    with database.transaction() as db:
        roadmap.load_frameworks(db, document(), now=now)
        roadmap.adopt_framework(db, tenant_id=1, framework_id="th-ds-2561", valid_from=date(2026, 12, 1), now=now)
        roadmap.adopt_framework(db, tenant_id=1, framework_id="th-ds-2561", valid_from=date(2026, 12, 1), now=now)

    with database.reading() as db:
        assert roadmap.active_framework(db, tenant_id=1, on=date(2026, 11, 30)).id == "th-ds-2567"
        assert roadmap.active_framework(db, tenant_id=1, on=date(2026, 12, 1)).id == "th-ds-2561"
        assert roadmap.active_framework(db, tenant_id=2, on=date(2026, 12, 1)).id == "th-ds-2567"


def test_an_agency_cannot_hold_two_frameworks_from_one_day(database: Database, now: datetime) -> None:
    with database.transaction() as db:
        roadmap.load_frameworks(db, document(), now=now)
        roadmap.adopt_framework(db, tenant_id=1, framework_id="th-ds-2561", valid_from=date(2026, 12, 1), now=now)

        with pytest.raises(AdoptionConflict):
            roadmap.adopt_framework(db, tenant_id=1, framework_id="th-ds-2567", valid_from=date(2026, 12, 1), now=now)


def test_a_framework_for_alignment_is_not_adopted(database: Database, now: datetime) -> None:
    with database.transaction() as db:
        roadmap.load_frameworks(db, document(), now=now)

        with pytest.raises(AlignmentOnly):
            roadmap.adopt_framework(db, tenant_id=1, framework_id="eu-digcomp-3.0", valid_from=date(2026, 12, 1), now=now)
        with pytest.raises(UnknownFramework):
            roadmap.adopt_framework(db, tenant_id=1, framework_id="th-none", valid_from=date(2026, 12, 1), now=now)


def test_only_a_reviewed_link_of_the_right_relation_carries(database: Database, now: datetime) -> None:
    with database.transaction() as db:
        roadmap.load_frameworks(db, document(), now=now)
        assert not any(link.carries for link in roadmap.list_links(db))

        exact = roadmap.review_link(
            db, from_key="th-ds-2561#DS300", to="th-ds-2567#DG-AFDZ-020", relation="replacedBy", reviewed_by="an expert", now=now
        )
        close = roadmap.review_link(
            db, from_key="th-ds-2561#DLit", to="th-ds-2567#DLIT", relation="closeMatch", reviewed_by="an expert", now=now
        )

        assert (exact.carries, close.carries) == (True, False)
        with pytest.raises(UnknownLink):
            roadmap.review_link(db, from_key="th-ds-2561#DS300", to="x", relation="replacedBy", reviewed_by="an expert", now=now)


def test_the_document_is_left_as_it_was() -> None:
    given = document()
    kept = copy.deepcopy(given)

    parse_document(given)

    assert given == kept
