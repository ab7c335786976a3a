"""Rotation, slices and bounds of credentials; their volumes, and the requests that were refused.

Revision 0003. Expands only: a credential made before keeps its secret and sees what it saw.
"""

import sqlalchemy as sa
from alembic import op

from kernel.db import UtcDateTime

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Adds columns to the credentials, and two tables."""
    for column in (
        sa.Column("previous_digest", sa.String(64), comment="That of the secret before the last rotation."),
        sa.Column("previous_until", UtcDateTime, comment="The former secret is good before this moment."),
        sa.Column("slice", sa.Text, comment="JSON of the slice that the credential is held to (`slices`); none means all."),
        sa.Column(
            "pseudonymous", sa.Boolean, nullable=False, server_default=sa.false(), comment="Whether it sees pseudonyms in place of actors."
        ),
        sa.Column("requests_per_minute", sa.Integer, comment="Its own bound; none means that of the installation."),
    ):
        op.add_column("xapi_key", column)
    op.create_table(
        "xapi_use",
        sa.Column("tenant_id", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("day", sa.Date, nullable=False, comment="UTC."),
        sa.Column("key", sa.String(255), nullable=False, comment="The credential, or issuer and client of a token from elsewhere."),
        sa.Column("requests", sa.BigInteger, nullable=False),
        sa.Column("written", sa.BigInteger, nullable=False, comment="Statements sent and accepted."),
        sa.Column("read", sa.BigInteger, nullable=False, comment="Statements given out."),
        sa.PrimaryKeyConstraint("tenant_id", "day", "key", name="pk_xapi_use"),
    )
    op.create_table(
        "xapi_refusal",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), nullable=False),
        sa.Column("tenant_id", sa.Integer, nullable=False),
        sa.Column("at", UtcDateTime, nullable=False),
        sa.Column("key", sa.String(255), nullable=False),
        sa.Column("method", sa.String(10), nullable=False),
        sa.Column("resource", sa.String(100), nullable=False, comment="The address below the LRS."),
        sa.Column("status", sa.Integer, nullable=False),
        sa.Column("code", sa.String(64), nullable=False),
        sa.Column("rule", sa.String(64)),
        sa.Column("place", sa.String(200), comment="Name of a parameter or header, or JSON pointer; never a value."),
        sa.PrimaryKeyConstraint("id", name="pk_xapi_refusal"),
    )
    op.create_index("ix_xapi_refusal_tenant_id_id", "xapi_refusal", ["tenant_id", "id"])
