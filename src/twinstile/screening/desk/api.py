"""HTTP: looking somebody up by the document they show."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Response
from pydantic import Field

from twinstile.identity import forms
from twinstile.identity.forms import DocumentForm
from twinstile.platform import access, clock
from twinstile.platform.access import IDENTIFIED, Action, Purpose, Why
from twinstile.platform.auth import Principal, Scope
from twinstile.platform.errors import LookUpQuota, PurposeRequired, documented
from twinstile.platform.fields import Answer
from twinstile.platform.web import GatedRoute, Home, caller
from twinstile.screening.desk import lookups
from twinstile.screening.desk.lookups import Asked
from twinstile.screening.types import ScreeningState

router = APIRouter(prefix="/v1", route_class=GatedRoute)


class LookUpBody(Why):
    document: DocumentForm = Field(
        description="the whole number, or the zone; a name is ignored"
    )
    purpose: Purpose | None = Field(
        default=None,
        description="without one that fits: 403 `purpose-required`",
        examples=["IDENTIFICATION"],
    )


class PassageAnswer(Answer):
    screening_id: UUID
    state: ScreeningState
    checkpoint: str | None
    run_id: UUID | None
    opened_at: datetime
    closed_at: datetime | None
    case_id: UUID | None


class LookUpAnswer(Answer):
    lookup_id: UUID = Field(description="of the row in the access log")
    known: bool = Field(
        description="whether this hub met the document in the last 14 to 28 days"
    )
    name: str | None = Field(
        description="masked; null: unknown, or destroyed as the policy asks",
        examples=["张*"],
        json_schema_extra=IDENTIFIED,
    )
    screenings: list[PassageAnswer] = Field(description="the latest first, at most 20")
    left: int = Field(description="how many look-ups are left just now")


@router.post(
    "/lookups",
    tags=["screenings"],
    summary="Look somebody up by a document",
    responses=documented(PurposeRequired, LookUpQuota),
    openapi_extra=access.logged(Action.LOOK_UP),
)
async def post_lookup(
    body: LookUpBody,
    home: Home,
    who: Annotated[Principal, caller(Scope.LOOKUPS_WRITE)],
    response: Response,
) -> LookUpAnswer:
    """The screenings of the person who shows this document; on the record before it is told.

    20 within 10 minutes and 100 within 12 hours for one operator, found or not.
    """
    purpose = access.stated(Action.LOOK_UP, body.purpose, body.reason)
    at, zone = clock.now(), home.settings.zone
    today = at.astimezone(zone).date()
    identity, _ = forms.identify(
        body.document, "/document", today, home.settings.synthetic_id_prefixes
    )
    found = await lookups.look_up(
        home.database,
        home.keys.of(who.hub_id),
        who,
        Asked(identity.document, purpose, body.reason),
        zone,
        at,
    )
    response.headers["Cache-Control"] = "no-store"
    return LookUpAnswer(
        lookup_id=found.lookup_id,
        known=found.known,
        name=found.name,
        screenings=[PassageAnswer.model_validate(row) for row in found.screenings],
        left=found.left,
    )
