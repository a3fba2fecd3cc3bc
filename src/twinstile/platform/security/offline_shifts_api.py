"""HTTP: shifts that began without a network, and who confirms them."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import Field

from twinstile.platform.http.field_types import Answer
from twinstile.platform.http.problems import NotFound, documented
from twinstile.platform.http.routes import GatedRoute, Read, Tx, caller
from twinstile.platform.ops import clock
from twinstile.platform.security import offline_shifts
from twinstile.platform.security.auth import Principal, Scope

router = APIRouter(prefix="/v1", route_class=GatedRoute, tags=["shifts"])


class OfflineShiftAnswer(Answer):
    shift_id: UUID
    device_id: UUID
    operator_id: UUID = Field(description="who is said to have worked it")
    started_at: datetime
    ends_at: datetime
    recorded_at: datetime
    confirmed_at: datetime | None = Field(description="null: it is a claim of the tablet")


class OfflineShiftList(Answer):
    shifts: list[OfflineShiftAnswer]


@router.get("/offline-shifts", summary="List shifts that began without a network")
async def list_offline_shifts(
    tx: Read,
    who: Annotated[Principal, caller(Scope.DEVICES_MANAGE)],
    confirmed: Annotated[bool, Query(description="those that were confirmed as well")] = False,  # noqa: FBT002
) -> OfflineShiftList:
    """Shifts that tablets claim and nobody has confirmed, the latest first, at most 500."""
    found = await offline_shifts.listed(tx, who.hub_id, confirmed=confirmed)
    return OfflineShiftList(
        shifts=[OfflineShiftAnswer.model_validate(dict(row)) for row in found]
    )


@router.put(
    "/offline-shifts/{shift_id}/confirmation",
    status_code=204,
    summary="Confirm a shift worked without a network",
    responses=documented(NotFound),
)
async def confirm_offline_shift(
    shift_id: UUID, tx: Tx, who: Annotated[Principal, caller(Scope.SHIFTS_END)]
) -> None:
    """By the operator who worked it, signed in with the passcode.

    Facts handed over from then on bear the operator's name. Those handed over before keep
    none; the shift tells.
    """
    await offline_shifts.confirm(tx, who, shift_id, clock.now())
