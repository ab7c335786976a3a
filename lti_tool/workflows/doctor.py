"""What works and what does not, platform by platform, in plain words with the cure: for the page and for `kaona doctor`."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, func, select, true
from sqlalchemy.orm import Session

import xapi.api as xapi
from kernel.langmap import LangMap
from kernel.outbox import OutboxItem
from lti_tool.models import KeySet, Launch, LineItem, Registration, Score, Tenant
from lti_tool.web.principal import Principal


@dataclass(frozen=True, slots=True)
class PlatformHealth:
    """One registered platform as the tool last met it."""

    issuer: str
    client_id: str
    agency: LangMap
    last_launch_at: datetime | None
    last_score_at: datetime | None
    waiting_scores: int
    parked_scores: int
    key_set_error: str | None
    """Stable code of the last failed fetch of its key set; None when the last one went well."""
    refused_keys: tuple[str, ...]
    """Ids of keys in its set that break our rules."""
    is_disabled: bool


@dataclass(frozen=True, slots=True)
class ParkedItem:
    """One effect that a person must look at."""

    kind: str
    key: str
    reason: str
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class DoctorSummary:
    """The state of an agency's connection, or of all of them."""

    platforms: tuple[PlatformHealth, ...]
    queue: dict[str, int]
    """Waiting effects by kind."""
    oldest_waiting_at: datetime | None
    parked: tuple[ParkedItem, ...]
    statements: int
    keys: tuple[xapi.KeyView, ...]


def summary(db: Session, principal: Principal) -> DoctorSummary:
    """The state of the administrator's own agency."""
    return summary_of(db, tenant_ids=[principal.tenant_id])


def summary_of(db: Session, *, tenant_ids: Sequence[int] | None = None) -> DoctorSummary:
    """The state of some agencies; None takes all of the installation."""
    tenants = list(db.scalars(select(Tenant.id))) if tenant_ids is None else list(tenant_ids)
    ours: ColumnElement[bool] = OutboxItem.tenant_id.in_(tenants) if tenant_ids is not None else true()
    waiting = db.execute(
        select(OutboxItem.kind, func.count(), func.min(OutboxItem.created_at))
        .where(OutboxItem.state == "waiting", ours)
        .group_by(OutboxItem.kind)
    ).all()
    parked = db.scalars(select(OutboxItem).where(OutboxItem.state == "parked", ours).order_by(OutboxItem.id.desc()).limit(50))
    return DoctorSummary(
        platforms=tuple(_platforms(db, tenants)),
        queue={kind: count for kind, count, _ in waiting},
        oldest_waiting_at=min((oldest for _, _, oldest in waiting), default=None),
        parked=tuple(ParkedItem(row.kind, row.key, row.last_error or "", row.ended_at) for row in parked),
        statements=sum(xapi.count_statements(db, tenant_id=tenant) for tenant in tenants),
        keys=tuple(view for tenant in tenants for view in xapi.list_keys(db, tenant_id=tenant)),
    )


def _platforms(db: Session, tenants: list[int]) -> list[PlatformHealth]:
    launches = select(Launch.registration_id, func.max(Launch.created_at).label("at")).group_by(Launch.registration_id).subquery()
    scores = (
        select(
            LineItem.registration_id,
            func.max(Score.sent_at).label("sent_at"),
            func.count().filter(Score.state == "waiting").label("waiting"),
            func.count().filter(Score.state == "parked").label("parked"),
        )
        .join(LineItem, LineItem.id == Score.line_item_id)
        .group_by(LineItem.registration_id)
        .subquery()
    )
    rows = db.execute(
        select(Registration, Tenant.name, launches.c.at, scores.c.sent_at, scores.c.waiting, scores.c.parked, KeySet)
        .join(Tenant, Tenant.id == Registration.tenant_id)
        .outerjoin(launches, launches.c.registration_id == Registration.id)
        .outerjoin(scores, scores.c.registration_id == Registration.id)
        .outerjoin(KeySet, KeySet.registration_id == Registration.id)
        .where(Registration.tenant_id.in_(tenants))
        .order_by(Registration.id)
    )
    return [
        PlatformHealth(
            issuer=registration.issuer,
            client_id=registration.client_id,
            agency=name,
            last_launch_at=launched_at,
            last_score_at=sent_at,
            waiting_scores=waiting or 0,
            parked_scores=parked or 0,
            key_set_error=key_set.last_error if key_set else None,
            refused_keys=tuple(key_set.refused) if key_set else (),
            is_disabled=registration.disabled_at is not None,
        )
        for registration, name, launched_at, sent_at, waiting, parked, key_set in rows
    ]
