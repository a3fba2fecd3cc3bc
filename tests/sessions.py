"""Database sessions seen and ended from outside, as its owner can."""

import asyncio
from collections.abc import Sequence

from twinstile.opening import Place
from twinstile.platform.db import Database


async def end(place: Place, backends: Sequence[int]) -> None:
    """End the sessions these server processes hold."""
    owner = Database(place.owner_url, pool_size=1)
    async with owner.reading() as tx:
        await tx.raw.fetch(
            "SELECT pg_terminate_backend(pid) FROM unnest($1::int[]) pid", backends
        )
    await owner.close()


async def count(place: Place, condition: str) -> int:
    """How many sessions of this database are so, as its owner sees them."""
    owner = Database(place.owner_url, pool_size=1)
    async with owner.reading() as tx:
        row = await tx.raw.fetchrow(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
            f" AND pid <> pg_backend_pid() AND {condition}"
        )
    await owner.close()
    assert row is not None
    number: int = row[0]
    return number


async def until_one_waits(place: Place) -> None:
    """Wait until a session waits for a lock, at most half a minute."""
    async with asyncio.timeout(30):
        while not await count(place, "wait_event_type = 'Lock'"):  # noqa: ASYNC110 # only the database knows
            await asyncio.sleep(0.01)


async def others(database: Database) -> list[int]:
    """Every session in this database besides the asking one."""
    async with database.reading() as tx:
        found = await tx.raw.fetch(
            "SELECT pid FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    return [row[0] for row in found]
