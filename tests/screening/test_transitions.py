"""Steps of people on duty, deadlines, and closing a run."""

import asyncio
from datetime import UTC, datetime, timedelta

import people
import step_bodies
from hubs import Hub
from step_bodies import take

from twinstile.platform.security.roles import Role
from twinstile.policy.versions import Policies
from twinstile.screening import transitions


async def screened(hub: Hub, counter: int = 1, **changes: object) -> people.Json:
    answer = await hub.client().put(
        f"/v1/checks/{people.new_id()}", json=people.check(counter, **changes)
    )
    assert answer.status_code == 201, answer.text
    told: people.Json = answer.json()
    return told


async def test_only_a_medic_lowers_a_suspicion(hub: Hub) -> None:
    number = people.resident_number()
    await screened(hub, 1, number=number, celsius=38.2)
    held = await screened(hub, 2, number=number, temperature={"value": 38.4, "method": "EAR"})
    screener = await take(hub, Role.SCREENER, held["screening_id"], "not_a_case")
    supervisor = await take(hub, Role.SUPERVISOR, held["screening_id"], "not_a_case")
    medic = await take(hub, Role.MEDIC, held["screening_id"], "not_a_case")
    assert (screener.status_code, supervisor.status_code) == (403, 403)
    assert (medic.status_code, medic.json()["state"]) == (200, "CLEARED_CONDITIONAL")


async def test_a_medic_who_holds_somebody_opens_the_case(hub: Hub) -> None:
    ill = await screened(hub, illness=True, celsius=36.9)
    held = await take(hub, Role.MEDIC, ill["screening_id"], "confirmed_abnormal")
    assert held.json()["state"] == "HELD"
    whole = (await hub.client().get(f"/v1/screenings/{ill['screening_id']}")).json()
    case = await hub.client(Role.MEDIC).get(f"/v1/cases/{whole['case_id']}")
    assert case.json()["origin"] == "CLINICIAN"
    assert case.json()["first_c"] == 36.9


async def test_whoever_the_wall_chart_names_may_ask_for_a_step(hub: Hub) -> None:
    flagged = await screened(hub, celsius=38.0)
    await take(hub, Role.SCREENER, flagged["screening_id"], "refuse")
    order = await take(hub, Role.DUTY_COMMANDER, flagged["screening_id"], "lawful_order")
    assert (order.status_code, order.json()["state"]) == (200, "SECONDARY")
    other = await take(hub, Role.EPIDEMIOLOGIST, flagged["screening_id"], "matched_clear")
    assert other.json()["type"] == "/problems/transition-refused"
    nobody = await take(hub, Role.ADMINISTRATOR, flagged["screening_id"], "refuse")
    assert nobody.status_code == 403


async def test_an_impossible_step_is_refused_and_changes_nothing(hub: Hub) -> None:
    cleared = await screened(hub)
    refused = await take(hub, Role.MEDIC, cleared["screening_id"], "not_a_case")
    assert refused.status_code == 409
    assert refused.json()["type"] == "/problems/transition-refused"


async def test_a_step_sent_twice_is_taken_once(hub: Hub) -> None:
    flagged, step = await screened(hub, celsius=38.0), people.new_id()
    first = await take(hub, Role.SCREENER, flagged["screening_id"], "refuse", step)
    again = await take(hub, Role.SCREENER, flagged["screening_id"], "refuse", step)
    assert [first.json()["status"], again.json()["status"]] == ["stored", "duplicate"]
    other = await take(hub, Role.SCREENER, flagged["screening_id"], "consent", step)
    assert other.status_code == 409


async def test_an_id_that_two_passages_get_at_once_is_of_one_of_them(hub: Hub) -> None:
    """Sent by itself or in a backlog, which it does not sink."""
    flagged = {"credential": {"status": "YELLOW"}}
    passages = [str((await screened(hub, n, **flagged))["screening_id"]) for n in range(1, 7)]
    one, medic = people.new_id(), hub.client(Role.MEDIC)
    body = step_bodies.body("refuse")
    answers = await asyncio.gather(
        *(medic.put(f"/v1/screenings/{of}/steps/{one}", json=body) for of in passages[:3])
    )
    assert sorted(answer.status_code for answer in answers) == [200, 409, 409]
    item = {"kind": "transition", "id": str(people.new_id()), "counter": 1}
    backlogs = await asyncio.gather(
        *(
            medic.post(
                "/v1/facts:batch",
                json={
                    "sent_at": people.now(),
                    "items": [{**item, "body": {**body, "screening_id": of}}],
                },
            )
            for of in passages[3:]
        )
    )
    told = [answer.json()["items"][0]["status"] for answer in backlogs]
    assert sorted(told) == ["quarantined", "quarantined", "stored"]
    page = {"from": people.ago(hours=1), "to": people.ago(hours=-1), "state": "REFUSAL"}
    moved = (await medic.get("/v1/screenings", params=page)).json()["screenings"]
    assert len(moved) == 2


async def test_the_id_of_an_event_of_ours_is_no_id_for_a_step(hub: Hub) -> None:
    """Also of one that moved nothing."""
    number = people.resident_number()
    for counter in (1, 2):
        seen = await screened(hub, counter, number=number, celsius=38.1)
    async with hub.runtime.database.reading() as tx:
        row = await tx.raw.fetchrow(
            "SELECT event_id FROM event WHERE hub_id = $1 AND body->'path' = '[]'", hub.hub_id
        )
    assert row is not None
    answer = await take(hub, Role.SCREENER, seen["screening_id"], "refuse", row[0])
    assert (answer.status_code, answer.json()["type"]) == (409, "/problems/id-reused")


async def test_somebody_who_left_while_flagged_is_flagged_on_coming_back(hub: Hub) -> None:
    number = people.resident_number()
    flagged = await screened(hub, 1, number=number, celsius=38.0)
    await take(hub, Role.SCREENER, flagged["screening_id"], "absconded")
    back = await screened(hub, 2, number=number)
    assert [r["rule_id"] for r in back["reasons"]] == ["PRIOR-HOLD"]
    assert back["state"] == "SECONDARY"


async def test_deadlines_move_what_nobody_moved(hub: Hub) -> None:
    waiting = await screened(hub, 1, credential=None)
    flagged = await screened(hub, 2, celsius=38.0)
    cleared = await screened(hub, 3)
    later = datetime.now(UTC) + timedelta(minutes=20)
    fired = await transitions.expire_due(hub.runtime.database, Policies(), hub.hub_id, later)
    assert fired == 2
    states = {
        name: (await hub.client().get(f"/v1/screenings/{told['screening_id']}")).json()["state"]
        for name, told in {"waiting": waiting, "flagged": flagged, "cleared": cleared}.items()
    }
    assert states == {"waiting": "ABANDONED", "flagged": "HELD", "cleared": "CLEARED"}
    assert (
        await transitions.expire_due(hub.runtime.database, Policies(), hub.hub_id, later) == 0
    )


def run_body(arrival: str) -> people.Json:
    return {
        "mode": "RAIL",
        "service_no": "G7349",
        "service_date": arrival[:10],
        "origin": "Shanghai Hongqiao",
        "terminus": "Hangzhou East",
        "scheduled_arrival": arrival,
    }


async def test_closing_a_run_makes_no_shows_of_who_did_not_come(hub: Hub) -> None:
    supervisor, run = hub.client(Role.SUPERVISOR), people.new_id()
    numbers = [people.resident_number() for _ in range(3)]
    await supervisor.put(f"/v1/runs/{run}", json=run_body(people.now()))
    entries = [
        {"entry_id": str(n), "document": people.document(number)}
        for n, number in enumerate(numbers)
    ]
    await supervisor.put(f"/v1/runs/{run}/manifest", json={"batch": 1, "entries": entries})
    await screened(hub, number=numbers[0])
    expected = await supervisor.get(f"/v1/runs/{run}/expectations")
    assert expected.json() == {
        "expected": 3,
        "screened": 1,
        "no_show": 0,
        "outstanding": 2,
        "sources": [],
    }
    closed = await supervisor.post(f"/v1/runs/{run}:close")
    again = await supervisor.post(f"/v1/runs/{run}:close")
    assert (closed.json(), again.json()) == ({"no_show": 2}, {"no_show": 0})
    expected = await supervisor.get(f"/v1/runs/{run}/expectations")
    assert expected.json() == {
        "expected": 3,
        "screened": 1,
        "no_show": 2,
        "outstanding": 0,
        "sources": [],
    }
    late = await screened(hub, 2, number=numbers[1])
    assert (late["state"], late["status"]) == ("CLEARED", "stored")
    expected = await supervisor.get(f"/v1/runs/{run}/expectations")
    assert expected.json()["screened"] == 2


async def test_an_older_manifest_never_overwrites_a_newer_one(hub: Hub) -> None:
    supervisor, run = hub.client(Role.SUPERVISOR), people.new_id()
    await supervisor.put(f"/v1/runs/{run}", json=run_body(people.now()))

    async def land(batch: int, *entries: str) -> people.Json:
        answer = await supervisor.put(
            f"/v1/runs/{run}/manifest",
            json={
                "batch": batch,
                "entries": [{"entry_id": e, "document": people.document()} for e in entries],
            },
        )
        told: people.Json = answer.json()
        return told

    assert await land(2, "a", "b") == {"applied": True, "expected": 2, "withdrawn": 0}
    assert await land(1, "c") == {"applied": False, "expected": 2, "withdrawn": 0}
    assert await land(3, "b") == {"applied": True, "expected": 1, "withdrawn": 1}


async def test_a_lane_tells_its_tablet_what_it_must_know_once(hub: Hub) -> None:
    client = hub.client("device")
    state = await client.get("/v1/lanes/north-1/state")
    assert state.json()["policy_version"] == "cn-hub-2"
    unchanged = await client.get(
        "/v1/lanes/north-1/state", headers={"If-None-Match": state.headers["etag"]}
    )
    assert (unchanged.status_code, unchanged.content) == (304, b"")
