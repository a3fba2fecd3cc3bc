"""Handover: a receiver answers whether the patient has come, and the hub signs that answer.

The signature is over the document as it is stored, so a receipt can be shown and checked years
later, by whoever has the hub's public key.
"""

import asyncio
import json
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from pydantic import Field
from sqlalchemy import RowMapping, select, update
from uuid_utils.compat import uuid7

from twinstile.cases import (
    capability_links,
    deadlines,
    follow_up_schedule,
    steps,
    transfers,
)
from twinstile.cases.disposition_requirements import REQUIREMENTS
from twinstile.cases.steps import LockedCase
from twinstile.cases.tables import FeverCase, HandoverReceipt, Leg
from twinstile.cases.types import (
    CaseEvent,
    Disposition,
    Handover,
    LegEnding,
    LinkKind,
    Via,
    Wait,
)
from twinstile.platform.db import idempotent_facts
from twinstile.platform.db.database import Reading, Transaction
from twinstile.platform.db.idempotent_facts import FactSource, RecordedBy
from twinstile.platform.http.field_types import Body, Line, Moment, Word
from twinstile.platform.http.problems import FieldFault, InvalidInput, TransitionRefused
from twinstile.platform.keys import signing
from twinstile.platform.keys.data_keys import KeyFiles, KeyRing
from twinstile.platform.ledger import events
from twinstile.platform.security.auth import Principal

HANDOVER: Final = "case.handover"
LAST_WORD: Final = frozenset({Handover.HERE, Handover.REFUSED})
"""Answers after which a link asks nothing any more. Who is not here may still come."""


class HandoverReceiptBody(Body):
    answer: Handover
    signed_by: Word = Field(
        description="who says so: a duty number or an office", examples=["ward 3"]
    )
    reason: Line | None = Field(default=None, description="needed with `REFUSED`")
    said_at: Moment


@dataclass(frozen=True, slots=True)
class HandoverQuestion:
    """What the holder of a link sees: never who the patient is."""

    case_no: str
    receiver: str
    vehicle_no: str | None
    expected_at: datetime
    receipt: RowMapping | None
    """The last word, if it was said."""


async def by_staff(
    tx: Transaction,
    keys: KeyFiles,
    who: Principal,
    case_id: UUID,
    leg_id: UUID,
    receipt_id: UUID,
    form: HandoverReceiptBody,
    at: datetime,
) -> RowMapping:
    """Record what somebody on duty heard of a receiver. Raises as `_record`."""
    _require_reason(form)
    case = await steps.lock(tx, who.hub_id, case_id)
    return await _record(tx, keys, who, case, leg_id, receipt_id, form, at)


async def by_link(
    tx: Transaction,
    keys: KeyRing,
    token: str,
    receipt_id: UUID,
    form: HandoverReceiptBody,
    at: datetime,
) -> RowMapping:
    """Record what the holder of a link answers; after a last word that word again.

    Raises `NoSuchLink`, `TooMany` for the same first word again and again, and as `_record`.
    """
    _require_reason(form)
    opened = await capability_links.resolve(tx, LinkKind.HANDOVER, token, at)
    case = await steps.lock(tx, opened.hub_id, opened.case_id)
    last = await _last_word(tx, case.hub_id, opened.subject_id)
    if last is not None:
        return last
    if form.answer not in LAST_WORD:
        said = (
            HandoverReceipt.leg_id == opened.subject_id,
            HandoverReceipt.via == Via.LINK.value,
        )
        await idempotent_facts.require_few(
            tx, HandoverReceipt, case.hub_id, receipt_id, at, *said
        )
    own = keys.of(opened.hub_id)
    source = RecordedBy(opened.hub_id)
    return await _record(tx, own, source, case, opened.subject_id, receipt_id, form, at)


async def question(tx: Reading, token: str, at: datetime) -> HandoverQuestion:
    """What the holder of a link is asked. Raises `NoSuchLink`."""
    opened = await capability_links.resolve(tx, LinkKind.HANDOVER, token, at)
    leg = await transfers.of_id(tx, opened.hub_id, opened.case_id, opened.subject_id)
    return HandoverQuestion(
        leg["case_no"],
        leg["receiver"],
        leg["vehicle_no"],
        leg["expected_at"],
        await _last_word(tx, opened.hub_id, opened.subject_id),
    )


async def _last_word(tx: Reading, hub_id: str, leg_id: UUID) -> RowMapping | None:
    found = await tx.sql.execute(
        select(HandoverReceipt.__table__)
        .where(
            HandoverReceipt.hub_id == hub_id,
            HandoverReceipt.leg_id == leg_id,
            HandoverReceipt.answer.in_(LAST_WORD),
        )
        .order_by(HandoverReceipt.recorded_at)
        .limit(1)
    )
    return found.mappings().one_or_none()


async def _record(
    tx: Transaction,
    keys: KeyFiles,
    who: FactSource,
    case: LockedCase,
    leg_id: UUID,
    receipt_id: UUID,
    form: HandoverReceiptBody,
    at: datetime,
) -> RowMapping:
    """Record an answer, and move the case where the patient is if it is about the last way.

    Raises `NotFound`, `IdReused`, `InvalidInput` for a refusal without a reason, and
    `TransitionRefused` when the last word about this way was said.
    """
    via = Via.LINK if who.device_id is None else Via.STAFF
    leg = await transfers.of_id(tx, case.hub_id, case.case_id, leg_id)
    values = idempotent_facts.columns(
        HandoverReceipt, form, case_id=case.case_id, leg_id=leg_id, via=via.value
    )
    earlier = await idempotent_facts.find(tx, HandoverReceipt, case.hub_id, receipt_id, values)
    if earlier is not None:
        return earlier
    if await _last_word(tx, case.hub_id, leg_id) is not None:
        raise TransitionRefused("The receiver has form for this way.")
    moment = case.after(at)
    signed = await _signed(keys, case, leg, receipt_id, form, moment)
    row = await idempotent_facts.add(
        tx, HandoverReceipt, who, receipt_id, values | signed, moment
    )
    if leg["ended_at"] is None:
        await _go_on(tx, who, case, form.answer, moment)
    if form.answer in LAST_WORD:
        await _end(tx, case, leg_id, form.answer, moment)
    body: dict[str, object] = {
        "leg_id": str(leg_id),
        "answer": form.answer.value,
        "via": via.value,
    }
    await steps.announce(tx, who, case, HANDOVER, moment, body)
    return row


def _require_reason(form: HandoverReceiptBody) -> None:
    if form.answer is Handover.REFUSED and form.reason is None:
        raise InvalidInput(errors=[FieldFault("/reason", "missing")])


async def _signed(
    keys: KeyFiles,
    case: LockedCase,
    leg: RowMapping,
    receipt_id: UUID,
    form: HandoverReceiptBody,
    moment: datetime,
) -> dict[str, object]:
    document = json.dumps(
        {
            "answer": form.answer.value,
            "case_no": case.case_no,
            "hub": case.hub_id,
            "leg_id": str(leg["leg_id"]),
            "receipt_id": str(receipt_id),
            "receiver": leg["receiver"],
            "recorded_at": moment.isoformat(),
            "said_at": form.said_at.isoformat(),
            "signed_by": form.signed_by,
        },
        ensure_ascii=False,
        sort_keys=True,
    )
    signer = await asyncio.to_thread(signing.signer, keys)
    signature = signer.sign(document.encode())
    return {"document": document, "key_id": signer.key_id, "signature": signature}


async def _go_on(
    tx: Transaction, who: FactSource, case: LockedCase, answer: Handover, moment: datetime
) -> None:
    """What the answer means for a case whose patient is on the way."""
    match answer:
        case Handover.HERE:
            event = await _acknowledged_by(tx, case)
            step = steps.walk_by_system(case.state, event)
            await steps.move(tx, case, step.after, moment)
            told: dict[str, object] = {"at": moment.isoformat()}
            await events.append(tx, [steps.moved_event(who, case, step, moment, told, uuid7())])
        case Handover.NOT_HERE:
            await tx.sql.execute(
                update(FeverCase)
                .where(FeverCase.hub_id == case.hub_id, FeverCase.case_id == case.case_id)
                .values(due_at=moment)
            )
        case Handover.REFUSED:
            await deadlines.start(
                tx, case.hub_id, case.case_id, Wait.RECEIVER, case.case_id, moment
            )


async def _acknowledged_by(tx: Reading, case: LockedCase) -> CaseEvent:
    """The event by which the receiver of the last disposition answers for the patient."""
    sent = await follow_up_schedule.last_disposition(tx, case.hub_id, case.case_id)
    code = sent[1] if sent else Disposition.EMERGENCY_CARE
    return REQUIREMENTS[code].acknowledged_by


async def _end(
    tx: Transaction, case: LockedCase, leg_id: UUID, answer: Handover, moment: datetime
) -> None:
    """The way has ended with the last word, or had before nobody signed for it."""
    ending = LegEnding.HANDED_OVER if answer is Handover.HERE else LegEnding.REFUSED
    await tx.sql.execute(
        update(Leg)
        .where(
            Leg.hub_id == case.hub_id,
            Leg.leg_id == leg_id,
            Leg.ending.is_(None) | Leg.ending.in_((LegEnding.UNSIGNED, LegEnding.MERGED)),
        )
        .values(ended_at=moment, ending=ending.value)
    )
