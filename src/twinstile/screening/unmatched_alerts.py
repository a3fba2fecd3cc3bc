"""Whether those who come to the lanes are on the lists, told to the commander if they are not.

Many who are on no list at once mean that lists are missing, late or of another day, or that
documents are read wrongly: the gate then knows nobody.
"""

from datetime import datetime, timedelta
from typing import Final, cast
from uuid import UUID, uuid5

from twinstile.platform.db.database import Reading, Transaction
from twinstile.screening import alerts
from twinstile.screening.types import AlertKind

SPAN: Final = timedelta(minutes=30)
LEAST: Final = 20
"""Passages within the span; of fewer no share is told."""
_HUBS: Final = UUID("0a6d1d4e-8a0b-4c58-9a8f-6a5c1f5b3e77")

# Counted while a run with a list arrives, at checkpoints of arrivals; who showed no document
# can be on no list.
_SHARE = """
SELECT count(*), count(*) FILTER (WHERE s.entry_id IS NULL)
FROM screening s
WHERE s.hub_id = $1 AND s.opened_at > $2 AND s.opened_at <= $3
  AND s.checks > 0 AND s.state <> 'VOID' AND s.person_id IS NOT NULL
  AND EXISTS (SELECT FROM lane l WHERE l.hub_id = $1 AND l.checkpoint = s.checkpoint
              AND l.direction = 'ARRIVING')
  AND EXISTS (
      SELECT FROM run r
      WHERE r.hub_id = $1
        AND r.scheduled_arrival BETWEEN $2::timestamptz - interval '1 day'
            AND $3::timestamptz + interval '1 day'
        AND coalesce(r.actual_arrival, r.estimated_arrival, r.scheduled_arrival)
            BETWEEN $2::timestamptz - interval '1 hour' AND $3
        AND EXISTS (SELECT FROM manifest_entry m WHERE m.hub_id = $1
                    AND m.run_id = r.run_id AND m.withdrawn_at IS NULL))
"""
_OPEN = """
SELECT FROM alert
WHERE hub_id = $1 AND subject_id = $2 AND kind = $3 AND closed_at IS NULL
"""


async def look(tx: Transaction, hub_id: str, limit: float, now: datetime) -> None:
    """Hold the alert of a hub to the share of the last half hour that was on no list.

    It is raised above the limit, and closed at half of it, so that it does not flutter.
    """
    passed, unknown = await share(tx, hub_id, now)
    subject = uuid5(_HUBS, hub_id)
    kind = AlertKind.UNMATCHED
    is_open = await tx.raw.fetchrow(_OPEN, hub_id, subject, kind.value) is not None
    much = passed >= LEAST and unknown > passed * (limit / 2 if is_open else limit)
    facts: dict[str, object] = {
        "passed": passed,
        "unmatched": unknown,
        "minutes": SPAN // timedelta(minutes=1),
    }
    await alerts.hold(tx, hub_id, kind, {subject: facts} if much else {}, now)


async def share(tx: Reading, hub_id: str, now: datetime) -> tuple[int, int]:
    """How many came in the last half hour, and how many of them were on no list."""
    row = await tx.raw.fetchrow(_SHARE, hub_id, now - SPAN, now)
    return cast("tuple[int, int]", tuple(row)) if row else (0, 0)
