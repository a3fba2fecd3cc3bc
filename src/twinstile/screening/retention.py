"""Retention: the carrier's key of a traveller leaves a screening when its manifest does.

A ticket number finds its holder at the carrier, so it is a name kept elsewhere. What is counted
of a screening needs none.
"""

from datetime import datetime
from typing import Final

from twinstile.platform.db.database import Transaction

BATCH: Final = 5000
"""Screenings a statement: each is locked for milliseconds."""

# A screening somebody is deciding about is left for the next run.
_FORGET = """
WITH old AS (
    SELECT s.screening_id
    FROM screening s JOIN run r ON r.hub_id = s.hub_id AND r.run_id = s.run_id
    WHERE s.hub_id = $1 AND s.entry_id IS NOT NULL
      AND coalesce(r.actual_arrival, r.scheduled_arrival) < $2
    LIMIT $3
    FOR NO KEY UPDATE OF s SKIP LOCKED
)
UPDATE screening s SET entry_id = NULL FROM old
WHERE s.hub_id = $1 AND s.screening_id = old.screening_id
RETURNING 1
"""


async def forget(tx: Transaction, hub_id: str, before: datetime) -> int:
    """Take the carrier's key from screenings of runs that arrived before the moment.

    At most `BATCH` of them, so that no transaction grows with the hub; how many there were.
    """
    return len(await tx.raw.fetch(_FORGET, hub_id, before, BATCH))
