"""Groups of people, what the answers to a form say of its items, and reviews of the items that were flagged

Revision  0008
Follows   0007
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

JSON = sa.JSON().with_variant(postgresql.JSONB(astext_type=sa.Text()), "postgresql")
UNDECIDED = sa.text("closed_at IS NULL")


def upgrade() -> None:
    op.create_table(
        "person_group",
        sa.Column("tenant_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("person_uuid", sa.Uuid(), nullable=False),
        sa.Column("attribute", sa.String(length=32), nullable=False),
        sa.Column("label", sa.String(length=100), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "person_uuid", "attribute", name=op.f("pk_person_group")),
    )
    op.create_table(
        "form_analysis",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("form_id", sa.Integer(), nullable=False),
        sa.Column("scope", sa.String(length=32), nullable=False),
        sa.Column("as_of", sa.DateTime(timezone=True), nullable=False),
        sa.Column("n_persons", sa.Integer(), nullable=False),
        sa.Column("document", JSON, nullable=False),
        sa.ForeignKeyConstraint(["form_id"], ["form.id"], name=op.f("fk_form_analysis_form_id_form")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_form_analysis")),
        sa.UniqueConstraint("form_id", "scope", name="uq_form_analysis_scope"),
    )
    op.create_table(
        "item_review",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("uuid", sa.Uuid(), nullable=False),
        sa.Column("scope", sa.String(length=32), nullable=False),
        sa.Column("form_id", sa.Integer(), nullable=False),
        sa.Column("item_version_id", sa.Integer(), nullable=False),
        sa.Column("reasons", JSON, nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("decision", sa.String(length=16), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("closed_by", sa.String(length=255), nullable=True),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("decision IN ('keep', 'revise', 'retire')", name=op.f("ck_item_review_decision")),
        sa.CheckConstraint("(decision IS NULL) = (closed_at IS NULL)", name=op.f("ck_item_review_closed")),
        sa.ForeignKeyConstraint(["form_id"], ["form.id"], name=op.f("fk_item_review_form_id_form")),
        sa.ForeignKeyConstraint(["item_version_id"], ["item_version.id"], name=op.f("fk_item_review_item_version_id_item_version")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_item_review")),
        sa.UniqueConstraint("uuid", name=op.f("uq_item_review_uuid")),
    )
    op.create_index("ix_item_review_form", "item_review", ["form_id", "scope"], unique=False)
    op.create_index(
        "uq_item_review_open",
        "item_review",
        ["scope", "item_version_id"],
        unique=True,
        sqlite_where=UNDECIDED,
        postgresql_where=UNDECIDED,
    )


def downgrade() -> None:
    op.drop_table("item_review")
    op.drop_table("form_analysis")
    op.drop_table("person_group")
