"""A timetable and the updates to it, from what landed to when a run is due."""

from datetime import UTC, datetime, time, timedelta
from uuid import UUID

import feed_deliveries
from feed_deliveries import feed_of, figures
from google.transit.gtfs_realtime_pb2 import FeedHeader, FeedMessage, TripDescriptor, TripUpdate
from hubs import Hub
from timetables import PLAIN, packed

from twinstile.arrivals.feeds import applier
from twinstile.arrivals.feeds.reading import FeedSettings
from twinstile.platform.ops import clock

STOP = TripUpdate.StopTimeUpdate


async def applied(hub: Hub, feed: FeedSettings, body: bytes) -> UUID:
    delivery_id = await feed_deliveries.land(hub, feed, body)
    await applier.apply_due(feed_deliveries.desk_of(hub), feed)
    return delivery_id


def message(*updates: TripUpdate) -> bytes:
    header = FeedHeader(gtfs_realtime_version="2.0", timestamp=int(clock.now().timestamp()))
    made = FeedMessage(header=header)
    for number, update in enumerate(updates):
        made.entity.add(id=str(number)).trip_update.CopyFrom(update)
    return made.SerializeToString()


SCHEDULED = TripDescriptor.SCHEDULED


def trip(
    trip_id: str, day: str, *stops: STOP, how: int = TripDescriptor.SCHEDULED
) -> TripUpdate:
    told = TripDescriptor(trip_id=trip_id, start_date=day, schedule_relationship=how)
    return TripUpdate(trip=told, stop_time_update=stops)


async def test_a_delay_told_before_the_hub_moves_the_run_there(hub: Hub) -> None:
    stops, today = frozenset({"HUB"}), feed_of(hub).today(clock.now())
    day = f"{today:%Y%m%d}"
    body = packed(
        {
            "calendar": None,
            "calendar_dates": f"service_id,date,exception_type\nMON,{day},1\n",
            "trips": f"{PLAIN['trips']}R,MON,T2,G2\n",
            "stop_times": PLAIN["stop_times"]
            + "T2,08:00:00,08:00:00,A,1\nT2,12:00:00,12:00:00,H2,9\n",
        }
    )
    timetable = feed_of(hub, "timetable", format="gtfs", stops=stops)
    told = await figures(hub, await applied(hub, timetable, body))
    assert (told["state"], told["applied"], told["rejected"]) == ("APPLIED", 2, 0)
    times = feed_of(hub, "times", format="gtfs-rt", stops=stops)
    late = STOP(stop_sequence=1)
    late.departure.delay = 300
    told = await figures(
        hub,
        await applied(
            hub,
            times,
            message(
                trip("T1", day, late),
                trip("T2", day, how=TripDescriptor.CANCELED),
                trip("T9", day, late),  # of other stops, as the one below
                trip("T8", day, how=TripDescriptor.CANCELED),
            ),
        ),
    )
    assert (told["applied"], told["unmatched"], told["rejected"]) == (2, 0, 0)
    nine = datetime.combine(today, time(1), UTC)  # in Shanghai
    found = await feed_deliveries.rows(
        hub,
        "SELECT service_no, scheduled_arrival, estimated_arrival, status FROM run"
        " WHERE hub_id = $1 ORDER BY service_no",
    )
    assert found == [
        ("G1", nine, nine + timedelta(minutes=5), "SCHEDULED"),
        ("G2", nine + timedelta(hours=3), None, "CANCELLED"),
    ]


async def test_an_update_enters_no_run_of_a_timetable_that_is_not_ours(hub: Hub) -> None:
    times = feed_of(hub, "times", format="gtfs-rt", stops=frozenset({"H1"}))
    day, here = f"{times.today(clock.now()):%Y%m%d}", STOP(stop_sequence=2, stop_id="H1")
    here.arrival.time = int(clock.now().timestamp()) + 600
    body = message(trip("T7", day, here), trip("T8", day, here, how=TripDescriptor.NEW))
    told = await figures(hub, await applied(hub, times, body))
    assert (told["applied"], told["unmatched"]) == (1, 1)
    found = await feed_deliveries.rows(
        hub, "SELECT service_no, status FROM run WHERE hub_id = $1"
    )
    assert found == [("#T8", "ADDED")]
