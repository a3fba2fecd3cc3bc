"""Records as this service itself names them: for whoever writes to our specification.

JSON lines or one JSON list, in UTF-8. Each record tells the version of the specification (`v`),
what it is (`type`) and the sender's key of it. Nothing is guessed: a member that is not in the
specification, or has not its form, keeps out its record and no other.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from pydantic import TypeAdapter, ValidationError

from twinstile.arrivals.formats import sheets
from twinstile.arrivals.formats.canonical_records import (
    CanonicalRecord,
    ListLine,
    TravellerLine,
)
from twinstile.arrivals.formats.reasons import RejectReason
from twinstile.arrivals.records import (
    Delivery,
    ManifestEnd,
    ReaderContext,
    Record,
    RecordRefused,
    Reject,
    RunRef,
    UnknownColumns,
    UnreadableDelivery,
)

LONGEST_RECORD: Final = 1 << 16
MOST_RUNS: Final = 5000
"""Of one delivery whose travellers are counted; no list of another run is whole."""

_ADAPTER: Final = TypeAdapter[CanonicalRecord](CanonicalRecord)
_DECODER: Final = json.JSONDecoder()
_NAME: Final = re.compile(r"[a-z_]{1,40}")
_SPACE: Final = re.compile(r"[ \t\r\n]*")
_REASONS: Final = {
    "missing": RejectReason.MISSING,
    "union_tag_not_found": RejectReason.MISSING,
    "union_tag_invalid": RejectReason.UNKNOWN_VALUE,
    "enum": RejectReason.UNKNOWN_VALUE,
    "literal_error": RejectReason.UNKNOWN_VALUE,
    "extra_forbidden": RejectReason.NOT_SPECIFIED,
    "string_too_long": RejectReason.TOO_LONG,
    "too_long": RejectReason.TOO_LONG,
    "json_invalid": RejectReason.MALFORMED,
}
"""By what the validator calls a fault; of all others the value has no form we can read."""


def read(
    delivery: Delivery, _reading: ReaderContext
) -> Iterator[Record | UnknownColumns | Reject]:
    """Rows are lines, or the places in the list (records.Reader)."""
    book = _ListCounts()
    for row, text in _texts(delivery):
        made = book.record(row, text)
        book.rejected += isinstance(made, Reject)
        yield made


@dataclass(slots=True)
class _ListCounts:
    """What a delivery has said so far: a list is whole if nothing before it was rejected."""

    rejected: int = 0
    rows: Counter[RunRef] = field(default_factory=Counter[RunRef])

    def record(self, row: int, text: str) -> Record | Reject:
        if len(text) > LONGEST_RECORD:
            return Reject(row, RejectReason.TOO_LONG)
        if sheets.REPLACED in text:
            return Reject(row, RejectReason.CHARSET)
        try:
            told = _ADAPTER.validate_json(text)
            if isinstance(told, ListLine):
                return self._end(row, told)
            if isinstance(told, TravellerLine):
                self._count(told)
            return told.record(row)
        except ValidationError as error:
            return _reject(row, error)
        except RecordRefused as refused:
            return Reject(row, refused.reason, refused.column)

    def _count(self, line: TravellerLine) -> None:
        run = line.run.value_of()
        if run in self.rows or len(self.rows) < MOST_RUNS:
            self.rows[run] += 1

    def _end(self, row: int, line: ListLine) -> ManifestEnd:
        run = line.run.value_of()
        read = self.rows.pop(run, 0) + self.rejected
        roles = frozenset(line.roles)
        return ManifestEnd(line.origin(row), run, read, self.rejected, line.rows, roles)


def _reject(row: int, error: ValidationError) -> Reject:
    fault = error.errors(include_url=False, include_context=False, include_input=False)[0]
    names = [one for one in fault["loc"][1:] if isinstance(one, str)]
    column = ".".join(one if _NAME.fullmatch(one) else "?" for one in names)
    return Reject(row, _REASONS.get(fault["type"], RejectReason.INVALID), column or None)


def _texts(delivery: Delivery) -> Iterator[tuple[int, str]]:
    """The numbered texts of records, not yet read."""
    opened = sheets.open_text(delivery.body, "utf-8")
    head = delivery.body[:256].removeprefix(b"\xef\xbb\xbf").lstrip()[:1]
    if head == b"[":
        yield from enumerate(_elements(opened.read()), 1)
    elif head == b"{":
        for row, line in sheets.physical(opened, LONGEST_RECORD):
            if line.strip():
                yield row, line
    else:
        raise UnreadableDelivery(RejectReason.NOT_A_TABLE)


def _elements(text: str) -> Iterator[str]:
    """The texts of a list's elements. Raises `UnreadableDelivery` where it is no list."""
    at = _after(text, _after(text, 0) + 1)
    try:
        while text[at] != "]":
            start = at
            _, at = _DECODER.raw_decode(text, at)
            yield text[start:at]
            at = _after(text, at)
            if text[at] == ",":
                at = _after(text, at + 1)
            elif text[at] != "]":
                raise UnreadableDelivery(RejectReason.DAMAGED)
    except IndexError:
        raise UnreadableDelivery(RejectReason.TRUNCATED) from None
    except (ValueError, RecursionError):
        whole = text.rstrip().endswith("]")
        raise UnreadableDelivery(
            RejectReason.DAMAGED if whole else RejectReason.TRUNCATED
        ) from None


def _after(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at
