"""Retention: statements from before a month leave the store for good.

First the tenants' sequences are cut: from then on no page and no feed shows what stands below. Then, in short transactions in the
tenants' turn, the ids become free and what other tables keep of those statements goes. Last, the months themselves: on PostgreSQL their
partitions are detached and dropped, which costs the same for a thousand statements and for thirty million; on SQLite the rows are deleted.
It may be interrupted at any moment and begun again.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, Table, delete, func, select, text, update

from kernel.db import Database
from xapi import attachments, partitions, pushes
from xapi.models import head, link, reference, registry, statement
from xapi.partitions import Month
from xapi.timestamps import moment_of

CHUNK = 2_000
"""Statements whose ids become free in one transaction."""
KEY_RANGES = 64
"""Ranges of digests in which rows of the index are deleted, one a transaction."""


@dataclass(frozen=True, slots=True)
class Leaving:
    """What a month holds that is to leave.

    size   bytes of its tables and indexes; None where they are not apart (SQLite, default partition)
    """

    month: Month
    statements: int
    size: int | None


def list_leaving(db: Connection, before: Month) -> list[Leaving]:
    """The months before this one that hold statements or have partitions, oldest first."""
    attached = set(partitions.list_months(db)) if _is_partitioned(db) else set()
    oldest = db.scalar(select(func.min(statement.c.seq)).where(statement.c.seq < before.start))
    months = set(_months(Month.of(moment_of(oldest)), before)) if oldest is not None else set()
    found = []
    for month in sorted(months | {month for month in attached if month < before}):
        inside = (statement.c.seq >= month.start, statement.c.seq < month.next.start)
        count = db.scalar(select(func.count()).select_from(statement).where(*inside)) or 0
        if count or month in attached:
            found.append(Leaving(month, count, partitions.size(db, month) if month in attached else None))
    return found


def retain(database: Database, *, since: Month) -> list[Leaving]:
    """Removes all statements stored before a month, of every tenant. Gives what has left."""
    with database.transaction() as db:
        connection = db.connection()
        leaving = list_leaving(connection, since)
        connection.execute(update(head).where(head.c.first.between(1, since.start - 1)).values(first=since.start))
        tenants = list(connection.scalars(select(head.c.tenant_id).order_by(head.c.tenant_id)))
    for tenant_id in tenants:
        _free_ids(database, tenant_id, since)
    if database.engine.dialect.name == "postgresql":
        _drop_months(database, since)
    else:
        _delete_links(database, since)
    return leaving


def _free_ids(database: Database, tenant_id: int, since: Month) -> None:
    """Takes a tenant's statements out of the registry and of all tables beside; on SQLite out of their own, too."""
    after, n_done = 0, CHUNK
    rows = select(statement.c.seq, statement.c.id).where(statement.c.tenant_id == tenant_id, statement.c.seq < since.start)
    while n_done == CHUNK:
        with database.transaction() as session:
            db = session.connection()
            db.execute(update(head).where(head.c.tenant_id == tenant_id).values(seq=head.c.seq))  # its turn: no writer knows these ids
            found = db.execute(rows.where(statement.c.seq > after).order_by(statement.c.seq).limit(CHUNK)).all()
            seqs = [row.seq for row in found]
            if seqs:
                _delete(db, registry, tenant_id, registry.c.id.in_([row.id for row in found]), registry.c.seq < since.start)
                attachments.forget(db, tenant_id=tenant_id, seqs=seqs)
                pushes.forget(db, tenant_id=tenant_id, seqs=seqs)
                if not _is_partitioned(db):
                    _delete(db, statement, tenant_id, statement.c.seq.in_(seqs))
                after = seqs[-1]
            n_done = len(seqs)
    with database.transaction() as session:
        _delete(session.connection(), reference, tenant_id, reference.c.seq < since.start)


def _drop_months(database: Database, since: Month) -> None:
    """PostgreSQL: drops the partitions of the months, and empties the default partitions of their rows."""
    with database.reading() as session:
        months = [month for month in partitions.list_months(session.connection()) if month < since]
    for month in months:
        with database.transaction() as session:
            partitions.drop(session.connection(), month)
    with database.transaction() as session:
        for table in (link, statement):
            session.execute(text(f"DELETE FROM {table.name}_default WHERE seq < {since.start}"))  # noqa: S608  a number and our own name


def _delete_links(database: Database, since: Month) -> None:
    """SQLite: deletes rows of the index, which stands in order of digests, range by range."""
    step = 256 // KEY_RANGES
    for low in range(0, 256, step):
        inside = [link.c.key >= bytes([low])] + ([link.c.key < bytes([low + step])] if low + step < 256 else [])  # noqa: PLR2004  a byte's end
        with database.transaction() as session:
            for tenant_id in session.scalars(select(head.c.tenant_id)).all():
                _delete(session.connection(), link, tenant_id, *inside, link.c.seq < since.start)


def _delete(db: Connection, table: Table, tenant_id: int, *conditions: ColumnElement[bool]) -> None:
    db.execute(delete(table).where(table.c.tenant_id == tenant_id, *conditions))


def _months(first: Month, end: Month) -> Iterator[Month]:
    while first < end:
        yield first
        first = first.next


def _is_partitioned(db: Connection) -> bool:
    return db.dialect.name == "postgresql"
