"""Statements with their index, the head of each tenant's sequence, and credentials.

Revision 0001. Going back would drop every statement, so there is no way down.
"""

import sqlalchemy as sa
from alembic import op

from kernel.db import UtcDateTime

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Creates the four tables."""
    op.create_table(
        "xapi_head",
        sa.Column("tenant_id", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("seq", sa.BigInteger, nullable=False, comment="The last place given out in this tenant's sequence."),
        sa.Column("stored_us", sa.BigInteger, nullable=False, comment="The last `stored` given out, microseconds since 1970 UTC."),
        sa.PrimaryKeyConstraint("tenant_id", name="pk_xapi_head"),
    )
    op.create_table(
        "xapi_statement",
        sa.Column("tenant_id", sa.Integer, autoincrement=False, nullable=False),
        sa.Column(
            "seq", sa.BigInteger, autoincrement=False, nullable=False, comment="Place in the tenant's sequence, from 1; gaps allowed."
        ),
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False, comment="The statement's own id, in small letters."),
        sa.Column("stored", UtcDateTime, nullable=False, comment="Grows strictly with `seq` in a tenant."),
        sa.Column(
            "authority_key",
            sa.LargeBinary(16),
            nullable=False,
            comment="Digest of the authority: who may read it as `mine` and void it.",
        ),
        sa.Column("target_id", sa.Uuid(as_uuid=False), comment="Id of the statement that this one's object refers to."),
        sa.Column("voids", sa.String(3), comment="For a voiding statement: `own` authority only, or `any`."),
        sa.Column("voided", sa.Boolean, nullable=False, comment="Whether a voiding statement that may do so refers to this one."),
        sa.Column("document", sa.Text, nullable=False, comment="The statement as it is given back with format `exact`."),
        sa.PrimaryKeyConstraint("tenant_id", "seq", name="pk_xapi_statement"),
        sa.CheckConstraint("voids IN ('own', 'any')", name=op.f("ck_xapi_statement_voids")),
    )
    op.create_index("uq_xapi_statement_tenant_id_id", "xapi_statement", ["tenant_id", "id"], unique=True)
    op.create_index("ix_xapi_statement_tenant_id_stored", "xapi_statement", ["tenant_id", "stored"])
    op.create_index("ix_xapi_statement_tenant_id_authority_key_seq", "xapi_statement", ["tenant_id", "authority_key", "seq"])
    op.create_index(
        "ix_xapi_statement_tenant_id_target_id",
        "xapi_statement",
        ["tenant_id", "target_id"],
        sqlite_where=sa.text("target_id IS NOT NULL"),
        postgresql_where=sa.text("target_id IS NOT NULL"),
    )
    op.create_table(
        "xapi_link",
        sa.Column("tenant_id", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("key", sa.LargeBinary(16), nullable=False, comment="What the statement is found by (`links`)."),
        sa.Column("seq", sa.BigInteger, autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "key", "seq", name="pk_xapi_link"),
        sa.ForeignKeyConstraint(
            ["tenant_id", "seq"],
            ["xapi_statement.tenant_id", "xapi_statement.seq"],
            name="fk_xapi_link_tenant_id_seq_xapi_statement",
        ),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "xapi_key",
        sa.Column("key", sa.String(64), nullable=False, comment="Public name of the credential: the user of Basic authentication."),
        sa.Column("tenant_id", sa.Integer, nullable=False),
        sa.Column("name", sa.String(200), nullable=False, comment="What people call it."),
        sa.Column("secret_digest", sa.String(64), nullable=False, comment="HMAC-SHA256 of the secret under the pepper, hexadecimal."),
        sa.Column("scopes", sa.String(200), nullable=False, comment="xAPI scopes, separated by spaces."),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("expires_at", UtcDateTime),
        sa.Column("revoked_at", UtcDateTime),
        sa.Column("last_used_at", UtcDateTime, comment="Written at most once an hour."),
        sa.PrimaryKeyConstraint("key", name="pk_xapi_key"),
    )
    op.create_index("ix_xapi_key_tenant_id_created_at", "xapi_key", ["tenant_id", "created_at"])
