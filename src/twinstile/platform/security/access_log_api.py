"""HTTP: the access log, for those who supervise.

It tells pseudonyms, so reading it adds no row.
"""

from datetime import datetime, timedelta
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field
from sqlalchemy import ColumnElement, select, tuple_

from twinstile.platform.db.tables import Access
from twinstile.platform.http import paging
from twinstile.platform.http.field_types import Answer, Moment
from twinstile.platform.http.problems import FieldFault, InvalidInput, documented
from twinstile.platform.http.routes import GatedRoute, Read, caller
from twinstile.platform.security.access_log import AccessOutcome, Action, Purpose
from twinstile.platform.security.auth import Principal, Scope

router = APIRouter(prefix="/v1", route_class=GatedRoute, tags=["oversight"])

LONGEST_PERIOD = timedelta(days=366)


class AccessAnswer(Answer):
    access_id: UUID
    at: datetime
    operator_id: UUID | None = Field(description="who looked; null: a partner or the service")
    partner_id: str | None
    device_id: UUID | None
    shift_id: UUID | None
    roles: list[str] = Field(description="of the operator, at that moment")
    action: Action
    purpose: Purpose | None = Field(description="null: what was shown was masked")
    reason: str | None
    subject_id: UUID | None = Field(
        description="a random id: of a case, a person or a fact kept aside, by action"
    )
    fields: list[str] = Field(description="names of what was shown, never values")
    rows: int
    outcome: AccessOutcome


class AccessPage(Answer):
    reads: list[AccessAnswer]
    next: str | None = Field(description="cursor of the next page; null on the last")


_COLUMNS = (
    Access.access_id,
    Access.at,
    Access.operator_id,
    Access.partner_id,
    Access.device_id,
    Access.shift_id,
    Access.roles,
    Access.action,
    Access.purpose,
    Access.reason,
    Access.subject_id,
    Access.fields,
    Access.rows,
    Access.outcome,
)
_FILTERS = {
    "operator_id": Access.operator_id,
    "subject_id": Access.subject_id,
    "action": Access.action,
    "outcome": Access.outcome,
}


class AccessQuery(BaseModel):
    since: Moment = Field(alias="from")
    until: Moment = Field(alias="to")
    operator_id: UUID | None = None
    subject_id: UUID | None = None
    action: Action | None = None
    outcome: AccessOutcome | None = None
    cursor: str | None = Field(default=None, max_length=paging.LONGEST)
    limit: int = Field(default=100, ge=1, le=500)


@router.get(
    "/access",
    summary="List who looked at data about people",
    responses=documented(InvalidInput),
)
async def list_access(
    tx: Read,
    who: Annotated[Principal, caller(Scope.ACCESS_READ)],
    query: Annotated[AccessQuery, Query()],
) -> AccessPage:
    """Reads of [from, to), at most 366 days, the latest first: of one reader, of one person."""
    if not query.since < query.until <= query.since + LONGEST_PERIOD:
        raise InvalidInput(errors=[FieldFault("/to", "out-of-range")])
    wanted: list[ColumnElement[bool]] = [
        Access.hub_id == who.hub_id,
        Access.at >= query.since,
        Access.at < query.until,
    ]
    chosen = query.model_dump(include=set(_FILTERS), exclude_none=True)
    wanted += [_FILTERS[name] == value for name, value in chosen.items()]
    place = tuple_(Access.at, Access.access_id)
    if query.cursor is not None:
        wanted.append(place < paging.decode(query.cursor))
    found = await tx.sql.execute(
        select(*_COLUMNS)
        .where(*wanted)
        .order_by(Access.at.desc(), Access.access_id.desc())
        .limit(query.limit + 1)
    )
    reads = [AccessAnswer.model_validate(row) for row in found.mappings()]
    last = reads[query.limit - 1] if len(reads) > query.limit else None
    return AccessPage(
        reads=reads[: query.limit],
        next=paging.encode(last.at, last.access_id) if last else None,
    )
