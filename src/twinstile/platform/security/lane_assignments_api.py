"""HTTP: taking a lane over from somebody on another device."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter
from pydantic import Field

from twinstile.platform.http.field_types import Body, Slug
from twinstile.platform.http.problems import Conflict, IdReused, NotFound, documented
from twinstile.platform.http.routes import GatedRoute, Tx, caller
from twinstile.platform.ops import clock
from twinstile.platform.security import lane_assignments
from twinstile.platform.security.auth import Principal, Scope

router = APIRouter(prefix="/v1", route_class=GatedRoute, tags=["shifts"])


class TakeOverBody(Body):
    shift_id: UUID = Field(description="of `crew` of the lane's state")


@router.put(
    "/lanes/{lane_id}/take-overs/{take_over_id}",
    status_code=204,
    summary="Take a lane over from somebody on another device",
    responses=documented(NotFound, Conflict, IdReused),
)
async def put_take_over(
    lane_id: Slug,
    take_over_id: UUID,
    body: TakeOverBody,
    tx: Tx,
    who: Annotated[Principal, caller(Scope.SHIFTS_END)],
) -> None:
    """From now on the caller works the lane. The other device is told in its lane's state.

    Nobody's shift ends by it: what the other device made without a line keeps its name.
    """
    await lane_assignments.take_over(tx, who, lane_id, take_over_id, body.shift_id, clock.now())
