"""A fever case as the gates make one, and what people then do to it."""

from uuid import UUID, uuid4

import people
from httpx2 import Response
from hubs import Hub

from twinstile.platform.roles import Role


async def confirmed(hub: Hub, number: str | None = None, **more: object) -> people.Json:
    """The answer to the check by which a fever is confirmed: it names the case."""
    number = number or people.resident_number()
    await hub.client().put(
        f"/v1/checks/{people.new_id()}", json=people.check(number=number, celsius=38.1, **more)
    )
    contact = people.check(number=number, temperature={"value": 38.64, "method": "EAR"}, **more)
    answer = await hub.client(Role.MEDIC).put(f"/v1/checks/{people.new_id()}", json=contact)
    assert answer.status_code == 201, answer.text
    told: people.Json = answer.json()
    assert told["state"] == "HELD", told
    return told


async def case_of(hub: Hub, **more: object) -> str:
    return str((await confirmed(hub, **more))["case_id"])


async def dispose(
    hub: Hub,
    case_id: str,
    code: str = "FEVER_CLINIC",
    disposition_id: UUID | None = None,
    who: Role = Role.MEDIC,
    **more: object,
) -> Response:
    body = {
        "code": code,
        "receiver": "First People's Hospital",
        "decided_at": "2026-11-24T08:15:30+08:00",
        **more,
    }
    return await hub.client(who).put(
        f"/v1/cases/{case_id}/dispositions/{disposition_id or uuid4()}", json=body
    )


async def move(
    hub: Hub,
    case_id: str,
    event: str,
    transition_id: UUID | None = None,
    who: Role = Role.MEDIC,
    **more: object,
) -> Response:
    body = {
        "id": str(transition_id or uuid4()),
        "event": event,
        "at": "2026-11-24T08:20:00+08:00",
        "reason": "as reported by telephone",
        **more,
    }
    return await hub.client(who).post(f"/v1/cases/{case_id}/transitions", json=body)


async def reveal(
    hub: Hub,
    case_id: str,
    who: Role = Role.MEDIC,
    purpose: str | None = "TREATMENT",
    **more: str,
) -> Response:
    """The patient's name and number, asked for whole."""
    body = {**({"purpose": purpose} if purpose else {}), **more}
    return await hub.client(who).post(f"/v1/cases/{case_id}/person:reveal", json=body)


async def read(hub: Hub, case_id: str) -> people.Json:
    answer = await hub.client(Role.MEDIC).get(f"/v1/cases/{case_id}")
    assert answer.status_code == 200, answer.text
    whole: people.Json = answer.json()
    return whole
