"""Somebody is sent back: the place they come from is told, in time, or it rings."""

from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import RowMapping, exists, update
from sqlalchemy.orm import aliased

from twinstile.cases import deadlines, episodes, follow_up_schedule, steps
from twinstile.cases.bodies import OriginNoticeBody
from twinstile.cases.disposition_requirements import REQUIREMENTS
from twinstile.cases.steps import LockedCase
from twinstile.cases.tables import CaseWait, OriginNotice
from twinstile.cases.types import CaseEvent, Wait
from twinstile.platform.db import idempotent_facts
from twinstile.platform.db.database import Reading, Transaction
from twinstile.platform.http.problems import TransitionRefused
from twinstile.platform.security.auth import Principal

TOLD: Final = "case.origin-told"


async def return_disposition(tx: Reading, hub_id: str, case_id: UUID) -> UUID | None:
    """The disposition by which the patient of a case is sent back; None: they are not.

    It is the case's last, or the last of all if others were merged into it.
    """
    for cases in ([case_id], await episodes.case_ids(tx, hub_id, case_id)):
        sent = await follow_up_schedule.last_disposition(tx, hub_id, *cases)
        if sent is not None and CaseEvent.RETURNED in REQUIREMENTS[sent[1]].closes_by:
            return sent[0]
    return None


async def require_sent_back(tx: Reading, hub_id: str, case_id: UUID) -> UUID:
    """As `return_disposition`. Raises `TransitionRefused` where they are not."""
    sent = await return_disposition(tx, hub_id, case_id)
    if sent is None:
        raise TransitionRefused("The patient is not sent back.")
    return sent


async def on_merge(tx: Transaction, gone: LockedCase, into: LockedCase) -> None:
    """Wait for it in the case that goes on, if the other one was sent back last of the two."""
    sent = await follow_up_schedule.last_disposition(tx, gone.hub_id, gone.case_id)
    if sent == await follow_up_schedule.last_disposition(
        tx, gone.hub_id, gone.case_id, into.case_id
    ):
        await _hand_over(tx, gone.hub_id, gone.case_id, into.case_id)


async def on_split(tx: Transaction, hub_id: str, case_id: UUID, other_id: UUID) -> None:
    """Wait for it in the other case, if it was for that one's patient that this one waited."""
    if await return_disposition(tx, hub_id, case_id) is None:
        await _hand_over(tx, hub_id, case_id, other_id)


async def _hand_over(tx: Transaction, hub_id: str, from_id: UUID, to_id: UUID) -> None:
    """Let the other case wait in its place, unless that waits for its own."""
    other = aliased(CaseWait)
    same = (other.hub_id == hub_id, other.kind == Wait.ORIGIN.value)
    await tx.sql.execute(
        update(CaseWait)
        .where(
            CaseWait.hub_id == hub_id,
            CaseWait.kind == Wait.ORIGIN.value,
            CaseWait.subject_id == from_id,
            ~exists().where(*same, other.subject_id == to_id),
        )
        .values(subject_id=to_id, case_id=to_id)
    )
    await deadlines.stop(tx, hub_id, Wait.ORIGIN, from_id)


async def record(
    tx: Transaction,
    who: Principal,
    case_id: UUID,
    notice_id: UUID,
    form: OriginNoticeBody,
    at: datetime,
) -> RowMapping:
    """Record that the place of origin was told: nobody waits for it any more.

    Raises `NotFound`, `IdReused`, and `TransitionRefused` for a case that was not sent back.
    """
    case = await steps.lock(tx, who.hub_id, case_id)
    values = idempotent_facts.columns(OriginNotice, form, case_id=case_id)
    earlier = await idempotent_facts.find(tx, OriginNotice, who.hub_id, notice_id, values)
    if earlier is not None:
        return earlier
    values["disposition_id"] = await require_sent_back(tx, who.hub_id, case_id)
    row = await idempotent_facts.add(tx, OriginNotice, who, notice_id, values, at)
    await deadlines.stop(tx, who.hub_id, Wait.ORIGIN, case_id)
    await steps.announce(tx, who, case, TOLD, at, {"by": form.by.value})
    return row
