"""Facts kept aside: what they are, what is in them, and what became of them.

A fact is resolved by an event under an id that follows from the fact's own, so it is resolved
once. The fact itself stays until the key of its day ends: a resolution can be looked at again.
"""

import json
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import cast
from uuid import UUID, uuid5

from sqlalchemy import ColumnElement, RowMapping, and_, select

from twinstile.platform.db.database import Reading, Transaction
from twinstile.platform.db.tables import EventRecord, Quarantine
from twinstile.platform.http import paging
from twinstile.platform.http.problems import Conflict, FieldFault, InvalidInput, NotFound
from twinstile.platform.keys.ciphers import decrypt
from twinstile.platform.keys.data_keys import KeyFiles
from twinstile.platform.ledger import events
from twinstile.platform.ledger.events import Event
from twinstile.platform.security import access_log
from twinstile.platform.security.access_log import AccessEntry, Action, Purpose
from twinstile.platform.security.auth import Principal
from twinstile.screening.quarantine import belongs

RESOLVED = "quarantine.resolved"
_COLUMNS = (
    Quarantine.quarantine_id,
    Quarantine.fact_id,
    Quarantine.device_id,
    Quarantine.kind,
    Quarantine.received_at,
    Quarantine.code,
    Quarantine.errors,
    EventRecord.at.label("resolved_at"),
    EventRecord.operator_id.label("resolved_by"),
    EventRecord.body.label("resolution"),
)


class Resolution(StrEnum):
    """What became of a fact that was kept aside."""

    DISCARDED = "DISCARDED"
    RESUBMITTED = "RESUBMITTED"
    """Mended, and sent as a new fact under an id of its own."""


@dataclass(frozen=True, slots=True)
class QuarantineDecision:
    """What is decided about a fact; `fact_id` is the new fact's id, if it was sent anew."""

    resolution: Resolution
    fact_id: UUID | None
    reason: str


async def page(
    tx: Reading, hub_id: str, *, open_only: bool, cursor: str | None, limit: int
) -> list[RowMapping]:
    """Facts kept aside, the latest first, from the cursor on; at most `limit`."""
    wanted: list[ColumnElement[bool]] = [Quarantine.hub_id == hub_id]
    if open_only:
        wanted.append(EventRecord.event_id.is_(None))
    if cursor is not None:
        wanted.append(Quarantine.quarantine_id < paging.decode(cursor)[1])
    resolved = and_(
        EventRecord.hub_id == Quarantine.hub_id,
        EventRecord.subject_id == Quarantine.quarantine_id,
        EventRecord.kind == RESOLVED,
    )
    found = await tx.sql.execute(
        select(*_COLUMNS)
        .outerjoin(EventRecord, resolved)
        .where(*wanted)
        .order_by(Quarantine.quarantine_id.desc())
        .limit(limit)
    )
    return list(found.mappings())


async def show(
    tx: Transaction,
    keys: KeyFiles,
    who: Principal,
    quarantine_id: UUID,
    purpose: Purpose,
    reason: str | None,
    at: datetime,
) -> object:
    """The fact as it was sent; on the record first. Raises `NotFound` or `KeyDestroyed`."""
    found = await tx.sql.execute(
        select(Quarantine.key_id, Quarantine.cipher).where(
            Quarantine.hub_id == who.hub_id, Quarantine.quarantine_id == quarantine_id
        )
    )
    row = found.one_or_none()
    if row is None:
        raise NotFound("There is no such fact.")
    key_id, cipher = row
    raw = decrypt(await keys.open(key_id), cipher, belongs(who.hub_id, quarantine_id))
    look = AccessEntry(
        Action.QUARANTINE_READ, purpose, ("item",), subject_id=quarantine_id, reason=reason
    )
    await access_log.record(tx, access_log.actor(who), look, at)
    return cast("object", json.loads(raw))


_KNOWN_SQL = """
SELECT EXISTS (SELECT FROM "check" WHERE hub_id = $1 AND id = $2)
    OR EXISTS (SELECT FROM reminder WHERE hub_id = $1 AND reminder_id = $2)
    OR EXISTS (SELECT FROM service_act WHERE hub_id = $1 AND act_id = $2)
    OR EXISTS (SELECT FROM event WHERE hub_id = $1 AND event_id = $2)
"""


async def resolve(
    tx: Transaction,
    who: Principal,
    quarantine_id: UUID,
    decision: QuarantineDecision,
    at: datetime,
) -> Event:
    """Say what became of a fact; the same again gives the first answer.

    Raises `NotFound`; `InvalidInput` when the new fact is not there; `Conflict` when it was
    decided otherwise before.
    """
    found = await tx.sql.execute(
        select(Quarantine.quarantine_id).where(
            Quarantine.hub_id == who.hub_id, Quarantine.quarantine_id == quarantine_id
        )
    )
    if found.one_or_none() is None:
        raise NotFound("There is no such fact.")
    if decision.fact_id is not None:
        known = await tx.raw.fetchrow(_KNOWN_SQL, who.hub_id, decision.fact_id)
        if known is None or not known[0]:
            raise InvalidInput(errors=[FieldFault("/fact_id", "unknown-value")])
    body: dict[str, object] = {
        "resolution": decision.resolution.value,
        "fact_id": decision.fact_id and str(decision.fact_id),
        "reason": decision.reason,
    }
    happening = Event(
        who.hub_id,
        RESOLVED,
        quarantine_id,
        at,
        body,
        who.device_id,
        who.operator_id,
        uuid5(quarantine_id, RESOLVED),
    )
    if await events.append_once(tx, happening):
        return happening
    (first,) = await events.of_subject(tx, who.hub_id, quarantine_id, [RESOLVED], 1)
    if first.body != body:
        raise Conflict("This fact was resolved otherwise before.")
    return first
