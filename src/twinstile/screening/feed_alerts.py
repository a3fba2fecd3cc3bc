"""Alerts of feeds: a department that fell silent, or sends what nobody can use."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID, uuid5

from twinstile.arrivals.feeds import feed_status
from twinstile.arrivals.feeds.config import FeedSource
from twinstile.arrivals.feeds.feed_status import FeedStatus, RecentOutcome
from twinstile.platform.db.database import Transaction
from twinstile.screening import alerts
from twinstile.screening.types import AlertKind

MOST_LOST: Final = 20
LOST_SHARE: Final = 0.001
UNMATCHED_SHARE: Final = 0.2
KINDS: Final = (AlertKind.FEED_STALE, AlertKind.FEED_REJECTS, AlertKind.FEED_UNMATCHED)
_FEEDS: Final = UUID("8c0f2a64-5d0e-4a7b-9f39-3f6f1f0c1d52")


async def watch(
    tx: Transaction, hub_id: str, senders: Sequence[FeedSource], now: datetime
) -> None:
    """Raise what is wrong with the feeds of a hub, and close what is over."""
    own = feed_status.sources_of_hub(senders, hub_id)
    stand = await feed_status.feed_statuses(tx, own, now)
    recent = await feed_status.recent_outcomes(tx, own, now)
    told: dict[AlertKind, dict[UUID, dict[str, object]]] = {kind: {} for kind in KINDS}
    for one, lately in zip(stand, recent, strict=True):
        name = one.sender.feed.name
        for kind, facts in _wrong(one, lately):
            told[kind][uuid5(_FEEDS, f"{hub_id}|{name}")] = {"feed": name, **facts}
    for kind, subjects in told.items():
        await alerts.hold(tx, hub_id, kind, subjects, now)


def _wrong(
    one: FeedStatus, recent: RecentOutcome
) -> Iterator[tuple[AlertKind, dict[str, object]]]:
    """What is wrong with a feed. One that was never heard of and never failed is to come."""
    if one.stale and (one.as_of is not None or one.fault is not None):
        as_of = one.as_of and one.as_of.isoformat()
        yield AlertKind.FEED_STALE, {"as_of": as_of, "fault": one.fault}
    lost = recent.rejected + recent.lost
    if recent.lost or lost > MOST_LOST or recent.share(recent.rejected) > LOST_SHARE:
        yield AlertKind.FEED_REJECTS, {"rows": recent.rows, "lost": lost}
    if recent.unmatched > MOST_LOST and recent.share(recent.unmatched) > UNMATCHED_SHARE:
        yield AlertKind.FEED_UNMATCHED, {"rows": recent.rows, "unmatched": recent.unmatched}
