"""The access log: who looked at whose identity, and for what purpose.

The service's role may add rows and read them: whoever reads cannot remove the trace of it.
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

APP = "twinstile_app"


def upgrade() -> None:
    op.create_table(
        "access",
        sa.Column("hub_id", sa.Text(), nullable=False),
        sa.Column("access_id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("operator_id", sa.Uuid(), nullable=True),
        sa.Column("partner_id", sa.Text(), nullable=True),
        sa.Column("device_id", sa.Uuid(), nullable=True),
        sa.Column("shift_id", sa.Uuid(), nullable=True),
        sa.Column("roles", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("subject_id", sa.Uuid(), nullable=True),
        sa.Column("fields", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("hub_id", "access_id", name=op.f("pk_access")),
    )
    for name, condition in {
        "purpose": "purpose IS NOT NULL OR action = 'MASKED_READ'",
        "actor": "operator_id IS NULL OR partner_id IS NULL",
        "emergency": "purpose <> 'EMERGENCY' OR reason IS NOT NULL",
        "rows": "rows >= 0",
    }.items():
        op.execute(f"ALTER TABLE access ADD CONSTRAINT ck_access_{name} CHECK ({condition})")
    for columns in (
        ["at", "access_id", "hub_id"],
        ["subject_id", "at", "hub_id"],
        ["operator_id", "action", "at", "hub_id"],
    ):
        op.create_index(op.f(f"ix_access_{'_'.join(columns)}"), "access", columns)
    op.execute(f"GRANT SELECT, INSERT ON access TO {APP}")
