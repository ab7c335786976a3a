"""Item analyses, computed by the worker: asked for by a page that finds its own old, and by night for everybody's.

What is computed is stored whole, so a page only reads; the rows may be dropped and are computed again. numpy is needed here alone.
"""

import importlib
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

import assessment.api as assessment
from kernel import outbox
from kernel.clock import BANGKOK, Clock, local_date
from kernel.db import Database
from kernel.outbox import Claimed
from lti_tool.models import CountedSitting, ResourceLink, Tenant
from lti_tool.models.audit import append_audit

KIND: Final = "items.analyse"
NIGHT_KIND: Final = "items.analyse_all"
NIGHT_HOURS: Final = range(1, 5)
"""Hours of the night in Bangkok in which all analyses that are old are computed again."""

LEASE_SECONDS: Final = 1800
WITHOUT_NUMPY: Final = "numpy_missing"


def course(tenant_id: int, context_id: int) -> assessment.Scope:
    """The sittings that count in one course."""
    counted = (
        select(CountedSitting.attempt_uuid)
        .join(ResourceLink, ResourceLink.id == CountedSitting.resource_link_id)
        .where(ResourceLink.context_id == context_id, CountedSitting.tenant_id == tenant_id)
    )
    return assessment.Scope(f"course:{context_id}", tenant_id, counted)


def ask(db: Session, form_uuid: UUID, scope: assessment.Scope, *, tenant_id: int, now: datetime) -> None:
    """Queues an analysis; never a second one beside it, and one that failed is tried again.

    tenant_id   whose queue it stands in: that of whoever asks
    """
    found = assessment.get_analysis(db, form_uuid, scope)
    key = f"analysis:{form_uuid}:{scope.name}:{found.as_of.isoformat() if found.as_of else 'first'}"
    payload = {"form": str(form_uuid), "scope": scope.name, "tenant": scope.tenant_id}
    if not outbox.put(db, tenant_id=tenant_id, kind=KIND, key=key, payload=payload, now=now):
        outbox.rearm(db, keys=[key], now=now)


def ask_at_night(db: Session, *, now: datetime) -> None:
    """Once a night, queues a look at every form."""
    tenant_id = db.scalar(select(Tenant.id).order_by(Tenant.id).limit(1))
    if now.astimezone(BANGKOK).hour in NIGHT_HOURS and tenant_id is not None:
        outbox.put(db, tenant_id=tenant_id, kind=NIGHT_KIND, key=f"analyses:{local_date(now).isoformat()}", payload={}, now=now)


def ask_for_all(database: Database, item: Claimed, *, clock: Clock) -> None:
    """Queues the nation's and each agency's analysis of every form that has become old."""
    with database.transaction() as db:
        tenants = list(db.scalars(select(Tenant.id).order_by(Tenant.id)))
        for form_uuid in sorted(assessment.list_form_keys(db).values()):
            for scope in (assessment.EVERYBODY, *map(assessment.agency, tenants)):
                if assessment.get_analysis(db, form_uuid, scope).is_stale:
                    ask(db, form_uuid, scope, tenant_id=scope.tenant_id or item.tenant_id, now=clock())
        outbox.finish(db, item, now=clock())


def carry_out(database: Database, item: Claimed, *, clock: Clock) -> None:
    """Computes and stores one analysis. Without numpy the row is left to a person."""
    try:
        compute(database, UUID(item.payload["form"]), _scope(item.payload), clock=clock, held=item)
    except ImportError:
        with database.transaction() as db:
            outbox.finish(db, item, now=clock(), state="parked", note=WITHOUT_NUMPY)
        return
    with database.transaction() as db:
        outbox.finish(db, item, now=clock())


def compute(database: Database, form_uuid: UUID, scope: assessment.Scope, *, clock: Clock, held: Claimed | None = None) -> int:
    """Computes one analysis and stores it; each review that it opens goes into the audit log. Returns how many people it rests on.

    held     the claimed row, whose lease is made long enough
    Raises   ImportError without numpy, FormNotFound
    """
    analysis = importlib.import_module("assessment.form_analysis")
    as_of = clock()
    if held is not None:
        with database.transaction() as db:
            outbox.hold(db, held, now=as_of, lease_seconds=LEASE_SECONDS)
    with database.reading() as db:
        table = assessment.read_answers(db, form_uuid, scope)
        drifts = assessment.list_drift(db, form_uuid) if scope == assessment.EVERYBODY else []
    document = analysis.analysis_document(table, {one.version_id: (one.z, one.change_b) for one in drifts})
    n = len(table.persons)
    with database.transaction() as db:
        for review in assessment.store_analysis(db, form_uuid, scope, n_persons=n, document=document, as_of=as_of):
            details = {"review": str(review), "form": str(form_uuid)}
            append_audit(db, event="item_review.opened", actor="worker", now=as_of, tenant_id=scope.tenant_id, details=details)
    return n


def _scope(payload: dict[str, Any]) -> assessment.Scope:
    name, tenant_id = payload["scope"], payload["tenant"]
    if name.startswith("course:"):
        return course(tenant_id, int(name.removeprefix("course:")))
    return assessment.EVERYBODY if tenant_id is None else assessment.agency(tenant_id)
