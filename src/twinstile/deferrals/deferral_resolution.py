"""Deferrals settled by data: what a department or another passage says of somebody since.

A clean word closes the deferral. A word of risk closes nothing, for somebody has to reach the
person: it is an alert, and the deferral stays owed until a step or the clock ends it.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from twinstile.arrivals.authorities import SINCE_SQL
from twinstile.deferrals import deferrals
from twinstile.identity.links import KIN_SQL
from twinstile.platform.db.database import Database, Transaction
from twinstile.platform.ledger import events
from twinstile.platform.ledger.events import Event
from twinstile.screening import alerts, machine, steps
from twinstile.screening.steps import TargetState
from twinstile.screening.transition_requirements import Matched, StepDetails
from twinstile.screening.types import AlertKind, ScreeningEvent, ScreeningState

AT_ONCE: Final = 500
CLEAN: Final = "STATUS_GREEN"
_SILENT: Final = frozenset({CLEAN, "STATUS_UNKNOWN"})

_FOUND = f"""
SELECT d.screening_id, m.marks, later.screening_id
FROM deferral d
CROSS JOIN LATERAL (
    SELECT * FROM screening s WHERE s.hub_id = $1 AND s.screening_id = d.screening_id LIMIT 1
) s
CROSS JOIN LATERAL (
    SELECT {KIN_SQL.format(hub="$1", person="s.person_id")} AS people OFFSET 0
) k
CROSS JOIN LATERAL (SELECT {
    SINCE_SQL.format(hub="$1", people="k.people", since="d.opened_at", at="$2::timestamptz")
} AS marks OFFSET 0) m
LEFT JOIN LATERAL (
    SELECT n.screening_id
    FROM (SELECT * FROM screening WHERE person_id = ANY(k.people) OFFSET 0) n
    WHERE n.hub_id = $1 AND n.screening_id <> s.screening_id
      AND n.opened_at > d.opened_at AND n.state = ANY($3::text[])
    ORDER BY n.opened_at LIMIT 1
) later ON true
WHERE d.hub_id = $1 AND d.closed_at IS NULL AND s.state = 'DEFERRED'
  AND s.person_id IS NOT NULL AND (m.marks IS NOT NULL OR later.screening_id IS NOT NULL)
ORDER BY d.due_at LIMIT $4
"""  # noqa: S608 # fragments of ours; every value is a parameter


async def settle(database: Database, hub_id: str, now: datetime) -> int:
    """Close what data have settled, and tell of those at risk; how many were closed."""
    async with database.transaction() as tx:
        rows = await tx.raw.fetch(_FOUND, hub_id, now, list(machine.PASSED), AT_ONCE)
        risks = {row[0]: risk for row in rows if (risk := _risk(row[1] or ()))}
        troubles: dict[UUID, dict[str, object]] = {
            screening_id: {"said": list(risk)} for screening_id, risk in risks.items()
        }
        await alerts.hold(tx, hub_id, AlertKind.DEFERRAL_RISK, troubles, now)
    closed = 0
    for screening_id, marks, later in rows:
        if screening_id in risks or (later is None and CLEAN not in (marks or ())):
            continue
        told = (
            StepDetails(matched=Matched.HEALTH_STATUS)
            if later is None
            else StepDetails(matched=Matched.LATER_CHECK, reference=str(later))
        )
        async with database.transaction() as tx:
            closed += await _close(tx, hub_id, screening_id, told, now)
    return closed


def _risk(marks: Sequence[str]) -> tuple[str, ...]:
    return tuple(sorted(set(marks) - _SILENT))


async def _close(
    tx: Transaction, hub_id: str, screening_id: UUID, details: StepDetails, now: datetime
) -> bool:
    """Clear a passage that is still deferred."""
    found = await steps.lock(tx, hub_id, screening_id)
    if found.state is not ScreeningState.DEFERRED:
        return False
    event = ScreeningEvent.MATCHED_CLEAR
    after = machine.step(found.state, event)
    landing = TargetState(after, None, found.case_id, found.order_until)
    await steps.move(tx, hub_id, found, landing, now)
    body: dict[str, object] = {
        "path": [[found.state, event, after]],
        "reason": "matched by data",
        "at": now.isoformat(),
        "particulars": details.told(),
    }
    await events.append(tx, [Event(hub_id, "screening.step", screening_id, now, body)])
    await deferrals.end(tx, hub_id, [screening_id], event, None, now)
    return True
