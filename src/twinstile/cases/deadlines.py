"""What a case waits for beside the end of its state, and who hears when it does not come.

A wait is a row with a moment; the worker only looks which are due. What is due rings: an event,
once at each turn, until it has come. Nothing is ever closed or moved on by it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import RowMapping, delete, select, update
from sqlalchemy.dialects.postgresql import Insert
from sqlalchemy.dialects.postgresql import insert as upsert

from twinstile.cases.tables import CaseWait, Leg, Stay
from twinstile.cases.types import CaseState, LegEnding, Wait
from twinstile.platform.db.database import Reading, Transaction
from twinstile.platform.db.idempotent_facts import Change
from twinstile.platform.ledger import events
from twinstile.platform.ledger.events import Event

LATE: Final = "case.late"
MOST_LATE: Final = 500
"""Cases of which an alert is held at a time, those that are late longest."""

AGAIN: Final[Mapping[Wait, timedelta]] = {
    Wait.CARE: timedelta(minutes=10),
    Wait.RECEIVER: timedelta(minutes=10),
    Wait.REPORT_SOON: timedelta(minutes=15),
    Wait.REPORT: timedelta(minutes=15),
    Wait.FOLLOW_UP: timedelta(hours=2),
    Wait.ORIGIN: timedelta(minutes=15),
}
"""After how long it rings again."""

LIVES_IN: Final[Mapping[Wait, frozenset[CaseState]]] = {
    Wait.CARE: frozenset({CaseState.ASSESSING, CaseState.DISPOSED}),
    Wait.RECEIVER: frozenset(),
    Wait.REPORT_SOON: frozenset(CaseState),  # the law's clock: no state ends it
    Wait.REPORT: frozenset(CaseState),
    Wait.FOLLOW_UP: frozenset({CaseState.IN_CARE, CaseState.FOLLOWING_UP}),
    # whoever is lost or found ill on the way home is what their home has to hear of
    Wait.ORIGIN: frozenset(state for state in CaseState if not state.terminal)
    | {CaseState.CLOSED_LOST, CaseState.CLOSED_CONFIRMED},
}
"""A wait ends when its case moves, unless to one of these states."""

FOLLOWED: Final = LIVES_IN[Wait.FOLLOW_UP]
IN_A_ROOM: Final = LIVES_IN[Wait.CARE]
"""Whoever is on the way, with a receiver or at home is in no room of the hub."""


async def start(
    tx: Transaction, hub_id: str, case_id: UUID, kind: Wait, subject_id: UUID, due_at: datetime
) -> None:
    """Wait for it until then; if it was waited for already, from now on until then."""
    row = _row(hub_id, case_id, kind, subject_id, due_at)
    again = {"due_at": row.excluded.due_at, "late_since": None}
    await tx.sql.execute(
        row.on_conflict_do_update(index_elements=["hub_id", "subject_id", "kind"], set_=again)
    )


def begin(hub_id: str, case_id: UUID, kind: Wait, subject_id: UUID, due_at: datetime) -> Change:
    """Wait for it until then; if it was waited for already, that goes on as it is."""
    return _row(hub_id, case_id, kind, subject_id, due_at).on_conflict_do_nothing()


def _row(hub_id: str, case_id: UUID, kind: Wait, subject_id: UUID, due_at: datetime) -> Insert:
    return upsert(CaseWait).values(
        hub_id=hub_id,
        subject_id=subject_id,
        kind=kind.value,
        case_id=case_id,
        due_at=due_at,
        late_since=None,
    )


async def stop(tx: Transaction, hub_id: str, kind: Wait, subject_id: UUID) -> None:
    """It has come, or nobody waits for it any more."""
    await tx.sql.execute(
        delete(CaseWait).where(
            CaseWait.hub_id == hub_id,
            CaseWait.subject_id == subject_id,
            CaseWait.kind == kind.value,
        )
    )


def ends(
    hub_id: str, case_id: UUID, after: CaseState, moment: datetime, *kinds: Wait
) -> list[Change]:
    """What ends when a case enters a state: deadlines, also of `kinds`, transfer and stay."""
    over = [
        kind.value for kind, states in LIVES_IN.items() if kind in kinds or after not in states
    ]
    changes: list[Change] = [
        delete(CaseWait).where(
            CaseWait.hub_id == hub_id, CaseWait.case_id == case_id, CaseWait.kind.in_(over)
        )
    ]
    if after is not CaseState.IN_TRANSFER:
        changes.append(
            update(Leg)
            .where(Leg.hub_id == hub_id, Leg.case_id == case_id, Leg.ended_at.is_(None))
            .values(ended_at=moment, ending=LegEnding.UNSIGNED.value)
        )
    if after not in IN_A_ROOM:
        changes.append(
            update(Stay)
            .where(Stay.hub_id == hub_id, Stay.case_id == case_id, Stay.left_at.is_(None))
            .values(left_at=moment)
        )
    return changes


_RING = """
UPDATE case_wait w SET
    due_at = $2::timestamptz + d.again, late_since = coalesce(w.late_since, w.due_at)
FROM (
    SELECT w.subject_id, w.kind, a.again FROM case_wait w
    JOIN unnest($4::text[], $5::interval[]) AS a(kind, again) USING (kind)
    WHERE w.hub_id = $1 AND w.due_at <= $2
    ORDER BY w.due_at LIMIT $3 FOR UPDATE OF w SKIP LOCKED
) d, fever_case c
WHERE w.hub_id = $1 AND w.subject_id = d.subject_id AND w.kind = d.kind
  AND c.hub_id = $1 AND c.case_id = w.case_id
RETURNING w.case_id, c.case_no, w.kind, w.late_since
"""


async def ring(tx: Transaction, hub_id: str, at: datetime, limit: int) -> int:
    """Say of what has not come in time that it is late, at most `limit`; how many that were."""
    late = await tx.raw.fetch(_RING, hub_id, at, limit, list(AGAIN), list(AGAIN.values()))
    await events.append(
        tx,
        [
            Event(
                hub_id,
                LATE,
                case_id,
                at,
                {"case_no": case_no, "waits_for": kind, "since": since.isoformat()},
            )
            for case_id, case_no, kind, since in late
        ],
    )
    return len(late)


@dataclass(frozen=True, slots=True)
class LateCase:
    """A case that is late: for the end of its state where `wait` is None."""

    case_id: UUID
    case_no: str
    state: CaseState
    wait: Wait | None
    since: datetime


_STATES = """
SELECT case_id, case_no, state, NULL, late_since FROM fever_case
WHERE hub_id = $1 AND late_since IS NOT NULL
ORDER BY late_since LIMIT $2
"""
_WAITS = """
SELECT w.case_id, c.case_no, c.state, w.kind, w.late_since
FROM (
    SELECT case_id, kind, min(late_since) AS late_since FROM case_wait
    WHERE hub_id = $1 AND kind = $3 AND late_since IS NOT NULL
    GROUP BY case_id, kind ORDER BY min(late_since) LIMIT $2
) w JOIN fever_case c ON c.hub_id = $1 AND c.case_id = w.case_id
"""


async def late(tx: Reading, hub_id: str) -> list[LateCase]:
    """What has rung and not come yet, the longest first; at most `MOST_LATE` of each kind."""
    found = await tx.raw.fetch(_STATES, hub_id, MOST_LATE)
    for kind in Wait:
        found += await tx.raw.fetch(_WAITS, hub_id, MOST_LATE, kind.value)
    return [
        LateCase(case_id, case_no, CaseState(state), kind and Wait(kind), since)
        for case_id, case_no, state, kind, since in found
    ]


async def of_case(tx: Reading, hub_id: str, case_id: UUID) -> list[RowMapping]:
    """What the case waits for, the next first."""
    found = await tx.sql.execute(
        select(CaseWait.kind, CaseWait.subject_id, CaseWait.due_at, CaseWait.late_since)
        .where(CaseWait.hub_id == hub_id, CaseWait.case_id == case_id)
        .order_by(CaseWait.due_at, CaseWait.subject_id)
    )
    return list(found.mappings())
