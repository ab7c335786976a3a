"""The outbox: every effect outside the database waits here, written in the transaction of its cause.

A worker claims rows under a lease, commits, calls, and records what came of it in a second transaction. A worker that
dies loses its lease and another takes over: an effect may be repeated with the same key, but is never lost.
"""

import random
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import CheckConstraint, Index, Select, String, Text, or_, select, text, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Mapped, Session, mapped_column

from kernel.db import Base, JsonDocument, UtcDateTime
from kernel.ids import new_token

LEASE_SECONDS = 60
"""How long a claim holds when its worker is not heard of again."""

MAX_DELAY_SECONDS = 3600
"""The longest pause between two tries."""


class OutboxItem(Base):
    """One effect to be carried out outside the database."""

    __tablename__ = "outbox"
    __table_args__ = (
        CheckConstraint("state IN ('waiting', 'done', 'parked', 'superseded')", name="state"),
        Index("ix_outbox_due", "kind", "due_at", "id", sqlite_where=text("state = 'waiting'"), postgresql_where=text("state = 'waiting'")),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[int] = mapped_column(index=True)
    kind: Mapped[str] = mapped_column(String(64))
    """What to do, noun.verb: `score.publish`."""
    key: Mapped[str] = mapped_column(String(255), unique=True)
    """Same effect, same key: a second row for it cannot exist."""
    payload: Mapped[dict[str, Any]] = mapped_column(JsonDocument)
    state: Mapped[str] = mapped_column(String(16), default="waiting")
    due_at: Mapped[datetime] = mapped_column(UtcDateTime)
    attempts: Mapped[int] = mapped_column(default=0)
    lease: Mapped[str | None] = mapped_column(String(64))
    lease_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    last_error: Mapped[str | None] = mapped_column(Text)
    """Stable code and short reason of the last failed try; no token, no name."""
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


@dataclass(frozen=True, slots=True)
class Claimed:
    """A row that this worker holds until `lease_until`."""

    id: int
    tenant_id: int
    kind: str
    key: str
    payload: dict[str, Any]
    attempts: int
    """Tries begun, this one included."""
    lease: str


def put(
    db: Session, *, tenant_id: int, kind: str, key: str, payload: dict[str, Any], now: datetime, due_at: datetime | None = None
) -> bool:
    """Adds one effect to the present transaction. Returns False when the same key stands there already."""
    insert = postgresql.insert if db.get_bind().dialect.name == "postgresql" else sqlite.insert
    row = {
        "tenant_id": tenant_id,
        "kind": kind,
        "key": key,
        "payload": payload,
        "state": "waiting",
        "attempts": 0,
        "due_at": due_at or now,
        "created_at": now,
    }
    statement = insert(OutboxItem).values(row).on_conflict_do_nothing(index_elements=["key"]).returning(OutboxItem.id)
    return db.execute(statement).first() is not None


def is_any_due(db: Session, *, kinds: list[str], now: datetime) -> bool:
    """Whether a claim would find something now."""
    return db.scalar(_due(kinds, now).limit(1)) is not None


def claim(db: Session, *, kinds: list[str], now: datetime, limit: int = 20, lease_seconds: int = LEASE_SECONDS) -> list[Claimed]:
    """Takes due rows for this worker, oldest first; no two workers get the same one."""
    due = _due(kinds, now).order_by(OutboxItem.due_at, OutboxItem.id).limit(limit)
    if db.get_bind().dialect.name == "postgresql":
        due = due.with_for_update(skip_locked=True)
    ids = list(db.scalars(due))
    if not ids:
        return []
    lease = new_token(16)
    db.execute(
        update(OutboxItem)
        .where(OutboxItem.id.in_(ids))
        .values(lease=lease, lease_until=now + timedelta(seconds=lease_seconds), attempts=OutboxItem.attempts + 1)
    )
    rows = db.scalars(
        select(OutboxItem)
        .where(OutboxItem.id.in_(ids))
        .order_by(OutboxItem.due_at, OutboxItem.id)
        .execution_options(populate_existing=True)
    )
    return [Claimed(row.id, row.tenant_id, row.kind, row.key, row.payload, row.attempts, lease) for row in rows]


def finish(db: Session, item: Claimed, *, now: datetime, state: str = "done", note: str | None = None) -> bool:
    """Ends a claimed row: `done`, `parked` (a person must look) or `superseded`. False when the lease was lost."""
    return _set(db, item, state=state, ended_at=now, last_error=note, lease=None, lease_until=None)


def retry(db: Session, item: Claimed, *, now: datetime, note: str, after_seconds: float | None = None) -> bool:
    """Puts a claimed row back for a later try; the pause doubles with each try, with jitter. False when the lease was lost."""
    pause = after_seconds if after_seconds is not None else backoff_seconds(item.attempts, random.random())  # noqa: S311
    return _set(db, item, due_at=now + timedelta(seconds=pause), last_error=note, lease=None, lease_until=None)


def is_held(db: Session, item: Claimed, *, now: datetime) -> bool:
    """Whether the claim still holds: the lease is this worker's and not over."""
    until = db.scalar(select(OutboxItem.lease_until).where(OutboxItem.id == item.id, OutboxItem.lease == item.lease))
    return until is not None and until > now


def backoff_seconds(attempts: int, chance: float) -> float:
    """Pause before the next try, seconds: 2, 4, 8 ... at most an hour, times 0.5 to 1 by `chance` (0..1)."""
    return float(min(MAX_DELAY_SECONDS, 2 ** min(attempts, 12)) * (0.5 + chance / 2))


def _due(kinds: list[str], now: datetime) -> Select[int]:
    return select(OutboxItem.id).where(
        OutboxItem.state == "waiting",
        OutboxItem.kind.in_(kinds),
        OutboxItem.due_at <= now,
        or_(OutboxItem.lease_until.is_(None), OutboxItem.lease_until <= now),
    )


def _set(db: Session, item: Claimed, **values: Any) -> bool:
    changed: Any = db.execute(update(OutboxItem).where(OutboxItem.id == item.id, OutboxItem.lease == item.lease).values(**values))
    return bool(changed.rowcount == 1)
