"""Who made the code that let a device in, and which device it was.

The code of a device that was let in before says neither.
"""

from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

APP = "twinstile_app"


def upgrade() -> None:
    op.execute("ALTER TABLE enrolment ADD COLUMN created_by UUID, ADD COLUMN device_id UUID")
    op.execute(f"GRANT UPDATE (device_id) ON enrolment TO {APP}")
