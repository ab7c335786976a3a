"""Evidence and attainment dropped and computed again from the statements of the LRS."""

from sqlalchemy.orm import Session

import roadmap.api as roadmap
import xapi.api as xapi


def rebuild(db: Session) -> roadmap.RebuildReport:
    """Every agency's evidence and attainment, made again from every statement in its order of arrival.

    Returns  how many rows came back, how many equal, and each difference; none is right
    """
    return roadmap.rebuild(db, ((stored.tenant_id, stored.statement) for stored in xapi.iter_statements(db)))
