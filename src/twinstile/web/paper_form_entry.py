"""Forms of hours without the service, keyed in at a desk, and compared by a second person.

The page asks in the order of the printed form (`paper.py`), each choice by one key. It keys
what `PUT /v1/paper-forms/{form_no}` takes; a person on a list is found by the document, so
the run is not asked for.
"""

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time
from http import HTTPStatus
from typing import Annotated, Final, Literal, Self
from uuid import UUID
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Request, Response
from pydantic import BeforeValidator, Field, model_validator
from pydantic_core import PydanticCustomError
from sqlalchemy import RowMapping
from uuid_utils.compat import uuid7

from twinstile.credentials.types import CredentialStatus
from twinstile.downtime import paper_forms
from twinstile.downtime.paper_forms import Again, Form
from twinstile.identity.forms import DocumentForm
from twinstile.identity.types import DocumentKind, IdentityResult
from twinstile.platform.db.database import Reading, Transaction
from twinstile.platform.http.field_types import Body, Day, Line, Slug, Word
from twinstile.platform.http.problems import (
    AlreadyExists,
    IdReused,
    InvalidInput,
    TooLate,
)
from twinstile.platform.http.routes import Read, Runtime, RuntimeDep, Tx, caller
from twinstile.platform.ops import clock
from twinstile.platform.security import devices
from twinstile.platform.security.auth import Principal, Scope
from twinstile.policy.api import Compiled
from twinstile.policy.versions import Policies
from twinstile.screening import intake, queries
from twinstile.screening.bodies import (
    MAX_TENTHS,
    MIN_TENTHS,
    CheckFact,
    CredentialBody,
    IdentityBody,
    IdentityMethod,
    ServiceOffer,
    TemperatureBody,
)
from twinstile.screening.offline_bodies import DecidedBody
from twinstile.screening.types import (
    ReminderKind,
    ServiceKind,
    ServiceOutcome,
    TemperatureMethod,
    Verdict,
)
from twinstile.screening.views import CheckView
from twinstile.web import layout, traveller
from twinstile.web.layout import PageRoute

PATH: Final = "/desk/paper"
BY_HAND: Final = "PAPER"
"""What stands in the place of the policy's version where people decided without one."""
SHOWN: Final = 20
"""Forms that wait for a second look, on one page."""
router = APIRouter(prefix=PATH, route_class=PageRoute, include_in_schema=False)
Keyer = Annotated[Principal, caller(Scope.CHECKS_WRITE, Scope.CHECKS_READ)]

YesNo = Literal["yes", "no"]
Offer = Literal["offered", "declined", "no"]


def _half(typed: object) -> object:
    """As an American keyboard types it: input methods widen digits and colons."""
    return unicodedata.normalize("NFKC", typed).strip() if isinstance(typed, str) else typed


def _upper(typed: object) -> object:
    return typed.upper() if isinstance(typed, str) else typed


def _dotted(typed: object) -> object:
    return typed.replace(",", ".") if isinstance(typed, str) else typed


FormNo = Annotated[
    str,
    Field(pattern=r"^[A-Z0-9]{1,4}-[0-9]{4,8}$"),
    BeforeValidator(_upper),
    BeforeValidator(_half),
]
Clock = Annotated[
    str,
    Field(pattern=r"^([01]?[0-9]|2[0-3]):?[0-5][0-9]$"),
    BeforeValidator(_half),
]
Celsius = Annotated[
    float,
    Field(ge=MIN_TENTHS / 10, le=MAX_TENTHS / 10, allow_inf_nan=False),
    BeforeValidator(_dotted),
    BeforeValidator(_half),
]
METHODS: Final[Mapping[str, TemperatureMethod]] = {
    "contactless": TemperatureMethod.CONTACTLESS,
    "ear": TemperatureMethod.EAR,
    "axillary": TemperatureMethod.AXILLARY,
}
CREDENTIALS: Final[Mapping[str, CredentialStatus]] = {
    "green": CredentialStatus.GREEN,
    "yellow": CredentialStatus.YELLOW,
    "red": CredentialStatus.RED,
    "none": CredentialStatus.NOT_PRESENTED,
}
BELONGS: Final[Mapping[str, IdentityResult]] = {
    "yes": IdentityResult.MATCH,
    "no": IdentityResult.MISMATCH,
    "unchecked": IdentityResult.NOT_CHECKED,
}
OFFERS: Final[Mapping[str, ServiceOutcome]] = {
    "offered": ServiceOutcome.OFFERED,
    "declined": ServiceOutcome.DECLINED,
}


class SheetForm(Body):
    """What stands on one form. The ids were made with the page: sent twice it is one."""

    check_id: UUID
    again_id: UUID
    form_no: FormNo
    lane_id: Slug
    day: Day
    time: Clock
    name: Word | None = None
    kind: DocumentKind = DocumentKind.RESIDENT_ID
    number: Word | None = None
    issuer: Word | None = None
    belongs: Literal["yes", "no", "unchecked"]
    celsius: Celsius | None = None
    method: Literal["contactless", "ear", "axillary", "none"]
    celsius2: Celsius | None = None
    method2: Literal["ear", "axillary", "none"]
    credential: Literal["green", "yellow", "red", "none"]
    reminded: YesNo
    s1: Offer
    s2: Offer
    ill: YesNo
    decision: Verdict

    @model_validator(mode="after")
    def _readings_have_both_parts(self) -> Self:
        for celsius, method in (
            (self.celsius, self.method),
            (self.celsius2, self.method2),
        ):
            if (celsius is None) is not (method == "none"):
                raise PydanticCustomError("missing", "a figure and how it was taken")
        return self

    def moment(self, zone: ZoneInfo) -> datetime:
        """When it happened, by the hub's clock."""
        digits = self.time.replace(":", "").zfill(4)
        return datetime.combine(self.day, time(int(digits[:2]), int(digits[2:])), zone)

    def readings(self) -> list[TemperatureBody]:
        """The temperatures that were taken, in their order."""
        given = ((self.celsius, self.method), (self.celsius2, self.method2))
        return [
            TemperatureBody(value=celsius, method=METHODS[method])
            for celsius, method in given
            if celsius is not None
        ]

    def fact(self, zone: ZoneInfo) -> CheckFact:
        """The check it is, with the first of the readings."""
        document = self.number and DocumentForm(
            kind=self.kind, number=self.number, issuer=self.issuer, name=self.name
        )
        offers = ((ServiceKind.S1, self.s1), (ServiceKind.S2, self.s2))
        first, *_ = (*self.readings(), None)
        return CheckFact(
            observed_at=self.moment(zone),
            offline=True,
            decided=DecidedBody(verdict=self.decision, policy_version=BY_HAND),
            lane_id=self.lane_id,
            temperature=first,
            credential=CredentialBody(status=CREDENTIALS[self.credential]),
            identity=IdentityBody(
                document=document or None,
                result=BELONGS[self.belongs],
                method=IdentityMethod.MANUAL,
            ),
            reminders=(ReminderKind.R2,) if self.reminded == "yes" else (),
            services=tuple(
                ServiceOffer(kind=kind, outcome=OFFERS[said])
                for kind, said in offers
                if said in OFFERS
            ),
            illness=self.ill == "yes",
        )


class LookForm(Body):
    """What the second person found."""

    form_no: FormNo
    agrees: YesNo
    reason: Line | None = None

    @model_validator(mode="after")
    def _says_what_differs(self) -> Self:
        if (self.agrees == "yes") is (self.reason is not None):
            raise PydanticCustomError("missing", "a reason where they differ, and only then")
        return self


@dataclass(frozen=True, slots=True)
class UnreviewedForm:
    """A form that waits for a second look, and the checks that were keyed of it."""

    form: RowMapping
    checks: Sequence[CheckView]
    own: bool
    """Whether whoever looks on keyed it: then it is another person's to compare."""


async def _waiting(tx: Reading, who: Principal) -> list[UnreviewedForm]:
    found = await paper_forms.listed(tx, who.hub_id, pending=True)
    return [
        UnreviewedForm(form, await _checks(tx, form), form["keyed_by"] == who.operator_id)
        for form in found[:SHOWN]
    ]


async def _checks(tx: Reading, form: RowMapping) -> Sequence[CheckView]:
    first = await queries.check(tx, form["hub_id"], form["check_id"])
    whole = await queries.screening(tx, form["hub_id"], first.screening_id)
    return [one for one in whole.checks if one.evidence.get("form_no") == form["form_no"]]


async def _page(
    request: Request,
    tx: Reading,
    runtime: Runtime,
    who: Principal,
    status: int = HTTPStatus.OK,
    **shown: object,
) -> Response:
    zone = runtime.settings.zone
    blank: Mapping[str, object] = {
        "scripts": ["desk.js"],
        "faults": {},
        "said": {"day": clock.now().astimezone(zone).date().isoformat()},
        "keyed": None,
        "look_fault": None,
        "lanes": await devices.lanes(tx, who.hub_id),
        "kinds": list(DocumentKind),
        "waiting": await _waiting(tx, who),
        "when": traveller.by_clock(zone),
        "check_id": uuid7(),
        "again_id": uuid7(),
    }
    whole = {**blank, **shown}
    answer = layout.render(request, "paper.html", whole, "script-src 'self'", status=status)
    answer.headers["Cache-Control"] = "no-store"
    return answer


@router.get("")
async def read_form(request: Request, tx: Read, runtime: RuntimeDep, who: Keyer) -> Response:
    """The form for the next sheet, and those that wait for a second look."""
    return await _page(request, tx, runtime, who)


async def _again(
    request: Request, tx: Reading, runtime: Runtime, who: Principal, faults: Mapping[str, str]
) -> Response:
    """The form once more, with everything in it and what is at fault."""
    given = layout.form(request)
    kept = {name: given[name] for name in ("check_id", "again_id") if given.get(name)}
    named = {name or "celsius": code for name, code in faults.items()}
    shown = {**kept, "faults": named, "said": given}
    return await _page(request, tx, runtime, who, HTTPStatus.UNPROCESSABLE_ENTITY, **shown)


@router.post("")
async def key_form(
    request: Request, tx: Tx, runtime: RuntimeDep, policies: Compiled, who: Keyer
) -> Response:
    """Record what a form says, and give the next one, with the day and the lane of this one."""
    told = layout.checked(request, SheetForm)
    if not isinstance(told, SheetForm):
        return await _again(request, tx, runtime, who, told)
    if told.lane_id not in await devices.lanes(tx, who.hub_id):
        return await _again(request, tx, runtime, who, {"lane_id": "unknown-value"})
    try:
        async with tx.sql.begin_nested():
            verdict, fever = await _key(tx, runtime, policies, who, told)
    except InvalidInput as problem:
        names = {"observed_at": "time"}
        at_fault = ((f.pointer.rpartition("/")[2], f.code) for f in problem.errors)
        faults = {names.get(name, name): code for name, code in at_fault}
        return await _again(request, tx, runtime, who, faults)
    except TooLate:
        return await _again(request, tx, runtime, who, {"day": "too-late"})
    except (AlreadyExists, IdReused):
        return await _again(request, tx, runtime, who, {"form_no": "keyed-before"})
    said = {"day": told.day.isoformat(), "lane_id": told.lane_id}
    keyed = {"form_no": told.form_no, "verdict": verdict, "fever": fever}
    return await _page(request, tx, runtime, who, said=said, keyed=keyed)


async def _key(
    tx: Transaction, runtime: Runtime, policies: Policies, who: Principal, form_data: SheetForm
) -> tuple[Verdict, bool]:
    """The verdict of the service, and whether a second person has to look."""
    receiver = await intake.receiver(runtime, who, clock.now())
    counter = await devices.next_counter(tx, who.hub_id, who.device_id)
    readings = form_data.readings()
    again = Again(form_data.again_id, counter + 1, readings[1]) if readings[1:] else None
    form = Form(
        form_data.form_no,
        form_data.check_id,
        counter,
        form_data.fact(runtime.settings.zone),
        again,
    )
    done, fever = await paper_forms.key(tx, receiver, policies, form)
    return done.decision.verdict, fever


@router.post("/look")
async def look(request: Request, tx: Tx, runtime: RuntimeDep, who: Keyer) -> Response:
    """Take the word of the second person."""
    told = layout.checked(request, LookForm)
    if not isinstance(told, LookForm):
        fault = layout.form(request).get("form_no", "")
        status = HTTPStatus.UNPROCESSABLE_ENTITY
        return await _page(request, tx, runtime, who, status, look_fault=fault)
    word = told.agrees == "yes", told.reason
    await paper_forms.look(tx, who, told.form_no, word, clock.now())
    return layout.to(PATH)
