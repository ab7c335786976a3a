"""How far outside LRSs, webhooks and consumers of feeds are behind: for a monitor that asks every few seconds, at a bounded cost."""

import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, Literal

from sqlalchemy import Row, func, select, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from xapi import query
from xapi.models import feed, push, set_aside
from xapi.pushes import slice_of
from xapi.query import Filter
from xapi.timestamps import moment_of

COUNTED: Final = 1_000
"""Waiting statements are counted up to this number."""
MEASURED: Final = 100
"""Pushes, and feeds, that are measured: the oldest ones."""
SECONDS: Final = 1.0
"""After this time no further one is measured."""


@dataclass(frozen=True, slots=True)
class Lag:
    """How far one push or feed is behind.

    waiting     statements, up to `COUNTED`
    oldest_at   when the first of them was stored
    refused     statements that the target of a push set aside, up to `COUNTED`
    is_paused   whether a push stands still until somebody resumes it
    """

    kind: Literal["lrs", "webhook", "feed"]
    tenant_id: int
    name: str
    waiting: int
    oldest_at: datetime | None
    refused: int = 0
    is_paused: bool = False


def measure_lags(db: Session) -> list[Lag]:
    """The lags of all tenants' pushes and feeds, as far as they can be had in about `SECONDS`."""
    until = time.monotonic() + SECONDS
    found: list[Lag] = []
    with suppress(OperationalError):  # PostgreSQL ended a query that took too long: what was found before it counts
        if db.get_bind().dialect.name == "postgresql":
            db.execute(text(f"SET LOCAL statement_timeout = {int(SECONDS * 1000)}"))
        for lag in _lags(db):
            found.append(lag)
            if time.monotonic() > until:
                break
    return found


def _lags(db: Session) -> Iterator[Lag]:
    for row in db.execute(select(push).where(push.c.removed_at.is_(None)).order_by(push.c.id).limit(MEASURED)).all():
        waiting, oldest_at = _waiting(db, row, row.cursor)
        refused = select(set_aside.c.seq).where(set_aside.c.push_id == row.id).limit(COUNTED)
        n_refused = db.scalar(select(func.count()).select_from(refused.subquery())) or 0
        yield Lag(row.kind, row.tenant_id, row.name, waiting, oldest_at, n_refused, row.paused_at is not None)
    for row in db.execute(select(feed).order_by(feed.c.created_at, feed.c.tenant_id, feed.c.name).limit(MEASURED)).all():
        yield Lag("feed", row.tenant_id, row.name, *_waiting(db, row, row.position))


def _waiting(db: Session, row: Row[object], after: int) -> tuple[int, datetime | None]:
    """How many statements of a slice stand behind a place, and when the first of them was stored."""
    page = query.first_page(db.connection(), query.within(Filter(ascending=True), slice_of(row)), tenant_id=row.tenant_id)
    page = replace(page, low=max(page.low, after), limit=COUNTED)
    waiting = query.count_page(db.connection(), page, tenant_id=row.tenant_id)
    first = query.read_places(db.connection(), replace(page, limit=1), tenant_id=row.tenant_id) if waiting else []
    return waiting, moment_of(first[0][0]) if first else None
