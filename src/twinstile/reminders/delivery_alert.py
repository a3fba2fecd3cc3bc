"""Whether messages leave, told to the commander: a channel that fails must not be quiet."""

from datetime import datetime, timedelta
from typing import Final
from uuid import UUID, uuid5

from twinstile.platform.db.database import Reading
from twinstile.platform.security import devices
from twinstile.platform.security.hub_modes import HubMode
from twinstile.reminders import health
from twinstile.reminders.channels import FileChannel
from twinstile.reminders.sending import Outbox
from twinstile.reminders.types import OPENS_AFTER, ChannelHealth
from twinstile.screening import alerts
from twinstile.screening.types import AlertKind

FAILING: Final = timedelta(minutes=5)
"""A channel that does not recover within it is told of."""
UNTAKEN: Final = timedelta(minutes=10)
"""Whoever takes files takes them sooner."""
_CHANNELS: Final = UUID("7f2f6f0e-6c1c-4c0e-9d0e-2b1f0a5b7c11")


async def look(out: Outbox, hub_id: str, now: datetime) -> None:
    """Raise what goes wrong with the channels of a hub, and close what is over."""
    async with out.runtime.database.transaction() as tx:
        known = await health.of(tx, hub_id)
        troubles = {
            name: one.code or "failing"
            for name, one in known.items()
            if name in out.channels and _lasting(one, now)
        }
        untaken = dict.fromkeys(await _untaken(tx, out, hub_id, now), "not-collected")
        told: dict[UUID, dict[str, object]] = {
            uuid5(_CHANNELS, f"{hub_id}|{name}"): {"channel": name, "code": code}
            for name, code in (untaken | troubles).items()
        }
        await alerts.hold(tx, hub_id, AlertKind.CHANNEL_DOWN, told, now)


def _lasting(one: ChannelHealth, now: datetime) -> bool:
    return one.since is not None and (one.failures >= OPENS_AFTER or now - one.since >= FAILING)


_UNTAKEN = """
SELECT DISTINCT channel FROM notice
WHERE hub_id = $1 AND due_at <= $2 AND state = 'HANDED' AND at <= $3
  AND channel = ANY($4::text[])
"""


async def _untaken(tx: Reading, out: Outbox, hub_id: str, now: datetime) -> list[str]:
    """Folders nobody has taken files from; nobody needs to in a demo or an exercise."""
    _, mode = await devices.hub(tx, hub_id)
    folders = [name for name, one in out.channels.items() if isinstance(one, FileChannel)]
    if mode is not HubMode.PRODUCTION:
        return []
    rows = await tx.raw.fetch(_UNTAKEN, hub_id, now, now - UNTAKEN, folders)
    return [row[0] for row in rows]
