"""Contacts of cases: lists as they were made, and whom each names."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None

APP = "twinstile_app"
READ = "twinstile_read"
TEXT, INT, UUID, JSONB = sa.Text(), sa.Integer(), sa.Uuid(), postgresql.JSONB()
MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "contact_list",
        sa.Column("hub_id", TEXT, nullable=False),
        sa.Column("list_id", UUID, nullable=False),
        sa.Column("case_id", UUID, nullable=False),
        sa.Column("made_at", MOMENT, nullable=False),
        sa.Column("device_id", UUID, nullable=False),
        sa.Column("operator_id", UUID, nullable=False),
        sa.Column("policy_version", TEXT, nullable=False),
        sa.Column("asked", JSONB, nullable=False),
        sa.Column("runs", postgresql.ARRAY(UUID), nullable=False),
        sa.Column("known", JSONB, nullable=False),
        sa.Column("close", INT, nullable=False),
        sa.Column("general", INT, nullable=False),
        sa.Column("forgotten_at", MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("hub_id", "list_id", name=op.f("pk_contact_list")),
        sa.CheckConstraint("close >= 0 AND general >= 0", name=op.f("ck_contact_list_counts")),
    )
    op.create_index(
        op.f("ix_contact_list_case_id_made_at_hub_id"),
        "contact_list",
        ["case_id", "made_at", "hub_id"],
    )
    op.create_index(
        "ix_contact_list_made_at_hub_id_kept",
        "contact_list",
        ["made_at", "hub_id"],
        postgresql_where=sa.text("forgotten_at IS NULL"),
    )
    op.create_table(
        "contact",
        sa.Column("hub_id", TEXT, nullable=False),
        sa.Column("list_id", UUID, nullable=False),
        sa.Column("n", sa.SmallInteger(), nullable=False),
        sa.Column("person_id", UUID, nullable=False),
        sa.Column("run_id", UUID, nullable=True),
        sa.Column("coach", TEXT, nullable=True),
        sa.Column("seat", TEXT, nullable=True),
        sa.Column("contact_class", TEXT, nullable=False),
        sa.Column("points", sa.SmallInteger(), nullable=False),
        sa.Column("reasons", JSONB, nullable=False),
        sa.PrimaryKeyConstraint("hub_id", "list_id", "n", name=op.f("pk_contact")),
        sa.CheckConstraint(
            "contact_class IN ('CLOSE', 'GENERAL')", name=op.f("ck_contact_class")
        ),
        sa.CheckConstraint("points BETWEEN 1 AND 100", name=op.f("ck_contact_points")),
    )
    op.create_index(op.f("ix_contact_person_id_hub_id"), "contact", ["person_id", "hub_id"])
    op.execute(f"GRANT SELECT, INSERT ON contact_list TO {APP}")
    op.execute(f"GRANT UPDATE (asked, forgotten_at) ON contact_list TO {APP}")
    op.execute(f"GRANT SELECT, INSERT, DELETE ON contact TO {APP}")
    op.execute(f"GRANT SELECT ON contact_list TO {READ}")
