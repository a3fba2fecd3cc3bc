"""What departments say of runs, people and areas: judged by what stands, handed to its room."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final, Generic, TypeVar

from twinstile.arrivals import authorities, runs
from twinstile.arrivals.authorities import WatchItem, WatchRecord, WatchSource
from twinstile.arrivals.feeds import apply_batch, record_versions
from twinstile.arrivals.feeds.apply_batch import (
    BatchContext,
    BatchCounts,
    KeyedRecord,
    deleted,
    version,
)
from twinstile.arrivals.feeds.record_versions import KeyState, RecordVersion
from twinstile.arrivals.formats.reasons import RejectReason
from twinstile.arrivals.records import (
    LONGEST_VALID,
    ArrivalEvent,
    HealthStatus,
    IdentityAlert,
    KeyAreaRecord,
)
from twinstile.identity.vault import Identity
from twinstile.policy import areas, reported_areas
from twinstile.policy.areas import Level

RecordT = TypeVar("RecordT", bound=KeyedRecord)

_KINDS: Final[dict[type, str]] = {
    ArrivalEvent: "run",
    IdentityAlert: "alert",
    HealthStatus: "status",
    KeyAreaRecord: "area",
}
_LEVELS: Final = {level.value: level for level in Level if level is not Level.NONE}
_AREA: Final = re.compile(areas.PATTERN)


async def apply_runs(
    batch: BatchContext, events: Sequence[tuple[int, ArrivalEvent]], counts: BatchCounts
) -> None:
    """Take what is said of runs, in order.

    What a feed says of a run that is not there is unmatched and not kept: times move again, and
    the run will be announced as it is by then.
    """
    resolved = await _resolve(batch, events, counts)
    newest = [event for _, event in resolved.newest]
    missed = await runs.upsert_runs(
        batch.tx, batch.feed.hub_id, batch.feed.name, newest, batch.at
    )
    counts.applied -= len(missed)
    counts.unmatched += len(missed)
    await _store(batch, resolved, {resolved.newest[place][0] for place in missed})


async def apply_people(
    batch: BatchContext,
    records: Sequence[tuple[int, IdentityAlert | HealthStatus]],
    counts: BatchCounts,
) -> None:
    """Take what is said of people. Raises `KeyDestroyed`, `MasterUnavailable`."""
    usable: list[tuple[int, WatchItem]] = []
    known: dict[int, Identity] = {}
    for place, record in records:
        fault = _identify(batch, record)
        if isinstance(fault, Identity):
            known[place] = fault
        elif fault is not None:
            reason, column = fault
            counts.reject(place, record.origin.row, reason, column)
            continue
        usable.append((place, record))
    places = {id(record): place for place, record in usable}
    resolved = await _resolve(batch, usable, counts)
    told = {
        key: WatchRecord(record, known.get(places[id(record)]))
        for key, record in resolved.newest
    }
    source = WatchSource(batch.feed.hub_id, batch.feed.name, batch.today)
    await authorities.apply_watch_records(
        batch.tx, batch.keys, source, list(told.values()), batch.at
    )
    await _store(batch, resolved)


def _identify(
    batch: BatchContext, record: WatchItem
) -> Identity | tuple[RejectReason, str | None] | None:
    """Who it is about; None: it is taken back, whoever it was about."""
    if deleted(record):
        return None
    if isinstance(record, IdentityAlert):
        since, until = record.valid_from, record.valid_to
        lasts = since < min(until, batch.at + LONGEST_VALID) and until - since <= LONGEST_VALID
    else:
        lasts = record.issued_at < min(record.expires_at, batch.at + LONGEST_VALID)
    if not lasts:
        return RejectReason.PERIOD, None
    if record.document is None:
        return RejectReason.MISSING, "number"
    read = apply_batch.identify_claim(record.document, batch.terms)
    return (read, "number") if isinstance(read, RejectReason) else read


async def apply_areas(
    batch: BatchContext, records: Sequence[tuple[int, KeyAreaRecord]], counts: BatchCounts
) -> None:
    """Take what is said of areas."""
    usable: list[tuple[int, KeyAreaRecord]] = []
    for place, record in records:
        fits = _AREA.match(record.code) and record.since <= record.until
        if deleted(record) or (fits and record.level in _LEVELS):
            usable.append((place, record))
        else:
            counts.reject(place, record.origin.row, RejectReason.INVALID)
    resolved = await _resolve(batch, usable, counts)
    latest = {record.origin.key: record for _, record in resolved.newest}
    listed = [
        reported_areas.AreaReport(key, None if deleted(record) else _area(record))
        for key, record in latest.items()
    ]
    await reported_areas.apply(batch.tx, batch.feed.hub_id, batch.feed.name, listed, batch.at)
    await _store(batch, resolved)


def _area(record: KeyAreaRecord) -> areas.KeyArea:
    return areas.KeyArea(record.code, _LEVELS[record.level], record.since, record.until)


@dataclass(frozen=True, slots=True)
class _ResolvedRecords(Generic[RecordT]):
    """Records that are to be done, in order, and what stands under each key then."""

    newest: list[tuple[bytes, RecordT]]
    states: dict[bytes, KeyState]


async def _resolve(
    batch: BatchContext, records: Sequence[tuple[int, RecordT]], counts: BatchCounts
) -> _ResolvedRecords[RecordT]:
    """Which of these are the newest words under their keys.

    What is said of people ends with a day's identities: said again on a later day, it is new.
    """
    made: list[tuple[RecordVersion, RecordT]] = []
    for place, record in records:
        if batch.not_storable:
            counts.reject(place, record.origin.row, RejectReason.NOT_STORABLE)
        else:
            made.append((_version_of(batch, record), record))
    keys = {candidate.key for candidate, _ in made}
    before = await record_versions.fetch_states(
        batch.tx, batch.feed.hub_id, batch.feed.name, keys
    )
    now, newest = dict(before), list[tuple[bytes, RecordT]]()
    for candidate, record in made:
        state = now.get(candidate.key)
        change = record_versions.compare_version(state, candidate, None)
        if change.state is not None:
            now[candidate.key] = change.state
        if change.newest or (change.again and _is_old(state, record, batch.today)):
            newest.append((candidate.key, record))
        counts.count(changed=change.newest, repeated=change.known)
    return _ResolvedRecords(
        newest, {key: of for key, of in now.items() if of != before.get(key)}
    )


def _is_old(state: KeyState | None, record: KeyedRecord, today: date) -> bool:
    of_people = isinstance(record, IdentityAlert | HealthStatus)
    return of_people and state is not None and state.day is not None and state.day < today


def _version_of(batch: BatchContext, record: KeyedRecord) -> RecordVersion:
    key = batch.digest(_KINDS[type(record)], record.origin.key)
    row, content = record.origin.row, batch.content(record)
    return RecordVersion(key, version(record), batch.n, row, content, deleted(record))


async def _store(
    batch: BatchContext, resolved: _ResolvedRecords[RecordT], but: Collection[bytes] = ()
) -> None:
    states = [of for key, of in resolved.states.items() if key not in but]
    await record_versions.store_states(
        batch.tx, batch.feed.hub_id, batch.feed.name, batch.today, states
    )
