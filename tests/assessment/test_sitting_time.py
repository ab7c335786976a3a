"""The time of a sitting by the door, on real databases: accommodations, limits of items, pauses, absences. Time is moved by hand."""

import json
from datetime import timedelta
from uuid import uuid4

import pytest
from sqlalchemy import event, func, select, update

from assessment import api
from assessment.errors import (
    AccommodationInvalid,
    AccommodationNotFound,
    AttemptClosed,
    AttemptMoved,
    AttemptPaused,
    FormInvalid,
    PauseRefused,
)
from assessment.models import Accommodation, Attempt, AttemptEvent, Response
from assessment.replay import replay

pytestmark = pytest.mark.one_database

MINUTE, SECOND = timedelta(minutes=1), timedelta(seconds=1)


def allow(person, *, factor=100, minutes=0, pauses=0, pause_minutes=0, **fields):
    with person.database.transaction() as db:
        return api.set_accommodation(
            db,
            tenant_id=person.tenant_id,
            person_uuid=person.person,
            allowance=api.Allowance(factor, minutes, pauses, pause_minutes),
            now=person.now,
            **{"reason": "assessed_need", "granted_by": "user:7"} | fields,
        )


def withdraw(person, accommodation):
    with person.database.transaction() as db:
        api.withdraw_accommodation(db, accommodation, tenant_id=person.tenant_id, withdrawn_by="user:7", now=person.now)


def deadline(person):
    with person.database.reading() as db:
        return db.scalars(select(Attempt.deadline_at).where(Attempt.uuid == person.attempt)).one()


def close(person):
    with person.database.transaction() as db:
        return api.close_overdue(db, now=person.now, limit=10)


def clock(person, device="phone", *, note=False):
    asked = {"tenant_id": person.tenant_id, "person_uuid": person.person, "device": device, "now": person.now}
    with person.database.transaction() if note else person.database.reading() as db:
        return (api.note_alive if note else api.get_clock)(db, person.attempt, **asked)


def pause(person, device="phone"):
    with person.database.transaction() as db:
        api.pause_attempt(db, person.attempt, tenant_id=1, person_uuid=person.person, device=device, now=person.now)


def resume(person):
    with person.database.transaction() as db:
        api.resume_attempt(db, person.attempt, tenant_id=1, person_uuid=person.person, now=person.now)


def events(person, kind):
    with person.database.reading() as db:
        return list(db.scalars(select(AttemptEvent).where(AttemptEvent.kind == kind).order_by(AttemptEvent.id)))


def keep_page_alive(person, minutes):
    """The page is open for so long, and says so as often as it must."""
    for _ in range(minutes):
        person.now += MINUTE
        if clock(person).wants_note:
            clock(person, note=True)


# --- accommodations -----------------------------------------------------------------------------------------------------------------------


def test_a_sitting_begins_with_the_limit_by_the_factor_and_the_minutes(sitter):
    person = sitter()
    allow(person, factor=150, minutes=5)

    person.start()

    assert deadline(person) == person.now + timedelta(minutes=65)  # 40 x 1.5 + 5
    assert person.step().seconds_left == 65 * 60


@pytest.mark.parametrize(
    ("fields", "minutes"),
    [
        ({"valid_from": timedelta(days=1)}, 40),
        ({"valid_from": timedelta(days=-9), "valid_until": timedelta(days=-1)}, 40),
        ({"valid_from": timedelta(days=-9), "valid_until": timedelta(days=1)}, 60),
    ],
)
def test_an_accommodation_counts_in_its_time_alone(sitter, fields, minutes):
    person = sitter()
    allow(person, factor=150, **{name: person.now + shift for name, shift in fields.items()})

    person.start()

    assert deadline(person) == person.now + timedelta(minutes=minutes)


def test_an_accommodation_for_another_form_or_person_or_agency_counts_nothing(sitter, make):
    person, other_form = sitter(), sitter(form=make.form(key="other"))
    other = sitter(person=uuid4())
    allow(person, factor=200, form_uuid=other_form.form_uuid)
    allow(other, factor=200)
    allow(sitter(tenant_id=2), factor=200)

    person.start()

    assert deadline(person) == person.now + timedelta(minutes=40)


def test_of_several_accommodations_the_best_of_each_part_counts(sitter):
    person = sitter()
    allow(person, factor=125, minutes=20)
    allow(person, factor=150, minutes=5, form_uuid=person.form_uuid)

    person.start()

    assert deadline(person) == person.now + timedelta(minutes=80)  # 40 x 1.5 + 20


def test_a_newer_accommodation_for_the_same_sittings_takes_the_place_of_the_older(sitter):
    person = sitter()
    allow(person, factor=200)
    allow(person, factor=125)

    person.start()

    assert deadline(person) == person.now + timedelta(minutes=50)
    with person.database.reading() as db:
        known = api.list_accommodations(db, tenant_id=1, now=person.now, in_force=False)
        assert [(one.factor_percent, one.is_in_force) for one in known] == [(125, True), (200, False)]
        assert [one.factor_percent for one in api.list_accommodations(db, tenant_id=1, now=person.now)] == [125]


def test_extra_time_holds_at_once_in_the_sitting_that_runs_and_leaves_a_trace(sitter):
    person = sitter()
    person.start()
    person.step()
    begun, person.now = person.now, person.now + timedelta(minutes=38)

    allow(person, minutes=15, attempt_uuid=person.attempt)

    assert clock(person).seconds_left == 17 * 60
    assert person.step().seconds_left == 17 * 60
    (changed,) = events(person, "time_changed")
    assert changed.detail["from"] == (begun + timedelta(minutes=40)).isoformat()
    assert changed.detail["to"] == (begun + timedelta(minutes=55)).isoformat()
    assert changed.detail["by"] == "user:7"


def test_extra_time_for_one_sitting_is_not_for_the_next(sitter):
    person = sitter()
    person.start()
    allow(person, minutes=15, attempt_uuid=person.attempt)
    person.sit()

    person.start(seed=2)

    assert deadline(person) == person.now + timedelta(minutes=40)


def test_extra_time_that_comes_after_the_deadline_but_before_the_end_saves_the_sitting(sitter):
    person = sitter()
    person.start()
    step = person.step()
    person.now += timedelta(minutes=45)

    allow(person, minutes=10)

    assert close(person) == []
    assert person.submit(step).seconds_left == 5 * 60


def test_time_taken_away_leaves_five_minutes_and_what_was_less_stays(sitter):
    person = sitter()
    given = allow(person, minutes=30)
    person.start()
    person.step()
    person.now += timedelta(minutes=50)

    withdraw(person, given)

    assert clock(person).seconds_left == 5 * 60
    person.now += timedelta(minutes=3)
    allow(person, minutes=0)
    assert clock(person).seconds_left == 2 * 60


def test_time_taken_away_long_before_the_end_goes_in_full(sitter):
    person = sitter()
    given = allow(person, minutes=30)
    person.start()
    begun, person.now = person.now, person.now + timedelta(minutes=10)

    withdraw(person, given)

    assert deadline(person) == begun + timedelta(minutes=40)
    with pytest.raises(AccommodationNotFound):
        withdraw(person, given)


def test_an_accommodation_that_ends_during_the_sitting_does_not_cut_it(sitter):
    """Nor does another change that makes all of them be looked at again."""
    person = sitter()
    allow(person, factor=200, valid_until=person.now + timedelta(minutes=30))
    person.start()
    begun, person.now = person.now, person.now + timedelta(minutes=45)

    allow(person, minutes=5, form_uuid=person.form_uuid)

    assert deadline(person) == begun + timedelta(minutes=85)


def test_a_finished_sitting_is_not_touched(sitter):
    person = sitter()
    person.start()
    person.sit()
    before = deadline(person)

    allow(person, minutes=30)

    assert deadline(person) == before
    assert events(person, "time_changed") == []


def test_the_deadline_is_shown_before_extra_time_is_given(sitter):
    person = sitter()
    allow(person, factor=150)
    person.start()

    with person.database.reading() as db:
        asked = {"tenant_id": 1, "person_uuid": person.person, "now": person.now}
        told = api.preview_deadline(db, person.attempt, api.Allowance(extra_minutes=10), **asked)
    allow(person, minutes=10, attempt_uuid=person.attempt)

    assert told == deadline(person) == person.now + timedelta(minutes=70)


@pytest.mark.parametrize(
    "fields",
    [
        {"factor": 99},
        {"factor": 1001},
        {"minutes": -1},
        {"minutes": 1441},
        {"pauses": 2},
        {"pause_minutes": 5},
        {"pauses": 21, "pause_minutes": 5},
        {"reason": "diabetes"},
        {"form_uuid": uuid4(), "attempt_uuid": uuid4()},
        {"valid_until": "before"},
    ],
)
def test_an_accommodation_out_of_bounds_is_refused(sitter, fields):
    person = sitter()
    if fields.get("valid_until") == "before":
        fields = {"valid_until": person.now - SECOND}

    with pytest.raises(AccommodationInvalid):
        allow(person, **fields)


def test_who_is_forgotten_leaves_no_accommodation_behind_and_who_is_renamed_takes_it_along(sitter):
    person, new = sitter(), uuid4()
    allow(person, minutes=5)
    person.start()
    allow(person, minutes=9, attempt_uuid=person.attempt)

    with person.database.transaction() as db:
        api.rename_person(db, tenant_id=1, person_uuid=person.person, new_uuid=new)
    with person.database.reading() as db:
        assert set(db.scalars(select(Accommodation.person_uuid))) == {new}
    with person.database.transaction() as db:
        api.forget_person(db, tenant_id=1, person_uuid=new, keep_as=None)

    with person.database.reading() as db:
        assert db.scalar(select(func.count()).select_from(Accommodation)) == 0


# --- warnings, grace, end -----------------------------------------------------------------------------------------------------------------


def test_time_out_ends_an_extended_sitting_at_its_new_deadline_and_grace(sitter):
    person = sitter()
    person.start()
    person.step()
    begun, person.now = person.now, person.now + timedelta(minutes=39)
    allow(person, minutes=10)

    person.now = begun + timedelta(minutes=50, seconds=30)
    assert close(person) == []
    person.now += timedelta(microseconds=1)

    assert close(person) == [(1, person.attempt)]
    assert person.outcome().finished_at == begun + timedelta(minutes=50)


def test_a_preview_past_its_time_is_ended_by_nobody_but_its_teacher(sitter):
    person = sitter()
    person.start(is_preview=True)
    person.step()
    person.now += timedelta(hours=3)

    assert close(person) == []
    assert person.step().just_finished


# --- limits of items ----------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def timed(sitter, make):
    """A person in front of a form whose items take a minute each."""
    return sitter(form=make.form(key="timed", item_seconds=60))


def test_an_answer_in_the_time_of_its_item_counts(timed):
    timed.start()
    step = timed.step()
    timed.now += 70 * SECOND

    following = timed.submit(step)

    assert step.item_seconds_left == 60
    assert (following.position, following.item_seconds_left, following.is_item_late) == (2, 60, False)
    with timed.database.reading() as db:
        assert db.scalars(select(Response.value)).one() == "b"


def test_an_answer_after_the_time_of_its_item_counts_as_none_and_the_next_item_comes(timed):
    timed.start()
    step = timed.step()
    timed.now += 70 * SECOND + timedelta(microseconds=1)

    following = timed.submit(step, "b", "late")

    assert (following.position, following.is_item_late) == (2, True)
    assert timed.submit(step, "b", "late") == following
    with timed.database.reading() as db:
        stored = db.scalars(select(Response)).one()
        assert (stored.value, stored.score, stored.client_id) == (None, 0, "late")
    (late,) = events(timed, "item_time_over")
    assert late.detail["value_json"] == '"b"'


def test_who_asks_after_the_time_of_an_item_gets_the_next_one(timed):
    timed.start()
    first = timed.step()
    timed.now += timedelta(minutes=30)

    following = timed.step()

    assert (following.position, following.is_item_late, following.item_seconds_left) == (2, True, 60)
    assert timed.step().item == following.item
    with timed.database.reading() as db:
        assert db.execute(select(Response.value, Response.score)).one() == (None, 0)
    assert first.item.presentation_uuid != following.item.presentation_uuid


def test_who_asks_within_the_grace_of_an_item_still_sees_it(timed):
    timed.start()
    step = timed.step()
    timed.now += 65 * SECOND

    assert (timed.step().item, timed.step().item_seconds_left) == (step.item, 0)


def test_a_sitting_in_which_items_ran_out_of_time_replays_to_the_last_bit(timed):
    timed.start()
    step, n = timed.step(), 0
    while step.state == "item":
        n += 1
        timed.now += timedelta(seconds=75 if n % 3 == 0 else 20)
        step = timed.submit(step, client_id=f"c{n}") if n % 2 else timed.step() if n % 3 == 0 else timed.submit(step, client_id=f"c{n}")

    with timed.database.reading() as db:
        again = replay(db, timed.attempt)
        assert db.scalar(select(func.count()).select_from(Response).where(Response.client_id.contains("time over"))) >= 2
    assert again.differences == ()
    n_late = sum(response.value is None for response in timed.outcome().responses)
    assert n_late == n // 3
    assert all(response.score == 0 for response in timed.outcome().responses if response.value is None)


def test_an_item_whose_time_was_over_at_the_end_counts_as_not_answered_and_one_that_had_time_left_is_not_seen(timed):
    timed.start()
    timed.step()
    timed.now += timedelta(minutes=41)
    assert close(timed) == [(1, timed.attempt)]
    assert [response.value for response in timed.outcome().responses] == [None]

    timed.start(seed=2)
    first = timed.step()
    timed.now += 20 * SECOND
    timed.submit(first)
    with timed.database.transaction() as db:
        db.execute(update(Attempt).where(Attempt.uuid == timed.attempt).values(deadline_at=timed.now + 30 * SECOND))
    timed.now += timedelta(minutes=2)
    assert close(timed) == [(1, timed.attempt)]
    assert [response.value for response in timed.outcome().responses] == ["b"]


def test_the_time_of_an_item_grows_with_the_factor_and_falls_away_with_minutes(timed):
    allow(timed, factor=150)
    timed.start()
    assert timed.step().item_seconds_left == 90
    assert clock(timed).item_seconds_left == 90

    allow(timed, minutes=5, form_uuid=timed.form_uuid)

    assert timed.step().item_seconds_left is None
    assert clock(timed).item_seconds_left is None


def test_an_item_may_say_itself_how_long_it_takes(sitter, make):
    bank = make.bank()
    for item in bank["items"]:
        item["time_limit_seconds"] = 45
    person = sitter(bank=bank, form=make.form(key="own", item_seconds=60))
    person.start()

    assert person.step().item_seconds_left == 45


def linear(make, **fields):
    items = [f"{domain}-{number:03}" for number in (1, 2) for domain in ("DLIT", "DGOV", "DLEAD")]
    document = make.form(type="linear", items=items, min_items=6, max_items=6, **fields)
    for name in ("exposure", "stop"):
        document.pop(name)
    return document | {"domains": [{**domain, "min": 0, "max": 6} for domain in document["domains"]]}


def test_fixed_items_with_limits_come_one_by_one_and_the_test_goes_on_after_a_late_one(sitter, make):
    person = sitter(form=linear(make, key="linear-timed", item_seconds=60))
    person.start()
    step = person.step()
    assert (step.position, step.item_seconds_left, step.ahead) == (1, 60, ())
    person.now += timedelta(minutes=2)
    for n in range(5):
        step = person.step()
        assert (step.position, step.item_seconds_left) == (n + 2, 60)
        step = person.submit(step, client_id=f"c{n}")

    assert step.state == "finished"
    assert [response.value for response in person.outcome().responses] == [None, "b", "b", "b", "b", "b"]
    with person.database.reading() as db:
        assert replay(db, person.attempt).differences == ()


def test_a_form_whose_answers_may_change_takes_no_limits_of_items(sitter, make):
    with pytest.raises(FormInvalid, match="item_seconds"):
        sitter(form=linear(make, key="linear-review", item_seconds=60, review=True))


def test_own_limits_of_items_say_nothing_where_answers_may_change(sitter, make):
    bank = make.bank()
    for item in bank["items"]:
        item["time_limit_seconds"] = 45
    person = sitter(bank=bank, form=linear(make, key="linear-open", review=True))
    person.start()

    assert person.step().item_seconds_left is None


def test_a_pause_stops_the_time_of_the_item_too(sitter, make):
    person = sitter(form=make.form(key="timed-pause", item_seconds=60, pauses={"number": 1, "minutes": 10}))
    person.start()
    step = person.step()
    person.now += 20 * SECOND
    pause(person)
    person.now += timedelta(minutes=7)
    resume(person)

    assert (person.step().item, person.step().item_seconds_left) == (step.item, 40)


# --- pauses -------------------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def rested(sitter, make):
    """A person in front of a form with two pauses of ten minutes."""
    person = sitter(form=make.form(key="rested", pauses={"number": 2, "minutes": 10}))
    person.start()
    return person


def test_in_a_pause_the_clock_stands_still_and_nothing_of_the_item_is_shown(rested):
    shown = rested.step()
    rested.now += timedelta(minutes=10)
    pause(rested)
    rested.now += timedelta(minutes=4)

    step = rested.step()

    assert (step.state, step.item, step.seconds_left) == ("paused", None, 30 * 60)
    assert step.pause_ends_at == rested.now + timedelta(minutes=6)
    assert (clock(rested).state, clock(rested).seconds_left, clock(rested).pause_seconds_left) == ("paused", 30 * 60, 6 * 60)
    resume(rested)
    again = rested.step()
    assert (again.item, again.seconds_left, again.pauses_left) == (shown.item, 30 * 60, 1)
    assert [len(events(rested, kind)) for kind in ("paused", "resumed")] == [1, 1]


def test_a_pause_ends_by_itself_and_the_clock_runs_on(rested):
    rested.step()
    begun = rested.now
    pause(rested)
    rested.now += timedelta(minutes=15)

    step = rested.step()

    assert (step.state, step.seconds_left) == ("item", 35 * 60)
    assert deadline(rested) == begun + timedelta(minutes=50)
    resume(rested)
    assert deadline(rested) == begun + timedelta(minutes=50)


def test_no_more_pauses_than_there_is_a_right_to(rested):
    rested.step()
    for _ in range(2):
        pause(rested)
        pause(rested)  # twice is one
        rested.now += MINUTE
        resume(rested)

    with pytest.raises(PauseRefused):
        pause(rested)
    assert rested.step().pauses_left == 0


def test_an_answer_in_a_pause_waits_until_the_person_goes_on(rested):
    step = rested.step()
    pause(rested)

    with pytest.raises(AttemptPaused):
        rested.submit(step)
    resume(rested)

    assert rested.submit(step).position == 2


def test_a_pause_is_for_the_device_that_answers_and_ends_on_any(rested):
    rested.step("phone")
    with pytest.raises(AttemptMoved):
        pause(rested, "laptop")
    pause(rested, "phone")
    assert rested.step("laptop").state == "paused"

    resume(rested)

    assert rested.step("laptop").device_moved


def test_a_pause_after_the_deadline_is_refused(rested):
    rested.step()
    rested.now += timedelta(minutes=40)

    with pytest.raises(PauseRefused):
        pause(rested)


def test_a_paused_sitting_is_ended_when_its_pause_and_its_time_are_over(rested):
    rested.step()
    begun, rested.now = rested.now, rested.now + timedelta(minutes=39)
    pause(rested)
    rested.now = begun + timedelta(minutes=50, seconds=30)
    assert close(rested) == []

    rested.now += SECOND

    assert close(rested) == [(1, rested.attempt)]


def test_a_right_to_pauses_can_be_given_to_one_person_while_the_sitting_runs(sitter):
    person = sitter()
    person.start()
    assert person.step().pauses_left == 0
    with pytest.raises(PauseRefused):
        pause(person)

    allow(person, pauses=3, pause_minutes=5)

    assert (person.step().pauses_left, person.step().pause_minutes) == (3, 5)
    pause(person)
    assert person.step().state == "paused"


# --- absences -----------------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def lenient(sitter, make):
    """A person in front of a form whose clock stops for fifteen minutes while the person is away."""
    person = sitter(form=make.form(key="lenient", clock_while_away="stops", away_minutes=15))
    person.start()
    return person


def test_the_clock_runs_on_while_away_unless_the_form_says_otherwise(sitter):
    person = sitter()
    person.start()
    person.step()
    person.now += timedelta(minutes=12)

    assert person.step().seconds_left == 28 * 60
    assert person.step().away_minutes == 0
    assert not clock(person).wants_note


def test_the_clock_stops_for_who_is_away_as_long_as_the_form_allows(lenient):
    lenient.step()
    lenient.now += timedelta(minutes=12)
    back = lenient.step()
    assert (back.seconds_left, back.away_minutes) == (40 * 60, 3)

    lenient.now += timedelta(minutes=12)

    assert lenient.step().seconds_left == 31 * 60
    assert len(events(lenient, "away")) == 2
    lenient.now += timedelta(minutes=12)
    assert lenient.step().seconds_left == 19 * 60


def test_an_answer_from_who_was_away_counts_in_the_time_that_was_kept(lenient):
    step = lenient.step()
    keep_page_alive(lenient, 35)
    lenient.now += timedelta(minutes=14)

    following = lenient.submit(step)

    assert following.seconds_left == 5 * 60


def test_a_page_that_is_open_stops_no_clock_however_long_the_person_thinks(lenient):
    lenient.step()

    keep_page_alive(lenient, 20)

    assert lenient.step().seconds_left == 20 * 60
    assert events(lenient, "away") == []


def test_who_is_away_at_the_deadline_is_waited_for_as_long_as_the_form_allows(lenient):
    step = lenient.step()
    begun = lenient.now
    keep_page_alive(lenient, 30)
    lenient.now = begun + timedelta(minutes=42)
    assert close(lenient) == []
    assert deadline(lenient) == begun + timedelta(minutes=55)

    lenient.now = begun + timedelta(minutes=43)
    assert clock(lenient).wants_note
    assert clock(lenient, note=True).seconds_left == 10 * 60
    assert lenient.submit(step).position == 2


def test_who_never_comes_back_is_closed_when_the_wait_is_over(lenient):
    lenient.step()
    begun = lenient.now
    lenient.now += timedelta(minutes=42)
    assert close(lenient) == []
    lenient.now = begun + timedelta(minutes=55, seconds=31)

    assert close(lenient) == [(1, lenient.attempt)]
    assert lenient.outcome().finished_at == begun + timedelta(minutes=55)


def test_who_was_there_at_the_deadline_is_closed_at_once(lenient):
    lenient.step()
    keep_page_alive(lenient, 40)
    lenient.now += 31 * SECOND

    assert close(lenient) == [(1, lenient.attempt)]


def test_a_page_that_another_device_has_locked_gives_no_sign_of_life(lenient):
    lenient.step("phone")
    lenient.step("laptop")
    lenient.now += MINUTE

    on_phone = clock(lenient, "phone")

    assert (on_phone.is_elsewhere, on_phone.wants_note) == (True, False)
    assert clock(lenient, "laptop").wants_note


# --- what it costs, and what is told ------------------------------------------------------------------------------------------------------


def test_asking_the_clock_is_one_statement_that_takes_no_lock(sitter):
    person = sitter()
    person.start()
    person.step()
    clock(person)
    said = []
    event.listen(person.database.engine, "before_cursor_execute", lambda *told: said.append(told[2]))

    shown = clock(person)

    assert shown.state == "running"
    asked = [text for text in said if "attempt" in text]
    assert len(asked) == 1
    assert "FOR UPDATE" not in asked[0]


def test_the_clock_of_a_finished_sitting_says_so(sitter):
    person = sitter()
    person.start()
    person.sit()

    assert clock(person) == api.ClockView("finished")


def test_those_under_way_are_listed_with_what_a_teacher_asks(sitter):
    person, ahead, done = sitter(), sitter(person=uuid4()), sitter(person=uuid4())
    for one in (person, ahead, done):
        one.start()
    done.sit()
    step = ahead.step()
    for _ in range(3):
        ahead.now += MINUTE
        step = ahead.submit(step)
    allow(ahead, minutes=10)

    with person.database.reading() as db:
        found = api.list_open(
            db, tenant_id=1, form_uuid=person.form_uuid, persons=select(Attempt.person_uuid), now=person.now + timedelta(minutes=5)
        )

    assert [(one.person_uuid, one.n_items, one.seconds_left, one.extra_minutes) for one in found] == [
        (person.person, 0, 35 * 60, 0),
        (ahead.person, 3, 45 * 60, 10),
    ]
    assert found[1].last_at == person.now + 3 * MINUTE


def test_what_is_kept_of_a_late_item_is_plain_json(timed):
    timed.start()
    timed.step()
    timed.now += timedelta(minutes=2)
    timed.step()

    with timed.database.reading() as db:
        (kept,) = api.list_kept(db, tenant_id=1, person_uuid=timed.person)
    assert json.dumps(kept.answers[0].value) == "null"


def test_a_late_answer_to_a_closed_sitting_is_still_refused(timed):
    timed.start()
    step = timed.step()
    timed.now += timedelta(hours=1)

    with pytest.raises(AttemptClosed):
        timed.submit(step)
