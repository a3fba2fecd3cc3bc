"""The contacts of a case with names: asked for, agreed to by another, taken once, recorded."""

import csv
import io

import access_log_reader
import contact_scenarios
import people
import second_person
from httpx2 import Response
from hubs import Hub

from twinstile.platform.security.roles import Role


async def ask(hub: Hub, list_id: object, **more: object) -> Response:
    body = {
        "id": str(people.new_id()),
        "list_id": list_id,
        "purpose": "INVESTIGATION",
        "recipient": "City health commission",
        "reason": "letter 12",
        **more,
    }
    return await hub.client(Role.EPIDEMIOLOGIST).post("/v1/exports/contacts", json=body)


async def take(hub: Hub, asked: Response) -> Response:
    path = f"/v1/exports/contacts/{asked.json()['approval_id']}:take"
    return await hub.client(Role.EPIDEMIOLOGIST).post(path)


async def traced(hub: Hub) -> tuple[people.Json, people.Json]:
    patient, near = (
        contact_scenarios.entry("1", "3", "12F"),
        contact_scenarios.entry("2", "3", "12A"),
    )
    near["document"]["name"] = "=1+1 王芳"
    await contact_scenarios.train(hub, [patient, near, contact_scenarios.entry("3")])
    return near, await contact_scenarios.trace(
        hub, await contact_scenarios.case_of(hub, patient)
    )


async def test_contacts_leave_with_names_once_a_second_person_agrees(hub: Hub) -> None:
    near, listed = await traced(hub)
    asked = await ask(hub, listed["list_id"])
    assert asked.status_code == 202, asked.text
    assert (await take(hub, asked)).status_code == 409
    await second_person.decide(hub.client(Role.SUPERVISOR), asked.json()["approval_id"])
    taken = await take(hub, asked)
    assert taken.status_code == 200, taken.text
    rows = list(csv.DictReader(io.StringIO(taken.text)))
    assert [(row["n"], row["class"], row["seat"]) for row in rows] == [
        ("1", "CLOSE", "12A"),
        ("2", "GENERAL", ""),
    ]
    assert rows[0]["document_number"] == near["document"]["number"]
    assert rows[0]["name"] == "'=1+1 王芳"
    assert rows[0]["rules"] == "TRAIN-ROWS TRAIN-COACH"
    assert rows[0]["service_no"] == "G7349"
    assert (await take(hub, asked)).status_code == 409
    exported = [
        row
        for row in await access_log_reader.reads(hub)
        if row["action"] == "IDENTIFIED_EXPORT"
    ]
    assert len(exported) == 2
    assert {row["purpose"] for row in exported} == {"INVESTIGATION"}


async def test_close_contacts_can_be_taken_alone(hub: Hub) -> None:
    _, listed = await traced(hub)
    asked = await ask(hub, listed["list_id"], close_only=True)
    await second_person.decide(hub.client(Role.SUPERVISOR), asked.json()["approval_id"])
    rows = list(csv.DictReader(io.StringIO((await take(hub, asked)).text)))
    assert [row["class"] for row in rows] == ["CLOSE"]


async def test_no_names_leave_without_purpose_or_of_an_unknown_list(hub: Hub) -> None:
    _, listed = await traced(hub)
    assert (await ask(hub, listed["list_id"], purpose=None)).status_code == 403
    assert (await ask(hub, str(people.new_id()))).status_code == 404
    body = {"id": str(people.new_id()), "list_id": listed["list_id"]}
    medic = await hub.client(Role.MEDIC).post("/v1/exports/contacts", json=body)
    assert medic.status_code == 403
