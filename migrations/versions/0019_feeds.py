"""Feeds: deliveries as they came, what was said last under each key, numbers of runs.

Runs that are there already get the number under which they were announced.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

APP = "twinstile_app"
TABLES = (
    "run_alias",
    "feed_state",
    "feed_delivery",
    "feed_reject",
    "feed_column",
    "feed_nonce",
    "feed_key",
    "feed_list",
    "feed_waiting",
)
COUNTERS = ("rows", "applied", "repeated", "superseded", "rejected", "unmatched")
TEXT, BIG, INT = sa.Text(), sa.BigInteger(), sa.Integer()
MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    # a constant default: no row is written anew
    op.execute(
        "ALTER TABLE run ADD COLUMN status TEXT NOT NULL DEFAULT 'SCHEDULED',"
        " ADD CONSTRAINT ck_run_status CHECK (status IN ('SCHEDULED', 'ADDED', 'CANCELLED',"
        " 'SKIPPED', 'DIVERTED', 'REPLACED', 'ARRIVED', 'UNKNOWN', 'DELETED')) NOT VALID"
    )
    op.execute("ALTER TABLE run VALIDATE CONSTRAINT ck_run_status")
    create_aliases()
    create_feeds()
    create_deliveries()
    create_keys()
    for table in TABLES:
        op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO {APP}")


def create_aliases() -> None:
    op.create_table(
        "run_alias",
        sa.Column("hub_id", TEXT, nullable=False),
        sa.Column("scheme", TEXT, nullable=False),
        sa.Column("service_no", TEXT, nullable=False),
        sa.Column("service_date", sa.Date(), nullable=False),
        sa.Column("run_id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint(
            "hub_id", "scheme", "service_no", "service_date", name=op.f("pk_run_alias")
        ),
    )
    op.create_index(op.f("ix_run_alias_run_id_hub_id"), "run_alias", ["run_id", "hub_id"])
    op.execute(
        "INSERT INTO run_alias (hub_id, scheme, service_no, service_date, run_id)"
        " SELECT hub_id, CASE mode WHEN 'RAIL' THEN 'cn-rail' WHEN 'AIR' THEN 'iata'"
        " ELSE lower(mode) END, service_no, service_date, run_id FROM run"
        " ORDER BY recorded_at DESC ON CONFLICT DO NOTHING"
    )


def create_feeds() -> None:
    op.create_table(
        "feed_state",
        sa.Column("hub_id", TEXT, nullable=False),
        sa.Column("feed", TEXT, nullable=False),
        sa.Column("cursor", TEXT, nullable=True),
        *(
            sa.Column(name, BIG, server_default="0", nullable=False)
            for name in ("landed", "deliveries", "duplicates", "refused", *COUNTERS)
        ),
        sa.Column("polled_at", MOMENT, nullable=True),
        sa.Column("as_of", MOMENT, nullable=True),
        sa.Column("fault", TEXT, nullable=True),
        sa.Column("fault_at", MOMENT, nullable=True),
        sa.Column("failures", INT, server_default="0", nullable=False),
        sa.Column("breaker", postgresql.JSONB(), server_default="{}", nullable=False),
        sa.Column("not_before", MOMENT, nullable=True),
        sa.Column("leased_by", sa.Uuid(), nullable=True),
        sa.Column("leased_until", MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("hub_id", "feed", name=op.f("pk_feed_state")),
    )
    op.create_table(
        "feed_column",
        sa.Column("hub_id", TEXT, nullable=False),
        sa.Column("feed", TEXT, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("first_at", MOMENT, nullable=False),
        sa.Column("last_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("hub_id", "feed", "name", name=op.f("pk_feed_column")),
    )
    op.create_table(
        "feed_nonce",
        sa.Column("hub_id", TEXT, nullable=False),
        sa.Column("feed", TEXT, nullable=False),
        sa.Column("nonce", sa.LargeBinary(), nullable=False),
        sa.Column("used_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("hub_id", "feed", "nonce", name=op.f("pk_feed_nonce")),
        sa.CheckConstraint("length(nonce) = 32", name=op.f("ck_feed_nonce_nonce")),
    )
    op.create_index(
        op.f("ix_feed_nonce_hub_id_feed_used_at"), "feed_nonce", ["hub_id", "feed", "used_at"]
    )


def create_deliveries() -> None:
    op.create_table(
        "feed_delivery",
        sa.Column("hub_id", TEXT, nullable=False),
        sa.Column("delivery_id", sa.Uuid(), nullable=False),
        sa.Column("feed", TEXT, nullable=False),
        sa.Column("n", BIG, nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=True),
        sa.Column("received_at", MOMENT, nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("size", INT, nullable=False),
        sa.Column("cipher", sa.LargeBinary(), nullable=True),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("attempts", INT, server_default="0", nullable=False),
        sa.Column("due_at", MOMENT, nullable=False),
        sa.Column("fault", TEXT, nullable=True),
        sa.Column("ended_at", MOMENT, nullable=True),
        *(
            sa.Column(name, INT, server_default="0", nullable=False)
            for name in ("rows_applied", *COUNTERS)
        ),
        sa.PrimaryKeyConstraint("hub_id", "delivery_id", name=op.f("pk_feed_delivery")),
        sa.UniqueConstraint("hub_id", "feed", "n", name=op.f("uq_feed_delivery_hub_id_feed_n")),
        sa.UniqueConstraint(
            "hub_id", "feed", "digest", name=op.f("uq_feed_delivery_hub_id_feed_digest")
        ),
        sa.CheckConstraint(
            "state IN ('LANDED', 'APPLIED', 'DEAD', 'REFUSED')",
            name=op.f("ck_feed_delivery_state"),
        ),
        sa.CheckConstraint(
            "(state = 'REFUSED') = (cipher IS NULL) AND (state = 'REFUSED') = (digest IS NULL)",
            name=op.f("ck_feed_delivery_bytes"),
        ),
        sa.CheckConstraint(
            "(state = 'LANDED') = (ended_at IS NULL)", name=op.f("ck_feed_delivery_ended")
        ),
    )
    op.create_index(
        "ix_feed_delivery_due",
        "feed_delivery",
        ["hub_id", "feed", "due_at"],
        postgresql_where=sa.text("state = 'LANDED'"),
    )
    op.create_index(op.f("ix_feed_delivery_day_hub_id"), "feed_delivery", ["day", "hub_id"])
    op.create_index(
        "ix_feed_delivery_trouble",
        "feed_delivery",
        ["hub_id", "feed", "n"],
        postgresql_where=sa.text("state IN ('DEAD', 'REFUSED') OR rejected > 0"),
    )
    op.create_table(
        "feed_reject",
        sa.Column("hub_id", TEXT, nullable=False),
        sa.Column("delivery_id", sa.Uuid(), nullable=False),
        sa.Column("ordinal", INT, nullable=False),
        sa.Column("row", INT, nullable=False),
        sa.Column("reason", TEXT, nullable=False),
        sa.Column("column", TEXT, nullable=True),
        sa.PrimaryKeyConstraint(
            "hub_id", "delivery_id", "ordinal", name=op.f("pk_feed_reject")
        ),
    )
    op.create_table(
        "feed_waiting",
        sa.Column("hub_id", TEXT, nullable=False),
        sa.Column("scheme", TEXT, nullable=False),
        sa.Column("service_no", TEXT, nullable=False),
        sa.Column("service_date", sa.Date(), nullable=False),
        sa.Column("delivery_id", sa.Uuid(), nullable=False),
        sa.Column("feed", TEXT, nullable=False),
        sa.PrimaryKeyConstraint(
            "hub_id",
            "scheme",
            "service_no",
            "service_date",
            "delivery_id",
            name=op.f("pk_feed_waiting"),
        ),
    )


def create_keys() -> None:
    op.create_table(
        "feed_key",
        sa.Column("hub_id", TEXT, nullable=False),
        sa.Column("feed", TEXT, nullable=False),
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.Column("version", BIG, nullable=False),
        sa.Column("n", BIG, nullable=False),
        sa.Column("row", INT, nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("deleted", sa.Boolean(), nullable=False),
        sa.Column("listed", sa.Boolean(), nullable=False),
        sa.Column("list_version", BIG, nullable=True),
        sa.Column("list_n", BIG, nullable=True),
        sa.Column("run_id", sa.Uuid(), nullable=True),
        sa.Column("role", TEXT, nullable=True),
        sa.Column("withdrawn", sa.Boolean(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.PrimaryKeyConstraint("hub_id", "feed", "key", name=op.f("pk_feed_key")),
        sa.CheckConstraint("length(key) = 32", name=op.f("ck_feed_key_key")),
        sa.CheckConstraint(
            "(list_version IS NULL) = (list_n IS NULL)", name=op.f("ck_feed_key_list")
        ),
        sa.CheckConstraint("withdrawn OR NOT deleted", name=op.f("ck_feed_key_withdrawn")),
    )
    op.create_index(
        op.f("ix_feed_key_run_id_hub_id"),
        "feed_key",
        ["run_id", "hub_id"],
        postgresql_where=sa.text("run_id IS NOT NULL"),
    )
    op.create_index(op.f("ix_feed_key_day_hub_id"), "feed_key", ["day", "hub_id"])
    op.create_table(
        "feed_list",
        sa.Column("hub_id", TEXT, nullable=False),
        sa.Column("feed", TEXT, nullable=False),
        sa.Column("run_id", sa.Uuid(), nullable=False),
        sa.Column("role", TEXT, nullable=False),
        sa.Column("version", BIG, nullable=False),
        sa.Column("n", BIG, nullable=False),
        sa.PrimaryKeyConstraint("hub_id", "feed", "run_id", "role", name=op.f("pk_feed_list")),
    )
