"""The straight way in on PostgreSQL: a function that stores a batch in one round trip.

Revision 0007. Nothing is kept in it, so that going back and forth loses nothing.
"""

from alembic import op

from xapi.models import TAKE_IN

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Makes the function; SQLite has none."""
    if op.get_bind().dialect.name == "postgresql":
        op.get_bind().exec_driver_sql(TAKE_IN)


def downgrade() -> None:
    """Drops it."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION xapi_take_in")
