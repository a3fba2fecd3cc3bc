"""How deliveries are fetched: the one interface of all transports.

A transport brings bytes and knows nothing of what they mean. It keeps no memory of its own:
where it stood is the cursor, stored in the transaction that stores the bytes.
"""

import datetime as dt
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final, Protocol

from twinstile.arrivals.records import Delivery

MOST_BYTES: Final = 20 * 1024 * 1024
"""Of one delivery, after decompression."""
MOST_DELIVERIES: Final = 100
"""Of one poll; the next poll goes on."""
POLL_S: Final = 10.0
"""For one call to a department, from connecting to the last byte."""
LONGEST_CURSOR: Final = 4096


class FeedFault(Exception):
    """A department could not be asked, or answered what is no delivery.

    `reason` is a word of ours and goes to people and metrics: no address, no content.
    `retry_after_s` is the department's own word on when to come again.
    """

    def __init__(self, reason: str, retry_after_s: float | None = None) -> None:
        super().__init__(reason)
        self.reason: str = reason
        self.retry_after_s: float | None = retry_after_s


@dataclass(frozen=True, slots=True)
class FetchedDelivery:
    """A delivery, and where to go on once it has landed.

    Without a delivery only the cursor has moved, and is stored all the same. With `refused`, a
    word of ours, it came in a state nobody should read (half of it, empty, other than its
    digest says): there is no content, it is counted under that word and never a duplicate.
    """

    delivery: Delivery | None
    cursor: str
    refused: str | None = None


class FeedTransport(Protocol):
    def fetch(self, cursor: str | None, now: dt.datetime) -> AsyncIterator[FetchedDelivery]:
        """What has come since the cursor (None: from the beginning), in order.

        At most `MOST_DELIVERIES`, each at most `MOST_BYTES`. Raises `FeedFault`; deliveries
        handed out before it stand.
        """
        ...

    async def landed(self, fetched: FetchedDelivery) -> None:
        """Told after the commit: move the file away. May be told twice, or never."""
        ...

    async def close(self) -> None: ...
