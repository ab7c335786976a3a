"""From a message to rows: the person, the course, the link, the roles and the column of the gradebook."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from kernel.db import Base
from kernel.ids import new_uuid
from lti_tool.lti.message import Message
from lti_tool.lti.storage import Known, Platform
from lti_tool.lti.vocabulary import Role
from lti_tool.models import Context, Enrolment, LineItem, ResourceLink, User


@dataclass(frozen=True, slots=True)
class Enrolled:
    """Where one launch stands in our rows."""

    tenant_id: int
    registration_id: int
    deployment_id: int
    user_id: int
    person_uuid: UUID
    context_id: int | None
    resource_link_id: int
    line_item_id: int | None
    roles: frozenset[Role]
    is_new: bool
    """True for a person, or a role, that this context did not have."""


OnEnrolled = Callable[[Session, Enrolled], object]
"""Called in the launch's transaction when a person is new in a context, or has other roles there than before."""


@dataclass(frozen=True, slots=True)
class _Arrival:
    """One launch on its way into the rows."""

    db: Session
    message: Message
    known: Known
    platform: Platform
    now: datetime

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
        """Id of the course, None when the launch names none."""
        message, known = self.message, self.known
        if message.context_id is None:
            return None
        values = {"title": message.context_title, "memberships_url": message.memberships_url}
        if known.context is None:
            keys = {"deployment_id": known.deployment, "lti_id": message.context_id}
            return self.found_or_made(Context, keys, uuid=new_uuid(), **values)
        if (known.context_title, known.memberships_url) != (message.context_title, message.memberships_url):
            self.db.execute(update(Context).where(Context.id == known.context).values(**values))
        return known.context

    def link(self, context_id: int | None) -> int:
        """Id of the resource link."""
        message, known = self.message, self.known
        if known.link is None:
            keys = {"deployment_id": known.deployment, "lti_id": message.link_id}
            return self.found_or_made(ResourceLink, keys, context_id=context_id, title=message.link_title)
        if known.link_title != message.link_title:
            self.db.execute(update(ResourceLink).where(ResourceLink.id == known.link).values(title=message.link_title))
        return known.link

    def line_item(self, link_id: int) -> int | None:
        """Id of the link's own column; None when there is none, or several."""
        if self.message.line_item_url is None:
            return None
        scopes = list(self.message.ags_scopes)
        if self.known.line_item is None:
            keys = {"registration_id": self.platform.id, "url": self.message.line_item_url}
            return self.found_or_made(LineItem, keys, resource_link_id=link_id, scopes=scopes)
        if self.known.scopes != scopes:
            self.db.execute(update(LineItem).where(LineItem.id == self.known.line_item).values(scopes=scopes))
        return self.known.line_item

    def enrolment(self, user_id: int, context_id: int | None) -> bool:
        """Keeps the person's roles in the course. Returns whether they are new there or changed."""
        roles = sorted(role.value for role in self.message.roles)
        if context_id is None or self.known.roles == roles:
            return False
        if self.known.enrolment is None:
            self.found_or_made(Enrolment, {"context_id": context_id, "user_id": user_id}, roles=roles, changed_at=self.now)
        ours = (Enrolment.context_id == context_id, Enrolment.user_id == user_id)
        self.db.execute(update(Enrolment).where(*ours).values(roles=roles, changed_at=self.now))
        return True

    def found_or_made(self, model: type[Base], keys: dict[str, Any], **values: Any) -> int:
        """Id of the row with these keys; made when it is not there, whoever else makes it at the same moment."""
        insert = postgresql.insert if self.db.get_bind().dialect.name == "postgresql" else sqlite.insert
        columns: Any = model
        row = {**keys, **values, "tenant_id": self.platform.tenant_id, "created_at": self.now}
        made = insert(model).values(row).on_conflict_do_nothing(index_elements=list(keys)).returning(columns.id)
        found = self.db.execute(made).scalar() or self.db.execute(select(columns.id).filter_by(**keys)).scalar_one()
        return int(found)


def enrol(db: Session, message: Message, known: Known, *, platform: Platform, now: datetime) -> Enrolled:
    """Writes what is new or changed in a launch, and nothing else: a returning person costs no write here."""
    arrival = _Arrival(db, message, known, platform, now)
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
        line_item_id=arrival.line_item(link_id),
        roles=message.roles,
        is_new=arrival.enrolment(user_id, context_id) or known.user is None,
    )
