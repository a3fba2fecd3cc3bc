"""Reminders that nobody orders: by manifests as they land, and by the arrival as it moves."""

import asyncio
from datetime import timedelta

import module_database
import people
import pytest
from hubs import Hub, open_hub
from reminded_runs import Run, announced, reachable

from twinstile.operations.startup import DatabaseTarget
from twinstile.platform.ops import clock
from twinstile.platform.security.hub_modes import HubMode
from twinstile.platform.security.roles import Role
from twinstile.policy import documents
from twinstile.policy.versions import Policies
from twinstile.reminders import automatic
from twinstile.worker import jobs_of

place, runtime, service = (
    module_database.place,
    module_database.runtime,
    module_database.service,
)

SOON = timedelta(minutes=95)
"""From now: the run is due in two hours, so this is within half an hour of it."""


@pytest.fixture
async def run(hub: Hub) -> Run:
    return await announced(hub)


async def tick(run: Run, after: timedelta = timedelta(), *, sent: bool = True) -> None:
    """What the clock orders so long from now; a gateway takes it unless it is away."""
    hub = run.hub
    await automatic.run(hub.runtime, Policies(), hub.hub_id, clock.now() + after)
    if sent:
        for _ in range(2):
            await run.work(after)
            for file in run.files():
                file.unlink()


async def kinds(run: Run) -> list[str]:
    return sorted(str(one["kind"]) for one in await run.notices())


async def move(run: Run, arrival: timedelta) -> None:
    """Announce that it comes so long from now."""
    path = f"/v1/runs/{run.run_id}"
    client = run.hub.client(Role.SUPERVISOR)
    period = {"from": people.ago(hours=1), "to": people.ago(hours=-12)}
    listed = (await client.get("/v1/runs", params=period)).json()["runs"]
    (body,) = (one for one in listed if one["run_id"] == str(run.run_id))
    del body["run_id"], body["closed"], body["numbers"]
    body["estimated_arrival"] = (clock.now() + arrival).isoformat()
    answer = await client.put(path, json=body)
    assert answer.status_code == 200, answer.text


async def test_a_manifest_that_lands_reminds_its_people_and_once_more_before_arrival(
    run: Run, place: DatabaseTarget
) -> None:
    number = people.resident_number()
    await run.land([reachable(number, "+8613900004711", "en")])
    jobs = {job.name: job for job in jobs_of(run.hub.runtime, place)}
    for name in ("reminders", "notices"):
        await jobs[name].work(clock.now())
    (line,) = run.lines()
    assert "is due on" in str(line["text"])
    await tick(run)
    assert await kinds(run) == ["R1"]
    await tick(run, timedelta(minutes=85))
    assert await kinds(run) == ["R1"]
    await tick(run, SOON, sent=False)
    await run.work(SOON)
    (line,) = run.lines()
    assert "arrives soon" in str(line["text"])
    for _ in range(3):
        await tick(run, SOON)
    assert await kinds(run) == ["R1", "R1_AGAIN"]
    assert await run.states() == ["SENT", "SENT"]


async def test_either_message_counts_as_the_reminder_before_arrival(run: Run) -> None:
    number = people.resident_number()
    await run.land([reachable(number)])
    await run.order()
    async with run.hub.runtime.database.transaction() as tx:
        await tx.raw.execute(
            "UPDATE notice SET state = 'FAILED', due_at = NULL WHERE hub_id = $1",
            run.hub.hub_id,
        )
    await tick(run, SOON)
    assert await run.states() == ["FAILED", "SENT"]
    assert (await run.pass_gate(number))["completeness"]["reminders"] == 2  # type: ignore[index]


async def test_who_is_announced_later_is_reminded_then_and_the_others_are_not_again(
    run: Run,
) -> None:
    first, later = reachable(people.resident_number()), reachable(people.resident_number())
    await run.land([first])
    await tick(run)
    await run.land([first, later], batch=2)
    await tick(run)
    assert await kinds(run) == ["R1", "R1"]
    await run.land([first, later], batch=2)  # the same once more
    await tick(run)
    await run.land([later], batch=3)
    await tick(run)
    await run.land([first, later], batch=4)
    await tick(run)
    assert await kinds(run) == ["R1", "R1"]
    assert await run.states() == ["SENT", "SENT"]


async def test_who_comes_onto_the_list_at_the_last_moment_gets_one_message(run: Run) -> None:
    await move(run, timedelta(minutes=20))
    await run.land([reachable(people.resident_number())])
    for _ in range(2):
        await tick(run)
    assert await kinds(run) == ["R1"]


async def test_whose_first_message_is_not_out_yet_gets_no_second(run: Run) -> None:
    await run.land([reachable(people.resident_number())])
    await tick(run, sent=False)
    await tick(run, SOON, sent=False)
    assert await kinds(run) == ["R1"]


async def test_the_second_message_waits_for_a_run_that_is_late(run: Run) -> None:
    await run.land([reachable(people.resident_number())])
    await tick(run)
    await move(run, timedelta(hours=3))
    await tick(run, SOON)
    assert await kinds(run) == ["R1"]
    await tick(run, SOON + timedelta(hours=1))
    assert await kinds(run) == ["R1", "R1_AGAIN"]


async def test_a_run_that_is_closed_or_has_arrived_reminds_nobody(run: Run) -> None:
    other = await announced(run.hub)
    for one in (run, other):
        await one.land([reachable(people.resident_number())])
    await run.hub.client(Role.SUPERVISOR).post(f"/v1/runs/{run.run_id}:close")
    await tick(other, timedelta(hours=2, seconds=1))
    assert await kinds(run) == await kinds(other) == []


async def test_a_run_that_is_cancelled_reminds_nobody_until_it_comes_after_all(
    run: Run,
) -> None:
    async def say(status: str) -> None:
        async with run.hub.runtime.database.transaction() as tx:
            await tx.raw.execute(
                "UPDATE run SET status = $2 WHERE run_id = $1", run.run_id, status
            )

    await run.land([reachable(people.resident_number())])
    await tick(run, sent=False)
    await say("CANCELLED")
    await tick(run)
    assert await run.states() == ["WITHDRAWN"]
    assert (await run.order())[0] == 409
    await say("SCHEDULED")
    await tick(run)
    assert await run.states() == ["SENT"]


async def test_what_a_person_ordered_is_not_ordered_again_by_the_clock(run: Run) -> None:
    await run.land([reachable(people.resident_number())])
    await run.order()
    await tick(run)
    assert await kinds(run) == ["R1"]


async def test_what_failed_is_not_tried_again_unasked(run: Run) -> None:
    entry = reachable(people.resident_number())
    await run.land([entry])
    await tick(run, sent=False)
    async with run.hub.runtime.database.transaction() as tx:
        await tx.raw.execute(
            "UPDATE notice SET state = 'FAILED', due_at = NULL WHERE hub_id = $1",
            run.hub.hub_id,
        )
    await run.land([entry], batch=2)
    await tick(run)
    assert await run.states() == ["FAILED"]


async def test_two_workers_at_once_order_one_message_for_each(run: Run) -> None:
    await run.land([reachable(people.resident_number()) for _ in range(4)])
    await asyncio.gather(*(tick(run, sent=False) for _ in range(4)))
    assert await kinds(run) == ["R1"] * 4


async def test_a_policy_can_leave_it_to_people(run: Run) -> None:
    policy = documents.pack("cn-hub")
    figures = {**policy["parameters"], "remind_hours": 0, "remind_again_minutes": 0}  # type: ignore[dict-item]
    await run.hub.adopt({**policy, "version": "by-hand", "parameters": figures})
    await run.land([reachable(people.resident_number())])
    await tick(run)
    await tick(run, SOON)
    assert await kinds(run) == []


async def test_an_order_by_the_clock_is_on_the_record_as_one_by_nobody(run: Run) -> None:
    await run.land([reachable(people.resident_number())])
    await tick(run)
    async with run.hub.runtime.database.reading() as tx:
        (event,) = await tx.raw.fetch(
            "SELECT device_id, operator_id, body ->> 'reachable' FROM event"
            " WHERE hub_id = $1 AND kind = 'notices.ordered'",
            run.hub.hub_id,
        )
    assert tuple(event) == (None, None, "1")


async def test_a_demo_hub_reminds_by_files_that_say_so(hub: Hub) -> None:
    drill = await open_hub(hub.runtime, hub.service, HubMode.DEMO)
    run = await announced(drill)
    await run.land([reachable(people.resident_number())])
    await tick(run, sent=False)
    await run.work()
    assert [line["mode"] for line in run.lines()] == ["DEMO"]
