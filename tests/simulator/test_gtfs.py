"""The trains of a demo day from a timetable: which station, which day, what is refused."""

from datetime import date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import published_vectors
import pytest
import timetables

from twinstile_simulator import gtfs
from twinstile_simulator.timetable import TimetableError

MONDAY = timetables.TODAY


def _zip(folder: Path, **changes: str | None) -> Path:
    path = folder / "feed.zip"
    path.write_bytes(timetables.packed(changes))
    return path


@pytest.mark.parametrize("stop", [None, "HUB", "H1", "hub", "Hub platform 1"])
def test_a_station_has_the_arrivals_of_its_platforms(tmp_path: Path, stop: str | None):
    timetable = gtfs.read(_zip(tmp_path, **TWO_AT_THE_HUB), MONDAY, stop)
    first, second = timetable.trains
    assert timetable.station == "Hub"
    assert (first.service_no, first.origin, first.terminus) == ("G1", "Alpha", "Beta")
    assert (first.platform, second.platform) == ("1", "2")
    assert first.scheduled_arrival == datetime(2026, 3, 2, 9, tzinfo=ZoneInfo("Asia/Shanghai"))


TWO_AT_THE_HUB = {
    "trips": "route_id,service_id,trip_id,trip_short_name\nR,MON,T1,G1\nR,MON,T2,G3\n",
    "stop_times": (
        timetables.PLAIN["stop_times"] + "T2,11:00:00,11:00:00,C,1\nT2,12:00:00,12:00:00,H2,2\n"
    ),
}


@pytest.mark.parametrize(
    ("stop", "message"), [("nowhere", "no such station"), ("a", "several stations")]
)
def test_a_station_that_is_not_one_is_refused(tmp_path: Path, stop: str, message: str):
    with pytest.raises(TimetableError, match=message):
        gtfs.read(_zip(tmp_path), MONDAY, stop)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"stops": None}, "not a readable GTFS zip"),
        ({"calendar": None}, "not a readable GTFS zip"),
        ({"agency": "agency_timezone\n../../etc\n"}, "unknown agency_timezone"),
        ({"stop_times": "trip_id,stop_id,stop_sequence\n"}, "no train stops anywhere"),
    ],
)
def test_a_broken_feed_is_refused(tmp_path: Path, changes: dict[str, str], message: str):
    with pytest.raises(TimetableError, match=message):
        gtfs.read(_zip(tmp_path, **changes), MONDAY)


def test_a_day_without_trains_is_refused(tmp_path: Path):
    with pytest.raises(TimetableError, match="give --day"):
        gtfs.read(_zip(tmp_path), date(2026, 3, 3))


def test_what_is_no_zip_or_too_large_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    path = tmp_path / "feed.zip"
    with pytest.raises(TimetableError, match=r"feed\.zip"):
        gtfs.read(path, MONDAY)
    path.write_bytes(b"<html>not found</html>")
    with pytest.raises(TimetableError, match="not a readable GTFS zip"):
        gtfs.read(path, MONDAY)
    monkeypatch.setattr(gtfs, "MAX_ZIP_BYTES", 1)
    with pytest.raises(TimetableError, match="larger than"):
        gtfs.read(path, MONDAY)


def test_a_real_feed_is_read():
    data = published_vectors.shared_data()
    if data is None or not (path := data / "feeds" / "gtfs_caltrain.zip").exists():
        pytest.skip("no real feed here: set TWINSTILE_SHARED_DATA to the folder with feeds/")
    timetable = gtfs.read(path, date(2023, 11, 8), "Mountain View")
    assert len(timetable.trains) == 104
    last = timetable.trains[-1].scheduled_arrival
    assert last.isoformat() == "2023-11-09T01:16:00-08:00"
