"""Small GTFS zips: tables as text, by name."""

import datetime as dt
import io
import zipfile
from collections.abc import Mapping

import pytest
import suites

from twinstile.arrivals.formats import gtfs
from twinstile.arrivals.records import ArrivalEvent, Delivery, ReaderContext, Reject

TODAY = dt.date(2026, 3, 2)  # a Monday
NOW = dt.datetime(2026, 3, 2, 6, tzinfo=dt.UTC)
UTC = dt.UTC

PLAIN: Mapping[str, str] = {
    "agency": "agency_name,agency_url,agency_timezone\nA,http://a,Asia/Shanghai\n",
    "stops": (
        "stop_id,stop_name,parent_station,platform_code,location_type\n"
        "HUB,Hub,,,1\nH1,Hub platform 1,HUB,1,0\nH2,Hub platform 2,HUB,2,0\n"
        "A,Alpha,,,0\nB,Beta,,,0\nC,Gamma,,,0\n"
    ),
    "routes": "route_id,route_type\nR,2\n",
    "calendar": (
        "service_id,monday,tuesday,wednesday,thursday,friday,saturday,sunday,"
        "start_date,end_date\nMON,1,0,0,0,0,0,0,20260101,20261231\n"
    ),
    "trips": "route_id,service_id,trip_id,trip_short_name\nR,MON,T1,G1\n",
    "stop_times": (
        "trip_id,arrival_time,departure_time,stop_id,stop_sequence\n"
        "T1,08:00:00,08:00:00,A,1\nT1,09:00:00,09:05:00,H1,2\nT1,10:00:00,10:00:00,B,3\n"
    ),
}


def packed(changes: Mapping[str, str | None] | None = None, folder: str = "") -> bytes:
    """The plain timetable with some tables replaced, added or (None) left out."""
    tables = {**PLAIN, **(changes or {})}
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in tables.items():
            if text is not None:
                archive.writestr(f"{folder}{name}.txt", text)
    return body.getvalue()


def reading(
    *stops: str, today: dt.date = TODAY, tz: dt.tzinfo = UTC, **options: str
) -> ReaderContext:
    return ReaderContext(tz, today, frozenset(stops or ("HUB",)), options)


def read(body: bytes, told: ReaderContext | None = None) -> list[ArrivalEvent | Reject]:
    found = gtfs.read(Delivery(body, NOW), told or reading())
    return [one for one in found if isinstance(one, ArrivalEvent | Reject)]


def sample(name: str) -> bytes:
    data = suites.shared_data()
    if data is None or not (data / "feeds" / name).exists():
        pytest.skip("no real feeds here: set TWINSTILE_SHARED_DATA to the folder with feeds/")
    return (data / "feeds" / name).read_bytes()
