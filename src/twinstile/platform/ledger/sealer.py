"""The sealer: beside the requests of every process it seals what was committed, and publishes.

Any number of processes may run it: the head of a hub is locked for each batch, and who finds it
locked passes on. Looking costs one statement every quarter of a second; there is nothing to
hand over when a process dies, and nothing to make good after it.
"""

import asyncio
import time
from collections.abc import Awaitable
from pathlib import Path

from twinstile.platform.db.database import Database
from twinstile.platform.http.problems import Unavailable
from twinstile.platform.keys.data_keys import KeyRing, KeyUnavailable
from twinstile.platform.ledger import chain, signed_roots
from twinstile.platform.ops import clock, observability

LOOK_S = 0.25
PUBLISH_S = 60.0
RESTART_S = 1.0
NAME = "sealer"


async def run(database: Database, keys: KeyRing, file: Path, stop: asyncio.Event) -> None:
    """Seal within a second and publish every minute until `stop`, and then once more.

    Give it a pool of its own. Outages are counted, logged and waited out.
    """
    publish_at = time.monotonic() + PUBLISH_S  # not the clock: it may step
    while not stop.is_set():
        pause = LOOK_S if await _try(seal(database), "interrupted") else RESTART_S
        if time.monotonic() >= publish_at:
            publish_at = time.monotonic() + PUBLISH_S
            await _try(publish(database, keys, file), "failed")
        await clock.pause(stop, pause)
    await _try(seal(database), "interrupted")
    await _try(publish(database, keys, file), "failed")


async def seal(database: Database) -> None:
    """Seal everything that can be sealed now, of every hub.

    A hub that cannot be sealed holds up no other; the last error of one is raised in the end.
    Raises `Unavailable`.
    """
    async with database.reading() as tx:
        hubs = await chain.waiting(tx.raw)
    trouble: Exception | None = None
    for hub_id in hubs:
        try:
            await _seal(database, hub_id)
        except Unavailable:  # then no other can be sealed either
            raise
        except Exception as error:  # noqa: BLE001 # whatever is wrong with this one
            observability.log.error(
                "not sealed", hub=hub_id, error=observability.error_kind(error)
            )
            trouble = error
    if trouble is not None:
        raise trouble


async def _seal(database: Database, hub_id: str) -> None:
    sealed = chain.BATCH
    while sealed == chain.BATCH:
        async with database.transaction() as tx:
            sealed = await chain.seal(tx, hub_id, clock.now())


async def publish(database: Database, keys: KeyRing, file: Path) -> None:
    """Publish the root of every hub that has grown.

    A hub whose keys cannot be had holds up no other; each is logged, and the last such
    `KeyUnavailable` raised in the end. Raises `OSError` for a file that cannot be written.
    """
    async with database.reading() as tx:
        found = await tx.raw.fetch(
            "SELECT hub_id FROM ledger_head WHERE published_n < n ORDER BY hub_id"
        )
    trouble: KeyUnavailable | None = None
    for (hub_id,) in found:
        try:
            async with database.transaction() as tx:
                await signed_roots.publish(tx, hub_id, keys.of(hub_id), file, clock.now())
        except KeyUnavailable as error:
            observability.log.error(
                "not published", hub=hub_id, error=observability.error_kind(error)
            )
            trouble = error
    if trouble is not None:
        raise trouble


async def _try(work: Awaitable[None], outcome: str) -> bool:
    try:
        await work
    except Exception as error:  # noqa: BLE001 # it must outlive any outage
        observability.JOBS.labels(NAME, outcome).inc()
        observability.log.warning(
            "sealer stopped", what=outcome, error=observability.error_kind(error)
        )
        return False
    return True
