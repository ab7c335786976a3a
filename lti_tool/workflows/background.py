"""The worker of an installation: which kinds of effect it carries out, and what it looks after in between."""

import itertools
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

import structlog
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

import assessment.api as assessment
import xapi.api as xapi
from kernel import outbox
from kernel.clock import Clock, system_clock
from kernel.db import Database
from kernel.http import GuardedClient
from kernel.outbox import Claimed
from lti_tool.jobs import calibration, item_analysis, line_items, roster_sync, score_publish, score_reconcile
from lti_tool.jobs.statement_push import Pusher
from lti_tool.jobs.worker import Handler, Worker
from lti_tool.keys import lrs_pepper
from lti_tool.lti.sessions import sweep_sessions
from lti_tool.lti.storage import sweep_long_logins
from lti_tool.settings import Settings
from lti_tool.web.edge import is_database_away
from lti_tool.workflows import gradebook, integrity
from lti_tool.workflows.attempt_finished import record_outcome
from lti_tool.workflows.enrolled import place_learners_in_scope
from lti_tool.workflows.preview import sweep_previews

OVERDUE_PER_ROUND = 50
"""Sittings that are ended before effects get their turn again."""
ROUNDS_A_SWEEP = 12
"""Rounds of housekeeping from one sweep to the next: a minute."""
SET_ASIDE = timedelta(minutes=10)
"""How long a sitting that could not be ended is left alone, so that those behind it get their turn."""
ENDED_EFFECTS_KEPT = timedelta(days=30)

log = structlog.get_logger()


def make_worker(settings: Settings, database: Database, clock: Clock = system_clock) -> Worker:
    """A worker with every kind of effect that this version knows."""
    http = GuardedClient.from_settings(settings)

    def publish(item: Claimed) -> None:
        score_publish.publish_score(database, item, http=http, settings=settings, clock=clock)

    def about_column(item: Claimed) -> None:
        line_items.carry_out(database, item, http=http, settings=settings, clock=clock)

    def reconcile(item: Claimed) -> None:
        score_reconcile.carry_out(database, item, http=http, settings=settings, clock=clock)

    def read_roster(item: Claimed) -> None:
        roster_sync.sync_roster(database, item, http=http, settings=settings, clock=clock, on_learners=place)

    def place(db: Session, tenant_id: int, person_uuids: Sequence[UUID]) -> None:
        place_learners_in_scope(db, tenant_id, person_uuids, now=clock())

    def analyse(item: Claimed) -> None:
        item_analysis.carry_out(database, item, clock=clock)

    def analyse_all(item: Claimed) -> None:
        item_analysis.ask_for_all(database, item, clock=clock)

    handlers: dict[str, Handler] = {
        calibration.KIND: partial(calibration.carry_out, database, clock=clock),
        item_analysis.KIND: analyse,
        item_analysis.NIGHT_KIND: analyse_all,
        roster_sync.KIND: read_roster,
        score_publish.KIND: publish,
        score_reconcile.KIND: reconcile,
        **dict.fromkeys(line_items.KINDS, about_column),
    }
    rounds = itertools.count()
    aside: dict[UUID, datetime] = {}

    def look_after() -> None:
        close_overdue_attempts(database, settings, clock, aside)
        gradebook.fill_some(database, clock)
        if next(rounds) % ROUNDS_A_SWEEP == 0:
            sweep(database, clock)
            calibration.rate(database, clock)

    pusher = Pusher(
        database, clock, http, lrs_pepper(settings.secret_key), threads=settings.worker_threads, poll_seconds=settings.worker_poll_seconds
    )
    return Worker(
        database=database,
        clock=clock,
        handlers=handlers,
        housekeeping=look_after,
        poll_seconds=settings.worker_poll_seconds,
        threads=settings.worker_threads,
        per_second=settings.platform_calls_per_second,
        beside=(pusher.run, integrity.Looker(database, clock).run),
    )


def close_overdue_attempts(database: Database, settings: Settings, clock: Clock, aside: dict[UUID, datetime] | None = None) -> int:
    """Ends sittings whose time is over, without the browser; each with all that a finish brings. Returns how many.

    aside   sittings that could not be ended, and until when they are left alone; kept from round to round
    """
    aside, now = {} if aside is None else aside, clock()
    for attempt_uuid in [one for one, until in aside.items() if until <= now]:
        del aside[attempt_uuid]
    n_closed, tried = 0, set(aside)
    for _ in range(OVERDUE_PER_ROUND):
        with database.reading() as db:
            overdue = assessment.find_overdue(db, now=now, but=tried)
        if overdue is None:
            break
        tried.add(overdue)
        n_closed += _close_one(database, settings, overdue, aside, now)
    return n_closed


def _close_one(database: Database, settings: Settings, attempt_uuid: UUID, aside: dict[UUID, datetime], now: datetime) -> bool:
    """One sitting a transaction, so that nobody waits for the sittings of other people, or of other agencies; one that cannot be
    ended is set aside. False when it was not ended here.
    """
    try:
        with database.transaction() as db:
            closed = assessment.close_overdue(db, now=now, limit=1, only=attempt_uuid)
            for tenant_id, closed_uuid in closed:
                record_outcome(db, tenant_id=tenant_id, attempt_uuid=closed_uuid, public_url=settings.public_url, now=now)
    except Exception as error:
        if is_database_away(error):
            raise
        log.error("sitting_not_ended", attempt=attempt_uuid, exc_info=error)
        aside[attempt_uuid] = now + SET_ASIDE
        return False
    return bool(closed)


def sweep(database: Database, clock: Clock) -> None:
    """Once a minute: asks for columns that are wanted and, by night, for rosters and results; forgets what long logins left behind,
    the cookies of sessions that are over, previews that nobody ended, and effects that ended long ago; makes partitions ahead.
    """
    now = clock()
    gradebook.ensure_some(database, clock)
    with database.transaction() as db:
        sweep_long_logins(db, now=now)
        sweep_sessions(db, now=now)
        roster_sync.ask_at_night(db, now=now)
        score_reconcile.enqueue_night(db, now=now)
        item_analysis.ask_at_night(db, now=now)
        outbox.sweep(db, before=now - ENDED_EFFECTS_KEPT)
        sweep_previews(db, now=now)
    try:
        with database.transaction() as db:
            xapi.keep_ahead(db.connection(), now=now)
    except OperationalError as error:  # somebody reads for long what it must lock: the default partition takes in what comes
        log.warning("partitions_later", reason=type(error.orig).__name__)
