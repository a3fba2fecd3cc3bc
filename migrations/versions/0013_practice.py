"""What a hub is for, shifts begun offline, paper forms and tallies.

A hub of the release before is a real one. The service's role may insert and select hubs and no
more, so a hub's mode never changes.
"""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

APP = "twinstile_app"
READ = "twinstile_read"
MODES = "mode IN ('PRODUCTION', 'PRACTICE', 'DEMO')"


def upgrade() -> None:
    op.execute("ALTER TABLE hub ADD COLUMN mode TEXT NOT NULL DEFAULT 'PRODUCTION'")
    op.execute(f"ALTER TABLE hub ADD CONSTRAINT ck_hub_mode CHECK ({MODES}) NOT VALID")
    op.execute("ALTER TABLE hub VALIDATE CONSTRAINT ck_hub_mode")
    op.create_table(
        "offline_shift",
        sa.Column("hub_id", sa.Text(), nullable=False),
        sa.Column("shift_id", sa.Uuid(), nullable=False),
        sa.Column("device_id", sa.Uuid(), nullable=False),
        sa.Column("operator_id", sa.Uuid(), nullable=False),
        sa.Column("roles", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("confirmed_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("hub_id", "shift_id", name=op.f("pk_offline_shift")),
    )
    op.create_index(
        op.f("ix_offline_shift_hub_id_recorded_at"),
        "offline_shift",
        ["hub_id", "recorded_at"],
    )
    op.execute(f"GRANT SELECT, INSERT, UPDATE (confirmed_at) ON offline_shift TO {APP}")
    create_outage()


SECOND = "second_by, second_at, agrees, reason"
COUNTS = "passed, fever_suspected, refused, not_screened"
CHECKS = {
    "paper_form": {
        "second": "(second_by IS NULL) = (second_at IS NULL)"
        " AND (second_by IS NULL) = (agrees IS NULL)",
        "persons": "second_by <> keyed_by",
        "differs": "agrees IS NULL OR agrees = (reason IS NULL)",
    },
    "tally": {
        "hour": "since >= hour AND until > since AND until <= hour + interval '1 hour'",
        "counts": f"least({COUNTS}) >= 0 AND greatest({COUNTS}) <= 100000",
    },
}


def create_outage() -> None:
    op.create_table(
        "paper_form",
        sa.Column("hub_id", sa.Text(), nullable=False),
        sa.Column("form_no", sa.Text(), nullable=False),
        sa.Column("check_id", sa.Uuid(), nullable=False),
        sa.Column("fever", sa.Boolean(), nullable=False),
        sa.Column("keyed_by", sa.Uuid(), nullable=False),
        sa.Column("device_id", sa.Uuid(), nullable=False),
        sa.Column("keyed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("second_by", sa.Uuid(), nullable=True),
        sa.Column("second_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("agrees", sa.Boolean(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("hub_id", "form_no", name=op.f("pk_paper_form")),
        sa.UniqueConstraint("hub_id", "check_id", name=op.f("uq_paper_form_hub_id_check_id")),
    )
    op.create_index(
        "ix_paper_form_hub_id_keyed_at_open",
        "paper_form",
        ["hub_id", "keyed_at"],
        postgresql_where=sa.text("fever AND second_at IS NULL"),
    )
    op.create_table(
        "tally",
        sa.Column("hub_id", sa.Text(), nullable=False),
        sa.Column("tally_id", sa.Uuid(), nullable=False),
        sa.Column("lane_id", sa.Text(), nullable=False),
        sa.Column("hour", sa.DateTime(timezone=True), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("passed", sa.Integer(), nullable=False),
        sa.Column("fever_suspected", sa.Integer(), nullable=False),
        sa.Column("refused", sa.Integer(), nullable=False),
        sa.Column("not_screened", sa.Integer(), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("device_id", sa.Uuid(), nullable=False),
        sa.Column("operator_id", sa.Uuid(), nullable=True),
        sa.Column("superseded_by", sa.Uuid(), nullable=True),
        sa.PrimaryKeyConstraint("hub_id", "tally_id", name=op.f("pk_tally")),
    )
    op.create_index(
        "uq_tally_hub_id_lane_id_hour_valid",
        "tally",
        ["hub_id", "lane_id", "hour"],
        unique=True,
        postgresql_where=sa.text("superseded_by IS NULL"),
    )
    op.create_index(op.f("ix_tally_hub_id_since"), "tally", ["hub_id", "since"])
    for table, checks in CHECKS.items():
        for name, condition in checks.items():
            op.execute(
                f"ALTER TABLE {table} ADD CONSTRAINT ck_{table}_{name} CHECK ({condition})"
            )
    op.execute(f"GRANT SELECT, INSERT, UPDATE ({SECOND}) ON paper_form TO {APP}")
    op.execute(f"GRANT SELECT, INSERT, UPDATE (superseded_by) ON tally TO {APP}")
    op.execute(f"GRANT SELECT ON tally TO {READ}")
