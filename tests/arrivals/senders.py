"""Departments' systems of tests, and what polls of them bring."""

from collections.abc import Callable
from datetime import datetime, timedelta
from uuid import uuid4

from hubs import Hub
from pydantic import TypeAdapter

from twinstile.arrivals.feeds.config import Department, FeedSource, Pulled, PushSettings
from twinstile.arrivals.feeds.polling import Poller
from twinstile.arrivals.feeds.types import FeedSettings
from twinstile.platform import clock

TRANSPORTS = TypeAdapter[Pulled | PushSettings](Pulled | PushSettings)


def sender_of(
    hub: Hub, transport: dict[str, object], name: str = "rail", **more: object
) -> FeedSource:
    made = {"format": "test", "interval": timedelta(seconds=10), **more}
    feed = FeedSettings(hub.hub_id, name, str(made["format"]), hub.house.settings.zone)
    interval = made["interval"]
    assert isinstance(interval, timedelta)
    how = TRANSPORTS.validate_python(transport)
    department = Department(str(made.get("department", "rail")))
    return FeedSource(feed, department, interval, interval, how)


def asker_of(hub: Hub, now: Callable[[], datetime] = clock.now) -> Poller:
    return Poller(hub.house.database, hub.house.keys, uuid4(), now, lambda: 0.5)


async def state_of(hub: Hub, feed: str = "rail") -> dict[str, object]:
    """The row of a feed."""
    async with hub.house.database.reading() as tx:
        row = await tx.raw.fetchrow(
            "SELECT * FROM feed_state WHERE hub_id = $1 AND feed = $2", hub.hub_id, feed
        )
    return dict(row) if row else {}
