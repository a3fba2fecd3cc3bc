"""Two persons that are one: by evidence, in words, until it is withdrawn."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

APP = "twinstile_app"
EVIDENCE = "'BOTH_DOCUMENTS_SHOWN', 'RENEWED_PASSPORT', 'PERMIT_RENEWAL', 'AUTHORITY_STATEMENT'"
CHECKS = {
    "ordered": "person_id < other_person_id",
    "evidence": f"evidence IN ({EVIDENCE})",
    "withdrawn": "num_nonnulls(withdrawn_at, withdrawn_by, withdrawn_reason) IN (0, 3)",
}


def upgrade() -> None:
    op.create_table(
        "person_link",
        sa.Column("hub_id", sa.Text(), nullable=False),
        sa.Column("link_id", sa.Uuid(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("other_person_id", sa.Uuid(), nullable=False),
        sa.Column("evidence", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recorded_by", sa.Uuid(), nullable=False),
        sa.Column("device_id", sa.Uuid(), nullable=False),
        sa.Column("withdrawn_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("withdrawn_by", sa.Uuid(), nullable=True),
        sa.Column("withdrawn_reason", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("hub_id", "link_id", name=op.f("pk_person_link")),
    )
    for name, condition in CHECKS.items():
        op.execute(
            f"ALTER TABLE person_link ADD CONSTRAINT ck_person_link_{name} CHECK ({condition})"
        )
    in_force = sa.text("withdrawn_at IS NULL")
    op.create_index(
        "uq_person_link_pair",
        "person_link",
        ["hub_id", "person_id", "other_person_id"],
        unique=True,
        postgresql_where=in_force,
    )
    for column in ("person_id", "other_person_id"):
        op.create_index(
            op.f(f"ix_person_link_{column}_hub_id"),
            "person_link",
            [column, "hub_id"],
            postgresql_where=in_force,
        )
    op.execute(
        "GRANT SELECT, INSERT, DELETE, UPDATE (withdrawn_at, withdrawn_by, withdrawn_reason)"
        f" ON person_link TO {APP}"
    )
