"""Sessions: one row a launch, named by an opaque cookie. Begun at a launch, looked up at each request, ended by time, launch or person."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple, cast
from uuid import UUID

from sqlalchemy import ColumnElement, Table, and_, bindparam, exists, null, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection
from sqlalchemy.orm import Session

from kernel.db import JsonDocument, connection_of
from kernel.ids import digest, new_token
from kernel.prepared import Prepared, all_but_id
from lti_tool.lti.errors import MemberRemoved, OtherPerson, PersonBlocked, SessionMissing, StateUsed, TicketSpent
from lti_tool.lti.vocabulary import RESOURCE_LINK_REQUEST, Role
from lti_tool.models import Context, Enrolment, Grant, Launch, Registration, Tenant, User
from lti_tool.models.audit import append_audit

IDLE = timedelta(minutes=60)
ABSOLUTE = timedelta(hours=12)
TOUCH_EVERY = timedelta(minutes=1)
TICKET_SECONDS = 60
TICKET_BYTES = 36
TICKET = re.compile(r"[A-Za-z0-9_-]{48}", re.ASCII)
"""A ticket as we write it: no cookie of ours and no head of an address has this length."""
_FORGOTTEN: dict[str, Any] = {"session_hash": None, "return_url": None, "deep_linking": None}
"""What goes when a session goes: the cookie, and the addresses that hold a key of the person's session on the platform."""
_PLAIN: dict[str, Any] = {
    "message_type": RESOURCE_LINK_REQUEST, "deep_linking": None, "for_user_id": None, "preview_of_id": None, "held_until": None,
}  # fmt: skip
"""Columns of a launch that need not be given."""

_launch = cast("Table", Launch.__table__)
# A table instead of the class, and statements made once: each launch and each request waits on these.

_TAKE_OVER = (
    _launch.update()
    .where(_launch.c.user_id == bindparam("user_id"), _launch.c.expires_at > bindparam("seen_at"), _launch.c.preview_of_id.is_(None))
    .where(or_(_launch.c.session_hash.is_not(None), _launch.c.roles != bindparam("roles", type_=JsonDocument)))
    .values(session_hash=null(), roles=bindparam("roles", type_=JsonDocument))
)
_TAKE_OVER_IN = _TAKE_OVER.where(_launch.c.context_id == bindparam("context_id"))
_TAKE_OVER_NOWHERE = _TAKE_OVER.where(_launch.c.context_id.is_(None))


def _beginning(take_over: Any) -> dict[str, tuple[Prepared, ...]]:
    """What begins a session, for each kind of database; the last statement tells whether it did.

    The unique entry spends the login: of those who try it at once, on any number of machines, one gets its row in.
    """
    row, spent = all_but_id(_launch), ["state_hash"]
    begun = postgresql.insert(_launch).values(row).on_conflict_do_nothing(index_elements=spent).returning(_launch.c.id).cte("begun")
    ended = take_over.where(exists(select(begun.c.id))).cte("ended")
    return {
        "postgresql": (Prepared(select(begun.c.id).add_cte(ended)),),
        "sqlite": (Prepared(take_over), Prepared(sqlite.insert(_launch).values(row).on_conflict_do_nothing(index_elements=spent))),
    }


_BEGIN_IN, _BEGIN_NOWHERE = _beginning(_TAKE_OVER_IN), _beginning(_TAKE_OVER_NOWHERE)


class LiveLaunch(NamedTuple):
    """A launch whose page a person may use now, and all that a page needs to know of it."""

    id: int
    uuid: UUID
    tenant_id: int
    registration_id: int
    deployment_id: int
    user_id: int
    context_id: int | None
    resource_link_id: int | None
    line_item_id: int | None
    context_roles: list[str]
    locale: str
    return_url: str | None
    framed: bool
    session_hash: str | None
    seen_at: datetime
    expires_at: datetime
    held_until: datetime | None
    preview_of_id: int | None
    person_uuid: UUID
    display_name: str | None
    blocked_at: datetime | None
    removed_at: datetime | None
    """The reading of the course's roster since which the person is no active member."""
    tenant_home_page: str
    frame_origins: list[str]
    context_title: str | None
    is_executive: bool
    is_administrator: bool

    @property
    def roles(self) -> frozenset[Role]:
        """By the newest launch in this context, and by our grants; a preview's own alone."""
        if self.preview_of_id is not None:
            return frozenset(map(Role, self.context_roles))
        granted = [Role.EXECUTIVE] * self.is_executive + [Role.ADMINISTRATOR] * self.is_administrator
        return frozenset(map(Role, self.context_roles)) | frozenset(granted)


_user, _tenant, _registration = User.__table__, Tenant.__table__, Registration.__table__
_context, _grant, _enrolment = Context.__table__, Grant.__table__, Enrolment.__table__


def _granted(*grants: str) -> Any:
    """Whether the person of the launch has one of our grants."""
    is_one = or_(*(_grant.c.role == grant for grant in grants))
    return exists().where(_grant.c.registration_id == _launch.c.registration_id, _grant.c.sub == _user.c.sub, is_one)


_LIVE = Prepared(
    select(
        _launch.c.id, _launch.c.uuid, _launch.c.tenant_id, _launch.c.registration_id, _launch.c.deployment_id, _launch.c.user_id,
        _launch.c.context_id, _launch.c.resource_link_id, _launch.c.line_item_id, _launch.c.roles, _launch.c.locale,
        _launch.c.return_url, _launch.c.framed, _launch.c.session_hash, _launch.c.seen_at, _launch.c.expires_at, _launch.c.held_until,
        _launch.c.preview_of_id, _user.c.person_uuid, _user.c.display_name, _user.c.blocked_at, _enrolment.c.removed_at,
        _tenant.c.home_page, _registration.c.frame_origins,
        _context.c.title, _granted("executive", "central_executive"), _granted("administrator"),
    )
    .select_from(_launch)
    .join(_user, _user.c.id == _launch.c.user_id)
    .join(_tenant, _tenant.c.id == _launch.c.tenant_id)
    .join(_registration, and_(_registration.c.id == _launch.c.registration_id, _registration.c.disabled_at.is_(None)))
    .outerjoin(_context, _context.c.id == _launch.c.context_id)
    .outerjoin(_enrolment, and_(_enrolment.c.context_id == _launch.c.context_id, _enrolment.c.user_id == _launch.c.user_id))
    .where(_launch.c.uuid == bindparam("launch"))
)  # fmt: skip

_COOKIE = select(_launch.c.id, _launch.c.tenant_id, _launch.c.user_id, _launch.c.seen_at, _launch.c.expires_at, _launch.c.held_until).where(
    _launch.c.session_hash == bindparam("session_hash")
)

_IS_TICKET = and_(_launch.c.session_hash == bindparam("ticket"), _launch.c.created_at > bindparam("made_after"))
_TICKET = (
    select(
        _launch.c.id, _launch.c.uuid, _launch.c.tenant_id, _launch.c.user_id, _launch.c.locale, _user.c.display_name,
        _context.c.title, _tenant.c.name,
    )
    .select_from(_launch)
    .join(_user, _user.c.id == _launch.c.user_id)
    .join(_tenant, _tenant.c.id == _launch.c.tenant_id)
    .outerjoin(_context, _context.c.id == _launch.c.context_id)
    .where(_IS_TICKET)
)  # fmt: skip
_SPEND = (
    _launch.update()
    .where(_IS_TICKET)
    .values(session_hash=bindparam("session"), framed=False)
    .returning(_launch.c.uuid, _launch.c.tenant_id, _launch.c.user_id)
)


def begin_session(db: Session | Connection, *, row: dict[str, Any], roles: Iterable[Role], now: datetime, token_bytes: int = 32) -> str:
    """Begins the session of a launch and ends the one that the same person had in the same context.

    db       a transaction, or a connection of `Database.writing`
    row      the launch's own columns, `user_id`, `context_id` and `state_hash` among them
    Returns  the session's token, 256 bits or more, of which only the digest is kept
    Raises   StateUsed when another launch spent the same login: the transaction must not be committed
    """
    token = new_token(token_bytes)
    times = {"created_at": now, "seen_at": now, "expires_at": now + ABSOLUTE}
    values = {**_PLAIN, **row, **times, "session_hash": digest(token), "roles": sorted(role.value for role in roles)}
    beginning = _BEGIN_NOWHERE if row["context_id"] is None else _BEGIN_IN
    *before, begin = beginning[connection_of(db).dialect.name]
    for statement in before:
        statement.count(db, values)
    if begin.count(db, values) != 1:
        raise StateUsed
    return token


def find_live_launch(db: Session, launch: UUID, *, token: str, now: datetime) -> LiveLaunch | None:
    """The launch of a page, for the person whom the cookie proves; None when there is no such launch.

    The cookie may be that of another launch of the same person by the same platform: their pages stay usable side by side.
    Raises   SessionMissing, OtherPerson, PersonBlocked, MemberRemoved
    """
    row = _LIVE.first(db, {"launch": launch})
    if row is None:
        return None
    page = LiveLaunch(*row)
    hashed = digest(token)
    session: Any = page if page.session_hash == hashed else db.execute(_COOKIE, {"session_hash": hashed}).first()
    if session is None:
        raise SessionMissing
    if session.tenant_id != page.tenant_id:  # to people of other agencies there is no such launch
        return None
    if session.user_id != page.user_id:
        raise OtherPerson
    held = max(filter(None, (session.held_until, page.held_until)), default=now - IDLE)
    if now >= held and (now >= min(session.seen_at + IDLE, session.expires_at, page.expires_at)):
        raise SessionMissing
    if page.blocked_at is not None:
        raise PersonBlocked(registration_id=page.registration_id, tenant_id=page.tenant_id)
    if page.removed_at is not None:
        raise MemberRemoved(registration_id=page.registration_id, tenant_id=page.tenant_id)
    return page


@dataclass(frozen=True, slots=True)
class Ticket:
    """A launch in a frame that waits for a tab of its own: as much of it as the tab shows before it asks."""

    launch_id: int
    uuid: UUID
    tenant_id: int
    user_id: int
    locale: str
    display_name: str | None
    context_title: str | None
    agency: dict[str, str]
    """Language map."""


def find_ticket(db: Session, token: str, *, now: datetime) -> Ticket:
    """What a ticket is good for; it stays unspent.

    A ticket stands where the session's digest will stand: it ends with the session, and a newer launch of the person takes it over.
    Raises   TicketSpent when it was used, is older than a minute, was taken over, or never was one
    """
    row = db.execute(_TICKET, _ticket_values(token, now)).first()
    if row is None:
        raise TicketSpent
    return Ticket(*tuple[Any, ...](row))


def spend_ticket(db: Session, token: str, *, now: datetime) -> tuple[UUID, str]:
    """Begins the session of the ticket's launch, in a tab of its own. Of those who try it at once, one gets it.

    Returns  the launch, and the session's token for a cookie
    Raises   TicketSpent
    """
    session_token = new_token()
    row = connection_of(db).execute(_SPEND, _ticket_values(token, now) | {"session": digest(session_token)}).first()
    if row is None:
        raise TicketSpent
    launch, tenant_id, user_id = row
    details = {"launch": str(launch)}
    append_audit(db, event="ticket.spent", actor=f"user:{user_id}", now=now, tenant_id=tenant_id, details=details)
    return launch, session_token


def _ticket_values(token: str, now: datetime) -> dict[str, Any]:
    if not TICKET.fullmatch(token):
        raise TicketSpent
    return {"ticket": digest(token), "made_after": now - timedelta(seconds=TICKET_SECONDS)}


def touch_session(db: Session, token: str, *, now: datetime) -> None:
    """Notes that the person is still there."""
    db.execute(
        update(Launch)
        .where(Launch.session_hash == digest(token), Launch.seen_at < now)
        .values(seen_at=now)
        .execution_options(synchronize_session=False)
    )


def hold_session(db: Session, launch: UUID, *, until: datetime) -> None:
    """Keeps the session of a running sitting until then (its end and half an hour), whatever else would end it."""
    db.execute(
        update(Launch)
        .where(Launch.uuid == launch, or_(Launch.held_until.is_(None), Launch.held_until < until))
        .values(held_until=until)
        .execution_options(synchronize_session=False)
    )


def end_session(db: Session, token: str) -> None:
    """Ends one session, whatever holds it; its pages ask for a new launch."""
    _end(db, Launch.session_hash == digest(token))


def end_other_sessions(db: Session, *, user_id: int, token: str) -> int:
    """Ends every session of a person but one, those of running sittings too. Returns how many."""
    return _end(db, Launch.user_id == user_id, Launch.session_hash.is_not(None), Launch.session_hash != digest(token))


@dataclass(frozen=True, slots=True)
class OpenSession:
    """A session that a person could use now."""

    course: str | None
    begun: datetime
    seen_at: datetime
    """At most a minute late."""
    is_here: bool


def list_open_sessions(db: Session, *, user_id: int, token: str, now: datetime) -> list[OpenSession]:
    """The sessions of a person, the one that asks first, then the newest."""
    alive = or_(and_(Launch.seen_at > now - IDLE, Launch.expires_at > now), Launch.held_until > now)
    rows = db.execute(
        select(Context.title, Launch.created_at, Launch.seen_at, Launch.session_hash)
        .outerjoin(Context, Context.id == Launch.context_id)
        .where(Launch.user_id == user_id, Launch.session_hash.is_not(None), alive)
        .order_by(Launch.id.desc())
    )
    found = [OpenSession(title, begun, seen, hashed == digest(token)) for title, begun, seen, hashed in rows]
    return sorted(found, key=lambda one: not one.is_here)


def _end(db: Session, *which: ColumnElement[bool]) -> int:
    statement = update(Launch).where(*which).values(_FORGOTTEN)
    return int(db.execute(statement.execution_options(synchronize_session=False)).rowcount)  # type: ignore[attr-defined]


def sweep_sessions(db: Session, *, now: datetime) -> int:
    """Forgets the cookies and ways back of sessions that are over. Returns how many."""
    over = and_(Launch.expires_at <= now, or_(Launch.held_until.is_(None), Launch.held_until <= now))
    return _end(db, over, or_(Launch.session_hash.is_not(None), Launch.return_url.is_not(None), Launch.deep_linking.is_not(None)))
