"""Statements from elsewhere: what arrives at the LRS moves the roadmap and the path by the same function as our own."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

import learning.api as learning
import roadmap.api as roadmap
from kernel.clock import local_date
from lti_tool.models import Tenant


def take_in(db: Session, *, tenant_id: int, statements: Sequence[Mapping[str, Any]], now: datetime) -> roadmap.Recorded:
    """Evidence, attainment and a new path for each person whom the statements concern, in the caller's transaction."""
    home_page = db.get_one(Tenant, tenant_id).home_page
    recorded = roadmap.record_statements(db, tenant_id=tenant_id, statements=statements, home_page=home_page)
    learning.plan_paths(db, tenant_id=tenant_id, person_uuids=recorded.persons, today=local_date(now), now=now)
    return recorded
