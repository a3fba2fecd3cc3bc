"""Trust lists of a hub: each version once, signed, and which of them is in force."""

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

APP = "twinstile_app"


def upgrade() -> None:
    op.create_table(
        "trust_list",
        sa.Column("hub_id", sa.Text(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recorded_by", sa.Uuid(), nullable=False),
        sa.Column("source", sa.LargeBinary(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.Column("signature", sa.Text(), nullable=False),
        sa.Column("follows", sa.BigInteger(), nullable=True),
        sa.Column("activated_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("hub_id", "version", name=op.f("pk_trust_list")),
        sa.CheckConstraint(
            "version > 0 AND version > coalesce(follows, 0)",
            name=op.f("ck_trust_list_version"),
        ),
    )
    op.execute(f"GRANT SELECT, INSERT ON trust_list TO {APP}")
    op.execute(f"GRANT UPDATE (activated_at) ON trust_list TO {APP}")
