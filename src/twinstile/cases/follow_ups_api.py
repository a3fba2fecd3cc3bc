"""HTTP: who is to be called next, what was heard, and what patients say of themselves."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response
from pydantic import Field
from sqlalchemy import RowMapping

from twinstile.cases import follow_ups, referrals
from twinstile.cases.bodies import with_celsius
from twinstile.cases.capability_links import NoSuchLink
from twinstile.cases.follow_up_schedule import FollowUpPolicy
from twinstile.cases.follow_ups import AttemptBody, ReportBody
from twinstile.cases.transfers_api import CapabilityLinkAnswer, Token, count_unknown
from twinstile.cases.types import By, CaseState, ContactPurpose, Reached, TestResult
from twinstile.platform.db.database import Reading
from twinstile.platform.http import paging
from twinstile.platform.http.field_types import Answer, Body, Moment
from twinstile.platform.http.problems import (
    IdReused,
    InvalidInput,
    NotFound,
    TooMany,
    TransitionRefused,
    documented,
)
from twinstile.platform.http.routes import GatedRoute, Read, RuntimeDep, Tx, caller
from twinstile.platform.ops import clock
from twinstile.platform.security.auth import Principal, Scope
from twinstile.policy import versions
from twinstile.policy.api import Compiled
from twinstile.policy.types import HubPolicy
from twinstile.policy.versions import Policies

MOST_CONTACTS = 200
REPORT_PATH = "/report/"
router = APIRouter(prefix="/v1", route_class=GatedRoute, tags=["cases"])

Reader = Annotated[Principal, caller(Scope.CASES_READ)]
Writer = Annotated[Principal, caller(Scope.CASES_WRITE)]


async def _policy(tx: Reading, policies: Policies, hub_id: str) -> HubPolicy:
    return await policies.get(tx, hub_id, await versions.in_force(tx, hub_id, clock.now()))


async def _in_force(
    tx: Tx, runtime: RuntimeDep, policies: Compiled, who: Writer
) -> FollowUpPolicy:
    return FollowUpPolicy(await _policy(tx, policies, who.hub_id), runtime.settings.zone)


InForce = Annotated[FollowUpPolicy, Depends(_in_force)]
"""What the hub goes by now, for whoever writes cases."""


class FollowUpAnswer(Answer):
    follow_up_id: UUID
    case_id: UUID
    kind: ContactPurpose
    day: int = Field(description="of the schedule")
    due_at: datetime
    assigned_to: UUID | None = Field(description="null: whoever is free")
    attempts: int
    done_at: datetime | None
    outcome: str | None = Field(description="REACHED; OVER: not to be made any more")


class DueFollowUpAnswer(FollowUpAnswer):
    case_no: str
    state: CaseState


class CallList(Answer):
    contacts: list[DueFollowUpAnswer] = Field(description="what is due first comes first")
    next: str | None = Field(description="cursor of the next page; null on the last")


class AssignmentBody(Body):
    operator_id: UUID | None = Field(default=None, examples=[None])


class OwnReportBody(ReportBody):
    token: Token
    report_id: UUID = Field(description="yours: the same again is the same report")


class AttemptAnswer(Answer):
    attempt_id: UUID
    follow_up_id: UUID | None = Field(description="null: none was due")
    by: By
    outcome: Reached
    temperature_c: float | None
    symptoms: list[str]
    result: TestResult | None
    note: str | None
    said_at: datetime
    recorded_at: datetime
    operator_id: UUID | None = Field(description="null: the patient's own report")


class OwnReportAnswer(Answer):
    """What a patient hears: nothing that is not theirs already."""

    report_id: UUID
    recorded_at: datetime


class ScheduleAnswer(Answer):
    contacts: list[FollowUpAnswer] = Field(description="what is due first comes first")
    attempts: list[AttemptAnswer] = Field(description="oldest first")


@router.get(
    "/follow-ups", summary="List who is to be called", responses=documented(InvalidInput)
)
async def list_follow_ups(
    tx: Read,
    who: Reader,
    until: Annotated[Moment | None, Query(description="due by then; now if absent")] = None,
    assigned_to: UUID | None = None,
    cursor: Annotated[str | None, Query(max_length=paging.LONGEST)] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> CallList:
    """The call list: by case number, without names; what is due first comes first."""
    found = await follow_ups.call_list(
        tx, who.hub_id, until or clock.now(), assigned_to, cursor, limit + 1
    )
    shown = [DueFollowUpAnswer.model_validate(row) for row in found[:limit]]
    more = len(found) > limit
    return CallList(
        contacts=shown,
        next=paging.encode(shown[-1].due_at, shown[-1].follow_up_id) if more else None,
    )


@router.put(
    "/follow-ups/{follow_up_id}/assignment",
    status_code=204,
    summary="Say who makes a contact",
    responses=documented(NotFound),
)
async def put_assignment(follow_up_id: UUID, body: AssignmentBody, tx: Tx, who: Writer) -> None:
    """Somebody on duty, or nobody in particular."""
    await follow_ups.assign(tx, who.hub_id, follow_up_id, body.operator_id)


@router.put(
    "/follow-ups/{follow_up_id}/attempts/{attempt_id}",
    summary="Record an attempt to reach a patient",
    responses=documented(NotFound, IdReused, TransitionRefused, InvalidInput),
)
async def put_attempt(  # two of them are the path
    follow_up_id: UUID,
    attempt_id: UUID,
    body: AttemptBody,
    tx: Tx,
    who: Writer,
    figures: InForce,
) -> AttemptAnswer:
    """`REACHED` makes the contact. Who is ill, or tested positive, is assessed anew."""
    threshold = figures.policy.parameters.threshold_tenths
    row = await follow_ups.attempt(
        tx, who, follow_up_id, attempt_id, body, threshold, clock.now()
    )
    return AttemptAnswer.model_validate(with_celsius(row))


@router.get(
    "/cases/{case_id}/follow-ups",
    summary="Read the schedule of a case",
    responses=documented(NotFound),
)
async def read_schedule(case_id: UUID, tx: Read, who: Reader) -> ScheduleAnswer:
    """Every contact that was or is to be made, and every attempt."""
    await referrals.patient(tx, who.hub_id, case_id)
    contacts, attempts = await follow_ups.plan_of(tx, who.hub_id, case_id, MOST_CONTACTS)
    return ScheduleAnswer(
        contacts=[FollowUpAnswer.model_validate(row) for row in contacts],
        attempts=[AttemptAnswer.model_validate(with_celsius(row)) for row in attempts],
    )


@router.post(
    "/cases/{case_id}/self-report-link",
    status_code=201,
    summary="Get a link for the patient",
    responses=documented(NotFound, TransitionRefused),
)
async def give_report_link(
    case_id: UUID, tx: Tx, who: Writer, response: Response
) -> CapabilityLinkAnswer:
    """By it the patient reports without an account, for 16 days. The one before is over."""
    link = await follow_ups.give_link(tx, who, case_id, clock.now())
    response.headers["Cache-Control"] = "no-store"
    return CapabilityLinkAnswer(
        token=link.token, path=REPORT_PATH + link.token, expires_at=link.expires_at
    )


@router.post(
    "/self-reports",
    status_code=201,
    summary="Report on oneself",
    responses=documented(NoSuchLink, IdReused, TooMany, InvalidInput),
)
async def add_self_report(
    body: OwnReportBody, tx: Tx, policies: Compiled, response: Response
) -> OwnReportAnswer:
    """Temperature and symptoms, by the link a patient was given; never by name and number.

    It makes the contact that is due next. Who has fever or symptoms is assessed anew.
    """
    response.headers["Cache-Control"] = "no-store"
    row, _ = await record_self_report(tx, policies, body.token, body.report_id, body)
    return OwnReportAnswer(report_id=row["attempt_id"], recorded_at=row["recorded_at"])


async def record_self_report(
    tx: Tx, policies: Policies, token: str, report_id: UUID, report: ReportBody
) -> tuple[RowMapping, bool]:
    """Record the report of a link's holder, and whether somebody has to look at them.

    Raises `NoSuchLink`, `TooMany`, `IdReused`.
    """
    at = clock.now()
    try:
        policy = await _policy(tx, policies, await follow_ups.hub_of(tx, token, at))
        threshold = policy.parameters.threshold_tenths
        row = await follow_ups.record_report(tx, token, report_id, report, threshold, at)
    except NoSuchLink as error:
        raise count_unknown(error) from None
    return row, follow_ups.is_ill(report, threshold)
