"""That the place of origin of somebody sent back was told."""

import sqlalchemy as sa
from alembic import op

revision = "0038"
down_revision = "0037"
branch_labels = None
depends_on = None

APP = "twinstile_app"
READ = "twinstile_read"


def upgrade() -> None:
    op.create_table(
        "origin_notice",
        sa.Column("hub_id", sa.Text(), nullable=False),
        sa.Column("notice_id", sa.Uuid(), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("disposition_id", sa.Uuid(), nullable=False),
        sa.Column("office", sa.Text(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=True),
        sa.Column("told_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("device_id", sa.Uuid(), nullable=False),
        sa.Column("operator_id", sa.Uuid(), nullable=True),
        sa.PrimaryKeyConstraint("hub_id", "notice_id", name=op.f("pk_origin_notice")),
    )
    op.create_index(
        op.f("ix_origin_notice_case_id_hub_id"), "origin_notice", ["case_id", "hub_id"]
    )
    op.execute(f"GRANT SELECT, INSERT ON origin_notice TO {APP}")
    op.execute(f"GRANT SELECT ON origin_notice TO {READ}")
