"""Invented documents: marked wherever they are shown, and never among real people."""

import access_log_reader
import fever_cases
import people
import pytest
from hubs import DEVICE, Hub, Service, open_hub
from people import Json
from refusals import footprint, refused

from twinstile.platform.http.routes import Runtime
from twinstile.platform.security.hub_modes import HubMode
from twinstile.platform.security.roles import Role

MADE_UP = (
    people.document(),
    people.document("770101900201007"),
    {"kind": "TEMPORARY_ID", "number": people.resident_number(), "issuer": "rail"},
    {"kind": "PASSPORT", "number": "L898902C3", "issuer": "uto"},
    {"kind": "HK_MACAU_PERMIT", "number": "H00000001", "issuer": "UTO"},
    {"kind": "MILITARY_ID", "number": "7", "issuer": "UTO"},
    {
        "kind": "ID_CARD",
        "mrz": [
            "I<UTOD231458907<<<<<<<<<<<<<<<",
            "7408122F1204159UTO<<<<<<<<<<<6",
            "ERIKSSON<<ANNA<MARIA<<<<<<<<<<",
        ],
    },
)
REAL = (
    people.document(people.possible_number()),
    {"kind": "PASSPORT", "number": "L898902C3", "issuer": "FRA"},
    {"kind": "HK_MACAU_PERMIT", "number": "H00000001", "issuer": "CHN"},
    {"kind": "OTHER", "number": "77"},
)


@pytest.fixture(scope="module")
async def real(runtime: Runtime, service: Service) -> Hub:
    return await open_hub(runtime, service, HubMode.PRODUCTION)


def shown(document: Json, **more: object) -> Json:
    return people.check(identity={"document": document, "result": "MATCH"}, **more)


def place(document: Json) -> str:
    return "/mrz" if "mrz" in document else "/number"


@pytest.mark.parametrize("document", MADE_UP, ids=lambda document: document["kind"])
async def test_a_hub_for_real_people_takes_no_invented_document(
    real: Hub, document: Json
) -> None:
    before = await footprint(real)
    answer = await real.client().put(f"/v1/checks/{people.new_id()}", json=shown(document))
    assert refused(answer, 422, "synthetic-document") == [
        {"pointer": f"/identity/document{place(document)}", "code": "unknown-value"}
    ]
    body = {"document": document, "purpose": "IDENTIFICATION"}
    looked = await real.client(Role.MEDIC).post("/v1/lookups", json=body)
    assert refused(looked, 422, "synthetic-document")
    linked = await real.client(Role.MEDIC).put(
        f"/v1/links/{people.new_id()}",
        json={
            **body,
            "document": REAL[0],
            "other": document,
            "evidence": "BOTH_DOCUMENTS_SHOWN",
            "reason": "shown",
        },
    )
    assert refused(linked, 422, "synthetic-document") == [
        {"pointer": f"/other{place(document)}", "code": "unknown-value"}
    ]
    manifest = {"batch": 1, "entries": [{"entry_id": "1", "document": document}]}
    landed = await real.client(Role.SUPERVISOR).put(
        f"/v1/runs/{people.new_id()}/manifest", json=manifest
    )
    assert refused(landed, 422, "synthetic-document")[0]["pointer"].startswith("/entries/0")
    assert await footprint(real) == before


@pytest.mark.parametrize("document", REAL, ids=lambda document: document["kind"])
async def test_a_real_one_is_taken_there_and_marked_as_such(real: Hub, document: Json) -> None:
    answer = await real.client().put(f"/v1/checks/{people.new_id()}", json=shown(document))
    assert answer.status_code == 201, answer.text
    assert "SYNTHETIC" not in answer.json()["findings"]


async def test_a_fact_of_an_exercise_is_kept_aside_and_not_lost(
    runtime: Runtime, service: Service
) -> None:
    hub = await open_hub(runtime, service, HubMode.PRODUCTION)
    facts = [
        people.fact(identity={"document": document, "result": "MATCH"})
        for document in (REAL[0], MADE_UP[0], REAL[1])
    ]
    items = [
        {"kind": "check", "id": str(people.new_id()), "counter": n, "body": fact}
        for n, fact in enumerate(facts, 1)
    ]
    sent = {"sent_at": people.now(), "items": items}
    for status in ("stored", "duplicate"):
        answer = await hub.client(DEVICE).post("/v1/facts:batch", json=sent)
        told = answer.json()["items"]
        assert [item["status"] for item in told] == [status, "quarantined", status]
        assert told[1]["problem"] == {
            "type": "/problems/synthetic-document",
            "errors": [{"pointer": "/body/identity/document/number", "code": "unknown-value"}],
        }
        assert answer.json()["ack_through"] == 3
    supervisor = hub.client(Role.SUPERVISOR)
    (kept,) = (await supervisor.get("/v1/quarantine")).json()["facts"]
    assert kept["code"] == "synthetic-document"
    opened = await supervisor.post(
        f"/v1/quarantine/{kept['quarantine_id']}:reveal", json={"purpose": "DATA_QUALITY"}
    )
    assert opened.json()["item"]["body"] == facts[1]


async def test_an_invented_document_is_marked_wherever_it_is_shown(hub: Hub) -> None:
    number = people.resident_number()
    check_id, body = people.new_id(), people.check(number=number)
    for status in (201, 200):
        answer = await hub.client().put(f"/v1/checks/{check_id}", json=body)
        assert (answer.status_code, answer.json()["findings"]) == (
            status,
            ["SYNTHETIC", "VALID"],
        )
    stored = (await hub.client().get(f"/v1/checks/{check_id}")).json()
    assert stored["evidence"]["identity"]["findings"] == ["SYNTHETIC", "VALID"]
    assert (await access_log_reader.look_up(hub, number)).json()["findings"] == [
        "SYNTHETIC",
        "VALID",
    ]
    nobody = people.check(identity={"result": "NOT_CHECKED"})
    plain = await hub.client().put(f"/v1/checks/{people.new_id()}", json=nobody)
    assert plain.json()["findings"] == []


@pytest.mark.parametrize(("document", "made_up"), [(MADE_UP[0], True), (REAL[0], False)])
async def test_a_case_says_whether_its_patient_is_invented(
    hub: Hub, document: Json, made_up: bool
) -> None:
    told = await fever_cases.confirmed(hub, identity={"document": document, "result": "MATCH"})
    masked = await hub.client(Role.MEDIC).get(f"/v1/cases/{told['case_id']}/person")
    whole = await fever_cases.reveal(hub, str(told["case_id"]))
    assert [answer.json()["synthetic"] for answer in (masked, whole)] == [made_up] * 2
