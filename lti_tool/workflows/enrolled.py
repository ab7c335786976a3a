"""Learners whom a launch or a roster brought are in scope: the denominator of every figure."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

import roadmap.api as roadmap
from lti_tool.lti.enrol import Enrolled
from lti_tool.lti.vocabulary import Role


def place_in_scope(db: Session, enrolled: Enrolled, *, now: datetime) -> None:
    """Puts a learner into the agency's scope; a role and a unit known from elsewhere stay as they are. Teachers stay out."""
    if Role.LEARNER in enrolled.roles and Role.INSTRUCTOR not in enrolled.roles:
        roadmap.place_person(db, tenant_id=enrolled.tenant_id, person_uuid=enrolled.person_uuid, now=now)


def place_learners_in_scope(db: Session, tenant_id: int, person_uuids: Sequence[UUID], *, now: datetime) -> None:
    """Puts learners of a roster into the agency's scope, started or not."""
    roadmap.place_people(db, tenant_id=tenant_id, person_uuids=person_uuids, now=now)
