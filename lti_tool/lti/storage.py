"""What login and launch ask of the database, each in one query."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import and_, bindparam, delete, exists, select
from sqlalchemy.orm import Session

from lti_tool.lti.vocabulary import GRANTS, Role
from lti_tool.models import Context, Deployment, Enrolment, Grant, Launch, LineItem, LoginState, Registration, ResourceLink, User

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
    granted: frozenset[Role]
    """Roles by our own grants."""


_state, _platform_, _launch = LoginState.__table__, Registration.__table__, Launch.__table__
_deployment, _user, _context, _enrolment = Deployment.__table__, User.__table__, Context.__table__, Enrolment.__table__
_link, _line_item, _grant = ResourceLink.__table__, LineItem.__table__, Grant.__table__
# Tables instead of classes, and statements made once: a launch waits on these, and the ORM would cost as much as the queries.

_PLATFORM = tuple(_platform_.c[name] for name in Platform.__dataclass_fields__)

_OF_ISSUER = select(*_PLATFORM).where(_platform_.c.issuer == bindparam("issuer"), _platform_.c.disabled_at.is_(None)).limit(2)
_OF_CLIENT = _OF_ISSUER.where(_platform_.c.client_id == bindparam("client_id"))
_OF_ID = select(*_PLATFORM).where(_platform_.c.id == bindparam("id"))

_STATE = (
    select(
        *_PLATFORM,
        _state.c.state_hash,
        _state.c.nonce,
        _state.c.browser_hash,
        _state.c.hints,
        _state.c.created_at,
        _platform_.c.disabled_at,
    )
    .join_from(_state, _platform_, _platform_.c.id == _state.c.registration_id)
    .where(_state.c.state_hash == bindparam("state_hash"))
)

_USED = (
    select(*_PLATFORM)
    .join_from(_platform_, _launch, _launch.c.registration_id == _platform_.c.id)
    .where(_launch.c.state_hash == bindparam("state_hash"))
)

_KEPT = _state.insert()  # type: ignore[attr-defined]
_SPENT = _state.delete().where(_state.c.state_hash == bindparam("state_hash"))  # type: ignore[attr-defined]


def _granted(grant: str) -> Any:
    """Whether the person of the launch has one of our grants."""
    return exists().where(
        _grant.c.registration_id == _deployment.c.registration_id, _grant.c.sub == bindparam("sub"), _grant.c.role == grant
    )


_KNOWN = (
    select(
        _deployment.c.id, _user.c.id, _user.c.person_uuid, _user.c.display_name, _user.c.blocked_at, _context.c.id, _context.c.title,
        _context.c.memberships_url, _enrolment.c.id, _enrolment.c.roles, _link.c.id, _link.c.title, _line_item.c.id, _line_item.c.scopes,
        *(_granted(grant) for grant in GRANTS),
    )
    .select_from(_deployment)
    .outerjoin(_user, and_(_user.c.registration_id == _deployment.c.registration_id, _user.c.sub == bindparam("sub")))
    .outerjoin(_context, and_(_context.c.deployment_id == _deployment.c.id, _context.c.lti_id == bindparam("context")))
    .outerjoin(_enrolment, and_(_enrolment.c.context_id == _context.c.id, _enrolment.c.user_id == _user.c.id))
    .outerjoin(_link, and_(_link.c.deployment_id == _deployment.c.id, _link.c.lti_id == bindparam("link")))
    .outerjoin(
        _line_item, and_(_line_item.c.registration_id == _deployment.c.registration_id, _line_item.c.url == bindparam("line_item"))
    )
    .where(_deployment.c.registration_id == bindparam("registration"), _deployment.c.deployment_id == bindparam("deployment"))
)  # fmt: skip


def list_platforms_of(db: Session, issuer: str, client_id: str | None) -> list[Platform]:
    """The enabled registrations of an issuer; of one client id when it is given."""
    rows = db.execute(_OF_ISSUER if client_id is None else _OF_CLIENT, {"issuer": issuer, "client_id": client_id})
    return [_platform(row) for row in rows]


def find_platform(db: Session, registration_id: int) -> Platform | None:
    """One registration by our id of it."""
    row = db.execute(_OF_ID, {"id": registration_id}).first()
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


def find_frame_origins(db: Session, launch: UUID) -> list[str]:
    """Origins that may frame the pages of one launch; none when there is no such launch."""
    found = db.execute(
        select(Registration.frame_origins).join(Launch, Launch.registration_id == Registration.id).where(Launch.uuid == launch)
    ).scalar()
    return list(found or ())


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
    if row is None:
        return None
    values: tuple[Any, ...] = tuple(row)
    given = frozenset(role for role, is_given in zip(GRANTS.values(), values[-len(GRANTS) :], strict=True) if is_given)
    parts: tuple[Any, ...] = (*values[: -len(GRANTS)], given)
    return Known(*parts)


def sweep_states(db: Session, *, now: datetime) -> int:
    """Removes logins that are long dead. Returns how many."""
    return int(db.execute(delete(LoginState).where(LoginState.created_at < now - STATE_KEPT)).rowcount)  # type: ignore[attr-defined]


def _platform(row: Any) -> Platform:
    values: tuple[Any, ...] = row[:8]
    lists: tuple[Any, ...] = (tuple(row[8]), tuple(row[9]))
    return Platform(*values, *lists)
