"""The legal clock of a case: it begins with a suspicion and ends when the report is filed.

It begins when somebody responsible suspects a notifiable disease, not at the thermometer, and
has nothing to do with how the case moves: no state ends it, and no deadline of a state is it.
"""

from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from pydantic import Field
from sqlalchemy import RowMapping, select, tuple_, update

from twinstile.cases import deadlines, episodes, steps
from twinstile.cases.follow_up_tables import Suspicion
from twinstile.cases.types import LIMITS, WARNED_BEFORE, CaseClass, Wait, Within
from twinstile.platform.db import idempotent_facts
from twinstile.platform.db.database import Reading, Transaction
from twinstile.platform.http import paging
from twinstile.platform.http.field_types import Body, Moment, Slug
from twinstile.platform.http.problems import (
    Conflict,
    FieldFault,
    Forbidden,
    InvalidInput,
    NotFound,
)
from twinstile.platform.security.auth import Principal
from twinstile.platform.security.roles import Role

SUSPECTED: Final = "case.suspected"
REPORTED: Final = "case.reported"
REPORTERS: Final = frozenset({Role.MEDIC, Role.EPIDEMIOLOGIST})
"""Whose suspicion starts the legal clock."""
OLDEST: Final = timedelta(days=30)
MOST: Final = 100
AHEAD: Final = timedelta(minutes=5)
"""How far a sender's clock may be ahead of ours."""


class SuspicionBody(Body):
    within: Within = Field(description="how soon the law wants it reported")
    case_class: CaseClass
    disease: Slug = Field(description="a code of the reporting system", examples=["0202"])
    suspected_at: Moment


async def suspect(
    tx: Transaction,
    who: Principal,
    case_id: UUID,
    suspicion_id: UUID,
    form: SuspicionBody,
    at: datetime,
) -> RowMapping:
    """Start the legal clock of a case; the same again starts nothing.

    A further suspicion of a case is a correction of the report, with a time of its own. Raises
    `Forbidden` but for responsible reporters, `InvalidInput` for a moment that cannot be,
    `NotFound`, `IdReused`.
    """
    if who.operator_id is None or not who.roles & REPORTERS:
        raise Forbidden("A suspicion is stated by a medic or an epidemiologist on shift.")
    if not at - OLDEST <= form.suspected_at <= at + AHEAD:
        raise InvalidInput(errors=[FieldFault("/suspected_at", "out-of-range")])
    case = await steps.lock(tx, who.hub_id, case_id)
    values = idempotent_facts.columns(Suspicion, form, case_id=case_id)
    earlier = await idempotent_facts.find(tx, Suspicion, who.hub_id, suspicion_id, values)
    if earlier is not None:
        return earlier
    due_at = form.suspected_at + LIMITS[form.within]
    values["due_at"] = due_at
    row = await idempotent_facts.add(tx, Suspicion, who, suspicion_id, values, at)
    for kind, moment in (Wait.REPORT_SOON, due_at - WARNED_BEFORE), (Wait.REPORT, due_at):
        await deadlines.start(tx, who.hub_id, case_id, kind, suspicion_id, moment)
    body: dict[str, object] = {
        "within": form.within.value,
        "case_class": form.case_class.value,
        "disease": form.disease,
        "due_at": due_at.isoformat(),
    }
    await steps.announce(tx, who, case, SUSPECTED, at, body)
    return row


async def file(
    tx: Transaction,
    who: Principal,
    suspicion_id: UUID,
    filed_at: datetime,
    reference: str,
    at: datetime,
) -> RowMapping:
    """Say that the report was filed; the clock stops. The same again changes nothing.

    Raises `NotFound`, `Conflict` where another filing is known, `InvalidInput`.
    """
    known = (Suspicion, who.hub_id, suspicion_id, dict[str, object]())
    row = await idempotent_facts.find(tx, *known)
    if row is None:
        raise NotFound("There is no such suspicion.")
    case = await steps.lock(tx, who.hub_id, row["case_id"])
    row = await idempotent_facts.find(tx, *known) or row  # nobody files it meanwhile
    if row["filed_at"] is not None:
        if (row["filed_at"], row["reference"]) != (filed_at, reference):
            raise Conflict("The report was filed before.")
        return row
    if not row["suspected_at"] <= filed_at <= at + AHEAD:
        raise InvalidInput(errors=[FieldFault("/filed_at", "out-of-range")])
    filed = await tx.sql.execute(
        update(Suspicion)
        .where(Suspicion.hub_id == who.hub_id, Suspicion.suspicion_id == suspicion_id)
        .values(filed_at=filed_at, reference=reference, filed_by=who.operator_id)
        .returning(*Suspicion.__table__.columns)
    )
    for wait in (Wait.REPORT_SOON, Wait.REPORT):
        await deadlines.stop(tx, who.hub_id, wait, suspicion_id)
    in_time = filed_at <= row["due_at"]
    await steps.announce(tx, who, case, REPORTED, at, {"in_time": in_time})
    return filed.mappings().one()


async def of_case(tx: Reading, hub_id: str, case_id: UUID) -> list[RowMapping]:
    """The suspicions of a case and its merged ones, at most the last `MOST`, in their order."""
    whole = await episodes.case_ids(tx, hub_id, case_id)
    return await idempotent_facts.of_case(tx, Suspicion, hub_id, whole, MOST)


async def owed(tx: Reading, hub_id: str, cursor: str | None, limit: int) -> list[RowMapping]:
    """Reports that are not filed, what is due first comes first; at most `limit`."""
    place = tuple_(Suspicion.due_at, Suspicion.suspicion_id)
    wanted = (
        select(*Suspicion.__table__.columns)
        .where(Suspicion.hub_id == hub_id, Suspicion.filed_at.is_(None))
        .order_by(Suspicion.due_at, Suspicion.suspicion_id)
        .limit(limit)
    )
    if cursor is not None:
        wanted = wanted.where(place > paging.decode(cursor))
    return list((await tx.sql.execute(wanted)).mappings())
