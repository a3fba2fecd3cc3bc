"""How ill a patient is, where the case was sent, and since when its state is overdue."""

import sqlalchemy as sa
from alembic import op

from twinstile.platform.db.schema import build_index

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for name, kind in (
        ("severity", sa.Text()),
        ("facility_id", sa.Text()),
        ("late_since", sa.DateTime(timezone=True)),
    ):
        op.add_column("fever_case", sa.Column(name, kind, nullable=True), if_not_exists=True)
    context = op.get_context()
    build_index(
        context,
        "ix_fever_case_facility_id_hub_id",
        "fever_case (facility_id, hub_id) WHERE closed_at IS NULL AND facility_id IS NOT NULL",
    )
    build_index(
        context,
        "ix_fever_case_late_since_hub_id",
        "fever_case (late_since, hub_id) WHERE late_since IS NOT NULL",
    )
