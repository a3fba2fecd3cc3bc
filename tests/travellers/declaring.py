"""Travellers who declare before they come, and gates that are shown their pass."""

from uuid import uuid4

import people
from httpx2 import Response
from hubs import Hub
from people import Json

from twinstile.platform.roles import Role

OWN = "/v1/declarations/own"
CALM: Json = {"symptoms": [], "contact": "NO", "fever_medicine": False, "help": False}
ILL: Json = {**CALM, "symptoms": ["COUGH"]}


def body(hub: Hub, **more: object) -> Json:
    return {"key": str(uuid4()), "hub": hub.hub_id, "language": "zh-CN", **CALM, **more}


async def declare(hub: Hub, **more: object) -> Json:
    """What a traveller is given."""
    answer = await hub.service.client().post("/v1/declarations", json=body(hub, **more))
    assert answer.status_code == 201, answer.text
    told: Json = answer.json()
    return told


async def report(hub: Hub, given: Json) -> Json:
    answer = await hub.service.client(str(given["receipt"])).get(OWN)
    assert answer.status_code == 200, answer.text
    told: Json = answer.json()
    return told


async def correct(hub: Hub, given: Json, revision: int, **said: object) -> Response:
    told = {"revision": revision, **CALM, **said}
    return await hub.service.client(str(given["receipt"])).put(OWN, json=told)


async def show(
    hub: Hub, code: object, number: str | None = None, celsius: float = 36.5, **more: object
) -> Json:
    """What the gate is told that was shown this code with a document."""
    path = f"/v1/checks/{people.new_id()}"
    check = people.check(1, number, celsius, pass_code=code, **more)
    answer = await hub.client().put(path, json=check)
    assert answer.status_code == 201, answer.text
    told: Json = answer.json()
    return told


async def key_in(hub: Hub, who: str = Role.ASSISTANT, **more: object) -> Response:
    said = {"source": "SPOKEN", "consent": "TRAVELLER", "language": "zh-CN", **CALM}
    told = {"key": str(uuid4()), **said, **more}
    return await hub.client(who).post("/v1/declarations:key", json=told)


async def find(hub: Hub, code: object, who: str = Role.ASSISTANT, **more: object) -> Response:
    told = {"pass_code": code, "purpose": "IDENTIFICATION", **more}
    return await hub.client(who).post("/v1/declarations:find", json=told)


async def dispute(hub: Hub, given: Json, text: str, appeal_id: object = None) -> Response:
    path = f"{OWN}/appeals/{appeal_id or uuid4()}"
    told = {"about": "MEASURE", "text": text}
    return await hub.service.client(str(given["receipt"])).put(path, json=told)
