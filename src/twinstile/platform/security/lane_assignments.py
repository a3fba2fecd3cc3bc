"""Who works at a lane, and an officer who takes it over from another on another device.

A take-over ends nobody's shift: the other device may be without a line and at work, and what
is made on it after an end would be nobody's. It is told there, and who works it ends the shift.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import select

from twinstile.platform.db.database import Reading, Transaction
from twinstile.platform.db.tables import Device, Operator, Shift
from twinstile.platform.http.problems import Conflict, IdReused, NotFound
from twinstile.platform.ledger import events
from twinstile.platform.ledger.events import Happening
from twinstile.platform.security.auth import Principal

TAKEN_OVER: Final = "lane.taken-over"
MOST: Final = 20

_SHOWN = (
    Shift.shift_id,
    Operator.display_name.label("operator"),
    Device.name.label("device"),
    Shift.started_at.label("since"),
)


async def others(
    tx: Reading, who: Principal, lane_id: str, at: datetime
) -> list[Mapping[str, object]]:
    """Open shifts on other devices of a lane, the longest first."""
    found = await tx.sql.execute(
        select(*_SHOWN)
        .join(Device, (Device.hub_id == Shift.hub_id) & (Device.device_id == Shift.device_id))
        .join(
            Operator,
            (Operator.hub_id == Shift.hub_id) & (Operator.operator_id == Shift.operator_id),
        )
        .where(
            Shift.hub_id == who.hub_id,
            Shift.ended_at.is_(None),
            Shift.ends_at > at,
            Device.lane_id == lane_id,
            Device.device_id != who.device_id,
            Device.revoked_at.is_(None),
        )
        .order_by(Shift.started_at, Shift.shift_id)
        .limit(MOST)
    )
    return [dict(row) for row in found.mappings()]


async def take_over(
    tx: Transaction,
    who: Principal,
    lane_id: str,
    take_over_id: UUID,
    shift_id: UUID,
    at: datetime,
) -> None:
    """The caller takes the lane over from whoever works that shift; again changes nothing.

    Raises `NotFound` for no open shift of another device there, `Conflict` for a caller at
    another lane, `IdReused`.
    """
    if who.lane_id != lane_id:
        raise Conflict("This device stands at another lane.")
    earlier = await events.find(tx, who.hub_id, take_over_id)
    if earlier is None:
        crew = await others(tx, who, lane_id, at)
        if shift_id not in {member["shift_id"] for member in crew}:
            raise NotFound("Nobody works that shift at this lane.")
        body: dict[str, object] = {"lane_id": lane_id, "shift_id": str(who.shift_id)}
        hand = (who.device_id, who.operator_id, take_over_id)
        happening = Happening(who.hub_id, TAKEN_OVER, shift_id, at, body, *hand)
        if await events.append_once(tx, happening):
            return
        earlier = await events.find(tx, who.hub_id, take_over_id)  # sent at this very moment
    if earlier is None or (earlier.kind, earlier.subject_id) != (TAKEN_OVER, shift_id):
        raise IdReused


async def taken_over(tx: Reading, who: Principal) -> Mapping[str, object] | None:
    """Who took the lane over from the caller's shift last, on which device, and when."""
    if who.shift_id is None:
        return None
    told = await events.of_subject(tx, who.hub_id, who.shift_id, [TAKEN_OVER], 1)
    if not told:
        return None
    found = await tx.sql.execute(
        select(Operator.display_name, Device.name)
        .select_from(Device)
        .outerjoin(
            Operator,
            (Operator.hub_id == Device.hub_id) & (Operator.operator_id == told[0].operator_id),
        )
        .where(Device.hub_id == who.hub_id, Device.device_id == told[0].device_id)
    )
    operator, device = found.one()
    return {
        "take_over_id": told[0].event_id,
        "operator": operator,
        "device": device,
        "at": told[0].at,
    }
