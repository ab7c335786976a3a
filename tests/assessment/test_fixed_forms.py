"""Forms whose items stand fast beforehand: lists, and parallel forms of equal information, from the document to a replay."""

import uuid
from collections import Counter
from random import Random

import pytest

from assessment import api, assembly
from assessment.assembly import Candidate, assemble, information_of, largest_difference
from assessment.catalogue import load_form
from assessment.errors import FormInvalid
from assessment.forms import read_form
from assessment.irt import ItemParams, information
from assessment.models import FormVersion
from assessment.simulate import made_up_bank


@pytest.fixture(autouse=True)
def hasty(request, monkeypatch):
    """Fewer changes of place are tried where a test does not ask how equal the forms are."""
    if "tell_the_same" not in request.node.name:
        monkeypatch.setattr(assembly, "MOVES", 1500)


SHARES = {"DLIT": 0.5, "DGOV": 0.3, "DLEAD": 0.2}


def fixed(make, **fields):
    """A form document without what adaptive forms need."""
    document = make.form(**fields)
    kept = {name: value for name, value in document.items() if name not in {"stop", "exposure", "min_items", "max_items"} or name in fields}
    kept["domains"] = fields.get("domains") or [
        {"code": code, "competency": f"th-ds-2567#{code}", "share": share} for code, share in SHARES.items()
    ]
    return kept


def linear(make, items, **fields):
    return fixed(make, key="linear", type="linear", items=items, **fields)


def parallel(make, forms=3, items=10, anchors=(), **fields):
    return fixed(make, key="parallel", type="parallel", parallel={"forms": forms, "items": items, "anchors": list(anchors)}, **fields)


LIST = ["DLIT-003", "DGOV-001", "DLIT-001", "DLEAD-002", "DGOV-007"]


def test_a_linear_form_shows_its_items_in_order_and_ends_after_the_last(sitter, make):
    person = sitter(form=linear(make, LIST))
    person.start()

    last = person.sit()

    outcome = person.outcome()
    assert (last.state, outcome.finish_reason) == ("finished", "all_items")
    assert [response.item_key for response in outcome.responses] == LIST
    assert (outcome.form.type, outcome.form.min_items, outcome.form.max_items) == ("linear", 5, 5)
    with person.database.reading() as db:
        found = api.replay(db, person.attempt)
    assert found.differences == ()
    assert found.finish_reason == "all_items"


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"items": [*LIST, "DLIT-003"]}, "items: 'DLIT-003' is given twice"),
        ({"items": [*LIST, "XX-001"]}, "items: no area of the form has an item 'XX-001'"),
        ({"items": ["DLIT-001", "DGOV-001"]}, "(DLEAD): the form holds 0 items"),
        ({"max_items": 9, "min_items": 9}, "max_items: the form has 5 items"),
        ({"stop": {"se": 0.3}}, "stop: must not be there in a form of the type linear"),
        ({"items": []}, "items: must be there in a form of the type linear"),
        ({"parallel": {"forms": 2, "items": 5}}, "parallel: must not be there"),
    ],
)
def test_a_list_that_contradicts_itself_or_the_bank_is_refused_with_its_place(sitter, make, fields, told):
    with pytest.raises(FormInvalid) as refusal:
        sitter(form=linear(make, LIST) | fields)

    assert told in str(refusal.value)


def test_answers_of_an_adaptive_form_cannot_be_changed(make):
    with pytest.raises(FormInvalid, match="review: in an adaptive form"):
        read_form(make.form(review=True))


def test_enemies_do_not_meet_in_a_list(sitter, make):
    bank = make.bank()
    bank["items"][2]["enemies"] = ["DGOV-001"]

    with pytest.raises(FormInvalid, match="its enemy 'DGOV-001' is in the form"):
        sitter(bank=bank, form=linear(make, LIST))


def candidates(seed=1, n=300, enemies=True):
    codes = list(SHARES)
    chance = Random(seed)
    items = [
        Candidate(f"i{place:03}", codes[item.domain], item.params)
        for place, item in enumerate(made_up_bank(n, seed, shares=tuple(SHARES.values())))
    ]
    if enemies:
        for _ in range(40):
            one, other = chance.sample(range(n), 2)
            items[one] = Candidate(
                items[one].key, items[one].domain, items[one].params, items[one].enemies | {items[other].key}, items[one].testlet
            )
    return items


def assembled(make, bank, **fields):
    form = read_form(parallel(make, **fields))
    by_key = {one.key: one for one in bank}
    return form, [[by_key[key] for key in keys] for keys in assemble(form, bank)]


def drawn(bank, quotas, seed):
    chance = Random(seed)
    return [one for code, n in zip(SHARES, quotas, strict=True) for one in chance.sample([c for c in bank if c.domain == code], n)]


@pytest.mark.parametrize("seed", [1, 2])
def test_parallel_forms_tell_the_same_at_every_cut_and_more_than_lists_drawn_by_chance(make, seed):
    bank = candidates(seed, n=600)
    form, lists = assembled(make, bank, forms=3, items=30)

    found = information_of(form, lists)

    by_chance = information_of(form, [drawn(bank, (15, 9, 6), number) for number in range(3)])
    difference, share = largest_difference(found)
    assert share <= 0.04
    assert share <= largest_difference(by_chance)[1] / 5
    assert difference <= 0.04 * max(one.information for one in found)
    assert sum(one.information for one in found) > 1.5 * sum(one.information for one in by_chance)
    for one in found:  # the figures themselves by another way
        own = [item.params for item in lists[one.form - 1] if item.domain == one.domain]
        assert one.information == pytest.approx(sum(information(one.theta, params) for params in own))


def test_parallel_forms_keep_the_blueprint_share_no_item_and_no_enemies(make):
    bank = candidates(7)
    _, lists = assembled(make, bank, forms=4, items=20)

    assert [Counter(item.domain for item in own) for own in lists] == [{"DLIT": 10, "DGOV": 6, "DLEAD": 4}] * 4
    assert max(Counter(item.key for own in lists for item in own).values()) == 1
    for own in lists:
        keys = {item.key for item in own}
        assert not any(item.enemies & keys for item in own)


def test_anchors_are_in_every_form_and_nothing_else_is_shared(make):
    anchors = ("i003", "i200")

    _, lists = assembled(make, candidates(3), forms=3, items=12, anchors=anchors)

    shared = [key for key, n in Counter(item.key for own in lists for item in own).items() if n > 1]
    assert sorted(shared) == sorted(anchors)
    assert all(set(anchors) <= {item.key for item in own} for own in lists)


def test_testlets_stay_whole_in_parallel_forms(make):
    bank = candidates(3, enemies=False)
    bank = [
        Candidate(one.key, one.domain, ItemParams(2.0, one.params.b), testlet=(f"T{place // 3}", place % 3 + 1)) if place < 30 else one
        for place, one in enumerate(bank)
    ]

    _, lists = assembled(make, bank, forms=2, items=20)

    n_whole = 0
    for own in lists:
        keys = [item.key for item in own]
        for name, n in Counter(item.testlet[0] for item in own if item.testlet).items():
            members = [one.key for one in bank if one.testlet and one.testlet[0] == name]
            assert n == 3
            assert keys[keys.index(members[0]) :][:3] == members
            n_whole += 1
    assert n_whole >= 2


def test_a_bank_that_does_not_suffice_is_told_with_area_and_number(make):
    with pytest.raises(FormInvalid, match=r"the bank does not suffice for DLEAD: form \d lacks \d+ of 4 items"):
        assembled(make, candidates(3, n=60), forms=4, items=20)


def test_an_attempt_draws_one_of_the_forms_by_its_seed_and_replays(sitter, make):
    form = parallel(make, forms=3, items=10)
    met = {}
    for seed in range(1, 13):
        person = sitter(form=form, seed=seed, person=uuid.UUID(int=seed))
        person.start()
        person.sit()
        met[seed] = tuple(response.item_key for response in person.outcome().responses)
        with person.database.reading() as db:
            assert api.replay(db, person.attempt).differences == ()

    assert len(set(met.values())) == 3
    assert all(not set(one) & set(other) for one in met.values() for other in met.values() if one != other)
    with person.database.reading() as db:
        told = api.form_information(db, person.form_uuid)
    assert {(one.form, one.domain, one.level) for one in told} == {
        (n, code, level) for n in (1, 2, 3) for code in SHARES for level in (1, 2, 3)
    }


def test_who_comes_again_gets_a_form_that_they_have_not_seen(sitter, make):
    person = sitter(form=parallel(make, forms=3, items=10))
    seen = []
    for seed in (5, 5, 5):
        person.start(seed=seed)
        person.sit()
        seen.append({response.item_key for response in person.outcome().responses})

    assert not seen[0] & seen[1]
    assert not (seen[0] | seen[1]) & seen[2]


def test_the_same_document_over_the_same_bank_makes_no_new_version(sitter, make, now):
    form = parallel(make)
    person = sitter(form=form)

    with person.database.transaction() as db:
        load_form(db, form, now=now)

        versions = db.query(FormVersion).all()
    assert [version.n for version in versions] == [1]
    assert [len(own) for own in versions[0].sequences] == [10, 10, 10]
