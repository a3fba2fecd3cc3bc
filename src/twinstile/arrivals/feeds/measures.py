"""How feeds do, for monitoring: read from their rows when somebody asks, so any process can."""

from twinstile.arrivals.feeds import config, standing
from twinstile.platform.http.problems import Problem
from twinstile.platform.http.routes import Runtime
from twinstile.platform.ops import clock, observability


async def update_gauges(runtime: Runtime) -> None:
    """Bring the gauges up to date; without the database they stay as they are."""
    senders, now = config.feed_sources(runtime.settings), clock.now()
    if not senders:
        return
    try:
        async with runtime.database.reading() as tx:
            stand = await standing.feed_statuses(tx, senders, now)
            recent = await standing.recent_outcomes(tx, senders, now)
    except Problem as problem:
        observability.log.warning("feeds not measured", problem=problem.slug)
        return
    for one, lately in zip(stand, recent, strict=True):
        labels = one.sender.feed.hub_id, one.sender.feed.name
        if one.as_of is not None:
            observability.FEED_AGE.labels(*labels).set((now - one.as_of).total_seconds())
        rejected, unmatched = lately.share(lately.rejected), lately.share(lately.unmatched)
        observability.FEED_SHARE.labels(*labels, "rejected").set(rejected)
        observability.FEED_SHARE.labels(*labels, "unmatched").set(unmatched)
        observability.FEED_DELIVERIES.labels(*labels, "waiting").set(one.waiting)
        observability.FEED_DELIVERIES.labels(*labels, "dead").set(one.dead)
