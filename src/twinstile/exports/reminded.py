"""How a period was reminded: what was told to many, and messages with what became of them."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from twinstile.exports import reader
from twinstile.platform.db.database import Database
from twinstile.platform.db.schema import first_id
from twinstile.screening.types import NoticeKind, NoticeState, ReminderKind

LONGEST_S: Final = 60
MOST_ROWS: Final = 2000
"""Combinations; channel and language are words of whoever tells."""


@dataclass(frozen=True, slots=True)
class GroupReminder:
    """Reminders to a whole run or hall."""

    kind: ReminderKind
    channel: str
    language: str
    count: int


@dataclass(frozen=True, slots=True)
class Noticed:
    """Messages to single people; `code` says why, of those that did not reach anybody."""

    kind: NoticeKind
    contact: str
    channel: str
    language: str
    state: NoticeState
    code: str | None
    count: int


_GIVEN = """
SELECT kind, channel, language, count(*) FROM reminder
WHERE hub_id = $1 AND given_at >= $2 AND given_at < $3
GROUP BY 1, 2, 3 ORDER BY 1, 2, 3 LIMIT $4
"""
_NOTICED = """
SELECT kind, contact, channel, language, state,
       CASE WHEN state IN ('FAILED', 'UNKNOWN') THEN evidence -> -1 ->> 'code' END AS code,
       count(*)
FROM notice WHERE hub_id = $1 AND notice_id >= $2 AND notice_id < $3
GROUP BY 1, 2, 3, 4, 5, 6 ORDER BY 1, 2, 3, 4, 5, 6 LIMIT $4
"""


async def of_period(
    database: Database, hub_id: str, since: datetime, until: datetime
) -> tuple[list[GroupReminder], list[Noticed]]:
    """Reminders given, and messages first ordered, in [since, until). Two statements.

    A message's id tells when it was ordered. Raises `TooMany`, `Unavailable`.
    """
    async with reader.reading(database, LONGEST_S) as tx:
        given = await tx.raw.fetch(_GIVEN, hub_id, since, until, MOST_ROWS)
        ids = (first_id(since), first_id(until))
        noticed = await tx.raw.fetch(_NOTICED, hub_id, *ids, MOST_ROWS)
    return (
        [GroupReminder(ReminderKind(kind), *rest) for kind, *rest in given],
        [
            Noticed(NoticeKind(kind), contact, channel, language, NoticeState(state), *rest)
            for kind, contact, channel, language, state, *rest in noticed
        ],
    )
