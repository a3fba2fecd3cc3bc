"""Notices: how people on a run are reached, what was sent to them and what became of it.

A reminder may have lasted a while (`until`). Contacts are ciphers of the day they came, beside
the vault.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

APP = "twinstile_app"
READ = "twinstile_read"
GRANTS = {
    "vault_contact": "SELECT, INSERT, UPDATE, DELETE",
    "notice_order": "SELECT, INSERT, DELETE",
    "notice": "SELECT, INSERT, UPDATE, DELETE",
    "notice_channel": "SELECT, INSERT, UPDATE",
}
CHECKS = {
    "vault_contact": ("whole", "(kind IS NULL) = (cipher IS NULL)"),
    "notice": ("attempts", "attempts >= 0"),
    "notice_channel": ("failures", "failures >= 0"),
}


def upgrade() -> None:
    op.execute(
        "ALTER TABLE reminder ADD COLUMN until TIMESTAMP WITH TIME ZONE,"
        " ADD CONSTRAINT ck_reminder_until CHECK (until > given_at) NOT VALID"
    )
    # a reminder for each run and day: looked through in no time
    op.execute("ALTER TABLE reminder VALIDATE CONSTRAINT ck_reminder_until")
    create_tables()
    for table, (name, condition) in CHECKS.items():
        op.execute(f"ALTER TABLE {table} ADD CONSTRAINT ck_{table}_{name} CHECK ({condition})")
    for table, privileges in GRANTS.items():
        op.execute(f"GRANT {privileges} ON {table} TO {APP}")
    op.execute(f"GRANT SELECT ON notice TO {READ}")


def create_tables() -> None:
    op.create_table(
        "vault_contact",
        sa.Column("hub_id", sa.Text(), nullable=False),
        sa.Column("run_id", sa.Uuid(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=True),
        sa.Column("owner", sa.Text(), nullable=True),
        sa.Column("languages", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("cipher", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("hub_id", "run_id", "person_id", name=op.f("pk_vault_contact")),
    )
    op.create_index(op.f("ix_vault_contact_day_hub_id"), "vault_contact", ["day", "hub_id"])
    op.create_table(
        "notice_order",
        sa.Column("hub_id", sa.Text(), nullable=False),
        sa.Column("order_id", sa.Uuid(), nullable=False),
        sa.Column("run_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("entry_id", sa.Text(), nullable=True),
        sa.Column("ordered_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("device_id", sa.Uuid(), nullable=False),
        sa.Column("operator_id", sa.Uuid(), nullable=True),
        sa.PrimaryKeyConstraint("hub_id", "order_id", name=op.f("pk_notice_order")),
    )
    op.create_table(
        "notice",
        sa.Column("hub_id", sa.Text(), nullable=False),
        sa.Column("notice_id", sa.Uuid(), nullable=False),
        sa.Column("order_id", sa.Uuid(), nullable=False),
        sa.Column("run_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("contact", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("language", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("batch_id", sa.Uuid(), nullable=True),
        sa.Column("evidence", postgresql.JSONB(), nullable=False),
        sa.PrimaryKeyConstraint("hub_id", "notice_id", name=op.f("pk_notice")),
        sa.UniqueConstraint(
            "hub_id",
            "run_id",
            "person_id",
            "kind",
            name=op.f("uq_notice_hub_id_run_id_person_id_kind"),
        ),
    )
    op.create_index(op.f("ix_notice_person_id_hub_id"), "notice", ["person_id", "hub_id"])
    op.create_index(op.f("ix_notice_at_hub_id"), "notice", ["at", "hub_id"])
    op.create_index(
        op.f("ix_notice_due_at_hub_id"),
        "notice",
        ["due_at", "hub_id"],
        postgresql_where=sa.text("due_at IS NOT NULL"),
    )
    op.create_table(
        "notice_channel",
        sa.Column("hub_id", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("open_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("code", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("hub_id", "channel", name=op.f("pk_notice_channel")),
    )
