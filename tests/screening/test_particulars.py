"""What a step must bring: judged in one place, stored with the step, shown with the passage."""

from datetime import datetime, timedelta

import people
import pytest
import screening_states
import step_bodies
import worker_clock
from hubs import DEVICE, Hub

from twinstile.platform.security.roles import Role
from twinstile.screening.transition_requirements import TERMS
from twinstile.screening.types import ScreeningEvent


async def flagged(hub: Hub, number: str | None = None) -> str:
    body = people.check(1, number, celsius=38.0)
    answer = await hub.client().put(f"/v1/checks/{people.new_id()}", json=body)
    assert answer.json()["state"] == "SECONDARY", answer.text
    return str(answer.json()["screening_id"])


@pytest.mark.parametrize("event", [event for event, terms in TERMS.items() if terms.needs])
async def test_a_client_that_sends_only_a_reason_is_told_what_is_missing(
    hub: Hub, event: ScreeningEvent
) -> None:
    bare = {"event": event, "at": people.now(), "reason": "as before"}
    path = f"/v1/screenings/{people.new_id()}/steps/{people.new_id()}"
    answer = await hub.client(Role.MEDIC).put(path, json=bare)
    assert answer.status_code == 422
    assert [(e["pointer"], e["code"]) for e in answer.json()["errors"]] == [
        (f"/particulars/{name}", "missing") for name in sorted(TERMS[event].needs)
    ]


WRONG = [
    ("refuse", {"alternatives": []}, "alternatives", "missing"),
    ("refuse", {"alternatives": ["NONE_FITS", "OTHER_DEVICE"]}, "alternatives", "out-of-range"),
    ("refuse", {"alternatives": ["A_BRIBE"]}, "alternatives/0", "unknown-value"),
    ("refuse", {"refused": "EVERYTHING"}, "refused", "unknown-value"),
    ("refuse", {"receiver": "police"}, "receiver", "unknown-field"),
    ("refuse", {"witness": "x" * 65}, "witness", "too-long"),
    ("return_chosen", {"consent": False}, "consent", "needs-consent"),
    ("return_chosen", {"departure": people.ago(hours=1)}, "departure", "out-of-range"),
    ("return_chosen", {"departure": people.ago(hours=-49)}, "departure", "out-of-range"),
    ("lawful_order", {"until": people.ago(hours=1)}, "until", "out-of-range"),
    ("lawful_order", {"until": people.ago(days=-15)}, "until", "out-of-range"),
    ("absconded", {"last_seen_at": people.ago(hours=-1)}, "last_seen_at", "out-of-range"),
    ("consent", {"seen_by": "desk"}, "seen_by", "unknown-field"),
    ("timeout", {"seen_by": "desk"}, "seen_by", "unknown-field"),
]


@pytest.mark.parametrize(("event", "changed", "pointer", "code"), WRONG)
async def test_what_a_step_brings_wrongly_is_named(
    hub: Hub, event: str, changed: people.Json, pointer: str, code: str
) -> None:
    told = step_bodies.particulars(event) | changed
    answer = await step_bodies.take(
        hub, Role.SUPERVISOR, people.new_id(), event, particulars=told
    )
    assert answer.status_code == 422
    fault = {"pointer": f"/particulars/{pointer}", "code": code}
    assert answer.json()["errors"] == [fault]


async def test_what_a_step_brought_is_shown_and_cannot_be_sent_otherwise(hub: Hub) -> None:
    screening, step, told = (
        await flagged(hub),
        people.new_id(),
        step_bodies.particulars("refuse"),
    )
    for status in ("stored", "duplicate"):
        taken = await step_bodies.take(hub, Role.SCREENER, screening, "refuse", step)
        assert taken.json()["status"] == status
    other = told | {"refused": "DOCUMENT"}
    reused = await step_bodies.take(
        hub, Role.SCREENER, screening, "refuse", step, particulars=other
    )
    assert reused.json()["type"] == "/problems/id-reused"
    assert (await step_bodies.read(hub, screening))["steps"][-1]["particulars"] == told


async def test_a_fact_that_lacks_a_particular_is_kept_aside(hub: Hub) -> None:
    screening, shift = await flagged(hub), str(hub.duties[Role.SCREENER].shift_id)
    bare = {"event": "refuse", "at": people.now(), "reason": "no", "screening_id": screening}
    whole = step_bodies.body("refuse", screening_id=screening)
    items = [
        {"kind": "transition", "id": str(people.new_id()), "counter": n, "body": body}
        for n, body in enumerate((bare, whole), 2)
    ]
    sent = {"sent_at": people.now(), "items": [{**i, "shift_id": shift} for i in items]}
    told = (await hub.client(DEVICE).post("/v1/facts:batch", json=sent)).json()["items"]
    assert [item["status"] for item in told] == ["quarantined", "stored"]
    assert told[0]["problem"]["errors"][0] == {
        "pointer": "/body/particulars/alternatives",
        "code": "missing",
    }


async def test_the_policy_says_what_is_offered_before_a_measurement_is_refused(
    hub: Hub,
) -> None:
    await screening_states.govern(hub, refusal_alternatives=["PRIVATE_ROOM"])
    screening, told = await flagged(hub), step_bodies.particulars("refuse")
    answer = await step_bodies.take(hub, Role.SCREENER, screening, "refuse", particulars=told)
    assert answer.status_code == 422
    fault = {"pointer": "/particulars/alternatives", "code": "not-offered"}
    assert answer.json()["errors"] == [fault]
    told |= {"alternatives": ["INTERPRETER", "PRIVATE_ROOM"]}
    answer = await step_bodies.take(hub, Role.SCREENER, screening, "refuse", particulars=told)
    assert answer.json()["state"] == "REFUSAL"


async def test_boarding_is_denied_only_where_people_depart(hub: Hub) -> None:
    supervisor, lane = hub.client(Role.SUPERVISOR), {"checkpoint": "north", "kind": "AUTO"}
    screening = await flagged(hub)
    arriving = await step_bodies.take(hub, Role.SUPERVISOR, screening, "deny_boarding")
    assert (arriving.status_code, arriving.json()["type"]) == (
        409,
        "/problems/transition-refused",
    )
    turned = await supervisor.put("/v1/lanes/north-1", json=lane | {"direction": "DEPARTING"})
    assert turned.json()["direction"] == "DEPARTING"
    lanes = (await supervisor.get("/v1/lanes")).json()["lanes"]
    assert {one["direction"] for one in lanes} == {"DEPARTING"}
    kept = await supervisor.put("/v1/lanes/north-2", json=lane)
    assert kept.json()["direction"] == "DEPARTING"
    denied = await step_bodies.take(hub, Role.SUPERVISOR, screening, "deny_boarding")
    assert denied.json()["state"] == "DENIED"


async def test_nobody_is_kept_by_order_beyond_the_order(hub: Hub) -> None:
    screening, until = await flagged(hub), people.ago(minutes=-10)
    await step_bodies.take(hub, Role.SCREENER, screening, "refuse")
    order = step_bodies.particulars("lawful_order") | {"until": until}
    taken = await step_bodies.take(
        hub, Role.SUPERVISOR, screening, "lawful_order", particulars=order
    )
    assert taken.json()["state"] == "SECONDARY"
    limit = datetime.fromisoformat(until)
    whole = await step_bodies.read(hub, screening)
    assert datetime.fromisoformat(str(whole["due_at"])) == limit
    await step_bodies.take(hub, Role.MEDIC, screening, "confirmed_abnormal")
    whole = await step_bodies.read(hub, screening)
    assert datetime.fromisoformat(str(whole["due_at"])) == limit
    await worker_clock.later(hub, minutes=11)
    raised = (await hub.client().get("/v1/alerts")).json()["alerts"]
    assert {one["kind"] for one in raised} == {"OVERDUE", "ORDER_ENDED"}
    await worker_clock.later(hub, minutes=30)
    raised = (await hub.client().get("/v1/alerts?kind=ORDER_ENDED")).json()["alerts"]
    assert [one["level"] for one in raised] == [1]
    await step_bodies.take(hub, Role.MEDIC, screening, "not_a_case")
    await worker_clock.later(hub, minutes=31)
    raised = (await hub.client().get("/v1/alerts")).json()["alerts"]
    assert [one["kind"] for one in raised] == ["CASE_OVERDUE"]  # its medic has yet to close it


async def test_a_check_does_not_prolong_an_order(hub: Hub) -> None:
    number, until = people.resident_number(), people.ago(minutes=-10)
    screening = await flagged(hub, number)
    await step_bodies.take(hub, Role.SCREENER, screening, "refuse")
    order = step_bodies.particulars("lawful_order") | {"until": until}
    await step_bodies.take(hub, Role.SUPERVISOR, screening, "lawful_order", particulars=order)
    fever = people.check(2, number, temperature={"value": 38.6, "method": "EAR"})
    held = await hub.client(Role.MEDIC).put(f"/v1/checks/{people.new_id()}", json=fever)
    assert held.json()["state"] == "HELD"
    whole = await step_bodies.read(hub, screening)
    assert datetime.fromisoformat(str(whole["due_at"])) == datetime.fromisoformat(until)


@pytest.mark.parametrize(("hours", "minutes"), [(None, 360), (9, 540)])
async def test_who_returns_waits_for_the_next_departure_or_six_hours(
    hub: Hub, hours: int | None, minutes: int
) -> None:
    screening = await flagged(hub)
    told = step_bodies.particulars("policy_return")
    if hours is not None:
        told["departure"] = people.ago(hours=-hours)
    taken = await step_bodies.take(
        hub, Role.MEDIC, screening, "policy_return", particulars=told
    )
    assert taken.json()["state"] == "RETURN_PENDING"
    whole = await step_bodies.read(hub, screening)
    waits = datetime.fromisoformat(str(whole["due_at"])) - datetime.fromisoformat(
        str(whole["state_since"])
    )
    assert abs(waits - timedelta(minutes=minutes)) < timedelta(seconds=20)
    await worker_clock.later(hub, minutes=minutes - 2)
    assert (await step_bodies.read(hub, screening))["state"] == "RETURN_PENDING"
    await worker_clock.later(hub, minutes=minutes + 1)
    assert (await step_bodies.read(hub, screening))["state"] == "HELD"
