"""Statements on their way to other record stores and webhooks: a loop of the worker beside that of the outbox.

A push needs no rows of the outbox: the log of statements is its queue (docs/decisions/0009). Each push that has something to send takes a
thread for one turn, so that a target that is slow delays no other.
"""

import threading
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field

import structlog

import xapi.api as xapi
from kernel.clock import Clock
from kernel.db import Database
from kernel.http import GuardedClient
from lti_tool.web.edge import is_database_away

log = structlog.get_logger()

FAULT_SECONDS = 2.0
"""Pause after the database was away."""


@dataclass(frozen=True, slots=True)
class Pusher:
    """Sends what pushes have to send.

    pepper    the installation's secret of the LRS, under which secrets of targets are sealed
    threads   pushes under way at the same time
    """

    database: Database
    clock: Clock
    http: GuardedClient
    pepper: bytes = field(repr=False)
    threads: int = 16
    poll_seconds: float = 0.5

    def run(self, stop: threading.Event) -> None:
        """Works until `stop` is set; a database that is away only makes it wait."""
        under_way: dict[Future[int], int] = {}
        with ThreadPoolExecutor(self.threads, thread_name_prefix="push") as pool:
            while not stop.is_set():
                try:
                    due = [one for one in xapi.find_due(self.database, now=self.clock()) if one not in under_way.values()]
                except Exception as error:
                    if not is_database_away(error):
                        log.error("pushes_not_read", exc_info=error)
                    stop.wait(FAULT_SECONDS)
                    continue
                for push_id in due[: self.threads - len(under_way)]:
                    under_way[pool.submit(self._turn, push_id, stop)] = push_id
                if under_way:
                    done, _ = wait(under_way, timeout=self.poll_seconds, return_when=FIRST_COMPLETED)
                    under_way = {future: one for future, one in under_way.items() if future not in done}
                else:
                    stop.wait(self.poll_seconds)

    def run_once(self) -> int:
        """One turn of every push that has something to send, one after the other. Returns the number of calls made."""
        return sum(self._turn(push_id, None) for push_id in xapi.find_due(self.database, now=self.clock()))

    def _turn(self, push_id: int, stop: threading.Event | None) -> int:
        try:
            return xapi.deliver(self.database, push_id, http=self.http, pepper=self.pepper, clock=self.clock, stop=stop)
        except Exception as error:
            if is_database_away(error):  # the lease runs out, and somebody takes the push over
                log.warning("push_unrecorded", push=push_id)
                return 0
            log.error("push_failed", push=push_id, exc_info=error)
            xapi.put_off(self.database, push_id, note=f"unexpected: {type(error).__name__}", now=self.clock())
            return 0
