"""What is known of the patient of a case and of those around: on runs, in parties, at gates."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import select

from twinstile.arrivals import expected
from twinstile.arrivals.expected import PersonPlace, Trip
from twinstile.arrivals.records import TravellerRole
from twinstile.cases import referrals
from twinstile.contacts import geometry, seats
from twinstile.contacts.geometry import Aboard, RunLocation
from twinstile.identity import links
from twinstile.platform.db.database import Reading
from twinstile.platform.db.schema import first_id
from twinstile.screening.tables import Screening

CLOCK_SLACK: Final = timedelta(minutes=10)
"""How far a device's clock, which its ids tell, may be from ours."""

SOMEWHERE: Final = RunLocation(None, None, None)
"""The place of a patient who is known to have been on a run, and is on no list of it."""


@dataclass(frozen=True, slots=True)
class Patient:
    """The patient of a case: every id they have here, and the passages of that day."""

    people: tuple[UUID, ...]
    screenings: tuple[UUID, ...]
    run_id: UUID | None
    opened_at: datetime


@dataclass(frozen=True, slots=True)
class ReportedStay:
    """A place the patient says they had, or whose ticket was seen."""

    run_id: UUID
    coach: str | None
    seat: str | None
    board_stop: str | None
    alight_stop: str | None


@dataclass(frozen=True, slots=True)
class OnRun:
    """A run with the patient and the others on it."""

    trip: Trip
    patient: Aboard
    others: tuple[Aboard, ...]
    shown: Mapping[UUID, tuple[str | None, str | None]]
    """Coach and seat of the others as they are written."""


async def patient(tx: Reading, hub_id: str, case_id: UUID) -> Patient:
    """Raises `NotFound`."""
    screening_id, person_id = await referrals.patient(tx, hub_id, case_id)
    found = await tx.sql.execute(
        select(Screening.opened_at, Screening.run_id).where(
            Screening.hub_id == hub_id, Screening.screening_id == screening_id
        )
    )
    opened_at, run_id = found.one()
    if person_id is None:
        return Patient((), (screening_id,), run_id, opened_at)
    people = await links.kin(tx, hub_id, person_id)
    same = await tx.sql.execute(
        select(Screening.screening_id)
        .where(
            Screening.person_id.in_(people),
            Screening.hub_id == hub_id,
            Screening.opened_at.between(
                opened_at - timedelta(hours=24), opened_at + timedelta(hours=24)
            ),
        )
        .limit(50)
    )
    screenings = {screening_id, *(row[0] for row in same)}
    return Patient(tuple(people), tuple(sorted(screenings)), run_id, opened_at)


async def on_runs(
    tx: Reading, hub_id: str, whose: Patient, reported: Sequence[ReportedStay]
) -> list[OnRun]:
    """The runs of the patient's journey, with everybody on each."""
    named = [one.run_id for one in reported] + ([whose.run_id] if whose.run_id else [])
    trips = await expected.trips_of(tx, hub_id, whose.people, named, whose.opened_at)
    return [
        _on_run(trip, await expected.aboard(tx, hub_id, trip.run_id), whose, reported)
        for trip in trips
    ]


def _on_run(
    trip: Trip, placed: Sequence[PersonPlace], whose: Patient, reported: Sequence[ReportedStay]
) -> OnRun:
    stops = geometry.counted(trip.stops)
    told: dict[UUID, list[PersonPlace]] = {}
    for one in placed:
        told.setdefault(one.person_id, []).append(one)
    mine = [one for person_id in whose.people for one in told.pop(person_id, [])]
    spoken = [_place(stops, one) for one in reported if one.run_id == trip.run_id]
    here = [*spoken, *(_place(stops, one, earlier=one.earlier) for one in mine)]
    me = Aboard(
        whose.people[0] if whose.people else trip.run_id,
        tuple(here or [SOMEWHERE]),
        party=next((one.party for one in mine if one.party), None),
    )
    others = tuple(
        Aboard(
            person_id,
            tuple(_place(stops, one, earlier=one.earlier) for one in ones),
            crew=any(one.role == TravellerRole.CREW for one in ones),
            party=next((one.party for one in ones if one.party), None),
        )
        for person_id, ones in told.items()
    )
    shown = {person_id: (ones[0].coach, ones[0].seat) for person_id, ones in told.items()}
    return OnRun(trip, me, others, shown)


def _place(
    stops: Mapping[str, int], one: PersonPlace | ReportedStay, *, earlier: bool = False
) -> RunLocation:
    return RunLocation(
        seats.coach(one.coach),
        seats.seat(one.seat),
        geometry.leg(stops, one.board_stop, one.alight_stop),
        earlier,
    )


_PARTY = """
SELECT DISTINCT s.person_id
FROM (SELECT * FROM party_member WHERE screening_id = ANY($2::uuid[]) OFFSET 0) m
CROSS JOIN LATERAL (
    SELECT o.screening_id FROM party_member o
    WHERE o.party_id = m.party_id AND o.hub_id = $1 LIMIT 500
) o CROSS JOIN LATERAL (
    SELECT s.person_id FROM screening s
    WHERE s.hub_id = $1 AND s.screening_id = o.screening_id LIMIT 1
) s
WHERE m.hub_id = $1 AND s.person_id IS NOT NULL AND s.person_id <> ALL($3::uuid[])
"""


async def party(tx: Reading, hub_id: str, whose: Patient) -> list[UUID]:
    """Who was registered at a gate as travelling with the patient."""
    rows = await tx.raw.fetch(_PARTY, hub_id, whose.screenings, whose.people)
    return [row[0] for row in rows]


_MINUTES = """
SELECT lane_id, observed_at
FROM (SELECT * FROM "check" WHERE screening_id = ANY($2::uuid[]) OFFSET 0) c
WHERE c.hub_id = $1 AND c.lane_id IS NOT NULL
ORDER BY observed_at LIMIT 20
"""
# by the id, which tells the device's time: what came late was observed in time
_BESIDE = """
SELECT DISTINCT c.person_id, CASE WHEN c.person_id IS NULL THEN c.screening_id END
FROM "check" c
WHERE c.hub_id = $1 AND c.id >= $2 AND c.id < $3 AND c.lane_id = $4
  AND c.observed_at BETWEEN $5::timestamptz - $6::interval AND $5::timestamptz + $6::interval
  AND CASE WHEN c.person_id IS NULL THEN c.screening_id <> ALL($8::uuid[])
      ELSE c.person_id <> ALL($7::uuid[]) END
LIMIT 500
"""


async def find_at_gates(
    tx: Reading, hub_id: str, whose: Patient, within: timedelta
) -> tuple[int | None, set[UUID]]:
    """Who was at the patient's gates in their minutes, and how many whom nobody knows.

    None for these: at which gate the patient was, and when, is not known.
    """
    seen = await tx.raw.fetch(_MINUTES, hub_id, whose.screenings)
    people, strangers = set[UUID](), set[UUID]()
    for lane_id, at in seen:
        span = within + CLOCK_SLACK
        ids = (first_id(at - span), first_id(at + span))
        where = (lane_id, at, within, whose.people, whose.screenings)
        for person_id, screening_id in await tx.raw.fetch(_BESIDE, hub_id, *ids, *where):
            (strangers if person_id is None else people).add(person_id or screening_id)
    return len(strangers) if seen else None, people
