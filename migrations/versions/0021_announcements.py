"""Reminders by the clock: of which runs they were ordered, and orders by no device."""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

APP = "twinstile_app"


def upgrade() -> None:
    op.alter_column("notice_order", "device_id", nullable=True)
    op.create_table(
        "run_reminded",
        sa.Column("hub_id", sa.Text(), nullable=False),
        sa.Column("run_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("manifests", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("hub_id", "run_id", "kind", name=op.f("pk_run_reminded")),
        sa.CheckConstraint("kind IN ('R1', 'R1_AGAIN')", name=op.f("ck_run_reminded_kind")),
    )
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON run_reminded TO {APP}")
