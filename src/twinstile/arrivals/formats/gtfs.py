"""Timetables in GTFS: who arrives at this hub from yesterday to the day after tomorrow.

A run is a trip on a day of service, and of a trip that repeats (`frequencies.txt`) each start.
Its number is `trip_short_name` where only one run of a day has it, else trip and start; updates
in GTFS-Realtime find it by both. Only trips that stop at the hub are kept while reading.
Option: `scheme`, whose numbers they are (`gtfs`).
"""

import datetime as dt
from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Final

from twinstile.arrivals.formats.gtfs_tables import Tables, day_of, midnight_of, seconds
from twinstile.arrivals.formats.reasons import RejectReason
from twinstile.arrivals.records import (
    ArrivalEvent,
    Delivery,
    Mode,
    Op,
    ReaderContext,
    Record,
    RecordOrigin,
    Reject,
    RunRef,
    RunStatus,
    UnknownColumns,
    UnreadableDelivery,
)
from twinstile.platform.ops import clock

SCHEME: Final = "gtfs"
DAYS: Final = range(-1, 3)
"""Of service, counted from today: the trips of yesterday go on after midnight."""
LONGEST_ID: Final = 150
MOST_CALLS: Final = 1_000_000
"""Of the trips that stop at this hub on these days."""
MOST_RUNS: Final = 100_000
MOST_REJECTS: Final = 1000
MOST_STOPS: Final = 100
"""Of a run; who was on board of a longer one together is not told by its stops."""
SHORTEST_HEADWAY_S: Final = 10

_WEEKDAYS: Final = (
    *("monday", "tuesday", "wednesday", "thursday", "friday"),
    *("saturday", "sunday"),
)
_MODES: Final = {
    **dict.fromkeys(("3", "11", "2__", "7__", "8__", "15__"), Mode.ROAD),
    **dict.fromkeys(("4", "10__", "12__"), Mode.SEA),
    "11__": Mode.AIR,
}
"""By `route_type`, the extended ones by their hundreds. All others go by rail."""
_UNTIMED: Final = -1
_NO_EXIT: Final = "1"


def run_of(
    scheme: str, trip_id: str, day: dt.date, start_s: int | None, number: str | None = None
) -> RunRef:
    """How a run is named here and in updates. `start_s` None: the trip runs once a day."""
    if start_s is None:
        return RunRef(scheme, number or f"#{trip_id}", day, (), trip_id)
    return RunRef(scheme, number or _started(trip_id, start_s), day)


def _started(trip_id: str, start_s: int) -> str:
    minutes, rest = divmod(start_s, 60)
    return f"#{trip_id}@{minutes // 60:02}:{minutes % 60:02}:{rest:02}"


def read(
    delivery: Delivery, reading: ReaderContext
) -> Iterator[Record | UnknownColumns | Reject]:
    """One arrival a run (records.Reader); rejects are named by table and column."""
    timetable = _Timetable(Tables(delivery.body), reading)
    timetable.find_stops()
    timetable.find_days()
    timetable.find_trips()
    timetable.find_calls()
    yield from timetable.arrivals()
    yield from timetable.rejects


@dataclass(frozen=True, slots=True)
class _Platform:
    """A stop of the hub. `hub_stop` is the code the hub is configured with."""

    hub_stop: str
    name: str


@dataclass(frozen=True, slots=True)
class _Trip:
    row: int
    service_id: str
    number: str
    mode: Mode


@dataclass(frozen=True, slots=True)
class _Repeat:
    """Starts from `first_s` to before `until_s`."""

    first_s: int
    until_s: int
    headway_s: int
    exact: bool


@dataclass(frozen=True, slots=True)
class _Call:
    sequence: int
    arrives_s: int
    leaves_s: int
    stop: int
    exits: bool


@dataclass(frozen=True, slots=True)
class _TripPath:
    """Of a trip: when it starts, its ends and stops, and when it comes to the hub."""

    starts_s: int
    first: str
    last: str
    here: str
    sequence: int
    arrives_s: int
    stops: tuple[str, ...]
    doubts: tuple[str, ...]


@dataclass(slots=True)
class _Timetable:
    tables: Tables
    reading: ReaderContext
    rejects: list[Reject] = field(default_factory=list[Reject])
    platforms: dict[str, _Platform] = field(default_factory=dict[str, _Platform])
    services: dict[dt.date, set[str]] = field(default_factory=dict[dt.date, set[str]])
    trips: dict[str, _Trip] = field(default_factory=dict[str, _Trip])
    repeats: dict[str, list[_Repeat]] = field(default_factory=dict[str, list[_Repeat]])
    stops: dict[str, int] = field(default_factory=dict[str, int])
    calls: dict[str, "array[int]"] = field(default_factory=dict[str, "array[int]"])
    """Of each trip five numbers a call, as those of `_Call`; stops by their place."""

    def reject(self, row: int, reason: RejectReason, column: str) -> None:
        if len(self.rejects) < MOST_REJECTS:
            self.rejects.append(Reject(row, reason, column))

    def find_stops(self) -> None:
        """The hub's stops, and all that have one of them as their station."""
        wished = ("parent_station", "platform_code")
        for _, (stop_id, parent, code) in self.tables.rows("stops", ("stop_id",), wished):
            hub_stop = next((one for one in (stop_id, parent) if one in self.reading.stops), "")
            if hub_stop:
                self.platforms[stop_id] = _Platform(hub_stop, code[:LONGEST_ID])
        if not self.platforms:
            raise UnreadableDelivery(RejectReason.NO_STOPS)

    def find_days(self) -> None:
        """Which services run on which day: those of the week, then what differs from it."""
        tables, today = self.tables, self.reading.today
        self.services = {today + dt.timedelta(days=n): set[str]() for n in DAYS}
        if "calendar" not in tables and "calendar_dates" not in tables:
            raise UnreadableDelivery(RejectReason.NOT_GTFS)
        needed = ("service_id", "start_date", "end_date", *_WEEKDAYS)
        for row, cells in tables.rows("calendar", needed) if "calendar" in tables else ():
            service, start, end, *runs = cells
            since, until = day_of(start), day_of(end)
            if since is None or until is None:
                self.reject(row, RejectReason.INVALID, "calendar.start_date")
                continue
            for day, running in self.services.items():
                if since <= day <= until and runs[day.weekday()] == "1":
                    running.add(service)
        needed = ("service_id", "date", "exception_type")
        for row, (service, on, what) in (
            tables.rows("calendar_dates", needed) if "calendar_dates" in tables else ()
        ):
            day = day_of(on)
            if day is None or what not in {"1", "2"}:
                self.reject(row, RejectReason.INVALID, "calendar_dates.date")
            elif day in self.services:
                running = self.services[day]
                (running.add if what == "1" else running.discard)(service)

    def find_trips(self) -> None:
        """The trips that stop here and run on one of the days."""
        here = {
            trip_id
            for _, (trip_id, stop_id) in self.tables.rows("stop_times", ("trip_id", "stop_id"))
            if stop_id in self.platforms
        }
        running = set[str]().union(*self.services.values())
        modes = self._modes()
        needed, wished = ("trip_id", "service_id", "route_id"), ("trip_short_name",)
        for row, cells in self.tables.rows("trips", needed, wished):
            trip_id, service, route, number = cells
            if trip_id not in here or service not in running:
                continue
            if len(trip_id) > LONGEST_ID:
                self.reject(row, RejectReason.TOO_LONG, "trips.trip_id")
                continue
            mode = modes.get(route, Mode.RAIL)
            self.trips[trip_id] = _Trip(row, service, number[:LONGEST_ID], mode)
        if "frequencies" in self.tables:
            self._find_repeats()

    def _modes(self) -> dict[str, Mode]:
        rows = self.tables.rows("routes", ("route_id", "route_type"))
        return {
            route: _MODES.get(told if len(told) < 3 else f"{told[:-2]}__", Mode.RAIL)
            for _, (route, told) in rows
        }

    def _find_repeats(self) -> None:
        needed = ("trip_id", "start_time", "end_time", "headway_secs")
        for row, cells in self.tables.rows("frequencies", needed, ("exact_times",)):
            trip_id, start, end, headway, exact = cells
            if trip_id not in self.trips:
                continue
            first, until = seconds(start), seconds(end)
            step = int(headway) if headway.isascii() and headway[:7].isdecimal() else 0
            if first is None or until is None or step < SHORTEST_HEADWAY_S:
                self.reject(row, RejectReason.INVALID, "frequencies.headway_secs")
                continue
            repeat = _Repeat(first, until, step, exact == "1")
            self.repeats.setdefault(trip_id, []).append(repeat)

    def find_calls(self) -> None:
        """All calls of the trips that count, for a time left out is between its neighbours."""
        needed = ("trip_id", "stop_id", "stop_sequence")
        wished = ("arrival_time", "departure_time", "drop_off_type")
        kept = 0
        for row, cells in self.tables.rows("stop_times", needed, wished):
            if cells[0] not in self.trips:
                continue
            trip_id, stop_id, told, arrival, departure, exits = cells
            sequence = int(told) if told.isascii() and told[:9].isdecimal() else -1
            arrives = seconds(arrival) if arrival else _UNTIMED
            leaves = seconds(departure) if departure else _UNTIMED
            if not 0 <= sequence < 1 << 31 or arrives is None or leaves is None:
                column = "stop_sequence" if sequence < 0 else "arrival_time"
                self.reject(row, RejectReason.INVALID, f"stop_times.{column}")
                continue
            arrives = leaves if arrives == _UNTIMED else arrives
            leaves = arrives if leaves == _UNTIMED else leaves
            place = self.stops.setdefault(stop_id, len(self.stops))
            calls = self.calls.setdefault(trip_id, array("i"))
            calls.extend((sequence, arrives, leaves, place, exits != _NO_EXIT))
            kept += 1
            if kept > MOST_CALLS:
                raise UnreadableDelivery(RejectReason.TOO_LARGE)

    def arrivals(self) -> Iterator[ArrivalEvent]:
        """Day by day, in the order of the feed. A trip that begins here does not arrive."""
        zone, doubts = self._zone()
        ways = self._paths()
        runs = count(1)
        for day, running in self.services.items():
            midnight = midnight_of(day, zone)
            todays = {one: way for one, way in ways.items() if self._runs(one, running)}
            numbers = Counter(self.trips[trip_id].number for trip_id in todays)
            for trip_id, way in todays.items():
                unique = numbers[self.trips[trip_id].number] == 1
                for run, late_s, odd in self._starts(trip_id, way, day, unique=unique):
                    if next(runs) > MOST_RUNS:
                        raise UnreadableDelivery(RejectReason.TOO_LARGE)
                    at = midnight + dt.timedelta(seconds=way.arrives_s + late_s)
                    yield self._arrival(trip_id, way, run, at, (*doubts, *way.doubts, *odd))

    def _arrival(
        self,
        trip_id: str,
        way: _TripPath,
        run: RunRef,
        at: dt.datetime,
        quality: tuple[str, ...],
    ) -> ArrivalEvent:
        trip, platform = self.trips[trip_id], self.platforms[way.here]
        key = f"{run.internal_no or run.service_no}/{run.service_date}"
        return ArrivalEvent(
            RecordOrigin(key, trip.row, quality=quality),
            Op.UPSERT,
            run,
            trip.mode,
            RunStatus.SCHEDULED,
            way.first,
            way.last,
            platform.hub_stop,
            at,
            platform=platform.name or None,
            hub_sequence=way.sequence,
            stops=way.stops if len(way.stops) <= MOST_STOPS else (),
        )

    def _runs(self, trip_id: str, running: set[str]) -> bool:
        return self.trips[trip_id].service_id in running

    def _starts(
        self, trip_id: str, way: _TripPath, day: dt.date, *, unique: bool
    ) -> Iterator[tuple[RunRef, int, tuple[str, ...]]]:
        """The runs of a trip on a day, each with how much later it is than the trip is told."""
        scheme = self.reading.options.get("scheme", SCHEME)
        number = self.trips[trip_id].number
        repeats = self.repeats.get(trip_id)
        if repeats is None:
            alias = _started(trip_id, way.starts_s)
            odd = () if unique or not number else ("number-repeated",)
            run = run_of(scheme, trip_id, day, None, number if unique else None)
            yield RunRef(scheme, run.service_no, day, (alias,), trip_id), 0, odd
            return
        for one in repeats:
            for start_s in range(one.first_s, one.until_s, one.headway_s):
                run = run_of(scheme, trip_id, day, start_s)
                yield run, start_s - way.starts_s, () if one.exact else ("headway",)

    def _paths(self) -> dict[str, _TripPath]:
        stop_ids, names = list(self.stops), self._names()
        ways = {
            trip_id: self._path(trip_id, _sorted(calls), stop_ids)
            for trip_id, calls in self.calls.items()
        }
        return {
            trip_id: replace(
                way,
                first=names[way.first],
                last=names[way.last],
                stops=tuple(names[one] for one in way.stops),
            )
            for trip_id, way in ways.items()
            if way
        }

    def _path(
        self, trip_id: str, calls: Sequence[_Call], stop_ids: Sequence[str]
    ) -> _TripPath | None:
        at = next((n for n in range(1, len(calls)) if self._arrives(calls[n], stop_ids)), None)
        if at is None:
            return None
        arrives, doubts = calls[at].arrives_s, ()
        if arrives == _UNTIMED:
            arrives, doubts = _between(calls, at), ("interpolated",)
        if arrives is None or calls[0].leaves_s == _UNTIMED:
            self.reject(
                self.trips[trip_id].row, RejectReason.NO_TIME, "stop_times.arrival_time"
            )
            return None
        ends = stop_ids[calls[0].stop], stop_ids[calls[-1].stop]
        here = stop_ids[calls[at].stop], calls[at].sequence
        stops = tuple(stop_ids[one.stop] for one in calls)
        return _TripPath(calls[0].leaves_s, *ends, *here, arrives, stops, doubts)

    def _arrives(self, call: _Call, stop_ids: Sequence[str]) -> bool:
        return call.exits and stop_ids[call.stop] in self.platforms

    def _names(self) -> dict[str, str]:
        """Of the stops of the trips, as passengers read them: of the station."""
        wished = ("stop_name", "parent_station")
        names, parents = dict[str, str](), dict[str, str]()
        for _, (stop_id, _, parent) in self.tables.rows("stops", ("stop_id",), wished):
            if stop_id in self.stops and parent:
                parents[stop_id] = parent
        wanted = self.stops.keys() | set(parents.values())
        for _, (stop_id, name) in self.tables.rows("stops", ("stop_id",), wished[:1]):
            if stop_id in wanted and name:
                names[stop_id] = name[:LONGEST_ID]
        return {one: names.get(parents.get(one, ""), names.get(one, one)) for one in self.stops}

    def _zone(self) -> tuple[dt.tzinfo, tuple[str, ...]]:
        rows = self.tables.rows("agency", ("agency_timezone",))
        name = next((cells[0] for _, cells in rows), "")
        try:
            return clock.zone(name), ()
        except ValueError:
            return self.reading.tz, ("no-timezone",)


def _sorted(calls: "array[int]") -> list[_Call]:
    five = iter(calls)
    made = [
        _Call(*one[:4], bool(one[4])) for one in zip(five, five, five, five, five, strict=True)
    ]
    return sorted(made, key=lambda one: one.sequence)


def _between(calls: Sequence[_Call], at: int) -> int | None:
    """A time left out, by its place among the calls between the nearest that are told."""
    before = next((n for n in range(at - 1, -1, -1) if calls[n].leaves_s != _UNTIMED), None)
    after = next((n for n in range(at + 1, len(calls)) if calls[n].leaves_s != _UNTIMED), None)
    if before is None or after is None:
        return None
    since = calls[before].leaves_s
    return since + (calls[after].arrives_s - since) * (at - before) // (after - before)
