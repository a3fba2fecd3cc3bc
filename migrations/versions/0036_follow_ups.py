"""Plans of isolation, contacts to be made, and what came of them."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0036"
down_revision = "0035"
branch_labels = None
depends_on = None

APP = "twinstile_app"
READ = "twinstile_read"


def upgrade() -> None:
    op.create_table(
        "case_plan",
        sa.Column("hub_id", sa.Text(), nullable=False),
        sa.Column("disposition_id", sa.Uuid(), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("anchor", sa.Text(), nullable=False),
        sa.Column("anchor_date", sa.Date(), nullable=False),
        sa.Column("days", sa.SmallInteger(), nullable=False),
        sa.Column("test_days", postgresql.ARRAY(sa.SmallInteger()), nullable=False),
        sa.Column("first_call_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("policy_version", sa.Text(), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("hub_id", "disposition_id", name=op.f("pk_case_plan")),
    )
    op.create_table(
        "follow_up",
        sa.Column("hub_id", sa.Text(), nullable=False),
        sa.Column("follow_up_id", sa.Uuid(), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("day", sa.SmallInteger(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("assigned_to", sa.Uuid(), nullable=True),
        sa.Column("attempts", sa.SmallInteger(), nullable=False),
        sa.Column("done_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("hub_id", "follow_up_id", name=op.f("pk_follow_up")),
        sa.CheckConstraint(
            "num_nonnulls(done_at, outcome) IN (0, 2)", name=op.f("ck_follow_up_done")
        ),
    )
    op.create_table(
        "attempt",
        sa.Column("hub_id", sa.Text(), nullable=False),
        sa.Column("attempt_id", sa.Uuid(), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("follow_up_id", sa.Uuid(), nullable=True),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("tenths", sa.SmallInteger(), nullable=True),
        sa.Column("symptoms", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("result", sa.Text(), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("said_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("device_id", sa.Uuid(), nullable=True),
        sa.Column("operator_id", sa.Uuid(), nullable=True),
        sa.PrimaryKeyConstraint("hub_id", "attempt_id", name=op.f("pk_attempt")),
    )
    for table in ("case_plan", "follow_up", "attempt"):
        op.create_index(op.f(f"ix_{table}_case_id_hub_id"), table, ["case_id", "hub_id"])
        op.execute(f"GRANT SELECT ON {table} TO {READ}")
    op.create_index(
        "ix_follow_up_open",
        "follow_up",
        ["due_at", "follow_up_id", "hub_id"],
        postgresql_where=sa.text("done_at IS NULL"),
    )
    op.execute(f"GRANT SELECT, INSERT ON case_plan, attempt TO {APP}")
    op.execute(
        "GRANT SELECT, INSERT, UPDATE (assigned_to, attempts, done_at, outcome)"
        f" ON follow_up TO {APP}"
    )
