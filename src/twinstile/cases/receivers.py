"""What receivers say when asked to take a patient, and how ill the patient is found."""

from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import RowMapping, select, update

from twinstile.cases import deadlines, steps
from twinstile.cases.bodies import AcknowledgementBody, AssessmentBody
from twinstile.cases.steps import LockedCase
from twinstile.cases.tables import (
    Acknowledgement,
    ClinicalAssessment,
    DispositionRecord,
    FeverCase,
)
from twinstile.cases.types import Reply, Wait
from twinstile.platform.db import idempotent_facts
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


async def acknowledge(
    tx: Transaction,
    who: Principal,
    case_id: UUID,
    disposition_id: UUID,
    acknowledgement_id: UUID,
    form: AcknowledgementBody,
    at: datetime,
) -> RowMapping:
    """Record what the receiver of the last disposition says.

    After a no somebody has to find another at once: that is waited for until the case is sent
    elsewhere. Raises `NotFound`, `IdReused`, `InvalidInput` for a no without a reason, and
    `TransitionRefused` when the case was closed or sent elsewhere since.
    """
    if form.reply is Reply.DECLINED and form.reason is None:
        raise InvalidInput(errors=[FieldFault("/reason", "missing")])
    case = await steps.lock(tx, who.hub_id, case_id)
    values = idempotent_facts.columns(
        Acknowledgement, form, case_id=case_id, disposition_id=disposition_id
    )
    earlier = await idempotent_facts.find(
        tx, Acknowledgement, who.hub_id, acknowledgement_id, values
    )
    if earlier is not None:
        return earlier
    await _require_last(tx, case, disposition_id)
    row = await idempotent_facts.add(tx, Acknowledgement, who, acknowledgement_id, values, at)
    if form.reply is Reply.DECLINED:
        await deadlines.start(tx, who.hub_id, case_id, Wait.RECEIVER, case_id, at)
    else:
        await deadlines.stop(tx, who.hub_id, Wait.RECEIVER, case_id)
    body = {"disposition_id": str(disposition_id), "reply": form.reply.value}
    await steps.announce(tx, who, case, ACKNOWLEDGED, at, body)
    return row


async def assess(
    tx: Transaction,
    who: Principal,
    case_id: UUID,
    assessment_id: UUID,
    form: AssessmentBody,
    at: datetime,
) -> RowMapping:
    """Record how ill the patient is. Anybody who writes cases may raise it, a medic lower it.

    Raises `NotFound`, `IdReused`, `Forbidden` for somebody else who lowers it, `InvalidInput`
    for a lowering without a reason, `TransitionRefused` for a closed case.
    """
    case = await steps.lock(tx, who.hub_id, case_id)
    values = idempotent_facts.columns(ClinicalAssessment, form, case_id=case_id)
    earlier = await idempotent_facts.find(
        tx, ClinicalAssessment, who.hub_id, assessment_id, values
    )
    if earlier is not None:
        return earlier
    if case.state.terminal:
        raise TransitionRefused(f"The case is {case.state}.")
    lowered = case.severity is not None and form.severity.rank < case.severity.rank
    if lowered and Role.MEDIC not in who.roles:
        raise Forbidden("Only a clinician finds a patient less ill than before.")
    if lowered and form.reason is None:
        raise InvalidInput(errors=[FieldFault("/reason", "missing")])
    worse = (
        update(FeverCase)
        .where(FeverCase.hub_id == case.hub_id, FeverCase.case_id == case_id)
        .values(severity=form.severity.value)
    )
    row = await idempotent_facts.add(
        tx, ClinicalAssessment, who, assessment_id, values, at, worse
    )
    body = {"before": case.severity, "severity": form.severity.value}
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
