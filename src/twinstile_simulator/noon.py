"""The policy is changed at noon: one person writes, tries and asks, another one agrees."""

import secrets
from datetime import UTC, datetime, timedelta
from typing import cast
from uuid import uuid4

from twinstile_simulator.agreeing import agree
from twinstile_simulator.client import Json, Service, mapping, member
from twinstile_simulator.documents import RISK_AREA
from twinstile_simulator.hub import Hub

HOME = "330104"
UNRESOLVED_AFTER_S = 1
"""A day later in life; shorter than any day of the demo."""
REUSE_MIN = 30
_RULE = "ITIN-AREA"
_ALTERNATIVE = {
    "outcome": "PASS_WITH_CONDITIONS",
    "measures": [{"kind": "HEALTH_MONITORING", "days": 7, "anchor": "LEFT_AREA"}],
    "text": {"en": "Watch health for 7 days", "zh-CN": "健康监测 7 天"},
}


async def change_policy(service: Service, hub: Hub) -> str:
    """List a risk area from now on; returns the version of the policy now in force.

    Raises Refused, Unreadable.
    """
    document = _changed(await _in_force(service, hub))
    version = str(document["version"])
    path, body = f"/v1/policies/{version}", {"document": document}
    await service.ask("PUT", path, hub.supervisor, body)
    asked = {"id": str(uuid4()), "reason": "a risk area was declared"}
    waiting = await service.ask("POST", f"{path}/activations", hub.supervisor, asked)
    await agree(service, hub, waiting)
    return version


async def _in_force(service: Service, hub: Hub) -> Json:
    listed = await service.ask("GET", "/v1/policies", hub.supervisor)
    known = [mapping(one) for one in cast("list[object]", listed["policies"])]
    version = next(member(one, "version", str) for one in known if one.get("in_force"))
    whole = await service.ask("GET", f"/v1/policies/{version}", hub.supervisor)
    return mapping(whole["document"])


def _changed(document: Json) -> Json:
    today = datetime.now(UTC).date()
    area = {
        "code": RISK_AREA,
        "level": "MEDIUM",
        "from": (today - timedelta(days=2)).isoformat(),
        "until": (today + timedelta(days=14)).isoformat(),
    }
    rules = [mapping(rule) for rule in cast("list[object]", document["rules"])]
    open_to_officers = {"discretion": True, "alternatives": [_ALTERNATIVE]}
    figures = mapping(document["parameters"])
    deadlines = {**mapping(figures["deadline_seconds"]), "DEFERRED": UNRESOLVED_AFTER_S}
    return {
        **document,
        "version": f"noon-{secrets.token_hex(4)}",
        "home": [HOME],
        "areas": [area],
        "parameters": {
            **figures,
            "deadline_seconds": deadlines,
            "reuse_minutes": REUSE_MIN,
        },
        "rules": [
            {**rule, **open_to_officers} if rule["id"] == _RULE else rule for rule in rules
        ],
    }
