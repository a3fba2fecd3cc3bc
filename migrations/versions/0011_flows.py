"""Deferrals, surge orders and alerts; until when a lawful order holds.

Surge orders last half an hour at most, and a deferral is open once a screening: the database
keeps both. The service may close what is open and change nothing else of it.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

APP = "twinstile_app"
READ = "twinstile_read"
GRANTS = {
    "alert": "SELECT, INSERT, UPDATE (level, due_at, closed_at, closed_by, closed_reason)",
    "deferral": "SELECT, INSERT, UPDATE (closed_at, closed_by, outcome)",
    "fuse": "SELECT, INSERT, UPDATE (ended_at, ended_by, ended_reason)",
}
CHECKS = {
    "alert": {"closed": "(closed_at IS NULL) = (closed_reason IS NULL)", "level": "level >= 0"},
    "deferral": {
        "closed": "(closed_at IS NULL) = (outcome IS NULL)",
        "reason": "(reason = 'FUSE') = (fuse_id IS NOT NULL)",
    },
    "fuse": {
        "lasts": "until > since AND until <= since + interval '30 minutes'",
        "scope": "cardinality(checkpoints) + cardinality(runs) > 0",
        "persons": "ordered_by <> confirmed_by",
    },
}


def upgrade() -> None:
    op.execute("ALTER TABLE screening ADD COLUMN order_until timestamptz")
    create_tables()
    for table, checks in CHECKS.items():
        for name, condition in checks.items():
            op.execute(
                f"ALTER TABLE {table} ADD CONSTRAINT ck_{table}_{name} CHECK ({condition})"
            )
    for table, privileges in GRANTS.items():
        op.execute(f"GRANT {privileges} ON {table} TO {APP}")
    op.execute(f"GRANT SELECT ON deferral, fuse TO {READ}")


def create_tables() -> None:
    op.create_table(
        "alert",
        sa.Column("hub_id", sa.Text(), nullable=False),
        sa.Column("alert_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("subject_id", sa.Uuid(), nullable=False),
        sa.Column("raised_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("level", sa.SmallInteger(), nullable=False),
        sa.Column("facts", postgresql.JSONB(), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("closed_by", sa.Uuid(), nullable=True),
        sa.Column("closed_reason", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("hub_id", "alert_id", name=op.f("pk_alert")),
    )
    op.create_index(
        op.f("ix_alert_hub_id_raised_at_alert_id"), "alert", ["hub_id", "raised_at", "alert_id"]
    )
    op.create_index(
        "uq_alert_hub_id_subject_id_kind_open",
        "alert",
        ["hub_id", "subject_id", "kind"],
        unique=True,
        postgresql_where=sa.text("closed_at IS NULL"),
    )
    op.create_table(
        "deferral",
        sa.Column("hub_id", sa.Text(), nullable=False),
        sa.Column("deferral_id", sa.Uuid(), nullable=False),
        sa.Column("screening_id", sa.Uuid(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("fuse_id", sa.Uuid(), nullable=True),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("key_id", sa.Text(), nullable=True),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("closed_by", sa.Uuid(), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("hub_id", "deferral_id", name=op.f("pk_deferral")),
    )
    op.create_index(
        "uq_deferral_hub_id_screening_id_open",
        "deferral",
        ["hub_id", "screening_id"],
        unique=True,
        postgresql_where=sa.text("closed_at IS NULL"),
    )
    op.create_index(
        "ix_deferral_hub_id_due_at_open",
        "deferral",
        ["hub_id", "due_at", "deferral_id"],
        postgresql_where=sa.text("closed_at IS NULL"),
    )
    op.create_index(op.f("ix_deferral_hub_id_key_id"), "deferral", ["hub_id", "key_id"])
    op.create_table(
        "fuse",
        sa.Column("hub_id", sa.Text(), nullable=False),
        sa.Column("fuse_id", sa.Uuid(), nullable=False),
        sa.Column("checkpoints", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("runs", postgresql.ARRAY(sa.Uuid()), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("ordered_by", sa.Uuid(), nullable=False),
        sa.Column("confirmed_by", sa.Uuid(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_by", sa.Uuid(), nullable=True),
        sa.Column("ended_reason", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("hub_id", "fuse_id", name=op.f("pk_fuse")),
    )
    op.create_index(op.f("ix_fuse_hub_id_until"), "fuse", ["hub_id", "until"])
