"""Line lists with names: asked by one, agreed to by another, taken once and on the record."""

import csv
import io
from uuid import uuid4

import fever_cases
import line_lists
import people
import pytest
import second_person
from access_log_reader import reads
from httpx2 import Response
from hubs import Hub
from second_person import decide, told

from twinstile.exports import identified
from twinstile.platform.security.roles import Role

NAME = "=欧阳测试"


async def ask(hub: Hub, who: Role = Role.EPIDEMIOLOGIST, **more: object) -> Response:
    body = {
        "id": str(uuid4()),
        "from": people.ago(hours=1),
        "to": people.ago(hours=-1),
        "purpose": "LEGAL_DUTY",
        "recipient": "City health commission",
        "reason": "letter 12",
        **more,
    }
    return await hub.client(who).post("/v1/exports/identified", json=body)


async def take(hub: Hub, approval_id: object) -> Response:
    path = f"/v1/exports/identified/{approval_id}:take"
    return await hub.client(Role.EPIDEMIOLOGIST).post(path)


async def test_a_list_is_taken_once_after_a_second_person_agreed(hub: Hub) -> None:
    number = people.resident_number()
    document = people.document(number, name=NAME)
    case_id = await fever_cases.case_of(
        hub, number=number, identity={"document": document, "result": "MATCH"}
    )
    nobody = await line_lists.enter(hub, opened_at=people.datetime.now(people.UTC))
    asked = await ask(hub)
    assert asked.status_code == 202, asked.text
    approval_id = asked.json()["approval_id"]
    early = await take(hub, approval_id)
    assert early.json()["type"] == "/problems/approval-decided"
    assert await reads(hub) == []
    own = await decide(hub.client(Role.MEDIC), approval_id)
    assert own.json()["type"] == "/problems/forbidden"
    granted = await decide(hub.client(Role.DUTY_COMMANDER), approval_id)
    assert granted.json()["content"]["recipient"] == "City health commission"
    taken = await take(hub, approval_id)
    assert taken.status_code == 200, taken.text
    assert taken.headers["cache-control"] == "no-store"
    assert number not in str(taken.headers)
    rows = {row["case_id"]: row for row in csv.DictReader(io.StringIO(taken.text))}
    assert list(rows[case_id]) == list(identified.COLUMNS)
    whole = rows[case_id]
    assert (whole["name"], whole["document_number"]) == (f"'{NAME}", number)
    assert (whole["birth_date"], whole["document_kind"]) == ("1990-01-01", "RESIDENT_ID")
    assert {rows[str(nobody)][column] for column in identified.NAMED} == {""}
    looked = {row["subject_id"]: row for row in await reads(hub)}
    assert {case: row["outcome"] for case, row in looked.items()} == {
        case_id: "SHOWN",
        str(nobody): "NOTHING",
    }
    look = looked[case_id]
    assert (look["action"], look["purpose"]) == ("IDENTIFIED_EXPORT", "LEGAL_DUTY")
    assert look["fields"] == list(identified.NAMED)
    again = await take(hub, approval_id)
    assert again.json()["type"] == "/problems/approval-decided"
    assert len(await reads(hub)) == 2
    assert (await told(hub, approval_id))[-1] == "approval.used"
    log = str([body for _, body in await second_person.record(hub, approval_id)])
    assert number not in log


@pytest.mark.parametrize("purpose", [None, "DATA_QUALITY", "TREATMENT"])
async def test_names_leave_for_two_purposes_only(hub: Hub, purpose: str | None) -> None:
    answer = await ask(hub, **{"purpose": purpose} if purpose else {"purpose": None})
    assert answer.json()["type"] == "/problems/purpose-required"


async def test_another_persons_list_is_not_there(hub: Hub) -> None:
    asked = (await ask(hub)).json()["approval_id"]
    await decide(hub.client(Role.SUPERVISOR), asked)
    other = await hub.another(Role.EPIDEMIOLOGIST)
    path = f"/v1/exports/identified/{asked}:take"
    assert (await hub.service.client(other.token).post(path)).status_code == 404


async def test_a_list_is_bounded(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identified, "MOST", 1)
    now = people.datetime.now(people.UTC)
    await line_lists.enter(hub, opened_at=now)
    first = (await ask(hub)).json()["approval_id"]
    await decide(hub.client(Role.SUPERVISOR), first)
    await line_lists.enter(hub, opened_at=now)
    for answer in (await ask(hub), await take(hub, first)):
        assert answer.json()["errors"] == [{"pointer": "/to", "code": "too-many"}]
    assert await reads(hub) == []
    assert (await told(hub, first))[-1] == "approval.granted"
