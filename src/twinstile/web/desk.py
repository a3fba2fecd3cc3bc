"""The service desk: somebody without a phone leaves with a printed slip, all by keyboard.

A reader types the number of the card, four answers are a key each, and one more key prints. The
declaration and the check it is shown in are recorded together; what opens a traveller's report
is on the paper and nowhere else.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import StrEnum
from http import HTTPStatus
from typing import Annotated, Final, Literal
from uuid import UUID, uuid4, uuid5

from fastapi import APIRouter, Request, Response
from markupsafe import Markup
from uuid_utils.compat import uuid7

from twinstile.declarations import report
from twinstile.declarations.api.desk import KeyedBody, keyed
from twinstile.declarations.store import IssuedDeclaration
from twinstile.identity import forms
from twinstile.identity.forms import DocumentForm
from twinstile.identity.types import DocumentKind, IdentityResult
from twinstile.platform.db.database import Transaction
from twinstile.platform.http.field_types import Body, Word
from twinstile.platform.http.problems import (
    Conflict,
    IdReused,
    InvalidInput,
    LookUpQuota,
    TransitionRefused,
)
from twinstile.platform.http.routes import Runtime, RuntimeDep, Tx, caller
from twinstile.platform.ops import clock
from twinstile.platform.security import access_log, devices
from twinstile.platform.security.access_log import Action, Purpose
from twinstile.platform.security.auth import Principal, Scope
from twinstile.platform.security.quotas import QuotaStatus
from twinstile.policy.api import Compiled
from twinstile.policy.versions import Policies
from twinstile.screening import checks, intake, lookups, transitions
from twinstile.screening.bodies import (
    CheckFact,
    IdentityBody,
    IdentityMethod,
    ServiceOffer,
)
from twinstile.screening.checks import RecordingContext
from twinstile.screening.lookups import ConsentBy, LookupRequest, LookupResult
from twinstile.screening.steps import StepContext, StepRequest
from twinstile.screening.types import (
    ReminderKind,
    ScreeningEvent,
    ScreeningState,
    ServiceKind,
    ServiceOutcome,
)
from twinstile.screening.visit import RecordedCheck
from twinstile.web import catalogue, layout, traveller
from twinstile.web.layout import PageRoute
from twinstile.web.traveller import AnswersForm

PATH: Final = "/desk"
BOTH: Final = ("zh-CN", "en")
"""The languages of a slip, after the traveller's own."""
router = APIRouter(prefix=PATH, route_class=PageRoute, include_in_schema=False)


class Do(StrEnum):
    """Which key ended the form."""

    SLIP = "slip"
    NURSE = "nurse"
    ESCORT = "escort"


class PersonForm(AnswersForm):
    """Somebody at the desk. Key and id were made with the form: sent twice it is one."""

    key: UUID
    check_id: UUID
    kind: DocumentKind = DocumentKind.RESIDENT_ID
    number: Word | None = None
    issuer: Word | None = None
    consent: ConsentBy
    language: Literal["zh-CN", "en"] = "zh-CN"
    source: Literal["SPOKEN", "PAPER"] = "SPOKEN"
    do: Do


class LookUpForm(Body):
    """Of the same form, what a look-up needs."""

    kind: DocumentKind = DocumentKind.RESIDENT_ID
    number: Word
    issuer: Word | None = None
    consent: ConsentBy


NEXT: Final[Mapping[Do, tuple[ServiceOutcome, Mapping[ScreeningState, ScreeningEvent]]]] = {
    Do.SLIP: (ServiceOutcome.OFFERED, {}),
    Do.NURSE: (
        ServiceOutcome.OFFERED,
        {
            ScreeningState.PRESENTED: ScreeningEvent.ALARM,
            ScreeningState.ASSISTED: ScreeningEvent.ALARM,
            ScreeningState.VERIFYING: ScreeningEvent.FLAG,
        },
    ),
    Do.ESCORT: (
        ServiceOutcome.ACCEPTED,
        {
            ScreeningState.PRESENTED: ScreeningEvent.ASSIST_NEEDED,
            ScreeningState.VERIFYING: ScreeningEvent.ASSIST_NEEDED,
        },
    ),
}
"""What became of onward service, and which step follows, by the state the check led to."""
_REASON: Final[Mapping[Do, str]] = {
    Do.NURSE: "sent to the nurse by the desk",
    Do.ESCORT: "escorted from the desk",
}
Helper = Annotated[
    Principal, caller(Scope.LOOKUPS_WRITE, Scope.CHECKS_WRITE, Scope.STEPS_WRITE)
]


@dataclass(frozen=True, slots=True)
class Slip:
    """What is printed, and where the traveller goes."""

    made: IssuedDeclaration
    state: ScreeningState
    picture: Markup
    short_code: str
    until: str
    kept_until: date

    @classmethod
    def of(
        cls,
        runtime: Runtime,
        created: IssuedDeclaration,
        state: ScreeningState,
        kept_until: date,
    ) -> "Slip":
        """The slip of a declaration that was keyed just now."""
        short = created.head.short_code or ""
        return cls(
            created,
            state,
            traveller.picture(created.receipt.pass_code),
            f"{short[:4]} {short[4:]}",
            traveller.by_clock(runtime.settings.zone)(created.head.good_until),
            kept_until,
        )


def _page(
    request: Request, values: Mapping[str, object], status: int = HTTPStatus.OK
) -> Response:
    blank: Mapping[str, object] = {
        "scripts": ["desk.js"],
        "faults": {},
        "said": {},
        "found": None,
        "refused": None,
        "kinds": list(DocumentKind),
        "consents": list(ConsentBy),
        "key": uuid4(),
        "check_id": uuid7(),
    }
    answer = layout.render(
        request, "desk.html", {**blank, **values}, "script-src 'self'", status=status
    )
    answer.headers["Cache-Control"] = "no-store"
    return answer


@router.get("")
async def read_desk(request: Request, who: Helper) -> Response:
    """The form for the next person."""
    return _page(request, {"here": who.lane_id})


def _again(request: Request, faults: Mapping[str, str]) -> Response:
    """The form once more, with everything in it and what is at fault."""
    given = layout.form(request)
    kept = {name: given[name] for name in ("key", "check_id") if given.get(name)}
    shown = {**kept, "faults": faults, "said": given}
    return _page(request, shown, HTTPStatus.UNPROCESSABLE_ENTITY)


def _faults(problem: InvalidInput) -> Mapping[str, str]:
    """What is at fault in a document, by the name of the form's field."""
    return {fault.pointer.rpartition("/")[2]: fault.code for fault in problem.errors}


def _document(form: PersonForm | LookUpForm) -> DocumentForm | None:
    if form.number is None:
        return None
    return DocumentForm(kind=form.kind, number=form.number, issuer=form.issuer)


@router.post("/lookup")
async def look_up(request: Request, runtime: RuntimeDep, who: Helper) -> Response:
    """Whether this hub has met the document, and the passages; on the record, few times."""
    told = layout.checked(request, LookUpForm)
    if not isinstance(told, LookUpForm):
        return _again(request, told)
    given = layout.form(request)
    kept = {name: given[name] for name in ("key", "check_id") if given.get(name)}
    at, zone = clock.now(), runtime.settings.zone
    asked = LookupRequest(
        who, access_log.stated(Action.LOOK_UP, Purpose.IDENTIFICATION), None, at, told.consent
    )
    terms = forms.document_context(runtime.settings, who.mode, at)
    document = DocumentForm(kind=told.kind, number=told.number, issuer=told.issuer)
    try:
        identity, _ = forms.identify(document, "/document", terms)
    except InvalidInput as problem:
        return _again(request, _faults(problem))
    keys = runtime.keys.of(who.hub_id)

    async def find(tx: Transaction, mine: QuotaStatus) -> tuple[LookupResult, int]:
        found = await lookups.find(tx, keys, asked, identity.document, terms.today)
        return found, mine.left - 1

    try:
        found, left = await lookups.within_quota(runtime.database, asked, find)
    except LookUpQuota as problem:
        return _page(request, {**kept, "said": given, "refused": problem.slug}, problem.status)
    shown = {"said": given, "found": found, "left": left, "when": traveller.by_clock(zone)}
    return _page(request, {**kept, **shown})


@router.post("")
async def help_person(
    request: Request, who: Helper, tx: Tx, runtime: RuntimeDep, policies: Compiled
) -> Response:
    """Record declaration and check, and show the slip to print."""
    told = layout.checked(request, PersonForm)
    if not isinstance(told, PersonForm):
        return _again(request, told)
    try:
        async with tx.sql.begin_nested():
            made, done = await _record(tx, runtime, policies, who, told)
    except InvalidInput as problem:
        return _again(request, _faults(problem))
    except Conflict:
        return _again(request, {"key": "sent-before"})
    state = await _lead(tx, runtime, policies, who, told, done)
    kept = await report.kept_until(tx, policies, who.hub_id, made.head.day, clock.now())
    return _slip(request, told, Slip.of(runtime, made, state, kept))


async def _record(
    tx: Transaction, runtime: Runtime, policies: Policies, who: Principal, form: PersonForm
) -> tuple[IssuedDeclaration, RecordedCheck]:
    """The declaration, and the check it is shown in. Raises `InvalidInput`, `Conflict`."""
    at = clock.now()
    document = _document(form)
    body = KeyedBody(
        key=form.key,
        source=form.source,  # pyright: ignore[reportArgumentType] # pydantic reads it
        consent=form.consent,
        language=form.language,
        document=document,
        **form.said().packed(),  # pyright: ignore[reportArgumentType]
    )
    made = await keyed(tx, runtime, who, body, at)
    onward, _ = NEXT[form.do]
    fact = CheckFact(
        observed_at=min(_made_at(form.check_id), at),
        identity=document
        and IdentityBody(
            document=document, result=IdentityResult.MATCH, method=IdentityMethod.READER
        ),
        reminders=(ReminderKind.R2,),
        language=form.language,
        services=(
            ServiceOffer(kind=ServiceKind.S1, outcome=ServiceOutcome.ACCEPTED),
            ServiceOffer(kind=ServiceKind.S2, outcome=onward),
        ),
        pass_code=made.receipt.pass_code,
    )
    receiver = await intake.receiver(runtime, who, at)
    counter = await devices.next_counter(tx, who.hub_id, who.device_id)
    check = intake.check(fact, form.check_id, counter, at, receiver)
    stand = RecordingContext(who.hub_id, receiver.keys, policies, receiver.zone, at)
    (done,) = await checks.record(tx, stand, [check], counting=True)
    if done.reused:
        raise IdReused
    return made, done


def _made_at(check_id: UUID) -> datetime:
    """When the form was opened, as its id tells (RFC 9562, 5.7): sent twice it is the same."""
    return datetime.fromtimestamp((check_id.int >> 80) / 1000, UTC)


async def _lead(
    tx: Transaction,
    runtime: Runtime,
    policies: Policies,
    who: Principal,
    form: PersonForm,
    done: RecordedCheck,
) -> ScreeningState:
    """Where the person goes after the check: to the nurse, or with somebody of ours."""
    state = done.decision.state
    event = NEXT[form.do][1].get(state)
    if event is None:
        return state
    at = clock.now()
    desk = StepContext(who, runtime.keys.of(who.hub_id), policies, runtime.settings.zone, at)
    step_id = uuid5(form.check_id, form.do.value)
    step = StepRequest(step_id, done.screening_id, event, at, _REASON[form.do])
    try:
        async with tx.sql.begin_nested():
            _, state = await transitions.take(tx, desk, step)
    except TransitionRefused:
        return state  # sent again, and the passage has gone on since
    return state


def _slip(request: Request, form: PersonForm, slip: Slip) -> Response:
    both = [catalogue.words_of(locale) for locale in dict.fromkeys((form.language, *BOTH))]
    shown = {"scripts": ["slip.js"], "slip": slip, "both": both, "do": form.do}
    answer = layout.render(request, "slip.html", shown, "script-src 'self'")
    answer.headers["Cache-Control"] = "no-store"
    return answer
