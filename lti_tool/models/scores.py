"""Columns of platforms' gradebooks, and the one score that we hold for each person in each."""

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from kernel.db import Base, JsonDocument, UtcDateTime


class LineItem(Base):
    """One column of a gradebook, named by its URL; on a host approved for the registration."""

    __tablename__ = "line_item"
    __table_args__ = (UniqueConstraint("registration_id", "url"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenant.id"), index=True)
    registration_id: Mapped[int] = mapped_column(ForeignKey("registration.id"))
    resource_link_id: Mapped[int | None] = mapped_column(ForeignKey("resource_link.id"), index=True)
    url: Mapped[str] = mapped_column(String(2000))
    scopes: Mapped[list[str]] = mapped_column(JsonDocument)
    """AGS scopes that the last launch named."""
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class Score(Base):
    """The score of one person in one column: what is to be known there, and how far it got."""

    __tablename__ = "score"
    __table_args__ = (
        UniqueConstraint("line_item_id", "user_id"),
        CheckConstraint("given >= 0 AND given <= maximum AND maximum > 0", name="range"),
        CheckConstraint("state IN ('waiting', 'sent', 'parked')", name="state"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenant.id"), index=True)
    line_item_id: Mapped[int] = mapped_column(ForeignKey("line_item.id"))
    user_id: Mapped[int] = mapped_column(ForeignKey("lti_user.id"))
    version: Mapped[int] = mapped_column()
    """Grows with each new value; a waiting row of the outbox names the version that it is for."""
    given: Mapped[float] = mapped_column()
    maximum: Mapped[float] = mapped_column()
    """Points on our scale, above 0; the platform rescales."""
    comment: Mapped[str | None] = mapped_column(Text)
    """Plain text, sent with every score: a platform forgets a comment that is not repeated."""
    state: Mapped[str] = mapped_column(String(16))
    stamped_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """Timestamp of the last try, whole seconds; the next one is later."""
    sent_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    last_error: Mapped[str | None] = mapped_column(String(255))
    changed_at: Mapped[datetime] = mapped_column(UtcDateTime)
