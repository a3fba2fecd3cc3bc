"""How often somebody was met on a day: tells a reader that the row moved while it waited."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("vault", sa.Column("turns", sa.Integer(), nullable=False, server_default="0"))
    op.execute("GRANT UPDATE (turns) ON vault TO twinstile_app")
