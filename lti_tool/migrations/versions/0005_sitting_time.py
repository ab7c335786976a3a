"""Time of a sitting: extra time, pauses

Revision  0005
Follows   0004
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.DateTime(timezone=True)
COUNTED = {
    "factor_percent": (sa.SmallInteger(), "100"),
    "extra_minutes": (sa.Integer(), "0"),
    "notice_seconds": (sa.Integer(), "0"),
    "paused_seconds": (sa.Integer(), "0"),
    "away_seconds": (sa.Integer(), "0"),
    "pauses_allowed": (sa.SmallInteger(), "0"),
    "pause_minutes": (sa.SmallInteger(), "0"),
    "n_pauses": (sa.SmallInteger(), "0"),
}


def upgrade() -> None:
    for name, (kind, default) in COUNTED.items():
        op.add_column("attempt", sa.Column(name, kind, nullable=False, server_default=default))
    # each with its check: SQLite can add one to a table that others refer to with its column alone
    op.execute("ALTER TABLE attempt ADD COLUMN hold VARCHAR(8) CONSTRAINT ck_attempt_hold CHECK (hold IN ('pause', 'away'))")
    moment = MOMENT.compile(dialect=op.get_bind().dialect)
    held = "CONSTRAINT ck_attempt_held CHECK ((hold IS NULL) = (hold_ends_at IS NULL))"
    op.execute(f"ALTER TABLE attempt ADD COLUMN hold_ends_at {moment} {held}")
    op.add_column("attempt", sa.Column("hold_began_at", MOMENT, nullable=True))
    op.add_column("attempt", sa.Column("alive_at", MOMENT, nullable=True))
    op.add_column("presentation", sa.Column("paused_before_seconds", sa.Integer(), nullable=False, server_default="0"))
    op.create_table(
        "accommodation",
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("id", BIG, nullable=False),
        sa.Column("uuid", sa.Uuid(), nullable=False),
        sa.Column("person_uuid", sa.Uuid(), nullable=False),
        sa.Column("form_id", sa.Integer(), nullable=True),
        sa.Column("attempt_id", BIG, nullable=True),
        sa.Column("factor_percent", sa.SmallInteger(), nullable=False),
        sa.Column("extra_minutes", sa.Integer(), nullable=False),
        sa.Column("pauses", sa.SmallInteger(), nullable=False),
        sa.Column("pause_minutes", sa.SmallInteger(), nullable=False),
        sa.Column("valid_from", MOMENT, nullable=False),
        sa.Column("valid_until", MOMENT, nullable=True),
        sa.Column("reason", sa.String(length=32), nullable=False),
        sa.Column("granted_by", sa.String(length=255), nullable=False),
        sa.Column("granted_at", MOMENT, nullable=False),
        sa.Column("ended_at", MOMENT, nullable=True),
        sa.CheckConstraint("factor_percent BETWEEN 100 AND 1000", name=op.f("ck_accommodation_factor_percent")),
        sa.CheckConstraint("extra_minutes BETWEEN 0 AND 1440", name=op.f("ck_accommodation_extra_minutes")),
        sa.CheckConstraint("pauses BETWEEN 0 AND 20 AND pause_minutes BETWEEN 0 AND 240", name=op.f("ck_accommodation_pauses")),
        sa.CheckConstraint("valid_until > valid_from", name=op.f("ck_accommodation_valid")),
        sa.ForeignKeyConstraint(["form_id"], ["form.id"], name=op.f("fk_accommodation_form_id_form")),
        sa.ForeignKeyConstraint(["attempt_id"], ["attempt.id"], name=op.f("fk_accommodation_attempt_id_attempt")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_accommodation")),
        sa.UniqueConstraint("uuid", name=op.f("uq_accommodation_uuid")),
    )
    op.create_index("ix_accommodation_person", "accommodation", ["tenant_id", "person_uuid"], unique=False)
    op.create_index(op.f("ix_accommodation_attempt_id"), "accommodation", ["attempt_id"], unique=False)


def downgrade() -> None:
    op.drop_table("accommodation")
    op.drop_column("presentation", "paused_before_seconds")
    for name in ("alive_at", "hold_began_at", "hold_ends_at", "hold", *COUNTED):
        op.drop_column("attempt", name)
