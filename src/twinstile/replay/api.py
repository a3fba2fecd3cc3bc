"""HTTP: try a version of the policy on checks that are stored, before it holds."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter
from pydantic import Field

from twinstile.platform.http.field_types import Answer, Body, Moment, Word
from twinstile.platform.http.problems import (
    IdReused,
    InvalidInput,
    NotFound,
    TooMany,
    documented,
)
from twinstile.platform.http.routes import GatedRoute, Read, Tx, caller
from twinstile.platform.ops import clock
from twinstile.platform.security.auth import Principal, Scope
from twinstile.policy.api import Compiled
from twinstile.replay import requests
from twinstile.replay.replay_result import ReplayResult
from twinstile.replay.requests import ReplayFault, ReplayRequest, ReplayState

router = APIRouter(
    prefix="/v1/policies/{version}/replays", route_class=GatedRoute, tags=["policies"]
)
SHOWN = 20


class ReplayBody(Body):
    id: UUID = Field(description="made by the caller, a UUIDv7; the same again is harmless")
    since: Moment = Field(
        alias="from", description="RFC 3339, included", examples=["2026-01-01T00:00:00+08:00"]
    )
    until: Moment = Field(
        alias="to",
        description="not included; past, and at most 31 days on",
        examples=["2026-01-02T00:00:00+08:00"],
    )


class ReplayAnswer(Answer):
    id: UUID
    href: str = Field(description="where to look for the result")
    version: str
    since: datetime = Field(serialization_alias="from")
    until: datetime = Field(serialization_alias="to")
    asked_at: datetime
    state: ReplayState
    checks: int = Field(description="replayed so far")
    checks_expected: int | None = Field(description="null until it begins")
    ended_at: datetime | None = Field(description="kept for 14 days from then")
    fault: ReplayFault | None = Field(description="why it failed")


class ReplayDetailAnswer(ReplayAnswer):
    found: ReplayResult | None = Field(description="null until it is done")


class ReplayList(Answer):
    replays: list[ReplayAnswer]


Reader = Annotated[Principal, caller(Scope.REPLAYS_READ)]
Writer = Annotated[Principal, caller(Scope.REPLAYS_WRITE)]


def _members(request: ReplayRequest) -> dict[str, object]:
    return {
        "id": request.replay_id,
        "href": f"/v1/policies/{request.version}/replays/{request.replay_id}",
        "version": request.version,
        "since": request.since,
        "until": request.until,
        "asked_at": request.asked_at,
        "state": request.state,
        "checks": request.checks,
        "checks_expected": request.checks_expected,
        "ended_at": request.ended_at,
        "fault": request.fault,
    }


@router.post(
    "",
    status_code=202,
    summary="Try a version on stored checks",
    responses=documented(NotFound, IdReused, InvalidInput, TooMany),
)
async def ask_replay(
    version: Word, body: ReplayBody, tx: Tx, policies: Compiled, who: Writer
) -> ReplayAnswer:
    """What the version would have decided of the checks received in a period.

    Any stored version, a draft too; nothing that was decided changes. It begins within ten
    seconds, one at a time a hub, and takes about a minute for a million checks.
    """
    at = clock.now()
    requests.require_period(body.since, body.until, at)
    await policies.get(tx, who.hub_id, version)
    period = body.since, body.until
    asked = await requests.ask(tx, who, version, body.id, period, at)
    return ReplayAnswer.model_validate(_members(asked))


@router.get("", summary="List the replays of a version", responses=documented(InvalidInput))
async def list_replays(version: Word, tx: Read, who: Reader) -> ReplayList:
    """The newest twenty, newest first, without what they found."""
    found = await requests.newest(tx, who.hub_id, version, SHOWN)
    return ReplayList(replays=[ReplayAnswer.model_validate(_members(asked)) for asked in found])


@router.get(
    "/{replay_id}",
    summary="Read how far a replay is, or its result",
    responses=documented(NotFound),
)
async def read_replay(
    version: Word, replay_id: UUID, tx: Read, who: Reader
) -> ReplayDetailAnswer:
    """What would have gone elsewhere: counts, queues, and examples by random id."""
    asked = await requests.one(tx, who.hub_id, version, replay_id)
    return ReplayDetailAnswer.model_validate({**_members(asked), "found": asked.found})


@router.delete(
    "/{replay_id}", status_code=204, summary="Cancel a replay", responses=documented(NotFound)
)
async def cancel_replay(version: Word, replay_id: UUID, tx: Tx, who: Writer) -> None:
    """End one that waits or is at work, within seconds; one that has ended stays as it is."""
    await requests.cancel(tx, who.hub_id, version, replay_id, clock.now())
