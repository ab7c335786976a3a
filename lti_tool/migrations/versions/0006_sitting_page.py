"""Items marked to be looked at again, and answers changed before a sitting's end

Revision  0006
Follows   0005
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
JSON = sa.JSON().with_variant(postgresql.JSONB(astext_type=sa.Text()), "postgresql")


def upgrade() -> None:
    op.add_column("attempt", sa.Column("flagged", JSON, nullable=False, server_default="[]"))
    op.create_table(
        "changed_response",
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("id", ID, nullable=False),
        sa.Column("attempt_id", ID, nullable=False),
        sa.Column("presentation_id", ID, nullable=False),
        sa.Column("client_id", sa.String(length=64), nullable=False),
        sa.Column("value", JSON, nullable=False),
        sa.Column("score", sa.Double(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("active_ms", sa.Integer(), nullable=True),
        sa.Column("away_count", sa.Integer(), nullable=True),
        sa.Column("away_ms", sa.Integer(), nullable=True),
        sa.Column("theta_after", sa.Double(), nullable=False),
        sa.Column("se_after", sa.Double(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["attempt_id"], ["attempt.id"], name=op.f("fk_changed_response_attempt_id_attempt")),
        sa.ForeignKeyConstraint(["presentation_id"], ["presentation.id"], name=op.f("fk_changed_response_presentation_id_presentation")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_changed_response")),
        sa.UniqueConstraint("attempt_id", "client_id", name="uq_changed_response_client"),
    )
    op.create_index(op.f("ix_changed_response_presentation_id"), "changed_response", ["presentation_id"], unique=False)


def downgrade() -> None:
    op.drop_index(op.f("ix_changed_response_presentation_id"), table_name="changed_response")
    op.drop_table("changed_response")
    op.drop_column("attempt", "flagged")
