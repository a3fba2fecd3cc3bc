"""Which way people go at a checkpoint: only where they depart may boarding be denied."""

from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE lane ADD COLUMN direction text NOT NULL DEFAULT 'ARRIVING'")
