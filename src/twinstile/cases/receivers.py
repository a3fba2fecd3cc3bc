"""What receivers say when asked to take a patient, and how ill the patient is found."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Final
from uuid import UUID

from sqlalchemy import RowMapping, select, update

from twinstile.cases import deadlines, idempotent_facts, steps
from twinstile.cases.steps import LockedCase
from twinstile.cases.tables import (
    Acknowledgement,
    Assessment,
    DispositionRecord,
    FeverCase,
)
from twinstile.cases.types import Reply, Severity, Wait
from twinstile.platform.db.database import Reading, Transaction
from twinstile.platform.http.problems import (
    FieldFault,
    Forbidden,
    InvalidInput,
    NotFound,
    TransitionRefused,
)
from twinstile.platform.security.auth import Principal
from twinstile.platform.security.roles import Role

ACKNOWLEDGED: Final = "case.acknowledged"
ASSESSED: Final = "case.assessed"


@dataclass(frozen=True, slots=True)
class Said:
    """What a receiver said, as it was heard. `said_at` is by the sender's clock."""

    acknowledgement_id: UUID
    disposition_id: UUID
    reply: Reply
    reference: str | None
    reason: str | None
    said_at: datetime


@dataclass(frozen=True, slots=True)
class Found:
    """How ill somebody was found. `onset_on`: the day of the first symptom, if known."""

    assessment_id: UUID
    severity: Severity
    symptoms: tuple[str, ...]
    onset_on: date | None
    reason: str | None
    assessed_at: datetime


async def acknowledge(
    tx: Transaction, who: Principal, case_id: UUID, said: Said, at: datetime
) -> RowMapping:
    """Record what the receiver of the last disposition says.

    After a no somebody has to find another at once: that is waited for until the case is sent
    elsewhere. Raises `NotFound`, `IdReused`, `InvalidInput` for a no without a reason, and
    `TransitionRefused` when the case was closed or sent elsewhere since.
    """
    if said.reply is Reply.DECLINED and said.reason is None:
        raise InvalidInput(errors=[FieldFault("/reason", "missing")])
    case = await steps.lock(tx, who.hub_id, case_id)
    told: dict[str, object] = {
        "case_id": case_id,
        "disposition_id": said.disposition_id,
        "reply": said.reply.value,
        "reference": said.reference,
        "reason": said.reason,
        "said_at": said.said_at,
    }
    earlier = await idempotent_facts.find(
        tx, Acknowledgement, who.hub_id, said.acknowledgement_id, told
    )
    if earlier is not None:
        return earlier
    await _require_last(tx, case, said.disposition_id)
    row = await idempotent_facts.add(
        tx, Acknowledgement, who, said.acknowledgement_id, told, at
    )
    if said.reply is Reply.DECLINED:
        await deadlines.start(tx, who.hub_id, case_id, Wait.RECEIVER, case_id, at)
    else:
        await deadlines.stop(tx, who.hub_id, Wait.RECEIVER, case_id)
    body: dict[str, object] = {
        "disposition_id": str(said.disposition_id),
        "reply": said.reply.value,
    }
    await steps.announce(tx, who, case, ACKNOWLEDGED, at, body)
    return row


async def assess(
    tx: Transaction, who: Principal, case_id: UUID, found: Found, at: datetime
) -> RowMapping:
    """Record how ill the patient is. Anybody who writes cases may raise it, a medic lower it.

    Raises `NotFound`, `IdReused`, `Forbidden` for somebody else who lowers it, `InvalidInput`
    for a lowering without a reason, `TransitionRefused` for a closed case.
    """
    case = await steps.lock(tx, who.hub_id, case_id)
    told: dict[str, object] = {
        "case_id": case_id,
        "severity": found.severity.value,
        "symptoms": list(found.symptoms),
        "onset_on": found.onset_on,
        "reason": found.reason,
        "assessed_at": found.assessed_at,
    }
    earlier = await idempotent_facts.find(tx, Assessment, who.hub_id, found.assessment_id, told)
    if earlier is not None:
        return earlier
    if case.state.terminal:
        raise TransitionRefused(f"The case is {case.state}.")
    lowered = case.severity is not None and found.severity.rank < case.severity.rank
    if lowered and Role.MEDIC not in who.roles:
        raise Forbidden("Only a clinician finds a patient less ill than before.")
    if lowered and found.reason is None:
        raise InvalidInput(errors=[FieldFault("/reason", "missing")])
    row = await idempotent_facts.add(tx, Assessment, who, found.assessment_id, told, at)
    await tx.sql.execute(
        update(FeverCase)
        .where(FeverCase.hub_id == case.hub_id, FeverCase.case_id == case_id)
        .values(severity=found.severity.value)
    )
    body: dict[str, object] = {
        "before": case.severity,
        "severity": found.severity.value,
    }
    await steps.announce(tx, who, case, ASSESSED, at, body)
    return row


async def _require_last(tx: Reading, case: LockedCase, disposition_id: UUID) -> None:
    if case.state.terminal:
        raise TransitionRefused(f"The case is {case.state}.")
    found = await tx.sql.execute(
        select(DispositionRecord.disposition_id)
        .where(
            DispositionRecord.hub_id == case.hub_id, DispositionRecord.case_id == case.case_id
        )
        .order_by(DispositionRecord.recorded_at.desc(), DispositionRecord.disposition_id.desc())
    )
    sent = found.scalars().all()
    if disposition_id not in sent:
        raise NotFound("There is no such disposition.")
    if disposition_id != sent[0]:
        raise TransitionRefused("The case was sent elsewhere since.")
