"""HTTP for travellers: a declaration before arrival, and the report its receipt opens."""

import time
from dataclasses import dataclass, field
from typing import Annotated, cast
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from twinstile.declarations import appeals, codes, corrections, report, store
from twinstile.declarations.appeals import AppealRequest
from twinstile.declarations.bodies import (
    AppealBody,
    AppealReport,
    CorrectedAnswer,
    CorrectionBody,
    DeclarationBody,
    DeclarationReceiptAnswer,
    DeclaredAnswers,
    ReminderReadAnswer,
    ReminderReadBody,
    ReportAnswer,
    VisitReport,
    WordAnswer,
)
from twinstile.declarations.codes import Receipt
from twinstile.declarations.store import New
from twinstile.platform.http.problems import (
    Conflict,
    Forbidden,
    Gone,
    HubClosed,
    IdReused,
    NotFound,
    TooMany,
    Unauthenticated,
    documented,
)
from twinstile.platform.http.routes import TOKENS, GatedRoute, Read, RuntimeDep, Tx
from twinstile.platform.ops import clock
from twinstile.platform.security import devices
from twinstile.platform.security.auth import Scope
from twinstile.platform.security.browser_sessions import MAX_TOKEN
from twinstile.platform.security.quotas import RateLimit
from twinstile.policy.api import Compiled
from twinstile.screening.claim_words import DeclarationSource

NEW_A_MINUTE = 1200
"""Of one hub, in one process: a train that is reminded at once. More than that is no train."""
UNKNOWN_A_MINUTE = 600
OWN_A_MINUTE = 60
"""Requests with one receipt."""


router = APIRouter(prefix="/v1/declarations", route_class=GatedRoute, tags=["declarations"])

_bearer = HTTPBearer(auto_error=False, scheme_name="token", description=TOKENS)


class Door:
    """How much travellers may ask of this process. Nobody's address is looked at."""

    def __init__(self) -> None:
        self.new = RateLimit(NEW_A_MINUTE)
        self.unknown = RateLimit(UNKNOWN_A_MINUTE)
        self.own = RateLimit(OWN_A_MINUTE, names=20_000)


async def _door(request: Request) -> Door:
    return cast("Door", request.app.state.door)


AtDoor = Annotated[Door, Depends(_door)]


@dataclass(frozen=True, slots=True)
class ReceiptHolder:
    """Who holds a receipt, and of which hub."""

    hub_id: str
    receipt: Receipt = field(repr=False)


async def _holder(
    runtime: RuntimeDep,
    door: AtDoor,
    credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
) -> ReceiptHolder:
    """The holder of a receipt; whoever else has a token may not.

    Routes name it before their transaction: its connection is given back before that is taken.
    """
    if credentials is None or len(credentials.credentials) > MAX_TOKEN:
        raise Unauthenticated
    token = credentials.credentials
    known = codes.read_token(token)
    if known is None:
        await runtime.gatekeeper.principal(token)
        raise Forbidden("This is for whoever holds the receipt of a declaration.")
    hub_id, receipt = known
    async with runtime.database.reading() as tx:
        try:
            await store.declaration_of_receipt(tx, hub_id, receipt)
        except Unauthenticated:
            door.unknown.take(hub_id, time.monotonic())
            raise
    door.own.take(receipt.digest.hex(), time.monotonic())
    return ReceiptHolder(hub_id, receipt)


Own = Annotated[ReceiptHolder, Security(_holder, scopes=[str(Scope.REPORT_OWN)])]


@router.post(
    "",
    status_code=201,
    summary="Declare before arrival",
    responses={
        200: {
            "model": DeclarationReceiptAnswer,
            "description": "The same as a moment ago: its receipt",
        },
        **documented(NotFound, HubClosed, IdReused, Conflict, TooMany),
    },
)
async def add_declaration(
    body: DeclarationBody,
    tx: Tx,
    runtime: RuntimeDep,
    policies: Compiled,
    door: AtDoor,
    response: Response,
) -> DeclarationReceiptAnswer:
    """Four answers, without a name. Needs no token.

    The answer holds the receipt, which is told here only and kept as a digest. Whoever has it
    reads, corrects and disputes; whoever sees the QR code can only show it. Both end with the
    identities of that day.
    """
    hub_id, at = body.hub or runtime.settings.hub_id, clock.now()
    await devices.require_open(tx, hub_id)
    door.new.take(hub_id, time.monotonic())
    new = New(body.key, body.said(), body.language)
    made = await store.make(tx, runtime.keys.of(hub_id), hub_id, runtime.settings.zone, new, at)
    if not made.new:
        response.status_code = 200
    response.headers["Cache-Control"] = "no-store"
    return DeclarationReceiptAnswer(
        receipt=made.receipt.token(hub_id),
        pass_code=made.receipt.pass_code,
        made_at=made.head.made_at,
        good_until=made.head.good_until,
        kept_until=await report.kept_until(tx, policies, hub_id, made.head.day, at),
        calm=new.answers.calm,
    )


@router.get("/own", summary="Read one's own report", responses=documented(Gone, TooMany))
async def read_own(
    own: Own, tx: Read, runtime: RuntimeDep, policies: Compiled, response: Response
) -> ReportAnswer:
    """What was declared, the passage it counted for, reminders, measures and appeals."""
    response.headers["Cache-Control"] = "no-store"
    keys = runtime.keys.of(own.hub_id)
    found = await report.read(tx, keys, policies, own.hub_id, own.receipt, clock.now())
    head = found.head
    return ReportAnswer(
        pass_code=own.receipt.pass_code,
        short_code=head.short_code,
        source=DeclarationSource(head.source),
        language=head.language,
        made_at=head.made_at,
        good_until=head.good_until,
        kept_until=found.kept_until,
        revision=head.revision,
        answers=DeclaredAnswers.of(found.answers),
        words=[WordAnswer.model_validate(word) for word in found.words],
        reminded_at=head.reminded_at,
        presented_at=head.presented_at,
        passage=VisitReport.model_validate(found.passage) if found.passage else None,
        appeals=[AppealReport.model_validate(one) for one in found.appeals],
    )


@router.put(
    "/own", summary="Correct it", responses=documented(Conflict, Gone, HubClosed, TooMany)
)
async def correct_own(
    own: Own, body: CorrectionBody, tx: Tx, runtime: RuntimeDep, response: Response
) -> CorrectedAnswer:
    """Say the four answers anew. It is good for another 48 hours from then.

    Of a passage that has begun nothing is lowered by it; what it adds somebody looks at.
    """
    response.headers["Cache-Control"] = "no-store"
    keys, said = runtime.keys.of(own.hub_id), body.said()
    head = await corrections.correct(
        tx, keys, own.hub_id, own.receipt, body.revision, said, clock.now()
    )
    return CorrectedAnswer(
        revision=head.revision,
        said_at=head.said_at,
        good_until=head.good_until,
        calm=said.calm,
    )


@router.put(
    "/own/reminder",
    summary="Say that the reminder was read",
    responses=documented(HubClosed, TooMany),
)
async def acknowledge_reminder(
    own: Own, body: ReminderReadBody, tx: Tx, response: Response
) -> ReminderReadAnswer:
    """That code and document are to be at hand on arrival. Counts as R1 of the passage."""
    response.headers["Cache-Control"] = "no-store"
    assert body.kind  # noqa: S101 # the only one there is
    head = await store.remind(tx, own.hub_id, own.receipt, clock.now())
    return ReminderReadAnswer(reminded_at=head.reminded_at or head.made_at)


@router.put(
    "/own/appeals/{appeal_id}",
    status_code=201,
    summary="Dispute something",
    responses={
        200: {"model": AppealReport, "description": "The same as before"},
        **documented(Conflict, IdReused, Gone, HubClosed, TooMany),
    },
)
async def add_appeal(
    own: Own, appeal_id: UUID, body: AppealBody, tx: Tx, runtime: RuntimeDep, response: Response
) -> AppealReport:
    """In one's own words; a person answers it, and the answer stands in the report."""
    response.headers["Cache-Control"] = "no-store"
    keys, wanted = runtime.keys.of(own.hub_id), AppealRequest(appeal_id, body.about, body.text)
    if not await appeals.make(tx, keys, own.hub_id, own.receipt, wanted, clock.now()):
        response.status_code = 200
    head = await store.declaration_of_receipt(tx, own.hub_id, own.receipt)
    known = await appeals.of_declaration(tx, keys, own.hub_id, head)
    return AppealReport.model_validate(next(o for o in known if o.appeal_id == appeal_id))
