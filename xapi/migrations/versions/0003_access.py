"""Rotation, slices and limits of credentials, and tokens.

Revision 0003.
"""

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Changes nothing yet."""
