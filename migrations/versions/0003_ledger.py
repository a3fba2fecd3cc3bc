"""The ledger: every change of a hub in one gapless, linked order."""

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass
