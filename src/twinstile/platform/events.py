"""Append to `event`: the one row that is audit line, outbox entry and sync position."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from sqlalchemy import insert
from uuid_utils.compat import uuid7

from twinstile.platform.db import Transaction
from twinstile.platform.tables import Event


@dataclass(frozen=True, slots=True)
class Happening:
    """A change others must hear of. `body` holds codes and ids, never identities."""

    hub_id: str
    kind: str
    subject_id: UUID
    at: datetime
    body: dict[str, object] = field(default_factory=dict[str, object])
    device_id: UUID | None = None
    operator_id: UUID | None = None


async def append(tx: Transaction, happenings: Sequence[Happening]) -> None:
    """Write them in order, in the caller's transaction: what rolls back was never announced."""
    if happenings:
        await tx.sql.execute(
            insert(Event),
            [
                {
                    "hub_id": h.hub_id,
                    "event_id": uuid7(),
                    "at": h.at,
                    "kind": h.kind,
                    "subject_id": h.subject_id,
                    "device_id": h.device_id,
                    "operator_id": h.operator_id,
                    "body": h.body,
                }
                for h in happenings
            ],
        )
