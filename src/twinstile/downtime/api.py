"""HTTP: decisions of tablets, paper forms and tallies: hours without the service."""

from datetime import datetime, timedelta
from typing import Annotated, Self
from uuid import UUID

from fastapi import APIRouter, Header, Path, Query, Response
from pydantic import Field, StrictBool, StrictInt, model_validator
from pydantic_core import PydanticCustomError

from twinstile.downtime import offline_decisions, paper_forms, tallies
from twinstile.downtime.paper_forms import Again, Form
from twinstile.downtime.tallies import Counted
from twinstile.platform.http import paging
from twinstile.platform.http.field_types import Answer, Body, Line, Moment, Slug
from twinstile.platform.http.problems import (
    AlreadyExists,
    Conflict,
    FieldFault,
    IdReused,
    InvalidInput,
    NotFound,
    OtherHub,
    TooLate,
    documented,
)
from twinstile.platform.http.routes import GatedRoute, Read, RuntimeDep, Tx, caller
from twinstile.platform.ops import clock
from twinstile.platform.security.auth import Principal, Scope
from twinstile.policy.api import Compiled
from twinstile.screening import answers, intake
from twinstile.screening.bodies import (
    CheckAnswer,
    CheckBody,
    CheckFact,
    Counter,
    FactStatus,
    TemperatureBody,
)
from twinstile.screening.types import Verdict

router = APIRouter(prefix="/v1", route_class=GatedRoute)

LONGEST = timedelta(days=7)
"""Of a period whose checks are looked through."""


class DisagreementAnswer(Answer):
    id: UUID = Field(description="of the check")
    screening_id: UUID
    device_id: UUID
    lane_id: str | None
    observed_at: datetime
    received_at: datetime
    decided: Verdict = Field(description="what the device showed")
    decided_by: str = Field(description="the policy version it had")
    verdict: Verdict = Field(description="what the service decided when it was told")
    policy_version: str
    reasons: list[dict[str, str]]


class DisagreementPage(Answer):
    disagreements: list[DisagreementAnswer]
    next: str | None = Field(description="cursor of the next page; null on the last")


@router.get("/disagreements", tags=["oversight"], summary="List what devices decided otherwise")
async def list_disagreements(
    tx: Read,
    who: Annotated[Principal, caller(Scope.ALERTS_READ)],
    since: Annotated[Moment, Query(alias="from")],
    until: Annotated[Moment, Query(alias="to")],
    cursor: Annotated[str | None, Query(max_length=paging.LONGEST)] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> DisagreementPage:
    """Checks that arrived in [from, to), at most 7 days, page by page, the oldest first."""
    if not since < until <= since + LONGEST:
        raise InvalidInput(errors=[FieldFault("/to", "out-of-range")])
    rows = await offline_decisions.page(tx, who.hub_id, since, until, cursor, limit + 1)
    page = [DisagreementAnswer.model_validate(dict(row)) for row in rows[:limit]]
    more = len(rows) > limit
    return DisagreementPage(
        disagreements=page,
        next=paging.encode(page[-1].received_at, page[-1].id) if more else None,
    )


FormNo = Annotated[
    str, Path(pattern=r"^[A-Z0-9]{1,4}-[0-9]{4,8}$", description="as printed on the form")
]


class AgainBody(Body):
    """The second reading on a form: a check of its own, right after the first."""

    check_id: UUID = Field(
        description="minted by the desk (UUIDv7)",
        examples=["019ac3d2-7f10-7c3e-9d53-2b8a51f0c9e5"],
    )
    counter: Counter = Field(examples=[18])
    temperature: TemperatureBody


class PaperBody(CheckBody):
    """What a form says. `observed_at` is the moment written on it."""

    check_id: UUID = Field(
        description="minted by the desk (UUIDv7)",
        examples=["019ac3d2-7f10-7c3e-9d53-2b8a51f0c9e4"],
    )
    lane_id: Slug | None = Field(
        default=None, description="the lane written on it; needed", examples=["north-1"]
    )
    again: AgainBody | None = Field(
        default=None, description="the second reading, if there is one", examples=[None]
    )


class SecondLookBody(Body):
    agrees: StrictBool = Field(
        description="whether it was keyed as it was written", examples=[False]
    )
    reason: Line | None = Field(
        default=None, description="what differs, without names", examples=["36.4, not 38.4"]
    )

    @model_validator(mode="after")
    def _says_what_differs(self) -> Self:
        if self.agrees is (self.reason is not None):
            raise PydanticCustomError("missing", "a reason where they differ, and only then")
        return self


class PaperFormAnswer(Answer):
    form_no: str
    check_id: UUID
    fever: bool = Field(description="a second person has to compare form and check")
    keyed_by: UUID
    device_id: UUID
    keyed_at: datetime
    second_by: UUID | None
    second_at: datetime | None
    agrees: bool | None
    reason: str | None


class PaperFormList(Answer):
    forms: list[PaperFormAnswer]


class KeyedAnswer(Answer):
    form_no: str
    second_look: bool = Field(description="a second person has to compare form and check")
    check: CheckAnswer = Field(description="of the second reading, if there is one")


@router.put(
    "/paper-forms/{form_no}",
    status_code=201,
    tags=["outage"],
    summary="Key in a paper form",
    responses={
        200: {"model": KeyedAnswer, "description": "The same form as before: its first answer"},
        **documented(AlreadyExists, IdReused, OtherHub, TooLate),
    },
)
async def put_paper_form(
    form_no: FormNo,
    body: PaperBody,
    tx: Tx,
    runtime: RuntimeDep,
    policies: Compiled,
    response: Response,
    who: Annotated[Principal, caller(Scope.CHECKS_WRITE)],
    language: Annotated[str, Header(alias="Accept-Language", max_length=200)] = "en",
) -> KeyedAnswer:
    """A check like any other, by the rules of its own moment; its evidence names the form.

    A number is keyed once: keyed again as another check it gets 409. Forms may be as old as
    facts of a batch. One that tells of a fever is listed until a second person has looked.
    """
    if body.made_for not in {None, who.hub_id}:
        raise OtherHub
    receiver = await intake.receiver(runtime, who, clock.now())
    said = {name: getattr(body, name) for name in CheckFact.model_fields}
    again = body.again and Again(
        body.again.check_id, body.again.counter, body.again.temperature
    )
    fact = CheckFact.model_construct(**said)
    form = Form(form_no, body.check_id, body.counter, fact, again)
    done, fever = await paper_forms.key(tx, receiver, policies, form)
    if done.status is FactStatus.DUPLICATE:
        response.status_code = 200
    return KeyedAnswer(
        form_no=form_no, second_look=fever, check=answers.check(done, language, who)
    )


@router.get("/paper-forms", tags=["outage"], summary="List the forms keyed in")
async def list_paper_forms(
    tx: Read,
    who: Annotated[Principal, caller(Scope.CHECKS_READ)],
    pending: Annotated[bool, Query(description="those that wait for a second look")] = False,  # noqa: FBT002
) -> PaperFormList:
    """Which forms were keyed in and by whom, the latest first, at most 500."""
    rows = await paper_forms.listed(tx, who.hub_id, pending=pending)
    return PaperFormList(forms=[PaperFormAnswer.model_validate(dict(row)) for row in rows])


@router.put(
    "/paper-forms/{form_no}/second-look",
    status_code=204,
    tags=["outage"],
    summary="Compare a form with what was keyed",
    responses=documented(NotFound, Conflict),
)
async def put_second_look(
    form_no: FormNo,
    body: SecondLookBody,
    tx: Tx,
    who: Annotated[Principal, caller(Scope.CHECKS_WRITE)],
) -> None:
    """By another person than who keyed it. If they differ, supervisors are alerted."""
    await paper_forms.look(tx, who, form_no, (body.agrees, body.reason), clock.now())


Count = Annotated[StrictInt, Field(ge=0, le=100_000)]


class TallyBody(Body):
    """People counted at a lane within a clock hour; only those of whom no form was written."""

    lane_id: Slug = Field(examples=["north-1"])
    since: Moment = Field(alias="from", examples=["2026-11-24T08:00:00+08:00"])
    until: Moment = Field(
        alias="to",
        description="in the same clock hour as `from`",
        examples=["2026-11-24T09:00:00+08:00"],
    )
    passed: Count
    fever_suspected: Count
    refused: Count
    not_screened: Count = Field(description="let by, or left, without a check")
    supersedes: UUID | None = Field(
        default=None,
        description="the tally of this lane and hour that this one corrects",
        examples=[None],
    )


class TallyAnswer(Answer):
    tally_id: UUID
    lane_id: str
    since: datetime = Field(serialization_alias="from")
    until: datetime = Field(serialization_alias="to")
    passed: int
    fever_suspected: int
    refused: int
    not_screened: int
    recorded_at: datetime
    operator_id: UUID | None
    superseded_by: UUID | None = Field(description="not null: it does not count any more")


class TallyList(Answer):
    tallies: list[TallyAnswer]


class TallyRecorded(Answer):
    status: FactStatus


@router.put(
    "/tallies/{tally_id}",
    tags=["outage"],
    summary="Record how many passed a lane without the service",
    responses=documented(AlreadyExists, Conflict, IdReused, TooLate),
)
async def put_tally(
    tally_id: UUID,
    body: TallyBody,
    tx: Tx,
    policies: Compiled,
    who: Annotated[Principal, caller(Scope.CHECKS_WRITE)],
) -> TallyRecorded:
    """Counts of an outage: a line of its own in reports, never screenings.

    A lane has one valid tally an hour; another one is refused unless it corrects the first.
    """
    at = clock.now()
    figures = await paper_forms.window(tx, who.hub_id, policies, at)
    counted = Counted(**body.model_dump(exclude={"supersedes"}))
    oldest = at - timedelta(hours=figures.replay_hours)
    status = await tallies.record(tx, who, tally_id, counted, body.supersedes, (oldest, at))
    return TallyRecorded(status=status)


@router.get("/tallies", tags=["outage"], summary="List the tallies of a period")
async def list_tallies(
    tx: Read,
    who: Annotated[Principal, caller(Scope.CHECKS_READ)],
    since: Annotated[Moment, Query(alias="from")],
    until: Annotated[Moment, Query(alias="to")],
) -> TallyList:
    """Tallies that begin in [from, to), at most 7 days, superseded ones too, at most 2,000."""
    if not since < until <= since + LONGEST:
        raise InvalidInput(errors=[FieldFault("/to", "out-of-range")])
    rows = await tallies.listed(tx, who.hub_id, since, until)
    return TallyList(tallies=[TallyAnswer.model_validate(dict(row)) for row in rows])
