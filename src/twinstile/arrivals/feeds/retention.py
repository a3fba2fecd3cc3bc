"""What is kept of deliveries ends with the identities of the day on which they came."""

from datetime import date
from typing import Final

from twinstile.platform.db.database import Transaction

_FORGET: Final = (
    """
    WITH gone AS (
        DELETE FROM feed_delivery WHERE hub_id = $1 AND day < $2 RETURNING delivery_id
    ), rejects AS (
        DELETE FROM feed_reject r USING gone
        WHERE r.hub_id = $1 AND r.delivery_id = gone.delivery_id
    )
    DELETE FROM feed_waiting w USING gone
    WHERE w.hub_id = $1 AND w.delivery_id = gone.delivery_id
    """,
    "DELETE FROM feed_key WHERE hub_id = $1 AND day < $2",
    """
    DELETE FROM feed_list l WHERE l.hub_id = $1 AND NOT EXISTS (
        SELECT FROM (SELECT * FROM feed_key WHERE run_id = l.run_id OFFSET 0) k
        WHERE k.hub_id = $1 AND k.feed = l.feed)
      AND EXISTS (SELECT FROM run r WHERE r.hub_id = $1 AND r.run_id = l.run_id
                  AND r.service_date < $2)
    """,
)


async def delete_expired(tx: Transaction, hub_id: str, oldest_kept: date) -> None:
    """Delete deliveries and words that came before the oldest day that is kept."""
    for statement in _FORGET:
        await tx.raw.execute(statement, hub_id, oldest_kept)
