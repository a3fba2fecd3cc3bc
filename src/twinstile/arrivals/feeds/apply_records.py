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
from twinstile.policy import areas, received
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
    turn: BatchContext, events: Sequence[tuple[int, ArrivalEvent]], tally: BatchCounts
) -> None:
    """Take what is said of runs, in order.

    What a feed says of a run that is not there is unmatched and not kept: times move again, and
    the run will be announced as it is by then.
    """
    judged = await _resolve(turn, events, tally)
    newest = [event for _, event in judged.newest]
    missed = await runs.upsert_runs(turn.tx, turn.feed.hub_id, turn.feed.name, newest, turn.at)
    tally.applied -= len(missed)
    tally.unmatched += len(missed)
    await _store(turn, judged, {judged.newest[place][0] for place in missed})


async def apply_people(
    turn: BatchContext,
    records: Sequence[tuple[int, IdentityAlert | HealthStatus]],
    tally: BatchCounts,
) -> None:
    """Take what is said of people. Raises `KeyDestroyed`, `MasterUnavailable`."""
    good: list[tuple[int, WatchItem]] = []
    known: dict[int, Identity] = {}
    for place, record in records:
        fault = _identify(turn, record)
        if isinstance(fault, Identity):
            known[place] = fault
        elif fault is not None:
            reason, column = fault
            tally.reject(place, record.origin.row, reason, column)
            continue
        good.append((place, record))
    places = {id(record): place for place, record in good}
    judged = await _resolve(turn, good, tally)
    told = {
        key: WatchRecord(record, known.get(places[id(record)])) for key, record in judged.newest
    }
    source = WatchSource(turn.feed.hub_id, turn.feed.name, turn.today)
    await authorities.apply_watch_records(
        turn.tx, turn.keys, source, list(told.values()), turn.at
    )
    await _store(turn, judged)


def _identify(
    turn: BatchContext, record: WatchItem
) -> Identity | tuple[RejectReason, str | None] | None:
    """Who it is about; None: it is taken back, whoever it was about."""
    if deleted(record):
        return None
    if isinstance(record, IdentityAlert):
        since, until = record.valid_from, record.valid_to
        lasts = since < min(until, turn.at + LONGEST_VALID) and until - since <= LONGEST_VALID
    else:
        lasts = record.issued_at < min(record.expires_at, turn.at + LONGEST_VALID)
    if not lasts:
        return RejectReason.PERIOD, None
    if record.document is None:
        return RejectReason.MISSING, "number"
    read = apply_batch.identify_claim(record.document, turn.terms)
    return (read, "number") if isinstance(read, RejectReason) else read


async def apply_areas(
    turn: BatchContext, records: Sequence[tuple[int, KeyAreaRecord]], tally: BatchCounts
) -> None:
    """Take what is said of areas."""
    good: list[tuple[int, KeyAreaRecord]] = []
    for place, record in records:
        fits = _AREA.match(record.code) and record.since <= record.until
        if deleted(record) or (fits and record.level in _LEVELS):
            good.append((place, record))
        else:
            tally.reject(place, record.origin.row, RejectReason.INVALID)
    judged = await _resolve(turn, good, tally)
    latest = {record.origin.key: record for _, record in judged.newest}
    listed = [
        received.Said(key, None if deleted(record) else _area(record))
        for key, record in latest.items()
    ]
    await received.apply(turn.tx, turn.feed.hub_id, turn.feed.name, listed, turn.at)
    await _store(turn, judged)


def _area(record: KeyAreaRecord) -> areas.KeyArea:
    return areas.KeyArea(record.code, _LEVELS[record.level], record.since, record.until)


@dataclass(frozen=True, slots=True)
class _ResolvedRecords(Generic[RecordT]):
    """Records that are to be done, in order, and what stands under each key then."""

    newest: list[tuple[bytes, RecordT]]
    states: dict[bytes, KeyState]


async def _resolve(
    turn: BatchContext, records: Sequence[tuple[int, RecordT]], tally: BatchCounts
) -> _ResolvedRecords[RecordT]:
    """Which of these are the newest words under their keys.

    What is said of people ends with a day's identities: said again on a later day, it is new.
    """
    made: list[tuple[RecordVersion, RecordT]] = []
    for place, record in records:
        if turn.not_storable:
            tally.reject(place, record.origin.row, RejectReason.NOT_STORABLE)
        else:
            made.append((_version_of(turn, record), record))
    keys = {word.key for word, _ in made}
    before = await record_versions.fetch_states(turn.tx, turn.feed.hub_id, turn.feed.name, keys)
    now, newest = dict(before), list[tuple[bytes, RecordT]]()
    for word, record in made:
        known = now.get(word.key)
        verdict = record_versions.compare_version(known, word, None)
        if verdict.state is not None:
            now[word.key] = verdict.state
        if verdict.newest or (verdict.again and _is_old(known, record, turn.today)):
            newest.append((word.key, record))
        tally.count(changed=verdict.newest, repeated=verdict.known)
    return _ResolvedRecords(
        newest, {key: of for key, of in now.items() if of != before.get(key)}
    )


def _is_old(state: KeyState | None, record: KeyedRecord, today: date) -> bool:
    of_people = isinstance(record, IdentityAlert | HealthStatus)
    return of_people and state is not None and state.day is not None and state.day < today


def _version_of(turn: BatchContext, record: KeyedRecord) -> RecordVersion:
    key = turn.digest(_KINDS[type(record)], record.origin.key)
    row, content = record.origin.row, turn.content(record)
    return RecordVersion(key, version(record), turn.n, row, content, deleted(record))


async def _store(
    turn: BatchContext, judged: _ResolvedRecords[RecordT], but: Collection[bytes] = ()
) -> None:
    stand = [of for key, of in judged.states.items() if key not in but]
    await record_versions.store_states(
        turn.tx, turn.feed.hub_id, turn.feed.name, turn.today, stand
    )
