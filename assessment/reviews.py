"""Finished sittings that a person should look at: what was measured of them, the flags, and what was decided. No score is touched here."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal, get_args
from uuid import UUID

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from assessment.errors import ReviewDecided, ReviewInvalid, ReviewNotFound
from assessment.integrity import KEPT
from assessment.models import INTEGRITY_TABLES, Attempt, Form, IntegrityCheck, IntegrityFlag, IntegrityReview, Response

Decision = Literal["no_concern", "talk", "retake"]
MAX_REASON_CHARACTERS: Final = 1000
FORGOTTEN_AT_ONCE: Final = 500


@dataclass(frozen=True, slots=True)
class PastSitting:
    """A finished sitting, for the rules of admission. is_offered_again: after its review another one was offered in its place."""

    attempt_uuid: UUID
    ended_at: datetime
    is_offered_again: bool


@dataclass(frozen=True, slots=True)
class FlagView:
    """One thing to look at.

    kind    `rapid`, `misfit`, `similar`, `away` or `moved`
    other   the other attempt of a similar pair
    detail  the figures that it rests on, see `integrity`
    """

    kind: str
    other: UUID | None
    at: datetime
    detail: dict[str, Any]


@dataclass(frozen=True, slots=True)
class ReviewView:
    """A review of one finished attempt; decision is None while it waits."""

    attempt_uuid: UUID
    form_uuid: UUID
    person_uuid: UUID
    finished_at: datetime
    opened_at: datetime
    flags: tuple[FlagView, ...]
    decision: str | None = None
    reason: str | None = None
    decided_at: datetime | None = None


def list_past(db: Session, *, tenant_id: int, person_uuid: UUID, form_uuid: UUID) -> list[PastSitting]:
    """The finished sittings of a person on a form, the oldest first."""
    rows = db.execute(
        select(Attempt.uuid, Attempt.finished_at, IntegrityReview.decision)
        .join(Form, Form.id == Attempt.form_id)
        .outerjoin(IntegrityReview, IntegrityReview.attempt_id == Attempt.id)
        .where(Attempt.tenant_id == tenant_id, Attempt.person_uuid == person_uuid, Form.uuid == form_uuid, Attempt.state == "finished")
        .order_by(Attempt.id)
    )
    return [PastSitting(uuid, finished_at, decision == "retake") for uuid, finished_at, decision in rows if finished_at is not None]


def list_reviews(
    db: Session, *, tenant_id: int, attempts: Any = None, form_uuid: UUID | None = None, person_uuid: UUID | None = None
) -> list[ReviewView]:
    """Reviews of an agency, those that wait first, then the newest.

    attempts   a query of the UUIDs that may be looked at; None for all
    """
    which = [Attempt.tenant_id == tenant_id, ~Attempt.is_preview]
    which += [] if attempts is None else [Attempt.uuid.in_(attempts)]
    which += [] if form_uuid is None else [Form.uuid == form_uuid]
    which += [] if person_uuid is None else [Attempt.person_uuid == person_uuid]
    rows = db.execute(
        select(IntegrityReview, Attempt, Form.uuid)
        .join(Attempt, Attempt.id == IntegrityReview.attempt_id)
        .join(Form, Form.id == Attempt.form_id)
        .where(*which)
        .order_by(IntegrityReview.decided_at.is_not(None), IntegrityReview.opened_at.desc(), Attempt.id.desc())
    ).all()
    flags: dict[int, list[FlagView]] = {}
    ids = [attempt.id for _, attempt, _ in rows]
    for flag in db.scalars(select(IntegrityFlag).where(IntegrityFlag.attempt_id.in_(ids)).order_by(IntegrityFlag.id)):
        view = FlagView(flag.kind, UUID(flag.key) if flag.key else None, flag.at, flag.detail)
        flags.setdefault(flag.attempt_id, []).append(view)
    return [
        ReviewView(
            attempt_uuid=attempt.uuid,
            form_uuid=form,
            person_uuid=attempt.person_uuid,
            finished_at=attempt.finished_at,
            opened_at=review.opened_at,
            flags=tuple(flags.get(attempt.id, ())),
            decision=review.decision,
            reason=review.reason,
            decided_at=review.decided_at,
        )
        for review, attempt, form in rows
        if attempt.finished_at is not None
    ]


def decide_review(db: Session, attempt_uuid: UUID, decision: str, reason: str, *, tenant_id: int, actor: str, now: datetime) -> None:
    """Ends a review, once.

    reason   1 to 1,000 characters; the learner may read it
    Raises   ReviewInvalid, ReviewNotFound, ReviewDecided
    """
    said = " ".join(reason.replace("\0", "").split())
    if decision not in get_args(Decision) or not 0 < len(said) <= MAX_REASON_CHARACTERS:
        raise ReviewInvalid(field="decision" if decision not in get_args(Decision) else "reason")
    attempt_id = db.scalar(select(Attempt.id).where(Attempt.uuid == attempt_uuid, Attempt.tenant_id == tenant_id))
    waiting = (IntegrityReview.attempt_id == attempt_id, IntegrityReview.decision.is_(None))
    decided = update(IntegrityReview).where(*waiting).values(decision=decision, reason=said, decided_by=actor, decided_at=now)
    if db.execute(decided.returning(IntegrityReview.attempt_id).execution_options(synchronize_session=False)).first() is not None:
        return
    if attempt_id is None or db.get(IntegrityReview, attempt_id) is None:
        raise ReviewNotFound
    raise ReviewDecided


def forget_checks(db: Session, *, now: datetime) -> int:
    """Removes what was measured, flagged and decided of sittings that ended long ago, with the times away. Returns of how many."""
    old = select(IntegrityCheck.attempt_id).join(Attempt, Attempt.id == IntegrityCheck.attempt_id)
    ids = list(db.scalars(old.where(Attempt.finished_at < now - KEPT).limit(FORGOTTEN_AT_ONCE)))
    options = {"synchronize_session": False}
    db.execute(update(Response).where(Response.attempt_id.in_(ids)).values(away_count=None, away_ms=None).execution_options(**options))
    for table in INTEGRITY_TABLES:
        db.execute(delete(table).where(table.attempt_id.in_(ids)).execution_options(**options))
    return len(ids)
