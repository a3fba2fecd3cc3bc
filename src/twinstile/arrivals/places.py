"""Where people were on a run, for whoever must know who sat near whom."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from twinstile.platform.db.database import Reading

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
