"""Steps that no check brings: those of a person on duty, and those of the clock."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeAlias, cast
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import RowMapping, select, update

from twinstile.cases import referrals
from twinstile.cases.referrals import Opening
from twinstile.cases.types import CaseOrigin
from twinstile.platform import devices, events
from twinstile.platform.auth import Principal
from twinstile.platform.crypto import KeyFiles
from twinstile.platform.db import Database, Transaction
from twinstile.platform.devices import Direction
from twinstile.platform.errors import Forbidden, IdReused, NotFound, TransitionRefused
from twinstile.platform.events import Happening
from twinstile.platform.tables import Event
from twinstile.policy import versions
from twinstile.policy.types import HubPolicy
from twinstile.policy.versions import Policies
from twinstile.screening import machine, particulars
from twinstile.screening.bodies import FactStatus
from twinstile.screening.deadlines import KEPT_BY_ORDER, due
from twinstile.screening.flow import alerts
from twinstile.screening.flow.alerts import Raised
from twinstile.screening.particulars import Particulars
from twinstile.screening.party import members
from twinstile.screening.party.members import SeparationReasonNeeded
from twinstile.screening.tables import Screening
from twinstile.screening.types import AlertKind, ScreeningEvent, ScreeningState

TIMER_BATCH = 500
_Readings: TypeAlias = list[tuple[int, str, int | None]]
_S = ScreeningState
_E = ScreeningEvent


@dataclass(frozen=True, slots=True)
class Step:
    """What a person on duty asks for."""

    step_id: UUID
    screening_id: UUID
    event: ScreeningEvent
    at: datetime
    reason: str
    particulars: Particulars = field(default_factory=Particulars)


@dataclass(frozen=True, slots=True)
class Desk:
    """What taking a step needs beside the step."""

    who: Principal
    keys: KeyFiles
    policies: Policies
    zone: ZoneInfo
    at: datetime


@dataclass(frozen=True, slots=True)
class Locked:
    """A screening nobody else moves until the transaction ends."""

    screening_id: UUID
    state: ScreeningState
    person_id: UUID | None
    run_id: UUID | None
    checkpoint: str | None
    case_id: UUID | None
    order_until: datetime | None
    fold: dict[str, object]


async def take(tx: Transaction, desk: Desk, step: Step) -> tuple[FactStatus, ScreeningState]:
    """Take a step if the table has it, the caller's role may and it brings what it needs.

    Sent again, the same step answers `duplicate` and changes nothing. A step into HELD by a
    medic opens the case. Raises `InvalidInput`, `NotFound`, `Forbidden`, `TransitionRefused`,
    `IdReused`.
    """
    particulars.judge(step.event, step.at, step.particulars)
    who = desk.who
    found = await _lock(tx, who.hub_id, step.screening_id)
    if await taken_before(tx, who.hub_id, step) is not None:
        return FactStatus.DUPLICATE, found.state
    after = allowed(who, found.state, step.event)
    await _require(tx, who.hub_id, step, found, after)
    case_id = found.case_id
    if after is _S.HELD and case_id is None:
        case_id = await _open_case(tx, desk, found)
        await members.flag(tx, who.hub_id, step.screening_id, desk.at)
    policy = await desk.policies.get(
        tx, who.hub_id, await versions.in_force(tx, who.hub_id, desk.at)
    )
    limit = step.particulars.until or found.order_until
    await _move(
        tx,
        who.hub_id,
        found,
        after,
        desk.at,
        due_at=due(
            after,
            policy,
            desk.at,
            departure=step.particulars.departure,
            order_until=limit,
        ),
        case_id=case_id,
        order_until=limit,
    )
    await events.append(tx, [happening(who, step, found.state, after, desk.at)])
    if step.event is _E.ABSCONDED:
        told = step.particulars.told() | {"state": found.state.value}
        raised = Raised(AlertKind.ABSCONDED, step.screening_id, told)
        await alerts.raise_all(tx, who.hub_id, [raised], desk.at)
    return FactStatus.STORED, after


_LOCKED = (
    Screening.screening_id,
    Screening.state,
    Screening.person_id,
    Screening.run_id,
    Screening.checkpoint,
    Screening.case_id,
    Screening.order_until,
    Screening.fold,
)


async def _lock(tx: Transaction, hub_id: str, screening_id: UUID) -> Locked:
    found = await tx.sql.execute(
        select(*_LOCKED)
        .where(Screening.hub_id == hub_id, Screening.screening_id == screening_id)
        .with_for_update(key_share=True)
    )
    row = found.mappings().one_or_none()
    if row is None:
        raise NotFound("There is no such screening.")
    return _locked(row)


def _locked(row: RowMapping) -> Locked:
    whole: dict[str, Any] = {**row, "state": ScreeningState(row["state"])}  # pyright: ignore[reportExplicitAny] # columns by name
    return Locked(**whole)


def allowed(who: Principal, state: ScreeningState, event: ScreeningEvent) -> ScreeningState:
    """The state after an event that a role of the caller's may send.

    Raises `Forbidden`, and `TransitionRefused` where the table has no such way.
    """
    if not who.roles & machine.HUMAN_EVENTS.get(event, frozenset()):
        raise Forbidden("No role of yours may take this step.")
    try:
        return machine.step(state, event)
    except machine.IllegalTransition as error:
        raise TransitionRefused(f"{event} is not possible in {state}.") from error


async def _require(
    tx: Transaction, hub_id: str, step: Step, found: Locked, after: ScreeningState
) -> None:
    """What the table cannot say. Raises `TransitionRefused`, `SeparationReasonNeeded`."""
    if step.event is _E.DENY_BOARDING:
        way = await devices.direction_of(tx, hub_id, found.checkpoint)
        if way is not Direction.DEPARTING:
            raise TransitionRefused("Boarding is denied at a checkpoint of departures only.")
    if step.particulars.separation_reason is None and await members.parts(
        tx, hub_id, step.screening_id, after
    ):
        raise SeparationReasonNeeded


async def _open_case(tx: Transaction, desk: Desk, found: Locked) -> UUID:
    readings = [tenths for tenths, *_ in cast("_Readings", found.fold.get("readings", []))]
    opening = Opening(
        case_id=referrals.case_of(found.screening_id),
        screening_id=found.screening_id,
        person_id=found.person_id,
        run_id=found.run_id,
        origin=CaseOrigin.CLINICIAN,
        opened_at=desk.at,
        first_tenths=readings[0] if readings else None,
        peak_tenths=max(readings, default=None),
        device_id=desk.who.device_id,
        operator_id=desk.who.operator_id,
    )
    cases = await referrals.open_cases(
        tx, desk.keys, desk.who.hub_id, desk.zone, [opening], desk.at
    )
    return cases[found.screening_id][0]


def happening(
    who: Principal, step: Step, before: ScreeningState, after: ScreeningState, at: datetime
) -> Happening:
    """The event row of a step."""
    told = step.particulars.told()
    return Happening(
        who.hub_id,
        "screening.step",
        step.screening_id,
        at,
        {
            "path": [[before, step.event, after]],
            "reason": step.reason,
            "at": step.at.isoformat(),
            **({"particulars": told} if told else {}),
        },
        who.device_id,
        who.operator_id,
        event_id=step.step_id,
    )


async def taken_before(tx: Transaction, hub_id: str, step: Step) -> UUID | None:
    """The screening that took this very step before. Raises `IdReused` if it was another."""
    found = await tx.sql.execute(
        select(Event.subject_id, Event.body).where(
            Event.hub_id == hub_id, Event.event_id == step.step_id
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


async def _move(
    tx: Transaction,
    hub_id: str,
    found: Locked,
    after: ScreeningState,
    at: datetime,
    *,
    due_at: datetime | None,
    case_id: UUID | None,
    order_until: datetime | None,
) -> None:
    stays = after is found.state
    changes: dict[str, object] = {
        "state": after.value,
        "due_at": due_at,
        "closed_at": at if after.terminal else None,
        "case_id": case_id,
        "order_until": order_until,
        **({} if stays else {"state_since": at}),
    }
    mine = (Screening.hub_id == hub_id, Screening.screening_id == found.screening_id)
    await tx.sql.execute(update(Screening).where(*mine).values(**changes))
    for state, column in (
        (_S.SECONDARY, Screening.referred_at),
        (_S.DEFERRED, Screening.deferred_at),
    ):
        if after is state:
            await tx.sql.execute(
                update(Screening).where(*mine, column.is_(None)).values({column: at})
            )


async def expire_due(database: Database, policies: Policies, hub_id: str, now: datetime) -> int:
    """Fire the deadline of every screening that is past it; how many there were.

    Rows another process works on are skipped: they are its own to move.
    """
    async with database.transaction() as tx:
        rows = await _overdue(tx, hub_id, now)
        if not rows:
            return 0
        policy = await policies.get(tx, hub_id, await versions.in_force(tx, hub_id, now))
        for found, event in rows:
            await _expire(tx, hub_id, policy, found, event, now)
        await events.append(
            tx,
            [
                Happening(
                    hub_id,
                    "screening.overdue",
                    found.screening_id,
                    now,
                    {
                        "path": [[found.state, event, machine.step(found.state, event)]],
                        "reason": "deadline",
                    },
                )
                for found, event in rows
            ],
        )
        await alerts.raise_all(
            tx,
            hub_id,
            [one for found, event in rows for one in _alarms(found, event, now)],
            now,
        )
        return len(rows)


async def _overdue(
    tx: Transaction, hub_id: str, now: datetime
) -> list[tuple[Locked, ScreeningEvent]]:
    found = await tx.sql.execute(
        select(*_LOCKED)
        .where(Screening.hub_id == hub_id, Screening.due_at <= now)
        .order_by(Screening.due_at)
        .limit(TIMER_BATCH)
        .with_for_update(skip_locked=True, key_share=True)
    )
    late = [_locked(row) for row in found.mappings()]
    return [(one, event) for one in late if (event := machine.timer(one.state)) is not None]


async def _expire(
    tx: Transaction,
    hub_id: str,
    policy: HubPolicy,
    found: Locked,
    event: ScreeningEvent,
    now: datetime,
) -> None:
    after = machine.step(found.state, event)
    await _move(
        tx,
        hub_id,
        found,
        after,
        now,
        due_at=due(after, policy, now, order_until=found.order_until),
        case_id=found.case_id,
        order_until=found.order_until,
    )


_ALARMS = {
    (_S.HELD, _S.HELD): AlertKind.OVERDUE,
    (_S.REFUSAL, _S.REFUSAL): AlertKind.OVERDUE,
    (_S.PRESENTED, _S.ABANDONED): AlertKind.LEFT_LANE,
    (_S.DEFERRED, _S.DEFERRED_UNRESOLVED): AlertKind.DEFERRAL_UNRESOLVED,
}
"""Which moves of the clock a person has to hear of."""


def _alarms(found: Locked, event: ScreeningEvent, now: datetime) -> list[Raised]:
    after = machine.step(found.state, event)
    ended = found.order_until is not None and found.order_until <= now
    kinds = [_ALARMS.get((found.state, after))]
    if after in KEPT_BY_ORDER and ended:
        kinds.append(AlertKind.ORDER_ENDED)
    facts: dict[str, object] = {"state": after.value, "checkpoint": found.checkpoint}
    return [Raised(kind, found.screening_id, facts) for kind in kinds if kind]
