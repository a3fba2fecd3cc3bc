"""Unconscious, injured, dead: a case first, whoever it is, and a name later."""

from uuid import uuid4

import fever_cases
import people
import pytest
from httpx2 import Response
from hubs import DEVICE, Hub

from twinstile.platform.ops import clock
from twinstile.platform.security.roles import Role
from twinstile.policy import documents
from twinstile.screening import machine, rules
from twinstile.screening.decision_context import DecisionContext
from twinstile.screening.evidence import Evidence
from twinstile.screening.types import Outcome, ScreeningState

NOBODY: people.Json = {"celsius": None, "credential": None, "identity": None}


def emergency(condition: str = "UNCONSCIOUS", **more: object) -> people.Json:
    return people.fact(**{**NOBODY, "emergency": condition, **more})


async def put(hub: Hub, body: people.Json, role: Role = Role.SCREENER) -> people.Json:
    whole = {**body, "counter": 1, "sent_at": people.now()}
    answer = await hub.client(role).put(f"/v1/checks/{people.new_id()}", json=whole)
    assert answer.status_code == 201, answer.text
    told: people.Json = answer.json()
    return told


@pytest.mark.parametrize("condition", ["UNCONSCIOUS", "SEVERELY_ILL", "INJURED", "DECEASED"])
async def test_an_emergency_is_a_case_at_once_without_a_name(hub: Hub, condition: str) -> None:
    told = await put(hub, emergency(condition))
    assert (told["state"], told["verdict"]) == ("HELD", "STOP")
    assert told["next_step"] == "call-medic"
    assert told["reasons"][0]["rule_id"] == "EMERGENCY"
    case = await fever_cases.read(hub, str(told["case_id"]))
    assert (case["origin"], case["state"]) == ("EMERGENCY", "ASSESSING")
    assert (await fever_cases.reveal(hub, str(told["case_id"]))).status_code == 404
    moved = await fever_cases.move(hub, str(told["case_id"]), "emergency", who=Role.SUPERVISOR)
    assert moved.json()["after"] == "IN_TRANSFER"


def test_no_policy_can_forget_an_emergency() -> None:
    document = documents.pack("cn-hub")
    left = [rule for rule in document["rules"] if rule["id"] != "EMERGENCY"]
    policy = documents.compile_document({**document, "rules": left})
    now = clock.now()
    evidence = Evidence(emergency="DECEASED")
    told = rules.decide(machine.START, evidence, DecisionContext(now, now.date()), policy)
    assert (told.outcome, told.state) == (Outcome.HOLD, ScreeningState.HELD)


async def test_many_at_once_come_in_one_request_also_from_a_tablet_without_network(
    hub: Hub,
) -> None:
    items = [
        {
            "kind": "check",
            "id": str(people.new_id()),
            "counter": n,
            "body": emergency("INJURED", offline=True, observed_at=people.ago(minutes=20)),
        }
        for n in range(1, 26)
    ]
    body = {"sent_at": people.now(), "items": items}
    told = (await hub.client(DEVICE).post("/v1/facts:batch", json=body)).json()["items"]
    assert {item["status"] for item in told} == {"stored"}
    assert len({item["check"]["case_no"] for item in told}) == 25
    again = (await hub.client(DEVICE).post("/v1/facts:batch", json=body)).json()["items"]
    assert {item["status"] for item in again} == {"duplicate"}
    listed = (await hub.client(Role.MEDIC).get("/v1/cases?limit=200")).json()["cases"]
    assert len(listed) == 25


async def test_who_dies_closes_with_an_ending_of_its_own(hub: Hub) -> None:
    told = await put(hub, emergency("DECEASED"))
    refused = await fever_cases.move(hub, str(told["case_id"]), "died", who=Role.SUPERVISOR)
    assert refused.status_code == 403
    closed = await fever_cases.move(hub, str(told["case_id"]), "died")
    assert closed.json()["after"] == "CLOSED_DECEASED"


async def name(
    hub: Hub,
    case: object,
    number: str,
    naming_id: object = None,
    who: Role = Role.MEDIC,
    **more: object,
) -> Response:
    body = {"document": people.document(number), "how": "PAPERS_FOUND", **more}
    return await hub.client(who).put(
        f"/v1/cases/{case}/identifications/{naming_id or uuid4()}", json=body
    )


async def test_a_patient_is_identified_later_and_recognised_from_then_on(hub: Hub) -> None:
    told, number, naming_id = await put(hub, emergency()), people.resident_number(), uuid4()
    case = told["case_id"]
    assert (await name(hub, case, number, naming_id)).json() == {"status": "stored"}
    assert (await name(hub, case, number, naming_id)).json() == {"status": "duplicate"}
    assert (await name(hub, case, number, naming_id, how="POLICE")).status_code == 409
    assert (await name(hub, case, people.resident_number())).status_code == 409
    assert (await name(hub, uuid4(), number)).status_code == 404
    assert (await name(hub, case, number, who=Role.SCREENER)).status_code == 403
    shown = (await fever_cases.reveal(hub, str(case))).json()
    assert shown["document_number"] == number
    whole = await fever_cases.read(hub, str(case))
    assert whole["age_years"] is not None
    back = await put(hub, people.fact(number), Role.ASSISTANT)
    assert back["screening_id"] == told["screening_id"]


async def test_a_check_that_shows_the_document_names_the_case(hub: Hub) -> None:
    told, number = await put(hub, emergency()), people.resident_number()
    same = await put(hub, people.fact(number, screening_id=told["screening_id"]), Role.MEDIC)
    assert same["case_id"] == told["case_id"]
    shown = (await fever_cases.reveal(hub, str(told["case_id"]))).json()
    assert shown["document_number"] == number


async def test_the_case_of_who_turns_out_to_have_one_is_merged_into_that(hub: Hub) -> None:
    number = people.resident_number()
    first = await fever_cases.confirmed(hub, number)
    told = await put(hub, emergency())
    assert (await name(hub, told["case_id"], number)).status_code == 200
    (merge,) = (await fever_cases.read(hub, str(first["case_id"])))["merges"]
    assert (merge["case_id"], merge["cause"]) == (told["case_id"], "IDENTIFIED")
    listed = (await hub.client(Role.MEDIC).get("/v1/cases")).json()["cases"]
    assert [c["case_id"] for c in listed if c["closed_at"] is None] == [first["case_id"]]
