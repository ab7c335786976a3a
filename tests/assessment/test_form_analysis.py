"""What stored answers say of items: read as they count, compared by groups, flagged, reviewed by people, and nothing by itself."""

import math
from dataclasses import replace
from random import Random
from typing import Any
from uuid import UUID

import pytest

from assessment import api
from assessment.answer_tables import AnsweredItem, AnswerTable, answer_text
from assessment.flags import flags_of
from assessment.form_analysis import analysis_document, compared_labels
from assessment.irt import ItemParams
from assessment.item_reviews import DecisionInvalid, ItemReviewClosed, ItemReviewNotFound
from kernel.db import Database

REVIEWED = "group_difference"


def made_up(n: int = 900) -> AnswerTable:
    """Eight items of one area: the first is harder by 1.6 logits for the South, the second has a wrong key: b draws the strong."""
    chance = Random(11)
    items = tuple(
        AnsweredItem(place, UUID(int=place), f"DLIT-{place:03}", 1, "single_choice", "DLIT", ItemParams(b=-1 + place / 4), frozenset("a"))
        for place in range(1, 9)
    )
    scores, answers, regions = [], [], []
    for person in range(n):
        theta, region = chance.gauss(0, 1), ("north", "south")[person % 3 == 0]
        row, said = {}, {}
        for item in items:
            shift = 1.6 if item.version_id == 1 and region == "south" else 0.0
            is_good = chance.random() < 1 / (1 + math.exp(item.params.b + shift - theta))
            letter = ("b" if is_good else "a") if item.version_id == 2 else ("a" if is_good else chance.choice("bcd"))
            said[item.version_id], row[item.version_id] = letter, float(letter == "a")
        scores.append(row)
        answers.append(said)
        regions.append(region)
    persons = tuple(UUID(int=1000 + person) for person in range(n))
    labels = {"region": tuple(regions), "device": ("",) * n}
    estimates = {"DLIT": tuple((chance.gauss(0, 1), 0.4) for _ in range(n))}
    return AnswerTable(UUID(int=1), persons, items, tuple(scores), tuple(answers), labels, estimates, {"DLIT": (0.0,)})


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return analysis_document(made_up())


def test_an_item_that_is_harder_for_a_region_is_flagged_and_the_others_are_not(document):
    first, second, *others = document["domains"][0]["items"]

    assert [(one["attribute"], one["label"], one["dif"]["ets"]) for one in first["groups"]] == [("region", "south", "C")]
    assert first["flags"] == [REVIEWED]
    assert set(second["flags"]) >= {"negative_discrimination", "wrong_option_attracts"}
    assert [item["flags"] for item in others] == [[]] * 6


def test_each_area_says_how_good_its_decisions_are_and_how_many_people_there_are(document):
    assert document["groups"] == {"device": {}, "region": {"north": 600, "south": 300}}
    area = document["domains"][0]
    assert (area["code"], area["n_persons"], area["matched_by"]) == ("DLIT", 900, "total")
    assert 0.5 < area["decisions"]["consistency"] < area["decisions"]["accuracy"] < 1


def test_of_two_groups_the_smaller_is_compared_and_of_many_each_with_fifty_people():
    assert compared_labels(("a",) * 60 + ("b",) * 50 + ("",) * 500) == ["b"]
    assert compared_labels(("a",) * 60 + ("b",) * 50 + ("c",) * 49) == ["a", "b"]
    assert compared_labels(("a",) * 60 + ("b",) * 49) == []


def test_pilots_are_judged_by_the_others_and_count_in_no_total():
    table = made_up(200)
    pilot, *others = table.items
    with_pilot = replace(table, items=(replace(pilot, is_pilot=True), *others))
    without = replace(table, items=tuple(others))

    tried, alone = (analysis_document(one)["domains"][0] for one in (with_pilot, without))

    assert (tried["alpha"], tried["reliability"]) == (pytest.approx(alone["alpha"]), pytest.approx(alone["reliability"]))
    assert tried["items"][0]["point_biserial"] == tried["items"][0]["discrimination"]
    assert [item["discrimination"] for item in tried["items"][1:]] == pytest.approx([item["discrimination"] for item in alone["items"]])


def test_what_a_calibration_found_moved_is_flagged():
    found = analysis_document(made_up(200), {3: (3.2, 0.4)})

    assert [item["drift"] for item in found["domains"][0]["items"] if item["drift"]] == [{"z": 3.2, "change_b": 0.4}]
    assert "drifted" in found["domains"][0]["items"][2]["flags"]


def test_few_people_flag_nothing(document):
    first = document["domains"][0]["items"][0]

    assert flags_of(first | {"n": 99}) == []
    assert flags_of(first | {"n": 100}) == [REVIEWED]


def test_answers_are_one_text_whatever_their_kind():
    assert [answer_text(value) for value in ("b", ["c", "a"], True, False, None)] == ["b", "a+c", "true", "false", ""]


@pytest.fixture
def sat(sitter, make):
    """Three people who have finished, the first of them twice, and one who is under way."""
    first = sitter()
    for number in (1, 2, 3, 1, 4):
        one = sitter(person=UUID(int=number), now=first.now)
        one.start(seed=number)
        if number == 4:
            one.submit(one.step())
            break
        one.sit(lambda _step, number=number: "b" if number % 2 else "a")
        first.now = one.now
    return first


def read(database: Database, form: UUID, scope: Any = api.EVERYBODY) -> AnswerTable:
    with database.reading() as db:
        return api.read_answers(db, form, scope)


def test_of_each_person_the_newest_finished_sitting_counts(sat):
    table = read(sat.database, sat.form_uuid)

    assert sorted(table.persons) == [UUID(int=number) for number in (1, 2, 3)]
    by_person = dict(zip(table.persons, table.scores, strict=True))
    assert set(by_person[UUID(int=1)].values()) == {1.0}
    assert set(by_person[UUID(int=2)].values()) == {0.0}
    assert {text for row in table.answers for text in row.values()} == {"a", "b"}
    assert {item.domain for item in table.items} == {"DLIT", "DGOV", "DLEAD"}
    assert all(item.keys == {"b"} for item in table.items)
    assert {domain: len(pairs) for domain, pairs in table.estimates.items()} == {"DLIT": 3, "DGOV": 3, "DLEAD": 3}
    assert read(sat.database, sat.form_uuid, api.agency(2)).persons == ()


def test_labels_come_from_the_agency_and_go_with_their_person(sat):
    person, other = UUID(int=1), UUID(int=77)
    with sat.database.transaction() as db:
        api.set_groups(db, tenant_id=1, labels={person: {"region": "south"}, UUID(int=2): {"region": "north"}})
        api.note_device(db, sat.attempt, tenant_id=1, kind="phone", now=sat.now)

    labels = dict(zip((table := read(sat.database, sat.form_uuid)).persons, table.labels["region"], strict=True))
    assert labels == {person: "south", UUID(int=2): "north", UUID(int=3): ""}
    assert set(table.labels["accommodation"]) == {"without"}

    with sat.database.transaction() as db:
        api.rename_person(db, tenant_id=1, person_uuid=person, new_uuid=other)
        assert api.groups_of(db, [person, other]) == {other: {"region": "south"}}
        api.forget_person(db, tenant_id=1, person_uuid=other, keep_as=None)
        assert api.groups_of(db, [other]) == {}


def test_an_analysis_is_stale_as_soon_as_somebody_else_finishes(sat):
    def found() -> api.AnalysisView:
        with sat.database.reading() as db:
            return api.get_analysis(db, sat.form_uuid, api.EVERYBODY)

    assert (found().as_of, found().is_stale, found().n_finished) == (None, True, 3)

    table = read(sat.database, sat.form_uuid)
    with sat.database.transaction() as db:
        api.store_analysis(db, sat.form_uuid, api.EVERYBODY, n_persons=3, document=analysis_document(table), as_of=sat.now)
    assert (found().as_of, found().is_stale, found().n_persons) == (sat.now, False, 3)


def flagged(database: Database, form: UUID, now: Any, *flags: str, scope: Any = api.EVERYBODY) -> list[UUID]:
    """Stores an analysis in which one item has these flags. Returns reviews that are new."""
    version = read(database, form).items[0]
    document = {"groups": {}, "domains": [{"code": version.domain, "items": [{"version_id": version.version_id, "flags": list(flags)}]}]}
    with database.transaction() as db:
        return api.store_analysis(db, form, scope, n_persons=3, document=document, as_of=now)


def close(sat: Any, review: UUID, decision: str = "keep", reason: str = "why", *, scope: Any = api.EVERYBODY) -> Any:
    database, now = sat.database, sat.now
    with database.transaction() as db:
        return api.close_item_review(db, review, scope, decision=decision, reason=reason, by="user:1", now=now)


def test_a_flag_opens_one_review_and_only_a_new_reason_opens_another(sat):
    (review,) = flagged(sat.database, sat.form_uuid, sat.now, "misfit")
    assert flagged(sat.database, sat.form_uuid, sat.now, "misfit", "underfit") == []

    done = close(sat, review)

    assert (done.decision, done.reason, done.reasons) == ("keep", "why", ("misfit", "underfit"))
    assert flagged(sat.database, sat.form_uuid, sat.now, "misfit") == []
    assert len(flagged(sat.database, sat.form_uuid, sat.now, "misfit", REVIEWED)) == 1


def test_a_course_opens_no_review(sat):
    assert flagged(sat.database, sat.form_uuid, sat.now, "misfit", scope=api.Scope("course:1", 1)) == []


def test_a_review_is_decided_once_with_a_reason_and_within_its_scope(sat):
    (review,) = flagged(sat.database, sat.form_uuid, sat.now, "misfit")

    for decision, reason in (("keep", "  "), ("delete", "why"), ("keep", "x" * 2001)):
        with pytest.raises(DecisionInvalid):
            close(sat, review, decision, reason)
    with pytest.raises(ItemReviewNotFound):
        close(sat, review, scope=api.agency(1))
    close(sat, review)
    with pytest.raises(ItemReviewClosed):
        close(sat, review)


def test_a_retired_item_is_left_out_from_the_next_form_version_on_and_begun_sittings_keep_it(sat, make):
    item = read(sat.database, sat.form_uuid).items[0]
    (review,) = flagged(sat.database, sat.form_uuid, sat.now, "misfit")
    with sat.database.transaction() as db:
        before = api.get_form(db, sat.form_uuid, tenant_id=1).version

    close(sat, review, "retire", "the key is disputed")

    with sat.database.transaction() as db:
        assert api.get_form(db, sat.form_uuid, tenant_id=1).version == before
        assert api.load_form(db, make.form(), now=sat.now).version == before + 1
    newcomer = type(sat)(sat.database, sat.form_uuid, sat.now, person=UUID(int=9))
    newcomer.start(seed=9)
    newcomer.sit()
    assert item.key not in {response.item_key for response in newcomer.outcome().responses}


def test_growth_is_told_only_where_the_change_is_larger_than_its_error(sat, sitter):
    def changes(one: Any) -> dict[str, bool]:
        with sat.database.reading() as db:
            return api.list_changes(db, one.attempt, tenant_id=1)

    one = sitter(person=UUID(int=2), now=sat.now)  # was wrong in everything
    one.start(seed=22)
    one.sit()
    assert changes(one) == dict.fromkeys(("DLIT", "DGOV", "DLEAD"), True)

    again = sitter(person=UUID(int=2), now=one.now)
    again.start(seed=23)
    again.sit()
    assert changes(again) == dict.fromkeys(("DLIT", "DGOV", "DLEAD"), False)

    new = sitter(person=UUID(int=50), now=one.now)
    new.start(seed=24)
    new.sit()
    assert changes(new) == {}
