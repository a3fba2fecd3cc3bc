"""HTTP: which rules the hub decides by, for everybody on duty to read."""

from datetime import datetime
from typing import Annotated, cast

from fastapi import APIRouter, Depends, Request
from pydantic import Field
from sqlalchemy import select

from twinstile.platform import clock
from twinstile.platform.auth import Principal, Scope
from twinstile.platform.errors import NotFound, documented
from twinstile.platform.fields import Answer, Word
from twinstile.platform.web import GatedRoute, Read, caller
from twinstile.policy import versions
from twinstile.policy.tables import Policy
from twinstile.policy.versions import Policies

router = APIRouter(prefix="/v1", route_class=GatedRoute, tags=["policies"])


async def _compiled(request: Request) -> Policies:
    return cast("Policies", request.app.state.policies)


Compiled = Annotated[Policies, Depends(_compiled)]
"""The compiled policies of this process, for the rooms that decide by them."""


class PolicyAnswer(Answer):
    version: str
    effective_from: datetime
    in_force: bool


class PolicyList(Answer):
    policies: list[PolicyAnswer]


class PolicyDocument(Answer):
    version: str
    effective_from: datetime
    document: dict[str, object] = Field(description="parameters and CertLogic rules")


Reader = Annotated[Principal, caller(Scope.POLICIES_READ)]


@router.get("/policies", summary="List the versions of the hub's policy")
async def list_policies(tx: Read, who: Reader) -> PolicyList:
    """Every version with the moment it holds from; exactly one is in force now."""
    current = await versions.in_force(tx, who.hub_id, clock.now())
    found = await tx.sql.execute(
        select(Policy.version, Policy.effective_from)
        .where(Policy.hub_id == who.hub_id)
        .order_by(Policy.effective_from.desc(), Policy.recorded_at.desc())
        .limit(500)
    )
    return PolicyList(
        policies=[
            PolicyAnswer(
                version=version, effective_from=effective_from, in_force=version == current
            )
            for version, effective_from in found
        ]
    )


@router.get(
    "/policies/{version}", summary="Read one version whole", responses=documented(NotFound)
)
async def read_policy(version: Word, tx: Read, who: Reader) -> PolicyDocument:
    """The document: its figures, its rules and the words people are told."""
    found = await tx.sql.execute(
        select(Policy.effective_from, Policy.document).where(
            Policy.hub_id == who.hub_id, Policy.version == version
        )
    )
    row = found.one_or_none()
    if row is None:
        raise NotFound("There is no such policy version.")
    effective_from, document = row
    return PolicyDocument(version=version, effective_from=effective_from, document=document)
