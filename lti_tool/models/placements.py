"""What course designers placed in courses: an activity with its title, its points and its rules."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, String, Text, Uuid
from sqlalchemy.orm import Mapped, mapped_column

from kernel.db import Base, UtcDateTime
from kernel.ids import new_uuid


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
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    changed_at: Mapped[datetime] = mapped_column(UtcDateTime)
