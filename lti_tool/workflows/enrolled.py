"""A learner whom a launch brought is in scope: the denominator of every figure."""

from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

import roadmap.api as roadmap


def place_in_scope(db: Session, *, tenant_id: int, person_uuid: UUID, now: datetime) -> None:
    """Puts a person into the agency's scope; a role and a unit known from elsewhere stay as they are."""
    roadmap.place_person(db, tenant_id=tenant_id, person_uuid=person_uuid, now=now)
