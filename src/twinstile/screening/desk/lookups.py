"""Find a person by the number of a document: exactly, within a quota, and on the record.

There is no search by name or by part of a number. The blind index is keyed for each hub, so
another hub's traveller is as unknown here as nobody at all, and takes the same statements.
"""

import contextlib
from dataclasses import dataclass
from datetime import datetime, tzinfo
from uuid import UUID, uuid4

from sqlalchemy import RowMapping, select

from twinstile.identity import names, vault
from twinstile.identity.types import Document
from twinstile.platform import access, events, observe, quotas
from twinstile.platform.access import Action, Look, Outcome, Purpose
from twinstile.platform.auth import Principal
from twinstile.platform.crypto import KeyDestroyed, KeyFiles
from twinstile.platform.db import Database, Reading, Transaction
from twinstile.platform.errors import Forbidden, LookUpQuota, NotFound
from twinstile.platform.events import Happening
from twinstile.platform.quotas import Standing
from twinstile.screening.tables import Screening

MOST_SCREENINGS = 20
QUOTA_REACHED = "lookup.quota-reached"
_SHOWN = ("name (masked)", "screenings")
_SCREENING = (
    Screening.screening_id,
    Screening.state,
    Screening.checkpoint,
    Screening.run_id,
    Screening.opened_at,
    Screening.closed_at,
    Screening.case_id,
)


@dataclass(frozen=True, slots=True)
class Asked:
    """Who is looked for, and why."""

    document: Document
    purpose: Purpose
    reason: str | None


@dataclass(frozen=True, slots=True)
class Found:
    """What the hub knows of the person; nothing of it when the document was never met."""

    lookup_id: UUID
    known: bool
    name: str | None
    screenings: list[RowMapping]
    left: int


async def look_up(
    database: Database,
    keys: KeyFiles,
    who: Principal,
    asked: Asked,
    zone: tzinfo,
    at: datetime,
) -> Found:
    """The person's screenings, the latest first; on the record before anything is told.

    Raises `LookUpQuota`. The first refusal in a while is recorded and announced, so this
    commits a transaction of its own also when it refuses.
    """
    if who.operator_id is None:
        raise Forbidden("Look-ups are made by a person on shift.")
    async with database.transaction() as tx:
        mine = await quotas.standing(tx, who.hub_id, who.operator_id, at)
        if mine.left:
            return await _find(tx, keys, who, asked, mine, zone, at)
        if not mine.told:
            await _announce(tx, who, who.operator_id, asked, at)
    observe.LOOK_UPS.labels(who.hub_id, Outcome.REFUSED.value).inc()
    raise LookUpQuota(retry_after_s=mine.wait_s)


async def _find(
    tx: Transaction,
    keys: KeyFiles,
    who: Principal,
    asked: Asked,
    mine: Standing,
    zone: tzinfo,
    at: datetime,
) -> Found:
    day = at.astimezone(zone).date()
    person_id = await vault.find(tx, keys, who.hub_id, day, asked.document)
    # somebody unknown is looked for under an id nobody has: the same statements, the same time
    sought = person_id or uuid4()
    name = await _name(tx, keys, who.hub_id, sought)
    screenings = await _screenings(tx, who.hub_id, sought)
    outcome = Outcome.NOTHING if person_id is None else Outcome.SHOWN
    look = Look(
        Action.LOOK_UP,
        asked.purpose,
        _SHOWN if person_id else (),
        len(screenings),
        person_id,
        asked.reason,
        outcome,
    )
    lookup_id = await access.record(tx, access.actor(who), look, at)
    observe.LOOK_UPS.labels(who.hub_id, outcome.value).inc()
    return Found(lookup_id, person_id is not None, name, screenings, mine.left - 1)


async def _name(tx: Reading, keys: KeyFiles, hub_id: str, person_id: UUID) -> str | None:
    """The name, masked; none when the document says none or its day's key is destroyed."""
    with contextlib.suppress(NotFound, KeyDestroyed):
        identity = await vault.reveal(tx, keys, hub_id, person_id)
        return identity.holder.name and names.mask_name(identity.holder.name)
    return None


async def _screenings(tx: Reading, hub_id: str, person_id: UUID) -> list[RowMapping]:
    found = await tx.sql.execute(
        select(*_SCREENING)
        .where(Screening.hub_id == hub_id, Screening.person_id == person_id)
        .order_by(Screening.opened_at.desc(), Screening.screening_id)
        .limit(MOST_SCREENINGS)
    )
    return list(found.mappings())


async def _announce(
    tx: Transaction, who: Principal, operator_id: UUID, asked: Asked, at: datetime
) -> None:
    refused = Look(
        Action.LOOK_UP, asked.purpose, (), 0, reason=asked.reason, outcome=Outcome.REFUSED
    )
    access_id = await access.record(tx, access.actor(who), refused, at)
    happening = Happening(
        who.hub_id,
        QUOTA_REACHED,
        operator_id,
        at,
        {"access_id": str(access_id)},
        who.device_id,
        operator_id,
    )
    await events.append(tx, [happening])
