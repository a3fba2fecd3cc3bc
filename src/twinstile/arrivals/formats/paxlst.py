"""Passenger and crew lists of flights and ships: UN/EDIFACT PAXLST (WCO/IATA/ICAO guide).

D.98B to D.17A and the American variant before them. A message tells one way, of one or more
legs, and who travels it: everybody is put on the leg that ends at this hub. Counts are checked
and only noted, because in real messages they are wrong more often than the people are.
"""

import datetime as dt
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from twinstile.arrivals.formats import edifact, paxlst_legs, paxlst_people
from twinstile.arrivals.formats.edifact import Segment
from twinstile.arrivals.formats.paxlst_legs import FlightLeg, Itinerary, moment, service
from twinstile.arrivals.formats.paxlst_people import ListedPerson
from twinstile.arrivals.formats.reasons import RejectReason
from twinstile.arrivals.records import (
    LONGEST_KEY,
    ArrivalEvent,
    Delivery,
    ManifestEnd,
    ManifestRow,
    Mode,
    Op,
    ReaderContext,
    Record,
    RecordOrigin,
    Reject,
    RunRef,
    RunStatus,
    TravellerRole,
    UnreadableDelivery,
)

SCHEME: Final = "iata"

PASSENGER_LIST: Final = "745"
CREW_LIST: Final = "250"
FLIGHT_STATUS: Final = "266"
_NO_TRAVELLERS: Final = frozenset({"336", "655"})
"""Everybody a carrier employs as crew, and passes to walk to a gate: nobody is on a run."""
_DELETES: Final = frozenset({"XR", "RP", "CLNB"})
"""Reservation cancelled, party reduced, flight closed: those named are not on board."""
_CANCELLED: Final = "XF"
_CHANGES: Final = frozenset({"CP", "CC", "BC", "EC", "FC"})
_FUNCTION_DELETES: Final = frozenset({"1", "3"})
_FUNCTION_CHANGES: Final = frozenset({"2", "4"})
"""Data element 1225."""
_COUNTS: Final = {"41": TravellerRole.CREW, "42": TravellerRole.PASSENGER}
_CLOCK_AHEAD: Final = dt.timedelta(days=1)

_Yield = Iterator[Record | Reject]


@dataclass(slots=True)
class _Interchange:
    version: int | None = None
    prepared: dt.date | None = None
    quality: set[str] = field(default_factory=set[str])
    messages: int = 0
    groups: int = 0
    ends: list[ManifestEnd] = field(default_factory=list[ManifestEnd])
    parts: dict[tuple[str, TravellerRole], tuple[int, int, int]] = field(
        default_factory=dict[tuple[str, TravellerRole], tuple[int, int, int]]
    )
    """Of a list in several messages: the last part, and rows and rejects so far."""


@dataclass(slots=True)
class _Message:
    row: int
    reference: str
    is_paxlst: bool
    access: str
    part: str
    segments: int = 1
    document: str = PASSENGER_LIST
    op: Op = Op.UPSERT
    is_whole: bool = True
    function: str = ""
    quality: set[str] = field(default_factory=set[str])
    way: Itinerary = field(default_factory=Itinerary)
    run: RunRef | None = None
    run_key: str = ""
    is_placed: bool = False
    is_elsewhere: bool = False
    person: ListedPerson | None = None
    people: Counter[TravellerRole] = field(default_factory=Counter[TravellerRole])
    keys: Counter[str] = field(default_factory=Counter[str])
    rows: int = 0
    rejected: int = 0
    row_counts: dict[TravellerRole, int] = field(default_factory=dict[TravellerRole, int])

    @property
    def listed(self) -> TravellerRole:
        return TravellerRole.CREW if self.document == CREW_LIST else TravellerRole.PASSENGER

    @property
    def is_read(self) -> bool:
        return not self.is_elsewhere and self.document not in _NO_TRAVELLERS


def read(delivery: Delivery, reading: ReaderContext) -> _Yield:
    """Read all messages of all interchanges of a delivery (records.Reader)."""
    text, guessed = edifact.decode(delivery.body)
    lists = _Lists(delivery, reading, {"charset-guessed"} if guessed else set())
    for segment in edifact.segments(text):
        yield from lists.take(segment)
    yield from lists.close()


class _Lists:
    """The interchange that is being read, its message and its person."""

    def __init__(self, delivery: Delivery, reading: ReaderContext, quality: set[str]) -> None:
        self._received_at: dt.datetime = delivery.received_at
        self._reading: ReaderContext = reading
        self._quality: set[str] = quality
        self._interchange: _Interchange = _Interchange(quality=set(quality))
        self._message: _Message | None = None

    def take(self, segment: Segment) -> _Yield:
        if service_segment := _SERVICE.get(segment.tag):
            yield from service_segment(self, segment)
            return
        message = self._message
        if message is None or not message.is_paxlst:
            return
        message.segments += 1
        if segment.tag == "BGM":
            _begin_message(message, segment)
        elif segment.tag in {"NAD", "PDT"}:
            yield from self._person(message, segment)
        elif segment.tag == "CNT":
            yield from self._flush(message)
            role, told = _COUNTS.get(segment.get(1)), segment.get(1, 1) or segment.get(2)
            if role and told.isascii() and told.isdigit():
                message.row_counts[role] = int(told[:9])
        elif message.person is not None:
            message.person.add(segment, self._reading.today)
        elif segment.tag in {"TDT", "LOC", "DTM"} and not message.is_placed:
            message.way.add(segment, self._reading.today)

    def close(self) -> _Yield:
        """End the delivery. Raises `UnreadableDelivery` if it breaks off within a message.

        Whoever was being told of then is left out: half of a person would replace a whole one.
        """
        broken = self._message is not None
        self._message = None
        self._interchange.quality.add("no-trailer")
        yield from self._ended()
        if broken:
            raise UnreadableDelivery(RejectReason.TRUNCATED)

    def unb(self, segment: Segment) -> _Yield:
        yield from self._ended()
        self._interchange = one = _Interchange(quality=set(self._quality))
        prepared = moment(segment.get(4), segment.get(4, 1), self._reading.today)
        at = prepared and prepared.instant(dt.UTC)
        if prepared is None or at is None:
            one.quality.add("no-preparation-time")
            return
        one.prepared = prepared.day
        if at > self._received_at + _CLOCK_AHEAD:
            one.quality.add("clock-ahead")  # as a version it would silence what comes after
        else:
            one.version = int(at.timestamp())

    def ung(self, _segment: Segment) -> _Yield:
        self._interchange.groups += 1
        yield from ()

    def unh(self, segment: Segment) -> _Yield:
        if self._message is not None:  # without a trailer it was not the whole list
            self._message.is_whole = False
            yield from self._finished(self._message)
        self._interchange.messages += 1
        is_paxlst = segment.get(2).upper() == "PAXLST"
        self._message = _Message(
            segment.row,
            segment.get(1),
            is_paxlst,
            segment.get(3),
            ":".join(segment.elements[3][:2]) if len(segment.elements) > 3 else "",
        )
        if not is_paxlst:
            yield Reject(segment.row, RejectReason.UNKNOWN_VALUE, "UNH")

    def unt(self, segment: Segment) -> _Yield:
        message, self._message = self._message, None
        if message is None:
            return
        count, reference = segment.get(1), "".join(segment.get(2).split())
        if not (count.isascii() and count.isdigit() and int(count[:9]) == message.segments + 1):
            message.quality.add("segment-count-differs")
        if reference != "".join(message.reference.split()):
            message.quality.add("reference-differs")
        yield from self._finished(message)

    def unz(self, segment: Segment) -> _Yield:
        one = self._interchange
        if segment.get(1).lstrip("0") not in {str(one.messages), str(one.groups)}:
            one.quality.add("message-count-differs")
        yield from self._ended()

    def _ended(self) -> _Yield:
        """Whole lists are told at the end, when it is known what was odd."""
        one, self._interchange = self._interchange, _Interchange(quality=set(self._quality))
        if self._message is not None:
            self._message.is_whole = False
            message, self._message = self._message, None
            yield from self._finished(message)
        for end in one.ends:
            quality = tuple(sorted({*end.origin.quality, *one.quality}))
            origin = RecordOrigin(
                end.origin.key, end.origin.row, end.origin.version, None, quality
            )
            yield ManifestEnd(origin, end.run, end.rows, end.rejected, end.row_count, end.roles)

    def _person(self, message: _Message, segment: Segment) -> _Yield:
        yield from self._flush(message)
        person = paxlst_people.begin_person(segment, message.listed, self._reading.today)
        if person is None or not message.is_read:
            return
        yield from self._place(message)
        if message.is_read:
            message.person = person

    def _place(self, message: _Message) -> _Yield:
        """Before the first person: which run this is, and what is told of it."""
        if message.is_placed or not message.is_read:
            return
        message.is_placed = True
        yield from _arrivals(message, self._interchange, self._reading)

    def _flush(self, message: _Message) -> _Yield:
        person, message.person = message.person, None
        if person is None:
            return
        message.rows += 1
        run = message.run
        if run is None or person.is_nobody():
            message.rejected += 1
            reason = RejectReason.MISSING if person.is_nobody() else RejectReason.NO_FLIGHT
            yield Reject(person.row, reason, "TDT" if run is None else "NAD")
            return
        role = person.role_on(run.service_date)
        message.people[role] += 1
        document = person.document()
        if message.document == FLIGHT_STATUS and message.op is Op.UPSERT and document is None:
            return  # a reference to somebody told of before, which would blank them
        key = f"{message.run_key}/{person.key()}"
        message.keys[key] += 1
        if message.keys[key] > 1:
            person.quality.append("repeated-person")
            key = f"{key}#{message.keys[key]}"
        origin = RecordOrigin(
            key[:LONGEST_KEY],
            person.row,
            self._interchange.version,
            None,
            tuple(dict.fromkeys(person.quality)),
        )
        yield ManifestRow(
            origin,
            message.op,
            run,
            document,
            role,
            seat=person.seat,
            board_stop=person.board,
            alight_stop=person.alight,
            party=person.party,
            contact=person.contact,
        )

    def _finished(self, message: _Message) -> _Yield:
        yield from self._place(message)
        yield from self._flush(message)
        run, one = message.run, self._interchange
        if run is None or not message.is_whole or message.document == FLIGHT_STATUS:
            return
        told = message.row_counts.get(message.listed)
        if told is None and len(message.row_counts) == 1:  # the other code is often used
            told = next(iter(message.row_counts.values()))
        number, _, mark = message.part.partition(":")
        this = int(number) if number.isascii() and number.isdigit() else 1
        key = (message.run_key, message.listed)
        last, rows, rejected = one.parts.pop(key, (0, 0, 0)) if this > 1 else (0, 0, 0)
        if this != last + 1:
            return
        rows, rejected = rows + message.rows, rejected + message.rejected
        if mark == "C":
            one.parts[key] = (this, rows, rejected)
            return
        quality = set(message.quality)
        if told not in {None, rows, message.rows}:
            quality.add("count-differs")
        roles = (
            {TravellerRole.CREW} if message.people[TravellerRole.CREW] else set[TravellerRole]()
        )
        roles |= (
            {message.listed}
            if message.listed is TravellerRole.CREW
            else {message.listed, TravellerRole.INFANT}
        )
        origin = RecordOrigin(
            message.run_key, message.row, one.version, None, tuple(sorted(quality))
        )
        told = rows if told == message.rows else told
        one.ends.append(ManifestEnd(origin, run, rows, rejected, told, frozenset(roles)))


def _begin_message(message: _Message, segment: Segment) -> None:
    message.document, message.function = segment.get(1), segment.get(2).upper()
    if message.document not in {PASSENGER_LIST, CREW_LIST, FLIGHT_STATUS, *_NO_TRAVELLERS}:
        message.quality.add("unknown-document")
    told = segment.get(3)
    if message.function in _DELETES or told in _FUNCTION_DELETES:
        message.op, message.is_whole = Op.DELETE, False
    elif message.function in _CHANGES or told in _FUNCTION_CHANGES:
        message.is_whole = False


def _arrivals(message: _Message, interchange: _Interchange, reading: ReaderContext) -> _Yield:
    """Tell each arrival of the way at this hub; the last is whose list this is."""
    legs = message.way.legs()
    date = message.access.partition("/")[2].partition("/")[0]
    if not legs and (written := message.access.partition("/")[0]) and date:
        message.quality.add("flight-from-header")
        legs = [FlightLeg(service(written), written, Mode.AIR, None, None)]
    visits = paxlst_legs.hub_arrivals(legs, reading.stops)
    if legs and not visits:
        message.is_elsewhere = True
        yield Reject(message.row, RejectReason.NOT_HERE, "LOC")
    for visit in visits:
        day = visit.day
        if day is None:
            message.quality.add("no-date")
            told = moment(date, "", reading.today)
            day = told.day if told else interchange.prepared or reading.today
        leg = visit.leg
        message.run_key = f"{leg.service_no}/{day}/{visit.stop or ''}"
        aliases = (leg.raw_no,) if leg.raw_no != leg.service_no else ()
        message.run = RunRef(SCHEME, leg.service_no, day, aliases)
        scheduled = leg.ends and leg.ends.arrives and leg.ends.arrives.instant(reading.tz)
        status = RunStatus.SCHEDULED if scheduled else RunStatus.UNKNOWN
        if message.document == FLIGHT_STATUS and message.function == _CANCELLED:
            status = RunStatus.CANCELLED
        quality = tuple(sorted({*message.quality, *interchange.quality}))
        yield ArrivalEvent(
            RecordOrigin(message.run_key, message.row, interchange.version, None, quality),
            Op.UPSERT,
            message.run,
            leg.mode,
            status,
            visit.from_stop,
            visit.to_stop,
            visit.stop,
            scheduled,
        )


_SERVICE: Final[Mapping[str, Callable[[_Lists, Segment], _Yield]]] = {
    "UNB": _Lists.unb,
    "UNG": _Lists.ung,
    "UNH": _Lists.unh,
    "UNT": _Lists.unt,
    "UNZ": _Lists.unz,
}
