"""What lists of departments have in common: whom they speak of, under which key, for how long.

A key is the sender's own; where there is none, the person is it, by a digest: a record is
printed sooner or later, and its key with it.
"""

import datetime as dt
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Final, TypeVar

from twinstile.arrivals.formats import rows, values
from twinstile.arrivals.formats.reasons import RejectReason
from twinstile.arrivals.formats.rows import Columns, Row
from twinstile.arrivals.records import (
    LONGEST_KEY,
    LONGEST_VALID,
    Delivery,
    DocumentClaim,
    Op,
    ReaderContext,
    RecordOrigin,
    Reject,
    UnknownColumns,
)
from twinstile.identity import documents
from twinstile.identity.types import DocumentKind, InvalidText, Sex

LONGEST_NAME: Final = 200

KINDS: Final = rows.words_of(DocumentKind, "document-kind")
"""Kinds of documents by names and codes: of 12306, gates, WS 364.3 and GA/T 517."""
_SEXES: Final = rows.words_of(Sex, "sex")

_DESTROYED: Final = re.compile(r"\d(\.\d+)?e\+?\d+", re.IGNORECASE)
_ROUNDED: Final = re.compile(r"[0-9]{15}000")
_MASKED: Final = re.compile(r"[*＊●•#]{2}|[xX]{4}")  # noqa: RUF001 -- full width
_PEOPLE_FROM: Final = dt.date(1880, 1, 1)


def document_claim(row: Row) -> DocumentClaim | Reject | None:
    """The document of a row; None where it has none.

    A number without a kind is of the likeliest; of a code nobody agreed on nothing is guessed.
    """
    told = row.get("number")
    if told is None:
        return None
    fault, number = _number(told)
    if fault is not None:
        return row.reject(fault, "number")
    code = row.get("kind")
    kind = KINDS.get(rows.fold(code or ""))
    if code and kind is None:
        return row.reject(RejectReason.UNKNOWN_VALUE, "kind")
    if kind in {None, DocumentKind.FOREIGN_RESIDENT_CARD} and documents.is_resident_number(
        number
    ):
        kind = (
            DocumentKind.RESIDENT_ID
        )  # the card of 2023 has such a number, and the code of the old one
    return DocumentClaim(
        kind or documents.classify(number)[0],
        number,
        _short(row.get("issuer"), documents.NUMBER_LIMIT),
        _short(row.cells.get("name"), LONGEST_NAME),
        _birth_date(row),
        _SEXES.get((row.get("sex") or "").lower()),
    )


def _number(text: str) -> tuple[RejectReason | None, str]:
    if _DESTROYED.fullmatch(text):
        return RejectReason.NUMBER_DESTROYED, ""
    if _MASKED.search(text):
        return RejectReason.NUMBER_MASKED, ""
    try:
        number = documents.normalise(text)
    except InvalidText:
        return RejectReason.INVALID, ""
    if _ROUNDED.fullmatch(number) and documents.check_character(number[:17]) != number[17]:
        return RejectReason.NUMBER_DESTROYED, ""
    return None, number


def _birth_date(row: Row) -> dt.date | None:
    born = values.day(row.get("birth_date") or "", row.first_day)
    return born if born and born > _PEOPLE_FROM else None


def _short(text: str | None, limit: int) -> str | None:
    return text if text and len(text) <= limit else None


RecordT = TypeVar("RecordT")
LONGEST_TEXT: Final = 200
"""Of an authority and of a legal basis."""
_OPS: Final = rows.words_of(Op, "person.operation")
"""Whether something still holds, by the words departments write into a status."""


@dataclass(frozen=True, slots=True)
class PersonList:
    """The list a row is of."""

    delivery: Delivery
    reading: ReaderContext


class RowRefused(Exception):
    """The row cannot be used."""

    def __init__(self, reject: Reject) -> None:
        super().__init__(reject.reason)
        self.reject: Reject = reject


def is_withdrawn(row: Row, *words: str) -> bool:
    """Whether the row takes something back, by its operation or by what these cells say."""
    if rows.OPS.get(rows.fold(row.get("op") or "")) is Op.DELETE:
        return True
    return any(_OPS.get(rows.fold(row.get(word) or "")) is Op.DELETE for word in words)


def record_origin(
    row: Row,
    page: PersonList,
    of: str,
    document: DocumentClaim | None,
    doubts: tuple[str, ...] = (),
) -> RecordOrigin:
    """Where the row stands. `of` tells what it says from other things said of the person.

    Raises `RowRefused`.
    """
    key = row.get("key")
    if key is None and document is not None:
        whom = f"{document.kind}/{document.issuer or ''}/{document.number}"
        key = f"{of}/{sha256(whom.encode()).hexdigest()}"
    if key is None:
        raise RowRefused(row.reject(RejectReason.MISSING, "key"))
    return origin_with_key(row, page, key, doubts)


def origin_with_key(
    row: Row, page: PersonList, key: str, doubts: tuple[str, ...]
) -> RecordOrigin:
    """Where a row of this key stands. Raises `RowRefused`."""
    version = rows.row_version(row, page.reading, page.delivery)
    if isinstance(version, Reject):
        raise RowRefused(version)
    when = rows.row_updated_at(row, page.reading)
    return RecordOrigin(key[:LONGEST_KEY], row.number, version, when, doubts)


def document(row: Row) -> DocumentClaim:
    """Whom the row speaks of. Raises `RowRefused`."""
    claim = document_claim(row)
    if isinstance(claim, Reject):
        raise RowRefused(claim)
    if claim is None:
        raise RowRefused(row.reject(RejectReason.MISSING, "number"))
    return claim


def optional_document(row: Row) -> DocumentClaim | None:
    """Whom a row speaks of that takes something back, which may have a key alone."""
    claim = document_claim(row)
    return claim if isinstance(claim, DocumentClaim) else None


def valid_from(row: Row, page: PersonList) -> tuple[dt.datetime, tuple[str, ...]]:
    """From when it holds: from when it came, where that is not told. Raises `RowRefused`."""
    told, received = row.get("from"), page.delivery.received_at
    if told is None:
        return received, ("no-start",)
    at = values.instant(told, page.reading.tz, row.first_day)
    if at is None:
        raise RowRefused(row.reject(RejectReason.INVALID, "from"))
    if at >= received + LONGEST_VALID:
        raise RowRefused(row.reject(RejectReason.IMPLAUSIBLE_DATE, "from"))
    return at, ()


def valid_to(row: Row, page: PersonList, since: dt.datetime) -> dt.datetime | None:
    """Until when it holds, where that is told; a bare day holds to its end.

    Raises `RowRefused`.
    """
    told = row.get("to")
    if told is None:
        return None
    at = values.instant(told, page.reading.tz, row.first_day, ends=True)
    if at is None or at <= since:
        raise RowRefused(row.reject(RejectReason.INVALID, "to"))
    return at


def default_validity(page: PersonList, unit: str, otherwise: dt.timedelta) -> dt.timedelta:
    """How long things hold by the option named for the `unit`, never longer than any may."""
    told = page.reading.options.get(unit, "")
    if not (told.isdecimal() and len(told) <= 3):
        return otherwise
    return min(dt.timedelta(**{unit: int(told)}), LONGEST_VALID)


def text(
    row: Row, word: str, otherwise: str | None, missing: RejectReason = RejectReason.MISSING
) -> str:
    """A text of the row, or what the feed says for all its rows. Raises `RowRefused`."""
    found = row.get(word) or otherwise
    if not found:
        raise RowRefused(row.reject(missing, word))
    if len(found) > LONGEST_TEXT:
        raise RowRefused(row.reject(RejectReason.TOO_LONG, word))
    return found


def read_person_list(
    delivery: Delivery,
    reading: ReaderContext,
    columns: Columns,
    make: Callable[[Row, PersonList], RecordT | None],
) -> Iterator[RecordT | UnknownColumns | Reject]:
    """What each row says, by a function that raises `RowRefused`; None: nothing."""
    page = PersonList(delivery, reading)
    for one in rows.read_rows(delivery, columns, reading.options):
        if isinstance(one, Reject | UnknownColumns):
            yield one
        elif isinstance(one, Row):
            try:
                made = make(one, page)
            except RowRefused as refused:
                yield refused.reject
            else:
                if made is not None:
                    yield made
