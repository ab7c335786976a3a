"""The audit log: who did what, when. Rows are only ever added, and each carries the hash of the one before."""

import hashlib
from datetime import datetime
from typing import Any

from sqlalchemy import String, func, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from kernel.clock import rfc3339
from kernel.db import Base, JsonDocument, UtcDateTime
from kernel.strictjson import dumps

FIRST_HASH = "0" * 64
CHAIN_LOCK = 0x6B616F6E61
"""Advisory lock of PostgreSQL under which the chain grows; SQLite has one writer anyway."""


class AuditEntry(Base):
    """One act. No token, no name of a person, no answer."""

    __tablename__ = "audit_entry"

    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[int | None] = mapped_column(index=True)
    """None when the act belongs to no known agency, or to all."""
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    event: Mapped[str] = mapped_column(String(64))
    """noun.verb: `launch.refused`."""
    actor: Mapped[str] = mapped_column(String(255))
    """`user:12`, `command`, `browser`, `worker`."""
    reference: Mapped[str | None] = mapped_column(String(32))
    """The code on the person's page."""
    details: Mapped[dict[str, Any]] = mapped_column(JsonDocument)
    previous_hash: Mapped[str] = mapped_column(String(64), unique=True)
    hash: Mapped[str] = mapped_column(String(64))


def append_audit(
    db: Session,
    *,
    event: str,
    actor: str,
    now: datetime,
    tenant_id: int | None = None,
    reference: str | None = None,
    details: dict[str, Any] | None = None,
) -> None:
    """Adds one act to the chain, in the caller's transaction. details: JSON values, no secrets."""
    if db.get_bind().dialect.name == "postgresql":
        db.execute(select(func.pg_advisory_xact_lock(CHAIN_LOCK)))
    previous = db.scalar(select(AuditEntry.hash).order_by(AuditEntry.id.desc()).limit(1)) or FIRST_HASH
    entry = AuditEntry(
        tenant_id=tenant_id, at=now, event=event, actor=actor, reference=reference, details=details or {}, previous_hash=previous
    )
    entry.hash = _hash_of(entry)
    db.add(entry)
    db.flush()  # the next entry of this transaction reads this hash


def first_broken_audit(db: Session) -> int | None:
    """Id of the first row that was changed, removed before or put in; None when the chain holds."""
    previous = FIRST_HASH
    for entry in db.scalars(select(AuditEntry).order_by(AuditEntry.id).execution_options(yield_per=1000)):
        if entry.previous_hash != previous or entry.hash != _hash_of(entry):
            return entry.id
        previous = entry.hash
    return None


def _hash_of(entry: AuditEntry) -> str:
    content = [
        entry.previous_hash, entry.tenant_id, rfc3339(entry.at), entry.event, entry.actor, entry.reference, entry.details,
    ]  # fmt: skip
    return hashlib.sha256(dumps(content, sort_keys=True)).hexdigest()
