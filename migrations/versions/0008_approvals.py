"""Deeds that take two persons, and who entered whom.

That the two are two is a matter of the database: whatever asks, a row that says otherwise is
not stored.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

APP = "twinstile_app"
DECIDED = "decided_by, decided_device, decided_hand, decided_device_hand"
CHECKS = {
    "verdict": "verdict IN ('GRANTED', 'REFUSED', 'EXPIRED') AND decided_at IS NOT NULL"
    " OR verdict IS NULL AND decided_at IS NULL",
    "decider": "(verdict IS NOT DISTINCT FROM 'GRANTED' OR verdict IS NOT DISTINCT FROM"
    " 'REFUSED') = (num_nonnulls(decided_by, decided_device, decided_hand) = 3)",
    "two_persons": "verdict <> 'GRANTED' OR (decided_by <> requested_by"
    " AND decided_hand <> requested_hand)",
    "two_devices": "verdict <> 'GRANTED' OR (decided_device <> requested_device"
    " AND decided_device_hand IS DISTINCT FROM requested_hand)",
    "in_time": "verdict <> 'GRANTED' OR decided_at < expires_at",
    "refusal": "verdict <> 'REFUSED' OR decision_reason IS NOT NULL",
    "used": "used_at IS NULL OR verdict IS NOT DISTINCT FROM 'GRANTED'",
    "digest": "octet_length(digest) = 32",
}


def upgrade() -> None:
    op.create_table(
        "approval",
        sa.Column("hub_id", sa.Text(), nullable=False),
        sa.Column("approval_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("subject_id", sa.Uuid(), nullable=False),
        sa.Column("content", postgresql.JSONB(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("requested_by", sa.Uuid(), nullable=False),
        sa.Column("requested_device", sa.Uuid(), nullable=False),
        sa.Column("requested_hand", sa.Uuid(), nullable=False),
        sa.Column("requested_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("decided_by", sa.Uuid(), nullable=True),
        sa.Column("decided_device", sa.Uuid(), nullable=True),
        sa.Column("decided_hand", sa.Uuid(), nullable=True),
        sa.Column("decided_device_hand", sa.Uuid(), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("verdict", sa.Text(), nullable=True),
        sa.Column("decision_reason", sa.Text(), nullable=True),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("hub_id", "approval_id", name=op.f("pk_approval")),
    )
    for name, condition in CHECKS.items():
        op.execute(
            f"ALTER TABLE approval ADD CONSTRAINT ck_approval_{name} CHECK ({condition})"
        )
    op.create_index(
        op.f("ix_approval_expires_at_hub_id"),
        "approval",
        ["expires_at", "hub_id"],
        postgresql_where=sa.text("verdict IS NULL"),
    )
    op.execute(
        f"GRANT SELECT, INSERT, UPDATE ({DECIDED}, decided_at, verdict, decision_reason,"
        f" used_at) ON approval TO {APP}"
    )
    op.execute("ALTER TABLE operator ADD COLUMN created_by UUID")
