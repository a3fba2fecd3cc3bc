"""Who is in which room of the hub since when, and the care there (IHR 2005, article 32)."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import RowMapping, select, update

from twinstile.cases import deadlines, idempotent_facts, isolation_rooms, steps
from twinstile.cases.steps import LockedCase
from twinstile.cases.tables import CareRecord, Room, Stay
from twinstile.cases.types import Care, Wait
from twinstile.platform.db.database import Reading, Transaction
from twinstile.platform.http.problems import NotFound, TransitionRefused
from twinstile.platform.security.auth import Principal

ENTERED = "case.room-entered"
LEFT = "case.room-left"
CARED = "case.cared"


@dataclass(frozen=True, slots=True)
class Entry:
    """Somebody who is put into a room. `entered_at` is by the sender's clock."""

    stay_id: UUID
    room_id: str
    entered_at: datetime
    beyond_capacity: bool


@dataclass(frozen=True, slots=True)
class Look:
    """A look at somebody in a room, and what they were given; tenths of a degree Celsius."""

    care_id: UUID
    given: tuple[Care, ...]
    tenths: int | None
    note: str | None
    given_at: datetime


async def enter(
    tx: Transaction, who: Principal, case_id: UUID, entry: Entry, at: datetime
) -> RowMapping:
    """Put the patient into a room; who was in another has left that one.

    From now on somebody looks at them as often as the room says. Raises `NotFound`, `IdReused`,
    `TransitionRefused` for a patient who is not at the hub any more, `InvalidInput`, `NoPlace`.
    """
    case = await steps.lock(tx, who.hub_id, case_id)
    told: dict[str, object] = {
        "case_id": case_id,
        "room_id": entry.room_id,
        "entered_at": entry.entered_at,
        "beyond_capacity": entry.beyond_capacity,
    }
    earlier = await idempotent_facts.find(tx, Stay, who.hub_id, entry.stay_id, told)
    if earlier is not None:
        return earlier
    if case.state not in deadlines.IN_A_ROOM:
        raise TransitionRefused(f"The case is {case.state}.")
    minutes = await isolation_rooms.require_room(
        tx, case, entry.room_id, beyond_capacity=entry.beyond_capacity
    )
    await _leave(tx, who, case, at)
    row = await idempotent_facts.add(tx, Stay, who, entry.stay_id, told, at)
    due = at + timedelta(minutes=minutes)
    await deadlines.start(tx, who.hub_id, case_id, Wait.CARE, entry.stay_id, due)
    body: dict[str, object] = {
        "room_id": entry.room_id,
        "stay_id": str(entry.stay_id),
        "beyond_capacity": entry.beyond_capacity,
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
    tx: Transaction, who: Principal, case_id: UUID, look: Look, at: datetime
) -> RowMapping:
    """Record a look at a patient in a room; the next is due as long after as the room says.

    Raises `NotFound`, `IdReused`, and `TransitionRefused` for a patient in no room.
    """
    case = await steps.lock(tx, who.hub_id, case_id)
    told: dict[str, object] = {
        "case_id": case_id,
        "given": [one.value for one in look.given],
        "tenths": look.tenths,
        "note": look.note,
        "given_at": look.given_at,
    }
    earlier = await idempotent_facts.find(tx, CareRecord, who.hub_id, look.care_id, told)
    if earlier is not None:
        return earlier
    found = await tx.sql.execute(
        select(Stay.stay_id, Room.room_id, Room.care_minutes)
        .join(Room, (Room.hub_id == Stay.hub_id) & (Room.room_id == Stay.room_id))
        .where(Stay.hub_id == who.hub_id, Stay.case_id == case_id, Stay.left_at.is_(None))
    )
    inside = found.one_or_none()
    if inside is None:
        raise TransitionRefused("The patient is in no room.")
    stay_id, room_id, minutes = inside
    seen = {**told, "stay_id": stay_id}
    row = await idempotent_facts.add(tx, CareRecord, who, look.care_id, seen, at)
    due = at + timedelta(minutes=minutes)
    await deadlines.start(tx, who.hub_id, case_id, Wait.CARE, stay_id, due)
    body: dict[str, object] = {"room_id": room_id, "care_id": str(look.care_id)}
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
