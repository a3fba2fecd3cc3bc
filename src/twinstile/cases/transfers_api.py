"""HTTP: the way of a patient to a receiver, and the receiver's word that they have come.

The receiver may have nothing but a link on a telephone: what it opens needs no account.
"""

import time
from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Response
from pydantic import Field, StringConstraints

from twinstile.cases import capability_links, receipts, referrals, transfers
from twinstile.cases.capability_links import NoSuchLink
from twinstile.cases.isolation_rooms import NoPlace
from twinstile.cases.receipts import HandoverReceiptBody
from twinstile.cases.transfers import LegBody
from twinstile.cases.types import Handover, LegEnding, Vehicle, Via
from twinstile.platform.http.field_types import Answer, Body
from twinstile.platform.http.problems import (
    Forbidden,
    IdReused,
    InvalidInput,
    NotFound,
    TooMany,
    TransitionRefused,
    documented,
)
from twinstile.platform.http.routes import GatedRoute, Read, RuntimeDep, Tx, caller
from twinstile.platform.ops import clock
from twinstile.platform.security.auth import Principal, Scope
from twinstile.platform.security.quotas import RateLimit

MOST_LEGS = 100
LINK_PATH = "/handover/"
UNKNOWN_A_MINUTE = 300
"""Tries with links that open nothing, in one process; 128 bits need more than that."""


router = APIRouter(prefix="/v1", route_class=GatedRoute, tags=["cases"])

Reader = Annotated[Principal, caller(Scope.CASES_READ)]
Writer = Annotated[Principal, caller(Scope.CASES_WRITE)]
Token = Annotated[
    str,
    StringConstraints(
        pattern=capability_links.PATTERN, max_length=capability_links.LONGEST, strict=True
    ),
    Field(description="as it stands in the link", examples=["hub.AAAAAAAAAAAAAAAAAAAAAA"]),
]
_unknown = RateLimit(UNKNOWN_A_MINUTE)


def count_unknown(error: NoSuchLink) -> NoSuchLink | TooMany:
    """Count a link that opens nothing; too many of them are told so instead."""
    try:
        _unknown.take("", time.monotonic())
    except TooMany as many:
        return many
    return error


class HandoverReceiptAnswer(Answer):
    receipt_id: UUID
    answer: Handover
    signed_by: str
    reason: str | None
    via: Via
    said_at: datetime
    recorded_at: datetime
    document: str = Field(description="what is signed: JSON, as it is")
    key_id: str
    signature: str = Field(description="Ed25519 over the document's UTF-8, base64")


class LegAnswer(Answer):
    leg_id: UUID
    receiver: str
    facility_id: str | None
    vehicle: Vehicle
    vehicle_no: str | None
    crew: list[str]
    reason: str | None
    departed_at: datetime
    expected_at: datetime
    recorded_at: datetime
    operator_id: UUID | None
    ended_at: datetime | None
    ending: LegEnding | None = Field(description="null: the patient is on the way")


class TransferDetailAnswer(LegAnswer):
    receipts: list[HandoverReceiptAnswer] = Field(description="oldest first")


class LegList(Answer):
    legs: list[TransferDetailAnswer] = Field(description="oldest first, at most the last 100")


class CapabilityLinkAnswer(Answer):
    token: str = Field(description="shown once")
    path: str = Field(description="of the page, below the hub's address")
    expires_at: datetime


class TokenBody(Body):
    token: Token


class HandoverBody(HandoverReceiptBody):
    token: Token
    receipt_id: UUID = Field(description="yours: the same again is the same answer")


class QuestionAnswer(Answer):
    """Has this patient come? No name is shown."""

    case_no: str
    receiver: str
    vehicle_no: str | None
    expected_at: datetime
    receipt: HandoverReceiptAnswer | None = Field(description="the last word, if it was said")


@router.put(
    "/cases/{case_id}/legs/{leg_id}",
    summary="Record that a patient has left",
    responses=documented(
        Forbidden, NotFound, IdReused, NoPlace, TransitionRefused, InvalidInput
    ),
)
async def put_leg(case_id: UUID, leg_id: UUID, body: LegBody, tx: Tx, who: Writer) -> LegAnswer:
    """Vehicle, crew, and when the patient is to arrive: half an hour later it rings.

    Another one while the patient is on the way sends them elsewhere, and ends the first.
    """
    row = await transfers.depart(tx, who, case_id, leg_id, body, clock.now())
    return LegAnswer.model_validate(row)


@router.get(
    "/cases/{case_id}/legs",
    summary="List the ways of a patient",
    responses=documented(NotFound),
)
async def list_legs(case_id: UUID, tx: Read, who: Reader) -> LegList:
    """The chain of custody: each way with what its receiver signed."""
    await referrals.patient(tx, who.hub_id, case_id)
    found = await transfers.of_case(tx, who.hub_id, case_id, MOST_LEGS)
    return LegList(
        legs=[
            TransferDetailAnswer.model_validate({**way, "receipts": said})
            for way, said in found
        ]
    )


@router.post(
    "/cases/{case_id}/legs/{leg_id}/link",
    status_code=201,
    summary="Get a link for the receiver",
    responses=documented(NotFound, TransitionRefused),
)
async def give_link(
    case_id: UUID, leg_id: UUID, tx: Tx, who: Writer, response: Response
) -> CapabilityLinkAnswer:
    """By it the receiver answers one question without an account. The one before is over."""
    link = await transfers.link(tx, who, case_id, leg_id, clock.now())
    response.headers["Cache-Control"] = "no-store"
    return CapabilityLinkAnswer(
        token=link.token, path=LINK_PATH + link.token, expires_at=link.expires_at
    )


@router.put(
    "/cases/{case_id}/legs/{leg_id}/receipts/{receipt_id}",
    summary="Record what the receiver says of an arrival",
    responses=documented(NotFound, IdReused, TransitionRefused, InvalidInput),
)
async def put_leg_receipt(
    case_id: UUID,
    leg_id: UUID,
    receipt_id: UUID,
    body: HandoverReceiptBody,
    tx: Tx,
    runtime: RuntimeDep,
    who: Writer,
) -> HandoverReceiptAnswer:
    """As somebody on duty heard it by telephone. `HERE` moves the case on."""
    keys = runtime.keys.of(who.hub_id)
    row = await receipts.by_staff(tx, keys, who, case_id, leg_id, receipt_id, body, clock.now())
    return HandoverReceiptAnswer.model_validate(row)


@router.post(
    "/handovers:read",
    summary="Read what a link asks",
    responses=documented(NoSuchLink, TooMany),
)
async def read_handover(body: TokenBody, tx: Read, response: Response) -> QuestionAnswer:
    """For the receiver's own system. Needs no token but that of the link."""
    response.headers["Cache-Control"] = "no-store"
    try:
        asked = await receipts.question(tx, body.token, clock.now())
    except NoSuchLink as error:
        raise count_unknown(error) from None
    return QuestionAnswer.model_validate(asked, from_attributes=True)


@router.post(
    "/handovers:answer",
    summary="Answer what a link asks",
    responses=documented(NoSuchLink, IdReused, TransitionRefused, TooMany, InvalidInput),
)
async def answer_handover(
    body: HandoverBody, tx: Tx, runtime: RuntimeDep, response: Response
) -> HandoverReceiptAnswer:
    """Has the patient come? The answer is a receipt, signed by the hub.

    `HERE` and `REFUSED` are last words: after them the link answers with its receipt.
    """
    response.headers["Cache-Control"] = "no-store"
    try:
        row = await receipts.by_link(
            tx, runtime.keys, body.token, body.receipt_id, body, clock.now()
        )
    except NoSuchLink as error:
        raise count_unknown(error) from None
    return HandoverReceiptAnswer.model_validate(row)
