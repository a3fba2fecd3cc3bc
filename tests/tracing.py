"""A train with a patient and others on it, and lists of contacts as officers ask for them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

import fever
import people
from httpx2 import Response
from hubs import Hub
from people import Json

from twinstile.platform.roles import Role

STOPS = ["Shanghai Hongqiao", "Jiaxing South", "Hangzhou East"]
WHOLE = {"board_stop": STOPS[0], "alight_stop": STOPS[2]}


def entry(
    entry_id: str, coach: str | None = None, seat: str | None = None, **more: object
) -> Json:
    """Somebody on the list, from the first stop to the hub unless told otherwise."""
    return {
        "entry_id": entry_id,
        "document": people.document(),
        "coach": coach,
        "seat": seat,
        **WHOLE,
        **more,
    }


@dataclass(frozen=True, slots=True)
class Train:
    hub: Hub
    run_id: UUID

    async def land(self, entries: Sequence[Json], batch: int = 1) -> None:
        path = f"/v1/runs/{self.run_id}/manifest"
        body = {"batch": batch, "entries": entries}
        answer = await self.hub.client(Role.SUPERVISOR).put(path, json=body)
        assert answer.status_code == 200, answer.text


async def train(hub: Hub, entries: Sequence[Json], **more: object) -> Train:
    """A run with these people on it."""
    run_id = people.new_id()
    body = {
        "mode": "RAIL",
        "service_no": "G7349",
        "service_date": people.now()[:10],
        "origin": STOPS[0],
        "terminus": STOPS[-1],
        "scheduled_arrival": people.now(),
        "stops": STOPS,
        **more,
    }
    answer = await hub.client(Role.SUPERVISOR).put(f"/v1/runs/{run_id}", json=body)
    assert answer.status_code == 200, answer.text
    made = Train(hub, run_id)
    await made.land(entries)
    return made


async def case_of(hub: Hub, who: Json) -> str:
    """The case of somebody on a list, confirmed at the gate."""
    return await fever.case_of(hub, number=str(who["document"]["number"]))


async def ask(
    hub: Hub,
    case_id: str,
    list_id: UUID | None = None,
    who: Role = Role.EPIDEMIOLOGIST,
    **body: object,
) -> Response:
    path = f"/v1/cases/{case_id}/contact-lists/{list_id or people.new_id()}"
    return await hub.client(who).put(path, json=body)


async def trace(hub: Hub, case_id: str, **body: object) -> Json:
    """The list that is made now, with everybody on it."""
    answer = await ask(hub, case_id, **body)
    assert answer.status_code == 200, answer.text
    return await read(hub, answer.json()["list_id"], limit=500)


async def read(hub: Hub, list_id: object, **query: object) -> Json:
    headers = {"Accept-Language": str(query.pop("language", "en"))}
    answer = await hub.client(Role.EPIDEMIOLOGIST).get(
        f"/v1/contact-lists/{list_id}", params=dict(query), headers=headers
    )
    assert answer.status_code == 200, answer.text
    told: Json = answer.json()
    return told


def seated(listed: Mapping[str, object]) -> list[str]:
    """Contacts in a word each: where they sat, class, and the rule that says most."""
    return [
        f"{one['coach']}/{one['seat']} {one['class']} {one['reasons'][0]['rule_id']}"
        for one in listed["contacts"]
    ]
