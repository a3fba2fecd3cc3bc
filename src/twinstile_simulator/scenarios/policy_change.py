"""What two persons decide: one writes and asks, another one agrees."""

import secrets
from datetime import UTC, datetime, timedelta
from typing import cast
from uuid import uuid4

from twinstile_simulator.client import (
    Json,
    RequestRefused,
    ServiceClient,
    Unreadable,
    mapping,
    member,
)
from twinstile_simulator.documents import RISK_AREA
from twinstile_simulator.hub import SimulatedHub

HOME_AREA = "330104"
UNRESOLVED_AFTER_S = 1
"""A day later in life; shorter than any day of the demo."""
REUSE_MIN = 30
_AREA_RULE = "ITIN-AREA"
_ALTERNATIVE = {
    "outcome": "PASS_WITH_CONDITIONS",
    "measures": [{"kind": "HEALTH_MONITORING", "days": 7, "anchor": "LEFT_AREA"}],
    "text": {"en": "Watch health for 7 days", "zh-CN": "健康监测 7 天"},
}
_GRANTED = {"verdict": "GRANTED"}


async def change_policy(service: ServiceClient, hub: SimulatedHub) -> str:
    """List a risk area from now on; returns the version of the policy now in force.

    Raises RequestRefused, Unreadable.
    """
    document = _amend(await _read_policy(service, hub))
    version = str(document["version"])
    path, body = f"/v1/policies/{version}", {"document": document}
    await service.ask("PUT", path, hub.supervisor, body)
    request = {"id": str(uuid4()), "reason": "a risk area was declared"}
    waiting = await service.ask("POST", f"{path}/activations", hub.supervisor, request)
    await _approve(service, hub, waiting)
    return version


async def publish_trust_list(
    service: ServiceClient, hub: SimulatedHub, version: int, listed: Json
) -> None:
    """Put a trust list in force. Raises RequestRefused, Unreadable."""
    path = f"/v1/trust-lists/{version}"
    answer = await service.ask("PUT", path, hub.supervisor, listed)
    if answer["refused"] or answer["in_force"]:
        raise Unreadable("the service took a trust list otherwise than two persons would")
    await _approve(service, hub, mapping(answer["approval"]))


async def _approve(service: ServiceClient, hub: SimulatedHub, waiting: Json) -> None:
    """Approve as the commander what the supervisor asked for and may not decide alone."""
    decision = f"/v1/approvals/{member(waiting, 'approval_id', str)}/decision"
    try:
        await service.ask("PUT", decision, hub.supervisor, _GRANTED)
    except RequestRefused as error:
        if error.status != 403:
            raise
    else:
        raise RequestRefused("PUT", decision, 200, "one person decided alone")
    await service.ask("PUT", decision, hub.commander, _GRANTED)


async def _read_policy(service: ServiceClient, hub: SimulatedHub) -> Json:
    listed = await service.ask("GET", "/v1/policies", hub.supervisor)
    policies = [mapping(one) for one in cast("list[object]", listed["policies"])]
    version = next(member(one, "version", str) for one in policies if one.get("in_force"))
    policy = await service.ask("GET", f"/v1/policies/{version}", hub.supervisor)
    return mapping(policy["document"])


def _amend(document: Json) -> Json:
    today = datetime.now(UTC).date()
    area = {
        "code": RISK_AREA,
        "level": "MEDIUM",
        "from": (today - timedelta(days=2)).isoformat(),
        "until": (today + timedelta(days=14)).isoformat(),
    }
    rules = [mapping(rule) for rule in cast("list[object]", document["rules"])]
    discretion = {"discretion": True, "alternatives": [_ALTERNATIVE]}
    parameters = mapping(document["parameters"])
    deadlines = {**mapping(parameters["deadline_seconds"]), "DEFERRED": UNRESOLVED_AFTER_S}
    return {
        **document,
        "version": f"noon-{secrets.token_hex(4)}",
        "home": [HOME_AREA],
        "areas": [area],
        "parameters": {
            **parameters,
            "deadline_seconds": deadlines,
            "reuse_minutes": REUSE_MIN,
        },
        "rules": [
            {**rule, **discretion} if rule["id"] == _AREA_RULE else rule for rule in rules
        ],
    }
