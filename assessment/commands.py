"""Commands on attempts: start, step, answer, end.

An attempt's state is rebuilt from its stored presentations each time, under a lock of its row, so that any process may
serve any request. An answer: lock the attempt, read its history, store the answer, store the next item: four statements.
"""

import re
from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final, cast
from uuid import UUID

from sqlalchemy import Table, delete, insert, literal, select, update
from sqlalchemy.orm import Session

from assessment import sheets
from assessment.accommodations import allowance_of, forget_accommodations, rename_accommodations
from assessment.admission import OPEN_TO_ALL, AdmissionRules, Visit, check_place
from assessment.cat import Choice
from assessment.draws import shuffled
from assessment.errors import (
    AlreadyAnswered,
    AnswerInvalid,
    AttemptClosed,
    AttemptMoved,
    AttemptPaused,
    LateAnswer,
    PresentationNotFound,
    ReviewNotAllowed,
)
from assessment.locked import (
    ATTEMPTS,
    Locked,
    Shown,
    attempt_table,
    insert_of,
    keep_event,
    lock_attempt,
    presentation_table,
    read_history,
    response_table,
)
from assessment.models import (
    INTEGRITY_TABLES,
    AbilityEstimate,
    Accommodation,
    Attempt,
    AttemptEvent,
    ChangedResponse,
    ItemVersion,
    Presentation,
    Response,
)
from assessment.pauses import item_over_at, leave_to_absence, settle_absence
from assessment.person_groups import forget_groups, rename_groups
from assessment.pool import CompiledForm, CompiledItem, compiled_form, exposure_of
from assessment.queries import newest_form
from assessment.scoring import points
from assessment.sitting import Sitting
from assessment.timing import GRACE, ITEM_GRACE, Clock, allow
from assessment.verdicts import area_estimates
from assessment.views import Answer, AttemptStart, ItemView, Place, Sheet, Step
from kernel import strictjson
from kernel.db import UtcDateTime, connection_of
from kernel.ids import derived_uuid, new_uuid
from kernel.prepared import Prepared, all_but_id

SEEN_FOR: Final = timedelta(days=365)
"""How long an item that a person met is kept from them while others suffice."""

_CLIENT_ID: Final = re.compile(r"[!-~]{1,64}")
_SEED_BITS: Final = 2**63 - 1
MAX_ACTIVE_MS: Final = 86_400_000
MAX_AWAY_COUNT: Final = 10_000
MAX_LATE_VALUE_BYTES: Final = 4000

_STORE_ESTIMATES: Final = insert(cast("Table", AbilityEstimate.__table__))
_STORE_RESPONSE: Final = Prepared(insert(response_table).values(all_but_id(response_table)))
_STORE_PRESENTATION: Final = Prepared(insert(presentation_table).values(all_but_id(presentation_table)).returning(presentation_table.c.id))


def start_attempt(
    db: Session,
    *,
    tenant_id: int,
    person_uuid: UUID,
    form_uuid: UUID,
    launch_ref: str,
    seed: int,
    now: datetime,
    is_preview: bool = False,
    admission: AdmissionRules = OPEN_TO_ALL,
) -> AttemptStart:
    """Opens an attempt on the newest version of a form, or gives the one that is open already.

    launch_ref  up to 255 characters
    seed        decides every draw of the attempt; its lower 63 bits are kept
    is_preview  the attempt counts for nothing, until `forget_previews` removes it; person_uuid is then nobody's
    admission   rules that the caller has judged the beginning by; those of network and browser hold until the end
    Raises      FormNotFound
    """
    form, version = newest_form(db, form_uuid, tenant_id=tenant_id)
    mine = (Attempt.tenant_id == tenant_id, Attempt.person_uuid == person_uuid)
    find_open = select(Attempt.uuid).where(*mine, Attempt.form_id == form.id, Attempt.state == "open")
    if (open_uuid := db.scalar(find_open)) is not None:
        return AttemptStart(open_uuid, resumed=True)
    seen = db.scalars(
        select(Presentation.item_id)
        .join(Attempt, Attempt.id == Presentation.attempt_id)
        .where(*mine, Presentation.shown_at > now - SEEN_FOR)
        .distinct()
    )
    allowance = allowance_of(db, tenant_id=tenant_id, person_uuid=person_uuid, form=compiled_form(db, version.uuid), now=now)
    clock = allow(Clock(now, version.document["minutes"]), allowance, now=now)
    attempt_uuid = new_uuid()
    row = {
        "tenant_id": tenant_id,
        "uuid": attempt_uuid,
        "person_uuid": person_uuid,
        "form_id": form.id,
        "form_version_id": version.id,
        "state": "open",
        "seed": seed & _SEED_BITS,
        "seen_item_ids": sorted(seen),
        "launch_ref": launch_ref,
        "started_at": now,
        "deadline_at": clock.deadline_at,
        "factor_percent": clock.factor_percent,
        "extra_minutes": clock.extra_minutes,
        "pauses_allowed": allowance.pauses,
        "pause_minutes": allowance.pause_minutes,
        "is_preview": is_preview,
        "admission": admission.model_dump(mode="json", exclude_defaults=True) or None,
    }
    # a second start at the same moment loses at the unique index and takes the winner's attempt
    if db.execute(insert_of(db, Attempt).values(row).on_conflict_do_nothing().returning(Attempt.id)).first() is None:
        return AttemptStart(db.scalars(find_open).one(), resumed=True)
    return AttemptStart(attempt_uuid, resumed=False)


def get_step(
    db: Session,
    attempt_uuid: UUID,
    *,
    tenant_id: int,
    person_uuid: UUID,
    device: str,
    now: datetime,
    visit: Visit | None = None,
    at: int | UUID | None = None,
) -> Step:
    """Where the attempt stands, for the device that asks: it may answer from now on, and any other may not.

    Shows the first item when none was shown yet; ends the attempt when its time is over. While an answer to the item shown
    may still be on its way, within the grace after the deadline, that item is shown with no second left and nothing changes,
    so that whoever asks does not cut that answer off. An item whose own time is over counts as not answered, and the next one
    is shown; in a pause none is. It writes: call it in a writing transaction, also for a GET.

    device   names the browser and tab, up to 128 characters
    visit    where the request comes from, for attempts whose rules ask
    at       where the person may go back: a position or a presentation, or `SUMMARY`; None: the first item without an answer
    Raises   AttemptNotFound, NetworkRefused, SafeExamBrowserNeeded
    """
    attempt = lock_attempt(db, attempt_uuid, tenant_id=tenant_id, person_uuid=person_uuid)
    form = compiled_form(db, attempt.version_uuid)
    history = read_history(db, attempt.id, with_values=form.document.review)
    if attempt.state != "open":
        return _finished(attempt, form, history, now=now)
    if attempt.admission:
        check_place(AdmissionRules.model_validate(attempt.admission), visit, is_known=attempt.device == device)
    if attempt.is_paused(now):
        return _paused(attempt, form, history, now=now)
    attempt = settle_absence(db, attempt, form, history, now=now)
    if form.is_handed_out:
        return _step_of_handed_out(db, attempt, form, history, device=device, at=at, now=now)
    return _step_of_chosen(db, attempt, form, history, device=device, now=now)


def _step_of_chosen(db: Session, attempt: Locked, form: CompiledForm, history: list[Shown], *, device: str, now: datetime) -> Step:
    """`get_step` in a test whose items are shown one by one."""
    is_item_open = bool(history) and history[-1].score is None
    if now >= attempt.deadline_at:
        if is_item_open and now <= attempt.deadline_at + GRACE:
            return _item_step(attempt, form, history[-1], saved_at=_saved_before(history), now=now)
        return _finished(attempt, form, _end_by_time(db, attempt, form, history), now=now, just_finished=True)
    has_moved = _take_over(db, attempt, device, now=now)
    if is_item_open and _is_late(attempt, form, history[-1], now=now):
        history = _pass_over(db, attempt, form, history, now=now)
        is_item_open = False
    if not is_item_open:
        sitting = _rebuild(attempt, form, history)
        reason = sitting.finish_reason()
        choice = None if reason else sitting.next_item(exposure_of(db, form).resting())
        if choice is None:
            _finish(db, attempt, form, sitting, reason=reason or "bank_exhausted", now=now)
            return _finished(attempt, form, history, now=now, just_finished=True)
        history = [*history, _present(db, attempt, form, choice, position=len(history) + 1, now=now)]
    before = history[-2] if len(history) > 1 else None
    is_late = before is not None and _is_late(attempt, form, before, now=before.received_at or now)
    saved_at = _saved_before(history)
    return _item_step(attempt, form, history[-1], saved_at=saved_at, now=now, device_moved=has_moved, is_item_late=is_late)


def submit_response(
    db: Session,
    attempt_uuid: UUID,
    answer: Answer,
    *,
    tenant_id: int,
    person_uuid: UUID,
    device: str,
    now: datetime,
    visit: Visit | None = None,
    at: int | UUID | None = None,
) -> Step:
    """Stores one answer and gives the next item. The caller commits before it acknowledges.

    at       where the person goes from here, as for `get_step`; None: to the item after this one
    Returns  the step after this answer; for a client id that is stored already, the same step again
    Raises   AttemptNotFound, PresentationNotFound, AnswerInvalid, AlreadyAnswered, AttemptMoved, NetworkRefused, SafeExamBrowserNeeded;
             AttemptPaused; AttemptClosed, whose `late` goes to `keep_late_answer` after the rollback
    """
    attempt = lock_attempt(db, attempt_uuid, tenant_id=tenant_id, person_uuid=person_uuid)
    form = compiled_form(db, attempt.version_uuid)
    history = read_history(db, attempt.id, with_values=form.document.review)
    _check_client_id(answer.client_id)
    shown = next((shown for shown in history if shown.uuid == answer.presentation_uuid), None)
    if shown is None:
        raise PresentationNotFound
    if (named := _stored_under(db, attempt, form, history, answer.client_id)) is not None:
        if named != shown.id:
            raise AnswerInvalid(reason="client_id")  # the name of another item's answer
        return _step_after(attempt, form, history, shown, at=at, now=now)
    if attempt.state == "open" and not attempt.is_paused(now):
        attempt = settle_absence(db, attempt, form, history, now=now)
    _check_may_answer(attempt, shown, answer, device=device, now=now, visit=visit, may_change=form.document.review)
    attempt = _flag(db, attempt, shown.position, answer.is_flagged)
    if form.is_handed_out:
        return _answer_handed_out(db, attempt, form, history, shown, answer=answer, at=at, now=now)
    place = form.place_of[shown.item_id]
    is_late = _is_late(attempt, form, shown, now=now)
    if is_late:
        _note_item_late(db, attempt, shown, answer, now=now)
    rule = form.items[place].rule
    earned = 0 if is_late else points(rule, answer.value)
    sitting = _rebuild(attempt, form, history)
    sitting.answer(place, earned)
    row = {
        "tenant_id": tenant_id,
        "attempt_id": attempt.id,
        "presentation_id": shown.id,
        "client_id": answer.client_id,
        "value": None if is_late else answer.value,
        "score": earned / rule.most_points,
        "received_at": now,
        "active_ms": _plausible_ms(answer.active_ms),
        "away_count": _plausible(answer.away_count, MAX_AWAY_COUNT),
        "away_ms": _plausible_ms(answer.away_ms),
        "theta_after": sitting.ability_at(place).theta,
        "se_after": sitting.ability_at(place).sd,
    }
    _STORE_RESPONSE.count(db, row)
    reason = sitting.finish_reason() or ("time" if now >= attempt.deadline_at else None)
    choice = None if reason else sitting.next_item(exposure_of(db, form).resting())
    if choice is None:
        _finish(db, attempt, form, sitting, reason=reason or "bank_exhausted", now=now)
        return _finished(attempt, form, history, now=now, saved_at=now, n_answered=len(history), just_finished=True)
    following = _present(db, attempt, form, choice, position=len(history) + 1, now=now)
    return _item_step(attempt, form, following, saved_at=now, now=now, is_item_late=is_late)


def _take_over(db: Session, attempt: Locked, device: str, *, now: datetime) -> bool:
    """From now on this device answers. Returns whether another one did."""
    if attempt.device == device:
        return False
    db.execute(update(Attempt).where(Attempt.id == attempt.id).values(device=device))
    if attempt.device is None:
        return False
    keep_event(db, attempt.tenant_id, attempt.id, kind="device_moved", key=now.isoformat(), now=now, detail={})
    return True


def _check_may_answer(
    attempt: Locked, shown: Shown, answer: Answer, *, device: str, now: datetime, visit: Visit | None, may_change: bool
) -> None:
    """Refuses what comes too late, from elsewhere, a second time or in a pause."""
    if attempt.state != "open" or now > attempt.deadline_at + GRACE:
        raise AttemptClosed(LateAnswer(attempt.tenant_id, attempt.uuid, shown.uuid, answer.client_id, answer.value, now))
    if attempt.device != device:
        raise AttemptMoved
    if attempt.admission:
        check_place(AdmissionRules.model_validate(attempt.admission), visit)
    if shown.score is not None and not may_change:
        raise AlreadyAnswered
    if attempt.is_paused(now):
        raise AttemptPaused


def hand_in(
    db: Session, attempt_uuid: UUID, *, tenant_id: int, person_uuid: UUID, device: str, now: datetime, visit: Visit | None = None
) -> Step:
    """Ends a sitting in which the person may go back, because they say so; what is not answered counts as not right. Twice does no harm.

    Raises   AttemptNotFound, ReviewNotAllowed, AttemptMoved, AttemptPaused, NetworkRefused, SafeExamBrowserNeeded
    """
    attempt = lock_attempt(db, attempt_uuid, tenant_id=tenant_id, person_uuid=person_uuid)
    form = compiled_form(db, attempt.version_uuid)
    history = read_history(db, attempt.id)
    if attempt.state != "open":
        return _finished(attempt, form, history, now=now)
    if not form.document.review:
        raise ReviewNotAllowed
    if attempt.device != device:
        raise AttemptMoved
    if attempt.admission:
        check_place(AdmissionRules.model_validate(attempt.admission), visit)
    if attempt.is_paused(now):
        raise AttemptPaused
    attempt = settle_absence(db, attempt, form, history, now=now)
    reason, ended_at = ("submitted", now) if now <= attempt.deadline_at + GRACE else ("time", attempt.deadline_at)
    _finish(db, attempt, form, _rebuild(attempt, form, history, is_over=True), reason=reason, now=min(ended_at, attempt.deadline_at))
    return _finished(attempt, form, history, now=now, just_finished=True)


def _step_of_handed_out(
    db: Session, attempt: Locked, form: CompiledForm, history: list[Shown], *, device: str, at: int | UUID | None, now: datetime
) -> Step:
    """`get_step` in a test whose items all stand in the sitting from its start."""
    if now >= attempt.deadline_at and (not history or now > attempt.deadline_at + GRACE):
        return _finished(attempt, form, _end_by_time(db, attempt, form, history), now=now, just_finished=True)
    has_moved = now < attempt.deadline_at and _take_over(db, attempt, device, now=now)
    history = history or _hand_out(db, attempt, form, now=now)
    shown = sheets.wanted(history, at, may_return=form.document.review)
    return _sheet_step(attempt, form, history, shown, now=now, device_moved=has_moved)


def _answer_handed_out(
    db: Session,
    attempt: Locked,
    form: CompiledForm,
    history: list[Shown],
    shown: Shown,
    *,
    answer: Answer,
    at: int | UUID | None,
    now: datetime,
) -> Step:
    """`submit_response` in such a test: what says the same as before, or nothing where nothing was, makes no row."""
    if not form.document.review and any(other.score is None for other in history[: shown.position - 1]):
        raise PresentationNotFound  # its turn has not come
    place = form.place_of[shown.item_id]
    rule = form.items[place].rule
    is_untouched = shown.score is None and sheets.is_untouched(rule.kind, answer.value, shown.option_order["options"])
    value = None if answer.is_leaving and is_untouched else answer.value
    is_blank = value is None and answer.is_leaving
    if (is_blank and shown.score is None) or (shown.score is not None and shown.value == value):
        return _step_after(attempt, form, history, shown, at=at, now=now)
    earned = 0 if is_blank else points(rule, value)
    newest = _saved_at(history)
    moment = now if newest is None else max(now, newest + timedelta(microseconds=1))  # the order of answers is that of their moments
    answered = shown._replace(client_id=answer.client_id, score=earned / rule.most_points, received_at=moment, value=value)
    history = [answered if one is shown else one for one in history]
    ability = (sitting := _rebuild(attempt, form, history)).ability_at(place)
    row = {
        "tenant_id": attempt.tenant_id,
        "attempt_id": attempt.id,
        "presentation_id": shown.id,
        "client_id": answer.client_id,
        "value": value,
        "score": answered.score,
        "received_at": moment,
        "active_ms": _plausible_ms(answer.active_ms),
        "away_count": _plausible(answer.away_count, MAX_AWAY_COUNT),
        "away_ms": _plausible_ms(answer.away_ms),
        "theta_after": ability.theta,
        "se_after": ability.sd,
    }
    if shown.score is not None:
        _put_aside(db, shown, now=moment)
    _STORE_RESPONSE.count(db, row)
    if (reason := sitting.finish_reason()) is not None:
        _finish(db, attempt, form, sitting, reason=reason, now=min(now, attempt.deadline_at))
        return _finished(attempt, form, history, now=now, saved_at=moment, just_finished=True)
    return _step_after(attempt, form, history, answered, at=at, now=now)


def _put_aside(db: Session, shown: Shown, *, now: datetime) -> None:
    """Makes room for another answer to an item: the one that stands is kept beside the answers that count."""
    kept = [column.name for column in ChangedResponse.__table__.columns if column.name not in {"id", "changed_at"}]
    old = response_table.c.presentation_id == shown.id
    columns = [response_table.c[name] for name in kept]
    db.execute(insert(ChangedResponse).from_select([*kept, "changed_at"], select(*columns, literal(now, UtcDateTime)).where(old)))
    db.execute(delete(response_table).where(old))


def _stored_under(db: Session, attempt: Locked, form: CompiledForm, history: Sequence[Shown], client_id: str) -> int | None:
    """The presentation to which an answer of this name was given, be it changed since; None where none was."""
    found = next((other.id for other in history if other.client_id == client_id), None)
    if found is None and form.document.review:
        found = db.scalar(
            select(ChangedResponse.presentation_id).where(ChangedResponse.attempt_id == attempt.id, ChangedResponse.client_id == client_id)
        )
    return found


def _flag(db: Session, attempt: Locked, position: int, is_flagged: bool | None) -> Locked:
    """Notes whether the person wants an item looked at again."""
    if is_flagged is None or is_flagged == (position in attempt.flagged):
        return attempt
    flagged = sorted({*attempt.flagged, position}) if is_flagged else [one for one in attempt.flagged if one != position]
    db.execute(update(attempt_table).where(attempt_table.c.id == attempt.id).values(flagged=flagged))
    return attempt._replace(flagged=flagged)


def keep_late_answer(db: Session, late: LateAnswer) -> None:
    """Records an answer that was refused with AttemptClosed; it changes no score.

    To be called in a transaction of its own after the refusal was rolled back; twice does no harm. An attempt whose time
    ran out unseen is ended by the next `get_step` or by `close_overdue`, where what follows from an end is done.
    """
    attempt_id = db.scalar(select(Attempt.id).where(Attempt.tenant_id == late.tenant_id, Attempt.uuid == late.attempt_uuid))
    if attempt_id is None:
        return
    detail = {"presentation": str(late.presentation_uuid), "client_id": late.client_id, "value_json": _as_text(late.value)}
    keep_event(db, late.tenant_id, attempt_id, kind="late_answer", key=late.client_id, now=late.received_at, detail=detail)


def forget_previews(db: Session, *, tenant_id: int, person_uuid: UUID) -> int:
    """Removes the previews of one look through a learner's eyes, with all their rows. Returns how many attempts."""
    return _forget(db, Attempt.tenant_id == tenant_id, Attempt.person_uuid == person_uuid, Attempt.is_preview)


def rename_person(db: Session, *, tenant_id: int, person_uuid: UUID, new_uuid: UUID) -> int:
    """Makes the attempts of one person those of another, of whom nothing is known yet. Returns how many."""
    mine = (Attempt.tenant_id == tenant_id, Attempt.person_uuid == person_uuid)
    rename_accommodations(db, tenant_id=tenant_id, person_uuid=person_uuid, new_uuid=new_uuid)
    rename_groups(db, tenant_id=tenant_id, person_uuid=person_uuid, new_uuid=new_uuid)
    return len(db.scalars(update(Attempt).where(*mine).values(person_uuid=new_uuid).returning(Attempt.id)).all())


def forget_person(db: Session, *, tenant_id: int, person_uuid: UUID, keep_as: UUID | None) -> int:
    """Removes the attempts of a person.

    keep_as   who has the finished ones from now on, without the person's own words (answers that are free text, and late ones), so that
              what they say of items stays; None removes them too
    Returns   how many attempts the person had
    """
    mine = (Attempt.tenant_id == tenant_id, Attempt.person_uuid == person_uuid)
    forget_accommodations(db, tenant_id=tenant_id, person_uuid=person_uuid)
    forget_groups(db, tenant_id=tenant_id, person_uuid=person_uuid)
    if keep_as is None:
        return _forget(db, *mine)
    n_gone = _forget(db, *mine, Attempt.state == "open")
    kept = select(Attempt.id).where(*mine)
    in_words = (
        select(Presentation.id)
        .join(ItemVersion, ItemVersion.id == Presentation.item_version_id)
        .where(Presentation.attempt_id.in_(kept), ItemVersion.kind == "short_text")
    )
    options = {"synchronize_session": False}
    db.execute(update(Response).where(Response.presentation_id.in_(in_words)).values(value="").execution_options(**options))
    for table in (*INTEGRITY_TABLES, ChangedResponse, AttemptEvent):
        db.execute(delete(table).where(table.attempt_id.in_(kept)).execution_options(**options))
    db.execute(update(Response).where(Response.attempt_id.in_(kept)).values(away_count=None, away_ms=None).execution_options(**options))
    return n_gone + rename_person(db, tenant_id=tenant_id, person_uuid=person_uuid, new_uuid=keep_as)


def _forget(db: Session, *which: Any) -> int:
    """Removes attempts with all their rows. Returns how many."""
    ids = list(db.scalars(select(Attempt.id).where(*which)))
    for table in (*INTEGRITY_TABLES, Response, ChangedResponse, Presentation, AttemptEvent, AbilityEstimate, Accommodation):
        db.execute(delete(table).where(table.attempt_id.in_(ids)))
    db.execute(delete(Attempt).where(Attempt.id.in_(ids)))
    return len(ids)


def find_overdue(db: Session, *, now: datetime, but: Collection[UUID] = ()) -> UUID | None:
    """The attempt that `close_overdue` would end first, except those named; None when none is due."""
    due = select(attempt_table.c.uuid).where(*_overdue(now), attempt_table.c.uuid.not_in(sorted(but)))
    return db.execute(due.order_by(attempt_table.c.deadline_at, attempt_table.c.id).limit(1)).scalar()


def _overdue(now: datetime) -> tuple[Any, ...]:
    return (attempt_table.c.state == "open", attempt_table.c.deadline_at < now - GRACE, ~attempt_table.c.is_preview)


def close_overdue(db: Session, *, now: datetime, limit: int, only: UUID | None = None) -> list[tuple[int, UUID]]:
    """Ends open attempts whose deadline and grace are over, without the browser; oldest deadline first. Previews are left alone.

    only     one attempt, if it is overdue and nobody else is at it
    Returns  (tenant_id, attempt_uuid) of each; what follows from an end is the caller's, in this transaction
    """
    due = (
        ATTEMPTS.where(*_overdue(now), *([] if only is None else [attempt_table.c.uuid == only]))
        .order_by(attempt_table.c.deadline_at, attempt_table.c.id)
        .limit(limit)
        .with_for_update(of=attempt_table, skip_locked=True)
    )
    closed = []
    for row in db.execute(due).all():
        attempt = Locked(*tuple[Any, ...](row))
        form, history = compiled_form(db, attempt.version_uuid), read_history(db, attempt.id)
        attempt = leave_to_absence(db, attempt, form, history, now=now)
        if attempt.deadline_at < now - GRACE:
            _end_by_time(db, attempt, form, history)
            closed.append((attempt.tenant_id, attempt.uuid))
    return closed


def _saved_before(history: Sequence[Shown]) -> datetime | None:
    """When the answer before the item shown last was stored."""
    return history[-2].received_at if len(history) > 1 else None


def _saved_at(history: Sequence[Shown]) -> datetime | None:
    """When the newest answer was stored."""
    return max((shown.received_at for shown in history if shown.received_at is not None), default=None)


def _is_late(attempt: Locked, form: CompiledForm, shown: Shown, *, now: datetime) -> bool:
    """Whether the item's own time, and its grace, is over."""
    over_at = item_over_at(attempt, form, shown)
    return over_at is not None and now > over_at + ITEM_GRACE


def _note_item_late(db: Session, attempt: Locked, shown: Shown, answer: Answer, *, now: datetime) -> None:
    """Keeps what came after the item's own time as an event: it counts as no answer."""
    detail = {"presentation": str(shown.uuid), "client_id": answer.client_id, "value_json": _as_text(answer.value)}
    keep_event(db, attempt.tenant_id, attempt.id, kind="item_time_over", key=str(shown.position), now=now, detail=detail)


def _pass_over(db: Session, attempt: Locked, form: CompiledForm, history: Sequence[Shown], *, now: datetime) -> list[Shown]:
    """Stores that the item shown last was not answered in its own time: no value, and not right. Returns the history with it."""
    shown = history[-1]
    place = form.place_of[shown.item_id]
    sitting = _rebuild(attempt, form, history)
    sitting.answer(place, 0)
    client_id = f"time over {shown.position}"  # no answer of a browser has a space in its name
    row = {
        "tenant_id": attempt.tenant_id,
        "attempt_id": attempt.id,
        "presentation_id": shown.id,
        "client_id": client_id,
        "value": None,
        "score": 0,
        "received_at": now,
        "active_ms": None,
        "away_count": None,
        "away_ms": None,
        "theta_after": sitting.ability_at(place).theta,
        "se_after": sitting.ability_at(place).sd,
    }
    _STORE_RESPONSE.count(db, row)
    keep_event(db, attempt.tenant_id, attempt.id, kind="item_time_over", key=str(shown.position), now=now, detail={})
    return [*history[:-1], shown._replace(client_id=client_id, score=0, received_at=now)]


def _end_by_time(db: Session, attempt: Locked, form: CompiledForm, history: Sequence[Shown]) -> Sequence[Shown]:
    """Ends an attempt whose time is over. Returns its history: an item whose own time was over before counts as not answered."""
    over_at = attempt.deadline_at
    if history and history[-1].score is None and _is_late(attempt, form, history[-1], now=over_at):
        history = _pass_over(db, attempt, form, history, now=over_at)
    _finish(db, attempt, form, _rebuild(attempt, form, history, is_over=True), reason="time", now=over_at)
    return history


def _rebuild(attempt: Locked, form: CompiledForm, history: Sequence[Shown], *, is_over: bool = False) -> Sitting:
    """The sitting as its stored answers make it."""
    scores = [(shown.item_id, shown.score) for shown in history if shown.score is not None]
    return form.sitting_of(attempt.seed, attempt.seen_item_ids, scores, is_over=is_over)


def _present(db: Session, attempt: Locked, form: CompiledForm, choice: Choice, *, position: int, now: datetime) -> Shown:
    """Stores that an item is shown, its options in the order that the attempt's seed gives them."""
    item = form.items[choice.place]
    presentation_uuid = derived_uuid("presentation", str(attempt.uuid), str(position))
    order = _option_order(item, attempt.seed, position)
    row = {
        "tenant_id": attempt.tenant_id,
        "uuid": presentation_uuid,
        "attempt_id": attempt.id,
        "position": position,
        "item_id": item.item_id,
        "item_version_id": item.version_id,
        "item_parameter_id": item.parameter_id,
        "shown_at": now,
        "option_order": order,
        "rested": list(choice.rested),
        "waived": choice.waived,
        "paused_before_seconds": attempt.paused_seconds,
    }
    [(presentation_id,)] = _STORE_PRESENTATION.rows(db, row)
    if not attempt.is_preview:
        exposure_of(db, form).note(choice.place, is_first=position == 1)
    return Shown(presentation_id, presentation_uuid, position, item.item_id, order, now, attempt.paused_seconds, None, None, None)


def _hand_out(db: Session, attempt: Locked, form: CompiledForm, *, now: datetime) -> list[Shown]:
    """Stores that all items of the test are shown, in their order."""
    places = form.new_sitting(attempt.seed, attempt.seen_item_ids).linear_places() or ()
    choices = [Choice(place, form.pool.items[place].domain) for place in places]
    return [_present(db, attempt, form, choice, position=position, now=now) for position, choice in enumerate(choices, start=1)]


def _option_order(item: CompiledItem, seed: int, position: int) -> dict[str, list[str]]:
    """Ids as they are shown; the parts of an ordering item never come in their right order."""
    unlike = item.rule.correct if item.rule.kind == "ordering" else None
    return {
        "options": shuffled(tuple(item.options), seed, "options", position, unlike=unlike),
        "targets": shuffled(tuple(item.targets), seed, "targets", position),
    }


def _finish(db: Session, attempt: Locked, form: CompiledForm, sitting: Sitting, *, reason: str, now: datetime) -> None:
    """Ends an attempt once: its estimates are stored and nothing of it changes any more.

    now   the moment of its end: the deadline where time ran out unseen, however late that is noticed
    """
    whose = {"tenant_id": attempt.tenant_id, "attempt_id": attempt.id}
    estimates = [whose | row for row in area_estimates(form, sitting)]
    connection_of(db).execute(_STORE_ESTIMATES, estimates)
    db.execute(
        update(Attempt)
        .where(Attempt.id == attempt.id, Attempt.state == "open")
        .values(state="finished", finished_at=now, finish_reason=reason)
    )


def _step_after(
    attempt: Locked, form: CompiledForm, history: Sequence[Shown], answered: Shown, *, at: int | UUID | None, now: datetime
) -> Step:
    """The reply that an answer gets, each time that it comes: the item after it, or the end."""
    if attempt.state == "open" and form.is_handed_out:
        following = sheets.after(history, answered, at, may_return=form.document.review)
        return _sheet_step(attempt, form, history, following, now=now)
    following = next((shown for shown in history if shown.position == answered.position + 1), None)
    if following is None or form.is_handed_out:
        return _finished(attempt, form, history, now=now, saved_at=answered.received_at)
    is_late = _is_late(attempt, form, answered, now=answered.received_at or now)
    return _item_step(attempt, form, following, saved_at=answered.received_at, now=now, is_item_late=is_late)


def _sheet_step(
    attempt: Locked, form: CompiledForm, history: Sequence[Shown], shown: Shown | None, *, now: datetime, device_moved: bool = False
) -> Step:
    """An item of a test that was handed out, with what may be looked at without asking again; without an item the summary."""
    may_return, saved_at = form.document.review, _saved_at(history)
    if shown is None:
        step = _step(attempt, form, "summary", len(history), None, saved_at=saved_at, now=now, device_moved=device_moved)
    else:
        step = _item_step(attempt, form, shown, saved_at=saved_at, now=now, device_moved=device_moved)
    beyond = sheets.ahead(history, shown, may_return=may_return)
    return replace(
        step,
        given=None if shown is None else shown.value,
        is_flagged=shown is not None and shown.position in attempt.flagged,
        ahead=tuple(Sheet(one.position, _item_view(form, one), one.value, one.position in attempt.flagged) for one in beyond),
        places=tuple(Place(one.position, one.value is not None, one.position in attempt.flagged) for one in history if may_return),
    )


def _item_step(
    attempt: Locked,
    form: CompiledForm,
    shown: Shown,
    *,
    saved_at: datetime | None,
    now: datetime,
    device_moved: bool = False,
    is_item_late: bool = False,
) -> Step:
    return _step(
        attempt,
        form,
        "item",
        shown.position,
        _item_view(form, shown),
        saved_at=saved_at,
        now=now,
        device_moved=device_moved,
        is_item_late=is_item_late,
        item_over=item_over_at(attempt, form, shown),
    )


def _item_view(form: CompiledForm, shown: Shown) -> ItemView:
    item = form.items[form.place_of[shown.item_id]]
    return ItemView(
        presentation_uuid=shown.uuid,
        kind=item.rule.kind,
        stem=item.stem,
        options=tuple(item.options[option] for option in shown.option_order["options"]),
        targets=tuple(item.targets[target] for target in shown.option_order["targets"]),
        unit=item.unit,
        domain=item.domain,
        time_guide_seconds=item.time_guide_seconds,
    )


def _paused(attempt: Locked, form: CompiledForm, history: Sequence[Shown], *, now: datetime) -> Step:
    """The pause: nothing of the item is shown."""
    return _step(attempt, form, "paused", len(history), None, saved_at=_saved_before(history), now=now)


def _finished(
    attempt: Locked,
    form: CompiledForm,
    history: Sequence[Shown],
    *,
    now: datetime,
    saved_at: datetime | None = None,
    n_answered: int | None = None,
    just_finished: bool = False,
) -> Step:
    times = [shown.received_at for shown in history if shown.received_at is not None]
    position = len(times) if n_answered is None else n_answered
    saved_at = saved_at or max(times, default=None)
    return _step(attempt, form, "finished", position, None, saved_at=saved_at, now=now, just_finished=just_finished)


def _step(
    attempt: Locked,
    form: CompiledForm,
    state: str,
    position: int,
    item: ItemView | None,
    *,
    saved_at: datetime | None,
    now: datetime,
    device_moved: bool = False,
    just_finished: bool = False,
    is_item_late: bool = False,
    item_over: datetime | None = None,
) -> Step:
    standing_until = attempt.hold_ends_at if state == "paused" else None
    left = 0.0 if state == "finished" else (attempt.deadline_at - (standing_until or now)).total_seconds()
    return Step(
        attempt_uuid=attempt.uuid,
        state=state,
        position=position,
        min_items=form.view.min_items,
        max_items=form.view.max_items,
        deadline_at=attempt.deadline_at,
        seconds_left=max(int(left), 0),
        item=item,
        saved_at=saved_at,
        device_moved=device_moved,
        just_finished=just_finished,
        is_item_late=is_item_late,
        item_seconds_left=None if item_over is None else max(int((item_over - now).total_seconds()), 0),
        pause_ends_at=standing_until,
        pauses_left=max(attempt.pauses_allowed - attempt.n_pauses, 0),
        pause_minutes=attempt.pause_minutes,
        away_minutes=max(form.view.away_minutes - attempt.away_seconds // 60, 0),
    )


def _check_client_id(client_id: str) -> None:
    if not _CLIENT_ID.fullmatch(client_id):
        raise AnswerInvalid(reason="client_id")


def _as_text(value: Any) -> str | None:
    """A value nobody checked, as JSON text that any database takes; None when it is too long or no JSON."""
    try:
        written = strictjson.dumps(value)
    except (TypeError, ValueError):
        return None
    return written.decode() if len(written) <= MAX_LATE_VALUE_BYTES else None


def _plausible_ms(active_ms: int | None) -> int | None:
    """Time on an item as told by the browser, or None when it cannot be: a wrong clock must not cost an answer."""
    return _plausible(active_ms, MAX_ACTIVE_MS)


def _plausible(told: int | None, most: int) -> int | None:
    return told if told is not None and 0 <= told <= most else None
