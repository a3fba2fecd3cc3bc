"""Waiting for changes: one look a process at the heads of ledgers, however many clients wait.

Nobody holds a connection while waiting. The sealer notes the last number of each kind of event
in the head, so a look reads one row a hub, and who waits for other kinds is not woken.
"""

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import cast

from twinstile.platform.db.database import Database, Raw
from twinstile.platform.ops import observability

LOOK_S = 0.25
RESTART_S = 1.0


@dataclass(frozen=True, slots=True)
class FeedPosition:
    """How far a hub's ledger goes, and the last number of each kind of event."""

    epoch: str
    n: int
    latest: Mapping[str, int]

    def has(self, kinds: Collection[str], after: int) -> bool:
        """Whether there is an event of these kinds after that number."""
        return any(self.latest.get(kind, 0) > after for kind in kinds)


@dataclass(eq=False, slots=True)
class _Waiter:
    hub_id: str
    kinds: Collection[str]
    seen: FeedPosition
    after: int
    woken: asyncio.Event = field(default_factory=asyncio.Event)


async def heads(raw: Raw, hub_ids: Collection[str]) -> dict[str, FeedPosition]:
    """The heads of these hubs, of those that have a ledger."""
    found = await raw.fetch(
        "SELECT hub_id, epoch, n, latest FROM ledger_head WHERE hub_id = ANY($1::text[])",
        list(hub_ids),
    )
    return {
        hub_id: FeedPosition(epoch, n, cast("Mapping[str, int]", latest))
        for hub_id, epoch, n, latest in found
    }


class Watcher:
    """Wakes who waits; works only while somebody does."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: set[_Waiter] = set()
        self._looking: asyncio.Task[None] | None = None

    async def wait(
        self,
        hub_id: str,
        kinds: Collection[str],
        seen: FeedPosition,
        after: int,
        seconds: float,
    ) -> bool:
        """Whether within that time an event of these kinds, or a new epoch, came up."""
        waiter = _Waiter(hub_id, kinds, seen, after)
        self._waiting.add(waiter)
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look())
        try:
            async with asyncio.timeout(seconds):
                await waiter.woken.wait()
        except TimeoutError:
            return False
        finally:
            self._waiting.discard(waiter)
        return True

    async def _look(self) -> None:
        while self._waiting:
            await asyncio.sleep(LOOK_S)
            hubs = {waiter.hub_id for waiter in self._waiting}
            try:
                async with self._database.reading() as tx:
                    found = await heads(tx.raw, hubs)
            except Exception as error:  # noqa: BLE001 # whoever waits is told at its deadline
                observability.log.warning(
                    "watcher waits", error=observability.error_kind(error)
                )
                await asyncio.sleep(RESTART_S)
                continue
            for waiter in self._waiting:
                head = found.get(waiter.hub_id, waiter.seen)
                if head.epoch != waiter.seen.epoch or head.has(waiter.kinds, waiter.after):
                    waiter.woken.set()
