"""Deviations from what was decided: one officer where a rule leaves it open, else two."""

from copy import deepcopy
from uuid import uuid4

import fever_cases
import people
import pytest
import second_person
from httpx2 import Response
from hubs import Hub
from people import Json
from second_person import decide

from twinstile.platform.ops import clock
from twinstile.platform.security.roles import Role
from twinstile.policy import documents, versions


async def referred(hub: Hub, **more: object) -> str:
    """Somebody at the second check for a yellow code, or for what is said."""
    body = people.check(**{"credential": {"status": "YELLOW"}, **more})
    answer = await hub.client().put(f"/v1/checks/{people.new_id()}", json=body)
    assert answer.json()["state"] == "SECONDARY", answer.text
    return str(answer.json()["screening_id"])


async def deviate(
    hub: Hub, screening_id: str, who: Role = Role.SCREENER, **more: object
) -> Response:
    body = {
        "id": str(uuid4()),
        "event": "recheck_normal_conditions",
        "ground": "MEDIC_ABSENT",
        "reason": "no medic at this gate tonight",
        **more,
    }
    return await hub.client(who).post(f"/v1/screenings/{screening_id}/overrides", json=body)


async def read(hub: Hub, screening_id: str) -> Json:
    whole: Json = (await hub.client().get(f"/v1/screenings/{screening_id}")).json()
    return whole


async def counted(hub: Hub) -> dict[str, int]:
    period = {"from": people.ago(hours=1), "to": people.ago(hours=-1)}
    report = await hub.client(Role.SUPERVISOR).get("/v1/reports/period", params=period)
    return {ground: n for ground, n in report.json()["overrides"].items() if n}


async def test_two_persons_let_somebody_go_on_and_are_counted(hub: Hub) -> None:
    screening_id = await referred(hub)
    same = {"id": str(uuid4())}
    asked = await deviate(hub, screening_id, **same)
    assert (asked.status_code, asked.json()["status"]) == (202, "asked"), asked.text
    assert asked.json()["approval_id"] == same["id"]
    assert (await deviate(hub, screening_id, **same)).json() == asked.json()
    other = await deviate(hub, screening_id, **same, ground="HARDSHIP")
    assert other.json()["type"] == "/problems/id-reused"
    assert (await read(hub, screening_id))["state"] == "SECONDARY"
    assert await counted(hub) == {}
    granted = await decide(hub.client(Role.DUTY_COMMANDER), same["id"])
    assert granted.status_code == 200, granted.text
    assert granted.json()["content"]["ground"] == "MEDIC_ABSENT"
    assert (await read(hub, screening_id))["state"] == "CLEARED_CONDITIONAL"
    assert await counted(hub) == {"MEDIC_ABSENT": 1}
    again = await deviate(hub, screening_id, **same)
    assert (again.status_code, again.json()["status"]) == (200, "duplicate")
    kinds = await second_person.told(hub, same["id"])
    assert kinds == ["approval.asked", "approval.granted", "approval.used"]


async def test_an_officer_asks_for_a_second_person_too(hub: Hub) -> None:
    screening_id = await referred(hub)
    asked = await deviate(hub, screening_id, Role.SUPERVISOR)
    assert asked.status_code == 202
    own = await decide(hub.client(Role.SUPERVISOR), asked.json()["approval_id"])
    assert own.json()["type"] == "/problems/second-person-required"
    assert (await read(hub, screening_id))["state"] == "SECONDARY"


async def test_what_a_rule_leaves_open_one_officer_decides(hub: Hub) -> None:
    whole = deepcopy(documents.pack("cn-hub"))
    for rule in whole["rules"]:
        rule["discretion"] = rule["id"] == "CRED-FLAG"
    async with hub.runtime.database.transaction() as tx:
        now = clock.now()
        policy = {**whole, "version": "cn-hub-open"}
        await versions.put_in_force(tx, hub.hub_id, policy, now, now)
    screening_id = await referred(hub)
    assert (await deviate(hub, screening_id, Role.SCREENER)).status_code == 202
    done = await deviate(hub, screening_id, Role.SUPERVISOR, ground="RULE_UNFIT")
    assert (done.status_code, done.json()["state"]) == (200, "CLEARED_CONDITIONAL"), done.text
    assert await counted(hub) == {"RULE_UNFIT": 1}
    # a rule that leaves nothing open decides as well: no longer one officer's
    both = await referred(hub, identity={"document": people.document(), "result": "MISMATCH"})
    assert (await deviate(hub, both, Role.SUPERVISOR)).status_code == 202


@pytest.mark.parametrize(
    ("guard", "more"),
    [
        ("READING", {"celsius": 38.1}),
        ("RED", {"credential": {"status": "RED"}}),
        ("ILLNESS", {"illness": True}),
    ],
)
async def test_nobody_of_a_guard_class_is_let_go(
    hub: Hub, guard: str, more: dict[str, object]
) -> None:
    refused = await deviate(hub, await referred(hub, **more))
    assert refused.json()["type"] == "/problems/transition-refused"
    assert guard in refused.json()["detail"]


async def test_what_turns_up_between_asking_and_granting_counts(hub: Hub) -> None:
    number = people.resident_number()
    identity = {"document": people.document(number), "result": "MATCH"}
    screening_id = await referred(hub, identity=identity)
    asked = await deviate(hub, screening_id)
    hot = people.check(number=number, celsius=38.1)
    await hub.client().put(f"/v1/checks/{people.new_id()}", json=hot)
    refused = await decide(hub.client(Role.DUTY_COMMANDER), asked.json()["approval_id"])
    assert refused.json()["type"] == "/problems/transition-refused"
    assert (await read(hub, screening_id))["state"] == "SECONDARY"
    assert await counted(hub) == {}


async def test_only_the_second_check_is_left_this_way(hub: Hub) -> None:
    held = await fever_cases.confirmed(hub)
    for more in ({}, {"event": "not_a_case"}, {"event": "recheck_normal"}):
        refused = await deviate(hub, str(held["screening_id"]), Role.SUPERVISOR, **more)
        assert refused.json()["type"] == "/problems/transition-refused", more
    assert (await deviate(hub, str(uuid4()))).status_code == 404
