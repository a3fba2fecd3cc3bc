"""What a check orders of a traveller, with its dates."""

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute('ALTER TABLE "check" ADD COLUMN measures jsonb')
