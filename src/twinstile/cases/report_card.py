"""The draft of a report card: what the hub knows of it; the clinic fills in the rest and files.

The fields are those of the card of 2019 (`cn-idr-card`). The hub keeps no address and no place
of work, so these are named as missing rather than left to look empty.
"""

from dataclasses import dataclass
from datetime import date, datetime, tzinfo
from typing import Final
from uuid import UUID

from sqlalchemy import select

from twinstile.cases import suspicions
from twinstile.cases.tables import ClinicalAssessment, FeverCase
from twinstile.cases.types import CaseState
from twinstile.identity import extended_retention, names, vault
from twinstile.identity.types import DocumentHolder, DocumentKind
from twinstile.platform.db.database import Reading, Transaction
from twinstile.platform.http.problems import NotFound
from twinstile.platform.keys.data_keys import KeyFiles
from twinstile.platform.security import access_log
from twinstile.platform.security.access_log import AccessEntry, Action
from twinstile.platform.security.auth import Principal

SHOWN: Final = ("name", "document", "birth_date")
OF_AGE: Final = 14
"""Years from which the card asks for no parent's name."""
UNKNOWN: Final = ("workplace", "phone", "belongs_to", "address", "population_group")
"""What only the clinic can ask for."""


@dataclass(frozen=True, slots=True)
class ReportCard:
    """A draft. `missing` are the card's fields nobody at the hub knows."""

    case_id: UUID
    suspicion_id: UUID
    masked: bool
    correction: bool
    name: str | None
    document_kind: DocumentKind
    document_number: str
    sex: str | None
    birth_date: date | None
    age_years: int | None
    case_class: str
    disease: str
    onset_on: date | None
    diagnosed_at: datetime
    died_on: date | None
    remarks: str
    due_at: datetime
    filed_at: datetime | None
    reference: str | None
    missing: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _CaseFacts:
    """What the card needs of a case."""

    case_no: str
    person_id: UUID
    age_years: int | None
    died_at: datetime | None


async def draft(
    tx: Transaction,
    keys: KeyFiles,
    who: Principal,
    look: AccessEntry,
    zone: tzinfo,
    at: datetime,
) -> ReportCard:
    """The card of the latest suspicion of a case; on the record first.

    Raises `NotFound` where nobody suspects anything or nobody knows who it is, `KeyDestroyed`.
    """
    case_id = look.subject_id
    suspected = await suspicions.of_case(tx, who.hub_id, case_id) if case_id else []
    if case_id is None or not suspected:
        raise NotFound("There is no such case, or nobody suspects anything of it.")
    case = await _case(tx, who.hub_id, case_id)
    key_id = vault.case_key(case_id)
    identity = await extended_retention.reveal(tx, keys, who.hub_id, key_id, case.person_id)
    await access_log.record(tx, access_log.actor(who), look, at)
    masked = look.action is Action.MASKED_READ
    holder, document, last = identity.holder, identity.document, suspected[-1]
    onset_on = await _onset(tx, who.hub_id, case_id)
    diagnosed_at: datetime = last["suspected_at"].astimezone(zone)
    return ReportCard(
        case_id=case_id,
        suspicion_id=last["suspicion_id"],
        masked=masked,
        correction=len(suspected) > 1,
        name=names.mask_name(holder.name) if masked and holder.name else holder.name,
        document_kind=document.kind,
        document_number=names.mask_number(document) if masked else document.number,
        sex=holder.sex,
        birth_date=None if masked else holder.birth_date,
        age_years=case.age_years,
        case_class=last["case_class"],
        disease=last["disease"],
        onset_on=onset_on,
        diagnosed_at=diagnosed_at.replace(minute=0, second=0, microsecond=0),
        died_on=case.died_at and case.died_at.astimezone(zone).date(),
        remarks=case.case_no,
        due_at=last["due_at"],
        filed_at=last["filed_at"],
        reference=last["reference"],
        missing=_missing(case, holder, onset_on),
    )


def _missing(
    case: _CaseFacts, holder: DocumentHolder, onset_on: date | None
) -> tuple[str, ...]:
    known = {
        "name": holder.name,
        "sex": holder.sex,
        "birth_date": holder.birth_date,
        "onset_on": onset_on,
    }
    child = case.age_years is not None and case.age_years < OF_AGE
    missing = [name for name, value in known.items() if value is None]
    return (*missing, *(["guardian_name"] if child else []), *UNKNOWN)


async def _case(tx: Reading, hub_id: str, case_id: UUID) -> _CaseFacts:
    """Raises `NotFound`."""
    found = await tx.sql.execute(
        select(
            FeverCase.case_no,
            FeverCase.person_id,
            FeverCase.age_years,
            FeverCase.state,
            FeverCase.closed_at,
        ).where(FeverCase.hub_id == hub_id, FeverCase.case_id == case_id)
    )
    case_no, person_id, age, state, closed_at = found.one()
    if person_id is None:
        raise NotFound("Nobody knows whom this case is about.")
    died = state == CaseState.CLOSED_DECEASED
    return _CaseFacts(case_no, person_id, age, closed_at if died else None)


async def _onset(tx: Reading, hub_id: str, case_id: UUID) -> date | None:
    """When the patient fell ill, as last assessed."""
    found = await tx.sql.execute(
        select(ClinicalAssessment.onset_on)
        .where(
            ClinicalAssessment.hub_id == hub_id,
            ClinicalAssessment.case_id == case_id,
            ClinicalAssessment.onset_on.is_not(None),
        )
        .order_by(ClinicalAssessment.recorded_at.desc())
        .limit(1)
    )
    return found.scalar_one_or_none()
