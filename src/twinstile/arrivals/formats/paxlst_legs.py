"""Flights of a PAXLST message: its TDT, LOC and DTM segments made into legs.

Places are a chain: each TDT names two or more, in the order they are called at. Times are
those of the place (WCO/IATA/ICAO guide, DTM), and the hub's are read in its own zone.
"""

import datetime as dt
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

from twinstile.arrivals.formats.edifact import Segment
from twinstile.arrivals.records import Mode

_DEPARTS: Final = frozenset({"136", "189"})
_ARRIVES: Final = frozenset({"132", "178", "232"})
_FROM: Final = frozenset({"5", "125"})
_TO: Final = frozenset({"8", "87"})
_OVERFLIGHT: Final = "34"
_FLIGHT: Final = re.compile(r"([A-Z]{3}|[A-Z][A-Z0-9]|[0-9][A-Z])0*([1-9][0-9]{0,3}[A-Z]?)")
_MODES: Final = {"1": Mode.SEA, "11": Mode.SEA, "2": Mode.RAIL, "3": Mode.ROAD}
"""UNECE Recommendation 19; air is 4, and whatever else is written is a flight's."""
_PIVOT: Final = 50
"""Years around today; a flight of `yy` is in the nearest year that ends so."""
_LONGEST_LEGS: Final = 40


@dataclass(frozen=True, slots=True)
class Moment:
    """A local date, and the time of day where it is told."""

    day: dt.date
    time: dt.time | None

    def instant(self, tz: dt.tzinfo) -> dt.datetime | None:
        return self.time and dt.datetime.combine(self.day, self.time, tz).astimezone(dt.UTC)


@dataclass(slots=True)
class Point:
    code: str
    qualifier: str
    departs: Moment | None = None
    arrives: Moment | None = None


@dataclass(frozen=True, slots=True)
class FlightLeg:
    service_no: str
    raw_no: str
    mode: Mode
    origin: Point | None
    ends: Point | None


@dataclass(frozen=True, slots=True)
class HubArrival:
    """An arrival at the hub: the leg that ends there, and its run from end to end."""

    leg: FlightLeg
    day: dt.date | None
    """The operating day where the run begins."""
    stop: str | None
    from_stop: str | None
    to_stop: str | None


@dataclass(slots=True)
class _Transport:
    service_no: str
    raw_no: str
    mode: Mode
    points: list[Point] = field(default_factory=list[Point])


@dataclass(slots=True)
class Itinerary:
    """What a message says of the way, segment by segment."""

    transports: list[_Transport] = field(default_factory=list[_Transport])

    def add(self, segment: Segment, today: dt.date) -> None:
        """Take a TDT, LOC or DTM that stands before the first person."""
        if segment.tag == "TDT":
            if segment.get(1) != _OVERFLIGHT and len(self.transports) < _LONGEST_LEGS:
                self.transports.append(_transport(segment))
            return
        if not self.transports:
            return
        points = self.transports[-1].points
        if segment.tag == "LOC":
            _locate(points, segment)
        elif points and (when := _dtm(segment, today)):
            if segment.get(1) in _DEPARTS:
                points[-1].departs = when
            elif segment.get(1) in _ARRIVES:
                points[-1].arrives = when

    def legs(self) -> list[FlightLeg]:
        """All legs in order; one without a place if there is only a flight number."""
        found: list[FlightLeg] = []
        for one in self.transports:
            if not one.service_no:
                continue
            points = one.points
            if len(points) == 2 and points[0].qualifier in _TO and points[1].qualifier in _FROM:
                points = points[::-1]
            ways: list[tuple[Point | None, Point | None]] = [*pairwise(points)]
            if len(points) == 1:
                only = points[0]
                ways = [(None, only) if only.qualifier in _TO else (only, None)]
            for origin, ends in ways or [(None, None)]:
                found.append(FlightLeg(one.service_no, one.raw_no, one.mode, origin, ends))
        return found


def hub_arrivals(legs: Sequence[FlightLeg], stops: Collection[str]) -> list[HubArrival]:
    """The arrivals at the hub, by its stops; without any, that of the last leg."""
    here = [len(legs) - 1] if legs else []
    if stops:
        here = [
            i for i, leg in enumerate(legs) if not leg.ends or at_stop(leg.ends.code, stops)
        ]
    return [_visit(legs, index, stops) for index in here]


def _visit(legs: Sequence[FlightLeg], index: int, stops: Collection[str]) -> HubArrival:
    leg, first, last = legs[index], index, index
    while first > 0 and legs[first - 1].service_no == leg.service_no:
        first -= 1
    while last + 1 < len(legs) and legs[last + 1].service_no == leg.service_no:
        last += 1
    origin, ends = legs[first].origin, legs[last].ends
    told = [
        origin and origin.departs,
        leg.origin and leg.origin.departs,
        leg.ends and leg.ends.arrives,
    ]
    return HubArrival(
        leg,
        next((moment.day for moment in told if moment), None),
        leg.ends and (at_stop(leg.ends.code, stops) or leg.ends.code),
        origin and origin.code,
        ends and ends.code,
    )


def service(number: str, carrier: str = "") -> str:
    """The usual spelling of a flight number: `UA0989` and `989` of `UA` are `UA989`."""
    written = "".join(number.split()).upper()
    for spelling in (written, "".join(carrier.split()).upper() + written):
        if flight := _FLIGHT.fullmatch(spelling):
            return flight[1] + flight[2]
    return written[:20]


def at_stop(code: str, stops: Collection[str]) -> str | None:
    """The hub's own spelling of a place: `USLAX` (UN/LOCODE) and `LAX` are one airport."""
    if code in stops:
        return code
    short = code[2:] if len(code) == 5 else code
    return short if short in stops else None


def moment(date: str, time: str, today: dt.date) -> Moment | None:
    """Read a date with or without a time in it, by its digits: format codes are often wrong."""
    digits = date + time if len(date) in {6, 8} and len(time) == 4 else date
    if not (digits.isascii() and digits.isdigit()):
        return None
    for form in _FORMS.get(len(digits), ()):
        try:
            at = dt.datetime.strptime(digits, form)  # noqa: DTZ007 -- the place gives the zone
            if "%y" in form:
                near = min((0, 100, -100), key=lambda years: abs(at.year + years - today.year))
                at = at.replace(year=at.year + near)
        except ValueError:
            continue
        if abs(at.year - today.year) <= _PIVOT:
            return Moment(at.date(), at.time() if "%H" in form else None)
    return None


_FORMS: Final = {
    6: ("%y%m%d",),
    8: ("%Y%m%d",),
    10: ("%y%m%d%H%M",),
    12: ("%Y%m%d%H%M", "%y%m%d%H%M%S"),
    14: ("%Y%m%d%H%M%S",),
}


def _dtm(segment: Segment, today: dt.date) -> Moment | None:
    if date := segment.get(1, 1):
        return moment(date, segment.get(1, 2), today)
    return moment(segment.get(2), segment.get(3), today)  # the American variant


def _transport(segment: Segment) -> _Transport:
    raw = "".join(segment.get(2).split()).upper()[:20]
    carrier = segment.get(5) or segment.get(4)
    mode = _MODES.get(segment.get(3).lstrip("0"), Mode.AIR)
    number = service(raw, carrier if len(carrier) <= 3 else "") if raw else ""
    return _Transport(number, raw, mode)


def _locate(points: list[Point], segment: Segment) -> None:
    code, qualifier = segment.get(2).upper()[:17], segment.get(1).lstrip("0")
    if not code:
        return
    if points and points[-1].code == code:
        points[-1].qualifier = qualifier
    elif len(points) < _LONGEST_LEGS:
        points.append(Point(code, qualifier))
