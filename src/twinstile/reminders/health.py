"""How the channels do, as every process and whoever looks must know it: in the database."""

from dataclasses import asdict
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert as upsert

from twinstile.platform.db.database import Reading, Transaction
from twinstile.platform.ops import observability
from twinstile.reminders.types import ChannelHealth
from twinstile.screening.tables import NoticeChannel


async def of(tx: Reading, hub_id: str) -> dict[str, ChannelHealth]:
    """The health of each channel that ever failed."""
    found = await tx.sql.execute(
        select(
            NoticeChannel.channel,
            NoticeChannel.failures,
            NoticeChannel.since,
            NoticeChannel.open_until,
            NoticeChannel.code,
        ).where(NoticeChannel.hub_id == hub_id)
    )
    return {
        name: ChannelHealth(failures, since, open_until, code)
        for name, failures, since, open_until, code in found
    }


async def note(
    tx: Transaction,
    hub_id: str,
    name: str,
    fault: str | None,
    now: datetime,
    wait: timedelta | None = None,
) -> None:
    """Remember that a batch was taken, or a word for why it was not."""
    before = (await of(tx, hub_id)).get(name, ChannelHealth())
    after = before.after(fault, now, wait)
    if fault is not None:
        observability.CHANNEL_FAULTS.labels(hub_id, name, fault).inc()
    if after != before:
        values = asdict(after)
        await tx.sql.execute(
            upsert(NoticeChannel)
            .values(hub_id=hub_id, channel=name, **values)
            .on_conflict_do_update(
                index_elements=[NoticeChannel.hub_id, NoticeChannel.channel], set_=values
            )
        )
