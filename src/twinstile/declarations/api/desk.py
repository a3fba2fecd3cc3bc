"""HTTP for the desk: declarations keyed for a traveller, found by their pass, and appeals."""

import contextlib
from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Response
from pydantic import Field

from twinstile.declarations import appeals, codes, report, store
from twinstile.declarations.bodies import (
    AnswersBody,
    DeclarationReceiptAnswer,
    DeclaredAnswers,
    PassCode,
    Text,
)
from twinstile.declarations.store import IssuedDeclaration, New
from twinstile.declarations.types import Answers, AppealSubject, Decided, DeclarationSummary
from twinstile.identity import forms, vault
from twinstile.identity.forms import DocumentForm
from twinstile.platform.db.database import Transaction
from twinstile.platform.http import paging
from twinstile.platform.http.field_types import Answer, Body, LanguageTag
from twinstile.platform.http.problems import (
    Conflict,
    Gone,
    IdReused,
    LookUpQuota,
    NotFound,
    PurposeRequired,
    documented,
)
from twinstile.platform.http.routes import GatedRoute, Read, Runtime, RuntimeDep, Tx, caller
from twinstile.platform.keys.data_keys import KeyDestroyed
from twinstile.platform.ledger import events
from twinstile.platform.ledger.events import Event
from twinstile.platform.ops import clock
from twinstile.platform.security import access_log
from twinstile.platform.security.access_log import Action, Purpose, Why
from twinstile.platform.security.auth import Principal, Scope
from twinstile.platform.security.quotas import QuotaStatus as Quota
from twinstile.policy.api import Compiled
from twinstile.screening import lookups
from twinstile.screening.claim_words import DeclarationSource
from twinstile.screening.lookups import ConsentBy, LookupRequest

router = APIRouter(prefix="/v1", route_class=GatedRoute)
KEYED = "declaration.keyed"
_SHOWN = ("declaration",)


class KeyedBody(AnswersBody):
    """A declaration that staff key for somebody who is beside them."""

    key: UUID = Field(
        description="yours, new for each declaration",
        examples=["6f3d1c1e-8f0b-4d53-9a35-0d7b8a0f5a11"],
    )
    source: Literal[DeclarationSource.PAPER, DeclarationSource.SPOKEN]
    consent: ConsentBy = Field(description="who agreed that staff do this in their place")
    language: LanguageTag = Field(description="of the traveller", examples=["zh-CN"])
    document: DocumentForm | None = Field(
        default=None, description="then it counts for this person and for nobody else"
    )


class SlipAnswer(DeclarationReceiptAnswer):
    """What stands on the printed slip."""

    short_code: str = Field(
        description="eight digits, to type where the QR code cannot be read",
        examples=["20260424"],
    )


class FindBody(Why):
    pass_code: PassCode = Field(
        description="the QR code as scanned, or the eight digits of a slip",
        examples=["TWD1ABCDEFGHIJKLMNOPQRSTUVWXYZ"],
    )


class SeenAnswer(Answer):
    """A declaration as staff see it. It says nobody's name."""

    declaration_id: UUID
    source: DeclarationSource
    language: str
    made_at: datetime
    good_until: datetime
    answers: DeclaredAnswers
    presented_at: datetime | None
    screening_id: UUID | None = Field(description="the passage it counted for")


class DeclarationLookupAnswer(Answer):
    lookup_id: UUID = Field(description="of the row in the access log")
    declaration: SeenAnswer | None = Field(description="null: unknown, or destroyed")
    left: int = Field(description="how many look-ups are left just now")


@router.post(
    "/declarations:key",
    status_code=201,
    tags=["declarations"],
    summary="Key a declaration for somebody",
    responses={
        200: {"model": SlipAnswer, "description": "The same as a moment ago: its slip"},
        **documented(IdReused, Conflict),
    },
)
async def key_declaration(
    body: KeyedBody,
    tx: Tx,
    runtime: RuntimeDep,
    policies: Compiled,
    response: Response,
    who: Annotated[Principal, caller(Scope.LOOKUPS_WRITE)],
) -> SlipAnswer:
    """Said at the desk or written on paper; the traveller needs no device.

    Receipt, QR code and eight digits stand on the slip that is printed of the answer.
    """
    response.headers["Cache-Control"] = "no-store"
    made = await keyed(tx, runtime, who, body, clock.now())
    if not made.new:
        response.status_code = 200
    until = await report.kept_until(tx, policies, who.hub_id, made.head.day, clock.now())
    return SlipAnswer(
        receipt=made.receipt.token(who.hub_id),
        pass_code=made.receipt.pass_code,
        short_code=made.head.short_code or "",
        made_at=made.head.made_at,
        good_until=made.head.good_until,
        kept_until=until,
        calm=body.said().calm,
    )


async def keyed(
    tx: Transaction, runtime: RuntimeDep, who: Principal, body: KeyedBody, at: datetime
) -> IssuedDeclaration:
    """Keep what staff keyed, with who agreed to it.

    Raises `IdReused`, `Conflict`, `InvalidInput` for a document that cannot be read.
    """
    keys, person_id = runtime.keys.of(who.hub_id), None
    if body.document is not None:
        terms = forms.document_context(runtime.settings, who.mode, at)
        identity, _ = forms.identify(body.document, "/document", terms)
        (person_id,) = await vault.recognise(tx, keys, who.hub_id, terms.today, [identity])
    new = New(body.key, body.said(), body.language, body.source, who, person_id)
    made = await store.make(tx, keys, who.hub_id, runtime.settings.zone, new, at)
    if made.new:
        told: dict[str, object] = {"consent_by": body.consent, "source": body.source}
        of = made.head.declaration_id
        happening = Event(who.hub_id, KEYED, of, at, told, who.device_id, who.operator_id)
        await events.append(tx, [happening])
    return made


@router.post(
    "/declarations:find",
    tags=["declarations"],
    summary="Find a declaration by its pass",
    responses=documented(PurposeRequired, LookUpQuota),
    openapi_extra=access_log.logged(Action.LOOK_UP),
)
async def find_declaration(
    body: FindBody,
    runtime: RuntimeDep,
    response: Response,
    who: Annotated[Principal, caller(Scope.LOOKUPS_WRITE)],
) -> DeclarationLookupAnswer:
    """What somebody declared who shows the QR code or the slip; a look-up of the quota."""
    purpose = access_log.stated(Action.LOOK_UP, body.purpose, body.reason)
    response.headers["Cache-Control"] = "no-store"
    return await found(runtime, who, purpose, body.reason, body.pass_code)


async def found(
    runtime: Runtime, who: Principal, purpose: Purpose, reason: str | None, code: str
) -> DeclarationLookupAnswer:
    """The declaration that a pass or the digits of a slip belong to; on the record.

    Raises `LookUpQuota`.
    """
    asked = LookupRequest(who, purpose, reason, clock.now())
    keys, code = runtime.keys.of(who.hub_id), codes.read_shown(code)

    async def find(tx: Transaction, mine: Quota) -> DeclarationLookupAnswer:
        head, seen = await store.find(tx, who.hub_id, code), None
        if head is not None:
            # whether it was destroyed or never there, the look-up is used up and on the record
            with contextlib.suppress(KeyDestroyed):
                seen = _seen(head, await store.answers(tx, keys, who.hub_id, head))
        of, shown = (seen.declaration_id, _SHOWN) if seen else (None, ())
        noted = await lookups.note(tx, asked, of, shown, len(shown))
        return DeclarationLookupAnswer(lookup_id=noted, declaration=seen, left=mine.left - 1)

    return await lookups.within_quota(runtime.database, asked, find)


def _seen(head: DeclarationSummary, answers: Answers) -> SeenAnswer:
    return SeenAnswer(
        declaration_id=head.declaration_id,
        source=DeclarationSource(head.source),
        language=head.language,
        made_at=head.made_at,
        good_until=head.good_until,
        answers=DeclaredAnswers.of(answers),
        presented_at=head.presented_at,
        screening_id=head.screening_id,
    )


class ListedAppeal(Answer):
    appeal_id: UUID
    about: AppealSubject
    made_at: datetime
    due_at: datetime = Field(description="until when it is to be answered")
    screening_id: UUID | None = Field(description="the passage it is about, if there was one")
    decided: Decided | None
    answered_at: datetime | None


class AppealPage(Answer):
    appeals: list[ListedAppeal]
    next: str | None = Field(description="cursor of the next page; null on the last")


class RevealedAppeal(Answer):
    appeal_id: UUID
    text: str = Field(
        description="the traveller's own words", json_schema_extra=access_log.IDENTIFIED
    )


class AppealDecisionBody(Body):
    decided: Decided
    text: Text = Field(
        description="the answer, read by whoever holds the receipt",
        examples=["You are right: the test counts. The measure ends today."],
    )


Reader = Annotated[Principal, caller(Scope.APPEALS_READ)]


@router.get("/appeals", tags=["oversight"], summary="List appeals of travellers")
async def list_appeals(
    tx: Read,
    who: Reader,
    answered: bool = False,  # noqa: FBT001, FBT002 # a parameter of the query
    cursor: Annotated[str | None, Query(max_length=paging.LONGEST)] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> AppealPage:
    """Those nobody has answered, the oldest first; with `answered=true` all. Not their words.

    An appeal ends with the identities of the day its declaration was made.
    """
    rows = await appeals.page(
        tx, who.hub_id, open_only=not answered, cursor=cursor, limit=limit + 1
    )
    found = [
        ListedAppeal.model_validate({**row, "due_at": row["made_at"] + appeals.ANSWERED_WITHIN})
        for row in rows[:limit]
    ]
    last = found[-1] if len(rows) > limit else None
    return AppealPage(
        appeals=found, next=paging.encode(last.made_at, last.appeal_id) if last else None
    )


@router.post(
    "/appeals/{appeal_id}:reveal",
    tags=["oversight"],
    summary="Read an appeal",
    responses=documented(NotFound, Gone, PurposeRequired),
    openapi_extra=access_log.logged(Action.REVEAL),
)
async def reveal_appeal(
    appeal_id: UUID, body: Why, tx: Tx, runtime: RuntimeDep, who: Reader, response: Response
) -> RevealedAppeal:
    """What the traveller wrote. Who read it and what for is recorded first."""
    purpose = access_log.stated(Action.REVEAL, body.purpose, body.reason)
    keys = runtime.keys.of(who.hub_id)
    text = await appeals.read(tx, keys, who, appeal_id, purpose, body.reason, clock.now())
    response.headers["Cache-Control"] = "no-store"
    return RevealedAppeal(appeal_id=appeal_id, text=text)


@router.put(
    "/appeals/{appeal_id}/answer",
    status_code=204,
    tags=["oversight"],
    summary="Answer an appeal",
    responses=documented(NotFound, Conflict, Gone),
)
async def answer_appeal(
    appeal_id: UUID,
    body: AppealDecisionBody,
    tx: Tx,
    runtime: RuntimeDep,
    who: Annotated[Principal, caller(Scope.APPEALS_WRITE)],
) -> None:
    """Once and for good; the traveller reads it with the receipt."""
    keys = runtime.keys.of(who.hub_id)
    await appeals.decide(tx, keys, who, appeal_id, body.decided, body.text, clock.now())
