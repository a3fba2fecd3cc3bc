"""Declarations of travellers: each word of them, the passage they counted for, and appeals."""

import sqlalchemy as sa
from alembic import op

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None

APP = "twinstile_app"
GRANTS = {
    "declaration": "SELECT, INSERT, DELETE",
    "declaration_word": "SELECT, INSERT, DELETE",
    "appeal": "SELECT, INSERT, DELETE",
}
CHANGED = {
    "declaration": "said_at, revision, reminded_at, presented_at, person_id, screening_id",
    "appeal": "decided, answered_at, answered_by, answer",
}
CHECKS = {
    "declaration": ("revision", "revision BETWEEN 1 AND 20"),
    "declaration_word": ("revision", "revision BETWEEN 1 AND 20"),
    "appeal": (
        "answered",
        "num_nulls(decided, answered_at, answered_by, answer) IN (0, 4)",
    ),
}


def upgrade() -> None:
    create_tables()
    for table, (name, condition) in CHECKS.items():
        op.execute(f"ALTER TABLE {table} ADD CONSTRAINT ck_{table}_{name} CHECK ({condition})")
    for table, privileges in GRANTS.items():
        op.execute(f"GRANT {privileges} ON {table} TO {APP}")
    for table, columns in CHANGED.items():
        op.execute(f"GRANT UPDATE ({columns}) ON {table} TO {APP}")


def create_tables() -> None:
    moment = sa.DateTime(timezone=True)
    op.create_table(
        "declaration",
        sa.Column("hub_id", sa.Text(), nullable=False),
        sa.Column("declaration_id", sa.Uuid(), nullable=False),
        sa.Column("receipt_digest", sa.LargeBinary(), nullable=False),
        sa.Column("pass_digest", sa.LargeBinary(), nullable=False),
        sa.Column("short_code", sa.Text(), nullable=True),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("fingerprint", sa.LargeBinary(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("language", sa.Text(), nullable=False),
        sa.Column("made_at", moment, nullable=False),
        sa.Column("said_at", moment, nullable=False),
        sa.Column("revision", sa.SmallInteger(), nullable=False),
        sa.Column("reminded_at", moment, nullable=True),
        sa.Column("presented_at", moment, nullable=True),
        sa.Column("person_id", sa.Uuid(), nullable=True),
        sa.Column("screening_id", sa.Uuid(), nullable=True),
        sa.Column("device_id", sa.Uuid(), nullable=True),
        sa.Column("operator_id", sa.Uuid(), nullable=True),
        sa.PrimaryKeyConstraint("hub_id", "declaration_id", name=op.f("pk_declaration")),
        sa.UniqueConstraint(
            "hub_id", "receipt_digest", name=op.f("uq_declaration_hub_id_receipt_digest")
        ),
        sa.UniqueConstraint(
            "hub_id", "pass_digest", name=op.f("uq_declaration_hub_id_pass_digest")
        ),
    )
    op.create_index(
        "uq_declaration_hub_id_short_code",
        "declaration",
        ["hub_id", "short_code"],
        unique=True,
        postgresql_where=sa.text("short_code IS NOT NULL"),
    )
    op.create_index(op.f("ix_declaration_made_at_hub_id"), "declaration", ["made_at", "hub_id"])
    op.create_table(
        "declaration_word",
        sa.Column("hub_id", sa.Text(), nullable=False),
        sa.Column("declaration_id", sa.Uuid(), nullable=False),
        sa.Column("revision", sa.SmallInteger(), nullable=False),
        sa.Column("said_at", moment, nullable=False),
        sa.Column("cipher", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint(
            "hub_id", "declaration_id", "revision", name=op.f("pk_declaration_word")
        ),
    )
    op.create_table(
        "appeal",
        sa.Column("hub_id", sa.Text(), nullable=False),
        sa.Column("appeal_id", sa.Uuid(), nullable=False),
        sa.Column("declaration_id", sa.Uuid(), nullable=False),
        sa.Column("screening_id", sa.Uuid(), nullable=True),
        sa.Column("about", sa.Text(), nullable=False),
        sa.Column("made_at", moment, nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("cipher", sa.LargeBinary(), nullable=False),
        sa.Column("decided", sa.Text(), nullable=True),
        sa.Column("answered_at", moment, nullable=True),
        sa.Column("answered_by", sa.Uuid(), nullable=True),
        sa.Column("answer", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("hub_id", "appeal_id", name=op.f("pk_appeal")),
    )
    op.create_index(
        op.f("ix_appeal_declaration_id_hub_id"), "appeal", ["declaration_id", "hub_id"]
    )
    op.create_index(
        op.f("ix_appeal_hub_id_made_at_appeal_id"), "appeal", ["hub_id", "made_at", "appeal_id"]
    )
