"""The applier: beside the requests of every process it applies what has landed, soon after.

Any number of processes may run it. One at a time works on a feed: it holds an advisory lock on
a connection of its own, which the server lets go of when the process dies, however it dies.
Feeds are worked on beside each other, so that none waits for another's long list.
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
from twinstile.arrivals.feeds import apply_records, apply_travellers, deliveries, inbox, reading
from twinstile.arrivals.feeds.apply_batch import BatchContext, BatchCounts
from twinstile.arrivals.feeds.config import FeedSource
from twinstile.arrivals.feeds.inbox import DeliveryState, StoredDelivery
from twinstile.arrivals.feeds.reading import FeedSettings, ReadItem, Stream, WholeLists
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
from twinstile.identity import forms
from twinstile.identity.forms import DocumentContext
from twinstile.platform.db.database import Database, Raw, living
from twinstile.platform.http.problems import Unavailable
from twinstile.platform.http.routes import Runtime
from twinstile.platform.keys.data_keys import KeyDestroyed, KeyFiles
from twinstile.platform.keys.master_keys import MasterUnavailable
from twinstile.platform.ops import clock, observability
from twinstile.platform.ops.observability import log
from twinstile.platform.security import devices

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


async def apply_due(runtime: ApplyRuntime, feed: FeedSettings) -> int:
    """Apply what is due of a feed, each delivery as far as it goes; how many were looked at.

    Raises `Unavailable` and its kin, `MasterUnavailable`: then nothing is lost, and it is to be
    called again.
    """
    async with runtime.database.transaction() as tx:
        await deliveries.wake_waiting(tx, feed, runtime.now())
    async with runtime.database.reading() as tx:
        due = await deliveries.due_deliveries(tx, feed, runtime.now(), MOST_DELIVERIES)
    until = time.monotonic() + MOST_S
    for looked_at, delivery_id in enumerate(due, 1):
        await apply_delivery(runtime, feed, delivery_id)
        if time.monotonic() >= until:
            return looked_at
    return len(due)


async def apply_delivery(runtime: ApplyRuntime, feed: FeedSettings, delivery_id: UUID) -> None:
    """Apply one delivery from where it stands. See `_apply_chunk`."""
    async with runtime.database.reading() as tx:
        kept = await inbox.get_delivery(tx, feed, delivery_id)
    if kept is None or kept.state is not DeliveryState.LANDED:
        return
    try:
        await _apply(await _open_job(runtime, feed, kept))
    except (Unavailable, MasterUnavailable):
        raise
    except KeyDestroyed:
        await _end(runtime, feed, kept, kept.position, RejectReason.KEY_GONE)
    except Exception as error:  # noqa: BLE001 -- one delivery holds up no other
        log.warning("a delivery failed", feed=feed.name, error=type(error).__name__)
        async with runtime.database.transaction() as tx:
            await deliveries.fail_delivery(
                tx, feed, delivery_id, RejectReason.FAILED, runtime.now()
            )


@dataclass(frozen=True, slots=True)
class _Job:
    """A delivery that is being applied."""

    runtime: ApplyRuntime
    feed: FeedSettings
    stored: StoredDelivery
    key: bytes
    stream: Stream
    whole_lists: WholeLists


async def _open_job(runtime: ApplyRuntime, feed: FeedSettings, stored: StoredDelivery) -> _Job:
    """Open a delivery and go to where it stands, beside the other work of the process."""
    key = await runtime.keys.obtain(KEY)
    async with runtime.database.reading() as tx:
        delivery = await inbox.open_delivery(tx, runtime.keys, feed.hub_id, stored)
        scheme = reading.scheme_of_calls(feed)
        known = runs.hub_calls(tx, feed.hub_id, scheme, runtime.now()) if scheme else None
        calls = await known if known else dict[tuple[str, date], int]()

    def begin() -> _Job:
        stream = Stream(feed, delivery, stored.day, calls)
        whole_lists = stream.whole_lists()
        stream.skip(stored.position)
        return _Job(runtime, feed, stored, key, stream, whole_lists)

    return await asyncio.to_thread(begin)


async def _apply(job: _Job) -> None:
    taken = job.stored.position
    while chunk := await asyncio.to_thread(job.stream.take, AT_ONCE):
        if not await _apply_chunk(job, chunk, taken):
            return
        taken += len(chunk)
    await _end(job.runtime, job.feed, job.stored, taken, job.stream.fault)


async def _end(
    runtime: ApplyRuntime,
    feed: FeedSettings,
    stored: StoredDelivery,
    position: int,
    fault: str | None,
) -> None:
    async with runtime.database.transaction() as tx:
        if await deliveries.claim_delivery(tx, feed, stored.delivery_id, position) is not None:
            await deliveries.end_delivery(tx, feed, stored.delivery_id, fault, runtime.now())


async def _apply_chunk(
    job: _Job, chunk: Sequence[ReadItem], position: int, *, not_storable: bool = False
) -> bool:
    """Apply some records, in halves if the database refuses one of them.

    False: somebody else goes on with the delivery.
    """
    try:
        return await _write_chunk(job, chunk, position, not_storable=not_storable)
    except _POISON as error:
        one = chunk[0]
        if not_storable and isinstance(one, Reject):
            raise
        if not_storable:  # not even who it is about can be asked
            aside = Reject(_row(one), RejectReason.NOT_STORABLE)
            return await _apply_chunk(job, [aside], position, not_storable=True)
        if len(chunk) == 1:
            log.warning("a row was set aside", feed=job.feed.name, error=type(error).__name__)
            return await _apply_chunk(job, chunk, position, not_storable=True)
    half = len(chunk) // 2
    first = await _apply_chunk(job, chunk[:half], position)
    return first and await _apply_chunk(job, chunk[half:], position + half)


def _row(one: ReadItem) -> int:
    match one:
        case UnknownColumns():
            return 0
        case Reject():
            return one.row
        case _:
            return one.origin.row


async def _write_chunk(
    job: _Job, chunk: Sequence[ReadItem], position: int, *, not_storable: bool
) -> bool:
    runtime, feed, delivery_id = job.runtime, job.feed, job.stored.delivery_id
    async with runtime.database.transaction() as tx:
        aside = await deliveries.claim_delivery(tx, feed, delivery_id, position)
        if aside is None:
            return False
        at, n = runtime.now(), job.stored.n
        batch = BatchContext(
            tx, runtime.keys, feed, runtime.terms, job.key, n, job.whole_lists, at, not_storable
        )
        counts = BatchCounts()
        await _apply_records(batch, _RecordsByKind.out(chunk, position), counts)
        await deliveries.advance_delivery(tx, feed, delivery_id, len(chunk), counts, aside)
    return True


async def _apply_records(
    batch: BatchContext, records: "_RecordsByKind", counts: BatchCounts
) -> None:
    """Runs first: their travellers may stand beside them."""
    counts.rejects += records.rejects
    if records.runs:
        await apply_records.apply_runs(batch, records.runs, counts)
    if records.travellers or records.ends:
        await apply_travellers.apply_travellers(batch, records.travellers, records.ends, counts)
    if records.people:
        await apply_records.apply_people(batch, records.people, counts)
    if records.areas:
        await apply_records.apply_areas(batch, records.areas, counts)
    await deliveries.record_columns(batch.tx, batch.feed, records.columns, batch.at)


@dataclass(frozen=True, slots=True)
class _RecordsByKind:
    """Records by what they speak of, each with its place in the delivery."""

    runs: list[tuple[int, ArrivalEvent]]
    travellers: list[tuple[int, ManifestRow]]
    ends: list[ManifestEnd]
    people: list[tuple[int, IdentityAlert | HealthStatus]]
    areas: list[tuple[int, KeyAreaRecord]]
    rejects: list[tuple[int, Reject]]
    columns: set[str]

    @classmethod
    def out(cls, chunk: Sequence[ReadItem], start: int) -> "_RecordsByKind":
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
        self._runtime = runtime
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
        feed, runtime = sender.feed, self._runtime
        async with self._database.reading() as tx:
            mode = await devices.mode_of(tx, feed.hub_id)
        if mode is None:
            return
        terms = forms.document_context(runtime.settings, mode, clock.now())
        apply_runtime = ApplyRuntime(
            self._database, runtime.keys.of(feed.hub_id), terms, clock.now
        )
        await apply_due(apply_runtime, feed)
