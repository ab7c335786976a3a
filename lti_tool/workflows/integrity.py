"""Sittings that somebody should look at: the worker's part, and what the teachers of a course see, decide and write down.

Who may: the instructors of a course in which the sitting counts, who may see the person's work anyway; nobody else, administrators
neither. What was found of a sitting never changes its score.
"""

import threading
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session

import assessment.api as assessment
from kernel.clock import Clock
from kernel.db import Database
from kernel.errors import NotFound
from lti_tool.models import User
from lti_tool.models.audit import append_audit
from lti_tool.web.edge import is_database_away
from lti_tool.web.principal import Principal
from lti_tool.workflows.sittings import counted_in_course

EVERY_SECONDS = 60.0

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class CourseReview:
    """One review with the people it is about, as far as they are of this course.

    name     None where the platform sends none
    others   by attempt: the other person of a similar pair, None for one of another course
    """

    review: assessment.ReviewView
    name: str | None
    others: Mapping[UUID, tuple[UUID, str | None] | None]


@dataclass(frozen=True, slots=True)
class Looker:
    """The worker's loop over finished sittings, beside its effects: a comparison may take half a minute."""

    database: Database
    clock: Clock

    def run(self, stop: threading.Event) -> None:
        """Looks once a minute until it is told to stop; a database that is away only makes it wait."""
        while not stop.wait(EVERY_SECONDS):
            try:
                look(self.database, self.clock)
            except Exception as error:
                if not is_database_away(error):
                    log.error("sittings_not_looked_at", exc_info=error)


def look(database: Database, clock: Clock) -> None:
    """Measures some finished sittings, compares those of one form, and forgets what is too old."""
    with database.transaction() as db:
        assessment.check_some(db, now=clock())
    with database.transaction() as db:
        assessment.forget_checks(db, now=clock())
    with database.reading() as db:
        comparison = assessment.next_comparison(db, now=clock())
    if comparison is None:
        return
    try:
        pairs = assessment.compare(comparison)  # no transaction is open: it may take half a minute
    except ImportError:
        log.warning("pairs_not_compared", reason="numpy is not installed: pip install 'kaona[calibrate]'")
        return
    with database.transaction() as db:
        assessment.keep_pairs(db, comparison, pairs, now=clock())


def list_course_reviews(db: Session, principal: Principal, form_uuid: UUID) -> list[CourseReview]:
    """Reviews of one form's sittings that count in this launch's course, those that wait first."""
    found = assessment.list_reviews(db, tenant_id=principal.tenant_id, attempts=counted_in_course(principal), form_uuid=form_uuid)
    names = _names(db, principal, [one.person_uuid for one in found])
    by_attempt = {one.attempt_uuid: (one.person_uuid, names.get(one.person_uuid)) for one in found}
    return [
        CourseReview(
            review=one,
            name=names.get(one.person_uuid),
            others={flag.other: by_attempt.get(flag.other) for flag in one.flags if flag.other is not None},
        )
        for one in found
    ]


def open_review(db: Session, principal: Principal, form_uuid: UUID, attempt: UUID, now: datetime) -> CourseReview:
    """One review, to be looked at; that it was stands in the audit log. Raises NotFound for one of another course."""
    found = _get_review(db, principal, form_uuid, attempt)
    _note(db, principal, "integrity.viewed", attempt, now)
    return found


def decide(db: Session, principal: Principal, form_uuid: UUID, attempt: UUID, *, decision: str, reason: str, now: datetime) -> None:
    """Ends a review. Raises NotFound for one of another course, ReviewInvalid, ReviewDecided."""
    _get_review(db, principal, form_uuid, attempt)
    actor = f"user:{principal.user_id}"
    assessment.decide_review(db, attempt, decision, reason, tenant_id=principal.tenant_id, actor=actor, now=now)
    _note(db, principal, "integrity.decided", attempt, now, decision=decision)


def _get_review(db: Session, principal: Principal, form_uuid: UUID, attempt: UUID) -> CourseReview:
    for one in list_course_reviews(db, principal, form_uuid):
        if one.review.attempt_uuid == attempt:
            return one
    raise NotFound


def _names(db: Session, principal: Principal, people: Collection[UUID]) -> dict[UUID, str | None]:
    known = select(User.person_uuid, User.display_name).where(User.tenant_id == principal.tenant_id, User.person_uuid.in_(set(people)))
    return dict(db.execute(known).all())


def _note(db: Session, principal: Principal, event: str, attempt: UUID, now: datetime, **more: str) -> None:
    details = {"attempt": str(attempt), **more}
    append_audit(db, event=event, actor=f"user:{principal.user_id}", now=now, tenant_id=principal.tenant_id, details=details)
