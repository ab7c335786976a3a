"""Columns of platforms' gradebooks, and the one score that we hold for each person in each."""

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from kernel.db import Base, JsonDocument, UtcDateTime

_OURS = text("is_ours AND gone_at IS NULL")
"""Columns that we made or are about to make: a link has one for the whole and one for each area."""


class LineItem(Base):
    """One column of a gradebook, named by its URL; on a host approved for the registration."""

    __tablename__ = "line_item"
    __table_args__ = (
        UniqueConstraint("registration_id", "url"),
        Index("uq_line_item_ours", "resource_link_id", text("coalesce(area, '')"), unique=True, sqlite_where=_OURS, postgresql_where=_OURS),
        Index("ix_line_item_unfilled", "id", sqlite_where=text("filled_at IS NULL"), postgresql_where=text("filled_at IS NULL")),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenant.id"), index=True)
    registration_id: Mapped[int] = mapped_column(ForeignKey("registration.id"))
    resource_link_id: Mapped[int | None] = mapped_column(ForeignKey("resource_link.id"), index=True)
    url: Mapped[str | None] = mapped_column(String(2000))
    """None for a column that we have asked for and the platform has not made yet."""
    scopes: Mapped[list[str]] = mapped_column(JsonDocument)
    """AGS scopes that the last launch named."""
    context_id: Mapped[int | None] = mapped_column(ForeignKey("context.id"), index=True)
    placement_id: Mapped[int | None] = mapped_column(ForeignKey("placement.id"), index=True)
    area: Mapped[str | None] = mapped_column(String(255))
    """Node key of the competency area that the column is for; none for the whole."""
    is_ours: Mapped[bool] = mapped_column(default=False)
    """Whether we made the column, so that we may change and delete it."""
    label: Mapped[str | None] = mapped_column(Text)
    resource_id: Mapped[str | None] = mapped_column(String(255))
    tag: Mapped[str | None] = mapped_column(String(255))
    score_maximum: Mapped[float | None] = mapped_column()
    """Points of the column as the platform last told; above 0."""
    gone_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """Since when the platform no longer has the column, or no longer lets us write there."""
    filled_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """When the scores of earlier sittings were put in; none asks the worker to compute the whole column (again)."""
    results_read_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """When the platform's results were last compared with our scores."""
    last_error: Mapped[str | None] = mapped_column(String(255))
    """Why the last call about the column itself brought nothing."""
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
    """Points of the column where we know them, else 100; the platform rescales."""
    comment: Mapped[str | None] = mapped_column(Text)
    """Plain text, sent with every score: a platform forgets a comment that is not repeated."""
    state: Mapped[str] = mapped_column(String(16))
    stamped_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """Timestamp of the last try, whole seconds; the next one is later."""
    sending_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """While a try is under way, until its lease ends: the next value waits for it."""
    sent_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    last_error: Mapped[str | None] = mapped_column(String(255))
    started_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """When the sitting behind the score began."""
    submitted_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """When it was finished."""
    override_by_id: Mapped[int | None] = mapped_column(ForeignKey("lti_user.id"))
    """The teacher who set the points by hand; none for the points of a sitting."""
    result_given: Mapped[float | None] = mapped_column()
    """What the platform's gradebook held when it was last compared, on our scale; none when it held nothing."""
    result_read_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    changed_at: Mapped[datetime] = mapped_column(UtcDateTime)
