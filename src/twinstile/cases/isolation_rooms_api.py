"""HTTP: rooms with who is in them, receivers with their places, and the care of patients."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter
from pydantic import Field

from twinstile.cases import bodies, isolation_rooms, room_stays
from twinstile.cases.bodies import CareAnswer, CareBody, StayAnswer, StayBody
from twinstile.cases.isolation_rooms import FacilityBody, NoPlace, RoomBody
from twinstile.cases.types import FacilityKind, RoomKind
from twinstile.platform.http.field_types import Answer, Slug
from twinstile.platform.http.problems import (
    IdReused,
    InvalidInput,
    NotFound,
    TransitionRefused,
    documented,
)
from twinstile.platform.http.routes import GatedRoute, Read, Tx, caller
from twinstile.platform.ops import clock
from twinstile.platform.security.auth import Principal, Scope

router = APIRouter(prefix="/v1", route_class=GatedRoute, tags=["cases"])

Reader = Annotated[Principal, caller(Scope.CASES_READ)]
Writer = Annotated[Principal, caller(Scope.CASES_WRITE)]
Planner = Annotated[Principal, caller(Scope.DEVICES_MANAGE)]


class OccupantAnswer(Answer):
    case_id: UUID
    case_no: str
    stay_id: UUID
    entered_at: datetime
    care_due_at: datetime | None = Field(description="when the next look at them rings")
    late: bool = Field(description="whether it was due and has not come")


class RoomAnswer(Answer):
    room_id: str
    name: str
    kind: RoomKind
    capacity: int
    care_minutes: int
    taken: int
    occupants: list[OccupantAnswer] = Field(description="the longest first")


class RoomList(Answer):
    rooms: list[RoomAnswer]


class FacilityAnswer(Answer):
    facility_id: str
    name: str
    kind: FacilityKind
    capacity: int | None
    expected: int = Field(description="cases that were sent there and have not arrived")
    there: int = Field(description="cases in care there")


class FacilityList(Answer):
    facilities: list[FacilityAnswer]


@router.put("/rooms/{room_id}", status_code=204, summary="Enter or change a room")
async def put_room(room_id: Slug, body: RoomBody, tx: Tx, who: Planner) -> None:
    """A holding room, an isolation room or a tent, with its places."""
    await isolation_rooms.enter_room(tx, who.hub_id, room_id, body)


@router.get("/rooms", summary="List the rooms and who is in them")
async def list_rooms(tx: Read, who: Reader) -> RoomList:
    """Every room with its places and its patients, by case number."""
    rooms = [
        RoomAnswer.model_validate({**room, "taken": len(inside), "occupants": inside})
        for room, inside in await isolation_rooms.rooms(tx, who.hub_id)
    ]
    return RoomList(rooms=rooms)


@router.put("/facilities/{facility_id}", status_code=204, summary="Enter or change a receiver")
async def put_facility(facility_id: Slug, body: FacilityBody, tx: Tx, who: Planner) -> None:
    """A hospital, clinic or other receiver that dispositions can name."""
    await isolation_rooms.enter_facility(tx, who.hub_id, facility_id, body)


@router.get("/facilities", summary="List the receivers and their places")
async def list_facilities(tx: Read, who: Reader) -> FacilityList:
    """Every receiver with how many of the hub's cases are expected there and are there."""
    found = await isolation_rooms.facilities(tx, who.hub_id)
    return FacilityList(facilities=[FacilityAnswer.model_validate(row) for row in found])


@router.put(
    "/cases/{case_id}/stays/{stay_id}",
    summary="Put a patient into a room",
    responses=documented(NotFound, IdReused, NoPlace, TransitionRefused, InvalidInput),
)
async def put_stay(
    case_id: UUID, stay_id: UUID, body: StayBody, tx: Tx, who: Writer
) -> StayAnswer:
    """From now on somebody looks at the patient in time, or it rings.

    Who was in another room has left it. A stay ends when the case leaves the hub.
    """
    row = await room_stays.enter(tx, who, case_id, stay_id, body, clock.now())
    return StayAnswer.model_validate(row)


@router.put(
    "/cases/{case_id}/stays/{stay_id}/end",
    summary="End a stay in a room",
    responses=documented(NotFound),
)
async def end_stay(case_id: UUID, stay_id: UUID, tx: Tx, who: Writer) -> StayAnswer:
    """The patient has left the room. The same again changes nothing."""
    return StayAnswer.model_validate(
        await room_stays.leave(tx, who, case_id, stay_id, clock.now())
    )


@router.put(
    "/cases/{case_id}/care/{care_id}",
    summary="Record a look at a patient in a room",
    responses=documented(NotFound, IdReused, TransitionRefused, InvalidInput),
)
async def put_care(
    case_id: UUID, care_id: UUID, body: CareBody, tx: Tx, who: Writer
) -> CareAnswer:
    """What the patient was given. The next look is due as long after as the room says."""
    row = await room_stays.care(tx, who, case_id, care_id, body, clock.now())
    return CareAnswer.model_validate(bodies.with_celsius(row))
