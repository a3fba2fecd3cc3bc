"""HTTP: the line list of cases and the report of a period."""

from dataclasses import asdict
from datetime import datetime
from functools import partial
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Response
from pydantic import Field, StrictBool

from twinstile.exports import identified, linelist, reader, reminded, reports, traced
from twinstile.exports.bodies import (
    DeparturesAnswer,
    FollowedUpAnswer,
    HelpAnswer,
    PeriodAnswer,
    SentAnswer,
    TalliedAnswer,
)
from twinstile.exports.identified import LineListRequest
from twinstile.platform.http.field_types import Answer, Body, Line, Moment
from twinstile.platform.http.problems import (
    ApprovalDecided,
    ApprovalLapsed,
    IdReused,
    InvalidInput,
    NotFound,
    PurposeRequired,
    TooMany,
    documented,
)
from twinstile.platform.http.routes import GatedRoute, RuntimeDep, Tx, caller
from twinstile.platform.http.streaming import Streamed
from twinstile.platform.ops import clock
from twinstile.platform.security import access_log, approvals_api
from twinstile.platform.security.access_log import AccessEntry, Action, Purpose
from twinstile.platform.security.approvals_api import ApprovalRequestAnswer
from twinstile.platform.security.auth import Principal, Scope
from twinstile.platform.security.hub_modes import HubMode
from twinstile.screening.types import NoticeKind, NoticeState, ReminderKind

router = APIRouter(prefix="/v1", route_class=GatedRoute, tags=["exports"])

Since = Annotated[Moment, Query(alias="from", description="RFC 3339, included")]
Until = Annotated[
    Moment, Query(alias="to", description="RFC 3339, not included; at most 366 days on")
]
CSV = "text/csv; charset=utf-8; header=present"


@router.get(
    "/exports/cases.csv",
    summary="Export the line list of cases",
    response_class=Streamed,
    status_code=200,
    openapi_extra=access_log.logged(Action.EXPORT),
    responses={
        **documented(InvalidInput, TooMany, PurposeRequired),
        200: {
            "description": "one row a case, header first; columns in docs/epidemiologists.md",
            "content": {"text/csv": {"schema": {"type": "string"}}},
        },
    },
)
async def export_cases(
    runtime: RuntimeDep,
    who: Annotated[Principal, caller(Scope.EXPORTS_READ)],
    since: Since,
    until: Until,
    purpose: Annotated[
        Purpose | None, Query(description="without one that fits: 403 `purpose-required`")
    ] = None,
) -> Streamed:
    """Cases opened in the period, pseudonymous, as CSV; streamed, so of any length.

    Who takes them away, when and what for is recorded first.
    """
    reader.require_period(since, until)
    look = partial(
        AccessEntry, Action.EXPORT, access_log.stated(Action.EXPORT, purpose), linelist.COLUMNS
    )
    async with runtime.database.transaction() as tx:
        rows = await linelist.count(tx, who.hub_id, since, until)
        await access_log.record(tx, access_log.actor(who), look(rows), clock.now())
    name = f"cases-{who.hub_id}-{since:%Y%m%dT%H%M}-{until:%Y%m%dT%H%M}.csv"
    return Streamed(
        partial(linelist.write, runtime.database, who.hub_id, since, until),
        CSV,
        {
            "Content-Disposition": f'attachment; filename="{reader.file_name(name, who.mode)}"',
            "Cache-Control": "no-store",
        },
    )


class IdentifiedBody(Body):
    id: UUID = Field(description="yours: the same again is harmless")
    since: Moment = Field(alias="from", examples=["2026-11-24T00:00:00+08:00"])
    until: Moment = Field(alias="to", examples=["2026-11-25T00:00:00+08:00"])
    purpose: Purpose | None = Field(
        default=None,
        description="INVESTIGATION or LEGAL_DUTY; without one: 403 `purpose-required`",
        examples=["LEGAL_DUTY"],
    )
    recipient: Line = Field(
        description="which authority gets the list", examples=["City health commission"]
    )
    reason: Line = Field(
        description="in words, without personal data", examples=["letter 12 of the commission"]
    )


Identified = Annotated[Principal, caller(Scope.EXPORTS_IDENTIFIED)]


@router.post(
    "/exports/identified",
    status_code=202,
    summary="Ask for a line list with names",
    responses=documented(InvalidInput, PurposeRequired, IdReused),
)
async def ask_identified(
    body: IdentifiedBody, tx: Tx, who: Identified
) -> ApprovalRequestAnswer:
    """Ask for the cases of a period with name and document, at most 500, for an authority.

    A second person has to agree; then it is taken once, within half an hour.
    """
    wanted = LineListRequest(body.since, body.until, body.purpose, body.recipient)
    done = await identified.ask(tx, who, body.id, wanted, body.reason, clock.now())
    return approvals_api.asked_answer(done)


@router.post(
    "/exports/identified/{approval_id}:take",
    summary="Take a line list with names",
    response_class=Response,
    openapi_extra=access_log.logged(Action.IDENTIFIED_EXPORT),
    responses={
        **documented(NotFound, ApprovalDecided, ApprovalLapsed, InvalidInput),
        200: {
            "description": "one row a case, header first; columns in docs/epidemiologists.md",
            "content": {"text/csv": {"schema": {"type": "string"}}},
        },
    },
)
async def take_identified(
    approval_id: UUID, tx: Tx, runtime: RuntimeDep, who: Identified
) -> Response:
    """The list you asked for, as CSV, once. Each case in it is recorded first.

    A connection that breaks meanwhile has used it up: ask again.
    """
    keys = runtime.keys.of(who.hub_id)
    text = await identified.take(tx, who, keys, approval_id, clock.now())
    name = reader.file_name(f"cases-with-names-{who.hub_id}.csv", who.mode)
    headers = {
        "Content-Disposition": f'attachment; filename="{name}"',
        "Cache-Control": "no-store",
    }
    return Response(text, media_type=CSV, headers=headers)


class TracedBody(Body):
    id: UUID = Field(description="yours: the same again is harmless")
    list_id: UUID = Field(description="a list of contacts")
    close_only: StrictBool = Field(default=False, description="without general contacts")
    purpose: Purpose | None = Field(
        default=None,
        description="INVESTIGATION or LEGAL_DUTY; without one: 403 `purpose-required`",
        examples=["INVESTIGATION"],
    )
    recipient: Line = Field(
        description="which authority gets the list", examples=["City health commission"]
    )
    reason: Line = Field(
        description="in words, without personal data", examples=["letter 12 of the commission"]
    )


@router.post(
    "/exports/contacts",
    status_code=202,
    summary="Ask for the contacts of a case with names",
    responses=documented(InvalidInput, NotFound, PurposeRequired, IdReused),
)
async def ask_contacts(body: TracedBody, tx: Tx, who: Identified) -> ApprovalRequestAnswer:
    """Ask for a list of contacts with name and document, at most 3000, for an authority.

    A second person has to agree; then it is taken once, within half an hour.
    """
    wanted = traced.ContactListRequest(
        body.list_id, body.close_only, body.purpose, body.recipient
    )
    done = await traced.ask(tx, who, body.id, wanted, body.reason, clock.now())
    return approvals_api.asked_answer(done)


@router.post(
    "/exports/contacts/{approval_id}:take",
    summary="Take the contacts of a case with names",
    response_class=Response,
    openapi_extra=access_log.logged(Action.IDENTIFIED_EXPORT),
    responses={
        **documented(NotFound, ApprovalDecided, ApprovalLapsed),
        200: {
            "description": "one row a contact, header first; see docs/epidemiologists.md",
            "content": {"text/csv": {"schema": {"type": "string"}}},
        },
    },
)
async def take_contacts(
    approval_id: UUID, tx: Tx, runtime: RuntimeDep, who: Identified
) -> Response:
    """The contacts you asked for, as CSV, once. Each of them is recorded first.

    A connection that breaks meanwhile has used it up: ask again.
    """
    text = await traced.take(tx, who, runtime.keys.of(who.hub_id), approval_id, clock.now())
    name = reader.file_name(f"contacts-with-names-{who.hub_id}.csv", who.mode)
    headers = {
        "Content-Disposition": f'attachment; filename="{name}"',
        "Cache-Control": "no-store",
    }
    return Response(text, media_type=CSV, headers=headers)


@router.get(
    "/reports/period",
    summary="Report the counts of a period",
    responses=documented(InvalidInput, TooMany),
)
async def report_period(
    runtime: RuntimeDep,
    who: Annotated[Principal, caller(Scope.REPORTS_READ)],
    since: Since,
    until: Until,
) -> PeriodAnswer:
    """Screenings and cases opened in the period, counted as they are known now."""
    reader.require_period(since, until)
    as_of = clock.now()
    period = await reports.of_period(runtime.database, who.hub_id, since, until, as_of)
    reports.require_accounted(period)
    return PeriodAnswer(
        mode=who.mode,
        since=since,
        until=until,
        as_of=as_of,
        person_times_checked=period.person_times_checked,
        checks=period.checks,
        travellers=period.travellers,
        cleared=period.cleared,
        referred=period.referred,
        fever_patients=period.fever_patients,
        cases=period.cases,
        deferred=period.deferred,
        deferred_closed_24h=period.deferred_closed_24h,
        deferred_unresolved=period.deferred_unresolved,
        no_show=period.no_show,
        complete_222=period.complete_222,
        completeness_222=period.completeness_222,
        dispositions={
            code: SentAnswer(final=sent.final, ever=sent.ever)
            for code, sent in period.dispositions.items()
        },
        undisposed=period.undisposed,
        tallied=TalliedAnswer.model_validate(period.tallied, from_attributes=True),
        assisted={
            lane: HelpAnswer.model_validate(told, from_attributes=True)
            for lane, told in period.assisted.items()
        },
        overrides=dict(period.overrides),
        departures=DeparturesAnswer.model_validate(period.departures, from_attributes=True),
        follow_ups=FollowedUpAnswer.model_validate(period.follow_ups, from_attributes=True),
    )


class GroupReminderAnswer(Answer):
    kind: ReminderKind
    channel: str
    language: str
    count: int


class NoticedAnswer(Answer):
    kind: NoticeKind
    contact: str = Field(description="PHONE, EMAIL, APP or ON_BOARD")
    channel: str
    language: str
    state: NoticeState
    code: str | None = Field(description="why, of those that failed or are unknown")
    count: int


class RemindedAnswer(Answer):
    mode: HubMode
    since: datetime = Field(serialization_alias="from")
    until: datetime = Field(serialization_alias="to")
    as_of: datetime = Field(description="the counts are of what was known then")
    reminders: list[GroupReminderAnswer] = Field(
        description="to a whole run or hall, given then"
    )
    notices: list[NoticedAnswer] = Field(description="messages ordered then, as they stand now")


@router.get(
    "/reports/reminders",
    summary="Report the reminders of a period",
    responses=documented(InvalidInput, TooMany),
)
async def report_reminders(
    runtime: RuntimeDep,
    who: Annotated[Principal, caller(Scope.REPORTS_READ)],
    since: Since,
    until: Until,
) -> RemindedAnswer:
    """What was announced, and messages by address, channel, language and state."""
    reader.require_period(since, until)
    as_of = clock.now()
    given, noticed = await reminded.of_period(runtime.database, who.hub_id, since, until)
    return RemindedAnswer(
        mode=who.mode,
        since=since,
        until=until,
        as_of=as_of,
        reminders=[GroupReminderAnswer(**asdict(one)) for one in given],
        notices=[NoticedAnswer(**asdict(one)) for one in noticed],
    )
