"""Applying deliveries: a few records at a time, each time with the progress in one transaction.

Killed anywhere, it goes on with the record after the last that was committed. A record the
database will not have is found by halves and set aside; its neighbours are stored. What the
outside has no part in (the database away, a key that cannot be had) is no attempt: it is gone
through again when all is well.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final
from uuid import UUID

import asyncpg
import orjson

from twinstile.arrivals import runs
from twinstile.arrivals.authorities import KEY
from twinstile.arrivals.feeds import deliveries, landing, reading, told, travellers
from twinstile.arrivals.feeds.landing import StoredDelivery
from twinstile.arrivals.feeds.reading import Read, Stream, Whole
from twinstile.arrivals.feeds.turns import BatchContext, BatchCounts
from twinstile.arrivals.feeds.types import DeliveryState, FeedSettings
from twinstile.arrivals.formats.reasons import RejectReason
from twinstile.arrivals.records import (
    ArrivalEvent,
    HealthStatus,
    IdentityAlert,
    KeyAreaRecord,
    ManifestEnd,
    ManifestRow,
    Reject,
    UnknownColumns,
)
from twinstile.identity.forms import DocumentContext
from twinstile.platform.db.database import Database
from twinstile.platform.http.problems import Unavailable
from twinstile.platform.keys.data_keys import KeyDestroyed, KeyFiles
from twinstile.platform.keys.master_keys import MasterUnavailable
from twinstile.platform.ops.observability import log

AT_ONCE: Final = 250
"""Records of one transaction: a gate that shows one of them waits for no more."""
MOST_DELIVERIES: Final = 50
"""Of one call, so that whoever calls sees to other things between."""
MOST_S: Final = 5.0
"""After which a call begins no other delivery: of more feeds than a process works on at once,
none waits for another's backlog."""
_POISON: Final = (
    asyncpg.DataError,
    asyncpg.IntegrityConstraintViolationError,
    asyncpg.ProgramLimitExceededError,
    ValueError,
    orjson.JSONEncodeError,
)
"""What a record may do to the driver or the database."""


@dataclass(frozen=True, slots=True)
class ApplyRuntime:
    """What feeds of one hub are applied with. `terms` are those of this day."""

    database: Database
    keys: KeyFiles
    terms: DocumentContext
    now: Callable[[], datetime]


async def apply_due(desk: ApplyRuntime, feed: FeedSettings) -> int:
    """Apply what is due of a feed, each delivery as far as it goes; how many were looked at.

    Raises `Unavailable` and its kin, `MasterUnavailable`: then nothing is lost, and it is to be
    called again.
    """
    async with desk.database.transaction() as tx:
        await deliveries.wake_waiting(tx, feed, desk.now())
    async with desk.database.reading() as tx:
        due = await deliveries.due_deliveries(tx, feed, desk.now(), MOST_DELIVERIES)
    until = time.monotonic() + MOST_S
    for looked_at, delivery_id in enumerate(due, 1):
        await apply_delivery(desk, feed, delivery_id)
        if time.monotonic() >= until:
            return looked_at
    return len(due)


async def apply_delivery(desk: ApplyRuntime, feed: FeedSettings, delivery_id: UUID) -> None:
    """Apply one delivery from where it stands. See `work`."""
    async with desk.database.reading() as tx:
        kept = await landing.get_delivery(tx, feed, delivery_id)
    if kept is None or kept.state is not DeliveryState.LANDED:
        return
    try:
        await _apply(await _begun(desk, feed, kept))
    except (Unavailable, MasterUnavailable):
        raise
    except KeyDestroyed:
        await _end(desk, feed, kept, kept.taken, RejectReason.KEY_GONE)
    except Exception as error:  # noqa: BLE001 -- one delivery holds up no other
        log.warning("a delivery failed", feed=feed.name, error=type(error).__name__)
        async with desk.database.transaction() as tx:
            await deliveries.fail_delivery(
                tx, feed, delivery_id, RejectReason.FAILED, desk.now()
            )


@dataclass(frozen=True, slots=True)
class _Job:
    """A delivery that is being applied."""

    desk: ApplyRuntime
    feed: FeedSettings
    kept: StoredDelivery
    key: bytes
    stream: Stream
    whole: Whole


async def _begun(desk: ApplyRuntime, feed: FeedSettings, kept: StoredDelivery) -> _Job:
    """Open a delivery and go to where it stands, beside the other work of the process."""
    key = await desk.keys.obtain(KEY)
    async with desk.database.reading() as tx:
        delivery = await landing.open_delivery(tx, desk.keys, feed.hub_id, kept)
        scheme = reading.scheme_of_calls(feed)
        known = runs.hub_calls(tx, feed.hub_id, scheme, desk.now()) if scheme else None
        calls = await known if known else dict[tuple[str, date], int]()

    def begin() -> _Job:
        stream = Stream(feed, delivery, kept.day, calls)
        whole = stream.whole_lists()
        stream.skip(kept.taken)
        return _Job(desk, feed, kept, key, stream, whole)

    return await asyncio.to_thread(begin)


async def _apply(job: _Job) -> None:
    taken = job.kept.taken
    while chunk := await asyncio.to_thread(job.stream.take, AT_ONCE):
        if not await _settle(job, chunk, taken):
            return
        taken += len(chunk)
    await _end(job.desk, job.feed, job.kept, taken, job.stream.fault)


async def _end(
    desk: ApplyRuntime, feed: FeedSettings, kept: StoredDelivery, taken: int, fault: str | None
) -> None:
    async with desk.database.transaction() as tx:
        if await deliveries.claim_delivery(tx, feed, kept.delivery_id, taken) is not None:
            await deliveries.end_delivery(tx, feed, kept.delivery_id, fault, desk.now())


async def _settle(
    job: _Job, chunk: Sequence[Read], taken: int, *, spoilt: bool = False
) -> bool:
    """Apply some records, in halves if the database refuses one of them.

    False: somebody else goes on with the delivery.
    """
    try:
        return await _write(job, chunk, taken, spoilt=spoilt)
    except _POISON as error:
        one = chunk[0]
        if spoilt and isinstance(one, Reject):
            raise
        if spoilt:  # not even who it is about can be asked
            aside = Reject(_row(one), RejectReason.NOT_STORABLE)
            return await _settle(job, [aside], taken, spoilt=True)
        if len(chunk) == 1:
            log.warning("a row was set aside", feed=job.feed.name, error=type(error).__name__)
            return await _settle(job, chunk, taken, spoilt=True)
    half = len(chunk) // 2
    first = await _settle(job, chunk[:half], taken)
    return first and await _settle(job, chunk[half:], taken + half)


def _row(one: Read) -> int:
    match one:
        case UnknownColumns():
            return 0
        case Reject():
            return one.row
        case _:
            return one.origin.row


async def _write(job: _Job, chunk: Sequence[Read], taken: int, *, spoilt: bool) -> bool:
    desk, feed, delivery_id = job.desk, job.feed, job.kept.delivery_id
    async with desk.database.transaction() as tx:
        aside = await deliveries.claim_delivery(tx, feed, delivery_id, taken)
        if aside is None:
            return False
        at, n = desk.now(), job.kept.n
        turn = BatchContext(tx, desk.keys, feed, desk.terms, job.key, n, job.whole, at, spoilt)
        tally = BatchCounts()
        await _take(turn, _Sorted.out(chunk, taken), tally)
        await deliveries.advance(tx, feed, delivery_id, len(chunk), tally, aside)
    return True


async def _take(turn: BatchContext, found: "_Sorted", tally: BatchCounts) -> None:
    """Runs first: their travellers may stand beside them."""
    tally.rejects += found.rejects
    if found.runs:
        await told.apply_runs(turn, found.runs, tally)
    if found.travellers or found.ends:
        await travellers.apply_travellers(turn, found.travellers, found.ends, tally)
    if found.people:
        await told.apply_people(turn, found.people, tally)
    if found.areas:
        await told.apply_areas(turn, found.areas, tally)
    await deliveries.see(turn.tx, turn.feed, found.columns, turn.at)


@dataclass(frozen=True, slots=True)
class _Sorted:
    """Records by what they speak of, each with its place in the delivery."""

    runs: list[tuple[int, ArrivalEvent]]
    travellers: list[tuple[int, ManifestRow]]
    ends: list[ManifestEnd]
    people: list[tuple[int, IdentityAlert | HealthStatus]]
    areas: list[tuple[int, KeyAreaRecord]]
    rejects: list[tuple[int, Reject]]
    columns: set[str]

    @classmethod
    def out(cls, chunk: Sequence[Read], start: int) -> "_Sorted":
        found = cls([], [], [], [], [], [], set())
        for place, one in enumerate(chunk, start):
            match one:
                case ArrivalEvent():
                    found.runs.append((place, one))
                case ManifestRow():
                    found.travellers.append((place, one))
                case ManifestEnd():
                    found.ends.append(one)
                case IdentityAlert() | HealthStatus():
                    found.people.append((place, one))
                case KeyAreaRecord():
                    found.areas.append((place, one))
                case Reject():
                    found.rejects.append((place, one))
                case UnknownColumns(columns):
                    found.columns.update(columns)
        return found
