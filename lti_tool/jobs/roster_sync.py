"""Rosters of courses, read by the worker: asked for by the outbox, page by page into the enrolments, one short transaction a batch.

Who may use a course, by the newest word of its platform:
- Whom a reading finds active, may. Whom it finds inactive or deleted, or finds no longer, may not: `Enrolment.removed_at` is set,
  and each request of theirs is refused from then on.
- A launch whose token is not older than that reading is a newer word of the platform and takes the mark away (`lti/enrol.py`);
  so does a later reading.
- Whom launches alone brought (an administrator of the platform, a student view) is taken off the list only when the last
  launch is a day old, so that no session can live.
- What is missing counts only at the end of a reading that came to its end: a partial one removes nobody.
Roles follow the roster, but who came as an instructor stays one: platforms call a non-editing teacher a learner there.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID

import structlog
from sqlalchemy import ColumnElement, Text, and_, bindparam, cast, exists, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from kernel import outbox
from kernel.clock import BANGKOK, Clock
from kernel.db import Database
from kernel.http import GuardedClient
from kernel.ids import new_uuid
from kernel.outbox import Claimed, OutboxItem
from lti_tool.jobs.verdicts import Verdict, end, platform_lane, tried
from lti_tool.lti import nrps
from lti_tool.lti.nrps import Member, RosterIncomplete
from lti_tool.lti.registrations import services_of
from lti_tool.lti.services import AccessTokens, PlatformServices
from lti_tool.lti.vocabulary import Role
from lti_tool.models import Context, Deployment, Enrolment, Launch, Roster, User
from lti_tool.settings import Settings

KIND = "roster.sync"
BATCH = 500
"""Members that one transaction writes."""
MAX_TIME = timedelta(minutes=10)
WHOLE_EVERY = timedelta(days=7)
"""Differences are trusted for a week; then the whole roster is read again."""
LAUNCHED_ALONE = timedelta(days=1)
"""How long a launch keeps a person on the list whom the roster never had; longer than any session."""
MAX_TRIES = 8
NIGHT_HOURS = range(1, 5)
"""Hours of the night in Bangkok in which courses in use are read."""
IN_USE = timedelta(days=30)
BETWEEN_NIGHTS = timedelta(hours=20)
A_MINUTE = 30
"""Courses that are asked for in one minute of the night, so that scores keep their turn."""

TOKENS = AccessTokens()
"""The access tokens of this process."""

OnLearners = Callable[[Session, int, Sequence[UUID]], object]
"""Told of learners whom a roster brought, within the batch's transaction: tenant and persons."""
Item = TypeVar("Item")

log = structlog.get_logger()
_users, _enrolments = User.__table__, Enrolment.__table__


class _LeaseLost(Exception):
    """Another worker has the row: nothing more may be written."""


@dataclass(slots=True)
class _Reading:
    """One reading on its way: what it is of, and what it found so far."""

    tenant_id: int
    registration_id: int
    context_id: int
    url: str
    is_whole: bool
    began_at: datetime
    services: PlatformServices
    on_learners: OnLearners
    differences_url: str | None = None
    n_members: int = 0
    n_new: int = 0
    n_changed: int = 0
    inactive: list[int] = field(default_factory=list)
    """Enrolments whose people the platform called inactive or deleted."""


@dataclass(frozen=True, slots=True)
class _Known:
    """A member as our rows have the person; `enrolment` is None for one who is new in the course."""

    user: int
    sub: str
    person: UUID
    name: str | None
    enrolment: int | None
    roles: list[str] | None
    joined_at: datetime | None
    removed_at: datetime | None
    has_launched: bool


@dataclass(slots=True)
class _Batch:
    """What one batch of members means for our rows."""

    joining: dict[str, Member] = field(default_factory=dict)
    names: list[dict[str, Any]] = field(default_factory=list)
    changes: list[dict[str, Any]] = field(default_factory=list)
    still_there: list[int] = field(default_factory=list)
    learners: list[UUID] = field(default_factory=list)


def ask_for_roster(db: Session, *, tenant_id: int, context_id: int, now: datetime) -> None:
    """Queues the reading of a course's roster, or brings a waiting one forward; never a second beside it.

    A reading before it that was left to a person needs none any more.
    """
    insert = _insert(db, Roster).values(context_id=context_id, tenant_id=tenant_id)
    db.execute(insert.on_conflict_do_nothing(index_elements=["context_id"]))
    n, registration_id = db.execute(
        select(Roster.n_readings, Deployment.registration_id)
        .join(Context, Context.id == Roster.context_id)
        .join(Deployment, Deployment.id == Context.deployment_id)
        .where(Roster.context_id == context_id)
    ).one()
    key, lane = reading_key(context_id, n), platform_lane(registration_id)
    if not outbox.put(db, tenant_id=tenant_id, kind=KIND, key=key, payload={"context": context_id}, now=now, lane=lane):
        waiting = (OutboxItem.key == key, OutboxItem.state == "waiting", OutboxItem.lease.is_(None), OutboxItem.due_at > now)
        db.execute(update(OutboxItem).where(*waiting).values(due_at=now))
    before = (OutboxItem.key == reading_key(context_id, n - 1), OutboxItem.state == "parked")
    db.execute(update(OutboxItem).where(*before).values(state="superseded"))


def reading_key(context_id: int, n_readings: int) -> str:
    """Key of the one row of the outbox that a course's next reading can have."""
    return f"roster:{context_id}:{n_readings}"


def ask_at_night(db: Session, *, now: datetime) -> int:
    """At night, queues the reading of courses that an instructor opened within a month. Returns how many."""
    if now.astimezone(BANGKOK).hour not in NIGHT_HOURS:
        return 0
    opened = exists().where(
        Launch.context_id == Context.id,
        Launch.created_at >= now - IN_USE,
        Launch.preview_of_id.is_(None),
        cast(Launch.roles, Text).contains(f'"{Role.INSTRUCTOR}"'),
    )
    courses = db.execute(
        select(Context.tenant_id, Context.id)
        .outerjoin(Roster, Roster.context_id == Context.id)
        .where(Context.memberships_url.is_not(None), opened, or_(Roster.tried_at.is_(None), Roster.tried_at < now - BETWEEN_NIGHTS))
        .order_by(Context.id)
        .limit(A_MINUTE)
    ).all()
    for tenant_id, context_id in courses:
        ask_for_roster(db, tenant_id=tenant_id, context_id=context_id, now=now)
    return len(courses)


def sync_roster(
    database: Database, item: Claimed, *, http: GuardedClient, settings: Settings, clock: Clock, on_learners: OnLearners
) -> str:
    """Carries out one claimed row; no transaction is open while the platform is called.

    Returns   what became of the row: `done`, `again`, `parked`, or `lost` when another worker has it
    """
    with database.transaction() as db:
        reading = _begun(db, item, http=http, secret=settings.secret_key, clock=clock, on_learners=on_learners)
        if reading is None:
            return _ended(db, item, None, Verdict("done", "no roster"), clock())
    try:
        verdict = _read(database, item, reading)
    except _LeaseLost:
        log.warning("lease_lost", kind=KIND, id=item.id)
        return "lost"
    with database.transaction() as db:
        if not outbox.hold(db, item, now=clock()):
            return "lost"
        return _ended(db, item, reading, verdict, clock())


def _begun(db: Session, item: Claimed, *, http: GuardedClient, secret: bytes, clock: Clock, on_learners: OnLearners) -> _Reading | None:
    """What is to be read; None for a course without a launch of ours, without the service, or whose platform is gone."""
    context_id = item.payload["context"]
    row = db.execute(
        select(Context, Deployment.registration_id, Roster)
        .join(Deployment, Deployment.id == Context.deployment_id)
        .join(Roster, Roster.context_id == Context.id)
        .where(Context.id == context_id, exists().where(Launch.context_id == Context.id))
    ).first()
    if row is None:
        return None
    context, registration_id, roster = row
    if context.memberships_url is None:
        return None
    services = services_of(db, registration_id, http=http, tokens=TOKENS, secret=secret, clock=clock)
    if services is None:
        return None
    now = clock()
    roster.tried_at = now
    is_recent = roster.whole_at is not None and now - roster.whole_at < WHOLE_EVERY
    differences_url = roster.differences_url if is_recent else None
    return _Reading(
        tenant_id=context.tenant_id,
        registration_id=registration_id,
        context_id=context.id,
        url=differences_url or nrps.first_page_url(context.memberships_url),
        is_whole=differences_url is None,
        began_at=now,
        services=services,
        on_learners=on_learners,
    )


def _read(database: Database, item: Claimed, reading: _Reading) -> Verdict:
    """Reads and stores it all. A fault of the platform is tried again, at most eight times; the rest needs a person, or another night."""
    try:
        verdict = tried(lambda: _stored(database, item, reading))
    except RosterIncomplete as error:
        return Verdict("done", str(error.details["reason"]), lane="works")
    if verdict.state == "done" and verdict.status is not None:
        verdict = Verdict("again", "no members in the answer", lane="works")
    elif verdict.note == "too large":
        verdict = Verdict("parked", verdict.note, lane="works")
    if verdict.state == "parked" and not reading.is_whole:
        return Verdict("again", f"differences: {verdict.note}", 0, "works")
    is_given_up = verdict.state == "again" and item.attempts >= MAX_TRIES
    return Verdict("parked", verdict.note, lane=verdict.lane) if is_given_up else verdict


def _stored(database: Database, item: Claimed, reading: _Reading) -> Verdict:
    """Reads page by page; each batch is stored, and the claim prolonged, in a transaction of its own."""
    clock = reading.services.clock
    for page in nrps.read_pages(reading.services, reading.url):
        reading.differences_url = reading.differences_url or page.differences_url
        for members in _batches(page.members):
            with database.transaction() as db:
                if not outbox.hold(db, item, now=clock()):
                    raise _LeaseLost
                _take(db, reading, members)
        if clock() - reading.began_at > MAX_TIME:
            raise RosterIncomplete(reason="time_cap")
    if reading.is_whole and not reading.n_members:
        raise RosterIncomplete(reason="empty")
    return Verdict("done", lane="works")


def _take(db: Session, reading: _Reading, members: Sequence[Member]) -> None:
    """Stores one batch: people and enrolments that are new, what is changed, and that the rest is still there."""
    known, batch = _known(db, reading, members), _Batch()
    for member in {member.sub: member for member in members}.values():
        reading.n_members += 1
        one = known.get(member.sub)
        if not member.is_active:
            reading.inactive += [one.enrolment] if one is not None and one.enrolment is not None else []
        elif one is not None and one.enrolment is not None:
            _compare(reading, batch, one, member)
        elif member.roles:
            batch.joining[member.sub] = member
    batch.learners += _enrolled(db, reading, batch.joining, {sub: (one.user, one.person) for sub, one in known.items()})
    for table, rows in ((_users, batch.names), (_enrolments, batch.changes)):
        if rows:
            db.execute(update(table).where(table.c.id == bindparam("row")), rows)  # type: ignore[arg-type]
    if batch.still_there:
        there = update(Enrolment).where(Enrolment.id.in_(batch.still_there)).values(in_roster_at=reading.began_at)
        db.execute(there.execution_options(synchronize_session=False))
    if batch.learners:
        reading.on_learners(db, reading.tenant_id, batch.learners)


def _compare(reading: _Reading, batch: _Batch, one: _Known, member: Member) -> None:
    """What a member's line says beside what we had of the person in this course."""
    roles = _roles(one, _spelled(member))
    name = one.name if member.name and one.name and one.has_launched else member.name  # none any more: privacy was switched to never
    is_new = one.joined_at is None or one.removed_at is not None
    assert one.enrolment is not None
    if not is_new and (roles, name) == (one.roles, one.name):
        batch.still_there.append(one.enrolment)
        return
    at = reading.began_at
    reading.n_new += is_new
    reading.n_changed += not is_new
    batch.changes.append({
        "row": one.enrolment, "roles": roles, "removed_at": None, "joined_at": at if is_new else one.joined_at,
        "in_roster_at": at, "changed_at": at,
    })  # fmt: skip
    if name != one.name:
        batch.names.append({"row": one.user, "display_name": name})
    if Role.LEARNER in roles and Role.INSTRUCTOR not in roles:
        batch.learners.append(one.person)


def _known(db: Session, reading: _Reading, members: Sequence[Member]) -> dict[str, _Known]:
    launched = exists().where(Launch.context_id == reading.context_id, Launch.user_id == User.id, Launch.preview_of_id.is_(None))
    rows = db.execute(
        select(
            User.id, User.sub, User.person_uuid, User.display_name,
            Enrolment.id, Enrolment.roles, Enrolment.joined_at, Enrolment.removed_at, launched,
        )
        .outerjoin(Enrolment, and_(Enrolment.user_id == User.id, Enrolment.context_id == reading.context_id))
        .where(User.registration_id == reading.registration_id, User.sub.in_([member.sub for member in members]))
    )  # fmt: skip
    return {row[1]: _Known(*row) for row in rows}


def _roles(one: _Known, said: list[str]) -> list[str]:
    """Roles in the course after the roster's word: who came as an instructor stays one; a word that gives no right changes nothing."""
    seen = one.roles or []
    return seen if not said or (one.has_launched and Role.INSTRUCTOR in seen) else said


def _spelled(member: Member) -> list[str]:
    return sorted(role.value for role in member.roles)


def _enrolled(db: Session, reading: _Reading, joining: Mapping[str, Member], known: dict[str, tuple[int, UUID]]) -> list[UUID]:
    """Enrols people who are new in the course, making those who are new to us; whom a launch makes at the same moment is left to it.

    known    id and UUID of the people whom we had, by sub; the new ones are added
    Returns  the learners among those enrolled
    """
    if not joining:
        return []
    at, tenant_id = reading.began_at, reading.tenant_id
    unknown = [
        {"tenant_id": tenant_id, "registration_id": reading.registration_id, "sub": sub, "person_uuid": new_uuid(),
         "display_name": member.name, "created_at": at}
        for sub, member in joining.items() if sub not in known
    ]  # fmt: skip
    if unknown:
        made = _insert(db, User).on_conflict_do_nothing(index_elements=["registration_id", "sub"])
        known |= {sub: (user, person) for sub, user, person in db.execute(made.returning(User.sub, User.id, User.person_uuid), unknown)}
    rows = [
        {"tenant_id": tenant_id, "context_id": reading.context_id, "user_id": known[sub][0], "roles": _spelled(member),
         "joined_at": at, "in_roster_at": at, "created_at": at, "changed_at": at}
        for sub, member in joining.items() if sub in known
    ]  # fmt: skip
    enrolled = _insert(db, Enrolment).on_conflict_do_nothing(index_elements=["context_id", "user_id"])
    users = set(db.scalars(enrolled.returning(Enrolment.user_id), rows)) if rows else set()
    reading.n_new += len(users)
    return [
        known[sub][1]
        for sub, member in joining.items()
        if sub in known and known[sub][0] in users and Role.LEARNER in member.roles and Role.INSTRUCTOR not in member.roles
    ]


def _ended(db: Session, item: Claimed, reading: _Reading | None, verdict: Verdict, now: datetime) -> str:
    """Takes off who left, if the reading came to its end, and notes what came of it."""
    roster = db.get(Roster, item.payload["context"])
    if roster is not None:
        if reading is not None and verdict == Verdict("done", lane="works"):
            _close(db, reading, roster)
        elif reading is not None and not reading.is_whole:
            roster.differences_url = None  # whatever the fault was: the whole roster tells it all
        roster.last_error = verdict.note
        roster.n_readings += verdict.state != "again"
    log.info("roster_read", outcome=verdict.state, note=verdict.note, course=item.payload["context"], n=reading.n_members if reading else 0)
    return end(db, item, verdict, now)


def _close(db: Session, reading: _Reading, roster: Roster) -> None:
    """The end of a reading: who left, and what the course's roster is now."""
    n_left = sum(_removed(db, reading, Enrolment.id.in_(some)) for some in _batches(reading.inactive))
    if reading.is_whole:
        gone = or_(Enrolment.in_roster_at.is_(None), Enrolment.in_roster_at != reading.began_at)
        n_left += _removed(db, reading, gone, Enrolment.joined_at.is_not(None))
        n_left += _removed(db, reading, Enrolment.joined_at.is_(None), launched_before=reading.began_at - LAUNCHED_ALONE)
        roster.whole_at = reading.began_at
    has_changes = bool(reading.n_new or reading.n_changed or n_left)
    if has_changes and roster.read_at is not None:
        roster.change_at = reading.began_at
        roster.n_new, roster.n_changed, roster.n_left = reading.n_new, reading.n_changed, n_left
    roster.read_at, roster.differences_url = reading.began_at, reading.differences_url


def _removed(db: Session, reading: _Reading, *which: ColumnElement[bool], launched_before: datetime | None = None) -> int:
    """Marks enrolments of the course as removed, those apart whose person has launched since. Returns how many."""
    launched = exists().where(
        Launch.context_id == Enrolment.context_id,
        Launch.user_id == Enrolment.user_id,
        Launch.preview_of_id.is_(None),
        Launch.created_at > (launched_before or reading.began_at),
    )
    statement = (
        update(Enrolment)
        .where(Enrolment.context_id == reading.context_id, Enrolment.removed_at.is_(None), *which, ~launched)
        .values(removed_at=reading.began_at)
    )
    return int(db.execute(statement.execution_options(synchronize_session=False)).rowcount)  # type: ignore[attr-defined]


def _insert(db: Session, model: Any) -> Any:
    return (postgresql.insert if db.get_bind().dialect.name == "postgresql" else sqlite.insert)(model)


def _batches(items: Sequence[Item]) -> Iterator[Sequence[Item]]:
    return (items[first : first + BATCH] for first in range(0, len(items), BATCH))
