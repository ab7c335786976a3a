"""Calibration runs, ratings of items, and items that are only tried out

Sittings that are stored already count as not rated yet: the worker takes their answers in.

Revision  0009
Follows   0008
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

JSON = sa.JSON().with_variant(postgresql.JSONB(astext_type=sa.Text()), "postgresql")
FLAGS = (("item", "is_pilot"), ("form_item", "is_pilot"), ("attempt", "is_rated"))
UNRATED = sa.text("state = 'finished' AND NOT is_rated")


def upgrade() -> None:
    for table, name in FLAGS:
        op.add_column(table, sa.Column(name, sa.Boolean(), nullable=False, server_default=sa.false()))
    op.create_index("ix_attempt_unrated", "attempt", ["id"], unique=False, sqlite_where=UNRATED, postgresql_where=UNRATED)
    op.create_table(
        "item_rating",
        sa.Column("item_version_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("b", sa.Double(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("n >= 0", name=op.f("ck_item_rating_n")),
        sa.ForeignKeyConstraint(["item_version_id"], ["item_version.id"], name=op.f("fk_item_rating_item_version_id_item_version")),
        sa.PrimaryKeyConstraint("item_version_id", name=op.f("pk_item_rating")),
    )
    op.create_table(
        "calibration_run",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("uuid", sa.Uuid(), nullable=False),
        sa.Column("form_id", sa.Integer(), nullable=False),
        sa.Column("form_version_id", sa.Integer(), nullable=False),
        sa.Column("pilots_only", sa.Boolean(), nullable=False),
        sa.Column("as_of", sa.DateTime(timezone=True), nullable=False),
        sa.Column("n_persons", sa.Integer(), nullable=False),
        sa.Column("document", JSON, nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("applied_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("applied_by", sa.String(length=255), nullable=True),
        sa.CheckConstraint("state IN ('ready', 'applied')", name=op.f("ck_calibration_run_state")),
        sa.CheckConstraint("(state = 'applied') = (applied_at IS NOT NULL)", name=op.f("ck_calibration_run_applied")),
        sa.ForeignKeyConstraint(["form_id"], ["form.id"], name=op.f("fk_calibration_run_form_id_form")),
        sa.ForeignKeyConstraint(["form_version_id"], ["form_version.id"], name=op.f("fk_calibration_run_form_version_id_form_version")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_calibration_run")),
        sa.UniqueConstraint("uuid", name=op.f("uq_calibration_run_uuid")),
    )
    op.create_index("ix_calibration_run_form", "calibration_run", ["form_id", "id"], unique=False)


def downgrade() -> None:
    op.drop_table("calibration_run")
    op.drop_table("item_rating")
    op.drop_index("ix_attempt_unrated", table_name="attempt")
    for table, name in FLAGS:
        op.drop_column(table, name)
