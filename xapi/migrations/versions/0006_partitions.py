"""Partitions by month and the registry of ids.

Revision 0006.
"""

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Changes nothing yet."""
