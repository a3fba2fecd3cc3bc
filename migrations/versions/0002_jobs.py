"""The job queue's own tables, in a schema of their own.

The library renders its statements itself; its version is pinned, and its own upgrades will come
as migrations of their own.
"""

from functools import partial
from typing import cast

from alembic import op
from pgqueuer.adapters.persistence.qb import QueryBuilderEnvironment
from sqlalchemy.engine import AdaptedConnection

from twinstile.platform.db.database import Raw
from twinstile.platform.ops.jobs import SETTINGS

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


async def _execute(raw: Raw, *, statements: str) -> None:
    """Several statements in one go: a prepared one could hold only one of them."""
    await raw.execute(statements)


def upgrade() -> None:
    statements = QueryBuilderEnvironment(SETTINGS).build_install_query()
    adapted = cast(
        "AdaptedConnection", cast("object", op.get_bind().connection.dbapi_connection)
    )
    adapted.run_async(partial(_execute, statements=statements))
    schema = SETTINGS.db_schema
    op.execute(f"GRANT USAGE ON SCHEMA {schema} TO twinstile_app")
    every = "SELECT, INSERT, UPDATE, DELETE"
    op.execute(f"GRANT {every} ON ALL TABLES IN SCHEMA {schema} TO twinstile_app")
    op.execute(f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA {schema} TO twinstile_app")
