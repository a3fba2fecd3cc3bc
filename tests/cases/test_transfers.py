"""The way of a patient to a receiver: custody, links, receipts, and who never arrives."""

import asyncio
import json
from datetime import datetime, timedelta
from uuid import uuid4

import fever_cases
import ledger_reader
import partner_systems
import people
import pytest
import worker_clock
from hubs import Hub
from transfers_in_progress import answer, depart, link, on_the_way, ways

from twinstile.cases.types import CaseState, Disposition
from twinstile.identity import retention
from twinstile.platform.db import idempotent_facts
from twinstile.platform.keys import signing
from twinstile.platform.ops import clock
from twinstile.platform.security.roles import Role


async def kinds(hub: Hub) -> list[str]:
    told = await hub.client(Role.SUPERVISOR).get("/v1/alerts", params={"limit": 200})
    return [alert["kind"] for alert in told.json()["alerts"]]


async def test_a_receiver_with_nothing_but_a_link_signs_and_the_case_goes_on(hub: Hub) -> None:
    case_id, leg_id = await on_the_way(hub)
    token = await link(hub, case_id, leg_id)
    asked = await hub.service.client().post("/v1/handovers:read", json={"token": token})
    assert asked.headers["cache-control"] == "no-store"
    case = await fever_cases.read(hub, case_id)
    assert asked.json()["case_no"] == case["case_no"]
    assert (asked.json()["receiver"], asked.json()["receipt"]) == (
        "First People's Hospital",
        None,
    )
    first = await answer(hub, token)
    assert first.status_code == 200, first.text
    receipt = first.json()
    public = signing.public_keys(hub.runtime.keys.of(hub.hub_id))[receipt["key_id"]]
    assert signing.verify(public, receipt["document"].encode(), receipt["signature"])
    signed = json.loads(receipt["document"])
    assert (signed["case_no"], signed["answer"]) == (case["case_no"], "HERE")
    again = await answer(hub, token, "REFUSED", reason="changed our mind")
    assert again.json() == receipt  # the last word was said
    whole = await fever_cases.read(hub, case_id)
    assert whole["state"] == "IN_CARE"
    assert whole["transitions"][-1]["operator_id"] is None
    (way,) = await ways(hub, case_id)
    assert (way["ending"], way["receipts"][0]["via"]) == ("HANDED_OVER", "LINK")


@pytest.mark.parametrize(
    ("code", "state"),
    [
        ("HOME_ISOLATION", CaseState.FOLLOWING_UP),
        ("CENTRAL_ISOLATION", CaseState.IN_CARE),
        ("PERSUADED_RETURN", CaseState.FOLLOWING_UP),
        ("POLICE_CUSTODY", CaseState.CLOSED_TRANSFERRED),
        ("DENIED_ENTRY", CaseState.CLOSED_TRANSFERRED),
    ],
)
async def test_an_arrival_moves_the_case_as_its_disposition_says(
    hub: Hub, code: Disposition, state: CaseState
) -> None:
    case_id, leg_id = await on_the_way(hub, code)
    told = await answer(hub, await link(hub, case_id, leg_id))
    assert told.status_code == 200, told.text
    assert (await fever_cases.read(hub, case_id))["state"] == state


async def test_whoever_never_arrives_is_looked_for(hub: Hub) -> None:
    case_id, leg_id = await on_the_way(hub, expected_at=people.ago(minutes=-60))
    await worker_clock.later(hub, minutes=89)
    assert "NEVER_ARRIVED" not in await kinds(hub)
    await worker_clock.later(hub, minutes=91)
    assert "NEVER_ARRIVED" in await kinds(hub)
    assert (await fever_cases.read(hub, case_id))["state"] == "IN_TRANSFER"
    await answer(hub, await link(hub, case_id, leg_id))
    await worker_clock.later(hub, minutes=92)
    assert "NEVER_ARRIVED" not in await kinds(hub)


async def test_a_clock_that_is_years_ahead_keeps_no_alarm_from_ringing(hub: Hub) -> None:
    then = {
        "departed_at": "2099-01-01T08:00:00+08:00",
        "expected_at": "2099-01-01T08:20:00+08:00",
    }
    case_id, leg_id = await on_the_way(hub, **then)
    told = await hub.client(Role.MEDIC).post(f"/v1/cases/{case_id}/legs/{leg_id}/link")
    assert datetime.fromisoformat(told.json()["expires_at"]) < clock.now() + timedelta(days=2)
    await worker_clock.later(hub, minutes=49)
    assert "NEVER_ARRIVED" not in await kinds(hub)
    await worker_clock.later(hub, minutes=51)
    assert "NEVER_ARRIVED" in await kinds(hub)
    (way,) = await ways(hub, case_id)
    assert way["expected_at"].startswith("2099")  # as it was said


async def test_a_receiver_that_sees_nobody_rings_at_once_and_may_still_sign(hub: Hub) -> None:
    case_id, leg_id = await on_the_way(hub)
    token = await link(hub, case_id, leg_id)
    assert (await answer(hub, token, "NOT_HERE")).status_code == 200
    await worker_clock.later(hub, seconds=1)
    assert "NEVER_ARRIVED" in await kinds(hub)
    assert (await answer(hub, token)).json()["answer"] == "HERE"
    (way,) = await ways(hub, case_id)
    assert [r["answer"] for r in way["receipts"]] == ["NOT_HERE", "HERE"]


async def test_a_patient_who_is_not_taken_goes_to_another(hub: Hub) -> None:
    case_id, leg_id = await on_the_way(hub)
    token = await link(hub, case_id, leg_id)
    unsaid = await answer(hub, token, "REFUSED")
    assert unsaid.json()["errors"] == [{"pointer": "/reason", "code": "missing"}]
    assert (await answer(hub, token, "REFUSED", reason="no beds")).status_code == 200
    await worker_clock.later(hub, seconds=1)
    assert "RECEIVER_DECLINED" in await kinds(hub)
    whole = await fever_cases.read(hub, case_id)
    assert (whole["state"], whole["waits"][0]["kind"]) == ("IN_TRANSFER", "RECEIVER")
    other = await depart(hub, case_id, receiver="Second Hospital")
    assert other.status_code == 200, other.text
    await worker_clock.later(hub, seconds=1)
    assert "RECEIVER_DECLINED" not in await kinds(hub)
    assert [way["ending"] for way in await ways(hub, case_id)] == ["REFUSED", None]


async def test_a_patient_on_the_way_is_sent_elsewhere_and_the_first_link_is_over(
    hub: Hub,
) -> None:
    case_id, leg_id = await on_the_way(hub)
    token = await link(hub, case_id, leg_id)
    unsaid = await depart(hub, case_id, receiver="Second Hospital")
    assert unsaid.json()["errors"] == [{"pointer": "/reason", "code": "missing"}]
    other = await depart(hub, case_id, receiver="Second Hospital", reason="road is closed")
    assert other.status_code == 200, other.text
    assert (await answer(hub, token)).json()["type"] == "/problems/no-such-link"
    whole = await fever_cases.read(hub, case_id)
    assert [t["event"] for t in whole["transitions"]] == ["dispose", "dispatched", "diverted"]
    assert [way["ending"] for way in await ways(hub, case_id)] == ["DIVERTED", None]


async def test_a_patient_brought_back_to_the_first_receiver_takes_a_place_there(
    hub: Hub,
) -> None:
    for n in (1, 2):
        body = {"name": f"Hospital {n}", "kind": "HOSPITAL", "capacity": 1}
        path = f"/v1/facilities/hospital-{n}"
        assert (await hub.client(Role.SUPERVISOR).put(path, json=body)).status_code == 204
    first = {**fever_cases.PARTICULARS["FEVER_CLINIC"], "facility_id": "hospital-1"}
    case_id, other = [await fever_cases.case_of(hub) for _ in range(2)]
    await fever_cases.dispose(hub, case_id, particulars=first)
    await depart(hub, case_id)
    diverted = {"facility_id": "hospital-2", "reason": "road is closed"}
    assert (await depart(hub, case_id, **diverted)).status_code == 200
    await fever_cases.dispose(hub, other, particulars=first)
    full = await depart(hub, case_id, reason="road is open")
    assert full.json()["type"] == "/problems/no-place"
    back = await depart(hub, case_id, reason="road is open", beyond_capacity=True)
    assert back.json()["receiver"] == "First People's Hospital"
    assert (await fever_cases.read(hub, case_id))["facility_id"] == "hospital-1"


async def test_an_emergency_that_has_left_gets_its_vehicle(hub: Hub) -> None:
    case_id = await fever_cases.case_of(hub)
    await fever_cases.move(hub, case_id, "emergency")
    missing = await depart(hub, case_id)
    assert missing.json()["errors"] == [{"pointer": "/receiver", "code": "missing"}]
    assert (await depart(hub, case_id, receiver="Second Hospital")).status_code == 200
    whole = await fever_cases.read(hub, case_id)
    assert [t["event"] for t in whole["transitions"]] == ["emergency"]
    (way,) = await ways(hub, case_id)
    await answer(hub, await link(hub, case_id, str(way["leg_id"])))
    assert (await fever_cases.read(hub, case_id))["state"] == "IN_CARE"


async def test_an_emergency_of_somebody_at_home_is_in_care_where_it_arrives(hub: Hub) -> None:
    case_id, leg_id = await on_the_way(hub, "HOME_ISOLATION")
    await answer(hub, await link(hub, case_id, leg_id))
    assert (await fever_cases.move(hub, case_id, "new_symptoms")).status_code == 200
    assert (await fever_cases.move(hub, case_id, "emergency")).status_code == 200
    await depart(hub, case_id, receiver="Second Hospital")
    leg_id = str((await ways(hub, case_id))[-1]["leg_id"])
    assert (await answer(hub, await link(hub, case_id, leg_id))).status_code == 200
    whole = await fever_cases.read(hub, case_id)
    assert whole["state"] == "IN_CARE"
    assert [d["code"] for d in whole["dispositions"]] == ["HOME_ISOLATION", "EMERGENCY_CARE"]
    told = await hub.client(Role.MEDIC).get(f"/v1/cases/{case_id}/follow-ups")
    due = [c["kind"] for c in told.json()["contacts"] if c["done_at"] is None]
    assert due == ["RESULT"]  # the hospital is asked, and not the home


async def test_a_way_that_ends_without_a_signature_says_so_and_can_be_signed_later(
    hub: Hub,
) -> None:
    case_id, leg_id = await on_the_way(hub)
    token = await link(hub, case_id, leg_id)
    await fever_cases.move(hub, case_id, "admitted")
    assert [way["ending"] for way in await ways(hub, case_id)] == ["UNSIGNED"]
    assert (await answer(hub, token)).status_code == 200
    assert [way["ending"] for way in await ways(hub, case_id)] == ["HANDED_OVER"]
    whole = await fever_cases.read(hub, case_id)
    assert [t["event"] for t in whole["transitions"]][-1] == "admitted"  # once


async def test_what_staff_hear_by_telephone_counts_alike(hub: Hub) -> None:
    case_id, leg_id = await on_the_way(hub)
    body = {"answer": "HERE", "signed_by": "ward 3", "said_at": people.now()}
    path = f"/v1/cases/{case_id}/legs/{leg_id}/receipts/{uuid4()}"
    medic = hub.client(Role.MEDIC)
    first = await medic.put(path, json=body)
    assert (first.status_code, first.json()["via"]) == (200, "STAFF")
    assert (await medic.put(path, json=body)).json() == first.json()
    other = await medic.put(path, json={**body, "signed_by": "ward 4"})
    assert other.json()["type"] == "/problems/id-reused"
    second = await medic.put(f"{path[:-36]}{uuid4()}", json=body)
    assert second.json()["type"] == "/problems/transition-refused"


async def test_ten_answers_at_once_are_one_receipt(hub: Hub) -> None:
    case_id, leg_id = await on_the_way(hub)
    token = await link(hub, case_id, leg_id)
    answers = await asyncio.gather(*(answer(hub, token) for _ in range(10)))
    assert {a.status_code for a in answers} == {200}
    assert len({a.json()["receipt_id"] for a in answers}) == 1
    (way,) = await ways(hub, case_id)
    assert len(way["receipts"]) == 1


async def test_a_departure_sent_again_is_the_same_and_no_other(hub: Hub) -> None:
    case_id, leg_id = await fever_cases.case_of(hub), uuid4()
    assert (await depart(hub, case_id)).status_code == 409  # sent nowhere yet
    await fever_cases.dispose(hub, case_id)
    told = {"departed_at": people.now(), "expected_at": people.ago(minutes=-5)}
    first = await depart(hub, case_id, leg_id, **told)
    assert (await depart(hub, case_id, leg_id, **told)).json() == first.json()
    other = await depart(hub, case_id, leg_id, **told, vehicle_no="other")
    assert other.json()["type"] == "/problems/id-reused"
    assert len(await ways(hub, case_id)) == 1


async def test_a_link_opens_nothing_after_its_time_and_nothing_but_its_way(hub: Hub) -> None:
    case_id, leg_id = await on_the_way(hub)
    old, token = await link(hub, case_id, leg_id), await link(hub, case_id, leg_id)
    assert (await answer(hub, old)).status_code == 404
    guessed = f"{token[:-1]}{'A' if token[-1] != 'A' else 'B'}"
    assert (await answer(hub, guessed)).status_code == 404
    assert (await answer(hub, token.replace(hub.hub_id, "hub"))).status_code == 404
    async with hub.runtime.database.transaction() as tx:
        await tx.raw.execute(
            "UPDATE case_link SET expires_at = now() WHERE hub_id = $1", hub.hub_id
        )
        kept = await tx.raw.fetch(
            "SELECT secret_hash FROM case_link WHERE hub_id = $1", hub.hub_id
        )
    assert all(token.encode() not in row[0] and len(row[0]) == 32 for row in kept)
    assert (await answer(hub, token)).json()["type"] == "/problems/no-such-link"
    await fever_cases.move(hub, case_id, "admitted")
    ended = await hub.client(Role.MEDIC).post(f"/v1/cases/{case_id}/legs/{leg_id}/link")
    assert ended.status_code == 409


async def test_a_link_says_that_nobody_came_so_often_and_then_only_a_last_word(
    hub: Hub,
) -> None:
    case_id, leg_id = await on_the_way(hub)
    token = await link(hub, case_id, leg_id)
    for _ in range(idempotent_facts.DAILY_LIMIT):
        assert (await answer(hub, token, "NOT_HERE")).status_code == 200
    assert (await answer(hub, token, "NOT_HERE")).status_code == 429
    assert (await answer(hub, token)).status_code == 200


async def test_no_link_opens_anything_at_a_hub_that_is_closed(hub: Hub) -> None:
    case_id, leg_id = await on_the_way(hub)
    token = await link(hub, case_id, leg_id)
    told = await hub.client(Role.MEDIC).post(f"/v1/cases/{case_id}/self-report-link")
    own, client = told.json()["token"], hub.service.client()
    assert (await client.get(f"/report/{own}")).status_code == 200
    await retention.close(hub.runtime.database, hub.hub_id, clock.now())
    assert (await answer(hub, token)).json()["type"] == "/problems/no-such-link"
    assert (await client.get(f"/handover/{token}")).status_code == 404
    report = {"token": own, "report_id": str(uuid4()), "said_at": people.now()}
    assert (await client.post("/v1/self-reports", json=report)).status_code == 404
    assert (await client.get(f"/report/{own}")).status_code == 404


async def test_the_partner_hears_of_each_step(hub: Hub) -> None:
    department = await partner_systems.enter(hub)
    case_id, leg_id = await on_the_way(hub)
    await answer(hub, await link(hub, case_id, leg_id))
    await ledger_reader.seal(hub.runtime.database, hub.hub_id)
    told = (await department.changes()).json()["changes"]
    steps = [
        c["fields"].get("event", c["type"]) for c in told if c["type"] != "screening.checked"
    ]
    assert steps == [
        "case.opened",
        "dispose",
        "dispatched",
        "case.departed",
        "admitted",
        "case.handover",
    ]
