"""What login and launch ask of the database, each in one query."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import and_, bindparam, delete, func, select
from sqlalchemy.orm import Session

from lti_tool.models import Context, Deployment, Enrolment, Launch, LineItem, LoginState, Registration, ResourceLink, User

STATE_SECONDS = 600
"""Life of a login that has not come back."""
STATE_KEPT = timedelta(days=1)
"""An expired one is kept so long, so that its person can be told what happened, in the frame of their platform."""


@dataclass(frozen=True, slots=True)
class Platform:
    """One registration, as values."""

    id: int
    tenant_id: int
    issuer: str
    client_id: str
    auth_url: str
    token_url: str
    jwks_url: str
    token_audience: str | None
    approved_hosts: tuple[str, ...]
    frame_origins: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class KnownState:
    """A login that waits for its launch, with the platform that it went to."""

    state_hash: str
    nonce: str
    browser_hash: str
    hints: Mapping[str, str]
    created_at: datetime
    platform: Platform
    is_enabled: bool


@dataclass(frozen=True, slots=True)
class Known:
    """What we already hold of the things that one launch names; None for what is new."""

    deployment: int
    user: int | None
    person_uuid: UUID | None
    display_name: str | None
    blocked_at: datetime | None
    context: int | None
    context_title: str | None
    memberships_url: str | None
    enrolment: int | None
    roles: list[str] | None
    link: int | None
    link_title: str | None
    line_item: int | None
    scopes: list[str] | None


_PLATFORM = (
    Registration.id, Registration.tenant_id, Registration.issuer, Registration.client_id, Registration.auth_url,
    Registration.token_url, Registration.jwks_url, Registration.token_audience, Registration.approved_hosts,
    Registration.frame_origins,
)  # fmt: skip

_STATE = (
    select(
        *_PLATFORM, LoginState.state_hash, LoginState.nonce, LoginState.browser_hash, LoginState.hints, LoginState.created_at,
        Registration.disabled_at,
    )
    .join(Registration, Registration.id == LoginState.registration_id)
    .where(LoginState.state_hash == bindparam("state_hash"))
)  # fmt: skip

_USED = select(*_PLATFORM).join(Launch, Launch.registration_id == Registration.id).where(Launch.state_hash == bindparam("state_hash"))

_SPENT = delete(LoginState.__table__).where(LoginState.__table__.c.state_hash == bindparam("state_hash"))  # type: ignore[arg-type]

_KNOWN = (
    select(
        Deployment.id, User.id, User.person_uuid, User.display_name, User.blocked_at, Context.id, Context.title,
        Context.memberships_url, Enrolment.id, Enrolment.roles, ResourceLink.id, ResourceLink.title, LineItem.id, LineItem.scopes,
    )
    .select_from(Deployment)
    .outerjoin(User, and_(User.registration_id == Deployment.registration_id, User.sub == bindparam("sub")))
    .outerjoin(Context, and_(Context.deployment_id == Deployment.id, Context.lti_id == bindparam("context")))
    .outerjoin(Enrolment, and_(Enrolment.context_id == Context.id, Enrolment.user_id == User.id))
    .outerjoin(ResourceLink, and_(ResourceLink.deployment_id == Deployment.id, ResourceLink.lti_id == bindparam("link")))
    .outerjoin(LineItem, and_(LineItem.registration_id == Deployment.registration_id, LineItem.url == bindparam("line_item")))
    .where(Deployment.registration_id == bindparam("registration"), Deployment.deployment_id == bindparam("deployment"))
)  # fmt: skip

_KEPT = LoginState.__table__.insert()  # type: ignore[attr-defined]


def list_platforms_of(db: Session, issuer: str, client_id: str | None) -> list[Platform]:
    """The enabled registrations of an issuer; of one client id when it is given."""
    query = select(*_PLATFORM).where(Registration.issuer == issuer, Registration.disabled_at.is_(None)).limit(2)
    if client_id is not None:
        query = query.where(Registration.client_id == client_id)
    return [_platform(row) for row in db.execute(query)]


def find_platform(db: Session, registration_id: int) -> Platform | None:
    """One registration by our id of it."""
    row = db.execute(select(*_PLATFORM).where(Registration.id == registration_id)).first()
    return None if row is None else _platform(row)


def keep_state(
    db: Session, *, state_hash: str, platform: Platform, nonce: str, browser_hash: str, hints: Mapping[str, str], now: datetime
) -> None:
    """Keeps one login until its launch."""
    db.execute(
        _KEPT,
        {
            "state_hash": state_hash, "tenant_id": platform.tenant_id, "registration_id": platform.id, "nonce": nonce,
            "browser_hash": browser_hash, "hints": dict(hints), "created_at": now,
        },
    )  # fmt: skip


def find_state(db: Session, state_hash: str) -> KnownState | None:
    """The login behind a launch, of whatever age."""
    row = db.execute(_STATE, {"state_hash": state_hash}).first()
    if row is None:
        return None
    return KnownState(row.state_hash, row.nonce, row.browser_hash, row.hints, row.created_at, _platform(row), row.disabled_at is None)


def find_spender(db: Session, state_hash: str) -> Platform | None:
    """The platform whose launch spent this login already."""
    row = db.execute(_USED, {"state_hash": state_hash}).first()
    return None if row is None else _platform(row)


def spend_state(db: Session, state_hash: str) -> bool:
    """Deletes a login; True for exactly one of those who try."""
    return db.execute(_SPENT, {"state_hash": state_hash}).rowcount == 1  # type: ignore[attr-defined,no-any-return]


def find_known(
    db: Session, platform: Platform, *, deployment: str, sub: str | None, context: str | None, link: str, line_item: str | None
) -> Known | None:
    """What is known of the things that a launch names; None when the deployment is not registered."""
    row = db.execute(
        _KNOWN,
        {
            "registration": platform.id, "deployment": deployment, "sub": sub, "context": context, "link": link,
            "line_item": line_item,
        },
    ).first()  # fmt: skip
    return None if row is None else Known(*tuple[Any, ...](row))


def sweep_states(db: Session, *, now: datetime) -> int:
    """Removes logins that are long dead. Returns how many."""
    return int(db.execute(delete(LoginState).where(LoginState.created_at < now - STATE_KEPT)).rowcount)  # type: ignore[attr-defined]


def count_states(db: Session) -> int:
    """Logins that wait or died within the last day."""
    return db.scalar(select(func.count()).select_from(LoginState)) or 0


def _platform(row: Any) -> Platform:
    values: tuple[Any, ...] = row[:8]
    lists: tuple[Any, ...] = (tuple(row[8]), tuple(row[9]))
    return Platform(*values, *lists)
