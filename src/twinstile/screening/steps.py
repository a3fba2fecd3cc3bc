"""A screening under lock, and the one way to move it without a check."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, cast
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import RowMapping, select, update

from twinstile.platform.db.database import Transaction
from twinstile.platform.db.tables import EventRecord
from twinstile.platform.http.problems import (
    FieldFault,
    Forbidden,
    IdReused,
    InvalidInput,
    NotFound,
    TransitionRefused,
)
from twinstile.platform.keys.data_keys import KeyFiles
from twinstile.platform.ledger.events import Event
from twinstile.platform.security.auth import Principal
from twinstile.policy.types import HubPolicy, Transit
from twinstile.policy.versions import Policies
from twinstile.screening import assisted, machine
from twinstile.screening.tables import Screening
from twinstile.screening.transition_requirements import StepDetails
from twinstile.screening.types import ScreeningEvent, ScreeningState


@dataclass(frozen=True, slots=True)
class StepRequest:
    """What a person on duty asks for."""

    step_id: UUID
    screening_id: UUID
    event: ScreeningEvent
    at: datetime
    reason: str
    particulars: StepDetails = field(default_factory=StepDetails)


@dataclass(frozen=True, slots=True)
class StepContext:
    """What taking a step needs beside the step."""

    who: Principal
    keys: KeyFiles
    policies: Policies
    zone: ZoneInfo
    at: datetime
    deviation_id: UUID | None = None
    """What stands in for a role that may take the step: see `overrides`."""


@dataclass(frozen=True, slots=True)
class LockedScreening:
    """A screening nobody else moves until the transaction ends."""

    screening_id: UUID
    state: ScreeningState
    person_id: UUID | None
    run_id: UUID | None
    checkpoint: str | None
    case_id: UUID | None
    referred_at: datetime | None
    order_until: datetime | None
    fold: dict[str, object]


@dataclass(frozen=True, slots=True)
class TargetState:
    """Where a screening goes, and what changes with its state."""

    after: ScreeningState
    due_at: datetime | None
    case_id: UUID | None = None
    order_until: datetime | None = None


_LOCKED = (
    Screening.screening_id,
    Screening.state,
    Screening.person_id,
    Screening.run_id,
    Screening.checkpoint,
    Screening.case_id,
    Screening.referred_at,
    Screening.order_until,
    Screening.fold,
)


async def lock(tx: Transaction, hub_id: str, screening_id: UUID) -> LockedScreening:
    """Wait for the screening, at most the lock timeout. Raises `NotFound`."""
    found = await tx.sql.execute(
        select(*_LOCKED)
        .where(Screening.hub_id == hub_id, Screening.screening_id == screening_id)
        .with_for_update(key_share=True)
    )
    row = found.mappings().one_or_none()
    if row is None:
        raise NotFound("There is no such screening.")
    return _locked(row)


async def lock_overdue(
    tx: Transaction, hub_id: str, now: datetime, limit: int
) -> list[LockedScreening]:
    """Screenings past their deadline that nobody else is working on, at most `limit`."""
    found = await tx.sql.execute(
        select(*_LOCKED)
        .where(Screening.hub_id == hub_id, Screening.due_at <= now)
        .order_by(Screening.due_at)
        .limit(limit)
        .with_for_update(skip_locked=True, key_share=True)
    )
    return [_locked(row) for row in found.mappings()]


def _locked(row: RowMapping) -> LockedScreening:
    whole: dict[str, Any] = {**row, "state": ScreeningState(row["state"])}  # pyright: ignore[reportExplicitAny] # columns by name
    return LockedScreening(**whole)


def allowed(
    who: Principal,
    state: ScreeningState,
    event: ScreeningEvent,
    deviation_id: UUID | None = None,
) -> ScreeningState:
    """The state after an event that a role of the caller's, or a deviation, may send.

    Raises `Forbidden`, and `TransitionRefused` where the table has no such way.
    """
    if deviation_id is None and not who.roles & machine.HUMAN_EVENTS.get(event, frozenset()):
        raise Forbidden("No role of yours may take this step.")
    try:
        return machine.step(state, event)
    except machine.IllegalTransition as error:
        raise TransitionRefused(f"{event} is not possible in {state}.") from error


def require_transit(policy: HubPolicy, brought: StepDetails) -> None:
    """Stay inside as policy has it. Raises `TransitionRefused`, `InvalidInput`."""
    if policy.parameters.transit is Transit.EXIT_REQUIRED:
        raise TransitionRefused("The policy in force lets nobody change trains inside.")
    if policy.parameters.transit is Transit.ESCORTED and brought.escort is None:
        raise InvalidInput(errors=[FieldFault("/particulars/escort", "missing")])


def happening(
    who: Principal,
    step: StepRequest,
    before: ScreeningState,
    after: ScreeningState,
    at: datetime,
    **more: object,
) -> Event:
    """The event row of a step."""
    told = step.particulars.told()
    return Event(
        who.hub_id,
        "screening.step",
        step.screening_id,
        at,
        {
            "path": [[before, step.event, after]],
            "reason": step.reason,
            "at": step.at.isoformat(),
            **({"particulars": told} if told else {}),
            **more,
        },
        who.device_id,
        who.operator_id,
        event_id=step.step_id,
    )


async def taken_before(tx: Transaction, hub_id: str, step: StepRequest) -> UUID | None:
    """The screening that took this very step before. Raises `IdReused` if it was another."""
    found = await tx.sql.execute(
        select(EventRecord.subject_id, EventRecord.body).where(
            EventRecord.hub_id == hub_id, EventRecord.event_id == step.step_id
        )
    )
    row = found.one_or_none()
    if row is None:
        return None
    subject_id, body = row
    path = cast("list[tuple[str, str, str]]", body.get("path", []))
    first = (path[0][1] if path else None, body.get("reason"), body.get("particulars", {}))
    if first != (step.event.value, step.reason, step.particulars.told()):
        raise IdReused
    if subject_id != step.screening_id:
        raise IdReused
    return subject_id


def _folded(locked: LockedScreening, after: ScreeningState, at: datetime) -> dict[str, object]:
    """What is held of the screening, with how long it was helped."""
    known = assisted.unpack(cast("list[str | None] | None", locked.fold.get("assisted")))
    told = assisted.moved(known, locked.state, after, at)
    # one without checks holds nothing, and nobody waits there
    return {**locked.fold, "assisted": told.packed()} if told and locked.fold else locked.fold


async def move(
    tx: Transaction, hub_id: str, locked: LockedScreening, to: TargetState, at: datetime
) -> None:
    """Enter the new state. One that is stayed in keeps the moment it was entered."""
    stays = to.after is locked.state
    mine = (Screening.hub_id == hub_id, Screening.screening_id == locked.screening_id)
    await tx.sql.execute(
        update(Screening)
        .where(*mine)
        .values(
            state=to.after.value,
            due_at=to.due_at,
            closed_at=at if to.after.terminal else None,
            case_id=to.case_id,
            order_until=to.order_until,
            **({} if stays else {"state_since": at, "fold": _folded(locked, to.after, at)}),
        )
    )
    for state, column in (
        (ScreeningState.SECONDARY, Screening.referred_at),
        (ScreeningState.DEFERRED, Screening.deferred_at),
    ):
        if to.after is state:
            await tx.sql.execute(
                update(Screening).where(*mine, column.is_(None)).values({column: at})
            )
