"""Quotas: requests a minute of one client, and look-ups of one operator.

An operator may look up enough for a desk, and too little to try numbers. What was used is what
the access log has. The operator's row is locked while it is counted, so requests at the same
moment, on any number of devices, get no more than one after the other.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import select

from twinstile.platform.db.database import Transaction
from twinstile.platform.db.tables import Access, Operator
from twinstile.platform.http.problems import TooMany
from twinstile.platform.security.access_log import AccessOutcome, Action


@dataclass(frozen=True, slots=True)
class Quota:
    """So many within so long, for one operator."""

    limit: int
    within: timedelta


LOOK_UPS = (Quota(20, timedelta(minutes=10)), Quota(100, timedelta(hours=12)))
"""Twelve hours is the longest shift: signing in again renews nothing."""
_MOST = max(quota.limit for quota in LOOK_UPS)
_LONGEST = max(quota.within for quota in LOOK_UPS)


@dataclass(frozen=True, slots=True)
class QuotaStatus:
    """What an operator has left, and in how many seconds they may go on if nothing."""

    left: int
    wait_s: int
    told: bool
    """Whether a refusal was recorded within the shortest window already."""


def judge(used: Sequence[datetime], refused: datetime | None, at: datetime) -> QuotaStatus:
    """The standing after these look-ups, the latest first, and that latest refusal."""
    left = min(q.limit - sum(moment > at - q.within for moment in used) for q in LOOK_UPS)
    waits = [used[q.limit - 1] + q.within - at for q in LOOK_UPS if len(used) >= q.limit]
    wait = max(waits, default=timedelta(0)).total_seconds() if left <= 0 else 0.0
    quiet = min(quota.within for quota in LOOK_UPS)
    return QuotaStatus(
        max(left, 0),
        max(math.ceil(wait), 1) if left <= 0 else 0,
        refused is not None and refused > at - quiet,
    )


async def quota_status(
    tx: Transaction, hub_id: str, operator_id: UUID, at: datetime
) -> QuotaStatus:
    """An operator's standing, which nobody else can change until the transaction ends."""
    await tx.sql.execute(
        select(Operator.operator_id)
        .where(Operator.hub_id == hub_id, Operator.operator_id == operator_id)
        .with_for_update(key_share=True)
    )
    mine = (
        select(Access.at)
        .where(
            Access.hub_id == hub_id,
            Access.operator_id == operator_id,
            Access.action == Action.LOOK_UP.value,
            Access.at > at - _LONGEST,
        )
        .order_by(Access.at.desc())
    )
    refused = Access.outcome == AccessOutcome.REFUSED.value
    used = (await tx.sql.execute(mine.where(~refused).limit(_MOST))).scalars().all()
    last = (await tx.sql.execute(mine.where(refused).limit(1))).scalar_one_or_none()
    return judge(used, last, at)


MINUTE_S = 60.0


@dataclass(slots=True)
class RateLimit:
    """So many a minute for each name; counts at most `names` names, then begins anew."""

    a_minute: int
    names: int = 1000
    _begun: float = 0.0
    _counts: dict[str, int] = field(default_factory=dict[str, int])

    def used_up(self, name: str, now: float) -> bool:
        """Whether nothing is left for this name in the running minute."""
        if now - self._begun >= MINUTE_S or len(self._counts) >= self.names:
            self._begun = now
            self._counts.clear()
        return self._counts.get(name, 0) >= self.a_minute

    def take(self, name: str, now: float) -> None:
        """Count one. Raises `TooMany` when nothing is left."""
        if self.used_up(name, now):
            left = MINUTE_S - (now - self._begun)
            raise TooMany(retry_after_s=max(1, round(left)))
        self._counts[name] = self._counts.get(name, 0) + 1
