"""What a hub is for: real people, practice, or a demo.

A hub of the release before is a real one. The service's role may insert and select hubs and no
more, so a hub's mode never changes.
"""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

APP = "twinstile_app"
MODES = "mode IN ('PRODUCTION', 'PRACTICE', 'DEMO')"


def upgrade() -> None:
    op.execute("ALTER TABLE hub ADD COLUMN mode TEXT NOT NULL DEFAULT 'PRODUCTION'")
    op.execute(f"ALTER TABLE hub ADD CONSTRAINT ck_hub_mode CHECK ({MODES}) NOT VALID")
    op.execute("ALTER TABLE hub VALIDATE CONSTRAINT ck_hub_mode")
    op.create_table(
        "offline_shift",
        sa.Column("hub_id", sa.Text(), nullable=False),
        sa.Column("shift_id", sa.Uuid(), nullable=False),
        sa.Column("device_id", sa.Uuid(), nullable=False),
        sa.Column("operator_id", sa.Uuid(), nullable=False),
        sa.Column("roles", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("confirmed_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("hub_id", "shift_id", name=op.f("pk_offline_shift")),
    )
    op.create_index(
        op.f("ix_offline_shift_hub_id_recorded_at"),
        "offline_shift",
        ["hub_id", "recorded_at"],
    )
    op.execute(f"GRANT SELECT, INSERT, UPDATE (confirmed_at) ON offline_shift TO {APP}")
