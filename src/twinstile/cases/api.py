"""HTTP: cases, where they are sent, how they move on, and whom they are about.

Cases are pseudonymous everywhere but in two routes, which leave a row in the access log: one
shows name and number masked, the other asks what for and shows them whole.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Response
from sqlalchemy import ColumnElement, select, tuple_

from twinstile.cases import (
    deadlines,
    dispositions,
    episodes,
    origin_notices,
    receivers,
)
from twinstile.cases.bodies import (
    AcknowledgementAnswer,
    AcknowledgementBody,
    AssessmentBody,
    CaseAnswer,
    CaseDetailAnswer,
    CasePage,
    CaseTransitionBody,
    ClinicalAssessmentAnswer,
    DispositionAnswer,
    OriginNoticeAnswer,
    OriginNoticeBody,
    PersonAnswer,
    TransitionAnswer,
    with_celsius,
)
from twinstile.cases.disposition_requirements import DispositionBody
from twinstile.cases.follow_ups_api import InForce
from twinstile.cases.isolation_rooms import NoPlace
from twinstile.cases.referrals import JOINED
from twinstile.cases.steps import MOVED, OVERDUE
from twinstile.cases.tables import (
    Acknowledgement,
    CareRecord,
    ClinicalAssessment,
    DispositionRecord,
    FeverCase,
    OriginNotice,
    Stay,
)
from twinstile.cases.types import CaseState
from twinstile.identity import documents, extended_retention, names, vault
from twinstile.platform.db import idempotent_facts
from twinstile.platform.db.database import Transaction
from twinstile.platform.http import paging
from twinstile.platform.http.problems import (
    Forbidden,
    Gone,
    IdReused,
    InvalidInput,
    NotFound,
    PurposeRequired,
    TransitionRefused,
    documented,
)
from twinstile.platform.http.routes import GatedRoute, Read, Runtime, RuntimeDep, Tx, caller
from twinstile.platform.ledger import events
from twinstile.platform.ledger.events import Event
from twinstile.platform.ops import clock
from twinstile.platform.security import access_log
from twinstile.platform.security.access_log import AccessEntry, Action, Why
from twinstile.platform.security.auth import Principal, Scope

router = APIRouter(prefix="/v1", route_class=GatedRoute, tags=["cases"])

MOST_ALARMS = 100
MOST_FACTS = 100
MOST_TRANSITIONS = 500
"""The latest of a case that are shown: one that nobody moves for weeks gathers alarms."""

Reader = Annotated[Principal, caller(Scope.CASES_READ)]
Writer = Annotated[Principal, caller(Scope.CASES_WRITE)]
Identifier = Annotated[Principal, caller(Scope.IDENTITIES_READ)]
_SHOWN = ("name", "document")


_CASE = (
    FeverCase.__table__,
    (FeverCase.first_tenths / 10.0).label("first_c"),
    (FeverCase.peak_tenths / 10.0).label("peak_c"),
)


class Order(StrEnum):
    """How cases are listed."""

    OPENED = "OPENED"
    DUE = "DUE"


@router.get("/cases", summary="List cases", responses=documented(InvalidInput))
async def list_cases(
    tx: Read,
    who: Reader,
    state: CaseState | None = None,
    by: Order = Order.OPENED,
    cursor: Annotated[str | None, Query(max_length=paging.LONGEST)] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> CasePage:
    """The latest opened first; or, by `DUE`, open cases alone, the least time left first.

    `next` of one answer is the `cursor` of the next request.
    """
    wanted: list[ColumnElement[bool]] = [FeverCase.hub_id == who.hub_id]
    moment = FeverCase.due_at if by is Order.DUE else FeverCase.opened_at
    place = tuple_(moment, FeverCase.case_id)
    order = (moment.desc(), FeverCase.case_id.desc())
    if by is Order.DUE:
        wanted.append(FeverCase.due_at.is_not(None))
        order = (moment.asc(), FeverCase.case_id.asc())
    if state is not None:
        wanted.append(FeverCase.state == state.value)
    if cursor is not None:
        after = paging.decode(cursor)
        wanted.append(place > after if by is Order.DUE else place < after)
    found = await tx.sql.execute(
        select(*_CASE).where(*wanted).order_by(*order).limit(limit + 1)
    )
    cases = [CaseAnswer.model_validate(row) for row in found.mappings()]
    last = cases[limit - 1] if len(cases) > limit else None
    turn = last and (last.due_at if by is Order.DUE else last.opened_at)
    return CasePage(
        cases=cases[:limit],
        next=paging.encode(turn, last.case_id) if last and turn else None,
    )


@router.get("/cases/{case_id}", summary="Read a case", responses=documented(NotFound))
async def read_case(case_id: UUID, tx: Read, who: Reader) -> CaseDetailAnswer:
    """A case with every disposition and the way it went."""
    found = await tx.sql.execute(
        select(*_CASE).where(FeverCase.hub_id == who.hub_id, FeverCase.case_id == case_id)
    )
    case = found.mappings().one_or_none()
    if case is None:
        raise NotFound("There is no such case.")
    sent = await tx.sql.execute(
        select(DispositionRecord.__table__)
        .where(DispositionRecord.hub_id == who.hub_id, DispositionRecord.case_id == case_id)
        .order_by(DispositionRecord.recorded_at, DispositionRecord.disposition_id)
    )
    moved = await events.of_subject(tx, who.hub_id, case_id, [MOVED, OVERDUE], MOST_TRANSITIONS)
    joined = await events.of_subject(tx, who.hub_id, case_id, [JOINED], MOST_ALARMS)
    cases = await episodes.case_ids(tx, who.hub_id, case_id)
    whose = who.hub_id, cases, MOST_FACTS
    whole: Mapping[str, object] = {
        **case,
        "dispositions": sent.mappings().all(),
        "transitions": [_transition(happening) for happening in moved],
        "acknowledgements": await idempotent_facts.of_case(tx, Acknowledgement, *whose),
        "origin_notices": await idempotent_facts.of_case(tx, OriginNotice, *whose),
        "assessments": await idempotent_facts.of_case(tx, ClinicalAssessment, *whose),
        "stays": await idempotent_facts.of_case(tx, Stay, *whose),
        "care": [
            with_celsius(row) for row in await idempotent_facts.of_case(tx, CareRecord, *whose)
        ],
        "waits": await deadlines.of_case(tx, who.hub_id, case_id),
        "merges": await episodes.merges(tx, who.hub_id, cases),
        "alarms": [{**happening.body, "at": happening.at} for happening in joined],
    }
    return CaseDetailAnswer.model_validate(whole)


@router.put(
    "/cases/{case_id}/dispositions/{disposition_id}",
    summary="Send a case somewhere",
    responses=documented(
        Forbidden, NotFound, IdReused, NoPlace, TransitionRefused, InvalidInput
    ),
)
async def put_disposition(
    case_id: UUID,
    disposition_id: UUID,
    body: DispositionBody,
    tx: Tx,
    who: Writer,
    figures: InForce,
) -> DispositionAnswer:
    """Record where the case goes. Dispositions are appended: the last is final, all stay."""
    row = await dispositions.record(
        tx, who, case_id, disposition_id, body, figures, clock.now()
    )
    return DispositionAnswer.model_validate(row)


@router.put(
    "/cases/{case_id}/dispositions/{disposition_id}/acknowledgements/{acknowledgement_id}",
    summary="Record what a receiver says",
    responses=documented(NotFound, IdReused, TransitionRefused, InvalidInput),
)
async def put_acknowledgement(
    case_id: UUID,
    disposition_id: UUID,
    acknowledgement_id: UUID,
    body: AcknowledgementBody,
    tx: Tx,
    who: Writer,
) -> AcknowledgementAnswer:
    """Whether the receiver of the last disposition will take the patient.

    After a no the case waits for another receiver, aloud, until it is sent elsewhere.
    """
    row = await receivers.acknowledge(
        tx, who, case_id, disposition_id, acknowledgement_id, body, clock.now()
    )
    return AcknowledgementAnswer.model_validate(row)


@router.put(
    "/cases/{case_id}/origin-notices/{notice_id}",
    summary="Record that the place of origin was told",
    responses=documented(NotFound, IdReused, TransitionRefused, InvalidInput),
)
async def put_origin_notice(
    case_id: UUID, notice_id: UUID, body: OriginNoticeBody, tx: Tx, who: Writer
) -> OriginNoticeAnswer:
    """Somebody who is sent back is expected where they come from; until then it rings."""
    row = await origin_notices.record(tx, who, case_id, notice_id, body, clock.now())
    return OriginNoticeAnswer.model_validate(row)


@router.put(
    "/cases/{case_id}/assessments/{assessment_id}",
    summary="Record how ill the patient is",
    responses=documented(Forbidden, NotFound, IdReused, TransitionRefused, InvalidInput),
)
async def put_assessment(
    case_id: UUID, assessment_id: UUID, body: AssessmentBody, tx: Tx, who: Writer
) -> ClinicalAssessmentAnswer:
    """Severity may rise by anybody who writes cases; only a medic, named by it, lowers it."""
    row = await receivers.assess(tx, who, case_id, assessment_id, body, clock.now())
    return ClinicalAssessmentAnswer.model_validate(row)


@router.post(
    "/cases/{case_id}/transitions",
    summary="Move a case on",
    responses=documented(Forbidden, NotFound, IdReused, TransitionRefused, InvalidInput),
)
async def post_transition(
    case_id: UUID, body: CaseTransitionBody, tx: Tx, who: Writer, figures: InForce
) -> TransitionAnswer:
    """Report what happened to the patient, e.g. `admitted`; each event has its roles."""
    return _transition(
        await dispositions.transition(tx, who, case_id, body, figures, clock.now())
    )


@router.get(
    "/cases/{case_id}/person",
    summary="Read whom a case is about, masked",
    responses=documented(NotFound, Gone),
    openapi_extra=access_log.logged(Action.MASKED_READ),
)
async def read_person(
    case_id: UUID, tx: Tx, runtime: RuntimeDep, who: Identifier, response: Response
) -> PersonAnswer:
    """Enough of name and number to tell two patients apart. The reading is recorded first."""
    look = AccessEntry(Action.MASKED_READ, None, _SHOWN, subject_id=case_id)
    return await _person(tx, runtime, who, look, response)


@router.post(
    "/cases/{case_id}/person:reveal",
    summary="Read whom a case is about, whole",
    responses=documented(NotFound, Gone, PurposeRequired),
    openapi_extra=access_log.logged(Action.REVEAL),
)
async def reveal_person(
    case_id: UUID, body: Why, tx: Tx, runtime: RuntimeDep, who: Identifier, response: Response
) -> PersonAnswer:
    """Name and number of the patient. Who read them, when and what for is recorded first."""
    purpose = access_log.stated(Action.REVEAL, body.purpose, body.reason)
    look = AccessEntry(Action.REVEAL, purpose, _SHOWN, subject_id=case_id, reason=body.reason)
    return await _person(tx, runtime, who, look, response)


async def _person(
    tx: Transaction, runtime: Runtime, who: Principal, look: AccessEntry, response: Response
) -> PersonAnswer:
    case_id = look.subject_id
    found = await tx.sql.execute(
        select(FeverCase.person_id).where(
            FeverCase.hub_id == who.hub_id, FeverCase.case_id == case_id
        )
    )
    person_id = found.scalar_one_or_none()
    if person_id is None or case_id is None:
        raise NotFound("There is no such case, or nobody knows whom it is about.")
    identity = await extended_retention.reveal(
        tx, runtime.keys.of(who.hub_id), who.hub_id, vault.case_key(case_id), person_id
    )
    await access_log.record(tx, access_log.actor(who), look, clock.now())
    response.headers["Cache-Control"] = "no-store"
    name, document = identity.holder.name, identity.document
    masked = look.action is Action.MASKED_READ
    return PersonAnswer(
        case_id=case_id,
        masked=masked,
        name=names.mask_name(name) if masked and name else name,
        document_kind=document.kind,
        document_number=names.mask_number(document) if masked else document.number,
        document_issuer=document.issuer,
        synthetic=documents.is_synthetic(document, runtime.settings.synthetic_id_prefixes),
    )


def _transition(happening: Event) -> TransitionAnswer:
    return TransitionAnswer.model_validate(
        {
            "at": None,
            "reason": None,
            **happening.body,
            "id": happening.event_id,
            "recorded_at": happening.at,
            "operator_id": happening.operator_id,
        }
    )
