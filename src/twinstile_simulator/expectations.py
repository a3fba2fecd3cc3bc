"""How the hub learns whom to expect: from the railway's lists, of some runs by hand."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import cast
from urllib.parse import urlencode
from uuid import uuid4

from twinstile_simulator import bodies, truth
from twinstile_simulator.client import Json, ServiceClient, Unreadable, mapping, member, until
from twinstile_simulator.departments import railway
from twinstile_simulator.departments.feeds import Departments
from twinstile_simulator.departments.railway import TrainJourney
from twinstile_simulator.hub import SimulatedHub
from twinstile_simulator.scenarios.scripts import list_travellers

_PATIENCE_S = 60.0
_ROWS_PER_S = 200
"""Rows arrive much faster than that."""


async def announce(
    service: ServiceClient,
    hub: SimulatedHub,
    plan: truth.DayPlan,
    station: str,
    speed: float | None,
    outside: Departments,
) -> list[str]:
    """Let the hub learn which runs come and who is on them, and give reminders on most.

    Returns the ids of the runs, in the order of the plan.
    Raises `RequestRefused`, `Unreadable`.
    """
    journeys = _journeys(plan, speed)
    carried = railway.select_numbered(plan.trains)
    by_feed = [j for j, of in zip(journeys, carried, strict=True) if of and j.people]
    outside.send_lists(by_feed, station)
    by_hand = [j for j in journeys if j not in by_feed]
    ids = {_key(j): await _by_hand(service, hub, j, station) for j in by_hand}
    ids |= await _by_feed(service, hub, by_feed)
    run_ids = [ids[_key(journey)] for journey in journeys]
    for position in sorted(plan.reminded):
        reminder = bodies.reminder(run_ids[position])
        await service.ask("PUT", f"/v1/reminders/{uuid4()}", hub.supervisor, reminder)
    return run_ids


async def announce_special(
    service: ServiceClient, hub: SimulatedHub, plan: truth.DayPlan, station: str
) -> str:
    """Announce the train of the special travellers on a manifest; returns its run's id."""
    run_id, train = str(uuid4()), replace(plan.trains[-1], service_no="G9222")
    body = bodies.run(train, datetime.now(UTC) + timedelta(hours=1))
    await service.ask("PUT", f"/v1/runs/{run_id}", hub.supervisor, body)
    expected = [arrival for arrival in plan.arrivals if arrival.group.expected]
    manifest = bodies.special_manifest(list_travellers(expected), station)
    await service.ask("PUT", f"/v1/runs/{run_id}/manifest", hub.supervisor, manifest)
    return run_id


def _journeys(plan: truth.DayPlan, speed: float | None) -> list[TrainJourney]:
    started = datetime.now(UTC).replace(microsecond=0)
    first = plan.trains[0].scheduled_arrival
    return [
        TrainJourney(
            train,
            [p for p in plan.crowd if p.train == position and p.listed],
            started + ((train.scheduled_arrival - first) / speed if speed else timedelta(0)),
        )
        for position, train in enumerate(plan.trains)
    ]


def _key(journey: TrainJourney) -> tuple[str, datetime]:
    return journey.train.service_no, journey.train.scheduled_arrival


async def _by_hand(
    service: ServiceClient, hub: SimulatedHub, journey: TrainJourney, station: str
) -> str:
    run_id = str(uuid4())
    body = bodies.run(journey.train, journey.comes)
    manifest = bodies.manifest(journey.people, station)
    await service.ask("PUT", f"/v1/runs/{run_id}", hub.supervisor, body)
    await service.ask("PUT", f"/v1/runs/{run_id}/manifest", hub.supervisor, manifest)
    return run_id


async def _by_feed(
    service: ServiceClient, hub: SimulatedHub, journeys: Sequence[TrainJourney]
) -> dict[tuple[str, datetime], str]:
    """Wait until each train is known with everybody who is on it; the ids of their runs."""
    ids: dict[tuple[str, datetime], str] = {}

    async def complete() -> bool:
        known = await _runs(service, hub, journeys)
        for journey in journeys:
            run = known.get(journey.train.service_no)
            if run and _key(journey) not in ids:
                run_id = member(run, "run_id", str)
                path = f"/v1/runs/{run_id}/expectations"
                told = await service.ask("GET", path, hub.supervisor)
                if told["expected"] == len(journey.people):
                    ids[_key(journey)] = run_id
        return len(ids) == len(journeys)

    rows = sum(len(journey.people) for journey in journeys)
    await until(complete, _PATIENCE_S + rows / _ROWS_PER_S)
    if len(ids) < len(journeys):
        raise Unreadable(f"{len(journeys) - len(ids)} lists of the railway did not arrive")
    return ids


async def _runs(
    service: ServiceClient, hub: SimulatedHub, journeys: Sequence[TrainJourney]
) -> Mapping[str, Json]:
    """What the hub knows of the runs of these journeys' hours, by their numbers."""
    times = [journey.train.scheduled_arrival for journey in journeys]
    if not times:
        return {}
    last = max(times) + timedelta(seconds=1)
    period = urlencode({"from": min(times).isoformat(), "to": last.isoformat()})
    told = await service.ask("GET", f"/v1/runs?{period}", hub.supervisor)
    runs = [mapping(run) for run in cast("list[object]", member(told, "runs", list))]
    return {member(run, "service_no", str): run for run in runs}
