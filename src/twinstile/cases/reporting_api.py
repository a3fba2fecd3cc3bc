"""HTTP: suspicions and the legal clock, and the draft of the report card."""

from dataclasses import asdict
from datetime import date, datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Response
from pydantic import Field

from twinstile.cases import referrals, report_card, suspicions
from twinstile.cases.suspicions import SuspicionBody
from twinstile.cases.types import CaseClass, Within
from twinstile.identity.types import DocumentKind
from twinstile.platform.db.database import Transaction
from twinstile.platform.http import paging
from twinstile.platform.http.field_types import Answer, Body, Moment, Word
from twinstile.platform.http.problems import (
    Conflict,
    Forbidden,
    Gone,
    IdReused,
    InvalidInput,
    NotFound,
    PurposeRequired,
    documented,
)
from twinstile.platform.http.routes import GatedRoute, Read, Runtime, RuntimeDep, Tx, caller
from twinstile.platform.ops import clock
from twinstile.platform.security import access_log
from twinstile.platform.security.access_log import AccessEntry, Action, Why
from twinstile.platform.security.auth import Principal, Scope

router = APIRouter(prefix="/v1", route_class=GatedRoute, tags=["cases"])

Reader = Annotated[Principal, caller(Scope.CASES_READ)]
Writer = Annotated[Principal, caller(Scope.CASES_WRITE)]
Identifier = Annotated[Principal, caller(Scope.IDENTITIES_READ)]


class FilingBody(Body):
    filed_at: Moment
    reference: Word = Field(description="number of the card", examples=["3301-2026-0117"])


class SuspicionAnswer(Answer):
    suspicion_id: UUID
    case_id: UUID
    within: Within
    case_class: CaseClass
    disease: str
    suspected_at: datetime
    due_at: datetime = Field(description="the legal deadline")
    recorded_at: datetime
    operator_id: UUID = Field(description="the responsible reporter")
    filed_at: datetime | None
    reference: str | None


class SuspicionPage(Answer):
    suspicions: list[SuspicionAnswer] = Field(description="what is due first comes first")
    next: str | None = Field(description="cursor of the next page; null on the last")


class CardAnswer(Answer):
    """What the hub knows of a report card; the clinic fills in `missing` and files it."""

    case_id: UUID
    suspicion_id: UUID
    masked: bool
    correction: bool = Field(description="false: the first report of the case")
    name: str | None = Field(json_schema_extra=access_log.IDENTIFIED)
    document_kind: DocumentKind
    document_number: str = Field(json_schema_extra=access_log.IDENTIFIED)
    sex: str | None
    birth_date: date | None = Field(
        description="null where it is masked", json_schema_extra=access_log.IDENTIFIED
    )
    age_years: int | None
    case_class: CaseClass
    disease: str
    onset_on: date | None
    diagnosed_at: datetime = Field(description="to the hour, as the card asks")
    died_on: date | None
    remarks: str = Field(description="number of the case")
    due_at: datetime
    filed_at: datetime | None
    reference: str | None
    missing: list[str] = Field(description="fields of the card nobody at the hub knows")


@router.put(
    "/cases/{case_id}/suspicions/{suspicion_id}",
    summary="State a suspicion of a notifiable disease",
    responses=documented(Forbidden, NotFound, IdReused, InvalidInput),
)
async def put_suspicion(
    case_id: UUID, suspicion_id: UUID, body: SuspicionBody, tx: Tx, who: Writer
) -> SuspicionAnswer:
    """Starts the legal clock: a report is owed within two hours or a day of that moment.

    By a medic or epidemiologist. A further one is a correction, with a clock of its own.
    """
    row = await suspicions.suspect(tx, who, case_id, suspicion_id, body, clock.now())
    return SuspicionAnswer.model_validate(row)


@router.put(
    "/suspicions/{suspicion_id}/filing",
    summary="Say that a report was filed",
    responses=documented(NotFound, Conflict, InvalidInput),
)
async def put_filing(
    suspicion_id: UUID, body: FilingBody, tx: Tx, who: Writer
) -> SuspicionAnswer:
    """Stops the legal clock. The same again changes nothing."""
    row = await suspicions.file(
        tx, who, suspicion_id, body.filed_at, body.reference, clock.now()
    )
    return SuspicionAnswer.model_validate(row)


@router.get("/suspicions", summary="List reports that are owed")
async def list_suspicions(
    tx: Read,
    who: Reader,
    cursor: Annotated[str | None, Query(max_length=paging.LONGEST)] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> SuspicionPage:
    """Suspicions without a filing, by the legal deadline."""
    found = await suspicions.owed(tx, who.hub_id, cursor, limit + 1)
    page = [SuspicionAnswer.model_validate(row) for row in found[:limit]]
    more = len(found) > limit
    return SuspicionPage(
        suspicions=page,
        next=paging.encode(page[-1].due_at, page[-1].suspicion_id) if more else None,
    )


@router.get(
    "/cases/{case_id}/suspicions",
    summary="List the suspicions of a case",
    responses=documented(NotFound),
)
async def list_case_suspicions(case_id: UUID, tx: Read, who: Reader) -> SuspicionPage:
    """The suspicions stated of a case, the first one first; at most the last 100."""
    await referrals.patient(tx, who.hub_id, case_id)
    rows = await suspicions.of_case(tx, who.hub_id, case_id)
    return SuspicionPage(
        suspicions=[SuspicionAnswer.model_validate(row) for row in rows], next=None
    )


@router.get(
    "/cases/{case_id}/report-card",
    summary="Read the draft report card, masked",
    responses=documented(NotFound, Gone),
    openapi_extra=access_log.logged(Action.MASKED_READ),
)
async def read_card(
    case_id: UUID, tx: Tx, runtime: RuntimeDep, who: Identifier, response: Response
) -> CardAnswer:
    """The card of the latest suspicion, without what says who it is. Recorded first."""
    look = AccessEntry(Action.MASKED_READ, None, report_card.SHOWN, subject_id=case_id)
    return await _card(tx, runtime, who, look, response)


@router.post(
    "/cases/{case_id}/report-card:reveal",
    summary="Read the draft report card, whole",
    responses=documented(NotFound, Gone, PurposeRequired),
    openapi_extra=access_log.logged(Action.REVEAL),
)
async def reveal_card(
    case_id: UUID, body: Why, tx: Tx, runtime: RuntimeDep, who: Identifier, response: Response
) -> CardAnswer:
    """The card as the clinic files it, e.g. for `LEGAL_DUTY`. The reading is recorded first."""
    purpose = access_log.stated(Action.REVEAL, body.purpose, body.reason)
    look = AccessEntry(
        Action.REVEAL, purpose, report_card.SHOWN, subject_id=case_id, reason=body.reason
    )
    return await _card(tx, runtime, who, look, response)


async def _card(
    tx: Transaction, runtime: Runtime, who: Principal, look: AccessEntry, response: Response
) -> CardAnswer:
    keys = runtime.keys.of(who.hub_id)
    draft = await report_card.draft(tx, keys, who, look, runtime.settings.zone, clock.now())
    response.headers["Cache-Control"] = "no-store"
    return CardAnswer.model_validate(asdict(draft))
