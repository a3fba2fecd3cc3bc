"""The access log: who looked at whose identity, and for what purpose."""

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass
