"""What a tablet did without the service: looked at again, and in whose name."""

from datetime import datetime, timedelta

import people
import pytest
import step_bodies
from hubs import DEVICE, PASSCODE, Hub
from refusals import refused

from twinstile.platform.security.roles import Role

EAR_FEVER = {"value": 38.6, "method": "EAR"}
PASSED = {"verdict": "PASS", "policy_version": "cn-hub-1"}


async def hand_over(hub: Hub, *items: people.Json, who: str = DEVICE, **more: object) -> list:
    answer = await hub.client(who).post(
        "/v1/facts:batch", json={"sent_at": people.now(), "items": items, **more}
    )
    assert answer.status_code == 200, answer.text
    return answer.json()["items"]


def item(counter: int, body: people.Json, kind: str = "check", **more: object) -> people.Json:
    return {"kind": kind, "id": str(people.new_id()), "counter": counter, "body": body, **more}


def late(
    number: str, minutes: float = 10, decided: object = PASSED, **more: object
) -> people.Json:
    seen = people.ago(minutes=minutes)
    return people.fact(number, offline=True, observed_at=seen, decided=decided, **more)


async def under_suspicion(hub: Hub, number: str) -> str:
    """Somebody flagged who walked off: a suspicion nobody has resolved."""
    flagged = await hub.client().put(
        f"/v1/checks/{people.new_id()}", json=people.check(1, number, 38.3)
    )
    screening = str(flagged.json()["screening_id"])
    gone = await hub.client().put(
        f"/v1/screenings/{screening}/steps/{people.new_id()}",
        json=step_bodies.body("absconded"),
    )
    assert gone.json()["state"] == "ABANDONED", gone.text
    return screening


async def alerts(hub: Hub) -> list[people.Json]:
    answer = await hub.client(Role.SUPERVISOR).get("/v1/alerts?kind=RETROSPECTIVE")
    assert answer.status_code == 200, answer.text
    return answer.json()["alerts"]


async def disagreements(hub: Hub) -> list[people.Json]:
    period = {"from": people.ago(hours=1), "to": people.ago(hours=-1)}
    answer = await hub.client(Role.SUPERVISOR).get("/v1/disagreements", params=period)
    assert answer.status_code == 200, answer.text
    return answer.json()["disagreements"]


@pytest.mark.parametrize("decided", [PASSED, None])
async def test_a_hit_the_tablet_could_not_know_leaves_the_passage_and_alerts_somebody(
    hub: Hub, decided: object
) -> None:
    number = people.resident_number()
    await under_suspicion(hub, number)
    fact = item(1, late(number, decided=decided) | {})
    (told,) = await hand_over(hub, fact)
    assert (told["check"]["state"], told["check"]["verdict"]) == ("CLEARED", "PASS")
    (alert,) = await alerts(hub)
    assert alert["subject_id"] == told["check"]["screening_id"]
    assert (alert["facts"]["cause"], alert["facts"]["verdict"]) == ("HIT", "CHECK")
    assert alert["facts"]["rules"] == ["PRIOR-HOLD"]
    (again,) = await hand_over(hub, fact)
    assert (again["status"], again["check"]["verdict"]) == ("duplicate", "PASS")
    assert len(await alerts(hub)) == 1
    now = await hub.client().put(f"/v1/checks/{people.new_id()}", json=people.check(9, number))
    assert now.json()["state"] == "SECONDARY"  # the suspicion stands


async def test_whoever_may_still_be_at_the_lane_is_stopped(hub: Hub) -> None:
    number = people.resident_number()
    await under_suspicion(hub, number)
    (told,) = await hand_over(hub, item(1, late(number, minutes=0.5)))
    assert told["check"]["state"] == "SECONDARY"


async def test_an_online_check_is_never_waved_through_by_what_it_claims(hub: Hub) -> None:
    number = people.resident_number()
    await under_suspicion(hub, number)
    body = {**late(number), "offline": False}
    (told,) = await hand_over(hub, item(1, body))
    assert told["check"]["state"] == "SECONDARY"


async def test_a_fever_counts_whatever_the_tablet_made_of_it(hub: Hub) -> None:
    (told,) = await hand_over(
        hub, item(1, late(people.resident_number(), temperature=EAR_FEVER))
    )
    assert told["check"]["state"] == "SECONDARY"
    (alert,) = await alerts(hub)
    assert alert["facts"]["cause"] == "MORE_CAUTIOUS"
    (other,) = await disagreements(hub)
    assert (other["decided"], other["decided_by"], other["verdict"]) == (
        "PASS",
        "cn-hub-1",
        "CHECK",
    )
    check = await hub.client().get(f"/v1/checks/{told['id']}")
    assert check.json()["evidence"]["decided"] == PASSED


async def test_too_much_caution_is_listed_and_alerts_nobody(hub: Hub) -> None:
    stopped = {**PASSED, "verdict": "STOP"}
    same = late(people.resident_number())
    await hand_over(
        hub, item(1, late(people.resident_number(), decided=stopped)), item(2, same)
    )
    assert [(d["decided"], d["verdict"]) for d in await disagreements(hub)] == [
        ("STOP", "PASS")
    ]
    assert await alerts(hub) == []


async def test_a_fever_that_comes_late_points_at_the_gate_passed_since(hub: Hub) -> None:
    number = people.resident_number()
    cleared = await hub.client().put(
        f"/v1/checks/{people.new_id()}", json=people.check(1, number)
    )
    assert cleared.json()["state"] == "CLEARED"
    await hand_over(hub, item(2, late(number, 30, None, temperature=EAR_FEVER)))
    (alert,) = await alerts(hub)
    assert alert["subject_id"] == cleared.json()["screening_id"]
    assert alert["facts"]["cause"] == "LATER_PASSAGE"
    whole = await hub.client().get(f"/v1/screenings/{cleared.json()['screening_id']}")
    assert whole.json()["state"] == "CLEARED"


async def test_what_is_older_than_the_policy_allows_is_kept_aside_and_seen(hub: Hub) -> None:
    number, other = people.resident_number(), people.resident_number()
    young, old = item(1, late(number, 71.9 * 60)), item(2, late(other, 72.1 * 60))
    told = await hand_over(hub, young, old)
    assert [i["status"] for i in told] == ["stored", "quarantined"]
    assert told[1]["problem"]["errors"] == [{"pointer": "/body/observed_at", "code": "too-old"}]
    (kept,) = (await hub.client(Role.SUPERVISOR).get("/v1/quarantine")).json()["facts"]
    assert (kept["fact_id"], kept["errors"]) == (old["id"], told[1]["problem"]["errors"])


async def test_a_clock_that_was_set_meanwhile_is_told_fact_by_fact(hub: Hub) -> None:
    """An hour behind when the facts were made, put right before they were sent."""
    hour_back = people.ago(hours=1, minutes=5)
    fact = people.fact(observed_at=hour_back, offline=True)
    told = await hand_over(
        hub,
        item(1, fact, clock_offset_ms=3_600_000),
        item(2, fact),
        item(3, fact, clock_offset_ms=2**31),
    )
    assert [i["status"] for i in told] == ["stored", "stored", "quarantined"]
    known, unknown = [
        (await hub.client().get(f"/v1/checks/{i['id']}")).json() for i in told[:2]
    ]
    assert (known["clock_offset_ms"], known["clock_suspect"]) == (3_600_000, True)
    assert abs(unknown["clock_offset_ms"]) < 60_000
    assert known["observed_at"] == unknown["observed_at"]
    opened = [
        (await hub.client().get(f"/v1/screenings/{c['screening_id']}")).json()["opened_at"]
        for c in (known, unknown)
    ]
    apart = datetime.fromisoformat(opened[0]) - datetime.fromisoformat(opened[1])
    assert abs(apart - timedelta(hours=1)) < timedelta(minutes=1)


def shift(hub: Hub, role: Role = Role.ASSISTANT, **more: object) -> people.Json:
    body = {"login": hub.duties[role].login, "started_at": people.ago(hours=2), **more}
    return item(1, body, "shift")


async def operator_of(hub: Hub, told: people.Json) -> object:
    return (await hub.client().get(f"/v1/checks/{told['id']}")).json()["operator_id"]


async def sign_in(hub: Hub, role: Role) -> str:
    body = {"login": hub.duties[role].login, "passcode": PASSCODE}
    answer = await hub.client(DEVICE).post("/v1/shifts", json=body)
    return str(answer.json()["token"])


async def test_a_shift_begun_offline_gives_no_name_until_it_is_confirmed(hub: Hub) -> None:
    began, duty = shift(hub), hub.duties[Role.ASSISTANT]
    facts = [item(n, late(people.resident_number()), shift_id=began["id"]) for n in (2, 3)]
    # whatever their order, the shift comes first
    first, claimed = await hand_over(hub, facts[0], began)
    assert (first["status"], claimed["status"]) == ("stored", "stored")
    assert await operator_of(hub, first) is None
    supervisor = hub.client(Role.SUPERVISOR)
    (open_one,) = (await supervisor.get("/v1/offline-shifts")).json()["shifts"]
    assert open_one["operator_id"] == str(duty.operator_id)
    assert open_one["device_id"] == str(hub.duties[Role.SCREENER].device_id)
    assert open_one["confirmed_at"] is None

    path = f"/v1/offline-shifts/{began['id']}/confirmation"
    somebody_else = await hub.client(Role.MEDIC).put(path)
    assert refused(somebody_else, 403, "forbidden") == []
    mine = hub.service.client(await sign_in(hub, Role.ASSISTANT))
    assert [(await mine.put(path)).status_code for _ in range(2)] == [204, 204]
    (second,) = await hand_over(hub, facts[1])
    assert await operator_of(hub, second) == str(duty.operator_id)
    assert await operator_of(hub, first) is None  # facts do not change
    assert (await supervisor.get("/v1/offline-shifts")).json()["shifts"] == []
    (told,) = (await supervisor.get("/v1/offline-shifts?confirmed=true")).json()["shifts"]
    assert told["confirmed_at"] is not None
    unknown = await mine.put(f"/v1/offline-shifts/{people.new_id()}/confirmation")
    assert refused(unknown, 404, "not-found") == []


async def test_a_claimed_shift_gives_the_roles_of_a_lane_at_most(hub: Hub) -> None:
    began = shift(hub, Role.MEDIC)
    flagged = late(people.resident_number(), temperature=EAR_FEVER)
    (_, told) = await hand_over(hub, began, item(2, flagged))
    refuse = step_bodies.body("refuse") | {"screening_id": told["check"]["screening_id"]}
    (by_medic,) = await hand_over(hub, item(3, refuse, "transition", shift_id=began["id"]))
    assert by_medic["status"] == "quarantined"
    screener = shift(hub, Role.SCREENER)
    (_, by_screener) = await hand_over(
        hub, screener, item(4, refuse, "transition", shift_id=screener["id"])
    )
    assert by_screener["status"] == "stored"


@pytest.mark.parametrize(
    ("change", "pointer", "code"),
    [
        ({"login": "nobody"}, "/body/login", "unknown-value"),
        ({"started_at": people.ago(hours=80)}, "/body/started_at", "too-old"),
        ({"ended_at": people.ago(hours=3)}, "/body/ended_at", "out-of-range"),
        ({"roles": ["medic"]}, "/body/roles", "unknown-field"),
    ],
)
async def test_a_claim_that_cannot_be_is_kept_aside(
    hub: Hub, change: people.Json, pointer: str, code: str
) -> None:
    (told,) = await hand_over(hub, shift(hub, **change))
    assert told["status"] == "quarantined"
    assert told["problem"]["errors"] == [{"pointer": pointer, "code": code}]


async def test_a_claim_is_made_once_and_holds_for_its_time(hub: Hub) -> None:
    began = shift(hub, ended_at=people.ago(hours=1))
    assert [(await hand_over(hub, began))[0]["status"] for _ in range(2)] == [
        "stored",
        "duplicate",
    ]
    other = shift(hub, Role.MEDIC) | {"id": began["id"]}
    (reused,) = await hand_over(hub, other)
    assert reused["problem"]["type"] == "/problems/id-reused"
    inside, outside = (
        item(n, late(people.resident_number(), minutes), shift_id=began["id"])
        for n, minutes in ((2, 90), (3, 30))
    )
    told = await hand_over(hub, inside, outside)
    assert [i["status"] for i in told] == ["stored", "quarantined"]
