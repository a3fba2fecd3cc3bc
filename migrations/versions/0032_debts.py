"""Which community is to settle a deferral."""

from alembic import op

from twinstile.platform.db.schema import build_index

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None

APP = "twinstile_app"


def upgrade() -> None:
    op.execute("ALTER TABLE deferral ADD COLUMN IF NOT EXISTS destination text")
    op.execute(f"GRANT UPDATE (destination) ON deferral TO {APP}")
    build_index(
        op.get_context(),
        "ix_deferral_destination_due_at_open",
        "deferral (destination, due_at, deferral_id, hub_id) WHERE closed_at IS NULL",
    )
