"""What is known of the reminders of a run, and of the channels; no address is ever told."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import RowMapping, func, select

from twinstile.arrivals import manifests
from twinstile.identity import contacts
from twinstile.platform.db.database import Reading
from twinstile.platform.http import paging
from twinstile.reminders import health
from twinstile.reminders.channels import FILE
from twinstile.reminders.types import ChannelHealth
from twinstile.screening.queries import COMPLETE_SQL
from twinstile.screening.tables import Notice, Reminder
from twinstile.screening.types import NoticeState

LOOKED_BACK: Final = timedelta(hours=24)
MOST_BROADCASTS: Final = 200


@dataclass(frozen=True, slots=True)
class OfRun:
    """How a run was reminded: what was told to all, and messages to single people."""

    expected: int
    unreachable: int
    checked: int
    complete: int
    broadcasts: Sequence[RowMapping]
    notices: Sequence[RowMapping]


_PASSAGES = f"""
SELECT count(*) FILTER (WHERE checks > 0), count(*) FILTER (WHERE checks > 0 AND {COMPLETE_SQL})
FROM screening WHERE hub_id = $1 AND run_id = $2
"""  # noqa: S608 # a fragment of ours


async def of_run(tx: Reading, hub_id: str, run_id: UUID) -> OfRun:
    """The reminders of a run, counted as they are known now. Raises `NotFound`."""
    await manifests.run_due(tx, hub_id, run_id)
    people = set((await manifests.expected_travellers(tx, hub_id, run_id)).values())
    reachable = await contacts.reachable(tx, hub_id, run_id)
    broadcasts = await tx.sql.execute(
        select(
            Reminder.reminder_id,
            Reminder.kind,
            Reminder.channel,
            Reminder.language,
            Reminder.given_at,
            Reminder.until,
        )
        .where(Reminder.hub_id == hub_id, Reminder.run_id == run_id)
        .order_by(Reminder.given_at, Reminder.reminder_id)
        .limit(MOST_BROADCASTS)
    )
    group = (Notice.kind, Notice.contact, Notice.channel, Notice.language, Notice.state)
    notices = await tx.sql.execute(
        select(*group, func.count().label("notices"))
        .where(Notice.hub_id == hub_id, Notice.run_id == run_id)
        .group_by(*group)
        .order_by(*group)
    )
    row = await tx.raw.fetchrow(_PASSAGES, hub_id, run_id)
    checked, complete = row or (0, 0)
    return OfRun(
        len(people),
        len(people - reachable.keys()),
        checked,
        complete,
        list(broadcasts.mappings()),
        list(notices.mappings()),
    )


async def page(
    tx: Reading,
    hub_id: str,
    run_id: UUID,
    state: NoticeState | None,
    cursor: str | None,
    limit: int,
) -> list[RowMapping]:
    """Messages of a run in the order they were ordered, from the cursor on; at most `limit`."""
    wanted = (
        select(
            Notice.notice_id,
            Notice.order_id,
            Notice.kind,
            Notice.contact,
            Notice.channel,
            Notice.language,
            Notice.state,
            Notice.at,
            Notice.attempts,
            Notice.evidence,
        )
        .where(Notice.hub_id == hub_id, Notice.run_id == run_id)
        .order_by(Notice.notice_id)
        .limit(limit)
    )
    if state is not None:
        wanted = wanted.where(Notice.state == state.value)
    if cursor is not None:
        wanted = wanted.where(Notice.notice_id > paging.decode(cursor)[1])
    found = await tx.sql.execute(wanted)
    return list(found.mappings())


@dataclass(frozen=True, slots=True)
class OfChannel:
    """How a channel does: messages by state in the last day, and what is wrong with it."""

    channel: str
    counts: dict[NoticeState, int]
    oldest_handed: datetime | None
    """Since when the first message lies ready that nobody has taken."""
    health: ChannelHealth


async def channels(
    tx: Reading, hub_id: str, channel_names: Iterable[str], now: datetime
) -> list[OfChannel]:
    """Every channel that is known, or was in the last day."""
    counted = await tx.sql.execute(
        select(Notice.channel, Notice.state, func.count(), func.min(Notice.at))
        .where(
            Notice.hub_id == hub_id,
            (Notice.at > now - LOOKED_BACK) | Notice.due_at.is_not(None),
        )
        .group_by(Notice.channel, Notice.state)
    )
    rows = [(name, NoticeState(state), n, first) for name, state, n, first in counted]
    standing = await health.of(tx, hub_id)
    names = sorted({FILE, *channel_names, *(row[0] for row in rows), *standing})
    return [
        OfChannel(
            name,
            {state: n for channel, state, n, _ in rows if channel == name},
            next((t for c, s, _, t in rows if (c, s) == (name, NoticeState.HANDED)), None),
            standing.get(name, ChannelHealth()),
        )
        for name in names
    ]
