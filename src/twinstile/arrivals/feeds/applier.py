"""The applier: beside the requests of every process it applies what has landed, soon after.

Any number of processes may run it. One at a time works on a feed: it holds an advisory lock on
a connection of its own, which the server lets go of when the process dies, however it dies.
Feeds are worked on beside each other, so that none waits for another's long list.
"""

import asyncio
import time
from collections.abc import Sequence
from typing import Final

from twinstile.arrivals.feeds import applying
from twinstile.arrivals.feeds.applying import ApplyRuntime
from twinstile.arrivals.feeds.config import FeedSource
from twinstile.identity import forms
from twinstile.platform.db.database import Database, Raw, living
from twinstile.platform.http.routes import Runtime
from twinstile.platform.ops import clock, observability
from twinstile.platform.security import devices

LOOK_S: Final = 0.5
LOOK_BACK_S: Final = 2.0
"""How often it is looked whether a run was announced that rows wait for."""
RESTART_S: Final = 2.0
REST_S: Final = 5.0
"""After a feed could not be worked on: the keys or the database are away."""
MOST_AT_ONCE: Final = 3
"""Feeds of one process: each takes a connection, and turns at the processor."""
NAME: Final = "applier"

_DUE = """
SELECT s.place FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS s(hub_id, feed, place)
WHERE EXISTS (
    SELECT FROM feed_delivery d
    WHERE d.hub_id = s.hub_id AND d.feed = s.feed AND d.state = 'LANDED' AND d.due_at <= $3
) ORDER BY random()
"""
# a thousand deliveries may wait for the same run: each number is looked up once
_AWAITED = """
WITH number AS MATERIALIZED (
    SELECT DISTINCT hub_id, feed, scheme, service_no, service_date FROM feed_waiting
)
SELECT DISTINCT s.place
FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS s(hub_id, feed, place)
JOIN number USING (hub_id, feed)
JOIN run_alias USING (hub_id, scheme, service_no, service_date)
"""
_LOCK = "SELECT pg_try_advisory_lock(hashtextextended('feed ' || $1 || ' ' || $2, 0))"
_UNLOCK = "SELECT pg_advisory_unlock(hashtextextended('feed ' || $1 || ' ' || $2, 0))"


async def run_applier(
    runtime: Runtime, database: Database, senders: Sequence[FeedSource], stop: asyncio.Event
) -> None:
    """Apply what has landed until `stop`, through restarts of PostgreSQL.

    Its `database` needs one connection more than `MOST_AT_ONCE`.
    """
    while senders and not stop.is_set():
        try:
            async with database.engine.connect() as sql:
                await _Work(runtime, database, senders, await living(sql)).go_on(stop)
        except Exception as error:  # noqa: BLE001 # it must outlive any outage
            observability.JOBS.labels(NAME, "interrupted").inc()
            observability.log.warning(
                "applier interrupted", error=observability.error_kind(error)
            )
            await clock.pause(stop, RESTART_S)


class _Work:
    """What one connection holds the locks for."""

    def __init__(
        self, runtime: Runtime, database: Database, senders: Sequence[FeedSource], locks: Raw
    ) -> None:
        self._house = runtime
        self._database = database
        self._senders = senders
        self._locks = locks
        self._busy: dict[int, asyncio.Task[None]] = {}
        self._resting: dict[int, float] = {}
        self._looked_back = -LOOK_BACK_S

    async def go_on(self, stop: asyncio.Event) -> None:
        """Raises what the connection for locks raises; what was at work ends then."""
        try:
            while not stop.is_set():
                await self._begin_due()
                await clock.pause(stop, LOOK_S)
                await self._end_done()
        finally:
            for task in self._busy.values():
                task.cancel()
            await asyncio.gather(*self._busy.values(), return_exceptions=True)

    async def _begin_due(self) -> None:
        hubs = [one.feed.hub_id for one in self._senders]
        feeds = [one.feed.name for one in self._senders]
        rows = [*await self._locks.fetch(_DUE, hubs, feeds, clock.now())]
        if time.monotonic() - self._looked_back >= LOOK_BACK_S:
            rows += await self._locks.fetch(_AWAITED, hubs, feeds)
            self._looked_back = time.monotonic()
        for place in (int(row[0]) - 1 for row in rows):
            resting = self._resting.get(place, 0) > time.monotonic()
            if len(self._busy) >= MOST_AT_ONCE or place in self._busy or resting:
                continue
            locked = await self._locks.fetchrow(_LOCK, hubs[place], feeds[place])
            if locked and locked[0]:
                self._busy[place] = asyncio.create_task(self._apply(self._senders[place]))

    async def _end_done(self) -> None:
        for place, task in list(self._busy.items()):
            if not task.done():
                continue
            del self._busy[place]
            feed = self._senders[place].feed
            await self._locks.fetchrow(_UNLOCK, feed.hub_id, feed.name)
            if error := task.exception():
                self._resting[place] = time.monotonic() + REST_S
                observability.JOBS.labels(NAME, "failed").inc()
                observability.log.warning(
                    "feed not applied", feed=feed.name, error=observability.error_kind(error)
                )

    async def _apply(self, sender: FeedSource) -> None:
        feed, runtime = sender.feed, self._house
        async with self._database.reading() as tx:
            mode = await devices.mode_of(tx, feed.hub_id)
        if mode is None:
            return
        terms = forms.terms(runtime.settings, mode, clock.now())
        desk = ApplyRuntime(self._database, runtime.keys.of(feed.hub_id), terms, clock.now)
        await applying.apply_due(desk, feed)
