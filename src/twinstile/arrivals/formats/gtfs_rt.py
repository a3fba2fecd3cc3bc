"""Times and cancellations of runs in GTFS-Realtime: of its messages the updates of trips.

An entity is decoded when it is its turn, so that one that is damaged keeps out itself alone.
The moment the message was made is the version of all it says. What it does not say is not
known: a trip without an update is not on time, and neither is a stop without data.
Options: `scheme`, whose trips these are (`gtfs`), and `mode` of those it adds (`RAIL`).
"""

import datetime as dt
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias

from google.protobuf.message import DecodeError
from google.protobuf.unknown_fields import UnknownFieldSet
from google.transit.gtfs_realtime_pb2 import FeedEntity, FeedHeader, TripDescriptor, TripUpdate

from twinstile.arrivals.formats import gtfs, sheets
from twinstile.arrivals.formats.gtfs_tables import day_of, seconds
from twinstile.arrivals.formats.reasons import RejectReason
from twinstile.arrivals.records import (
    ArrivalEvent,
    Delivery,
    Mode,
    Op,
    ReaderContext,
    Record,
    RecordOrigin,
    RecordRefused,
    Reject,
    RunRef,
    RunStatus,
    UnknownColumns,
    UnreadableDelivery,
)

LONGEST_ENTITY: Final = 1 << 18
MOST_ENTITIES: Final = 200_000
MOST_DELAY_S: Final = 2 * 86_400
FARTHEST_S: Final = 10 * 86_400
"""Of an arrival from the day its trip began."""
STALE: Final = dt.timedelta(minutes=15)

Stop: TypeAlias = TripUpdate.StopTimeUpdate
Event: TypeAlias = TripUpdate.StopTimeEvent
_HEADER, _ENTITY = 1, 2
_RELATION_OF_TRIP: Final = 4
_RELATION_OF_STOP: Final = 5
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_T: Final = TripDescriptor
_STATUS: Final = {
    _T.SCHEDULED: RunStatus.SCHEDULED,
    _T.ADDED: RunStatus.ADDED,
    _T.NEW: RunStatus.ADDED,
    _T.DUPLICATED: RunStatus.ADDED,
    _T.UNSCHEDULED: RunStatus.UNKNOWN,
    _T.CANCELED: RunStatus.CANCELLED,
    _T.DELETED: RunStatus.CANCELLED,
    _T.REPLACEMENT: RunStatus.REPLACED,
}
_OWN: Final = frozenset({_T.ADDED, _T.NEW, _T.DUPLICATED, _T.UNSCHEDULED})
"""Trips beside the timetable: a trip of it with the same id is another one."""
_NOT_RUNNING: Final = frozenset({_T.CANCELED, _T.DELETED})
_EARLY: Final = dt.timedelta(hours=3)
"""Until when at night a trip without a date is one of the day before."""


_NOTHING: Final = UnknownColumns(())
"""In the place of an update that says nothing of this hub: what is known of runs may be more
when a delivery is read again, and its records stand where they stood."""


@dataclass(frozen=True, slots=True)
class _HubCall:
    """Of one call at the hub."""

    status: RunStatus | None = None
    at: dt.datetime | None = None
    delay_s: int | None = None
    quality: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Head:
    made: dt.datetime
    version: int | None
    quality: tuple[str, ...]


def read(
    delivery: Delivery, reading: ReaderContext
) -> Iterator[Record | UnknownColumns | Reject]:
    """Rows are entities, counted from 1; whatever they are other than trips is passed over."""
    sheets.refuse_web_page(delivery.body)
    head = _head(delivery)
    for row, part in enumerate(_parts(delivery.body, _ENTITY), 1):
        if row > MOST_ENTITIES:
            raise UnreadableDelivery(RejectReason.TOO_LARGE)
        if len(part) > LONGEST_ENTITY:
            yield Reject(row, RejectReason.TOO_LONG, "entity")
            continue
        try:
            entity = FeedEntity.FromString(part)
            told = entity.HasField("trip_update") and not entity.is_deleted
            event = _event(entity.trip_update, row, head, reading) if told else None
        except DecodeError:
            yield Reject(row, RejectReason.MALFORMED, "entity")
        except RecordRefused as refused:
            yield Reject(row, refused.reason, refused.column)
        else:
            if told:
                yield event or _NOTHING


def _parts(body: bytes, field_number: int) -> Iterator[bytes]:
    """The members of one field. Raises `UnreadableDelivery` where the message is cut off."""
    at, size = 0, len(body)
    while at < size:
        key, at = _varint(body, at)
        field, kind = key >> 3, key & 7
        if kind == _VARINT:
            _, at = _varint(body, at)
        elif kind in {_FIXED32, _FIXED64}:
            at += 4 if kind == _FIXED32 else 8
        elif kind == _BYTES and field:
            length, at = _varint(body, at)
            if field == field_number and at + length <= size:
                yield body[at : at + length]
            at += length
        else:
            raise UnreadableDelivery(RejectReason.NOT_GTFS_RT)
    if at > size:
        raise UnreadableDelivery(RejectReason.TRUNCATED)


def _varint(body: bytes, at: int) -> tuple[int, int]:
    value = 0
    for n, byte in enumerate(body[at : at + 10]):
        value |= (byte & 0x7F) << (7 * n)
        if byte < 0x80:
            return value, at + n + 1
    raise UnreadableDelivery(
        RejectReason.TRUNCATED if at + 10 > len(body) else RejectReason.NOT_GTFS_RT
    )


def _head(delivery: Delivery) -> _Head:
    """When the message was made. A clock ahead of ours would silence what comes after."""
    try:
        header = FeedHeader.FromString(next(_parts(delivery.body, _HEADER), b""))
    except DecodeError:
        raise UnreadableDelivery(RejectReason.NOT_GTFS_RT) from None
    if not header.gtfs_realtime_version:
        raise UnreadableDelivery(RejectReason.NOT_GTFS_RT)
    received = delivery.received_at
    told, quality = _in_seconds(header.timestamp)
    if not told:
        return _Head(received, int(received.timestamp()), ("no-timestamp",))
    if told > received.timestamp():
        ahead = told > received.timestamp() + 60
        quality = (*quality, "clock-ahead") if ahead else quality
        told = int(received.timestamp())
    made = dt.datetime.fromtimestamp(told, dt.UTC)
    if received - made > STALE:
        quality = (*quality, "stale")
    return _Head(made, told, quality)


def _in_seconds(moment: int) -> tuple[int, tuple[str, ...]]:
    """A moment since 1970 in seconds, though it be told in parts of them."""
    quality: tuple[str, ...] = ()
    while moment >= 10**11:
        moment, quality = moment // 1000, ("milliseconds",)
    return moment, quality


def _event(
    update: TripUpdate, row: int, head: _Head, reading: ReaderContext
) -> ArrivalEvent | None:
    """What is said of the run at this hub; None: it does not come here, or nobody knows."""
    trip = update.trip
    run, quality = _run(update, head, reading)
    relation = trip.schedule_relationship
    status = _STATUS[relation]
    if _is_unknown(trip, _RELATION_OF_TRIP):
        status, quality = RunStatus.UNKNOWN, (*quality, "unknown-relationship")
    place = _place(run, reading)
    if relation in _NOT_RUNNING:
        if reading.calls and place is None:
            return None
        said = _HubCall()
    else:
        found = _at_hub(update, place, reading)
        if found is None:
            return None
        said = found
        _check(said, run)
    return ArrivalEvent(
        RecordOrigin(
            f"{run.service_no}/{run.service_date}",
            row,
            head.version,
            head.made,
            (*head.quality, *quality, *said.quality),
        ),
        Op.DELETE if relation == _T.DELETED else Op.UPSERT,
        run,
        Mode.__members__.get(reading.options.get("mode", ""), Mode.RAIL),
        said.status or status,
        estimated_arrival=said.at,
        delay_s=said.delay_s,
    )


def _run(
    update: TripUpdate, head: _Head, reading: ReaderContext
) -> tuple[RunRef, tuple[str, ...]]:
    """Which run it is, by trip, day and start. Raises `RecordRefused`."""
    trip, own = update.trip, update.trip_properties
    for part in (trip, own):
        for field, value in part.ListFields():
            if isinstance(value, bytes):  # so comes text that is no UTF-8
                raise RecordRefused(RejectReason.CHARSET, f"trip.{field.name}")
    is_own = trip.schedule_relationship in _OWN
    trip_id = (is_own and own.trip_id) or trip.trip_id
    start = (is_own and own.start_time) or trip.start_time
    date = (is_own and own.start_date) or trip.start_date
    if not trip_id and is_own and start:
        trip_id = f"{trip.route_id}/{trip.direction_id}"
    if not trip_id or len(trip_id) > gtfs.LONGEST_ID:
        raise RecordRefused(
            RejectReason.TOO_LONG if trip_id else RejectReason.MISSING, "trip.trip_id"
        )
    day, quality = day_of(date), tuple[str, ...]()
    if date and day is None:
        raise RecordRefused(RejectReason.INVALID, "trip.start_date")
    if day is None:
        day, quality = (head.made.astimezone(reading.tz) - _EARLY).date(), ("no-date",)
    start_s = seconds(start)
    if start and start_s is None:
        raise RecordRefused(RejectReason.INVALID, "trip.start_time")
    scheme = reading.options.get("scheme", gtfs.SCHEME)
    run = gtfs.run_of(scheme, trip_id, day, start_s)
    known = not reading.calls or (trip_id, day) in reading.calls
    inner = trip_id if known and not is_own else None
    number = own.trip_short_name[: gtfs.LONGEST_ID] if is_own else ""
    aliases = (run.service_no,) if number else ()
    return RunRef(scheme, number or run.service_no, day, aliases, inner), quality


def _place(run: RunRef, reading: ReaderContext) -> int | None:
    """Where among the stops of the run the hub is, if it is known."""
    numbers = (run.service_no, *run.aliases, run.internal_no or "")
    found = (reading.calls.get((number, run.service_date)) for number in numbers)
    return next((place for place in found if place is not None), None)


def _at_hub(update: TripUpdate, place: int | None, reading: ReaderContext) -> _HubCall | None:
    """What is said of the call at the hub, there or by what is said of the stops before it.

    A trip that only leaves from the first stop it tells of begins there, or has come already.
    One that was put in the place of another calls only where it says so.
    """
    stops = update.stop_time_update
    begins = bool(place is None and stops and _only_leaves(stops[0]))
    told = next((one for one in stops[begins:] if _is_here(one, place, reading)), None)
    if told is not None:
        return _read_call(told)
    if update.trip.schedule_relationship == _T.REPLACEMENT and stops:
        return _HubCall(RunStatus.SKIPPED)
    if place is None:
        return None
    if not stops and update.HasField("delay"):
        return _HubCall(delay_s=update.delay)
    delay = delay_at(stops, place)
    return _HubCall(delay_s=delay, quality=("no-data",) if delay is None else ())


def _only_leaves(one: Stop) -> bool:
    return one.HasField("departure") and not one.HasField("arrival")


def _is_here(one: Stop, place: int | None, reading: ReaderContext) -> bool:
    if place is not None and one.HasField("stop_sequence"):
        return one.stop_sequence == place
    return one.stop_id in reading.stops or (
        one.stop_time_properties.assigned_stop_id in reading.stops
    )


def delay_at(stops: Iterable[Stop], place: int) -> int | None:
    """The delay that goes on from the last stop before a place in the order of stops.

    Stops that are left out do not end it; one without data, or that tells none, does.
    """
    last = None
    for one in stops:
        if not one.HasField("stop_sequence"):
            return None
        if one.stop_sequence <= place and one.schedule_relationship != Stop.SKIPPED:
            last = one
    if last is None or _is_silent(last):
        return None
    events = [getattr(last, name) for name in ("departure", "arrival") if last.HasField(name)]
    return next((delay for one in events if (delay := _delay(one)) is not None), None)


def _read_call(one: Stop) -> _HubCall:
    if one.schedule_relationship == Stop.SKIPPED:
        return _HubCall(RunStatus.SKIPPED)
    if _is_silent(one):
        return _HubCall(quality=("no-data",))
    quality = () if one.HasField("arrival") else ("from-departure",)
    event = one.arrival if one.HasField("arrival") else one.departure
    if event.time > 0:
        told, odd = _in_seconds(event.time)
        try:
            return _HubCall(
                None, dt.datetime.fromtimestamp(told, dt.UTC), None, (*quality, *odd)
            )
        except (ValueError, OverflowError, OSError):
            raise RecordRefused(RejectReason.INVALID, "arrival.time") from None
    delay = _delay(event)
    return _HubCall(delay_s=delay, quality=("no-data",) if delay is None else quality)


def _is_silent(one: Stop) -> bool:
    return one.schedule_relationship == Stop.NO_DATA or _is_unknown(one, _RELATION_OF_STOP)


def _delay(event: Event) -> int | None:
    if event.HasField("delay"):
        return event.delay
    if event.time > 0 and event.scheduled_time > 0:
        return event.time - event.scheduled_time
    return None


def _is_unknown(message: TripDescriptor | Stop, field: int) -> bool:
    """Whether the field has a word of a later specification, which reads as the usual one."""
    unknown = UnknownFieldSet(message)
    return any(one.field_number == field for one in unknown)


def _check(call: _HubCall, run: RunRef) -> None:
    """Raises `RecordRefused` for what cannot be meant."""
    noon = dt.datetime.combine(run.service_date, dt.time(12), dt.UTC)
    if call.at is not None and abs((call.at - noon).total_seconds()) > FARTHEST_S:
        raise RecordRefused(RejectReason.IMPLAUSIBLE_DATE, "arrival.time")
    if call.delay_s is not None and abs(call.delay_s) > MOST_DELAY_S:
        raise RecordRefused(RejectReason.INVALID, "arrival.delay")
