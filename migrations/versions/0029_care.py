"""Receivers that answer, how ill patients are, rooms and the care of those in them."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None

APP = "twinstile_app"
READ = "twinstile_read"
FACTS = ("acknowledgement", "assessment", "care")
IN_ROOM = sa.text("left_at IS NULL")


def upgrade() -> None:
    op.create_table(
        "acknowledgement",
        sa.Column("hub_id", sa.Text(), nullable=False),
        sa.Column("acknowledgement_id", sa.Uuid(), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("disposition_id", sa.Uuid(), nullable=False),
        sa.Column("reply", sa.Text(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("said_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("device_id", sa.Uuid(), nullable=False),
        sa.Column("operator_id", sa.Uuid(), nullable=True),
        sa.PrimaryKeyConstraint(
            "hub_id", "acknowledgement_id", name=op.f("pk_acknowledgement")
        ),
    )
    op.create_table(
        "assessment",
        sa.Column("hub_id", sa.Text(), nullable=False),
        sa.Column("assessment_id", sa.Uuid(), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("severity", sa.Text(), nullable=False),
        sa.Column("symptoms", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("onset_on", sa.Date(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("assessed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("device_id", sa.Uuid(), nullable=False),
        sa.Column("operator_id", sa.Uuid(), nullable=True),
        sa.PrimaryKeyConstraint("hub_id", "assessment_id", name=op.f("pk_assessment")),
    )
    op.create_table(
        "room",
        sa.Column("hub_id", sa.Text(), nullable=False),
        sa.Column("room_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("capacity", sa.SmallInteger(), nullable=False),
        sa.Column("care_minutes", sa.SmallInteger(), nullable=False),
        sa.PrimaryKeyConstraint("hub_id", "room_id", name=op.f("pk_room")),
        sa.CheckConstraint("capacity > 0", name=op.f("ck_room_capacity")),
    )
    op.create_table(
        "facility",
        sa.Column("hub_id", sa.Text(), nullable=False),
        sa.Column("facility_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("capacity", sa.SmallInteger(), nullable=True),
        sa.PrimaryKeyConstraint("hub_id", "facility_id", name=op.f("pk_facility")),
        sa.CheckConstraint("capacity > 0", name=op.f("ck_facility_capacity")),
    )
    op.create_table(
        "stay",
        sa.Column("hub_id", sa.Text(), nullable=False),
        sa.Column("stay_id", sa.Uuid(), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("room_id", sa.Text(), nullable=False),
        sa.Column("entered_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("beyond_capacity", sa.Boolean(), nullable=False),
        sa.Column("device_id", sa.Uuid(), nullable=False),
        sa.Column("operator_id", sa.Uuid(), nullable=True),
        sa.Column("left_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("hub_id", "stay_id", name=op.f("pk_stay")),
    )
    op.create_table(
        "care",
        sa.Column("hub_id", sa.Text(), nullable=False),
        sa.Column("care_id", sa.Uuid(), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("stay_id", sa.Uuid(), nullable=False),
        sa.Column("given", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("tenths", sa.SmallInteger(), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("given_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("device_id", sa.Uuid(), nullable=False),
        sa.Column("operator_id", sa.Uuid(), nullable=True),
        sa.PrimaryKeyConstraint("hub_id", "care_id", name=op.f("pk_care")),
    )
    op.create_table(
        "case_wait",
        sa.Column("hub_id", sa.Text(), nullable=False),
        sa.Column("subject_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("late_since", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("hub_id", "subject_id", "kind", name=op.f("pk_case_wait")),
    )
    for table in ("acknowledgement", "assessment", "stay", "care", "case_wait"):
        op.create_index(op.f(f"ix_{table}_case_id_hub_id"), table, ["case_id", "hub_id"])
    op.create_index(
        "uq_stay_in_room", "stay", ["hub_id", "case_id"], unique=True, postgresql_where=IN_ROOM
    )
    op.create_index(
        op.f("ix_stay_room_id_hub_id"), "stay", ["room_id", "hub_id"], postgresql_where=IN_ROOM
    )
    op.create_index(op.f("ix_case_wait_due_at_hub_id"), "case_wait", ["due_at", "hub_id"])
    op.create_index(
        op.f("ix_case_wait_late_since_hub_id"),
        "case_wait",
        ["late_since", "hub_id"],
        postgresql_where=sa.text("late_since IS NOT NULL"),
    )
    for table in FACTS:
        op.execute(f"GRANT SELECT, INSERT ON {table} TO {APP}")
    for table in ("room", "facility"):
        op.execute(f"GRANT SELECT, INSERT, UPDATE ON {table} TO {APP}")
    op.execute(f"GRANT SELECT, INSERT, UPDATE (left_at) ON stay TO {APP}")
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON case_wait TO {APP}")
    for table in (*FACTS, "room", "facility", "stay"):
        op.execute(f"GRANT SELECT ON {table} TO {READ}")
