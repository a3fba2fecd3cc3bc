"""Jobs on the clock: counted, never silent, and alive after the database went away."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime

import database_sessions
import module_database
import pytest
from hubs import Hub, open_hub

from twinstile import worker
from twinstile.operations.startup import DatabaseTarget
from twinstile.platform.db.database import Database
from twinstile.platform.http.routes import Runtime
from twinstile.platform.ops import clock, jobs, observability
from twinstile.platform.ops.jobs import Job

place, runtime, service = (
    module_database.place,
    module_database.runtime,
    module_database.service,
)


def outcomes(job: str, outcome: str) -> float:
    return (
        observability.REGISTRY.get_sample_value(
            "twinstile_jobs_total", {"job": job, "outcome": outcome}
        )
        or 0.0
    )


def job(name: str, work: Callable[[datetime], Awaitable[None]], patience_s: float = 5) -> Job:
    return Job(name, "* * * * * */1", patience_s, work)


async def test_a_job_that_fails_is_counted_and_told_without_its_message(
    logged: Callable[[], str],
) -> None:
    async def fail(_: datetime) -> None:
        raise ValueError("110101199003070134")

    assert not await jobs.run_once(job("failing", fail), clock.now())
    assert outcomes("failing", "failed") == 1
    told = logged()
    assert "ValueError in fail" in told
    assert "110101199003070134" not in told


async def test_a_job_that_hangs_is_ended() -> None:
    async def hang(_: datetime) -> None:
        await asyncio.Event().wait()

    assert not await jobs.run_once(job("hanging", hang, patience_s=0.05), clock.now())
    assert outcomes("hanging", "failed") == 1


async def test_the_schedule_goes_on_after_a_restart_of_the_server(
    place: DatabaseTarget, runtime: Runtime
) -> None:
    ticked = asyncio.Event()

    async def tick(_: datetime) -> None:
        ticked.set()

    database = Database(place.service_url, pool_size=1, role=place.role)
    stop = asyncio.Event()
    async with asyncio.timeout(30):
        running = asyncio.create_task(jobs.run(database, [job("ticking", tick)], stop))
        await ticked.wait()
        await database_sessions.end(place, await database_sessions.others(runtime.database))
        ticked.clear()
        await ticked.wait()
        stop.set()
        await running
    await database.close()


async def test_every_job_of_the_service_runs(place: DatabaseTarget, runtime: Runtime) -> None:
    for each in worker.jobs_of(runtime, place):
        assert await jobs.run_once(each, clock.now()), each.name


async def test_a_hub_whose_work_fails_does_not_keep_the_others_from_theirs(
    runtime: Runtime, hub: Hub
) -> None:
    after = await open_hub(runtime, hub.service)
    seen: list[str] = []

    async def work(hub_id: str, _: datetime) -> None:
        seen.append(hub_id)
        raise ValueError

    with pytest.raises(worker.HubsFailed):
        await worker.each_hub(runtime, work)(clock.now())
    assert {hub.hub_id, after.hub_id} <= set(seen)


async def test_a_deadline_that_cannot_be_settled_keeps_no_other_from_firing(
    hub: Hub, place: DatabaseTarget, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []

    async def fails(*_: object) -> None:
        raise ValueError

    async def expire_due(_: object, __: object, hub_id: str, ___: object) -> None:
        seen.append(hub_id)

    monkeypatch.setattr(worker.deferral_resolution, "settle", fails)
    monkeypatch.setattr(worker.transitions, "expire_due", expire_due)
    (timers,) = [one for one in worker.jobs_of(hub.runtime, place) if one.name == "timers"]
    with pytest.raises(worker.HubsFailed):
        await timers.work(clock.now())
    assert hub.hub_id in seen
