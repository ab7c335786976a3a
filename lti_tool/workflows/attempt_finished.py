"""A finished sitting becomes the record: statements, evidence, attainment, a path and a score, in one transaction.

Called in the transaction of the last answer (or of the worker that closes an overdue sitting): all of it is stored, or none.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

import assessment.api as assessment
import learning.api as learning
import roadmap.api as roadmap
import xapi.api as xapi
from kernel.clock import local_date
from lti_tool.models import Tenant
from lti_tool.settings import Settings
from lti_tool.statements import build
from lti_tool.web.principal import Principal
from lti_tool.workflows.gradebook import score_sitting
from lti_tool.workflows.sittings import count_finished

DEFAULT_PASS_LEVEL = 1
"""The level that counts as passed where no target says more: something of the area was shown."""


@dataclass(frozen=True, slots=True)
class Finished:
    """What came of one sitting."""

    outcome: assessment.Outcome
    statement_ids: tuple[str, ...]
    n_evidence: int
    """New pieces; 0 when the sitting was recorded before."""
    score_enqueued: bool
    """False for an ungraded link, for a sitting without any answer or that does not stand, and when it was recorded before."""


def finish_attempt(db: Session, *, principal: Principal, attempt_uuid: UUID, now: datetime, settings: Settings) -> Finished:
    """The learner's own last answer ended the sitting."""
    return record_outcome(db, tenant_id=principal.tenant_id, attempt_uuid=attempt_uuid, public_url=settings.public_url, now=now)


def record_outcome(db: Session, *, tenant_id: int, attempt_uuid: UUID, public_url: str, now: datetime) -> Finished:
    """Statements, evidence, attainment, path and score of one finished sitting; doing it twice changes nothing.

    now   moment of storing; the statements carry the sitting's own times
    """
    outcome = assessment.get_outcome(db, attempt_uuid, tenant_id=tenant_id)
    tenant = db.get_one(Tenant, tenant_id)
    standings = _standings(db, tenant_id=tenant_id, outcome=outcome, now=now)
    statements = build.statements_of(
        outcome,
        public_url=public_url,
        home_page=tenant.home_page,
        pass_levels={key: standing.target or DEFAULT_PASS_LEVEL for key, standing in standings.items()},
        competency_names={key: standing.node.label for key, standing in standings.items()},
    )
    ids = tuple(statement["id"] for statement in statements)
    if xapi.has_statement(db, tenant_id=tenant_id, statement_id=ids[0]):  # what passed is decided once, by the targets of that moment
        return Finished(outcome, ids, 0, score_enqueued=False)
    user, link_ids = count_finished(db, outcome, tenant_id=tenant_id, now=now)
    score_enqueued = user is not None and bool(outcome.responses) and score_sitting(db, user=user, link_ids=link_ids, now=now)
    # late, for others wait: the agency's turn at the record store, then the person's at the roadmap and the path, in the order of
    # statements that arrive over HTTP, so that the two can wait for each other but never both at once
    xapi.store_statements(db, tenant_id=tenant_id, statements=statements, authority=authority(public_url), now=now)
    recorded = roadmap.record_statements(db, tenant_id=tenant_id, statements=statements, home_page=tenant.home_page)
    learning.plan_paths(db, tenant_id=tenant_id, person_uuids=[outcome.person_uuid], today=local_date(now), now=now)
    return Finished(outcome, ids, recorded.n_evidence, score_enqueued)


def authority(public_url: str) -> dict[str, object]:
    """Who vouches for the statements that the tool itself writes."""
    return {"objectType": "Agent", "account": {"homePage": public_url, "name": roadmap.OWN_AUTHORITY}}


def _standings(db: Session, *, tenant_id: int, outcome: assessment.Outcome, now: datetime) -> dict[str, roadmap.Standing]:
    """Where the person stood before this sitting, by node key."""
    standings = roadmap.standing_of(db, tenant_id=tenant_id, person_uuid=outcome.person_uuid, today=local_date(now), now=now)
    return {standing.node.key: standing for standing in standings}
