"""A test whose items stand fast: handed out whole, answered in any order where the person may go back, and ended by their word."""

import uuid
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from assessment import api
from assessment.errors import (
    AlreadyAnswered,
    AnswerInvalid,
    AttemptClosed,
    AttemptMoved,
    AttemptNotFound,
    PresentationNotFound,
    ReviewNotAllowed,
)
from assessment.models import Attempt, ChangedResponse, Presentation, Response
from assessment.views import Answer

N = 9
KEYS = [f"{domain}-{number:03}" for number in range(1, 4) for domain in ("DLIT", "DGOV", "DLEAD")]


@pytest.fixture
def linear(sitter, make):
    """A person in front of nine fixed items; `review=True`: who may go back."""

    def new(*, review=False, clock_while_away="runs", away_minutes=10, **fields):
        away = {"clock_while_away": clock_while_away, "away_minutes": away_minutes}
        document = make.form(key="linear-9", type="linear", items=KEYS, min_items=N, max_items=N, review=review, **away)
        document.pop("exposure")
        document.pop("stop")
        document["domains"] = [{**domain, "min": 0, "max": N} for domain in document["domains"]]
        person = sitter(form=document, **fields)
        person.start()
        return person

    return new


def step_at(person, at=None, device=None):
    with person.database.transaction() as db:
        return api.get_step(
            db, person.attempt, tenant_id=1, person_uuid=person.person, device=device or person.device, now=person.now, at=at
        )


def put(person, step, value, client_id, at=None, **fields):
    answer = Answer(step.item.presentation_uuid, client_id, value, **fields)
    with person.database.transaction() as db:
        return api.submit_response(
            db, person.attempt, answer, tenant_id=1, person_uuid=person.person, device=person.device, now=person.now, at=at
        )


def hand_in(person, device=None):
    with person.database.transaction() as db:
        return api.hand_in(db, person.attempt, tenant_id=1, person_uuid=person.person, device=device or person.device, now=person.now)


def count(person, table):
    with person.database.reading() as db:
        return db.scalar(select(func.count()).select_from(table))


def sheet_step(step, number):
    """The step as it would be with a sheet that lies ahead on top."""
    return replace(step, item=step.ahead[number].item, position=step.ahead[number].position)


def test_a_linear_test_is_handed_out_whole_in_its_order_and_the_next_five_come_with_the_first(linear):
    person = linear()

    step = person.step()

    assert (step.position, step.min_items, step.max_items, step.places) == (1, N, N, ())
    assert [sheet.position for sheet in step.ahead] == [2, 3, 4, 5, 6]
    assert count(person, Presentation) == N
    with person.database.reading() as db:
        shown = db.execute(select(Presentation.position, Presentation.item_id).order_by(Presentation.position)).all()
        assert [position for position, _ in shown] == list(range(1, N + 1))
    assert [response.item_key for response in _sat(person).responses] == KEYS


def _sat(person):
    person.sit()
    return person.outcome()


def test_answers_to_what_lies_ahead_are_stored_as_soon_as_their_turn_comes_and_not_before(linear):
    person = linear()
    first = person.step()
    second, third = sheet_step(first, 0), sheet_step(first, 1)

    with pytest.raises(PresentationNotFound):
        put(person, third, "b", "three")
    after = put(person, first, "b", "one")
    put(person, second, "b", "two")
    last = put(person, third, "b", "three")

    assert after.position == 2
    assert (last.position, [sheet.position for sheet in last.ahead]) == (4, [5, 6, 7, 8, 9])
    assert count(person, Response) == 3


def test_a_linear_test_takes_one_answer_an_item_and_ends_by_itself(linear):
    person = linear()
    first = person.step()
    put(person, first, "b", "one")

    with pytest.raises(AlreadyAnswered):
        put(person, first, "c", "again")
    with pytest.raises(ReviewNotAllowed):
        hand_in(person)
    end = person.sit()

    assert (end.state, end.position, end.just_finished) == ("finished", N, True)
    assert person.outcome().finish_reason == "all_items"
    with person.database.reading() as db:
        assert api.replay(db, person.attempt).differences == ()


def test_within_the_grace_a_backlog_counts_and_after_it_none_does(linear):
    person = linear()
    first = person.step()
    person.now += timedelta(minutes=40, seconds=10)

    following = put(person, first, "b", "one")
    put(person, sheet_step(first, 0), "b", "two")
    person.now += timedelta(seconds=21)

    assert (following.position, following.seconds_left) == (2, 0)
    with pytest.raises(AttemptClosed):
        put(person, sheet_step(first, 1), "b", "three")
    assert person.step().just_finished
    outcome = person.outcome()
    assert (outcome.n_items, outcome.finish_reason, sum(area.n_items for area in outcome.areas)) == (2, "time", 2)


def test_where_the_clock_stops_for_who_is_away_answers_of_an_outage_beyond_the_deadline_count(linear):
    person = linear(clock_while_away="stops", away_minutes=60)
    first = person.step()
    person.now += timedelta(minutes=50)

    put(person, first, "b", "one")
    put(person, sheet_step(first, 0), "b", "two")

    assert count(person, Response) == 2
    assert person.step().seconds_left > 30 * 60


def test_where_a_person_may_go_back_any_item_is_shown_with_what_was_answered(linear):
    person = linear(review=True)
    first = person.step()

    fifth = step_at(person, 5)
    put(person, fifth, "c", "five", at=2)
    back = step_at(person, 5)

    assert (fifth.position, fifth.given) == (5, None)
    assert (back.position, back.given, back.item) == (5, "c", fifth.item)
    assert [place.position for place in back.places if place.is_answered] == [5]
    assert step_at(person).position == first.position == 1
    assert step_at(person, first.item.presentation_uuid).position == 1
    assert step_at(person, api.SUMMARY).state == "summary"


def test_a_changed_answer_counts_and_the_one_before_is_kept_aside(linear):
    person = linear(review=True)
    first = person.step()
    put(person, first, "c", "wrong", active_ms=900)

    reply = put(person, first, "b", "right")
    put(person, first, "b", "same-again")

    with person.database.reading() as db:
        stands, aside = db.scalars(select(Response)).one(), db.scalars(select(ChangedResponse)).one()
    assert (stands.client_id, stands.value, stands.score) == ("right", "b", 1)
    assert (aside.client_id, aside.value, aside.score, aside.active_ms) == ("wrong", "c", 0, 900)
    assert aside.received_at < stands.received_at == aside.changed_at
    assert (reply.position, reply.places[0].is_answered) == (2, True)


def test_a_client_id_of_a_changed_answer_is_known_for_ever_and_names_that_item_alone(linear):
    person = linear(review=True)
    first = person.step()
    put(person, first, "c", "one")
    second = put(person, first, "b", "two")

    again = put(person, first, "c", "one")
    with pytest.raises(AnswerInvalid):
        put(person, second, "b", "one")

    assert again.position == 2
    assert (count(person, Response), count(person, ChangedResponse)) == (1, 1)
    with person.database.reading() as db:
        assert db.scalars(select(Response.value)).one() == "b"


def test_an_item_may_be_left_blank_on_the_way_to_another_and_an_answer_taken_back(linear):
    person = linear(review=True)
    first = person.step()

    seventh = put(person, first, None, "leave", at=7, is_leaving=True)
    with pytest.raises(AnswerInvalid):
        put(person, seventh, None, "not-on-the-way")
    put(person, seventh, "b", "answered", at=1)
    summary = put(person, seventh, None, "taken-back", at=api.SUMMARY, is_leaving=True)

    assert seventh.position == 7
    assert summary.state == "summary"
    assert not any(place.is_answered for place in summary.places)
    assert (count(person, Response), count(person, ChangedResponse)) == (1, 1)


def test_lines_left_as_they_came_are_no_answer_on_the_way_to_another_item_and_one_when_sent(sitter, make):
    bank = make.bank()
    bank["items"][0] |= {"kind": "ordering", "correct": ["a", "b", "c", "d"]}
    document = make.form(key="order", type="linear", items=["DLIT-001", "DGOV-001", "DLEAD-001"], min_items=3, max_items=3, review=True)
    document["domains"] = [{**domain, "min": 0, "max": 3} for domain in document["domains"]]
    person = sitter(bank=bank, form={name: value for name, value in document.items() if name not in {"stop", "exposure"}})
    person.start()
    step = person.step()
    as_shown = [option.id for option in step.item.options]

    left = put(person, step, as_shown, "left", at=3, is_leaving=True)
    sent = put(person, step, as_shown, "sent")

    assert not left.places[0].is_answered
    assert sent.places[0].is_answered


def test_flags_are_kept_with_answers_and_without_and_told_to_the_teacher(linear):
    person = linear(review=True)
    first = person.step()
    put(person, first, None, "one", at=3, is_leaving=True, is_flagged=True)
    third = step_at(person, 3)
    put(person, third, "b", "three", is_flagged=True)
    put(person, step_at(person, 1), "b", "one-answered", is_flagged=False)

    places = step_at(person, api.SUMMARY).places
    assert [place.position for place in places if place.is_flagged] == [3]
    assert step_at(person, 3).is_flagged
    hand_in(person)
    assert [(one.position, one.is_flagged) for one in person.outcome().responses] == [(1, False), (3, True)]


def test_a_flag_in_an_adaptive_test_is_kept_too(sitter):
    person = sitter()
    person.start()

    person.submit(person.submit(person.step(), is_flagged=True))

    with person.database.reading() as db:
        assert db.scalars(select(Attempt.flagged)).one() == [1]


def test_handing_in_ends_a_sitting_once_and_what_was_left_out_counts_as_not_right(linear):
    person = linear(review=True)
    step = person.step()
    for number in range(N - 2):
        step = put(person, step, "b", f"a{number}")

    end, again = hand_in(person), hand_in(person)

    outcome = person.outcome()
    assert (end.state, end.just_finished, again.just_finished) == ("finished", True, False)
    assert (outcome.finish_reason, outcome.finished_at, outcome.n_items) == ("submitted", person.now, N - 2)
    assert sum(area.n_items for area in outcome.areas) == N
    assert sum(area.n_right for area in outcome.areas) == N - 2
    with pytest.raises(AttemptClosed):
        put(person, replace(step, item=step.item), "b", "late")
    with person.database.reading() as db:
        assert api.replay(db, person.attempt).differences == ()


def test_a_sitting_in_which_answers_were_changed_replays_to_the_bit(linear):
    person = linear(review=True)
    person.step()
    for number, (position, value) in enumerate([(3, "c"), (1, "b"), (9, "b"), (3, "b"), (1, "d"), (1, "b"), (5, "c")]):
        person.now += timedelta(seconds=number % 2)  # some at the same moment
        put(person, step_at(person, position), value, f"a{number}")
    put(person, step_at(person, 9), None, "gone", at=1, is_leaving=True)
    hand_in(person)

    with person.database.reading() as db:
        found = api.replay(db, person.attempt)

    assert found.differences == ()
    assert len(found.answers) == 8
    assert found.finish_reason == "submitted"


def test_time_ends_a_sitting_with_review_after_the_grace_wherever_the_person_stands(linear):
    person = linear(review=True)
    put(person, person.step(), "b", "one")
    person.now += timedelta(minutes=40, seconds=20)

    waiting = [step_at(person, api.SUMMARY), step_at(person, 4)]
    counted = put(person, waiting[1], "b", "on-its-way")
    person.now += timedelta(seconds=11)
    end = step_at(person, 4)

    assert [(one.state, one.seconds_left, one.just_finished) for one in waiting] == [("summary", 0, False), ("item", 0, False)]
    assert (counted.state, end.state, end.just_finished) == ("item", "finished", True)
    assert (person.outcome().finish_reason, person.outcome().n_items) == ("time", 2)


def test_only_the_device_in_front_and_only_the_person_may_hand_in(linear):
    person = linear(review=True)
    person.step("phone")
    person.step("laptop")

    with pytest.raises(AttemptMoved):
        hand_in(person, "phone")
    person.person = uuid.UUID(int=77)
    with pytest.raises(AttemptNotFound):
        hand_in(person, "laptop")


def test_a_persons_changed_answers_go_with_the_person(linear):
    person = linear(review=True)
    first = person.step()
    put(person, first, "c", "one")
    put(person, first, "b", "two")
    hand_in(person)

    with person.database.transaction() as db:
        api.forget_person(db, tenant_id=1, person_uuid=person.person, keep_as=uuid.UUID(int=99))

    assert (count(person, Response), count(person, ChangedResponse), count(person, Attempt)) == (1, 0, 1)
