"""Receipts of erasures, and what was brought into the record store from elsewhere

Some installations of 0002 have the tables already.

Revision  0003
Follows   0002
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

JSON = sa.JSON().with_variant(postgresql.JSONB(astext_type=sa.Text()), "postgresql")


def upgrade() -> None:
    if sa.inspect(op.get_bind()).has_table("erasure"):
        return
    op.create_table(
        "erasure",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("uuid", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("act", sa.String(length=16), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.String(length=255), nullable=False),
        sa.Column("digests", JSON, nullable=False),
        sa.Column("counts", JSON, nullable=False),
        sa.Column("recipients", JSON, nullable=False),
        sa.Column("again_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("act IN ('rename', 'unlink', 'delete')", name=op.f("ck_erasure_act")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name=op.f("fk_erasure_tenant_id_tenant")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_erasure")),
        sa.UniqueConstraint("uuid", name=op.f("uq_erasure_uuid")),
    )
    op.create_index(op.f("ix_erasure_tenant_id"), "erasure", ["tenant_id"], unique=False)
    op.create_table(
        "lrs_import",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("uuid", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("source", sa.String(length=1000), nullable=False),
        sa.Column("keeps_authority", sa.Boolean(), nullable=False),
        sa.Column("actor", sa.String(length=255), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("position", JSON, nullable=False),
        sa.Column("n_read", sa.Integer(), nullable=False),
        sa.Column("n_new", sa.Integer(), nullable=False),
        sa.Column("n_known", sa.Integer(), nullable=False),
        sa.Column("n_refused", sa.Integer(), nullable=False),
        sa.Column("last_error", sa.String(length=255), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("state IN ('running', 'done', 'stopped')", name=op.f("ck_lrs_import_state")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name=op.f("fk_lrs_import_tenant_id_tenant")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_lrs_import")),
        sa.UniqueConstraint("uuid", name=op.f("uq_lrs_import_uuid")),
    )
    op.create_index("ix_lrs_import_tenant_id_source", "lrs_import", ["tenant_id", "source"], unique=False)
    op.create_table(
        "lrs_import_fault",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("import_id", sa.Integer(), nullable=False),
        sa.Column("line", sa.Integer(), nullable=False),
        sa.Column("statement_id", sa.String(length=36), nullable=True),
        sa.Column("code", sa.String(length=64), nullable=False),
        sa.Column("rule", sa.String(length=64), nullable=True),
        sa.Column("place", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["import_id"], ["lrs_import.id"], name=op.f("fk_lrs_import_fault_import_id_lrs_import"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_lrs_import_fault")),
        sa.UniqueConstraint("import_id", "line", name=op.f("uq_lrs_import_fault_import_id_line")),
    )


def downgrade() -> None:
    op.drop_table("lrs_import_fault")
    op.drop_table("lrs_import")
    op.drop_table("erasure")
