"""HTTP: devices, lanes, operators and shifts."""

from dataclasses import asdict
from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Request, Response
from pydantic import Field
from sqlalchemy import select

from twinstile.platform.db.tables import Device, Lane
from twinstile.platform.http.field_types import Answer, Body, Line, Slug, Word
from twinstile.platform.http.problems import (
    AlreadyExists,
    EnrolmentRefused,
    Forbidden,
    NotFound,
    documented,
)
from twinstile.platform.http.routes import GatedRoute, Read, RuntimeDep, Tx, caller
from twinstile.platform.ops import clock
from twinstile.platform.security import browser_sessions, devices, shifts
from twinstile.platform.security.auth import Principal, Scope
from twinstile.platform.security.browser_sessions import (
    AlreadyEnrolled,
    ForeignPage,
    HttpsNeeded,
)
from twinstile.platform.security.devices import Direction, LaneKind
from twinstile.platform.security.roles import Role

router = APIRouter(prefix="/v1", route_class=GatedRoute)


class EnrolBody(Body):
    code: Line = Field(description="the one-time code", examples=["hub:7KQ2M4PDXA"])
    name: Line = Field(description="name of the device for people", examples=["North 3 tablet"])
    browser: bool = Field(
        default=False,
        description="for a page of the service itself: the browser keeps the token in a cookie",
    )


class EnrolAnswer(Answer):
    hub_id: str
    device_id: UUID
    lane_id: str | None
    token: str | None = Field(
        description="the device's own token, shown once; null in a browser, which keeps it in "
        "a cookie"
    )


class CodeBody(Body):
    lane_id: Slug | None = Field(
        default=None, description="the lane the device will stand at", examples=["north-3"]
    )


class CodeAnswer(Answer):
    code: str
    expires_at: datetime


class DeviceAnswer(Answer):
    device_id: UUID
    name: str
    lane_id: str | None
    enrolled_at: datetime
    revoked_at: datetime | None
    last_contact_at: datetime | None


class DeviceList(Answer):
    devices: list[DeviceAnswer]


class SyncAnswer(Answer):
    ack_through: int = Field(description="all counters up to this one have arrived")
    missing: list[tuple[int, int]] = Field(description="inclusive ranges not arrived yet")
    quarantined: int = Field(description="facts kept aside because they were not valid")
    last_contact_at: datetime | None


class LaneBody(Body):
    checkpoint: Slug = Field(examples=["north"])
    kind: LaneKind
    direction: Direction | None = Field(
        default=None,
        description="of the whole checkpoint; as it is unless given, else ARRIVING",
    )


class LaneAnswer(Answer):
    lane_id: str
    checkpoint: str
    kind: LaneKind
    direction: Direction


class LaneList(Answer):
    lanes: list[LaneAnswer]


class OperatorBody(Body):
    login: Slug = Field(examples=["li.na"])
    display_name: Line = Field(examples=["Li Na"])
    roles: Annotated[list[Role], Field(min_length=1, max_length=7)]
    passcode: Annotated[Word, Field(min_length=6, description="at least six characters")] = (
        Field(examples=["7KQ2-M4PD-XA9W"])
    )


class OperatorAnswer(Answer):
    operator_id: UUID
    login: str
    display_name: str
    roles: list[Role]
    disabled: bool


class OperatorList(Answer):
    operators: list[OperatorAnswer]


@router.post(
    "/devices:enrol",
    status_code=201,
    tags=["devices"],
    summary="Enrol a device with a one-time code",
    responses=documented(EnrolmentRefused, AlreadyEnrolled, ForeignPage, HttpsNeeded),
)
async def enrol_device(
    body: EnrolBody, request: Request, response: Response, tx: Tx, runtime: RuntimeDep
) -> EnrolAnswer:
    """Let a tablet or desk computer in. The only call that needs no token: it needs a code.

    A browser is let in over HTTPS, or on the machine of the service, and once.
    """
    if body.browser:
        await browser_sessions.require_fresh(request, runtime.settings, runtime.gatekeeper)
    done = await devices.enrol(tx, body.code, body.name, clock.now())
    if body.browser:
        browser_sessions.keep_device(response, done.token)
    return EnrolAnswer(
        hub_id=done.hub_id,
        device_id=done.device_id,
        lane_id=done.lane_id,
        token=None if body.browser else done.token,
    )


@router.post(
    "/enrolments",
    status_code=201,
    tags=["devices"],
    summary="Make a one-time enrolment code",
    responses=documented(NotFound),
)
async def make_code(
    body: CodeBody, tx: Tx, who: Annotated[Principal, caller(Scope.DEVICES_MANAGE)]
) -> CodeAnswer:
    """Make a code for one device, valid for half an hour."""
    made = (body.lane_id, clock.now(), who.operator_id)
    code, expires_at = await devices.mint_code(tx, who.hub_id, *made)
    return CodeAnswer(code=code, expires_at=expires_at)


@router.get("/devices", tags=["devices"], summary="List the devices of the hub")
async def list_devices(
    tx: Read, who: Annotated[Principal, caller(Scope.DEVICES_MANAGE)]
) -> DeviceList:
    """Every device ever enrolled, revoked ones included."""
    found = await tx.sql.execute(
        select(
            Device.device_id,
            Device.name,
            Device.lane_id,
            Device.enrolled_at,
            Device.revoked_at,
            Device.last_contact_at,
        )
        .where(Device.hub_id == who.hub_id)
        .order_by(Device.enrolled_at, Device.device_id)
        .limit(2000)
    )
    return DeviceList(
        devices=[
            DeviceAnswer(
                device_id=device_id,
                name=name,
                lane_id=lane_id,
                enrolled_at=enrolled_at,
                revoked_at=revoked_at,
                last_contact_at=last_contact_at,
            )
            for device_id, name, lane_id, enrolled_at, revoked_at, last_contact_at in found
        ]
    )


@router.delete(
    "/devices/{device_id}",
    status_code=204,
    tags=["devices"],
    summary="Revoke a device",
    responses=documented(NotFound),
)
async def revoke_device(
    device_id: UUID,
    tx: Tx,
    runtime: RuntimeDep,
    who: Annotated[Principal, caller(Scope.DEVICES_MANAGE)],
) -> None:
    """Shut a lost device out; its token and every shift on it die within two seconds."""
    await devices.revoke(tx, who, device_id, clock.now())
    runtime.gatekeeper.forget()


@router.get(
    "/devices/{device_id}/sync-status",
    tags=["devices"],
    summary="What has arrived of a device",
    responses=documented(NotFound),
)
async def read_sync_status(
    device_id: UUID, tx: Read, who: Annotated[Principal, caller(Scope.SELF_READ)]
) -> SyncAnswer:
    """Which facts have arrived and which counters are missing. Devices see their own only."""
    if device_id != who.device_id and Scope.DEVICES_MANAGE not in who.scopes:
        raise NotFound("There is no such device.")
    status = await devices.sync_status(tx, who.hub_id, device_id)
    return SyncAnswer(
        ack_through=status.ack_through,
        missing=status.missing,
        quarantined=status.quarantined,
        last_contact_at=status.last_contact_at,
    )


@router.put(
    "/lanes/{lane_id}",
    tags=["lanes"],
    summary="Enter or change a lane",
    responses=documented(Forbidden),
)
async def put_lane(
    lane_id: Slug,
    body: LaneBody,
    tx: Tx,
    who: Annotated[Principal, caller(Scope.DEVICES_MANAGE)],
) -> LaneAnswer:
    """Enter a lane with the checkpoint it belongs to and what it is for."""
    way = await devices.add_lane(
        tx, who.hub_id, lane_id, body.checkpoint, body.kind, body.direction
    )
    return LaneAnswer(
        lane_id=lane_id, checkpoint=body.checkpoint, kind=body.kind, direction=way
    )


@router.get("/lanes", tags=["lanes"], summary="List the lanes of the hub")
async def list_lanes(tx: Read, who: Annotated[Principal, caller(Scope.LANES_READ)]) -> LaneList:
    """Every lane with its checkpoint, its kind and which way people go there."""
    found = await tx.sql.execute(
        select(Lane.lane_id, Lane.checkpoint, Lane.kind, Lane.direction)
        .where(Lane.hub_id == who.hub_id)
        .order_by(Lane.lane_id)
        .limit(2000)
    )
    return LaneList(
        lanes=[LaneAnswer.model_validate(row) for row in found.mappings()],
    )


@router.post(
    "/operators",
    status_code=201,
    tags=["operators"],
    summary="Enter a person on duty",
    responses=documented(AlreadyExists),
)
async def add_operator(
    body: OperatorBody, tx: Tx, who: Annotated[Principal, caller(Scope.OPERATORS_MANAGE)]
) -> OperatorAnswer:
    """Enter a person with a login, roles and a first passcode."""
    told = (body.login, body.display_name, body.roles, body.passcode)
    operator_id = await shifts.add_operator(tx, who.hub_id, *told, clock.now(), who.operator_id)
    return OperatorAnswer(
        operator_id=operator_id,
        login=body.login.lower(),
        display_name=body.display_name,
        roles=sorted(set(body.roles)),
        disabled=False,
    )


@router.get("/operators", tags=["operators"], summary="List the people on duty")
async def list_operators(
    tx: Read, who: Annotated[Principal, caller(Scope.OPERATORS_MANAGE)]
) -> OperatorList:
    """Every operator of the hub, those without access any more included."""
    found = await shifts.operators(tx, who.hub_id)
    return OperatorList(operators=[OperatorAnswer(**asdict(one)) for one in found])


@router.delete(
    "/operators/{operator_id}",
    status_code=204,
    tags=["operators"],
    summary="End a person's access",
    responses=documented(NotFound),
)
async def disable_operator(
    operator_id: UUID,
    tx: Tx,
    runtime: RuntimeDep,
    who: Annotated[Principal, caller(Scope.OPERATORS_MANAGE)],
) -> None:
    """End a person's access; open shifts end with it within two seconds."""
    await shifts.disable_operator(tx, who.hub_id, operator_id, clock.now(), who)
    runtime.gatekeeper.forget()
