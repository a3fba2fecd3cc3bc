"""Runs by the numbers senders know them by, and what feeds say of their times.

A run has one row, whoever announces it first; its numbers lead there. What a sender does not
say stays as it was, for several of them know of one run: the timetable its stops, another feed
its delay.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final, TypeAlias, cast
from uuid import UUID, uuid4

from twinstile.arrivals.records import ArrivalEvent, Mode, Op, RunRef, RunStatus
from twinstile.platform.db.database import Reading, Transaction, as_json
from twinstile.platform.ledger import events
from twinstile.platform.ledger.events import Event

Number: TypeAlias = tuple[str, str, date]
"""A number of a run as senders know it: whose number, the number, the operating day."""

SCHEMES: Final[Mapping[Mode, str]] = {
    Mode.RAIL: "cn-rail",
    Mode.AIR: "iata",
    Mode.SEA: "sea",
    Mode.ROAD: "road",
}
"""Whose numbers those are that somebody at the hub enters."""
DELETED: Final = "DELETED"
"""The status of a run that its sender took back."""
NOT_COMING: Final = (RunStatus.CANCELLED.value, RunStatus.SKIPPED.value, DELETED)
"""Of runs that bring nobody here: none is due, and nobody has missed one."""
DUE_SOON: Final = timedelta(hours=2)
"""How long before and after its arrival people of a run are met at the lanes."""
DUE_SQL: Final = f"""
r.closed_at IS NULL AND r.status NOT IN {NOT_COMING}
  AND r.scheduled_arrival BETWEEN {{at}}::timestamptz - interval '12 hours'
      AND {{at}}::timestamptz + interval '12 hours'
  AND coalesce(r.actual_arrival, r.estimated_arrival, r.scheduled_arrival)
      BETWEEN {{at}}::timestamptz - {{near}}::interval
          AND {{at}}::timestamptz + {{near}}::interval
"""
"""Whether run `r` is due soon at a moment; `near` is how soon."""


@dataclass(frozen=True, slots=True)
class RunMatch:
    """A run a number leads to."""

    run_id: UUID
    closed: bool


def run_numbers(run: RunRef) -> tuple[Number, ...]:
    """All numbers of a run, its own first. The operator's key of it has a scheme of its own."""
    public = [(run.scheme, number) for number in (run.service_no, *run.aliases)]
    inner = [(f"{run.scheme}/inner", run.internal_no)] if run.internal_no else []
    return tuple((scheme, number, run.service_date) for scheme, number in (*public, *inner))


_LOCK = """
SELECT a.scheme, a.service_no, a.service_date, r.run_id, r.closed_at IS NOT NULL
FROM unnest($2::text[], $3::text[], $4::date[]) AS w(scheme, service_no, service_date)
JOIN run_alias a ON a.hub_id = $1 AND a.scheme = w.scheme
    AND a.service_no = w.service_no AND a.service_date = w.service_date
JOIN run r ON r.hub_id = $1 AND r.run_id = a.run_id
ORDER BY r.run_id FOR NO KEY UPDATE OF r
"""


async def lock_runs(
    tx: Transaction, hub_id: str, runs: Iterable[RunRef]
) -> dict[RunRef, RunMatch]:
    """Those that were announced; nobody closes or changes them until the transaction ends."""
    asked = {run: run_numbers(run) for run in runs}
    wanted = sorted({number for of in asked.values() for number in of})
    if not wanted:
        return {}
    rows = await tx.raw.fetch(_LOCK, hub_id, *_columns(wanted))
    there = {
        (scheme, number, day): RunMatch(run_id, closed)
        for scheme, number, day, run_id, closed in rows
    }
    leads = {run: [there[one] for one in of if one in there] for run, of in asked.items()}
    return {run: found[0] for run, found in leads.items() if found}


def _columns(numbers: Sequence[Number]) -> list[list[object]]:
    return [list(column) for column in zip(*numbers, strict=True)]


_NAME = """
INSERT INTO run_alias (hub_id, scheme, service_no, service_date, run_id)
SELECT $1, w.* FROM unnest($2::text[], $3::text[], $4::date[], $5::uuid[]) AS w
ON CONFLICT DO NOTHING
"""


async def name_runs(tx: Transaction, hub_id: str, names: Mapping[Number, UUID]) -> None:
    """Let these numbers lead to these runs; one that leads somewhere stays as it is."""
    if names:
        ordered = sorted(names)
        ids = [names[number] for number in ordered]
        await tx.raw.execute(_NAME, hub_id, *_columns(ordered), ids)


_TOLD = """
EXISTS (SELECT FROM (SELECT * FROM event WHERE subject_id = {run} OFFSET 0) e
        WHERE e.hub_id = $1 AND e.kind = 'run.announced' AND e.body ? 'feed')
"""
_CORRECT = f"""
DELETE FROM run_alias a USING run r
WHERE r.hub_id = $1 AND r.run_id = $2 AND a.hub_id = $1 AND a.run_id = $2
  AND a.scheme = $3 AND a.service_no = r.service_no AND a.service_date = r.service_date
  AND (r.service_no, r.service_date) <> ($4, $5)
  AND NOT {_TOLD.format(run="$2")}
"""  # noqa: S608 # a fragment of ours; every value is a parameter


async def correct_number(tx: Transaction, hub_id: str, run_id: UUID, number: Number) -> None:
    """A run is about to have this number: the one it had as its own leads there no more.

    Unless a feed spoke of the run: it will go on using the number it knows.
    """
    await tx.raw.execute(_CORRECT, hub_id, run_id, *number)


_OF_FEED = f"""
SELECT a.run_id FROM run_alias a
WHERE a.hub_id = $1 AND a.scheme = $2 AND a.service_no = $3 AND a.service_date = $4
  AND {_TOLD.format(run="a.run_id")}
"""  # noqa: S608 # a fragment of ours; every value is a parameter


async def run_of_feed(tx: Reading, hub_id: str, number: Number) -> UUID | None:
    """The run that a number leads to, if a feed speaks of it."""
    row = await tx.raw.fetchrow(_OF_FEED, hub_id, *number)
    return cast("UUID", row[0]) if row else None


NUMBERS_SQL: Final = """
ARRAY(SELECT DISTINCT a.service_no FROM run_alias a
      WHERE a.hub_id = {run}.hub_id AND a.run_id = {run}.run_id
        AND a.scheme NOT LIKE '%/inner' AND a.service_no <> {run}.service_no ORDER BY 1)
"""
"""The other public numbers of a run, for a statement of a room above."""

_CALLS = """
SELECT a.service_no, a.service_date, r.hub_sequence
FROM run r JOIN run_alias a ON a.hub_id = r.hub_id AND a.run_id = r.run_id
WHERE r.hub_id = $1 AND r.scheduled_arrival BETWEEN $3 AND $4
  AND r.hub_sequence IS NOT NULL AND a.scheme IN ($2, $2 || '/inner')
"""
_AROUND: Final = timedelta(days=2)


async def hub_calls(
    tx: Reading, hub_id: str, scheme: str, at: datetime
) -> dict[tuple[str, date], int]:
    """Where the hub is among the stops of runs around a moment, by each of their numbers.

    Of those a timetable announced that counts its stops.
    """
    rows = await tx.raw.fetch(_CALLS, hub_id, scheme, at - _AROUND, at + _AROUND)
    return {(number, day): sequence for number, day, sequence in rows}


_UNNAME = "DELETE FROM run_alias WHERE hub_id = $1 AND run_id = ANY($2::uuid[])"

_CREATE = """
INSERT INTO run (hub_id, run_id, mode, service_no, service_date, origin, terminus,
    scheduled_arrival, estimated_arrival, actual_arrival, platform, status, hub_sequence,
    stops, recorded_at)
SELECT $1, w.run_id, w.mode, w.service_no, w.service_date, coalesce(w.origin, ''),
    coalesce(w.terminus, ''), coalesce(w.scheduled, w.estimated, w.actual),
    coalesce(w.estimated, w.scheduled + w.delay_s * interval '1 second'), w.actual, w.platform,
    coalesce(w.status, 'UNKNOWN'), w.hub_sequence, w.stops, $2
FROM jsonb_to_recordset($3::jsonb) AS w({columns}) WHERE w.is_new
"""
_UPDATE = """
UPDATE run r SET
    origin = coalesce(w.origin, r.origin), terminus = coalesce(w.terminus, r.terminus),
    scheduled_arrival = coalesce(w.scheduled, r.scheduled_arrival),
    estimated_arrival = coalesce(w.estimated,
        coalesce(w.scheduled, r.scheduled_arrival) + w.delay_s * interval '1 second',
        r.estimated_arrival),
    actual_arrival = coalesce(w.actual, r.actual_arrival),
    platform = coalesce(w.platform, r.platform), status = coalesce(w.status, r.status),
    hub_sequence = coalesce(w.hub_sequence, r.hub_sequence),
    stops = coalesce(w.stops, r.stops), recorded_at = $2
FROM jsonb_to_recordset($3::jsonb) AS w({columns})
WHERE r.hub_id = $1 AND r.run_id = w.run_id AND NOT w.is_new
"""
_COLUMNS: Final = """run_id uuid, is_new bool, mode text, service_no text, service_date date,
    origin text, terminus text, scheduled timestamptz, estimated timestamptz,
    actual timestamptz, platform text, delay_s int, status text,
    hub_sequence int, stops text[]"""


async def upsert_runs(
    tx: Transaction, hub_id: str, feed: str, records: Sequence[ArrivalEvent], at: datetime
) -> set[int]:
    """Take what a feed says of runs, in order; the places of what speaks of none.

    A run nobody has announced is entered if its arrival is told. What only moves the time of a
    run that stands in a timetable, or takes a run back, of one that is not there, waits for it.
    """
    places = await _runs_of(tx, hub_id, records)
    merged: dict[UUID, dict[str, object]] = {}
    for place, event in zip(places, records, strict=True):
        if place is not None:
            run_id, is_new = place
            before = merged.setdefault(run_id, {"run_id": run_id, "is_new": is_new})
            before |= {what: of for what, of in _columns_of(event).items() if of is not None}
    if merged:
        told = as_json(list(merged.values()))
        for statement in (_CREATE, _UPDATE):
            await tx.raw.execute(statement.format(columns=_COLUMNS), hub_id, at, told)
        happened = [
            Event(hub_id, "run.announced", run_id, at, {**_public(known), "feed": feed})
            for run_id, known in merged.items()
        ]
        await events.append(tx, happened)
    return {n for n, place in enumerate(places) if place is None}


async def _runs_of(
    tx: Transaction, hub_id: str, records: Sequence[ArrivalEvent]
) -> list[tuple[UUID, bool] | None]:
    """The run each event speaks of, and whether it is new. All numbers of a run lead to it."""
    asked = [event.run for event in records]
    found = await lock_runs(tx, hub_id, asked)
    new = _new_numbers([event for event in records if event.run not in found])
    if new:
        await name_runs(tx, hub_id, new)
        found = await lock_runs(tx, hub_id, asked)  # somebody else may have been first
    ids = [found[run].run_id if run in found else _led(run, new) for run in asked]
    if unused := set(new.values()).difference(ids):
        await tx.raw.execute(_UNNAME, hub_id, list(unused))
    led = zip(asked, ids, strict=True)
    await name_runs(tx, hub_id, {no: of for run, of in led if of for no in run_numbers(run)})
    return [of and (of, run not in found) for run, of in zip(asked, ids, strict=True)]


def _new_numbers(records: Iterable[ArrivalEvent]) -> dict[Number, UUID]:
    """Numbers for runs to be entered: each run once, whichever of its numbers is told."""
    leads: dict[Number, UUID] = {}
    for event in records:
        if event.op is Op.UPSERT and _arrival(event):
            of = run_numbers(event.run)
            run_id = next((leads[number] for number in of if number in leads), None) or uuid4()
            for number in of:
                leads.setdefault(number, run_id)
    return leads


def _led(run: RunRef, leads: Mapping[Number, UUID]) -> UUID | None:
    return next((leads[number] for number in run_numbers(run) if number in leads), None)


def _arrival(event: ArrivalEvent) -> datetime | None:
    """When a run arrives that is to be entered: what was scheduled is entered as it was."""
    beside = event.status in {RunStatus.ADDED, RunStatus.UNKNOWN}
    moved = event.estimated_arrival or event.actual_arrival
    return event.scheduled_arrival or (moved if beside else None)


def _columns_of(event: ArrivalEvent) -> dict[str, object]:
    status = None if event.status is RunStatus.UNKNOWN else event.status.value
    return {
        "mode": event.mode.value,
        "service_no": event.run.service_no,
        "service_date": event.run.service_date,
        "origin": event.from_stop,
        "terminus": event.to_stop,
        "scheduled": event.scheduled_arrival,
        "estimated": event.estimated_arrival,
        "actual": event.actual_arrival,
        "platform": event.platform,
        "delay_s": event.delay_s,
        "hub_sequence": event.hub_sequence,
        "stops": list(event.stops) or None,
        "status": DELETED if event.op is Op.DELETE else status,
    }


def _public(columns: Mapping[str, object]) -> dict[str, object]:
    return {what: columns[what] for what in ("service_no", "status") if what in columns}
