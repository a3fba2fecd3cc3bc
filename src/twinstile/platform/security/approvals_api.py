"""HTTP: what waits for a second person, and the second person's word."""

from datetime import datetime
from typing import Annotated, Literal, cast
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request
from pydantic import Field

from twinstile.platform.http import paging
from twinstile.platform.http.field_types import Answer, Body, Line
from twinstile.platform.http.problems import (
    ApprovalDecided,
    ApprovalLapsed,
    Forbidden,
    InvalidInput,
    NotFound,
    SecondPersonRequired,
    documented,
)
from twinstile.platform.http.routes import GatedRoute, Read, Tx, caller
from twinstile.platform.ops import clock
from twinstile.platform.security import approvals
from twinstile.platform.security.approvals import (
    Approval,
    ApprovalDecision,
    ApprovalState,
    Kinds,
)
from twinstile.platform.security.auth import Principal, Scope

router = APIRouter(prefix="/v1", route_class=GatedRoute, tags=["approvals"])


async def _kinds(request: Request) -> Kinds:
    return cast("Kinds", request.app.state.kinds)


Known = Annotated[Kinds, Depends(_kinds)]
"""The kinds of deeds that take two persons, as the application composed them."""


class ApprovalRequestAnswer(Answer):
    """What the request route of a room answers, with status 202."""

    approval_id: UUID
    expires_at: datetime = Field(description="until when a second person may decide")


class ApprovalAnswer(ApprovalRequestAnswer):
    kind: str
    subject_id: UUID = Field(description="what it is about: a random id, by kind")
    content: dict[str, object] = Field(description="what exactly is asked for, by kind")
    digest: str = Field(description="SHA-256 over all that was asked; the ledger has it, too")
    reason: str
    requested_by: UUID
    requested_at: datetime
    verdict: ApprovalState | None = Field(description="null: nobody has decided yet")
    decided_by: UUID | None
    decided_at: datetime | None
    decision_reason: str | None
    used_at: datetime | None = Field(description="when what was granted was done or taken")


class ApprovalPage(Answer):
    approvals: list[ApprovalAnswer]
    next: str | None = Field(description="cursor of the next page; null on the last")


class DecisionBody(Body):
    verdict: Literal["GRANTED", "REFUSED"]
    reason: Line | None = Field(
        default=None,
        description="in words, without personal data; to refuse takes one",
        examples=["The queue is shorter than said."],
    )


def asked_answer(approval: Approval) -> ApprovalRequestAnswer:
    """The answer to whoever asked."""
    return ApprovalRequestAnswer(
        approval_id=approval.approval_id, expires_at=approval.expires_at
    )


def _answer(approval: Approval) -> ApprovalAnswer:
    return ApprovalAnswer(
        approval_id=approval.approval_id,
        expires_at=approval.expires_at,
        kind=approval.kind,
        subject_id=approval.subject_id,
        content=approval.content,
        digest=approval.digest.hex(),
        reason=approval.reason,
        requested_by=approval.requested_by,
        requested_at=approval.requested_at,
        verdict=approval.verdict,
        decided_by=approval.decided_by,
        decided_at=approval.decided_at,
        decision_reason=approval.decision_reason,
        used_at=approval.used_at,
    )


Reader = Annotated[Principal, caller(Scope.APPROVALS_READ)]


@router.get(
    "/approvals", summary="List what waits for a decision", responses=documented(InvalidInput)
)
async def list_approvals(
    tx: Read,
    kinds: Known,
    who: Reader,
    cursor: Annotated[str | None, Query(max_length=paging.LONGEST)] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> ApprovalPage:
    """Open requests you may decide on, and your own; what ends first comes first."""
    after = paging.decode(cursor) if cursor is not None else None
    found = await approvals.waiting(tx, who, kinds, clock.now(), after, limit + 1)
    last = found[limit - 1] if len(found) > limit else None
    return ApprovalPage(
        approvals=[_answer(approval) for approval in found[:limit]],
        next=paging.encode(last.expires_at, last.approval_id) if last else None,
    )


@router.get(
    "/approvals/{approval_id}", summary="Read a request", responses=documented(NotFound)
)
async def read_approval(
    approval_id: UUID, tx: Read, kinds: Known, who: Reader
) -> ApprovalAnswer:
    """A request of yours, or of a kind you may decide on, and what became of it."""
    approval = await approvals.one(tx, who.hub_id, approval_id)
    kind = kinds.get(approval.kind)
    approves = kind is not None and kind.approves in who.scopes
    if not approves and approval.requested_by != who.operator_id:
        raise NotFound("There is no such request.")
    return _answer(approval)


@router.put(
    "/approvals/{approval_id}/decision",
    summary="Grant or refuse what another person asks for",
    responses=documented(
        NotFound, Forbidden, SecondPersonRequired, ApprovalDecided, ApprovalLapsed, InvalidInput
    ),
)
async def put_decision(
    approval_id: UUID,
    body: DecisionBody,
    tx: Tx,
    kinds: Known,
    who: Annotated[Principal, caller(Scope.APPROVALS_WRITE)],
) -> ApprovalAnswer:
    """Decide on another device than the one it was asked on.

    What is granted is done before the answer leaves. Nobody grants what they asked for
    themselves, nor what somebody asked who was let in by the same person; an attempt is on the
    record. To refuse is open to all who may decide, so whoever asked may take it back.
    """
    decision = ApprovalDecision(approval_id, ApprovalState(body.verdict), body.reason)
    return _answer(await approvals.decide(tx, who, kinds, decision, clock.now()))
