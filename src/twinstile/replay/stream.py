"""The checks of a period, page by page, through another policy.

Read under the role that sees no identity, each page in a short transaction of its own, so that
nothing is held for minutes. Every few milliseconds the process turns to its gates.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, cast
from uuid import UUID
from zoneinfo import ZoneInfo

from twinstile.platform.db.database import READ_ROLE, Database, Reading
from twinstile.platform.security.devices import LaneKind
from twinstile.policy.types import HubPolicy
from twinstile.replay.fold import CheckRow, LanePlace, Moved, Replay
from twinstile.replay.queues import Station
from twinstile.replay.replay_result import ReplayResult
from twinstile.screening.types import LaneDirection, ScreeningState

MOST_CHECKS: Final = 5_000_000
PAGE: Final = 1000
SLICE: Final = 50
"""Checks after which others have their turn: some milliseconds."""
SETTLED_EVERY: Final = 50
"""Pages after which passages that ended are put away."""
TOLD_EVERY_S: Final = 2.0
STATEMENT_S: Final = 30


class TooManyChecks(Exception):
    """The period holds more than `MOST_CHECKS`; nothing was replayed."""


@dataclass(frozen=True, slots=True)
class ReplayPlan:
    """What to replay: checks received in [since, until) of passages that began in it."""

    hub_id: str
    policy: HubPolicy
    zone: ZoneInfo
    since: datetime
    until: datetime


PAGE_SQL: Final = """
SELECT c.received_at, c.counter, c.id, c.screening_id, c.lane_id, c.observed_at,
       c.clock_offset_ms, c.evidence::text, c.verdict, c.outcome, c.state, c.reasons::text,
       s.opened_at < $2,
       c.state <> ALL ($7) OR s.opened_at < least(c.received_at, c.observed_at
           + c.clock_offset_ms * interval '1 millisecond') - interval '2 milliseconds'
FROM (
    SELECT * FROM "check" c
    WHERE c.hub_id = $1 AND c.received_at >= $4 AND c.received_at < $3
      AND (c.received_at, c.counter, c.id) > ($4, $5, $6)
    ORDER BY c.received_at, c.counter, c.id LIMIT $8
) c, LATERAL (
    SELECT s.opened_at FROM screening s
    WHERE s.hub_id = $1 AND s.screening_id = c.screening_id LIMIT 1
) s
ORDER BY c.received_at, c.counter, c.id
"""
"""A page after ($4, $5, $6); the facts of one message are in the order of its device's counter.

Last: whether the passage began before the period; whether steps of it must be known, because it
is open after the check, or was so before its first one (moments are stored to the millisecond).
"""
_MOVES_SQL = """
SELECT e.at, e.subject_id, e.body #>> '{path,0,0}', e.body #>> '{path,-1,2}', e.kind
FROM unnest($2::uuid[]) AS asked (id), LATERAL (
    SELECT at, tx, event_id, subject_id, kind, body FROM event e
    WHERE e.hub_id = $1 AND e.subject_id = asked.id OFFSET 0
) e
WHERE e.kind <> 'screening.checked' AND e.body #> '{path,0}' IS NOT NULL
ORDER BY e.at, e.tx, e.event_id
"""
_COUNT_SQL = """
SELECT count(*) FROM (
    SELECT FROM "check"
    WHERE hub_id = $1 AND received_at >= $2 AND received_at < $3 LIMIT $4) c
"""
_LANES_SQL = "SELECT lane_id, checkpoint, kind, direction FROM lane WHERE hub_id = $1"
_STATIONS: Final[Mapping[LaneKind, Station]] = {
    **dict.fromkeys(LaneKind, Station.AUTO),
    LaneKind.ASSISTED: Station.ASSISTED,
    LaneKind.SECONDARY: Station.SECONDARY,
}
"""Before which queue the lanes of a kind stand."""
_TERMINAL = [state.value for state in ScreeningState if state.terminal]
_BY_PERSON = "screening.step"
_FIRST = UUID(int=0)


async def expected(database: Database, plan: ReplayPlan) -> int:
    """How many checks there are to replay. Raises `TooManyChecks`."""
    async with database.reading(READ_ROLE) as tx:
        await tx.raw.execute(f"SET LOCAL statement_timeout = '{STATEMENT_S}s'")
        row = await tx.raw.fetchrow(
            _COUNT_SQL, plan.hub_id, plan.since, plan.until, MOST_CHECKS + 1
        )
    count = cast("int", row[0]) if row else 0
    if count > MOST_CHECKS:
        raise TooManyChecks(f"more than {MOST_CHECKS:,} checks: choose a shorter period")
    return count


async def _nobody_listens(_: int) -> None:
    return None


async def run(
    database: Database,
    plan: ReplayPlan,
    on_progress: Callable[[int], Awaitable[None]] = _nobody_listens,
) -> ReplayResult:
    """Replay; `on_progress` hears of the checks done, every two seconds, and may raise."""
    async with database.reading(READ_ROLE) as tx:
        lanes = {
            lane_id: LanePlace(checkpoint, _STATIONS[LaneKind(kind)], LaneDirection(direction))
            for lane_id, checkpoint, kind, direction in await tx.raw.fetch(
                _LANES_SQL, plan.hub_id
            )
        }
    replay = Replay(plan.policy, plan.zone, lanes)
    pages, told_at = 0, time.monotonic()
    page = await _page(database, plan, replay, (plan.since, 0, _FIRST))
    while True:
        replay.expect(page.asked, page.moves)
        async with asyncio.TaskGroup() as beside:
            more = None
            if len(page.rows) == PAGE:
                last = page.rows[-1][:3]
                more = beside.create_task(_page(database, plan, replay, last))
            for start in range(0, len(page.rows), SLICE):
                for row in page.rows[start : start + SLICE]:
                    replay.take(row)
                await asyncio.sleep(0)
        if more is None:
            return await asyncio.to_thread(replay.told, plan.until)
        page, pages = more.result(), pages + 1
        if pages % SETTLED_EVERY == 0:
            replay.settle(page.rows[0][0] if page.rows else plan.until)
        if time.monotonic() - told_at > TOLD_EVERY_S:
            await on_progress(replay.checks)
            told_at = time.monotonic()


@dataclass(frozen=True, slots=True)
class _Page:
    rows: Sequence[CheckRow]
    asked: Sequence[UUID]
    moves: Sequence[Moved]


async def _page(
    database: Database, plan: ReplayPlan, replay: Replay, after: tuple[datetime, int, UUID]
) -> _Page:
    async with database.reading(READ_ROLE) as tx:
        await tx.raw.execute(f"SET LOCAL statement_timeout = '{STATEMENT_S}s'")
        found = await tx.raw.fetch(
            PAGE_SQL, plan.hub_id, plan.since, plan.until, *after, _TERMINAL, PAGE
        )
        rows = cast("list[CheckRow]", cast("object", found))
        asked = replay.asks(rows)
        return _Page(rows, asked, await _moves(tx, plan.hub_id, asked) if asked else [])


async def _moves(tx: Reading, hub_id: str, screening_ids: Sequence[UUID]) -> list[Moved]:
    return [
        Moved(
            at,
            screening_id,
            ScreeningState(before),
            ScreeningState(after),
            kind == _BY_PERSON,
        )
        for at, screening_id, before, after, kind in await tx.raw.fetch(
            _MOVES_SQL, hub_id, list(screening_ids)
        )
    ]
