"""Who is in which room of the hub since when, and the care there (IHR 2005, article 32)."""

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import RowMapping, select, update

from twinstile.cases import bodies, deadlines, isolation_rooms, steps
from twinstile.cases.bodies import CareBody, StayBody
from twinstile.cases.steps import LockedCase
from twinstile.cases.tables import CareRecord, Room, Stay
from twinstile.cases.types import Wait
from twinstile.platform.db import idempotent_facts
from twinstile.platform.db.database import Reading, Transaction
from twinstile.platform.http.problems import NotFound, TransitionRefused
from twinstile.platform.security.auth import Principal

ENTERED = "case.room-entered"
LEFT = "case.room-left"
CARED = "case.cared"


async def enter(
    tx: Transaction,
    who: Principal,
    case_id: UUID,
    stay_id: UUID,
    form: StayBody,
    at: datetime,
) -> RowMapping:
    """Put the patient into a room; who was in another has left that one.

    From now on somebody looks at them as often as the room says. Raises `NotFound`, `IdReused`,
    `TransitionRefused` for a patient who is not at the hub any more, `InvalidInput`, `NoPlace`.
    """
    case = await steps.lock(tx, who.hub_id, case_id)
    values = idempotent_facts.columns(Stay, form, case_id=case_id)
    earlier = await idempotent_facts.find(tx, Stay, who.hub_id, stay_id, values)
    if earlier is not None:
        return earlier
    if case.state not in deadlines.IN_A_ROOM:
        raise TransitionRefused(f"The case is {case.state}.")
    minutes = await isolation_rooms.require_room(
        tx, case, form.room_id, beyond_capacity=form.beyond_capacity
    )
    await _leave(tx, who, case, at)
    row = await idempotent_facts.add(tx, Stay, who, stay_id, values, at)
    due = at + timedelta(minutes=minutes)
    await deadlines.start(tx, who.hub_id, case_id, Wait.CARE, stay_id, due)
    body: dict[str, object] = {
        "room_id": form.room_id,
        "stay_id": str(stay_id),
        "beyond_capacity": form.beyond_capacity,
    }
    await steps.announce(tx, who, case, ENTERED, at, body)
    return row


async def leave(
    tx: Transaction, who: Principal, case_id: UUID, stay_id: UUID, at: datetime
) -> RowMapping:
    """The patient has left the room; the same again changes nothing. Raises `NotFound`."""
    case = await steps.lock(tx, who.hub_id, case_id)
    row = await _stay(tx, case, stay_id)
    if row["left_at"] is None:
        await _leave(tx, who, case, at)
        row = await _stay(tx, case, stay_id)
    return row


async def care(
    tx: Transaction,
    who: Principal,
    case_id: UUID,
    care_id: UUID,
    form: CareBody,
    at: datetime,
) -> RowMapping:
    """Record a look at a patient in a room; the next is due as long after as the room says.

    Raises `NotFound`, `IdReused`, and `TransitionRefused` for a patient in no room.
    """
    case = await steps.lock(tx, who.hub_id, case_id)
    tenths = bodies.tenths(form.temperature_c)
    values = idempotent_facts.columns(CareRecord, form, case_id=case_id, tenths=tenths)
    earlier = await idempotent_facts.find(tx, CareRecord, who.hub_id, care_id, values)
    if earlier is not None:
        return earlier
    inside = await tx.sql.execute(
        select(Stay.stay_id, Room.room_id, Room.care_minutes)
        .join(Room, (Room.hub_id == Stay.hub_id) & (Room.room_id == Stay.room_id))
        .where(Stay.hub_id == who.hub_id, Stay.case_id == case_id, Stay.left_at.is_(None))
    )
    stay = inside.one_or_none()
    if stay is None:
        raise TransitionRefused("The patient is in no room.")
    values["stay_id"], room_id, minutes = stay
    row = await idempotent_facts.add(tx, CareRecord, who, care_id, values, at)
    due = at + timedelta(minutes=minutes)
    await deadlines.start(tx, who.hub_id, case_id, Wait.CARE, row["stay_id"], due)
    body = {"room_id": room_id, "care_id": str(care_id)}
    await steps.announce(tx, who, case, CARED, at, body)
    return row


async def _stay(tx: Reading, case: LockedCase, stay_id: UUID) -> RowMapping:
    found = await tx.sql.execute(
        select(Stay.__table__).where(
            Stay.hub_id == case.hub_id,
            Stay.case_id == case.case_id,
            Stay.stay_id == stay_id,
        )
    )
    row = found.mappings().one_or_none()
    if row is None:
        raise NotFound("There is no such stay.")
    return row


async def _leave(tx: Transaction, who: Principal, case: LockedCase, at: datetime) -> None:
    ended = await tx.sql.execute(
        update(Stay)
        .where(Stay.hub_id == case.hub_id, Stay.case_id == case.case_id, Stay.left_at.is_(None))
        .values(left_at=at)
        .returning(Stay.stay_id, Stay.room_id)
    )
    for stay_id, room_id in ended.all():
        await deadlines.stop(tx, case.hub_id, Wait.CARE, stay_id)
        body: dict[str, object] = {"room_id": room_id, "stay_id": str(stay_id)}
        await steps.announce(tx, who, case, LEFT, at, body)
