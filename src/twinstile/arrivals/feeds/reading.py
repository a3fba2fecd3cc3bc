"""Reading a delivery: by the format of its feed, a few records at a time, beside other work."""

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from itertools import islice, product
from typing import Final, TypeAlias
from zoneinfo import ZoneInfo

from twinstile.arrivals.formats import canonical, gtfs, gtfs_rt, health, paxlst, police, rail
from twinstile.arrivals.records import (
    Delivery,
    ManifestEnd,
    Reader,
    ReaderContext,
    Record,
    Reject,
    TravellerRole,
    UnknownColumns,
    UnreadableDelivery,
)
from twinstile.arrivals.runs import Number, run_numbers


@dataclass(frozen=True, slots=True)
class FeedSettings:
    """One feed of one hub, as far as what it sends is concerned.

    `format` is a name of `READERS`, `options` are its own; `zone` is the hub's.
    """

    hub_id: str
    name: str
    format: str
    zone: ZoneInfo
    stops: frozenset[str] = frozenset()
    """The hub's own codes of stops, where a format speaks of many."""
    options: Mapping[str, str] = field(default_factory=dict[str, str])

    def today(self, now: datetime) -> date:
        """The hub's day."""
        return now.astimezone(self.zone).date()


ReadItem: TypeAlias = Record | UnknownColumns | Reject
Calls: TypeAlias = Mapping[tuple[str, dt.date], int]
"""Where the hub is among the stops of runs; see `ReaderContext`."""
WholeLists: TypeAlias = Mapping[tuple[Number, TravellerRole], int]
"""The version of each whole list: of a run's travellers of a role, there are no others."""


@dataclass(frozen=True, slots=True)
class Format:
    """A reader, and whether it reads lists of travellers, which may be whole.

    `calls_of` is whose numbers of runs it has, where it counts their stops as a timetable does.
    """

    read: Reader
    has_lists: bool = False
    calls_of: str | None = None


FORMATS: Final[Mapping[str, Format]] = {
    "rail": Format(rail.read, has_lists=True),
    "paxlst": Format(paxlst.read, has_lists=True),
    "police": Format(police.read),
    "health": Format(health.read),
    "canonical": Format(canonical.read, has_lists=True),
    "gtfs": Format(gtfs.read),
    "gtfs-rt": Format(gtfs_rt.read, calls_of=gtfs.SCHEME),
}
"""By the name a feed is configured with."""


MOST_BUFFERED: Final = 20_000
"""Records of a delivery that are kept in memory until they are applied."""


class Stream:
    """The records of one delivery in order, from the beginning, each time the same.

    `fault` is the word for why nothing (more) could be read, once the end is reached.
    Raises whatever a reader raises that has a fault of its own.
    """

    def __init__(
        self, feed: FeedSettings, delivery: Delivery, day: dt.date, calls: Calls
    ) -> None:
        self._delivery: Delivery = delivery
        self._reading: ReaderContext = ReaderContext(
            feed.zone, day, feed.stops, feed.options, calls
        )
        self._format: Format = FORMATS[feed.format]
        self._records: Iterator[ReadItem] = self._read()
        self.fault: str | None = None

    def _read(self) -> Iterator[ReadItem]:
        return self._format.read(self._delivery, self._reading)

    def take(self, most: int) -> list[ReadItem]:
        """The next records, at most so many; none at the end."""
        taken: list[ReadItem] = []
        try:
            for one in islice(self._records, most):
                taken.append(one)  # noqa: PERF402 # what came before a fault stands
        except UnreadableDelivery as error:
            self.fault = error.reason
        return taken

    def skip(self, count: int) -> None:
        """Pass over what was taken before."""
        try:
            next(islice(self._records, count, count), None)
        except UnreadableDelivery as error:
            self.fault = error.reason

    def whole_lists(self) -> WholeLists:
        """The whole lists the delivery holds, under each number of their runs.

        A list is told to be whole after its rows, so the delivery is read to its end. Records
        up to `MOST_BUFFERED` are kept for `take`; the others are read again.
        """
        lists: dict[tuple[Number, TravellerRole], int] = {}
        if not self._format.has_lists:
            return lists
        records, buffer = self._records, list[ReadItem]()
        fault: UnreadableDelivery | None = None
        count = 0
        try:
            for count, one in enumerate(records, 1):
                if count <= MOST_BUFFERED:
                    buffer.append(one)
                if isinstance(one, ManifestEnd) and is_whole(one):
                    of = product(run_numbers(one.run), one.roles)
                    lists.update(dict.fromkeys(of, version_of(one.origin.version)))
        except UnreadableDelivery as error:
            fault = error
        self._records = self._read() if count > MOST_BUFFERED else _again(buffer, fault)
        return lists


def _again(buffer: Sequence[ReadItem], fault: UnreadableDelivery | None) -> Iterator[ReadItem]:
    yield from buffer
    if fault is not None:
        raise fault


def scheme_of_calls(feed: FeedSettings) -> str | None:
    """Whose runs they are whose stops the feed counts; None: it counts none."""
    usual = FORMATS[feed.format].calls_of
    return usual and feed.options.get("scheme", usual)


def is_whole(end: ManifestEnd) -> bool:
    """Whether a list names everybody: nobody is withdrawn by one that may be short."""
    return end.rejected == 0 and end.row_count in {None, end.rows}


def version_of(version: int | None) -> int:
    """A version as it is compared; -1: the sender tells none, and every one is above it."""
    return -1 if version is None else version
