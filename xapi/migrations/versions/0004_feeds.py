"""Named feeds with their cursors.

Revision 0004. Going back drops the feeds; the statements that they name stay.
"""

import sqlalchemy as sa
from alembic import op

from kernel.db import UtcDateTime

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Creates the table of feeds."""
    op.create_table(
        "xapi_feed",
        sa.Column("tenant_id", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("owner", sa.Text, nullable=False, comment="The credential that made it."),
        sa.Column("slice", sa.Text, nullable=False, comment="JSON of the slice whose statements it brings."),
        sa.Column("position", sa.BigInteger, nullable=False, comment="The last place that the consumer has told to be done with."),
        sa.Column("committed_at", UtcDateTime, comment="When the consumer told so."),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "name", name="pk_xapi_feed"),
    )


def downgrade() -> None:
    """Drops it."""
    op.drop_table("xapi_feed")
