"""Accommodations: what one person is allowed beyond a form's own time, for all sittings, for one form, or for one sitting.

A change holds at once, in the sittings that are under way too. Of several that are in force the best of each part counts, so that
what one promised, another one never takes away.
"""

from collections.abc import Collection
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import delete, func, or_, select, update
from sqlalchemy.orm import Session

from assessment.errors import AccommodationInvalid, AccommodationNotFound, AttemptNotFound, FormNotFound
from assessment.locked import ATTEMPTS, Locked, attempt_table, keep_event, store_clock
from assessment.models import Accommodation, Attempt, Form
from assessment.pool import CompiledForm, compiled_form
from assessment.queries import newest_form
from assessment.timing import Allowance, allow, scaled_seconds
from assessment.views import AccommodationView, AllowedTime
from kernel.ids import derived_uuid, new_uuid

REASONS: Final = ("assessed_need", "interruption", "technical", "other")
"""Why, in so few words that nothing of anybody's health is kept."""

FACTORS: Final = range(100, 1001)
EXTRA_MINUTES: Final = range(1441)
PAUSES: Final = range(21)
PAUSE_MINUTES: Final = range(241)


def set_accommodation(
    db: Session,
    *,
    tenant_id: int,
    person_uuid: UUID,
    allowance: Allowance,
    reason: str,
    granted_by: str,
    now: datetime,
    form_uuid: UUID | None = None,
    attempt_uuid: UUID | None = None,
    valid_from: datetime | None = None,
    valid_until: datetime | None = None,
) -> UUID:
    """Allows a person something, in the place of what was set for the same sittings before.

    form_uuid, attempt_uuid   what it is for, one at the most; neither: all sittings
    valid_from                now by default; it counts for sittings that are under way at any moment of its time
    Returns                   its UUID
    Raises                    AccommodationInvalid, FormNotFound, AttemptNotFound
    """
    check_accommodation(allowance, reason, valid_from=valid_from or now, valid_until=valid_until)
    if None not in {form_uuid, attempt_uuid}:
        raise AccommodationInvalid(reason="it is for one form or for one sitting")
    _wait_turn(db, person_uuid)
    form_id = None if form_uuid is None else _form_id(db, form_uuid, tenant_id)
    attempt_id = None if attempt_uuid is None else _attempt_id(db, attempt_uuid, tenant_id, person_uuid)
    for same in _mine(db, tenant_id, person_uuid):
        if (same.form_id, same.attempt_id) == (form_id, attempt_id):
            same.ended_at = now
    made = Accommodation(
        tenant_id=tenant_id,
        uuid=new_uuid(),
        person_uuid=person_uuid,
        form_id=form_id,
        attempt_id=attempt_id,
        factor_percent=allowance.factor_percent,
        extra_minutes=allowance.extra_minutes,
        pauses=allowance.pauses,
        pause_minutes=allowance.pause_minutes,
        valid_from=valid_from or now,
        valid_until=valid_until,
        reason=reason,
        granted_by=granted_by,
        granted_at=now,
    )
    db.add(made)
    _hold_at_once(db, tenant_id, person_uuid, granted_by=granted_by, now=now)
    return made.uuid


def check_accommodation(allowance: Allowance, reason: str, *, valid_from: datetime, valid_until: datetime | None) -> None:
    """Refuses what no person can be allowed. Raises AccommodationInvalid with every fault."""
    faults = {
        "the factor is 100 to 1000 percent": allowance.factor_percent in FACTORS,
        "extra minutes are 0 to 1440": allowance.extra_minutes in EXTRA_MINUTES,
        "pauses are 0 to 20, of 0 to 240 minutes each": allowance.pauses in PAUSES and allowance.pause_minutes in PAUSE_MINUTES,
        "pauses need their minutes, and minutes their pauses": (allowance.pauses > 0) == (allowance.pause_minutes > 0),
        f"the reason is one of {', '.join(REASONS)}": reason in REASONS,
        "its end comes before its beginning": valid_until is None or valid_until > valid_from,
    }
    wrong = [what for what, holds in faults.items() if not holds]
    if wrong:
        raise AccommodationInvalid(reason="; ".join(wrong))


def withdraw_accommodation(db: Session, accommodation_uuid: UUID, *, tenant_id: int, withdrawn_by: str, now: datetime) -> None:
    """Takes an accommodation back; sittings under way keep a notice, see `timing.allow`. Raises AccommodationNotFound."""
    found = db.scalars(
        select(Accommodation).where(
            Accommodation.uuid == accommodation_uuid, Accommodation.tenant_id == tenant_id, Accommodation.ended_at.is_(None)
        )
    ).first()
    if found is None:
        raise AccommodationNotFound
    _wait_turn(db, found.person_uuid)
    found.ended_at = now
    _hold_at_once(db, tenant_id, found.person_uuid, granted_by=withdrawn_by, now=now)


def list_accommodations(
    db: Session, *, tenant_id: int, now: datetime, person_uuids: Collection[UUID] | None = None, in_force: bool = True
) -> list[AccommodationView]:
    """What people of an agency are allowed, the newest first.

    person_uuids   of these alone
    in_force       only what holds now or is to come; else all that ever was
    """
    rows = db.execute(
        select(Accommodation, Form.uuid, Form.key, Attempt.uuid)
        .outerjoin(Form, Form.id == Accommodation.form_id)
        .outerjoin(Attempt, Attempt.id == Accommodation.attempt_id)
        .where(
            Accommodation.tenant_id == tenant_id,
            *([] if person_uuids is None else [Accommodation.person_uuid.in_(sorted(person_uuids))]),
            *(
                [Accommodation.ended_at.is_(None), or_(Accommodation.valid_until.is_(None), Accommodation.valid_until > now)]
                if in_force
                else []
            ),
        )
        .order_by(Accommodation.id.desc())
    )
    return [
        AccommodationView(
            uuid=one.uuid,
            person_uuid=one.person_uuid,
            form_uuid=form_uuid,
            form_key=form_key,
            attempt_uuid=attempt_uuid,
            factor_percent=one.factor_percent,
            extra_minutes=one.extra_minutes,
            pauses=one.pauses,
            pause_minutes=one.pause_minutes,
            valid_from=one.valid_from,
            valid_until=one.valid_until,
            reason=one.reason,
            granted_by=one.granted_by,
            granted_at=one.granted_at,
            ended_at=one.ended_at,
            is_in_force=one.ended_at is None and one.valid_from <= now and (one.valid_until is None or now < one.valid_until),
        )
        for one, form_uuid, form_key, attempt_uuid in rows
    ]


def get_allowed_time(db: Session, *, tenant_id: int, person_uuid: UUID, form_uuid: UUID, now: datetime) -> AllowedTime:
    """What a person would have in a sitting that begins now. Raises FormNotFound."""
    _, version = newest_form(db, form_uuid, tenant_id=tenant_id)
    form = compiled_form(db, version.uuid)
    allowance = _allowance(_mine(db, tenant_id, person_uuid), form, attempt_id=None, began_at=now, now=now)
    minutes = -(-scaled_seconds(form.view.minutes * 60, allowance.factor_percent) // 60) + allowance.extra_minutes
    return AllowedTime(minutes, allowance.pauses, allowance.pause_minutes, is_more=minutes > form.view.minutes)


def allowance_of(db: Session, *, tenant_id: int, person_uuid: UUID, form: CompiledForm, now: datetime) -> Allowance:
    """What a person may take in a sitting of a form that begins in this transaction."""
    _wait_turn(db, person_uuid)
    return _allowance(_mine(db, tenant_id, person_uuid), form, attempt_id=None, began_at=now, now=now)


def preview_deadline(
    db: Session,
    attempt_uuid: UUID,
    allowance: Allowance,
    *,
    tenant_id: int,
    person_uuid: UUID,
    now: datetime,
    form_uuid: UUID | None = None,
) -> datetime | None:
    """When an open attempt would end if this were set now, for its form, or for it alone; None when it is not open."""
    row = db.execute(
        ATTEMPTS.where(
            attempt_table.c.uuid == attempt_uuid, attempt_table.c.tenant_id == tenant_id, attempt_table.c.person_uuid == person_uuid
        )
    ).first()
    if row is None or (attempt := Locked(*tuple[Any, ...](row))).state != "open":
        return None
    form = compiled_form(db, attempt.version_uuid)
    replaced = (None, attempt.id) if form_uuid is None else (form.form_id, None)
    others = [one for one in _mine(db, tenant_id, person_uuid) if (one.form_id, one.attempt_id) != replaced]
    standing = _allowance(others, form, attempt_id=attempt.id, began_at=attempt.started_at, now=now)
    return allow(attempt.clock(form.view.minutes), standing.joined(allowance), now=now).deadline_at


def rename_accommodations(db: Session, *, tenant_id: int, person_uuid: UUID, new_uuid: UUID) -> None:
    """Makes a person's accommodations those of another one."""
    mine = (Accommodation.tenant_id == tenant_id, Accommodation.person_uuid == person_uuid)
    db.execute(update(Accommodation).where(*mine).values(person_uuid=new_uuid).execution_options(synchronize_session=False))


def forget_accommodations(db: Session, *, tenant_id: int, person_uuid: UUID) -> None:
    """Removes all that a person was allowed."""
    mine = (Accommodation.tenant_id == tenant_id, Accommodation.person_uuid == person_uuid)
    db.execute(delete(Accommodation).where(*mine).execution_options(synchronize_session=False))


def _hold_at_once(db: Session, tenant_id: int, person_uuid: UUID, *, granted_by: str, now: datetime) -> None:
    """Brings the person's sittings that are under way to what is allowed now; each change of a deadline is an event."""
    db.flush()  # what was set and taken back is read below
    mine = _mine(db, tenant_id, person_uuid)
    open_ = ATTEMPTS.where(
        attempt_table.c.tenant_id == tenant_id, attempt_table.c.person_uuid == person_uuid, attempt_table.c.state == "open"
    )
    for row in db.execute(open_.order_by(attempt_table.c.id).with_for_update(of=attempt_table)).all():
        attempt = Locked(*tuple[Any, ...](row))
        form = compiled_form(db, attempt.version_uuid)
        allowance = _allowance(mine, form, attempt_id=attempt.id, began_at=attempt.started_at, now=now)
        clock = attempt.clock(form.view.minutes)
        changed = allow(clock, allowance, now=now)
        rights = {"pauses_allowed": allowance.pauses, "pause_minutes": allowance.pause_minutes}
        if changed == clock and rights == {name: getattr(attempt, name) for name in rights}:
            continue
        store_clock(db, attempt, changed, **rights)
        detail = {
            "by": granted_by,
            "from": clock.deadline_at.isoformat(),
            "to": changed.deadline_at.isoformat(),
            "factor_percent": allowance.factor_percent,
            "extra_minutes": allowance.extra_minutes,
            "notice_seconds": changed.notice_seconds,
        } | rights
        keep_event(db, tenant_id, attempt.id, kind="time_changed", key=str(new_uuid()), now=now, detail=detail)


def _allowance(
    mine: Collection[Accommodation], form: CompiledForm, *, attempt_id: int | None, began_at: datetime, now: datetime
) -> Allowance:
    """The best of what the form gives to everybody and of what was set for the sitting, by any moment of it."""
    allowed = Allowance(pauses=form.view.pauses, pause_minutes=form.view.pause_minutes)
    for one in mine:
        is_for_it = one.attempt_id == attempt_id if one.attempt_id is not None else one.form_id in {None, form.form_id}
        is_in_time = one.valid_from <= now and (one.valid_until is None or one.valid_until > began_at)
        if is_for_it and is_in_time:
            allowed = allowed.joined(Allowance(one.factor_percent, one.extra_minutes, one.pauses, one.pause_minutes))
    return allowed


def _mine(db: Session, tenant_id: int, person_uuid: UUID) -> list[Accommodation]:
    """What a person is allowed and was not taken back."""
    return list(
        db.scalars(
            select(Accommodation).where(
                Accommodation.tenant_id == tenant_id, Accommodation.person_uuid == person_uuid, Accommodation.ended_at.is_(None)
            )
        )
    )


def _wait_turn(db: Session, person_uuid: UUID) -> None:
    """A person's sittings begin, and what they are allowed changes, one after the other; SQLite has one writer anyway."""
    if db.get_bind().dialect.name == "postgresql":
        db.execute(select(func.pg_advisory_xact_lock(derived_uuid("accommodation", str(person_uuid)).int >> 65)))


def _form_id(db: Session, form_uuid: UUID, tenant_id: int) -> int:
    found = db.scalar(select(Form.id).where(Form.uuid == form_uuid, or_(Form.tenant_id.is_(None), Form.tenant_id == tenant_id)))
    if found is None:
        raise FormNotFound
    return found


def _attempt_id(db: Session, attempt_uuid: UUID, tenant_id: int, person_uuid: UUID) -> int:
    found = db.scalar(
        select(Attempt.id).where(Attempt.uuid == attempt_uuid, Attempt.tenant_id == tenant_id, Attempt.person_uuid == person_uuid)
    )
    if found is None:
        raise AttemptNotFound
    return found
