"""Reminders and service acts outside a check: append-only facts, harmless to send again."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from twinstile.platform.db.database import Transaction
from twinstile.platform.http.problems import FieldFault, IdReused, InvalidInput, NotFound
from twinstile.platform.security.auth import Principal
from twinstile.policy import versions
from twinstile.policy.versions import Policies
from twinstile.screening import inheritance
from twinstile.screening.attribution import CLOCK_TOLERANCE
from twinstile.screening.bodies import FactStatus
from twinstile.screening.tables import Reminder, Screening, ServiceAct
from twinstile.screening.types import ReminderKind, ServiceKind, ServiceOutcome

LONGEST: Final = timedelta(hours=4)
"""How long one reminder may go on: whoever tells of more tells of several."""


@dataclass(frozen=True, slots=True)
class ReminderFact:
    """A reminder: R1 belongs to a run, R2 to a checkpoint."""

    reminder_id: UUID
    kind: ReminderKind
    run_id: UUID | None
    checkpoint: str | None
    channel: str
    language: str
    given_at: datetime
    until: datetime | None = None
    """Of one that went on for a while: its end."""


@dataclass(frozen=True, slots=True)
class ServiceFact:
    """A service offered to one traveller."""

    act_id: UUID
    screening_id: UUID
    kind: ServiceKind
    outcome: ServiceOutcome
    given_at: datetime


async def remind(
    tx: Transaction, policies: Policies, who: Principal, reminder: ReminderFact, at: datetime
) -> FactStatus:
    """Record a reminder; whoever it reached inherits it, screened before or after.

    R1 reaches everyone of the run; R2 those who come to the checkpoint while it is given and
    for `reminder_minutes` of the policy then. Raises `InvalidInput` when kind and addressee do
    not fit, or for a time that has not passed yet; `IdReused` for other content.
    """
    _require_sense(reminder, at)
    content = {
        "kind": reminder.kind.value,
        "run_id": reminder.run_id,
        "checkpoint": reminder.checkpoint,
        "channel": reminder.channel,
        "language": reminder.language,
        "given_at": reminder.given_at,
        "until": reminder.until,
    }
    entered = await tx.sql.execute(
        upsert(Reminder)
        .values(
            hub_id=who.hub_id,
            reminder_id=reminder.reminder_id,
            recorded_at=at,
            device_id=who.device_id,
            operator_id=who.operator_id,
            **content,
        )
        .on_conflict_do_nothing()
        .returning(Reminder.reminder_id)
    )
    if entered.one_or_none() is None:
        await _require_same(tx, who.hub_id, reminder)
        return FactStatus.DUPLICATE
    if reminder.run_id is not None:
        await inheritance.reach_run(tx, who.hub_id, reminder.run_id)
    if reminder.checkpoint is not None:
        version = await versions.in_force(tx, who.hub_id, reminder.given_at)
        figures = (await policies.get(tx, who.hub_id, version)).parameters
        end = (reminder.until or reminder.given_at) + timedelta(
            minutes=figures.reminder_minutes
        )
        at_place = (reminder.checkpoint, reminder.given_at, end)
        await inheritance.reach_checkpoint(tx, who.hub_id, *at_place)
    return FactStatus.STORED


def _require_sense(reminder: ReminderFact, at: datetime) -> None:
    """An end is told once it has passed: what is yet to come is a plan and no evidence."""
    place = "/run_id" if reminder.kind is ReminderKind.R1 else "/checkpoint"
    if (reminder.run_id is None) is (reminder.kind is ReminderKind.R1) or (
        reminder.checkpoint is None
    ) is (reminder.kind is ReminderKind.R2):
        raise InvalidInput(errors=[FieldFault(place, "missing")])
    if reminder.until is not None and not (
        reminder.given_at < reminder.until <= reminder.given_at + LONGEST
        and reminder.until <= at + CLOCK_TOLERANCE
    ):
        raise InvalidInput(errors=[FieldFault("/until", "out-of-range")])


async def _require_same(tx: Transaction, hub_id: str, reminder: ReminderFact) -> None:
    found = await tx.sql.execute(
        select(
            Reminder.kind,
            Reminder.run_id,
            Reminder.checkpoint,
            Reminder.channel,
            Reminder.language,
            Reminder.given_at,
            Reminder.until,
        ).where(Reminder.hub_id == hub_id, Reminder.reminder_id == reminder.reminder_id)
    )
    if tuple(found.one()) != (
        reminder.kind.value,
        reminder.run_id,
        reminder.checkpoint,
        reminder.channel,
        reminder.language,
        reminder.given_at,
        reminder.until,
    ):
        raise IdReused


async def serve(tx: Transaction, who: Principal, act: ServiceFact, at: datetime) -> FactStatus:
    """Record a service act. Raises `NotFound` for an unknown screening, `IdReused`."""
    locked = await tx.sql.execute(
        select(Screening.services)
        .where(Screening.hub_id == who.hub_id, Screening.screening_id == act.screening_id)
        .with_for_update(key_share=True)
    )
    services = locked.scalar_one_or_none()
    if services is None:
        raise NotFound("There is no such screening.")
    entered = await tx.sql.execute(
        upsert(ServiceAct)
        .values(
            hub_id=who.hub_id,
            act_id=act.act_id,
            screening_id=act.screening_id,
            kind=act.kind.value,
            outcome=act.outcome.value,
            given_at=act.given_at,
            recorded_at=at,
            device_id=who.device_id,
            operator_id=who.operator_id,
        )
        .on_conflict_do_nothing()
        .returning(ServiceAct.act_id)
    )
    if entered.one_or_none() is None:
        found = await tx.sql.execute(
            select(ServiceAct.screening_id, ServiceAct.kind, ServiceAct.outcome).where(
                ServiceAct.hub_id == who.hub_id, ServiceAct.act_id == act.act_id
            )
        )
        if tuple(found.one()) != (act.screening_id, act.kind.value, act.outcome.value):
            raise IdReused
        return FactStatus.DUPLICATE
    if act.kind.value not in services:
        await tx.sql.execute(
            update(Screening)
            .where(Screening.hub_id == who.hub_id, Screening.screening_id == act.screening_id)
            .values(services=sorted({*services, act.kind.value}))
        )
    return FactStatus.STORED
