"""What became of the cases of a period: how soon they left, and who was reached since."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from twinstile.platform.db.database import Reading

_DEPARTED: Final = """
WITH left_at AS (
    SELECT extract(epoch FROM min(l.recorded_at) - min(c.opened_at))::int AS after
    FROM fever_case c JOIN leg l ON l.hub_id = c.hub_id AND l.case_id = c.case_id
    WHERE c.hub_id = $1 AND c.opened_at >= $2 AND c.opened_at < $3
    GROUP BY c.case_id
)
SELECT count(*), percentile_disc(ARRAY[0.5, 0.9, 0.95]) WITHIN GROUP (ORDER BY after)
FROM left_at
"""
# A contact that the case outran before its time was never to be made.
_FOLLOWED: Final = """
SELECT count(*), count(*) FILTER (WHERE reached),
       count(*) FILTER (WHERE reached AND done_at <= due_at + interval '24 hours')
FROM (
    SELECT f.*, f.outcome IS NOT DISTINCT FROM 'REACHED' AS reached
    FROM fever_case c JOIN follow_up f ON f.hub_id = c.hub_id AND f.case_id = c.case_id
    WHERE c.hub_id = $1 AND c.opened_at >= $2 AND c.opened_at < $3
) f
WHERE reached OR attempts > 0 OR due_at <= coalesce(done_at, $4)
"""


@dataclass(frozen=True, slots=True)
class Departures:
    """Cases of which a patient left the hub, and seconds from opening to the first departure.

    By our clock. Percentiles are times that a case took; None when nobody left.
    """

    cases: int = 0
    p50_s: int | None = None
    p90_s: int | None = None
    p95_s: int | None = None


@dataclass(frozen=True, slots=True)
class FollowedUp:
    """Contacts that were to be made by now, and those by which somebody was reached."""

    due: int = 0
    made: int = 0
    made_24h: int = 0

    @property
    def completion(self) -> float | None:
        """Share of the contacts due that were made within a day; None when none was due."""
        return round(self.made_24h / self.due, 4) if self.due else None


async def departures(
    tx: Reading, hub_id: str, since: datetime, until: datetime, timeout_s: int
) -> Departures:
    """How soon the cases opened in [since, until) left. One statement."""
    row = await tx.raw.fetchrow(_DEPARTED, hub_id, since, until, timeout=timeout_s)
    return Departures(row[0], *(row[1] or ())) if row else Departures()


async def followed_up(
    tx: Reading, hub_id: str, since: datetime, until: datetime, at: datetime, timeout_s: int
) -> FollowedUp:
    """Who of the cases opened in [since, until) was reached by `at`. One statement."""
    row = await tx.raw.fetchrow(_FOLLOWED, hub_id, since, until, at, timeout=timeout_s)
    return FollowedUp(*row) if row else FollowedUp()
