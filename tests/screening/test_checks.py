"""Checks through HTTP: what an officer's tablet sends and is told."""

import asyncio
from uuid import UUID

import people
import pytest
from httpx2 import AsyncClient, Response
from hubs import Hub

from twinstile.platform.security.roles import Role


async def put(client: AsyncClient, body: people.Json, check_id: UUID | None = None) -> Response:
    return await client.put(f"/v1/checks/{check_id or people.new_id()}", json=body)


async def test_a_traveller_with_nothing_amiss_goes_on(hub: Hub) -> None:
    answer = await put(hub.client(), people.check())
    assert answer.status_code == 201
    told = answer.json()
    assert (told["verdict"], told["state"], told["next_step"]) == ("PASS", "CLEARED", "go")
    assert told["status"] == "stored"
    assert told["reasons"] == []
    assert told["policy_version"] == "cn-hub-2"
    assert told["completeness"] == {
        "reminders": 1,
        "verifications": 2,
        "services": 2,
        "complete": False,
    }


async def test_sending_a_check_twice_records_it_once(hub: Hub) -> None:
    client, check_id, body = hub.client(), people.new_id(), people.check()
    first = await put(client, body, check_id)
    again = await put(client, body, check_id)
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json()["status"] == "duplicate"
    assert again.json()["screening_id"] == first.json()["screening_id"]
    whole = await client.get(f"/v1/screenings/{first.json()['screening_id']}")
    assert len(whole.json()["checks"]) == 1


async def test_a_resend_gets_its_first_answer_though_the_screening_moved_on(hub: Hub) -> None:
    client, check_id, number = hub.client(), people.new_id(), people.resident_number()
    alarm = people.check(number=number, celsius=37.5)
    first = await put(client, alarm, check_id)
    contact = {"value": 36.8, "method": "EAR"}
    await put(hub.client(Role.MEDIC), people.check(number=number, temperature=contact))
    again = await put(client, alarm, check_id)
    assert again.json()["state"] == first.json()["state"] == "SECONDARY"
    assert again.json()["reasons"] == first.json()["reasons"]


async def test_the_same_id_with_other_content_is_refused_and_both_are_kept(hub: Hub) -> None:
    client, check_id = hub.client(), people.new_id()
    number = people.resident_number()
    first, other = people.check(1, number), people.check(2, number, celsius=38.5)
    await put(client, first, check_id)
    for _ in range(2):
        refused = await put(client, other, check_id)
        assert refused.status_code == 409
        assert refused.json()["type"] == "/problems/id-reused"
        assert refused.json()["stored"] is True
    device = hub.duties[Role.SCREENER].device_id
    status = (await client.get(f"/v1/devices/{device}/sync-status")).json()
    assert (status["quarantined"], status["ack_through"]) == (1, 2)
    assert (await put(client, first, check_id)).json()["verdict"] == "PASS"


async def test_the_same_check_sent_by_ten_requests_at_once_is_stored_once(hub: Hub) -> None:
    client, check_id, body = hub.client(), people.new_id(), people.check()
    answers = await asyncio.gather(*(put(client, body, check_id) for _ in range(10)))
    assert sorted(a.status_code for a in answers) == [200] * 9 + [201]
    screening = {a.json()["screening_id"] for a in answers}
    assert len(screening) == 1


@pytest.mark.parametrize(
    ("changes", "state", "rule"),
    [
        ({"temperature": {"value": 37.0, "method": "WALK_THROUGH"}}, "SECONDARY", "TEMP-ALARM"),
        ({"temperature": {"value": 36.9, "method": "WALK_THROUGH"}}, "CLEARED", None),
        ({"temperature": {"value": 37.2, "method": "EAR"}}, "CLEARED", None),
        ({"temperature": {"value": 37.3, "method": "EAR"}}, "SECONDARY", "TEMP-ALARM"),
        (
            {"temperature": {"value": 37.2, "method": "EAR", "error": 0.1, "site": "EAR"}},
            "SECONDARY",
            "TEMP-ALARM",
        ),
        (
            {"temperature": {"value": 37.0, "method": "WALK_THROUGH", "error": 0.2}},
            "CLEARED",
            None,
        ),
        ({"temperature": {"value": 98.6, "unit": "F", "method": "ORAL"}}, "CLEARED", None),
        (
            {"temperature": {"value": 34.9, "method": "CONTACTLESS"}},
            "PRESENTED",
            "TEMP-INVALID",
        ),
        ({"temperature": None}, "PRESENTED", "TEMP-MISSING"),
        ({"credential": {"status": "YELLOW"}}, "SECONDARY", "CRED-FLAG"),
        ({"credential": {"status": "RED"}}, "SECONDARY", "CRED-FLAG"),
        ({"credential": {"status": "EXPIRED"}}, "SECONDARY", "CRED-FLAG"),
        ({"credential": {"status": "NOT_PRESENTED"}}, "ASSISTED", "CRED-ASSIST"),
        ({"credential": {"status": "NOT_FOUND"}}, "ASSISTED", "CRED-ASSIST"),
        ({"credential": {"status": "STALE"}}, "ASSISTED", "CRED-ASSIST"),
        ({"credential": None}, "PRESENTED", "CRED-MISSING"),
        ({"identity": {"result": "MISMATCH"}}, "SECONDARY", "ID-MISMATCH"),
        ({"identity": {"result": "NOT_CHECKED"}}, "PRESENTED", "ID-MISSING"),
        ({"identity": None}, "PRESENTED", "ID-MISSING"),
        ({"illness": True}, "SECONDARY", "ILLNESS"),
    ],
)
async def test_the_protocol_row_by_row(
    hub: Hub, changes: people.Json, state: str, rule: str | None
) -> None:
    told = (await put(hub.client(), people.check(**changes))).json()
    assert told["state"] == state
    assert [reason["rule_id"] for reason in told["reasons"]] == ([rule] if rule else [])


async def test_reasons_are_told_in_the_language_asked_for(hub: Hub) -> None:
    client = hub.client()
    client.headers["Accept-Language"] = "zh-CN,zh;q=0.9,en;q=0.8"
    told = (await put(client, people.check(credential={"status": "RED"}))).json()
    assert told["reasons"][0]["text"] == "健康凭证需二次核验"


async def test_a_normal_contact_reading_clears_an_alarm(hub: Hub) -> None:
    number = people.resident_number()
    alarm = (await put(hub.client(), people.check(number=number, celsius=38.2))).json()
    again = {"value": 36.9, "method": "CONTACTLESS"}
    still = await put(hub.client(Role.MEDIC), people.check(number=number, temperature=again))
    contact = {"value": 36.8, "method": "EAR"}
    clear = await put(hub.client(Role.MEDIC), people.check(2, number, temperature=contact))
    assert still.json()["state"] == "SECONDARY"
    assert clear.json()["state"] == "CLEARED"
    assert clear.json()["screening_id"] == alarm["screening_id"]
    assert clear.json()["status"] == "stored"


async def test_two_methods_above_the_threshold_open_a_case_at_once(hub: Hub) -> None:
    number, medic = people.resident_number(), hub.client(Role.MEDIC)
    await put(hub.client(), people.check(number=number, celsius=38.2))
    contact = {"value": 38.4, "method": "EAR"}
    held = (await put(medic, people.check(number=number, temperature=contact))).json()
    assert (held["verdict"], held["state"]) == ("STOP", "HELD")
    assert held["next_step"] == "call-medic"
    case = await medic.get(f"/v1/cases/{held['case_id']}")
    assert case.status_code == 200
    assert case.json()["case_no"] == held["case_no"]
    assert case.json()["state"] == "ASSESSING"


async def test_nobody_held_is_cleared_by_another_reading(hub: Hub) -> None:
    number, medic = people.resident_number(), hub.client(Role.MEDIC)
    await put(hub.client(), people.check(number=number, celsius=38.2))
    high = {"value": 38.4, "method": "EAR"}
    held = (await put(medic, people.check(number=number, temperature=high))).json()
    low = {"value": 36.4, "method": "AXILLARY"}
    later = (await put(medic, people.check(2, number, temperature=low))).json()
    assert (later["verdict"], later["state"]) == ("STOP", "HELD")
    assert later["case_id"] == held["case_id"]
    assert later["case_no"] == held["case_no"]


async def test_the_same_method_twice_confirms_nothing(hub: Hub) -> None:
    number, client = people.resident_number(), hub.client()
    await put(client, people.check(1, number, celsius=38.2))
    told = (await put(client, people.check(2, number, celsius=38.6))).json()
    assert told["state"] == "SECONDARY"


async def test_evidence_may_come_piece_by_piece(hub: Hub) -> None:
    number, client = people.resident_number(), hub.client()
    first = await put(client, people.check(1, number, credential=None))
    second = await put(client, people.check(2, number, temperature=None))
    assert first.json()["state"] == "PRESENTED"
    assert second.json()["state"] == "CLEARED"
    assert second.json()["screening_id"] == first.json()["screening_id"]


async def test_a_person_without_document_is_followed_by_the_screening_id(hub: Hub) -> None:
    client, screening = hub.client(), str(people.new_id())
    unknown = {"result": "NOT_CHECKED"}
    first = await put(client, people.check(1, identity=unknown, screening_id=screening))
    second = await put(client, people.check(2, screening_id=screening))
    assert first.json()["screening_id"] == second.json()["screening_id"] == screening
    assert second.json()["state"] == "CLEARED"


async def test_an_assisted_traveller_passes_with_a_declaration(hub: Hub) -> None:
    number = people.resident_number()
    none = {"status": "NOT_PRESENTED"}
    await put(hub.client(), people.check(number=number, credential=none))
    paper = {"status": "GREEN", "kind": "DECLARATION"}
    helped = await put(
        hub.client(Role.ASSISTANT),
        people.check(number=number, credential=paper, assistance=True),
    )
    assert helped.json()["state"] == "CLEARED"


async def test_a_second_device_finding_the_passage_finished_is_kept_as_a_conflict(
    hub: Hub,
) -> None:
    number = people.resident_number()
    first = await put(hub.client(), people.check(number=number))
    second = await put(hub.client(Role.ASSISTANT), people.check(number=number, celsius=38.5))
    assert first.json()["state"] == "CLEARED"
    assert second.json()["status"] == "conflict_kept"
    assert second.json()["state"] == "SECONDARY"
    later = await hub.client().get(f"/v1/screenings/{second.json()['screening_id']}")
    assert later.json()["supersedes"] == first.json()["screening_id"]


async def test_two_devices_at_once_see_one_person(hub: Hub) -> None:
    number = people.resident_number()
    warm = {"value": 38.0, "method": "WALK_THROUGH"}
    ear = {"value": 38.4, "method": "EAR"}
    answers = await asyncio.gather(
        put(hub.client(), people.check(number=number, temperature=warm)),
        put(hub.client(Role.MEDIC), people.check(number=number, temperature=ear)),
    )
    assert {a.status_code for a in answers} == {201}
    assert len({a.json()["screening_id"] for a in answers}) == 1
    assert {a.json()["state"] for a in answers} == {"SECONDARY", "HELD"}


async def test_an_unreadable_document_number_does_not_come_back(hub: Hub) -> None:
    secret = "77010119900101\u0000079"
    answer = await put(
        hub.client(),
        people.check(identity={"document": people.document(secret), "result": "MATCH"}),
    )
    assert answer.status_code == 422
    assert "770101" not in answer.text
    assert answer.json()["errors"] == [
        {"pointer": "/identity/document/number", "code": "invalid-text"}
    ]


async def test_a_clock_far_off_is_noted_and_the_check_kept(hub: Hub) -> None:
    client, check_id = hub.client(), people.new_id()
    body = {
        **people.check(),
        "observed_at": people.ago(hours=5),
        "sent_at": people.ago(hours=5),
    }
    assert (await put(client, body, check_id)).status_code == 201
    stored = (await client.get(f"/v1/checks/{check_id}")).json()
    assert stored["clock_suspect"] is True
    assert 17_990_000 < stored["clock_offset_ms"] < 18_060_000


async def test_everyone_of_a_run_inherits_its_reminder(hub: Hub) -> None:
    supervisor, number, run = (
        hub.client(Role.SUPERVISOR),
        people.resident_number(),
        people.new_id(),
    )
    arrival = people.now()
    await supervisor.put(
        f"/v1/runs/{run}",
        json={
            "mode": "RAIL",
            "service_no": "G22",
            "service_date": arrival[:10],
            "origin": "Shanghai Hongqiao",
            "terminus": "Hangzhou East",
            "scheduled_arrival": arrival,
        },
    )
    manifest = {"batch": 1, "entries": [{"entry_id": "1", "document": people.document(number)}]}
    landed = await supervisor.put(f"/v1/runs/{run}/manifest", json=manifest)
    assert landed.json()["expected"] == 1
    told = (await put(hub.client(), people.check(number=number))).json()
    assert told["completeness"]["reminders"] == 1
    reminder = {
        "kind": "R1",
        "run_id": str(run),
        "channel": "onboard-broadcast",
        "language": "zh-CN",
        "given_at": people.ago(minutes=30),
    }
    given = await supervisor.put(f"/v1/reminders/{people.new_id()}", json=reminder)
    assert given.json() == {"status": "stored"}
    whole = (await hub.client().get(f"/v1/screenings/{told['screening_id']}")).json()
    assert whole["run_id"] == str(run)
    assert whole["completeness"]["complete"] is True
