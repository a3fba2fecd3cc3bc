"""What is known of a disposition beside its receiver, by its code."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0027"
down_revision = "0026b"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "disposition",
        sa.Column(
            "particulars", postgresql.JSONB(), nullable=False, server_default=sa.text("'{}'")
        ),
    )
