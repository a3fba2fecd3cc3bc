"""HTTP: signing in and out, who one is, and shifts that began without a network."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from pydantic import Field

from twinstile.platform.http.field_types import Answer, Body, Slug, Word
from twinstile.platform.http.problems import NotFound, SignInRefused, TooMany, documented
from twinstile.platform.http.routes import GatedRoute, Read, RuntimeDep, Tx, caller
from twinstile.platform.ops import clock
from twinstile.platform.security import browser_sessions, offline_shifts, shifts
from twinstile.platform.security.auth import Principal, Scope
from twinstile.platform.security.hub_modes import HubMode
from twinstile.platform.security.roles import Role

router = APIRouter(prefix="/v1", route_class=GatedRoute, tags=["shifts"])


class SignInBody(Body):
    login: Slug = Field(examples=["li.na"])
    passcode: Word = Field(examples=["7KQ2-M4PD-XA9W"])


class ShiftAnswer(Answer):
    shift_id: UUID
    token: str | None = Field(
        description="the token of this shift, shown once; null in a browser, which keeps it in "
        "a cookie"
    )
    roles: list[Role]
    scopes: list[str]
    ends_at: datetime


class MeAnswer(Answer):
    hub_id: str
    mode: HubMode = Field(description="DEMO: nobody real is screened here")
    device_id: UUID
    lane_id: str | None
    operator_id: UUID | None
    shift_id: UUID | None
    roles: list[Role]
    scopes: list[str]


@router.post(
    "/shifts",
    status_code=201,
    summary="Sign in on this device for a shift",
    responses=documented(SignInRefused, TooMany),
)
async def sign_in(
    body: SignInBody,
    request: Request,
    response: Response,
    runtime: RuntimeDep,
    device: Annotated[Principal, caller(Scope.SHIFTS_WRITE)],
) -> ShiftAnswer:
    """Sign an operator in on the calling device. After five wrong passcodes the login waits.

    In a browser one person is on shift at a time: a shift that is open there ends.
    """
    now, browser = clock.now(), browser_sessions.by_cookie(request)
    given = (body.login, body.passcode, now)
    done = await shifts.sign_in(runtime.database, device, *given, alone=browser)
    if browser:
        runtime.gatekeeper.forget()
        browser_sessions.keep_shift(request, response, done.token, done.ends_at - now)
    return ShiftAnswer(
        shift_id=done.shift_id,
        token=None if browser else done.token,
        roles=sorted(done.roles),
        scopes=sorted(done.scopes),
        ends_at=done.ends_at,
    )


@router.delete(
    "/shifts/current",
    status_code=204,
    summary="Sign out",
    responses=documented(NotFound),
)
async def sign_out(
    request: Request,
    response: Response,
    tx: Tx,
    runtime: RuntimeDep,
    who: Annotated[Principal, caller(Scope.SHIFTS_END)],
) -> None:
    """End the shift of the calling token; a browser forgets its cookie."""
    await shifts.sign_out(tx, who, clock.now())
    runtime.gatekeeper.forget()
    if browser_sessions.by_cookie(request):
        browser_sessions.drop_shift(response)


@router.get("/me", summary="Who am I")
async def read_me(who: Annotated[Principal, caller(Scope.SELF_READ)]) -> MeAnswer:
    """The device, operator, roles and scopes of the calling token."""
    return MeAnswer(
        hub_id=who.hub_id,
        mode=who.mode,
        device_id=who.device_id,
        lane_id=who.lane_id,
        operator_id=who.operator_id,
        shift_id=who.shift_id,
        roles=sorted(who.roles),
        scopes=sorted(who.scopes),
    )


class OfflineShiftAnswer(Answer):
    shift_id: UUID
    device_id: UUID
    operator_id: UUID = Field(description="who is said to have worked it")
    started_at: datetime
    ends_at: datetime
    recorded_at: datetime
    confirmed_at: datetime | None = Field(description="null: it is a claim of the tablet")


class OfflineShiftList(Answer):
    shifts: list[OfflineShiftAnswer]


@router.get("/offline-shifts", summary="List shifts that began without a network")
async def list_offline_shifts(
    tx: Read,
    who: Annotated[Principal, caller(Scope.DEVICES_MANAGE)],
    confirmed: Annotated[bool, Query(description="those that were confirmed as well")] = False,  # noqa: FBT002
) -> OfflineShiftList:
    """Shifts that tablets claim and nobody has confirmed, the latest first, at most 500."""
    found = await offline_shifts.listed(tx, who.hub_id, confirmed=confirmed)
    return OfflineShiftList(
        shifts=[OfflineShiftAnswer.model_validate(dict(row)) for row in found]
    )


@router.put(
    "/offline-shifts/{shift_id}/confirmation",
    status_code=204,
    summary="Confirm a shift worked without a network",
    responses=documented(NotFound),
)
async def confirm_offline_shift(
    shift_id: UUID, tx: Tx, who: Annotated[Principal, caller(Scope.SHIFTS_END)]
) -> None:
    """By the operator who worked it, signed in with the passcode.

    Facts handed over from then on bear the operator's name. Those handed over before keep
    none; the shift tells.
    """
    await offline_shifts.confirm(tx, who, shift_id, clock.now())
