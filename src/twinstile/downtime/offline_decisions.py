"""Decisions of devices beside those of the service, where the two differ."""

from datetime import datetime

from sqlalchemy import RowMapping, select, tuple_

from twinstile.platform.db.database import Reading
from twinstile.platform.http import paging
from twinstile.screening.tables import Check

_DECIDED = Check.evidence["decided"]
_VERDICT = _DECIDED["verdict"].astext


async def page(
    tx: Reading, hub_id: str, since: datetime, until: datetime, cursor: str | None, limit: int
) -> list[RowMapping]:
    """Checks that arrived in [since, until) and were decided otherwise, the oldest first."""
    place = tuple_(Check.received_at, Check.id)
    wanted = [
        Check.hub_id == hub_id,
        Check.received_at >= since,
        Check.received_at < until,
        Check.verdict != _VERDICT,
    ]
    if cursor is not None:
        wanted.append(place > paging.decode(cursor))
    found = await tx.sql.execute(
        select(
            Check.id,
            Check.screening_id,
            Check.device_id,
            Check.lane_id,
            Check.observed_at,
            Check.received_at,
            _VERDICT.label("decided"),
            _DECIDED["policy_version"].astext.label("decided_by"),
            Check.verdict,
            Check.policy_version,
            Check.reasons,
        )
        .where(*wanted)
        .order_by(Check.received_at, Check.id)
        .limit(limit)
    )
    return list(found.mappings())
