"""An attempt whose row is locked, with what was shown and answered: what every command on an attempt reads first.

The statements stand here once and are built on tables: building them again, or the ORM, would cost more than the engine does.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple, cast
from uuid import UUID

from sqlalchemy import Table, bindparam, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from assessment.errors import AttemptNotFound
from assessment.models import Attempt, AttemptEvent, FormVersion, Presentation, Response
from assessment.timing import Clock, Hold
from kernel.prepared import Prepared


class Locked(NamedTuple):
    """An attempt whose row is locked until the transaction ends."""

    id: int
    uuid: UUID
    tenant_id: int
    state: str
    seed: int
    seen_item_ids: list[int]
    device: str | None
    started_at: datetime
    deadline_at: datetime
    is_preview: bool
    factor_percent: int
    extra_minutes: int
    notice_seconds: int
    paused_seconds: int
    away_seconds: int
    pauses_allowed: int
    pause_minutes: int
    n_pauses: int
    hold: Hold | None
    hold_began_at: datetime | None
    hold_ends_at: datetime | None
    alive_at: datetime | None
    admission: dict[str, Any] | None
    flagged: list[int]
    version_uuid: UUID

    def is_paused(self, now: datetime) -> bool:
        """Whether the person has paused it."""
        return self.hold == "pause" and self.hold_ends_at is not None and now < self.hold_ends_at

    def clock(self, limit_minutes: int) -> Clock:
        """Its time, under the limit of its form."""
        return Clock(
            started_at=self.started_at,
            limit_minutes=limit_minutes,
            factor_percent=self.factor_percent,
            extra_minutes=self.extra_minutes,
            notice_seconds=self.notice_seconds,
            paused_seconds=self.paused_seconds,
            away_seconds=self.away_seconds,
            hold=self.hold,
            hold_began_at=self.hold_began_at,
            hold_ends_at=self.hold_ends_at,
        )


class Shown(NamedTuple):
    """One presentation and, where there is one, its answer; the answer's value is read where it may be changed."""

    id: int
    uuid: UUID
    position: int
    item_id: int
    option_order: dict[str, list[str]]
    shown_at: datetime
    paused_before_seconds: int
    client_id: str | None
    score: float | None
    received_at: datetime | None
    value: Any = None


attempt_table, _version = cast("Table", Attempt.__table__), cast("Table", FormVersion.__table__)
presentation_table, response_table = cast("Table", Presentation.__table__), cast("Table", Response.__table__)

ATTEMPTS: Final = select(
    *(attempt_table.c[name] for name in Locked._fields if name != "version_uuid"),
    _version.c.uuid.label("version_uuid"),
).join_from(attempt_table, _version, _version.c.id == attempt_table.c.form_version_id)
"""Attempts as `Locked`, column by column."""

_MINE: Final = ATTEMPTS.where(
    attempt_table.c.uuid == bindparam("attempt"),
    attempt_table.c.tenant_id == bindparam("tenant"),
    attempt_table.c.person_uuid == bindparam("person"),
)
_LOCK_MINE: Final = Prepared(_MINE.with_for_update(of=attempt_table))
_LOOK_AT_MINE: Final = Prepared(_MINE)

_SHOWN: Final = (
    select(
        presentation_table.c.id,
        presentation_table.c.uuid,
        presentation_table.c.position,
        presentation_table.c.item_id,
        presentation_table.c.option_order,
        presentation_table.c.shown_at,
        presentation_table.c.paused_before_seconds,
        response_table.c.client_id,
        response_table.c.score,
        response_table.c.received_at,
    )
    .outerjoin_from(presentation_table, response_table, response_table.c.presentation_id == presentation_table.c.id)
    .where(presentation_table.c.attempt_id == bindparam("attempt"))
    .order_by(presentation_table.c.position)
)
_HISTORY: Final = Prepared(_SHOWN)
_HISTORY_WITH_VALUES: Final = Prepared(_SHOWN.add_columns(response_table.c.value))


def lock_attempt(db: Session, attempt_uuid: UUID, *, tenant_id: int, person_uuid: UUID, is_read_only: bool = False) -> Locked:
    """The person's attempt, its row locked: requests on one attempt go one after the other.

    is_read_only   only to look at it, without the lock
    Raises         AttemptNotFound
    """
    statement = _LOOK_AT_MINE if is_read_only else _LOCK_MINE
    row = statement.first(db, {"attempt": attempt_uuid, "tenant": tenant_id, "person": person_uuid})
    if row is None:
        raise AttemptNotFound
    return Locked(*row)


def read_history(db: Session, attempt_id: int, *, with_values: bool = False) -> list[Shown]:
    """What was shown in an attempt, by position."""
    statement = _HISTORY_WITH_VALUES if with_values else _HISTORY
    return [Shown(*row) for row in statement.rows(db, {"attempt": attempt_id})]


def last_sign_at(attempt: Locked, history: Sequence[Shown]) -> datetime:
    """When the person gave the newest sign of life: a page, an answer, or a question of the page for the time."""
    moments = [attempt.started_at, attempt.alive_at, attempt.hold_ends_at if attempt.hold == "pause" else None]
    for shown in history:
        moments += [shown.shown_at, shown.received_at]
    return max(moment for moment in moments if moment is not None)


def store_clock(db: Session, attempt: Locked, clock: Clock, **also: Any) -> Locked:
    """Stores the time of an attempt, and other columns with it. Returns the attempt as it is now."""
    row: dict[str, Any] = {
        "deadline_at": clock.deadline_at,
        "factor_percent": clock.factor_percent,
        "extra_minutes": clock.extra_minutes,
        "notice_seconds": clock.notice_seconds,
        "paused_seconds": clock.paused_seconds,
        "away_seconds": clock.away_seconds,
        "hold": clock.hold,
        "hold_began_at": clock.hold_began_at,
        "hold_ends_at": clock.hold_ends_at,
    } | also
    db.execute(update(attempt_table).where(attempt_table.c.id == attempt.id).values(row))
    return attempt._replace(**row)


def keep_event(db: Session, tenant_id: int, attempt_id: int, *, kind: str, key: str, now: datetime, detail: dict[str, Any]) -> None:
    """Notes something that happened to an attempt; the same key again changes nothing."""
    row = {"tenant_id": tenant_id, "attempt_id": attempt_id, "kind": kind, "key": key, "at": now, "detail": detail}
    db.execute(insert_of(db, AttemptEvent).values(row).on_conflict_do_nothing())


def insert_of(db: Session, table: type[Any]) -> Any:
    """An insert of the dialect in use, which can pass over a row that stands there already."""
    return (postgresql.insert if db.get_bind().dialect.name == "postgresql" else sqlite.insert)(table)
