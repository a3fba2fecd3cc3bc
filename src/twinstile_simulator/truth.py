"""What a simulated day must come to, worked out before the first request.

For every person: the checks that will be sent, by which tablet, whether that tablet is
offline then, and how the passage must end; and the totals the service must report.
"""

import json
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random

from twinstile_simulator import people
from twinstile_simulator.people import CrowdPerson
from twinstile_simulator.protocol import CONTACT, CheckPlace, PlannedCheck, State, script
from twinstile_simulator.scenarios import special_travellers
from twinstile_simulator.scenarios.scripts import (
    DISPOSITION,
    GroupArrival,
    Script,
    ScriptedTraveller,
    count_kinds,
    list_travellers,
)
from twinstile_simulator.timetable import TimetableTrain

R1_SHARE = 0.9
"""Trains on which the reminder before arrival was given; on the others nobody is complete."""

DISPOSITIONS = (
    ("DESIGNATED_HOSPITAL", 0.59),
    ("FEVER_CLINIC", 0.20),
    ("CENTRAL_ISOLATION", 0.08),
    ("HOME_ISOLATION", 0.08),
    ("PERSUADED_RETURN", 0.03),
    ("HEALTH_MONITORING", 0.02),  # those who refused all else
)
"""59 % to hospital as at Shanghai Hongqiao; the others are assumptions."""


TAKEN_AWAY = 5
"""People at each lane who are checked while the service is away."""


@dataclass(frozen=True, slots=True)
class DayOrder:
    """What to simulate; the same trains and order give the same day on every machine."""

    seed: int
    travellers: int
    """At most so many people at the gates."""
    lanes: int
    offline_share: float
    """Share of the lanes' tablets that lose their line for the middle third of their work."""
    fever_per_100k: float


@dataclass(frozen=True, slots=True)
class CrowdVisit:
    """A person's way through the hub as it must go. Only its first step can be offline."""

    person: CrowdPerson
    tablet: int
    offline: bool
    away: bool
    """Offline because the service is away; else the tablet's own line is down."""
    steps: tuple[PlannedCheck, ...]
    disposition: str | None
    complete: bool


@dataclass(frozen=True, slots=True)
class Counts:
    """The totals on which the simulator and the service must agree."""

    travellers: int
    checks: int
    cleared: int
    referred: int
    cases: int
    deferred: int
    no_show: int
    expected: int
    """Of the crowd, those on the lists of the railway."""
    matched: int
    """Those of them who came and were known by their document."""
    complete_222: int
    offline: int
    """Checks that were taken without a line."""
    deferred_closed_24h: int
    dispositions: dict[str, int]
    person_times: int
    """Passages; who came twice has two."""
    ends: dict[str, int]
    """Passages by the state they are in at the end of the day."""
    kinds: dict[str, int]
    """Guests by what they came for, each as their script has it."""


@dataclass(frozen=True, slots=True)
class DayPlan:
    trains: tuple[TimetableTrain, ...]
    reminded: frozenset[int]
    """Positions of the trains with a reminder before arrival."""
    crowd: tuple[CrowdPerson, ...]
    passages: tuple[CrowdVisit, ...]
    """Those who come, in the order in which they reach the gates."""
    added: tuple[str, ...]
    """Rare events added to the calibrated draw, see people.stratify."""
    arrivals: tuple[GroupArrival, ...]
    """The special travellers, who come besides the crowd."""
    counts: Counts


def plan_day(trains: Sequence[TimetableTrain], order: DayOrder) -> DayPlan:
    """Work out the whole day."""
    crowd, added = people.stratify(_crowd(trains, order), order.seed)
    coming = [person for person in crowd if person.comes]
    coming.sort(key=lambda p: (trains[p.train].scheduled_arrival, p.walk, p.key))
    rng = Random(f"{order.seed}/lanes")
    biases = [0.2 * rng.random() - 0.1 for _ in range(order.lanes)]
    reminded = frozenset(index for index in range(len(trains)) if rng.random() < R1_SHARE)
    dark = math.ceil(order.offline_share * order.lanes)
    third = len(coming) // order.lanes // 3
    passages: list[CrowdVisit] = []
    for position, person in enumerate(coming):
        turn, lane = divmod(position, order.lanes)
        draws = Random(f"{order.seed}/{person.key}")
        steps = script(_first(person, lane), _Thermometer(person, draws, biases[lane]))
        held = steps[-1].state is State.HELD
        away = 2 * third <= turn < 2 * third + TAKEN_AWAY
        passage = CrowdVisit(
            person=person,
            tablet=lane,
            offline=away or (lane < dark and third <= turn < 2 * third),
            away=away,
            steps=steps,
            disposition=people.weighted(draws, DISPOSITIONS) if held else None,
            complete=person.train in reminded,
        )
        passages.append(passage)
    invited = special_travellers.invite(order.travellers)
    counts = count(passages, invited, no_show=len(crowd) - len(coming))
    return DayPlan(
        tuple(trains), reminded, tuple(crowd), tuple(passages), tuple(added), invited, counts
    )


def write(plan: DayPlan, order: DayOrder, path: Path) -> None:
    """Write the truth as one JSON document, a line per person, without names or numbers."""
    counts = asdict(plan.counts)
    head = {"order": asdict(order), "added_rare_events": plan.added, "counts": counts}
    with path.open("w", encoding="utf-8") as file:
        file.write(json.dumps(head)[:-1] + ', "people": [')
        for position, passage in enumerate(plan.passages):
            line = {
                "person": passage.person.key,
                "service_no": plan.trains[passage.person.train].service_no,
                "tablet": passage.tablet,
                "offline": passage.offline,
                "away": passage.away,
                "checks": [asdict(step) for step in passage.steps],
                "disposition": passage.disposition,
                "complete": passage.complete,
            }
            file.write((",\n" if position else "\n") + json.dumps(line, ensure_ascii=False))
        come = [
            {
                "guest": one.key,
                "kind": arrival.group.kind,
                "ends": [script[-1].state for script in one.visits],
                **({"shows": asdict(one.presentation)} if one.presentation else {}),
            }
            for arrival in plan.arrivals
            for one in arrival.travellers
        ]
        file.write(f'\n], "guests": {json.dumps(come)}}}\n')


def _crowd(trains: Sequence[TimetableTrain], order: DayOrder) -> Iterator[CrowdPerson]:
    left = order.travellers
    for index, train in enumerate(trains):
        for person in people.passengers(train, index, order.seed, order.fever_per_100k):
            if not left:
                return
            left -= person.comes
            yield person


def _first(person: CrowdPerson, lane: int) -> PlannedCheck:
    """Describe the check at the lane: every fourth lane has a hand-held contactless device."""
    method = "CONTACTLESS" if lane % 4 == 3 else "WALK_THROUGH"
    identity = "MISMATCH" if person.mismatch else "MATCH"
    return PlannedCheck(
        CheckPlace.LANE, method=method, credential=person.credential, identity=identity
    )


@dataclass(slots=True)
class _Thermometer:
    """Reads core - offset + the lane's bias + noise; by contact, core + little noise."""

    person: CrowdPerson
    rng: Random
    bias: float
    used: bool = False

    def __call__(self, method: str) -> int:
        noise = people.normal(self.rng)
        if method in CONTACT:
            return round(10 * (self.person.core + 0.08 * noise))
        # skin from the cold reads nearly two degrees low until the person has waited a little
        offset = 1.9 if self.person.cold_skin and not self.used else 0.3
        self.used = True
        return round(10 * (self.person.core - offset + self.bias + 0.15 * noise))


def count(
    passages: Sequence[CrowdVisit], invited: Sequence[GroupArrival], *, no_show: int
) -> Counts:
    """Add up what the crowd and the guests must come to."""
    everybody = tuple(list_travellers(invited))
    scripts = [script for one in everybody for script in one.visits]
    ends = Counter(str(passage.steps[-1].state) for passage in passages)
    ends.update(str(script[-1].state) for script in scripts)
    ends[State.NO_SHOW] += no_show
    listed = sum(passage.person.listed for passage in passages)
    states = [{step.state for step in passage.steps} for passage in passages]
    states += [{action.state for action in script} for script in scripts]
    counted = [found for found in states if State.VOID not in found]
    given = Counter(passage.disposition for passage in passages if passage.disposition)
    given.update(_sent(everybody))
    return Counts(
        travellers=len(passages) + sum(_is_counted(one) for one in everybody),
        checks=sum(len(passage.steps) for passage in passages)
        + sum(action.event is None for script in scripts for action in _valid(script)),
        cleared=sum(ends[state] for state in _CLEARED),
        referred=sum(bool(found & _REFERRED) for found in counted),
        cases=sum(State.HELD in found for found in states[: len(passages)])
        + sum(any(action.state is State.HELD for action in one.script) for one in everybody),
        deferred=sum(State.DEFERRED in found for found in counted),
        no_show=no_show,
        expected=no_show + listed,
        matched=listed,
        complete_222=sum(passage.complete for passage in passages),
        offline=sum(passage.offline for passage in passages),
        deferred_closed_24h=sum(
            State.DEFERRED in found and State.DEFERRED_UNRESOLVED not in found
            for found in counted
        ),
        dispositions=dict(sorted(given.items())),
        person_times=len(passages) + sum(_is_checked(script) for script in scripts),
        ends={state: count for state, count in sorted(ends.items()) if count},
        kinds=count_kinds(invited),
    )


_CLEARED = (State.CLEARED, State.CLEARED_CONDITIONAL, State.CLEARED_TRANSIT)
_REFERRED = {State.SECONDARY, State.HELD}


def _valid(script: Script) -> Script:
    """What counts of a passage: nothing, if it was entered in error."""
    return () if script[-1].state is State.VOID else script


def _is_checked(script: Script) -> bool:
    return any(action.event is None for action in _valid(script))


def _is_counted(one: ScriptedTraveller) -> bool:
    return any(_is_checked(script) for script in one.visits)


def _sent(everybody: Sequence[ScriptedTraveller]) -> Iterator[str]:
    """Where each case of a special traveller goes in the end."""
    for one in everybody:
        codes = [str(a.content["code"]) for a in one.script if a.event == DISPOSITION]
        yield from codes[-1:]
