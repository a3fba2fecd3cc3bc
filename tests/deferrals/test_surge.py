"""Surge orders, deferrals and people who are expected: two persons, guards, keys that end."""

import asyncio
from datetime import UTC, datetime, timedelta

import fever_cases
import people
import pytest
import screening_states
import step_bodies
import worker_clock
from hubs import Hub, open_hub

from twinstile.deferrals import surge_orders
from twinstile.operations import retention
from twinstile.platform.ops import clock
from twinstile.platform.security.roles import Role
from twinstile.policy.versions import Policies

GUARDED = [
    {"temperature": {"value": 37.1, "method": "WALK_THROUGH"}},
    {"temperature": screening_states.EAR_FEVER},
    {"credential": {"status": "RED"}},
    {"illness": True},
]


async def waiting(hub: Hub, **query: str) -> people.Json:
    answer = await hub.client(Role.EPIDEMIOLOGIST).get("/v1/deferrals", params=query)
    assert answer.status_code == 200, answer.text
    page: people.Json = answer.json()
    return page


async def test_nobody_is_released_without_an_order_of_two_persons(hub: Hub) -> None:
    screening = await screening_states.reach(hub, "PRESENTED", people.resident_number())
    fuse, commander = people.new_id(), hub.client(Role.DUTY_COMMANDER)
    body = {"checkpoints": ["north"], "reason": "platform 4 is full"}
    assert (await hub.client().put(f"/v1/fuses/{fuse}", json=body)).status_code == 403
    asked = await commander.put(f"/v1/fuses/{fuse}", json=body)
    assert (asked.status_code, asked.json()["approval_id"]) == (202, str(fuse))
    alone = await commander.put(f"/v1/approvals/{fuse}/decision", json={"verdict": "GRANTED"})
    assert alone.json()["type"] == "/problems/second-person-required"
    refused = await step_bodies.take(hub, Role.SCREENER, screening, "fuse_release")
    assert refused.status_code == 409
    decision = {"verdict": "GRANTED"}
    path = f"/v1/approvals/{fuse}/decision"
    assert (await hub.client(Role.SUPERVISOR).put(path, json=decision)).status_code == 200
    released = await step_bodies.take(hub, Role.SCREENER, screening, "fuse_release")
    assert released.json()["state"] == "DEFERRED"
    (listed,) = (await waiting(hub))["deferrals"]
    assert (listed["reason"], listed["fuse_id"]) == ("FUSE", str(fuse))
    async with hub.runtime.database.reading() as tx:
        moment = clock.now() + timedelta(minutes=31)
        assert await surge_orders.covering(tx, hub.hub_id, moment, "north", None) is None
        assert await surge_orders.covering(tx, hub.hub_id, clock.now(), "south", None) is None


@pytest.mark.parametrize(
    ("changed", "pointer"),
    [({"checkpoints": []}, "/checkpoints"), ({"checkpoints": ["nowhere"]}, "/checkpoints/0")],
)
async def test_an_order_says_where_it_holds(
    hub: Hub, changed: people.Json, pointer: str
) -> None:
    body = {"reason": "platform 4 is full", **changed}
    answer = await hub.client(Role.DUTY_COMMANDER).put(
        f"/v1/fuses/{people.new_id()}", json=body
    )
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, pointer)


async def test_one_person_ends_an_order_and_then_nobody_is_released(hub: Hub) -> None:
    fuse, supervisor = await screening_states.surge(hub), hub.client(Role.SUPERVISOR)
    path, over = f"/v1/fuses/{fuse}/end", {"reason": "the platform is empty"}
    assert [(await supervisor.put(path, json=over)).status_code for _ in range(2)] == [200] * 2
    other = await hub.client(Role.DUTY_COMMANDER).put(path, json={"reason": "again"})
    assert other.status_code == 409
    (shown,) = (await hub.client("device").get("/v1/fuses")).json()["fuses"]
    assert (shown["fuse_id"], shown["in_force"]) == (str(fuse), False)
    screening = await screening_states.reach(hub, "PRESENTED", people.resident_number())
    released = await step_bodies.take(hub, Role.SCREENER, screening, "fuse_release")
    assert released.status_code == 409


@pytest.mark.parametrize("sign", GUARDED)
async def test_surge_releases_nobody_with_a_sign_ever_seen(hub: Hub, sign: people.Json) -> None:
    """Not even when the last word was a better one."""
    await screening_states.govern(hub)
    await screening_states.surge(hub)
    number = people.resident_number()
    told = (await screening_states.check(hub, number, **sign)).json()
    await screening_states.check(hub, number, identity_result="MISMATCH")
    refused = await step_bodies.take(hub, Role.SCREENER, told["screening_id"], "fuse_release")
    assert (refused.status_code, refused.json()["type"]) == (
        409,
        "/problems/transition-refused",
    )
    assert (await step_bodies.read(hub, told["screening_id"]))["state"] == "SECONDARY"


@pytest.mark.parametrize("sign", GUARDED)
async def test_no_policy_defers_somebody_with_a_sign(hub: Hub, sign: people.Json) -> None:
    """Also one that has no rule against it."""
    lenient = screening_states.policy()
    lenient["rules"] = [r for r in lenient["rules"] if r["id"].startswith("T-AWAY")]
    lenient["rules"][0]["when"] = {"===": [1, 1]}
    await hub.adopt(lenient)
    told = (await screening_states.check(hub, people.resident_number(), **sign)).json()
    assert told["state"] == "SECONDARY"
    assert "RELEASE-GUARD" in [reason["rule_id"] for reason in told["reasons"]]
    free = (await screening_states.check(hub, people.resident_number())).json()
    assert free["state"] == "DEFERRED"


async def test_a_run_is_let_by_but_not_those_under_suspicion(hub: Hub) -> None:
    ill, left, there, *others = (people.resident_number() for _ in range(6))
    await fever_cases.confirmed(hub, ill)
    gone = (
        await screening_states.check(hub, left, temperature=screening_states.EAR_FEVER)
    ).json()
    await step_bodies.take(hub, Role.SCREENER, gone["screening_id"], "absconded")
    run = await screening_states.expect(hub, ill, left, there, *others)
    await screening_states.check(hub, there)
    body, path = {"reason": "platform 4 is full"}, f"/v1/runs/{run}:bypass"
    supervisor = hub.client(Role.SUPERVISOR)
    assert (await supervisor.post(path, json=body)).status_code == 409
    await screening_states.surge(hub)  # at the checkpoint: it does not name the run
    assert (await supervisor.post(path, json=body)).status_code == 409
    await screening_states.surge(hub, run, checkpoints=())
    answers = await asyncio.gather(*(supervisor.post(path, json=body) for _ in range(3)))
    told = [answer.json() for answer in answers]
    assert sorted(one["deferred"] for one in told) == [0, 0, 3]
    pages: list[object] = []
    query: dict[str, str] = {"limit": "2"}
    while True:
        page = await waiting(hub, **query)
        pages += [one["screening_id"] for one in page["deferrals"]]
        if page["next"] is None:
            break
        query["cursor"] = str(page["next"])
    assert len(pages) == len(set(pages)) == 3
    here = (await screening_states.check(hub, others[0])).json()
    assert (here["state"], here["screening_id"] in pages) == ("CLEARED", True)
    assert len((await waiting(hub))["deferrals"]) == 2
    unknown = await supervisor.post(f"/v1/runs/{people.new_id()}:bypass", json=body)
    assert unknown.status_code == 404


async def test_another_document_does_not_let_a_suspicion_by(hub: Hub) -> None:
    """Neither in a surge, at the lane or with the run, nor through to a connection."""
    await screening_states.govern(hub)
    sick, known_as = people.resident_number(), people.resident_number()
    alarm = (
        await screening_states.check(hub, sick, temperature=screening_states.EAR_FEVER)
    ).json()
    await step_bodies.take(hub, Role.SCREENER, alarm["screening_id"], "absconded")
    link = {
        "document": people.document(sick),
        "other": people.document(known_as),
        "evidence": "AUTHORITY_STATEMENT",
        "purpose": "IDENTIFICATION",
        "reason": "letter of the exit and entry office",
    }
    linked = await hub.client(Role.ASSISTANT).put(f"/v1/links/{people.new_id()}", json=link)
    assert linked.status_code == 200, linked.text
    run = await screening_states.expect(hub, known_as)
    transit = await screening_states.entry(hub, Role.SCREENER, run, "transit_declared")
    assert (transit.status_code, transit.json()["type"]) == (
        409,
        "/problems/transition-refused",
    )
    await screening_states.surge(hub, run)
    answer = await hub.client(Role.SUPERVISOR).post(
        f"/v1/runs/{run}:bypass", json={"reason": "platform 4 is full"}
    )
    assert answer.json() == {"deferred": 0, "kept_back": 1}
    back = (await screening_states.check(hub, known_as)).json()
    released = await step_bodies.take(hub, Role.SCREENER, back["screening_id"], "fuse_release")
    assert released.status_code == 409


async def test_a_deferral_is_closed_by_data_by_whom_and_what_is_kept(hub: Hub) -> None:
    await screening_states.govern(hub)
    other = await open_hub(hub.runtime, hub.service)
    number = people.resident_number()
    screening = await screening_states.reach(hub, "DEFERRED", number)
    (listed,) = (await waiting(hub))["deferrals"]
    assert (listed["reason"], listed["fuse_id"]) == ("OUTAGE", None)
    assert await waiting(other) == {"deferrals": [], "next": None}
    path = f"/v1/deferrals/{listed['deferral_id']}/person:reveal"
    epidemiologist = hub.client(Role.EPIDEMIOLOGIST)
    assert (await epidemiologist.post(path, json={})).status_code == 403
    shown = await epidemiologist.post(path, json={"purpose": "FOLLOW_UP"})
    assert shown.json()["document_number"] == number
    theirs = await other.client(Role.EPIDEMIOLOGIST).post(path, json={"purpose": "FOLLOW_UP"})
    assert theirs.status_code == 404
    closed = await step_bodies.take(hub, Role.EPIDEMIOLOGIST, screening, "matched_risk")
    assert closed.json()["state"] == "HANDED_OVER"
    assert (await waiting(hub))["deferrals"] == []
    async with hub.runtime.database.reading() as tx:
        row = await tx.raw.fetchrow(
            "SELECT outcome, closed_by FROM deferral WHERE hub_id = $1", hub.hub_id
        )
    assert tuple(row or ()) == (
        "matched_risk",
        hub.duties[Role.EPIDEMIOLOGIST].operator_id,
    )


async def test_what_nobody_settles_in_time_is_raised_to_the_commander(hub: Hub) -> None:
    await screening_states.govern(hub)
    screening = await screening_states.reach(hub, "DEFERRED", people.resident_number())
    await worker_clock.later(hub, hours=23)
    assert len((await waiting(hub))["deferrals"]) == 1
    await worker_clock.later(hub, hours=25)
    assert (await step_bodies.read(hub, screening))["state"] == "DEFERRED_UNRESOLVED"
    assert (await waiting(hub))["deferrals"] == []
    alerts = (await hub.client(Role.DUTY_COMMANDER).get("/v1/alerts")).json()["alerts"]
    assert [one["kind"] for one in alerts] == ["DEFERRAL_UNRESOLVED"]


async def test_who_was_deferred_can_be_named_until_two_weeks_after(hub: Hub) -> None:
    await screening_states.govern(hub, retention_days=1)
    screening = await screening_states.reach(hub, "DEFERRED", people.resident_number())
    (listed,) = (await waiting(hub))["deferrals"]
    path = f"/v1/deferrals/{listed['deferral_id']}/person:reveal"
    client, now = hub.client(Role.EPIDEMIOLOGIST), datetime.now(UTC)
    await retention.retain(hub.runtime, Policies(), hub.hub_id, now + timedelta(days=3))
    shown = await client.post(path, json={"purpose": "FOLLOW_UP"})
    assert shown.status_code == 200, shown.text
    await retention.retain(hub.runtime, Policies(), hub.hub_id, now + timedelta(days=40))
    open_still = await client.post(path, json={"purpose": "FOLLOW_UP"})
    assert open_still.status_code == 200
    await step_bodies.take(hub, Role.EPIDEMIOLOGIST, screening, "matched_clear")
    await retention.retain(hub.runtime, Policies(), hub.hub_id, now + timedelta(days=13))
    assert (await client.post(path, json={"purpose": "FOLLOW_UP"})).status_code == 200
    await retention.retain(hub.runtime, Policies(), hub.hub_id, now + timedelta(days=16))
    assert (await client.post(path, json={"purpose": "FOLLOW_UP"})).status_code in {404, 410}


async def test_transit_is_as_the_policy_has_it(hub: Hub) -> None:
    for transit, told, status in (
        ("EXIT_REQUIRED", {}, 409),
        ("ESCORTED", {}, 422),
        ("ESCORTED", {"escort": "escort 3"}, 200),
    ):
        await hub.adopt(
            screening_states.policy(transit=transit) | {"version": people.new_id().hex}
        )
        run = await screening_states.expect(hub, people.resident_number())
        brought = step_bodies.particulars("transit_declared") | told
        answer = await screening_states.entry(
            hub, Role.SCREENER, run, "transit_declared", particulars=brought
        )
        assert answer.status_code == status, answer.text


async def test_a_step_of_somebody_expected_is_taken_once(hub: Hub) -> None:
    run = await screening_states.expect(hub, people.resident_number(), people.resident_number())
    step, told = people.new_id(), {"particulars": step_bodies.particulars("transit_declared")}
    event = "transit_declared"
    first, again = [
        (await screening_states.entry(hub, Role.SCREENER, run, event, step, **told)).json()
        for _ in range(2)
    ]
    assert (first["status"], again["status"]) == ("stored", "duplicate")
    assert first["screening_id"] == again["screening_id"]
    for role, asked, more, status in (
        (Role.SCREENER, event, {"entry_id": "1", **told}, 409),  # that id is taken
        (Role.SUPERVISOR, "void", {}, 409),
        (Role.SCREENER, "present", {}, 422),
    ):
        other = await screening_states.entry(hub, role, run, asked, step, **more)
        assert other.status_code == status, (asked, other.text)
    fresh = await screening_states.entry(hub, Role.SCREENER, run, "transit_declared")
    assert fresh.json()["type"] == "/problems/transition-refused"
    nobody = await screening_states.entry(hub, Role.SUPERVISOR, run, "void", entry_id="7")
    assert nobody.status_code == 409
    late = await screening_states.entry(hub, Role.MEDIC, run, "void", entry_id="1")
    assert late.status_code == 403
    elsewhere = await screening_states.entry(hub, Role.SUPERVISOR, people.new_id(), "void")
    assert elsewhere.status_code == 404


async def test_whoever_leaves_transit_is_checked_in_the_same_passage(hub: Hub) -> None:
    number = people.resident_number()
    screening = await screening_states.reach(hub, "TRANSIT_HELD", number)
    due = datetime.fromisoformat(str((await step_bodies.read(hub, screening))["due_at"]))
    assert abs(due - datetime.now(UTC) - timedelta(hours=2, minutes=50)) < timedelta(minutes=1)
    await step_bodies.take(hub, Role.SCREENER, screening, "exit_chosen")
    told = (await screening_states.check(hub, number)).json()
    assert (told["state"], told["screening_id"]) == ("CLEARED", screening)


async def test_what_was_entered_in_error_never_was(hub: Hub) -> None:
    number = people.resident_number()
    run = await screening_states.expect(hub, number, people.resident_number())
    await screening_states.entry(hub, Role.SUPERVISOR, run, "void", entry_id="1")
    wrong = await screening_states.reach(hub, "PRESENTED", number)
    assert (await step_bodies.take(hub, Role.SCREENER, wrong, "void")).status_code == 403
    done = await step_bodies.take(hub, Role.SUPERVISOR, wrong, "void")
    assert done.json() == {"status": "stored", "state": "VOID"}
    supervisor = hub.client(Role.SUPERVISOR)
    expected = await supervisor.get(f"/v1/runs/{run}/expectations")
    assert expected.json() == {
        "expected": 0,
        "screened": 0,
        "no_show": 0,
        "outstanding": 0,
        "sources": [],
    }
    fresh = (
        await hub.client(Role.ASSISTANT).put(
            f"/v1/checks/{people.new_id()}", json=people.check(1, number)
        )
    ).json()
    assert (fresh["status"], fresh["state"]) == ("stored", "CLEARED")
    assert (await step_bodies.read(hub, fresh["screening_id"]))["supersedes"] is None
    period = {"from": people.ago(hours=1), "to": people.ago(hours=-1)}
    report = (await supervisor.get("/v1/reports/period", params=period)).json()
    assert report["person_times_checked"] == 1


async def test_a_passage_with_a_case_is_void_when_a_second_person_agrees(hub: Hub) -> None:
    screening = str((await fever_cases.confirmed(hub))["screening_id"])
    for role, event in (
        (Role.MEDIC, "policy_return"),
        (Role.SCREENER, "changed_mind"),
        (Role.SCREENER, "refuse"),
        (Role.SCREENER, "consent"),
    ):
        assert (await step_bodies.take(hub, role, screening, event)).status_code == 200
    step = people.new_id()
    asked = await step_bodies.take(hub, Role.SUPERVISOR, screening, "void", step)
    assert asked.json() == {"status": "asked", "state": "PRESENTED"}
    decision = f"/v1/approvals/{step}/decision"
    granted = await hub.client(Role.DUTY_COMMANDER).put(decision, json={"verdict": "GRANTED"})
    assert granted.status_code == 200, granted.text
    whole = await step_bodies.read(hub, screening)
    assert (whole["state"], whole["steps"][-1]["event"]) == ("VOID", "void")
    again = await step_bodies.take(hub, Role.SUPERVISOR, screening, "void", step)
    assert again.json() == {"status": "duplicate", "state": "VOID"}


async def test_a_run_that_arrived_an_hour_ago_is_closed_by_the_clock(hub: Hub) -> None:
    came = await screening_states.expect(
        hub, people.resident_number(), actual_arrival=people.now()
    )
    silent = await screening_states.expect(hub, people.resident_number())
    supervisor = hub.client(Role.SUPERVISOR)

    async def absent(run: object) -> int:
        told = (await supervisor.get(f"/v1/runs/{run}/expectations")).json()
        return int(told["no_show"])

    await worker_clock.later(hub, minutes=59)
    assert (await absent(came), await absent(silent)) == (0, 0)
    await worker_clock.later(hub, minutes=61)
    assert (await absent(came), await absent(silent)) == (1, 0)
    await worker_clock.later(hub, hours=25)
    assert (await absent(came), await absent(silent)) == (1, 1)
