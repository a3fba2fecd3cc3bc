"""Append to `event`: the one row that is audit line, outbox entry and sync position.

Rooms above write and read it through this module, and only about subjects of their own.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from sqlalchemy import Insert, insert, select
from sqlalchemy.dialects.postgresql import insert as upsert
from uuid_utils.compat import uuid7

from twinstile.platform.db.database import Reading, Transaction
from twinstile.platform.db.tables import EventRecord
from twinstile.platform.http.problems import IdReused


@dataclass(frozen=True, slots=True)
class Event:
    """A change others must hear of. `body` holds codes and ids, never identities.

    An act that a client names by an id of its own keeps that id: a resend is recognised.
    """

    hub_id: str
    kind: str
    subject_id: UUID
    at: datetime
    body: dict[str, object] = field(default_factory=dict[str, object])
    device_id: UUID | None = None
    operator_id: UUID | None = None
    event_id: UUID | None = None
    """A device's own id of the change, so that sending it again is noticed; else a new one."""


async def append(tx: Transaction, new_events: Sequence[Event]) -> None:
    """Write them in order, in the caller's transaction: what rolls back was never announced."""
    if new_events:
        await tx.sql.execute(insert(EventRecord), [_row(h) for h in new_events])


def insertion(new_events: Sequence[Event]) -> Insert:
    """Append them, for a statement that changes their subject as well."""
    return insert(EventRecord).values([_row(h) for h in new_events])


async def append_once(tx: Transaction, event: Event) -> bool:
    """Append, unless something was recorded under that id: whoever commits first is first."""
    added = await tx.sql.execute(
        upsert(EventRecord)
        .values(_row(event))
        .on_conflict_do_nothing()
        .returning(EventRecord.event_id)
    )
    return added.one_or_none() is not None


async def append_own(tx: Transaction, event: Event) -> None:
    """Append under the sender's id; whose it was before has been looked up.

    Raises `IdReused` if something else got it at this very moment. A fact of a backlog is then
    kept aside and its neighbours are stored: nothing else may be written of it before.
    """
    if not await append_once(tx, event):
        raise IdReused


def _row(h: Event) -> dict[str, object]:
    return {
        "hub_id": h.hub_id,
        "event_id": h.event_id or uuid7(),
        "at": h.at,
        "kind": h.kind,
        "subject_id": h.subject_id,
        "device_id": h.device_id,
        "operator_id": h.operator_id,
        "body": h.body,
    }


_COLUMNS = (
    EventRecord.hub_id,
    EventRecord.kind,
    EventRecord.subject_id,
    EventRecord.at,
    EventRecord.body,
    EventRecord.device_id,
    EventRecord.operator_id,
    EventRecord.event_id,
)


async def find(tx: Reading, hub_id: str, event_id: UUID) -> Event | None:
    """What was recorded under that id, if anything was."""
    found = await tx.sql.execute(
        select(*_COLUMNS).where(EventRecord.hub_id == hub_id, EventRecord.event_id == event_id)
    )
    row = found.one_or_none()
    return None if row is None else Event(*row)


async def of_subject(
    tx: Reading, hub_id: str, subject_id: UUID, kinds: Sequence[str], limit: int
) -> list[Event]:
    """The latest `limit` events of these kinds of a subject, oldest first."""
    found = await tx.sql.execute(
        select(*_COLUMNS)
        .where(
            EventRecord.hub_id == hub_id,
            EventRecord.subject_id == subject_id,
            EventRecord.kind.in_(kinds),
        )
        .order_by(EventRecord.at.desc(), EventRecord.event_id.desc())
        .limit(limit)
    )
    return [Event(*row) for row in reversed(found.all())]
