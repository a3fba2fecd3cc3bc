"""HTTP: how many of a run have come, and who has not."""

from dataclasses import asdict
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Response
from pydantic import Field

from twinstile.arrivals.feeds import feed_status
from twinstile.arrivals.feeds.feed_status import TRAVELLERS, FeedFreshness
from twinstile.identity.types import DocumentKind
from twinstile.platform.http.field_types import Answer, Word
from twinstile.platform.http.problems import Gone, NotFound, PurposeRequired, documented
from twinstile.platform.http.routes import GatedRoute, Read, RuntimeDep, Tx, caller
from twinstile.platform.ops import clock
from twinstile.platform.security import access_log
from twinstile.platform.security.access_log import Action, Why
from twinstile.platform.security.auth import Principal, Scope
from twinstile.screening import outstanding_travellers

router = APIRouter(prefix="/v1", route_class=GatedRoute, tags=["arrivals"])


class ExpectationAnswer(Answer):
    expected: int
    screened: int
    no_show: int
    outstanding: int
    sources: list[FeedFreshness] = Field(description="who tells whom to expect, and up to when")


class UnseenEntry(Answer):
    entry_id: str
    coach: str | None
    seat: str | None
    board_stop: str | None
    alight_stop: str | None


class UnseenList(Answer):
    entries: list[UnseenEntry] = Field(description="by coach and seat, 5000 at most")
    sources: list[FeedFreshness] = Field(description="who tells whom to expect, and up to when")


class UnseenRevealBody(Why):
    entry_id: Word = Field(description="the key on this run's list", examples=["E1873904562-1"])


class UnseenPerson(Answer):
    entry_id: str
    name: str | None = Field(json_schema_extra=access_log.IDENTIFIED)
    document_kind: DocumentKind
    document_number: str = Field(json_schema_extra=access_log.IDENTIFIED)
    document_issuer: str | None


@router.get("/runs/{run_id}/expectations", summary="How many of a run are still expected")
async def read_expectations(
    run_id: UUID,
    tx: Read,
    runtime: RuntimeDep,
    who: Annotated[Principal, caller(Scope.ARRIVALS_READ)],
) -> ExpectationAnswer:
    """Counts of the run's manifest: expected, screened, absent, outstanding."""
    now = clock.now()
    figures = await outstanding_travellers.figures(tx, who.hub_id, run_id, now)
    return ExpectationAnswer(
        expected=figures.expected,
        screened=figures.screened,
        no_show=figures.no_show,
        outstanding=figures.outstanding,
        sources=await feed_status.feed_freshness(
            tx, runtime.settings, who.hub_id, TRAVELLERS, now
        ),
    )


@router.get(
    "/runs/{run_id}/outstanding",
    summary="List who of a run has not been seen yet",
    responses=documented(NotFound),
)
async def list_outstanding(
    run_id: UUID,
    tx: Read,
    runtime: RuntimeDep,
    who: Annotated[Principal, caller(Scope.ARRIVALS_READ)],
) -> UnseenList:
    """The seats of those still to come, without names; nobody's once the run is closed."""
    now = clock.now()
    found = await outstanding_travellers.unseen(tx, who.hub_id, run_id, now)
    return UnseenList(
        entries=[UnseenEntry(**asdict(one)) for one in found],
        sources=await feed_status.feed_freshness(
            tx, runtime.settings, who.hub_id, TRAVELLERS, now
        ),
    )


@router.post(
    "/runs/{run_id}/outstanding:reveal",
    summary="Read who has not been seen yet",
    responses=documented(NotFound, Gone, PurposeRequired),
    openapi_extra=access_log.logged(Action.REVEAL),
)
async def reveal_outstanding(
    run_id: UUID,
    body: UnseenRevealBody,
    tx: Tx,
    runtime: RuntimeDep,
    who: Annotated[Principal, caller(Scope.ARRIVALS_REVEAL)],
    response: Response,
) -> UnseenPerson:
    """Name and number of one, to look for them. The reading is recorded first."""
    purpose = access_log.stated(Action.REVEAL, body.purpose, body.reason)
    keys = runtime.keys.of(who.hub_id)
    person = await outstanding_travellers.show(
        tx, keys, who, run_id, body.entry_id, purpose, body.reason, clock.now()
    )
    response.headers["Cache-Control"] = "no-store"
    return UnseenPerson(
        entry_id=body.entry_id,
        name=person.holder.name,
        document_kind=person.document.kind,
        document_number=person.document.number,
        document_issuer=person.document.issuer,
    )
