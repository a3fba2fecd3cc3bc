"""Find a person by the number of a document: exactly, within a quota, and on the record.

There is no search by name or by part of a number. The blind index is keyed for each hub, so
another hub's traveller is as unknown here as nobody at all, and takes the same statements.
"""

import contextlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import TypeAlias, TypeVar
from uuid import UUID, uuid4

from sqlalchemy import RowMapping, select

from twinstile.identity import links, names, vault
from twinstile.identity.types import Document
from twinstile.platform.db.database import Database, Reading, Transaction
from twinstile.platform.http.problems import Conflict, Forbidden, LookUpQuota, NotFound
from twinstile.platform.keys.data_keys import KeyDestroyed, KeyFiles
from twinstile.platform.ledger import events
from twinstile.platform.ledger.events import Event
from twinstile.platform.ops import observability
from twinstile.platform.security import access_log, quotas
from twinstile.platform.security.access_log import AccessEntry, AccessOutcome, Action, Purpose
from twinstile.platform.security.auth import Principal
from twinstile.platform.security.quotas import QuotaStatus
from twinstile.screening.tables import Screening

MOST_SCREENINGS = 20
QUOTA_REACHED = "lookup.quota-reached"
BY_PROXY = "lookup.by-proxy"
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


T = TypeVar("T")
Act: TypeAlias = Callable[[Transaction, QuotaStatus], Awaitable[T]]
"""What is done with a look-up that the quota allows."""


class ConsentBy(StrEnum):
    """Who agreed that staff look somebody up in their place."""

    TRAVELLER = "TRAVELLER"
    GUARDIAN = "GUARDIAN"
    COMPANION = "COMPANION"


@dataclass(frozen=True, slots=True)
class LookupRequest:
    """Who asks, what for and when."""

    who: Principal
    purpose: Purpose
    reason: str | None
    at: datetime
    consent: ConsentBy | None = None
    """Of a look-up on behalf of somebody without a device of their own."""


@dataclass(frozen=True, slots=True)
class LookupResult:
    """What the hub knows of the person; nothing of it when the document was never met."""

    lookup_id: UUID
    known: bool
    name: str | None
    screenings: list[RowMapping]


async def within_quota(database: Database, request: LookupRequest, act: Act[T]) -> T:
    """Do what a look-up is made for, in one transaction with what tells of it.

    Raises `LookUpQuota`. The first refusal in a while is recorded and announced, so this
    commits a transaction of its own also when it refuses. A conflict tells something too: what
    was done is undone, and the look-up stays on the record and is used up.
    """
    who = request.who
    if who.operator_id is None:
        raise Forbidden("Look-ups are made by a person on shift.")
    async with database.transaction() as tx:
        mine = await quotas.quota_status(tx, who.hub_id, who.operator_id, request.at)
        try:
            if mine.left:
                async with tx.sql.begin_nested():
                    return await act(tx, mine)
        except Conflict as problem:
            if problem.retryable:
                raise
            await note(tx, request, None, (), 0)
            conflict = problem
        else:
            conflict = None
            if not mine.told:
                await _announce(tx, who.operator_id, request)
    if conflict is not None:
        raise conflict
    observability.LOOK_UPS.labels(who.hub_id, AccessOutcome.REFUSED.value).inc()
    raise LookUpQuota(retry_after_s=mine.wait_s)


async def find(
    tx: Transaction, keys: KeyFiles, request: LookupRequest, document: Document, day: date
) -> LookupResult:
    """The person's screenings, the latest first; on the record before anything is told."""
    hub_id = request.who.hub_id
    person_id = await vault.find(tx, keys, hub_id, day, document)
    # somebody unknown is looked for under an id nobody has: the same statements, the same time
    sought = person_id or uuid4()
    name = await _name(tx, keys, hub_id, sought)
    screenings = await _screenings(tx, hub_id, await links.kin(tx, hub_id, sought))
    shown = _SHOWN if person_id else ()
    lookup_id = await note(tx, request, person_id, shown, len(screenings))
    return LookupResult(lookup_id, person_id is not None, name, screenings)


async def note(
    tx: Transaction,
    request: LookupRequest,
    person_id: UUID | None,
    fields: Sequence[str],
    rows: int,
) -> UUID:
    """Enter the look-up into the access log; its id there."""
    outcome = AccessOutcome.NOTHING if person_id is None else AccessOutcome.SHOWN
    look = AccessEntry(
        Action.LOOK_UP, request.purpose, fields, rows, person_id, request.reason, outcome
    )
    observability.LOOK_UPS.labels(request.who.hub_id, outcome.value).inc()
    access_id = await access_log.record(tx, access_log.actor(request.who), look, request.at)
    if request.consent is not None:
        await _tell(
            tx, request, BY_PROXY, access_id, access_id, consent_by=request.consent.value
        )
    return access_id


async def _name(tx: Reading, keys: KeyFiles, hub_id: str, person_id: UUID) -> str | None:
    """The name, masked; none when the document says none or its day's key is destroyed."""
    with contextlib.suppress(NotFound, KeyDestroyed):
        identity = await vault.reveal(tx, keys, hub_id, person_id)
        return identity.holder.name and names.mask_name(identity.holder.name)
    return None


async def _screenings(tx: Reading, hub_id: str, people: Sequence[UUID]) -> list[RowMapping]:
    found = await tx.sql.execute(
        select(*_SCREENING)
        .where(Screening.hub_id == hub_id, Screening.person_id.in_(people))
        .order_by(Screening.opened_at.desc(), Screening.screening_id)
        .limit(MOST_SCREENINGS)
    )
    return list(found.mappings())


async def _announce(tx: Transaction, operator_id: UUID, request: LookupRequest) -> None:
    refused = AccessEntry(
        Action.LOOK_UP,
        request.purpose,
        (),
        0,
        reason=request.reason,
        outcome=AccessOutcome.REFUSED,
    )
    access_id = await access_log.record(tx, access_log.actor(request.who), refused, request.at)
    await _tell(tx, request, QUOTA_REACHED, operator_id, access_id)


async def _tell(
    tx: Transaction,
    request: LookupRequest,
    kind: str,
    subject_id: UUID,
    access_id: UUID,
    **more: str,
) -> None:
    who = request.who
    body: dict[str, object] = {"access_id": str(access_id), **more}
    happening = Event(
        who.hub_id, kind, subject_id, request.at, body, who.device_id, who.operator_id
    )
    await events.append(tx, [happening])
