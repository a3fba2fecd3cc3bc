"""How feeds stand: when each was well last, and what is wrong with it.

Whatever a source told is as old as its last good word, or as the oldest of its deliveries that
is not applied yet, or of those since the last of use that were given up, refused, or rejected
row by row: who sends what nobody can read has told nothing. Older than three expected intervals
it is stale, and nothing that is stale is ever green.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from pydantic import Field, TypeAdapter

from twinstile.arrivals.feeds import config
from twinstile.arrivals.feeds.config import STALE_AFTER, Department, FeedSource
from twinstile.platform.db.database import Reading
from twinstile.platform.http.circuit_breaker import Breaker
from twinstile.platform.http.field_types import Answer
from twinstile.platform.http.problems import Problem
from twinstile.platform.http.routes import Runtime
from twinstile.platform.ops import clock, observability
from twinstile.platform.ops.settings import Settings

MOST_WAITING: Final = 1000
"""Deliveries that are counted at most: the rest is as bad."""
LOOKED_BACK: Final = timedelta(minutes=10)
TRAVELLERS: Final = frozenset({Department.RAIL, Department.CARRIER})
"""Who tells of runs and who is on them."""
PEOPLE: Final = frozenset({Department.POLICE, Department.HEALTH})
"""Who tells of people the gate is asked to know."""

_BREAKER: Final = TypeAdapter(Breaker)


class FeedCondition(StrEnum):
    """How a feed does, the worst that can be said of it."""

    OK = "OK"
    FAILING = "FAILING"  # the last word was a fault, and not long ago all was well
    STALE = "STALE"
    NEVER = "NEVER"  # nothing was ever heard of it


@dataclass(frozen=True, slots=True)
class FeedStatus:
    """One feed at a moment. The counters are those of `FeedState`."""

    sender: FeedSource
    now: datetime
    as_of: datetime | None
    polled_at: datetime | None
    fault: str | None
    fault_at: datetime | None
    failures: int
    breaker: Breaker
    counters: Mapping[str, int]
    waiting: int
    """Deliveries that landed and are not applied; at most `MOST_WAITING` are counted."""
    waiting_since: datetime | None
    dead: int

    @property
    def stale(self) -> bool:
        return self.as_of is None or self.now - self.as_of > STALE_AFTER * self.sender.expected

    @property
    def condition(self) -> FeedCondition:
        if self.as_of is None:
            return FeedCondition.NEVER
        if self.stale:
            return FeedCondition.STALE
        return FeedCondition.FAILING if self.fault else FeedCondition.OK


COUNTERS: Final[Sequence[str]] = (
    "deliveries",
    "duplicates",
    "refused",
    "rows",
    "applied",
    "repeated",
    "superseded",
    "rejected",
    "unmatched",
)
_STAND = f"""
SELECT f.place, s.as_of, s.polled_at, s.fault, s.fault_at, coalesce(s.failures, 0),
    coalesce(s.breaker, '{{}}'), w.waiting, w.since, d.dead, b.since,
    {", ".join(f"coalesce(s.{name}, 0)" for name in COUNTERS)}
FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS f(hub_id, feed, place)
LEFT JOIN feed_state s ON s.hub_id = f.hub_id AND s.feed = f.feed
CROSS JOIN LATERAL (
    SELECT count(*) AS waiting, min(received_at) AS since FROM (
        SELECT received_at FROM feed_delivery
        WHERE hub_id = f.hub_id AND feed = f.feed AND state = 'LANDED' LIMIT $3
    ) AS landed
) AS w
CROSS JOIN LATERAL (
    SELECT count(*) AS dead FROM (
        SELECT FROM feed_delivery
        WHERE hub_id = f.hub_id AND feed = f.feed AND state = 'DEAD' LIMIT $3
    ) AS given_up
) AS d
CROSS JOIN LATERAL (
    SELECT min(received_at) AS since FROM feed_delivery
    WHERE hub_id = f.hub_id AND feed = f.feed
      AND (state IN ('DEAD', 'REFUSED') OR rejected > 0 AND rejected = rows)
      AND n > coalesce((SELECT n FROM feed_delivery
                        WHERE hub_id = f.hub_id AND feed = f.feed
                          AND state = 'APPLIED' AND (rejected < rows OR rows = 0)
                        ORDER BY n DESC LIMIT 1), 0)
) AS b
ORDER BY f.place
"""  # noqa: S608 # names of ours


async def feed_statuses(
    tx: Reading, senders: Sequence[FeedSource], now: datetime
) -> list[FeedStatus]:
    """How these feeds stand, in their order."""
    if not senders:
        return []
    hubs = [one.feed.hub_id for one in senders]
    names = [one.feed.name for one in senders]
    rows = await tx.raw.fetch(_STAND, hubs, names, MOST_WAITING)
    found: list[FeedStatus] = []
    for sender, row in zip(senders, rows, strict=True):
        _, told, polled_at, fault, fault_at, failures, breaker, *more = row
        waiting, since, dead, bad_since, *counts = more
        as_of = min(one for one in (told, since, bad_since) if one) if told else None
        counters: dict[str, int] = dict(zip(COUNTERS, counts, strict=True))
        opened = _BREAKER.validate_python(breaker)
        standing = FeedStatus(
            sender,
            now,
            as_of,
            polled_at,
            fault,
            fault_at,
            failures,
            opened,
            counters,
            waiting,
            since,
            dead,
        )
        found.append(standing)
    return found


@dataclass(frozen=True, slots=True)
class RecentOutcome:
    """What came of the deliveries of the last ten minutes."""

    rows: int = 0
    rejected: int = 0
    unmatched: int = 0
    lost: int = 0
    """Deliveries refused or given up."""

    def share(self, part: int) -> float:
        """A part of the rows; 0 where there were none."""
        return part / self.rows if self.rows else 0.0


_RECENT = """
SELECT coalesce(sum(rows), 0), coalesce(sum(rejected), 0), coalesce(sum(unmatched), 0),
    count(*) FILTER (WHERE state IN ('DEAD', 'REFUSED'))
FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS f(hub_id, feed, place)
LEFT JOIN LATERAL (
    SELECT * FROM (
        SELECT * FROM feed_delivery WHERE hub_id = f.hub_id AND feed = f.feed
        ORDER BY n DESC LIMIT $4
    ) AS last WHERE received_at > $3
) AS d ON true
GROUP BY f.place ORDER BY f.place
"""


async def recent_outcomes(
    tx: Reading, senders: Sequence[FeedSource], now: datetime
) -> list[RecentOutcome]:
    """The same for each of these feeds, in their order; of its last `MOST_WAITING` at most."""
    if not senders:
        return []
    hubs = [one.feed.hub_id for one in senders]
    names = [one.feed.name for one in senders]
    rows = await tx.raw.fetch(_RECENT, hubs, names, now - LOOKED_BACK, MOST_WAITING)
    return [RecentOutcome(*row) for row in rows]


class ColumnAnswer(Answer):
    name: str
    first_at: datetime
    last_at: datetime


async def unknown_columns(tx: Reading, hub_id: str) -> dict[str, list[ColumnAnswer]]:
    """The unknown columns of each feed of a hub."""
    rows = await tx.raw.fetch(
        "SELECT feed, name, first_at, last_at FROM feed_column WHERE hub_id = $1"
        " ORDER BY feed, name",
        hub_id,
    )
    found: dict[str, list[ColumnAnswer]] = {}
    for feed, name, first_at, last_at in rows:
        column = ColumnAnswer(name=name, first_at=first_at, last_at=last_at)
        found.setdefault(feed, []).append(column)
    return found


def sources_of_hub(senders: Iterable[FeedSource], hub_id: str) -> list[FeedSource]:
    """The feeds of one hub."""
    return [one for one in senders if one.feed.hub_id == hub_id]


class FeedFreshness(Answer):
    source: str = Field(description="the name of the feed", examples=["rail-lists"])
    as_of: datetime | None = Field(
        description="what it told is known up to then; null: nothing has come yet"
    )
    stale: bool = Field(description="older than three of its intervals: verify by hand")


async def feed_freshness(
    tx: Reading,
    settings: Settings,
    hub_id: str,
    departments: Collection[Department],
    now: datetime,
) -> list[FeedFreshness]:
    """The feeds of these departments at a hub. Raises `InvalidFile`."""
    senders = sources_of_hub(config.feed_sources(settings), hub_id)
    asked = [one for one in senders if one.department in departments]
    return [
        FeedFreshness(source=one.sender.feed.name, as_of=one.as_of, stale=one.stale)
        for one in await feed_statuses(tx, asked, now)
    ]


async def update_gauges(runtime: Runtime) -> None:
    """Bring the gauges up to date; without the database they stay as they are."""
    senders, now = config.feed_sources(runtime.settings), clock.now()
    if not senders:
        return
    try:
        async with runtime.database.reading() as tx:
            stand = await feed_statuses(tx, senders, now)
            recent = await recent_outcomes(tx, senders, now)
    except Problem as problem:
        observability.log.warning("feeds not measured", problem=problem.slug)
        return
    for one, lately in zip(stand, recent, strict=True):
        labels = one.sender.feed.hub_id, one.sender.feed.name
        if one.as_of is not None:
            observability.FEED_AGE.labels(*labels).set((now - one.as_of).total_seconds())
        rejected, unmatched = lately.share(lately.rejected), lately.share(lately.unmatched)
        observability.FEED_SHARE.labels(*labels, "rejected").set(rejected)
        observability.FEED_SHARE.labels(*labels, "unmatched").set(unmatched)
        observability.FEED_DELIVERIES.labels(*labels, "waiting").set(one.waiting)
        observability.FEED_DELIVERIES.labels(*labels, "dead").set(one.dead)
