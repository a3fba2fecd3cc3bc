"""Hubs are for real people or for a demo: practice hubs become demo hubs."""

from alembic import op

revision = "0040"
down_revision = "0039"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("UPDATE hub SET mode = 'DEMO' WHERE mode = 'PRACTICE'")
    op.execute("ALTER TABLE hub DROP CONSTRAINT ck_hub_mode")
    op.execute(
        "ALTER TABLE hub ADD CONSTRAINT ck_hub_mode"
        " CHECK (mode IN ('PRODUCTION', 'DEMO')) NOT VALID"
    )
    op.execute("ALTER TABLE hub VALIDATE CONSTRAINT ck_hub_mode")
