"""HTTP: which rules the hub decides by: to read for everybody on duty, to change for two."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, cast
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response
from pydantic import Field
from sqlalchemy import select
from typing_extensions import override

from twinstile.platform.http.field_types import (
    Answer,
    Body,
    Document,
    Line,
    Moment,
    Word,
)
from twinstile.platform.http.problems import (
    Conflict,
    FieldFault,
    IdReused,
    InvalidInput,
    NotFound,
    Problem,
    ProblemBody,
    documented,
)
from twinstile.platform.http.routes import GatedRoute, Read, RuntimeDep, Tx, caller
from twinstile.platform.ops import clock
from twinstile.platform.security import approvals_api
from twinstile.platform.security.approvals_api import ApprovalRequestAnswer
from twinstile.platform.security.auth import Principal, Scope
from twinstile.policy import activations, documents, validator, versions
from twinstile.policy.documents import PolicyError
from twinstile.policy.tables import PolicyActivation
from twinstile.policy.validator import PolicyFinding
from twinstile.policy.versions import Policies

router = APIRouter(prefix="/v1", route_class=GatedRoute, tags=["policies"])


async def _compiled(request: Request) -> Policies:
    return cast("Policies", request.app.state.policies)


Compiled = Annotated[Policies, Depends(_compiled)]
"""The compiled policies of this process, for the rooms that decide by them."""


class PolicyAnswer(Answer):
    version: str
    effective_from: datetime | None = Field(
        description="from when it holds, or held last; null: nothing was ever decided by it"
    )
    in_force: bool


class PolicyList(Answer):
    policies: list[PolicyAnswer]


class ActivationAnswer(Answer):
    effective_from: datetime
    recorded_at: datetime
    approval_id: UUID | None = Field(description="null: what the hub began with")


class PolicyDocument(Answer):
    version: str
    effective_from: datetime | None = Field(description="as in the list")
    activations: list[ActivationAnswer] = Field(description="the latest first, at most 100")
    document: dict[str, object] = Field(description="parameters and CertLogic rules")


class PolicyBody(Body):
    document: Document = Field(
        description="see docs/policy.md", examples=[documents.pack("cn-hub")]
    )


class FindingAnswer(Answer):
    code: str
    rule_id: str | None = Field(description="null: of the policy as a whole")
    text: dict[str, str] = Field(description="what is wrong, by language")
    remedy: dict[str, str] = Field(description="what to do about it, by language")


class PolicyRefusedBody(ProblemBody):
    """What speaks against a policy, for whoever has to sign it."""

    findings: list[FindingAnswer]


class PolicyRefused(Problem):
    status = 422
    slug = "policy-refused"
    title = "This policy must not decide about people"
    document = PolicyRefusedBody

    def __init__(self, findings: Sequence[PolicyFinding] = ()) -> None:
        super().__init__()
        self.findings = findings

    @override
    def body(self, trace_id: str) -> PolicyRefusedBody:
        plain = super().body(trace_id)
        told = [
            FindingAnswer.model_validate(one, from_attributes=True) for one in self.findings
        ]
        return PolicyRefusedBody(**dict(plain), findings=told)


class WrittenAnswer(Answer):
    version: str


class ActivationBody(Body):
    id: UUID = Field(description="yours: the same again is harmless")
    effective_from: Moment | None = Field(
        default=None,
        description="at most 30 days ahead; null, or earlier than the grant: from the grant on",
        examples=[None],
    )
    reason: Line = Field(
        description="in words, without personal data", examples=["order 12 of the prefecture"]
    )


Reader = Annotated[Principal, caller(Scope.POLICIES_READ)]
Writer = Annotated[Principal, caller(Scope.POLICIES_WRITE)]


@router.get("/policies", summary="List the versions of the hub's policy")
async def list_policies(tx: Read, who: Reader) -> PolicyList:
    """The latest 500 that held, will hold or hold now, then as many that nobody activated."""
    current = await versions.in_force(tx, who.hub_id, clock.now())
    return PolicyList(
        policies=[
            PolicyAnswer(version=version, effective_from=moment, in_force=version == current)
            for version, moment in await versions.listed(tx, who.hub_id)
        ]
    )


@router.get(
    "/policies/{version}", summary="Read one version whole", responses=documented(NotFound)
)
async def read_policy(version: Word, tx: Read, who: Reader) -> PolicyDocument:
    """The document: its figures, its rules and the words people are told; and when it held."""
    document = await versions.read_document(tx, who.hub_id, version)
    found = await tx.sql.execute(
        select(
            PolicyActivation.effective_from,
            PolicyActivation.recorded_at,
            PolicyActivation.approval_id,
        )
        .where(PolicyActivation.hub_id == who.hub_id, PolicyActivation.version == version)
        .order_by(PolicyActivation.effective_from.desc(), PolicyActivation.recorded_at.desc())
        .limit(100)
    )
    held = [ActivationAnswer.model_validate(row) for row in found.mappings()]
    return PolicyDocument(
        version=version,
        effective_from=held[0].effective_from if held else None,
        activations=held,
        document=document,
    )


@router.put(
    "/policies/{version}",
    status_code=201,
    summary="Write a version",
    responses={
        200: {"model": WrittenAnswer, "description": "The same as before"},
        **documented(PolicyRefused, InvalidInput, Conflict, IdReused),
    },
)
async def write_policy(
    version: Word, body: PolicyBody, runtime: RuntimeDep, who: Writer, response: Response
) -> WrittenAnswer:
    """Store a version under the name its document has. Nothing is decided by it yet.

    It is tried out first; what must not decide about people is refused, with what to do about
    it. A version is written once: a correction is another version.
    """
    today = clock.now().astimezone(runtime.settings.zone).date()
    # tenths of a second of work: not in the loop that answers the gates
    try:
        await asyncio.to_thread(documents.compile_document, body.document)
    except PolicyError as error:
        raise InvalidInput(errors=[FieldFault("/document", "no-policy")]) from error
    if findings := await asyncio.to_thread(validator.judge, body.document, today):
        raise PolicyRefused(findings)
    async with runtime.database.transaction() as tx:
        new = await activations.write(tx, who, version, body.document, clock.now())
    response.status_code = 201 if new else 200
    return WrittenAnswer(version=version)


@router.post(
    "/policies/{version}/activations",
    status_code=202,
    summary="Ask that a version holds",
    responses=documented(NotFound, InvalidInput, IdReused),
)
async def ask_activation(
    version: Word, body: ActivationBody, tx: Tx, who: Writer
) -> ApprovalRequestAnswer:
    """Ask for a version to hold from a moment on; a second person has to agree.

    An earlier version is activated the same way: that is how one rolls back, and stops what
    does harm. Decisions made before stay as they are.
    """
    asked = (version, body.id, body.effective_from, body.reason)
    return approvals_api.asked_answer(await activations.ask(tx, who, *asked, clock.now()))
