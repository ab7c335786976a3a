"""Commands on the time of an attempt: pauses, absences for which the clock stops, and what a page asks its clock for."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from assessment.errors import AttemptMoved, PauseRefused
from assessment.locked import Locked, Shown, keep_event, last_sign_at, lock_attempt, read_history, store_clock
from assessment.pool import CompiledForm, compiled_form
from assessment.timing import SIGN_OF_LIFE_EVERY, Clock, away, begin_hold, end_hold, item_deadline, item_seconds
from assessment.views import ClockView


def pause_attempt(db: Session, attempt_uuid: UUID, *, tenant_id: int, person_uuid: UUID, device: str, now: datetime) -> None:
    """The person rests: the clock stands still for the length of one pause at the most. Twice is one pause.

    Raises   AttemptNotFound, AttemptMoved, PauseRefused
    """
    attempt = lock_attempt(db, attempt_uuid, tenant_id=tenant_id, person_uuid=person_uuid)
    if attempt.device != device:
        raise AttemptMoved
    if attempt.is_paused(now):
        return
    form, history = compiled_form(db, attempt.version_uuid), read_history(db, attempt.id)
    if attempt.state == "open":
        attempt = settle_absence(db, attempt, form, history, now=now)
    if attempt.state != "open" or now >= attempt.deadline_at:
        raise PauseRefused(reason="not_open")
    if attempt.n_pauses >= attempt.pauses_allowed or not attempt.pause_minutes:
        raise PauseRefused(reason="none_left")
    clock = begin_hold(attempt.clock(form.view.minutes), "pause", began_at=now, seconds=attempt.pause_minutes * 60)
    store_clock(db, attempt, clock, n_pauses=attempt.n_pauses + 1)
    _note(db, attempt, "paused", now, until=clock.hold_ends_at)


def resume_attempt(db: Session, attempt_uuid: UUID, *, tenant_id: int, person_uuid: UUID, now: datetime) -> None:
    """The person goes on, wherever; what is left of the pause is given back. Nothing changes where there is none.

    Raises   AttemptNotFound
    """
    attempt = lock_attempt(db, attempt_uuid, tenant_id=tenant_id, person_uuid=person_uuid)
    if attempt.state == "open" and attempt.is_paused(now):
        form = compiled_form(db, attempt.version_uuid)
        store_clock(db, attempt, end_hold(attempt.clock(form.view.minutes), now=now), alive_at=now)
        _note(db, attempt, "resumed", now)


def get_clock(db: Session, attempt_uuid: UUID, *, tenant_id: int, person_uuid: UUID, device: str, now: datetime) -> ClockView:
    """What the clock of an attempt shows; it only looks, and where a sign of life is due it says so. Raises AttemptNotFound."""
    attempt = lock_attempt(db, attempt_uuid, tenant_id=tenant_id, person_uuid=person_uuid, is_read_only=True)
    form = compiled_form(db, attempt.version_uuid)
    asks = bool(form.view.away_minutes) and attempt.state == "open" and not attempt.is_paused(now) and attempt.device == device
    wants = asks and (attempt.hold == "away" or now - (attempt.alive_at or attempt.started_at) >= SIGN_OF_LIFE_EVERY)
    return _view(db, attempt, form, device=device, now=now, wants_note=wants)


def note_alive(db: Session, attempt_uuid: UUID, *, tenant_id: int, person_uuid: UUID, device: str, now: datetime) -> ClockView:
    """Writes down that the page of an attempt is open and can be reached. Returns what the clock shows. Raises AttemptNotFound."""
    attempt = lock_attempt(db, attempt_uuid, tenant_id=tenant_id, person_uuid=person_uuid)
    form = compiled_form(db, attempt.version_uuid)
    if attempt.state == "open" and attempt.device == device and not attempt.is_paused(now):
        attempt = settle_absence(db, attempt, form, read_history(db, attempt.id), now=now)
        attempt = store_clock(db, attempt, attempt.clock(form.view.minutes), alive_at=now)
    return _view(db, attempt, form, device=device, now=now)


def settle_absence(db: Session, attempt: Locked, form: CompiledForm, history: Sequence[Shown], *, now: datetime) -> Locked:
    """The attempt of a person who is there now: of an absence for which the form stops the clock, what was used is added."""
    if not form.view.away_minutes:
        return attempt
    stood = attempt.clock(form.view.minutes)
    if attempt.hold != "away":
        stood = _left_alone(stood, attempt, form, history, now)
    if stood.hold != "away":
        return attempt
    began_at = stood.hold_began_at
    attempt = store_clock(db, attempt, end_hold(stood, now=now), alive_at=now)
    _note(db, attempt, "away", now, since=began_at)
    return attempt


def leave_to_absence(db: Session, attempt: Locked, form: CompiledForm, history: Sequence[Shown], *, now: datetime) -> Locked:
    """The attempt of a person who is not there at its deadline: as long as the form allows, its clock stands still."""
    if not form.view.away_minutes or attempt.hold == "away":
        return attempt
    clock = attempt.clock(form.view.minutes)
    left = _left_alone(clock, attempt, form, history, now)
    return attempt if left is clock else store_clock(db, attempt, left)


def item_over_at(attempt: Locked, form: CompiledForm, shown: Shown) -> datetime | None:
    """When the own time of an item that is shown is over; None where it has no limit."""
    if not form.has_item_limits:
        return None
    limit = form.items[form.place_of[shown.item_id]].time_limit_seconds
    seconds = item_seconds(limit, factor_percent=attempt.factor_percent, extra_minutes=attempt.extra_minutes)
    if seconds is None:
        return None
    return item_deadline(
        shown_at=shown.shown_at,
        seconds=seconds,
        paused_before_seconds=shown.paused_before_seconds,
        paused_seconds=attempt.paused_seconds,
    )


def _left_alone(clock: Clock, attempt: Locked, form: CompiledForm, history: Sequence[Shown], now: datetime) -> Clock:
    """The clock as it stands still if the person went away."""
    if attempt.hold == "pause":
        clock = end_hold(clock, now=now)  # it has ended by itself: nothing of it is left
    return away(clock, last_sign_at=last_sign_at(attempt, history), now=now, away_minutes=form.view.away_minutes)


def _view(db: Session, attempt: Locked, form: CompiledForm, *, device: str, now: datetime, wants_note: bool = False) -> ClockView:
    if attempt.state != "open":
        return ClockView("finished")
    is_paused = attempt.is_paused(now)
    standing_until = attempt.hold_ends_at if is_paused else None
    over_at = None
    if form.has_item_limits and not is_paused:
        open_ = [shown for shown in read_history(db, attempt.id) if shown.score is None]
        over_at = item_over_at(attempt, form, open_[-1]) if open_ else None
    return ClockView(
        state="paused" if is_paused else "running",
        seconds_left=_seconds(attempt.deadline_at, standing_until or now),
        item_seconds_left=None if over_at is None else _seconds(over_at, now),
        pause_seconds_left=None if standing_until is None else _seconds(standing_until, now),
        is_elsewhere=attempt.device is not None and attempt.device != device,
        wants_note=wants_note,
    )


def _seconds(until: datetime, now: datetime) -> int:
    return max(int((until - now).total_seconds()), 0)


def _note(db: Session, attempt: Locked, kind: str, now: datetime, **moments: datetime | None) -> None:
    detail = {name: moment.isoformat() for name, moment in moments.items() if moment is not None}
    keep_event(db, attempt.tenant_id, attempt.id, kind=kind, key=now.isoformat(), now=now, detail=detail)
