"""What is known of the rosters of courses: when they were read, what the last change was, what stands in the way."""

from datetime import datetime

from sqlalchemy import ForeignKey, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from kernel.db import Base, UtcDateTime


class Roster(Base):
    """The roster of one course, once its reading was asked for. Its people are the enrolments of the course."""

    __tablename__ = "roster"

    context_id: Mapped[int] = mapped_column(ForeignKey("context.id"), primary_key=True, autoincrement=False)
    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenant.id"), index=True)
    n_readings: Mapped[int] = mapped_column(default=0)
    """Readings that ended, well or not; the next one's row in the outbox is named by it, so that only one can wait."""
    read_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """Begin of the last reading that came to its end, of the whole roster or of its differences."""
    whole_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """Begin of the last one of the whole roster."""
    tried_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """Begin of the last one, however it ended."""
    last_error: Mapped[str | None] = mapped_column(String(255))
    """Why the last reading did not come to its end; none when it did."""
    differences_url: Mapped[str | None] = mapped_column(Text)
    """Where the platform tells what changed since the last reading (NRPS 2.0, link of relation `differences`)."""
    change_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """Begin of the last reading that found a change; the enrolments that it touched bear the same moment."""
    n_new: Mapped[int] = mapped_column(default=0)
    n_changed: Mapped[int] = mapped_column(default=0)
    n_left: Mapped[int] = mapped_column(default=0)
    """People of that change: who joined, who has another role or name, who is no longer an active member."""
