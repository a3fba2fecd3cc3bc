"""When a patient is to be contacted: from when somebody answers for them until nobody does.

The schedule is that of the last disposition (`FollowUp`); in isolation it is that of the plan,
which was made by the policy in force when it was ordered.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Final
from uuid import UUID, uuid4, uuid5
from zoneinfo import ZoneInfo

from sqlalchemy import RowMapping, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from twinstile.cases import deadlines
from twinstile.cases.disposition_requirements import REQUIREMENTS, DispositionBody, FollowUp
from twinstile.cases.follow_up_tables import CasePlan, FollowUpTask
from twinstile.cases.tables import DispositionRecord
from twinstile.cases.types import ContactPurpose, Disposition, Wait
from twinstile.platform.db.database import Reading, Transaction
from twinstile.platform.db.idempotent_facts import Change
from twinstile.policy.types import HubPolicy

CALLED_AT: Final = time(9)
"""By the hub's clock."""
GRACE: Final = timedelta(hours=2)
"""After a contact was due, until it rings."""
OVER: Final = "OVER"
_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class FollowUpPolicy:
    """What of the policy and the hub following up goes by."""

    policy: HubPolicy
    zone: ZoneInfo


@dataclass(frozen=True, slots=True)
class ScheduledContact:
    """A contact to be made."""

    kind: ContactPurpose
    day: int
    at: datetime


def contacts(
    follow_up: FollowUp, plan: RowMapping | None, since: datetime
) -> Iterator[ScheduledContact]:
    """The contacts of a schedule that begins at that moment, in order. Pure."""
    match follow_up:
        case FollowUp.NONE:
            return
        case FollowUp.HOSPITAL_RESULT:
            yield ScheduledContact(ContactPurpose.RESULT, 1, since + _DAY)
        case FollowUp.CLINIC_CALLS:
            yield ScheduledContact(ContactPurpose.CALL, 1, since + _DAY)
            yield ScheduledContact(ContactPurpose.CALL, 2, since + 2 * _DAY)
        case FollowUp.ORIGIN_ACKNOWLEDGES:
            yield ScheduledContact(ContactPurpose.ORIGIN, 1, since + _DAY)
        case FollowUp.DAILY:
            if plan is None:
                return
            first: datetime = plan["first_call_at"]
            tests: Sequence[int] = plan["test_days"]
            for day in range(int(plan["days"]) + 1):
                if (at := first + day * _DAY) > since:
                    yield ScheduledContact(
                        ContactPurpose.TEST if day in tests else ContactPurpose.CALL, day, at
                    )


def following(kind: ContactPurpose, day: int, at: datetime) -> ScheduledContact:
    """The contact after the last of a schedule that was made at that moment. Pure."""
    return ScheduledContact(
        ContactPurpose.CALL if kind is ContactPurpose.TEST else kind, day + 1, at + _DAY
    )


def plan(
    case_id: UUID,
    disposition_id: UUID,
    hub_id: str,
    form: DispositionBody,
    in_force: FollowUpPolicy,
    at: datetime,
) -> list[Change]:
    """Plan how long somebody is followed, if the code has days that count."""
    isolation = in_force.policy.parameters.isolation.get(form.code)
    anchor, day = form.particulars.anchor, form.particulars.anchor_date
    if isolation is None or anchor is None or day is None:
        return []
    return [
        insert(CasePlan).values(
            hub_id=hub_id,
            disposition_id=disposition_id,
            case_id=case_id,
            anchor=anchor.value,
            anchor_date=day,
            days=isolation.days,
            test_days=list(isolation.test_days),
            first_call_at=datetime.combine(day, CALLED_AT, in_force.zone),
            policy_version=in_force.policy.version,
            recorded_at=at,
        )
    ]


def over(hub_id: str, case_id: UUID, moment: datetime) -> Change:
    """End the schedule of a case that nobody answers for."""
    return (
        update(FollowUpTask)
        .where(
            FollowUpTask.hub_id == hub_id,
            FollowUpTask.case_id == case_id,
            FollowUpTask.done_at.is_(None),
        )
        .values(done_at=moment, outcome=OVER)
    )


async def begin(tx: Transaction, hub_id: str, case_id: UUID, moment: datetime) -> None:
    """Begin the schedule of a case that somebody answers for from now on."""
    sent = await last_disposition(tx, hub_id, case_id)
    if sent is None:
        return
    disposition_id, code = sent
    found = await tx.sql.execute(
        select(CasePlan.__table__).where(
            CasePlan.hub_id == hub_id, CasePlan.disposition_id == disposition_id
        )
    )
    whole = found.mappings().one_or_none()
    due = list(contacts(REQUIREMENTS[code].follow_up, whole, moment))
    await _add(tx, hub_id, case_id, disposition_id, due)
    await wait(tx, hub_id, case_id, ScheduledContact(ContactPurpose.CALL, 1, moment + _DAY))


async def last_disposition(
    tx: Reading, hub_id: str, *case_ids: UUID
) -> tuple[UUID, Disposition] | None:
    """The last disposition of a case, by its id and code; None: it was sent nowhere yet.

    Of several, which are one patient's, the last of all.
    """
    found = await tx.sql.execute(
        select(DispositionRecord.disposition_id, DispositionRecord.code)
        .where(DispositionRecord.hub_id == hub_id, DispositionRecord.case_id.in_(case_ids))
        .order_by(DispositionRecord.recorded_at.desc(), DispositionRecord.disposition_id.desc())
        .limit(1)
    )
    row = found.one_or_none()
    return None if row is None else (row[0], Disposition(row[1]))


async def _add(
    tx: Transaction, hub_id: str, case_id: UUID, of: UUID, due: Sequence[ScheduledContact]
) -> None:
    """Schedule contacts; one that is there already (same kind and day) stays as it is."""
    if not due:
        return
    rows = [
        {
            "hub_id": hub_id,
            "follow_up_id": uuid5(of, f"{one.kind} {one.day}"),
            "case_id": case_id,
            "kind": one.kind.value,
            "day": one.day,
            "due_at": one.at,
            "attempts": 0,
        }
        for one in due
    ]
    await tx.sql.execute(upsert(FollowUpTask).values(rows).on_conflict_do_nothing())


async def wait(
    tx: Transaction, hub_id: str, case_id: UUID, otherwise: ScheduledContact
) -> None:
    """Wait for the next contact of the case; where none is left to be made, for that one.

    So nobody who is followed is without a next contact, whatever the schedule was, and whoever
    cannot be reached any more can be found to be lost.
    """
    found = await tx.sql.execute(
        select(FollowUpTask.due_at)
        .where(
            FollowUpTask.hub_id == hub_id,
            FollowUpTask.case_id == case_id,
            FollowUpTask.done_at.is_(None),
        )
        .order_by(FollowUpTask.due_at)
        .limit(1)
    )
    due_at = found.scalar_one_or_none()
    if due_at is None:
        await _add(tx, hub_id, case_id, uuid4(), [otherwise])
        due_at = otherwise.at
    await deadlines.start(tx, hub_id, case_id, Wait.FOLLOW_UP, case_id, due_at + GRACE)
