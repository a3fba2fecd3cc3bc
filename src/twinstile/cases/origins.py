"""Somebody is sent back: the place they come from is told, in time, or it rings."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import RowMapping

from twinstile.cases import kept, schedule, steps, waits
from twinstile.cases.steps import Locked
from twinstile.cases.tables import OriginNotice
from twinstile.cases.terms import TERMS
from twinstile.cases.types import Disposition, Means, Wait
from twinstile.platform.auth import Principal
from twinstile.platform.db import Transaction
from twinstile.platform.errors import TransitionRefused

TOLD: Final = "case.origin-told"


@dataclass(frozen=True, slots=True)
class Told:
    """Which office was told, and how. `told_at` is by the sender's clock."""

    notice_id: UUID
    office: str
    by: Means
    reference: str | None
    told_at: datetime


async def await_notice(
    tx: Transaction, case: Locked, code: Disposition, moment: datetime
) -> None:
    """Wait for the place of origin to be told, if a case sent there asks for it.

    Sent back a second time before anybody was told, they are to be told no later than before.
    """
    within = TERMS[code].origin_told_within
    if within is None:
        await waits.stop(tx, case.hub_id, Wait.ORIGIN, case.case_id)
    else:
        await waits.begin(
            tx, case.hub_id, case.case_id, Wait.ORIGIN, case.case_id, moment + within
        )


async def record(
    tx: Transaction, who: Principal, case_id: UUID, told: Told, at: datetime
) -> RowMapping:
    """Record that the place of origin was told: nobody waits for it any more.

    Raises `NotFound`, `IdReused`, and `TransitionRefused` for a case that was not sent back.
    """
    case = await steps.lock(tx, who.hub_id, case_id)
    said: dict[str, object] = {
        "case_id": case_id,
        "office": told.office,
        "by": told.by.value,
        "reference": told.reference,
        "told_at": told.told_at,
    }
    earlier = await kept.find(tx, OriginNotice, who.hub_id, told.notice_id, said)
    if earlier is not None:
        return earlier
    sent = await schedule.last_way(tx, who.hub_id, case_id)
    if sent is None or TERMS[sent[1]].origin_told_within is None:
        raise TransitionRefused("The case is not sent back.")
    said["disposition_id"] = sent[0]
    row = await kept.add(tx, OriginNotice, who, told.notice_id, said, at)
    await waits.stop(tx, who.hub_id, Wait.ORIGIN, case_id)
    await steps.tell(tx, who, case, TOLD, at, {"by": told.by.value})
    return row
