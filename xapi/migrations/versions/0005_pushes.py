"""Forwards to other stores and webhooks, and what their targets refused.

Revision 0005. Expands only.
"""

import sqlalchemy as sa
from alembic import op

from kernel.db import UtcDateTime

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Creates two tables."""
    op.create_table(
        "xapi_push",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), nullable=False),
        sa.Column("tenant_id", sa.Integer, nullable=False),
        sa.Column(
            "name", sa.String(200), nullable=False, comment="What people call it; unique in the tenant among those that are not removed."
        ),
        sa.Column("kind", sa.String(7), nullable=False, comment="`lrs` or `webhook`."),
        sa.Column("url", sa.Text, nullable=False, comment="Endpoint of the LRS, or the address that the webhook calls."),
        sa.Column("version", sa.String(5), comment="For an LRS: the version of xAPI that it is spoken to in."),
        sa.Column("key", sa.String(255), comment="For an LRS: the user of Basic authentication."),
        sa.Column("secret", sa.Text, comment="Sealed (`pushes`). None once the push is removed."),
        sa.Column("previous_secret", sa.Text, comment="For a webhook: that before the last rotation, sealed."),
        sa.Column("previous_until", UtcDateTime, comment="The former secret signs too before this moment."),
        sa.Column("slice", sa.Text, nullable=False, comment="JSON of the slice that is sent (`slices`)."),
        sa.Column("pseudonymous", sa.Boolean, nullable=False, comment="Whether pseudonyms are sent in place of actors."),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("removed_at", UtcDateTime),
        sa.Column("paused_at", UtcDateTime),
        sa.Column("paused_for", sa.String(64), comment="`asked`, or what the target did that waiting does not mend."),
        sa.Column("first_seq", sa.BigInteger, nullable=False, comment="The lowest place after which it ever began."),
        sa.Column("cursor", sa.BigInteger, nullable=False, comment="All places up to this one are dealt with."),
        sa.Column(
            "reached",
            sa.BigInteger,
            nullable=False,
            comment="The highest place that the cursor ever had: a back-fill sets the cursor back.",
        ),
        sa.Column(
            "suspect", sa.BigInteger, comment="Some statement after the cursor, up to this place, was refused: it is being looked for."
        ),
        sa.Column("batch_limit", sa.Integer, nullable=False, comment="Statements that the target takes at once, as far as known."),
        sa.Column("refused_in_row", sa.Integer, nullable=False, comment="Statements set aside since the target last took one."),
        sa.Column("due_at", UtcDateTime, nullable=False, comment="Not to be tried before this moment."),
        sa.Column("failures", sa.Integer, nullable=False, comment="Tries in a row that the target was away."),
        sa.Column("lease", sa.String(64), comment="Of the worker that sends now."),
        sa.Column("lease_until", UtcDateTime),
        sa.Column("sent", sa.BigInteger, nullable=False, comment="Statements that the target took; one sent again counts again."),
        sa.Column("known", sa.BigInteger, nullable=False, comment="Statements that the target said it has already."),
        sa.Column("last_success_at", UtcDateTime),
        sa.Column("last_error", sa.String(300), comment="Short reason; no statement, no secret."),
        sa.Column("last_error_at", UtcDateTime),
        sa.PrimaryKeyConstraint("id", name="pk_xapi_push"),
        sa.CheckConstraint("kind IN ('lrs', 'webhook')", name=op.f("ck_xapi_push_kind")),
    )
    op.create_index(
        "uq_xapi_push_tenant_id_name",
        "xapi_push",
        ["tenant_id", "name"],
        unique=True,
        sqlite_where=sa.text("removed_at IS NULL"),
        postgresql_where=sa.text("removed_at IS NULL"),
    )
    op.create_table(
        "xapi_push_set_aside",
        sa.Column("push_id", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("seq", sa.BigInteger, autoincrement=False, nullable=False, comment="Place of the statement."),
        sa.Column("statement_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("reason", sa.String(500), nullable=False, comment="Status and the beginning of what the target answered."),
        sa.Column("refused_at", UtcDateTime, nullable=False, comment="Of the last try."),
        sa.Column("again", sa.Boolean, nullable=False, comment="To be tried once more."),
        sa.PrimaryKeyConstraint("push_id", "seq", name="pk_xapi_push_set_aside"),
    )
