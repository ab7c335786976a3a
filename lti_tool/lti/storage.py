"""What login and launch ask of the database, each in one query."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import and_, bindparam, delete, exists, select
from sqlalchemy.engine import Connection
from sqlalchemy.orm import Session

from kernel.prepared import Prepared
from lti_tool.lti.vocabulary import GRANTS, Role
from lti_tool.models import Context, Deployment, Enrolment, Grant, Launch, LineItem, LongLogin, Placement, Registration, ResourceLink, User

STATE_SECONDS = 600
"""Life of a login that has not come back."""
STATE_KEPT = timedelta(days=1)
"""So long the offer of a new window stays good for a login that was too long for its state."""


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
    keeps_names: bool = True


class Known(NamedTuple):
    """What we already hold of the things that one launch names; None for what is new."""

    deployment: int
    user: int | None
    person_uuid: UUID | None
    display_name: str | None
    blocked_at: datetime | None
    context: int | None
    context_title: str | None
    context_label: str | None
    context_history: list[str] | None
    memberships_url: str | None
    line_items_url: str | None
    context_scopes: list[str] | None
    enrolment: int | None
    roles: list[str] | None
    removed_at: datetime | None
    """The reading of the roster since which the person is no active member."""
    link: int | None
    link_title: str | None
    link_named: str | None
    link_history: list[str] | None
    placement: int | None
    """What stands behind the link, as it was last launched."""
    placement_uuid: UUID | None
    placement_activity: str | None
    line_item: int | None
    scopes: list[str] | None
    column_gone_at: datetime | None
    product: str | None
    """Product family code of the platform."""
    is_executive: bool
    is_central_executive: bool
    is_administrator: bool

    @property
    def granted(self) -> frozenset[Role]:
        """Roles by our own grants."""
        return frozenset(role for role, is_given in zip(GRANTS.values(), self[-len(GRANTS) :], strict=True) if is_given)


_long, _platform_, _launch = LongLogin.__table__, Registration.__table__, Launch.__table__
_deployment, _user, _context, _enrolment = Deployment.__table__, User.__table__, Context.__table__, Enrolment.__table__
_link, _line_item, _grant, _placement = ResourceLink.__table__, LineItem.__table__, Grant.__table__, Placement.__table__
# Tables instead of classes, and statements made once: a launch waits on these, and the ORM would cost as much as the queries.

_PLATFORM = tuple(_platform_.c[name] for name in Platform.__dataclass_fields__)

_ACTIVE = (_platform_.c.disabled_at.is_(None), _platform_.c.pending_since.is_(None))
_OF_ISSUER = select(*_PLATFORM).where(_platform_.c.issuer == bindparam("issuer"), *_ACTIVE).limit(2)
_OF_CLIENT = _OF_ISSUER.where(_platform_.c.client_id == bindparam("client_id"))
_OF_ID = select(*_PLATFORM).where(_platform_.c.id == bindparam("id"))

_SPENT = select(exists().where(_launch.c.state_hash == bindparam("state_hash")))

_IS_OPEN = and_(
    _platform_.c.id == bindparam("registration"),
    _platform_.c.issuer == bindparam("issuer"),
    _platform_.c.client_id == bindparam("client_id"),
    _platform_.c.jwks_url == bindparam("jwks_url"),
    _platform_.c.disabled_at.is_(None),
    _platform_.c.pending_since.is_(None),
)
"""The registration still takes launches, and is still what the token was judged by."""
_OPEN = select(exists().where(_IS_OPEN))


def _granted(grant: str) -> Any:
    """Whether the person of the launch has one of our grants."""
    return exists().where(
        _grant.c.registration_id == _deployment.c.registration_id, _grant.c.sub == bindparam("sub"), _grant.c.role == grant
    )


_KNOWN = Prepared(
    select(
        _deployment.c.id, _user.c.id, _user.c.person_uuid, _user.c.display_name, _user.c.blocked_at, _context.c.id, _context.c.title,
        _context.c.label, _context.c.history, _context.c.memberships_url, _context.c.line_items_url, _context.c.ags_scopes,
        _enrolment.c.id, _enrolment.c.roles, _enrolment.c.removed_at, _link.c.id, _link.c.title, _link.c.named, _link.c.history,
        _placement.c.id, _placement.c.uuid, _placement.c.activity, _line_item.c.id, _line_item.c.scopes, _line_item.c.gone_at,
        _platform_.c.product, *(_granted(grant) for grant in GRANTS),
    )
    .select_from(_deployment)
    .join(_platform_, and_(_platform_.c.id == _deployment.c.registration_id, _IS_OPEN))
    .outerjoin(_user, and_(_user.c.registration_id == _deployment.c.registration_id, _user.c.sub == bindparam("sub")))
    .outerjoin(_context, and_(_context.c.deployment_id == _deployment.c.id, _context.c.lti_id == bindparam("context")))
    .outerjoin(_enrolment, and_(_enrolment.c.context_id == _context.c.id, _enrolment.c.user_id == _user.c.id))
    .outerjoin(_link, and_(_link.c.deployment_id == _deployment.c.id, _link.c.lti_id == bindparam("link")))
    .outerjoin(_placement, _placement.c.id == _link.c.placement_id)
    .outerjoin(
        _line_item, and_(_line_item.c.registration_id == _deployment.c.registration_id, _line_item.c.url == bindparam("line_item"))
    )
    .where(_deployment.c.deployment_id == bindparam("deployment"))
)  # fmt: skip


def list_platforms_of(db: Session, issuer: str, client_id: str | None) -> list[Platform]:
    """The enabled registrations of an issuer; of one client id when it is given."""
    rows = db.execute(_OF_ISSUER if client_id is None else _OF_CLIENT, {"issuer": issuer, "client_id": client_id})
    return [_platform(row) for row in rows]


def is_pending(db: Session, issuer: str, client_id: str | None) -> bool:
    """Whether a registration of these names waits for approval."""
    named = (_platform_.c.issuer == issuer, *([_platform_.c.client_id == client_id] if client_id else []))
    return bool(db.scalar(select(exists().where(*named, _platform_.c.pending_since.is_not(None)))))


def find_platform(db: Session, registration_id: int) -> Platform | None:
    """One registration by our id of it."""
    row = db.execute(_OF_ID, {"id": registration_id}).first()
    return None if row is None else _platform(row)


def keep_long_login(db: Session, platform: Platform, *, state_hash: str, hints: Mapping[str, str], now: datetime) -> None:
    """Keeps the login initiation whose state is too short for it."""
    row = {"state_hash": state_hash, "tenant_id": platform.tenant_id, "registration_id": platform.id, "hints": dict(hints)}
    db.execute(_long.insert(), {**row, "created_at": now})  # type: ignore[attr-defined]


def find_long_login(db: Session, state_hash: str) -> Mapping[str, str]:
    """The login initiation that was too long for its state; nothing when it was swept away."""
    return db.execute(select(_long.c.hints).where(_long.c.state_hash == state_hash)).scalar() or {}


def find_frame_origins(db: Session, launch: UUID) -> list[str]:
    """Origins that may frame the pages of one launch; none when there is no such launch."""
    found = db.execute(
        select(Registration.frame_origins).join(Launch, Launch.registration_id == Registration.id).where(Launch.uuid == launch)
    ).scalar()
    return list(found or ())


def is_spent(db: Session, state_hash: str) -> bool:
    """Whether a launch spent this login already."""
    return bool(db.execute(_SPENT, {"state_hash": state_hash}).scalar())


def is_open(db: Session, platform: Platform) -> bool:
    """Whether a registration takes launches, and is as it was when it was read."""
    return bool(db.execute(_OPEN, _open_values(platform)).scalar())


def find_known(
    db: Session | Connection,
    platform: Platform,
    *,
    deployment: str,
    sub: str | None,
    context: str | None,
    link: str | None,
    line_item: str | None,
) -> Known | None:
    """What is known of the things that a launch names; None when the deployment is not registered, or the registration not open."""
    names = {"deployment": deployment, "sub": sub, "context": context, "link": link, "line_item": line_item}
    row = _KNOWN.first(db, {**_open_values(platform), **names})
    return None if row is None else Known(*row)


def sweep_long_logins(db: Session, *, now: datetime) -> int:
    """Removes what logins left that are long dead. Returns how many."""
    return int(db.execute(delete(LongLogin).where(LongLogin.created_at < now - STATE_KEPT)).rowcount)  # type: ignore[attr-defined]


def _open_values(platform: Platform) -> dict[str, Any]:
    return {"registration": platform.id, "issuer": platform.issuer, "client_id": platform.client_id, "jwks_url": platform.jwks_url}


def _platform(row: Any) -> Platform:
    values: tuple[Any, ...] = (*row[:8], tuple(row[8]), tuple(row[9]), row[10])
    return Platform(*values)
