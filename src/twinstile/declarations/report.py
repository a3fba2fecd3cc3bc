"""A traveller's own report: what was said, the passage it counted for, what was disputed."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import cast

from sqlalchemy import RowMapping, select

from twinstile.declarations import appeals, store
from twinstile.declarations.appeals import Disputed
from twinstile.declarations.codes import Receipt
from twinstile.declarations.types import Answers, DeclarationSummary
from twinstile.platform.db.database import Reading
from twinstile.platform.keys.data_keys import KeyFiles
from twinstile.policy import versions
from twinstile.policy.versions import Policies
from twinstile.screening.tables import Check, Screening


@dataclass(frozen=True, slots=True)
class VisitSummary:
    """A passage as its traveller may know it: no rule, no reason and nobody's word."""

    state: str
    checkpoint: str | None
    opened_at: datetime
    closed_at: datetime | None
    reminders: list[str]
    verifications: list[str]
    services: list[str]
    measures: list[dict[str, object]]


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that is kept under a receipt."""

    head: DeclarationSummary
    answers: Answers
    words: list[RowMapping]
    kept_until: date
    passage: VisitSummary | None
    appeals: list[Disputed]


async def kept_until(
    tx: Reading, policies: Policies, hub_id: str, day: date, at: datetime
) -> date:
    """The last day that what was received on a day is kept on."""
    policy = await policies.get(tx, hub_id, await versions.in_force(tx, hub_id, at))
    return day + timedelta(days=policy.parameters.retention_days)


async def read(
    tx: Reading,
    keys: KeyFiles,
    policies: Policies,
    hub_id: str,
    receipt: Receipt,
    at: datetime,
) -> Report:
    """The report of a receipt. Raises `Unauthenticated`, `KeyDestroyed`."""
    head = await store.declaration_of_receipt(tx, hub_id, receipt)
    return Report(
        head,
        await store.answers(tx, keys, hub_id, head),
        await store.history(tx, hub_id, head),
        await kept_until(tx, policies, hub_id, head.day, at),
        await _passage(tx, hub_id, head),
        await appeals.of_declaration(tx, keys, hub_id, head),
    )


async def _passage(tx: Reading, hub_id: str, head: DeclarationSummary) -> VisitSummary | None:
    if head.screening_id is None:
        return None
    found = await tx.sql.execute(
        select(
            Screening.state,
            Screening.checkpoint,
            Screening.opened_at,
            Screening.closed_at,
            Screening.reminders,
            Screening.verifications,
            Screening.services,
        ).where(Screening.hub_id == hub_id, Screening.screening_id == head.screening_id)
    )
    row = found.one_or_none()
    if row is None:
        return None
    ordered = await tx.sql.execute(
        select(Check.measures)
        .where(Check.hub_id == hub_id, Check.screening_id == head.screening_id)
        .order_by(Check.received_at.desc(), Check.id.desc())
        .limit(1)
    )
    measures = ordered.scalar_one_or_none() or []
    state, checkpoint, opened_at, closed_at, reminders, verifications, services = row
    return VisitSummary(
        state,
        checkpoint,
        opened_at,
        closed_at,
        reminders,
        verifications,
        services,
        cast("list[dict[str, object]]", measures),
    )
