"""Suspicions of notifiable diseases, with the legal deadline each began."""

import sqlalchemy as sa
from alembic import op

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None

APP = "twinstile_app"
READ = "twinstile_read"
TEXT, UUID, MOMENT = sa.Text(), sa.Uuid(), sa.DateTime(timezone=True)
CHECKS = {
    "within": "within IN ('TWO_HOURS', 'ONE_DAY')",
    "class": "case_class IN ('SUSPECTED', 'CLINICAL', 'CONFIRMED', 'CARRIER')",
    "due": "due_at = suspected_at + CASE within WHEN 'TWO_HOURS'"
    " THEN interval '2 hours' ELSE interval '24 hours' END",
    "filed": "(filed_at IS NULL) = (reference IS NULL) AND filed_at >= suspected_at",
}


def upgrade() -> None:
    op.create_table(
        "suspicion",
        sa.Column("hub_id", TEXT, nullable=False),
        sa.Column("suspicion_id", UUID, nullable=False),
        sa.Column("case_id", UUID, nullable=False),
        sa.Column("within", TEXT, nullable=False),
        sa.Column("case_class", TEXT, nullable=False),
        sa.Column("disease", TEXT, nullable=False),
        sa.Column("suspected_at", MOMENT, nullable=False),
        sa.Column("due_at", MOMENT, nullable=False),
        sa.Column("recorded_at", MOMENT, nullable=False),
        sa.Column("device_id", UUID, nullable=False),
        sa.Column("operator_id", UUID, nullable=False),
        sa.Column("filed_at", MOMENT, nullable=True),
        sa.Column("reference", TEXT, nullable=True),
        sa.Column("filed_by", UUID, nullable=True),
        sa.PrimaryKeyConstraint("hub_id", "suspicion_id", name=op.f("pk_suspicion")),
        *(
            sa.CheckConstraint(condition, name=op.f(f"ck_suspicion_{name}"))
            for name, condition in CHECKS.items()
        ),
    )
    op.create_index(op.f("ix_suspicion_case_id_hub_id"), "suspicion", ["case_id", "hub_id"])
    op.create_index(
        "ix_suspicion_due_at_hub_id_owed",
        "suspicion",
        ["due_at", "hub_id"],
        postgresql_where=sa.text("filed_at IS NULL"),
    )
    op.execute(f"GRANT SELECT, INSERT ON suspicion TO {APP}")
    op.execute(f"GRANT UPDATE (filed_at, reference, filed_by) ON suspicion TO {APP}")
    op.execute(f"GRANT SELECT ON suspicion TO {READ}")
