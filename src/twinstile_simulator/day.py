"""A station day, from the first train to the recount, against a running service.

Simulated time is compressed into now. A run keeps the timetable's clock of the day as its
scheduled arrival; its estimated one is when its people really come to the gates. A check is
observed at the moment it is sent, one taken offline at the moment it was taken. So the policy
in force and the clock offset of a device are those of the real day, not of an invented one.
"""

import asyncio
import time
from dataclasses import dataclass
from datetime import UTC, date, datetime
from math import ceil
from pathlib import Path

from rich.console import Console

from twinstile_simulator import bodies, gtfs, timetable, truth
from twinstile_simulator.client import connect
from twinstile_simulator.departments.feed_monitor import FeedMonitor
from twinstile_simulator.departments.feeds import Departments
from twinstile_simulator.expectations import announce, announce_special
from twinstile_simulator.gates import Away, Gates
from twinstile_simulator.hub import Bootstrap, open_hub, print_pages
from twinstile_simulator.people import ALIGHTING
from twinstile_simulator.recount import RecountScope, recount
from twinstile_simulator.report import DayResult, progress, show
from twinstile_simulator.scenarios.policy_change import change_policy, publish_trust_list
from twinstile_simulator.scenarios.reception import Reception
from twinstile_simulator.scenarios.scripts import DayPeriod, GroupArrival
from twinstile_simulator.timetable import Timetable


@dataclass(frozen=True, slots=True)
class DayOptions:
    """What to simulate, and against which service."""

    base_url: str
    bootstrap: Bootstrap
    away: Away
    truth: Path
    """Where the truth is written, before the first request."""
    outside: Departments
    """The departments, of which the service was told."""
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

    Raises TimetableError for a timetable that cannot be used, and RequestRefused or
    Unreadable when the service cannot be set up or recounted; what goes wrong with checks
    is in the result.
    """
    day = options.day or datetime.now(UTC).astimezone().date()
    order = truth.DayOrder(
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
        await print_pages(service, hub.visitor, options.base_url, console)
        outside = options.outside
        outside.publish_first_reports(plan.arrivals)
        run_ids = await announce(service, hub, plan, station.station, options.speed, outside)
        special_run_id = await announce_special(service, hub, plan, station.station)
        texts = outside.issue_credentials(plan.arrivals)
        reception = Reception(service, hub, special_run_id, texts)
        keys = outside.issuers.certificates
        await publish_trust_list(service, hub, 1, keys.write_trust_list(withdrawn=False))
        watch = FeedMonitor(service, hub, outside)
        await watch.await_first_reports(plan.arrivals)
        await reception.receive(_coming(plan, DayPeriod.BEFORE_OPENING))
        crowd = sum(len(passage.steps) for passage in plan.passages)
        with progress(console, crowd) as checked:
            gates = Gates(service, hub, plan, run_ids, options.speed, options.away, checked)
            async with asyncio.TaskGroup() as day_work:
                day_work.create_task(gates.open())
                version = await _receive_special(plan, reception, watch)
        async with outside.issuers.provider.server.away():
            await reception.receive(_coming(plan, DayPeriod.PROVIDER_OUTAGE))
        await reception.receive(_coming(plan, DayPeriod.AFTER_OUTAGE))
        for run_id in (*run_ids, special_run_id):
            await service.ask("POST", f"/v1/runs/{run_id}:close", hub.supervisor)
        asked = RecountScope(since, bodies.now(), reception.received, version, run_ids)
        counted = await recount(service, hub, asked)
        told = await watch.read_results()
    waits = sorted(wait for tablet in hub.tablets for wait in tablet.waits_ms)
    seconds = time.perf_counter() - started
    troubles = [
        *gates.troubles,
        *reception.troubles,
        *watch.troubles,
    ]
    result = DayResult(counts, counted, told, waits, troubles, seconds)
    show(result, console)
    return result


def _timetable(options: DayOptions, day: date) -> Timetable:
    if options.timetable:
        return gtfs.read(options.timetable, day, options.stop)
    return timetable.built_in(day)


def _trains(station: Timetable, options: DayOptions) -> tuple[timetable.TimetableTrain, ...]:
    seats = sum(train.seats for train in station.trains) / len(station.trains)
    enough = ceil(1.1 * options.travellers / (seats * ALIGHTING[0]))
    return timetable.spread(station.trains, options.trains or enough)


async def _receive_special(
    plan: truth.DayPlan, reception: Reception, watch: FeedMonitor
) -> str:
    """Receive the special travellers of the morning, change the policy, receive the others.

    In the morning the police are away for a while; they are heard again before the afternoon.
    Returns the version of the new policy.
    """
    service, hub = reception.service, reception.hub
    async with asyncio.TaskGroup() as beside:
        beside.create_task(watch.interrupt_police(plan.arrivals))
        await reception.receive(_coming(plan, DayPeriod.MORNING))
        version = await change_policy(service, hub)
    listed = watch.departments.issuers.certificates.write_trust_list(withdrawn=True)
    await publish_trust_list(service, hub, 2, listed)
    await reception.receive(_coming(plan, DayPeriod.AFTERNOON))
    return version


def _coming(plan: truth.DayPlan, period: DayPeriod) -> list[GroupArrival]:
    return [arrival for arrival in plan.arrivals if arrival.group.period is period]
