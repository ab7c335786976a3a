"""Statements and links in partitions by month (PostgreSQL), the registry of ids, and places that are moments.

Revision 0006. A place was a number counted from 1; now it is the moment of storing in microseconds, which grew strictly with it, so the
order stays. Statements and links are copied into their new tables, on PostgreSQL into the default partition, from where
`partitions.keep_ahead` takes them to their months. There is no way down: statements that arrive later have no such numbers.
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

_UUID = sa.Uuid(as_uuid=False)
_KEY = sa.LargeBinary(16)
_PLACE = "Place in the tenant's sequence: the moment of storing, microseconds since 1970 UTC."


def upgrade() -> None:
    """Makes the new tables, fills them from the old ones, and drops those."""
    on_postgresql = op.get_bind().dialect.name == "postgresql"
    place = (
        "(extract(epoch FROM {0}stored) * 1000000)::bigint"
        if on_postgresql
        else "(CAST(strftime('%s', substr({0}stored, 1, 19)) AS INTEGER) * 1000000 + CAST(substr({0}stored, 21, 6) AS INTEGER))"
    )
    _put_aside(on_postgresql=on_postgresql)
    _create()
    if on_postgresql:
        for table in ("xapi_statement", "xapi_link"):
            op.execute(f"CREATE TABLE {table}_default PARTITION OF {table} DEFAULT")
    columns = "tenant_id, seq, id, authority_key, target_id, voids, voided, document"
    op.execute(f"INSERT INTO xapi_statement ({columns}) SELECT {columns.replace('seq', place.format(''))} FROM xapi_statement_before")  # noqa: S608
    op.execute(
        f"INSERT INTO xapi_link (tenant_id, key, seq) SELECT l.tenant_id, l.key, {place.format('s.')} FROM xapi_link_before AS l"  # noqa: S608
        " JOIN xapi_statement_before AS s ON s.tenant_id = l.tenant_id AND s.seq = l.seq"
    )
    op.execute("INSERT INTO xapi_id (tenant_id, id, seq) SELECT tenant_id, id, seq FROM xapi_statement")
    op.execute(
        "INSERT INTO xapi_reference (tenant_id, target_id, seq) SELECT tenant_id, target_id, seq FROM xapi_statement"
        " WHERE target_id IS NOT NULL"
    )
    op.execute(
        "INSERT INTO xapi_head (tenant_id, seq, first) SELECT tenant_id, stored_us,"
        " coalesce((SELECT min(seq) FROM xapi_statement AS s WHERE s.tenant_id = h.tenant_id), 0) FROM xapi_head_before AS h"
    )
    for table in ("xapi_link", "xapi_statement", "xapi_head"):
        op.drop_table(f"{table}_before")


def _put_aside(*, on_postgresql: bool) -> None:
    """Gives the old tables other names, and frees those of their indexes and constraints."""
    for index in ("uq_{}_tenant_id_id", "ix_{}_tenant_id_stored", "ix_{}_tenant_id_authority_key_seq", "ix_{}_tenant_id_target_id"):
        op.drop_index(index.format("xapi_statement"), "xapi_statement")
    for table in ("xapi_link", "xapi_statement", "xapi_head"):
        if on_postgresql:
            op.execute(f"ALTER TABLE {table} RENAME CONSTRAINT pk_{table} TO pk_{table}_before")
        op.rename_table(table, f"{table}_before")


def _create() -> None:
    op.create_table(
        "xapi_head",
        sa.Column("tenant_id", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("seq", sa.BigInteger, nullable=False, comment="The last place given out in this tenant's sequence."),
        sa.Column("first", sa.BigInteger, nullable=False, comment="No statement stands below this place; 0 before the first one."),
        sa.PrimaryKeyConstraint("tenant_id", name="pk_xapi_head"),
    )
    op.create_table(
        "xapi_statement",
        sa.Column("tenant_id", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("seq", sa.BigInteger, autoincrement=False, nullable=False, comment=_PLACE),
        sa.Column("id", _UUID, nullable=False, comment="The statement's own id, in small letters; unique in the tenant by `xapi_id`."),
        sa.Column("authority_key", _KEY, nullable=False, comment="Digest of the authority: who may read it as `mine` and void it."),
        sa.Column("target_id", _UUID, comment="Id of the statement that this one's object refers to."),
        sa.Column("voids", sa.String(3), comment="For a voiding statement: `own` authority only, or `any`."),
        sa.Column("voided", sa.Boolean, nullable=False, comment="Whether a voiding statement that may do so refers to this one."),
        sa.Column("document", sa.Text, nullable=False, comment="The statement as it is given back with format `exact`."),
        sa.PrimaryKeyConstraint("tenant_id", "seq", name="pk_xapi_statement"),
        sa.CheckConstraint("voids IN ('own', 'any')", name=op.f("ck_xapi_statement_voids")),
        postgresql_partition_by="RANGE (seq)",
    )
    op.create_index("ix_xapi_statement_tenant_id_authority_key_seq", "xapi_statement", ["tenant_id", "authority_key", "seq"])
    op.create_table(
        "xapi_link",
        sa.Column("tenant_id", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("key", _KEY, nullable=False, comment="What the statement is found by (`links`)."),
        sa.Column("seq", sa.BigInteger, autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "key", "seq", name="pk_xapi_link"),
        sqlite_with_rowid=False,
        postgresql_partition_by="RANGE (seq)",
    )
    op.create_table(
        "xapi_id",
        sa.Column("tenant_id", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("id", _UUID, nullable=False),
        sa.Column("seq", sa.BigInteger, nullable=False, comment="Place of the statement."),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="pk_xapi_id"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "xapi_reference",
        sa.Column("tenant_id", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("target_id", _UUID, nullable=False, comment="Id that a statement refers to, stored or not."),
        sa.Column("seq", sa.BigInteger, autoincrement=False, nullable=False, comment="Place of the statement that refers."),
        sa.PrimaryKeyConstraint("tenant_id", "target_id", "seq", name="pk_xapi_reference"),
        sqlite_with_rowid=False,
    )
