import zipfile
from datetime import date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import published_vectors
import pytest

from twinstile_simulator import gtfs
from twinstile_simulator.timetable import TimetableError

MONDAY = date(2026, 3, 2)
SATURDAY = date(2026, 3, 7)
ROME = ZoneInfo("Europe/Rome")

FEED = {
    "agency.txt": "agency_id,agency_name,agency_timezone\nA,Rail,Europe/Rome\n",
    "stops.txt": (
        "stop_id,stop_name,location_type,parent_station,platform_code\n"
        "alfa,Alfa,0,,\nbravo,Bravo,1,,\nb1,Bravo 1,0,bravo,1\nb2,Bravo 2,0,bravo,2\n"
        'charlie,"Charlie, upper",0,,\n'
    ),
    "trips.txt": "route_id,service_id,trip_id,trip_short_name\nR,week,t1,IC 1\nR,week,t2,\n",
    "stop_times.txt": (
        "trip_id,arrival_time,departure_time,stop_id,stop_sequence\n"
        "t1,5:00:00,5:00:00,alfa,1\nt1,,,b1,2\nt1,6:00:00,6:00:00,charlie,3\n"
        "t2,24:40:00,24:40:00,charlie,7\nt2,25:10:00,25:11:00,b2,20\n"
    ),
    "calendar.txt": (
        "service_id,monday,tuesday,wednesday,thursday,friday,saturday,sunday,start_date,end_date"
        "\nweek,1,1,1,1,1,0,0,20260101,20261231\n"
    ),
}


def _zip(folder: Path, **changes: str | bytes | None) -> Path:
    """Write the feed with some files changed, `None` leaves one out."""
    path = folder / "feed.zip"
    files = FEED | {name.replace("__", "."): content for name, content in changes.items()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            if content is not None:
                archive.writestr(name, content)
    return path


def test_the_busiest_station_gathers_the_arrivals_of_its_platforms(tmp_path: Path):
    found = gtfs.read(_zip(tmp_path), MONDAY)
    assert found.station == "Bravo"
    assert [(t.service_no, t.origin, t.terminus, t.platform) for t in found.trains] == [
        ("IC 1", "Alfa", "Charlie, upper", "1"),
        ("t2", "Charlie, upper", "Bravo 2", "2"),
    ]


def test_a_blank_time_lies_between_its_neighbours_and_25_hours_are_the_next_day(tmp_path: Path):
    found = gtfs.read(_zip(tmp_path), MONDAY)
    assert [train.scheduled_arrival for train in found.trains] == [
        datetime(2026, 3, 2, 5, 30, tzinfo=ROME),
        datetime(2026, 3, 3, 1, 10, tzinfo=ROME),
    ]


def test_times_count_from_noon_minus_twelve_hours_when_the_clocks_change(tmp_path: Path):
    weekly = FEED["calendar.txt"].replace("week,1,1,1,1,1,0,0", "week,1,1,1,1,1,1,1")
    found = gtfs.read(_zip(tmp_path, calendar__txt=weekly), date(2026, 3, 29))
    assert found.trains[0].scheduled_arrival == datetime(2026, 3, 29, 5, 30, tzinfo=ROME)


@pytest.mark.parametrize("stop", ["charlie", "Charlie, upper", "UPPER", "alfa"])
def test_a_stop_is_found_by_id_and_by_name(tmp_path: Path, stop: str):
    path = _zip(tmp_path)
    if stop == "alfa":  # trains only start there
        with pytest.raises(TimetableError, match="no train arrives there"):
            gtfs.read(path, MONDAY, stop)
    else:
        assert [t.service_no for t in gtfs.read(path, MONDAY, stop).trains] == ["IC 1"]


def test_a_byte_order_mark_and_carriage_returns_do_no_harm(tmp_path: Path):
    stops = b"\xef\xbb\xbf" + FEED["stops.txt"].replace("\n", "\r\n").encode()
    assert gtfs.read(_zip(tmp_path, stops__txt=stops), MONDAY).station == "Bravo"


def test_exceptions_alone_make_a_calendar(tmp_path: Path):
    dates = "service_id,date,exception_type\nweek,20260302,1\n"
    path = _zip(tmp_path, calendar__txt=None, calendar_dates__txt=dates)
    assert len(gtfs.read(path, MONDAY).trains) == 2


def test_a_removed_day_borrows_another_of_the_same_weekday(tmp_path: Path):
    dates = "service_id,date,exception_type\nweek,20260302,2\n"
    found = gtfs.read(_zip(tmp_path, calendar_dates__txt=dates), MONDAY)
    assert found.trains[0].scheduled_arrival.date() == MONDAY


def test_a_weekday_without_any_service_borrows_the_fullest_day(tmp_path: Path):
    found = gtfs.read(_zip(tmp_path), SATURDAY)
    assert found.trains[0].scheduled_arrival.date() == SATURDAY


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"stops__txt": None}, "stops.txt: missing"),
        ({"calendar__txt": None}, "both missing"),
        ({"trips__txt": "route_id,trip_id\nR,t1\n"}, "trips.txt: no column service_id"),
        ({"trips__txt": ""}, "trips.txt: no column trip_id, service_id"),
        ({"agency__txt": "agency_timezone\nMars/Crater\n"}, "unknown agency_timezone"),
        ({"agency__txt": "agency_timezone\n../../etc\n"}, "unknown agency_timezone"),
        ({"stops__txt": b"stop_id\n\xff\xfe\n"}, "not a readable GTFS zip"),
        ({"stops__txt": "stop_id\n" + "x" * 200_000}, "not a readable GTFS zip"),
        ({"calendar__txt": FEED["calendar.txt"].replace("20261231", "31.12.26")}, "YYYYMMDD"),
        ({"stop_times__txt": FEED["stop_times.txt"].replace("5:00:00", "five")}, "H:MM:SS"),
        ({"stop_times__txt": FEED["stop_times.txt"].replace("25:10:00", "")}, "first or last"),
        ({"stop_times__txt": FEED["stop_times.txt"].replace("alfa,1", "alfa,x")}, "number"),
        ({"stop_times__txt": FEED["stop_times.txt"].split("t1,")[0]}, "nobody arrives"),
    ],
)
def test_a_broken_feed_says_what_is_wrong(
    tmp_path: Path, changes: dict[str, str], message: str
):
    with pytest.raises(TimetableError, match=message):
        gtfs.read(_zip(tmp_path, **changes), MONDAY)


def test_what_is_no_zip_is_refused(tmp_path: Path):
    path = tmp_path / "feed.zip"
    with pytest.raises(TimetableError, match=r"feed\.zip"):
        gtfs.read(path, MONDAY)
    path.write_bytes(b"<html>not found</html>")
    with pytest.raises(TimetableError, match="not a readable GTFS zip"):
        gtfs.read(path, MONDAY)


def test_a_truncated_zip_is_refused(tmp_path: Path):
    path = _zip(tmp_path)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(TimetableError, match="not a readable GTFS zip"):
        gtfs.read(path, MONDAY)


def test_a_flipped_bit_inside_a_table_is_refused(tmp_path: Path):
    path = _zip(tmp_path)
    content = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        start = archive.getinfo("stops.txt").header_offset + 30 + len("stops.txt")
    content[start + 20] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(TimetableError):
        gtfs.read(path, MONDAY)


@pytest.mark.parametrize("bound", ["MAX_ZIP_BYTES", "MAX_TABLE_BYTES", "MAX_ROWS"])
def test_what_is_too_large_is_refused(
    tmp_path: Path, bound: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(gtfs, bound, 1)
    with pytest.raises(TimetableError, match=r"larger than|more than"):
        gtfs.read(_zip(tmp_path), MONDAY)


def test_an_endless_calendar_is_cut(tmp_path: Path):
    endless = FEED["calendar.txt"].replace("20260101,20261231", "00010101,99991231")
    assert gtfs.read(_zip(tmp_path, calendar__txt=endless), SATURDAY).trains


def _caltrain() -> Path:
    data = published_vectors.shared_data()
    if data is None or not (path := data / "feeds" / "gtfs_caltrain.zip").exists():
        pytest.skip("no real feed here: set TWINSTILE_SHARED_DATA to the folder with feeds/")
    return path


@pytest.mark.parametrize(
    ("day", "station", "trains", "last"),
    [
        (date(2023, 11, 8), "Mountain View", 104, "2023-11-09T01:16:00-08:00"),
        (date(2023, 11, 11), "22nd Street", 32, "2023-11-12T00:46:00-08:00"),
        (date(2023, 11, 23), "22nd Street", 32, "2023-11-24T00:46:00-08:00"),  # Thanksgiving
    ],
)
def test_a_real_feed_is_read(day: date, station: str, trains: int, last: str):
    found = gtfs.read(_caltrain(), day)
    assert (found.station, len(found.trains)) == (station, trains)
    assert found.trains[-1].scheduled_arrival.isoformat() == last
