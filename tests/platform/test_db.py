"""The pool survives what happens to its server."""

import asyncio

import database_sessions
import pytest
from sqlalchemy import text

from twinstile.operations.startup import DatabaseTarget
from twinstile.platform.db.database import Database


async def backend(database: Database) -> int:
    """The process that serves one connection of the pool, kept busy for a moment."""
    async with database.reading() as tx:
        await tx.sql.execute(text("SELECT pg_sleep(0.05)"))
        row = await tx.raw.fetchrow("SELECT pg_backend_pid()")
    assert row is not None
    return row[0]


@pytest.mark.usefixtures("runtime")
async def test_after_a_restart_of_the_server_nobody_gets_a_dead_connection(
    place: DatabaseTarget,
) -> None:
    database = Database(place.service_url, pool_size=3, role=place.role)
    before = await asyncio.gather(*(backend(database) for _ in range(3)))
    await database_sessions.end(place, before)
    after = await asyncio.gather(*(backend(database) for _ in range(6)))
    assert not set(before) & set(after)
    await database.close()
