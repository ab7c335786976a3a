"""Who may begin a sitting, when and where; flags of integrity and their reviews

Revision  0007
Follows   0006
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
JSON = sa.JSON().with_variant(postgresql.JSONB(astext_type=sa.Text()), "postgresql")
MOMENT = sa.DateTime(timezone=True)
NEW = sa.text("compared_at IS NULL")
COLUMNS = {
    "placement": (("admission", JSON), ("access_code_hash", sa.String(length=64))),
    "attempt": (("admission", JSON),),
    "response": (("away_count", sa.Integer()), ("away_ms", sa.Integer())),
}


def upgrade() -> None:
    for table, columns in COLUMNS.items():
        for name, kind in columns:
            op.add_column(table, sa.Column(name, kind, nullable=True))
    op.create_table(
        "access_code",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("placement_id", sa.Integer(), nullable=False),
        sa.Column("code_hash", sa.String(length=64), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=True),
        sa.Column("made_at", MOMENT, nullable=False),
        sa.Column("used_at", MOMENT, nullable=True),
        sa.Column("used_by_id", sa.Integer(), nullable=True),
        sa.CheckConstraint("(used_at IS NULL) = (used_by_id IS NULL)", name=op.f("ck_access_code_used")),
        sa.ForeignKeyConstraint(["placement_id"], ["placement.id"], name=op.f("fk_access_code_placement_id_placement")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name=op.f("fk_access_code_tenant_id_tenant")),
        sa.ForeignKeyConstraint(["used_by_id"], ["lti_user.id"], name=op.f("fk_access_code_used_by_id_lti_user")),
        sa.ForeignKeyConstraint(["user_id"], ["lti_user.id"], name=op.f("fk_access_code_user_id_lti_user")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_access_code")),
        sa.UniqueConstraint("placement_id", "code_hash", name=op.f("uq_access_code_placement_id_code_hash")),
    )
    op.create_index(op.f("ix_access_code_tenant_id"), "access_code", ["tenant_id"], unique=False)
    op.create_table(
        "code_try",
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("placement_id", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("n_wrong", sa.Integer(), nullable=False),
        sa.Column("since", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["placement_id"], ["placement.id"], name=op.f("fk_code_try_placement_id_placement")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name=op.f("fk_code_try_tenant_id_tenant")),
        sa.ForeignKeyConstraint(["user_id"], ["lti_user.id"], name=op.f("fk_code_try_user_id_lti_user")),
        sa.PrimaryKeyConstraint("placement_id", "user_id", name=op.f("pk_code_try")),
    )
    op.create_table(
        "integrity_check",
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("attempt_id", ID, nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("n_answers", sa.SmallInteger(), nullable=False),
        sa.Column("n_rapid", sa.SmallInteger(), nullable=False),
        sa.Column("person_fit", sa.Double(), nullable=True),
        sa.Column("n_away", sa.Integer(), nullable=False),
        sa.Column("away_seconds", sa.Integer(), nullable=False),
        sa.Column("n_moves", sa.SmallInteger(), nullable=False),
        sa.Column("compared_at", MOMENT, nullable=True),
        sa.ForeignKeyConstraint(["attempt_id"], ["attempt.id"], name=op.f("fk_integrity_check_attempt_id_attempt")),
        sa.PrimaryKeyConstraint("attempt_id", name=op.f("pk_integrity_check")),
    )
    op.create_index("ix_integrity_check_new", "integrity_check", ["at"], sqlite_where=NEW, postgresql_where=NEW)
    op.create_table(
        "integrity_flag",
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("id", ID, nullable=False),
        sa.Column("attempt_id", ID, nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("key", sa.String(length=36), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("detail", JSON, nullable=False),
        sa.CheckConstraint("kind IN ('rapid', 'misfit', 'similar', 'away', 'moved')", name=op.f("ck_integrity_flag_kind")),
        sa.ForeignKeyConstraint(["attempt_id"], ["attempt.id"], name=op.f("fk_integrity_flag_attempt_id_attempt")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_integrity_flag")),
        sa.UniqueConstraint("attempt_id", "kind", "key", name="uq_integrity_flag_key"),
    )
    op.create_table(
        "integrity_review",
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("attempt_id", ID, nullable=False),
        sa.Column("opened_at", MOMENT, nullable=False),
        sa.Column("decision", sa.String(length=16), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("decided_by", sa.String(length=255), nullable=True),
        sa.Column("decided_at", MOMENT, nullable=True),
        sa.CheckConstraint("decision IN ('no_concern', 'talk', 'retake')", name=op.f("ck_integrity_review_decision")),
        sa.CheckConstraint("(decision IS NULL) = (decided_at IS NULL)", name=op.f("ck_integrity_review_decided")),
        sa.ForeignKeyConstraint(["attempt_id"], ["attempt.id"], name=op.f("fk_integrity_review_attempt_id_attempt")),
        sa.PrimaryKeyConstraint("attempt_id", name=op.f("pk_integrity_review")),
    )
    op.create_index(op.f("ix_integrity_review_tenant_id"), "integrity_review", ["tenant_id"], unique=False)


def downgrade() -> None:
    for table in ("integrity_review", "integrity_flag", "integrity_check", "code_try", "access_code"):
        op.drop_table(table)
    for table, columns in COLUMNS.items():
        for name, _kind in reversed(columns):
            op.drop_column(table, name)
