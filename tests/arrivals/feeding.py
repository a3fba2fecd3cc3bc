"""Feeds of tests: deliveries landed and applied at a hub, and what stands then."""

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from uuid import UUID

from hubs import Hub
from people import Json

from twinstile.arrivals.feeds import applying, deliveries, landing
from twinstile.arrivals.feeds.applying import ApplyRuntime
from twinstile.arrivals.feeds.reading import FORMATS, Format
from twinstile.arrivals.feeds.types import FeedSettings, ReceivedDelivery
from twinstile.arrivals.records import (
    ArrivalEvent,
    Delivery,
    DocumentClaim,
    ManifestEnd,
    ManifestRow,
    Op,
    ReaderContext,
    Record,
    RecordOrigin,
    Reject,
    RunRef,
    RunStatus,
    TravellerRole,
    UnknownColumns,
    UnreadableDelivery,
)
from twinstile.arrivals.types import Mode
from twinstile.identity import forms
from twinstile.identity.types import DocumentKind
from twinstile.platform import clock
from twinstile.platform.modes import HubMode

DAY = date(2026, 11, 28)
ARRIVAL = datetime(2026, 11, 28, 8, 5, tzinfo=UTC)


def read(
    delivery: Delivery, _reading: ReaderContext
) -> Iterator[Record | UnknownColumns | Reject]:
    """A format of tests: a line of JSON for each record, in the order they are meant."""
    for row, line in enumerate(delivery.body.splitlines(), 1):
        try:
            said: Json = json.loads(line)
        except ValueError:
            yield Reject(row, "malformed-row")
            continue
        match said:
            case {"cut": reason}:
                raise UnreadableDelivery(str(reason))
            case {"fail": _}:
                raise RuntimeError
            case {"columns": names}:
                yield UnknownColumns(tuple(names))
            case _:
                yield _record(row, said)


def _record(row: int, said: Json) -> Record:
    run = RunRef("cn-rail", str(said["run"]), DAY, tuple(said.get("aliases", ())))
    origin = RecordOrigin(str(said["key"]), row, said.get("version"))
    op = Op(said.get("op", "UPSERT"))
    if "rows" in said:
        roles = frozenset(TravellerRole(one) for one in said.get("roles", TravellerRole))
        rejected = said.get("rejected", 0)
        return ManifestEnd(origin, run, said["rows"], rejected, said.get("told"), roles)
    if "number" in said:
        claim = DocumentClaim(DocumentKind.RESIDENT_ID, str(said["number"]))
        role = TravellerRole(said.get("role", "PASSENGER"))
        return ManifestRow(origin, op, run, claim, role, seat=said.get("seat"))
    return ArrivalEvent(
        origin,
        op,
        run,
        Mode.RAIL,
        RunStatus(said.get("status", "SCHEDULED")),
        said.get("from"),
        "杭州东",
        scheduled_arrival=datetime.fromisoformat(said["at"]) if "at" in said else None,
        delay_s=said.get("delay_s"),
    )


FORMAT = "test"


def use() -> None:
    """Let feeds have the format of tests."""
    formats: dict[str, Format] = FORMATS  # type: ignore[assignment]
    formats[FORMAT] = Format(read, has_lists=True)


def event(run: str, key: str = "", **more: object) -> Json:
    return {"key": key or f"{run}/run", "run": run, "at": ARRIVAL.isoformat(), **more}


def traveller(run: str, key: str, number: str, **more: object) -> Json:
    return {"key": key, "run": run, "number": number, **more}


def end(run: str, rows: int, **more: object) -> Json:
    return {"key": f"{run}/list", "run": run, "rows": rows, **more}


def body(said: Sequence[Json | str]) -> bytes:
    lines = [one if isinstance(one, str) else json.dumps(one) for one in said]
    return "\n".join(lines).encode()


def feed_of(hub: Hub, name: str = "rail", **more: object) -> FeedSettings:
    found = {"format": FORMAT, **more}
    return FeedSettings(hub.hub_id, name, zone=hub.house.settings.zone, **found)  # type: ignore[arg-type]


def desk_of(hub: Hub, now: datetime | None = None) -> ApplyRuntime:
    at = now or clock.now()
    terms = forms.terms(hub.house.settings, HubMode.DEMO, at)
    return ApplyRuntime(hub.house.database, hub.house.keys.of(hub.hub_id), terms, lambda: at)


async def land(hub: Hub, feed: FeedSettings, said: Sequence[Json | str] | bytes) -> UUID:
    """Land a delivery, one of other bytes than any before."""
    made = said if isinstance(said, bytes) else body(said)
    keys, now = hub.house.keys.of(hub.hub_id), clock.now()
    async with hub.house.database.transaction() as tx:
        landed: ReceivedDelivery = await landing.receive(
            tx, keys, feed, Delivery(made, now), now
        )
    assert landed.delivery_id, landed
    return landed.delivery_id


async def tell(hub: Hub, feed: FeedSettings, *said: Json | str) -> UUID:
    """Land a delivery and apply what is due."""
    delivery_id = await land(hub, feed, said)
    await applying.apply_due(desk_of(hub), feed)
    return delivery_id


async def replay(hub: Hub, feed: FeedSettings, *delivery_ids: UUID) -> int:
    async with hub.house.database.transaction() as tx:
        return len(await deliveries.replay_deliveries(tx, feed, delivery_ids, clock.now()))


async def rows(hub: Hub, query: str) -> list[tuple[object, ...]]:
    async with hub.house.database.reading() as tx:
        return [tuple(row) for row in await tx.raw.fetch(query, hub.hub_id)]


async def figures(hub: Hub, delivery_id: UUID) -> dict[str, object]:
    """What came of a delivery."""
    async with hub.house.database.reading() as tx:
        row = await tx.raw.fetchrow(
            "SELECT state, fault, rows, applied, repeated, superseded, rejected, unmatched"
            " FROM feed_delivery WHERE hub_id = $1 AND delivery_id = $2",
            hub.hub_id,
            delivery_id,
        )
    assert row
    return dict(row)


async def expected(hub: Hub, run: str) -> set[tuple[str | None, str]]:
    """Seats of those expected on a run, and the seats of those withdrawn."""
    async with hub.house.database.reading() as tx:
        found = await tx.raw.fetch(
            "SELECT e.seat, CASE WHEN e.withdrawn_at IS NULL THEN 'in' ELSE 'out' END"
            " FROM manifest_entry e JOIN run_alias a USING (hub_id, run_id)"
            " WHERE hub_id = $1 AND a.service_no = $2",
            hub.hub_id,
            run,
        )
    return {(seat, stands) for seat, stands in found}
