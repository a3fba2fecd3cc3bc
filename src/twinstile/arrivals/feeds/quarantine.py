"""What of a feed could not be used: rows with the reason, and whole deliveries given up."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from twinstile.arrivals.feeds.types import DeliveryState, FeedSettings
from twinstile.platform.db.database import Reading
from twinstile.platform.http.problems import FieldFault, InvalidInput

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
