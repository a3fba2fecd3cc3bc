"""Which case was merged into which, by whom and why, and what became of it.

A column that may be empty; indexes are built while others write. The case that is opened when a
merge is undone is of the same screening, so of that only the case that goes on is unique.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from twinstile.platform.db.schema import build_index

revision = "0039"
down_revision = "0038"
branch_labels = None
depends_on = None

APP = "twinstile_app"
READ = "twinstile_read"


def upgrade() -> None:
    op.execute("ALTER TABLE fever_case ADD COLUMN IF NOT EXISTS followed_by uuid")
    op.create_table(
        "case_merge",
        sa.Column("hub_id", sa.Text(), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("into_id", sa.Uuid(), nullable=False),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("merged_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("device_id", sa.Uuid(), nullable=True),
        sa.Column("operator_id", sa.Uuid(), nullable=True),
        sa.Column("follow_ups", postgresql.ARRAY(sa.Uuid()), nullable=False),
        sa.Column("undone_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("undone_by", sa.Uuid(), nullable=True),
        sa.Column("undone_reason", sa.Text(), nullable=True),
        sa.Column("successor_id", sa.Uuid(), nullable=True),
        sa.PrimaryKeyConstraint("hub_id", "case_id", name=op.f("pk_case_merge")),
        sa.CheckConstraint("case_id <> into_id", name=op.f("ck_case_merge_two")),
        sa.CheckConstraint(
            "num_nonnulls(undone_at, undone_reason, successor_id) IN (0, 3)",
            name=op.f("ck_case_merge_undone"),
        ),
        if_not_exists=True,
    )
    op.create_index(
        op.f("ix_case_merge_into_id_hub_id"),
        "case_merge",
        ["into_id", "hub_id"],
        if_not_exists=True,
    )
    op.execute(f"GRANT SELECT, INSERT ON case_merge TO {APP}")
    op.execute(
        "GRANT UPDATE (into_id, undone_at, undone_by, undone_reason, successor_id)"
        f" ON case_merge TO {APP}"
    )
    op.execute(f"GRANT SELECT ON case_merge TO {READ}")
    op.execute(f"GRANT UPDATE (case_id) ON follow_up TO {APP}")
    build_index(
        op.get_context(),
        "ix_fever_case_followed_by_hub_id",
        "fever_case (followed_by, hub_id) WHERE followed_by IS NOT NULL",
    )
    build_index(
        op.get_context(),
        "ix_fever_case_screening_id_hub_id",
        "fever_case (screening_id, hub_id)",
    )
    build_index(
        op.get_context(),
        "uq_fever_case_screening",
        "fever_case (hub_id, screening_id) WHERE state <> 'CLOSED_MERGED'",
        unique=True,
    )
    op.execute(
        "ALTER TABLE fever_case DROP CONSTRAINT IF EXISTS uq_fever_case_hub_id_screening_id"
    )
