"""The learners of a course, as the teacher may see them."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from lti_tool.models import Enrolment, Launch, User
from lti_tool.web.principal import Principal


@dataclass(frozen=True, slots=True)
class LearnerRow:
    """One learner of the teacher's course."""

    person_uuid: UUID
    display_name: str | None
    """None when the platform sends no names."""
    last_launch_at: datetime | None


def list_learners(db: Session, principal: Principal) -> list[LearnerRow]:
    """Everyone who is a learner in the course of this launch, by name, the unnamed last."""
    last_launch = (
        select(Launch.user_id, func.max(Launch.created_at).label("at"))
        .where(Launch.context_id == principal.context_id, Launch.tenant_id == principal.tenant_id)
        .group_by(Launch.user_id)
        .subquery()
    )
    rows = db.execute(
        select(User, Enrolment.roles, last_launch.c.at)
        .join(Enrolment, Enrolment.user_id == User.id)
        .outerjoin(last_launch, last_launch.c.user_id == User.id)
        .where(Enrolment.context_id == principal.context_id, User.tenant_id == principal.tenant_id, User.blocked_at.is_(None))
    )
    learners = [
        LearnerRow(user.person_uuid, user.display_name, at) for user, roles, at in rows if "learner" in roles and "instructor" not in roles
    ]
    return sorted(learners, key=lambda row: (row.display_name is None, row.display_name or "", str(row.person_uuid)))
