"""Which finished sittings count for which links."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, UniqueConstraint, Uuid
from sqlalchemy.orm import Mapped, mapped_column

from kernel.db import Base, UtcDateTime


class CountedSitting(Base):
    """One finished sitting that counts for one link, by an act of its own person there."""

    __tablename__ = "counted_sitting"
    __table_args__ = (UniqueConstraint("resource_link_id", "attempt_uuid"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenant.id"), index=True)
    resource_link_id: Mapped[int] = mapped_column(ForeignKey("resource_link.id"))
    attempt_uuid: Mapped[UUID] = mapped_column(Uuid, index=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("lti_user.id"), index=True)
    """Whose sitting it is."""
    launch_id: Mapped[int] = mapped_column(ForeignKey("launch.id"))
    """The launch that began it, went on with it last, or used its result."""
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
