"""The ledger: every change of a hub in one gapless, linked order; and who may follow it."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

import twinstile.platform.db.tables

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

APP = "twinstile_app"
GRANTS = {
    "ledger": "SELECT, INSERT",
    "ledger_node": "SELECT, INSERT",
    "ledger_epoch": "SELECT, INSERT",
    "ledger_head": "SELECT, INSERT, UPDATE",
    "partner": "SELECT, INSERT, UPDATE (secret_hash, secret_at, disabled_at)",
    "partner_grant": "SELECT, INSERT",
    "partner_token": "SELECT, INSERT, DELETE",
}
CHECKS = {
    "ledger": ("entry", "n >= 1 AND octet_length(link) = 32"),
    "ledger_node": ("node", "level >= 10 AND i >= 0 AND octet_length(hash) = 32"),
    "ledger_head": ("published", "published_n BETWEEN 0 AND n"),
}


def upgrade() -> None:
    create_tables()
    for table, (name, condition) in CHECKS.items():
        op.execute(
            f'ALTER TABLE "{table}" ADD CONSTRAINT "ck_{table}_{name}" CHECK ({condition})'
        )
    for table, privileges in GRANTS.items():
        op.execute(f"GRANT {privileges} ON {table} TO {APP}")


def create_tables() -> None:
    op.create_table(
        "ledger",
        sa.Column("hub_id", sa.Text(), nullable=False),
        sa.Column("n", sa.BigInteger(), nullable=False),
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("link", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("hub_id", "n", name=op.f("pk_ledger")),
        sa.UniqueConstraint("hub_id", "event_id", name=op.f("uq_ledger_hub_id_event_id")),
    )
    op.create_table(
        "ledger_node",
        sa.Column("hub_id", sa.Text(), nullable=False),
        sa.Column("level", sa.SmallInteger(), nullable=False),
        sa.Column("i", sa.BigInteger(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("hub_id", "level", "i", name=op.f("pk_ledger_node")),
    )
    op.create_table(
        "ledger_epoch",
        sa.Column("hub_id", sa.Text(), nullable=False),
        sa.Column("epoch", sa.Text(), nullable=False),
        sa.Column("n", sa.BigInteger(), nullable=False),
        sa.Column("began_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("hub_id", "epoch", name=op.f("pk_ledger_epoch")),
        sa.UniqueConstraint("hub_id", "n", name=op.f("uq_ledger_epoch_hub_id_n")),
    )
    op.create_table(
        "ledger_head",
        sa.Column("hub_id", sa.Text(), nullable=False),
        sa.Column("epoch", sa.Text(), nullable=False),
        sa.Column("n", sa.BigInteger(), nullable=False),
        sa.Column("link", sa.LargeBinary(), nullable=False),
        sa.Column("peaks", sa.LargeBinary(), nullable=False),
        sa.Column("tx", twinstile.platform.db.tables.Xid8(), nullable=False),
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("latest", postgresql.JSONB(), nullable=False),
        sa.Column("published_n", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("hub_id", name=op.f("pk_ledger_head")),
    )
    op.create_table(
        "partner",
        sa.Column("hub_id", sa.Text(), nullable=False),
        sa.Column("partner_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("secret_hash", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("secret_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("disabled_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("hub_id", "partner_id", name=op.f("pk_partner")),
    )
    op.create_table(
        "partner_grant",
        sa.Column("hub_id", sa.Text(), nullable=False),
        sa.Column("partner_id", sa.Uuid(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("fields", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.PrimaryKeyConstraint("hub_id", "partner_id", "type", name=op.f("pk_partner_grant")),
    )
    op.create_table(
        "partner_token",
        sa.Column("hub_id", sa.Text(), nullable=False),
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("partner_id", sa.Uuid(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("hub_id", "token_hash", name=op.f("pk_partner_token")),
    )
    op.create_index(
        op.f("ix_partner_token_partner_id_expires_at_hub_id"),
        "partner_token",
        ["partner_id", "expires_at", "hub_id"],
        unique=False,
    )
