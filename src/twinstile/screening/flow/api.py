"""HTTP: alerts and who has seen to them."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, cast
from uuid import UUID

from fastapi import APIRouter, Header, Query
from pydantic import Field

from twinstile.platform import clock, paging
from twinstile.platform.auth import Principal, Scope
from twinstile.platform.errors import Conflict, NotFound, documented
from twinstile.platform.fields import Answer, Body, Line
from twinstile.platform.web import GatedRoute, Read, Tx, caller
from twinstile.screening import words
from twinstile.screening.flow import alerts
from twinstile.screening.types import AlertKind

router = APIRouter(prefix="/v1", route_class=GatedRoute)

Language = Annotated[str, Header(alias="Accept-Language", max_length=200)]


class AlertAnswer(Answer):
    alert_id: UUID
    kind: AlertKind
    text: str = Field(description="in the language asked for by Accept-Language")
    subject_id: UUID = Field(description="the screening it is about")
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
    text = words.said(words.ALERTS[AlertKind(str(row["kind"]))], language)
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
