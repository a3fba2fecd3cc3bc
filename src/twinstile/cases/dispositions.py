"""What people and the clock do to a case: send it somewhere, move it on, or be late with it.

Acts are appended and never changed. One is known by the id its device minted: the same id and
content is the same act, and gets the same answer whatever happened since.
"""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID, uuid5

from sqlalchemy import RowMapping, select
from uuid_utils.compat import uuid7

from twinstile.cases import (
    deadlines,
    disposition_requirements,
    follow_up_schedule,
    follow_ups,
    isolation_rooms,
    machine,
    origin_notices,
    steps,
)
from twinstile.cases.bodies import CaseTransitionBody
from twinstile.cases.disposition_requirements import REQUIREMENTS, DispositionBody
from twinstile.cases.follow_up_schedule import FollowUpPolicy
from twinstile.cases.steps import MOVED, OVERDUE, LockedCase
from twinstile.cases.tables import DispositionRecord, FeverCase
from twinstile.cases.types import CaseEvent, CaseState, Disposition, Wait
from twinstile.platform.db import idempotent_facts
from twinstile.platform.db.database import Transaction
from twinstile.platform.db.idempotent_facts import Change
from twinstile.platform.http.problems import (
    FieldFault,
    Forbidden,
    IdReused,
    InvalidInput,
)
from twinstile.platform.ledger import events
from twinstile.platform.ledger.events import Event
from twinstile.platform.security.auth import Principal

SENT_BY_DISPOSITION = frozenset({CaseEvent.DISPOSE, CaseEvent.REDISPOSE})
"""These need to say where to, so they come with a disposition or not at all."""


async def record(
    tx: Transaction,
    who: Principal,
    case_id: UUID,
    disposition_id: UUID,
    form: DispositionBody,
    in_force: FollowUpPolicy,
    at: datetime,
) -> RowMapping:
    """Send a case somewhere. Days and times are judged by whichever clock is behind.

    Raises `InvalidInput` when the requirements of the disposition are not met, `NotFound`,
    `Forbidden` for a role that may not send the case, `TransitionRefused` for a closed case,
    `NoPlace` and `IdReused`.
    """
    if lacking := list(disposition_requirements.faults(form, min(form.decided_at, at))):
        raise InvalidInput(errors=lacking)
    _require_person(who)
    case = await steps.lock(tx, who.hub_id, case_id)
    values = idempotent_facts.columns(DispositionRecord, form, case_id=case_id)
    if form.receiver is None:
        del values["receiver"]  # then it is what the facility is called
    earlier = await idempotent_facts.find(
        tx, DispositionRecord, who.hub_id, disposition_id, values
    )
    if earlier is not None:
        return earlier
    path = steps.walk(who, case.state, machine.dispose(case.state, form.code))
    particulars = form.particulars
    facility = await isolation_rooms.require_place(
        tx,
        case,
        particulars.facility_id,
        "/particulars/facility_id",
        beyond_capacity=particulars.beyond_capacity is True,
    )
    moment = case.after(at)
    details: dict[str, object] = {
        "at": form.decided_at.isoformat(),
        "code": form.code.value,
        "disposition_id": str(disposition_id),
    }
    if particulars.beyond_capacity:
        details["beyond_capacity"] = True
    moves = [steps.moved_event(who, case, step, moment, details, uuid7()) for step in path]
    return await _store(
        tx,
        who,
        case,
        disposition_id,
        {**values, "receiver": form.receiver or facility, "state": path[-1].after.value},
        moment,
        particulars.facility_id,
        *follow_up_schedule.plan(case_id, disposition_id, who.hub_id, form, in_force, moment),
        events.insertion(moves),
    )


async def _store(
    tx: Transaction,
    who: Principal,
    case: LockedCase,
    disposition_id: UUID,
    values: Mapping[str, object],
    moment: datetime,
    facility_id: str | None,
    *changes: Change,
) -> RowMapping:
    """Store a disposition and move the case by it, in one statement.

    What the code requires later is a deadline from now on: that the place of origin is told.
    Sent back a second time before anybody was told, they are to be told no later than before.
    """
    after = CaseState(str(values["state"]))
    within = REQUIREMENTS[Disposition(str(values["code"]))].origin_told_within
    place, stops = {"facility_id": facility_id}, ([Wait.ORIGIN] if within is None else [])
    moved = steps.entering(case, after, moment, place, None, *stops)
    if within is not None:
        kind, case_id = Wait.ORIGIN, case.case_id
        moved.append(deadlines.begin(case.hub_id, case_id, kind, case_id, moment + within))
    return await idempotent_facts.add(
        tx, DispositionRecord, who, disposition_id, values, moment, *moved, *changes
    )


def _require_person(who: Principal) -> None:
    if who.operator_id is None:
        raise Forbidden("Only a person on shift decides where a case goes.")


async def transition(
    tx: Transaction,
    who: Principal,
    case_id: UUID,
    form: CaseTransitionBody,
    in_force: FollowUpPolicy,
    at: datetime,
) -> Event:
    """Move a case on by an event that a person of the caller's roles may send.

    Raises `NotFound`, `Forbidden`, `IdReused`, `InvalidInput` for an event that needs a
    disposition, and `TransitionRefused` where the table has no such way, and for an end that
    does not fit where the case was sent, or comes too early.
    """
    if form.event in SENT_BY_DISPOSITION:
        raise InvalidInput(errors=[FieldFault("/event", "needs-disposition")])
    case = await steps.lock(tx, who.hub_id, case_id)
    earlier = await events.find(tx, case.hub_id, form.id)
    details: dict[str, object] = {
        "event": form.event.value,
        "at": form.at.isoformat(),
        "reason": form.reason,
    }
    if earlier is not None:
        same = earlier.kind == MOVED and earlier.subject_id == case_id
        if not same or details != {name: earlier.body.get(name) for name in details}:
            raise IdReused
        return earlier
    (step,) = steps.walk(who, case.state, [form.event])
    if form.event is CaseEvent.LOST:
        await follow_ups.require_failed_attempts(tx, case, in_force.policy.parameters)
    if form.event is CaseEvent.RETURNED:
        await origin_notices.require_sent_back(tx, case.hub_id, case_id)
    moment = case.after(at)
    if form.event is CaseEvent.EMERGENCY:
        await _send_in_emergency(tx, who, case, form, moment)
    else:
        await steps.move(tx, case, step.after, moment)
    happening = steps.moved_event(who, case, step, moment, details, form.id)
    await events.append_own(tx, happening)
    return happening


async def _send_in_emergency(
    tx: Transaction,
    who: Principal,
    case: LockedCase,
    form: CaseTransitionBody,
    moment: datetime,
) -> None:
    """Store where an emergency goes as the last disposition, whatever was decided before it.

    Else a receiver who takes the patient would answer for the disposition before, e.g. for
    isolation at home, and nobody would be asked for a result.
    """
    _require_person(who)
    values: dict[str, object] = {
        "case_id": case.case_id,
        "code": Disposition.EMERGENCY_CARE.value,
        "state": CaseState.IN_TRANSFER.value,
        "reason": form.reason,
        "decided_at": form.at,
        "particulars": {},
    }
    disposition_id = uuid5(form.id, f"{case.case_id} emergency")
    await _store(tx, who, case, disposition_id, values, moment, None)


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
            Event(
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
