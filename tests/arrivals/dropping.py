"""A department that drops files, and what a poll of its folder brings."""

import datetime as dt
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from twinstile.arrivals.transport import FeedFault, FeedTransport, FetchedDelivery

NOW = dt.datetime(2026, 11, 20, 8, 0, tzinfo=dt.UTC)


@dataclass
class Polled:
    """What a poll gave: deliveries, refusals, the fault at its end, the cursor after it."""

    fetched: list[FetchedDelivery] = field(default_factory=list[FetchedDelivery])
    fault: str | None = None
    cursor: str | None = None

    @property
    def bodies(self) -> list[bytes]:
        kept = [one for one in self.fetched if one.delivery and one.refused is None]
        return [one.delivery.body for one in kept if one.delivery]

    @property
    def names(self) -> list[str]:
        return [one.delivery.name for one in self.fetched if one.delivery]

    @property
    def refused(self) -> list[str]:
        return [one.refused for one in self.fetched if one.refused]


async def poll(
    transport: FeedTransport,
    cursor: str | None = None,
    *,
    landing: bool = True,
    now: dt.datetime = NOW,
) -> Polled:
    """One poll, as the pipeline does it: land each delivery, then tell the transport."""
    polled = Polled(cursor=cursor)
    try:
        async for one in transport.fetch(cursor, now):
            polled.cursor = one.cursor
            polled.fetched.append(one)
            if landing:
                await transport.landed(one)
                await transport.landed(one)  # which may be told twice
    except FeedFault as fault:
        polled.fault = fault.reason
    return polled


def drop(folder: Path, names: Iterable[str], content: bytes = b"a,b\n1,2\n") -> None:
    for at, name in enumerate(names):
        path = folder / name
        path.write_bytes(content)
        os.utime(path, (1_790_000_000 + at, 1_790_000_000 + at))
