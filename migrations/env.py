"""Run by Alembic on the connection that `twinstile.platform.db.schema` opened and locked."""

from alembic import context
from sqlalchemy import Connection

from twinstile.platform.db.schema import is_ours, metadata


def run(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=metadata(),
        include_object=is_ours,
        compare_type=True,
        transaction_per_migration=True,
    )
    with context.begin_transaction():
        context.run_migrations()


run(context.config.attributes["connection"])
