"""How a policy changes: somebody writes a version, asks for it, and a second person agrees.

A version never takes effect by being written. To roll back is to activate an earlier version,
and an emergency stop is nothing else: two persons, seconds. A version holds from the moment
that was asked for, or from the grant if that is later: what was decided stays as it was.
"""

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert as upsert
from uuid_utils.compat import uuid7

from twinstile.platform.db.database import Transaction
from twinstile.platform.http.problems import (
    Conflict,
    FieldFault,
    Forbidden,
    IdReused,
    InvalidInput,
)
from twinstile.platform.ledger import events
from twinstile.platform.ledger.events import Event
from twinstile.platform.security import approvals
from twinstile.platform.security.approvals import LIFETIME, Approval, Ask, Kind
from twinstile.platform.security.auth import Principal, Scope
from twinstile.policy import documents, versions
from twinstile.policy.documents import PolicyError
from twinstile.policy.tables import Policy, PolicyDraft

FURTHEST: Final = timedelta(days=30)


async def write(
    tx: Transaction, who: Principal, version: str, document: Mapping[str, object], at: datetime
) -> bool:
    """Store a version that nothing is decided by yet; false if the same is stored already.

    Raises `PolicyError`, `Conflict` where the document has another name, `IdReused`.
    """
    if documents.compile_document(document).version != version:
        raise Conflict("The document names another version than the address.")
    if who.operator_id is None:
        raise Forbidden
    held = select(Policy.version).where(Policy.hub_id == who.hub_id, Policy.version == version)
    new = (await tx.sql.execute(held)).one_or_none() is None
    if new:
        added = await tx.sql.execute(
            upsert(PolicyDraft)
            .values(
                hub_id=who.hub_id,
                version=version,
                recorded_at=at,
                recorded_by=who.operator_id,
                document=dict(document),
            )
            .on_conflict_do_nothing()
            .returning(PolicyDraft.version)
        )
        new = added.one_or_none() is not None
    stored = await versions.read_document(tx, who.hub_id, version)
    if stored != document:
        raise IdReused
    if new:
        body: dict[str, object] = {"version": version, "sha256": _digest(stored)}
        happening = Event(
            who.hub_id, "policy.written", uuid7(), at, body, who.device_id, who.operator_id
        )
        await events.append(tx, [happening])
    return new


async def ask(
    tx: Transaction,
    who: Principal,
    version: str,
    activation_id: UUID,
    effective_from: datetime | None,
    reason: str,
    at: datetime,
) -> Approval:
    """Ask for a version to hold from that moment on, or from the grant.

    Raises `NotFound`, `IdReused`, `InvalidInput` for a moment that has passed (but for as long
    as a request may be sent again) or is too far ahead.
    """
    if effective_from and not at - LIFETIME <= effective_from <= at + FURTHEST:
        raise InvalidInput(errors=[FieldFault("/effective_from", "out-of-range")])
    document = await versions.read_document(tx, who.hub_id, version)
    content = {
        "version": version,
        "effective_from": effective_from,
        "sha256": _digest(document),
    }
    return await approvals.ask(
        tx, who, KIND, Ask(activation_id, activation_id, content, reason), at
    )


async def _activate(tx: Transaction, approval: Approval, _: Principal) -> None:
    at = approval.decided_at or approval.expires_at
    wanted = approval.content["effective_from"]
    version = str(approval.content["version"])
    document = await versions.read_document(tx, approval.hub_id, version)
    since = max(datetime.fromisoformat(str(wanted)), at) if wanted else at
    try:
        await versions.put_in_force(
            tx, approval.hub_id, document, since, at, approval.approval_id
        )
    except PolicyError as error:
        raise Conflict("This release cannot decide by that version any more.") from error


def _digest(document: Mapping[str, object]) -> str:
    plain = json.dumps(document, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(plain.encode()).hexdigest()


KIND: Final = Kind(
    "policy", Scope.POLICIES_WRITE, Scope.POLICIES_WRITE, LIFETIME, apply=_activate
)
