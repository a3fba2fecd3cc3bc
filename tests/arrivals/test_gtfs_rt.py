"""Updates of trips in GTFS-Realtime, as agencies really send them."""

import datetime as dt
import random
import time
from collections.abc import Mapping
from zoneinfo import ZoneInfo

import pytest
from google.transit.gtfs_realtime_pb2 import FeedHeader, FeedMessage, TripDescriptor, TripUpdate
from timetables import read as timetable
from timetables import reading as timetable_reading
from timetables import sample

from twinstile.arrivals.formats import gtfs_rt
from twinstile.arrivals.formats.reasons import TEXTS
from twinstile.arrivals.records import (
    ArrivalEvent,
    Delivery,
    Op,
    ReaderContext,
    Reject,
    RunStatus,
    UnreadableDelivery,
)
from twinstile.arrivals.runs import run_numbers

PACIFIC = ZoneInfo("America/Los_Angeles")
TODAY = dt.date(2023, 11, 7)
NOW = dt.datetime(2023, 11, 8, 1, 6, tzinfo=dt.UTC)
STAMP = int(NOW.timestamp()) - 30
AT = int(dt.datetime(2023, 11, 8, 2, tzinfo=dt.UTC).timestamp())
UPDATES = "gtfsrt_caltrain-trip-updates.pb"
OTHERS = ("gtfsrt_caltrain-vehicle-positions.pb", "gtfsrt_caltrain-service-alerts.pb")
PLATFORMS = ("70011", "70012")
Calls = Mapping[tuple[str, dt.date], int]
TRIP, CALL = TripDescriptor, TripUpdate.StopTimeUpdate


def read(
    body: bytes, calls: Calls | None = None, stops: tuple[str, ...] = ("HUB",), **options: str
) -> list[ArrivalEvent | Reject]:
    told = ReaderContext(PACIFIC, TODAY, frozenset(stops), options, calls or {})
    found = gtfs_rt.read(Delivery(body, NOW), told)
    return [one for one in found if isinstance(one, ArrivalEvent | Reject)]


def stop(sequence: int | None = None, stop_id: str = "", **told: object) -> CALL:
    """`at` and `delay` of the arrival, `leaves` at a departure, `how` it relates."""
    one = CALL(stop_id=stop_id, schedule_relationship=told.get("how", CALL.SCHEDULED))
    if sequence is not None:
        one.stop_sequence = sequence
    for name, event in (("at", one.arrival), ("leaves", one.departure)):
        if name in told:
            event.time = told[name]
    if "delay" in told:
        one.arrival.delay = told["delay"]
    return one


def message(*updates: TripUpdate, stamp: int = STAMP, **header: object) -> FeedMessage:
    made = FeedMessage(
        header=FeedHeader(gtfs_realtime_version="2.0", timestamp=stamp, **header)
    )
    for number, update in enumerate(updates, 1):
        entity = made.entity.add(id=str(number))
        entity.trip_update.CopyFrom(update)
    return made


def update(*stops: CALL, own: Mapping[str, str] | None = None, **trip: object) -> TripUpdate:
    described = {"trip_id": "T1", "start_date": "20231107", **trip}
    made = TripUpdate(trip=TRIP(**described), stop_time_update=stops)
    if own:
        made.trip_properties.CopyFrom(TripUpdate.TripProperties(**own))
    return made


def events(made: FeedMessage, calls: Calls | None = None, **options: str) -> list[ArrivalEvent]:
    found = read(made.SerializeToString(), calls, **options)
    assert not [one for one in found if isinstance(one, Reject)]
    return [one for one in found if isinstance(one, ArrivalEvent)]


def only(*stops: CALL, calls: Calls | None = None, **trip: object) -> ArrivalEvent:
    [event] = events(message(update(*stops, **trip)), calls)
    return event


def test_the_real_updates_meet_the_real_timetable():
    found = read(sample(UPDATES), stops=PLATFORMS)
    assert len(found) == 7
    runs = timetable(sample("gtfs_caltrain.zip"), timetable_reading(*PLATFORMS, today=TODAY))
    known = {
        number
        for one in runs
        if isinstance(one, ArrivalEvent)
        for number in run_numbers(one.run)
    }
    for event in found:
        assert isinstance(event, ArrivalEvent)
        assert known.issuperset(run_numbers(event.run))
        assert event.status is RunStatus.SCHEDULED
        assert event.estimated_arrival is not None
        assert dt.timedelta() < event.estimated_arrival - NOW < dt.timedelta(hours=2)
        assert event.origin.quality == ()
        assert event.origin.version == 1699405534


def test_all_real_updates_are_of_trips_somewhere():
    """Each trip ends at one of these stops, which the feed names."""
    body = sample(UPDATES)
    whole = FeedMessage.FromString(body)
    ends = {one.trip_update.stop_time_update[-1].stop_id for one in whole.entity}
    assert len(whole.entity) == 19
    assert len(read(body, stops=tuple(ends))) == 19


@pytest.mark.parametrize("name", OTHERS)
def test_positions_and_messages_say_nothing_of_arrivals(name: str):
    assert read(sample(name), stops=PLATFORMS) == []


def test_an_update_is_of_the_run_a_timetable_names():
    event = only(stop(9, "HUB", at=AT), start_time="8:00:00")
    assert event.run.scheme == "gtfs"
    assert (event.run.service_no, event.run.internal_no) == ("#T1@08:00:00", "T1")
    assert event.run.service_date == TODAY
    assert event.estimated_arrival == dt.datetime.fromtimestamp(AT, dt.UTC)
    assert (event.origin.version, event.delay_s) == (STAMP, None)
    assert only(stop(9, "HUB", at=AT)).run.service_no == "#T1"


def test_runs_of_one_trip_are_told_apart_by_day_and_start():
    starts = [("20231107", "06:00:00"), ("20231107", "06:30:00"), ("20231108", "06:00:00")]
    found = events(
        message(
            *(
                update(stop(9, "HUB", at=AT), start_date=day, start_time=start)
                for day, start in starts
            )
        )
    )
    assert len({one.run for one in found}) == len({one.origin.key for one in found}) == 3


@pytest.mark.parametrize(
    ("place", "delay"),
    [(1, None), (2, None)]
    + [(place, 300) for place in range(3, 8)]
    + [(8, 60), (9, 60)]
    + [(place, None) for place in range(10, 21)],
)
@pytest.mark.parametrize("last", [stop(10, how=CALL.NO_DATA), stop(10)])
def test_delays_go_on_to_the_stops_after(place: int, delay: int | None, last: CALL):
    """The example of the specification, with its unspecified duration in both spellings."""
    calls = {("T1", TODAY): place}
    event = only(stop(3, delay=300), stop(8, delay=60), last, calls=calls)
    assert event.delay_s == delay
    assert event.estimated_arrival is None


def test_a_skipped_stop_does_not_end_a_delay_and_one_without_data_does():
    calls = {("T1", TODAY): 7}
    skipped = stop(5, how=CALL.SKIPPED)
    assert only(stop(3, delay=300), skipped, calls=calls).delay_s == 300
    silent = stop(5, delay=120, how=CALL.NO_DATA)
    assert only(stop(3, delay=300), silent, calls=calls).delay_s is None


def test_a_delay_is_that_of_the_departure_or_of_the_time_told_for_it():
    calls = {("T1", TODAY): 7}
    one = stop(3, delay=300)
    one.departure.delay = 240
    assert only(one, calls=calls).delay_s == 240
    one = stop(3, at=AT)
    assert only(one, calls=calls).delay_s is None
    one.arrival.scheduled_time = AT - 90
    assert only(one, calls=calls).delay_s == 90


def test_stops_without_a_sequence_are_in_no_order():
    calls = {("T1", TODAY): 7}
    assert only(stop(None, "A", delay=300), calls=calls).delay_s is None


def test_the_delay_of_a_trip_counts_where_no_stop_has_one():
    made = update()
    made.delay = 120
    [event] = events(message(made), {("T1", TODAY): 7})
    assert event.delay_s == 120


def test_the_hub_is_found_by_its_place_when_stop_and_platform_differ():
    calls = {("T1", TODAY): 7}
    assert only(stop(7, "OTHER", at=AT), calls=calls).estimated_arrival is not None
    twice = only(stop(1, "HUB", at=AT - 3600), stop(7, "HUB", at=AT), calls=calls)
    assert twice.estimated_arrival == dt.datetime.fromtimestamp(AT, dt.UTC)
    changed = stop(None, "OTHER", at=AT)
    changed.stop_time_properties.assigned_stop_id = "HUB"
    assert only(changed).estimated_arrival is not None


def test_trips_that_do_not_come_here_say_nothing():
    assert events(message(update(stop(3, "A", at=AT)))) == []
    known = {("T2", TODAY): 7}
    elsewhere = update(stop(3, "A", at=AT)), update(schedule_relationship=TRIP.CANCELED)
    assert events(message(*elsewhere), known) == []
    assert len(events(message(*elsewhere))) == 1  # nobody knows where the cancelled one goes


def test_a_trip_of_another_timetable_is_not_taken_for_one_of_ours():
    event = only(stop(9, "HUB", at=AT), calls={("T2", TODAY): 7})
    assert (event.run.service_no, event.run.internal_no) == ("#T1", None)


def test_what_is_skipped_or_not_known_at_the_hub_has_no_time():
    skipped = only(stop(9, "HUB", at=AT, how=CALL.SKIPPED))
    assert (skipped.status, skipped.estimated_arrival) == (RunStatus.SKIPPED, None)
    for told in (stop(9, "HUB", at=AT, how=CALL.NO_DATA), stop(9, "HUB"), stop(9, "HUB", at=0)):
        unknown = only(told)
        assert (unknown.estimated_arrival, unknown.delay_s) == (None, None)
        assert unknown.origin.quality == ("no-data",)
    assert only(stop(9, "HUB", at=AT, how=CALL.UNSCHEDULED)).estimated_arrival is not None


def test_a_departure_stands_for_an_arrival_unless_the_trip_begins_here():
    assert events(message(update(stop(1, "HUB", leaves=AT), stop(2, "A", at=AT)))) == []
    event = only(stop(8, "A", at=AT), stop(9, "HUB", leaves=AT))
    assert event.estimated_arrival == dt.datetime.fromtimestamp(AT, dt.UTC)
    assert event.origin.quality == ("from-departure",)


@pytest.mark.parametrize(
    ("how", "status", "op"),
    [
        (TRIP.SCHEDULED, RunStatus.SCHEDULED, Op.UPSERT),
        (TRIP.ADDED, RunStatus.ADDED, Op.UPSERT),
        (TRIP.NEW, RunStatus.ADDED, Op.UPSERT),
        (TRIP.DUPLICATED, RunStatus.ADDED, Op.UPSERT),
        (TRIP.UNSCHEDULED, RunStatus.UNKNOWN, Op.UPSERT),
        (TRIP.REPLACEMENT, RunStatus.REPLACED, Op.UPSERT),
        (TRIP.CANCELED, RunStatus.CANCELLED, Op.UPSERT),
        (TRIP.DELETED, RunStatus.CANCELLED, Op.DELETE),
    ],
)
def test_trips_relate_to_the_timetable_in_many_ways(how: int, status: RunStatus, op: Op):
    event = only(stop(9, "HUB", at=AT), schedule_relationship=how)
    assert (event.status, event.op) == (status, op)
    beside = how in {TRIP.ADDED, TRIP.NEW, TRIP.DUPLICATED, TRIP.UNSCHEDULED}
    assert event.run.internal_no == (None if beside else "T1")
    assert (event.estimated_arrival is None) == (status is RunStatus.CANCELLED)


def test_a_duplicate_is_a_run_of_its_own():
    own = {"trip_id": "T9", "start_date": "20231108", "start_time": "07:00:00"}
    how = TRIP.DUPLICATED
    made = update(stop(9, "HUB", at=AT), own=own, schedule_relationship=how)
    [event] = events(message(made))
    assert (event.run.service_no, event.run.service_date.day) == ("#T9@07:00:00", 8)


def test_a_new_trip_has_the_number_people_read_and_its_mode():
    own = {"trip_id": "T9", "trip_short_name": "X 9"}
    made = update(stop(9, "HUB", at=AT), own=own, schedule_relationship=TRIP.NEW)
    [event] = events(message(made), mode="ROAD")
    assert (event.run.service_no, event.run.aliases) == ("X 9", ("#T9",))
    assert event.mode == "ROAD"


def test_an_added_trip_may_have_only_its_route_and_start():
    told = {"trip_id": "", "route_id": "L1", "direction_id": 1, "start_time": "07:00:00"}
    event = only(stop(9, "HUB", at=AT), schedule_relationship=TRIP.ADDED, **told)
    assert event.run.service_no == "#L1/1@07:00:00"


def test_a_replacement_calls_only_where_it_says_so():
    event = only(stop(9, "OTHER", at=AT), schedule_relationship=TRIP.REPLACEMENT)
    assert event.status is RunStatus.SKIPPED


def test_words_of_later_specifications_are_no_usual_ones():
    later = update(stop(9, "HUB", at=AT)).SerializeToString()
    trip = TRIP(trip_id="T1", start_date="20231107").SerializeToString()
    body = later.replace(trip, trip + b"\x20\x63")  # field 4: 99
    body = body.replace(b"\x0a" + bytes([len(trip)]), b"\x0a" + bytes([len(trip) + 2]), 1)
    [event] = events(message(TripUpdate.FromString(body)))
    assert event.status is RunStatus.UNKNOWN
    assert event.origin.quality == ("unknown-relationship",)
    told = CALL.FromString(stop(9, "HUB", at=AT).SerializeToString() + b"\x28\x63")
    assert only(told).estimated_arrival is None


@pytest.mark.parametrize(
    ("trip", "reason", "column"),
    [
        ({"trip_id": ""}, "missing-value", "trip.trip_id"),
        ({"trip_id": "T" * 200}, "too-long", "trip.trip_id"),
        ({"start_date": "2023-11-07"}, "invalid-value", "trip.start_date"),
        ({"start_date": "20231307"}, "invalid-value", "trip.start_date"),
        ({"start_time": "soon"}, "invalid-value", "trip.start_time"),
    ],
)
def test_a_trip_nobody_can_find_is_rejected_and_no_other(
    trip: Mapping[str, str], reason: str, column: str
):
    here = stop(9, "HUB", at=AT)
    found = read(message(update(here, **trip), update(here)).SerializeToString())
    assert found[0] == Reject(1, reason, column)
    assert isinstance(found[1], ArrivalEvent)
    assert found[1].origin.row == 2


def test_text_that_is_none_is_rejected():
    body = message(update(stop(9, "HUB", at=AT))).SerializeToString()
    assert read(body.replace(b"T1", b"T\xff")) == [Reject(1, "charset", "trip.trip_id")]


@pytest.mark.parametrize(
    ("told", "reason", "column"),
    [
        (stop(9, "HUB", at=AT + 86_400 * 30), "implausible-date", "arrival.time"),
        (stop(9, "HUB", at=2**62), "implausible-date", "arrival.time"),
        (stop(9, "HUB", delay=2**30), "invalid-value", "arrival.delay"),
    ],
)
def test_times_that_cannot_be_meant_are_rejected(told: CALL, reason: str, column: str):
    assert read(message(update(told)).SerializeToString()) == [Reject(1, reason, column)]


def test_a_trip_without_a_day_is_of_the_day_that_goes_on_past_midnight():
    event = only(stop(9, "HUB", at=AT), start_date="")
    assert (event.run.service_date, event.origin.quality) == (TODAY, ("no-date",))


@pytest.mark.parametrize(
    ("stamp", "version", "quality"),
    [
        (STAMP, STAMP, ()),
        (STAMP * 1000, STAMP, ("milliseconds",)),
        (STAMP - 7200, STAMP - 7200, ("stale",)),
        (STAMP + 7200, STAMP + 30, ("clock-ahead",)),
        (0, STAMP + 30, ("no-timestamp",)),
        (2**64 - 1, STAMP + 30, ("milliseconds", "clock-ahead")),
    ],
)
def test_the_moment_of_a_message_is_the_version_of_what_it_says(
    stamp: int, version: int, quality: tuple[str, ...]
):
    [event] = events(message(update(stop(9, "HUB", at=AT)), stamp=stamp))
    assert event.origin.version == version
    assert set(quality) <= set(event.origin.quality)


def test_of_updates_in_milliseconds_the_seconds_are_meant():
    event = only(stop(9, "HUB", at=AT * 1000))
    assert event.estimated_arrival == dt.datetime.fromtimestamp(AT, dt.UTC)


def test_an_entity_taken_back_says_nothing_of_its_run():
    made = message(update(stop(9, "HUB", at=AT)), incrementality=FeedHeader.DIFFERENTIAL)
    assert len(events(made)) == 1
    made.entity[0].is_deleted = True
    assert events(made) == []


def test_a_trip_told_twice_is_one_run():
    found = events(message(*2 * [update(stop(9, "HUB", at=AT))]))
    assert len({one.origin.key for one in found}) == 1


def test_a_damaged_entity_keeps_out_itself():
    body = message(update(stop(9, "HUB", at=AT)), update(stop(9, "HUB", at=AT)))
    first, second = (one.SerializeToString() for one in body.entity)
    head = b"\x0a" + bytes([body.header.ByteSize()]) + body.header.SerializeToString()
    for broken in (b"\xff" * 20, b"\x0a\x7f", b"\x1a\x05\x0a"):
        parts = b"".join(b"\x12" + bytes([len(one)]) + one for one in (first, broken, second))
        found = read(head + parts)
        assert [type(one) for one in found] == [ArrivalEvent, Reject, ArrivalEvent]
        assert found[1] == Reject(2, "malformed-row", "entity")


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "empty"),
        (b"<!doctype html><html>down for maintenance", "html"),
        (b'{"header": {"gtfs_realtime_version": "2.0"}}', "not-gtfs-rt"),
        (b"header {\n  gtfs_realtime_version", "not-gtfs-rt"),
        (b"\x12\x00", "not-gtfs-rt"),
        (b"\x0a\x02\x18\x01", "not-gtfs-rt"),
        (message(update(stop(9, "HUB", at=AT))).SerializeToString()[:-3], "truncated"),
    ],
)
def test_what_is_no_message_is_refused_with_a_word(body: bytes, reason: str):
    with pytest.raises(UnreadableDelivery) as refused:
        read(body)
    assert refused.value.reason == reason
    assert reason in TEXTS


def test_what_came_before_a_message_broke_off_stands():
    body = message(*3 * [update(stop(9, "HUB", at=AT))]).SerializeToString()[:-3]
    found = gtfs_rt.read(Delivery(body, NOW), ReaderContext(PACIFIC, TODAY, frozenset({"HUB"})))
    assert [type(next(found)) for _ in range(2)] == 2 * [ArrivalEvent]
    with pytest.raises(UnreadableDelivery):
        next(found)


def test_a_very_large_entity_is_passed_over():
    huge = update(*(stop(n, "A", at=AT) for n in range(20_000)))
    found = read(message(huge, update(stop(9, "HUB", at=AT))).SerializeToString())
    assert found[0] == Reject(1, "too-long", "entity")
    assert len(found) == 2


def test_entities_without_end_are_too_many(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(gtfs_rt, "MOST_ENTITIES", 100)
    head = message().SerializeToString()
    assert read(head + b"\x12\x00" * 100) == []
    with pytest.raises(UnreadableDelivery) as refused:
        read(head + b"\x12\x00" * 101)
    assert refused.value.reason == "too-large"


def test_an_update_keeps_its_place_whatever_is_known_of_runs():
    """A delivery that is read again goes on by the place, and more may be known by then."""
    body = message(*(update(stop(3, "A", delay=9), trip_id=f"T{n}") for n in range(3)))
    for calls in ({}, {("T1", TODAY): 7}):
        told = ReaderContext(PACIFIC, TODAY, frozenset({"HUB"}), {}, calls)
        found = list(gtfs_rt.read(Delivery(body.SerializeToString(), NOW), told))
        assert len(found) == 3
        assert isinstance(found[1], ArrivalEvent) == bool(calls)


def test_damaged_messages_give_updates_or_a_word():
    whole = sample(UPDATES)
    dice = random.Random(1699405534)
    cuts = [whole[:at] for at in range(0, len(whole), 61)]
    for body in cuts + [changed(whole, dice) for _ in range(300)]:
        started = time.process_time()
        try:
            found = read(body, stops=PLATFORMS)
        except UnreadableDelivery as refused:
            assert refused.reason in TEXTS  # noqa: PT017 -- either may happen
        else:
            assert all(one.reason in TEXTS for one in found if isinstance(one, Reject))
        assert time.process_time() - started < 1


def changed(whole: bytes, dice: random.Random) -> bytes:
    body = bytearray(whole)
    for _ in range(dice.randrange(1, 8)):
        at = dice.randrange(len(body))
        if dice.random() < 0.3:
            del body[at : at + dice.randrange(200)]
        else:
            body[at] = dice.randrange(256)
    return bytes(body)
