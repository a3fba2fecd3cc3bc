"""For travellers: four questions before arrival, and their own report; without JavaScript.

Nobody signs in and nothing is kept in the browser. What opens a report is typed, or stands in
the form that the report itself shows; it is never part of an address.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Final, Literal
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import segno
from fastapi import APIRouter, Depends, Request, Response
from markupsafe import Markup
from pydantic import BeforeValidator, Field

from twinstile.declarations import appeals, codes, corrections, report, store
from twinstile.declarations.api.travellers import AtDoor
from twinstile.declarations.appeals import AppealRequest
from twinstile.declarations.bodies import Text
from twinstile.declarations.codes import Receipt
from twinstile.declarations.store import IssuedDeclaration, New
from twinstile.declarations.types import Answers, AppealSubject
from twinstile.platform.db.database import Reading
from twinstile.platform.http.field_types import Body, Line, Slug
from twinstile.platform.http.problems import (
    Conflict,
    IdReused,
    NotFound,
    Unauthenticated,
)
from twinstile.platform.http.routes import Read, Runtime, RuntimeDep, Tx
from twinstile.platform.ops import clock
from twinstile.platform.security import devices
from twinstile.platform.security.hub_modes import HubMode
from twinstile.policy import versions
from twinstile.policy.api import Compiled
from twinstile.policy.types import Parameters
from twinstile.policy.versions import Policies
from twinstile.screening.claim_words import Symptom, Tristate
from twinstile.web import layout
from twinstile.web.layout import PageRoute

PATH: Final = "/traveller"
router = APIRouter(prefix=PATH, route_class=PageRoute, include_in_schema=False)

YesNo = Literal["yes", "no"]


class AnswersForm(Body):
    """The four answers as they are ticked."""

    symptoms: YesNo
    contact: Literal["yes", "no", "unsure"]
    fever_medicine: YesNo
    help: YesNo

    def said(self) -> Answers:
        """What they say; which symptoms it is, staff ask."""
        return Answers(
            frozenset({Symptom.UNWELL} if self.symptoms == "yes" else ()),
            Tristate(self.contact.upper()),
            fever_medicine=self.fever_medicine == "yes",
            help=self.help == "yes",
        )


class DeclareForm(AnswersForm):
    """A declaration; the key was made with the form, so that sent twice it is one."""

    key: UUID
    hub: Slug | None = None


class ReceiptForm(Body):
    """What opens a report, as it was typed."""

    receipt: Line
    hub: Slug | None = None


class CorrectionForm(AnswersForm):
    revision: Annotated[int, Field(ge=1, le=100)]


def lines(typed: object) -> object:
    """A form ends its lines with two characters (HTML, form submission); we with one."""
    return typed.replace("\r\n", "\n") if isinstance(typed, str) else typed


class AppealForm(Body):
    appeal_id: UUID
    about: AppealSubject
    text: Annotated[Text, BeforeValidator(lines)]


@dataclass(frozen=True, slots=True)
class TravellerHub:
    """The hub a traveller speaks to, as the page tells of it."""

    hub_id: str
    name: str
    mode: HubMode
    given: str | None
    """Its id, where the address named it."""
    figures: Parameters

    @property
    def degrees(self) -> str:
        """From which temperature on somebody counts as feverish."""
        return f"{self.figures.threshold_tenths / 10:.1f}"


async def _place(
    tx: Reading, runtime: Runtime, policies: Policies, hub: str | None, at: datetime
) -> TravellerHub:
    hub_id = hub or runtime.settings.hub_id
    mode = await devices.require_open(tx, hub_id)
    name, _ = await devices.hub(tx, hub_id)
    policy = await policies.get(tx, hub_id, await versions.in_force(tx, hub_id, at))
    return TravellerHub(hub_id, name, mode, hub, policy.parameters)


def by_clock(zone: ZoneInfo) -> Callable[[datetime], str]:
    """How the pages write a moment: by the hub's clock, of 24 hours."""
    return lambda moment: f"{moment.astimezone(zone):%Y-%m-%d %H:%M}"


def _page(
    request: Request, values: Mapping[str, object], status: int = HTTPStatus.OK
) -> Response:
    place = values["place"]
    kept = f"&hub={place.given}" if isinstance(place, TravellerHub) and place.given else ""
    blank: Mapping[str, object] = {"faults": {}, "said": {}, "kept_query": kept}
    answer = layout.render(request, "traveller.html", {**blank, **values}, status=status)
    answer.headers["Cache-Control"] = "no-store"
    return answer


def picture(text: str) -> Markup:
    """The text as a QR code, drawn in the page."""
    drawn = segno.make_qr(text, error="m").svg_inline(omitsize=True, border=4)
    return Markup(drawn)  # noqa: S704 # of our own code: nothing in it came from a request


@router.get("")
async def read_questions(
    request: Request, tx: Read, runtime: RuntimeDep, policies: Compiled, hub: Slug | None = None
) -> Response:
    """The four questions."""
    place = await _place(tx, runtime, policies, hub, clock.now())
    return _page(request, {"view": "questions", "place": place, "key": uuid4()})


@router.post("")
async def declare(
    request: Request, tx: Tx, runtime: RuntimeDep, policies: Compiled, door: AtDoor
) -> Response:
    """Take the answers; or say what is missing, with everything kept."""
    at, given = clock.now(), layout.form(request)
    told = layout.checked(request, DeclareForm)
    if not isinstance(told, DeclareForm):
        if "hub" in told:
            raise NotFound("There is no such hub here.")
        shown = {
            "view": "questions",
            "place": await _place(tx, runtime, policies, given.get("hub") or None, at),
            "key": uuid4() if "key" in told else given["key"],
            "faults": {name: code for name, code in told.items() if name != "key"},
            "said": given,
        }
        return _page(request, shown, HTTPStatus.UNPROCESSABLE_ENTITY)
    place = await _place(tx, runtime, policies, told.hub, at)
    door.new.take(place.hub_id, time.monotonic())
    language = layout.words_for(request).locale
    new = New(told.key, told.said(), language)
    keys = runtime.keys.of(place.hub_id)
    try:
        made = await store.make(tx, keys, place.hub_id, runtime.settings.zone, new, at)
    except (Conflict, IdReused):  # sent again from an old page: it is another declaration
        again = New(uuid4(), new.answers, language)
        made = await store.make(tx, keys, place.hub_id, runtime.settings.zone, again, at)
    return _page(request, _given(runtime, place, made, new.answers))


def _given(
    runtime: Runtime, place: TravellerHub, created: IssuedDeclaration, answers: Answers
) -> Mapping[str, object]:
    return {
        "view": "given",
        "place": place,
        "calm": answers.calm,
        "help": answers.help,
        "receipt": created.receipt,
        "picture": picture(created.receipt.pass_code),
        "good_until": by_clock(runtime.settings.zone)(created.head.good_until),
    }


@router.get("/report")
async def read_opening(
    request: Request, tx: Read, runtime: RuntimeDep, policies: Compiled, hub: Slug | None = None
) -> Response:
    """Where the receipt is typed."""
    place = await _place(tx, runtime, policies, hub, clock.now())
    return _page(request, {"view": "opening", "place": place})


@dataclass(frozen=True, slots=True)
class Holding:
    """Somebody who typed a receipt, at their hub; `receipt` is None if it opens nothing."""

    place: TravellerHub
    receipt: Receipt | None
    fault: str | None = None


async def _holding(
    request: Request, runtime: RuntimeDep, policies: Compiled, door: AtDoor
) -> Holding:
    """Who sends a form of the report; looked up before the request takes its transaction."""
    told = layout.checked(request, ReceiptForm)
    hub = told.hub if isinstance(told, ReceiptForm) else None
    typed = told.receipt if isinstance(told, ReceiptForm) else ""
    known = codes.read_typed(typed, hub or runtime.settings.hub_id)
    async with runtime.database.reading() as tx:
        hub_id = known[0] if known else hub
        place = await _place(tx, runtime, policies, hub_id if hub else None, clock.now())
        if known is None:
            return Holding(place, None, "missing" if not typed else "receipt")
        try:
            await store.declaration_of_receipt(tx, place.hub_id, known[1])
        except Unauthenticated:
            door.unknown.take(place.hub_id, time.monotonic())
            return Holding(place, None, "receipt")
    door.own.take(known[1].digest.hex(), time.monotonic())
    return Holding(place, known[1])


Held = Annotated[Holding, Depends(_holding)]


def _closed(request: Request, holding: Holding) -> Response:
    shown = {
        "view": "opening",
        "place": holding.place,
        "faults": {"receipt": holding.fault},
        "said": layout.form(request),
    }
    return _page(request, shown, HTTPStatus.UNPROCESSABLE_ENTITY)


async def _report(
    request: Request,
    tx: Reading,
    runtime: Runtime,
    policies: Policies,
    holding: Holding,
    receipt: Receipt,
    **shown: object,
) -> Response:
    """The report as it stands in this transaction."""
    keys, hub_id, zone = (
        runtime.keys.of(holding.place.hub_id),
        holding.place.hub_id,
        runtime.settings.zone,
    )
    found = await report.read(tx, keys, policies, hub_id, receipt, clock.now())
    whole: Mapping[str, object] = {
        "view": "report",
        "place": holding.place,
        "receipt": receipt,
        "report": found,
        "calm": found.answers.calm,
        "help": found.answers.help,
        "picture": picture(receipt.pass_code),
        "good_until": by_clock(zone)(found.head.good_until),
        "answered": _ticked(found.answers),
        "appeal_id": uuid4(),
        "abouts": list(AppealSubject),
        "done": None,
        "when": by_clock(zone),
    }
    faulty = "faults" in shown
    status = HTTPStatus.UNPROCESSABLE_ENTITY if faulty else HTTPStatus.OK
    return _page(request, {**whole, **shown}, status)


def _ticked(answers: Answers) -> Mapping[str, str]:
    """Answers as the form ticks them."""
    return {
        "symptoms": "yes" if answers.symptoms else "no",
        "contact": answers.contact.lower(),
        "fever_medicine": "yes" if answers.fever_medicine else "no",
        "help": "yes" if answers.help else "no",
    }


@router.post("/report")
async def read_report(
    request: Request, holding: Held, tx: Read, runtime: RuntimeDep, policies: Compiled
) -> Response:
    """Everything that is kept under the receipt."""
    if holding.receipt is None:
        return _closed(request, holding)
    return await _report(request, tx, runtime, policies, holding, holding.receipt)


@router.post("/report/answers")
async def correct_answers(
    request: Request, holding: Held, tx: Tx, runtime: RuntimeDep, policies: Compiled
) -> Response:
    """Say the four answers anew."""
    receipt = holding.receipt
    if receipt is None:
        return _closed(request, holding)
    shown = (request, tx, runtime, policies, holding, receipt)
    told = layout.checked(request, CorrectionForm)
    if not isinstance(told, CorrectionForm):
        return await _report(*shown, faults=told, said=layout.form(request))
    keys, hub_id = runtime.keys.of(holding.place.hub_id), holding.place.hub_id
    try:
        args = (hub_id, receipt, told.revision, told.said(), clock.now())
        await corrections.correct(tx, keys, *args)
    except Conflict:
        return await _report(*shown, done="conflict")
    return await _report(*shown, done="corrected")


@router.post("/report/reminder")
async def acknowledge(
    request: Request, holding: Held, tx: Tx, runtime: RuntimeDep, policies: Compiled
) -> Response:
    """The traveller has read the reminder."""
    if holding.receipt is None:
        return _closed(request, holding)
    await store.remind(tx, holding.place.hub_id, holding.receipt, clock.now())
    return await _report(
        request, tx, runtime, policies, holding, holding.receipt, done="reminded"
    )


@router.post("/report/appeal")
async def dispute(
    request: Request, holding: Held, tx: Tx, runtime: RuntimeDep, policies: Compiled
) -> Response:
    """Take an appeal in the traveller's own words."""
    receipt = holding.receipt
    if receipt is None:
        return _closed(request, holding)
    shown = (request, tx, runtime, policies, holding, receipt)
    told = layout.checked(request, AppealForm)
    if not isinstance(told, AppealForm):
        return await _report(*shown, faults=told, said=layout.form(request))
    keys = runtime.keys.of(holding.place.hub_id)
    wanted = AppealRequest(told.appeal_id, told.about, told.text)
    try:
        await appeals.make(tx, keys, holding.place.hub_id, receipt, wanted, clock.now())
    except (Conflict, IdReused):
        return await _report(*shown, done="conflict")
    return await _report(*shown, done="disputed")
