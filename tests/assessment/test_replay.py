"""Any stored attempt can be computed again, to the bit, from what was pinned with it."""

import uuid
from collections import Counter
from datetime import timedelta

import pytest
from sqlalchemy import select, text

from assessment import api
from assessment.draws import draw
from assessment.errors import AttemptNotFound
from assessment.models import Attempt, Presentation, Response


def guess(seed):
    return lambda step: "b" if draw(seed, "answer", step.position) % 100 < 60 else "c"


def sit_many(sitter, make, n):
    persons = []
    for number in range(1, n + 1):
        person = sitter(person=uuid.UUID(int=number), seed=number, bank=make.bank(n_per_domain=30))
        person.now += timedelta(minutes=number)
        person.start()
        person.sit(guess(number))
        persons.append(person)
    return persons


def test_a10_a_stored_attempt_replays_to_the_bit(sitter, make):
    person = sit_many(sitter, make, 12)[-1]

    with person.database.reading() as db:
        found = api.replay(db, person.attempt)
        answers = select(Response.theta_after, Response.se_after).join(Presentation).order_by(Presentation.position)
        stored = db.execute(answers.join(Attempt, Attempt.id == Response.attempt_id).where(Attempt.uuid == person.attempt)).all()
        assert any(rested for (rested,) in db.execute(select(Presentation.rested)))

    assert found.differences == ()
    assert [(answer.theta, answer.se) for answer in found.answers] == [tuple(row) for row in stored]
    assert found.finish_reason in {"precise", "max_items"}
    assert found.areas.keys() == {"DLIT", "DGOV", "DLEAD"}


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("UPDATE response SET score = 1 - score WHERE id = {response}", "position 3: the answer scores"),
        ("UPDATE response SET theta_after = theta_after + 0.0000000001 WHERE id = {response}", "position 3: "),
        ("UPDATE attempt SET seed = seed + 1 WHERE id = {attempt}", "was shown"),
        ("UPDATE ability_estimate SET level = 3 - level WHERE attempt_id = {attempt} AND domain = 'DGOV'", "area DGOV: level"),
        (
            "UPDATE attempt SET finish_reason = CASE finish_reason WHEN 'precise' THEN 'max_items' ELSE 'precise' END WHERE id = {attempt}",
            "is stored",
        ),
    ],
)
def test_a10_whatever_was_changed_afterwards_is_told(sitter, make, statement, told):
    person = sitter(seed=5, bank=make.bank(n_per_domain=30))
    person.start()
    person.sit(guess(5))
    with person.database.transaction() as db:
        attempt = db.scalars(select(Attempt.id).where(Attempt.uuid == person.attempt)).one()
        third = select(Response.id).join(Presentation).where(Presentation.attempt_id == attempt, Presentation.position == 3)
        db.execute(text(statement.format(attempt=attempt, response=db.scalars(third).one())))

    with person.database.reading() as db:
        assert any(told in difference for difference in api.replay(db, person.attempt).differences)


def test_a_replay_of_no_attempt_is_refused(sitter):
    with sitter().database.reading() as db, pytest.raises(AttemptNotFound):
        api.replay(db, uuid.UUID(int=7))


def test_an_outcome_agrees_with_its_responses(sitter):
    person = sitter(seed=5)
    person.start()
    person.sit(guess(5))

    outcome = person.outcome()

    for area in outcome.areas:
        own = [response for response in outcome.responses if response.domain == area.domain]
        assert (area.n_items, area.n_right) == (len(own), sum(response.score for response in own))
        assert (area.theta, area.se) == (own[-1].theta_after, own[-1].se_after)
        assert area.level == sum(area.theta >= cut for cut in (-1, 0, 1))
        assert area.borderline == any(abs(area.theta - cut) <= area.se for cut in (-1, 0, 1))
        assert len(area.p_levels) == 3
        assert area.p_levels == tuple(sorted(area.p_levels, reverse=True))
    assert outcome.theta == pytest.approx(sum(area.theta for area in outcome.areas) / 3, abs=1e-3)
    assert outcome.scaled == pytest.approx(sum(area.level for area in outcome.areas) / 9)


def test_everyone_gets_the_blueprint_within_one_item_and_no_item_passes_the_cap(sitter, make):
    n = 25
    persons = sit_many(sitter, make, n)

    with persons[0].database.reading() as db:
        met = Counter(db.scalars(select(Presentation.item_id)))
        waived = set(db.scalars(select(Presentation.waived)))
    for person in persons:
        outcome = person.outcome()
        assert all(abs(area.n_items - outcome.n_items / 3) <= 1 for area in outcome.areas)
        assert all(6 <= area.n_items <= 8 for area in outcome.areas)
    assert waived == {""}
    # the cap holds for those before; one more is the person who meets the item last
    assert max(met.values()) <= 0.25 * n + 1


def test_two_persons_meet_different_first_items(sitter, make):
    persons = sit_many(sitter, make, 15)

    firsts = {person.outcome().responses[0].item_key for person in persons}

    assert len(firsts) >= 4
