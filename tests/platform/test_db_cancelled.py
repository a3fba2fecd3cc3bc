"""A transaction cancelled at any moment leaves nothing half open on its connection."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from uuid import uuid4

import pytest

from twinstile.operations.startup import DatabaseTarget
from twinstile.platform.db.database import READ_ROLE, Database
from twinstile.platform.http.routes import Runtime


@pytest.fixture
async def database(place: DatabaseTarget, runtime: Runtime) -> AsyncGenerator[Database]:
    """One connection, so that whoever comes next gets the one left behind."""
    assert runtime.database is not None  # the schema is in place
    one = Database(place.service_url, pool_size=1, role=place.role)
    yield one
    await one.close()


async def _read(database: Database) -> None:
    async with database.reading(READ_ROLE) as tx:
        await tx.raw.fetchrow("SELECT 1")


async def _write(database: Database) -> None:
    async with database.transaction() as tx:
        await tx.raw.execute("SELECT 1")


async def _lane_is_kept(database: Database, runtime: Runtime, lane_id: str) -> bool:
    """Whether a write through the one connection is there for everybody."""
    async with database.transaction() as tx:
        await tx.raw.execute("INSERT INTO lane VALUES ('hub', $1, 'north', 'AUTO')", lane_id)
    async with runtime.database.reading() as tx:
        row = await tx.raw.fetchrow(
            "SELECT kind FROM lane WHERE hub_id = 'hub' AND lane_id = $1", lane_id
        )
    return row is not None


@pytest.mark.parametrize("work", [_read, _write])
async def test_what_is_acknowledged_after_a_cancelled_transaction_is_kept(
    database: Database, runtime: Runtime, work: Callable[[Database], Awaitable[None]]
) -> None:
    await _read(database)
    steps = 0
    while True:
        working = asyncio.ensure_future(work(database))
        for _ in range(steps):
            await asyncio.sleep(0)
        done = working.done()
        working.cancel()
        await asyncio.wait([working])
        assert await _lane_is_kept(database, runtime, uuid4().hex), f"left after {steps} steps"
        if done:
            return
        steps += 1
