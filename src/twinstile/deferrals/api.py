"""HTTP: alerts, surge orders, deferrals, and what is said of people who are expected."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, cast
from uuid import UUID

from fastapi import APIRouter, Header, Query, Response
from pydantic import Field

from twinstile.deferrals import deferrals, surge_orders
from twinstile.deferrals.deferrals import DeferralCause
from twinstile.deferrals.surge_orders import SurgeOrderRequest
from twinstile.identity.types import DocumentKind
from twinstile.platform.http import paging
from twinstile.platform.http.field_types import Answer, Body, Line, Slug, Word
from twinstile.platform.http.problems import (
    Conflict,
    FieldFault,
    Forbidden,
    Gone,
    IdReused,
    InvalidInput,
    NotFound,
    PurposeRequired,
    TransitionRefused,
    documented,
)
from twinstile.platform.http.routes import GatedRoute, Read, RuntimeDep, Tx, caller
from twinstile.platform.ops import clock
from twinstile.platform.security import access_log
from twinstile.platform.security.access_log import Action, Why
from twinstile.platform.security.approvals_api import ApprovalRequestAnswer, asked_answer
from twinstile.platform.security.auth import Principal, Scope
from twinstile.policy.api import Compiled
from twinstile.policy.areas import PATTERN as AREA_PATTERN
from twinstile.screening import alerts, expectations, words
from twinstile.screening.bodies import StepAnswer, StepBody
from twinstile.screening.steps import StepContext, StepRequest
from twinstile.screening.transition_requirements import StepDetails
from twinstile.screening.types import AlertKind, ScreeningEvent

router = APIRouter(prefix="/v1", route_class=GatedRoute)

MOST_DESTINATIONS = 500
Language = Annotated[str, Header(alias="Accept-Language", max_length=200)]


class AlertAnswer(Answer):
    alert_id: UUID
    kind: AlertKind
    text: str = Field(description="in the language asked for by Accept-Language")
    subject_id: UUID = Field(
        description="the screening it is about, or a feed: `facts` names it"
    )
    raised_at: datetime
    due_at: datetime | None = Field(description="when it is passed on, or closed by itself")
    level: int = Field(description="how many times it was passed on")
    facts: dict[str, object] = Field(description="codes and times, such as the last known lane")
    closed_at: datetime | None
    closed_by: UUID | None = Field(description="null though closed: events have overtaken it")
    closed_reason: str | None


class AlertPage(Answer):
    alerts: list[AlertAnswer]
    next: str | None = Field(description="cursor of the next page; null on the last")


class ClosureBody(Body):
    reason: Line = Field(
        description="without names of travellers", examples=["found on platform 4"]
    )


@router.get("/alerts", tags=["alerts"], summary="List what somebody must see to")
async def list_alerts(
    tx: Read,
    who: Annotated[Principal, caller(Scope.ALERTS_READ)],
    language: Language = "en",
    kind: AlertKind | None = None,
    closed: Annotated[bool, Query(description="those that are over as well")] = False,  # noqa: FBT002
    cursor: Annotated[str | None, Query(max_length=paging.LONGEST)] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> AlertPage:
    """Open alerts, the latest first; `next` of one answer is the `cursor` of the next."""
    found = await alerts.page(
        tx, who.hub_id, kind=kind, closed=closed, cursor=cursor, limit=limit + 1
    )
    page = [_alert(cast("Mapping[str, object]", row), language) for row in found[:limit]]
    more = len(found) > limit
    return AlertPage(
        alerts=page, next=paging.encode(page[-1].raised_at, page[-1].alert_id) if more else None
    )


def _alert(row: Mapping[str, object], language: str) -> AlertAnswer:
    text = words.phrase_in_language(words.ALERTS[AlertKind(str(row["kind"]))], language)
    return AlertAnswer.model_validate({**row, "text": text})


@router.put(
    "/alerts/{alert_id}/closure",
    tags=["alerts"],
    summary="Say that an alert was seen to",
    responses=documented(NotFound, Conflict),
)
async def close_alert(
    alert_id: UUID,
    body: ClosureBody,
    tx: Tx,
    who: Annotated[Principal, caller(Scope.ALERTS_WRITE)],
    language: Language = "en",
) -> AlertAnswer:
    """Close an alert, with what was done. The same again changes nothing."""
    row = await alerts.close(tx, who, alert_id, body.reason, clock.now())
    return _alert(cast("Mapping[str, object]", row), language)


class ScopeBody(Body):
    """Where checks are suspended: at checkpoints, for runs, or both; at least one of them."""

    checkpoints: Annotated[tuple[Slug, ...], Field(max_length=20)] = Field(
        default=(), examples=[["north"]]
    )
    runs: Annotated[tuple[UUID, ...], Field(max_length=50)] = ()
    reason: Line = Field(examples=["more than two persons a square metre on platform 4"])


class FuseAnswer(Answer):
    fuse_id: UUID
    checkpoints: list[str]
    runs: list[UUID]
    reason: str
    ordered_by: UUID
    confirmed_by: UUID
    since: datetime
    until: datetime = Field(description="ends by itself then")
    ended_at: datetime | None
    ended_by: UUID | None
    ended_reason: str | None
    in_force: bool


class FuseList(Answer):
    fuses: list[FuseAnswer] = Field(description="what ends last comes first")


@router.put(
    "/fuses/{fuse_id}",
    status_code=202,
    tags=["surge"],
    summary="Ask for a surge order",
    responses=documented(Forbidden, IdReused, InvalidInput),
)
async def put_fuse(
    fuse_id: UUID,
    body: ScopeBody,
    tx: Tx,
    who: Annotated[Principal, caller(Scope.FUSES_ORDER)],
) -> ApprovalRequestAnswer:
    """Ask to suspend checks for 30 minutes; a second person puts it in force (kind `fuse`).

    To renew one, ask for another before it ends.
    """
    if not body.checkpoints and not body.runs:
        raise InvalidInput(errors=[FieldFault("/checkpoints", "missing")])
    wanted = SurgeOrderRequest(fuse_id, body.checkpoints, body.runs, body.reason)
    return asked_answer(await surge_orders.order(tx, who, wanted, clock.now()))


@router.get("/fuses", tags=["surge"], summary="List surge orders")
async def list_fuses(tx: Read, who: Annotated[Principal, caller(Scope.LANES_READ)]) -> FuseList:
    """Those in force and those of the last day, at most 100."""
    now = clock.now()
    rows = await surge_orders.latest(tx, who.hub_id, now)
    return FuseList(fuses=[_fuse(cast("Mapping[str, object]", row), now) for row in rows])


def _fuse(row: Mapping[str, object], now: datetime) -> FuseAnswer:
    over = row["ended_at"] is not None or cast("datetime", row["until"]) <= now
    return FuseAnswer.model_validate({**row, "in_force": not over})


@router.put(
    "/fuses/{fuse_id}/end",
    tags=["surge"],
    summary="End a surge order early",
    responses=documented(NotFound, Conflict),
)
async def end_fuse(
    fuse_id: UUID,
    body: ClosureBody,
    tx: Tx,
    who: Annotated[Principal, caller(Scope.FUSES_WRITE)],
) -> FuseAnswer:
    """One person is enough to have everybody checked again. The same again changes nothing."""
    now = clock.now()
    row = await surge_orders.end(tx, who, fuse_id, body.reason, now)
    return _fuse(cast("Mapping[str, object]", row), now)


class BypassAnswer(Answer):
    deferred: int = Field(description="let by now, to be settled by data")
    kept_back: int = Field(description="still expected: there is a case or a suspicion")


@router.post(
    "/runs/{run_id}:bypass",
    tags=["surge"],
    summary="Let the rest of a run by",
    responses=documented(NotFound, TransitionRefused),
)
async def bypass_run(
    run_id: UUID,
    body: ClosureBody,
    tx: Tx,
    runtime: RuntimeDep,
    policies: Compiled,
    who: Annotated[Principal, caller(Scope.FUSES_WRITE)],
) -> BypassAnswer:
    """Defer whoever of a run is still expected, on a surge order that names the run."""
    desk = StepContext(
        who, runtime.keys.of(who.hub_id), policies, runtime.settings.zone, clock.now()
    )
    deferred, kept = await expectations.bypass(tx, desk, run_id, body.reason)
    return BypassAnswer(deferred=deferred, kept_back=kept)


class EntryStepBody(StepBody):
    """A step of somebody expected: `void` or `transit_declared`."""

    event: ScreeningEvent = Field(examples=["void"])
    particulars: StepDetails = Field(
        default=StepDetails(), description="what this event needs", examples=[{}]
    )
    entry_id: Word = Field(
        description="the carrier's key on this run's manifest", examples=["E1873904562-1"]
    )


class EntryStepAnswer(StepAnswer):
    screening_id: UUID = Field(description="the passage that the step began")


@router.put(
    "/runs/{run_id}/steps/{step_id}",
    tags=["arrivals"],
    summary="Take a step of somebody who is expected",
    responses=documented(NotFound, Forbidden, TransitionRefused, IdReused, InvalidInput),
)
async def put_entry_step(
    run_id: UUID,
    step_id: UUID,
    body: EntryStepBody,
    tx: Tx,
    runtime: RuntimeDep,
    policies: Compiled,
    who: Annotated[Principal, caller(Scope.STEPS_WRITE)],
) -> EntryStepAnswer:
    """Say that an entry is an error, or that the traveller stays inside for a connection."""
    desk = StepContext(
        who, runtime.keys.of(who.hub_id), policies, runtime.settings.zone, clock.now()
    )
    step = StepRequest(step_id, step_id, body.event, body.at, body.reason, body.particulars)
    status, screening_id, state = await expectations.take(tx, desk, run_id, body.entry_id, step)
    return EntryStepAnswer(status=status, state=state, screening_id=screening_id)


class DeferralAnswer(Answer):
    deferral_id: UUID
    screening_id: UUID
    reason: DeferralCause
    fuse_id: UUID | None = Field(description="the surge order, if one let them through")
    opened_at: datetime
    due_at: datetime = Field(description="when it counts as left unresolved")
    destination: str | None = Field(description="area whose community is to settle it")
    run_id: UUID | None
    checkpoint: str | None


class DeferralPage(Answer):
    deferrals: list[DeferralAnswer] = Field(description="what ends first comes first")
    next: str | None = Field(description="cursor of the next page; null on the last")


class DebtAnswer(Answer):
    destination: str | None = Field(description="null: nobody said where they went")
    open: int
    next_due_at: datetime
    due_soon: int = Field(description="of these, overdue within four hours")


class DebtList(Answer):
    destinations: list[DebtAnswer] = Field(
        description="what ends first comes first; 500 at most"
    )


class DestinationBody(Body):
    area: Annotated[str, Field(pattern=AREA_PATTERN)] = Field(
        description="code of GB/T 2260 or GB/T 10114, or a country in three letters",
        examples=["330106"],
    )


class DeferredPerson(Answer):
    deferral_id: UUID
    name: str | None = Field(json_schema_extra=access_log.IDENTIFIED)
    document_kind: DocumentKind
    document_number: str = Field(json_schema_extra=access_log.IDENTIFIED)
    document_issuer: str | None


@router.get("/deferrals", tags=["surge"], summary="List who is still to be settled")
async def list_deferrals(
    tx: Read,
    who: Annotated[Principal, caller(Scope.DEFERRALS_READ)],
    destination: Annotated[str | None, Query(pattern=AREA_PATTERN)] = None,
    cursor: Annotated[str | None, Query(max_length=paging.LONGEST)] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> DeferralPage:
    """Open deferrals by time left. They are closed by data, or by steps, `matched_…`."""
    found = await deferrals.waiting(tx, who.hub_id, destination, cursor, limit + 1)
    page = [DeferralAnswer.model_validate(row) for row in found[:limit]]
    more = len(found) > limit
    return DeferralPage(
        deferrals=page,
        next=paging.encode(page[-1].due_at, page[-1].deferral_id) if more else None,
    )


@router.get("/deferrals/destinations", tags=["surge"], summary="Count who is owed to whom")
async def count_debt(
    tx: Read, who: Annotated[Principal, caller(Scope.DEFERRALS_READ)]
) -> DebtList:
    """Open deferrals by the area whose community is to settle them."""
    rows = await deferrals.debt(tx, who.hub_id, clock.now(), MOST_DESTINATIONS)
    return DebtList(destinations=[DebtAnswer.model_validate(row) for row in rows])


@router.put(
    "/deferrals/{deferral_id}/destination",
    status_code=204,
    tags=["surge"],
    summary="Say which community is to settle a deferral",
    responses=documented(NotFound, Conflict),
)
async def put_destination(
    deferral_id: UUID,
    body: DestinationBody,
    tx: Tx,
    who: Annotated[Principal, caller(Scope.DEFERRALS_WRITE)],
) -> None:
    """Where the traveller went on to. Once it is closed nothing is routed any more."""
    await deferrals.route(tx, who, deferral_id, body.area, clock.now())


@router.post(
    "/deferrals/{deferral_id}/person:reveal",
    tags=["surge"],
    summary="Read who was let through unscreened",
    responses=documented(NotFound, Gone, PurposeRequired),
    openapi_extra=access_log.logged(Action.REVEAL),
)
async def reveal_deferred(
    deferral_id: UUID,
    body: Why,
    tx: Tx,
    runtime: RuntimeDep,
    who: Annotated[Principal, caller(Scope.DEFERRALS_REVEAL)],
    response: Response,
) -> DeferredPerson:
    """Name and number, to settle the deferral by other data. The reading is recorded first."""
    purpose = access_log.stated(Action.REVEAL, body.purpose, body.reason)
    keys = runtime.keys.of(who.hub_id)
    person = await deferrals.show(tx, keys, who, deferral_id, purpose, body.reason, clock.now())
    response.headers["Cache-Control"] = "no-store"
    return DeferredPerson(
        deferral_id=deferral_id,
        name=person.holder.name,
        document_kind=person.document.kind,
        document_number=person.document.number,
        document_issuer=person.document.issuer,
    )
