"""Commands on attempts: start, step, answer, end.

An attempt's state is rebuilt from its stored presentations each time, under a lock of its row, so that any process may
serve any request. An answer: lock the attempt, read its history, store the answer, store the next item: four statements.
"""

import re
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple, cast
from uuid import UUID

from sqlalchemy import Table, bindparam, delete, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from assessment.cat import Choice
from assessment.draws import shuffled
from assessment.errors import (
    AlreadyAnswered,
    AnswerInvalid,
    AttemptClosed,
    AttemptMoved,
    AttemptNotFound,
    LateAnswer,
    PresentationNotFound,
)
from assessment.models import AbilityEstimate, Attempt, AttemptEvent, FormVersion, ItemVersion, Presentation, Response
from assessment.pool import CompiledForm, CompiledItem, compiled_form, exposure_of
from assessment.queries import newest_form
from assessment.scoring import is_right
from assessment.sitting import Sitting
from assessment.verdicts import area_estimates
from assessment.views import Answer, AttemptStart, ItemView, Step
from kernel import strictjson
from kernel.ids import derived_uuid, new_uuid
from kernel.prepared import Prepared, all_but_id

GRACE: Final = timedelta(seconds=30)
"""Answers that were on their way at the deadline count for so long."""

SEEN_FOR: Final = timedelta(days=365)
"""How long an item that a person met is kept from them while others suffice."""

_CLIENT_ID: Final = re.compile(r"[!-~]{1,64}")
_SEED_BITS: Final = 2**63 - 1
MAX_ACTIVE_MS: Final = 86_400_000
MAX_LATE_VALUE_BYTES: Final = 4000


class _Locked(NamedTuple):
    """An attempt whose row is locked until the transaction ends."""

    id: int
    uuid: UUID
    tenant_id: int
    state: str
    seed: int
    seen_item_ids: list[int]
    device: str | None
    deadline_at: datetime
    is_preview: bool
    version_uuid: UUID


class _Shown(NamedTuple):
    """One presentation and, where there is one, its answer."""

    id: int
    uuid: UUID
    position: int
    item_id: int
    option_order: dict[str, list[str]]
    client_id: str | None
    score: int | None
    received_at: datetime | None


# The statements of every answer, built once and on tables: building them again, or the ORM, would cost more than the engine does.

_attempt, _version = cast("Table", Attempt.__table__), cast("Table", FormVersion.__table__)
_presentation, _response = cast("Table", Presentation.__table__), cast("Table", Response.__table__)

_ATTEMPTS: Final = select(
    _attempt.c.id,
    _attempt.c.uuid,
    _attempt.c.tenant_id,
    _attempt.c.state,
    _attempt.c.seed,
    _attempt.c.seen_item_ids,
    _attempt.c.device,
    _attempt.c.deadline_at,
    _attempt.c.is_preview,
    _version.c.uuid,
).join_from(_attempt, _version, _version.c.id == _attempt.c.form_version_id)

_LOCK_MINE: Final = Prepared(
    _ATTEMPTS.where(
        _attempt.c.uuid == bindparam("attempt"), _attempt.c.tenant_id == bindparam("tenant"), _attempt.c.person_uuid == bindparam("person")
    ).with_for_update(of=_attempt)
)

_HISTORY: Final = Prepared(
    select(
        _presentation.c.id,
        _presentation.c.uuid,
        _presentation.c.position,
        _presentation.c.item_id,
        _presentation.c.option_order,
        _response.c.client_id,
        _response.c.score,
        _response.c.received_at,
    )
    .outerjoin_from(_presentation, _response, _response.c.presentation_id == _presentation.c.id)
    .where(_presentation.c.attempt_id == bindparam("attempt"))
    .order_by(_presentation.c.position)
)

_STORE_RESPONSE: Final = Prepared(insert(_response).values(all_but_id(_response)))
_STORE_PRESENTATION: Final = Prepared(insert(_presentation).values(all_but_id(_presentation)).returning(_presentation.c.id))


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
) -> AttemptStart:
    """Opens an attempt on the newest version of a form, or gives the one that is open already.

    launch_ref  up to 255 characters
    seed        decides every draw of the attempt; its lower 63 bits are kept
    is_preview  the attempt counts for nothing, until `forget_previews` removes it; person_uuid is then nobody's
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
        "deadline_at": now + timedelta(minutes=version.document["minutes"]),
        "is_preview": is_preview,
    }
    # a second start at the same moment loses at the unique index and takes the winner's attempt
    if db.execute(_insert(db, Attempt).values(row).on_conflict_do_nothing().returning(Attempt.id)).first() is None:
        return AttemptStart(db.scalars(find_open).one(), resumed=True)
    return AttemptStart(attempt_uuid, resumed=False)


def get_step(db: Session, attempt_uuid: UUID, *, tenant_id: int, person_uuid: UUID, device: str, now: datetime) -> Step:
    """Where the attempt stands, for the device that asks: it may answer from now on, and any other may not.

    Shows the first item when none was shown yet; ends the attempt when its time is over. While an answer to the item shown
    may still be on its way, within the grace after the deadline, that item is shown with no second left and nothing changes,
    so that whoever asks does not cut that answer off. It writes: call it in a writing transaction, also for a GET.

    device   names the browser and tab, up to 128 characters
    Raises   AttemptNotFound
    """
    attempt = _lock(db, attempt_uuid, tenant_id=tenant_id, person_uuid=person_uuid)
    form = compiled_form(db, attempt.version_uuid)
    history = _history(db, attempt.id)
    if attempt.state != "open":
        return _finished(attempt, form, history, now=now)
    is_item_open = bool(history) and history[-1].score is None
    if now >= attempt.deadline_at:
        if is_item_open and now <= attempt.deadline_at + GRACE:
            return _item_step(attempt, form, history[-1], saved_at=_saved_before(history), now=now)
        _finish(db, attempt, form, _rebuild(attempt, form, history), reason="time", now=attempt.deadline_at)
        return _finished(attempt, form, history, now=now, just_finished=True)
    has_moved = attempt.device is not None and attempt.device != device
    if attempt.device != device:
        db.execute(update(Attempt).where(Attempt.id == attempt.id).values(device=device))
    if has_moved:
        _keep_event(db, attempt.tenant_id, attempt.id, kind="device_moved", key=now.isoformat(), now=now, detail={})
    if not is_item_open:
        choice = _rebuild(attempt, form, history).next_item(exposure_of(db, form).resting())
        if choice is None:
            _finish(db, attempt, form, _rebuild(attempt, form, history), reason="bank_exhausted", now=now)
            return _finished(attempt, form, history, now=now, just_finished=True)
        history = [*history, _present(db, attempt, form, choice, position=len(history) + 1, now=now)]
    return _item_step(attempt, form, history[-1], saved_at=_saved_before(history), now=now, device_moved=has_moved)


def submit_response(
    db: Session, attempt_uuid: UUID, answer: Answer, *, tenant_id: int, person_uuid: UUID, device: str, now: datetime
) -> Step:
    """Stores one answer and gives the next item. The caller commits before it acknowledges.

    Returns  the step after this answer; for a client id that is stored already, the same step again
    Raises   AttemptNotFound, PresentationNotFound, AnswerInvalid, AlreadyAnswered, AttemptMoved;
             AttemptClosed, whose `late` goes to `keep_late_answer` after the rollback
    """
    attempt = _lock(db, attempt_uuid, tenant_id=tenant_id, person_uuid=person_uuid)
    form = compiled_form(db, attempt.version_uuid)
    history = _history(db, attempt.id)
    _check_client_id(answer.client_id)
    shown = next((shown for shown in history if shown.uuid == answer.presentation_uuid), None)
    if shown is None:
        raise PresentationNotFound
    if any(other.client_id == answer.client_id for other in history):
        if shown.client_id != answer.client_id:
            raise AnswerInvalid(reason="client_id")  # the name of another item's answer
        return _step_after(attempt, form, history, shown, now=now)
    if attempt.state != "open" or now > attempt.deadline_at + GRACE:
        raise AttemptClosed(LateAnswer(tenant_id, attempt.uuid, shown.uuid, answer.client_id, answer.value, now))
    if attempt.device != device:
        raise AttemptMoved
    if shown.score is not None:
        raise AlreadyAnswered
    place = form.place_of[shown.item_id]
    right = is_right(form.items[place].rule, answer.value)
    sitting = _rebuild(attempt, form, history)
    sitting.answer(place, right)
    row = {
        "tenant_id": tenant_id,
        "attempt_id": attempt.id,
        "presentation_id": shown.id,
        "client_id": answer.client_id,
        "value": answer.value,
        "score": int(right),
        "received_at": now,
        "active_ms": _plausible_ms(answer.active_ms),
        "theta_after": sitting.ability_at(place).theta,
        "se_after": sitting.ability_at(place).sd,
    }
    _STORE_RESPONSE.count(db, row)
    reason = sitting.finish_reason() or ("time" if now >= attempt.deadline_at else None)
    choice = None if reason else sitting.next_item(exposure_of(db, form).resting())
    if choice is None:
        _finish(db, attempt, form, sitting, reason=reason or "bank_exhausted", now=now)
        return _finished(attempt, form, history, now=now, saved_at=now, n_answered=len(sitting.taken), just_finished=True)
    return _item_step(attempt, form, _present(db, attempt, form, choice, position=len(history) + 1, now=now), saved_at=now, now=now)


def keep_late_answer(db: Session, late: LateAnswer) -> None:
    """Records an answer that was refused with AttemptClosed; it changes no score.

    To be called in a transaction of its own after the refusal was rolled back; twice does no harm. An attempt whose time
    ran out unseen is ended by the next `get_step` or by `close_overdue`, where what follows from an end is done.
    """
    attempt_id = db.scalar(select(Attempt.id).where(Attempt.tenant_id == late.tenant_id, Attempt.uuid == late.attempt_uuid))
    if attempt_id is None:
        return
    detail = {"presentation": str(late.presentation_uuid), "client_id": late.client_id, "value_json": _as_text(late.value)}
    _keep_event(db, late.tenant_id, attempt_id, kind="late_answer", key=late.client_id, now=late.received_at, detail=detail)


def forget_previews(db: Session, *, tenant_id: int, person_uuid: UUID) -> int:
    """Removes the previews of one look through a learner's eyes, with all their rows. Returns how many attempts."""
    return _forget(db, Attempt.tenant_id == tenant_id, Attempt.person_uuid == person_uuid, Attempt.is_preview)


def rename_person(db: Session, *, tenant_id: int, person_uuid: UUID, new_uuid: UUID) -> int:
    """Makes the attempts of one person those of another, of whom nothing is known yet. Returns how many."""
    mine = (Attempt.tenant_id == tenant_id, Attempt.person_uuid == person_uuid)
    return len(db.scalars(update(Attempt).where(*mine).values(person_uuid=new_uuid).returning(Attempt.id)).all())


def forget_person(db: Session, *, tenant_id: int, person_uuid: UUID, keep_as: UUID | None) -> int:
    """Removes the attempts of a person.

    keep_as   who has the finished ones from now on, without the person's own words (answers that are free text, and late ones), so that
              what they say of items stays; None removes them too
    Returns   how many attempts the person had
    """
    mine = (Attempt.tenant_id == tenant_id, Attempt.person_uuid == person_uuid)
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
    db.execute(delete(AttemptEvent).where(AttemptEvent.attempt_id.in_(kept)).execution_options(**options))
    return n_gone + rename_person(db, tenant_id=tenant_id, person_uuid=person_uuid, new_uuid=keep_as)


def _forget(db: Session, *which: Any) -> int:
    """Removes attempts with all their rows. Returns how many."""
    ids = list(db.scalars(select(Attempt.id).where(*which)))
    for table in (Response, Presentation, AttemptEvent, AbilityEstimate):
        db.execute(delete(table).where(table.attempt_id.in_(ids)))
    db.execute(delete(Attempt).where(Attempt.id.in_(ids)))
    return len(ids)


def find_overdue(db: Session, *, now: datetime, but: Collection[UUID] = ()) -> UUID | None:
    """The attempt that `close_overdue` would end first, except those named; None when none is due."""
    due = select(_attempt.c.uuid).where(*_overdue(now), _attempt.c.uuid.not_in(sorted(but)))
    return db.execute(due.order_by(_attempt.c.deadline_at, _attempt.c.id).limit(1)).scalar()


def _overdue(now: datetime) -> tuple[Any, ...]:
    return (_attempt.c.state == "open", _attempt.c.deadline_at < now - GRACE, ~_attempt.c.is_preview)


def close_overdue(db: Session, *, now: datetime, limit: int, only: UUID | None = None) -> list[tuple[int, UUID]]:
    """Ends open attempts whose deadline and grace are over, without the browser; oldest deadline first. Previews are left alone.

    only     one attempt, if it is overdue and nobody else is at it
    Returns  (tenant_id, attempt_uuid) of each; what follows from an end is the caller's, in this transaction
    """
    due = (
        _ATTEMPTS.where(*_overdue(now), *([] if only is None else [_attempt.c.uuid == only]))
        .order_by(_attempt.c.deadline_at, _attempt.c.id)
        .limit(limit)
        .with_for_update(of=_attempt, skip_locked=True)
    )
    overdue = [_Locked(*tuple[Any, ...](row)) for row in db.execute(due)]
    for attempt in overdue:
        form = compiled_form(db, attempt.version_uuid)
        _finish(db, attempt, form, _rebuild(attempt, form, _history(db, attempt.id)), reason="time", now=attempt.deadline_at)
    return [(attempt.tenant_id, attempt.uuid) for attempt in overdue]


def _lock(db: Session, attempt_uuid: UUID, *, tenant_id: int, person_uuid: UUID) -> _Locked:
    """The person's attempt, its row locked: requests on one attempt go one after the other."""
    row = _LOCK_MINE.first(db, {"attempt": attempt_uuid, "tenant": tenant_id, "person": person_uuid})
    if row is None:
        raise AttemptNotFound
    return _Locked(*row)


def _history(db: Session, attempt_id: int) -> list[_Shown]:
    return [_Shown(*row) for row in _HISTORY.rows(db, {"attempt": attempt_id})]


def _saved_before(history: Sequence[_Shown]) -> datetime | None:
    """When the answer before the item shown last was stored."""
    return history[-2].received_at if len(history) > 1 else None


def _rebuild(attempt: _Locked, form: CompiledForm, history: Sequence[_Shown]) -> Sitting:
    """The sitting as its stored answers make it."""
    sitting = form.new_sitting(attempt.seed, attempt.seen_item_ids)
    for shown in history:
        if shown.score is not None:
            sitting.answer(form.place_of[shown.item_id], shown.score == 1)
    return sitting


def _present(db: Session, attempt: _Locked, form: CompiledForm, choice: Choice, *, position: int, now: datetime) -> _Shown:
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
    }
    [(presentation_id,)] = _STORE_PRESENTATION.rows(db, row)
    if not attempt.is_preview:
        exposure_of(db, form).note(choice.place, is_first=position == 1)
    return _Shown(presentation_id, presentation_uuid, position, item.item_id, order, None, None, None)


def _option_order(item: CompiledItem, seed: int, position: int) -> dict[str, list[str]]:
    """Ids as they are shown; the parts of an ordering item never come in their right order."""
    unlike = item.rule.correct if item.rule.kind == "ordering" else None
    return {
        "options": shuffled(tuple(item.options), seed, "options", position, unlike=unlike),
        "targets": shuffled(tuple(item.targets), seed, "targets", position),
    }


def _finish(db: Session, attempt: _Locked, form: CompiledForm, sitting: Sitting, *, reason: str, now: datetime) -> None:
    """Ends an attempt once: its estimates are stored and nothing of it changes any more.

    now   the moment of its end: the deadline where time ran out unseen, however late that is noticed
    """
    whose = {"tenant_id": attempt.tenant_id, "attempt_id": attempt.id}
    estimates = [whose | row for row in area_estimates(form, sitting)]
    db.execute(insert(AbilityEstimate), estimates)
    db.execute(
        update(Attempt)
        .where(Attempt.id == attempt.id, Attempt.state == "open")
        .values(state="finished", finished_at=now, finish_reason=reason)
    )


def _step_after(attempt: _Locked, form: CompiledForm, history: Sequence[_Shown], answered: _Shown, *, now: datetime) -> Step:
    """The reply that an answer got, again: the item after it, or the end."""
    following = next((shown for shown in history if shown.position == answered.position + 1), None)
    if following is None:
        return _finished(attempt, form, history, now=now, saved_at=answered.received_at)
    return _item_step(attempt, form, following, saved_at=answered.received_at, now=now)


def _item_step(
    attempt: _Locked, form: CompiledForm, shown: _Shown, *, saved_at: datetime | None, now: datetime, device_moved: bool = False
) -> Step:
    item = form.items[form.place_of[shown.item_id]]
    view = ItemView(
        presentation_uuid=shown.uuid,
        kind=item.rule.kind,
        stem=item.stem,
        options=tuple(item.options[option] for option in shown.option_order["options"]),
        targets=tuple(item.targets[target] for target in shown.option_order["targets"]),
        unit=item.unit,
        domain=item.domain,
        time_guide_seconds=item.time_guide_seconds,
    )
    return _step(attempt, form, "item", shown.position, view, saved_at=saved_at, now=now, device_moved=device_moved)


def _finished(
    attempt: _Locked,
    form: CompiledForm,
    history: Sequence[_Shown],
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
    attempt: _Locked,
    form: CompiledForm,
    state: str,
    position: int,
    item: ItemView | None,
    *,
    saved_at: datetime | None,
    now: datetime,
    device_moved: bool = False,
    just_finished: bool = False,
) -> Step:
    left = (attempt.deadline_at - now).total_seconds() if state == "item" else 0
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
    )


def _keep_event(db: Session, tenant_id: int, attempt_id: int, *, kind: str, key: str, now: datetime, detail: dict[str, Any]) -> None:
    row = {"tenant_id": tenant_id, "attempt_id": attempt_id, "kind": kind, "key": key, "at": now, "detail": detail}
    db.execute(_insert(db, AttemptEvent).values(row).on_conflict_do_nothing())


def _insert(db: Session, table: type[Any]) -> Any:
    """An insert of the dialect in use, which can pass over a row that stands there already."""
    return (postgresql.insert if db.get_bind().dialect.name == "postgresql" else sqlite.insert)(table)


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
    return active_ms if active_ms is not None and 0 <= active_ms <= MAX_ACTIVE_MS else None
