"""What becomes of the day's fever cases: on the way, in care, called, and closed.

Ambulances leave with them; some are sent elsewhere on the way, some hospitals do not answer
their link and are telephoned, one person does not pick up, and some go home by train. Moments
are told as they are: contacts of the days to come are made at once. Each step is noted as it is
done, and a health department has to hear of it.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final, cast
from uuid import uuid4

from twinstile_simulator import bodies, hearing
from twinstile_simulator.client import (
    Json,
    Refused,
    Service,
    Unreadable,
    mapping,
    member,
)
from twinstile_simulator.hearing import Steps
from twinstile_simulator.hub import Hub

TRIES: Final = 3
"""After so many a patient may be given up, by the policy."""
_ENDS: Final[Mapping[str, str]] = {
    "DESIGNATED_HOSPITAL": "confirmed",
    "FEVER_CLINIC": "excluded",
    "CENTRAL_ISOLATION": "recovered",
    "HOME_ISOLATION": "recovered",
    "PERSUADED_RETURN": "returned",
    "HEALTH_MONITORING": "recovered",
    "PUBLIC_HEALTH_OBSERVATION": "recovered",
    "EMERGENCY_CARE": "excluded",
}
"""By what a case sent there ends here; the others end when their receiver signs."""
_RECEIVED: Final[Mapping[str, str]] = {
    **dict.fromkeys(
        ("DESIGNATED_HOSPITAL", "FEVER_CLINIC", "CENTRAL_ISOLATION", "EMERGENCY_CARE"),
        "admitted",
    ),
    **dict.fromkeys(("DENIED_ENTRY", "POLICE_CUSTODY"), "transferred"),
}
"""As what the receiver's word is told; of those who go home as `taken_up`."""
_VEHICLES: Final[Mapping[str, str]] = {"PERSUADED_RETURN": "TRAIN", "FEVER_CLINIC": "CAR"}


@dataclass(slots=True)
class Aftercare:
    """What was done, and what the service says became of it."""

    ended: Counter[str] = field(default_factory=Counter[str])
    """Cases by how they were ended, as done."""
    told: dict[str, int] = field(default_factory=dict[str, int])
    """Cases by their state, as the service lists them."""
    carried: int = 0
    """Cases whose patient left in a vehicle."""
    contacts: int = 0
    made: int = 0
    legs: Counter[str] = field(default_factory=Counter[str])
    done: dict[str, Steps] = field(default_factory=dict[str, Steps])
    """Every step of each case, by its number."""
    heard: Mapping[str, Steps] = field(default_factory=dict[str, Steps])
    """The same as the feed told it."""
    troubles: list[str] = field(default_factory=list[str])

    @property
    def closed(self) -> int:
        return sum(n for state, n in self.told.items() if state.startswith("CLOSED_"))

    @property
    def steps(self) -> int:
        """How many steps were done."""
        return _count(self.done)

    @property
    def steps_heard(self) -> int:
        """How many the feed told."""
        return _count(self.heard)

    @property
    def adds_up(self) -> bool:
        """Every case is closed, and the partner heard of each step of each, in their order."""
        closed = self.closed == sum(self.told.values()) == len(self.done)
        return closed and self.done == self.heard and not self.troubles


def _count(cases: Mapping[str, Steps]) -> int:
    return sum(len(words) for case in cases.values() for words in case.values())


class _Case:
    """A case that is followed, and the steps it has gone."""

    def __init__(self, whole: Json) -> None:
        self.path = f"/v1/cases/{member(whole, 'case_id', str)}"
        self.number = member(whole, "case_no", str)
        self.state = member(whole, "state", str)
        sent = [mapping(one) for one in cast("list[object]", whole["dispositions"])]
        self.code = str(sent[-1]["code"]) if sent else None
        self.steps: defaultdict[str, list[str]] = defaultdict(list)
        self.note("case.opened", origin=whole["origin"])
        for step in cast("list[object]", whole["transitions"]):
            if (event := mapping(step)["event"]) != "timeout":
                self.note("case.moved", event=event)

    def note(self, kind: str, **told: object) -> None:
        """Note a step that was done, as a partner must hear of it."""
        self.steps[kind].append(hearing.word(kind, told))


async def follow(service: Service, hub: Hub) -> Aftercare:
    """Follow every case of the hub to its closure, and count it again."""
    done = Aftercare()
    partner = await hearing.enter(service, hub)
    for n, listed in enumerate(await _cases(service, hub)):
        path = f"/v1/cases/{member(listed, 'case_id', str)}"
        case = _Case(await service.ask("GET", path, hub.secondary.token))
        try:
            await _case(service, hub, done, n, case)
        except (Refused, Unreadable) as error:
            done.troubles.append(f"{case.number}: {error}")
        done.done[case.number] = dict(case.steps)
    done.told = dict(Counter(member(c, "state", str) for c in await _cases(service, hub)))
    done.heard = await hearing.listen(service, partner, done.steps)
    done.troubles += [
        f"{number}: the partner heard {done.heard.get(number)}, done was {steps}"
        for number, steps in done.done.items()
        if done.heard.get(number) != steps
    ]
    return done


async def _cases(service: Service, hub: Hub) -> list[Json]:
    found: list[Json] = []
    cursor: object = ""
    while cursor is not None:
        more = f"&cursor={cursor}" if cursor else ""
        page = await service.ask("GET", f"/v1/cases?limit=200{more}", hub.supervisor)
        found += [mapping(one) for one in cast("list[object]", page["cases"])]
        cursor = page["next"]
    return found


async def _case(service: Service, hub: Hub, done: Aftercare, n: int, case: _Case) -> None:
    medic = hub.secondary.token
    if case.state.startswith("CLOSED_"):
        done.ended["at the hub"] += 1
        return
    if case.code is None:
        await _move(service, case, medic, "not_fever")
        done.ended["not_fever"] += 1
        return
    if case.code == "PERSUADED_RETURN":
        await _tell_origin(service, case, medic)
    await _carry(service, done, n, case, medic)
    done.carried += 1
    await _call(service, hub, done, case)


async def _move(service: Service, case: _Case, token: str, event: str) -> None:
    body = {"id": str(uuid4()), "event": event, "at": bodies.now(), "reason": "demo"}
    await service.ask("POST", f"{case.path}/transitions", token, body)
    case.note("case.moved", event=event)


async def _tell_origin(service: Service, case: _Case, medic: str) -> None:
    body = {"office": "demo command", "by": "TELEPHONE", "told_at": bodies.now()}
    await service.ask("PUT", f"{case.path}/origin-notices/{uuid4()}", medic, body)
    case.note("case.origin-told", by="TELEPHONE")


async def _carry(service: Service, done: Aftercare, n: int, case: _Case, medic: str) -> None:
    """Leave with the patient; every third is sent elsewhere, every fourth is telephoned for."""
    leg = await _depart(service, case, medic, None)
    if case.state == "DISPOSED":  # whoever left in an emergency is on the way as it is
        case.note("case.moved", event="dispatched")
    if n % 3 == 1:
        leg = await _depart(service, case, medic, "the ward is full")
        case.note("case.moved", event="diverted")
        done.legs["diverted"] += 1
    signed = {"answer": "HERE", "signed_by": "ward 3", "said_at": bodies.now()}
    link = await service.ask("POST", f"{leg}/link", medic)
    if n % 4 == 1:  # nobody answers the link
        await service.ask("PUT", f"{leg}/receipts/{uuid4()}", medic, signed)
        done.legs["signed by telephone"] += 1
        case.note("case.handover", answer="HERE", via="STAFF")
    else:
        answer = {**signed, "token": link["token"], "receipt_id": str(uuid4())}
        await service.ask("POST", "/v1/handovers:answer", None, answer)
        done.legs["signed by link"] += 1
        case.note("case.handover", answer="HERE", via="LINK")
    case.note("case.moved", event=_RECEIVED.get(str(case.code), "taken_up"))


async def _depart(service: Service, case: _Case, medic: str, reason: str | None) -> str:
    leg = f"{case.path}/legs/{uuid4()}"
    vehicle = _VEHICLES.get(str(case.code), "AMBULANCE")
    body = {
        "receiver": "demo receiver" if reason is None else "another demo receiver",
        "vehicle": vehicle,
        "reason": reason,
        "departed_at": bodies.now(),
        "expected_at": (datetime.now(UTC) + timedelta(minutes=20)).isoformat(),
    }
    await service.ask("PUT", leg, medic, body)
    case.note("case.departed", vehicle=vehicle)
    return leg


async def _call(service: Service, hub: Hub, done: Aftercare, case: _Case) -> None:
    """Make the contacts of the schedule, and end the case as its disposition is meant to."""
    caller, end = hub.epidemiologist, _ENDS.get(str(case.code))
    if end is None:
        done.ended["transferred"] += 1
        return
    contacts = await _contacts(service, case, caller)
    if case.code in {"FEVER_CLINIC", "HOME_ISOLATION"} and not done.ended["lost"]:  # no answer
        for _ in range(TRIES):
            await _attempt(service, case, caller, contacts[0], "NO_ANSWER")
        end = "lost"
    else:
        if case.code == "HOME_ISOLATION":  # and reports by the link besides
            await _own_report(service, case, hub.secondary.token)
        for contact in await _open(service, case, caller):
            await _attempt(service, case, caller, contact, "REACHED")
    who = hub.secondary.token if end != "lost" else caller
    await _move(service, case, who, end)
    done.ended[end] += 1
    made = await _contacts(service, case, caller)
    done.contacts += sum(one["outcome"] != "OVER" or one["attempts"] != 0 for one in made)
    done.made += sum(contact["outcome"] == "REACHED" for contact in made)


async def _contacts(service: Service, case: _Case, caller: str) -> list[Json]:
    told = await service.ask("GET", f"{case.path}/follow-ups", caller)
    return [mapping(one) for one in cast("list[object]", told["contacts"])]


async def _open(service: Service, case: _Case, caller: str) -> Sequence[Json]:
    return [one for one in await _contacts(service, case, caller) if one["done_at"] is None]


async def _attempt(
    service: Service, case: _Case, caller: str, contact: Json, outcome: str
) -> None:
    body: dict[str, object] = {
        "by": "TELEPHONE",
        "outcome": outcome,
        "said_at": bodies.now(),
        "temperature_c": 36.6 if outcome == "REACHED" else None,
        "result": "NEGATIVE" if contact["kind"] in {"TEST", "RESULT"} else None,
    }
    path = f"/v1/follow-ups/{contact['follow_up_id']}/attempts/{uuid4()}"
    await service.ask("PUT", path, caller, body)
    case.note("case.follow-up", by="TELEPHONE", outcome=outcome)


async def _own_report(service: Service, case: _Case, medic: str) -> None:
    link = await service.ask("POST", f"{case.path}/self-report-link", medic)
    report = {"report_id": str(uuid4()), "temperature_c": 36.5, "said_at": bodies.now()}
    await service.ask("POST", "/v1/self-reports", None, {"token": link["token"], **report})
    case.note("case.follow-up", by="SELF", outcome="REACHED")
