"""Sources of trust lists, and lists that nobody brought; what a list changes is kept with it.

A column that may be empty and a constraint taken away: no row is written anew.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None

APP = "twinstile_app"


def upgrade() -> None:
    op.execute(
        "ALTER TABLE trust_list ADD COLUMN change jsonb, ALTER COLUMN recorded_by DROP NOT NULL"
    )
    op.create_table(
        "trust_source",
        sa.Column("hub_id", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("etag", sa.Text(), nullable=True),
        sa.Column("body", sa.LargeBinary(), nullable=True),
        sa.Column("told_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("as_of", sa.DateTime(timezone=True), nullable=True),
        sa.Column("fault", sa.Text(), nullable=True),
        sa.Column("fault_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("breaker", JSONB(), nullable=False),
        sa.PrimaryKeyConstraint("hub_id", "source", name=op.f("pk_trust_source")),
    )
    op.execute(f"GRANT SELECT, INSERT, UPDATE ON trust_source TO {APP}")
