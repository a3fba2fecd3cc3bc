"""What a disposition needs by its code, what receivers say, and how ill patients are found."""

import asyncio
from datetime import timedelta
from uuid import UUID, uuid4

import fever_cases
import ledger_reader
import partner_systems
import people
import pytest
import worker_clock
from httpx2 import Response
from hubs import Hub

from twinstile.cases import deadlines
from twinstile.cases.disposition_requirements import REQUIREMENTS
from twinstile.cases.types import Disposition, Severity
from twinstile.platform.ops import clock
from twinstile.platform.security.roles import Role

NEEDS = [(code, name) for code, terms in REQUIREMENTS.items() for name in sorted(terms.needs)]


async def said(
    hub: Hub, case_id: str, sent: object, fact_id: UUID | None = None, **more: object
) -> Response:
    body = {"reply": "ACCEPTED", "reference": "A-17", "said_at": people.now(), **more}
    path = f"/v1/cases/{case_id}/dispositions/{sent}/acknowledgements/{fact_id or uuid4()}"
    return await hub.client(Role.MEDIC).put(path, json=body)


async def assessed(
    hub: Hub,
    case_id: str,
    severity: str,
    who: Role = Role.MEDIC,
    assessment_id: UUID | None = None,
    **more: object,
) -> Response:
    body = {"severity": severity, "assessed_at": people.now(), **more}
    path = f"/v1/cases/{case_id}/assessments/{assessment_id or uuid4()}"
    return await hub.client(who).put(path, json=body)


async def alerts(hub: Hub) -> set[str]:
    answer = await hub.client(Role.SUPERVISOR).get("/v1/alerts", params={"limit": 200})
    return {alert["kind"] for alert in answer.json()["alerts"]}


@pytest.mark.parametrize("code", Disposition)
async def test_each_code_is_taken_with_its_particulars(hub: Hub, code: Disposition) -> None:
    case_id = await fever_cases.case_of(hub)
    answer = await fever_cases.dispose(hub, case_id, code, consent=True)
    assert answer.status_code == 200, answer.text
    (kept,) = (await fever_cases.read(hub, case_id))["dispositions"]
    assert (
        set(kept["particulars"])
        == set(fever_cases.PARTICULARS[code])
        >= REQUIREMENTS[code].needs
    )


@pytest.mark.parametrize(("code", "name"), NEEDS)
async def test_no_code_is_taken_without_one_of_them(
    hub: Hub, code: Disposition, name: str
) -> None:
    case_id = await fever_cases.case_of(hub)
    told = {n: v for n, v in fever_cases.PARTICULARS[code].items() if n != name}
    answer = await fever_cases.dispose(hub, case_id, code, consent=True, particulars=told)
    assert answer.status_code == 422
    assert answer.json()["errors"] == [{"pointer": f"/particulars/{name}", "code": "missing"}]
    assert (await fever_cases.read(hub, case_id))["dispositions"] == []


@pytest.mark.parametrize(
    ("code", "told", "fault"),
    [
        ("RELEASED", {"travel": "ALONE"}, ("travel", "unknown-field")),
        ("HOME_ISOLATION", {"home_possible": False}, ("home_possible", "unfit-evidence")),
        ("HOME_ISOLATION", {"anchor_date": "2026-09-01"}, ("anchor_date", "out-of-range")),
        ("HOME_ISOLATION", {"anchor_date": "2026-12-24"}, ("anchor_date", "out-of-range")),
        ("HOME_ISOLATION", {"area": "33"}, None),
        ("HOME_ISOLATION", {"area": "Xihu road 5"}, ("area", "invalid-format")),
        (
            "PERSUADED_RETURN",
            {"departs_at": "2026-11-24T07:00:00+08:00"},
            ("departs_at", "out-of-range"),
        ),
        ("FEVER_CLINIC", {"facility_id": "nobody-knows-it"}, ("facility_id", "unknown-value")),
    ],
)
async def test_particulars_are_judged(
    hub: Hub, code: str, told: people.Json, fault: tuple[str, str] | None
) -> None:
    case_id = await fever_cases.case_of(hub)
    brought = {**fever_cases.PARTICULARS[code], **told}
    answer = await fever_cases.dispose(hub, case_id, code, consent=True, particulars=brought)
    if fault is None:
        assert answer.status_code == 200, answer.text
        return
    name, word = fault
    assert answer.status_code == 422
    assert answer.json()["errors"] == [{"pointer": f"/particulars/{name}", "code": word}]


@pytest.mark.parametrize(
    ("code", "name", "told"),
    [
        ("HOME_ISOLATION", "anchor_date", "2099-01-01"),
        ("PERSUADED_RETURN", "departs_at", "2099-01-01T09:30:00+08:00"),
    ],
)
async def test_a_clock_that_is_years_ahead_does_not_put_off_what_follows(
    hub: Hub, code: str, name: str, told: str
) -> None:
    brought = {**fever_cases.PARTICULARS[code], name: told}
    answer = await fever_cases.dispose(
        hub,
        await fever_cases.case_of(hub),
        code,
        consent=True,
        particulars=brought,
        decided_at="2099-01-01T08:00:00+08:00",
    )
    assert answer.status_code == 422
    errors = answer.json()["errors"]
    assert errors == [{"pointer": f"/particulars/{name}", "code": "out-of-range"}]


async def test_the_same_id_with_other_particulars_is_another_decision(hub: Hub) -> None:
    case_id, disposition_id = await fever_cases.case_of(hub), uuid4()
    await fever_cases.dispose(hub, case_id, disposition_id=disposition_id)
    other = await fever_cases.dispose(
        hub, case_id, disposition_id=disposition_id, particulars={"travel": "ALONE"}
    )
    assert (other.status_code, other.json()["type"]) == (409, "/problems/id-reused")


async def test_a_receiver_that_declines_is_told_of_until_another_is_asked(hub: Hub) -> None:
    case_id, fact_id = await fever_cases.case_of(hub), uuid4()
    sent = (await fever_cases.dispose(hub, case_id)).json()["disposition_id"]
    no = {"reply": "DECLINED", "reference": None, "reason": "no beds", "said_at": people.now()}
    first = await said(hub, case_id, sent, fact_id, **no)
    assert first.status_code == 200, first.text
    assert (await said(hub, case_id, sent, fact_id, **no)).json() == first.json()
    other = await said(hub, case_id, sent, fact_id, **{**no, "reason": "no nurse"})
    assert other.json()["type"] == "/problems/id-reused"
    await worker_clock.later(hub, minutes=1)
    assert "RECEIVER_DECLINED" in await alerts(hub)
    whole = await fever_cases.read(hub, case_id)
    (wait,) = whole["waits"]
    assert (wait["kind"], whole["state"]) == ("RECEIVER", "DISPOSED")
    assert wait["late_since"] is not None
    await fever_cases.dispose(hub, case_id, "DESIGNATED_HOSPITAL")
    await worker_clock.later(hub, minutes=1)
    assert "RECEIVER_DECLINED" not in await alerts(hub)
    assert (await fever_cases.read(hub, case_id))["waits"] == []
    late = await said(hub, case_id, sent)
    assert (late.status_code, late.json()["type"]) == (409, "/problems/transition-refused")


async def test_two_workers_at_once_say_once_of_each_that_it_is_late(hub: Hub) -> None:
    for _ in range(3):
        case_id = await fever_cases.case_of(hub)
        sent = (await fever_cases.dispose(hub, case_id)).json()["disposition_id"]
        await said(hub, case_id, sent, reply="DECLINED", reason="no beds")

    async def ring() -> int:
        async with hub.runtime.database.transaction() as tx:
            return await deadlines.ring(tx, hub.hub_id, clock.now() + timedelta(hours=1), 200)

    assert sum(await asyncio.gather(*(ring() for _ in range(4)))) == 3


async def test_a_receiver_may_agree_after_all(hub: Hub) -> None:
    case_id = await fever_cases.case_of(hub)
    sent = (await fever_cases.dispose(hub, case_id)).json()["disposition_id"]
    await said(hub, case_id, sent, reply="DECLINED", reason="no beds")
    assert (await said(hub, case_id, sent)).status_code == 200
    whole = await fever_cases.read(hub, case_id)
    assert whole["waits"] == []
    assert [a["reply"] for a in whole["acknowledgements"]] == ["DECLINED", "ACCEPTED"]


async def test_only_the_receiver_of_a_disposition_of_this_case_is_heard(hub: Hub) -> None:
    case_id, elsewhere = await fever_cases.case_of(hub), await fever_cases.case_of(hub)
    sent = (await fever_cases.dispose(hub, elsewhere)).json()["disposition_id"]
    assert (await said(hub, case_id, sent)).status_code == 404
    missing = await said(hub, elsewhere, sent, reply="DECLINED")
    assert missing.json()["errors"] == [{"pointer": "/reason", "code": "missing"}]
    await fever_cases.move(hub, elsewhere, "excluded")
    assert (await said(hub, elsewhere, sent)).status_code == 409


async def test_severity_rises_by_anybody_and_falls_by_a_clinician_with_a_reason(
    hub: Hub,
) -> None:
    case_id = await fever_cases.case_of(hub)
    raised = await assessed(hub, case_id, "SEVERE", Role.EPIDEMIOLOGIST, symptoms=["COUGH"])
    assert raised.status_code == 200, raised.text
    lower = await assessed(hub, case_id, "MILD", Role.EPIDEMIOLOGIST, reason="better")
    assert lower.status_code == 403
    unsaid = await assessed(hub, case_id, "MILD")
    assert unsaid.json()["errors"] == [{"pointer": "/reason", "code": "missing"}]
    assert (await fever_cases.read(hub, case_id))["severity"] == "SEVERE"
    told = await assessed(hub, case_id, "MILD", reason="36.8 twice", onset_on="2026-11-23")
    assert told.json()["operator_id"] == str(hub.duties[Role.MEDIC].operator_id)
    whole = await fever_cases.read(hub, case_id)
    assert whole["severity"] == "MILD"
    assert [a["severity"] for a in whole["assessments"]] == ["SEVERE", "MILD"]
    await fever_cases.move(hub, case_id, "not_fever")
    assert (await assessed(hub, case_id, "CRITICAL")).status_code == 409


async def test_whoever_comes_second_with_a_lower_severity_is_judged_by_the_first(
    hub: Hub,
) -> None:
    case_id = await fever_cases.case_of(hub)
    found = list(Severity) * 2
    answers = await asyncio.gather(
        *(assessed(hub, case_id, each, Role.EPIDEMIOLOGIST) for each in found)
    )
    assert {a.status_code for a in answers} <= {200, 403}
    whole = await fever_cases.read(hub, case_id)
    ranks = [Severity(a["severity"]).rank for a in whole["assessments"]]
    assert ranks == sorted(ranks)
    assert whole["severity"] == "CRITICAL"


async def test_the_partner_hears_of_it_in_codes_alone(hub: Hub) -> None:
    department = await partner_systems.enter(hub)
    case_id = await fever_cases.case_of(hub)
    sent = (await fever_cases.dispose(hub, case_id)).json()["disposition_id"]
    await said(hub, case_id, sent, reply="DECLINED", reason="KANARIENVOGEL")
    await assessed(hub, case_id, "SEVERE", reason="KANARIENVOGEL")
    await worker_clock.later(hub, minutes=1)
    await ledger_reader.seal(hub.runtime.database, hub.hub_id)
    answer = await department.changes()
    told = {c["type"]: c["fields"] for c in answer.json()["changes"]}
    assert told["case.acknowledged"]["reply"] == "DECLINED"
    assert (told["case.assessed"]["before"], told["case.assessed"]["severity"]) == (
        None,
        "SEVERE",
    )
    assert told["case.late"]["waits_for"] == "RECEIVER"
    assert "KANARIENVOGEL" not in answer.text


async def test_an_id_that_two_cases_get_at_once_is_of_one_of_them(hub: Hub) -> None:
    cases = [await fever_cases.case_of(hub) for _ in range(2)]
    for _ in range(3):
        ids = [uuid4() for _ in range(3)]
        for acts in (
            [assessed(hub, case, "MILD", assessment_id=ids[0]) for case in cases],
            [fever_cases.dispose(hub, case, disposition_id=ids[1]) for case in cases],
            [fever_cases.move(hub, case, "dispatched", ids[2]) for case in cases],
        ):
            answers = await asyncio.gather(*acts)
            assert sorted(answer.status_code for answer in answers) == [200, 409]
        for case in cases:  # so that both are where they can be sent from again
            await fever_cases.dispose(hub, case)
