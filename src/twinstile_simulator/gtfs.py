"""The arrivals at one station of a GTFS feed (gtfs.org schedule reference, static part).

Survives what real feeds do: byte order marks, quoted cells, unpadded hours, times past
24:00:00, blank intermediate times, services that exist only as exceptions, platforms under
a parent station. Everything read is bounded. `frequencies.txt` is not read: a trip that
repeats by headway counts once.
"""

import csv
import io
import zipfile
import zlib
from collections import Counter
from collections.abc import Container, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from twinstile_simulator.timetable import Timetable, TimetableError, Train

MAX_ZIP_BYTES = 64 * 2**20
MAX_TABLE_BYTES = 512 * 2**20
MAX_ROWS = 5_000_000
MAX_SERVICE_DAYS = 800
SEATS = 1000
"""A feed knows no seats; this is the train of the published calibration."""

_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_BROKEN = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    UnicodeDecodeError,
    csv.Error,
    RuntimeError,  # zipfile: the member is encrypted
    NotImplementedError,  # zipfile: unknown compression
)


@dataclass(frozen=True, slots=True)
class _Stop:
    name: str
    station_id: str
    platform: str


@dataclass(frozen=True, slots=True)
class _Call:
    seconds: int
    stop: _Stop


@dataclass(slots=True)
class _Services:
    """Which services run on a day: the weekly pattern, then the exceptions to it."""

    weekly: list[tuple[str, frozenset[int], date, date]] = field(default_factory=list)
    exceptions: dict[date, dict[str, bool]] = field(default_factory=dict)

    def on(self, day: date) -> set[str]:
        running = {
            service
            for service, weekdays, start, end in self.weekly
            if start <= day <= end and day.weekday() in weekdays
        }
        for service, runs in self.exceptions.get(day, {}).items():
            (running.add if runs else running.discard)(service)
        return running

    def days(self) -> set[date]:
        found = set(self.exceptions)
        for _, _, start, end in self.weekly:
            length = min((end - start).days + 1, MAX_SERVICE_DAYS)
            found.update(start + timedelta(days=offset) for offset in range(length))
        return found


def read(path: Path, day: date, stop: str | None = None) -> Timetable:
    """Read the arrivals at `stop` (an id or a name; else the station with most arrivals).

    A feed that has no service on `day` lends its fullest day of the same weekday; the trains
    always carry `day`. Raises TimetableError for anything that is not a usable feed.
    """
    try:
        if path.stat().st_size > MAX_ZIP_BYTES:
            raise TimetableError(f"{path.name}: larger than {MAX_ZIP_BYTES >> 20} MiB")
        with zipfile.ZipFile(path) as archive:
            return _read(archive, day, stop)
    except OSError as error:
        raise TimetableError(f"{path.name}: {error.strerror or 'cannot be read'}") from error
    except _BROKEN as error:
        raise TimetableError(f"{path.name}: not a readable GTFS zip ({error})") from error


def _read(archive: zipfile.ZipFile, day: date, stop: str | None) -> Timetable:
    zone = _zone(archive)
    stops = _stops(archive)
    rows = _table(archive, "trips.txt", ("trip_id", "service_id"), ("trip_short_name",))
    trips = {trip_id: (service, short or trip_id) for trip_id, service, short in rows}
    running = _running(_services(archive), Counter(s for s, _ in trips.values()), day)
    numbers = {id_: number for id_, (service, number) in trips.items() if service in running}
    calls = _calls(archive, numbers, stops)
    arrivals = Counter(
        station
        for trip_calls in calls.values()
        for station in {call.stop.station_id for call in trip_calls[1:]}
    )
    station = _station(stops, arrivals, stop)
    trains: list[Train] = []
    for trip_id, trip_calls in calls.items():
        here = [call for call in trip_calls[1:] if call.stop.station_id == station]
        if here:
            ends = trip_calls[0].stop.name, trip_calls[-1].stop.name
            at = _moment(day, here[0].seconds, zone)
            trains.append(Train(numbers[trip_id], *ends, at, here[0].stop.platform, SEATS))
    trains.sort(key=lambda train: (train.scheduled_arrival, train.service_no))
    name = stops[station].name if station in stops else station
    return Timetable(name, tuple(trains))


def _table(
    archive: zipfile.ZipFile, name: str, needed: tuple[str, ...], wished: tuple[str, ...] = ()
) -> Iterator[list[str]]:
    """Yield the asked cells of each row, in the order asked; a wished cell may be empty."""
    entry = next((i for i in archive.infolist() if i.filename.split("/")[-1] == name), None)
    if entry is None:
        raise TimetableError(f"{name}: missing in the feed")
    if entry.file_size > MAX_TABLE_BYTES:
        raise TimetableError(f"{name}: larger than {MAX_TABLE_BYTES >> 20} MiB unpacked")
    with archive.open(entry) as packed:
        rows = csv.reader(io.TextIOWrapper(packed, "utf-8-sig", newline=""))
        header = [cell.strip() for cell in next(rows, list[str]())]
        if absent := [column for column in needed if column not in header]:
            raise TimetableError(f"{name}: no column {', '.join(absent)}")
        places = [header.index(c) if c in header else len(header) for c in needed + wished]
        for count, row in enumerate(rows):
            if count >= MAX_ROWS:
                raise TimetableError(f"{name}: more than {MAX_ROWS} rows")
            if row:
                yield [row[place].strip() if place < len(row) else "" for place in places]


def _zone(archive: zipfile.ZipFile) -> ZoneInfo:
    name = next((row[0] for row in _table(archive, "agency.txt", ("agency_timezone",))), "")
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise TimetableError("agency.txt: unknown agency_timezone") from error


def _stops(archive: zipfile.ZipFile) -> dict[str, _Stop]:
    wished = ("stop_name", "parent_station", "platform_code")
    rows = _table(archive, "stops.txt", ("stop_id",), wished)
    return {id_: _Stop(name or id_, parent or id_, code) for id_, name, parent, code in rows}


def _services(archive: zipfile.ZipFile) -> _Services:
    services = _Services()
    names = {entry.filename.split("/")[-1] for entry in archive.infolist()}
    if not names & {"calendar.txt", "calendar_dates.txt"}:
        raise TimetableError("calendar.txt, calendar_dates.txt: both missing in the feed")
    if "calendar.txt" in names:
        columns = ("service_id", "start_date", "end_date", *_WEEKDAYS)
        for service, start, end, *flags in _table(archive, "calendar.txt", columns):
            weekdays = frozenset(index for index, flag in enumerate(flags) if flag == "1")
            services.weekly.append((service, weekdays, _date(start), _date(end)))
    if "calendar_dates.txt" in names:
        columns = ("service_id", "date", "exception_type")
        for service, on, kind in _table(archive, "calendar_dates.txt", columns):
            services.exceptions.setdefault(_date(on), {})[service] = kind == "1"
    return services


def _running(services: _Services, trips: Counter[str], asked: date) -> set[str]:
    def size(day: date) -> int:
        return sum(trips[service] for service in services.on(day))

    if size(asked):
        return services.on(asked)
    days = [day for day in services.days() if size(day)]
    if not days:
        raise TimetableError("calendar.txt: no trip runs on any day")
    alike = [day for day in days if day.weekday() == asked.weekday()] or days
    return services.on(max(alike, key=lambda day: (size(day), day)))


def _calls(
    archive: zipfile.ZipFile, trips: Container[str], stops: dict[str, _Stop]
) -> dict[str, list[_Call]]:
    """Collect each running trip's calls in order, blank times filled in between."""
    found: dict[str, list[tuple[int, str, str]]] = {}
    columns = ("trip_id", "stop_sequence", "stop_id", "arrival_time")
    for trip_id, sequence, stop_id, clock in _table(archive, "stop_times.txt", columns):
        if trip_id in trips and stop_id in stops:
            if not sequence.isdecimal() or len(sequence) > 9:
                raise TimetableError("stop_times.txt: a stop_sequence is not a number")
            found.setdefault(trip_id, []).append((int(sequence), clock, stop_id))
    return {trip_id: _timed(sorted(calls), stops) for trip_id, calls in found.items()}


def _timed(calls: list[tuple[int, str, str]], stops: dict[str, _Stop]) -> list[_Call]:
    known = [index for index, (_, clock, _) in enumerate(calls) if clock]
    if not known or known[0] != 0 or known[-1] != len(calls) - 1:
        raise TimetableError("stop_times.txt: a trip has no time at its first or last stop")
    seconds = {index: _seconds(calls[index][1]) for index in known}
    for before, after in pairwise(known):
        step = (seconds[after] - seconds[before]) / (after - before)
        for index in range(before + 1, after):
            seconds[index] = seconds[before] + round(step * (index - before))
    return [_Call(seconds[index], stops[call[2]]) for index, call in enumerate(calls)]


def _station(stops: dict[str, _Stop], arrivals: Counter[str], asked: str | None) -> str:
    if not arrivals:
        raise TimetableError("stop_times.txt: nobody arrives anywhere on this day")
    if asked is None:
        return min(arrivals, key=lambda station: (-arrivals[station], station))
    wanted = asked.casefold()
    names = {id_: stops[id_].name.casefold() for id_ in arrivals if id_ in stops}
    found = {stops[asked].station_id} & arrivals.keys() if asked in stops else set[str]()
    found = found or {id_ for id_, name in names.items() if name == wanted}
    found = found or {id_ for id_, name in names.items() if wanted in name}
    if len(found) != 1:
        fault = "several stations have this name" if found else "no train arrives there"
        raise TimetableError(f"--stop: {fault} on this day; give a stop_id of the feed")
    return found.pop()


def _date(text: str) -> date:
    try:
        return datetime.strptime(text, "%Y%m%d").replace(tzinfo=UTC).date()
    except ValueError as error:
        raise TimetableError("calendar: a date is not YYYYMMDD") from error


def _seconds(clock: str) -> int:
    match clock.split(":"):
        case [hours, minutes, seconds] if all(
            part.isdecimal() and len(part) <= 3 for part in (hours, minutes, seconds)
        ):
            return int(hours) * 3600 + int(minutes) * 60 + int(seconds)
        case _:
            raise TimetableError("stop_times.txt: a time is not H:MM:SS")


def _moment(day: date, seconds: int, zone: ZoneInfo) -> datetime:
    """GTFS counts from noon minus 12 h, which is not midnight when the clocks change."""
    noon = datetime.combine(day, time(12), zone).astimezone(UTC)
    return (noon + timedelta(seconds=seconds - 12 * 3600)).astimezone(zone)
