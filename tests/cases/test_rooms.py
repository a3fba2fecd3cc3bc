"""Rooms and receivers with their places, and the care of those in rooms, through HTTP."""

import asyncio
from uuid import UUID, uuid4

import fever_cases
import people
import pytest
import worker_clock
from httpx2 import Response
from hubs import Hub

from twinstile.platform.security.roles import Role


async def room(hub: Hub, capacity: int = 2, room_id: str = "holding-1", **more: object) -> None:
    body = {"name": "Holding room", "kind": "HOLDING", "capacity": capacity, **more}
    answer = await hub.client(Role.SUPERVISOR).put(f"/v1/rooms/{room_id}", json=body)
    assert answer.status_code == 204, answer.text


async def stay(hub: Hub, case_id: str, stay_id: UUID | None = None, **more: object) -> Response:
    body = {"room_id": "holding-1", "entered_at": people.now(), **more}
    return await hub.client(Role.MEDIC).put(
        f"/v1/cases/{case_id}/stays/{stay_id or uuid4()}", json=body
    )


async def care(hub: Hub, case_id: str, care_id: UUID | None = None, **more: object) -> Response:
    body = {"given": ["SEEN", "WATER"], "given_at": people.now(), **more}
    return await hub.client(Role.MEDIC).put(
        f"/v1/cases/{case_id}/care/{care_id or uuid4()}", json=body
    )


async def inside(hub: Hub) -> dict[str, list[str]]:
    answer = await hub.client(Role.DUTY_COMMANDER).get("/v1/rooms")
    return {
        each["room_id"]: [one["case_id"] for one in each["occupants"]]
        for each in answer.json()["rooms"]
    }


async def kinds(hub: Hub) -> list[str]:
    answer = await hub.client(Role.SUPERVISOR).get("/v1/alerts", params={"limit": 200})
    return [alert["kind"] for alert in answer.json()["alerts"]]


async def test_a_patient_is_in_one_room_at_a_time_and_in_none_once_on_the_way(hub: Hub) -> None:
    await room(hub)
    await room(hub, room_id="tent-1", kind="TENT")
    case_id = await fever_cases.case_of(hub)
    first = await stay(hub, case_id)
    assert first.status_code == 200, first.text
    assert await inside(hub) == {"holding-1": [case_id], "tent-1": []}
    await stay(hub, case_id, room_id="tent-1")
    assert await inside(hub) == {"holding-1": [], "tent-1": [case_id]}
    await fever_cases.dispose(hub, case_id)
    assert await inside(hub) == {"holding-1": [], "tent-1": [case_id]}
    await fever_cases.move(hub, case_id, "dispatched")
    assert await inside(hub) == {"holding-1": [], "tent-1": []}
    whole = await fever_cases.read(hub, case_id)
    assert [s["room_id"] for s in whole["stays"]] == ["holding-1", "tent-1"]
    assert all(s["left_at"] for s in whole["stays"])
    assert whole["waits"] == []
    assert (await stay(hub, case_id)).json()["type"] == "/problems/transition-refused"


async def test_the_last_place_is_given_once_and_gone_beyond_only_by_saying_so(hub: Hub) -> None:
    await room(hub, capacity=1)
    cases = [await fever_cases.case_of(hub) for _ in range(4)]
    answers = await asyncio.gather(*(stay(hub, case_id) for case_id in cases))
    assert sorted(a.status_code for a in answers) == [200, 409, 409, 409]
    refused = next(a for a in answers if a.status_code == 409)
    assert refused.json()["type"] == "/problems/no-place"
    out = cases[[a.status_code for a in answers].index(409)]
    beyond = await stay(hub, out, beyond_capacity=True)
    assert (beyond.status_code, beyond.json()["beyond_capacity"]) == (200, True)
    assert len((await inside(hub))["holding-1"]) == 2


async def test_a_stay_is_known_by_its_id_and_ends_once(hub: Hub) -> None:
    await room(hub)
    case_id, stay_id, at = await fever_cases.case_of(hub), uuid4(), people.now()
    first = await stay(hub, case_id, stay_id, entered_at=at)
    assert (await stay(hub, case_id, stay_id, entered_at=at)).json() == first.json()
    other = await stay(hub, case_id, stay_id, entered_at=people.now())
    assert other.json()["type"] == "/problems/id-reused"
    medic, path = hub.client(Role.MEDIC), f"/v1/cases/{case_id}/stays/{stay_id}/end"
    ended = await medic.put(path)
    assert ended.json()["left_at"] is not None
    assert (await medic.put(path)).json() == ended.json()
    assert await inside(hub) == {"holding-1": []}
    assert (await medic.put(f"/v1/cases/{case_id}/stays/{uuid4()}/end")).status_code == 404
    assert (await stay(hub, case_id, room_id="nowhere")).json()["errors"] == [
        {"pointer": "/room_id", "code": "unknown-value"}
    ]


async def test_nobody_in_a_room_is_forgotten(hub: Hub) -> None:
    await room(hub)
    case_id = await fever_cases.case_of(hub)
    assert (await care(hub, case_id)).status_code == 409  # in no room yet
    await stay(hub, case_id)
    await worker_clock.later(hub, minutes=29)
    assert "CARE_OVERDUE" not in await kinds(hub)
    await worker_clock.later(hub, minutes=31)
    assert "CARE_OVERDUE" in await kinds(hub)
    (wait,) = (await fever_cases.read(hub, case_id))["waits"]
    assert wait["late_since"] is not None
    await worker_clock.later(hub, minutes=42)  # it rings again
    await worker_clock.later(hub, minutes=43)
    async with hub.runtime.database.reading() as tx:
        rung = await tx.raw.fetch(
            "SELECT body FROM event WHERE hub_id = $1 AND kind = 'case.late'", hub.hub_id
        )
    assert [row[0]["waits_for"] for row in rung] == ["CARE", "CARE"]
    told = await care(hub, case_id, temperature_c=38.2, note="sleeps")
    assert (told.status_code, told.json()["temperature_c"]) == (200, 38.2)
    await worker_clock.later(hub, minutes=1)
    assert "CARE_OVERDUE" not in await kinds(hub)
    whole = await fever_cases.read(hub, case_id)
    assert [c["given"] for c in whole["care"]] == [["SEEN", "WATER"]]
    assert whole["waits"][0]["late_since"] is None


async def test_care_sent_again_is_the_same_care(hub: Hub) -> None:
    await room(hub)
    case_id, care_id, at = await fever_cases.case_of(hub), uuid4(), people.now()
    await stay(hub, case_id)
    first = await care(hub, case_id, care_id, given_at=at)
    assert (await care(hub, case_id, care_id, given_at=at)).json() == first.json()
    other = await care(hub, case_id, care_id, given_at=at, given=["MEAL"])
    assert other.json()["type"] == "/problems/id-reused"
    assert len((await fever_cases.read(hub, case_id))["care"]) == 1


async def test_whoever_is_named_by_a_room_that_looks_more_often_is_looked_at_more_often(
    hub: Hub,
) -> None:
    await room(hub, care_minutes=5)
    case_id = await fever_cases.case_of(hub)
    await stay(hub, case_id)
    await worker_clock.later(hub, minutes=6)
    assert "CARE_OVERDUE" in await kinds(hub)


async def facility(hub: Hub, capacity: int | None) -> None:
    body = {"name": "First People's Hospital", "kind": "HOSPITAL", "capacity": capacity}
    answer = await hub.client(Role.SUPERVISOR).put("/v1/facilities/first", json=body)
    assert answer.status_code == 204, answer.text


async def send(hub: Hub, case_id: str, **more: object) -> Response:
    told = {"travel": "AMBULANCE", "facility_id": "first", **more}
    return await fever_cases.dispose(
        hub, case_id, "DESIGNATED_HOSPITAL", receiver=None, particulars=told
    )


async def places(hub: Hub) -> tuple[int, int]:
    answer = await hub.client(Role.MEDIC).get("/v1/facilities")
    (one,) = answer.json()["facilities"]
    return one["expected"], one["there"]


async def test_a_receivers_places_are_counted_from_the_sending_to_the_discharge(
    hub: Hub,
) -> None:
    await facility(hub, capacity=1)
    cases = [await fever_cases.case_of(hub) for _ in range(3)]
    answers = await asyncio.gather(*(send(hub, case_id) for case_id in cases))
    assert sorted(a.status_code for a in answers) == [200, 409, 409]
    taken = [a.status_code for a in answers].index(200)
    assert answers[taken].json()["receiver"] == "First People's Hospital"
    assert await places(hub) == (1, 0)
    waiting = cases[taken - 1]
    assert (await fever_cases.read(hub, waiting))["state"] == "ASSESSING"
    await fever_cases.move(hub, cases[taken], "dispatched")
    await fever_cases.move(hub, cases[taken], "admitted")
    assert await places(hub) == (0, 1)
    assert (await send(hub, waiting)).json()["type"] == "/problems/no-place"
    assert (await send(hub, waiting, beyond_capacity=True)).status_code == 200
    assert await places(hub) == (1, 1)
    await fever_cases.move(hub, cases[taken], "discharged")
    await fever_cases.dispose(hub, waiting, "FEVER_CLINIC")  # elsewhere
    assert await places(hub) == (0, 0)


@pytest.mark.parametrize("capacity", [None, 3])
async def test_a_receiver_of_unknown_capacity_refuses_nobody(
    hub: Hub, capacity: int | None
) -> None:
    await facility(hub, capacity=capacity)
    for _ in range(3):
        assert (await send(hub, await fever_cases.case_of(hub))).status_code == 200


async def test_cases_are_the_final_dispositions_and_those_sent_nowhere(hub: Hub) -> None:
    cases = [await fever_cases.case_of(hub) for _ in range(4)]
    await fever_cases.dispose(hub, cases[0])
    await fever_cases.dispose(hub, cases[0], "DESIGNATED_HOSPITAL")
    await fever_cases.dispose(hub, cases[1], "RELEASED", receiver=None)
    span = {"from": people.ago(hours=1), "to": people.ago(hours=-1)}
    answer = await hub.client(Role.EPIDEMIOLOGIST).get("/v1/reports/period", params=span)
    told = answer.json()
    assert (told["cases"], told["undisposed"]) == (4, 2)
    assert sum(sent["final"] for sent in told["dispositions"].values()) == 2
    assert told["dispositions"]["FEVER_CLINIC"] == {"final": 0, "ever": 1}
