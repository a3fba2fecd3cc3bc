"""What a tablet must know to stand at its lane: policy, mode, runs due soon, tags of alerts.

No identities.
"""

from datetime import datetime
from uuid import UUID

from pydantic import Field

from twinstile.arrivals.feeds import feed_status
from twinstile.arrivals.feeds.config import Department
from twinstile.arrivals.feeds.feed_status import FeedFreshness
from twinstile.arrivals.runs import DUE_SOON, DUE_SQL, NUMBERS_SQL
from twinstile.arrivals.tags import AlertTags, Tagger
from twinstile.credentials.trusting import api as trusting
from twinstile.credentials.trusting.api import TrustState
from twinstile.credentials.trusting.current_lists import CurrentLists
from twinstile.deferrals import surge_orders
from twinstile.platform.db.database import Reading
from twinstile.platform.http.field_types import Answer
from twinstile.platform.http.routes import Runtime
from twinstile.platform.security import devices
from twinstile.platform.security.auth import Principal
from twinstile.platform.security.hub_modes import HubMode
from twinstile.policy import versions
from twinstile.screening.types import LaneDirection


class DueRun(Answer):
    """A run whose people will be at the lane soon."""

    run_id: UUID
    service_no: str
    numbers: list[str] = Field(description="others it runs under: a ticket may name one")
    origin: str
    arrival: datetime
    platform: str | None
    expected: int


class SurgeOrder(Answer):
    """A surge order in force here: while it holds, the step `fuse_release` is possible."""

    fuse_id: UUID
    whole_checkpoint: bool = Field(description="else only the runs named")
    runs: list[str] = Field(description="service numbers it names")
    reason: str
    ordered_by: str | None = Field(description="as colleagues call them")
    confirmed_by: str | None
    since: datetime
    until: datetime = Field(description="ends by itself then, also at a tablet without a line")


class LaneState(Answer):
    """Everything a tablet needs at its lane, small enough to fetch every few seconds."""

    mode: HubMode
    lane_id: str
    checkpoint: str
    kind: str
    direction: LaneDirection
    zone: str = Field(description="of the hub: rules count days by it", examples=["Asia/Tokyo"])
    policy_version: str
    policy: dict[str, object]
    runs: list[DueRun]
    surge: list[SurgeOrder] = Field(description="what ends last comes first; empty: none")
    alerts: AlertTags | None = Field(
        description="whom to send to the desk without the service; null: nobody"
    )
    trust_list: TrustState | None = Field(
        description="by which certificates are judged, to be read by its version; null: none"
    )
    sources: list[FeedFreshness] = Field(
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
WHERE r.hub_id = $1 AND {DUE_SQL.format(at="$2", near="$3")}
ORDER BY arrival, r.run_id
LIMIT 200
"""  # noqa: S608 # words of ours


async def state(
    tx: Reading,
    runtime: Runtime,
    tagger: Tagger,
    lists: CurrentLists,
    who: Principal,
    lane_id: str,
    at: datetime,
) -> LaneState:
    """The state of a lane at a moment. Raises `NotFound`, `MasterUnavailable`."""
    hub_id, today = who.hub_id, at.astimezone(runtime.settings.zone).date()
    checkpoint, kind, direction = await devices.lane(tx, hub_id, lane_id)
    version = await versions.in_force(tx, hub_id, at)
    rows = await tx.raw.fetch(_RUNS_SQL, hub_id, at, DUE_SOON)
    surge = await surge_orders.here(tx, hub_id, at, checkpoint, [row["run_id"] for row in rows])
    keys = runtime.keys.of(hub_id)
    return LaneState(
        mode=who.mode,
        lane_id=lane_id,
        checkpoint=checkpoint,
        kind=kind,
        direction=LaneDirection(direction),
        zone=runtime.settings.timezone,
        policy_version=version,
        policy=await versions.read_document(tx, hub_id, version),
        runs=[DueRun.model_validate(dict(row)) for row in rows],
        surge=[SurgeOrder.model_validate(order) for order in surge],
        alerts=await tagger.tags(tx, keys, hub_id, today, at),
        trust_list=trusting.state(await lists.of(tx, keys, hub_id), at),
        sources=await feed_status.feed_freshness(
            tx, runtime.settings, hub_id, frozenset(Department), at
        ),
    )


def constant(lane_state: LaneState) -> str:
    """A state without what only grows older, which is no change of it."""
    passing = {"sources": {"__all__": {"as_of"}}, "trust_list": {"age_s"}}
    return lane_state.model_dump_json(exclude=passing)
