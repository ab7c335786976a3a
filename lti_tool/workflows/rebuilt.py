"""Evidence and attainment dropped and computed again from the statements of the LRS."""

from sqlalchemy import select
from sqlalchemy.orm import Session

import roadmap.api as roadmap
import xapi.api as xapi
from lti_tool.models import Tenant


def rebuild(db: Session) -> roadmap.RebuildReport:
    """Every agency's evidence and attainment, made again from every statement in its order of arrival.

    Returns  how many rows came back, how many equal, and each difference; none is right
    """
    home_pages = {tenant.id: tenant.home_page for tenant in db.scalars(select(Tenant))}
    told = ((stored.tenant_id, stored.statement, stored.voided) for stored in xapi.iter_statements(db))
    return roadmap.rebuild(db, told, home_pages=home_pages)
