"""Reminders and service acts outside a check: append-only facts, harmless to send again."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import array
from sqlalchemy.dialects.postgresql import insert as upsert

from twinstile.platform.auth import Principal
from twinstile.platform.db import Transaction
from twinstile.platform.errors import FieldFault, IdReused, InvalidInput, NotFound
from twinstile.screening.bodies import FactStatus
from twinstile.screening.tables import Reminder, Screening, ServiceAct
from twinstile.screening.types import ReminderKind, ServiceKind, ServiceOutcome


@dataclass(frozen=True, slots=True)
class Given:
    """A reminder: R1 belongs to a run, R2 to a checkpoint."""

    reminder_id: UUID
    kind: ReminderKind
    run_id: UUID | None
    checkpoint: str | None
    channel: str
    language: str
    given_at: datetime


@dataclass(frozen=True, slots=True)
class Act:
    """A service offered to one traveller."""

    act_id: UUID
    screening_id: UUID
    kind: ServiceKind
    outcome: ServiceOutcome
    given_at: datetime


async def remind(tx: Transaction, who: Principal, given: Given, at: datetime) -> FactStatus:
    """Record a reminder; everyone of the run inherits R1, screened before or after.

    Raises `InvalidInput` when kind and addressee do not fit, `IdReused` for other content.
    """
    place = "/run_id" if given.kind is ReminderKind.R1 else "/checkpoint"
    if (given.run_id is None) is (given.kind is ReminderKind.R1) or (
        given.checkpoint is None
    ) is (given.kind is ReminderKind.R2):
        raise InvalidInput(errors=[FieldFault(place, "missing")])
    content = {
        "kind": given.kind.value,
        "run_id": given.run_id,
        "checkpoint": given.checkpoint,
        "channel": given.channel,
        "language": given.language,
        "given_at": given.given_at,
    }
    entered = await tx.sql.execute(
        upsert(Reminder)
        .values(
            hub_id=who.hub_id,
            reminder_id=given.reminder_id,
            recorded_at=at,
            device_id=who.device_id,
            operator_id=who.operator_id,
            **content,
        )
        .on_conflict_do_nothing()
        .returning(Reminder.reminder_id)
    )
    if entered.one_or_none() is None:
        await _require_same(tx, who.hub_id, given)
        return FactStatus.DUPLICATE
    if given.run_id is not None:
        await tx.sql.execute(
            update(Screening)
            .where(
                Screening.hub_id == who.hub_id,
                Screening.run_id == given.run_id,
                ~Screening.reminders.contains([ReminderKind.R1.value]),
            )
            .values(reminders=Screening.reminders.op("||")(array([ReminderKind.R1.value])))
        )
    return FactStatus.STORED


async def _require_same(tx: Transaction, hub_id: str, given: Given) -> None:
    found = await tx.sql.execute(
        select(
            Reminder.kind,
            Reminder.run_id,
            Reminder.checkpoint,
            Reminder.channel,
            Reminder.language,
            Reminder.given_at,
        ).where(Reminder.hub_id == hub_id, Reminder.reminder_id == given.reminder_id)
    )
    if tuple(found.one()) != (
        given.kind.value,
        given.run_id,
        given.checkpoint,
        given.channel,
        given.language,
        given.given_at,
    ):
        raise IdReused


async def serve(tx: Transaction, who: Principal, act: Act, at: datetime) -> FactStatus:
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
