"""Calibrations from stored answers, computed by the worker or by the command: a proposal each, which changes nothing by itself.

numpy is needed here alone, so this is imported without it and asks for it when a run is due.
"""

import importlib
from collections.abc import Callable
from typing import Final
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

import assessment.api as assessment
from kernel import outbox
from kernel.clock import Clock
from kernel.db import Database
from kernel.ids import new_uuid
from kernel.outbox import Claimed
from lti_tool.jobs.item_analysis import LEASE_SECONDS, WITHOUT_NUMPY
from lti_tool.models import Tenant
from lti_tool.models.audit import append_audit

KIND: Final = "items.calibrate"


def ask(db: Session, form_uuid: UUID, *, model: str, pilots_only: bool, clock: Clock) -> bool:
    """Queues a run for the worker. False where there is no agency yet, and so no answer."""
    tenant_id = db.scalar(select(Tenant.id).order_by(Tenant.id).limit(1))
    if tenant_id is None:
        return False
    payload = {"form": str(form_uuid), "model": model, "pilots_only": pilots_only}
    outbox.put(db, tenant_id=tenant_id, kind=KIND, key=f"calibration:{new_uuid()}", payload=payload, now=clock())
    return True


def carry_out(database: Database, item: Claimed, *, clock: Clock) -> None:
    """Computes and keeps one run that was asked for. Without numpy the row is left to a person."""
    with database.transaction() as db:
        outbox.hold(db, item, now=clock(), lease_seconds=LEASE_SECONDS)
    asked = item.payload
    try:
        compute(database, UUID(asked["form"]), model=asked["model"], pilots_only=asked["pilots_only"], actor="worker", clock=clock)
    except ImportError:
        with database.transaction() as db:
            outbox.finish(db, item, now=clock(), state="parked", note=WITHOUT_NUMPY)
        return
    with database.transaction() as db:
        outbox.finish(db, item, now=clock())


def compute(
    database: Database,
    form_uuid: UUID,
    *,
    model: str,
    pilots_only: bool,
    actor: str,
    clock: Clock,
    progress: Callable[[str], None] | None = None,
) -> UUID:
    """Computes one run outside of any transaction and keeps it. Returns its UUID. Raises ImportError without numpy, FormNotFound."""
    proposals = importlib.import_module("assessment.proposals")
    as_of = clock()
    with database.reading() as db:
        material = assessment.read_material(db, form_uuid)
    document = proposals.proposed(material, model=model, pilots_only=pilots_only, progress=progress)
    with database.transaction() as db:
        run = assessment.store_calibration(db, material, document, pilots_only=pilots_only, as_of=as_of)
        details = {"run": str(run), "form": str(form_uuid), "model": model, "pilots_only": pilots_only}
        append_audit(db, event="calibration.computed", actor=actor, now=as_of, details=details)
    return run


def apply(db: Session, run: UUID, *, actor: str, clock: Clock) -> assessment.AppliedCalibration:
    """Puts a run to use and writes down who did. Raises RunNotFound, RunApplied, RunOutdated."""
    now = clock()
    applied = assessment.apply_calibration(db, run, by=actor, now=now)
    details = {"run": str(run), "calibrated": applied.n_calibrated, "rated": applied.n_rated, "forms": applied.forms}
    append_audit(db, event="calibration.applied", actor=actor, now=now, details=details)
    return applied


def rate(database: Database, clock: Clock, *, rounds: int = 10) -> int:
    """Lets the answers of finished sittings move the items' ratings, some sittings a transaction. Returns how many."""
    total = 0
    for _ in range(rounds):
        with database.transaction() as db:
            n = assessment.rate_finished(db, now=clock())
        total += n
        if not n:
            break
    return total
