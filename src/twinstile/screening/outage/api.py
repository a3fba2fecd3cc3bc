"""HTTP: what tablets decided by themselves and the service decides otherwise."""

from datetime import datetime, timedelta
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import Field

from twinstile.platform import paging
from twinstile.platform.auth import Principal, Scope
from twinstile.platform.errors import FieldFault, InvalidInput
from twinstile.platform.fields import Answer, Moment
from twinstile.platform.web import GatedRoute, Read, caller
from twinstile.screening.outage import decided
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
    rows = await decided.page(tx, who.hub_id, since, until, cursor, limit + 1)
    page = [DisagreementAnswer.model_validate(dict(row)) for row in rows[:limit]]
    more = len(rows) > limit
    return DisagreementPage(
        disagreements=page,
        next=paging.encode(page[-1].received_at, page[-1].id) if more else None,
    )
