"""A fever case as the gates make one, and what people then do to it."""

from collections.abc import Mapping
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


PLAN = {"anchor": "ARRIVAL", "anchor_date": "2026-11-24"}
AREA = {"area": "330106"}
LAWFUL = {"authority": "Hangzhou East station police", "legal_basis": "CN-IDPCL-39"}
TRAIN = {"service_no": "G7350", "departs_at": "2026-11-24T09:30:00+08:00"}
PARTICULARS: Mapping[str, people.Json] = {
    "DESIGNATED_HOSPITAL": {"travel": "AMBULANCE"},
    "FEVER_CLINIC": {"travel": "AMBULANCE"},
    "CENTRAL_ISOLATION": {"travel": "VEHICLE", **PLAN},
    "HOME_ISOLATION": {"home_possible": True, **AREA, **PLAN},
    "PERSUADED_RETURN": {**AREA, **TRAIN},
    "HEALTH_MONITORING": {**AREA, **PLAN},
    "PUBLIC_HEALTH_OBSERVATION": {"informed": "Quzhou health bureau", **AREA, **PLAN},
    "RELEASED": {"finding": "EXERTION_OR_HEAT"},
    "DENIED_ENTRY": LAWFUL,
    "EMERGENCY_CARE": {},
    "POLICE_CUSTODY": LAWFUL,
}
"""What each code needs, at the moment that `dispose` says."""


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
        "particulars": PARTICULARS[code],
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
