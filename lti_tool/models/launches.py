"""What waits between login and launch, and the launch itself, which is also the person's session."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, String, Text, Uuid, text
from sqlalchemy.orm import Mapped, mapped_column

from kernel.db import Base, JsonDocument, UtcDateTime

_KEEPS_SOMETHING = text("session_hash IS NOT NULL OR return_url IS NOT NULL")
"""Rows that have something to forget when their session is over."""


class LoginState(Base):
    """One login that has not come back as a launch: spent once, within ten minutes, in the browser that began it."""

    __tablename__ = "login_state"
    __table_args__ = (Index("ix_login_state_created_at", "created_at"),)

    state_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenant.id"))
    registration_id: Mapped[int] = mapped_column(ForeignKey("registration.id"))
    """Issuer and client id that the launch must come from."""
    nonce: Mapped[str] = mapped_column(String(64))
    browser_hash: Mapped[str] = mapped_column(String(64))
    """Digest of the cookie that binds the launch to this browser."""
    hints: Mapped[dict[str, str]] = mapped_column(JsonDocument)
    """The login initiation as it came, target included, for the offer of a new window."""
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class Launch(Base):
    """One accepted launch; as long as it lives, the session that its cookie names."""

    __tablename__ = "launch"
    __table_args__ = (
        Index("ix_launch_user_id", "user_id", "context_id"),
        Index("ix_launch_created_at", "created_at"),
        Index("ix_launch_context_id", "context_id", "user_id", "created_at"),
        Index("ix_launch_over", "expires_at", sqlite_where=_KEEPS_SOMETHING, postgresql_where=_KEEPS_SOMETHING),
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
    roles: Mapped[list[str]] = mapped_column(JsonDocument)
    """Roles in the context, by the newest launch of this person there."""
    locale: Mapped[str] = mapped_column(String(2))
    target: Mapped[dict[str, Any]] = mapped_column(JsonDocument)
    """Path of the link on our side, and its `activity` parameter."""
    return_url: Mapped[str | None] = mapped_column(Text)
    """Way back to the platform; holds a key of the person's session there, so it goes when the session goes."""
    framed: Mapped[bool] = mapped_column()
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    seen_at: Mapped[datetime] = mapped_column(UtcDateTime)
    """Last act, at most a minute late."""
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)
    held_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """A running sitting keeps the session until then, whatever else ends it."""
