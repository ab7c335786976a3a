"""What is kept of work on the record store as a whole: erasures of people, and what was brought in from elsewhere."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, Text, UniqueConstraint, Uuid
from sqlalchemy.orm import Mapped, mapped_column

from kernel.db import Base, JsonDocument, UtcDateTime
from kernel.ids import new_uuid


class Erasure(Base):
    """The receipt of one erasure or new name: what was done and when, and nothing of the person."""

    __tablename__ = "erasure"
    __table_args__ = (CheckConstraint("act IN ('rename', 'unlink', 'delete')", name="act"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    uuid: Mapped[UUID] = mapped_column(Uuid, unique=True, default=new_uuid)
    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenant.id"), index=True)
    act: Mapped[str] = mapped_column(String(16))
    """`rename`: another name in the statements; `unlink`: all else deleted, statements kept without the person; `delete`: those too."""
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    actor: Mapped[str] = mapped_column(String(255))
    """Who did it, as the audit log names them."""
    digests: Mapped[list[str]] = mapped_column(JsonDocument)
    """Keyed digests of what identified the person: enough to find them again in a restored backup, of no use without our secret."""
    counts: Mapped[dict[str, int]] = mapped_column(JsonDocument)
    recipients: Mapped[list[str]] = mapped_column(JsonDocument)
    """Names of the other stores that got statements of the person before."""
    again_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """When it last found the person again, in data that came back from a backup."""


class LrsImport(Base):
    """One bringing-in of statements from a file or another record store, and how far it got."""

    __tablename__ = "lrs_import"
    __table_args__ = (
        CheckConstraint("state IN ('running', 'done', 'stopped')", name="state"),
        Index("ix_lrs_import_tenant_id_source", "tenant_id", "source"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    uuid: Mapped[UUID] = mapped_column(Uuid, unique=True, default=new_uuid)
    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenant.id"))
    source: Mapped[str] = mapped_column(String(1000))
    """Name of the file (`-` for standard input), or address of the other store; never a secret."""
    keeps_authority: Mapped[bool] = mapped_column()
    """Whether statements keep the authority that they came with."""
    actor: Mapped[str] = mapped_column(String(255))
    state: Mapped[str] = mapped_column(String(16), default="running")
    """`stopped`: by a fault or by hand; it can be gone on with."""
    position: Mapped[dict[str, Any]] = mapped_column(JsonDocument, default=dict)
    """Where the next batch begins: `line`, lines done; or `more`, the link to the next page, and `since`, the last `stored` seen."""
    n_read: Mapped[int] = mapped_column(default=0)
    n_new: Mapped[int] = mapped_column(default=0)
    n_known: Mapped[int] = mapped_column(default=0)
    """Statements that were here already and say the same."""
    n_refused: Mapped[int] = mapped_column(default=0)
    last_error: Mapped[str | None] = mapped_column(String(255))
    """Code of what stopped it."""
    started_at: Mapped[datetime] = mapped_column(UtcDateTime)
    changed_at: Mapped[datetime] = mapped_column(UtcDateTime)
    """When the last batch was committed."""


class LrsImportFault(Base):
    """One line that was not taken in. The first thousand of an import are kept; its count is of all."""

    __tablename__ = "lrs_import_fault"
    __table_args__ = (UniqueConstraint("import_id", "line"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    import_id: Mapped[int] = mapped_column(ForeignKey("lrs_import.id", ondelete="CASCADE"))
    line: Mapped[int] = mapped_column()
    """Line of the file, or number of the statement from the other store, from 1."""
    statement_id: Mapped[str | None] = mapped_column(String(36))
    code: Mapped[str] = mapped_column(String(64))
    rule: Mapped[str | None] = mapped_column(String(64))
    place: Mapped[str | None] = mapped_column(Text)
    """JSON pointer into the statement."""
