"""The signature of a directory, beside what it told.

A column that may be empty: no row is written anew.
"""

from alembic import op

revision = "0037"
down_revision = "0036"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE trust_source ADD COLUMN signature bytea")
