"""HTTP: runs and their manifests."""

from datetime import date, datetime, timedelta
from typing import Annotated, cast
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Query, Request, Response
from pydantic import Field, StrictInt
from sqlalchemy import ARRAY, Text, func, literal_column, select

from twinstile.arrivals import manifests
from twinstile.arrivals.feeds import feed_status
from twinstile.arrivals.feeds.feed_status import FeedFreshness
from twinstile.arrivals.manifests import ManifestEntryInput, ServiceRun
from twinstile.arrivals.records import Mode, TravellerRole
from twinstile.arrivals.runs import NUMBERS_SQL
from twinstile.arrivals.tables import Run
from twinstile.arrivals.tags import ExpectedTags, Tagger
from twinstile.identity import forms
from twinstile.platform.http.field_types import (
    Answer,
    Body,
    LanguageTag,
    Line,
    Moment,
    ServiceDay,
    Word,
)
from twinstile.platform.http.problems import (
    AlreadyExists,
    Conflict,
    FieldFault,
    InvalidInput,
    NotFound,
    documented,
)
from twinstile.platform.http.routes import GatedRoute, Read, RuntimeDep, Tx, caller, unchanged
from twinstile.platform.ops import clock
from twinstile.platform.security.auth import Principal, Scope

router = APIRouter(prefix="/v1", route_class=GatedRoute, tags=["arrivals"])

LONGEST_PERIOD = timedelta(days=31)


async def _tagger(request: Request) -> Tagger:
    return cast("Tagger", request.app.state.tagger)


Tagging = Annotated[Tagger, Depends(_tagger)]
"""What this process remembers of tags."""


class RunBody(Body):
    mode: Mode
    service_no: Word = Field(examples=["G7349"])
    service_date: ServiceDay
    origin: Line = Field(examples=["Shanghai Hongqiao"])
    terminus: Line = Field(examples=["Hangzhou East"])
    scheduled_arrival: Moment
    estimated_arrival: Moment | None = None
    actual_arrival: Moment | None = None
    platform: Word | None = None
    stops: Annotated[tuple[Line, ...], Field(max_length=100)] = Field(
        default=(),
        description="in order, called as travellers' `board_stop` and `alight_stop` are: tells "
        "who was on board together; empty: not known",
        examples=[["Shanghai Hongqiao", "Jiaxing South", "Hangzhou East"]],
    )


class RunAnswer(Answer):
    run_id: UUID
    mode: Mode
    service_no: str
    service_date: date
    origin: str
    terminus: str
    scheduled_arrival: datetime
    estimated_arrival: datetime | None
    actual_arrival: datetime | None
    platform: str | None
    stops: list[str] = Field(description="in order; empty: nobody told")
    closed: bool


class RunListed(RunAnswer):
    numbers: list[str] = Field(description="others it runs under: a ticket may name one")


class RunList(Answer):
    runs: list[RunListed]
    sources: list[FeedFreshness] = Field(description="departments' feeds it rests on")


class EntryBody(Body):
    entry_id: Word = Field(
        description="the carrier's own key of this traveller on this run",
        examples=["E1873904562-1"],
    )
    document: forms.DocumentForm
    coach: Word | None = None
    seat: Word | None = None
    board_stop: Line | None = None
    alight_stop: Line | None = None
    role: TravellerRole | None = Field(default=None, description="null: not told")
    party: Word | None = Field(
        default=None,
        description="the same for those of this run who travel together",
        examples=["P1"],
    )
    contact: forms.ContactForm | None = Field(
        default=None, description="for messages about this journey; encrypted, and never shown"
    )
    languages: Annotated[tuple[LanguageTag, ...], Field(max_length=4)] = Field(
        default=(), description="what the traveller reads, the best first", examples=[["en"]]
    )


class ManifestBody(Body):
    batch: Annotated[
        StrictInt, Field(ge=0, le=2**31 - 1, description="version; a lower one changes nothing")
    ]
    entries: Annotated[list[EntryBody], Field(max_length=2500)]


class ManifestAnswer(Answer):
    applied: bool = Field(description="false when a newer batch was applied before")
    expected: int
    withdrawn: int


@router.put(
    "/runs/{run_id}",
    summary="Announce or correct a run",
    responses=documented(AlreadyExists),
)
async def put_run(
    run_id: UUID,
    body: RunBody,
    tx: Tx,
    who: Annotated[Principal, caller(Scope.ARRIVALS_WRITE)],
) -> RunAnswer:
    """Enter a train, flight or ship arriving on one date, or correct what is known of it.

    A feed may have entered it under another id: 409 `already-exists` then tells that one.
    """
    run = ServiceRun(run_id=run_id, **dict(body))
    closed = await manifests.upsert_run(tx, who, run, clock.now())
    return RunAnswer(run_id=run_id, closed=closed, **dict(body))


@router.get("/runs", summary="List the runs of a period")
async def list_runs(
    tx: Read,
    runtime: RuntimeDep,
    who: Annotated[Principal, caller(Scope.ARRIVALS_READ)],
    since: Annotated[Moment, Query(alias="from")],
    until: Annotated[Moment, Query(alias="to")],
) -> RunList:
    """Runs by scheduled arrival, at most 31 days at once."""
    if not since < until <= since + LONGEST_PERIOD:
        raise InvalidInput(errors=[FieldFault("/to", "out-of-range")])
    found = await tx.sql.execute(
        select(
            Run.run_id,
            Run.mode,
            Run.service_no,
            Run.service_date,
            Run.origin,
            Run.terminus,
            Run.scheduled_arrival,
            Run.estimated_arrival,
            Run.actual_arrival,
            Run.platform,
            func.coalesce(Run.stops, literal_column("ARRAY[]::text[]", ARRAY(Text))).label(
                "stops"
            ),
            Run.closed_at.is_not(None).label("closed"),
            literal_column(NUMBERS_SQL.format(run="run"), ARRAY(Text)).label("numbers"),
        )
        .where(Run.hub_id == who.hub_id, Run.scheduled_arrival.between(since, until))
        .order_by(Run.scheduled_arrival, Run.run_id)
        .limit(5000)
    )
    runs = [RunListed.model_validate(row) for row in found.mappings()]
    sources = await feed_status.feed_freshness(
        tx, runtime.settings, who.hub_id, feed_status.TRAVELLERS, clock.now()
    )
    return RunList(runs=runs, sources=sources)


@router.put(
    "/runs/{run_id}/manifest",
    summary="Land the manifest of a run",
    responses=documented(NotFound, Conflict),
)
async def put_manifest(
    run_id: UUID,
    body: ManifestBody,
    tx: Tx,
    runtime: RuntimeDep,
    who: Annotated[Principal, caller(Scope.ARRIVALS_WRITE)],
) -> ManifestAnswer:
    """Apply the whole list of expected travellers; whoever is no longer on it is withdrawn."""
    names = [entry.entry_id for entry in body.entries]
    if len(set(names)) != len(names):
        raise InvalidInput(errors=[FieldFault("/entries", "duplicate-entry")])
    at = clock.now()
    terms = forms.document_context(runtime.settings, who.mode, at)
    entries = [
        ManifestEntryInput(
            entry.entry_id,
            forms.identify(entry.document, f"/entries/{place}/document", terms)[0],
            entry.coach,
            entry.seat,
            entry.board_stop,
            entry.alight_stop,
            entry.contact and forms.reach(entry.contact, f"/entries/{place}/contact"),
            entry.languages,
            entry.role,
            entry.party,
        )
        for place, entry in enumerate(body.entries)
    ]
    result = await manifests.apply_manifest(
        tx, runtime.keys.of(who.hub_id), who, run_id, body.batch, entries, terms.today, at
    )
    return ManifestAnswer(
        applied=result.applied, expected=result.expected, withdrawn=result.withdrawn
    )


@router.get(
    "/runs/{run_id}/expected-tags",
    summary="Tags of who is expected on a run that is due",
    responses={304: {"description": "Unchanged since the ETag given"}, **documented(NotFound)},
)
async def read_expected_tags(
    run_id: UUID,
    tx: Read,
    runtime: RuntimeDep,
    tagger: Tagging,
    response: Response,
    who: Annotated[Principal, caller(Scope.ARRIVALS_READ)],
    if_none_match: Annotated[Line | None, Header(alias="If-None-Match")] = None,
) -> ExpectedTags:
    """By what a tablet knows a traveller of this run without the service; for its memory only.

    Of a run that arrives within two hours of now, and to somebody on shift: a tablet that lies
    about gets nothing.
    """
    at = clock.now()
    today = at.astimezone(runtime.settings.zone).date()
    keys = runtime.keys.of(who.hub_id)
    tags = await tagger.expected(tx, keys, who.hub_id, run_id, today, at)
    unchanged(response, tags.model_dump_json(), if_none_match)
    return tags
