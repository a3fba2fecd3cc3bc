"""What becomes of the day's fever cases: on the way, in care, called, and closed.

Ambulances leave with them; some are sent elsewhere on the way, some hospitals do not answer
their link and are telephoned, one person does not pick up, and some go home by train. Moments
are told as they are: contacts of the days to come are made at once.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final, cast
from uuid import uuid4

from twinstile.demo import bodies
from twinstile.demo.client import Json, Refused, Service, Unreadable, mapping, member
from twinstile.demo.hub import Hub

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
_VEHICLES: Final[Mapping[str, str]] = {"PERSUADED_RETURN": "TRAIN", "FEVER_CLINIC": "CAR"}


@dataclass(slots=True)
class Aftercare:
    """What was done, and what the service says became of it."""

    ended: Counter[str] = field(default_factory=Counter[str])
    """Cases by how they were ended, as done."""
    told: dict[str, int] = field(default_factory=dict[str, int])
    """Cases by their state, as the service lists them."""
    minutes: list[float] = field(default_factory=list[float])
    """From the opening of a case to its departure, ascending."""
    contacts: int = 0
    made: int = 0
    legs: Counter[str] = field(default_factory=Counter[str])
    heard: int = 0
    """Cases of which the partner's feed told the closure."""
    troubles: list[str] = field(default_factory=list[str])

    @property
    def closed(self) -> int:
        return sum(n for state, n in self.told.items() if state.startswith("CLOSED_"))

    @property
    def adds_up(self) -> bool:
        """Every case is closed, in as many ways as were done, and the partner heard of each."""
        return self.closed == sum(self.told.values()) == self.heard and not self.troubles

    def percentile(self, percent: int) -> float | None:
        """Minutes, by nearest rank; None when nobody was carried."""
        if not self.minutes:
            return None
        rank = math.ceil(percent / 100 * len(self.minutes))
        return round(self.minutes[rank - 1], 1)


async def follow(service: Service, hub: Hub) -> Aftercare:
    """Follow every case of the hub to its closure, and count it again."""
    done = Aftercare()
    partner = await _partner(service, hub)
    cases = await _cases(service, hub)
    for n, case in enumerate(cases):
        try:
            await _case(service, hub, done, n, member(case, "case_id", str))
        except (Refused, Unreadable) as error:
            done.troubles.append(f"{case.get('case_no')}: {error}")
    done.told = dict(Counter(member(c, "state", str) for c in await _cases(service, hub)))
    done.minutes.sort()
    done.heard = await _heard(service, partner, done.closed)
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


async def _case(service: Service, hub: Hub, done: Aftercare, n: int, case_id: str) -> None:
    path, medic = f"/v1/cases/{case_id}", hub.secondary.token
    whole = await service.ask("GET", path, medic)
    if str(whole["state"]).startswith("CLOSED_"):
        done.ended["at the hub"] += 1
        return
    sent = [mapping(one) for one in cast("list[object]", whole["dispositions"])]
    if not sent:
        await _move(service, path, medic, "not_fever")
        done.ended["not_fever"] += 1
        return
    code = str(sent[-1]["code"])
    await _carry(service, done, n, path, medic, code)
    opened = datetime.fromisoformat(str(whole["opened_at"]))
    done.minutes.append((datetime.now(UTC) - opened).total_seconds() / 60)
    await _call(service, hub, done, path, code)


async def _move(service: Service, path: str, token: str, event: str) -> None:
    body = {"id": str(uuid4()), "event": event, "at": bodies.now(), "reason": "demo"}
    await service.ask("POST", f"{path}/transitions", token, body)


async def _carry(  # who goes where
    service: Service, done: Aftercare, n: int, path: str, medic: str, code: str
) -> None:
    """Leave with the patient; every third is sent elsewhere, every fourth is telephoned for."""
    leg = await _depart(service, path, medic, code, None)
    if n % 3 == 1:
        leg = await _depart(service, path, medic, code, "the ward is full")
        done.legs["diverted"] += 1
    signed = {"answer": "HERE", "signed_by": "ward 3", "said_at": bodies.now()}
    link = await service.ask("POST", f"{leg}/link", medic)
    if n % 4 == 1:  # nobody answers the link
        await service.ask("PUT", f"{leg}/receipts/{uuid4()}", medic, signed)
        done.legs["signed by telephone"] += 1
        return
    answer = {**signed, "token": link["token"], "receipt_id": str(uuid4())}
    await service.ask("POST", "/v1/handovers:answer", None, answer)
    done.legs["signed by link"] += 1


async def _depart(
    service: Service, path: str, medic: str, code: str, reason: str | None
) -> str:
    leg = f"{path}/legs/{uuid4()}"
    body = {
        "receiver": "demo receiver" if reason is None else "another demo receiver",
        "vehicle": _VEHICLES.get(code, "AMBULANCE"),
        "reason": reason,
        "departed_at": bodies.now(),
        "expected_at": (datetime.now(UTC) + timedelta(minutes=20)).isoformat(),
    }
    await service.ask("PUT", leg, medic, body)
    return leg


async def _call(  # who is called about what
    service: Service, hub: Hub, done: Aftercare, path: str, code: str
) -> None:
    """Make the contacts of the schedule, and end the case as its disposition is meant to."""
    caller, end = hub.epidemiologist, _ENDS.get(code)
    if end is None:
        done.ended["transferred"] += 1
        return
    contacts = await _contacts(service, path, caller)
    if code in {"FEVER_CLINIC", "HOME_ISOLATION"} and not done.ended["lost"]:  # no answer
        for _ in range(TRIES):
            await _attempt(service, caller, contacts[0], "NO_ANSWER")
        end = "lost"
    else:
        if code == "HOME_ISOLATION":  # and reports by the link besides
            await _own_report(service, path, hub.secondary.token)
        for contact in await _open(service, path, caller):
            await _attempt(service, caller, contact, "REACHED")
    who = hub.secondary.token if end != "lost" else caller
    await _move(service, path, who, end)
    done.ended[end] += 1
    made = await _contacts(service, path, caller)
    done.contacts += sum(one["outcome"] != "OVER" or one["attempts"] != 0 for one in made)
    done.made += sum(contact["outcome"] == "REACHED" for contact in made)


async def _contacts(service: Service, path: str, caller: str) -> list[Json]:
    told = await service.ask("GET", f"{path}/follow-ups", caller)
    return [mapping(one) for one in cast("list[object]", told["contacts"])]


async def _open(service: Service, path: str, caller: str) -> Sequence[Json]:
    return [one for one in await _contacts(service, path, caller) if one["done_at"] is None]


async def _attempt(service: Service, caller: str, contact: Json, outcome: str) -> None:
    body: dict[str, object] = {
        "by": "TELEPHONE",
        "outcome": outcome,
        "said_at": bodies.now(),
        "temperature_c": 36.6 if outcome == "REACHED" else None,
        "result": "NEGATIVE" if contact["kind"] in {"TEST", "RESULT"} else None,
    }
    path = f"/v1/follow-ups/{contact['follow_up_id']}/attempts/{uuid4()}"
    await service.ask("PUT", path, caller, body)


async def _own_report(service: Service, path: str, medic: str) -> None:
    link = await service.ask("POST", f"{path}/self-report-link", medic)
    report = {"report_id": str(uuid4()), "temperature_c": 36.5, "said_at": bodies.now()}
    await service.ask("POST", "/v1/self-reports", None, {"token": link["token"], **report})


async def _partner(service: Service, hub: Hub) -> str:
    """Let a health department in; its access token."""
    body = {"name": "Demo health commission", "kind": "health"}
    entered = await service.ask("POST", "/v1/partners", hub.administrator, body)
    form = {
        "grant_type": "client_credentials",
        "client_id": member(entered, "client_id", str),
        "client_secret": member(entered, "client_secret", str),
    }
    given = await service.http.post("/v1/oauth/token", data=form)
    return member(cast("object", given.json()), "access_token", str)


async def _heard(service: Service, token: str, closed: int) -> int:
    """Cases whose closure the feed told, read until as many as there are or it falls silent."""
    subjects: set[str] = set()
    after = ""
    while True:
        query = f"types=case.moved&limit=500&wait=5{after}"
        page = await service.ask("GET", f"/v1/changes?{query}", token)
        changes = [mapping(one) for one in cast("list[object]", page["changes"])]
        subjects |= {
            member(change, "subject", str)
            for change in changes
            if str(mapping(change["fields"]).get("after")).startswith("CLOSED_")
        }
        after = f"&after={page['next']}"
        if len(subjects) >= closed or (not changes and not page["more"]):
            return len(subjects)
