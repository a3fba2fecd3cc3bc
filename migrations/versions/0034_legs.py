"""Ways of patients to receivers, what receivers sign, and links for those outside."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None

APP = "twinstile_app"
READ = "twinstile_read"


def upgrade() -> None:
    op.create_table(
        "leg",
        sa.Column("hub_id", sa.Text(), nullable=False),
        sa.Column("leg_id", sa.Uuid(), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("receiver", sa.Text(), nullable=False),
        sa.Column("facility_id", sa.Text(), nullable=True),
        sa.Column("vehicle", sa.Text(), nullable=False),
        sa.Column("vehicle_no", sa.Text(), nullable=True),
        sa.Column("crew", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("departed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expected_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("device_id", sa.Uuid(), nullable=False),
        sa.Column("operator_id", sa.Uuid(), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ending", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("hub_id", "leg_id", name=op.f("pk_leg")),
        sa.CheckConstraint(
            "num_nonnulls(ended_at, ending) IN (0, 2)", name=op.f("ck_leg_ended")
        ),
    )
    op.create_table(
        "receipt",
        sa.Column("hub_id", sa.Text(), nullable=False),
        sa.Column("receipt_id", sa.Uuid(), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("leg_id", sa.Uuid(), nullable=False),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.Column("signed_by", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("via", sa.Text(), nullable=False),
        sa.Column("said_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.Column("signature", sa.Text(), nullable=False),
        sa.Column("device_id", sa.Uuid(), nullable=True),
        sa.Column("operator_id", sa.Uuid(), nullable=True),
        sa.PrimaryKeyConstraint("hub_id", "receipt_id", name=op.f("pk_receipt")),
    )
    op.create_table(
        "case_link",
        sa.Column("hub_id", sa.Text(), nullable=False),
        sa.Column("link_id", sa.Uuid(), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("subject_id", sa.Uuid(), nullable=False),
        sa.Column("secret_hash", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("device_id", sa.Uuid(), nullable=False),
        sa.Column("operator_id", sa.Uuid(), nullable=True),
        sa.PrimaryKeyConstraint("hub_id", "link_id", name=op.f("pk_case_link")),
        sa.UniqueConstraint(
            "hub_id", "secret_hash", name=op.f("uq_case_link_hub_id_secret_hash")
        ),
    )
    for table in ("leg", "receipt", "case_link"):
        op.create_index(op.f(f"ix_{table}_case_id_hub_id"), table, ["case_id", "hub_id"])
    op.create_index(op.f("ix_receipt_leg_id_hub_id"), "receipt", ["leg_id", "hub_id"])
    op.create_index(
        "uq_leg_on_the_way",
        "leg",
        ["hub_id", "case_id"],
        unique=True,
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.execute(f"GRANT SELECT, INSERT ON receipt TO {APP}")
    op.execute(f"GRANT SELECT, INSERT, UPDATE (ended_at, ending) ON leg TO {APP}")
    op.execute(f"GRANT SELECT, INSERT, UPDATE (expires_at), DELETE ON case_link TO {APP}")
    for table in ("leg", "receipt"):
        op.execute(f"GRANT SELECT ON {table} TO {READ}")
