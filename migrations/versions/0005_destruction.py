"""Destruction that can be proved: signed certificates, and hubs that are closed for good.

A row entered by the version before has no certificate, so its columns may be empty.
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

APP = "twinstile_app"


def upgrade() -> None:
    op.execute("ALTER TABLE destruction ADD COLUMN document TEXT, ADD COLUMN signature TEXT")
    op.create_table(
        "closure",
        sa.Column("hub_id", sa.Text(), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("hub_id", name=op.f("pk_closure")),
    )
    op.execute(f"GRANT SELECT, INSERT ON closure TO {APP}")
