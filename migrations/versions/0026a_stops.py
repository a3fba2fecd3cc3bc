"""Where a run stops. A column that may be empty: no row is written anew."""

from alembic import op

revision = "0026a"
down_revision = "0025"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE run ADD COLUMN stops text[]")
