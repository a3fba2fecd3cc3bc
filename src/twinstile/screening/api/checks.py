"""HTTP: checks, batches, reminders, steps, and what is known of a screening."""

from datetime import datetime, timedelta
from typing import Annotated, cast
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Query, Request, Response
from pydantic import Field

from twinstile.arrivals.api import Tagging
from twinstile.credentials.api import Judging
from twinstile.credentials.trusting.api import Listed
from twinstile.platform.http import paging
from twinstile.platform.http.field_types import Answer, Body, Line, Moment, Slug
from twinstile.platform.http.problems import (
    Conflict,
    ContentQuarantined,
    FieldFault,
    Forbidden,
    Gone,
    IdReused,
    InvalidInput,
    NotFound,
    OtherHub,
    TransitionRefused,
    documented,
)
from twinstile.platform.http.routes import (
    BatchRoute,
    GatedRoute,
    Read,
    RuntimeDep,
    Tx,
    caller,
    unchanged,
)
from twinstile.platform.ops import clock
from twinstile.platform.security import devices
from twinstile.platform.security.approvals_api import Known
from twinstile.platform.security.auth import Principal, Scope
from twinstile.policy.api import Compiled
from twinstile.screening import (
    answers,
    batch,
    expectations,
    intake,
    lanes,
    overrides,
    quarantine,
    queries,
    reminders_and_services,
    shown,
    transitions,
)
from twinstile.screening.bodies import (
    BatchAnswer,
    BatchBody,
    CheckAnswer,
    CheckBody,
    FactStatus,
    ReminderBody,
    StepAnswer,
    StepBody,
)
from twinstile.screening.committer import Committer
from twinstile.screening.overrides import OverrideRequest
from twinstile.screening.reminders_and_services import ReminderFact
from twinstile.screening.steps import StepContext, StepRequest
from twinstile.screening.transition_requirements import StepDetails
from twinstile.screening.types import Ground, ScreeningEvent, ScreeningState
from twinstile.screening.views import CheckView, ScreeningDetail, ScreeningPage

router = APIRouter(prefix="/v1", route_class=GatedRoute)
facts_router = APIRouter(prefix="/v1", route_class=BatchRoute)

Language = Annotated[str, Header(alias="Accept-Language", max_length=200)]
LONGEST_PERIOD = timedelta(days=31)


async def _committer(request: Request) -> Committer:
    return cast("Committer", request.app.state.committer)


Gate = Annotated[Committer, Depends(_committer)]
"""The committer of this process."""


@router.put(
    "/checks/{check_id}",
    status_code=201,
    tags=["checks"],
    summary="Record a check",
    responses={
        200: {
            "model": CheckAnswer,
            "description": "The same check as before: its first answer",
        },
        **documented(ContentQuarantined, OtherHub, Gone),
    },
)
async def put_check(
    check_id: UUID,
    body: CheckBody,
    committer: Gate,
    judge: Judging,
    response: Response,
    who: Annotated[Principal, caller(Scope.CHECKS_WRITE)],
    language: Language = "en",
) -> CheckAnswer:
    """Record one passage of one person past one device, and say what to do.

    The device mints the id (UUIDv7), so sending it again is harmless: the same content gets the
    first answer with status 200. Other content gets 409 and is kept aside. The answer leaves
    after the commit.
    """
    if body.made_for not in {None, who.hub_id}:
        raise OtherHub
    receiver = await intake.receiver(committer.runtime, who, clock.now())
    seen, told = await shown.look(judge, body, who, language)
    check = intake.check(body, check_id, body.counter, body.sent_at, receiver, seen)
    done = await committer.record(receiver, check)
    if done.reused:
        async with committer.runtime.database.transaction() as tx:
            item = quarantine.as_item(check_id, body)
            await quarantine.keep(tx, receiver, item, check_id, ContentQuarantined())
        raise ContentQuarantined
    if done.status is FactStatus.DUPLICATE:
        response.status_code = 200
    return answers.check(done, language, who, told)


@facts_router.post(
    "/facts:batch",
    tags=["checks"],
    summary="Hand over facts made offline",
    responses=documented(OtherHub),
)
async def post_facts(
    body: BatchBody,
    tx: Tx,
    runtime: RuntimeDep,
    policies: Compiled,
    who: Annotated[Principal, caller(Scope.FACTS_WRITE)],
    language: Language = "en",
) -> BatchAnswer:
    """Hand over up to 500 facts; each is answered by itself.

    Anything but `retry` is kept and the tablet may forget it; `quarantined` facts wait for a
    person. `ack_through` and `missing` tell which counters have arrived.

    Facts made for another hub are refused as a whole, and nothing of them is stored: send them
    with the token of that hub.
    """
    receiver = await intake.receiver(runtime, who, clock.now())
    if body.made_for not in {None, who.hub_id}:
        raise OtherHub
    taken = await batch.receive(tx, receiver, policies, body.items, body.sent_at)
    status = await devices.sync_status(tx, who.hub_id, who.device_id)
    return BatchAnswer(
        items=[answers.fact(item, language, who) for item in taken],
        ack_through=status.ack_through,
        missing=status.missing,
    )


@router.get(
    "/checks/{check_id}",
    tags=["checks"],
    summary="Read a check",
    responses=documented(NotFound),
)
async def read_check(
    check_id: UUID, tx: Read, who: Annotated[Principal, caller(Scope.CHECKS_READ)]
) -> CheckView:
    """A check as stored: codes and figures, no identity."""
    return await queries.check(tx, who.hub_id, check_id)


@router.get("/screenings", tags=["screenings"], summary="List the screenings of a period")
async def list_screenings(
    tx: Read,
    who: Annotated[Principal, caller(Scope.CHECKS_READ)],
    since: Annotated[Moment, Query(alias="from")],
    until: Annotated[Moment, Query(alias="to")],
    state: ScreeningState | None = None,
    cursor: Annotated[str | None, Query(max_length=paging.LONGEST)] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> ScreeningPage:
    """Screenings opened in [from, to), at most 31 days, page by page."""
    if not since < until <= since + LONGEST_PERIOD:
        raise InvalidInput(errors=[FieldFault("/to", "out-of-range")])
    return await queries.page(tx, who.hub_id, since, until, state, cursor, limit)


@router.get(
    "/screenings/{screening_id}",
    tags=["screenings"],
    summary="Read a screening whole",
    responses=documented(NotFound),
)
async def read_screening(
    screening_id: UUID, tx: Read, who: Annotated[Principal, caller(Scope.CHECKS_READ)]
) -> ScreeningDetail:
    """A screening with its checks and every step it took."""
    return await queries.screening(tx, who.hub_id, screening_id)


@router.put(
    "/screenings/{screening_id}/steps/{step_id}",
    tags=["screenings"],
    summary="Take a step that no check brings",
    responses=documented(NotFound, Forbidden, TransitionRefused, IdReused),
)
async def put_step(
    screening_id: UUID,
    step_id: UUID,
    body: StepBody,
    tx: Tx,
    runtime: RuntimeDep,
    policies: Compiled,
    who: Annotated[Principal, caller(Scope.STEPS_WRITE)],
) -> StepAnswer:
    """Refuse, consent, abscond, hand over and so on: docs/state-machines.md says who may what.

    Most events need `particulars`, and take no others. Both they and the reason are kept with
    the passage and shown to whoever may read it: names of travellers do not belong there.
    """
    desk = StepContext(
        who, runtime.keys.of(who.hub_id), policies, runtime.settings.zone, clock.now()
    )
    step = StepRequest(step_id, screening_id, **dict(body))
    status, state = await transitions.take(tx, desk, step)
    return StepAnswer(status=status, state=state)


class ReminderAnswer(Answer):
    status: FactStatus


@router.put(
    "/reminders/{reminder_id}",
    tags=["reminders"],
    summary="Record a reminder",
    responses=documented(IdReused),
)
async def put_reminder(
    reminder_id: UUID,
    body: ReminderBody,
    tx: Tx,
    policies: Compiled,
    who: Annotated[Principal, caller(Scope.REMINDERS_WRITE)],
) -> ReminderAnswer:
    """R1 is given to a run and inherited by everyone on it; R2 at a checkpoint of the hub.

    Messages to single people are another thing: `PUT /v1/runs/{run_id}/notices/{order_id}`.
    """
    given = ReminderFact(reminder_id, **dict(body))
    status = await reminders_and_services.remind(tx, policies, who, given, clock.now())
    return ReminderAnswer(status=status)


class ClosedAnswer(Answer):
    no_show: int = Field(description="expected travellers who did not come")


@router.post(
    "/runs/{run_id}:close",
    tags=["arrivals"],
    summary="Close a run",
    responses=documented(NotFound, Conflict),
)
async def close_run(
    run_id: UUID, tx: Tx, who: Annotated[Principal, caller(Scope.ARRIVALS_WRITE)]
) -> ClosedAnswer:
    """Nobody else is expected: who did not come is a no-show. Closing again changes nothing."""
    return ClosedAnswer(
        no_show=await expectations.close_run(tx, who.hub_id, run_id, clock.now(), who)
    )


@router.get(
    "/lanes/{lane_id}/state",
    tags=["lanes"],
    summary="What a tablet must know at its lane",
    responses={304: {"description": "Unchanged since the ETag given"}, **documented(NotFound)},
)
async def read_lane_state(
    lane_id: Slug,
    tx: Read,
    runtime: RuntimeDep,
    tagger: Tagging,
    trusting: Listed,
    response: Response,
    who: Annotated[Principal, caller(Scope.LANES_READ)],
    if_none_match: Annotated[Line | None, Header(alias="If-None-Match")] = None,
) -> lanes.LaneState:
    """Policy, mode, runs due soon, tags of alerts; by If-None-Match, 304 if nothing changed."""
    state = await lanes.state(tx, runtime, tagger, trusting, who, lane_id, clock.now())
    unchanged(response, lanes.constant(state), if_none_match)
    return state


class DeviationBody(Body):
    id: UUID = Field(description="yours: the same again is harmless")
    event: ScreeningEvent = Field(
        description=" or ".join(sorted(overrides.EVENTS)),
        examples=["recheck_normal_conditions"],
    )
    ground: Ground
    reason: Line = Field(
        description="without names of travellers", examples=["no medic at this gate tonight"]
    )
    particulars: StepDetails = Field(
        default=StepDetails(), description="as for the step", examples=[{}]
    )


class DeviationAnswer(StepAnswer):
    approval_id: UUID | None = Field(description="null: nobody else has to agree")
    expires_at: datetime | None


@router.post(
    "/screenings/{screening_id}/overrides",
    tags=["screenings"],
    summary="Deviate from what was decided",
    responses={
        202: {"model": DeviationAnswer, "description": "A second person has to agree"},
        **documented(NotFound, Forbidden, TransitionRefused, IdReused),
    },
)
async def post_override(
    screening_id: UUID,
    body: DeviationBody,
    tx: Tx,
    runtime: RuntimeDep,
    policies: Compiled,
    kinds: Known,
    response: Response,
    who: Annotated[Principal, caller(Scope.STEPS_WRITE)],
) -> DeviationAnswer:
    """Let somebody go on out of the second check against the rules, or without a medic.

    What a rule leaves open an officer decides alone (200); else a second person has to agree
    (202, `status` is `asked`). Nobody with a confirmed fever, a red code, an open case or a
    severe illness is let go this way.
    """
    now = clock.now()
    desk = StepContext(who, runtime.keys.of(who.hub_id), policies, runtime.settings.zone, now)
    step = StepRequest(body.id, screening_id, body.event, now, body.reason, body.particulars)
    wanted = OverrideRequest(step, body.ground)
    kind = kinds[overrides.KIND_NAME]
    status, state, approval = await overrides.deviate(tx, desk, wanted, kind)
    if approval is not None:
        response.status_code = 202
    return DeviationAnswer(
        status=status,
        state=state,
        approval_id=approval and approval.approval_id,
        expires_at=approval and approval.expires_at,
    )
