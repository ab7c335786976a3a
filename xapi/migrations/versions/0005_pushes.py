"""Forwards to other stores and webhooks.

Revision 0005.
"""

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Changes nothing yet."""
