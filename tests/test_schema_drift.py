"""The migrations build exactly the tables that the code describes."""

import pytest
from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from twinstile.operations import startup
from twinstile.operations.startup import DatabaseTarget
from twinstile.platform.db import schema


@pytest.mark.filterwarnings("ignore:Did not recognize type 'xid8'")  # and is not compared
async def test_migrations_lead_to_the_tables_of_the_code(place: DatabaseTarget) -> None:
    def compare(connection: Connection) -> None:
        settings = schema.config()
        settings.attributes["connection"] = connection
        command.check(settings)  # raises with the differences

    await startup.prepare(place)
    engine = create_async_engine(place.owner_url, poolclass=NullPool)
    async with engine.connect() as connection:
        await connection.run_sync(compare)


def test_migrations_have_one_end() -> None:
    assert len(ScriptDirectory.from_config(schema.config()).get_heads()) == 1
