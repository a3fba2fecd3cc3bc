"""The way of a patient to a receiver: who has them, since when, and until when they arrive."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated, Final
from uuid import UUID

from pydantic import Field, StrictBool
from sqlalchemy import RowMapping, select, update
from uuid_utils.compat import uuid7

from twinstile.cases import capability_links, episodes, isolation_rooms, steps
from twinstile.cases.capability_links import CapabilityLink
from twinstile.cases.disposition_requirements import DispositionDetails
from twinstile.cases.steps import LockedCase
from twinstile.cases.tables import DispositionRecord, FeverCase, HandoverReceipt, Leg
from twinstile.cases.types import (
    CaseEvent,
    CaseState,
    LegEnding,
    LinkKind,
    Transition,
    Vehicle,
)
from twinstile.platform.db import idempotent_facts
from twinstile.platform.db.database import Reading, Transaction
from twinstile.platform.http.field_types import Body, Line, Moment, Slug, Word
from twinstile.platform.http.problems import (
    FieldFault,
    InvalidInput,
    NotFound,
    TransitionRefused,
)
from twinstile.platform.ledger import events
from twinstile.platform.security.auth import Principal

DEPARTED: Final = "case.departed"
LONGEST_WAY: Final = timedelta(hours=72)
LINK_LASTS: Final = timedelta(hours=24)
"""After the arrival is expected."""


class LegBody(Body):
    receiver: Line | None = Field(
        default=None, description="null: as the last disposition says", examples=[None]
    )
    facility_id: Slug | None = Field(default=None, examples=[None])
    beyond_capacity: StrictBool = False
    vehicle: Vehicle
    vehicle_no: Word | None = Field(
        default=None, description="plate or service number", examples=["ZA-1234 E"]
    )
    crew: Annotated[tuple[Word, ...], Field(max_length=8)] = Field(
        default=(), description="duty numbers of those who go along", examples=[["120-17"]]
    )
    reason: Line | None = Field(
        default=None, description="needed to send a patient on the way elsewhere"
    )
    departed_at: Moment
    expected_at: Moment = Field(description="when they arrive; at most 72 h on")


def arrival(departed_at: datetime, expected_at: datetime, recorded_at: datetime) -> datetime:
    """When a vehicle arrives that had left when we heard of it.

    So a sender's clock that is ahead, by minutes or by years, keeps no alarm from ringing and
    no link alive.
    """
    return min(expected_at, recorded_at + (expected_at - departed_at))


async def depart(
    tx: Transaction, who: Principal, case_id: UUID, leg_id: UUID, form: LegBody, at: datetime
) -> RowMapping:
    """Record that a patient has left, or goes elsewhere than was meant.

    Without a receiver they go to that of the last disposition. A second vehicle while they are
    on the way diverts them, which needs a reason.

    Raises `NotFound`, `IdReused`, `Forbidden`, `TransitionRefused` for a case that was sent
    nowhere or has arrived, `NoPlace`, and `InvalidInput`.
    """
    if not form.departed_at <= form.expected_at <= form.departed_at + LONGEST_WAY:
        raise InvalidInput(errors=[FieldFault("/expected_at", "out-of-range")])
    case = await steps.lock(tx, who.hub_id, case_id)
    values = idempotent_facts.columns(Leg, form, case_id=case_id)
    if form.receiver is None:
        del values["receiver"]  # then it is that of the last disposition
    earlier = await idempotent_facts.find(tx, Leg, who.hub_id, leg_id, values)
    if earlier is not None:
        return earlier
    path = await _path(tx, who, case, form)
    receiver, facility_id = await _receiver(tx, case, form)
    moment = case.after(at)
    await _end(tx, case, LegEnding.DIVERTED, moment)
    await capability_links.revoke(tx, case, LinkKind.HANDOVER, at)
    values["receiver"] = receiver
    row = await idempotent_facts.add(tx, Leg, who, leg_id, values, moment)
    place = {"facility_id": facility_id}
    expected = arrival(form.departed_at, form.expected_at, moment)
    await steps.move(tx, case, CaseState.IN_TRANSFER, moment, place, expected)
    sent: dict[str, object] = {"at": form.departed_at.isoformat(), "reason": form.reason}
    await events.append(
        tx, [steps.moved_event(who, case, step, moment, sent, uuid7()) for step in path]
    )
    body: dict[str, object] = {
        "leg_id": str(leg_id),
        "vehicle": form.vehicle.value,
        "expected_at": form.expected_at.isoformat(),
        "diverted": any(step.event is CaseEvent.DIVERTED for step in path),
    }
    await steps.announce(tx, who, case, DEPARTED, moment, body)
    return row


async def _path(
    tx: Reading, who: Principal, case: LockedCase, form: LegBody
) -> Sequence[Transition]:
    """How the case moves: none for an emergency that has left, of which this is the vehicle."""
    if case.state is CaseState.DISPOSED:
        return steps.walk(who, case.state, [CaseEvent.DISPATCHED])
    path = steps.walk(who, case.state, [CaseEvent.DIVERTED])
    if await current(tx, case) is None:
        return ()
    if form.reason is None:
        raise InvalidInput(errors=[FieldFault("/reason", "missing")])
    return path


async def _receiver(tx: Transaction, case: LockedCase, form: LegBody) -> tuple[str, str | None]:
    """Who is to take the patient: as named, or as the last disposition says."""
    name = await isolation_rooms.require_place(
        tx,
        case,
        form.facility_id,
        "/facility_id",
        beyond_capacity=form.beyond_capacity,
    )
    if form.receiver or name:
        return form.receiver or name or "", form.facility_id
    sent = await idempotent_facts.of_case(tx, DispositionRecord, case.hub_id, [case.case_id], 1)
    receiver: str | None = sent[0]["receiver"] if sent else None
    if receiver is None:
        raise InvalidInput(errors=[FieldFault("/receiver", "missing")])
    meant = DispositionDetails.model_validate(sent[0]["particulars"]).facility_id
    if meant != case.facility_id:  # it was on the way to another one, and its place given away
        await isolation_rooms.require_place(
            tx, case, meant, "/receiver", beyond_capacity=form.beyond_capacity
        )
    return receiver, meant


async def current(tx: Reading, case: LockedCase) -> UUID | None:
    """The way the patient is on."""
    found = await tx.sql.execute(
        select(Leg.leg_id).where(
            Leg.hub_id == case.hub_id, Leg.case_id == case.case_id, Leg.ended_at.is_(None)
        )
    )
    return found.scalar_one_or_none()


async def _end(tx: Transaction, case: LockedCase, ending: LegEnding, moment: datetime) -> None:
    await tx.sql.execute(
        update(Leg)
        .where(Leg.hub_id == case.hub_id, Leg.case_id == case.case_id, Leg.ended_at.is_(None))
        .values(ended_at=moment, ending=ending.value)
    )


async def link(
    tx: Transaction, who: Principal, case_id: UUID, leg_id: UUID, at: datetime
) -> CapabilityLink:
    """A link for the receiver of a way that has not ended; the one before is over.

    Raises `NotFound`, and `TransitionRefused` for a way that has ended.
    """
    case = await steps.lock(tx, who.hub_id, case_id)
    leg = await of_id(tx, case.hub_id, case_id, leg_id)
    if leg["ended_at"] is not None:
        raise TransitionRefused("This way has ended.")
    arrives = arrival(leg["departed_at"], leg["expected_at"], leg["recorded_at"])
    lasts: timedelta = max(arrives, at) + LINK_LASTS - at
    return await capability_links.issue(tx, who, case, LinkKind.HANDOVER, leg_id, at, lasts)


async def of_id(tx: Reading, hub_id: str, case_id: UUID, leg_id: UUID) -> RowMapping:
    """A way of a case, with the case's number. Raises `NotFound`."""
    found = await tx.sql.execute(
        select(*Leg.__table__.columns, FeverCase.case_no)
        .join(FeverCase, (FeverCase.hub_id == Leg.hub_id) & (FeverCase.case_id == Leg.case_id))
        .where(Leg.hub_id == hub_id, Leg.case_id == case_id, Leg.leg_id == leg_id)
    )
    row = found.mappings().one_or_none()
    if row is None:
        raise NotFound("There is no such way of this case.")
    return row


async def of_case(
    tx: Reading, hub_id: str, case_id: UUID, limit: int
) -> list[tuple[RowMapping, list[RowMapping]]]:
    """The ways of a case and its merged ones, oldest first, with what receivers said."""
    whole = await episodes.case_ids(tx, hub_id, case_id)
    ways = await idempotent_facts.of_case(tx, Leg, hub_id, whole, limit)
    said = await idempotent_facts.of_case(tx, HandoverReceipt, hub_id, whole, limit)
    return [(way, [one for one in said if one["leg_id"] == way["leg_id"]]) for way in ways]
