"""A suspicion outlasts late facts, other lanes, wrong clocks and other people's papers."""

import asyncio
from datetime import UTC, datetime, timedelta
from unittest.mock import ANY

import people
import pytest
import screening_states
import step_bodies
from httpx2 import Response
from hubs import Hub

from twinstile.platform.security.roles import Role
from twinstile.policy.versions import Policies
from twinstile.screening import transitions

EAR_FEVER = {"value": 38.6, "method": "EAR"}
EAR_NORMAL = {"value": 36.5, "method": "EAR"}


async def put(
    hub: Hub, number: str | None, role: Role = Role.SCREENER, **changes: object
) -> Response:
    return await hub.client(role).put(
        f"/v1/checks/{people.new_id()}", json=people.check(1, number, **changes)
    )


async def late(hub: Hub, body: people.Json) -> people.Json:
    """A fact a tablet kept and hands over now."""
    item = {"kind": "check", "id": str(people.new_id()), "counter": 7, "body": body}
    answer = await hub.client("device").post(
        "/v1/facts:batch", json={"sent_at": people.now(), "items": [item]}
    )
    told: people.Json = answer.json()["items"][0]["check"]
    return told


async def state(hub: Hub, screening: object) -> people.Json:
    whole: people.Json = (await hub.client().get(f"/v1/screenings/{screening}")).json()
    return whole


async def held(hub: Hub, number: str) -> people.Json:
    await put(hub, number, celsius=38.2)
    told: people.Json = (await put(hub, number, Role.MEDIC, temperature=EAR_FEVER)).json()
    assert told["state"] == "HELD"
    return told


async def test_another_persons_document_never_touches_a_screening(hub: Hub) -> None:
    first = await held(hub, people.resident_number())
    other = await put(hub, people.resident_number(), screening_id=first["screening_id"])
    assert other.json()["screening_id"] != first["screening_id"]
    assert other.json()["case_id"] is None
    assert (await state(hub, first["screening_id"]))["state"] == "HELD"


async def test_an_older_normal_reading_clears_no_newer_alarm(hub: Hub) -> None:
    number = people.resident_number()
    alarm = (await put(hub, number, celsius=38.2)).json()
    minutes = people.fact(number, temperature=EAR_NORMAL, observed_at=people.ago(minutes=30))
    days = people.fact(number, temperature=EAR_NORMAL, observed_at=people.ago(hours=70))
    assert (await late(hub, minutes))["state"] == "SECONDARY"
    assert (await late(hub, days))["screening_id"] != alarm["screening_id"]
    assert (await state(hub, alarm["screening_id"]))["state"] == "SECONDARY"


async def test_an_older_fever_still_counts_when_it_comes_late(hub: Hub) -> None:
    number = people.resident_number()
    await put(hub, number, celsius=38.2)
    fever = people.fact(number, temperature=EAR_FEVER, observed_at=people.ago(minutes=5))
    assert (await late(hub, fever))["state"] == "HELD"


async def test_a_fever_of_last_week_does_not_flag_today(hub: Hub) -> None:
    number = people.resident_number()
    week_ago = people.check(1, number, 38.4) | {"observed_at": people.ago(days=7)}
    await hub.client().put(f"/v1/checks/{people.new_id()}", json=week_ago)
    assert (await put(hub, number)).json()["state"] == "CLEARED"


async def test_showing_the_document_second_lets_nobody_held_pass(hub: Hub) -> None:
    number, screening = people.resident_number(), str(people.new_id())
    await held(hub, number)
    nobody = {"result": "NOT_CHECKED"}
    first = await put(hub, None, Role.ASSISTANT, identity=nobody, screening_id=screening)
    second = await put(hub, number, Role.ASSISTANT, screening_id=screening)
    assert first.json()["state"] == "PRESENTED"
    assert second.json()["state"] == "SECONDARY"
    assert [r["rule_id"] for r in second.json()["reasons"]] == ["PRIOR-HOLD"]


async def test_two_devices_beginning_one_screening_lose_no_fever(hub: Hub) -> None:
    for _ in range(5):
        screening, nobody = str(people.new_id()), {"result": "NOT_CHECKED"}
        bodies: list[people.Json] = [
            {"celsius": 38.9, "identity": nobody, "screening_id": screening},
            {"celsius": None, "identity": nobody, "screening_id": screening},
        ]
        roles = (Role.SCREENER, Role.MEDIC)
        answers = await asyncio.gather(
            *(put(hub, None, role, **body) for role, body in zip(roles, bodies, strict=True))
        )
        for answer, role, body in zip(answers, roles, bodies, strict=True):
            assert answer.status_code in {201, 503}
            if answer.status_code == 503:
                assert answer.json()["stored"] is False
                assert (await put(hub, None, role, **body)).status_code == 201
        assert (await state(hub, screening))["state"] == "SECONDARY"


async def test_somebody_held_by_a_deadline_gets_a_case_when_it_is_confirmed(hub: Hub) -> None:
    number = people.resident_number()
    await put(hub, number, celsius=38.5)
    later = datetime.now(UTC) + timedelta(minutes=16)
    assert (
        await transitions.expire_due(hub.runtime.database, Policies(), hub.hub_id, later) == 1
    )
    told = (await put(hub, number, Role.MEDIC, temperature=EAR_FEVER)).json()
    assert told["state"] == "HELD"
    assert told["case_no"] is not None


async def test_a_device_clock_does_not_decide_who_is_flagged(hub: Hub) -> None:
    number = people.resident_number()
    flagged = (await put(hub, number, celsius=38.0)).json()
    step = step_bodies.body("absconded", reason="walked off")
    await hub.client().put(
        f"/v1/screenings/{flagged['screening_id']}/steps/{people.new_id()}", json=step
    )
    ahead = people.ago(hours=-25)
    body = {**people.check(2, number), "observed_at": ahead, "sent_at": ahead}
    back = await hub.client().put(f"/v1/checks/{people.new_id()}", json=body)
    assert back.json()["state"] == "SECONDARY"


async def test_an_alarm_is_not_forgotten_after_many_readings(hub: Hub) -> None:
    number = people.resident_number()
    items = [
        {
            "kind": "check",
            "id": str(people.new_id()),
            "counter": n,
            "body": people.fact(number, 39.5 if n == 1 else 36.0),
        }
        for n in range(1, 80)
    ]
    answer = await hub.client("device").post(
        "/v1/facts:batch", json={"sent_at": people.now(), "items": items}
    )
    assert {i["check"]["state"] for i in answer.json()["items"]} == {"SECONDARY"}


async def test_the_kind_of_thermometer_that_alarmed_does_not_clear(hub: Hub) -> None:
    number = people.resident_number()
    await put(hub, number, temperature={"value": 39.5, "method": "EAR"})
    same = await put(hub, number, Role.MEDIC, temperature=EAR_NORMAL)
    other = await put(hub, number, Role.MEDIC, temperature={"value": 36.5, "method": "ORAL"})
    assert (same.json()["state"], other.json()["state"]) == ("SECONDARY", "CLEARED")


async def test_a_resend_tells_the_completeness_of_its_own_screening(hub: Hub) -> None:
    check_id, body = people.new_id(), people.check()
    first = await hub.client().put(f"/v1/checks/{check_id}", json=body)
    again = await hub.client().put(f"/v1/checks/{check_id}", json=body)
    assert again.json()["completeness"] == first.json()["completeness"]


@pytest.mark.parametrize(
    "ways",
    [
        ["refuse", "custody"],
        ["refuse", "return_chosen", "boarded"],
        ["refuse", "consent", "void"],
    ],
)
async def test_nobody_talks_a_fever_away_without_a_clinician(hub: Hub, ways: list[str]) -> None:
    """However the passage is ended by one person, whoever comes back is still suspected."""
    number = people.resident_number()
    alarm = (await put(hub, number, temperature=EAR_FEVER)).json()
    for way in ways:
        await step_bodies.take(hub, Role.SUPERVISOR, alarm["screening_id"], way)
    back = (await put(hub, number)).json()
    assert (back["verdict"], back["state"]) == ("CHECK", "SECONDARY")


async def test_whoever_was_handed_over_is_free_when_the_case_is_closed(hub: Hub) -> None:
    number = people.resident_number()
    first = await held(hub, number)
    await step_bodies.take(hub, Role.MEDIC, first["screening_id"], "handover_ack")
    back = (await put(hub, number)).json()
    assert back["verdict"] == "CHECK"
    async with hub.runtime.database.transaction() as tx:
        await tx.raw.execute(
            "UPDATE fever_case SET closed_at = now() WHERE hub_id = $1", hub.hub_id
        )
    await step_bodies.take(hub, Role.MEDIC, back["screening_id"], "recheck_normal")
    assert (await put(hub, number)).json()["verdict"] == "PASS"


@pytest.mark.parametrize("gone", [True, False])
async def test_a_suspicion_without_a_check_stops_whoever_is_checked(
    hub: Hub, *, gone: bool
) -> None:
    """Somebody in transit whom an officer flagged: alone and in a tablet's backlog."""
    number = people.resident_number()
    screening = await screening_states.reach(hub, "TRANSIT_HELD", number)
    for event in ["alarm", "absconded"][: 1 + gone]:
        taken = await step_bodies.take(hub, Role.SCREENER, screening, event)
        assert taken.status_code == 200, taken.text
    told = await put(hub, number, celsius=38.0)
    assert (told.status_code, told.json()["state"]) == (201, "SECONDARY")
    assert (told.json()["screening_id"] == screening) is not gone
    assert (await late(hub, people.fact(number)))["verdict"] == "CHECK"


async def test_a_consent_ends_no_suspicion_however_long_it_takes(hub: Hub) -> None:
    """A policy may leave people at a lane for longer than a passage lasts."""
    number = people.resident_number()
    alarm = (await put(hub, number, temperature=EAR_FEVER)).json()
    for way in ("refuse", "consent"):
        await step_bodies.take(hub, Role.SUPERVISOR, alarm["screening_id"], way)
    async with hub.runtime.database.transaction() as tx:
        await tx.raw.execute(
            "UPDATE screening SET opened_at = opened_at - interval '5 hours',"
            " fold = fold || jsonb_build_object('at', now() - interval '5 hours')"
            " WHERE hub_id = $1",
            hub.hub_id,
        )
    back = (await put(hub, number)).json()
    assert back["screening_id"] != alarm["screening_id"]
    assert [reason["rule_id"] for reason in back["reasons"]] == ["PRIOR-HOLD"]


async def test_a_reading_of_somebody_held_tells_since_when_and_what_alarmed(hub: Hub) -> None:
    number = people.resident_number()
    first = (await put(hub, number, celsius=37.1)).json()
    assert (first["state"], first["stands"]) == ("SECONDARY", None)
    later = datetime.now(UTC) + timedelta(minutes=16)
    assert (
        await transitions.expire_due(hub.runtime.database, Policies(), hub.hub_id, later) == 1
    )
    told = (await put(hub, number, temperature=EAR_NORMAL)).json()
    assert (told["verdict"], told["state"]) == ("STOP", "HELD")
    assert told["stands"] == {"state": "HELD", "since": ANY, "alarm_celsius": 37.1}
    since = (await state(hub, first["screening_id"]))["state_since"]
    assert datetime.fromisoformat(told["stands"]["since"]) == datetime.fromisoformat(since)


async def test_what_stands_is_told_until_it_is_lifted_and_the_same_in_one_batch(
    hub: Hub,
) -> None:
    number = people.resident_number()
    readings: list[people.Json] = [
        {"celsius": 36.6, "illness": True},
        {"celsius": 38.2},
        {"temperature": EAR_NORMAL},
    ]
    items = [
        {
            "kind": "check",
            "id": str(people.new_id()),
            "counter": n,
            "body": people.fact(number, **reading),
        }
        for n, reading in enumerate(readings, 1)
    ]
    answer = await hub.client("device").post(
        "/v1/facts:batch", json={"sent_at": people.now(), "items": items}
    )
    checks = [item["check"] for item in answer.json()["items"]]
    assert [check["state"] for check in checks] == ["SECONDARY"] * 3
    first, *others = (check["stands"] for check in checks)
    assert first is None
    assert [one["alarm_celsius"] for one in others] == [38.2, 38.2]
    whole = await state(hub, checks[0]["screening_id"])
    assert {one["since"] for one in others} == {others[0]["since"]}
    since = datetime.fromisoformat(whole["state_since"])
    assert datetime.fromisoformat(others[0]["since"]) == since

    again = await hub.client("device").post(
        "/v1/facts:batch", json={"sent_at": people.now(), "items": items}
    )
    duplicates = [item["check"]["stands"] for item in again.json()["items"]]
    assert duplicates == [None, *others]

    number = people.resident_number()
    await put(hub, number, celsius=38.2)
    cleared = (await put(hub, number, temperature=EAR_NORMAL)).json()
    assert (cleared["state"], cleared["stands"]) == ("CLEARED", None)
