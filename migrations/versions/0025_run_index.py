"""Runs of a period are found by their arrival first: docs/decisions/0016.

With the hub first, this index looked as good as the primary key for finding one run, on a table
that was small when the plan was made.
"""

from alembic import op

from twinstile.platform.db.schema import build_index

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None


def upgrade() -> None:
    context = op.get_context()
    build_index(context, "ix_run_scheduled_arrival_hub_id", "run (scheduled_arrival, hub_id)")
    with context.autocommit_block():
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS ix_run_hub_id_scheduled_arrival")
