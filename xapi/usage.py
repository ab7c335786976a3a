"""What credentials do and what was refused to them: gathered in memory, written together every few seconds, read by administrators.

A row that each request writes would be waited for by all of them; so a process that is killed loses the counts of its last seconds,
and nothing else. The statements themselves are never counted on this.
"""

import threading
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import astuple, dataclass
from datetime import UTC, date, datetime
from multiprocessing.util import Finalize
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, delete, insert, select, true
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import SQLAlchemyError

from kernel.clock import Clock
from kernel.db import Database
from xapi.models import refusal, use

FLUSH_SECONDS = 5.0
"""How old a count gets before it is written."""
KEPT_REFUSALS = 500
"""Refused requests that are kept of each tenant."""


@dataclass(frozen=True, slots=True)
class Volume:
    """What one credential did on one day (UTC).

    key             the credential, or issuer and client of a token from elsewhere
    written, read   statements accepted, statements given out
    """

    key: str
    day: date
    requests: int
    written: int
    read: int


@dataclass(frozen=True, slots=True)
class Refusal:
    """A request that was refused: never what it held.

    resource   the address below the LRS, as `statements`
    place      name of a parameter or header, or JSON pointer into what was sent
    """

    at: datetime
    key: str
    method: str
    resource: str
    status: int
    code: str
    rule: str | None
    place: str | None


class Usage:
    """What this process has to write down."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database, self._clock = database, clock
        self._lock = threading.Lock()
        self._timer: threading.Timer | None = None
        self._at_exit: Finalize | None = None
        self._counts: dict[tuple[int, date, str], list[int]] = {}
        self._refusals: deque[tuple[int, Refusal]] = deque(maxlen=KEPT_REFUSALS)

    def count(self, tenant_id: int, key: str, *, requests: int = 0, written: int = 0, read: int = 0) -> None:
        """Counts what a credential does today."""
        place = (tenant_id, self._clock().astimezone(UTC).date(), key)
        with self._lock:
            self._add(place, (requests, written, read))
            self._soon()

    def note(self, tenant_id: int, refused: Refusal) -> None:
        """Notes a refused request; when more come than are kept, the oldest go."""
        with self._lock:
            self._refusals.append((tenant_id, refused))
            self._soon()

    def flush(self) -> None:
        """Writes down what was gathered; what the database does not take now is tried again with the next."""
        with self._lock:
            self._timer = None
            if self._at_exit is not None:
                self._at_exit.cancel()
            counts, self._counts = self._counts, {}
            refusals = list(self._refusals)
            self._refusals.clear()
        if self._is_gone():
            return
        try:
            with self._database.transaction(durable=False) as db:
                _add_counts(db.connection(), counts)
                _add_refusals(db.connection(), refusals)
        except (SQLAlchemyError, OSError):
            with self._lock:
                for place, numbers in counts.items():
                    self._add(place, numbers)

    def _is_gone(self) -> bool:
        """Whether the file of a SQLite database was removed: writing would make an empty one in its place."""
        url = self._database.engine.url
        return url.get_backend_name() == "sqlite" and not Path(str(url.database)).exists()

    def _add(self, place: tuple[int, date, str], numbers: Sequence[int]) -> None:
        present = self._counts.setdefault(place, [0, 0, 0])
        for at, number in enumerate(numbers):
            present[at] += number

    def _soon(self) -> None:
        if self._timer is None:
            self._timer = threading.Timer(FLUSH_SECONDS, self.flush)
            self._timer.daemon = True
            with suppress(RuntimeError):  # no thread can start while the process ends
                self._timer.start()
            self._at_exit = Finalize(None, self.flush, exitpriority=1)  # a worker process ends without `atexit`


def volumes_of(db: Connection, *, tenant_id: int, since: date, until: date, key: str | None = None) -> list[Volume]:
    """What the credentials of a tenant did from one day to another (UTC, both included), by day and credential; of one, or of all."""
    columns = (use.c.key, use.c.day, use.c.requests, use.c.written, use.c.read)
    whose = use.c.key == key if key is not None else true()
    query = select(*columns).where(use.c.tenant_id == tenant_id, use.c.day.between(since, until), whose).order_by(use.c.day, use.c.key)
    return [Volume(*row) for row in db.execute(query)]


def list_refusals(db: Connection, *, tenant_id: int, limit: int, key: str | None = None) -> list[Refusal]:
    """The last requests of a tenant that were refused, newest first; of one credential, or of all."""
    columns = [refusal.c[name] for name in Refusal.__dataclass_fields__]
    whose = refusal.c.key == key if key is not None else true()
    query = select(*columns).where(refusal.c.tenant_id == tenant_id, whose).order_by(refusal.c.id.desc()).limit(limit)
    return [Refusal(*row) for row in db.execute(query)]


def _add_counts(db: Connection, counts: dict[tuple[int, date, str], list[int]]) -> None:
    rows = [
        {"tenant_id": tenant, "day": day, "key": key, "requests": requests, "written": written, "read": read}
        for (tenant, day, key), (requests, written, read) in sorted(counts.items())  # one order for all processes: no deadlock
    ]
    if not rows:
        return
    into: Any = (postgresql if db.dialect.name == "postgresql" else sqlite).insert(use)
    sums = {name: use.c[name] + into.excluded[name] for name in ("requests", "written", "read")}
    db.execute(into.on_conflict_do_update(index_elements=list(use.primary_key), set_=sums), rows)


def _add_refusals(db: Connection, refusals: list[tuple[int, Refusal]]) -> None:
    names = tuple(Refusal.__dataclass_fields__)
    rows = [{"tenant_id": tenant, **dict(zip(names, astuple(refused), strict=True))} for tenant, refused in refusals]
    if not rows:
        return
    db.execute(insert(refusal), rows)
    for tenant in sorted({tenant for tenant, _ in refusals}):
        oldest = select(refusal.c.id).where(refusal.c.tenant_id == tenant).order_by(refusal.c.id.desc()).offset(KEPT_REFUSALS - 1).limit(1)
        db.execute(delete(refusal).where(refusal.c.tenant_id == tenant, refusal.c.id < oldest.scalar_subquery()))
