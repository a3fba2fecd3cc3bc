"""Lists of ticketed travellers and of train times, as railways send them.

A row that names a person is a traveller; one that has times and nobody is a train at this hub.
Keys are the sender's ticket or row numbers, else the seat: never the number of a document.
Options: those of `rows.read_rows`; `list` (`whole` or `changes`), `version` (`name`: the digits
of the file's name; `updated`: the time of the last change), `date` (`today` where none is
told), `alight` (the names of this hub's station: whoever leaves elsewhere is passed over),
`scheme`.
"""

import datetime as dt
import re
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from twinstile.arrivals.formats import persons, rows, values
from twinstile.arrivals.formats.reasons import RejectReason
from twinstile.arrivals.formats.rows import Columns, Footer, Row
from twinstile.arrivals.records import (
    LONGEST_KEY,
    WHOLE,
    ArrivalEvent,
    Delivery,
    DocumentClaim,
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
    UnknownColumns,
)
from twinstile.identity import contacts
from twinstile.identity.types import Contact, ContactKind, ContactOwner, InvalidText

MOST_RUNS: Final = 5000
"""Of one delivery that are counted and ended; rows of more are read all the same."""
FARTHEST: Final = dt.timedelta(days=400)

_ADDED: Final = re.compile(r"\(?(加开|临客)\)?$")
_TRAIN: Final = re.compile(r"([A-Z]{0,2})(\d{1,5})((?:/[A-Z]{0,2}\d{1,5}){0,4})次?")
_INTERNAL: Final = re.compile(r"[0-9A-Z]{12}")
_IN_TITLE: Final = re.compile(
    r"(?<![A-Z0-9])([GDCZTKSLY]\d{1,4}(?:/[GDCZTKSLY]?\d{1,4})*)(?!\d)|(?<!\d)(\d{4})次"
)
_LIST: Final = re.compile(r"名单|旅客|乘客|列表|list|manifest", re.IGNORECASE)
_DAY_IN_TITLE: Final = re.compile(r"(?<!\d)20\d\d(?:[-/.年]\d{1,2}[-/.月]\d{1,2}|\d{4})(?!\d)")
_LANGUAGE: Final = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8}){0,3}")
_TIMES: Final = ("arrival", "estimated", "actual", "departure", "platform")
_PERSON: Final = ("number", "name", "ticket", "seat", "coach")


def _is_title(text: str, words: Collection[str]) -> bool:
    """Not a row that was cut: it says what it is, or says what no column does."""
    told = _IN_TITLE.search(text.upper()) is not None
    return told and ("train" not in words or _LIST.search(text) is not None)


COLUMNS: Final = Columns(
    rows.column_names("document", "any", "rail"), fewest=3, is_title=_is_title
)
_TICKET_STATES: Final = rows.words_of(Op, "rail.status")
_ROLES: Final = rows.words_of(TravellerRole, "rail.role")
_MINORS: Final = frozenset(rows.words_of(str, "rail.minor"))
"""Travellers who may have no document of their own."""
_OWNERS: Final = rows.words_of(ContactOwner, "rail.contact-owner")
_RUN_STATES: Final = rows.words_of(RunStatus, "rail.run-status")


def read(
    delivery: Delivery, reading: ReaderContext
) -> Iterator[Record | UnknownColumns | Reject]:
    """Travellers and trains, and after all of them the end of each whole list."""
    book = _RailLists(reading, delivery)
    for one in rows.read_rows(delivery, COLUMNS, reading.options):
        match one:
            case Row():
                yield from book.row(one)
            case Footer(told):
                book.foot(told)
            case Reject():
                book.strays += 1
                yield one
            case UnknownColumns():
                yield one
    yield from book.ends()


@dataclass(slots=True)
class _List:
    """What was read of one run's list; `last` is its last row."""

    run: RunRef
    last: int = 0
    rows: int = 0
    rejected: int = 0
    row_count: int | None = None
    version: int | None = None
    announced: bool = False
    quality: tuple[str, ...] = ()


@dataclass(slots=True)
class _RailLists:
    """What a delivery has said so far. `strays` are rejects that may be of any of its runs."""

    reading: ReaderContext
    delivery: Delivery
    lists: dict[tuple[str, dt.date], _List] = field(
        default_factory=dict[tuple[str, dt.date], _List]
    )
    open: dict[int, _List] = field(default_factory=dict[int, _List])
    unseated: Counter[tuple[str, ...]] = field(default_factory=Counter[tuple[str, ...]])
    strays: int = 0
    are_whole: bool = False

    def __post_init__(self) -> None:
        usual = "whole" if rows.is_table(self.delivery) else "changes"
        told = WHOLE in self.delivery.media_type
        self.are_whole = told or self.reading.options.get("list", usual) == "whole"

    def row(self, row: Row) -> Iterator[Record | Reject]:
        if row.get("op") and WHOLE not in self.delivery.media_type:
            self.are_whole = False
        run = _run(row, self.reading, self.delivery)
        version = (
            run
            if isinstance(run, Reject)
            else rows.row_version(row, self.reading, self.delivery)
        )
        if isinstance(run, Reject) or isinstance(version, Reject):
            self.strays += 1
            yield (
                run if isinstance(run, Reject) else row.reject(RejectReason.INVALID, "version")
            )
        elif not any(map(row.get, _PERSON)) and any(map(row.get, _TIMES)):
            yield _train(row, run, version, self.reading)
        else:
            yield from self._person(row, run, version)

    def _person(self, row: Row, run: RunRef, version: int | None) -> Iterator[Record | Reject]:
        held = self._list(run)
        held.rows += 1
        held.last = row.number
        if version is not None:
            held.version = max(version, held.version or 0)
        if not _alights(row, self.reading):
            return
        if not held.announced and row.get("arrival"):
            held.announced = True
            train = _train(row, run, version, self.reading)
            if isinstance(train, ArrivalEvent):
                yield train
        made = self._traveller(row, run, version)
        held.rejected += isinstance(made, Reject)
        yield made

    def _list(self, run: RunRef) -> _List:
        """The list of a run, whichever of its public numbers a row has."""
        numbers = [(number, run.service_date) for number in (run.service_no, *run.aliases)]
        held = next((self.lists[one] for one in numbers if one in self.lists), None)
        if held is None:
            held = _List(run)
        if len(self.lists) < MOST_RUNS:
            self.lists.update(dict.fromkeys(numbers, held))
            self.open[id(held)] = held
        return held

    def _traveller(self, row: Row, run: RunRef, version: int | None) -> ManifestRow | Reject:
        op, doubts = _op(row)
        kind = rows.fold(row.get("type") or "")
        role = _ROLES.get(kind, TravellerRole.PASSENGER)
        document = persons.document_claim(row)
        if op is Op.UPSERT:
            if isinstance(document, Reject):
                return document
            if document is None and role is TravellerRole.PASSENGER and kind not in _MINORS:
                return row.reject(RejectReason.MISSING, "number")
        coach, seat, place_doubts = values.read_seat(row.get("coach"), row.get("seat"))
        own = self._own_key(row, run, coach, seat)
        if own is None:
            return row.reject(RejectReason.NO_KEY)
        contact, contact_doubts = _contact(row)
        doubts = (*doubts, *place_doubts, *contact_doubts, *_train_doubts(row))
        return ManifestRow(
            RecordOrigin(
                _key(run, own),
                row.number,
                version,
                rows.row_updated_at(row, self.reading),
                doubts,
            ),
            op,
            run,
            document if isinstance(document, DocumentClaim) else None,
            role,
            coach,
            seat,
            _stop(row, "board_stop"),
            _stop(row, "alight_stop"),
            rows.short_cell(row, "party"),
            contact,
            _languages(row),
        )

    def _own_key(
        self, row: Row, run: RunRef, coach: str | None, seat: str | None
    ) -> str | None:
        """What the sender calls this place on the run; of a document nothing goes into it."""
        number = row.get("number")
        for word in ("ticket", "row_id"):
            told = rows.short_cell(row, word)
            if told and not (number and number in told):
                return told
        order = rows.short_cell(row, "order") or ""
        where = (order, coach or "", seat or "", _stop(row, "board_stop") or "")
        if seat:
            return "-".join(where)
        if not self.are_whole:
            return None
        self.unseated[(run.service_no, str(run.service_date), *where)] += 1
        return "-".join(
            (*where, str(self.unseated[run.service_no, str(run.service_date), *where]))
        )

    def foot(self, count: int | None) -> None:
        """A count of the lists since the last footer; if it lies, none of them is whole."""
        found = list(self.open.values())
        read = sum(one.rows for one in found)
        for one in found if count is not None else ():
            fits = count is None or read <= count <= read + self.strays
            one.row_count = one.rows if fits else count
            one.quality = () if fits else ("count-differs",)
        self.open.clear()

    def ends(self) -> Iterator[ManifestEnd]:
        lists = {id(held): held for held in self.lists.values()}
        for held in lists.values() if self.are_whole else ():
            key = _key(held.run, "list")
            origin = RecordOrigin(key, held.last, held.version, quality=held.quality)
            rejected = held.rejected + self.strays
            yield ManifestEnd(
                origin, held.run, held.rows + self.strays, rejected, held.row_count
            )


def _key(run: RunRef, own: str) -> str:
    return f"{run.service_no}/{run.service_date}/{own}"[:LONGEST_KEY]


def _stop(row: Row, word: str) -> str | None:
    """The name of a station without the word station."""
    found = rows.short_cell(row, word)
    return found.removesuffix("站") if found else None


def _alights(row: Row, reading: ReaderContext) -> bool:
    here = reading.options.get("alight")
    stop = _stop(row, "alight_stop")
    return (
        not here
        or not stop
        or stop in {name.strip().removesuffix("站") for name in here.split(",")}
    )


def _run(row: Row, reading: ReaderContext, delivery: Delivery) -> RunRef | Reject:
    title = f"{row.title} {delivery.name}"
    told, internal = row.get("train"), row.get("train_no")
    if told is None and internal and not _INTERNAL.fullmatch(internal.upper()):
        told, internal = internal, None
    number = service(told) if told else _service_in(title)
    if number is None:
        return row.reject(RejectReason.INVALID if told else RejectReason.MISSING, "train")
    word = "service_date" if row.get("service_date") else "travel_date"
    date = row.get(word)
    on = values.day(date, row.first_day) if date else _day_in(title)
    if on is None and not date and reading.options.get("date") == "today":
        on = reading.today
    if on is None:
        return row.reject(RejectReason.INVALID if date else RejectReason.MISSING, word)
    if abs(on - reading.today) > FARTHEST:
        return row.reject(RejectReason.IMPLAUSIBLE_DATE, word)
    scheme = reading.options.get("scheme", "cn-rail")
    return RunRef(scheme, number[0], on, number[1:], (internal or "").upper()[:64] or None)


@lru_cache(maxsize=4096)
def service(text: str) -> tuple[str, ...] | None:
    """The public numbers of a run: `G7301/4` is G7301, which goes on as G7304."""
    found = _TRAIN.fullmatch(_ADDED.sub("", text.upper().replace(" ", "")))
    if found is None:
        return None
    letter, digits, rest = found.groups()
    numbers = [letter + digits]
    for other in rest.split("/")[1:]:
        short = other.isdigit() and len(other) < len(digits)
        start = letter + (digits[: -len(other)] if short else "") if other.isdigit() else ""
        numbers.append(start + other)
    return tuple(dict.fromkeys(numbers))


@lru_cache(maxsize=256)
def _service_in(title: str) -> tuple[str, ...] | None:
    found = {one for one in _IN_TITLE.findall(title.upper()) if any(one)}
    return service("".join(found.pop())) if len(found) == 1 else None


@lru_cache(maxsize=256)
def _day_in(title: str) -> dt.date | None:
    found = {values.day(one) for one in _DAY_IN_TITLE.findall(title)} - {None}
    return found.pop() if len(found) == 1 else None


def _train_doubts(row: Row) -> tuple[str, ...]:
    return ("added-train",) if _ADDED.search(row.cells.get("train", "")) else ()


def _op(row: Row) -> tuple[Op, tuple[str, ...]]:
    """Whether the place is taken or given back; in an unknown state it is taken."""
    op, status = rows.fold(row.get("op") or ""), rows.fold(row.get("status") or "")
    if rows.OPS.get(op) is Op.DELETE:
        return Op.DELETE, ()
    doubts = ("op-unknown",) if op and op not in rows.OPS else ()
    if status and status not in _TICKET_STATES:
        doubts = (*doubts, "status-unknown")
    return _TICKET_STATES.get(status, Op.UPSERT), doubts


def _contact(row: Row) -> tuple[Contact | None, tuple[str, ...]]:
    """How the traveller is reached: by phone before e-mail. What is no address is a doubt."""
    whose = rows.fold(row.get("owner") or "self")
    owner = _OWNERS.get(whose, ContactOwner.OTHER)
    doubts: tuple[str, ...] = ()
    for kind, word in ((ContactKind.PHONE, "phone"), (ContactKind.EMAIL, "email")):
        told = row.get(word)
        try:
            if told:
                return Contact(kind, owner, contacts.read(kind, told)), doubts
        except InvalidText:
            doubts = ("contact-unreadable",)
    return None, doubts


def _languages(row: Row) -> tuple[str, ...]:
    told = re.split(r"[,; ]+", row.get("languages") or "")
    return tuple(tag for tag in told if _LANGUAGE.fullmatch(tag))[:4]


def _train(
    row: Row, run: RunRef, version: int | None, reading: ReaderContext
) -> ArrivalEvent | Reject:
    """What the row says of the train. A time that is none is refused: it is what it is for."""
    deleted = rows.OPS.get(rows.fold(row.get("op") or "")) is Op.DELETE
    times: dict[str, dt.datetime | None] = {}
    for word in ("departure", "arrival", "estimated", "actual"):
        told = row.get(word)
        on = values.day(row.get("travel_date") or "", row.first_day) or run.service_date
        times[word] = values.moment(told, on, reading.tz, row.first_day) if told else None
        if told and times[word] is None:
            return row.reject(RejectReason.INVALID, word)
    left, comes = times["departure"], times["arrival"]
    if _of_a_journey(row) and left and comes and comes < left:  # over midnight, unsaid
        times["arrival"] = comes + dt.timedelta(days=1)
    told_status = rows.fold(row.get("status") or "scheduled")
    status = _RUN_STATES.get(told_status, RunStatus.UNKNOWN)
    if status is RunStatus.SCHEDULED and _train_doubts(row):
        status = RunStatus.ADDED
    return ArrivalEvent(
        RecordOrigin(_key(run, "run"), row.number, version, rows.row_updated_at(row, reading)),
        Op.DELETE if deleted else Op.UPSERT,
        run,
        Mode.RAIL,
        status,
        _stop(row, "from_stop"),
        _stop(row, "to_stop"),
        _stop(row, "hub_stop"),
        times["arrival"],
        times["estimated"],
        times["actual"],
        rows.short_cell(row, "platform"),
    )


def _of_a_journey(row: Row) -> bool:
    """Whether departure and arrival are of one journey, and not of a stop between two."""
    return row.get("board_stop") is not None
