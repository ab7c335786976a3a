"""Tables of the learning room: the catalogue (national data), and the versions of each person's path."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Date, ForeignKey, Index, String, UniqueConstraint, Uuid, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from kernel.db import Base, JsonDocument, UtcDateTime
from learning.choice import KINDS
from learning.graph import MAX_LEVEL

STATES = ("planned", "under_way", "done")
"""What a person has made of a step; it never raises a level, only evidence does."""

_NATIONAL = text("tenant_id IS NULL")


def _one_of(column: str, values: tuple[str, ...]) -> str:
    return f"{column} IN ({', '.join(repr(value) for value in values)})"


class ResourceRow(Base):
    """Something to learn from or to do, for one level of one competency."""

    __tablename__ = "learning_resource"
    __table_args__ = (
        UniqueConstraint("tenant_id", "key"),
        Index("uq_learning_resource_national_key", "key", unique=True, sqlite_where=_NATIONAL, postgresql_where=_NATIONAL),
        Index(None, "node_key", "level"),
        CheckConstraint(_one_of("kind", KINDS), name="kind"),
        CheckConstraint(f"level BETWEEN 1 AND {MAX_LEVEL}", name="level"),
        CheckConstraint("hours > 0", name="hours"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[int | None] = mapped_column()
    """None: national, for every agency."""
    uuid: Mapped[UUID] = mapped_column(Uuid, unique=True)
    key: Mapped[str] = mapped_column(String(64))
    node_key: Mapped[str] = mapped_column(String(160))
    level: Mapped[int] = mapped_column()
    """The level that it helps to reach."""
    kind: Mapped[str] = mapped_column(String(16))
    title: Mapped[dict[str, str]] = mapped_column(JsonDocument)
    summary: Mapped[dict[str, str]] = mapped_column(JsonDocument)
    provider: Mapped[dict[str, str]] = mapped_column(JsonDocument)
    hours: Mapped[float] = mapped_column()
    """Expected working hours."""
    language: Mapped[str] = mapped_column(String(8))
    url: Mapped[str | None] = mapped_column(String(2000))
    retired_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """No longer offered; paths that hold it still show it."""


class PrerequisiteRow(Base):
    """One edge: a level of a competency asks for a level of another one."""

    __tablename__ = "learning_prerequisite"
    __table_args__ = (
        Index(
            "uq_learning_prerequisite_national",
            "node_key",
            "level",
            "needs_node_key",
            "needs_level",
            unique=True,
            sqlite_where=_NATIONAL,
            postgresql_where=_NATIONAL,
        ),
        CheckConstraint(f"level BETWEEN 1 AND {MAX_LEVEL}", name="level"),
        CheckConstraint(f"needs_level BETWEEN 1 AND {MAX_LEVEL}", name="needs_level"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[int | None] = mapped_column()
    """None: national."""
    node_key: Mapped[str] = mapped_column(String(160))
    level: Mapped[int] = mapped_column()
    needs_node_key: Mapped[str] = mapped_column(String(160))
    needs_level: Mapped[int] = mapped_column()


class PathRow(Base):
    """One version of one person's path; a newer version replaces it, none is changed but for the state of its steps."""

    __tablename__ = "learning_path"
    __table_args__ = (UniqueConstraint("tenant_id", "person_uuid", "version"), CheckConstraint("version >= 1", name="version"))

    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[int] = mapped_column()
    person_uuid: Mapped[UUID] = mapped_column(Uuid)
    uuid: Mapped[UUID] = mapped_column(Uuid, unique=True)
    version: Mapped[int] = mapped_column()
    made_at: Mapped[datetime] = mapped_column(UtcDateTime)
    rule_version: Mapped[str] = mapped_column(String(32))
    basis: Mapped[list[dict[str, Any]]] = mapped_column(JsonDocument)
    """Level and target in each competency from which it was computed."""
    notes: Mapped[list[dict[str, Any]]] = mapped_column(JsonDocument)
    """Codes and places of what the path as a whole has to say."""
    steps: Mapped[list["PathStepRow"]] = relationship(order_by="PathStepRow.position", lazy="selectin")


class PathStepRow(Base):
    """One thing to do on a version of a path."""

    __tablename__ = "learning_path_step"
    __table_args__ = (
        UniqueConstraint("path_id", "position"),
        CheckConstraint(_one_of("kind", (*KINDS, "assessment", "open")), name="kind"),
        CheckConstraint(_one_of("state", STATES), name="state"),
        CheckConstraint("(resource_id IS NULL) = (kind IN ('assessment', 'open'))", name="resource"),
        CheckConstraint("resource_id IS NOT NULL OR state = 'planned'", name="state_of_resource"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[int] = mapped_column(index=True)
    path_id: Mapped[int] = mapped_column(ForeignKey("learning_path.id", ondelete="CASCADE"))
    uuid: Mapped[UUID] = mapped_column(Uuid, unique=True)
    position: Mapped[int] = mapped_column()
    """Place on the path, from 1."""
    node_key: Mapped[str] = mapped_column(String(160))
    node_label: Mapped[dict[str, str]] = mapped_column(JsonDocument)
    from_level: Mapped[int | None] = mapped_column()
    to_level: Mapped[int | None] = mapped_column()
    """None for an assessment."""
    kind: Mapped[str] = mapped_column(String(16))
    resource_id: Mapped[int | None] = mapped_column(ForeignKey("learning_resource.id"), index=True)
    hours: Mapped[float] = mapped_column()
    due: Mapped[date | None] = mapped_column(Date)
    reason_code: Mapped[str] = mapped_column(String(32))
    places: Mapped[dict[str, Any]] = mapped_column(JsonDocument)
    """Values for the reason's named places; labels as language maps."""
    state: Mapped[str] = mapped_column(String(16))
    state_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """When the person last changed the state."""
    resource: Mapped[ResourceRow | None] = relationship(lazy="joined")
