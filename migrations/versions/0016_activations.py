"""Versions of a policy apart from when they hold, deviations, and who let a device in.

What held before is entered by each service at its start, because the release before may enter a
hub after this revision. The code of a device that was let in before does not say who made it.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

APP = "twinstile_app"
READ = "twinstile_read"


def upgrade() -> None:
    op.create_table(
        "policy_draft",
        sa.Column("hub_id", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recorded_by", sa.Uuid(), nullable=False),
        sa.Column("document", postgresql.JSONB(), nullable=False),
        sa.PrimaryKeyConstraint("hub_id", "version", name=op.f("pk_policy_draft")),
    )
    op.create_table(
        "policy_activation",
        sa.Column("hub_id", sa.Text(), nullable=False),
        sa.Column("effective_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("approval_id", sa.Uuid(), nullable=True),
        sa.PrimaryKeyConstraint(
            "hub_id",
            "effective_from",
            "recorded_at",
            "version",
            name=op.f("pk_policy_activation"),
        ),
        sa.UniqueConstraint(
            "hub_id", "approval_id", name=op.f("uq_policy_activation_hub_id_approval_id")
        ),
    )
    # history never changes: nobody puts a version in force for a moment that has passed
    op.execute(
        "ALTER TABLE policy_activation ADD CONSTRAINT ck_policy_activation_ahead"
        " CHECK (approval_id IS NULL OR effective_from >= recorded_at)"
    )
    op.execute(f"GRANT SELECT, INSERT ON policy_draft, policy_activation TO {APP}")
    op.create_table(
        "deviation",
        sa.Column("hub_id", sa.Text(), nullable=False),
        sa.Column("deviation_id", sa.Uuid(), nullable=False),
        sa.Column("screening_id", sa.Uuid(), nullable=False),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("ground", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("rules", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("approval_id", sa.Uuid(), nullable=True),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("operator_id", sa.Uuid(), nullable=False),
        sa.Column("device_id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("hub_id", "deviation_id", name=op.f("pk_deviation")),
    )
    op.create_index(
        op.f("ix_deviation_recorded_at_hub_id"), "deviation", ["recorded_at", "hub_id"]
    )
    op.execute(f"GRANT SELECT, INSERT ON deviation TO {APP}")
    op.execute(f"GRANT SELECT ON deviation TO {READ}")
    op.execute("ALTER TABLE enrolment ADD COLUMN created_by UUID, ADD COLUMN device_id UUID")
    op.execute(f"GRANT UPDATE (device_id) ON enrolment TO {APP}")
