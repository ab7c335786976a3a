"""Items that are only tried out: among the others, drawn by the seed, and counted for nothing."""

import uuid
from collections import Counter

import pytest
from sqlalchemy import select

from assessment import api
from assessment.draws import draw
from assessment.errors import BankInvalid, FormInvalid
from assessment.models import Item, Presentation, Response
from assessment.pilots import PilotRule, next_pilot, pilot_positions
from kernel.prepared import Prepared

pytestmark = pytest.mark.one_database

PILOTS = ("DLIT-901", "DGOV-901", "DLEAD-901", "DLEAD-902")


def bank_with_pilots(make, **fields):
    bank = make.bank(n_per_domain=30)
    items = [make.item(901, key.split("-")[0], key=key, state="pilot", **fields) for key in PILOTS]
    return bank | {"items": [*bank["items"], *items]}


def form_with_pilots(make, **fields):
    return make.form(key="with-pilots", pilots={"number": 2} | fields)


def guess(seed):
    return lambda step: "b" if draw(seed, "answer", step.position) % 100 < 60 else "c"


def keys_shown(person):
    """Item key and position of everything that one attempt has shown."""
    with person.database.reading() as db:
        replayed = api.replay(db, person.attempt)
    assert replayed.differences == ()
    return [answer.item for answer in replayed.answers]


def test_positions_are_drawn_from_the_seed_within_their_bounds():
    rule = PilotRule(3, 2, 12)

    drawn = [pilot_positions(rule, seed) for seed in range(2000)]

    assert all(len(set(own)) == 3 and sorted(own) == list(own) and own[0] >= 2 and own[-1] <= 12 for own in drawn)
    counts = Counter(position for own in drawn for position in own)
    assert all(450 < counts[position] < 650 for position in range(2, 13))  # 2000 x 3 / 11 = 545
    assert pilot_positions(rule, 7) == drawn[7]


def test_a_pilot_is_none_that_the_person_met_or_that_an_enemy_bars():
    rule = PilotRule(1, 2, 2)

    drawn = {next_pilot(rule, (10, 11, 12, 13), seed, n_taken=1, n_tried=0, barred={11}, seen={13}) for seed in range(50)}

    assert drawn == {10, 12}
    assert next_pilot(rule, (10,), 1, n_taken=1, n_tried=0, barred={10}, seen=()) is None
    assert next_pilot(rule, (10,), 1, n_taken=0, n_tried=0, barred=(), seen=()) is None
    assert next_pilot(rule, (10,), 1, n_taken=1, n_tried=1, barred=(), seen=()) is None


def test_an_attempt_meets_its_pilots_neither_first_nor_last_and_replays_to_the_bit(sitter, make):
    met = Counter()
    for seed in range(1, 7):
        person = sitter(bank=bank_with_pilots(make), form=form_with_pilots(make), person=uuid.UUID(int=seed), seed=seed)
        person.start()
        person.sit(guess(seed))
        shown = keys_shown(person)
        places = [place for place, key in enumerate(shown) if key in PILOTS]
        met.update(shown[place] for place in places)
        assert len(places) == 2
        assert 0 < places[0] < places[1] < len(shown) - 1

    assert sum(met.values()) == 12
    assert len(met) > 1


def test_pilots_change_neither_score_nor_end_nor_blueprint(sitter, make):
    """The same seed and answers on the items that count give the same test, whatever was answered to the pilots."""
    plain = sitter(bank=bank_with_pilots(make), form=make.form(), seed=5)
    plain.start()
    plain.sit(lambda step: "b" if step.item.domain == "DLIT" else "c")

    outcomes = []
    for number, of_pilots in enumerate(("b", "c"), 2):
        person = sitter(form=form_with_pilots(make), person=uuid.UUID(int=number), seed=5)
        person.start()

        def value(step, answer=of_pilots):
            is_pilot = "901" in step.item.stem["en"] or "902" in step.item.stem["en"]
            return answer if is_pilot else "b" if step.item.domain == "DLIT" else "c"

        person.sit(value)
        outcomes.append(person.outcome())

    for outcome in outcomes:
        assert outcome.areas == plain.outcome().areas
        assert (outcome.finish_reason, outcome.n_items, outcome.n_tried) == (plain.outcome().finish_reason, plain.outcome().n_items, 2)
        assert [response.item_key for response in outcome.responses] == [response.item_key for response in plain.outcome().responses]


def test_the_learner_sees_a_pilot_as_any_other_item_and_one_more_count(sitter, make):
    person = sitter(bank=bank_with_pilots(make), form=form_with_pilots(make, first=2, last=3), seed=3)
    person.start()
    first = person.step()

    second = person.submit(first, "b")

    with person.database.reading() as db:
        shown = db.execute(select(Presentation.item_id, Presentation.waived, Presentation.rested).order_by(Presentation.position)).all()
        pilots = {item.id for item in db.scalars(select(Item).where(Item.is_pilot))}
    assert shown[1].item_id in pilots
    assert (shown[1].waived, shown[1].rested) == ("", [])
    assert (second.position, second.max_items, second.item.options and len(second.item.options)) == (2, make.form()["max_items"] + 2, 4)
    assert type(second.item) is type(first.item)


def test_an_answer_to_a_pilot_takes_no_statement_more(sitter, make, monkeypatch: pytest.MonkeyPatch):
    person = sitter(bank=bank_with_pilots(make), form=form_with_pilots(make, first=2, last=3), seed=3)
    person.start()
    step = person.step()
    counts = []
    for name in ("rows", "first", "count"):
        once = getattr(Prepared, name)
        monkeypatch.setattr(Prepared, name, lambda *given, once=once, **named: (counts.append(1), once(*given, **named))[1])

    taken = []
    for _ in range(5):
        counts.clear()
        step = person.submit(step, "b")
        taken.append(len(counts))

    assert len(set(taken)) == 1


def test_a_pilot_becomes_live_by_its_bank_and_attempts_begun_keep_what_it_was(sitter, make):
    person = sitter(bank=bank_with_pilots(make), form=form_with_pilots(make), seed=2)
    person.start()
    person.step()
    live = bank_with_pilots(make)
    for item in live["items"]:
        item.pop("state", None)

    with person.database.transaction() as db:
        report = api.load_bank(db, live, now=person.now)
        version = api.get_form(db, person.form_uuid, tenant_id=1).version
    person.sit(guess(2))

    assert (report.n_new_versions, report.n_new_parameters, version) == (0, 0, 2)
    assert sum(key in PILOTS for key in keys_shown(person)) == 2
    assert person.outcome().n_tried == 2


@pytest.mark.parametrize(
    ("pilots", "place"),
    [
        ({"number": 2, "first": 1}, "pilots.first"),
        ({"number": 2, "last": 20}, "pilots.last"),
        ({"number": 3, "first": 5, "last": 6}, "pilots"),
    ],
)
def test_pilots_that_could_be_first_or_last_are_refused(sitter, make, pilots, place):
    with pytest.raises(FormInvalid) as refused:
        sitter(form=make.form(pilots=pilots))

    assert place in {fault.place for fault in refused.value.faults}


def test_an_item_of_a_testlet_is_no_pilot(sitter, make):
    bank = bank_with_pilots(make, testlet={"key": "t", "place": 1})

    with pytest.raises(BankInvalid) as refused:
        sitter(bank=bank)

    assert any("tried out alone" in fault.reason for fault in refused.value.faults)


def test_answers_to_pilots_are_stored_as_all_others(sitter, make):
    person = sitter(bank=bank_with_pilots(make), form=form_with_pilots(make), seed=4)
    person.start()
    person.sit(guess(4))

    with person.database.reading() as db:
        pilots = select(Presentation.id).join(Item, Item.id == Presentation.item_id).where(Item.is_pilot)
        scores = db.scalars(select(Response.score).where(Response.presentation_id.in_(pilots))).all()
    assert len(scores) == 2
