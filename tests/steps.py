"""Steps of people on duty, with the particulars that each needs."""

from collections.abc import Mapping
from uuid import UUID

import people
from httpx2 import Response
from hubs import Hub

from twinstile.platform.roles import Role

RECEIVER = {"receiver": "First People's Hospital", "acknowledgement": "A-17"}
MATCHED = {"matched": "TEST_RESULT", "reference": "R-2026-118"}


def particulars(event: str) -> people.Json:
    """What this event needs, as an officer would say it now."""
    given: Mapping[str, people.Json] = {
        "refuse": {
            "refused": "TEMPERATURE",
            "alternatives": ["OTHER_DEVICE", "SAME_SEX_STAFF"],
            "witness": "desk 4",
        },
        "lawful_order": {
            "authority": "Hangzhou East station police",
            "legal_basis": "CN-IDPCL-39",
            "until": people.ago(hours=-2),
        },
        "custody": {"authority": "Hangzhou East station police", "acknowledgement": "P-9"},
        "deny_boarding": {"witness": "desk 4"},
        "return_chosen": {"consent": True},
        "policy_return": {"consent": True},
        "boarded": {"seen_by": "escort 3", "service_no": "G7350"},
        "absconded": {"last_lane": "north-s", "last_seen_at": people.now()},
        "handover_ack": RECEIVER,
        "transit_declared": {"departure": people.ago(hours=-3), "zone": "transit-a"},
        "transit_ok": {"departure": people.ago(hours=-3)},
        "connection_boarded": {"seen_by": "gate 7", "service_no": "G20"},
        "provider_unavailable": {"provider": "health-code"},
        "matched_clear": MATCHED,
        "matched_conditions": MATCHED,
        "matched_risk": {**MATCHED, **RECEIVER},
    }
    return dict(given.get(event, {}))


def body(event: str, **more: object) -> people.Json:
    """A step as it is sent."""
    told = particulars(event)
    return {
        "event": event,
        "at": people.now(),
        "reason": "as seen at the lane",
        **({"particulars": told} if told else {}),
        **more,
    }


async def take(
    hub: Hub,
    role: Role,
    screening: object,
    event: str,
    step: UUID | None = None,
    **more: object,
) -> Response:
    """Ask for the step as that role."""
    return await hub.client(role).put(
        f"/v1/screenings/{screening}/steps/{step or people.new_id()}", json=body(event, **more)
    )


async def read(hub: Hub, screening: object) -> people.Json:
    """The screening with its steps."""
    answer = await hub.client().get(f"/v1/screenings/{screening}")
    assert answer.status_code == 200, answer.text
    whole: people.Json = answer.json()
    return whole
