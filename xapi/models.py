"""The tables of the LRS, in a metadata of their own, so that it can live alone or beside an application.

The received text of each statement is kept whole; all other columns are an index of it.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    Uuid,
)
from sqlalchemy import text as sql

from kernel.db import NAMING_CONVENTION, UtcDateTime
from xapi.links import KEY_BYTES

metadata = MetaData(naming_convention=NAMING_CONVENTION)

_uuid = Uuid(as_uuid=False)
_key = LargeBinary(KEY_BYTES)

head = Table(
    "xapi_head",
    metadata,
    Column("tenant_id", Integer, primary_key=True, autoincrement=False),
    Column("seq", BigInteger, nullable=False, comment="The last place given out in this tenant's sequence."),
    Column("stored_us", BigInteger, nullable=False, comment="The last `stored` given out, microseconds since 1970 UTC."),
)
"""One row a tenant: who writes statements takes its turn here (`store.take_turn`)."""

statement = Table(
    "xapi_statement",
    metadata,
    Column("tenant_id", Integer, primary_key=True, autoincrement=False),
    Column("seq", BigInteger, primary_key=True, autoincrement=False, comment="Place in the tenant's sequence, from 1; gaps allowed."),
    Column("id", _uuid, nullable=False, comment="The statement's own id, in small letters."),
    Column("stored", UtcDateTime, nullable=False, comment="Grows strictly with `seq` in a tenant."),
    Column("authority_key", _key, nullable=False, comment="Digest of the authority: who may read it as `mine` and void it."),
    Column("target_id", _uuid, comment="Id of the statement that this one's object refers to."),
    Column("voids", String(3), comment="For a voiding statement: `own` authority only, or `any`."),
    Column("voided", Boolean, nullable=False, comment="Whether a voiding statement that may do so refers to this one."),
    Column("document", Text, nullable=False, comment="The statement as it is given back with format `exact`."),
    CheckConstraint("voids IN ('own', 'any')", name="voids"),
    Index("uq_xapi_statement_tenant_id_id", "tenant_id", "id", unique=True),
    Index("ix_xapi_statement_tenant_id_stored", "tenant_id", "stored"),
    Index("ix_xapi_statement_tenant_id_authority_key_seq", "tenant_id", "authority_key", "seq"),
    Index(
        "ix_xapi_statement_tenant_id_target_id",
        "tenant_id",
        "target_id",
        sqlite_where=sql("target_id IS NOT NULL"),
        postgresql_where=sql("target_id IS NOT NULL"),
    ),
)

link = Table(
    "xapi_link",
    metadata,
    Column("tenant_id", Integer, primary_key=True, autoincrement=False),
    Column("key", _key, primary_key=True, comment="What the statement is found by (`links`)."),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    ForeignKeyConstraint(["tenant_id", "seq"], ["xapi_statement.tenant_id", "xapi_statement.seq"]),
    sqlite_with_rowid=False,
)
"""Every filter of a query is a range of this one index: (tenant, key) in order of sequence."""

credential = Table(
    "xapi_key",
    metadata,
    Column("key", String(64), primary_key=True, comment="Public name of the credential: the user of Basic authentication."),
    Column("tenant_id", Integer, nullable=False),
    Column("name", String(200), nullable=False, comment="What people call it."),
    Column("secret_digest", String(64), nullable=False, comment="HMAC-SHA256 of the secret under the pepper, hexadecimal."),
    Column("scopes", String(200), nullable=False, comment="xAPI scopes, separated by spaces."),
    Column("created_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime),
    Column("revoked_at", UtcDateTime),
    Column("last_used_at", UtcDateTime, comment="Written at most once an hour."),
    Index("ix_xapi_key_tenant_id_created_at", "tenant_id", "created_at"),
)
