"""What departments tell us, in one shape, whatever it looked like on the way.

An adapter turns the bytes of one delivery into a stream of these records; what happens to them
is the same for all adapters. Nothing here knows a format, a transport or the database.

A record names the sender's own key and version of what it speaks of: the same key again is the
same thing said again, a lower version never overwrites, and records of one delivery keep its
order. Without a version the order of deliveries decides.
"""

import datetime as dt
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, TypeAlias

from twinstile.identity.types import Contact, DocumentKind, Sex


class Mode(StrEnum):
    """How people arrive."""

    RAIL = "RAIL"
    AIR = "AIR"
    SEA = "SEA"
    ROAD = "ROAD"


class Mark(StrEnum):
    """What the gate learns of somebody from departments: of an alert what to do, not why."""

    ALERT_STOP = "ALERT_STOP"
    ALERT_CHECK = "ALERT_CHECK"
    STATUS_RED = "STATUS_RED"
    CLOSE_CONTACT = "CLOSE_CONTACT"
    STATUS_YELLOW = "STATUS_YELLOW"


ALERTS = frozenset({Mark.ALERT_STOP, Mark.ALERT_CHECK})


class Op(StrEnum):
    """What a record does to what was known under its key."""

    UPSERT = "UPSERT"
    DELETE = "DELETE"


class RunStatus(StrEnum):
    """What is said of a run. An absent update is UNKNOWN: it does not mean on time."""

    SCHEDULED = "SCHEDULED"
    ADDED = "ADDED"
    CANCELLED = "CANCELLED"
    SKIPPED = "SKIPPED"  # it runs and does not stop here
    DIVERTED = "DIVERTED"
    REPLACED = "REPLACED"
    ARRIVED = "ARRIVED"
    UNKNOWN = "UNKNOWN"


class TravellerRole(StrEnum):
    PASSENGER = "PASSENGER"
    CREW = "CREW"
    INFANT = "INFANT"
    """Without a seat, and often without a document."""


class WatchReason(StrEnum):
    """The health reason of an alert. There is no other: a person is never followed by it."""

    KEY_AREA = "KEY_AREA"
    CLOSE_CONTACT = "CLOSE_CONTACT"
    ISOLATION_ORDER = "ISOLATION_ORDER"
    MISSED_FOLLOW_UP = "MISSED_FOLLOW_UP"
    DOCUMENT_INVALID = "DOCUMENT_INVALID"


class AlertAction(StrEnum):
    """What the gate is asked to do; it learns this and never why."""

    CHECK = "CHECK"
    STOP = "STOP"


class StatusColour(StrEnum):
    """What a health department's own system says of a person. Unknown is never green."""

    GREEN = "GREEN"
    YELLOW = "YELLOW"
    RED = "RED"
    UNKNOWN = "UNKNOWN"


@dataclass(frozen=True, slots=True)
class RecordOrigin:
    """Where in a delivery a record stood, and what the sender calls it.

    `row` counts from 1 in the words of the sender (a line of a file, a message of an exchange).
    `version` is the sender's number for the order of what it says of one key. `quality` are
    words of ours for what was odd and did not keep us from reading it.
    """

    key: str
    row: int
    version: int | None = None
    observed_at: dt.datetime | None = None
    quality: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RunRef:
    """How a sender names a run. `scheme` is the namespace of its codes: `cn-rail`, `iata`, ...

    `service_date` is the operating day at the run's origin. `internal_no` is the operator's own
    key of the run (GTFS trip id, the train number of the reservation system).
    """

    scheme: str
    service_no: str
    service_date: dt.date
    aliases: tuple[str, ...] = ()
    """Other public numbers of the same run: G7301 goes on as G7304."""
    internal_no: str | None = None


@dataclass(frozen=True, slots=True)
class ArrivalEvent:
    """What is known of one run at this hub. None: the sender says nothing about it."""

    origin: RecordOrigin
    op: Op
    run: RunRef
    mode: Mode
    status: RunStatus
    from_stop: str | None = None
    to_stop: str | None = None
    """The terminus of the run, as a passenger reads it."""
    hub_stop: str | None = None
    scheduled_arrival: dt.datetime | None = None
    estimated_arrival: dt.datetime | None = None
    actual_arrival: dt.datetime | None = None
    platform: str | None = None
    delay_s: int | None = None
    """Of the arrival against the schedule we have, where the sender tells no time (GTFS-RT)."""
    hub_sequence: int | None = None
    """Where among the stops of the run the hub is, as its timetable counts them (GTFS)."""
    stops: tuple[str, ...] = ()
    """Where it stops, in order, as a passenger reads them; empty: the sender does not say."""


@dataclass(frozen=True, slots=True)
class DocumentClaim:
    """A document as the sender wrote it, not yet read by `identity`."""

    kind: DocumentKind
    number: str = field(repr=False)
    issuer: str | None = None
    name: str | None = field(default=None, repr=False)
    birth_date: dt.date | None = field(default=None, repr=False)
    sex: Sex | None = None


@dataclass(frozen=True, slots=True)
class ManifestRow:
    """One traveller on one run."""

    origin: RecordOrigin
    op: Op
    run: RunRef
    document: DocumentClaim | None
    """None: on board without a document (infants, some crew); expected, and not matchable."""
    role: TravellerRole = TravellerRole.PASSENGER
    coach: str | None = None
    seat: str | None = None
    board_stop: str | None = None
    alight_stop: str | None = None
    party: str | None = None
    """The sender's key of those who travel together."""
    contact: Contact | None = None
    languages: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ManifestEnd:
    """After the rows of a run: they were the whole list, and whoever is not on it is withdrawn.

    `row_count` is the number of rows the sender says there are, `rows` how many were read,
    rejected ones included. Nobody is withdrawn by a list that is short or had rejected rows.
    """

    origin: RecordOrigin
    run: RunRef
    rows: int
    rejected: int
    row_count: int | None = None
    roles: frozenset[TravellerRole] = frozenset(TravellerRole)
    """Of whom it was the whole list: that of a flight's passengers names no crew."""


@dataclass(frozen=True, slots=True)
class IdentityAlert:
    """Somebody the police or health authorities ask to be looked at when they come.

    Refused without legal basis, health reason (`kind`) and an end (domain.md 5), and for longer
    than `LONGEST_VALID`. Of one that is taken back only the origin counts.
    """

    origin: RecordOrigin
    op: Op
    document: DocumentClaim | None
    """None: taken back by its key alone."""
    kind: WatchReason
    authority: str
    legal_basis: str
    action: AlertAction
    valid_from: dt.datetime
    valid_to: dt.datetime


@dataclass(frozen=True, slots=True)
class HealthStatus:
    """What a health department knows of a person, with the moment it was so.

    Of one that is taken back only the origin counts.
    """

    origin: RecordOrigin
    op: Op
    document: DocumentClaim | None
    """None: taken back by its key alone."""
    issuer: str
    colour: StatusColour
    issued_at: dt.datetime
    expires_at: dt.datetime
    close_contact: bool = False


@dataclass(frozen=True, slots=True)
class KeyAreaRecord:
    """An area a health department lists; `level` is one of `policy.areas.Level`."""

    origin: RecordOrigin
    op: Op
    code: str
    level: str
    since: dt.date
    until: dt.date


Record: TypeAlias = (
    ArrivalEvent | ManifestRow | ManifestEnd | IdentityAlert | HealthStatus | KeyAreaRecord
)


@dataclass(frozen=True, slots=True)
class Reject:
    """A row that cannot be used; its neighbours are.

    `reason` is a word of ours, `column` the sender's own name of the field at fault: no value.
    """

    row: int
    reason: str
    column: str | None = None


@dataclass(frozen=True, slots=True)
class UnknownColumns:
    """Columns a delivery has and its reader does not know: counted, so that drift is seen.

    The sender's own names, in the order met; one that could be a value is left out as `?`.
    """

    columns: tuple[str, ...]


class RecordRefused(Exception):
    """A record that cannot be used, though it can be read; a reader makes a `Reject` of it."""

    def __init__(self, reason: str, column: str) -> None:
        super().__init__(reason)
        self.reason: str = reason
        self.column: str = column


class UnreadableDelivery(Exception):
    """Nothing (more) of a delivery can be used. `reason` is a word of ours: no value of it."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason: str = reason


@dataclass(frozen=True, slots=True)
class Delivery:
    """The bytes of one delivery and what came with them."""

    body: bytes = field(repr=False)
    received_at: dt.datetime
    name: str = ""
    """Of the file, without its folder; or empty."""
    media_type: str = ""
    row_count: int | None = None
    """The number of rows a manifest beside it tells; it may lie."""


@dataclass(frozen=True, slots=True)
class ReaderContext:
    """What a reader is told: the hub's zone, date and stop codes, the feed's own `options`.

    `calls` are the runs that a timetable announced, by each of their numbers and the operating
    day: where among the stops of the run the hub is, as the timetable counts them.
    """

    tz: dt.tzinfo
    today: dt.date
    stops: frozenset[str] = frozenset()
    options: Mapping[str, str] = field(default_factory=dict[str, str])
    calls: Mapping[tuple[str, dt.date], int] = field(
        default_factory=dict[tuple[str, dt.date], int]
    )


WHOLE: Final = "list=whole"
"""In a delivery's media type: it holds the whole list of each run it names."""

Reader: TypeAlias = Callable[
    [Delivery, ReaderContext], Iterator[Record | UnknownColumns | Reject]
]
"""Reads lazily, in memory that does not grow with the delivery beyond its bytes.

Raises `UnreadableDelivery` before or between records; what was read before it stands.
"""

LONGEST_KEY: Final = 200
LONGEST_VALID: Final = dt.timedelta(days=14)
"""Of what is said of a person: as long as identities are kept."""
