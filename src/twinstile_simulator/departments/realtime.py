"""A GTFS-Realtime feed of arrivals, written by hand: protobuf as its specification has it."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime

VERSION = "2.0"


@dataclass(frozen=True, slots=True)
class Arrival:
    """When a trip is expected at a stop."""

    trip_id: str
    start: date
    stop_id: str
    at: datetime


def feed(arrivals: Iterable[Arrival], at: datetime) -> bytes:
    """Write a whole FeedMessage of trip updates, as of `at`."""
    stamp = int(at.timestamp())
    header = _text(1, VERSION) + _number(2, 0) + _number(3, stamp)
    entities = (_part(2, _entity(place, one, stamp)) for place, one in enumerate(arrivals, 1))
    return _part(1, header) + b"".join(entities)


def _entity(place: int, one: Arrival, stamp: int) -> bytes:
    trip = _text(1, one.trip_id) + _text(3, f"{one.start:%Y%m%d}") + _number(4, 0)
    event = _number(2, int(one.at.timestamp()))
    stop = _part(2, event) + _text(4, one.stop_id)
    update = _part(1, trip) + _part(2, stop) + _number(4, stamp)
    return _text(1, str(place)) + _part(3, update)


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _text(field: int, value: str) -> bytes:
    return _part(field, value.encode())


def _part(field: int, content: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    """Seven bits a byte, the lowest first; all but the last have the eighth bit."""
    low, rest = value & 0x7F, value >> 7
    return bytes([low | 0x80]) + _varint(rest) if rest else bytes([low])
