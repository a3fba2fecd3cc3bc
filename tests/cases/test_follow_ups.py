"""Following patients up: schedules, the call list, attempts, own reports, and who is lost."""

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import fever_cases
import ledger_reader
import partner_systems
import people
import pytest
import screening_states
import transfers_in_progress
import worker_clock
from httpx2 import Response
from hubs import Hub

from twinstile.operations.startup import DatabaseTarget
from twinstile.platform.db.database import Database
from twinstile.platform.security.roles import Role

TODAY = datetime.now(UTC).date()


async def followed(hub: Hub, code: str = "HOME_ISOLATION", **more: object) -> str:
    """A case whose receiver has taken it up."""
    case_id = await fever_cases.case_of(hub)
    told = {**fever_cases.PARTICULARS[code], **more}
    now = people.now()
    if "anchor_date" in told:
        told["anchor_date"] = TODAY.isoformat()
    if "departs_at" in told:
        told["departs_at"] = people.ago(hours=-1)
    sent = await fever_cases.dispose(
        hub, case_id, code, consent=True, particulars=told, decided_at=now
    )
    assert sent.status_code == 200, sent.text
    left = await transfers_in_progress.depart(hub, case_id)
    token = await transfers_in_progress.link(hub, case_id, str(left.json()["leg_id"]))
    assert (await transfers_in_progress.answer(hub, token)).status_code == 200
    return case_id


async def schedule(hub: Hub, case_id: str) -> people.Json:
    told = await hub.client(Role.EPIDEMIOLOGIST).get(f"/v1/cases/{case_id}/follow-ups")
    whole: people.Json = told.json()
    return whole


async def open_contacts(hub: Hub, case_id: str) -> list[people.Json]:
    return [c for c in (await schedule(hub, case_id))["contacts"] if c["done_at"] is None]


async def attempt(
    hub: Hub,
    contact: people.Json,
    outcome: str = "REACHED",
    attempt_id: UUID | None = None,
    **more: object,
) -> Response:
    body = {"by": "TELEPHONE", "outcome": outcome, "said_at": people.now(), **more}
    path = f"/v1/follow-ups/{contact['follow_up_id']}/attempts/{attempt_id or uuid4()}"
    return await hub.client(Role.EPIDEMIOLOGIST).put(path, json=body)


async def report_link(hub: Hub, case_id: str) -> str:
    told = await hub.client(Role.MEDIC).post(f"/v1/cases/{case_id}/self-report-link")
    assert told.status_code == 201, told.text
    return str(told.json()["token"])


async def report(hub: Hub, token: str, **more: object) -> Response:
    body = {"token": token, "report_id": str(uuid4()), "said_at": people.now(), **more}
    return await hub.service.client().post("/v1/self-reports", json=body)


@pytest.mark.parametrize(
    ("code", "kinds"),
    [
        ("DESIGNATED_HOSPITAL", {"RESULT": 1}),
        ("FEVER_CLINIC", {"CALL": 2}),
        ("PERSUADED_RETURN", {"ORIGIN": 1}),
        ("CENTRAL_ISOLATION", {"TEST": 4, "CALL": 10}),
        ("HOME_ISOLATION", {"TEST": 3, "CALL": 11}),
        ("HEALTH_MONITORING", {"CALL": 7}),
        ("PUBLIC_HEALTH_OBSERVATION", {"CALL": 14}),
    ],
)
async def test_each_disposition_has_its_schedule(
    hub: Hub, code: str, kinds: dict[str, int]
) -> None:
    contacts = await open_contacts(hub, await followed(hub, code))
    days = [c["day"] for c in contacts if c["day"] > 0]  # day 0 may be over by the clock
    assert days == sorted(days)
    later = [c for c in contacts if c["day"] > 0]
    assert {k: sum(c["kind"] == k for c in later) for k in kinds} == kinds
    tests = [c["day"] for c in contacts if c["kind"] == "TEST"]
    wanted = {"CENTRAL_ISOLATION": [1, 3, 7, 13], "HOME_ISOLATION": [1, 7, 13]}
    assert tests == wanted.get(code, [])


async def test_people_are_called_at_nine_by_the_hubs_clock(hub: Hub) -> None:
    contacts = await open_contacts(hub, await followed(hub))
    zone = hub.runtime.settings.zone
    hours = {datetime.fromisoformat(str(c["due_at"])).astimezone(zone).hour for c in contacts}
    assert hours == {9}


async def test_the_call_list_is_by_time_paged_and_without_names(hub: Hub) -> None:
    cases = [await followed(hub) for _ in range(2)]
    epidemiologist = hub.client(Role.EPIDEMIOLOGIST)
    query: dict[str, str | int] = {"until": people.ago(days=-3), "limit": 3}
    first = (await epidemiologist.get("/v1/follow-ups", params=query)).json()
    assert len(first["contacts"]) == 3
    rest = (
        await epidemiologist.get("/v1/follow-ups", params={**query, "cursor": first["next"]})
    ).json()
    listed = [*first["contacts"], *rest["contacts"]]
    assert [c["due_at"] for c in listed] == sorted(c["due_at"] for c in listed)
    assert {c["case_id"] for c in listed} == set(cases)
    assert len({c["follow_up_id"] for c in listed}) == len(listed)
    mine = str(hub.duties[Role.MEDIC].operator_id)
    path = f"/v1/follow-ups/{listed[0]['follow_up_id']}/assignment"
    assert (await epidemiologist.put(path, json={"operator_id": mine})).status_code == 204
    nobody = await epidemiologist.put(path, json={"operator_id": str(uuid4())})
    assert nobody.status_code == 404  # and it stays whose it was
    own = await epidemiologist.get("/v1/follow-ups", params={**query, "assigned_to": mine})
    assert [c["follow_up_id"] for c in own.json()["contacts"]] == [listed[0]["follow_up_id"]]


async def test_whoever_is_reached_is_called_for_the_next_contact(hub: Hub) -> None:
    case_id = await followed(hub, "FEVER_CLINIC")
    one, two = await open_contacts(hub, case_id)
    attempt_id = uuid4()
    said = {"result": "NEGATIVE", "said_at": people.now()}
    first = await attempt(hub, one, attempt_id=attempt_id, **said)
    assert first.status_code == 200, first.text
    assert (await attempt(hub, one, attempt_id=attempt_id, **said)).json() == first.json()
    other = await attempt(hub, one, "NO_ANSWER", attempt_id=attempt_id)
    assert other.json()["type"] == "/problems/id-reused"
    assert (await attempt(hub, one)).json()["type"] == "/problems/transition-refused"
    assert [c["follow_up_id"] for c in await open_contacts(hub, case_id)] == [
        two["follow_up_id"]
    ]


async def test_a_hospital_is_asked_daily_until_the_case_is_closed(hub: Hub) -> None:
    case_id = await followed(hub, "DESIGNATED_HOSPITAL")
    for day in (1, 2, 3):
        (contact,) = await open_contacts(hub, case_id)
        assert contact["day"] == day
        await attempt(hub, contact, by="RECEIVER", result="PENDING")
    await fever_cases.move(hub, case_id, "confirmed")
    assert await open_contacts(hub, case_id) == []
    assert (await schedule(hub, case_id))["contacts"][-1]["outcome"] == "OVER"


async def test_whoever_is_followed_is_called_again_until_the_case_is_closed(hub: Hub) -> None:
    case_id = await followed(hub, "FEVER_CLINIC")
    for day in (1, 2, 3):
        contact, *_ = await open_contacts(hub, case_id)
        assert (contact["kind"], contact["day"]) == ("CALL", day)
        await attempt(hub, contact)
    assert (await fever_cases.move(hub, case_id, "discharged")).status_code == 200
    await screening_states.govern(hub, lost_apart_hours=0)
    (contact,) = await open_contacts(hub, case_id)
    for _ in range(3):
        await attempt(hub, contact, "NO_ANSWER")
    lost = await fever_cases.move(hub, case_id, "lost")
    assert lost.status_code == 200, lost.text
    assert await open_contacts(hub, case_id) == []


async def test_whoever_has_no_schedule_is_called_all_the_same(hub: Hub) -> None:
    long_ago = {"anchor_date": (TODAY - timedelta(days=40)).isoformat()}
    case_id = await fever_cases.case_of(hub)
    told = {**fever_cases.PARTICULARS["HOME_ISOLATION"], **long_ago}
    await fever_cases.dispose(
        hub, case_id, "HOME_ISOLATION", particulars=told, decided_at=people.now()
    )
    await fever_cases.move(hub, case_id, "taken_up")
    (contact,) = await open_contacts(hub, case_id)
    assert contact["kind"] == "CALL"
    await worker_clock.later(hub, hours=27)
    alerts = await hub.client(Role.SUPERVISOR).get("/v1/alerts", params={"limit": 200})
    assert "FOLLOW_UP_OVERDUE" in {one["kind"] for one in alerts.json()["alerts"]}


async def test_nobody_is_lost_before_they_were_looked_for(
    hub: Hub, place: DatabaseTarget
) -> None:
    case_id = await followed(hub)
    contact, *_ = await open_contacts(hub, case_id)
    counts = 0
    for outcome in ("NO_ANSWER", "NO_ANSWER", "REACHED", "WRONG_NUMBER", "NO_ANSWER"):
        assert "lost after 3" in await kept_from_loss(hub, case_id, counts)
        contact, *_ = await open_contacts(hub, case_id)
        assert (await attempt(hub, contact, outcome)).status_code == 200
        counts = 0 if outcome == "REACHED" else counts + 1
        await backdate(place, case_id, hours=4)
    assert (await attempt(hub, contact, "NO_ANSWER")).status_code == 200
    lost = await fever_cases.move(hub, case_id, "lost", who=Role.EPIDEMIOLOGIST)
    assert lost.status_code == 200, lost.text
    assert (await fever_cases.read(hub, case_id))["state"] == "CLOSED_LOST"
    assert await open_contacts(hub, case_id) == []


async def test_to_redial_is_no_second_attempt(hub: Hub, place: DatabaseTarget) -> None:
    case_id = await followed(hub)
    contact, *_ = await open_contacts(hub, case_id)
    for counts, apart in ((1, 4.0), (2, 3.9)):
        for _ in range(4):
            await attempt(hub, contact, "NO_ANSWER")
        refusal = await kept_from_loss(hub, case_id, counts)
        next_at = datetime.fromisoformat(refusal.split()[-1].rstrip("."))
        assert timedelta(hours=3) < next_at - datetime.now(UTC) <= timedelta(hours=4)
        await backdate(place, case_id, hours=apart)
    await attempt(hub, contact, "NO_ANSWER")
    await kept_from_loss(hub, case_id, 2)


async def kept_from_loss(hub: Hub, case_id: str, counts: int) -> str:
    """What is said of somebody who may not be lost, when so many attempts count."""
    refused = await fever_cases.move(hub, case_id, "lost", who=Role.EPIDEMIOLOGIST)
    assert refused.status_code == 409, refused.text
    said = str(refused.json()["detail"])
    assert f"so far {counts} count" in said
    return said


async def backdate(place: DatabaseTarget, case_id: str, **parts: float) -> None:
    """The attempts so far were made so much earlier."""
    owner = Database(place.owner_url, pool_size=1)
    async with owner.transaction() as tx:
        await tx.raw.execute(
            "UPDATE attempt SET recorded_at = recorded_at - $1::interval WHERE case_id = $2",
            timedelta(**parts),
            UUID(case_id),
        )
    await owner.close()


async def test_a_contact_nobody_makes_rings_and_its_alert_ends_with_it(hub: Hub) -> None:
    case_id = await followed(hub, "FEVER_CLINIC")
    contact, *_ = await open_contacts(hub, case_id)

    async def kinds() -> set[str]:
        told = await hub.client(Role.SUPERVISOR).get("/v1/alerts", params={"limit": 200})
        return {alert["kind"] for alert in told.json()["alerts"]}

    await worker_clock.later(hub, hours=25)
    assert "FOLLOW_UP_OVERDUE" not in await kinds()
    await worker_clock.later(hub, hours=27)
    assert "FOLLOW_UP_OVERDUE" in await kinds()
    await attempt(hub, contact)
    await worker_clock.later(hub, hours=27, minutes=1)
    assert "FOLLOW_UP_OVERDUE" not in await kinds()


async def test_a_patient_reports_by_a_link_and_who_is_ill_is_assessed_anew(hub: Hub) -> None:
    case_id = await followed(hub)
    old, token = await report_link(hub, case_id), await report_link(hub, case_id)
    assert (await report(hub, old)).json()["type"] == "/problems/no-such-link"
    report_id, at = str(uuid4()), people.now()
    first = await report(hub, token, report_id=report_id, said_at=at, temperature_c=36.6)
    assert first.status_code == 201, first.text
    again = await report(hub, token, report_id=report_id, said_at=at, temperature_c=36.6)
    assert again.json() == first.json()
    assert (await fever_cases.read(hub, case_id))["state"] == "FOLLOWING_UP"
    ill = await report(hub, token, temperature_c=38.4)
    assert ill.status_code == 201
    whole = await fever_cases.read(hub, case_id)
    assert whole["state"] == "ASSESSING"
    assert whole["transitions"][-1]["event"] == "new_symptoms"
    assert whole["transitions"][-1]["operator_id"] is None
    told = (await schedule(hub, case_id))["attempts"]
    assert [(a["by"], a["temperature_c"]) for a in told] == [("SELF", 36.6), ("SELF", 38.4)]
    await fever_cases.move(hub, case_id, "not_fever")
    assert (await report(hub, token)).status_code == 404
    assert (await hub.service.client().get(f"/report/{token}")).status_code == 404


@pytest.mark.parametrize("code", ["DESIGNATED_HOSPITAL", "PERSUADED_RETURN", "HOME_ISOLATION"])
async def test_an_own_report_is_no_test_and_nobody_elses_answer(
    hub: Hub, place: DatabaseTarget, code: str
) -> None:
    case_id = await followed(hub, code)
    owner = Database(place.owner_url, pool_size=1)
    async with owner.transaction() as tx:
        await tx.raw.execute(
            "UPDATE follow_up SET due_at = now() WHERE case_id = $1 AND kind <> 'CALL'",
            UUID(case_id),
        )
    await owner.close()
    kept = [one for one in await open_contacts(hub, case_id) if one["kind"] != "CALL"]
    assert kept
    answer = await report(hub, await report_link(hub, case_id), temperature_c=36.5)
    assert answer.status_code == 201, answer.text
    assert [c for c in await open_contacts(hub, case_id) if c["kind"] != "CALL"] == kept


async def test_a_link_takes_so_many_reports_of_a_day_and_each_again(hub: Hub) -> None:
    case_id = await followed(hub)
    token = await report_link(hub, case_id)
    contact, *_ = await open_contacts(hub, case_id)
    assert (await attempt(hub, contact, by="SELF")).status_code == 200  # as staff heard it
    sent = [{"report_id": str(uuid4()), "said_at": people.now()} for _ in range(24)]
    answers = [await report(hub, token, **one) for one in sent]
    assert {a.status_code for a in answers} == {201}
    assert (await report(hub, token)).status_code == 429
    assert (await report(hub, token, **sent[0])).json() == answers[0].json()


async def test_a_link_of_one_kind_opens_nothing_of_another(hub: Hub) -> None:
    case_id, leg_id = await transfers_in_progress.on_the_way(hub)
    handover, own = (
        await transfers_in_progress.link(hub, case_id, leg_id),
        await report_link(hub, case_id),
    )
    assert (await report(hub, handover)).status_code == 404
    assert (await transfers_in_progress.answer(hub, own)).status_code == 404


async def test_ten_reports_at_once_are_ten_reports_and_one_contact(hub: Hub) -> None:
    case_id = await followed(hub)
    token = await report_link(hub, case_id)
    before = len(await open_contacts(hub, case_id))
    answers = await asyncio.gather(*(report(hub, token, temperature_c=36.5) for _ in range(10)))
    assert {a.status_code for a in answers} == {201}
    assert before - len(await open_contacts(hub, case_id)) <= 1
    assert len((await schedule(hub, case_id))["attempts"]) == 10


async def test_a_policy_says_how_long_and_when_somebody_is_tested(hub: Hub) -> None:
    listed = (await hub.client(Role.SUPERVISOR).get("/v1/policies")).json()["policies"]
    version = next(one["version"] for one in listed if one["in_force"])
    whole = await hub.client(Role.SUPERVISOR).get(f"/v1/policies/{version}")
    document = whole.json()["document"]
    figures = {"HOME_ISOLATION": {"days": 3, "test_days": [2]}}
    parameters = {**document["parameters"], "isolation": figures, "lost_after_attempts": 1}
    await hub.adopt({**document, "version": "short", "parameters": parameters})
    case_id = await followed(hub)
    contacts = [c for c in await open_contacts(hub, case_id) if c["day"]]
    assert [(c["day"], c["kind"]) for c in contacts] == [
        (1, "CALL"),
        (2, "TEST"),
        (3, "CALL"),
    ]
    await attempt(hub, contacts[0], "NO_ANSWER")
    lost = await fever_cases.move(hub, case_id, "lost", who=Role.EPIDEMIOLOGIST)
    assert lost.status_code == 200


async def test_the_partner_hears_what_came_of_it(hub: Hub) -> None:
    department = await partner_systems.enter(hub)
    case_id = await followed(hub, "FEVER_CLINIC")
    contact, *_ = await open_contacts(hub, case_id)
    await attempt(hub, contact, "NO_ANSWER", note="KANARIENVOGEL")
    await ledger_reader.seal(hub.runtime.database, hub.hub_id)
    told = await department.changes(types="case.follow-up")
    (change,) = [c for c in told.json()["changes"] if c["type"] == "case.follow-up"]
    assert (change["fields"]["kind"], change["fields"]["outcome"]) == ("CALL", "NO_ANSWER")
    assert "KANARIENVOGEL" not in told.text


async def test_the_page_of_a_patient_asks_two_things(hub: Hub) -> None:
    case_id = await followed(hub)
    path = f"/report/{await report_link(hub, case_id)}"
    async with hub.service.client() as client:
        client.headers["origin"] = hub.service.base_url
        shown = await client.get(path, headers={"accept-language": "zh-CN"})
        assert "您今天身体情况如何" in shown.text
        assert "20261" not in shown.text  # not even the number of the case
        assert (await client.post(path, data={"well": "yes"})).status_code == 422
        hot = await client.post(path, data={"temperature": "50", "well": "no"})
        assert hot.status_code == 422
        done = await client.post(path, data={"temperature": "36.5", "well": "no"})
        assert "工作人员将与您联系" in done.text
        feverish = await client.post(path, data={"temperature": "39.9", "well": "yes"})
        assert "工作人员将与您联系" in feverish.text
        assert (await client.get("/report/hub.nothing")).status_code == 404
    assert (await fever_cases.read(hub, case_id))["state"] == "ASSESSING"
