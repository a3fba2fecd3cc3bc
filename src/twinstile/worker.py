"""What the service does by the clock: timers, retention, partitions, for every hub it holds.

It runs beside the requests of each process; the schedule in the database sees to it that one
process does each tick. So does the sealer of the ledger, which looks by itself.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Final, TypeAlias
from uuid import uuid4

from sqlalchemy import select

from twinstile.arrivals.feeds import applier, config, polling
from twinstile.arrivals.feeds.config import FeedSource, PushSettings
from twinstile.arrivals.feeds.polling import Poller
from twinstile.cases import deadlines, dispositions
from twinstile.credentials.sources import fetching
from twinstile.credentials.sources import settings as sources
from twinstile.credentials.trusting import lists
from twinstile.credentials.trusting.current_lists import CurrentLists
from twinstile.declarations import appeals
from twinstile.deferrals import deferral_resolution
from twinstile.operations import backups
from twinstile.operations import retention as destruction
from twinstile.operations.startup import DatabaseTarget
from twinstile.platform.db import schema
from twinstile.platform.db.database import Database
from twinstile.platform.db.tables import Hub
from twinstile.platform.http.routes import Runtime
from twinstile.platform.ledger import sealer
from twinstile.platform.ops import clock, jobs, observability
from twinstile.platform.ops.jobs import Job
from twinstile.platform.security import access_log, approvals
from twinstile.policy.versions import Policies
from twinstile.reminders import automatic, delivery_alert, sending
from twinstile.replay import requests
from twinstile.screening import (
    alerts,
    expectations,
    feed_alerts,
    late_case_alerts,
    transitions,
    trust_list_alerts,
    unmatched_alerts,
)
from twinstile.screening.types import AlertKind

ESCALATED_AT_ONCE = 200
POLLS_AT_ONCE: Final = 8
POLL_PATIENCE_S: Final = 300

HubWork: TypeAlias = Callable[[str, datetime], Awaitable[None]]


class HubsFailed(Exception):
    """The work failed for some hubs; each was logged, and the others were done."""


Background: TypeAlias = Callable[[Runtime, asyncio.Event], Awaitable[None]]


def background_worker(runtime: Runtime, place: DatabaseTarget) -> Background | None:
    """What runs beside the requests; None where a process of its own does it."""
    return background(place) if runtime.settings.worker else None


def background(place: DatabaseTarget) -> Background:
    """The jobs of a house, to be run until the event is set."""

    async def work(runtime: Runtime, stop: asyncio.Event) -> None:
        schedule = Database(place.service_url, pool_size=1, role=place.role)
        sealing = Database(place.service_url, pool_size=1, role=place.role)
        feeding = Database(
            place.service_url, pool_size=applier.MOST_AT_ONCE + 3, role=place.role
        )
        senders = config.feed_sources(runtime.settings)
        steady = clock.ClockWatch(clock.now()).steady
        todo = (*jobs_of(runtime, place, steady), *polls_of(runtime, feeding, senders))
        try:
            await asyncio.gather(
                jobs.run(schedule, todo, stop),
                sealer.run(sealing, runtime.keys, runtime.settings.audit_path, stop),
                applier.run_applier(runtime, feeding, senders, stop),
            )
        finally:
            await schedule.close()
            await sealing.close()
            await feeding.close()

    return work


def _trusted(_: datetime) -> bool:
    return True


def jobs_of(
    runtime: Runtime, place: DatabaseTarget, steady: Callable[[datetime], bool] = _trusted
) -> tuple[Job, ...]:
    """Everything done by the clock; cron in six fields, seconds last, in UTC.

    Nothing is destroyed while the clock is not `steady`: one that jumps weeks ahead would end
    the keys in use, and with them every check until their time is over.
    """
    policies = Policies()

    async def partitions(now: datetime) -> None:
        await schema.keep_partitions(place.owner_url, now)

    async def backup(_: datetime) -> None:
        await backups.take_apart(runtime.settings)

    retain = each_hub(runtime, _retention(runtime, policies, place))

    async def retention(now: datetime) -> None:
        if steady(now):
            await retain(now)
        else:
            observability.log.error("nothing is destroyed", reason="the clock has jumped")

    async def forget(now: datetime) -> None:
        owner = Database(place.owner_url, pool_size=1)
        try:
            forgotten = access_log.FORGOTTEN_AT_ONCE
            while forgotten == access_log.FORGOTTEN_AT_ONCE:
                async with owner.transaction() as tx:
                    forgotten = await access_log.forget(tx, now)
            async with owner.transaction() as tx:
                await lists.forget(tx, now)
        finally:
            await owner.close()

    return (
        Job("timers", "* * * * * */10", 60, each_hub(runtime, _timers(runtime, policies))),
        Job(
            "reminders", "* * * * * */10", 60, each_hub(runtime, _reminders(runtime, policies))
        ),
        Job("notices", "* * * * * */10", 300, each_hub(runtime, _notices(runtime))),
        Job("replays", "* * * * * */10", 3600, each_hub(runtime, _replays(runtime, policies))),
        Job("feeds", "* * * * * */10", 60, each_hub(runtime, _feeds(runtime))),
        Job("trust", "* * * * * 0", 300, each_hub(runtime, _trust(runtime))),
        Job("retention", "7 * * * * 0", 1200, retention),
        Job("partitions", "11 3 * * * 0", 60, partitions),
        Job("forgetting", "23 3 * * * 0", 600, forget),
        *([Job("backup", "23 2 * * * 0", 7200, backup)] if runtime.settings.backup_dir else []),
    )


def polls_of(
    runtime: Runtime, database: Database, senders: Sequence[FeedSource]
) -> tuple[Job, ...]:
    """A job for each department that is asked: one that keeps us waiting holds up itself."""
    asker = Poller(database, runtime.keys, uuid4(), clock.now)
    turns = asyncio.Semaphore(POLLS_AT_ONCE)

    def polling_of(sender: FeedSource) -> Callable[[datetime], Awaitable[None]]:
        async def work(_: datetime) -> None:
            async with turns:
                await polling.poll_feed(asker, sender)

        return work

    return tuple(
        Job(
            f"feed {one.feed.hub_id}/{one.feed.name}",
            "* * * * * */10",
            POLL_PATIENCE_S,
            polling_of(one),
        )
        for one in senders
        if not isinstance(one.transport, PushSettings)
    )


def _timers(runtime: Runtime, policies: Policies) -> HubWork:
    """Fire deadlines that have passed: screenings, cases, alerts, what waits for approval."""

    async def settled(hub_id: str, now: datetime) -> None:
        await deferral_resolution.settle(runtime.database, hub_id, now)

    async def screenings(hub_id: str, now: datetime) -> None:
        await transitions.expire_due(runtime.database, policies, hub_id, now)

    async def expected(hub_id: str, now: datetime) -> None:
        await expectations.close_overdue(runtime.database, policies, hub_id, now)

    async def cases(hub_id: str, now: datetime) -> None:
        async with runtime.database.transaction() as tx:
            await dispositions.escalate_due(tx, hub_id, now, ESCALATED_AT_ONCE)
            await deadlines.ring(tx, hub_id, now, ESCALATED_AT_ONCE)
            await approvals.expire(tx, hub_id, now)

    async def watched(hub_id: str, now: datetime) -> None:
        async with runtime.database.transaction() as tx:
            await unmatched_alerts.look(tx, hub_id, runtime.settings.unmatched_share, now)
            await late_case_alerts.watch(tx, hub_id, now)
            unanswered = await appeals.overdue(tx, hub_id, now)
            await alerts.hold(tx, hub_id, AlertKind.APPEAL_OVERDUE, unanswered, now)
            await alerts.go_on(tx, hub_id, now)

    return in_turn(settled, screenings, expected, cases, watched)  # data first, then the clock


def in_turn(*steps: HubWork) -> HubWork:
    """Work of several steps: one that fails is told at the end and keeps none from its turn."""

    async def work(hub_id: str, now: datetime) -> None:
        failed: list[Exception] = []
        for step in steps:
            try:
                await step(hub_id, now)
            except Exception as error:  # noqa: BLE001 # reported below
                failed.append(error)
                told = {"step": step.__name__, "error": observability.error_kind(error)}
                observability.log.error("step failed", hub=hub_id, **told)
        if failed:
            raise failed[0]

    return work


def _feeds(runtime: Runtime) -> HubWork:
    """Tell people of departments that fell silent, or send what nobody can use."""
    senders = config.feed_sources(runtime.settings)

    async def work(hub_id: str, now: datetime) -> None:
        if senders:
            async with runtime.database.transaction() as tx:
                await feed_alerts.watch(tx, hub_id, senders, now)

    return work


def _trust(runtime: Runtime) -> HubWork:
    """Fetch trust lists where the operator has named sources, and see how old they are."""
    told = sources.of(runtime.settings)

    held = CurrentLists()

    async def work(hub_id: str, now: datetime) -> None:
        keys = runtime.keys.of(hub_id)
        try:
            await fetching.run(runtime.database, keys, told, hub_id, now)
        finally:
            async with runtime.database.transaction() as tx:
                await trust_list_alerts.watch(tx, held, keys, hub_id, now)

    return work


def _reminders(runtime: Runtime, policies: Policies) -> HubWork:
    """Order the messages that runs to come call for."""

    async def work(hub_id: str, now: datetime) -> None:
        await automatic.run(runtime, policies, hub_id, now)

    return work


def _notices(runtime: Runtime) -> HubWork:
    """Send the messages that are due."""
    out = sending.outbox(runtime)

    async def work(hub_id: str, now: datetime) -> None:
        await sending.run(out, hub_id, now)
        await delivery_alert.look(out, hub_id, now)

    return work


def _replays(runtime: Runtime, policies: Policies) -> HubWork:
    """Try another policy on stored checks, where somebody asks for it."""

    async def work(hub_id: str, now: datetime) -> None:
        zone = runtime.settings.zone
        await requests.work(runtime.database, policies, zone, hub_id, now)

    return work


def _retention(runtime: Runtime, policies: Policies, place: DatabaseTarget) -> HubWork:
    """Destroy what the policy no longer lets us keep; dead rows leave the files soon after."""

    async def work(hub_id: str, now: datetime) -> None:
        if await destruction.retain(runtime, policies, hub_id, now):
            await destruction.vacuum(place.owner_url, destruction.EMPTIED)

    return work


def each_hub(runtime: Runtime, work: HubWork) -> Callable[[datetime], Awaitable[None]]:
    """The work at every hub in turn; one hub's failure does not keep the others from theirs."""

    async def work_everywhere(now: datetime) -> None:
        async with runtime.database.reading() as tx:
            found = await tx.sql.execute(select(Hub.hub_id).order_by(Hub.hub_id))
            hubs = [hub_id for (hub_id,) in found]
        failed = 0
        for hub_id in hubs:
            try:
                await work(hub_id, now)
            except Exception as error:  # noqa: BLE001 # reported below
                failed += 1
                observability.log.error(
                    "hub failed", hub=hub_id, error=observability.error_kind(error)
                )
        if failed:
            raise HubsFailed(f"{failed} of {len(hubs)} hubs")

    return work_everywhere
