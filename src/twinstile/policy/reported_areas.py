"""Key areas as departments list them: kept beside the policy's own, and looked up like them.

A policy changes by the hand of two persons, a department's list several times a day. So what is
received enters no policy: a decision reads both, and the more severe of the two counts.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

from twinstile.platform.db.database import Reading, Transaction
from twinstile.policy import areas
from twinstile.policy.areas import Areas, KeyArea, Level

MOST: Final = 5000
"""Areas of a hub that count at once; of more, those that end last."""
KEPT: Final = timedelta(days=3)
"""After its end, for checks that a device hands over late."""


@dataclass(frozen=True, slots=True)
class AreaReport:
    """What a feed says under one key of its own. Without an area: it is listed no more."""

    key: str
    area: KeyArea | None


_WRITE = """
INSERT INTO key_area (hub_id, feed, key, code, level, since, until, recorded_at)
SELECT $1, $2, w.*, $3
FROM unnest($4::text[], $5::text[], $6::text[], $7::date[], $8::date[]) AS w
ON CONFLICT (hub_id, feed, key) DO UPDATE SET (code, level, since, until, recorded_at) =
    (excluded.code, excluded.level, excluded.since, excluded.until, excluded.recorded_at)
"""
_REMOVE = "DELETE FROM key_area WHERE hub_id = $1 AND feed = $2 AND key = ANY($3::text[])"
_COUNT_ON = """
INSERT INTO key_area_list AS l (hub_id, revision) VALUES ($1, 1)
ON CONFLICT (hub_id) DO UPDATE SET revision = l.revision + 1
"""


async def apply(
    tx: Transaction, hub_id: str, feed: str, reported: Sequence[AreaReport], at: datetime
) -> None:
    """Take what a feed says of its areas, each key once."""
    listed = [(one.key, one.area) for one in reported if one.area is not None]
    gone = [one.key for one in reported if one.area is None]
    if gone:
        await tx.raw.execute(_REMOVE, hub_id, feed, gone)
    if listed:
        told = [
            (key, area.code, area.level.value, area.since, area.until) for key, area in listed
        ]
        await tx.raw.execute(_WRITE, hub_id, feed, at, *map(list, zip(*told, strict=True)))
    if reported:
        await tx.raw.execute(_COUNT_ON, hub_id)


REVISION_SQL: Final = """
(SELECT l.revision FROM key_area_list l WHERE l.hub_id = {hub})
"""
"""The revision of what was received, for a statement of a room above; NULL: nothing was."""

_READ = """
SELECT code, level, since, until FROM key_area
WHERE hub_id = $1 ORDER BY until DESC, feed, key LIMIT $2
"""


async def read(tx: Reading, hub_id: str) -> Areas:
    """What was received, to be looked up by place and day."""
    rows = await tx.raw.fetch(_READ, hub_id, MOST)
    return areas.compiled(
        (), (KeyArea(code, Level(level), since, until) for code, level, since, until in rows)
    )


async def forget(tx: Transaction, hub_id: str, today: date) -> int:
    """Delete areas that have ended; how many."""
    gone = await tx.raw.fetch(
        "DELETE FROM key_area WHERE hub_id = $1 AND until < $2 RETURNING 1",
        hub_id,
        today - KEPT,
    )
    return len(gone)
