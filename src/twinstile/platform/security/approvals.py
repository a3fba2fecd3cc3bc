"""Deeds that take two persons: one asks, another on another device grants or refuses.

The rule stands here once, and as constraints of the table: the second is another person, on
another device, and neither that person nor that device was let in by the first. Whoever one
person has entered, directly or through others, counts as that person (the same *hand*), so
nobody gets two voices by making operators. People and devices that were let in with the
server's account are nobody's.

A room registers a `Kind` and asks through `ask`, from a route of its own. What was asked for is
done in the transaction of the grant (`Kind.apply`), or used once by whoever asked (`use`).
"""

import hashlib
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TypeAlias
from uuid import UUID, uuid5

from sqlalchemy import Update, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert as upsert

from twinstile.platform.db.database import Reading, Transaction, as_json
from twinstile.platform.db.tables import ApprovalRecord
from twinstile.platform.http.problems import (
    ApprovalDecided,
    ApprovalLapsed,
    FieldFault,
    Forbidden,
    IdReused,
    InvalidInput,
    NotFound,
    SecondPersonRequired,
)
from twinstile.platform.ledger import events
from twinstile.platform.ledger.events import Event
from twinstile.platform.security import separation_of_duties
from twinstile.platform.security.auth import Principal, Scope
from twinstile.platform.security.separation_of_duties import Person, Tie

LIFETIME = timedelta(minutes=30)
ENDED_AT_ONCE = 200


class ApprovalState(StrEnum):
    """What became of a request."""

    GRANTED = "GRANTED"
    REFUSED = "REFUSED"
    EXPIRED = "EXPIRED"
    """Nobody decided in time, or whoever asked lost access."""


@dataclass(frozen=True, slots=True)
class Ask:
    """What somebody wants to be approved. `content` holds codes and ids, never identities."""

    approval_id: UUID
    subject_id: UUID
    content: Mapping[str, object]
    reason: str


@dataclass(frozen=True, slots=True)
class Approval:
    """A request as stored, and what became of it."""

    hub_id: str
    approval_id: UUID
    kind: str
    subject_id: UUID
    content: dict[str, object]
    digest: bytes
    reason: str
    requested_by: UUID
    requested_device: UUID
    requested_hand: UUID
    requested_at: datetime
    expires_at: datetime
    decided_by: UUID | None
    decided_at: datetime | None
    verdict: ApprovalState | None
    decision_reason: str | None
    used_at: datetime | None

    @property
    def whole(self) -> bool:
        """Whether it still says what was asked."""
        asked = Ask(self.approval_id, self.subject_id, self.content, self.reason)
        return _digest(self.hub_id, self.kind, asked) == self.digest


@dataclass(frozen=True, slots=True)
class ApprovalDecision:
    """What a second person says; to refuse takes a reason."""

    approval_id: UUID
    verdict: ApprovalState
    reason: str | None


Apply: TypeAlias = Callable[[Transaction, Approval, Principal], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of deed: who may ask for it and approve it, and for how long it may be decided.

    `apply` does it in the granting transaction, for the second person at `decided_at`; what it
    raises undoes the grant. None: whoever asked uses the grant later, once, within `lifetime`.
    """

    name: str
    asks: Scope
    approves: Scope
    lifetime: timedelta = LIFETIME
    apply: Apply | None = None


Kinds: TypeAlias = Mapping[str, Kind]


def registry(*kinds: Kind) -> Kinds:
    """The kinds by name."""
    return {kind.name: kind for kind in kinds}


def _digest(hub_id: str, kind: str, action: Ask) -> bytes:
    """What a decision is bound to: SHA-256 of everything that was asked."""
    parts = [hub_id, kind, action.approval_id, action.subject_id, action.content, action.reason]
    plain = json.dumps(parts, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(plain.encode()).digest()


async def ask(
    tx: Transaction, who: Principal, kind: Kind, request: Ask, at: datetime
) -> Approval:
    """Ask for a deed of this kind; the same again gives the same.

    Raises `Forbidden` without the kind's scope or without a person, `IdReused`.
    """
    if who.operator_id is None or kind.asks not in who.scopes:
        raise Forbidden(f"This needs the scope {kind.asks}, of somebody on shift.")
    content: dict[str, object] = json.loads(as_json(dict(request.content)))  # as it is stored
    digest = _digest(who.hub_id, kind.name, replace(request, content=content))
    added = await tx.sql.execute(
        upsert(ApprovalRecord)
        .values(
            hub_id=who.hub_id,
            approval_id=request.approval_id,
            kind=kind.name,
            subject_id=request.subject_id,
            content=content,
            digest=digest,
            reason=request.reason,
            requested_by=who.operator_id,
            requested_device=who.device_id,
            requested_hand=await separation_of_duties.head(tx, who.hub_id, who.operator_id),
            requested_at=at,
            expires_at=at + kind.lifetime,
        )
        .on_conflict_do_nothing()
        .returning(ApprovalRecord.approval_id)
    )
    new = added.one_or_none() is not None
    approval = await one(tx, who.hub_id, request.approval_id)
    if (approval.digest, approval.requested_by) != (digest, who.operator_id):
        raise IdReused
    if new:
        await _tell(tx, approval, "asked", at, who)
    return approval


_COLUMNS = (
    ApprovalRecord.hub_id,
    ApprovalRecord.approval_id,
    ApprovalRecord.kind,
    ApprovalRecord.subject_id,
    ApprovalRecord.content,
    ApprovalRecord.digest,
    ApprovalRecord.reason,
    ApprovalRecord.requested_by,
    ApprovalRecord.requested_device,
    ApprovalRecord.requested_hand,
    ApprovalRecord.requested_at,
    ApprovalRecord.expires_at,
    ApprovalRecord.decided_by,
    ApprovalRecord.decided_at,
    ApprovalRecord.verdict,
    ApprovalRecord.decision_reason,
    ApprovalRecord.used_at,
)


async def one(tx: Reading, hub_id: str, approval_id: UUID, *, lock: bool = False) -> Approval:
    """A request, if asked with its row kept from others. Raises `NotFound`."""
    wanted = select(*_COLUMNS).where(
        ApprovalRecord.hub_id == hub_id, ApprovalRecord.approval_id == approval_id
    )
    found = await tx.sql.execute(wanted.with_for_update(key_share=True) if lock else wanted)
    row = found.one_or_none()
    if row is None:
        raise NotFound("There is no such request.")
    return _approval(*row)


def _approval(*row: object) -> Approval:
    approval = Approval(*row)  # pyright: ignore[reportArgumentType] # columns as above
    return replace(approval, verdict=approval.verdict and ApprovalState(approval.verdict))


async def waiting(
    tx: Reading,
    who: Principal,
    kinds: Kinds,
    at: datetime,
    after: tuple[datetime, UUID] | None,
    limit: int,
) -> list[Approval]:
    """Open requests the caller may decide on or has made; what ends first comes first."""
    mine = [kind.name for kind in kinds.values() if kind.approves in who.scopes]
    place = (ApprovalRecord.expires_at, ApprovalRecord.approval_id)
    wanted = (
        select(*_COLUMNS)
        .where(
            ApprovalRecord.hub_id == who.hub_id,
            ApprovalRecord.verdict.is_(None),
            ApprovalRecord.expires_at > at,
            ApprovalRecord.kind.in_(mine) | (ApprovalRecord.requested_by == who.operator_id),
        )
        .order_by(*place)
        .limit(limit)
    )
    found = await tx.sql.execute(wanted.where(tuple_(*place) > after) if after else wanted)
    return [_approval(*row) for row in found]


async def decide(
    tx: Transaction, who: Principal, kinds: Kinds, decision: ApprovalDecision, at: datetime
) -> Approval:
    """Grant a request and do what it asks for, or refuse it. The same again gives the same.

    Two who decide at once come one after the other: the first decides. Raises `NotFound`,
    `Forbidden`, `InvalidInput` for a refusal without a reason, `ApprovalDecided`,
    `ApprovalLapsed`, `SecondPersonRequired`, and what doing it raises.
    """
    approval = await one(tx, who.hub_id, decision.approval_id, lock=True)
    kind = kinds.get(approval.kind)
    if kind is None:
        raise NotFound("There is no such request.")
    if who.operator_id is None or kind.approves not in who.scopes:
        raise Forbidden(f"This needs the scope {kind.approves}, of somebody on shift.")
    if decision.verdict is ApprovalState.REFUSED and decision.reason is None:
        raise InvalidInput(errors=[FieldFault("/reason", "missing")])
    if approval.verdict is not None:
        same = (approval.verdict, approval.decided_by, approval.decision_reason)
        if same == (decision.verdict, who.operator_id, decision.reason):
            return approval
        raise ApprovalDecided
    if at >= approval.expires_at or not approval.whole:
        await _end(tx, approval, at)
        raise ApprovalLapsed
    first = (approval.requested_by, approval.requested_device, approval.requested_hand)
    second = await separation_of_duties.present(tx, who, at)
    if not await separation_of_duties.has_access(tx, who.hub_id, approval.requested_by):
        await _end(tx, approval, at)
        raise ApprovalLapsed
    if decision.verdict is ApprovalState.GRANTED and (tie := second.tie(*first)):
        await _note_attempt(tx, approval, tie, who, at)
        raise SecondPersonRequired(tie.value)
    done = await _settle(tx, approval, decision, second, at)
    await _tell(tx, done, decision.verdict.lower(), at, who)
    if decision.verdict is ApprovalState.GRANTED and kind.apply is not None:
        await kind.apply(tx, done, who)
        done = await _spend(tx, done, who, at)
    return done


async def use(
    tx: Transaction, who: Principal, kind: Kind, approval_id: UUID, at: datetime
) -> Approval:
    """Take what was granted: once, by whoever asked, within the kind's lifetime.

    Raises `NotFound` for another's, `ApprovalDecided` before a grant and after the use,
    `ApprovalLapsed`.
    """
    approval = await one(tx, who.hub_id, approval_id, lock=True)
    if approval.kind != kind.name or approval.requested_by != who.operator_id:
        raise NotFound("There is no such request.")
    granted = approval.verdict is ApprovalState.GRANTED and approval.used_at is None
    if not granted or approval.decided_at is None or kind.apply is not None:
        raise ApprovalDecided("It is not granted, or was used.")
    if at >= approval.decided_at + kind.lifetime or not approval.whole:
        raise ApprovalLapsed
    return await _spend(tx, approval, who, at)


async def expire(tx: Transaction, hub_id: str, now: datetime) -> int:
    """End requests nobody decided in time, `ENDED_AT_ONCE` at most; how many."""
    found = await tx.sql.execute(
        select(*_COLUMNS)
        .where(
            ApprovalRecord.hub_id == hub_id,
            ApprovalRecord.verdict.is_(None),
            ApprovalRecord.expires_at <= now,
        )
        .order_by(ApprovalRecord.expires_at)
        .limit(ENDED_AT_ONCE)
        .with_for_update(skip_locked=True, key_share=True)
    )
    late = [_approval(*row) for row in found]
    for approval in late:
        await _end(tx, approval, now)
    return len(late)


async def _settle(
    tx: Transaction,
    approval: Approval,
    decision: ApprovalDecision,
    second: Person,
    at: datetime,
) -> Approval:
    await tx.sql.execute(
        _this(approval).values(
            verdict=decision.verdict.value,
            decided_by=second.operator_id,
            decided_device=second.device_id,
            decided_hand=second.hand,
            decided_device_hand=second.device_hand,
            decided_at=at,
            decision_reason=decision.reason,
        )
    )
    return replace(
        approval,
        verdict=decision.verdict,
        decided_by=second.operator_id,
        decided_at=at,
        decision_reason=decision.reason,
    )


async def _spend(tx: Transaction, approval: Approval, who: Principal, at: datetime) -> Approval:
    await tx.sql.execute(_this(approval).values(used_at=at))
    await _tell(tx, approval, "used", at, who)
    return replace(approval, used_at=at)


async def _end(tx: Transaction, approval: Approval, at: datetime) -> None:
    await tx.sql.execute(
        _this(approval).values(verdict=ApprovalState.EXPIRED.value, decided_at=at)
    )
    await _tell(tx, approval, "expired", at)


def _this(approval: Approval) -> Update:
    return update(ApprovalRecord).where(
        ApprovalRecord.hub_id == approval.hub_id,
        ApprovalRecord.approval_id == approval.approval_id,
    )


async def _tell(
    tx: Transaction, approval: Approval, what: str, at: datetime, who: Principal | None = None
) -> None:
    await events.append(tx, [_happening(approval, what, at, who)])


def _happening(
    approval: Approval, what: str, at: datetime, who: Principal | None = None, **more: object
) -> Event:
    """Reasons stay in the row: an event goes to others."""
    return Event(
        approval.hub_id,
        f"approval.{what}",
        approval.approval_id,
        at,
        {
            "kind": approval.kind,
            "subject_id": str(approval.subject_id),
            "digest": approval.digest.hex(),
            **more,
        },
        who and who.device_id,
        who and who.operator_id,
    )


async def _note_attempt(
    tx: Transaction, approval: Approval, tie: Tie, who: Principal, at: datetime
) -> None:
    """Record that somebody tried to be both, once for a person and device: not each time."""
    attempt = uuid5(approval.approval_id, f"{who.operator_id} {who.device_id}")
    event = _happening(approval, "attempted", at, who, tie=tie.name)
    await events.append_once(tx, replace(event, event_id=attempt))
