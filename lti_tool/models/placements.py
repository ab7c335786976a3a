"""What course designers placed in courses: an activity with its title, its points and its rules."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import JSON, CheckConstraint, ForeignKey, String, Text, UniqueConstraint, Uuid
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import Mapped, mapped_column

from kernel.db import Base, UtcDateTime
from kernel.ids import new_uuid

_JSON_OR_NULL = JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql")


class Placement(Base):
    """One choice of a designer; its UUID is the `resourceId` of the columns made for it. Copies of a link share it."""

    __tablename__ = "placement"
    __table_args__ = (
        CheckConstraint("score_maximum IS NULL OR score_maximum > 0", name="score_maximum"),
        CheckConstraint("attempts_policy IN ('best', 'last', 'first')", name="attempts_policy"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    uuid: Mapped[UUID] = mapped_column(Uuid, unique=True, default=new_uuid)
    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenant.id"), index=True)
    registration_id: Mapped[int] = mapped_column(ForeignKey("registration.id"))
    context_id: Mapped[int | None] = mapped_column(ForeignKey("context.id"))
    """Course where it was chosen."""
    created_by_id: Mapped[int] = mapped_column(ForeignKey("lti_user.id"))
    activity: Mapped[str] = mapped_column(String(255))
    """`kind` or `kind:id`, as in the parameter `activity` of a link."""
    title: Mapped[str] = mapped_column(Text)
    score_maximum: Mapped[float | None] = mapped_column()
    """Points of the column; none for what is not graded."""
    attempts_policy: Mapped[str] = mapped_column(String(8), default="best")
    """Which attempt counts: the best, the last or the first."""
    has_area_columns: Mapped[bool] = mapped_column(default=False)
    """Whether each competency area has a column of its own beside the whole."""
    admission: Mapped[dict[str, Any] | None] = mapped_column(_JSON_OR_NULL)
    """Who may begin a sitting here, see `assessment.AdmissionRules`; none: as the form says."""
    access_code_hash: Mapped[str | None] = mapped_column(String(64))
    """Digest of the code that is one for all."""
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    changed_at: Mapped[datetime] = mapped_column(UtcDateTime)


class AccessCode(Base):
    """A code that opens one beginning of the assessment at one placement."""

    __tablename__ = "access_code"
    __table_args__ = (
        UniqueConstraint("placement_id", "code_hash"),
        CheckConstraint("(used_at IS NULL) = (used_by_id IS NULL)", name="used"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenant.id"), index=True)
    placement_id: Mapped[int] = mapped_column(ForeignKey("placement.id"))
    code_hash: Mapped[str] = mapped_column(String(64))
    """Digest under a key of this installation's; the code itself is shown once and kept nowhere."""
    user_id: Mapped[int | None] = mapped_column(ForeignKey("lti_user.id"))
    """Whom alone it lets in; none: whoever has it."""
    made_at: Mapped[datetime] = mapped_column(UtcDateTime)
    used_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    used_by_id: Mapped[int | None] = mapped_column(ForeignKey("lti_user.id"))


class CodeTry(Base):
    """Wrong codes of one person at one placement, against guessing."""

    __tablename__ = "code_try"

    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenant.id"))
    placement_id: Mapped[int] = mapped_column(ForeignKey("placement.id"), primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("lti_user.id"), primary_key=True)
    n_wrong: Mapped[int] = mapped_column()
    """Since then, in the present window."""
    since: Mapped[datetime] = mapped_column(UtcDateTime)
