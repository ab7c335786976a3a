"""The outbox: every effect outside the database waits here, written in the transaction of its cause.

A worker claims rows under a lease, commits, calls, and records what came of it in a second transaction. A worker that
dies loses its lease and another takes over: an effect may be repeated with the same key, but is never lost.

Effects on one other system share a lane. A lane has a pace, kept by all workers together, and pauses when its system is
away, so that a slow or silent system delays only what is meant for itself.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain, zip_longest
from typing import Any, cast

from sqlalchemy import (
    CheckConstraint,
    ColumnElement,
    Index,
    Select,
    String,
    Table,
    Text,
    bindparam,
    delete,
    func,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.orm import Mapped, Session, mapped_column

from kernel.db import Base, JsonDocument, UtcDateTime
from kernel.ids import new_token
from kernel.prepared import Prepared, either

LEASE_SECONDS = 60
"""How long a claim holds when its worker is not heard of again."""

MAX_DELAY_SECONDS = 600
"""The longest pause between two tries of one effect."""

MAX_PAUSE_SECONDS = 240
"""The longest pause of a lane: after it, and one pause of its own, every effect has met a system that is back."""

FIRST_PAUSE_SECONDS = 5


class OutboxLane(Base):
    """The way to one other system, shared by every effect on it."""

    __tablename__ = "outbox_lane"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    next_at: Mapped[datetime] = mapped_column(UtcDateTime)
    """Earliest start of the next effect, by the pace."""
    failures: Mapped[int] = mapped_column(default=0)
    """Times in a row that the system was away."""
    paused_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    last_error: Mapped[str | None] = mapped_column(String(255))


_WAITING = text("state = 'waiting'")


class OutboxItem(Base):
    """One effect to be carried out outside the database."""

    __tablename__ = "outbox"
    __table_args__ = (
        CheckConstraint("state IN ('waiting', 'done', 'parked', 'superseded')", name="state"),
        Index("ix_outbox_due", "lane", "due_at", "id", sqlite_where=_WAITING, postgresql_where=_WAITING),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[int] = mapped_column(index=True)
    kind: Mapped[str] = mapped_column(String(64))
    """What to do, noun.verb: `score.publish`."""
    lane: Mapped[str | None] = mapped_column(String(64))
    """The system that it goes to; none for what needs neither pace nor pauses."""
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
    lane: str | None = None
    start_at: datetime | None = None
    """Not before then, by the pace of its lane; at most `Pace.ahead` away."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast the effects of one lane may follow each other.

    per_second   effects begun in a second, by all workers together
    ahead        how far ahead of time effects are given out
    at_once      effects of one lane under way at the same time, above 0
    """

    per_second: float
    ahead: timedelta
    at_once: int

    def starts(self, next_at: datetime, now: datetime, limit: int) -> list[datetime]:
        """When up to `limit` effects may start: one interval apart, none before now or beyond what is given out ahead."""
        interval = timedelta(seconds=1 / self.per_second)
        first = max(next_at, now)
        return [moment for place in range(limit) if (moment := first + place * interval) <= now + self.ahead]

    def after(self, start: datetime) -> datetime:
        """The earliest start that follows one."""
        return start + timedelta(seconds=1 / self.per_second)


_item, _lane = cast("Table", OutboxItem.__table__), cast("Table", OutboxLane.__table__)
_GIVEN = ("tenant_id", "kind", "lane", "key", "payload", "due_at", "created_at")
_NEW_ITEM = Prepared(
    either(
        lambda insert: (
            insert(_item)
            .values({name: bindparam(name) for name in _GIVEN} | {"state": "waiting", "attempts": 0})
            .on_conflict_do_nothing(index_elements=["key"])
            .returning(_item.c.id)
        )
    )
)
_NEW_LANE = Prepared(
    either(
        lambda insert: (
            insert(_lane)
            .values(name=bindparam("name"), next_at=bindparam("next_at"), failures=0)
            .on_conflict_do_nothing(index_elements=["name"])
        )
    )
)


def put(
    db: Session,
    *,
    tenant_id: int,
    kind: str,
    key: str,
    payload: dict[str, Any],
    now: datetime,
    due_at: datetime | None = None,
    lane: str | None = None,
) -> bool:
    """Adds one effect to the present transaction. Returns False when the same key stands there already."""
    if lane is not None:
        _NEW_LANE.count(db, {"name": lane, "next_at": now})
    row = {
        "tenant_id": tenant_id,
        "kind": kind,
        "lane": lane,
        "key": key,
        "payload": payload,
        "due_at": due_at or now,
        "created_at": now,
    }
    return _NEW_ITEM.first(db, row) is not None


def is_any_due(db: Session, *, kinds: list[str], now: datetime, pace: Pace | None = None) -> bool:
    """Whether a claim would find something now."""
    due = _due(kinds, now)
    if pace is not None:
        due = due.where(or_(OutboxItem.lane.is_(None), OutboxItem.lane.in_(select(OutboxLane.name).where(*_open(now, pace)))))
    return db.scalar(due.limit(1)) is not None


def claim(
    db: Session, *, kinds: list[str], now: datetime, limit: int = 20, lease_seconds: int = LEASE_SECONDS, pace: Pace | None = None
) -> list[Claimed]:
    """Takes due rows for this worker, oldest first; no two workers get the same one.

    pace   of every lane; the lanes take turns, and those that are paused or ahead of their pace are left out. Without it every
           due row may be taken, whatever its lane.
    """
    starts: dict[int, datetime | None]
    if pace is None:
        starts = dict.fromkeys(_ids(db, _due(kinds, now), limit))
    else:
        free: dict[int, datetime | None] = dict.fromkeys(_ids(db, _due(kinds, now).where(OutboxItem.lane.is_(None)), limit))
        paced = [_ids_of_lane(db, lane, kinds=kinds, now=now, limit=limit, pace=pace) for lane in _lanes(db, kinds, now, pace)]
        taken = list(_taking_turns([list(free.items()), *(found for _, found in paced)]))[:limit]
        starts = dict(taken)
        for lane, found in paced:
            mine = [start for id_, start in found if id_ in starts]
            if mine:
                lane.next_at = pace.after(mine[-1])
    if not starts:
        return []
    lease = new_token(16)
    db.execute(
        update(OutboxItem)
        .where(OutboxItem.id.in_(starts))
        .values(lease=lease, lease_until=now + timedelta(seconds=lease_seconds), attempts=OutboxItem.attempts + 1)
    )
    rows = db.scalars(select(OutboxItem).where(OutboxItem.id.in_(starts)).execution_options(populate_existing=True))
    by_id = {row.id: row for row in rows}
    return [
        Claimed(row.id, row.tenant_id, row.kind, row.key, row.payload, row.attempts, lease, row.lane, start)
        for row, start in ((by_id[id_], start) for id_, start in starts.items())
    ]


def finish(db: Session, item: Claimed, *, now: datetime, state: str = "done", note: str | None = None) -> bool:
    """Ends a claimed row: `done`, `parked` (a person must look) or `superseded`. False when the lease was lost."""
    return _set(db, item, state=state, ended_at=now, last_error=note, lease=None, lease_until=None)


def retry(db: Session, item: Claimed, *, now: datetime, note: str, after_seconds: float | None = None) -> bool:
    """Puts a claimed row back for a later try; the pause doubles with each try, with jitter. False when the lease was lost."""
    pause = after_seconds if after_seconds is not None else backoff_seconds(item.attempts, random.random())  # noqa: S311
    return _set(db, item, due_at=now + timedelta(seconds=pause), last_error=note, lease=None, lease_until=None)


def give_back(db: Session, items: Sequence[Claimed]) -> None:
    """Puts rows back that were claimed and not begun: nothing was tried."""
    for item in items:
        _set(db, item, attempts=item.attempts - 1, lease=None, lease_until=None)


def rearm(db: Session, *, keys: Sequence[str], now: datetime) -> int:
    """Lets parked rows be tried again, from the first try. Returns how many were parked."""
    parked = (OutboxItem.key.in_(keys), OutboxItem.state == "parked")
    changed: Any = db.execute(update(OutboxItem).where(*parked).values(state="waiting", due_at=now, ended_at=None, attempts=0))
    return int(changed.rowcount)


def park(db: Session, *, keys: Sequence[str], now: datetime, note: str) -> int:
    """Parks rows that wait and that nobody holds. Returns how many."""
    idle = (OutboxItem.key.in_(keys), OutboxItem.state == "waiting", _is_free(now))
    changed: Any = db.execute(update(OutboxItem).where(*idle).values(state="parked", ended_at=now, last_error=note))
    return int(changed.rowcount)


def sweep(db: Session, *, before: datetime) -> int:
    """Forgets rows that ended well before a moment; parked ones stay until a person has looked. Returns how many."""
    over = (OutboxItem.state.in_(["done", "superseded"]), OutboxItem.ended_at < before)
    gone: Any = db.execute(delete(OutboxItem).where(*over))
    return int(gone.rowcount)


def pause_lane(db: Session, lane: str, *, now: datetime, note: str, after_seconds: float | None = None) -> None:
    """The system of a lane is away: one effect at a time tries it, after pauses that double.

    after_seconds   the pause that the system itself asked for
    """
    row = db.get(OutboxLane, lane, with_for_update=True)
    if row is None:
        return
    if row.paused_until is None or row.paused_until <= now:  # those that were under way together count as one
        row.failures += 1
    pause = min(MAX_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2 ** min(row.failures - 1, 10)) if after_seconds is None else after_seconds
    row.paused_until = max(now + timedelta(seconds=pause), row.paused_until or now)
    row.last_error = note


def resume_lane(db: Session, lane: str) -> None:
    """The system of a lane answered."""
    db.execute(
        update(OutboxLane).where(OutboxLane.name == lane, OutboxLane.failures > 0).values(failures=0, paused_until=None, last_error=None)
    )


def is_held(db: Session, item: Claimed, *, now: datetime) -> bool:
    """Whether the claim still holds: the lease is this worker's and not over."""
    until = db.scalar(select(OutboxItem.lease_until).where(OutboxItem.id == item.id, OutboxItem.lease == item.lease))
    return until is not None and until > now


def hold(db: Session, item: Claimed, *, now: datetime, lease_seconds: int = LEASE_SECONDS) -> bool:
    """Prolongs the claim of an effect that takes long. False when the lease was lost: stop, another worker has it."""
    return _set(db, item, lease_until=now + timedelta(seconds=lease_seconds))


def backoff_seconds(attempts: int, chance: float) -> float:
    """Pause before the next try, seconds: 2, 4, 8 ... at most ten minutes, times 0.5 to 1 by `chance` (0..1)."""
    return float(min(MAX_DELAY_SECONDS, 2 ** min(attempts, 12)) * (0.5 + chance / 2))


def _is_free(now: datetime) -> ColumnElement[bool]:
    return or_(OutboxItem.lease_until.is_(None), OutboxItem.lease_until <= now)


def _due(kinds: list[str], now: datetime) -> Select[int]:
    return select(OutboxItem.id).where(OutboxItem.state == "waiting", OutboxItem.kind.in_(kinds), OutboxItem.due_at <= now, _is_free(now))


def _open(now: datetime, pace: Pace) -> tuple[ColumnElement[bool], ...]:
    """Lanes that are not paused, and whose next turn is near."""
    return (or_(OutboxLane.paused_until.is_(None), OutboxLane.paused_until <= now), OutboxLane.next_at <= now + pace.ahead)


def _lanes(db: Session, kinds: list[str], now: datetime, pace: Pace) -> list[OutboxLane]:
    """Open lanes with something due, the one that waited longest first; each locked, and left to another worker who holds it."""
    is_due = _due(kinds, now).where(OutboxItem.lane == OutboxLane.name).exists()
    lanes = select(OutboxLane).where(*_open(now, pace), is_due).order_by(OutboxLane.next_at, OutboxLane.name)
    return list(db.scalars(lanes.with_for_update(skip_locked=True).execution_options(populate_existing=True)))


def _ids_of_lane(
    db: Session, lane: OutboxLane, *, kinds: list[str], now: datetime, limit: int, pace: Pace
) -> tuple[OutboxLane, list[tuple[int, datetime]]]:
    """Rows of one lane that may begin, each with its start; a lane whose system was away gets one at a time."""
    held = (OutboxItem.lane == lane.name, OutboxItem.state == "waiting", OutboxItem.lease_until > now)
    room = (1 if lane.failures else pace.at_once) - (db.scalar(select(func.count()).where(*held)) or 0)
    starts = pace.starts(lane.next_at, now, min(limit, room))
    ids = _ids(db, _due(kinds, now).where(OutboxItem.lane == lane.name), len(starts)) if starts else []
    return lane, list(zip(ids, starts, strict=False))


def _ids(db: Session, due: Select[int], limit: int) -> list[int]:
    rows = due.order_by(OutboxItem.due_at, OutboxItem.id).limit(limit)
    return list(db.scalars(rows.with_for_update(skip_locked=True, of=OutboxItem)))


def _taking_turns(queues: Sequence[Sequence[Any]]) -> Any:
    """The first of each queue, then the second of each, and so on."""
    return (entry for entry in chain.from_iterable(zip_longest(*queues)) if entry is not None)


def _set(db: Session, item: Claimed, **values: Any) -> bool:
    changed: Any = db.execute(update(OutboxItem).where(OutboxItem.id == item.id, OutboxItem.lease == item.lease).values(**values))
    return bool(changed.rowcount == 1)
