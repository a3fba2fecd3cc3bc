"""Where among the stops of a run the hub is, as its timetable counts them."""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("run", sa.Column("hub_sequence", sa.Integer(), nullable=True))
