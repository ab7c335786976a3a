"""Delivery rules 1 to 5 by the door, on real databases."""

import json
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from datetime import timedelta

import pytest
from sqlalchemy import event, func, select

from assessment import api
from assessment.errors import (
    AlreadyAnswered,
    AnswerInvalid,
    AttemptClosed,
    AttemptMoved,
    AttemptNotFound,
    AttemptOpen,
    FormNotFound,
    PresentationNotFound,
)
from assessment.models import AbilityEstimate, Attempt, AttemptEvent, Presentation, Response


def count(database, table, *where):
    with database.reading() as db:
        return db.scalar(select(func.count()).select_from(table).where(*where))


def test_an_attempt_runs_from_start_to_outcome(sitter):
    person = sitter()
    started = person.start()

    end = person.sit()

    outcome = person.outcome()
    assert not started.resumed
    assert (end.state, end.item, end.just_finished) == ("finished", None, True)
    assert 18 <= end.position == outcome.n_items == len(outcome.responses) <= 20
    assert outcome.person_uuid == person.person
    assert outcome.launch_ref == "launch-1"
    assert [area.domain for area in outcome.areas] == ["DLIT", "DGOV", "DLEAD"]
    assert all(6 <= area.n_items <= 8 and area.n_right == area.n_items and not area.indicative for area in outcome.areas)
    assert all(area.level == 3 for area in outcome.areas)
    assert outcome.scaled == 1
    assert outcome.finish_reason in {"precise", "max_items"}


def test_an_acknowledged_answer_is_in_the_database(sitter):
    person = sitter()
    person.start()
    first = person.step()

    second = person.submit(first, "c", "one", active_ms=1234)

    with person.database.reading() as db:
        stored = db.scalars(select(Response)).one()
        assert (stored.value, stored.score, stored.client_id, stored.active_ms) == ("c", 0, "one", 1234)
        assert stored.received_at == second.saved_at == person.now
    assert second.position == 2


def test_the_same_client_id_gives_the_same_reply_and_no_second_row(sitter):
    person = sitter()
    person.start()
    first = person.step()
    reply = person.submit(first, "b", "one")

    again = person.submit(first, "b", "one")
    changed = person.submit(first, "c", "one")

    assert again == changed == reply
    assert count(person.database, Response) == 1


def test_a_repeat_after_later_answers_still_gives_its_own_reply(sitter):
    person = sitter()
    person.start()
    first = person.step()
    reply = person.submit(first, "b", "one")
    person.submit(reply, "b", "two")

    assert person.submit(first, "b", "one") == reply
    assert count(person.database, Response) == 2


def test_the_last_answer_repeated_gives_the_end_again(sitter):
    person = sitter()
    person.start()
    step = person.step()
    while step.state == "item":
        last, step = step, person.submit(step, "b", f"client-{step.position}")

    again = person.submit(last, "b", f"client-{last.position}")

    assert again == replace(step, just_finished=False)
    assert count(person.database, AbilityEstimate) == 3


def test_a_client_id_names_one_answer_only(sitter):
    person = sitter()
    person.start()
    second = person.submit(person.step(), "b", "one")

    with pytest.raises(AnswerInvalid):
        person.submit(second, "b", "one")

    assert count(person.database, Response) == 1


def test_an_item_takes_one_answer(sitter):
    person = sitter()
    person.start()
    first = person.step()
    person.submit(first, "b", "one")

    with pytest.raises(AlreadyAnswered):
        person.submit(first, "c", "two")

    assert count(person.database, Response) == 1


def test_reload_shows_the_same_item_in_the_same_order(sitter):
    person = sitter()
    person.start()
    shown = person.submit(person.step())
    person.now += timedelta(seconds=70)

    again = person.step()

    assert again.item == shown.item
    assert again.position == 2
    assert again.seconds_left == shown.seconds_left - 70
    assert not again.device_moved


def test_another_device_takes_over_and_the_older_one_is_refused(sitter):
    person = sitter()
    person.start()
    on_phone = person.step("phone")

    on_laptop = person.step("laptop")

    assert on_laptop.item == on_phone.item
    assert (on_phone.device_moved, on_laptop.device_moved) == (False, True)
    with pytest.raises(AttemptMoved):
        person.submit(on_phone, device="phone")
    assert count(person.database, Response) == 0
    assert person.submit(on_laptop, device="laptop").position == 2
    assert count(person.database, AttemptEvent, AttemptEvent.kind == "device_moved") == 1


def test_a_device_that_never_asked_for_the_step_cannot_answer(sitter):
    person = sitter()
    person.start()
    step = person.step("phone")

    with pytest.raises(AttemptMoved):
        person.submit(step, device="stranger")


def test_starting_again_resumes_the_open_attempt(sitter):
    person = sitter()
    first = person.start()

    again = person.start(seed=99)

    assert again.attempt_uuid == first.attempt_uuid
    assert again.resumed
    assert count(person.database, Attempt) == 1


def test_after_the_end_a_new_attempt_begins(sitter):
    person = sitter()
    first = person.start()
    person.sit()

    second = person.start()

    assert second.attempt_uuid != first.attempt_uuid
    with person.database.reading() as db:
        summary = api.find_attempt(db, tenant_id=1, person_uuid=person.person, form_uuid=person.form_uuid)
    assert (summary.uuid, summary.n, summary.state, summary.position) == (second.attempt_uuid, 2, "open", 0)


def test_a_retaker_meets_no_item_of_the_last_year_while_others_suffice(sitter, make):
    person = sitter(bank=make.bank(n_per_domain=20))
    person.start()
    person.sit()
    first = {response.item_key for response in person.outcome().responses}
    person.now += timedelta(days=100)
    person.start(seed=2)
    person.sit()
    second = {response.item_key for response in person.outcome().responses}

    assert first & second == set()


def test_items_seen_more_than_a_year_ago_come_back(sitter, make):
    person = sitter(bank=make.bank(n_per_domain=9))
    person.start()
    person.sit()
    person.now += timedelta(days=366)
    person.start(seed=2)

    with person.database.reading() as db:
        assert db.scalars(select(Attempt.seen_item_ids).order_by(Attempt.id.desc())).first() == []
    assert person.sit().state == "finished"


def test_a_small_bank_gives_seen_items_again_rather_than_no_test(sitter, make):
    person = sitter(bank=make.bank(n_per_domain=8))
    for seed in (1, 2):
        person.start(seed=seed)
        person.sit()

    assert person.outcome().finish_reason in {"precise", "max_items"}
    assert count(person.database, Presentation, Presentation.waived == "seen") > 0


def test_an_answer_within_the_grace_counts_and_ends_the_attempt(sitter):
    person = sitter()
    person.start()
    step = person.submit(person.step())
    person.now += timedelta(minutes=40, seconds=30)

    end = person.submit(step, "b", "late-but-in-time")

    assert (end.state, end.position, end.just_finished) == ("finished", 2, True)
    assert person.outcome().finish_reason == "time"
    assert all(area.indicative for area in person.outcome().areas)


def test_asking_for_the_step_within_the_grace_cuts_off_no_answer_on_its_way(sitter):
    person = sitter()
    person.start()
    step = person.submit(person.step())
    person.now += timedelta(minutes=40, seconds=30)

    waiting = [person.step(), person.step(device="laptop")]
    end = person.submit(step, "b", "on-its-way")

    assert [(seen.state, seen.seconds_left, seen.device_moved, seen.just_finished) for seen in waiting] == [("item", 0, False, False)] * 2
    assert waiting[1].item == step.item
    assert (end.state, end.position, end.just_finished) == ("finished", 2, True)


def test_asking_for_the_step_after_the_grace_ends_the_attempt(sitter):
    person = sitter()
    person.start()
    person.step()
    deadline = person.now + timedelta(minutes=40)
    person.now = deadline + timedelta(seconds=30, microseconds=1)

    end = person.step()

    assert (end.state, end.just_finished) == ("finished", True)
    assert (person.outcome().finish_reason, person.outcome().finished_at) == ("time", deadline)


def test_an_attempt_without_an_item_shown_ends_at_its_deadline(sitter):
    person = sitter()
    person.start()
    person.now += timedelta(minutes=40)

    assert person.step().just_finished


def test_an_answer_after_the_grace_is_refused_and_kept_as_an_event(sitter):
    person = sitter()
    person.start()
    step = person.step()
    person.now += timedelta(minutes=40, seconds=31)

    with pytest.raises(AttemptClosed) as refusal:
        person.submit(step, "b", "too-late")
    for _ in range(2):
        with person.database.transaction() as db:
            api.keep_late_answer(db, refusal.value.late)

    assert refusal.value.code == "attempt_closed"
    assert count(person.database, Response) == 0
    with person.database.reading() as db:
        kept = db.scalars(select(AttemptEvent)).one()
        assert (kept.kind, kept.at, kept.detail["value_json"], kept.key) == ("late_answer", person.now, '"b"', "too-late")


@pytest.mark.parametrize("value", ["nul\x00", "\ud800", "x" * 5000, {"deep": [1, None]}])
def test_any_late_value_can_be_kept(sitter, value):
    person = sitter()
    person.start()
    step = person.step()
    person.now += timedelta(hours=1)

    with pytest.raises(AttemptClosed) as refusal:
        person.submit(step, value)
    with person.database.transaction() as db:
        api.keep_late_answer(db, refusal.value.late)

    assert count(person.database, AttemptEvent) == 1


def test_a_finished_attempt_refuses_responses(sitter):
    person = sitter()
    person.start()
    step = person.step()
    person.now += timedelta(minutes=41)
    assert person.step().just_finished

    with pytest.raises(AttemptClosed):
        person.submit(step)
    assert not person.step().just_finished


def test_the_deadline_is_the_servers_and_shown_with_each_step(sitter):
    person = sitter()
    person.start()
    deadline = person.now + timedelta(minutes=40)
    person.now += timedelta(seconds=100)

    step = person.step()

    assert step.deadline_at == deadline
    assert step.seconds_left == 2300


def test_overdue_attempts_end_without_the_browser_once_the_grace_is_over(sitter):
    person, other = sitter(), sitter(person=uuid.UUID(int=2))
    person.start()
    step = person.submit(person.step(), "b")
    other.start()
    moments = [person.now + timedelta(minutes=40, seconds=30), person.now + timedelta(minutes=40, seconds=31)]

    closed = []
    for moment in moments:
        with person.database.transaction() as db:
            closed.append(api.close_overdue(db, now=moment, limit=10))

    assert closed[0] == []
    assert sorted(closed[1]) == sorted([(1, person.attempt), (1, other.attempt)])
    assert person.outcome().n_items == 1
    assert other.outcome().n_items == 0
    assert all((area.wle, area.level, area.indicative) == (None, 0, True) for area in other.outcome().areas)
    assert other.outcome().scaled == 0
    person.now = moments[1]
    with pytest.raises(AttemptClosed):
        person.submit(step, "b", "afterwards")


@pytest.mark.parametrize("noticed_by", ["worker", "browser"])
def test_a_sitting_whose_time_ran_out_ended_at_its_deadline_however_late_that_is_noticed(sitter, noticed_by):
    person = sitter()
    person.start()
    person.submit(person.step())
    deadline = person.now + timedelta(minutes=40)
    person.now += timedelta(days=2)

    if noticed_by == "browser":
        person.step()
    else:
        with person.database.transaction() as db:
            api.close_overdue(db, now=person.now, limit=10)

    outcome = person.outcome()
    assert (outcome.finish_reason, outcome.finished_at) == ("time", deadline)


def test_what_is_shown_holds_no_key_no_parameters_no_rationale(sitter):
    person = sitter()
    person.start()

    shown = json.dumps(asdict(person.step()), default=str)

    assert "stem of" in shown
    for secret in ("rationale", "correct", "params", "theta", '"a":', '"b":'):
        assert secret not in shown


def test_a_reply_has_the_same_shape_after_a_right_and_after_a_wrong_answer(sitter):
    replies = []
    for number, value in ((1, "b"), (2, "c")):
        person = sitter(person=uuid.UUID(int=number))
        person.start()
        replies.append(person.submit(person.step(), value))

    right, wrong = (set(json.loads(json.dumps(asdict(reply), default=str))) for reply in replies)
    assert right == wrong
    assert len({(reply.state, reply.position, reply.min_items, reply.max_items, reply.seconds_left) for reply in replies}) == 1


@pytest.mark.parametrize("who", [{"tenant_id": 2}, {"person": uuid.UUID(int=77)}])
def test_the_attempt_of_somebody_else_is_not_found(sitter, who):
    person = sitter()
    person.start()
    step = person.step()
    stranger = replace(person, **who)

    with pytest.raises(AttemptNotFound):
        stranger.step()
    with pytest.raises(AttemptNotFound):
        stranger.submit(step)


def test_an_item_of_another_attempt_cannot_be_answered(sitter):
    person, other = sitter(), sitter(person=uuid.UUID(int=2))
    person.start()
    other.start()
    person.step()

    with pytest.raises(PresentationNotFound):
        person.submit(other.step())


@pytest.mark.parametrize("value", [None, 1, True, [], {}, "z", ["b"], {"score": 1}, {"value": "b", "is_correct": True}])
def test_an_answer_of_the_wrong_form_is_refused_and_the_item_stays(sitter, value):
    person = sitter()
    person.start()
    step = person.step()

    with pytest.raises(AnswerInvalid):
        person.submit(step, value)

    assert count(person.database, Response) == 0
    assert person.step().item == step.item


@pytest.mark.parametrize("client_id", ["", "x" * 65, "two words", "nul\x00", "ไทย"])
def test_a_client_id_has_1_to_64_visible_ascii_characters(sitter, client_id):
    person = sitter()
    person.start()
    step = person.step()
    answer = api.Answer(step.item.presentation_uuid, client_id, "b")

    with person.database.transaction() as db, pytest.raises(AnswerInvalid):
        api.submit_response(db, person.attempt, answer, tenant_id=1, person_uuid=person.person, device="phone", now=person.now)


@pytest.mark.parametrize(("told", "kept"), [(-1, None), (10**9, None), (0, 0), (5, 5)])
def test_an_impossible_time_on_item_is_dropped_and_the_answer_is_kept(sitter, told, kept):
    person = sitter()
    person.start()

    person.submit(person.step(), active_ms=told)

    with person.database.reading() as db:
        assert db.scalars(select(Response.active_ms)).one() == kept


def test_there_is_no_outcome_before_the_end(sitter):
    person = sitter()
    person.start()

    with pytest.raises(AttemptOpen):
        person.outcome()
    with person.database.reading() as db, pytest.raises(AttemptNotFound):
        api.get_outcome(db, person.attempt, tenant_id=2)


def test_an_unknown_form_is_not_found(sitter):
    person = sitter()

    with pytest.raises(FormNotFound):
        person.start(form_uuid=uuid.UUID(int=9))


def test_parallel_submits_of_one_item_store_one_answer(sitter):
    person = sitter()
    person.start()
    step = person.step()

    def attempt(number):
        try:
            return person.submit(step, "b", f"click-{number}")
        except AlreadyAnswered as refusal:
            return refusal

    with ThreadPoolExecutor(8) as pool:
        replies = list(pool.map(attempt, range(8)))

    assert sum(isinstance(reply, AlreadyAnswered) for reply in replies) == 7
    assert count(person.database, Response) == 1
    assert count(person.database, Presentation) == 2


def test_parallel_repeats_of_one_answer_all_get_the_same_reply(sitter):
    person = sitter()
    person.start()
    step = person.step()

    with ThreadPoolExecutor(8) as pool:
        replies = list(pool.map(lambda _: person.submit(step, "b", "the-same"), range(8)))

    assert all(reply == replies[0] for reply in replies)
    assert count(person.database, Response) == 1


def test_parallel_submits_of_the_last_item_end_the_attempt_once(sitter):
    person = sitter()
    person.start()
    step = person.step()
    while step.position < 18:
        step = person.submit(step, "b")
    person.now += timedelta(minutes=40, seconds=5)

    def attempt(number):
        try:
            return person.submit(step, "b", f"click-{number}").just_finished
        except AttemptClosed:
            return None

    with ThreadPoolExecutor(8) as pool:
        ends = list(pool.map(attempt, range(8)))

    assert ends.count(True) == 1
    assert ends.count(None) == 7
    assert count(person.database, AbilityEstimate) == 3


def test_parallel_starts_open_one_attempt(sitter):
    person = sitter()

    def start(number):
        with person.database.transaction() as db:
            return api.start_attempt(
                db, tenant_id=1, person_uuid=person.person, form_uuid=person.form_uuid, launch_ref="x", seed=number, now=person.now
            )

    with ThreadPoolExecutor(8) as pool:
        starts = list(pool.map(start, range(8)))

    assert len({started.attempt_uuid for started in starts}) == 1
    assert sum(not started.resumed for started in starts) == 1


def test_parallel_workers_close_an_overdue_attempt_once(sitter):
    persons = [sitter(person=uuid.UUID(int=number)) for number in range(1, 7)]
    for person in persons:
        person.start()
    moment = persons[0].now + timedelta(hours=1)

    def close(_worker):
        with persons[0].database.transaction() as db:
            return api.close_overdue(db, now=moment, limit=2)

    with ThreadPoolExecutor(4) as pool:
        closed = [attempt for batch in pool.map(close, range(8)) for attempt in batch]

    assert sorted(closed) == sorted((1, person.attempt) for person in persons)
    assert count(persons[0].database, AbilityEstimate) == 18


def test_an_attempt_ends_when_the_bank_has_nothing_left_to_give(sitter, make):
    enemies = [f"DGOV-{number:03}" for number in range(2, 11)]
    bank = make.bank(n_per_domain=10)
    for item in bank["items"]:
        if item["key"] == "DGOV-001":
            item["enemies"] = enemies
    form = make.form(min_items=25, max_items=30, domains=[{**domain, "max": 10} for domain in make.form()["domains"]])
    person = sitter(bank=bank, form=form)
    person.start()
    person.sit()

    outcome = person.outcome()
    keys = {response.item_key for response in outcome.responses}

    assert outcome.finish_reason == "bank_exhausted"
    assert len(keys) == outcome.n_items
    assert not ("DGOV-001" in keys and keys & set(enemies))


@pytest.mark.parametrize("seed", [0, 2**63 - 1, 2**64 + 5, -1])
def test_any_seed_starts_an_attempt(sitter, seed):
    person = sitter()
    person.start(seed=seed)

    assert person.sit().state == "finished"


def test_a_start_finds_what_a_person_has_met_by_an_index_on_the_person(sitter):
    person = sitter()
    if person.database.engine.dialect.name != "sqlite":
        pytest.skip("a planner that looks at the data reads so few rows without any index")
    asked = []
    event.listen(person.database.engine, "before_cursor_execute", lambda *call: asked.append((call[2], call[3])))
    person.start()

    (seen,) = (call for call in asked if call[0].startswith("SELECT DISTINCT presentation.item_id"))
    with person.database.reading() as db:
        plan = [row.detail for row in db.connection().exec_driver_sql(f"EXPLAIN QUERY PLAN {seen[0]}", seen[1])]

    assert any("ix_attempt_person (tenant_id=? AND person_uuid=?)" in step for step in plan), plan


def test_an_answer_costs_at_most_six_statements(sitter):
    person = sitter()
    person.start()
    step = person.submit(person.step())
    statements = []

    def note(_connection, _cursor, statement, *_rest):
        statements.append(statement)

    event.listen(person.database.engine, "before_cursor_execute", note)
    person.submit(step)

    work = [statement for statement in statements if not statement.startswith(("BEGIN", "COMMIT"))]
    assert len(work) <= 6, work


def test_list_outcomes_shows_where_each_person_stands(sitter):
    done, begun = sitter(), sitter(person=uuid.UUID(int=2))
    done.start()
    done.sit()
    begun.start()
    begun.submit(begun.step())
    absent = uuid.UUID(int=3)

    with done.database.reading() as db:
        found = api.list_outcomes(db, tenant_id=1, form_uuid=done.form_uuid, person_uuids=[done.person, begun.person, absent])
        elsewhere = api.list_outcomes(db, tenant_id=2, form_uuid=done.form_uuid, person_uuids=[done.person])

    assert set(found) == {done.person, begun.person}
    assert found[done.person].state == "finished"
    assert found[done.person].areas == done.outcome().areas
    assert (found[begun.person].state, found[begun.person].n_items, found[begun.person].areas) == ("open", 1, ())
    assert elsewhere == {}
