"""The tables of the LRS, in a metadata of their own, so that it can live alone or beside an application.

The received text of each statement is kept whole; all other columns are an index of it.
"""

from datetime import datetime

from sqlalchemy import (
    DDL,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    Dialect,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    Uuid,
    event,
    false,
    type_coerce,
)
from sqlalchemy import text as sql

from kernel.db import NAMING_CONVENTION, UtcDateTime
from xapi.links import KEY_BYTES
from xapi.timestamps import moment_of, place_of

metadata = MetaData(naming_convention=NAMING_CONVENTION)

_uuid = Uuid(as_uuid=False)
_key = LargeBinary(KEY_BYTES)


class StoredMoment(TypeDecorator[datetime]):
    """A place in the sequence, seen as the moment that it is."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:  # noqa: ARG002  the signature is SQLAlchemy's
        """The place of a moment."""
        return None if value is None else place_of(value)

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002  the signature is SQLAlchemy's
        """The moment of a place."""
        return None if value is None else moment_of(value)


head = Table(
    "xapi_head",
    metadata,
    Column("tenant_id", Integer, primary_key=True, autoincrement=False),
    Column("seq", BigInteger, nullable=False, comment="The last place given out in this tenant's sequence."),
    Column("first", BigInteger, nullable=False, comment="No statement stands below this place; 0 before the first one."),
)
"""One row a tenant: who writes statements takes its turn here (`store`), and retention raises `first`."""

statement = Table(
    "xapi_statement",
    metadata,
    Column("tenant_id", Integer, primary_key=True, autoincrement=False),
    Column(
        "seq",
        BigInteger,
        primary_key=True,
        autoincrement=False,
        comment="Place in the tenant's sequence: the moment of storing, microseconds since 1970 UTC.",
    ),
    Column("id", _uuid, nullable=False, comment="The statement's own id, in small letters; unique in the tenant by `xapi_id`."),
    Column("authority_key", _key, nullable=False, comment="Digest of the authority: who may read it as `mine` and void it."),
    Column("target_id", _uuid, comment="Id of the statement that this one's object refers to."),
    Column("voids", String(3), comment="For a voiding statement: `own` authority only, or `any`."),
    Column("voided", Boolean, nullable=False, comment="Whether a voiding statement that may do so refers to this one."),
    Column("document", Text, nullable=False, comment="The statement as it is given back with format `exact`."),
    CheckConstraint("voids IN ('own', 'any')", name="voids"),
    Index("ix_xapi_statement_tenant_id_authority_key_seq", "tenant_id", "authority_key", "seq"),
    postgresql_partition_by="RANGE (seq)",
)

stored = type_coerce(statement.c.seq, StoredMoment).label("stored")
"""The moment of storing, as a column of `statement`: the same as its place."""

link = Table(
    "xapi_link",
    metadata,
    Column("tenant_id", Integer, primary_key=True, autoincrement=False),
    Column("key", _key, primary_key=True, comment="What the statement is found by (`links`)."),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    sqlite_with_rowid=False,
    postgresql_partition_by="RANGE (seq)",
)
"""Every filter of a query is a range of this one index: (tenant, key) in order of sequence."""

PARTITIONED = (statement, link)
"""On PostgreSQL a partition holds a month; what no month takes in stands in the default partition (`partitions`)."""

for _table in PARTITIONED:
    event.listen(
        _table,
        "after_create",
        DDL(f"CREATE TABLE {_table.name}_default PARTITION OF {_table.name} DEFAULT").execute_if(dialect="postgresql"),  # type: ignore[no-untyped-call]
    )

registry = Table(
    "xapi_id",
    metadata,
    Column("tenant_id", Integer, primary_key=True, autoincrement=False),
    Column("id", _uuid, primary_key=True),
    Column("seq", BigInteger, nullable=False, comment="Place of the statement."),
    sqlite_with_rowid=False,
)
"""Which ids are taken in a tenant, and where their statements stand: unique across all partitions."""

reference = Table(
    "xapi_reference",
    metadata,
    Column("tenant_id", Integer, primary_key=True, autoincrement=False),
    Column("target_id", _uuid, primary_key=True, comment="Id that a statement refers to, stored or not."),
    Column("seq", BigInteger, primary_key=True, autoincrement=False, comment="Place of the statement that refers."),
    sqlite_with_rowid=False,
)
"""Who refers to a statement: few statements do, and no partition has to be opened to know that nobody does."""

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
    Column("previous_digest", String(64), comment="That of the secret before the last rotation."),
    Column("previous_until", UtcDateTime, comment="The former secret is good before this moment."),
    Column("slice", Text, comment="JSON of the slice that the credential is held to (`slices`); none means all."),
    Column("pseudonymous", Boolean, nullable=False, server_default=false(), comment="Whether it sees pseudonyms in place of actors."),
    Column("requests_per_minute", Integer, comment="Its own bound; none means that of the installation."),
    Index("ix_xapi_key_tenant_id_created_at", "tenant_id", "created_at"),
)

use = Table(
    "xapi_use",
    metadata,
    Column("tenant_id", Integer, primary_key=True, autoincrement=False),
    Column("day", Date, primary_key=True, comment="UTC."),
    Column("key", String(255), primary_key=True, comment="The credential, or issuer and client of a token from elsewhere."),
    Column("requests", BigInteger, nullable=False),
    Column("written", BigInteger, nullable=False, comment="Statements sent and accepted."),
    Column("read", BigInteger, nullable=False, comment="Statements given out."),
)
"""How much each credential does in a day; written every few seconds by each process (`usage`)."""

refusal = Table(
    "xapi_refusal",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("tenant_id", Integer, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("key", String(255), nullable=False),
    Column("method", String(10), nullable=False),
    Column("resource", String(100), nullable=False, comment="The address below the LRS."),
    Column("status", Integer, nullable=False),
    Column("code", String(64), nullable=False),
    Column("rule", String(64)),
    Column("place", String(200), comment="Name of a parameter or header, or JSON pointer; never a value."),
    Index("ix_xapi_refusal_tenant_id_id", "tenant_id", "id"),
)
"""The last requests of each tenant that were refused: why and where, never what they held."""

document = Table(
    "xapi_document",
    metadata,
    Column("tenant_id", Integer, primary_key=True, autoincrement=False),
    Column("key", _key, primary_key=True, comment="Digest of all that names the document."),
    Column("kind", String(8), nullable=False, comment="Which resource it belongs to: `state`, `agent` or `activity`."),
    Column("owner_key", _key, nullable=False, comment="Digest of kind, activity and agent: what a list of ids is asked for by."),
    Column("agent_key", _key, comment="Digest of the agent (`links.agent_key`)."),
    Column("activity", Text, comment="IRI of the activity."),
    Column("registration", _uuid),
    Column("id", Text, nullable=False, comment="`stateId` or `profileId`."),
    Column("content_type", Text, nullable=False),
    Column("etag", String(40), nullable=False, comment="SHA-1 of the contents, hexadecimal, as the standard asks."),
    Column("updated", UtcDateTime, nullable=False),
    Column("contents", LargeBinary, nullable=False, comment="Byte for byte as sent; merged JSON as put together by us."),
    CheckConstraint("kind IN ('state', 'agent', 'activity')", name="kind"),
    Index("ix_xapi_document_tenant_id_owner_key_updated", "tenant_id", "owner_key", "updated"),
    Index(
        "ix_xapi_document_tenant_id_agent_key",
        "tenant_id",
        "agent_key",
        sqlite_where=sql("agent_key IS NOT NULL"),
        postgresql_where=sql("agent_key IS NOT NULL"),
    ),
)
"""State, agent profiles and activity profiles."""

activity = Table(
    "xapi_activity",
    metadata,
    Column("tenant_id", Integer, primary_key=True, autoincrement=False),
    Column("key", _key, primary_key=True, comment="Digest of the IRI (`links.activity_key`)."),
    Column("last_key", _key, nullable=False, comment="Digest of the definition that was taken in last: the same again changes nothing."),
    Column(
        "definition", Text, nullable=False, comment="JSON of all that statements say of the activity; where they differ, the newest counts."
    ),
)
"""What is known of activities that statements define."""

attachment = Table(
    "xapi_attachment",
    metadata,
    Column("tenant_id", Integer, primary_key=True, autoincrement=False),
    Column("sha2", String(128), primary_key=True, comment="Of the contents, hexadecimal, small letters."),
    Column("length", Integer, nullable=False, comment="Bytes."),
    Column("contents", LargeBinary, nullable=False),
)
"""Contents of attachments, each kept once in a tenant."""

attachment_link = Table(
    "xapi_attachment_link",
    metadata,
    Column("tenant_id", Integer, primary_key=True, autoincrement=False),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("sha2", String(128), primary_key=True),
    ForeignKeyConstraint(["tenant_id", "sha2"], ["xapi_attachment.tenant_id", "xapi_attachment.sha2"]),
    Index("ix_xapi_attachment_link_tenant_id_sha2", "tenant_id", "sha2"),
)
"""Which statement came with which contents."""

push = Table(
    "xapi_push",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("tenant_id", Integer, nullable=False),
    Column("name", String(200), nullable=False, comment="What people call it; unique in the tenant among those that are not removed."),
    Column("kind", String(7), nullable=False, comment="`lrs` or `webhook`."),
    Column("url", Text, nullable=False, comment="Endpoint of the LRS, or the address that the webhook calls."),
    Column("version", String(5), comment="For an LRS: the version of xAPI that it is spoken to in."),
    Column("key", String(255), comment="For an LRS: the user of Basic authentication."),
    Column("secret", Text, comment="Sealed (`pushes`). None once the push is removed."),
    Column("previous_secret", Text, comment="For a webhook: that before the last rotation, sealed."),
    Column("previous_until", UtcDateTime, comment="The former secret signs too before this moment."),
    Column("slice", Text, nullable=False, comment="JSON of the slice that is sent (`slices`)."),
    Column("pseudonymous", Boolean, nullable=False, comment="Whether pseudonyms are sent in place of actors."),
    Column("created_at", UtcDateTime, nullable=False),
    Column("removed_at", UtcDateTime),
    Column("paused_at", UtcDateTime),
    Column("paused_for", String(64), comment="`asked`, or what the target did that waiting does not mend."),
    Column("first_seq", BigInteger, nullable=False, comment="The lowest place after which it ever began."),
    Column("cursor", BigInteger, nullable=False, comment="All places up to this one are dealt with."),
    Column("reached", BigInteger, nullable=False, comment="The highest place that the cursor ever had: a back-fill sets the cursor back."),
    Column("suspect", BigInteger, comment="Some statement after the cursor, up to this place, was refused: it is being looked for."),
    Column("batch_limit", Integer, nullable=False, comment="Statements that the target takes at once, as far as known."),
    Column("refused_in_row", Integer, nullable=False, comment="Statements set aside since the target last took one."),
    Column("due_at", UtcDateTime, nullable=False, comment="Not to be tried before this moment."),
    Column("failures", Integer, nullable=False, comment="Tries in a row that the target was away."),
    Column("lease", String(64), comment="Of the worker that sends now."),
    Column("lease_until", UtcDateTime),
    Column("sent", BigInteger, nullable=False, comment="Statements that the target took; one sent again counts again."),
    Column("known", BigInteger, nullable=False, comment="Statements that the target said it has already."),
    Column("last_success_at", UtcDateTime),
    Column("last_error", String(300), comment="Short reason; no statement, no secret."),
    Column("last_error_at", UtcDateTime),
    CheckConstraint("kind IN ('lrs', 'webhook')", name="kind"),
    Index(
        "uq_xapi_push_tenant_id_name",
        "tenant_id",
        "name",
        unique=True,
        sqlite_where=sql("removed_at IS NULL"),
        postgresql_where=sql("removed_at IS NULL"),
    ),
)
"""A target outside, what it gets, and how far it got: the log of statements is the queue."""

set_aside = Table(
    "xapi_push_set_aside",
    metadata,
    Column("push_id", BigInteger, primary_key=True, autoincrement=False),
    Column("seq", BigInteger, primary_key=True, autoincrement=False, comment="Place of the statement."),
    Column("statement_id", _uuid, nullable=False),
    Column("reason", String(500), nullable=False, comment="Status and the beginning of what the target answered."),
    Column("refused_at", UtcDateTime, nullable=False, comment="Of the last try."),
    Column("again", Boolean, nullable=False, comment="To be tried once more."),
)
"""Statements that a target refused, each by itself; what comes after them went on."""

feed = Table(
    "xapi_feed",
    metadata,
    Column("tenant_id", Integer, primary_key=True, autoincrement=False),
    Column("name", String(64), primary_key=True),
    Column("owner", Text, nullable=False, comment="The credential that made it."),
    Column("slice", Text, nullable=False, comment="JSON of the slice whose statements it brings."),
    Column("position", BigInteger, nullable=False, comment="The last place that the consumer has told to be done with."),
    Column("committed_at", UtcDateTime, comment="When the consumer told so."),
    Column("created_at", UtcDateTime, nullable=False),
)
"""Feeds by name, each with the cursor that is kept for its consumer."""

TAKE_IN = """CREATE OR REPLACE FUNCTION xapi_take_in(
    of_tenant integer, by_key text, as_of text, last_place bigint, by_authority bytea,
    ids uuid[], documents text[], found_by bytea[], defined bytea[], digests bytea[], definitions text[]
) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    n CONSTANT bigint := cardinality(ids);
    reached bigint;
BEGIN
    IF as_of IS NOT NULL AND NOT EXISTS (SELECT FROM xapi_key WHERE key = by_key AND xmin::text = as_of) THEN
        RETURN -1;
    END IF;
    UPDATE xapi_head
        SET seq = greatest(seq + n, last_place), first = CASE first WHEN 0 THEN greatest(seq + n, last_place) - n + 1 ELSE first END
        WHERE tenant_id = of_tenant
        RETURNING seq INTO reached;
    IF reached IS NULL
        OR EXISTS (SELECT FROM xapi_id WHERE tenant_id = of_tenant AND id = ANY (ids))
        OR EXISTS (SELECT FROM xapi_reference WHERE tenant_id = of_tenant AND target_id = ANY (ids))
        OR EXISTS (
            SELECT FROM unnest(defined, digests) AS given (key, last_key)
                JOIN xapi_activity AS known ON known.tenant_id = of_tenant AND known.key = given.key
            WHERE known.last_key <> given.last_key
        )
    THEN
        RETURN 0;
    END IF;
    INSERT INTO xapi_id (tenant_id, id, seq)
        SELECT of_tenant, given.id, reached - n + given.at FROM unnest(ids) WITH ORDINALITY AS given (id, at);
    INSERT INTO xapi_statement (tenant_id, seq, id, authority_key, voided, document)
        SELECT of_tenant, reached - n + given.at, given.id, by_authority, false, replace(
            given.document, E'\x01',
            to_char(timestamp 'epoch' + (reached - n + given.at) * interval '1 microsecond', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
        ) FROM unnest(ids, documents) WITH ORDINALITY AS given (id, document, at);
    INSERT INTO xapi_link (tenant_id, key, seq)
        SELECT of_tenant, substr(given.keys, place, 16), reached - n + given.at
        FROM unnest(found_by) WITH ORDINALITY AS given (keys, at), generate_series(1, length(given.keys), 16) AS place;
    INSERT INTO xapi_activity (tenant_id, key, last_key, definition)
        SELECT of_tenant, given.* FROM unnest(defined, digests, definitions) AS given
        ON CONFLICT DO NOTHING;
    RETURN reached - n + 1;
END $$"""
"""The straight way in on PostgreSQL (`intake`), all of it in the database: the turn, then the rows.

by_key, as_of   a credential and `xmin` of its row as it was read; null when it was read just now
last_place      of the batch, if nothing came meanwhile
documents       with the character 1, which no JSON text holds, wherever the moment of storing belongs
found_by        the keys of each statement, one after the other
defined         activities that the statements define; if one was defined otherwise last, that is for `activities.learn`
Returns         the first place; 0 when the batch has to go the long way; -1 when the row of the credential is another one
"""

event.listen(metadata, "after_create", DDL(TAKE_IN).execute_if(dialect="postgresql"))  # type: ignore[no-untyped-call]
