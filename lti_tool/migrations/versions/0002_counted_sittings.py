"""Which sittings count for which links; those that are over already count where they were begun and where they were finished

Some installations of 0001 have the table already.

Revision  0002
Follows   0001
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_UUID = {"postgresql": "replace(CAST(l.uuid AS text), '-', '')", "sqlite": "l.uuid"}
"""A launch's name as 32 digits."""

_COUNT = """
INSERT INTO counted_sitting (tenant_id, resource_link_id, attempt_uuid, user_id, launch_id, created_at)
SELECT a.tenant_id, l.resource_link_id, a.uuid, l.user_id, min(l.id), a.finished_at
FROM (
    SELECT id, replace(launch_ref, '-', '') AS launch FROM attempt WHERE state = 'finished'
    UNION SELECT id, replace(device, '-', '') FROM attempt WHERE state = 'finished' AND device IS NOT NULL
) AS r
JOIN attempt AS a ON a.id = r.id
JOIN launch AS l ON {uuid} = r.launch
JOIN lti_user AS u ON u.id = l.user_id AND u.person_uuid = a.person_uuid AND u.tenant_id = a.tenant_id
WHERE NOT a.is_preview AND l.preview_of_id IS NULL AND l.resource_link_id IS NOT NULL
GROUP BY a.tenant_id, l.resource_link_id, a.uuid, l.user_id, a.finished_at
"""


def upgrade() -> None:
    if sa.inspect(op.get_bind()).has_table("counted_sitting"):
        return
    op.create_table(
        "counted_sitting",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("resource_link_id", sa.Integer(), nullable=False),
        sa.Column("attempt_uuid", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("launch_id", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["launch_id"], ["launch.id"], name=op.f("fk_counted_sitting_launch_id_launch")),
        sa.ForeignKeyConstraint(["resource_link_id"], ["resource_link.id"], name=op.f("fk_counted_sitting_resource_link_id_resource_link")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name=op.f("fk_counted_sitting_tenant_id_tenant")),
        sa.ForeignKeyConstraint(["user_id"], ["lti_user.id"], name=op.f("fk_counted_sitting_user_id_lti_user")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_counted_sitting")),
        sa.UniqueConstraint("resource_link_id", "attempt_uuid", name=op.f("uq_counted_sitting_resource_link_id_attempt_uuid")),
    )
    op.create_index(op.f("ix_counted_sitting_attempt_uuid"), "counted_sitting", ["attempt_uuid"], unique=False)
    op.create_index(op.f("ix_counted_sitting_tenant_id"), "counted_sitting", ["tenant_id"], unique=False)
    op.create_index(op.f("ix_counted_sitting_user_id"), "counted_sitting", ["user_id"], unique=False)
    op.execute(_COUNT.format(uuid=_UUID[op.get_bind().dialect.name]))


def downgrade() -> None:
    op.drop_table("counted_sitting")
