"""Who comes again: a passage of its own, one open case, and evidence that may count again."""

import asyncio

import fever
import people
from httpx2 import Response
from hubs import Hub

from twinstile.platform.roles import Role

EAR_FEVER = {"value": 38.9, "method": "EAR"}


async def put(
    hub: Hub, number: str | None, role: Role = Role.SCREENER, **changes: object
) -> Response:
    return await hub.client(role).put(
        f"/v1/checks/{people.new_id()}", json=people.check(1, number, **changes)
    )


async def step(
    hub: Hub, screening: object, event: str, role: Role = Role.MEDIC, **more: object
) -> Response:
    body = {"event": event, "at": people.now(), "reason": "as seen", "particulars": more}
    return await hub.client(role).put(
        f"/v1/screenings/{screening}/steps/{people.new_id()}", json=body
    )


async def test_a_further_alarm_joins_the_case_that_is_open(hub: Hub) -> None:
    number = people.resident_number()
    first = await fever.confirmed(hub, number)
    assert (
        await step(hub, first["screening_id"], "handover_ack", receiver="First Hospital")
    ).status_code == 200
    again = await fever.confirmed(hub, number)
    assert again["screening_id"] != first["screening_id"]
    assert again["case_id"] == first["case_id"]
    assert again["case_no"] == first["case_no"]
    whole = await fever.read(hub, str(first["case_id"]))
    assert [alarm["screening_id"] for alarm in whole["alarms"]] == [again["screening_id"]]
    assert len((await hub.client(Role.MEDIC).get("/v1/cases")).json()["cases"]) == 1


async def test_a_medic_who_holds_somebody_with_an_open_case_opens_no_second(hub: Hub) -> None:
    number = people.resident_number()
    first = await fever.confirmed(hub, number)
    await step(hub, first["screening_id"], "handover_ack", receiver="First Hospital")
    back = (await put(hub, number, celsius=38.1)).json()
    assert (await step(hub, back["screening_id"], "confirmed_abnormal")).status_code == 200
    whole = (await hub.client().get(f"/v1/screenings/{back['screening_id']}")).json()
    assert whole["case_id"] == first["case_id"]


async def test_a_new_case_opens_when_the_last_one_is_closed(hub: Hub) -> None:
    number = people.resident_number()
    first = await fever.confirmed(hub, number)
    await step(hub, first["screening_id"], "handover_ack", receiver="First Hospital")
    await fever.move(hub, str(first["case_id"]), "not_fever")
    again = await fever.confirmed(hub, number)
    assert again["case_id"] != first["case_id"]


async def test_two_gates_at_once_open_one_case(hub: Hub) -> None:
    number = people.resident_number()
    first = await fever.confirmed(hub, number)
    await step(hub, first["screening_id"], "handover_ack", receiver="First Hospital")
    await fever.move(hub, str(first["case_id"]), "not_fever")
    readings = [people.fact(number, 38.2), people.fact(number, temperature=EAR_FEVER)]

    async def gate(role: Role) -> people.Json:
        items = [
            {"kind": "check", "id": str(people.new_id()), "counter": n, "body": body}
            for n, body in enumerate(readings, 1)
        ]
        for _ in range(5):
            answer = await hub.client(role).post(
                "/v1/facts:batch", json={"sent_at": people.now(), "items": items}
            )
            if answer.status_code != 503:
                break
        told: people.Json = answer.json()["items"][-1]["check"]
        return told

    told = await asyncio.gather(*(gate(r) for r in (Role.SCREENER, Role.ASSISTANT, Role.MEDIC)))
    assert len({answer["case_id"] for answer in told}) == 1
    listed = (await hub.client(Role.MEDIC).get("/v1/cases")).json()["cases"]
    assert len([case for case in listed if case["closed_at"] is None]) == 1
