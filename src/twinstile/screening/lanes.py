"""What a tablet must know to stand at its lane: policy, mode, runs due soon, tags of alerts.

No identities.
"""

import hashlib
from datetime import datetime, timedelta
from uuid import UUID

from pydantic import Field

from twinstile.arrivals.feeds import sources
from twinstile.arrivals.feeds.config import Department
from twinstile.arrivals.feeds.sources import SourceAnswer
from twinstile.arrivals.runs import NOT_COMING, NUMBERS_SQL
from twinstile.arrivals.tags import AlertTags, Tagger
from twinstile.credentials.trusting import api as trusting
from twinstile.credentials.trusting.api import TrustState
from twinstile.credentials.trusting.lists import Lists
from twinstile.platform import devices
from twinstile.platform.auth import Principal
from twinstile.platform.db import Reading
from twinstile.platform.fields import Answer
from twinstile.platform.modes import HubMode
from twinstile.platform.web import House
from twinstile.policy import versions
from twinstile.screening.types import Direction

DUE_SOON = timedelta(hours=2)


class DueRun(Answer):
    """A run whose people will be at the lane soon."""

    run_id: UUID
    service_no: str
    numbers: list[str] = Field(description="others it runs under: a ticket may name one")
    origin: str
    arrival: datetime
    platform: str | None
    expected: int


class LaneState(Answer):
    """Everything a tablet needs at its lane, small enough to fetch every few seconds."""

    mode: HubMode
    lane_id: str
    checkpoint: str
    kind: str
    direction: Direction
    zone: str = Field(description="of the hub: rules count days by it", examples=["Asia/Tokyo"])
    policy_version: str
    policy: dict[str, object]
    runs: list[DueRun]
    alerts: AlertTags | None = Field(
        description="whom to send to the desk without the service; null: nobody"
    )
    trust_list: TrustState | None = Field(
        description="by which certificates are judged, to be read by its version; null: none"
    )
    sources: list[SourceAnswer] = Field(
        description="departments' feeds it rests on; a new `as_of` alone is no change"
    )


_RUNS_SQL = f"""
SELECT r.run_id, r.service_no, r.origin,
       coalesce(r.actual_arrival, r.estimated_arrival, r.scheduled_arrival) AS arrival,
       r.platform, {NUMBERS_SQL.format(run="r")} AS numbers,
       (SELECT count(*) FROM manifest_entry m
        WHERE m.hub_id = r.hub_id AND m.run_id = r.run_id
          AND m.withdrawn_at IS NULL) AS expected
FROM run r
WHERE r.hub_id = $1 AND r.closed_at IS NULL AND r.status NOT IN {NOT_COMING}
  AND r.scheduled_arrival BETWEEN $2::timestamptz - interval '12 hours'
      AND $2::timestamptz + interval '12 hours'
  AND coalesce(r.actual_arrival, r.estimated_arrival, r.scheduled_arrival)
      BETWEEN $2::timestamptz - $3::interval AND $2::timestamptz + $3::interval
ORDER BY arrival, r.run_id
LIMIT 200
"""  # noqa: S608 # words of ours


async def state(
    tx: Reading,
    home: House,
    tagger: Tagger,
    lists: Lists,
    who: Principal,
    lane_id: str,
    at: datetime,
) -> LaneState:
    """The state of a lane at a moment. Raises `NotFound`, `MasterUnavailable`."""
    hub_id, today = who.hub_id, at.astimezone(home.settings.zone).date()
    checkpoint, kind, direction = await devices.lane(tx, hub_id, lane_id)
    version = await versions.in_force(tx, hub_id, at)
    rows = await tx.raw.fetch(_RUNS_SQL, hub_id, at, DUE_SOON)
    keys = home.keys.of(hub_id)
    return LaneState(
        mode=who.mode,
        lane_id=lane_id,
        checkpoint=checkpoint,
        kind=kind,
        direction=Direction(direction),
        zone=home.settings.timezone,
        policy_version=version,
        policy=await versions.read_document(tx, hub_id, version),
        runs=[DueRun.model_validate(dict(row)) for row in rows],
        alerts=await tagger.tags(tx, keys, hub_id, today, at),
        trust_list=trusting.state(await lists.of(tx, keys, hub_id), at),
        sources=await sources.of(tx, home.settings, hub_id, frozenset(Department), at),
    )


def etag(lane_state: LaneState) -> str:
    """A weak validator (RFC 9110, section 8.8.3): what only grows older is unchanged."""
    passing = {"sources": {"__all__": {"as_of"}}, "trust_list": {"age_s"}}
    told = lane_state.model_dump_json(exclude=passing)
    return f'W/"{hashlib.sha256(told.encode()).hexdigest()[:32]}"'
