"""HTTP: whose case it is, said afterwards."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter

from twinstile.identity import forms
from twinstile.identity.forms import DocumentForm
from twinstile.platform.http.field_types import Answer, Body
from twinstile.platform.http.problems import (
    Conflict,
    Gone,
    IdReused,
    NotFound,
    documented,
)
from twinstile.platform.http.routes import GatedRoute, RuntimeDep, Tx, caller
from twinstile.platform.ops import clock
from twinstile.platform.security.auth import Principal, Scope
from twinstile.screening import emergency_naming
from twinstile.screening.bodies import FactStatus
from twinstile.screening.emergency_naming import How, Naming

router = APIRouter(prefix="/v1", route_class=GatedRoute, tags=["cases"])


class NamingBody(Body):
    document: DocumentForm
    how: How


class NamingAnswer(Answer):
    status: FactStatus


@router.put(
    "/cases/{case_id}/identifications/{naming_id}",
    summary="Say whose case it is",
    responses=documented(NotFound, Conflict, IdReused, Gone),
)
async def put_identification(
    case_id: UUID,
    naming_id: UUID,
    body: NamingBody,
    tx: Tx,
    runtime: RuntimeDep,
    who: Annotated[Principal, caller(Scope.CASES_WRITE, Scope.CHECKS_WRITE)],
) -> NamingAnswer:
    """For a patient who came without a name. Once said, it is not changed: 409."""
    at, zone = clock.now(), runtime.settings.zone
    identity, _ = forms.identify(
        body.document, "/document", forms.document_context(runtime.settings, who.mode, at)
    )
    said = Naming(naming_id, case_id, identity, body.how)
    keys = runtime.keys.of(who.hub_id)
    return NamingAnswer(status=await emergency_naming.name(tx, keys, who, said, zone, at))
