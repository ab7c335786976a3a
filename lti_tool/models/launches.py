"""The launch, which is also the person's session, and what a login of unusual length leaves until then."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import JSON, ForeignKey, Index, String, Text, Uuid, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import Mapped, mapped_column

from kernel.db import Base, JsonDocument, UtcDateTime

_JSON_OR_NULL = JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql")
_KEEPS_SOMETHING = text("session_hash IS NOT NULL OR return_url IS NOT NULL OR deep_linking IS NOT NULL")
"""Rows that have something to forget when their session is over."""
_IS_PREVIEW = text("preview_of_id IS NOT NULL")


class LongLogin(Base):
    """A login initiation that is too long for its state to carry: kept until its window of its own may be asked for."""

    __tablename__ = "long_login"
    __table_args__ = (Index("ix_long_login_created_at", "created_at"),)

    state_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenant.id"))
    registration_id: Mapped[int] = mapped_column(ForeignKey("registration.id"))
    hints: Mapped[dict[str, str]] = mapped_column(JsonDocument)
    """The login initiation as it came, for the offer of a new window."""
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class Launch(Base):
    """One accepted launch; as long as it lives, the session that its cookie names."""

    __tablename__ = "launch"
    __table_args__ = (
        Index("ix_launch_user_id", "user_id", "context_id"),
        Index("ix_launch_created_at", "created_at"),
        Index("ix_launch_context_id", "context_id", "user_id", "created_at"),
        Index("ix_launch_over", "expires_at", sqlite_where=_KEEPS_SOMETHING, postgresql_where=_KEEPS_SOMETHING),
        Index("ix_launch_preview_of_id", "preview_of_id", sqlite_where=_IS_PREVIEW, postgresql_where=_IS_PREVIEW),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    uuid: Mapped[UUID] = mapped_column(Uuid, unique=True)
    """Stands in the path of every page of this launch."""
    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenant.id"))
    registration_id: Mapped[int] = mapped_column(ForeignKey("registration.id"))
    deployment_id: Mapped[int] = mapped_column(ForeignKey("deployment.id"))
    user_id: Mapped[int] = mapped_column(ForeignKey("lti_user.id"))
    context_id: Mapped[int | None] = mapped_column(ForeignKey("context.id"))
    resource_link_id: Mapped[int | None] = mapped_column(ForeignKey("resource_link.id"))
    line_item_id: Mapped[int | None] = mapped_column(ForeignKey("line_item.id"))
    state_hash: Mapped[str] = mapped_column(String(64), unique=True)
    """The login that it spent: no second launch can spend the same."""
    session_hash: Mapped[str | None] = mapped_column(String(64), unique=True)
    """Digest of the session cookie; none once a newer launch of this person in this course took over."""
    message_type: Mapped[str] = mapped_column(String(64), default="LtiResourceLinkRequest")
    deep_linking: Mapped[dict[str, Any] | None] = mapped_column(_JSON_OR_NULL)
    """Settings of a deep linking request, as needed for its response; it goes when the session goes."""
    for_user_id: Mapped[int | None] = mapped_column(ForeignKey("lti_user.id"))
    """The person whom a submission review is about."""
    preview_of_id: Mapped[int | None] = mapped_column(ForeignKey("launch.id"))
    """The teacher's launch of which this one is a look through a learner's eyes: nothing of it counts."""
    roles: Mapped[list[str]] = mapped_column(JsonDocument)
    """Roles in the context, by the newest launch of this person there."""
    locale: Mapped[str] = mapped_column(String(2))
    target: Mapped[dict[str, Any]] = mapped_column(JsonDocument)
    """Path of the link on our side, what it names, and the moment until which the platform wants the work."""
    return_url: Mapped[str | None] = mapped_column(Text)
    """Way back to the platform; holds a key of the person's session there, so it goes when the session goes."""
    framed: Mapped[bool] = mapped_column()
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    seen_at: Mapped[datetime] = mapped_column(UtcDateTime)
    """Last act, at most a minute late."""
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)
    held_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """A running sitting keeps the session until then, whatever else ends it."""
