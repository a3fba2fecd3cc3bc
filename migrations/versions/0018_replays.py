"""Replays of a policy: who asked for which, how far it is, what it found.

The role that exports read under sees how passages moved, too: codes and random ids.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

APP = "twinstile_app"
READ = "twinstile_read"


def upgrade() -> None:
    moment = sa.DateTime(timezone=True)
    op.create_table(
        "policy_replay",
        sa.Column("hub_id", sa.Text(), nullable=False),
        sa.Column("replay_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("since", moment, nullable=False),
        sa.Column("until", moment, nullable=False),
        sa.Column("asked_by", sa.Uuid(), nullable=True),
        sa.Column("asked_at", moment, nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("attempts", sa.SmallInteger(), nullable=False),
        sa.Column("checks", sa.BigInteger(), nullable=False),
        sa.Column("checks_expected", sa.BigInteger(), nullable=True),
        sa.Column("seen_at", moment, nullable=True),
        sa.Column("ended_at", moment, nullable=True),
        sa.Column("fault", sa.Text(), nullable=True),
        sa.Column("found", postgresql.JSONB(), nullable=True),
        sa.PrimaryKeyConstraint("hub_id", "replay_id", name=op.f("pk_policy_replay")),
        sa.CheckConstraint(
            "state IN ('WAITING', 'RUNNING', 'DONE', 'FAILED', 'CANCELED')",
            name=op.f("ck_policy_replay_state"),
        ),
        sa.CheckConstraint("since < until", name=op.f("ck_policy_replay_period")),
        sa.CheckConstraint(
            "(state IN ('WAITING', 'RUNNING')) = (ended_at IS NULL)",
            name=op.f("ck_policy_replay_ended"),
        ),
        sa.CheckConstraint(
            "(state = 'DONE') = (found IS NOT NULL)", name=op.f("ck_policy_replay_found")
        ),
    )
    op.create_index(
        "uq_policy_replay_open",
        "policy_replay",
        ["hub_id"],
        unique=True,
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON policy_replay TO {APP}")
    op.execute(
        f"GRANT SELECT (hub_id, subject_id, at, tx, event_id, kind, body) ON event TO {READ}"
    )
