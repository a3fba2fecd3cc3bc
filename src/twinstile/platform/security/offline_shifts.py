"""Shifts that began without a network: claimed by a tablet, confirmed by who worked them.

A tablet without the service cannot tell whether a passcode fits. So what it hands over is a
claim: facts of such a shift bear its id, and nobody's name until the operator has signed in and
confirmed it. Until then a claim gives the roles of a lane at most.
"""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import RowMapping, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from twinstile.platform.db.database import Reading, Transaction
from twinstile.platform.db.tables import OfflineShift, Operator
from twinstile.platform.http.problems import (
    FieldFault,
    Forbidden,
    IdReused,
    InvalidInput,
    NotFound,
)
from twinstile.platform.ledger import events
from twinstile.platform.ledger.events import Event
from twinstile.platform.security.auth import Principal
from twinstile.platform.security.roles import Role
from twinstile.platform.security.shifts import SHIFT_LENGTH, ShiftRecord

CLAIMABLE: Final = frozenset({Role.SCREENER, Role.ASSISTANT})
MOST: Final = 500


@dataclass(frozen=True, slots=True)
class OfflineShiftClaim:
    """Who says to have worked on the device, from when until when, by the service's clock."""

    shift_id: UUID
    login: str
    started_at: datetime
    ended_at: datetime | None


async def claim(
    tx: Transaction, who: Principal, reported: OfflineShiftClaim, at: datetime
) -> bool:
    """Record a claim; false when it was there already.

    Raises `InvalidInput` for an unknown login or times that are no shift's, `IdReused`.
    """
    found = await tx.sql.execute(
        select(Operator.operator_id, Operator.roles).where(
            Operator.hub_id == who.hub_id, Operator.login == reported.login.lower()
        )
    )
    operator = found.one_or_none()
    if operator is None:
        raise InvalidInput(errors=[FieldFault("/login", "unknown-value")])
    operator_id, roles = operator
    end = min(reported.started_at + SHIFT_LENGTH, at)
    if reported.ended_at is not None and not reported.started_at <= reported.ended_at <= end:
        raise InvalidInput(errors=[FieldFault("/ended_at", "out-of-range")])
    mine = (OfflineShift.hub_id == who.hub_id, OfflineShift.shift_id == reported.shift_id)
    added = await tx.sql.execute(
        upsert(OfflineShift)
        .values(
            hub_id=who.hub_id,
            shift_id=reported.shift_id,
            device_id=who.device_id,
            operator_id=operator_id,
            roles=roles,
            started_at=reported.started_at,
            ends_at=reported.ended_at or reported.started_at + SHIFT_LENGTH,
            recorded_at=at,
        )
        .on_conflict_do_nothing()
        .returning(OfflineShift.shift_id)
    )
    if added.one_or_none() is not None:
        event = Event(
            who.hub_id, "shift.claimed", reported.shift_id, at, {}, who.device_id, operator_id
        )
        await events.append(tx, [event])
        return True
    known = await tx.sql.execute(
        select(OfflineShift.device_id, OfflineShift.operator_id).where(*mine)
    )
    if tuple(known.one()) != (who.device_id, operator_id):
        raise IdReused
    return False


async def read_offline_shifts(
    tx: Reading, hub_id: str, device_id: UUID, shift_ids: AbstractSet[UUID]
) -> dict[UUID, ShiftRecord]:
    """The claimed shifts of these ids on this device, as far as they count."""
    if not shift_ids:
        return {}
    found = await tx.sql.execute(
        select(
            OfflineShift.shift_id,
            OfflineShift.operator_id,
            OfflineShift.roles,
            OfflineShift.started_at,
            OfflineShift.ends_at,
            OfflineShift.confirmed_at,
            Operator.disabled_at,
        )
        .join(
            Operator,
            (Operator.hub_id == OfflineShift.hub_id)
            & (Operator.operator_id == OfflineShift.operator_id),
        )
        .where(
            OfflineShift.hub_id == hub_id,
            OfflineShift.device_id == device_id,
            OfflineShift.shift_id.in_(shift_ids),
        )
    )
    return {
        shift_id: ShiftRecord(
            operator_id if confirmed else None,
            frozenset(map(Role, roles)) & (frozenset(Role) if confirmed else CLAIMABLE),
            began,
            ends,
            disabled,
        )
        for shift_id, operator_id, roles, began, ends, confirmed, disabled in found
    }


async def confirm(tx: Transaction, who: Principal, shift_id: UUID, at: datetime) -> None:
    """The operator who calls has worked this shift; again changes nothing.

    Raises `NotFound`, and `Forbidden` when another one was claimed to have.
    """
    mine = (OfflineShift.hub_id == who.hub_id, OfflineShift.shift_id == shift_id)
    found = await tx.sql.execute(select(OfflineShift.operator_id).where(*mine))
    operator_id = found.scalar_one_or_none()
    if operator_id is None:
        raise NotFound("There is no such shift.")
    if operator_id != who.operator_id:
        raise Forbidden("This shift was worked by somebody else.")
    confirmed = await tx.sql.execute(
        update(OfflineShift)
        .where(*mine, OfflineShift.confirmed_at.is_(None))
        .values(confirmed_at=at)
        .returning(OfflineShift.shift_id)
    )
    if confirmed.one_or_none() is not None:
        event = Event(
            who.hub_id, "shift.confirmed", shift_id, at, {}, who.device_id, who.operator_id
        )
        await events.append(tx, [event])


async def listed(tx: Reading, hub_id: str, *, confirmed: bool) -> list[RowMapping]:
    """Claimed shifts, the latest first, at most `MOST`; confirmed ones if asked for."""
    wanted = [OfflineShift.hub_id == hub_id]
    if not confirmed:
        wanted.append(OfflineShift.confirmed_at.is_(None))
    found = await tx.sql.execute(
        select(*OfflineShift.__table__.columns)
        .where(*wanted)
        .order_by(OfflineShift.recorded_at.desc(), OfflineShift.shift_id)
        .limit(MOST)
    )
    return list(found.mappings())
