"""The block list: a person whom an administrator shut out, at the next launch and at the next request of any open page."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from lti_tool.lti.grants import MAX_SUB_LENGTH, SUB, SubInvalid
from lti_tool.models import Registration, User
from lti_tool.models.audit import append_audit


@dataclass(frozen=True, slots=True)
class BlockedPerson:
    """One person who is shut out."""

    sub: str
    """Their id at the platform."""
    display_name: str | None
    blocked_at: datetime


def block_person(db: Session, platform_id: int, sub: str, *, now: datetime, actor: str = "command") -> bool:
    """Shuts a person out, who may not have launched yet. Returns False when they were shut out already. Raises SubInvalid."""
    if not SUB.fullmatch(sub):
        raise SubInvalid(most=MAX_SUB_LENGTH)
    registration = db.get_one(Registration, platform_id)
    person = _person(db, platform_id, sub)
    if person is None:
        person = User(tenant_id=registration.tenant_id, registration_id=platform_id, sub=sub, created_at=now)
        db.add(person)
    if person.blocked_at is not None:
        return False
    person.blocked_at = now
    _note(db, "person.blocked", registration, person, now=now, actor=actor)
    return True


def unblock_person(db: Session, platform_id: int, sub: str, *, now: datetime, actor: str = "command") -> bool:
    """Lets a person in again. Returns False when they were not shut out."""
    person = _person(db, platform_id, sub)
    if person is None or person.blocked_at is None:
        return False
    person.blocked_at = None
    _note(db, "person.unblocked", db.get_one(Registration, platform_id), person, now=now, actor=actor)
    return True


def list_blocked(db: Session, platform_id: int) -> list[BlockedPerson]:
    """Who is shut out, the last one first."""
    people = db.scalars(
        select(User).where(User.registration_id == platform_id, User.blocked_at.is_not(None)).order_by(User.blocked_at.desc(), User.id)
    )
    return [BlockedPerson(person.sub, person.display_name, person.blocked_at) for person in people if person.blocked_at]


def _person(db: Session, platform_id: int, sub: str) -> User | None:
    return db.scalars(select(User).where(User.registration_id == platform_id, User.sub == sub)).first()


def _note(db: Session, event: str, registration: Registration, person: User, *, now: datetime, actor: str) -> None:
    db.flush()  # the audit line names the person's row
    details = {"issuer": registration.issuer, "client_id": registration.client_id, "user": person.id}
    append_audit(db, event=event, actor=actor, now=now, tenant_id=registration.tenant_id, details=details)
