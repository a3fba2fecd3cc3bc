"""Passages brought into any state by what people and devices send, and orders around them."""

from collections.abc import Mapping
from uuid import UUID

import people
import steps
from httpx2 import Response
from hubs import Hub

from twinstile.platform.roles import Role
from twinstile.policy import documents

EAR_FEVER = {"value": 38.6, "method": "EAR"}
CHECKS: Mapping[str, people.Json] = {
    "PRESENTED": {"credential": None},
    "ASSISTED": {"credential": {"status": "NOT_PRESENTED"}},
    "VERIFYING": {"credential": {"status": "PENDING"}},
    "DEFERRED": {"credential": {"status": "UNAVAILABLE"}},
    "SECONDARY": {"identity_result": "MISMATCH"},
}
STEPS = {
    "HELD": (Role.MEDIC, "confirmed_abnormal"),
    "REFUSAL": (Role.SCREENER, "refuse"),
    "RETURN_PENDING": (Role.MEDIC, "policy_return"),
}


def policy(**parameters: object) -> people.Json:
    """The usual policy, which also waits, defers at low risk, and knows conditions."""
    whole = documents.pack("cn-hub")
    kept = [
        rule
        for rule in whole["rules"]
        if rule["id"] not in {"CRED-FLAG", "CRED-PENDING", "CRED-AWAY"}
    ]
    text = {"en": "x", "zh-CN": "x"}

    def by_credential(name: str, outcome: str, *statuses: str) -> people.Json:
        when = {"in": [{"var": "credential.status"}, list(statuses)]}
        return {"id": name, "when": when, "outcome": outcome, "code": "of-tests", "text": text}

    crew = {"===": [{"var": "category"}, "CREW"]}
    added = [
        by_credential("CRED-FLAG", "SECONDARY", "YELLOW", "RED", "EXPIRED"),
        by_credential("T-PENDING", "WAIT", "PENDING"),
        by_credential("T-AWAY", "DEFER", "UNAVAILABLE"),
        {
            "id": "T-CREW",
            "when": crew,
            "outcome": "PASS_WITH_CONDITIONS",
            "code": "of-tests",
            "text": text,
        },
    ]
    return {
        **whole,
        "version": "flows-1",
        "rules": [*kept, *added],
        "parameters": whole["parameters"] | parameters,
    }


async def govern(hub: Hub, **parameters: object) -> None:
    """Put that policy in force."""
    await hub.adopt(policy(**parameters))


async def check(hub: Hub, number: str, role: Role = Role.SCREENER, **parts: object) -> Response:
    """A check of this person; `identity_result` is what comparing the document gave."""
    result = parts.pop("identity_result", "MATCH")
    identity = {"document": people.document(number), "result": result}
    body = people.check(1, number, **({"identity": identity} | parts))
    answer = await hub.client(role).put(f"/v1/checks/{people.new_id()}", json=body)
    assert answer.status_code == 201, answer.text
    return answer


async def reach(hub: Hub, state: str, number: str) -> str:
    """A passage of this person in that state."""
    if state == "TRANSIT_HELD":
        run = await expect(hub, number)
        answer = await entry(hub, Role.SCREENER, run, "transit_declared")
        assert answer.json()["state"] == state, answer.text
        return str(answer.json()["screening_id"])
    first = CHECKS[state if state in CHECKS else "SECONDARY"]
    told = (await check(hub, number, **first)).json()
    screening = str(told["screening_id"])
    if state in STEPS:
        told = (await steps.take(hub, STEPS[state][0], screening, STEPS[state][1])).json()
    assert told["state"] == state, told
    return screening


async def expect(hub: Hub, *numbers: str, **more: object) -> UUID:
    """A run on which these people are expected; entries are called 0, 1, …"""
    run, supervisor = people.new_id(), hub.client(Role.SUPERVISOR)
    announced = {
        "mode": "RAIL",
        "service_no": "G7349",
        "service_date": people.now()[:10],
        "origin": "Shanghai Hongqiao",
        "terminus": "Hangzhou East",
        "scheduled_arrival": people.now(),
        **more,
    }
    assert (await supervisor.put(f"/v1/runs/{run}", json=announced)).status_code == 200
    entries = [
        {"entry_id": str(n), "document": people.document(number)}
        for n, number in enumerate(numbers)
    ]
    landed = await supervisor.put(
        f"/v1/runs/{run}/manifest", json={"batch": 1, "entries": entries}
    )
    assert landed.status_code == 200, landed.text
    return run


async def entry(
    hub: Hub, role: Role, run: UUID, event: str, step: UUID | None = None, **more: object
) -> Response:
    """A step of somebody expected, the first on the manifest unless told otherwise."""
    return await hub.client(role).put(
        f"/v1/runs/{run}/steps/{step or people.new_id()}",
        json=steps.body(event, **({"entry_id": "0"} | more)),
    )


async def surge(hub: Hub, *runs: UUID, checkpoints: tuple[str, ...] = ("north",)) -> UUID:
    """A surge order in force there: asked for by one person, confirmed by another."""
    fuse = people.new_id()
    body = {
        "checkpoints": checkpoints,
        "runs": [str(run) for run in runs],
        "reason": "platform 4 is full",
    }
    asked = await hub.client(Role.DUTY_COMMANDER).put(f"/v1/fuses/{fuse}", json=body)
    assert asked.status_code == 202, asked.text
    granted = await hub.client(Role.SUPERVISOR).put(
        f"/v1/approvals/{fuse}/decision", json={"verdict": "GRANTED"}
    )
    assert granted.status_code == 200, granted.text
    return fuse


async def depart(hub: Hub) -> None:
    """Make the checkpoint one of departures."""
    body = {"checkpoint": "north", "kind": "AUTO", "direction": "DEPARTING"}
    assert (
        await hub.client(Role.SUPERVISOR).put("/v1/lanes/north-1", json=body)
    ).status_code == 200
