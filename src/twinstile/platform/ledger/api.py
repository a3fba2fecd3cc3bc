"""HTTP: proofs that a change is in the published ledger."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter
from pydantic import Field

from twinstile.platform.http.field_types import Answer
from twinstile.platform.http.problems import NotFound, documented
from twinstile.platform.http.routes import GatedRoute, Read, RuntimeDep, caller
from twinstile.platform.ledger import proofs
from twinstile.platform.ledger.proofs import NotPublished
from twinstile.platform.security.auth import Principal, Scope

router = APIRouter(prefix="/v1", route_class=GatedRoute, tags=["ledger"])


class RootAnswer(Answer):
    hub_id: str
    epoch: str
    n: int = Field(description="over how many entries")
    root: str
    at: str
    key_id: str
    signature: str


class ProofAnswer(Answer):
    """Hashes are in hex; how to check them is in docs/partners.md."""

    n: int = Field(description="the number of the entry")
    content: str = Field(description="the text that is linked: the event's columns as JSON")
    previous_link: str
    link: str
    path: list[str] = Field(description="RFC 6962 audit path, lowest first")
    root: RootAnswer


@router.get(
    "/ledger/{event_id}/proof",
    summary="Prove that a change is in the ledger",
    responses=documented(NotFound, NotPublished),
)
async def read_proof(
    event_id: UUID,
    tx: Read,
    runtime: RuntimeDep,
    who: Annotated[Principal, caller(Scope.LEDGER_READ)],
) -> ProofAnswer:
    """A path from the change to the latest signed root, to be checked without this service."""
    proof = await proofs.prove(tx, who.hub_id, event_id, runtime.settings.audit_path)
    return ProofAnswer.model_validate(proofs.as_document(proof))
