"""The background worker: claims due rows of the outbox, carries each out in a thread, and looks after the rest in between.

Any number of workers may run: a row has one holder at a time, and a holder that dies loses it after the lease. A platform that
is slow holds few of the threads, and one that is away is left alone for a while: the others' rows go on.
"""

import math
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import timedelta

import structlog

from kernel import outbox
from kernel.clock import Clock
from kernel.db import Database
from kernel.errors import KaonaError
from kernel.outbox import Claimed, Pace
from lti_tool.web.edge import is_database_away

log = structlog.get_logger()

Handler = Callable[[Claimed], object]
"""Carries out one claimed row and records what came of it; opens its own transactions; called in a thread of the pool."""

HOUSEKEEPING_SECONDS = 5.0
AHEAD = timedelta(seconds=1)
"""How far ahead of its start a row is taken, so that a pace is kept between two looks."""
BUSY_SECONDS = 0.25
"""Pause between two looks while rows are under way."""


@dataclass(frozen=True, slots=True)
class Worker:
    """One worker.

    handlers      kind of outbox row to its handler
    housekeeping  run every five seconds
    beside        loops of other work, each in a thread of its own until `stop` is set
    threads       rows under way at the same time
    per_second    rows of one lane begun in a second, by all workers together
    """

    database: Database
    clock: Clock
    handlers: Mapping[str, Handler]
    housekeeping: Callable[[], None]
    poll_seconds: float = 0.5
    threads: int = 4
    per_second: float = 5.0
    beside: Sequence[Callable[[threading.Event], None]] = ()

    @property
    def pace(self) -> Pace:
        """The pace of each lane; one lane never holds more than half of the threads."""
        return Pace(self.per_second, AHEAD, at_once=max(1, min(self.threads // 2, math.ceil(self.per_second))))

    def run(self, stop: threading.Event) -> None:
        """Works until `stop` is set; a database that is away only makes it wait."""
        log.info("worker_started", kinds=sorted(self.handlers))
        next_housekeeping = 0.0
        under_way: dict[Future[None], Claimed] = {}
        others = [threading.Thread(target=loop, args=(stop,), name="beside") for loop in self.beside]
        for other in others:
            other.start()
        with ThreadPoolExecutor(self.threads, thread_name_prefix="effect") as pool:
            while not stop.is_set():
                try:
                    if time.monotonic() >= next_housekeeping:
                        next_housekeeping = time.monotonic() + HOUSEKEEPING_SECONDS  # first: what breaks there stops no effect
                        self.housekeeping()
                    for item in self._claimed(self.threads - len(under_way), self.pace):
                        under_way[pool.submit(self._begin, item, stop)] = item
                except Exception as error:
                    if not is_database_away(error):
                        log.error("worker_failed", exc_info=error)
                    stop.wait(2)
                under_way = self._rest(under_way, stop)
        for other in others:
            other.join()
        log.info("worker_stopped")

    def run_once(self, limit: int = 20) -> int:
        """Carries out what is due now, one after the other and without regard to any pace. Returns the number of rows claimed."""
        claimed = self._claimed(limit, None)
        for item in claimed:
            self._carry_out(item)
        return len(claimed)

    def _claimed(self, limit: int, pace: Pace | None) -> list[Claimed]:
        kinds = list(self.handlers)
        if limit <= 0:
            return []
        with self.database.reading() as db:  # an idle worker must not take SQLite's one write lock twice a second
            if not outbox.is_any_due(db, kinds=kinds, now=self.clock(), pace=pace):
                return []
        with self.database.transaction() as db:
            return outbox.claim(db, kinds=kinds, now=self.clock(), limit=limit, pace=pace)

    def _rest(self, under_way: dict[Future[None], Claimed], stop: threading.Event) -> dict[Future[None], Claimed]:
        """Waits a little, shorter when something ends. Returns what is still under way."""
        if not under_way:
            stop.wait(self.poll_seconds)
            return under_way
        done, _ = wait(under_way, timeout=min(self.poll_seconds, BUSY_SECONDS), return_when=FIRST_COMPLETED)
        return {future: item for future, item in under_way.items() if future not in done}

    def _begin(self, item: Claimed, stop: threading.Event) -> None:
        """One row in its thread, from its start on; given back when the worker stops before."""
        wait_seconds = (item.start_at - self.clock()).total_seconds() if item.start_at else 0.0
        try:
            if (wait_seconds > 0 and stop.wait(wait_seconds)) or stop.is_set():
                with self.database.transaction() as db:
                    outbox.give_back(db, [item])
                return
            self._carry_out(item)
        except Exception as error:  # the lease runs out, and somebody takes the row over
            log.warning("effect_unrecorded", kind=item.kind, id=item.id, exc_info=None if is_database_away(error) else error)

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
