"""HTTP: who travels together, and who of them answers for the minors."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter
from pydantic import Field

from twinstile.platform.http.field_types import Answer, Body, Line, Moment
from twinstile.platform.http.problems import Conflict, IdReused, NotFound, documented
from twinstile.platform.http.routes import GatedRoute, Read, Tx, caller
from twinstile.platform.ledger import events
from twinstile.platform.ops import clock
from twinstile.platform.security.auth import Principal, Scope
from twinstile.screening import party_members
from twinstile.screening.bodies import FactStatus
from twinstile.screening.party_members import GUARDIAN_CHANGED, GuardianChange
from twinstile.screening.types import PartyRole, ScreeningState

router = APIRouter(prefix="/v1", route_class=GatedRoute, tags=["parties"])

MOST_CHANGES = 60


class MemberAnswer(Answer):
    screening_id: UUID
    role: PartyRole
    joined_at: datetime
    state: ScreeningState
    state_since: datetime
    checkpoint: str | None
    case_id: UUID | None
    supersedes: UUID | None = Field(description="the same person's passage before")


class GuardianAnswer(Answer):
    """The guardian was changed."""

    at: datetime
    before: UUID | None = Field(description="passage of the guardian until then")
    screening_id: UUID = Field(description="passage of the guardian from then on")
    reason: str
    operator_id: UUID | None


class PartyAnswer(Answer):
    party_id: UUID
    opened_at: datetime
    people: int = Field(description="at most 60")
    guardian: UUID | None = Field(description="passage of the guardian")
    members: list[MemberAnswer] = Field(
        description="as they stand now, in the order they joined; at most the last 500"
    )
    guardians: list[GuardianAnswer] = Field(description="changes, the oldest first")


class GuardianBody(Body):
    screening_id: UUID = Field(description="the member who answers for the minors from now on")
    at: Moment
    reason: Line = Field(examples=["the mother was taken to hospital, the aunt stays"])


class ChangedAnswer(Answer):
    status: FactStatus


@router.get("/parties/{party_id}", summary="Read a party", responses=documented(NotFound))
async def read_party(
    party_id: UUID, tx: Read, who: Annotated[Principal, caller(Scope.CHECKS_READ)]
) -> PartyAnswer:
    """Who travels together and where each of them stands, by random ids."""
    opened_at, people = await party_members.stored(tx, who.hub_id, party_id)
    rows = [
        MemberAnswer.model_validate(row)
        for row in await party_members.listed(tx, who.hub_id, party_id)
    ]
    changed = await events.of_subject(
        tx, who.hub_id, party_id, [GUARDIAN_CHANGED], MOST_CHANGES
    )
    return PartyAnswer(
        party_id=party_id,
        opened_at=opened_at,
        people=people,
        guardian=next((m.screening_id for m in rows if m.role is PartyRole.GUARDIAN), None),
        members=rows,
        guardians=[
            GuardianAnswer.model_validate(
                {**change.body, "at": change.at, "operator_id": change.operator_id}
            )
            for change in changed
        ],
    )


@router.put(
    "/parties/{party_id}/guardians/{change_id}",
    summary="Make another member the guardian",
    responses=documented(NotFound, Conflict, IdReused),
)
async def put_guardian(
    party_id: UUID,
    change_id: UUID,
    body: GuardianBody,
    tx: Tx,
    who: Annotated[Principal, caller(Scope.CHECKS_WRITE)],
) -> ChangedAnswer:
    """One member at a time answers for the minors; who did before stays a member.

    `reason` is read by others on duty: no name and no number belongs in it.
    """
    change = GuardianChange(change_id, party_id, body.screening_id, body.at, body.reason)
    return ChangedAnswer(
        status=await party_members.change_guardian(tx, who, change, clock.now())
    )
