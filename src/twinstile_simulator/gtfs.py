"""The arrivals at one station of a GTFS timetable, read as the service reads one."""

from collections import Counter
from datetime import UTC, date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from twinstile.arrivals.formats import gtfs
from twinstile.arrivals.formats.gtfs_tables import Tables
from twinstile.arrivals.records import (
    ArrivalEvent,
    Delivery,
    ReaderContext,
    UnreadableDelivery,
)
from twinstile_simulator.timetable import Timetable, TimetableError, TimetableTrain

MAX_ZIP_BYTES = 64 * 2**20
SEATS = 1000
"""A feed knows no seats; this is the train of the published calibration."""


def read(path: Path, day: date, stop: str | None = None) -> Timetable:
    """Read the arrivals at `stop`: an id or a name; else the station with most calls.

    Raises TimetableError for anything that is not a usable feed, and for a day without trains.
    """
    try:
        if path.stat().st_size > MAX_ZIP_BYTES:
            raise TimetableError(f"{path.name}: larger than {MAX_ZIP_BYTES >> 20} MiB")
        body = path.read_bytes()
        tables = Tables(body)
        station, name = _find_station(tables, stop)
        zone = _read_zone(tables)
        context = ReaderContext(zone, day, frozenset({station}))
        records = list(gtfs.read(Delivery(body, datetime.now(UTC)), context))
    except OSError as error:
        raise TimetableError(f"{path.name}: {error.strerror or 'cannot be read'}") from error
    except UnreadableDelivery as error:
        raise TimetableError(f"{path.name}: not a readable GTFS zip ({error})") from error
    trains = [
        TimetableTrain(
            one.run.service_no,
            one.from_stop or "",
            one.to_stop or "",
            one.scheduled_arrival.astimezone(zone),
            one.platform or "",
            SEATS,
        )
        for one in records
        if isinstance(one, ArrivalEvent)
        and one.run.service_date == day
        and one.scheduled_arrival
    ]
    if not trains:
        raise TimetableError(f"{path.name}: no train arrives at {name} on {day}; give --day")
    trains.sort(key=lambda train: (train.scheduled_arrival, train.service_no))
    return Timetable(name, tuple(trains))


def _read_zone(tables: Tables) -> ZoneInfo:
    name = next((cells[0] for _, cells in tables.rows("agency", ("agency_timezone",))), "")
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise TimetableError("agency.txt: unknown agency_timezone") from error


def _find_station(tables: Tables, station_name: str | None) -> tuple[str, str]:
    """The id and the name of the station."""
    wished = ("stop_name", "parent_station")
    rows = [cells for _, cells in tables.rows("stops", ("stop_id",), wished)]
    stations = {id_: parent or id_ for id_, _, parent in rows}
    names = {id_: name or id_ for id_, name, _ in rows}
    if station_name is None:
        calls = Counter(
            stations[cells[0]]
            for _, cells in tables.rows("stop_times", ("stop_id",))
            if cells[0] in stations
        )
        if not calls:
            raise TimetableError("stop_times.txt: no train stops anywhere")
        found = {min(calls, key=lambda station: (-calls[station], station))}
    else:
        found = {stations[station_name]} if station_name in stations else set[str]()
        wanted = station_name.casefold()
        found = found or {stations[id_] for id_ in names if names[id_].casefold() == wanted}
        found = found or {stations[id_] for id_ in names if wanted in names[id_].casefold()}
    if len(found) != 1:
        fault = "several stations have this name" if found else "there is no such station"
        raise TimetableError(f"--stop: {fault}; give a stop_id of the feed")
    station = found.pop()
    return station, names.get(station, station)
