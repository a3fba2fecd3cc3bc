"""HTTP: the sources of trust lists, and what is wrong with them."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter
from pydantic import Field

from twinstile.credentials.sources import settings, source_status
from twinstile.credentials.trust import Domain
from twinstile.platform.http.field_types import Answer
from twinstile.platform.http.routes import GatedRoute, Read, RuntimeDep, caller
from twinstile.platform.security.auth import Principal, Scope

router = APIRouter(prefix="/v1", route_class=GatedRoute, tags=["credentials"])


class SourceAnswer(Answer):
    """Where trust lists are fetched, and how it does."""

    name: str
    form: str = Field(description="`list`, `vci` or `jwks`", examples=["vci"])
    domains: list[Domain] = Field(description="what it tells of")
    as_of: datetime | None = Field(description="of its last good word; null: none has come")
    asked_at: datetime | None
    fault: str | None = Field(
        description="why the last attempt failed; null: it did not", examples=["timeout"]
    )
    fault_at: datetime | None
    failures: int = Field(description="in a row")


class SourceList(Answer):
    sources: list[SourceAnswer]


@router.get("/trust-sources", summary="How the sources of trust lists do")
async def list_trust_sources(
    tx: Read, runtime: RuntimeDep, who: Annotated[Principal, caller(Scope.LANES_READ)]
) -> SourceList:
    """Those the operator has named, in the order of their file."""
    told = await source_status.of(tx, settings.of(runtime.settings), who.hub_id)
    return SourceList(
        sources=[
            SourceAnswer(
                name=one.source.name,
                form=one.source.told.form,
                domains=sorted(one.source.domains),
                as_of=one.as_of,
                asked_at=one.asked_at,
                fault=one.fault,
                fault_at=one.fault_at,
                failures=one.failures,
            )
            for one in told
        ]
    )
