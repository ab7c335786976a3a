"""The worker of an installation: which kinds of effect it carries out, and what it looks after in between."""

import itertools

import assessment.api as assessment
from kernel.clock import Clock, system_clock
from kernel.db import Database
from kernel.http import GuardedClient
from kernel.outbox import Claimed
from lti_tool.jobs import score_publish
from lti_tool.jobs.worker import Worker
from lti_tool.lti.sessions import sweep_sessions
from lti_tool.lti.storage import sweep_states
from lti_tool.settings import Settings
from lti_tool.workflows.attempt_finished import record_outcome

OVERDUE_PER_ROUND = 50
"""Sittings that are ended before effects get their turn again."""
ROUNDS_A_SWEEP = 12
"""Rounds of housekeeping from one sweep to the next: a minute."""


def make_worker(settings: Settings, database: Database, clock: Clock = system_clock) -> Worker:
    """A worker with every kind of effect that this version knows."""
    http = GuardedClient.from_settings(settings)

    def publish(item: Claimed) -> None:
        score_publish.publish_score(database, item, http=http, settings=settings, clock=clock)

    rounds = itertools.count()

    def look_after() -> None:
        close_overdue_attempts(database, settings, clock)
        if next(rounds) % ROUNDS_A_SWEEP == 0:
            sweep(database, clock)

    return Worker(
        database=database,
        clock=clock,
        handlers={score_publish.KIND: publish},
        housekeeping=look_after,
        poll_seconds=settings.worker_poll_seconds,
    )


def close_overdue_attempts(database: Database, settings: Settings, clock: Clock) -> int:
    """Ends sittings whose time is over, without the browser; each with all that a finish brings. Returns how many."""
    n_closed = 0
    while n_closed < OVERDUE_PER_ROUND and _close_one(database, settings, clock):
        n_closed += 1
    return n_closed


def _close_one(database: Database, settings: Settings, clock: Clock) -> bool:
    """One sitting a transaction, so that nobody waits for the sittings of other people, or of other agencies. False when none is due."""
    now = clock()
    with database.transaction() as db:
        closed = assessment.close_overdue(db, now=now, limit=1)
        for tenant_id, attempt_uuid in closed:
            record_outcome(db, tenant_id=tenant_id, attempt_uuid=attempt_uuid, public_url=settings.public_url, now=now)
    return bool(closed)


def sweep(database: Database, clock: Clock) -> None:
    """Forgets logins that never came back as a launch, and the cookies of sessions that are over."""
    now = clock()
    with database.transaction() as db:
        sweep_states(db, now=now)
        sweep_sessions(db, now=now)
