"""A station day, from the first train to the recount, against a running service.

Simulated time is compressed into now. A run keeps the timetable's clock of the day as its
scheduled arrival; its estimated one is when its people really come to the gates. A check is
observed at the moment it is sent, one taken offline at the moment it was taken. So the policy
in force and the clock offset of a device are those of the real day, not of an invented one.
"""

import asyncio
import time
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from math import ceil
from pathlib import Path
from uuid import uuid4

from rich.console import Console

from twinstile.demo import bodies, gtfs, personas, timetable, truth
from twinstile.demo.client import Service, connect
from twinstile.demo.gates import Away, Gates
from twinstile.demo.hosts import GuestTrain, Hosts
from twinstile.demo.hub import Bootstrap, Hub, open_hub
from twinstile.demo.noon import Noon, change_policy
from twinstile.demo.people import ALIGHTING
from twinstile.demo.recount import Asked, recount
from twinstile.demo.report import DayResult, progress, show
from twinstile.demo.timetable import Timetable


@dataclass(frozen=True, slots=True)
class DayOptions:
    """What to simulate, and against which service."""

    base_url: str
    bootstrap: Bootstrap
    away: Away
    truth: Path
    """Where the truth is written, before the first request."""
    timetable: Path | None = None
    """A GTFS zip; without one the built-in day is used."""
    stop: str | None = None
    """A stop's id or name; without one the station with most arrivals."""
    day: date | None = None
    """The day of the timetable; without one today."""
    seed: int = 222
    """Once at a hub: the same people would come again while some of them are still held."""
    trains: int | None = None
    """At most so many, evenly over the day; without it as many as the travellers fill."""
    travellers: int = 2000
    speed: float | None = None
    """Simulated seconds per second; without it as fast as the service answers."""
    tablets: int = 8
    """At the lanes, besides one at the assisted lane and one at the secondary desk."""
    offline_share: float = 0.25
    fever_per_100k: float = 300.0
    """Far above the published 8 (people.BASE_FEVER_PER_100K): a small day should show cases."""


async def run_day(options: DayOptions, console: Console) -> DayResult:
    """Simulate the day and recount it.

    Raises TimetableError for a timetable that cannot be used, and Refused or Unreadable when
    the service cannot be set up or recounted; what goes wrong with checks is in the result.
    """
    day = options.day or datetime.now(UTC).astimezone().date()
    order = truth.Order(
        options.seed,
        options.travellers,
        options.tablets,
        options.offline_share,
        options.fever_per_100k,
    )
    station = _timetable(options, day)
    plan = truth.plan_day(_trains(station, options), order)
    truth.write(plan, order, options.truth)
    counts = plan.counts
    size = f"{len(plan.trains)} trains, {counts.travellers} travellers, {counts.checks} checks"
    console.print(f"{station.station}, {day}: {size}; truth in {options.truth}", markup=False)
    if plan.added:
        console.print(f"added to the draw, so that each is seen: {', '.join(plan.added)}")
    started, since = time.perf_counter(), bodies.now()
    async with connect(options.base_url) as service:
        hub = await open_hub(service, options.bootstrap, options.tablets)
        run_ids = await _announce(service, hub, plan, station.station, options.speed)
        hosts = Hosts(service, hub, await _expect(service, hub, plan, station.station))
        crowd = sum(len(passage.steps) for passage in plan.passages)
        with progress(console, crowd) as checked:
            gates = Gates(service, hub, plan, run_ids, options.speed, options.away, checked)
            async with asyncio.TaskGroup() as day_work:
                day_work.create_task(gates.open())
                noon = await _guests(service, hub, plan, hosts, since)
        for run_id in (*run_ids, *(guest.run_id for guest in hosts.trains.values())):
            await service.ask("POST", f"/v1/runs/{run_id}:close", hub.supervisor)
        asked = Asked(since, bodies.now(), hosts.received, noon)
        counted = await recount(service, hub, asked)
    waits = sorted(wait for tablet in hub.tablets for wait in tablet.waits_ms)
    seconds = time.perf_counter() - started
    troubles = [*gates.troubles, *hosts.troubles]
    result = DayResult(counts, counted, waits, troubles, seconds)
    show(result, console)
    return result


def _timetable(options: DayOptions, day: date) -> Timetable:
    if options.timetable:
        return gtfs.read(options.timetable, day, options.stop)
    return timetable.built_in(day)


def _trains(station: Timetable, options: DayOptions) -> tuple[timetable.Train, ...]:
    seats = sum(train.seats for train in station.trains) / len(station.trains)
    enough = ceil(1.1 * options.travellers / (seats * ALIGHTING[0]))
    return timetable.spread(station.trains, options.trains or enough)


async def _announce(
    service: Service, hub: Hub, plan: truth.Plan, station: str, speed: float | None
) -> list[str]:
    """Tell the hub which runs come and who is on them, and give reminders on most of them."""
    started = datetime.now(UTC)
    run_ids = [str(uuid4()) for _ in plan.trains]
    for position, (train, run_id) in enumerate(zip(plan.trains, run_ids, strict=True)):
        listed = [p for p in plan.crowd if p.train == position and p.listed]
        manifest = bodies.manifest(listed, station)
        since_first = train.scheduled_arrival - plan.trains[0].scheduled_arrival
        comes = started + (since_first / speed if speed else timedelta(0))
        await service.ask("PUT", f"/v1/runs/{run_id}", hub.supervisor, bodies.run(train, comes))
        await service.ask("PUT", f"/v1/runs/{run_id}/manifest", hub.supervisor, manifest)
        if position in plan.reminded:
            reminder = bodies.reminder(run_id)
            await service.ask("PUT", f"/v1/reminders/{uuid4()}", hub.supervisor, reminder)
    return run_ids


async def _guests(
    service: Service, hub: Hub, plan: truth.Plan, hosts: Hosts, since: str
) -> Noon:
    """Receive the guests of the morning, change the policy, receive the others."""
    await hosts.receive([visit for visit in plan.visits if not visit.group.afternoon])
    counted = bodies.tally(hub.guests.lane_id, personas.TALLY)
    await service.ask("PUT", f"/v1/tallies/{uuid4()}", hub.supervisor, counted)
    noon = await change_policy(service, hub, since)
    await hosts.receive([visit for visit in plan.visits if visit.group.afternoon])
    return noon


async def _expect(
    service: Service, hub: Hub, plan: truth.Plan, station: str
) -> dict[bool, GuestTrain]:
    """Announce the trains of those guests who stand on a manifest."""
    trains: dict[bool, GuestTrain] = {}
    for early, service_no in ((False, "G9222"), (True, "G9224")):
        run_id, train = str(uuid4()), replace(plan.trains[-1], service_no=service_no)
        body = bodies.run(train, datetime.now(UTC) + timedelta(hours=1))
        await service.ask("PUT", f"/v1/runs/{run_id}", hub.supervisor, body)
        expected = [v for v in plan.visits if v.group.expected and v.group.early is early]
        manifest = bodies.guest_list(expected, station)
        await service.ask("PUT", f"/v1/runs/{run_id}/manifest", hub.supervisor, manifest)
        trains[early] = GuestTrain(run_id, train)
    return trains
