"""Places on a run: who is crew, who travels together, and where people had sat.

Columns that may be empty and a new table: no row is written anew.
"""

import sqlalchemy as sa
from alembic import op

revision = "0026b"
down_revision = "0026a"
branch_labels = None
depends_on = None

APP = "twinstile_app"
ROLES = "'PASSENGER', 'CREW', 'INFANT'"


def upgrade() -> None:
    op.execute(
        "ALTER TABLE manifest_entry ADD COLUMN role text, ADD COLUMN party text,"
        f" ADD CONSTRAINT ck_manifest_entry_role CHECK (role IN ({ROLES})) NOT VALID"
    )
    op.execute("ALTER TABLE manifest_entry VALIDATE CONSTRAINT ck_manifest_entry_role")
    op.create_table(
        "seat_before",
        sa.Column("hub_id", sa.Text(), nullable=False),
        sa.Column("run_id", sa.Uuid(), nullable=False),
        sa.Column("entry_id", sa.Text(), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("coach", sa.Text(), nullable=True),
        sa.Column("seat", sa.Text(), nullable=True),
        sa.Column("board_stop", sa.Text(), nullable=True),
        sa.Column("alight_stop", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint(
            "hub_id", "run_id", "entry_id", "until", name=op.f("pk_seat_before")
        ),
    )
    op.execute(f"GRANT SELECT, INSERT, DELETE ON seat_before TO {APP}")
