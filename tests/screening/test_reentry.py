"""Who comes again: a passage of its own, one open case, and evidence that may count again."""

import asyncio
from datetime import timedelta

import database_sessions
import fever_cases
import people
import pytest
from httpx2 import Response
from hubs import Hub

from twinstile.operations.startup import DatabaseTarget
from twinstile.platform.ops import clock
from twinstile.platform.security.roles import Role
from twinstile.policy import documents, versions

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
    first = await fever_cases.confirmed(hub, number)
    assert (
        await step(hub, first["screening_id"], "handover_ack", receiver="First Hospital")
    ).status_code == 200
    again = await fever_cases.confirmed(hub, number)
    assert again["screening_id"] != first["screening_id"]
    assert again["case_id"] == first["case_id"]
    assert again["case_no"] == first["case_no"]
    whole = await fever_cases.read(hub, str(first["case_id"]))
    assert [alarm["screening_id"] for alarm in whole["alarms"]] == [again["screening_id"]]
    assert len((await hub.client(Role.MEDIC).get("/v1/cases")).json()["cases"]) == 1


async def test_an_alarm_while_the_case_is_being_closed_opens_another(
    hub: Hub, place: DatabaseTarget
) -> None:
    number = people.resident_number()
    first = await fever_cases.confirmed(hub, number)
    await step(hub, first["screening_id"], "handover_ack", receiver="First Hospital")
    await put(hub, number, celsius=38.1)
    async with hub.runtime.database.transaction() as tx:
        await tx.raw.execute(
            "UPDATE fever_case SET state = 'CLOSED_EXCLUDED', closed_at = now(), due_at = NULL"
            " WHERE hub_id = $1",
            hub.hub_id,
        )
        coming = asyncio.create_task(put(hub, number, Role.MEDIC, temperature=EAR_FEVER))
        await database_sessions.until_one_waits(place)
    told = (await coming).json()
    assert told["state"] == "HELD"
    assert told["case_id"] != first["case_id"]
    assert (await fever_cases.read(hub, str(told["case_id"])))["state"] == "ASSESSING"


async def test_a_medic_who_holds_somebody_with_an_open_case_opens_no_second(hub: Hub) -> None:
    number = people.resident_number()
    first = await fever_cases.confirmed(hub, number)
    await step(hub, first["screening_id"], "handover_ack", receiver="First Hospital")
    back = (await put(hub, number, celsius=38.1)).json()
    assert (await step(hub, back["screening_id"], "confirmed_abnormal")).status_code == 200
    whole = (await hub.client().get(f"/v1/screenings/{back['screening_id']}")).json()
    assert whole["case_id"] == first["case_id"]


async def test_a_new_case_opens_when_the_last_one_is_closed(hub: Hub) -> None:
    number = people.resident_number()
    first = await fever_cases.confirmed(hub, number)
    await step(hub, first["screening_id"], "handover_ack", receiver="First Hospital")
    await fever_cases.move(hub, str(first["case_id"]), "not_fever")
    again = await fever_cases.confirmed(hub, number)
    assert again["case_id"] != first["case_id"]


async def test_two_gates_at_once_open_one_case(hub: Hub) -> None:
    number = people.resident_number()
    first = await fever_cases.confirmed(hub, number)
    await step(hub, first["screening_id"], "handover_ack", receiver="First Hospital")
    await fever_cases.move(hub, str(first["case_id"]), "not_fever")
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


async def reusing(hub: Hub, minutes: int = 240) -> None:
    """Let credential and temperature count again for so long."""
    document = documents.pack("cn-hub")
    figures = {**document["parameters"], "reuse_minutes": minutes}
    changed = {**document, "version": "cn-hub-reuse", "parameters": figures}
    now = clock.now()
    async with hub.runtime.database.transaction() as tx:
        await versions.put_in_force(tx, hub.hub_id, changed, now - timedelta(days=30), now)


NOTHING_NEW: people.Json = {"celsius": None, "credential": None}


async def test_credential_and_temperature_count_again_and_identity_never(hub: Hub) -> None:
    await reusing(hub)
    number = people.resident_number()
    first = (await put(hub, number)).json()
    again = (await put(hub, number, **NOTHING_NEW)).json()
    assert again["state"] == "CLEARED"
    assert again["screening_id"] != first["screening_id"]
    assert again["completeness"]["verifications"] == 2
    check = (await hub.client().get(f"/v1/checks/{again['id']}")).json()
    assert check["evidence"]["reused"] == ["CREDENTIAL", "TEMPERATURE"]
    whole = (await hub.client().get(f"/v1/screenings/{again['screening_id']}")).json()
    assert whole["supersedes"] == first["screening_id"]
    third = (await put(hub, number, **NOTHING_NEW)).json()  # counts once, from its own evidence
    assert third["state"] == "PRESENTED"


async def test_identity_is_looked_at_every_time(hub: Hub) -> None:
    await reusing(hub)
    number = people.resident_number()
    await put(hub, number)
    unseen = {"document": people.document(number), "result": "NOT_CHECKED"}
    told = (await put(hub, number, **NOTHING_NEW, identity=unseen)).json()
    assert [r["rule_id"] for r in told["reasons"]] == ["ID-MISSING"]


async def test_what_is_looked_at_anew_counts_instead(hub: Hub) -> None:
    await reusing(hub)
    number = people.resident_number()
    await put(hub, number)
    told = (await put(hub, number, celsius=38.2, credential=None)).json()
    assert told["state"] == "SECONDARY"
    check = (await hub.client().get(f"/v1/checks/{told['id']}")).json()
    assert check["evidence"]["reused"] == ["CREDENTIAL"]


@pytest.mark.parametrize("why", ["off", "late", "alarm", "cleared with terms"])
async def test_nothing_counts_again_unless_the_last_passage_was_plainly_normal(
    hub: Hub, why: str
) -> None:
    await reusing(hub, 1 if why == "off" else 60)
    number = people.resident_number()
    if why in {"off", "late"}:
        ago = people.ago(minutes=2 if why == "off" else 61)
        body = people.fact(number, observed_at=ago)
        item = {"kind": "check", "id": str(people.new_id()), "counter": 9, "body": body}
        await hub.client().post(
            "/v1/facts:batch", json={"sent_at": people.now(), "items": [item]}
        )
    else:
        told = (await put(hub, number, celsius=38.2)).json()
        if why == "alarm":
            ear = {"value": 36.5, "method": "EAR"}
            assert (await put(hub, number, temperature=ear)).json()["state"] == "CLEARED"
        else:
            await step(hub, told["screening_id"], "recheck_normal_conditions")
    assert (await put(hub, number, **NOTHING_NEW)).json()["state"] == "PRESENTED"
