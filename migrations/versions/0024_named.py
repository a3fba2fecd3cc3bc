"""Whether the vault has a name for whom it holds: a document may be met before its holder."""

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # what a release before this one enters is left as it is
    op.add_column(
        "vault",
        sa.Column("named", sa.Boolean(), nullable=False, server_default=sa.true()),
    )
    op.execute("GRANT UPDATE (cipher, named) ON vault TO twinstile_app")
