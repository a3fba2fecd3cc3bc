"""Deferrals: people let through unscreened, until data, the person or the clock settles them.

The row is written with the step that defers and closed with the step that leaves DEFERRED. The
vault holds the person under a key of the day on which they were deferred, so that whoever
settles it can reach them though the day's identities are destroyed earlier.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo
from enum import StrEnum
from typing import Final
from uuid import UUID

from sqlalchemy import Executable, RowMapping, insert, select, true, tuple_, update
from uuid_utils.compat import uuid7

from twinstile.deferrals.tables import Deferral
from twinstile.identity import extended_retention
from twinstile.identity.vault import Identity
from twinstile.platform.db.database import Reading, Transaction
from twinstile.platform.http import paging
from twinstile.platform.http.problems import Conflict, NotFound
from twinstile.platform.keys.data_keys import KeyFiles
from twinstile.platform.ledger import events
from twinstile.platform.ledger.events import Event
from twinstile.platform.security import access_log
from twinstile.platform.security.access_log import AccessEntry, Action, Purpose
from twinstile.platform.security.auth import Principal
from twinstile.screening.tables import Screening
from twinstile.screening.types import ScreeningEvent

KEY = "deferred."
ROUTED: Final = "deferral.routed"
CLOSED: Final = "deferral.closed"
KEPT_FOR: Final = timedelta(days=14)
"""How long after the last deferral of a day is closed its people can still be named."""
SHOWN: Final = ("name", "document")


class DeferralCause(StrEnum):
    """Why somebody was let through unscreened."""

    OUTAGE = "OUTAGE"
    FUSE = "FUSE"


@dataclass(frozen=True, slots=True)
class Deferred:
    """Somebody let through; by a surge order if `fuse_id` names it."""

    screening_id: UUID
    person_id: UUID | None
    due_at: datetime
    fuse_id: UUID | None = None


async def begin(
    tx: Transaction,
    keys: KeyFiles,
    hub_id: str,
    zone: tzinfo,
    deferred: Sequence[Deferred],
    at: datetime,
) -> None:
    """Write down who was let through, and hold whom anybody knows of."""
    if not deferred:
        return
    key_id = f"{KEY}{at.astimezone(zone).date().isoformat()}"
    people = {one.person_id for one in deferred if one.person_id}
    await extended_retention.hold(tx, keys, hub_id, key_id, people, at)
    await tx.sql.execute(
        insert(Deferral),
        [
            {
                "hub_id": hub_id,
                "deferral_id": uuid7(),
                "screening_id": one.screening_id,
                "reason": (DeferralCause.FUSE if one.fuse_id else DeferralCause.OUTAGE).value,
                "fuse_id": one.fuse_id,
                "opened_at": at,
                "due_at": one.due_at,
                "key_id": key_id if one.person_id else None,
            }
            for one in deferred
        ],
    )


async def end(
    tx: Transaction,
    hub_id: str,
    screenings: Collection[UUID],
    outcome: ScreeningEvent,
    by: UUID | None,
    at: datetime,
) -> None:
    """Close the deferrals of screenings that leave DEFERRED by this event."""
    if not screenings:
        return
    closed = await tx.sql.execute(
        update(Deferral)
        .where(
            Deferral.hub_id == hub_id,
            Deferral.screening_id.in_(screenings),
            Deferral.closed_at.is_(None),
        )
        .values(closed_at=at, closed_by=by, outcome=outcome.value)
        .returning(Deferral.deferral_id, Deferral.screening_id)
    )
    happenings = [
        Event(
            hub_id,
            CLOSED,
            screening_id,
            at,
            {"deferral_id": str(deferral_id), "outcome": outcome.value},
            operator_id=by,
        )
        for deferral_id, screening_id in closed
    ]
    await events.append(tx, happenings)


_COLUMNS = (
    Deferral.deferral_id,
    Deferral.screening_id,
    Deferral.reason,
    Deferral.fuse_id,
    Deferral.opened_at,
    Deferral.due_at,
    Deferral.destination,
)


async def waiting(
    tx: Reading, hub_id: str, destination: str | None, cursor: str | None, limit: int
) -> list[RowMapping]:
    """Open deferrals, what ends first comes first, from the cursor on; at most `limit`.

    With a destination those of that area alone.
    """
    found = await tx.sql.execute(listed(hub_id, destination, cursor, limit))
    return list(found.mappings())


def listed(hub_id: str, destination: str | None, cursor: str | None, limit: int) -> Executable:
    """The statement of `waiting`: a walk along an index, and a look-up for each that is shown.

    The passages are looked up one by one: joined, the planner may read those of the whole hub.
    Of one area the hub is kept out of the choice of index: without statistics the debt of the
    whole hub seems as near in that order as the area's (docs/decisions/0016).
    """
    hub = Deferral.hub_id if destination is None else Deferral.hub_id.concat("")
    place = tuple_(Deferral.due_at, Deferral.deferral_id)
    passage = (
        select(Screening.run_id, Screening.checkpoint)
        .where(
            Screening.hub_id == Deferral.hub_id,
            Screening.screening_id == Deferral.screening_id,
        )
        .limit(1)
        .lateral("passage")
    )
    wanted = (
        select(*_COLUMNS, passage.c.run_id, passage.c.checkpoint)
        .join(passage, true())
        .where(hub == hub_id, Deferral.closed_at.is_(None))
        .order_by(Deferral.due_at, Deferral.deferral_id)
        .limit(limit)
    )
    if destination is not None:
        wanted = wanted.where(Deferral.destination == destination)
    if cursor is not None:
        wanted = wanted.where(place > paging.decode(cursor))
    return wanted


_DEBT = """
SELECT destination, count(*) AS open, min(due_at) AS next_due_at,
       count(*) FILTER (WHERE due_at <= $2::timestamptz + interval '4 hours') AS due_soon
FROM deferral WHERE hub_id = $1 AND closed_at IS NULL
GROUP BY destination ORDER BY next_due_at LIMIT $3
"""


async def debt(tx: Reading, hub_id: str, now: datetime, limit: int) -> list[dict[str, object]]:
    """How many are owed to each destination, what ends first comes first."""
    return [dict(row) for row in await tx.raw.fetch(_DEBT, hub_id, now, limit)]


async def route(
    tx: Transaction, who: Principal, deferral_id: UUID, destination: str, at: datetime
) -> None:
    """Say which area's community is to settle an open deferral. The same changes nothing.

    Raises `NotFound`, and `Conflict` for one that is closed.
    """
    mine = (Deferral.hub_id == who.hub_id, Deferral.deferral_id == deferral_id)
    found = await tx.sql.execute(
        select(Deferral.screening_id, Deferral.destination, Deferral.due_at, Deferral.closed_at)
        .where(*mine)
        .with_for_update(key_share=True)
    )
    row = found.one_or_none()
    if row is None:
        raise NotFound("There is no such deferral.")
    screening_id, before, due_at, closed_at = row
    if before == destination:
        return
    if closed_at is not None:
        raise Conflict("The deferral is closed.")
    await tx.sql.execute(update(Deferral).where(*mine).values(destination=destination))
    told: dict[str, object] = {
        "deferral_id": str(deferral_id),
        "destination": destination,
        "due_at": due_at.isoformat(),
    }
    happening = Event(
        who.hub_id, ROUTED, screening_id, at, told, who.device_id, who.operator_id
    )
    await events.append(tx, [happening])


async def show(
    tx: Transaction,
    keys: KeyFiles,
    who: Principal,
    deferral_id: UUID,
    purpose: Purpose,
    reason: str | None,
    at: datetime,
) -> Identity:
    """Who was let through; on the record first. Raises `NotFound`, `KeyDestroyed`."""
    found = await tx.sql.execute(
        select(Deferral.key_id, Screening.person_id)
        .join(
            Screening,
            (Screening.hub_id == Deferral.hub_id)
            & (Screening.screening_id == Deferral.screening_id),
        )
        .where(Deferral.hub_id == who.hub_id, Deferral.deferral_id == deferral_id)
    )
    row = found.one_or_none()
    if row is None or row[0] is None or row[1] is None:
        raise NotFound("There is no such deferral, or nobody knows whom it is about.")
    identity = await extended_retention.reveal(tx, keys, who.hub_id, *row)
    look = AccessEntry(Action.REVEAL, purpose, SHOWN, subject_id=deferral_id, reason=reason)
    await access_log.record(tx, access_log.actor(who), look, at)
    return identity


async def over(
    tx: Reading, hub_id: str, living: Sequence[str], now: datetime, today: date
) -> list[str]:
    """Those of the living keys whose people nobody needs any more."""
    needed = await tx.sql.execute(
        select(Deferral.key_id)
        .distinct()
        .where(
            Deferral.hub_id == hub_id,
            Deferral.key_id.in_(living),
            Deferral.closed_at.is_(None) | (Deferral.closed_at > now - KEPT_FOR),
        )
    )
    kept = {key_id for (key_id,) in needed}
    return [
        name
        for name in living
        if name not in kept and date.fromisoformat(name.removeprefix(KEY)) < today - KEPT_FOR
    ]
