"""Who may begin a sitting, when and where; flags of integrity and their reviews

Revision  0007
Follows   0006
"""

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
