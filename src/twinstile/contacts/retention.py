"""Retention: whom a list names is deleted when the identity of its case ends; counts stay."""

from datetime import datetime
from typing import Final

from twinstile.cases.retention import OVER_SQL, LegalHold
from twinstile.platform.db.database import Transaction

BATCH: Final = 20
"""Lists a statement; the longest has some thousand rows."""

_FORGET = f"""
WITH old AS (
    SELECT l.list_id FROM contact_list l
    WHERE l.hub_id = $1 AND l.forgotten_at IS NULL AND l.made_at < $2
      AND {OVER_SQL.format(hub="$1", case="l.case_id", before="$2", kinds="$5", placed="$6")}
    ORDER BY l.made_at LIMIT $4
    FOR NO KEY UPDATE OF l SKIP LOCKED
), gone AS (
    DELETE FROM contact c USING old WHERE c.hub_id = $1 AND c.list_id = old.list_id
)
UPDATE contact_list l SET forgotten_at = $3, asked = jsonb_set(l.asked, '{{places}}', '[]')
FROM old WHERE l.hub_id = $1 AND l.list_id = old.list_id
RETURNING 1
"""  # noqa: S608 # a fragment of ours; every value is a parameter


async def forget(tx: Transaction, hub_id: str, before: datetime, now: datetime) -> int:
    """Delete whom lists of cases name that were closed before the moment and are not held.

    At most `BATCH` lists; how many there were.
    """
    kinds = [kind.value for kind in LegalHold]
    arguments = (hub_id, before, now, BATCH, kinds, LegalHold.PLACED.value)
    return len(await tx.raw.fetch(_FORGET, *arguments))
