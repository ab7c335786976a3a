"""What forms and items hold for linear tests, testlets and partial credit

Revision  0004
Follows   0003
"""

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
