"""Replays that were asked for: one row each, one at a time a hub, kept for two weeks.

The row is the truth: whichever process finds one that waits begins it, and begins it anew when
the process that had it was not heard of for a minute. Nothing of a replay is kept half done.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, RowMapping, delete, null, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from twinstile.platform.db.database import Database, Reading, Transaction
from twinstile.platform.http.problems import (
    FieldFault,
    IdReused,
    InvalidInput,
    NotFound,
    TooMany,
)
from twinstile.platform.ops import clock, observability
from twinstile.platform.security.auth import Principal
from twinstile.policy.versions import Policies
from twinstile.replay import stream
from twinstile.replay.stream import ReplayPlan, TooManyChecks
from twinstile.screening.tables import PolicyReplay

LONGEST: Final = timedelta(days=31)
KEPT: Final = timedelta(days=14)
LEASE: Final = timedelta(seconds=60)
"""A replay whose process was not heard of for so long is begun anew by another."""
MOST_ATTEMPTS: Final = 3


class ReplayState(StrEnum):
    WAITING = "WAITING"
    RUNNING = "RUNNING"
    DONE = "DONE"
    FAILED = "FAILED"
    CANCELED = "CANCELED"


class ReplayFault(StrEnum):
    """Why a replay failed."""

    TOO_MANY_CHECKS = "TOO_MANY_CHECKS"
    INTERRUPTED = "INTERRUPTED"


class Canceled(Exception):
    """Somebody ended the replay, or another process has it now."""


@dataclass(frozen=True, slots=True)
class ReplayRequest:
    """A replay as its row has it."""

    replay_id: UUID
    version: str
    since: datetime
    until: datetime
    asked_at: datetime
    state: ReplayState
    checks: int
    checks_expected: int | None
    ended_at: datetime | None
    fault: ReplayFault | None
    found: Mapping[str, object] | None


_COLUMNS = (
    PolicyReplay.replay_id,
    PolicyReplay.version,
    PolicyReplay.since,
    PolicyReplay.until,
    PolicyReplay.asked_at,
    PolicyReplay.state,
    PolicyReplay.checks,
    PolicyReplay.checks_expected,
    PolicyReplay.ended_at,
    PolicyReplay.fault,
)


def require_period(since: datetime, until: datetime, now: datetime) -> None:
    """Raises `InvalidInput` unless [since, until) is past and at most 31 days."""
    if not since < until <= since + LONGEST or until > now:
        raise InvalidInput(errors=[FieldFault("/to", "out-of-range")])


async def ask(
    tx: Transaction,
    who: Principal,
    version: str,
    replay_id: UUID,
    period: tuple[datetime, datetime],
    at: datetime,
) -> ReplayRequest:
    """Enter a replay, or give the one that was entered under this id.

    Raises `IdReused` for an id with other content, and `TooMany` while another is at work.
    """
    since, until = period
    entered = await tx.sql.execute(
        insert(PolicyReplay)
        .values(
            hub_id=who.hub_id,
            replay_id=replay_id,
            version=version,
            since=since,
            until=until,
            asked_by=who.operator_id,
            asked_at=at,
            state=ReplayState.WAITING.value,
            attempts=0,
            checks=0,
        )
        .on_conflict_do_nothing()
        .returning(PolicyReplay.replay_id)
    )
    known = await _find(tx, who.hub_id, replay_id)
    if entered.one_or_none() is None and known is None:
        raise TooMany("A replay of this hub is at work; one at a time.", retry_after_s=30)
    if known is None or (known.version, known.since, known.until) != (version, since, until):
        raise IdReused
    return known


async def _find(tx: Reading, hub_id: str, replay_id: UUID) -> ReplayRequest | None:
    found = await tx.sql.execute(
        select(*_COLUMNS, PolicyReplay.found).where(*_row(hub_id, replay_id))
    )
    row = found.mappings().one_or_none()
    return None if row is None else _asked(row)


def _row(hub_id: str, replay_id: UUID) -> tuple[ColumnElement[bool], ...]:
    return PolicyReplay.hub_id == hub_id, PolicyReplay.replay_id == replay_id


async def one(tx: Reading, hub_id: str, version: str, replay_id: UUID) -> ReplayRequest:
    """A replay of that version, with what it found. Raises `NotFound`."""
    found = await _find(tx, hub_id, replay_id)
    if found is None or found.version != version:
        raise NotFound("There is no such replay, or its time is over.")
    return found


async def newest(tx: Reading, hub_id: str, version: str, limit: int) -> list[ReplayRequest]:
    """The replays of a version, newest first, without what they found."""
    found = await tx.sql.execute(
        select(*_COLUMNS, null().label("found"))
        .where(PolicyReplay.hub_id == hub_id, PolicyReplay.version == version)
        .order_by(PolicyReplay.asked_at.desc(), PolicyReplay.replay_id)
        .limit(limit)
    )
    return [_asked(row) for row in found.mappings()]


def _asked(row: RowMapping) -> ReplayRequest:
    return ReplayRequest(
        row["replay_id"],
        row["version"],
        row["since"],
        row["until"],
        row["asked_at"],
        ReplayState(row["state"]),
        row["checks"],
        row["checks_expected"],
        row["ended_at"],
        ReplayFault(row["fault"]) if row["fault"] else None,
        row["found"],
    )


async def cancel(
    tx: Transaction, hub_id: str, version: str, replay_id: UUID, at: datetime
) -> None:
    """End a replay; one that has ended stays as it is. Raises `NotFound`."""
    await one(tx, hub_id, version, replay_id)
    await tx.sql.execute(
        update(PolicyReplay)
        .where(*_row(hub_id, replay_id), PolicyReplay.ended_at.is_(None))
        .values(state=ReplayState.CANCELED.value, ended_at=at)
    )


@dataclass(frozen=True, slots=True)
class ReplayAttempt:
    """A replay that this process has, as long as nobody takes it: `attempt` is the fence."""

    database: Database
    hub_id: str
    replay_id: UUID
    attempt: int

    async def note(self, **values: object) -> None:
        """Write to the row. Raises `Canceled`."""
        mine = PolicyReplay.attempts == self.attempt, PolicyReplay.ended_at.is_(None)
        async with self.database.transaction() as tx:
            done = await tx.sql.execute(
                update(PolicyReplay)
                .where(*_row(self.hub_id, self.replay_id), *mine)
                .values(seen_at=clock.now(), **values)
                .returning(PolicyReplay.replay_id)
            )
            if done.one_or_none() is None:
                raise Canceled

    async def progress(self, checks: int) -> None:
        await self.note(checks=checks)

    async def end(self, state: ReplayState, **values: object) -> None:
        await self.note(state=state.value, ended_at=clock.now(), **values)


async def work(
    database: Database, policies: Policies, zone: ZoneInfo, hub_id: str, now: datetime
) -> None:
    """Do the replay that waits at this hub, if one does; forget those whose time is over."""
    async with database.transaction() as tx:
        await tx.sql.execute(
            delete(PolicyReplay).where(
                PolicyReplay.hub_id == hub_id, PolicyReplay.ended_at < now - KEPT
            )
        )
        row = await _claim(tx, hub_id, now)
        if row is None:
            return
        replay_id, version, since, until, attempt = row
        policy = await policies.get(tx, hub_id, version)
    begun = ReplayAttempt(database, hub_id, replay_id, attempt)
    try:
        if attempt > MOST_ATTEMPTS:
            await begun.end(ReplayState.FAILED, fault=ReplayFault.INTERRUPTED.value)
            return
        plan = ReplayPlan(hub_id, policy, zone, since, until)
        await begun.note(checks=0, checks_expected=await stream.expected(database, plan))
        told = await stream.run(database, plan, begun.progress)
        await begun.end(ReplayState.DONE, checks=told.checks, found=asdict(told))
    except TooManyChecks:
        await begun.end(ReplayState.FAILED, fault=ReplayFault.TOO_MANY_CHECKS.value)
    except Canceled:
        observability.log.info("replay canceled", hub=hub_id)


async def _claim(
    tx: Transaction, hub_id: str, now: datetime
) -> tuple[UUID, str, datetime, datetime, int] | None:
    """The replay that waits, or whose process was not heard of; it is ours from here on."""
    claimed = await tx.sql.execute(
        update(PolicyReplay)
        .where(
            PolicyReplay.hub_id == hub_id,
            PolicyReplay.ended_at.is_(None),
            or_(PolicyReplay.seen_at.is_(None), PolicyReplay.seen_at < now - LEASE),
        )
        .values(
            state=ReplayState.RUNNING.value, attempts=PolicyReplay.attempts + 1, seen_at=now
        )
        .returning(
            PolicyReplay.replay_id,
            PolicyReplay.version,
            PolicyReplay.since,
            PolicyReplay.until,
            PolicyReplay.attempts,
        )
    )
    row = claimed.one_or_none()
    return None if row is None else (row[0], row[1], row[2], row[3], row[4])
