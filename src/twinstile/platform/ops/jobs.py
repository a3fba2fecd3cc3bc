"""Background jobs on the clock: a schedule in the database, so that one process runs each tick.

Rows stay the truth; a job only looks at what is due, so a missed or doubled tick does no harm.
What fails is counted and logged, and tried again at its next tick.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, cast

from pgqueuer.adapters.drivers.asyncpg import AsyncpgDriver
from pgqueuer.adapters.persistence.qb import (
    QueryBuilderEnvironment,
    QueryQueueBuilder,
    QuerySchedulerBuilder,
)
from pgqueuer.adapters.persistence.queries import Queries
from pgqueuer.core.sm import SchedulerManager
from pgqueuer.domain.models import Schedule
from pgqueuer.domain.settings import DBSettings

from twinstile.platform.db.database import Database, living
from twinstile.platform.ops import clock, observability

if TYPE_CHECKING:
    from asyncpg import Connection

SETTINGS = DBSettings(db_schema="jobs")
RESTART_S = 2.0


@dataclass(frozen=True, slots=True)
class Job:
    """What to do, when, and how long it may take.

    `cron` has pgqueuer's six fields, seconds last; ticks less than ten seconds apart are not
    kept reliably.
    """

    name: str
    cron: str
    patience_s: float
    work: Callable[[datetime], Awaitable[None]]


async def run(database: Database, jobs: Sequence[Job], stop: asyncio.Event) -> None:
    """Run the jobs at their times until `stop`, through restarts of PostgreSQL.

    One connection of `database` is kept for the schedule; give it a pool of its own. Returns
    when jobs that run have ended; cancelling it cancels them.
    """
    while not stop.is_set():
        try:
            await _keep_schedule(database, jobs, stop)
        except Exception as error:  # noqa: BLE001 # the schedule must outlive any outage
            observability.JOBS.labels("schedule", "interrupted").inc()
            observability.log.warning("jobs interrupted", error=observability.error_kind(error))
            await clock.pause(stop, RESTART_S)


async def _keep_schedule(database: Database, jobs: Sequence[Job], stop: asyncio.Event) -> None:
    async with database.engine.connect() as sql:
        connection = cast("Connection", cast("object", await living(sql)))
        manager = SchedulerManager(
            Queries(
                AsyncpgDriver(connection),
                QueryBuilderEnvironment(SETTINGS),
                QueryQueueBuilder(SETTINGS),
                QuerySchedulerBuilder(SETTINGS),
            )
        )
        manager.shutdown = stop
        for job in jobs:
            manager.schedule(job.name, job.cron)(_tick(job))
        await manager.run()


def _tick(job: Job) -> Callable[[Schedule], Awaitable[None]]:
    async def tick(_: Schedule) -> None:
        await run_once(job, clock.now())

    return tick


async def run_once(job: Job, now: datetime) -> bool:
    """Do the job once; false, counted and logged, when it failed."""
    try:
        async with asyncio.timeout(job.patience_s):
            await job.work(now)
    except Exception as error:  # noqa: BLE001 # one job's fault is not the others'
        observability.JOBS.labels(job.name, "failed").inc()
        observability.log.error(
            "job failed", job=job.name, error=observability.error_kind(error)
        )
        return False
    observability.JOBS.labels(job.name, "done").inc()
    return True
