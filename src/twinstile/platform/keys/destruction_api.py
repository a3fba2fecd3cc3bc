"""HTTP: certificates of destruction, for whoever answers for the data of a hub."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import Field

from twinstile.platform.http.field_types import Answer
from twinstile.platform.http.problems import NotFound, documented
from twinstile.platform.http.routes import GatedRoute, Read, caller
from twinstile.platform.keys import destruction
from twinstile.platform.keys.destruction import DestructionCertificate, DestructionReason
from twinstile.platform.security.auth import Principal, Scope

router = APIRouter(prefix="/v1", route_class=GatedRoute, tags=["destructions"])

PAGE = 200
KeyId = Annotated[
    str,
    Path(pattern=r"^[0-9a-z.-]{1,80}$", examples=["day.2026-11-10"]),
]


class PositionAnswer(Answer):
    epoch: str
    n: int = Field(description="entries of the ledger so far")
    root: str = Field(description="the Merkle root over them, hex")


class DestructionAnswer(Answer):
    key_id: str = Field(description="the key that was destroyed, and its certificate's name")
    key_class: str = Field(description="day, epoch, case, or hub for a hub as a whole")
    period: str = Field(description="the day, the epoch or the case; empty for a hub")
    reason: DestructionReason
    destroyed_at: datetime
    rows: dict[str, int] = Field(description="rows deleted with it, by table")
    ledger: PositionAnswer | None = Field(
        description="where the ledger stood before; the event of the destruction follows in it"
    )
    event_id: str
    signing_key: str = Field(description="id of the key that signed")
    public_key: str = Field(description="base64 of its 32 bytes (Ed25519, RFC 8032)")
    document: str = Field(description="the text that was signed, JSON")
    signature: str = Field(description="base64 of the 64 bytes over the document's UTF-8")


class DestructionList(Answer):
    destructions: list[DestructionAnswer]
    next: str | None = Field(description="`after` of the next page; null on the last")


def _answer(one: DestructionCertificate) -> DestructionAnswer:
    return DestructionAnswer.model_validate(
        {**one.members, "document": one.document, "signature": one.signature}
    )


@router.get("/destructions", summary="List certificates of destruction")
async def list_destructions(
    tx: Read,
    who: Annotated[Principal, caller(Scope.DESTRUCTIONS_READ)],
    after: Annotated[
        str | None,
        Query(pattern=r"^[0-9a-z.-]{1,80}$", description="as `next` of the page before"),
    ] = None,
) -> DestructionList:
    """What was destroyed at the hub and why, by name of key; at most 200 a page."""
    found = await destruction.page(tx, who.hub_id, after or "", PAGE + 1)
    more = found[PAGE - 1].word("key_id") if len(found) > PAGE else None
    return DestructionList(destructions=[_answer(one) for one in found[:PAGE]], next=more)


@router.get(
    "/destructions/{key_id}",
    summary="Read a certificate of destruction",
    responses=documented(NotFound),
)
async def read_destruction(
    tx: Read, who: Annotated[Principal, caller(Scope.DESTRUCTIONS_READ)], key_id: KeyId
) -> DestructionAnswer:
    """The certificate of one key, as it was signed; it can be checked without the service."""
    return _answer(await destruction.one(tx, who.hub_id, key_id))
