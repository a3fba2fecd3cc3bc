"""Retention: messages and orders are forgotten when the manifest they went by is."""

from datetime import datetime
from typing import Final

from twinstile.platform.db.database import Transaction

BATCH: Final = 5000
_FORGET = """
WITH past AS MATERIALIZED (
    SELECT notice_id FROM notice WHERE hub_id = $1 AND at < $2 LIMIT $3
), old AS (
    DELETE FROM notice n USING past p WHERE n.hub_id = $1 AND n.notice_id = p.notice_id
    RETURNING 1
), orders AS (
    DELETE FROM notice_order WHERE hub_id = $1 AND ordered_at < $2
), runs AS (
    DELETE FROM run_reminded WHERE hub_id = $1 AND at < $2
)
SELECT 1 FROM old
"""


async def forget(tx: Transaction, hub_id: str, before: datetime) -> int:
    """Delete messages of which nothing was heard since the moment, at most `BATCH`; how many.

    Their orders go as well.
    """
    return len(await tx.raw.fetch(_FORGET, hub_id, before, BATCH))
