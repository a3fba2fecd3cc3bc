"""What police and health departments ask the gate to know: alerts, statuses, key areas."""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

APP = "twinstile_app"
LONGEST = "interval '14 days'"


def upgrade() -> None:
    text = sa.Text()
    _about_people(
        "identity_alert",
        [
            sa.Column(name, text, nullable=False)
            for name in ("kind", "authority", "legal_basis", "action")
        ],
        {
            "length": f"valid_to <= valid_from + {LONGEST}",
            "kind": "kind IN ('KEY_AREA', 'CLOSE_CONTACT', 'ISOLATION_ORDER',"
            " 'MISSED_FOLLOW_UP', 'DOCUMENT_INVALID')",
            "authority": "length(authority) BETWEEN 1 AND 200",
            "legal_basis": "length(legal_basis) BETWEEN 1 AND 200",
            "action": "action IN ('CHECK', 'STOP')",
        },
    )
    _about_people(
        "health_status",
        [
            sa.Column("issuer", text, nullable=False),
            sa.Column("colour", text, nullable=False),
            sa.Column("close_contact", sa.Boolean(), nullable=False),
        ],
        {
            "issuer": "length(issuer) BETWEEN 1 AND 200",
            "colour": "colour IN ('GREEN', 'YELLOW', 'RED', 'UNKNOWN')",
        },
    )
    op.create_table(
        "key_area",
        sa.Column("hub_id", text, nullable=False),
        sa.Column("feed", text, nullable=False),
        sa.Column("key", text, nullable=False),
        sa.Column("code", text, nullable=False),
        sa.Column("level", text, nullable=False),
        sa.Column("since", sa.Date(), nullable=False),
        sa.Column("until", sa.Date(), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("hub_id", "feed", "key", name=op.f("pk_key_area")),
        sa.CheckConstraint(
            "level IN ('LOW', 'CASES', 'MEDIUM', 'HIGH')", name=op.f("ck_key_area_level")
        ),
        sa.CheckConstraint("since <= until", name=op.f("ck_key_area_period")),
    )
    op.create_table(
        "key_area_list",
        sa.Column("hub_id", text, nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("hub_id", name=op.f("pk_key_area_list")),
    )
    for table in ("identity_alert", "health_status", "key_area", "key_area_list"):
        op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO {APP}")


def _about_people(table: str, told: list[sa.Column[object]], checks: dict[str, str]) -> None:
    moment = sa.DateTime(timezone=True)
    bounds = {
        "key": "length(key) = 32",
        "period": f"valid_from < valid_to AND valid_to <= recorded_at + {LONGEST}",
    }
    op.create_table(
        table,
        sa.Column("hub_id", sa.Text(), nullable=False),
        sa.Column("feed", sa.Text(), nullable=False),
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        *told,
        sa.Column("valid_from", moment, nullable=False),
        sa.Column("valid_to", moment, nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("recorded_at", moment, nullable=False),
        sa.PrimaryKeyConstraint("hub_id", "feed", "key", name=op.f(f"pk_{table}")),
        *(
            sa.CheckConstraint(condition, name=op.f(f"ck_{table}_{name}"))
            for name, condition in (bounds | checks).items()
        ),
    )
    op.create_index(op.f(f"ix_{table}_person_id_hub_id"), table, ["person_id", "hub_id"])
