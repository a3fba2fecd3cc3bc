"""What a hub is for: real people, practice, or a demo.

A hub of the release before is a real one. The service's role may insert and select hubs and no
more, so a hub's mode never changes.
"""

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

MODES = "mode IN ('PRODUCTION', 'PRACTICE', 'DEMO')"


def upgrade() -> None:
    op.execute("ALTER TABLE hub ADD COLUMN mode TEXT NOT NULL DEFAULT 'PRODUCTION'")
    op.execute(f"ALTER TABLE hub ADD CONSTRAINT ck_hub_mode CHECK ({MODES}) NOT VALID")
    op.execute("ALTER TABLE hub VALIDATE CONSTRAINT ck_hub_mode")
