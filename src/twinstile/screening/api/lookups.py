"""HTTP: looking somebody up by the document they show, and facts kept aside."""

from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

from fastapi import APIRouter, Query, Response
from pydantic import Field, JsonValue, model_validator
from pydantic_core import PydanticCustomError
from sqlalchemy import RowMapping

from twinstile.arrivals.feeds import feed_status
from twinstile.arrivals.feeds.feed_status import FeedFreshness
from twinstile.identity import forms, links
from twinstile.identity.forms import DocumentForm
from twinstile.identity.links import Claim, LinkEvidence
from twinstile.identity.types import Finding
from twinstile.platform.db.database import Transaction
from twinstile.platform.http import paging
from twinstile.platform.http.field_types import Answer, Body, Line
from twinstile.platform.http.problems import (
    AlreadyExists,
    Conflict,
    Gone,
    IdReused,
    LookUpQuota,
    NotFound,
    PurposeRequired,
    documented,
)
from twinstile.platform.http.routes import GatedRoute, Read, RuntimeDep, Tx, caller
from twinstile.platform.ops import clock
from twinstile.platform.security import access_log
from twinstile.platform.security.access_log import IDENTIFIED, Action, Wanted, Why
from twinstile.platform.security.auth import Principal, Scope
from twinstile.platform.security.quotas import QuotaStatus
from twinstile.screening import linked_persons, lookups, quarantine_review
from twinstile.screening.lookups import ConsentBy, LookupRequest, LookupResult
from twinstile.screening.quarantine_review import QuarantineDecision, Resolution
from twinstile.screening.types import ScreeningState

router = APIRouter(prefix="/v1", route_class=GatedRoute)


class LookUpBody(Why):
    document: DocumentForm = Field(
        description="the whole number, or the zone; a name is ignored"
    )
    consent: ConsentBy | None = Field(
        default=None,
        description="who agreed, where staff look in the place of somebody without a device",
    )


class PassageAnswer(Answer):
    screening_id: UUID
    state: ScreeningState
    checkpoint: str | None
    run_id: UUID | None
    opened_at: datetime
    closed_at: datetime | None
    case_id: UUID | None


class LookUpAnswer(Answer):
    lookup_id: UUID = Field(description="of the row in the access log")
    known: bool = Field(
        description="whether this hub met the document in the last 14 to 28 days"
    )
    name: str | None = Field(
        description="masked; null: unknown, or destroyed as the policy asks",
        examples=["张*"],
        json_schema_extra=IDENTIFIED,
    )
    screenings: list[PassageAnswer] = Field(description="the latest first, at most 20")
    findings: list[Finding] = Field(description="what reading the document found; a hint")
    left: int = Field(description="how many look-ups are left just now")
    sources: list[FeedFreshness] = Field(description="departments' feeds it rests on")


@router.post(
    "/lookups",
    tags=["screenings"],
    summary="Look somebody up by a document",
    responses=documented(PurposeRequired, LookUpQuota),
    openapi_extra=access_log.logged(Action.LOOK_UP),
)
async def post_lookup(
    body: LookUpBody,
    runtime: RuntimeDep,
    who: Annotated[Principal, caller(Scope.LOOKUPS_WRITE)],
    response: Response,
) -> LookUpAnswer:
    """The screenings of the person who shows this document; on the record before it is told.

    20 within 10 minutes and 100 within 12 hours for one operator, found or not.
    """
    purpose = access_log.stated(Action.LOOK_UP, body.purpose, body.reason)
    asked = LookupRequest(who, purpose, body.reason, clock.now(), body.consent)
    terms = forms.document_context(runtime.settings, who.mode, asked.at)
    identity, findings = forms.identify(body.document, "/document", terms)
    keys = runtime.keys.of(who.hub_id)

    async def find(
        tx: Transaction, mine: QuotaStatus
    ) -> tuple[LookupResult, int, list[FeedFreshness]]:
        found = await lookups.find(tx, keys, asked, identity.document, terms.today)
        told = await feed_status.feed_freshness(
            tx, runtime.settings, who.hub_id, feed_status.PEOPLE, asked.at
        )
        return found, mine.left - 1, told

    found, left, told = await lookups.within_quota(runtime.database, asked, find)
    response.headers["Cache-Control"] = "no-store"
    return LookUpAnswer(
        lookup_id=found.lookup_id,
        known=found.known,
        name=found.name,
        screenings=[PassageAnswer.model_validate(row) for row in found.screenings],
        findings=sorted(findings),
        left=left,
        sources=told,
    )


class LinkBody(Body):
    document: DocumentForm
    other: DocumentForm = Field(description="of the same person, with another number")
    evidence: LinkEvidence = Field(description="what shows it; a name and a birthday do not")
    purpose: Wanted = None
    reason: Line = Field(
        description="what was seen, without personal data",
        examples=["permit and passport shown, photographs compared"],
    )


class PersonLinkAnswer(Answer):
    """A link; whom it joins is told nowhere."""

    link_id: UUID
    evidence: LinkEvidence
    reason: str
    recorded_at: datetime
    recorded_by: UUID
    withdrawn_at: datetime | None
    withdrawn_by: UUID | None
    withdrawn_reason: str | None


class LinkedAnswer(PersonLinkAnswer):
    lookup_id: UUID = Field(description="of the row in the access log")
    left: int = Field(description="how many look-ups are left just now")


class LinkPage(Answer):
    links: list[PersonLinkAnswer]
    next: str | None = Field(description="cursor of the next page; null on the last")


class WithdrawalBody(Body):
    reason: Line = Field(examples=["the photograph was of the holder's sister"])


@router.put(
    "/links/{link_id}",
    tags=["screenings"],
    summary="Say that two documents are one person's",
    responses=documented(PurposeRequired, LookUpQuota, Conflict, IdReused, AlreadyExists),
    openapi_extra=access_log.logged(Action.LOOK_UP),
)
async def put_link(
    link_id: UUID,
    body: LinkBody,
    runtime: RuntimeDep,
    who: Annotated[Principal, caller(Scope.LOOKUPS_WRITE)],
    response: Response,
) -> LinkedAnswer:
    """By evidence that was seen. Suspicions and open passages of one count for the other then.

    A look-up of the quota, on the record as one. At most 8 persons are linked, directly or not.
    """
    purpose = access_log.stated(Action.LOOK_UP, body.purpose, body.reason)
    asked = LookupRequest(who, purpose, body.reason, clock.now())
    terms = forms.document_context(runtime.settings, who.mode, asked.at)
    one, _ = forms.identify(body.document, "/document", terms)
    other, _ = forms.identify(body.other, "/other", terms)
    claim, keys = (
        Claim(link_id, one, other, body.evidence, body.reason),
        runtime.keys.of(who.hub_id),
    )

    async def link(tx: Transaction, mine: QuotaStatus) -> LinkedAnswer:
        done = await linked_persons.join(tx, keys, who, claim, terms.today, asked.at)
        noted = await lookups.note(tx, asked, done.person_id, ("link",), 2)
        return LinkedAnswer.model_validate(
            {**done.row, "lookup_id": noted, "left": mine.left - 1}
        )

    response.headers["Cache-Control"] = "no-store"
    return await lookups.within_quota(runtime.database, asked, link)


@router.get("/links", tags=["oversight"], summary="List links of persons")
async def list_links(
    tx: Read,
    who: Annotated[Principal, caller(Scope.LINKS_MANAGE)],
    withdrawn: bool = False,  # noqa: FBT001, FBT002 # a parameter of the query
    cursor: Annotated[str | None, Query(max_length=paging.LONGEST)] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> LinkPage:
    """By whom, when and on what evidence, the latest first; with `withdrawn=true` all."""
    rows = await links.page(
        tx, who.hub_id, in_force=not withdrawn, cursor=cursor, limit=limit + 1
    )
    found = [PersonLinkAnswer.model_validate(row) for row in rows[:limit]]
    last = found[-1] if len(rows) > limit else None
    return LinkPage(
        links=found, next=paging.encode(last.recorded_at, last.link_id) if last else None
    )


@router.put(
    "/links/{link_id}/withdrawal",
    tags=["oversight"],
    summary="Take a link back",
    responses=documented(NotFound, Conflict),
)
async def withdraw_link(
    link_id: UUID,
    body: WithdrawalBody,
    tx: Tx,
    runtime: RuntimeDep,
    who: Annotated[Principal, caller(Scope.LINKS_MANAGE)],
) -> PersonLinkAnswer:
    """From now on the two count no more for each other; what was decided stays. Once.

    Whose case was merged into the other's by it has a case of their own again.
    """
    keys, zone = runtime.keys.of(who.hub_id), runtime.settings.zone
    row = await linked_persons.part(tx, keys, zone, who, link_id, body.reason, clock.now())
    return PersonLinkAnswer.model_validate(row)


class PlaceAnswer(Answer):
    pointer: str
    code: str


class ResolvedAnswer(Answer):
    quarantine_id: UUID
    resolution: Resolution
    fact_id: UUID | None = Field(description="the new fact, if it was sent anew")
    reason: str
    at: datetime
    operator_id: UUID | None


class QuarantinedFactAnswer(Answer):
    quarantine_id: UUID
    fact_id: UUID | None = Field(description="the id the device gave it, if it could be read")
    device_id: UUID
    kind: str = Field(description="the kind it claims to be, or unknown")
    received_at: datetime
    code: str = Field(description="the problem it was kept aside for")
    errors: list[PlaceAnswer]
    resolved: ResolvedAnswer | None


class QuarantinedFactPage(Answer):
    facts: list[QuarantinedFactAnswer]
    next: str | None = Field(description="cursor of the next page; null on the last")


class OpenedAnswer(Answer):
    quarantine_id: UUID
    item: JsonValue = Field(
        description="the fact as it was sent, whatever that was",
        json_schema_extra=IDENTIFIED,
    )


class ResolutionBody(Body):
    resolution: Resolution
    fact_id: UUID | None = Field(
        default=None, description="of the new fact; with RESUBMITTED, and only then"
    )
    reason: Line = Field(examples=["the tablet had an old version"])

    @model_validator(mode="after")
    def _names_the_new_fact(self) -> Self:
        if (self.resolution is Resolution.RESUBMITTED) is (self.fact_id is None):
            raise PydanticCustomError("missing", "a new fact, with RESUBMITTED and only then")
        return self


@router.get("/quarantine", tags=["oversight"], summary="List facts kept aside")
async def list_aside(
    tx: Read,
    who: Annotated[Principal, caller(Scope.QUARANTINE_READ)],
    resolved: bool = False,  # noqa: FBT001, FBT002 # a parameter of the query
    cursor: Annotated[str | None, Query(max_length=paging.LONGEST)] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> QuarantinedFactPage:
    """What is wrong with them and whose they are, the latest first; not what is in them.

    Those that are resolved are shown with `resolved=true`, beside the others.
    """
    rows = await quarantine_review.page(
        tx, who.hub_id, open_only=not resolved, cursor=cursor, limit=limit + 1
    )
    facts = [_aside(row) for row in rows[:limit]]
    more = len(rows) > limit
    return QuarantinedFactPage(
        facts=facts,
        next=paging.encode(facts[-1].received_at, facts[-1].quarantine_id) if more else None,
    )


def _aside(row: RowMapping) -> QuarantinedFactAnswer:
    faults = [PlaceAnswer(pointer=pointer, code=code) for pointer, code in row["errors"]]
    done = row["resolved_at"] and ResolvedAnswer(
        quarantine_id=row["quarantine_id"],
        at=row["resolved_at"],
        operator_id=row["resolved_by"],
        **row["resolution"],
    )
    return QuarantinedFactAnswer.model_validate({**row, "errors": faults, "resolved": done})


@router.post(
    "/quarantine/{quarantine_id}:reveal",
    tags=["oversight"],
    summary="Read a fact kept aside",
    responses=documented(NotFound, Gone, PurposeRequired),
    openapi_extra=access_log.logged(Action.QUARANTINE_READ),
)
async def reveal_aside(
    quarantine_id: UUID,
    body: Why,
    tx: Tx,
    runtime: RuntimeDep,
    who: Annotated[Principal, caller(Scope.QUARANTINE_READ)],
    response: Response,
) -> OpenedAnswer:
    """The fact as it was sent, identity and all. Who read it and what for is recorded first."""
    purpose = access_log.stated(Action.QUARANTINE_READ, body.purpose, body.reason)
    keys = runtime.keys.of(who.hub_id)
    item = await quarantine_review.show(
        tx, keys, who, quarantine_id, purpose, body.reason, clock.now()
    )
    response.headers["Cache-Control"] = "no-store"
    return OpenedAnswer.model_validate({"quarantine_id": quarantine_id, "item": item})


@router.put(
    "/quarantine/{quarantine_id}/resolution",
    tags=["oversight"],
    summary="Say what became of a fact kept aside",
    responses=documented(NotFound, Conflict),
)
async def resolve_aside(
    quarantine_id: UUID,
    body: ResolutionBody,
    tx: Tx,
    who: Annotated[Principal, caller(Scope.QUARANTINE_WRITE)],
) -> ResolvedAnswer:
    """Discarded, or mended and sent as a new fact, which is sent first. Once, and for good."""
    decision = QuarantineDecision(body.resolution, body.fact_id, body.reason)
    done = await quarantine_review.resolve(tx, who, quarantine_id, decision, clock.now())
    return ResolvedAnswer.model_validate(
        {
            **done.body,
            "quarantine_id": quarantine_id,
            "at": done.at,
            "operator_id": done.operator_id,
        }
    )
