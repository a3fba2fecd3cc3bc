"""A patient on the way to a receiver, and the receiver's word, as they come over HTTP."""

from uuid import UUID, uuid4

import fever
import people
from httpx2 import Response
from hubs import Hub

from twinstile.platform.roles import Role


async def depart(
    hub: Hub, case_id: str, leg_id: UUID | None = None, who: Role = Role.MEDIC, **more: object
) -> Response:
    body = {
        "vehicle": "AMBULANCE",
        "vehicle_no": "ZA-1234",
        "crew": ["120-17"],
        "departed_at": people.now(),
        "expected_at": people.ago(minutes=-20),
        **more,
    }
    path = f"/v1/cases/{case_id}/legs/{leg_id or uuid4()}"
    return await hub.client(who).put(path, json=body)


async def on_the_way(
    hub: Hub, code: str = "DESIGNATED_HOSPITAL", **more: object
) -> tuple[str, str]:
    """A case whose patient has left, and the way."""
    case_id = await fever.case_of(hub)
    await fever.dispose(hub, case_id, code, consent=True)
    answer = await depart(hub, case_id, **more)
    assert answer.status_code == 200, answer.text
    return case_id, str(answer.json()["leg_id"])


async def link(hub: Hub, case_id: str, leg_id: str) -> str:
    path = f"/v1/cases/{case_id}/legs/{leg_id}/link"
    answer = await hub.client(Role.MEDIC).post(path)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["token"])


async def answer(hub: Hub, token: str, word: str = "HERE", **more: object) -> Response:
    body = {
        "token": token,
        "receipt_id": str(uuid4()),
        "answer": word,
        "signed_by": "ward 3",
        "said_at": people.now(),
        **more,
    }
    return await hub.service.client().post("/v1/handovers:answer", json=body)


async def ways(hub: Hub, case_id: str) -> list[people.Json]:
    told = await hub.client(Role.MEDIC).get(f"/v1/cases/{case_id}/legs")
    legs: list[people.Json] = told.json()["legs"]
    return legs
