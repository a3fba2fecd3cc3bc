"""Rooms of the hub and facilities it sends people to, with how many of their places are taken.

Capacity is held while the place is locked, so two who take the last place at once do not both
get it. It can be gone beyond, by saying so: a patient is somewhere, whatever the plan was.
"""

from typing import Annotated

from pydantic import Field
from sqlalchemy import RowMapping, func, select
from sqlalchemy.dialects.postgresql import insert as upsert

from twinstile.cases.steps import LockedCase
from twinstile.cases.tables import CaseWait, Facility, FeverCase, Room, Stay
from twinstile.cases.types import CaseState, FacilityKind, RoomKind, Wait
from twinstile.platform.db.database import Reading, Transaction
from twinstile.platform.http.field_types import Body, Line
from twinstile.platform.http.problems import Conflict, FieldFault, InvalidInput

EXPECTED = frozenset({CaseState.DISPOSED, CaseState.IN_TRANSFER})
TAKEN = EXPECTED | {CaseState.IN_CARE}
"""States in which a case takes a place of its facility; whoever is discharged has left it."""
MOST_INSIDE = 2000
"""Patients in all rooms of a hub that a list shows."""


class NoPlace(Conflict):
    slug = "no-place"
    title = "All places are taken: choose another, or say that it is beyond its capacity"


Places = Annotated[int, Field(ge=1, le=1000)]


class RoomBody(Body):
    name: Line = Field(examples=["Holding room, north"])
    kind: RoomKind
    capacity: Places
    care_minutes: Annotated[int, Field(ge=5, le=240)] = Field(
        default=30, description="somebody looks at whoever is in it as often as that"
    )


class FacilityBody(Body):
    name: Line = Field(examples=["First People's Hospital"])
    kind: FacilityKind
    capacity: Places | None = Field(
        default=None, description="places for patients of the hub; null: not known"
    )


async def enter_room(tx: Transaction, hub_id: str, room_id: str, form: RoomBody) -> None:
    """Enter a room, or change what is known of it."""
    row = upsert(Room).values(hub_id=hub_id, room_id=room_id, **dict(form))
    await tx.sql.execute(
        row.on_conflict_do_update(index_elements=["hub_id", "room_id"], set_=dict(form))
    )


async def enter_facility(
    tx: Transaction, hub_id: str, facility_id: str, form: FacilityBody
) -> None:
    """Enter a receiver, or change what is known of it."""
    row = upsert(Facility).values(hub_id=hub_id, facility_id=facility_id, **dict(form))
    await tx.sql.execute(
        row.on_conflict_do_update(index_elements=["hub_id", "facility_id"], set_=dict(form))
    )


async def require_place(
    tx: Transaction,
    case: LockedCase,
    facility_id: str | None,
    pointer: str,
    *,
    beyond_capacity: bool,
) -> str | None:
    """The facility's name, if the case may be sent there; None where none is named.

    Raises `InvalidInput` for one nobody entered, `NoPlace` for one that is full. `pointer` is
    where the sender named it.
    """
    if facility_id is None:
        return None
    found = await tx.sql.execute(
        select(Facility.name, Facility.capacity)
        .where(Facility.hub_id == case.hub_id, Facility.facility_id == facility_id)
        .with_for_update()
    )
    row = found.one_or_none()
    if row is None:
        raise InvalidInput(errors=[FieldFault(pointer, "unknown-value")])
    name, capacity = row
    if capacity is not None and not beyond_capacity:
        taken = await tx.sql.execute(
            select(func.count())
            .select_from(FeverCase)
            .where(
                FeverCase.hub_id == case.hub_id,
                FeverCase.facility_id == facility_id,
                FeverCase.closed_at.is_(None),
                FeverCase.state.in_(TAKEN),
                FeverCase.case_id != case.case_id,
            )
        )
        if taken.scalar_one() >= capacity:
            raise NoPlace
    return name


async def require_room(
    tx: Transaction, case: LockedCase, room_id: str, *, beyond_capacity: bool
) -> int:
    """Within how many minutes somebody must look at whoever is in it.

    Raises `InvalidInput` for a room nobody entered, `NoPlace` for one that is full.
    """
    found = await tx.sql.execute(
        select(Room.capacity, Room.care_minutes)
        .where(Room.hub_id == case.hub_id, Room.room_id == room_id)
        .with_for_update()
    )
    row = found.one_or_none()
    if row is None:
        raise InvalidInput(errors=[FieldFault("/room_id", "unknown-value")])
    capacity, minutes = row
    taken = await tx.sql.execute(
        select(func.count())
        .select_from(Stay)
        .where(
            Stay.hub_id == case.hub_id,
            Stay.room_id == room_id,
            Stay.left_at.is_(None),
            Stay.case_id != case.case_id,
        )
    )
    if taken.scalar_one() >= capacity and not beyond_capacity:
        raise NoPlace
    return minutes


async def rooms(tx: Reading, hub_id: str) -> list[tuple[RowMapping, list[RowMapping]]]:
    """Every room with who is in it, the longest first."""
    found = await tx.sql.execute(
        select(Room.__table__).where(Room.hub_id == hub_id).order_by(Room.room_id)
    )
    inside = await _occupants(tx, hub_id)
    return [
        (room, [one for one in inside if one["room_id"] == room["room_id"]])
        for room in found.mappings()
    ]


async def _occupants(tx: Reading, hub_id: str) -> list[RowMapping]:
    found = await tx.sql.execute(
        select(
            Stay.room_id,
            Stay.case_id,
            FeverCase.case_no,
            Stay.stay_id,
            Stay.entered_at,
            CaseWait.due_at.label("care_due_at"),
            CaseWait.late_since.is_not(None).label("late"),
        )
        .join(
            FeverCase,
            (FeverCase.hub_id == Stay.hub_id) & (FeverCase.case_id == Stay.case_id),
        )
        .outerjoin(
            CaseWait,
            (CaseWait.hub_id == Stay.hub_id)
            & (CaseWait.subject_id == Stay.stay_id)
            & (CaseWait.kind == Wait.CARE.value),
        )
        .where(Stay.hub_id == hub_id, Stay.left_at.is_(None))
        .order_by(Stay.entered_at)
        .limit(MOST_INSIDE)
    )
    return list(found.mappings())


async def facilities(tx: Reading, hub_id: str) -> list[RowMapping]:
    """Every facility with how many of the hub's are expected there, and how many are there."""
    there = FeverCase.state == CaseState.IN_CARE.value
    found = await tx.sql.execute(
        select(
            Facility.facility_id,
            Facility.name,
            Facility.kind,
            Facility.capacity,
            func.count().filter(FeverCase.state.in_(EXPECTED)).label("expected"),
            func.count().filter(there).label("there"),
        )
        .outerjoin(
            FeverCase,
            (FeverCase.hub_id == Facility.hub_id)
            & (FeverCase.facility_id == Facility.facility_id)
            & FeverCase.closed_at.is_(None),
        )
        .where(Facility.hub_id == hub_id)
        .group_by(Facility.facility_id, Facility.name, Facility.kind, Facility.capacity)
        .order_by(Facility.facility_id)
    )
    return list(found.mappings())
