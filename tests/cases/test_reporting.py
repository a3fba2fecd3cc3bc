"""The legal clock: it begins with a suspicion, rings, and only a filed report stops it."""

from datetime import datetime, timedelta
from uuid import UUID, uuid4

import access_log_reader
import fever_cases
import people
import pytest
import worker_clock
from httpx2 import Response
from hubs import Hub

from twinstile.cases import suspicions
from twinstile.cases.suspicions import SuspicionBody
from twinstile.cases.types import CaseClass, Within
from twinstile.platform.ops import clock
from twinstile.platform.security.auth import Gatekeeper
from twinstile.platform.security.roles import Role


async def suspect(
    hub: Hub,
    case_id: str,
    suspicion_id: object = None,
    who: Role = Role.MEDIC,
    **more: object,
) -> Response:
    body = {
        "within": "TWO_HOURS",
        "case_class": "SUSPECTED",
        "disease": "0202",
        "suspected_at": people.now(),
        **more,
    }
    path = f"/v1/cases/{case_id}/suspicions/{suspicion_id or people.new_id()}"
    return await hub.client(who).put(path, json=body)


async def file(hub: Hub, suspicion_id: object, **more: object) -> Response:
    body = {"filed_at": people.now(), "reference": "3301-1", **more}
    return await hub.client(Role.MEDIC).put(f"/v1/suspicions/{suspicion_id}/filing", json=body)


async def owed(hub: Hub) -> list[object]:
    answer = await hub.client(Role.EPIDEMIOLOGIST).get("/v1/suspicions")
    return [one["case_id"] for one in answer.json()["suspicions"]]


async def ringing(hub: Hub) -> set[str]:
    answer = await hub.client(Role.DUTY_COMMANDER).get("/v1/alerts")
    kinds = {str(one["kind"]) for one in answer.json()["alerts"]}
    return {kind for kind in kinds if kind.startswith("REPORT")}


@pytest.mark.parametrize(("within", "hours"), [("TWO_HOURS", 2), ("ONE_DAY", 24)])
async def test_the_clock_counts_from_the_suspicion(hub: Hub, within: str, hours: int) -> None:
    case_id = await fever_cases.case_of(hub)
    told = (await suspect(hub, case_id, within=within)).json()
    due, since = (datetime.fromisoformat(told[name]) for name in ("due_at", "suspected_at"))
    assert due - since == timedelta(hours=hours)
    assert await owed(hub) == [case_id]


async def test_it_rings_before_and_at_the_deadline_until_the_report_is_filed(hub: Hub) -> None:
    case_id, suspicion = await fever_cases.case_of(hub), people.new_id()
    await suspect(hub, case_id, suspicion)
    await worker_clock.later(hub, minutes=85)
    assert await ringing(hub) == set()
    await worker_clock.later(hub, minutes=91)
    assert await ringing(hub) == {"REPORT_DUE"}
    await worker_clock.later(hub, minutes=121)
    assert await ringing(hub) == {"REPORT_DUE", "REPORT_OVERDUE"}
    assert (await file(hub, suspicion)).status_code == 200
    await worker_clock.later(hub, minutes=122)
    assert await ringing(hub) == set()
    assert await owed(hub) == []


async def test_closing_the_case_does_not_stop_the_legal_clock(hub: Hub) -> None:
    case_id, suspicion = await fever_cases.case_of(hub), people.new_id()
    await suspect(hub, case_id, suspicion)
    assert (await fever_cases.move(hub, case_id, "excluded")).status_code == 200
    await worker_clock.later(hub, hours=3)
    assert "REPORT_OVERDUE" in await ringing(hub)
    assert (await file(hub, suspicion)).status_code == 200


async def test_a_suspicion_that_comes_late_rings_at_once(hub: Hub) -> None:
    case_id = await fever_cases.case_of(hub)
    await suspect(hub, case_id, suspected_at=people.ago(hours=3))
    await worker_clock.later(hub)
    assert "REPORT_OVERDUE" in await ringing(hub)


async def test_who_may_suspect_when_and_only_once(hub: Hub) -> None:
    case_id, suspicion, moment = await fever_cases.case_of(hub), people.new_id(), people.now()
    assert (await suspect(hub, case_id, who=Role.SUPERVISOR)).status_code == 403
    assert (await suspect(hub, case_id, suspected_at=people.ago(days=31))).status_code == 422
    assert (await suspect(hub, case_id, suspected_at=people.ago(hours=-1))).status_code == 422
    assert (await suspect(hub, str(people.new_id()))).status_code == 404
    first = await suspect(hub, case_id, suspicion, suspected_at=moment)
    again = await suspect(hub, case_id, suspicion, suspected_at=moment)
    assert first.json() == again.json()
    other = await suspect(hub, case_id, suspicion, suspected_at=moment, within="ONE_DAY")
    assert other.status_code == 409


async def test_the_last_suspicion_is_whose_turn_was_last(hub: Hub) -> None:
    """Whoever came first may wait longest for the case: the moment it came is not the turn."""
    case_id, at = UUID(await fever_cases.case_of(hub)), clock.now()
    who = await Gatekeeper(hub.runtime.database).principal(hub.tokens[Role.MEDIC])
    for n, moment in enumerate([at, at - timedelta(seconds=2)]):
        form = SuspicionBody(
            within=Within.ONE_DAY,
            case_class=CaseClass.SUSPECTED,
            disease=f"020{n}",
            suspected_at=moment,
        )
        async with hub.runtime.database.transaction() as tx:
            await suspicions.suspect(tx, who, case_id, uuid4(), form, moment)
    told = await hub.client(Role.MEDIC).get(f"/v1/cases/{case_id}/suspicions")
    assert [one["disease"] for one in told.json()["suspicions"]] == ["0200", "0201"]
    card = await hub.client(Role.MEDIC).get(f"/v1/cases/{case_id}/report-card")
    assert card.json()["disease"] == "0201"


async def test_a_report_is_filed_once_and_not_before_the_suspicion(hub: Hub) -> None:
    case_id, suspicion, moment = await fever_cases.case_of(hub), people.new_id(), people.now()
    await suspect(hub, case_id, suspicion, suspected_at=people.ago(minutes=1))
    assert (await file(hub, suspicion, filed_at=people.ago(minutes=2))).status_code == 422
    assert (await file(hub, people.new_id())).status_code == 404
    assert (await file(hub, suspicion, filed_at=moment)).status_code == 200
    assert (await file(hub, suspicion, filed_at=moment)).status_code == 200
    assert (await file(hub, suspicion, filed_at=moment, reference="3301-2")).status_code == 409


async def test_the_draft_card_is_masked_unless_revealed_for_a_purpose(hub: Hub) -> None:
    number = people.resident_number()
    case_id = await fever_cases.case_of(hub, number=number)
    medic, path = hub.client(Role.MEDIC), f"/v1/cases/{case_id}/report-card"
    assert (await medic.get(path)).status_code == 404
    await suspect(hub, case_id)
    await suspect(hub, case_id, case_class="CONFIRMED")
    masked = (await medic.get(path)).json()
    assert masked["masked"] is True
    assert masked["birth_date"] is None
    assert number not in str(masked)
    assert (masked["correction"], masked["case_class"]) == (True, "CONFIRMED")
    assert {"phone", "address", "workplace", "onset_on"} <= {*masked["missing"]}
    assert masked["diagnosed_at"][13:19] == ":00:00"
    assert (await medic.post(f"{path}:reveal", json={})).status_code == 403
    whole = (await medic.post(f"{path}:reveal", json={"purpose": "LEGAL_DUTY"})).json()
    assert (whole["document_number"], whole["name"]) == (number, "张伟")
    assert whole["birth_date"] == "1990-01-01"
    actions = [row["action"] for row in await access_log_reader.reads(hub)]
    assert actions == ["REVEAL", "MASKED_READ"]
