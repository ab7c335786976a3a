"""The worker of an installation: which kinds of effect it carries out, and what it looks after in between."""

from datetime import timedelta

from sqlalchemy import delete

import assessment.api as assessment
from kernel.clock import Clock, system_clock
from kernel.db import Database
from kernel.http import GuardedClient
from kernel.outbox import Claimed
from lti_tool.jobs import score_publish
from lti_tool.jobs.worker import Worker
from lti_tool.models import LoginState
from lti_tool.settings import Settings
from lti_tool.workflows.attempt_finished import record_outcome

OVERDUE_PER_ROUND = 50
LOGIN_STATE_KEPT = timedelta(hours=1)


def make_worker(settings: Settings, database: Database, clock: Clock = system_clock) -> Worker:
    """A worker with every kind of effect that this version knows."""
    http = GuardedClient.from_settings(settings)

    def publish(item: Claimed) -> None:
        score_publish.publish_score(database, item, http=http, settings=settings, clock=clock)

    def look_after() -> None:
        close_overdue_attempts(database, settings, clock)
        drop_old_logins(database, clock)

    return Worker(
        database=database,
        clock=clock,
        handlers={score_publish.KIND: publish},
        housekeeping=look_after,
        poll_seconds=settings.worker_poll_seconds,
    )


def close_overdue_attempts(database: Database, settings: Settings, clock: Clock) -> int:
    """Ends sittings whose time is over, without the browser; each with all that a finish brings. Returns how many."""
    now = clock()
    with database.transaction() as db:
        closed = assessment.close_overdue(db, now=now, limit=OVERDUE_PER_ROUND)
        for tenant_id, attempt_uuid in closed:
            record_outcome(db, tenant_id=tenant_id, attempt_uuid=attempt_uuid, public_url=settings.public_url, now=now)
    return len(closed)


def drop_old_logins(database: Database, clock: Clock) -> None:
    """Removes logins that never came back as a launch; their ten minutes are long over."""
    with database.transaction() as db:
        db.execute(delete(LoginState).where(LoginState.created_at < clock() - LOGIN_STATE_KEPT))
