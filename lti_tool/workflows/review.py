"""One learner's work as their teacher may see it: the sittings of this course, what was answered, and why what is right is right."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

import assessment.api as assessment
from kernel.errors import NotFound
from kernel.langmap import LangMap
from lti_tool.lti.vocabulary import Role
from lti_tool.models import CountedSitting, Enrolment, Launch, User
from lti_tool.models.audit import append_audit
from lti_tool.web.principal import Principal
from lti_tool.workflows.placements import activity_of
from lti_tool.workflows.sittings import counted_in_course, of_course

State = Literal["other", "nobody", "none", "open", "finished"]
"""other: the link shows no assessment; nobody: we know no such learner of the course; none, open, finished: how far they came."""


@dataclass(frozen=True, slots=True)
class Review:
    """A learner's work in one assessment.

    sittings    finished ones of this course, the newest first; `outcome` is of the one that is shown
    rationales  by presentation
    """

    state: State
    person_uuid: UUID | None = None
    name: str | None = None
    form: assessment.FormView | None = None
    begun_at: datetime | None = None
    n_answered: int = 0
    sittings: tuple[assessment.FinishedAttempt, ...] = ()
    outcome: assessment.Outcome | None = None
    rationales: Mapping[UUID, LangMap] | None = None


def review_submission(db: Session, principal: Principal, *, attempt: UUID | None, now: datetime) -> Review:
    """The work that the platform asked about in this launch: that of its `for_user`, in what its link shows."""
    kind, _, name = (activity_of(db, principal) or "").partition(":")
    if kind not in {"assessment", "teach"}:
        return Review("other")
    try:
        form = assessment.get_form(db, UUID(name), tenant_id=principal.tenant_id)
    except ValueError:
        return Review("other")
    concerned = select(Launch.for_user_id).where(Launch.id == principal.session_id).scalar_subquery()
    learner = _find_learner(db, principal, User.id == concerned)
    return Review("nobody", form=form) if learner is None else _review(db, principal, learner, form, attempt=attempt, now=now)


def review_learner(db: Session, principal: Principal, *, form_uuid: UUID, person_uuid: UUID, attempt: UUID | None, now: datetime) -> Review:
    """The work of one learner of this launch's course. Raises NotFound for anybody else, and for another agency's form."""
    form = assessment.get_form(db, form_uuid, tenant_id=principal.tenant_id)
    learner = _find_learner(db, principal, User.person_uuid == person_uuid)
    if learner is None:
        raise NotFound
    return _review(db, principal, learner, form, attempt=attempt, now=now)


def _find_learner(db: Session, principal: Principal, which: object) -> User | None:
    """A learner of the course, present or past; None for everybody else."""
    row = db.execute(
        select(User, Enrolment.roles)
        .join(Enrolment, Enrolment.user_id == User.id)
        .where(which, Enrolment.context_id == principal.context_id, User.tenant_id == principal.tenant_id)  # type: ignore[arg-type]
    ).first()
    if row is None or Role.LEARNER.value not in row.roles or Role.INSTRUCTOR.value in row.roles:
        return None
    user: User = row[0]
    return user


def _review(db: Session, principal: Principal, learner: User, form: assessment.FormView, *, attempt: UUID | None, now: datetime) -> Review:
    who: dict[str, Any] = {"person_uuid": learner.person_uuid, "name": learner.display_name, "form": form}
    sittings = _sittings_here(db, principal, learner, form)
    if not sittings:
        asked: dict[str, Any] = {"tenant_id": principal.tenant_id, "form_uuid": form.uuid, "person_uuids": [learner.person_uuid]}
        begun = assessment.list_outcomes(db, **asked, among=of_course(principal)).get(learner.person_uuid)
        if begun is None:
            return Review("none", **who)
        return Review("open", begun_at=begun.started_at, n_answered=begun.n_items, **who)
    shown = next((one for one in sittings if one.attempt_uuid == attempt), sittings[0] if attempt is None else None)
    if shown is None:
        raise NotFound
    append_audit(
        db,
        event="submission.reviewed",
        actor=f"user:{principal.user_id}",
        now=now,
        tenant_id=principal.tenant_id,
        details={"person": str(learner.person_uuid), "attempt": str(shown.attempt_uuid)},
    )
    return Review(
        "finished",
        sittings=tuple(sittings),
        outcome=assessment.get_outcome(db, shown.attempt_uuid, tenant_id=principal.tenant_id),
        rationales=assessment.list_rationales(db, shown.attempt_uuid, tenant_id=principal.tenant_id),
        **who,
    )


def _sittings_here(db: Session, principal: Principal, learner: User, form: assessment.FormView) -> list[assessment.FinishedAttempt]:
    """Finished sittings of the form that count in this course, the newest first."""
    finished = assessment.list_finished(db, tenant_id=principal.tenant_id, person_uuids=[learner.person_uuid])
    here = set(db.scalars(counted_in_course(principal).where(CountedSitting.user_id == learner.id)))
    return [one for one in reversed(finished) if one.form_uuid == form.uuid and one.attempt_uuid in here]
