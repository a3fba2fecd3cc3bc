"""Travellers expected on runs, as rows: entered, corrected, withdrawn."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, TypeAlias
from uuid import UUID

from twinstile.platform.db.database import Reading, Transaction


@dataclass(frozen=True, slots=True)
class ExpectedTraveller:
    """A traveller on a run; `entry_id` is the sender's own key of them, or stands for it."""

    run_id: UUID
    entry_id: str
    person_id: UUID
    coach: str | None
    seat: str | None
    board_stop: str | None
    alight_stop: str | None
    withdrawn: bool = False
    role: str | None = None
    party: str | None = None
    """The same for those who travel together on this run."""


_PLACE = "person_id, coach, seat, board_stop, alight_stop"
_WRITE = f"""
WITH w AS (
    SELECT * FROM unnest($4::uuid[], $5::text[], $6::uuid[], $7::text[], $8::text[],
        $9::text[], $10::text[], $11::bool[], $12::text[], $13::text[])
        AS e(run_id, entry_id, {_PLACE}, withdrawn, role, party)
), moved AS (
    INSERT INTO seat_before (hub_id, run_id, entry_id, until, since, {_PLACE})
    SELECT $1, w.run_id, w.entry_id, $3, e.recorded_at,
        e.person_id, e.coach, e.seat, e.board_stop, e.alight_stop
    FROM w JOIN manifest_entry e
      ON e.hub_id = $1 AND e.run_id = w.run_id AND e.entry_id = w.entry_id
    WHERE e.withdrawn_at IS NULL
      AND (e.person_id, e.coach, e.seat, e.board_stop, e.alight_stop) IS DISTINCT FROM
          (w.person_id, w.coach, w.seat, w.board_stop, w.alight_stop)
    ON CONFLICT DO NOTHING
), written AS (
    INSERT INTO manifest_entry
        (hub_id, run_id, entry_id, {_PLACE}, batch, recorded_at, withdrawn_at, role, party)
    SELECT $1, w.run_id, w.entry_id, w.person_id, w.coach, w.seat, w.board_stop,
        w.alight_stop, $2, $3, CASE WHEN w.withdrawn THEN $3::timestamptz END, w.role, w.party
    FROM w
    ON CONFLICT (hub_id, run_id, entry_id) DO UPDATE SET
        person_id = excluded.person_id, batch = excluded.batch, coach = excluded.coach,
        seat = excluded.seat, board_stop = excluded.board_stop,
        alight_stop = excluded.alight_stop, recorded_at = excluded.recorded_at,
        withdrawn_at = excluded.withdrawn_at, role = excluded.role, party = excluded.party
)
SELECT e.run_id, e.person_id FROM w
JOIN manifest_entry e ON e.hub_id = $1 AND e.run_id = w.run_id AND e.entry_id = w.entry_id
WHERE w.withdrawn OR e.person_id <> w.person_id
"""  # noqa: S608 # names of columns


RunPerson: TypeAlias = tuple[UUID, UUID]
"""A run, and a person who was expected on it."""


async def write_entries(
    tx: Transaction, hub_id: str, batch: int, rows: Sequence[ExpectedTraveller], at: datetime
) -> list[RunPerson]:
    """Enter travellers or correct them: each is expected from now on, unless withdrawn.

    Where somebody was placed before is kept beside. Who was expected under such a key and may
    be no more, see `no_longer_expected`.
    """
    if not rows:
        return []
    written = await tx.raw.fetch(
        _WRITE,
        hub_id,
        batch,
        at,
        [row.run_id for row in rows],
        [row.entry_id for row in rows],
        [row.person_id for row in rows],
        [row.coach for row in rows],
        [row.seat for row in rows],
        [row.board_stop for row in rows],
        [row.alight_stop for row in rows],
        [row.withdrawn for row in rows],
        [row.role for row in rows],
        [row.party for row in rows],
    )
    return [(run_id, person_id) for run_id, person_id in written]


_STAND = """
UPDATE manifest_entry e SET withdrawn_at = CASE WHEN w.withdrawn THEN $2::timestamptz END,
    recorded_at = CASE WHEN w.withdrawn THEN e.recorded_at ELSE $2 END
FROM unnest($3::uuid[], $4::text[], $5::bool[]) AS w(run_id, entry_id, withdrawn)
WHERE e.hub_id = $1 AND e.run_id = w.run_id AND e.entry_id = w.entry_id
  AND (e.withdrawn_at IS NOT NULL) <> w.withdrawn
RETURNING e.run_id, e.person_id
"""


async def set_withdrawn(
    tx: Transaction, hub_id: str, entries: Sequence[tuple[UUID, str, bool]], at: datetime
) -> list[RunPerson]:
    """Withdraw entries (true) or expect them again; whose entries have changed."""
    if not entries:
        return []
    rows = await tx.raw.fetch(_STAND, hub_id, at, *map(list, zip(*entries, strict=True)))
    return [(run_id, person_id) for run_id, person_id in rows]


_AMONG = """
SELECT DISTINCT person_id FROM (
    SELECT * FROM manifest_entry
    WHERE person_id = ANY($3::uuid[]) AND withdrawn_at IS NULL OFFSET 0) e
WHERE e.hub_id = $1 AND e.run_id = $2
"""


async def expected_among(
    tx: Reading, hub_id: str, run_id: UUID, people: Sequence[UUID]
) -> frozenset[UUID]:
    """Which of these people are expected on a run."""
    rows = await tx.raw.fetch(_AMONG, hub_id, run_id, people)
    return frozenset(row[0] for row in rows)


_GONE = """
SELECT w.run_id, w.person_id FROM unnest($2::uuid[], $3::uuid[]) AS w(run_id, person_id)
WHERE NOT EXISTS (
    SELECT FROM (SELECT * FROM manifest_entry
                 WHERE person_id = w.person_id AND withdrawn_at IS NULL OFFSET 0) e
    WHERE e.hub_id = $1 AND e.run_id = w.run_id)
"""


async def no_longer_expected(
    tx: Reading, hub_id: str, places: Sequence[RunPerson]
) -> list[RunPerson]:
    """Those who are expected on the run under no key any more."""
    if not places:
        return []
    rows = await tx.raw.fetch(_GONE, hub_id, *map(list, zip(*places, strict=True)))
    return [(run_id, person_id) for run_id, person_id in rows]


TRIP_WINDOW: Final = timedelta(hours=36)
"""How far from the moment they are seen the arrivals of a journey may lie."""
MOST_TRIPS: Final = 8


@dataclass(frozen=True, slots=True)
class Trip:
    """A run somebody was on, as far as it matters who was there with them."""

    run_id: UUID
    mode: str
    service_no: str
    stops: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PersonPlace:
    """A place on a run that somebody has; `earlier`: had, until it was corrected."""

    person_id: UUID
    role: str | None
    party: str | None
    coach: str | None
    seat: str | None
    board_stop: str | None
    alight_stop: str | None
    earlier: bool


_TRIPS = """
SELECT r.run_id, r.mode, r.service_no, coalesce(r.stops, ARRAY[]::text[]) FROM (
    SELECT DISTINCT e.run_id
    FROM (SELECT * FROM manifest_entry
          WHERE person_id = ANY($2::uuid[]) AND withdrawn_at IS NULL OFFSET 0) e
    WHERE e.hub_id = $1
    UNION SELECT unnest($3::uuid[])
) w CROSS JOIN LATERAL (
    SELECT * FROM run r WHERE r.hub_id = $1 AND r.run_id = w.run_id LIMIT 1
) r
WHERE r.run_id = ANY($3::uuid[])
   OR coalesce(r.actual_arrival, r.estimated_arrival, r.scheduled_arrival)
      BETWEEN $4::timestamptz - $5::interval AND $4::timestamptz + $5::interval
ORDER BY r.scheduled_arrival, r.run_id LIMIT $6
"""


async def trips_of(
    tx: Reading, hub_id: str, people: Sequence[UUID], runs: Sequence[UUID], at: datetime
) -> list[Trip]:
    """The runs one of these people is expected on around a moment, and those named."""
    rows = await tx.raw.fetch(_TRIPS, hub_id, people, runs, at, TRIP_WINDOW, MOST_TRIPS)
    return [Trip(run_id, mode, no, tuple(stops)) for run_id, mode, no, stops in rows]


_ABOARD = """
SELECT person_id, role, party, coach, seat, board_stop, alight_stop, false
FROM manifest_entry WHERE hub_id = $1 AND run_id = $2 AND withdrawn_at IS NULL
UNION ALL
SELECT e.person_id, e.role, e.party, b.coach, b.seat, b.board_stop, b.alight_stop, true
FROM seat_before b JOIN manifest_entry e
  ON e.hub_id = $1 AND e.run_id = $2 AND e.entry_id = b.entry_id
WHERE b.hub_id = $1 AND b.run_id = $2
  AND e.withdrawn_at IS NULL AND e.person_id = b.person_id
"""


async def aboard(tx: Reading, hub_id: str, run_id: UUID) -> list[PersonPlace]:
    """Every place of everybody expected on a run, in no order; the present ones first."""
    return [PersonPlace(*row) for row in await tx.raw.fetch(_ABOARD, hub_id, run_id)]
