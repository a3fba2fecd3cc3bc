"""The worker's clock, put forward by hand."""

from datetime import UTC, datetime, timedelta

from hubs import Hub

from twinstile import worker
from twinstile.policy.versions import Policies


async def later(hub: Hub, **parts: float) -> None:
    """What the worker does by the clock, at that time from now."""
    await worker._timers(hub.house, Policies())(
        hub.hub_id, datetime.now(UTC) + timedelta(**parts)
    )
