"""How sources of trust lists do, as their rows tell."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from twinstile.credentials.sources.settings import ConfiguredSource
from twinstile.credentials.tables import TrustSource
from twinstile.platform.db.database import Reading


@dataclass(frozen=True, slots=True)
class SourceStatus:
    """One source: when it was well last, and what is wrong with it."""

    source: ConfiguredSource
    as_of: datetime | None = None
    asked_at: datetime | None = None
    fault: str | None = None
    fault_at: datetime | None = None
    failures: int = 0


async def of(
    tx: Reading, sources: Sequence[ConfiguredSource], hub_id: str
) -> list[SourceStatus]:
    """The sources of a hub, in their order; one that was never asked among them."""
    own = [one for one in sources if one.hub_id == hub_id]
    found = await tx.sql.execute(
        select(
            TrustSource.source,
            TrustSource.as_of,
            TrustSource.asked_at,
            TrustSource.fault,
            TrustSource.fault_at,
            TrustSource.failures,
        ).where(TrustSource.hub_id == hub_id)
    )
    rows = {row[0]: row for row in found}
    return [
        SourceStatus(one, *row[1:]) if (row := rows.get(one.name)) else SourceStatus(one)
        for one in own
    ]
