"""The floor of the schema: who knows this revision may serve the database, however new it is.

A migration that older programs cannot live with raises it (docs/decisions, schema floor).
"""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE alembic_version ADD COLUMN floor text NOT NULL DEFAULT '0006'")
