"""Taking a test again: no item of the last twelve months while unseen ones suffice, over sittings, forms and changes of the bank."""

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import select

from assessment import api
from assessment.models import Attempt, Presentation


def shown(sitter: Any) -> list[tuple[int, str]]:
    """Items of a sitting, with the rule that gave way."""
    with sitter.database.reading() as db:
        rows = db.execute(
            select(Presentation.item_id, Presentation.waived)
            .join(Attempt, Attempt.id == Presentation.attempt_id)
            .where(Attempt.uuid == sitter.attempt)
            .order_by(Presentation.position)
        )
        return [(item, waived) for item, waived in rows]


def items(sitter: Any) -> set[int]:
    return {item for item, _ in shown(sitter)}


def take(sitter: Any, seed: int) -> set[int]:
    """One whole sitting, a day after the one before. Returns its items."""
    sitter.now += timedelta(days=1)
    sitter.start(seed=seed)
    sitter.sit()
    return items(sitter)


def test_a_retake_shares_no_item_with_the_sittings_before_while_unseen_ones_suffice(sitter, make):
    person = sitter(bank=make.bank(40))

    taken = [take(person, seed) for seed in (1, 2, 3, 4)]

    assert all(len(one) >= 18 for one in taken)
    assert len(set.union(*taken)) == sum(map(len, taken))


def test_when_unseen_items_run_out_seen_ones_come_and_are_marked(sitter):
    person = sitter()  # 15 items an area, of which a sitting takes 6 to 8

    first, second = take(person, 1), take(person, 2)
    third = take(person, 3)

    assert not first & second
    repeated = third & (first | second)
    assert repeated
    assert {item for item, waived in shown(person) if waived == "seen"} == repeated
    assert third - first - second  # the unseen ones were used up first


def test_items_seen_in_one_form_are_not_shown_in_another(sitter, make, database):
    person = sitter(bank=make.bank(40))
    first = take(person, 1)
    with database.transaction() as db:
        person.form_uuid = api.load_form(db, make.form(key="again"), now=person.now).uuid

    assert not first & take(person, 1)


def test_an_item_that_was_changed_since_is_still_seen(sitter, make, database):
    person = sitter(bank=make.bank(40))
    first = take(person, 1)
    changed = make.bank(40)
    for item in changed["items"]:
        item["stem"] = make.texts(f"new words of {item['key']}")
    with database.transaction() as db:
        report = api.load_bank(db, changed, now=person.now)

    second = take(person, 1)

    assert report.n_new_versions == 120
    assert not first & second


def test_after_twelve_months_an_item_may_come_again(sitter):
    person = sitter()
    first = take(person, 1)
    person.now += timedelta(days=366)

    assert first & take(person, 1)
    assert not any(waived for _, waived in shown(person))


def test_what_others_saw_and_what_another_agency_keeps_is_nobodys_own(sitter, make):
    person = sitter(bank=make.bank(40))
    first = take(person, 1)
    other, elsewhere = sitter(person=uuid4(), now=person.now), sitter(tenant_id=2, now=person.now)

    assert take(other, 1) & first
    assert take(elsewhere, 1) & first  # agencies keep their own records of people; a person is one agency's


def test_of_parallel_forms_another_one_comes_first(sitter, make):
    adaptive = {"stop", "exposure", "min_items", "max_items", "domains"}
    form = {name: value for name, value in make.form(key="parallel", type="parallel").items() if name not in adaptive}
    shares = {"DLIT": 0.5, "DGOV": 0.25, "DLEAD": 0.25}
    form["domains"] = [{"code": code, "competency": f"th-ds-2567#{code}", "share": share} for code, share in shares.items()]
    form["parallel"] = {"forms": 3, "items": 12, "anchors": []}
    person = sitter(bank=make.bank(30), form=form)

    taken = [take(person, 7) for _ in range(3)]

    assert all(len(one) == 12 for one in taken)
    assert len(set.union(*taken)) == 36
    assert len(take(person, 7) & set.union(*taken)) == 12  # then one of them again


def test_a_preview_of_a_teacher_uses_up_nobodys_items(sitter, make):
    person = sitter(bank=make.bank(40))
    look = sitter(person=UUID(int=77), now=person.now)
    look.start(is_preview=True)
    look.sit()

    assert take(person, 1) & items(look)
