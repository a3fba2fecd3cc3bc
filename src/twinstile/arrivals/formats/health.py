"""Statuses, close contacts and key areas, as health departments send them.

A row that names a person is a status: its colour by the words and codes in use, and UNKNOWN
where it is none of them, which is never green. A row that names an area and nobody is an area.
Options: those of `rows.read_rows` and `rows.row_version`; `authority`, where rows name none;
`colours` (`1=GREEN,2=YELLOW`), codes of this sender; `contacts` (`all`: each row is one, as it
is in a list that is called so); `hours` a status holds and `days` a contact and an area do,
where rows tell no end.
"""

import datetime as dt
import re
from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Final, TypeAlias

from twinstile.arrivals.formats import persons, rows, values
from twinstile.arrivals.formats.persons import PersonList, RowRefused
from twinstile.arrivals.formats.reasons import RejectReason
from twinstile.arrivals.formats.rows import Columns, Row
from twinstile.arrivals.records import (
    LONGEST_VALID,
    Delivery,
    HealthStatus,
    KeyAreaRecord,
    Op,
    ReaderContext,
    Record,
    Reject,
    StatusColour,
    UnknownColumns,
)
from twinstile.policy import areas
from twinstile.policy.areas import Level

HealthRecord: TypeAlias = HealthStatus | KeyAreaRecord


class _ContactWord(StrEnum):
    YES = "YES"
    NO = "NO"


COLUMNS: Final = Columns(rows.column_names("document", "any", "person", "health"), fewest=2)
_COLOURS: Final = rows.words_of(StatusColour, "health.colour")
"""00, 01 and 10 agree in two independent systems; 0, 1 and 2 do not, and are no colour."""
_CONTACTS: Final = rows.words_of(_ContactWord, "health.contact")
_LEVELS: Final = rows.words_of(Level, "health.level")
_LIST_OF_CONTACTS: Final = re.compile(r"密接|密切接触|close.?contact", re.IGNORECASE)
_A_DAY: Final = dt.timedelta(days=1)
"""How long a status holds, and how far a clock may go before ours: further on nothing was
issued yet."""
_STATUS: Final = "status"


def read(
    delivery: Delivery, reading: ReaderContext
) -> Iterator[Record | UnknownColumns | Reject]:
    """One status or area a row."""
    return persons.read_person_list(delivery, reading, COLUMNS, _read_row)


def _read_row(row: Row, page: PersonList) -> HealthRecord:
    is_area = row.get("code") and not row.get("number")
    return _area(row, page) if is_area else _status(row, page)


def _status(row: Row, page: PersonList) -> HealthStatus:
    now = page.delivery.received_at
    if persons.is_withdrawn(row, "op", "status", "grade", "contact"):
        whose = persons.optional_document(row)
        origin = persons.record_origin(row, page, _STATUS, whose)
        return HealthStatus(origin, Op.DELETE, whose, "", StatusColour.UNKNOWN, now, now)
    colour, doubts = _colour(row, page.reading.options)
    contact, more = _contact(row, page, colour)
    document = persons.document(row)
    since, unsaid = persons.valid_from(row, page)
    if since > now + _A_DAY:
        raise RowRefused(row.reject(RejectReason.IMPLAUSIBLE_DATE, "from"))
    ahead = ("clock-ahead",) if since > now else ()
    since = min(since, now)
    until = persons.valid_to(row, page, since)
    if until is None:
        until = since + (
            persons.default_validity(page, "days", LONGEST_VALID)
            if contact
            else persons.default_validity(page, "hours", _A_DAY)
        )
        ahead = (*ahead, "no-end")
    doubts = (*doubts, *more, *unsaid, *ahead)
    return HealthStatus(
        persons.record_origin(row, page, _STATUS, document, doubts),
        Op.UPSERT,
        document,
        persons.text(row, "authority", page.reading.options.get("authority")),
        colour or StatusColour.UNKNOWN,
        since,
        until,
        contact,
    )


def _colour(
    row: Row, options: Mapping[str, str]
) -> tuple[StatusColour | None, tuple[str, ...]]:
    """What the row says of the colour, if anything: in words of this sender, then in any's."""
    told = row.get("grade") or row.get("status")
    if told is None:
        return None, ()
    own = dict(one.split("=", 1) for one in options.get("colours", "").split(",") if "=" in one)
    word = rows.fold({rows.fold(k): v for k, v in own.items()}.get(rows.fold(told), told))
    colour = _COLOURS.get(word)
    return colour or StatusColour.UNKNOWN, () if colour else ("colour-unknown",)


def _contact(
    row: Row, page: PersonList, colour: StatusColour | None
) -> tuple[bool, tuple[str, ...]]:
    """Whether the row says that the person is a close contact. Raises `RowRefused`."""
    told = row.get("contact")
    said = _CONTACTS.get(rows.fold(told)) if told else None
    if said is not None:
        return said is _ContactWord.YES, ()
    title = f"{row.title} {page.delivery.name}"
    listed = page.reading.options.get("contacts") == "all" or _LIST_OF_CONTACTS.search(title)
    if colour is None and not listed:
        missing = RejectReason.UNKNOWN_VALUE if told else RejectReason.MISSING
        raise RowRefused(row.reject(missing, "contact" if told else "grade"))
    return bool(listed), ("contact-unknown",) if told else ()


def _area(row: Row, page: PersonList) -> KeyAreaRecord:
    code = (row.get("code") or "").upper()
    if len(code) == 12:  # down to the community, of which policies know nothing
        code = code.removesuffix("000")
    if not re.fullmatch(areas.PATTERN, code):
        raise RowRefused(row.reject(RejectReason.INVALID, "code"))
    told = row.get("grade")
    level = _LEVELS.get(rows.fold(told)) if told else Level.CASES
    gone = level is Level.NONE or persons.is_withdrawn(row, "op", "status", "grade")
    if level is None and not gone:
        raise RowRefused(row.reject(RejectReason.UNKNOWN_VALUE, "grade"))
    since, until = _days(row, page)
    last = until or max(since, page.reading.today) + persons.default_validity(
        page, "days", LONGEST_VALID
    )
    return KeyAreaRecord(
        persons.origin_with_key(
            row, page, row.get("key") or areas.normal(code), () if until else ("no-end",)
        ),
        Op.DELETE if gone else Op.UPSERT,
        code,
        level if level and not gone else Level.LOW,
        since,
        last,
    )


def _days(row: Row, page: PersonList) -> tuple[dt.date, dt.date | None]:
    """The first day an area is listed and the last, if told. Raises `RowRefused`."""
    since, until = _day(row, "from", page), _day(row, "to", page)
    first = since or page.reading.today
    if until is not None and until < first:
        raise RowRefused(row.reject(RejectReason.INVALID, "to"))
    return first, until


def _day(row: Row, word: str, page: PersonList) -> dt.date | None:
    told = row.get(word)
    if told is None:
        return None
    at = values.instant(told, page.reading.tz, row.first_day)
    if at is None:
        raise RowRefused(row.reject(RejectReason.INVALID, word))
    return at.astimezone(page.reading.tz).date()
