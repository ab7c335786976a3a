"""From a message to rows: the person, the course, the link, what stands behind it, the roles and the column of the gradebook."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from kernel.db import Base
from kernel.errors import NotFound
from kernel.ids import new_uuid
from lti_tool.lti.message import Message
from lti_tool.lti.storage import Known, Platform
from lti_tool.lti.vocabulary import Role
from lti_tool.models import Context, Deployment, Enrolment, LineItem, Placement, Registration, ResourceLink, User


@dataclass(frozen=True, slots=True)
class Placed:
    """What stands behind a link: a designer's placement, as far as a launch needs it."""

    id: int
    uuid: UUID
    activity: str


@dataclass(frozen=True, slots=True)
class Enrolled:
    """Where one launch stands in our rows."""

    tenant_id: int
    registration_id: int
    deployment_id: int
    user_id: int
    person_uuid: UUID
    context_id: int | None
    resource_link_id: int | None
    line_item_id: int | None
    roles: frozenset[Role]
    is_new: bool
    """True for a person, or a role, that this context did not have."""
    for_user_id: int | None = None
    """The person whom the message is about, where we know them."""


OnEnrolled = Callable[[Session, Enrolled], object]
"""Called in the launch's transaction when a person is new in a context, or has other roles there than before."""


def find_placed(db: Session, message: Message, known: Known, *, platform: Platform) -> Placed | None:
    """What stands behind the link of a launch; None where nobody placed anything.

    A link that is as it was keeps what was chosen for it. One that is new, or that somebody changed on the platform, gets what
    it names; a copy gets what stands behind the link that it was copied from, found by the history that the platform tells.
    Raises   NotFound when the link names a placement that this agency does not have
    """
    if message.link_id is None:
        return None
    if known.link is not None and known.link_named == message.named:
        if known.placement is None or known.placement_uuid is None or known.placement_activity is None:
            return None
        return Placed(known.placement, known.placement_uuid, known.placement_activity)
    if known.link is None:
        copied = _placed_at_origin(db, message, platform)
        if copied is not None:
            return copied
    return None if message.placement is None else _placed_by_name(db, message.placement, platform)


class _MustWrite(Exception):
    """A launch brings something that we do not hold."""


@dataclass(frozen=True, slots=True)
class _Arrival:
    """One launch on its way into the rows."""

    opened: Session | None
    """None for a look at whether there is anything to write."""
    message: Message
    known: Known
    placed: Placed | None
    platform: Platform
    now: datetime

    @property
    def db(self) -> Session:
        """The transaction. Raises _MustWrite where none was opened."""
        if self.opened is None:
            raise _MustWrite
        return self.opened

    def product(self) -> None:
        """Keeps what kind of platform this is, where its registration (by hand) did not say."""
        if self.known.product is None and self.message.product is not None:
            ours = (Registration.id == self.platform.id, Registration.product.is_(None))
            self.db.execute(update(Registration).where(*ours).values(product=self.message.product))

    def user(self) -> tuple[int, UUID]:
        """Id and UUID of the person; the name as the platform gives it now."""
        name, known = self.message.name, self.known
        if known.user is not None and known.person_uuid is not None:
            if known.display_name != name:
                self.db.execute(update(User).where(User.id == known.user).values(display_name=name))
            return known.user, known.person_uuid
        keys = {"registration_id": self.platform.id, "sub": self.message.sub}
        user_id = self.found_or_made(User, keys, person_uuid=new_uuid(), display_name=name)
        return user_id, self.db.execute(select(User.person_uuid).where(User.id == user_id)).scalar_one()

    def context(self) -> int | None:
        """Id of the course, None when the launch names none. What this launch does not say stays as it was."""
        message, known = self.message, self.known
        if message.context_id is None:
            return None
        was = {
            "title": known.context_title,
            "label": known.context_label,
            "history": known.context_history or [],
            "memberships_url": known.memberships_url,
            "line_items_url": known.line_items_url,
            "ags_scopes": known.context_scopes or [],
        }
        told = {
            "title": message.context_title,
            "label": message.context_label,
            "history": list(message.context_history),
            "memberships_url": message.memberships_url,
            "line_items_url": message.line_items_url,
            "ags_scopes": list(message.ags_scopes),
        }
        values = {name: told[name] or was[name] for name in was}
        if known.context is None:
            keys = {"deployment_id": known.deployment, "lti_id": message.context_id}
            return self.found_or_made(Context, keys, uuid=new_uuid(), **values)
        if values != was:
            self.db.execute(update(Context).where(Context.id == known.context).values(**values))
        return known.context

    def link(self, context_id: int | None) -> int | None:
        """Id of the resource link; None for a message that comes from none."""
        message, known = self.message, self.known
        if message.link_id is None:
            return None
        placement_id = self.placed.id if self.placed else None
        history = list(message.link_history) or known.link_history or []
        values = {"title": message.link_title, "named": message.named, "placement_id": placement_id, "history": history}
        if known.link is None:
            keys = {"deployment_id": known.deployment, "lti_id": message.link_id}
            return self.found_or_made(ResourceLink, keys, context_id=context_id, **values)
        was = (known.link_title, known.link_named, known.placement, known.link_history)
        if was != (message.link_title, message.named, placement_id, history):
            self.db.execute(update(ResourceLink).where(ResourceLink.id == known.link).values(**values))
        return known.link

    def line_item(self, link_id: int | None, context_id: int | None) -> int | None:
        """Id of the link's own column; None when there is none, or several."""
        if self.message.line_item_url is None:
            return None
        scopes = list(self.message.ags_scopes)
        if self.known.line_item is None:
            keys = {"registration_id": self.platform.id, "url": self.message.line_item_url}
            placement_id = self.placed.id if self.placed else None
            values = {"resource_link_id": link_id, "context_id": context_id, "placement_id": placement_id, "scopes": scopes}
            return self.found_or_made(LineItem, keys, is_ours=False, **values)
        if self.known.scopes != scopes or self.known.column_gone_at is not None:  # the platform names it: it has it again
            self.db.execute(update(LineItem).where(LineItem.id == self.known.line_item).values(scopes=scopes, gone_at=None))
        return self.known.line_item

    def enrolment(self, user_id: int, context_id: int | None) -> bool:
        """Keeps the person's roles in the course; who was off its roster is back. Returns whether they are new there or changed."""
        roles = sorted(role.value for role in self.message.roles)
        if context_id is None or (self.known.roles == roles and self.known.removed_at is None):
            return False
        if self.known.enrolment is None:
            self.found_or_made(Enrolment, {"context_id": context_id, "user_id": user_id}, roles=roles, changed_at=self.now)
        ours = (Enrolment.context_id == context_id, Enrolment.user_id == user_id)
        self.db.execute(update(Enrolment).where(*ours).values(roles=roles, removed_at=None, changed_at=self.now))
        return True

    def concerned(self) -> int | None:
        """Id of the person whom the message is about; None when it is about nobody, or about somebody who never came."""
        if self.message.for_user_sub is None:
            return None
        named = (User.registration_id == self.platform.id, User.sub == self.message.for_user_sub)
        return self.db.execute(select(User.id).where(*named)).scalar()

    def found_or_made(self, model: type[Base], keys: dict[str, Any], **values: Any) -> int:
        """Id of the row with these keys; made when it is not there, whoever else makes it at the same moment."""
        insert = postgresql.insert if self.db.get_bind().dialect.name == "postgresql" else sqlite.insert
        columns: Any = model
        row = {**keys, **values, "tenant_id": self.platform.tenant_id, "created_at": self.now}
        made = insert(model).values(row).on_conflict_do_nothing(index_elements=list(keys)).returning(columns.id)
        found = self.db.execute(made).scalar() or self.db.execute(select(columns.id).filter_by(**keys)).scalar_one()
        return int(found)


def find_enrolled(message: Message, known: Known, *, platform: Platform, now: datetime, placed: Placed | None) -> Enrolled | None:
    """What `enrol` gives where everything is as we know it; None where it has something to write, or to look for."""
    try:
        return enrol(None, message, known, platform=platform, now=now, placed=placed)
    except _MustWrite:
        return None


def enrol(
    db: Session | None, message: Message, known: Known, *, platform: Platform, now: datetime, placed: Placed | None = None
) -> Enrolled:
    """Writes what is new or changed in a launch, and nothing else: a returning person costs no write here.

    placed   as `find_placed` tells
    """
    arrival = _Arrival(db, message, known, placed, platform, now)
    arrival.product()
    user_id, person_uuid = arrival.user()
    context_id = arrival.context()
    link_id = arrival.link(context_id)
    return Enrolled(
        tenant_id=platform.tenant_id,
        registration_id=platform.id,
        deployment_id=known.deployment,
        user_id=user_id,
        person_uuid=person_uuid,
        context_id=context_id,
        resource_link_id=link_id,
        line_item_id=arrival.line_item(link_id, context_id),
        roles=message.roles,
        is_new=arrival.enrolment(user_id, context_id) or known.user is None,
        for_user_id=arrival.concerned(),
    )


def _placed_by_name(db: Session, named: str, platform: Platform) -> Placed:
    try:
        uuid = UUID(named)
    except ValueError:
        raise NotFound from None
    row = db.execute(
        select(Placement.id, Placement.uuid, Placement.activity).where(
            Placement.uuid == uuid, Placement.tenant_id == platform.tenant_id, Placement.registration_id == platform.id
        )
    ).first()
    if row is None:
        raise NotFound
    return Placed(*row)


def _placed_at_origin(db: Session, message: Message, platform: Platform) -> Placed | None:
    """What stands behind the link that a new link was copied from: the nearest in its own history; where the platform tells
    the course's history alone, the one link of that course that has the same title and something behind it.
    """
    if not message.link_history and not message.context_history:
        return None
    query = (
        select(ResourceLink.lti_id, Context.lti_id, Placement.id, Placement.uuid, Placement.activity)
        .join(Placement, Placement.id == ResourceLink.placement_id)
        .join(Deployment, Deployment.id == ResourceLink.deployment_id)
        .outerjoin(Context, Context.id == ResourceLink.context_id)
        .where(Deployment.registration_id == platform.id, Placement.tenant_id == platform.tenant_id)
    )
    by_link = {row[0]: Placed(*row[2:]) for row in db.execute(query.where(ResourceLink.lti_id.in_(message.link_history)))}
    nearest = next((by_link[link] for link in message.link_history if link in by_link), None)
    if nearest is not None or message.link_title is None:
        return nearest
    same_title = query.where(Context.lti_id.in_(message.context_history), ResourceLink.title == message.link_title)
    found = list(db.execute(same_title))
    for context in message.context_history:
        candidates = [Placed(*row[2:]) for row in found if row[1] == context]
        if candidates:
            return candidates[0] if len(candidates) == 1 else None
    return None
