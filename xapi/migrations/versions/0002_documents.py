"""Documents, what is known of activities, and attachments.

Revision 0002. Going back would drop every document, so there is no way down.
"""

import sqlalchemy as sa
from alembic import op

from kernel.db import UtcDateTime

revision = "0002"
down_revision = "0001"

_KEY = sa.LargeBinary(16)


def upgrade() -> None:
    """Creates the four tables."""
    op.create_table(
        "xapi_document",
        sa.Column("tenant_id", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("key", _KEY, nullable=False, comment="Digest of all that names the document."),
        sa.Column("kind", sa.String(8), nullable=False, comment="Which resource it belongs to: `state`, `agent` or `activity`."),
        sa.Column("owner_key", _KEY, nullable=False, comment="Digest of kind, activity and agent: what a list of ids is asked for by."),
        sa.Column("agent_key", _KEY, comment="Digest of the agent (`links.agent_key`)."),
        sa.Column("activity", sa.Text, comment="IRI of the activity."),
        sa.Column("registration", sa.Uuid(as_uuid=False)),
        sa.Column("id", sa.Text, nullable=False, comment="`stateId` or `profileId`."),
        sa.Column("content_type", sa.Text, nullable=False),
        sa.Column("etag", sa.String(40), nullable=False, comment="SHA-1 of the contents, hexadecimal, as the standard asks."),
        sa.Column("updated", UtcDateTime, nullable=False),
        sa.Column("contents", sa.LargeBinary, nullable=False, comment="Byte for byte as sent; merged JSON as put together by us."),
        sa.PrimaryKeyConstraint("tenant_id", "key", name="pk_xapi_document"),
        sa.CheckConstraint("kind IN ('state', 'agent', 'activity')", name=op.f("ck_xapi_document_kind")),
    )
    op.create_index("ix_xapi_document_tenant_id_owner_key_updated", "xapi_document", ["tenant_id", "owner_key", "updated"])
    op.create_index(
        "ix_xapi_document_tenant_id_agent_key",
        "xapi_document",
        ["tenant_id", "agent_key"],
        sqlite_where=sa.text("agent_key IS NOT NULL"),
        postgresql_where=sa.text("agent_key IS NOT NULL"),
    )
    op.create_table(
        "xapi_activity",
        sa.Column("tenant_id", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("key", _KEY, nullable=False, comment="Digest of the IRI (`links.activity_key`)."),
        sa.Column(
            "last_key", _KEY, nullable=False, comment="Digest of the definition that was taken in last: the same again changes nothing."
        ),
        sa.Column(
            "definition",
            sa.Text,
            nullable=False,
            comment="JSON of all that statements say of the activity; where they differ, the newest counts.",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "key", name="pk_xapi_activity"),
    )
    op.create_table(
        "xapi_attachment",
        sa.Column("tenant_id", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("sha2", sa.String(128), nullable=False, comment="Of the contents, hexadecimal, small letters."),
        sa.Column("length", sa.Integer, nullable=False, comment="Bytes."),
        sa.Column("contents", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "sha2", name="pk_xapi_attachment"),
    )
    op.create_table(
        "xapi_attachment_link",
        sa.Column("tenant_id", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("seq", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("sha2", sa.String(128), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "seq", "sha2", name="pk_xapi_attachment_link"),
        sa.ForeignKeyConstraint(
            ["tenant_id", "sha2"],
            ["xapi_attachment.tenant_id", "xapi_attachment.sha2"],
            name="fk_xapi_attachment_link_tenant_id_sha2_xapi_attachment",
        ),
    )
    op.create_index("ix_xapi_attachment_link_tenant_id_sha2", "xapi_attachment_link", ["tenant_id", "sha2"])
