"""A case under lock, and the one way to move it.

A case is locked while an act is taken, so acts are ordered: each is recorded after the one
before, even if the requests of two devices overlapped.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import select, update

from twinstile.cases import deadlines, follow_up_schedule, machine
from twinstile.cases.machine import IllegalTransition
from twinstile.cases.tables import FeverCase
from twinstile.cases.types import CaseEvent, CaseState, Severity, Transition, Wait
from twinstile.platform.db import idempotent_facts
from twinstile.platform.db.database import Transaction
from twinstile.platform.db.idempotent_facts import Change, FactSource
from twinstile.platform.http.problems import Forbidden, NotFound, TransitionRefused
from twinstile.platform.ledger import events
from twinstile.platform.ledger.events import Event
from twinstile.platform.security.auth import Principal

MOVED = "case.moved"
OVERDUE = "case.overdue"


@dataclass(frozen=True, slots=True)
class LockedCase:
    """A case that nobody else can move until the transaction ends."""

    hub_id: str
    case_id: UUID
    case_no: str
    state: CaseState
    since: datetime
    severity: Severity | None
    facility_id: str | None

    def after(self, at: datetime) -> datetime:
        """`at`, or if an act with a later moment got the lock first, the moment after it."""
        return max(at, self.since + timedelta(microseconds=1))


async def lock(tx: Transaction, hub_id: str, case_id: UUID) -> LockedCase:
    """Wait for the case, at most the lock timeout. Raises `NotFound`."""
    found = await tx.sql.execute(
        select(
            FeverCase.case_no,
            FeverCase.state,
            FeverCase.state_since,
            FeverCase.severity,
            FeverCase.facility_id,
        )
        .where(FeverCase.hub_id == hub_id, FeverCase.case_id == case_id)
        .with_for_update()
    )
    row = found.one_or_none()
    if row is None:
        raise NotFound("There is no such case.")
    case_no, state, since, severity, facility_id = row
    return LockedCase(
        hub_id,
        case_id,
        case_no,
        CaseState(state),
        since,
        Severity(severity) if severity else None,
        facility_id,
    )


def walk(who: Principal, state: CaseState, path: Iterable[CaseEvent]) -> tuple[Transition, ...]:
    """The steps of a path that the caller may send.

    Raises `TransitionRefused` where the table has no such way, else `Forbidden`.
    """
    try:
        steps = machine.walk(state, path)
    except IllegalTransition:
        raise TransitionRefused(f"The case is {state}.") from None
    for step in steps:
        if not who.roles & machine.HUMAN_EVENTS.get(step.event, frozenset()):
            raise Forbidden(f"No role held in this shift may send {step.event}.")
    return steps


def walk_by_system(state: CaseState, event: CaseEvent) -> Transition:
    """The step that somebody outside makes by what they say. Raises `TransitionRefused`."""
    if event not in machine.SYSTEM_EVENTS:
        raise Forbidden(f"Only people on duty may send {event}.")
    try:
        return machine.walk(state, [event])[0]
    except IllegalTransition:
        raise TransitionRefused(f"The case is {state}.") from None


def entering(
    case: LockedCase,
    after: CaseState,
    moment: datetime,
    more: Mapping[str, object] | None = None,
    expected: datetime | None = None,
    *stops: Wait,
) -> list[Change]:
    """Enter a state, with its deadline and `more` columns; what was waited for before it ends.

    `expected`: when the patient is to arrive. `stops`: deadlines that end with it as well.
    """
    changes: list[Change] = [
        update(FeverCase)
        .where(FeverCase.hub_id == case.hub_id, FeverCase.case_id == case.case_id)
        .values(
            state=after.value,
            state_since=moment,
            due_at=machine.due(after, moment, expected),
            closed_at=moment if after.terminal else None,
            late_since=None,
            **(more or {}),
        ),
        *deadlines.ends(case.hub_id, case.case_id, after, moment, *stops),
    ]
    if after not in deadlines.FOLLOWED:
        changes.append(follow_up_schedule.over(case.hub_id, case.case_id, moment))
    return changes


async def move(
    tx: Transaction,
    case: LockedCase,
    after: CaseState,
    moment: datetime,
    more: Mapping[str, object] | None = None,
    expected: datetime | None = None,
) -> None:
    """Enter a state, see `entering`; whoever is followed from now on has a schedule."""
    changes = entering(case, after, moment, more, expected)
    await idempotent_facts.apply_changes(tx, *changes)
    if after in deadlines.FOLLOWED:
        await follow_up_schedule.begin(tx, case.hub_id, case.case_id, moment)


def moved_event(
    who: FactSource,
    case: LockedCase,
    step: Transition,
    moment: datetime,
    details: dict[str, object],
    event_id: UUID,
) -> Event:
    """The event row of a step; `details` is what its sender reported."""
    return Event(
        case.hub_id,
        MOVED,
        case.case_id,
        moment,
        {"case_no": case.case_no} | transition_fields(step) | details,
        who.device_id,
        who.operator_id,
        event_id,
    )


async def announce(
    tx: Transaction,
    who: FactSource,
    case: LockedCase,
    kind: str,
    at: datetime,
    body: Mapping[str, object],
) -> None:
    """Announce something that happened to a case and moved it nowhere."""
    told = {"case_no": case.case_no, **body}
    happening = Event(case.hub_id, kind, case.case_id, at, told, who.device_id, who.operator_id)
    await events.append(tx, [happening])


def transition_fields(step: Transition) -> dict[str, object]:
    """A step as an event row tells it."""
    return {"before": step.before.value, "event": step.event.value, "after": step.after.value}
