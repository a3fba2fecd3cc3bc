"""What one process keeps for its partners: who they are, how much they ask, who waits."""

import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from uuid import UUID

from twinstile.platform.db.database import Database
from twinstile.platform.http.problems import TooMany
from twinstile.platform.ledger import chain
from twinstile.platform.ops import clock
from twinstile.platform.security.quotas import RateLimit
from twinstile.sharing import changes
from twinstile.sharing.changes import CursorExpired, Page
from twinstile.sharing.partners import Doorkeeper
from twinstile.sharing.types import SOURCES, ChangeType, Partner
from twinstile.sharing.watcher import FeedPosition, Watcher, heads

REQUESTS_A_MINUTE = 240
WRONG_SECRETS_A_MINUTE = 10
WAITING_AT_ONCE = 4
"""Requests of one partner that may wait in one process."""
STILL_THERE_S = 1.0
"""How often it is looked whether a client that waits has left."""


@dataclass(frozen=True, slots=True)
class FeedRequest:
    """One request of the feed; `wait` in seconds."""

    partner: Partner
    token: str = field(repr=False)
    key: bytes = field(repr=False)
    types: Sequence[ChangeType]
    limit: int
    wait: int

    @property
    def kinds(self) -> list[str]:
        """The kinds of events it is about."""
        return [SOURCES[type_] for type_ in self.types]


@dataclass(frozen=True, slots=True)
class FeedPage:
    """A page of an epoch, and whether there is more to read at once."""

    epoch: str
    page: Page
    more: bool


class Feed:
    """The feed of changes, for all partners of all hubs of this process."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.doorkeeper: Doorkeeper = Doorkeeper(database)
        self.watcher: Watcher = Watcher(database)
        self.requests: RateLimit = RateLimit(REQUESTS_A_MINUTE)
        self.wrong: RateLimit = RateLimit(WRONG_SECRETS_A_MINUTE)
        self._waiting: dict[UUID, int] = {}

    async def read(
        self, request: FeedRequest, after: str | None, left: Callable[[], Awaitable[bool]]
    ) -> FeedPage:
        """What comes after the cursor; `left` tells whether the client is gone.

        Raises `CursorExpired`, `InvalidInput` for no cursor of ours, `TooMany`.
        """
        partner, kinds = request.partner, request.kinds
        head = await self._head(partner.hub_id)
        epoch, n = (head.epoch, 0) if after is None else changes.decode(request.key, after)
        if epoch != head.epoch or n > head.n:
            raise CursorExpired
        if request.wait and not head.has(kinds, n):
            if not await self._wait(request, head, n, left):
                return FeedPage(epoch, Page((), head.n), more=False)
            await self.doorkeeper.partner(request.token)  # shut out meanwhile?
            head = await self._head(partner.hub_id)
            if head.epoch != epoch:
                raise CursorExpired
        page = Page((), head.n)
        if head.has(kinds, n):
            async with self._database.transaction() as tx:
                page = await changes.read(
                    tx,
                    partner,
                    request.key,
                    request.types,
                    (n, head.n),
                    request.limit,
                    clock.now(),
                )
        return FeedPage(epoch, page, more=head.has(kinds, page.next_n))

    async def _head(self, hub_id: str) -> FeedPosition:
        async with self._database.reading() as tx:
            found = await heads(tx.raw, [hub_id])
        if hub_id not in found:  # nothing was sealed yet: a cursor needs an epoch to hold in
            async with self._database.transaction() as tx:
                await chain.seal(tx, hub_id, clock.now())
                found = await heads(tx.raw, [hub_id])
        return found[hub_id]

    async def _wait(
        self,
        request: FeedRequest,
        head: FeedPosition,
        n: int,
        left: Callable[[], Awaitable[bool]],
    ) -> bool:
        """Whether something came up in time, and the client is still there."""
        deadline = time.monotonic() + request.wait
        hub_id = request.partner.hub_id
        async with self._place(request.partner.partner_id):
            while (rest := deadline - time.monotonic()) > 0 and not await left():
                pause = min(rest, STILL_THERE_S)
                if await self.watcher.wait(hub_id, request.kinds, head, n, pause):
                    return True
        return False

    @asynccontextmanager
    async def _place(self, partner_id: UUID) -> AsyncGenerator[None]:
        taken = self._waiting.get(partner_id, 0)
        if taken >= WAITING_AT_ONCE:
            raise TooMany(retry_after_s=1)
        self._waiting[partner_id] = taken + 1
        try:
            yield
        finally:
            self._waiting[partner_id] -= 1
            if not self._waiting[partner_id]:
                del self._waiting[partner_id]
