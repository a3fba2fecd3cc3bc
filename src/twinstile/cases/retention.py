"""Which cases have been closed for so long that nobody needs their patient's name any more.

A legal hold keeps the identity of a case beyond its time. It is an event of the case, placed or
lifted by whoever answers for it; the latest one counts.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import select
from uuid_utils.compat import uuid7

from twinstile.cases.tables import FeverCase
from twinstile.platform.db.database import Reading, Transaction
from twinstile.platform.http.problems import NotFound
from twinstile.platform.ledger import events
from twinstile.platform.ledger.events import Event


class LegalHold(StrEnum):
    """What became of a legal hold; the kind of the event that tells."""

    PLACED = "case.hold-placed"
    LIFTED = "case.hold-lifted"


@dataclass(frozen=True, slots=True)
class CaseUnderHold:
    """A case under a legal hold: since when, and who asked for it."""

    case_no: str
    since: datetime
    reason: str


# A merged case is part of the one that goes on with it: neither ends before both do.
_OVER = """
NOT EXISTS (
    SELECT FROM unnest(ARRAY[c.case_id, c.followed_by]) AS of(case_id)
    JOIN fever_case part ON part.hub_id = c.hub_id AND part.case_id = of.case_id
    LEFT JOIN LATERAL (
        SELECT e.kind FROM event e
        WHERE e.subject_id = part.case_id AND e.hub_id = part.hub_id AND e.kind = ANY({kinds})
        ORDER BY e.at DESC, e.event_id DESC LIMIT 1
    ) hold ON true
    WHERE (part.closed_at < {before} AND hold.kind IS DISTINCT FROM {placed}) IS NOT TRUE)
"""
_DUE = f"""
SELECT c.case_id FROM fever_case c
WHERE c.hub_id = $1 AND c.case_id = ANY($2)
  AND {_OVER.format(before="$3", kinds="$4", placed="$5")}
ORDER BY c.closed_at
"""  # noqa: S608 # a fragment of ours


OVER_SQL = f"""
EXISTS (
    SELECT FROM fever_case c
    WHERE c.hub_id = {{hub}} AND c.case_id = {{case}} AND {_OVER})
"""  # a fragment of ours
"""Whether a case was closed before a moment and is under no legal hold, for a room above."""


_HELD = """
SELECT c.case_no, hold.at, hold.body->>'reason' FROM fever_case c, LATERAL (
    SELECT e.kind, e.at, e.body FROM event e
    WHERE e.subject_id = c.case_id AND e.hub_id = c.hub_id AND e.kind = ANY($2)
    ORDER BY e.at DESC, e.event_id DESC LIMIT 1
) hold
WHERE c.hub_id = $1 AND hold.kind = $3
ORDER BY c.case_no
"""


async def held_cases(tx: Reading, hub_id: str) -> list[CaseUnderHold]:
    """The hub's cases that are under a legal hold, by number."""
    kinds = [kind.value for kind in LegalHold]
    found = await tx.raw.fetch(_HELD, hub_id, kinds, LegalHold.PLACED.value)
    return [CaseUnderHold(*row) for row in found]


async def due(
    tx: Reading, hub_id: str, case_ids: Sequence[UUID], before: datetime
) -> list[UUID]:
    """Those of the cases that were closed before the moment and are under no legal hold."""
    kinds = [kind.value for kind in LegalHold]
    found = await tx.raw.fetch(_DUE, hub_id, case_ids, before, kinds, LegalHold.PLACED.value)
    return [case_id for (case_id,) in found]


async def lock(tx: Transaction, hub_id: str, case_id: UUID) -> None:
    """Let nobody place a hold on the case until the transaction ends."""
    await tx.sql.execute(
        select(FeverCase.case_id)
        .where(FeverCase.hub_id == hub_id, FeverCase.case_id == case_id)
        .with_for_update()
    )


async def hold(
    tx: Transaction, hub_id: str, case_no: str, kind: LegalHold, reason: str, at: datetime
) -> UUID:
    """Place or lift a legal hold on the identity of a case; its id. Raises `NotFound`."""
    found = await tx.sql.execute(
        select(FeverCase.case_id)
        .where(FeverCase.hub_id == hub_id, FeverCase.case_no == case_no)
        .with_for_update()
    )
    case_id = found.scalar_one_or_none()
    if case_id is None:
        raise NotFound("There is no such case.")
    body: dict[str, object] = {"reason": reason}
    await events.append(tx, [Event(hub_id, kind.value, case_id, at, body, event_id=uuid7())])
    return case_id
