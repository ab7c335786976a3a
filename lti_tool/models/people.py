"""People as platforms name them, their courses and links, their places in them, and the rights that we granted."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, String, Text, UniqueConstraint, Uuid
from sqlalchemy.orm import Mapped, mapped_column

from kernel.db import Base, JsonDocument, UtcDateTime
from kernel.ids import new_uuid


class User(Base):
    """One person as one platform names them: (registration, sub), never e-mail. The only link from sub to UUID."""

    __tablename__ = "lti_user"
    __table_args__ = (UniqueConstraint("registration_id", "sub"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenant.id"), index=True)
    registration_id: Mapped[int] = mapped_column(ForeignKey("registration.id"))
    sub: Mapped[str] = mapped_column(String(255))
    person_uuid: Mapped[UUID] = mapped_column(Uuid, unique=True, default=new_uuid)
    """Random; what every other room and every statement knows the person by."""
    display_name: Mapped[str | None] = mapped_column(Text)
    """As the last launch gave it, or the roster for who never came; none as soon as a launch or a roster comes without it."""
    blocked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class Context(Base):
    """One course of a platform."""

    __tablename__ = "context"
    __table_args__ = (UniqueConstraint("deployment_id", "lti_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    uuid: Mapped[UUID] = mapped_column(Uuid, unique=True, default=new_uuid)
    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenant.id"), index=True)
    deployment_id: Mapped[int] = mapped_column(ForeignKey("deployment.id"))
    lti_id: Mapped[str] = mapped_column(String(255))
    title: Mapped[str | None] = mapped_column(Text)
    label: Mapped[str | None] = mapped_column(Text)
    memberships_url: Mapped[str | None] = mapped_column(Text)
    """Where the roster is read (NRPS); on an approved host."""
    line_items_url: Mapped[str | None] = mapped_column(Text)
    """Where the columns of the course are listed and made (AGS); on an approved host."""
    ags_scopes: Mapped[list[str]] = mapped_column(JsonDocument, default=list)
    """AGS scopes that the last launch from the course named."""
    history: Mapped[list[str]] = mapped_column(JsonDocument, default=list)
    """Ids of the courses that this one was copied from, the nearest first (`$Context.id.history`)."""
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class Enrolment(Base):
    """A person's roles in a course, by the last launch there or by its roster. Readings are named by the moment of their begin."""

    __tablename__ = "enrolment"
    __table_args__ = (UniqueConstraint("context_id", "user_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenant.id"), index=True)
    context_id: Mapped[int] = mapped_column(ForeignKey("context.id"))
    user_id: Mapped[int] = mapped_column(ForeignKey("lti_user.id"), index=True)
    roles: Mapped[list[str]] = mapped_column(JsonDocument)
    """`learner`, `instructor`, sorted."""
    removed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """The reading since which the roster no longer has the person as an active member; none while it has, or was never read."""
    joined_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """The reading since which the roster has the person; none for people whom launches alone brought."""
    in_roster_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """The last reading of the roster that had the person."""
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    changed_at: Mapped[datetime] = mapped_column(UtcDateTime)


class ResourceLink(Base):
    """One link to us on a page of a course."""

    __tablename__ = "resource_link"
    __table_args__ = (UniqueConstraint("deployment_id", "lti_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenant.id"), index=True)
    deployment_id: Mapped[int] = mapped_column(ForeignKey("deployment.id"))
    context_id: Mapped[int | None] = mapped_column(ForeignKey("context.id"))
    lti_id: Mapped[str] = mapped_column(String(255))
    title: Mapped[str | None] = mapped_column(Text)
    placement_id: Mapped[int | None] = mapped_column(ForeignKey("placement.id"), index=True)
    """What a designer placed behind the link; none until somebody chose, or where the link itself names an activity."""
    named: Mapped[str | None] = mapped_column(String(2000))
    """What the link named at its last launch, a placement or an activity: when that changes, somebody changed the link on the
    platform, and the link's word counts again."""
    history: Mapped[list[str]] = mapped_column(JsonDocument, default=list)
    """Ids of the links that this one was copied from, the nearest first (`$ResourceLink.id.history`)."""
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class Grant(Base):
    """A right that an administrator of ours gave to a person, who may not have launched yet."""

    __tablename__ = "role_grant"
    __table_args__ = (
        UniqueConstraint("registration_id", "sub", "role"),
        CheckConstraint("role IN ('executive', 'central_executive', 'administrator')", name="role"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenant.id"), index=True)
    registration_id: Mapped[int] = mapped_column(ForeignKey("registration.id"))
    sub: Mapped[str] = mapped_column(String(255))
    role: Mapped[str] = mapped_column(String(32))
    """`executive` of the agency, `central_executive` of all agencies, `administrator`."""
    granted_at: Mapped[datetime] = mapped_column(UtcDateTime)
