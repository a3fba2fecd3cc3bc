"""Timetables in GTFS, as agencies really publish them."""

import datetime as dt
import io
import random
import struct
import time
import tracemalloc
import zipfile
from collections import Counter
from zoneinfo import ZoneInfo

import pytest
from timetables import NOW, PLAIN, TODAY, packed, read, reading, sample

from twinstile.arrivals.formats import gtfs, gtfs_tables
from twinstile.arrivals.formats.reasons import TEXTS
from twinstile.arrivals.records import (
    ArrivalEvent,
    Delivery,
    Mode,
    Reject,
    RunStatus,
    UnreadableDelivery,
)

CALTRAIN = "gtfs_caltrain.zip"
PACIFIC = ZoneInfo("America/Los_Angeles")
TIMES = "trip_id,arrival_time,departure_time,stop_id,stop_sequence\n"


def arrivals(body: bytes, *stops: str, **options: str) -> list[ArrivalEvent]:
    found = read(body, reading(*stops, **options))
    assert not [one for one in found if isinstance(one, Reject)]
    return [one for one in found if isinstance(one, ArrivalEvent)]


def refusal(body: bytes, *stops: str) -> str:
    with pytest.raises(UnreadableDelivery) as refused:
        read(body, reading(*stops))
    assert refused.value.reason in TEXTS
    return refused.value.reason


def clock(event: ArrivalEvent) -> str:
    """Day of the month and time at the hub of the plain timetable."""
    assert event.scheduled_arrival is not None
    return f"{event.scheduled_arrival.astimezone(ZoneInfo('Asia/Shanghai')):%d %H:%M:%S}"


def test_a_trip_that_stops_here_becomes_an_arrival():
    [event] = arrivals(packed())
    assert event.run.scheme == "gtfs"
    assert (event.run.service_no, event.run.internal_no) == ("G1", "T1")
    assert event.run.aliases == ("#T1@08:00:00",)
    assert event.run.service_date == TODAY
    assert (event.mode, event.status) == (Mode.RAIL, RunStatus.SCHEDULED)
    assert (event.from_stop, event.to_stop) == ("Alpha", "Beta")
    assert (event.hub_stop, event.platform) == ("HUB", "1")
    assert event.scheduled_arrival == dt.datetime(2026, 3, 2, 1, tzinfo=dt.UTC)
    assert (event.origin.key, event.origin.row) == ("T1/2026-03-02", 2)
    assert event.origin.quality == ()
    assert event.stops == ("Alpha", "Hub", "Beta")


@pytest.mark.parametrize(("count", "told"), [(100, 100), (101, 0)])
def test_the_stops_of_a_run_are_told_unless_they_are_too_many(count: int, told: int):
    times = "".join(f"T1,08:{n // 60:02}:{n % 60:02},,A,{n}\n" for n in range(1, count))
    times += "T1,12:00:00,12:00:00,H1,200\n"
    [event] = arrivals(packed({"stop_times": TIMES + times}))
    assert len(event.stops) == told


@pytest.mark.parametrize(
    ("stops", "count"),
    [(("HUB",), 1), (("H1",), 1), (("H2",), 0), (("B", "x"), 1), (("A",), 0)],
)
def test_stops_are_platforms_or_their_station(stops: tuple[str, ...], count: int):
    assert len(arrivals(packed(), *stops)) == count


def test_a_hub_that_is_not_in_the_timetable_is_told():
    assert refusal(packed(), "NOWHERE") == "no-stops"


@pytest.mark.parametrize(
    ("told", "at"),
    [
        ("9:05:00", "02 09:05:00"),
        (" 09:05:00 ", "02 09:05:00"),
        ("24:10:00", "03 00:10:00"),
        ("49:00:30", "04 01:00:30"),
    ],
)
def test_times_are_of_the_day_of_service(told: str, at: str):
    times = f"{TIMES}T1,08:00:00,08:00:00,A,1\nT1,{told},{told},H1,2\n"
    assert [clock(one) for one in arrivals(packed({"stop_times": times}))] == [at]


def test_times_count_from_twelve_hours_before_noon_when_clocks_change():
    agency = PLAIN["agency"].replace("Asia/Shanghai", "America/Los_Angeles")
    days = "service_id,date,exception_type\nMON,20261101,1\nMON,20260308,1\n"
    body = packed({"agency": agency, "calendar": None, "calendar_dates": days})
    for today, hour in ((dt.date(2026, 3, 8), 16), (dt.date(2026, 11, 1), 17)):
        [event] = read(body, reading(today=today))
        assert isinstance(event, ArrivalEvent)
        # nine by the clock of that day, whose midnight was another hour away
        assert event.scheduled_arrival == dt.datetime.combine(today, dt.time(hour), dt.UTC)


def test_a_time_left_out_is_between_its_neighbours():
    times = f"{TIMES}T1,08:00:00,08:00:00,A,1\nT1,,,C,5\nT1,,,H1,9\nT1,11:00:00,11:00:00,B,30\n"
    [event] = arrivals(packed({"stop_times": times}))
    assert clock(event) == "02 10:00:00"
    assert event.origin.quality == ("interpolated",)


def test_a_trip_without_a_time_at_its_ends_is_rejected_and_no_other():
    times = PLAIN["stop_times"] + "T2,,,A,1\nT2,,,H1,2\nT2,11:00:00,11:00:00,B,3\n"
    trips = PLAIN["trips"] + "R,MON,T2,G2\n"
    found = read(packed({"stop_times": times, "trips": trips}))
    assert [one.run.service_no for one in found if isinstance(one, ArrivalEvent)] == ["G1"]
    [reject] = [one for one in found if isinstance(one, Reject)]
    assert (reject.reason, reject.column) == ("no-time", "stop_times.arrival_time")


def test_a_row_that_is_none_is_rejected_by_its_line_and_column():
    times = PLAIN["stop_times"] + "T1,9:xx:00,9:xx:00,C,4\nT1,10:00:00,,C,one\nZ,x,x,C,1\n"
    found = [one for one in read(packed({"stop_times": times})) if isinstance(one, Reject)]
    assert [(one.row, one.column) for one in found] == [
        (5, "stop_times.arrival_time"),
        (6, "stop_times.stop_sequence"),
    ]


def test_calls_stand_in_the_order_of_their_sequence():
    head, *rows = PLAIN["stop_times"].splitlines(keepends=True)
    [event] = arrivals(packed({"stop_times": head + "".join(reversed(rows))}))
    assert (event.from_stop, event.to_stop, clock(event)) == ("Alpha", "Beta", "02 09:00:00")


def test_days_are_those_of_the_week_and_what_differs_from_it():
    days = (
        "service_id,date,exception_type\nMON,20260302,2\nMON,20260301,1\nMON,20260304,1\n"
        "MON,20260306,1\n"
    )
    found = arrivals(packed({"calendar_dates": days}))
    assert [one.run.service_date.day for one in found] == [1, 4]
    assert refusal(packed({"calendar": None})) == "not-gtfs"


def test_a_damaged_day_keeps_out_only_itself():
    calendar = PLAIN["calendar"] + "X,1,1,1,1,1,1,1,2026-01-01,20261231\n"
    days = "service_id,date,exception_type\nMON,20260303,1\nMON,20261301,1\nMON,20260304,9\n"
    found = read(packed({"calendar": calendar, "calendar_dates": days}))
    assert len([one for one in found if isinstance(one, ArrivalEvent)]) == 2
    assert [(one.row, one.column) for one in found if isinstance(one, Reject)] == [
        (3, "calendar.start_date"),
        (3, "calendar_dates.date"),
        (4, "calendar_dates.date"),
    ]


def test_nobody_arrives_where_a_trip_begins_or_nobody_may_leave():
    times = (
        "trip_id,arrival_time,departure_time,stop_id,stop_sequence,drop_off_type\n"
        "T1,08:00:00,08:00:00,H1,1,0\nT1,09:00:00,09:00:00,H1,2,1\nT1,10:00:00,,H2,3,0\n"
    )
    [event] = arrivals(packed({"stop_times": times}))  # twice here: the loop ends here
    assert (clock(event), event.platform) == ("02 10:00:00", "2")


def test_a_trip_that_repeats_is_a_run_at_each_start():
    frequencies = (
        "trip_id,start_time,end_time,headway_secs,exact_times\n"
        "T1,6:00:00,7:00:00,1800,1\nT1,07:00:00,07:30:00,1800,0\nT1,7:00:00,8:00:00,0,1\n"
    )
    found = read(packed({"frequencies": frequencies}))
    events = [one for one in found if isinstance(one, ArrivalEvent)]
    assert [one.run.service_no for one in events] == [
        *("#T1@06:00:00", "#T1@06:30:00", "#T1@07:00:00")
    ]
    assert [clock(one) for one in events] == ["02 07:00:00", "02 07:30:00", "02 08:00:00"]
    assert [one.origin.quality for one in events] == [(), (), ("headway",)]
    assert all(one.run.internal_no is None for one in events)
    assert [(one.row, one.column) for one in found if isinstance(one, Reject)] == [
        (4, "frequencies.headway_secs")
    ]


def test_a_number_two_trips_have_names_neither():
    trips = PLAIN["trips"] + "R,MON,T2,G1\nR,MON,T3,\n"
    times = PLAIN["stop_times"]
    for trip in ("T2", "T3"):
        times += "".join(PLAIN["stop_times"].splitlines(keepends=True)[1:]).replace("T1", trip)
    found = arrivals(packed({"trips": trips, "stop_times": times}))
    assert [one.run.service_no for one in found] == ["#T1", "#T2", "#T3"]
    assert [one.origin.quality for one in found] == [*2 * [("number-repeated",)], ()]


@pytest.mark.parametrize(
    ("told", "mode"),
    [
        *(("2", Mode.RAIL), ("1", Mode.RAIL), ("3", Mode.ROAD), ("4", Mode.SEA)),
        *(("102", Mode.RAIL), ("204", Mode.ROAD), ("700", Mode.ROAD)),
        *(("1100", Mode.AIR), ("1200", Mode.SEA)),
    ],
)
def test_the_kind_of_route_tells_how_people_come(told: str, mode: Mode):
    [event] = arrivals(packed({"routes": f"route_id,route_type\nR,{told}\n"}))
    assert event.mode is mode


@pytest.mark.parametrize("zone", ["", "Nowhere/Land", "../../etc/passwd", "America"])
def test_a_zone_nobody_knows_is_that_of_the_hub(zone: str):
    agency = PLAIN["agency"].replace("Asia/Shanghai", zone)
    [event] = read(packed({"agency": agency}), reading(tz=ZoneInfo("Asia/Tokyo")))
    assert isinstance(event, ArrivalEvent)
    assert event.scheduled_arrival == dt.datetime(2026, 3, 2, tzinfo=dt.UTC)
    assert event.origin.quality == ("no-timezone",)


def test_tables_may_have_marks_quotes_other_orders_and_a_folder():
    stops = '\ufeff"stop_name" , stop_id\r\n"Hub, west\n(new)",HUB\r\n\r\n"Al""pha",A\r\nB\r\n'
    times = PLAIN["stop_times"].replace("H1", "HUB")
    [event] = arrivals(packed({"stops": stops, "stop_times": times}, folder="feed/v2/"))
    assert (event.from_stop, event.to_stop) == ('Al"pha', "B")


def test_the_real_timetable_is_read_whole():
    body = sample(CALTRAIN)
    told = reading("san_francisco", today=dt.date(2023, 11, 7))
    found = read(body, told)
    days = Counter(one.run.service_date.day for one in found if isinstance(one, ArrivalEvent))
    assert days == {6: 52, 7: 52, 8: 52, 9: 52}
    assert len(found) == 208
    latest = max(
        one.scheduled_arrival.astimezone(PACIFIC)
        for one in found
        if isinstance(one, ArrivalEvent)
        and one.scheduled_arrival
        and one.run.service_date == told.today
    )
    assert f"{latest:%d %H:%M}" == "08 00:52"


@pytest.mark.parametrize(
    ("day", "runs"), [(dt.date(2023, 11, 23), 16), (dt.date(2023, 10, 7), 0)]
)
def test_holidays_of_the_real_timetable_are_kept(day: dt.date, runs: int):
    found = read(sample(CALTRAIN), reading("san_francisco", today=day))
    on = [o for o in found if isinstance(o, ArrivalEvent) and o.run.service_date == day]
    assert len(on) == runs


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "empty"),
        (b"\n<!DOCTYPE html><html>sign in", "html"),
        (b"stop_id,stop_name\n", "not-gtfs"),
        (packed()[:-30], "truncated"),
        (packed()[:400], "truncated"),
        (packed()[:-4], "damaged"),
        (packed({"stops": None}), "not-gtfs"),
        (packed({"stop_times": "trip_id,stop_id\nT1,H1\n"}), "not-gtfs"),
        (packed({"stop_times": "x" * 70_000}), "too-long"),
        (packed({"stop_times": PLAIN["stop_times"] + '"' + "x\n" * 200_000}), "damaged"),
    ],
)
def test_what_is_no_timetable_is_refused_with_a_word(body: bytes, reason: str):
    assert refusal(body) == reason


def test_members_are_found_by_name_and_nothing_is_written():
    body = io.BytesIO(packed())
    with zipfile.ZipFile(body, "a") as archive:
        archive.writestr("../../../tmp/evil.txt", "x")
        archive.writestr("__MACOSX/stops.txt", "\0")
        archive.writestr("old/stops.txt", "no,columns\n")
    assert len(arrivals(body.getvalue())) == 1


def changed(**fields: int) -> bytes:
    """The plain timetable with something else told of its second member, the stops."""
    body = packed()
    found = zipfile.ZipFile(io.BytesIO(body)).getinfo("stops.txt")
    at = body.rindex(b"PK\x01\x02", 0, body.rindex(b"stops.txt"))
    assert found.filename.encode() == body[at + 46 : at + 55]
    raw = bytearray(body)
    for offset, value in ((8, fields.get("flags")), (10, fields.get("method"))):
        if value is not None:
            raw[at + offset : at + offset + 2] = struct.pack("<H", value)
    if "size" in fields:
        raw[at + 24 : at + 28] = struct.pack("<I", fields["size"])
    return bytes(raw)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (changed(flags=1), "not-gtfs"),
        (changed(method=14), "not-gtfs"),
        (changed(size=gtfs_tables.MOST_UNPACKED + 1), "too-large"),
        (changed(size=10), "damaged"),
    ],
)
def test_what_a_zip_says_of_its_members_is_looked_at_first(body: bytes, reason: str):
    assert refusal(body) == reason


def test_a_directory_of_very_many_members_is_not_read():
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w") as archive:
        for number in range(3000):
            archive.writestr(f"{number}.txt", "")
    assert refusal(body.getvalue()) == "too-large"


def test_rows_and_starts_without_end_are_too_many(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(gtfs_tables, "MOST_ROWS", 5000)
    monkeypatch.setattr(gtfs, "MOST_RUNS", 5000)
    lines = PLAIN["stop_times"] + "T1,8:00:00,8:00:00,C,9\n" * 10_000
    assert refusal(packed({"stop_times": lines})) == "too-large"
    starts = "trip_id,start_time,end_time,headway_secs\nT1,00:00:00,239:00:00,10\n"
    assert refusal(packed({"frequencies": starts})) == "too-large"


def test_memory_does_not_grow_with_trips_that_pass_elsewhere():
    rows = "".join(f"X{n // 20},08:00:00,08:00:00,A,{n % 20}\n" for n in range(20_000))
    body = packed({"stop_times": PLAIN["stop_times"] + rows})
    tracemalloc.start()
    try:
        assert len(arrivals(body)) == 1
        assert tracemalloc.get_traced_memory()[1] < 600_000
    finally:
        tracemalloc.stop()


def test_damaged_timetables_give_arrivals_or_a_word():
    whole = sample(CALTRAIN)
    dice = random.Random(20231107)
    told = reading("san_francisco", today=dt.date(2023, 11, 7))
    for _ in range(60):
        body = bytearray(whole)
        for _ in range(dice.randrange(1, 6)):
            at = dice.randrange(len(body))
            if dice.random() < 0.3:
                del body[at : at + dice.randrange(4000)]
            else:
                body[at] = dice.randrange(256)
        started = time.process_time()
        try:
            list(gtfs.read(Delivery(bytes(body), NOW), told))
        except UnreadableDelivery as refused:
            assert refused.reason in TEXTS  # noqa: PT017 -- either may happen
        assert time.process_time() - started < 2
