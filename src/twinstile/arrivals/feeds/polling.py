"""Asking departments: when it is time, by one process at a time, each beside the others.

What comes is landed piece by piece, with the place to go on from; how it went is kept in the
feed's row, where every process finds it. A process that dies leaves a lease that runs out; one
whose database went away takes its own up again.
"""

import asyncio
import random
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, cast
from uuid import UUID

from pydantic import TypeAdapter

from twinstile.arrivals.feeds import inbox
from twinstile.arrivals.feeds.config import FeedSource
from twinstile.arrivals.transport import FeedFault, FeedTransport, FetchedDelivery
from twinstile.platform.db.database import Database, Transaction, as_json
from twinstile.platform.http.circuit_breaker import Breaker
from twinstile.platform.http.problems import Problem
from twinstile.platform.keys.data_keys import KeyRing, KeyUnavailable
from twinstile.platform.keys.master_keys import MasterUnavailable
from twinstile.platform.ops import observability

LONGEST_S: Final = 90.0
"""Of one poll; what was landed by then stands, and the next goes on."""
LEASE: Final = timedelta(seconds=LONGEST_S + 30)
EARLY: Final = timedelta(seconds=2)
"""A poll may come that much too soon: ticks are not exact."""
CLOSE_S: Final = 5.0
FAULTS_OF_FILES: Final = frozenset({"bad-name", "changed-while-read", "too-many-files"})
"""Faults of single files: the department answers, and the others were read."""
FAILED: Final = "failed"
"""The word for a fault of ours."""

_BREAKER: Final = TypeAdapter(Breaker)


@dataclass(frozen=True, slots=True)
class Poller:
    """What departments are asked with. `worker` tells processes apart."""

    database: Database
    keys: KeyRing
    worker: UUID
    now: Callable[[], datetime]
    chance: Callable[[], float] = random.random


@dataclass(frozen=True, slots=True)
class PollClaim:
    """A poll that is this process's to do, and from where."""

    cursor: str | None
    """As it is kept; see `inbox.cursor_of`."""
    breaker: Breaker


@dataclass(frozen=True, slots=True)
class PollResult:
    """How a poll ended: the word for what went wrong, or whether everything there was came."""

    fault: str | None = None
    retry_after_s: float | None = None
    complete: bool = True


async def poll_feed(poller: Poller, sender: FeedSource) -> PollResult | None:
    """Ask the department if it is time to. None: it is not, or another process does.

    Raises `Problem`, `KeyUnavailable`, `MasterUnavailable` for trouble of our own, by which the
    department is not judged.
    """
    async with poller.database.transaction() as tx:
        turn = await claim_poll(tx, sender, poller.worker, poller.now())
    if turn is None:
        return None
    asked = await _ask(poller, sender, turn)
    async with poller.database.transaction() as tx:
        await _settle(tx, poller, sender, turn, asked)
    if asked.fault is not None:
        observability.log.warning("feed failed", feed=sender.feed.name, fault=asked.fault)
    return asked


_STAND = """
INSERT INTO feed_state (hub_id, feed) SELECT hub_id, $2 FROM hub WHERE hub_id = $1
ON CONFLICT (hub_id, feed) DO UPDATE SET feed = excluded.feed
RETURNING cursor, breaker, polled_at, not_before, leased_by, leased_until
"""
_LEASE = """
UPDATE feed_state SET leased_by = $3, leased_until = $4, polled_at = $5, breaker = $6::jsonb
WHERE hub_id = $1 AND feed = $2
"""


async def claim_poll(
    tx: Transaction, sender: FeedSource, worker: UUID, now: datetime
) -> PollClaim | None:
    """Take a poll that is due for this process, if there is such a hub.

    A clock set back keeps nobody waiting.
    """
    place = sender.feed.hub_id, sender.feed.name
    row = await tx.raw.fetchrow(_STAND, *place)
    if row is None:
        return None
    cursor, told, polled_at, not_before, leased_by, leased_until = row
    breaker = _BREAKER.validate_python(told)
    others = leased_by not in {None, worker} and now < leased_until <= now + LEASE
    asked = polled_at is not None and now - sender.interval + EARLY < polled_at <= now
    later = not_before is not None and now < not_before
    if others or asked or later or not breaker.allows(now):
        return None
    breaker = breaker.asked(now)
    await tx.raw.execute(_LEASE, *place, worker, now + LEASE, now, _breaker_json(breaker))
    return PollClaim(cursor, breaker)


async def _ask(poller: Poller, sender: FeedSource, turn: PollClaim) -> PollResult:
    """Land whatever the department has. What was landed before a fault stands."""
    try:
        transport = await asyncio.to_thread(sender.open)
        if transport is None:
            return PollResult()
    except FeedFault as fault:
        return PollResult(fault.reason)
    try:
        keys = poller.keys.of(sender.feed.hub_id)
        cursor = await inbox.open_cursor(keys, sender.feed, turn.cursor)
        return await _fetch(poller, sender, transport, cursor)
    except FeedFault as fault:
        return PollResult(fault.reason, fault.retry_after_s)
    except (Problem, KeyUnavailable, MasterUnavailable):
        raise
    except Exception as error:  # noqa: BLE001 # one feed's trouble is not the others'
        observability.log.error(
            "poll broke", feed=sender.feed.name, error=observability.error_kind(error)
        )
        return PollResult(FAILED)
    finally:
        await _close(transport)


async def _fetch(
    poller: Poller, sender: FeedSource, transport: FeedTransport, cursor: str | None
) -> PollResult:
    landed, deadline = 0, asyncio.timeout(LONGEST_S)
    # every transport's is one; left open, it would keep its hands on files and connections
    fetching = cast("AsyncGenerator[FetchedDelivery]", transport.fetch(cursor, poller.now()))
    try:
        async with deadline, aclosing(fetching) as brought:
            async for fetched in brought:
                if not await _receive(poller, sender, fetched):
                    return PollResult(complete=False)
                await transport.acknowledge(fetched)
                landed += 1
    except TimeoutError:
        if not deadline.expired():
            raise
        return PollResult(None if landed else "timeout", complete=False)
    return PollResult()


_OURS = """
SELECT 1 FROM feed_state WHERE hub_id = $1 AND feed = $2 AND leased_by = $3 FOR UPDATE
"""


async def _receive(poller: Poller, sender: FeedSource, fetched: FetchedDelivery) -> bool:
    """False: the lease ran out and another process asks; what it brought is newer than this."""
    feed, keys = sender.feed, poller.keys.of(sender.feed.hub_id)
    async with poller.database.transaction() as tx:
        if not await tx.raw.fetchrow(_OURS, feed.hub_id, feed.name, poller.worker):
            return False
        await inbox.receive_fetched(tx, keys, feed, fetched, poller.now())
    return True


async def _close(transport: FeedTransport) -> None:
    """Let go of the department; one that does not let go of us is left to itself."""
    try:
        async with asyncio.timeout(CLOSE_S):
            await transport.close()
    except Exception as error:  # noqa: BLE001 # there is nothing more to do with it
        observability.log.warning("feed not closed", error=observability.error_kind(error))


_SETTLE = """
UPDATE feed_state SET leased_by = NULL, leased_until = NULL, breaker = $4::jsonb,
    as_of = coalesce($5, as_of), fault = $6, fault_at = $7, not_before = $8,
    failures = CASE WHEN $6::text IS NULL THEN 0 ELSE failures + 1 END
WHERE hub_id = $1 AND feed = $2 AND leased_by = $3
"""


async def _settle(
    tx: Transaction, poller: Poller, sender: FeedSource, turn: PollClaim, result: PollResult
) -> None:
    """Keep how it went, unless another process has the feed by now."""
    now, answered = poller.now(), result.fault is None or result.fault in FAULTS_OF_FILES
    breaker = (
        turn.breaker.succeeded() if answered else turn.breaker.failed(now, poller.chance())
    )
    wait = timedelta(seconds=result.retry_after_s or 0)
    await tx.raw.execute(
        _SETTLE,
        sender.feed.hub_id,
        sender.feed.name,
        poller.worker,
        _breaker_json(breaker),
        now if answered and result.complete else None,
        result.fault,
        now if result.fault else None,
        now + wait if wait else None,
    )


def _breaker_json(breaker: Breaker) -> str:
    return as_json(_BREAKER.dump_python(breaker, mode="json"))
