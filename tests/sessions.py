"""Database sessions ended from outside, as a restart of the server ends them."""

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


async def others(database: Database) -> list[int]:
    """Every session in this database besides the asking one."""
    async with database.reading() as tx:
        found = await tx.raw.fetch(
            "SELECT pid FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    return [row[0] for row in found]
