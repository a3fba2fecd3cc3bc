"""Deliveries from landing to their end: due, applied, given up, and taken up again."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from twinstile.arrivals.feeds.apply_batch import BatchCounts
from twinstile.arrivals.feeds.inbox import DeliveryState
from twinstile.arrivals.feeds.reading import FeedSettings
from twinstile.platform.db.database import Reading, Transaction
from twinstile.platform.http.problems import FieldFault, InvalidInput

RETRIES: Final = (
    timedelta(minutes=1),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
)
"""After each attempt that failed; after the last a delivery is dead."""
MOST_REJECTS: Final = 10_000
"""Of one delivery that are kept; more are counted."""
MOST_COLUMNS: Final = 200
"""Unknown ones of one feed."""
LONGEST_COLUMN: Final = 100

_DUE = """
SELECT delivery_id FROM feed_delivery
WHERE hub_id = $1 AND feed = $2 AND state = 'LANDED' AND due_at <= $3 ORDER BY n LIMIT $4
"""


async def due_deliveries(
    tx: Reading, feed: FeedSettings, now: datetime, most: int
) -> list[UUID]:
    """Deliveries to be applied, in the order in which they landed."""
    rows = await tx.raw.fetch(_DUE, feed.hub_id, feed.name, now, most)
    return [delivery_id for (delivery_id,) in rows]


_LOCK_FEED = "SELECT 1 FROM feed_state WHERE hub_id = $1 AND feed = $2 FOR UPDATE"
_CLAIM = """
SELECT rejected FROM feed_delivery
WHERE hub_id = $1 AND delivery_id = $2 AND state = 'LANDED' AND rows_applied = $3 FOR UPDATE
"""


async def claim_delivery(
    tx: Transaction, feed: FeedSettings, delivery_id: UUID, position: int
) -> int | None:
    """Let nobody else apply anything of the feed until the transaction ends.

    How many rows of the delivery were rejected so far. None: somebody else has gone on with it
    since, or ended it.
    """
    await tx.raw.execute(_LOCK_FEED, feed.hub_id, feed.name)
    row = await tx.raw.fetchrow(_CLAIM, feed.hub_id, delivery_id, position)
    return None if row is None else row[0]


_COUNTERS: Final = ("rows", "applied", "repeated", "superseded", "rejected", "unmatched")
_ADVANCE = f"""
UPDATE feed_delivery SET rows_applied = rows_applied + $3,
    {", ".join(f"{name} = {name} + ${n}" for n, name in enumerate(_COUNTERS, 4))}
WHERE hub_id = $1 AND delivery_id = $2
"""  # noqa: S608 # names of ours
_COUNT = f"""
UPDATE feed_state SET
    {", ".join(f"{name} = {name} + ${n}" for n, name in enumerate(_COUNTERS, 3))}
WHERE hub_id = $1 AND feed = $2
"""  # noqa: S608 # names of ours
_REJECT = """
INSERT INTO feed_reject (hub_id, delivery_id, ordinal, row, reason, "column")
SELECT $1, $2, w.* FROM unnest($3::int[], $4::int[], $5::text[], $6::text[]) AS w
ON CONFLICT DO NOTHING
"""
_WAIT = """
INSERT INTO feed_waiting (hub_id, feed, delivery_id, scheme, service_no, service_date)
SELECT $1, $2, $3, w.* FROM unnest($4::text[], $5::text[], $6::date[]) AS w
ON CONFLICT DO NOTHING
"""


async def advance_delivery(
    tx: Transaction,
    feed: FeedSettings,
    delivery_id: UUID,
    count: int,
    counts: BatchCounts,
    rejected_before: int,
) -> None:
    """Enter that so many records more were taken, and what came of their rows.

    `rejected_before` is how many were rejected before.
    """
    counted = (
        counts.rows,
        counts.applied,
        counts.repeated,
        counts.superseded,
        len(counts.rejects),
        counts.unmatched,
    )
    await tx.raw.execute(_ADVANCE, feed.hub_id, delivery_id, count, *counted)
    await tx.raw.execute(_COUNT, feed.hub_id, feed.name, *counted)
    kept = counts.rejects[: max(0, MOST_REJECTS - rejected_before)]
    if kept:
        rows = [
            (at, one.row, one.reason, one.column and printable(one.column)) for at, one in kept
        ]
        await tx.raw.execute(
            _REJECT, feed.hub_id, delivery_id, *map(list, zip(*rows, strict=True))
        )
    if counts.waiting:
        numbers = map(list, zip(*sorted(counts.waiting), strict=True))
        await tx.raw.execute(_WAIT, feed.hub_id, feed.name, delivery_id, *numbers)


def printable(name: str) -> str:
    """A sender's name of a column, as the database can keep it."""
    return name[:LONGEST_COLUMN].replace("\0", "?").encode(errors="replace").decode()


_SEE = """
INSERT INTO feed_column (hub_id, feed, name, first_at, last_at)
SELECT $1, $2, name, $3, $3 FROM unnest($4::text[]) AS name
WHERE (SELECT count(*) FROM feed_column WHERE hub_id = $1 AND feed = $2) < $5
   OR name IN (SELECT c.name FROM feed_column c WHERE c.hub_id = $1 AND c.feed = $2)
ON CONFLICT (hub_id, feed, name) DO UPDATE SET last_at = excluded.last_at
"""


async def record_columns(
    tx: Transaction, feed: FeedSettings, columns: Collection[str], now: datetime
) -> None:
    """Note columns nobody knows: the format of a feed may have changed."""
    if columns:
        names = sorted(set(map(printable, columns)))
        await tx.raw.execute(_SEE, feed.hub_id, feed.name, now, names, MOST_COLUMNS)


_END = """
UPDATE feed_delivery
SET state = CASE WHEN $3::text IS NULL THEN 'APPLIED' ELSE 'DEAD' END, fault = $3, ended_at = $4
WHERE hub_id = $1 AND delivery_id = $2 AND state = 'LANDED'
"""


async def end_delivery(
    tx: Transaction, feed: FeedSettings, delivery_id: UUID, fault: str | None, now: datetime
) -> None:
    """All of it was applied; or what could be read of it, and the word for why not more."""
    await tx.raw.execute(_END, feed.hub_id, delivery_id, fault, now)


_FAIL = """
UPDATE feed_delivery SET attempts = attempts + 1, fault = $3,
    state = CASE WHEN attempts >= $4 THEN 'DEAD' ELSE state END,
    ended_at = CASE WHEN attempts >= $4 THEN $5::timestamptz END,
    due_at = $5 + ($6::interval[])[attempts + 1]
WHERE hub_id = $1 AND delivery_id = $2 AND state = 'LANDED'
"""


async def fail_delivery(
    tx: Transaction, feed: FeedSettings, delivery_id: UUID, fault: str, now: datetime
) -> None:
    """An attempt failed: try again later, or after the last give it up. Others do not wait."""
    waits = [*RETRIES, timedelta(0)]
    await tx.raw.execute(_FAIL, feed.hub_id, delivery_id, fault, len(RETRIES), now, waits)


_AGAIN = f"""
WITH again AS (
    UPDATE feed_delivery d SET state = 'LANDED', attempts = 0, due_at = $3, fault = NULL,
        ended_at = NULL, rows_applied = 0, {", ".join(f"{name} = 0" for name in _COUNTERS)}
    FROM (SELECT delivery_id AS was_id,
              {", ".join(f"{name} AS was_{name}" for name in _COUNTERS)}
          FROM feed_delivery
          WHERE hub_id = $1 AND feed = $2 AND delivery_id = ANY($4::uuid[])
            AND state IN ('APPLIED', 'DEAD')
          FOR UPDATE) w
    WHERE d.hub_id = $1 AND d.delivery_id = w.was_id
    RETURNING d.delivery_id, {", ".join(f"w.was_{name}" for name in _COUNTERS)}
), counted AS (
    UPDATE feed_state s SET
        {", ".join(f"{name} = s.{name} - a.{name}" for name in _COUNTERS)}
    FROM (SELECT {", ".join(f"coalesce(sum(was_{name}), 0) AS {name}" for name in _COUNTERS)}
          FROM again) a
    WHERE s.hub_id = $1 AND s.feed = $2
), rejects AS (
    DELETE FROM feed_reject r USING again
    WHERE r.hub_id = $1 AND r.delivery_id = again.delivery_id
), waiting AS (
    DELETE FROM feed_waiting w USING again
    WHERE w.hub_id = $1 AND w.delivery_id = again.delivery_id
)
SELECT delivery_id FROM again
"""  # noqa: S608 # names of ours


async def replay_deliveries(
    tx: Transaction, feed: FeedSettings, delivery_ids: Sequence[UUID], now: datetime
) -> list[UUID]:
    """Apply deliveries anew from their bytes, as from now on; those there were to.

    What stands already is known as such; what could not be read, matched or stored before is
    tried again, and counted as it goes then. Not a delivery that is being applied.
    """
    await tx.raw.execute(_LOCK_FEED, feed.hub_id, feed.name)
    rows = await tx.raw.fetch(_AGAIN, feed.hub_id, feed.name, now, list(delivery_ids))
    return [delivery_id for (delivery_id,) in rows]


_AWAITED = """
WITH number AS MATERIALIZED (
    SELECT DISTINCT hub_id, feed, scheme, service_no, service_date FROM feed_waiting
    WHERE hub_id = $1 AND feed = $2
), met AS MATERIALIZED (
    SELECT number.* FROM number
    JOIN run_alias USING (hub_id, scheme, service_no, service_date)
)
SELECT DISTINCT delivery_id FROM met
JOIN feed_waiting USING (hub_id, feed, scheme, service_no, service_date)
JOIN feed_delivery d USING (hub_id, delivery_id)
WHERE d.state <> 'LANDED' LIMIT 100
"""


async def wake_waiting(tx: Transaction, feed: FeedSettings, now: datetime) -> int:
    """Apply those anew that have rows of runs announced since; how many.

    Those too that were given up: what could be read of them counts.
    """
    rows = await tx.raw.fetch(_AWAITED, feed.hub_id, feed.name)
    return len(await replay_deliveries(tx, feed, [of for (of,) in rows], now)) if rows else 0


MOST_DELIVERIES: Final = 50
"""That are shown as given up or refused, the latest first."""
_PLACE: Final = re.compile(r"([0-9]{1,18})\.([0-9]{1,9})", re.ASCII)


@dataclass(frozen=True, slots=True)
class QuarantinedRow:
    """A row that was set aside; `n` and `ordinal` are its place among all of the feed."""

    n: int
    ordinal: int
    delivery_id: UUID
    received_at: datetime
    row: int
    reason: str
    column: str | None

    @property
    def place(self) -> str:
        """The cursor of the page after it."""
        return f"{self.n}.{self.ordinal}"


@dataclass(frozen=True, slots=True)
class QuarantinedDelivery:
    """A delivery that came to nothing, or not to its end."""

    delivery_id: UUID
    received_at: datetime
    state: DeliveryState
    reason: str
    attempts: int


_ROWS = """
SELECT d.n, r.ordinal, d.delivery_id, d.received_at, r.row, r.reason, r."column"
FROM feed_delivery d
JOIN feed_reject r ON r.hub_id = d.hub_id AND r.delivery_id = d.delivery_id
WHERE d.hub_id = $1 AND d.feed = $2 AND d.rejected > 0 AND d.n <= $3
  AND (d.n < $3 OR r.ordinal > $4)
ORDER BY d.n DESC, r.ordinal LIMIT $5
"""
_DELIVERIES = """
SELECT delivery_id, received_at, state, coalesce(fault, 'failed'), attempts
FROM feed_delivery
WHERE hub_id = $1 AND feed = $2 AND state IN ('DEAD', 'REFUSED')
ORDER BY n DESC LIMIT $3
"""


async def quarantined_rows(
    tx: Reading, feed: FeedSettings, cursor: str | None, limit: int
) -> list[QuarantinedRow]:
    """Rows set aside, those of the latest delivery first. Raises `InvalidInput`."""
    n, ordinal = _after(cursor)
    found = await tx.raw.fetch(_ROWS, feed.hub_id, feed.name, n, ordinal, limit)
    return [QuarantinedRow(*row) for row in found]


async def quarantined_deliveries(
    tx: Reading, feed: FeedSettings
) -> Sequence[QuarantinedDelivery]:
    """Deliveries that were given up or refused, the latest first."""
    found = await tx.raw.fetch(_DELIVERIES, feed.hub_id, feed.name, MOST_DELIVERIES)
    return [
        QuarantinedDelivery(of, at, DeliveryState(state), *more)
        for of, at, state, *more in found
    ]


async def dead_deliveries(tx: Reading, feed: FeedSettings, most: int) -> list[UUID]:
    """Deliveries that were given up, the oldest first."""
    found = await tx.raw.fetch(
        "SELECT delivery_id FROM feed_delivery"
        " WHERE hub_id = $1 AND feed = $2 AND state = 'DEAD' ORDER BY n LIMIT $3",
        feed.hub_id,
        feed.name,
        most,
    )
    return [delivery_id for (delivery_id,) in found]


def _after(cursor: str | None) -> tuple[int, int]:
    if cursor is None:
        return 2**63 - 1, -1
    place = _PLACE.fullmatch(cursor)
    if place is None:
        raise InvalidInput(errors=[FieldFault("/cursor", "invalid-format")])
    return int(place[1]), int(place[2])
