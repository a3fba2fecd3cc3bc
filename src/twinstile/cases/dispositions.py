"""What people and the clock do to a case: send it somewhere, move it on, or be late with it.

Acts are appended and never changed. One is known by the id its device minted: the same id and
content is the same act, and gets the same answer whatever happened since.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid5

from sqlalchemy import RowMapping, select
from uuid_utils.compat import uuid7

from twinstile.cases import (
    disposition_requirements,
    follow_up_schedule,
    follow_ups,
    idempotent_facts,
    isolation_rooms,
    machine,
    origin_notices,
    steps,
)
from twinstile.cases.disposition_requirements import DispositionParticulars
from twinstile.cases.follow_up_schedule import FollowUpPolicy
from twinstile.cases.steps import MOVED, OVERDUE, LockedCase
from twinstile.cases.tables import DispositionRecord, FeverCase
from twinstile.cases.types import CaseEvent, CaseState, Disposition
from twinstile.platform.db.database import Transaction
from twinstile.platform.http.problems import (
    FieldFault,
    Forbidden,
    IdReused,
    InvalidInput,
)
from twinstile.platform.ledger import events
from twinstile.platform.ledger.events import Happening
from twinstile.platform.security.auth import Principal

SENT_BY_DISPOSITION = frozenset({CaseEvent.DISPOSE, CaseEvent.REDISPOSE})
"""These need to say where to, so they come with a disposition or not at all."""


@dataclass(frozen=True, slots=True)
class Decision:
    """Where somebody decided to send a case. `decided_at` is by the sender's clock."""

    disposition_id: UUID
    code: Disposition
    receiver: str | None
    reason: str | None
    consent: bool | None
    particulars: DispositionParticulars
    decided_at: datetime


@dataclass(frozen=True, slots=True)
class Act:
    """Something that happened to a case, as reported. `at` is by the sender's clock."""

    transition_id: UUID
    event: CaseEvent
    at: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class Recorded:
    """What a decision led to: the state right after it, and when it was recorded by whom."""

    state: CaseState
    receiver: str | None
    """As named, else as the facility is called."""
    recorded_at: datetime
    operator_id: UUID


async def record(
    tx: Transaction,
    who: Principal,
    case_id: UUID,
    decision: Decision,
    figures: FollowUpPolicy,
    at: datetime,
) -> Recorded:
    """Send a case somewhere.

    Raises `InvalidInput` when the terms of the disposition are not met, `NotFound`,
    `Forbidden` for a role that may not send the case, `TransitionRefused` for a closed case,
    `NoPlace` and `IdReused`.
    """
    _require_terms(decision, at)
    if who.operator_id is None:
        raise Forbidden("Only a person on shift decides where a case goes.")
    case = await steps.lock(tx, who.hub_id, case_id)
    told: dict[str, object] = {
        "case_id": case_id,
        "code": decision.code.value,
        "reason": decision.reason,
        "consent": decision.consent,
        "decided_at": decision.decided_at,
        "particulars": decision.particulars.told(),
    }
    if decision.receiver is not None:
        told["receiver"] = decision.receiver
    earlier = await idempotent_facts.find(
        tx, DispositionRecord, who.hub_id, decision.disposition_id, told
    )
    if earlier is not None:
        return _recorded(earlier)
    path = steps.walk(who, case.state, machine.dispose(case.state, decision.code))
    facility = await isolation_rooms.require_place(
        tx,
        case,
        decision.particulars.facility_id,
        "/particulars/facility_id",
        beyond_capacity=decision.particulars.beyond_capacity is True,
    )
    moment = case.after(at)
    after = path[-1].after
    told |= {"state": after.value, "receiver": decision.receiver or facility}
    row = await idempotent_facts.add(
        tx, DispositionRecord, who, decision.disposition_id, told, moment
    )
    await follow_up_schedule.plan(
        tx,
        case.hub_id,
        case_id,
        decision.disposition_id,
        decision.code,
        decision.particulars,
        figures,
        moment,
    )
    sent: dict[str, object] = {
        "at": decision.decided_at.isoformat(),
        "code": decision.code.value,
        "disposition_id": str(decision.disposition_id),
    }
    if decision.particulars.beyond_capacity:
        sent["beyond_capacity"] = True
    place = {"facility_id": decision.particulars.facility_id}
    await steps.move(tx, case, after, moment, place)
    await origin_notices.await_notice(tx, case, decision.code, moment)
    await events.append(
        tx, [steps.moved_event(who, case, step, moment, sent, uuid7()) for step in path]
    )
    return _recorded(row)


def _recorded(row: RowMapping) -> Recorded:
    return Recorded(
        CaseState(row["state"]), row["receiver"], row["recorded_at"], row["operator_id"]
    )


async def transition(
    tx: Transaction,
    who: Principal,
    case_id: UUID,
    act: Act,
    figures: FollowUpPolicy,
    at: datetime,
) -> Happening:
    """Move a case on by an event that a person of the caller's roles may send.

    Raises `NotFound`, `Forbidden`, `IdReused`, `InvalidInput` for an event that needs a
    disposition, and `TransitionRefused` where the table has no such way, and for an end that
    does not fit where the case was sent, or comes too early.
    """
    if act.event in SENT_BY_DISPOSITION:
        raise InvalidInput(errors=[FieldFault("/event", "needs-disposition")])
    case = await steps.lock(tx, who.hub_id, case_id)
    earlier = await events.find(tx, case.hub_id, act.transition_id)
    told: dict[str, object] = {
        "event": act.event.value,
        "at": act.at.isoformat(),
        "reason": act.reason,
    }
    if earlier is not None:
        same = earlier.kind == MOVED and earlier.subject_id == case_id
        if not same or told != {name: earlier.body.get(name) for name in told}:
            raise IdReused
        return earlier
    (step,) = steps.walk(who, case.state, [act.event])
    if act.event is CaseEvent.LOST:
        await follow_ups.require_failed_attempts(tx, case, figures.policy.parameters)
    if act.event is CaseEvent.RETURNED:
        await origin_notices.require_sent_back(tx, case.hub_id, case_id)
    moment = case.after(at)
    place: dict[str, object] = {}
    if act.event is CaseEvent.EMERGENCY:
        await _sent_in_emergency(tx, who, case, act, moment)
        place = {"facility_id": None}
    await steps.move(tx, case, step.after, moment, place)
    happening = steps.moved_event(who, case, step, moment, told, act.transition_id)
    await events.append_own(tx, happening)
    return happening


async def _sent_in_emergency(
    tx: Transaction, who: Principal, case: LockedCase, act: Act, moment: datetime
) -> None:
    """An emergency is where the case is sent from now on, whatever was decided before it.

    Else a receiver who takes the patient would answer for the disposition before, e.g. for
    isolation at home, and nobody would be asked for a result.
    """
    if who.operator_id is None:
        raise Forbidden("Only a person on shift decides where a case goes.")
    told: dict[str, object] = {
        "case_id": case.case_id,
        "code": Disposition.EMERGENCY_CARE.value,
        "state": CaseState.IN_TRANSFER.value,
        "reason": act.reason,
        "decided_at": act.at,
        "particulars": {},
    }
    disposition_id = uuid5(act.transition_id, f"{case.case_id} emergency")
    await idempotent_facts.add(tx, DispositionRecord, who, disposition_id, told, moment)
    await origin_notices.await_notice(tx, case, Disposition.EMERGENCY_CARE, moment)


async def escalate_due(tx: Transaction, hub_id: str, at: datetime, limit: int) -> int:
    """Raise the alarm for cases nobody moved in time, at most `limit`; how many there were.

    The clock closes nothing and moves nothing on: each case stays where it is, with a row for
    others to hear of and a new deadline. Cases being worked on at this moment are left alone.
    """
    found = await tx.sql.execute(
        select(FeverCase.case_id, FeverCase.case_no, FeverCase.state)
        .where(FeverCase.hub_id == hub_id, FeverCase.due_at <= at)
        .order_by(FeverCase.due_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    late = [(case_id, case_no, CaseState(state)) for case_id, case_no, state in found]
    if late:
        await tx.raw.execute(
            """
            UPDATE fever_case c
            SET due_at = w.due_at, late_since = coalesce(c.late_since, c.due_at)
            FROM unnest($2::uuid[], $3::timestamptz[]) AS w(case_id, due_at)
            WHERE c.hub_id = $1 AND c.case_id = w.case_id
            """,
            hub_id,
            [case_id for case_id, _, _ in late],
            [machine.due(state, at) for _, _, state in late],
        )
    await events.append(
        tx,
        [
            Happening(
                hub_id,
                OVERDUE,
                case_id,
                at,
                {"case_no": case_no} | steps.transition_fields(step),
            )
            for case_id, case_no, state in late
            for step in machine.walk(state, [CaseEvent.TIMEOUT])
        ],
    )
    return len(late)


def _require_terms(decision: Decision, at: datetime) -> None:
    """Days and times are judged by the sender's clock, unless that is ahead of ours."""
    found = list(
        disposition_requirements.faults(
            decision.code,
            receiver=decision.receiver,
            consent=decision.consent,
            brought=decision.particulars,
            at=min(decision.decided_at, at),
        )
    )
    if found:
        raise InvalidInput(errors=found)
