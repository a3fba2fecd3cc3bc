"""The floor rises to the first whole schema.

Revisions before this one were still being written, and policies have since got a member
(`case_retention_days`) that older programs refuse to read.
"""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("UPDATE alembic_version SET floor = '0007'")
