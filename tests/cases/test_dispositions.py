"""Where cases are sent and how they move on, through HTTP."""

import asyncio
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from uuid import uuid4

import fever_cases
import pytest
from hubs import Hub, open_hub
from sqlalchemy import event

from twinstile.cases import dispositions, machine
from twinstile.cases.disposition_requirements import REQUIREMENTS
from twinstile.cases.types import CaseEvent, CaseState, Disposition
from twinstile.platform.security.roles import Role

NEEDING_A_RECEIVER = [code for code, terms in REQUIREMENTS.items() if terms.needs_receiver]


async def test_a_case_that_is_sent_somewhere_waits_for_the_receiver(hub: Hub) -> None:
    case_id = await fever_cases.case_of(hub)
    answer = await fever_cases.dispose(
        hub, case_id, "DESIGNATED_HOSPITAL", reason="38.6 by ear"
    )
    assert answer.status_code == 200
    told = answer.json()
    assert (told["code"], told["state"]) == ("DESIGNATED_HOSPITAL", "DISPOSED")
    assert told["operator_id"] == str(hub.duties[Role.MEDIC].operator_id)
    whole = await fever_cases.read(hub, case_id)
    assert whole["state"] == "DISPOSED"
    assert whole["dispositions"] == [told]
    assert whole["state_since"] == told["recorded_at"]
    (step,) = whole["transitions"]
    assert (step["before"], step["event"], step["after"]) == (
        "ASSESSING",
        "dispose",
        "DISPOSED",
    )
    assert step["at"] == told["decided_at"] == "2026-11-24T00:15:30Z"


@pytest.mark.parametrize(
    "code", ["HOME_ISOLATION", "PERSUADED_RETURN", "FEVER_CLINIC", "RELEASED"]
)
async def test_a_disposition_takes_at_most_six_statements(hub: Hub, code: str) -> None:
    """Five here, at a facility whose places are counted; the policy in force is the sixth."""
    case_id, statements = await fever_cases.case_of(hub), list[str]()
    more: dict[str, object] = {}
    if code == "FEVER_CLINIC":
        facility = {"name": "Clinic", "kind": "CLINIC", "capacity": 3}
        entered = await hub.client(Role.SUPERVISOR).put(
            "/v1/facilities/clinic-1", json=facility
        )
        assert entered.status_code == 204, entered.text
        more["particulars"] = {"travel": "AMBULANCE", "facility_id": "clinic-1"}
    more |= {"consent": True} if code == "PERSUADED_RETURN" else {}

    def count(*arguments: object) -> None:
        statements.append(str(arguments[2]))

    engine = hub.runtime.database.engine.sync_engine
    event.listen(engine, "before_cursor_execute", count)
    try:
        answer = await fever_cases.dispose(hub, case_id, code, **more)
    finally:
        event.remove(engine, "before_cursor_execute", count)
    assert answer.status_code == 200, answer.text
    assert len(statements) == (5 if code == "FEVER_CLINIC" else 3), statements


async def test_the_last_disposition_is_final_and_all_are_kept_in_order(hub: Hub) -> None:
    case_id = await fever_cases.case_of(hub)
    codes = ["HOME_ISOLATION", "FEVER_CLINIC", "DESIGNATED_HOSPITAL"]
    for code in codes:
        assert (await fever_cases.dispose(hub, case_id, code)).status_code == 200
    kept = (await fever_cases.read(hub, case_id))["dispositions"]
    assert [d["code"] for d in kept] == codes


async def test_sending_a_disposition_again_gets_its_first_answer_whatever_happened_since(
    hub: Hub,
) -> None:
    case_id, disposition_id = await fever_cases.case_of(hub), uuid4()
    first = await fever_cases.dispose(hub, case_id, disposition_id=disposition_id)
    await fever_cases.move(hub, case_id, "admitted")
    await fever_cases.move(hub, case_id, "recovered")
    again = await fever_cases.dispose(hub, case_id, disposition_id=disposition_id)
    assert (again.status_code, again.json()) == (200, first.json())
    whole = await fever_cases.read(hub, case_id)
    assert whole["state"] == "CLOSED_RECOVERED"
    assert len(whole["dispositions"]) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"code": "DESIGNATED_HOSPITAL"},
        {"receiver": "Second People's Hospital"},
        {"reason": "another"},
        {"consent": False},
        {"decided_at": "2026-11-24T08:15:31+08:00"},
    ],
    ids=lambda change: next(iter(change)),
)
async def test_the_same_id_with_other_content_is_refused_and_the_first_kept(
    hub: Hub, change: dict[str, object]
) -> None:
    case_id, disposition_id = await fever_cases.case_of(hub), uuid4()
    await fever_cases.dispose(hub, case_id, disposition_id=disposition_id)
    other = await fever_cases.dispose(hub, case_id, disposition_id=disposition_id, **change)
    assert (other.status_code, other.json()["type"]) == (409, "/problems/id-reused")
    (kept,) = (await fever_cases.read(hub, case_id))["dispositions"]
    assert (kept["code"], kept["reason"]) == ("FEVER_CLINIC", None)


async def test_the_id_of_another_cases_disposition_is_refused(hub: Hub) -> None:
    one, other, disposition_id = (
        await fever_cases.case_of(hub),
        await fever_cases.case_of(hub),
        uuid4(),
    )
    await fever_cases.dispose(hub, one, disposition_id=disposition_id)
    answer = await fever_cases.dispose(hub, other, disposition_id=disposition_id)
    assert answer.json()["type"] == "/problems/id-reused"


@pytest.mark.parametrize("code", NEEDING_A_RECEIVER)
async def test_nobody_is_sent_to_no_one(hub: Hub, code: Disposition) -> None:
    case_id = await fever_cases.case_of(hub)
    answer = await fever_cases.dispose(hub, case_id, code, receiver=None, consent=True)
    assert answer.status_code == 422
    assert answer.json()["errors"] == [{"pointer": "/receiver", "code": "missing"}]
    assert (await fever_cases.read(hub, case_id))["dispositions"] == []


@pytest.mark.parametrize("consent", [None, False])
async def test_nobody_is_persuaded_to_return_against_their_will(
    hub: Hub, consent: bool | None
) -> None:
    case_id = await fever_cases.case_of(hub)
    refused = await fever_cases.dispose(hub, case_id, "PERSUADED_RETURN", consent=consent)
    assert refused.status_code == 422
    assert refused.json()["errors"] == [{"pointer": "/consent", "code": "needs-consent"}]
    agreed = await fever_cases.dispose(hub, case_id, "PERSUADED_RETURN", consent=True)
    assert agreed.json()["consent"] is True


async def test_somebody_released_has_no_receiver_and_the_case_is_closed(hub: Hub) -> None:
    case_id = await fever_cases.case_of(hub)
    answer = await fever_cases.dispose(hub, case_id, "RELEASED", receiver=None)
    assert answer.json()["state"] == "CLOSED_EXCLUDED"
    whole = await fever_cases.read(hub, case_id)
    assert whole["closed_at"] == answer.json()["recorded_at"]
    assert whole["due_at"] is None
    assert [t["event"] for t in whole["transitions"]] == ["dispose", "excluded"]


async def test_a_closed_case_is_sent_nowhere(hub: Hub) -> None:
    case_id = await fever_cases.case_of(hub)
    await fever_cases.move(hub, case_id, "not_fever")
    answer = await fever_cases.dispose(hub, case_id)
    assert (answer.status_code, answer.json()["type"]) == (409, "/problems/transition-refused")
    assert answer.json()["detail"] == "The case is CLOSED_NOT_FEVER."


@pytest.mark.parametrize(
    ("role", "code", "status"),
    [
        (Role.MEDIC, "EMERGENCY_CARE", 200),
        (Role.SUPERVISOR, "EMERGENCY_CARE", 200),  # an emergency waits for no medic
        (Role.SUPERVISOR, "FEVER_CLINIC", 403),
        (Role.EPIDEMIOLOGIST, "FEVER_CLINIC", 403),
        (Role.SCREENER, "FEVER_CLINIC", 403),
        (Role.DUTY_COMMANDER, "FEVER_CLINIC", 403),
        (Role.ADMINISTRATOR, "FEVER_CLINIC", 403),
    ],
)
async def test_a_medic_decides_and_in_an_emergency_whoever_is_there(
    hub: Hub, role: Role, code: str, status: int
) -> None:
    case_id = await fever_cases.case_of(hub)
    answer = await fever_cases.dispose(hub, case_id, code, who=role)
    assert answer.status_code == status
    expected = "IN_TRANSFER" if status == 200 else "ASSESSING"
    assert (await fever_cases.read(hub, case_id))["state"] == expected


async def test_a_tablet_without_anyone_on_shift_decides_nothing(hub: Hub) -> None:
    case_id = await fever_cases.case_of(hub)
    body = {"code": "RELEASED", "decided_at": "2026-11-24T08:15:30+08:00"}
    path = f"/v1/cases/{case_id}/dispositions/{uuid4()}"
    assert (await hub.client("device").put(path, json=body)).status_code == 403


async def test_another_hubs_case_does_not_exist_here(hub: Hub) -> None:
    elsewhere = await open_hub(hub.runtime, hub.service)
    case_id = await fever_cases.case_of(elsewhere)
    medic = hub.client(Role.MEDIC)
    answers = [
        await medic.get(f"/v1/cases/{case_id}"),
        await medic.get(f"/v1/cases/{case_id}/person"),
        await fever_cases.reveal(hub, case_id),
        await fever_cases.dispose(hub, case_id),
        await fever_cases.move(hub, case_id, "lost"),
        await fever_cases.dispose(hub, str(uuid4())),
    ]
    assert {a.status_code for a in answers} == {404}
    assert (await medic.get("/v1/cases")).json()["cases"] == []


async def test_ten_decisions_at_once_are_recorded_one_after_the_other(hub: Hub) -> None:
    case_id = await fever_cases.case_of(hub)
    answers = await asyncio.gather(
        *(fever_cases.dispose(hub, case_id, reason=f"device {n}") for n in range(10))
    )
    assert {a.status_code for a in answers} == {200}
    whole = await fever_cases.read(hub, case_id)
    moments = [d["recorded_at"] for d in whole["dispositions"]]
    assert len(set(moments)) == 10
    assert moments == sorted(moments)
    assert whole["state_since"] == moments[-1]
    events = [t["event"] for t in whole["transitions"]]
    assert events == ["dispose", *["redispose"] * 9]


async def test_the_same_decision_ten_times_at_once_is_recorded_once(hub: Hub) -> None:
    case_id, disposition_id = await fever_cases.case_of(hub), uuid4()
    answers = await asyncio.gather(
        *(fever_cases.dispose(hub, case_id, disposition_id=disposition_id) for _ in range(10))
    )
    assert {a.status_code for a in answers} == {200}
    assert len({a.text for a in answers}) == 1
    assert len((await fever_cases.read(hub, case_id))["dispositions"]) == 1


async def test_a_case_is_followed_from_the_vehicle_to_recovery(hub: Hub) -> None:
    case_id = await fever_cases.case_of(hub)
    await fever_cases.dispose(hub, case_id)
    for moved in ("dispatched", "admitted", "discharged", "recovered"):
        assert (await fever_cases.move(hub, case_id, moved)).status_code == 200
    whole = await fever_cases.read(hub, case_id)
    assert whole["state"] == "CLOSED_RECOVERED"
    steps = whole["transitions"]
    assert all(a["after"] == b["before"] for a, b in pairwise(steps))


async def test_sending_a_transition_again_gets_its_first_answer(hub: Hub) -> None:
    case_id, transition_id = await fever_cases.case_of(hub), uuid4()
    await fever_cases.dispose(hub, case_id)
    first = await fever_cases.move(hub, case_id, "dispatched", transition_id)
    await fever_cases.move(hub, case_id, "admitted")
    again = await fever_cases.move(hub, case_id, "dispatched", transition_id)
    assert (again.status_code, again.json()) == (200, first.json())
    assert (await fever_cases.read(hub, case_id))["state"] == "IN_CARE"


@pytest.mark.parametrize(
    "change",
    [{"event": "lost"}, {"reason": "another"}, {"at": "2026-11-24T08:20:01+08:00"}],
    ids=lambda change: next(iter(change)),
)
async def test_the_id_of_a_transition_is_not_used_for_another(
    hub: Hub, change: dict[str, object]
) -> None:
    case_id, transition_id = await fever_cases.case_of(hub), uuid4()
    await fever_cases.move(hub, case_id, "emergency", transition_id)
    other = await fever_cases.move(
        hub, case_id, **{"event": "emergency", **change}, transition_id=transition_id
    )
    assert (other.status_code, other.json()["type"]) == (409, "/problems/id-reused")
    elsewhere = await fever_cases.case_of(hub)
    same = await fever_cases.move(hub, elsewhere, "emergency", transition_id)
    assert same.json()["type"] == "/problems/id-reused"
    assert (await fever_cases.read(hub, elsewhere))["state"] == "ASSESSING"


@pytest.mark.parametrize(
    ("role", "event", "status"),
    [
        (Role.MEDIC, "not_fever", 200),
        (Role.EPIDEMIOLOGIST, "not_fever", 403),
        (Role.SUPERVISOR, "merged", 403),  # by what shows that they are one person's
        (Role.EPIDEMIOLOGIST, "merged", 403),
        (Role.EPIDEMIOLOGIST, "lost", 200),
        (Role.DUTY_COMMANDER, "lost", 403),
        (Role.SCREENER, "emergency", 403),  # no scope: the lane asks through the screening
        (Role.MEDIC, "timeout", 403),  # nobody can play the clock
        (Role.MEDIC, "admitted", 409),  # nobody was asked to admit
    ],
)
async def test_each_event_has_its_roles_and_its_moment(
    hub: Hub, role: Role, event: str, status: int
) -> None:
    case_id = await fever_cases.case_of(hub)
    answer = await fever_cases.move(hub, case_id, event, who=role)
    assert answer.status_code == status, answer.text
    expected = machine.edges(CaseState.ASSESSING)[CaseEvent(event)] if status == 200 else None
    assert (await fever_cases.read(hub, case_id))["state"] == (expected or "ASSESSING")


@pytest.mark.parametrize("event", ["dispose", "redispose"])
async def test_nothing_is_disposed_without_saying_where_to(hub: Hub, event: str) -> None:
    case_id = await fever_cases.case_of(hub)
    answer = await fever_cases.move(hub, case_id, event)
    assert answer.status_code == 422
    assert answer.json()["errors"] == [{"pointer": "/event", "code": "needs-disposition"}]


async def _escalate(hub: Hub, at: datetime, limit: int = 100) -> int:
    async with hub.runtime.database.transaction() as tx:
        return await dispositions.escalate_due(tx, hub.hub_id, at, limit)


async def test_silence_about_a_case_is_heard_of_again_and_again_and_closes_nothing(
    hub: Hub,
) -> None:
    case_id = await fever_cases.case_of(hub)
    whole = await fever_cases.read(hub, case_id)
    due = datetime.fromisoformat(str(whole["due_at"]))
    assert await _escalate(hub, due - timedelta(seconds=1)) == 0
    assert await _escalate(hub, due) == 1
    assert await _escalate(hub, due) == 0
    later = await fever_cases.read(hub, case_id)
    assert later["state"] == whole["state"] == "ASSESSING"
    assert later["state_since"] == whole["state_since"]
    assert datetime.fromisoformat(str(later["due_at"])) == due + timedelta(minutes=30)
    (alarm,) = later["transitions"]
    assert (alarm["event"], alarm["after"]) == ("timeout", "ASSESSING")
    assert alarm["operator_id"] is alarm["reason"] is alarm["at"] is None
    assert await _escalate(hub, due + timedelta(days=40)) == 1


async def test_alarms_are_raised_a_few_at_a_time_and_never_for_closed_cases(hub: Hub) -> None:
    cases = [await fever_cases.case_of(hub) for _ in range(4)]
    await fever_cases.move(hub, cases[0], "not_fever")
    much_later = datetime.now(UTC) + timedelta(days=1)
    assert [await _escalate(hub, much_later, 2) for _ in range(3)] == [2, 1, 0]
    assert (await fever_cases.read(hub, cases[0]))["state"] == "CLOSED_NOT_FEVER"


async def test_two_workers_at_once_raise_each_alarm_once(hub: Hub) -> None:
    for _ in range(3):
        await fever_cases.case_of(hub)
    much_later = datetime.now(UTC) + timedelta(days=1)
    raised = await asyncio.gather(*(_escalate(hub, much_later) for _ in range(4)))
    assert sum(raised) == 3
