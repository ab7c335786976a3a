"""The background worker: claims due rows of the outbox, carries each out, and closes sittings whose time is over.

Any number of workers may run: a row has one holder at a time, and a holder that dies loses it after the lease.
"""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta

import structlog

from kernel import outbox
from kernel.clock import Clock
from kernel.db import Database
from kernel.errors import KaonaError
from kernel.outbox import Claimed
from lti_tool.web.edge import is_database_away

log = structlog.get_logger()

Handler = Callable[[Claimed], None]
"""Carries out one claimed row and records what came of it; opens its own transactions."""

HOUSEKEEPING_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Worker:
    """One worker.

    handlers      kind of outbox row to its handler
    housekeeping  run every five seconds
    """

    database: Database
    clock: Clock
    handlers: Mapping[str, Handler]
    housekeeping: Callable[[], None]
    poll_seconds: float = 0.5

    def run(self, stop: threading.Event) -> None:
        """Works until `stop` is set; a database that is away only makes it wait."""
        log.info("worker_started", kinds=sorted(self.handlers))
        next_housekeeping = 0.0
        while not stop.is_set():
            try:
                if time.monotonic() >= next_housekeeping:
                    self.housekeeping()
                    next_housekeeping = time.monotonic() + HOUSEKEEPING_SECONDS
                worked = self.run_once()
            except Exception as error:
                if not is_database_away(error):
                    log.error("worker_failed", exc_info=error)
                worked = 0
                stop.wait(2)
            if not worked:
                stop.wait(self.poll_seconds)
        log.info("worker_stopped")

    def run_once(self, limit: int = 20) -> int:
        """Carries out what is due now. Returns the number of rows claimed."""
        with self.database.reading() as db:  # an idle worker must not take SQLite's one write lock twice a second
            if not outbox.is_any_due(db, kinds=list(self.handlers), now=self.clock()):
                return 0
        with self.database.transaction() as db:
            claimed = outbox.claim(db, kinds=list(self.handlers), now=self.clock(), limit=limit)
        for item in claimed:
            self._carry_out(item)
        return len(claimed)

    def _carry_out(self, item: Claimed) -> None:
        with self.database.reading() as db:
            held = outbox.is_held(db, item, now=self.clock() + timedelta(seconds=1))
        if not held:  # the rows before it took longer than the lease
            log.warning("lease_lost", kind=item.kind, id=item.id)
            return
        try:
            self.handlers[item.kind](item)
        except Exception as error:
            if is_database_away(error):
                raise
            known = isinstance(error, KaonaError)
            log.error("job_failed", kind=item.kind, id=item.id, reason=str(error) if known else None, exc_info=None if known else error)
            note = error.code if isinstance(error, KaonaError) else f"unexpected: {type(error).__name__}"
            with self.database.transaction() as db:
                outbox.retry(db, item, now=self.clock(), note=note)
