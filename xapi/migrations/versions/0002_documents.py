"""Documents, what is known of activities and agents, and attachments.

Revision 0002.
"""

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Changes nothing yet."""
