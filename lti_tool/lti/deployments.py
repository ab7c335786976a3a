"""Deployments: added by an administrator, or learned from the first launch where the platform did not tell its own."""

from datetime import datetime, timedelta

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from lti_tool.models import Deployment, Registration
from lti_tool.models.audit import append_audit

LEARNING = timedelta(days=30)
"""So long after its registration the first launch may bring the deployment id."""


def add_deployment(db: Session, registration: Registration, deployment_id: str, *, now: datetime) -> bool:
    """Adds a deployment to a registration. Returns False when it had it."""
    known = select(Deployment.id).where(Deployment.registration_id == registration.id, Deployment.deployment_id == deployment_id)
    if db.scalar(known) is not None:
        return False
    db.add(Deployment(tenant_id=registration.tenant_id, registration_id=registration.id, deployment_id=deployment_id, created_at=now))
    registration.learns_deployment_until = None
    db.flush()  # whoever asks next reads it
    return True


def learn_deployment(db: Session, registration_id: int, deployment_id: str, *, now: datetime) -> bool:
    """Takes the deployment of a first launch, whose token was checked, for a platform that told none when it registered.

    Only one is learned, and only for thirty days: a client id that one vendor lets several institutions deploy would else
    let them all in. Any other is added by an administrator.
    Returns   whether it was learned; in the launch's transaction, so that a launch that is refused later teaches nothing
    """
    waiting = (Registration.id == registration_id, Registration.learns_deployment_until > now)
    taken = update(Registration).where(*waiting).values(learns_deployment_until=None).returning(Registration.tenant_id)
    row = db.execute(taken.execution_options(synchronize_session=False)).first()
    if row is None:
        return False
    db.add(Deployment(tenant_id=row.tenant_id, registration_id=registration_id, deployment_id=deployment_id, created_at=now))
    details = {"registration": registration_id, "deployment": deployment_id}
    append_audit(db, event="deployment.learned", actor="platform", now=now, tenant_id=row.tenant_id, details=details)
    return True
