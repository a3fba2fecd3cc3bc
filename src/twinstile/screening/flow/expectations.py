"""People on manifests who have not come to a lane: what may become of them before they do."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import insert
from uuid_utils.compat import uuid7

from twinstile.arrivals import manifests
from twinstile.platform import events
from twinstile.platform.auth import Principal
from twinstile.platform.db import Transaction
from twinstile.platform.events import Happening
from twinstile.screening import machine
from twinstile.screening.tables import Screening
from twinstile.screening.types import ScreeningEvent

_OUTSTANDING_SQL = """
SELECT m.entry_id, m.person_id FROM manifest_entry m
WHERE m.hub_id = $1 AND m.run_id = $2 AND m.withdrawn_at IS NULL
  AND NOT EXISTS (
      SELECT FROM screening s
      WHERE s.hub_id = $1 AND s.run_id = $2 AND s.entry_id = m.entry_id)
  AND NOT EXISTS (
      SELECT FROM screening s
      WHERE s.hub_id = $1 AND s.person_id = m.person_id AND s.checks > 0
        AND s.opened_at > $3::timestamptz - interval '1 day')
ORDER BY m.entry_id
"""


async def close_run(tx: Transaction, who: Principal, run_id: UUID, at: datetime) -> int:
    """Nobody else is expected of the run: whoever did not come is NO_SHOW; how many.

    Closing a closed run changes nothing. Raises `NotFound`.
    """
    if not await manifests.close(tx, who.hub_id, run_id, at):
        return 0
    rows = await tx.raw.fetch(_OUTSTANDING_SQL, who.hub_id, run_id, at)
    absent: Sequence[dict[str, object]] = [
        {
            "hub_id": who.hub_id,
            "screening_id": uuid7(),
            "person_id": person_id,
            "run_id": run_id,
            "entry_id": entry_id,
            "state": machine.step(machine.START, ScreeningEvent.RUN_CLOSED).value,
            "opened_at": at,
            "state_since": at,
            "closed_at": at,
            "fold": {},
            "checks": 0,
            "reminders": [],
            "verifications": [],
            "services": [],
        }
        for entry_id, person_id in rows
    ]
    if absent:
        await tx.sql.execute(insert(Screening), absent)
    await events.append(
        tx,
        [
            Happening(
                who.hub_id,
                "run.closed",
                run_id,
                at,
                {"no_show": len(absent)},
                who.device_id,
                who.operator_id,
            )
        ],
    )
    return len(absent)
