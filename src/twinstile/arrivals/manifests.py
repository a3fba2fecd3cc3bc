"""Runs and manifests as they are announced, corrected and withdrawn."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from twinstile.arrivals import manifest_changes, runs
from twinstile.arrivals.expected import ExpectedTraveller
from twinstile.arrivals.manifest_changes import ManifestChanges
from twinstile.arrivals.records import Mode, TravellerRole
from twinstile.arrivals.tables import ManifestEntry, Run
from twinstile.identity import vault
from twinstile.identity.contacts import Reach
from twinstile.identity.types import Contact
from twinstile.identity.vault import Identity
from twinstile.platform.db.database import Reading, Transaction
from twinstile.platform.http.problems import AlreadyExists, Conflict, NotFound
from twinstile.platform.keys.data_keys import KeyFiles
from twinstile.platform.ledger import events
from twinstile.platform.ledger.events import Event
from twinstile.platform.security.auth import Principal

MANIFEST_APPLIED: Final = "manifest.landed"
NOT_ARRIVING: Final = ("CANCELLED", "SKIPPED", "DIVERTED", "DELETED")
"""What feeds say of runs that bring nobody here; it may be taken back."""
EXPECTATION_SQL = """
SELECT DISTINCT ON (w.ordinal) w.ordinal, m.run_id, m.entry_id, m.person_id
FROM wanted w
CROSS JOIN LATERAL (
    SELECT e.hub_id, e.run_id, e.entry_id, e.person_id
    FROM (SELECT * FROM manifest_entry
          WHERE person_id = ANY({people}) AND withdrawn_at IS NULL OFFSET 0) e
    WHERE e.hub_id = {hub}
    ORDER BY e.recorded_at DESC LIMIT 20
) m
JOIN LATERAL (
    SELECT * FROM run s WHERE s.hub_id = m.hub_id AND s.run_id = m.run_id LIMIT 1
) r ON true
WHERE w.person_id IS NOT NULL  -- nobody is expected by the name of a screening alone
  AND coalesce(r.actual_arrival, r.estimated_arrival, r.scheduled_arrival)
      BETWEEN w.observed_at - interval '24 hours' AND w.observed_at + interval '12 hours'
ORDER BY w.ordinal,
    (m.run_id = w.run_id) DESC NULLS LAST,
    abs(extract(epoch FROM w.observed_at
        - coalesce(r.actual_arrival, r.estimated_arrival, r.scheduled_arrival))),
    (m.person_id = w.person_id) DESC, m.entry_id
"""
"""The entry that fits each row of `wanted (ordinal, person_id, run_id, observed_at)` best: the
named run, else the arrival nearest in time, and then the document shown. `people` is everybody
that the person is: the list may name another of their documents. To be set into a statement of
a room above."""


@dataclass(frozen=True, slots=True)
class ServiceRun:
    """One train, flight or ship arriving on one date."""

    run_id: UUID
    mode: Mode
    service_no: str
    service_date: date
    origin: str
    terminus: str
    scheduled_arrival: datetime
    estimated_arrival: datetime | None
    actual_arrival: datetime | None
    platform: str | None
    stops: Sequence[str] = ()
    """Where it stops, in order; empty: nobody told."""


@dataclass(frozen=True, slots=True)
class ManifestEntryInput:
    """One traveller on the run as the carrier announced it."""

    entry_id: str
    identity: Identity
    coach: str | None
    seat: str | None
    board_stop: str | None
    alight_stop: str | None
    contact: Contact | None = None
    languages: Sequence[str] = ()
    role: TravellerRole | None = None
    party: str | None = None


@dataclass(frozen=True, slots=True)
class ManifestResult:
    """What a manifest changed."""

    applied: bool
    expected: int
    withdrawn: int


async def upsert_run(tx: Transaction, who: Principal, run: ServiceRun, at: datetime) -> bool:
    """Enter a run or correct it; whether it is closed already.

    Raises `AlreadyExists` where its number leads to a run that a feed speaks of: a train has
    one row. A line that comes many times a day is entered by hand under ids of its own.
    """
    number = (runs.SCHEMES[run.mode], run.service_no, run.service_date)
    await runs.correct_number(tx, who.hub_id, run.run_id, number)
    values = {
        "mode": run.mode,
        "service_no": run.service_no,
        "service_date": run.service_date,
        "origin": run.origin,
        "terminus": run.terminus,
        "scheduled_arrival": run.scheduled_arrival,
        "estimated_arrival": run.estimated_arrival,
        "actual_arrival": run.actual_arrival,
        "platform": run.platform,
        "stops": list(run.stops) or None,
        "recorded_at": at,
    }
    kept = await tx.sql.execute(
        upsert(Run)
        .values(hub_id=who.hub_id, run_id=run.run_id, **values)
        .on_conflict_do_update(index_elements=[Run.hub_id, Run.run_id], set_=values)
        .returning(Run.closed_at)
    )
    closed = kept.scalar_one() is not None
    await runs.name_runs(tx, who.hub_id, {number: run.run_id})
    other = await runs.run_of_feed(tx, who.hub_id, number)
    if other is not None and other != run.run_id:
        raise AlreadyExists(f"The run of this number and date is {other}.")
    await events.append(
        tx,
        [
            Event(
                who.hub_id,
                "run.announced",
                run.run_id,
                at,
                {"service_no": run.service_no},
                who.device_id,
                who.operator_id,
            )
        ],
    )
    return closed


async def apply_manifest(
    tx: Transaction,
    keys: KeyFiles,
    who: Principal,
    run_id: UUID,
    batch: int,
    entries: Sequence[ManifestEntryInput],
    today: date,
    at: datetime,
) -> ManifestResult:
    """Apply a whole manifest: entries it no longer names are withdrawn.

    An older batch than the one applied changes nothing: late files are normal. The same batch
    again is applied again, which changes nothing when it says the same. The run's row is locked
    first, so two manifests of one run are applied one after the other.
    Raises `NotFound` for an unknown run, `Conflict` for a closed one.
    """
    locked = await tx.sql.execute(
        select(Run.closed_at, Run.manifest_batch)
        .where(Run.hub_id == who.hub_id, Run.run_id == run_id)
        .with_for_update()
    )
    row = locked.one_or_none()
    if row is None:
        raise NotFound("There is no such run.")
    closed_at, newest = row
    if closed_at is not None:
        raise Conflict("The run is closed.")
    if newest is not None and batch < newest:
        return ManifestResult(
            applied=False, expected=await _expected(tx, who.hub_id, run_id), withdrawn=0
        )
    people = await vault.recognise(tx, keys, who.hub_id, today, [e.identity for e in entries])
    await tx.sql.execute(
        update(Run)
        .where(Run.hub_id == who.hub_id, Run.run_id == run_id)
        .values(manifest_batch=batch)
    )
    named = [entry.entry_id for entry in entries]
    left_out = await tx.raw.fetch(_LEFT_OUT, who.hub_id, run_id, named)
    changes = ManifestChanges(
        batch,
        [_expected_entry(run_id, e, of) for e, of in zip(entries, people, strict=True)],
        [(run_id, entry_id, True) for (entry_id,) in left_out],
    )
    await manifest_changes.write_manifest(tx, keys, who.hub_id, today, changes, at)
    withdrawn = len(left_out)
    await events.append(
        tx,
        [
            Event(
                who.hub_id,
                MANIFEST_APPLIED,
                run_id,
                at,
                {"batch": batch, "entries": len(entries), "withdrawn": withdrawn},
                who.device_id,
                who.operator_id,
            )
        ],
    )
    return ManifestResult(
        applied=True, expected=await _expected(tx, who.hub_id, run_id), withdrawn=withdrawn
    )


_LEFT_OUT = """
SELECT entry_id FROM manifest_entry
WHERE hub_id = $1 AND run_id = $2 AND withdrawn_at IS NULL AND entry_id <> ALL($3::text[])
"""


def _expected_entry(
    run_id: UUID, entry: ManifestEntryInput, person_id: UUID
) -> tuple[ExpectedTraveller, Reach]:
    traveller = ExpectedTraveller(
        run_id,
        entry.entry_id,
        person_id,
        entry.coach,
        entry.seat,
        entry.board_stop,
        entry.alight_stop,
        role=entry.role,
        party=entry.party,
    )
    return traveller, Reach(person_id, entry.contact, entry.languages)


async def _expected(tx: Transaction, hub_id: str, run_id: UUID) -> int:
    counted = await tx.sql.execute(
        select(func.count()).where(
            ManifestEntry.hub_id == hub_id,
            ManifestEntry.run_id == run_id,
            ManifestEntry.withdrawn_at.is_(None),
        )
    )
    return counted.scalar_one()


@dataclass(frozen=True, slots=True)
class RunDue:
    """What is to be told of a run: when it comes, and whether nobody is expected (any more)."""

    run_id: UUID
    service_no: str
    arrival: datetime
    closed: bool


async def run_due(tx: Reading, hub_id: str, run_id: UUID) -> RunDue:
    """A run as it is known now. Raises `NotFound`."""
    found = await tx.sql.execute(
        select(
            Run.run_id,
            Run.service_no,
            func.coalesce(Run.actual_arrival, Run.estimated_arrival, Run.scheduled_arrival),
            Run.closed_at.is_not(None) | Run.status.in_(NOT_ARRIVING),
        ).where(Run.hub_id == hub_id, Run.run_id == run_id)
    )
    row = found.one_or_none()
    if row is None:
        raise NotFound("There is no such run.")
    return RunDue(*row)


@dataclass(frozen=True, slots=True)
class ApproachingRun:
    """A run that is to come, and how many manifests of it have landed."""

    run_id: UUID
    arrival: datetime
    manifests: int


# the planned time is in the index; what is known later differs from it by a day at most
_APPROACHING = """
SELECT r.run_id, r.arrival, m.landed FROM (
    SELECT run_id, coalesce(actual_arrival, estimated_arrival, scheduled_arrival) AS arrival
    FROM run WHERE hub_id = $1 AND closed_at IS NULL AND status <> ALL($5::text[])
      AND scheduled_arrival > $2::timestamptz - interval '1 day'
      AND scheduled_arrival <= $3::timestamptz + interval '1 day'
) r CROSS JOIN LATERAL (
    SELECT count(*) AS landed
    FROM (SELECT * FROM event WHERE subject_id = r.run_id OFFSET 0) e
    WHERE e.hub_id = $1 AND e.kind = $4
) m
WHERE r.arrival > $2 AND r.arrival <= $3 AND m.landed > 0
ORDER BY r.arrival, r.run_id
"""


async def approaching_runs(
    tx: Reading, hub_id: str, now: datetime, until: datetime
) -> list[ApproachingRun]:
    """Open runs with a manifest that arrive after now and until then, the next one first."""
    rows = await tx.raw.fetch(
        _APPROACHING, hub_id, now, until, MANIFEST_APPLIED, list(NOT_ARRIVING)
    )
    return [ApproachingRun(*row) for row in rows]


async def expected_travellers(tx: Reading, hub_id: str, run_id: UUID) -> dict[str, UUID]:
    """Who is expected on a run, by the carrier's key of each."""
    found = await tx.sql.execute(
        select(ManifestEntry.entry_id, ManifestEntry.person_id).where(
            ManifestEntry.hub_id == hub_id,
            ManifestEntry.run_id == run_id,
            ManifestEntry.withdrawn_at.is_(None),
        )
    )
    return {entry_id: person_id for entry_id, person_id in found}  # noqa: C416 # typed


async def lock_run(tx: Transaction, hub_id: str, run_id: UUID) -> None:
    """Let nobody change or close the run until the transaction ends. Raises `NotFound`."""
    found = await tx.sql.execute(
        select(Run.run_id)
        .where(Run.hub_id == hub_id, Run.run_id == run_id)
        .with_for_update(key_share=True)
    )
    if found.one_or_none() is None:
        raise NotFound("There is no such run.")


async def overdue_runs(
    tx: Transaction, hub_id: str, arrived: datetime, announced: datetime, limit: int
) -> list[UUID]:
    """Open runs that arrived before `arrived`, at most `limit`, locked.

    Or, if nobody says when, whose planned arrival and last announcement are before `announced`.
    Runs that somebody is working on are skipped, and those that do not come.
    """
    planned = func.greatest(Run.scheduled_arrival, Run.estimated_arrival, Run.recorded_at)
    unknown = Run.actual_arrival.is_(None) & (planned <= announced)
    late = (Run.actual_arrival <= arrived) | unknown
    found = await tx.sql.execute(
        select(Run.run_id)
        .where(Run.hub_id == hub_id, Run.closed_at.is_(None), late)
        .where(Run.status.not_in(runs.NOT_COMING))
        .order_by(Run.scheduled_arrival)
        .limit(limit)
        .with_for_update(skip_locked=True, key_share=True)
    )
    return [run_id for (run_id,) in found]


async def close_run(tx: Transaction, hub_id: str, run_id: UUID, at: datetime) -> bool:
    """Close a run: nobody else is expected. False when it was closed. Raises `NotFound`."""
    closed = await tx.sql.execute(
        update(Run)
        .where(Run.hub_id == hub_id, Run.run_id == run_id, Run.closed_at.is_(None))
        .values(closed_at=at)
        .returning(Run.run_id)
    )
    if closed.one_or_none() is not None:
        return True
    there = await tx.sql.execute(
        select(Run.run_id).where(Run.hub_id == hub_id, Run.run_id == run_id)
    )
    if there.one_or_none() is None:
        raise NotFound("There is no such run.")
    return False


_OLD = """
DELETE FROM {table} m USING run r
WHERE m.hub_id = $1 AND r.hub_id = $1 AND r.run_id = m.run_id
  AND coalesce(r.actual_arrival, r.scheduled_arrival) < $2
RETURNING 1
"""


async def delete_expired_entries(tx: Transaction, hub_id: str, before: datetime) -> int:
    """Delete the entries of runs that arrived before the moment, and where they had sat.

    How many entries there were.
    """
    await tx.raw.fetch(_OLD.format(table="seat_before"), hub_id, before)
    return len(await tx.raw.fetch(_OLD.format(table="manifest_entry"), hub_id, before))
