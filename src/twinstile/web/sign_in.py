"""The way in: a browser is enrolled as a device, then a person signs in on it for a shift.

Both work without JavaScript; a script only puts a scanned code into its field. The rights are
those of `/v1/devices:enrol` and `/v1/shifts`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from typing import Annotated, Final, cast

import segno
from fastapi import APIRouter, Request, Response
from markupsafe import Markup

from twinstile.platform.db.database import Reading
from twinstile.platform.http import routes
from twinstile.platform.http.problems import (
    EnrolmentRefused,
    InvalidInput,
    Problem,
    SignInRefused,
    TooMany,
    Unauthenticated,
)
from twinstile.platform.http.routes import Read, Runtime, RuntimeDep, Tx, caller
from twinstile.platform.ops import clock
from twinstile.platform.security import browser_sessions, devices, shifts
from twinstile.platform.security.api import CodeBody, EnrolBody
from twinstile.platform.security.auth import DeviceRevoked, Principal, Scope
from twinstile.platform.security.shifts_api import SignInBody
from twinstile.web import layout
from twinstile.web.layout import PageRoute

router = APIRouter(prefix=layout.ENTRY, route_class=PageRoute, include_in_schema=False)


@dataclass(frozen=True, slots=True)
class WorkPage:
    """A page somebody may work at, if their shift has the scope."""

    path: str
    words: str
    needs: Scope


PLACES: Final = (
    WorkPage("/gate/", "enter.gate", Scope.CHECKS_WRITE),
    WorkPage("/desk", "desk.title", Scope.LOOKUPS_WRITE),
    WorkPage("/desk/declaration", "declaration.title", Scope.LOOKUPS_WRITE),
    WorkPage("/desk/paper", "paper.title", Scope.CHECKS_WRITE),
    WorkPage("/desk/appeals", "appeals.title", Scope.APPEALS_WRITE),
)
_OWN_PATH: Final = re.compile(r"/[a-z][a-z0-9/-]{0,60}", re.ASCII)


@dataclass(frozen=True, slots=True)
class IssuedEnrolmentCode:
    """A code for another device, as it is shown."""

    code: str
    page: str
    picture: Markup
    minutes: int


@router.get("")
async def read_entry(
    request: Request, runtime: RuntimeDep, tx: Read, then: str = ""
) -> Response:
    """Whatever is next for this browser: to be let in, to sign in, or where to go."""
    try:
        await routes.look_up(request, frozenset({Scope.SELF_READ}))
    except DeviceRevoked:
        raise
    except Unauthenticated:
        return _page(request)
    who = cast("Principal", request.scope[routes.KNOWN])
    return _page(request, then=then, **await _at_work(tx, runtime, who))


async def _at_work(tx: Reading, runtime: Runtime, who: Principal) -> Mapping[str, object]:
    """What somebody on shift is shown; nothing where nobody is."""
    if who.operator_id is None or who.ends_at is None:
        return {}
    lets_in = Scope.DEVICES_MANAGE in who.scopes
    return {
        "person": await shifts.name_of(tx, who.hub_id, who.operator_id),
        "until": f"{who.ends_at.astimezone(runtime.settings.zone):%H:%M}",
        "places": [place for place in PLACES if place.needs in who.scopes],
        "lanes": await devices.lanes(tx, who.hub_id) if lets_in else None,
    }


def _page(request: Request, **shown: object) -> Response:
    return _answer(request, shown, HTTPStatus.OK)


def _faulty(request: Request, faults: Mapping[str, str], **shown: object) -> Response:
    return _answer(request, {**shown, "faults": faults}, HTTPStatus.UNPROCESSABLE_ENTITY)


def _refused(request: Request, field: str, refused: Problem, **shown: object) -> Response:
    shown["faults"] = {field: refused.slug}
    return _answer(request, shown, refused.status, refused.headers)


def _answer(
    request: Request,
    values: Mapping[str, object],
    status: int,
    headers: Mapping[str, str] | None = None,
) -> Response:
    values = {"scripts": ["enter.js"], **values}
    return layout.render(
        request, "enter.html", values, "script-src 'self'", status=status, headers=headers
    )


@router.post("/device")
async def enrol(request: Request, runtime: RuntimeDep, tx: Tx) -> Response:
    """Enrol this browser with a one-time code."""
    told = layout.checked(request, EnrolBody)
    if not isinstance(told, EnrolBody):
        return _faulty(request, told)
    await browser_sessions.require_fresh(request, runtime.settings, runtime.gatekeeper)
    try:
        done = await devices.enrol(tx, told.code, told.name, clock.now())
    except EnrolmentRefused as refused:
        return _refused(request, "code", refused)
    answer = layout.to(layout.ENTRY)
    browser_sessions.keep_device(answer, done.token)
    return answer


@router.post("/shift")
async def sign_in(
    request: Request,
    runtime: RuntimeDep,
    device: Annotated[Principal, caller(Scope.SHIFTS_WRITE)],
) -> Response:
    """Begin a shift, and go on to where the person wanted to go."""
    then = layout.form(request).get("then", "")
    told = layout.checked(request, SignInBody)
    if not isinstance(told, SignInBody):
        return _faulty(request, told, then=then)
    given = (told.login, told.passcode, now := clock.now())
    try:
        done = await shifts.sign_in(runtime.database, device, *given, alone=True)
    except (SignInRefused, TooMany) as refused:
        return _refused(request, "passcode", refused, then=then)
    runtime.gatekeeper.forget()
    answer = layout.to(then if _OWN_PATH.fullmatch(then) else layout.ENTRY)
    browser_sessions.keep_shift(request, answer, done.token, done.ends_at - now)
    return answer


@router.post("/out")
async def sign_out(
    runtime: RuntimeDep, tx: Tx, who: Annotated[Principal, caller(Scope.SHIFTS_END)]
) -> Response:
    """End the shift."""
    await shifts.sign_out(tx, who, clock.now())
    runtime.gatekeeper.forget()
    answer = layout.to(layout.ENTRY)
    browser_sessions.drop_shift(answer)
    return answer


@router.post("/code")
async def make_code(
    request: Request,
    runtime: RuntimeDep,
    tx: Tx,
    who: Annotated[Principal, caller(Scope.DEVICES_MANAGE)],
) -> Response:
    """Make a one-time code for another device, and show it as a QR code of this page."""
    told = layout.checked(request, CodeBody)
    if not isinstance(told, CodeBody):
        raise InvalidInput
    code, _ = await devices.mint_code(
        tx, who.hub_id, told.lane_id, clock.now(), who.operator_id
    )
    page = f"{browser_sessions.origin(request, runtime.settings)}{layout.ENTRY}"
    return _page(request, made=_made(code, page))


def _made(code: str, page: str) -> IssuedEnrolmentCode:
    picture = segno.make_qr(f"{page}#{code}", error="m")
    minutes = devices.CODE_LIFETIME // timedelta(minutes=1)
    # the picture is our own, of our own code: nothing in it came from a request
    svg = Markup(picture.svg_inline(omitsize=True, border=4))  # noqa: S704
    return IssuedEnrolmentCode(code, page, svg, minutes)
