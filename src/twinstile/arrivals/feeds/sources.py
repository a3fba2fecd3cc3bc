"""How old the word of departments is, told beside whatever was answered by it."""

from collections.abc import Collection
from datetime import datetime

from pydantic import Field

from twinstile.arrivals.feeds import config, standing
from twinstile.arrivals.feeds.config import Department
from twinstile.platform.db.database import Reading
from twinstile.platform.http.field_types import Answer
from twinstile.platform.ops.settings import Settings


class FeedFreshness(Answer):
    source: str = Field(description="the name of the feed", examples=["rail-lists"])
    as_of: datetime | None = Field(
        description="what it told is known up to then; null: nothing has come yet"
    )
    stale: bool = Field(description="older than three of its intervals: verify by hand")


async def feed_freshness(
    tx: Reading,
    settings: Settings,
    hub_id: str,
    departments: Collection[Department],
    now: datetime,
) -> list[FeedFreshness]:
    """The feeds of these departments at a hub. Raises `InvalidFile`."""
    senders = standing.of_hub(config.feed_sources(settings), hub_id)
    asked = [one for one in senders if one.department in departments]
    return [
        FeedFreshness(source=one.sender.feed.name, as_of=one.as_of, stale=one.stale)
        for one in await standing.feed_statuses(tx, asked, now)
    ]
