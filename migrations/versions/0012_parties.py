"""Parties, and one open case for each person.

`episode_of` stays null in cases opened before: two of one person may be open among those.
"""

import sqlalchemy as sa
from alembic import op

from twinstile.platform.db.schema import build_index

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

APP = "twinstile_app"
READ = "twinstile_read"


def upgrade() -> None:
    op.create_table(
        "party",
        sa.Column("hub_id", sa.Text(), nullable=False),
        sa.Column("party_id", sa.Uuid(), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("device_id", sa.Uuid(), nullable=False),
        sa.Column("operator_id", sa.Uuid(), nullable=True),
        sa.Column("members", sa.SmallInteger(), nullable=False),
        sa.PrimaryKeyConstraint("hub_id", "party_id", name=op.f("pk_party")),
        sa.CheckConstraint("members BETWEEN 1 AND 60", name=op.f("ck_party_members")),
        if_not_exists=True,
    )
    op.create_table(
        "party_member",
        sa.Column("hub_id", sa.Text(), nullable=False),
        sa.Column("screening_id", sa.Uuid(), nullable=False),
        sa.Column("party_id", sa.Uuid(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("joined_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("hub_id", "screening_id", name=op.f("pk_party_member")),
        sa.CheckConstraint(
            "role IN ('GUARDIAN', 'MEMBER', 'MINOR')", name=op.f("ck_party_member_role")
        ),
        if_not_exists=True,
    )
    op.create_index(
        op.f("ix_party_member_party_id_hub_id"),
        "party_member",
        ["party_id", "hub_id"],
        if_not_exists=True,
    )
    op.create_index(
        "uq_party_member_guardian",
        "party_member",
        ["hub_id", "party_id"],
        unique=True,
        postgresql_where=sa.text("role = 'GUARDIAN'"),
        if_not_exists=True,
    )
    op.execute(f"GRANT SELECT, INSERT, UPDATE (members) ON party TO {APP}")
    op.execute(f"GRANT SELECT, INSERT, UPDATE (role) ON party_member TO {APP}")
    op.execute(f"GRANT SELECT ON party, party_member TO {READ}")
    op.execute("ALTER TABLE fever_case ADD COLUMN IF NOT EXISTS episode_of uuid")
    build_index(
        op.get_context(),
        "uq_fever_case_episode",
        "fever_case (hub_id, episode_of) WHERE closed_at IS NULL AND episode_of IS NOT NULL",
        unique=True,
    )
