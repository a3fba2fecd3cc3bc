"""Rows by the words of a reader, whatever the sender calls, orders and wraps its columns.

Finds the row that names the columns under titles, joins headers of two rows, passes over blank
rows, repeated headers and footers, and keeps the titles, which may hold what no column does.
"""

import datetime as dt
import re
import unicodedata
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import zip_longest
from pathlib import Path
from typing import Final, TypeAlias, TypeVar, cast

import orjson

from twinstile.arrivals.formats import objects, sheets, values
from twinstile.arrivals.formats.reasons import RejectReason
from twinstile.arrivals.formats.sheets import Cell, SheetLine
from twinstile.arrivals.records import (
    Delivery,
    Op,
    ReaderContext,
    Reject,
    UnknownColumns,
    UnreadableDelivery,
)

LONGEST_CELL: Final = 1000
MOST_TITLES: Final = 40
"""Rows above the one that names the columns."""
MOST_UNKNOWN: Final = 100
_LONGEST_NAME: Final = 40
_VALUE: Final = re.compile(r"\d{5}|@")
_ASIDE: Final = re.compile(r"\(.*?\)|\[.*?\]|<.*?>")
_NO_WORD: Final = re.compile(r"[\W_]+")
_FOOT: Final = re.compile(
    r"(合计|总计|共计|小计|总数|总人数|人数|共\s*\d|制表|打印|导出|审核|填表|复核|备注|说明|注:|第.{1,4}页|-+完|"
    r"(total|sum|printed|page|end of|eof|count|trailer|remarks?|note)\b)",
    re.IGNORECASE,
)
_COUNT: Final = re.compile(r"\d{1,7}")


@dataclass(frozen=True, slots=True)
class Columns:
    """The words of a reader and what senders call them.

    `names` leads from a name, folded by `fold`, to the reader's word; `PASSED_OVER` is the word
    of what is known and not needed. A row is a header that names at least `fewest` of them.
    `is_title` tells whether a lone text among rows of these words is the title of what follows.
    """

    names: Mapping[str, str]
    fewest: int = 3
    is_title: Callable[[str, Collection[str]], bool] = field(
        default=lambda _text, _words: False
    )


PASSED_OVER: Final = "-"
W = TypeVar("W", bound=str)
WORDS: Final[Mapping[str, Mapping[str, str]]] = orjson.loads(
    Path(__file__).with_name("sender_words.json").read_bytes()
)
"""What senders call columns and write into cells, by list and by the word of a reader."""


@dataclass(frozen=True, slots=True)
class Row:
    """The cells of one row under the reader's words, in one spelling, without empty ones.

    `names` are the sender's own names of the columns.
    """

    number: int
    cells: Mapping[str, str] = field(repr=False)
    names: Mapping[str, str]
    title: str = field(default="", repr=False)
    first_day: str = "1899-12-30"

    def get(self, word: str) -> str | None:
        found = self.cells.get(word)
        return None if found is None or values.is_nothing(found) else found

    def reject(self, reason: RejectReason, word: str | None = None) -> Reject:
        return Reject(self.number, reason, self.names.get(word, word) if word else None)


@dataclass(frozen=True, slots=True)
class Footer:
    """The end of a list; `row_count` is the number of rows it says there are."""

    row_count: int | None


RowItem: TypeAlias = Row | Footer | UnknownColumns | Reject


def column_names(*lists: str) -> Mapping[str, str]:
    """The names of `Columns` out of lists of `sender_words.json`; a later one goes before."""
    names: dict[str, str] = {}
    for one in lists:
        names |= WORDS[f"columns.{one}"]
    return {fold(name): word for word, all_names in names.items() for name in all_names.split()}


def words_of(kind: type[W], name: str) -> Mapping[str, W]:
    """The values of a kind by the folded words of senders (`sender_words.json`)."""
    return {
        fold(word): kind(value)
        for value, words in WORDS[name].items()
        for word in words.split()
    }


@lru_cache(maxsize=4096)
def fold(name: str) -> str:
    """A column's name without what varies: case, width, spaces, signs, remarks in brackets."""
    plain = unicodedata.normalize("NFKC", name).casefold()
    return _NO_WORD.sub("", _ASIDE.sub("", plain)) or _NO_WORD.sub("", plain)


def read_rows(
    delivery: Delivery, columns: Columns, options: Mapping[str, str]
) -> Iterator[RowItem]:
    """The rows of a table or of JSON.

    Raises `UnreadableDelivery`, at once or after what could be read.

    Options: `encoding`, `delimiter`, and `columns`, the sender's names in order where no row
    names them.
    """
    if not sheets.is_workbook(delivery.body) and objects.looks_like(delivery.body):
        return _of_objects(objects.read_objects(delivery, options.get("encoding")), columns)
    return _of_lines(sheets.lines(delivery, options), columns, options.get("columns"))


def is_table(delivery: Delivery) -> bool:
    """Whether it is a list somebody wrote, and not JSON."""
    return sheets.is_workbook(delivery.body) or not objects.looks_like(delivery.body)


def _of_objects(
    items: Iterator[tuple[int, objects.Object] | Reject], columns: Columns
) -> Iterator[RowItem]:
    unknown: set[str] = set()
    for one in items:
        if isinstance(one, Reject):
            yield one
            continue
        number, members = one
        new = [name for name in members if fold(name[:200]) not in columns.names]
        if len(unknown) < MOST_UNKNOWN and not unknown.issuperset(new):
            yield _unknown([name for name in new if name not in unknown])
            unknown.update(new[:MOST_UNKNOWN])
        names = [name for name in members if fold(name[:200]) in columns.names]
        yield _row(number, names, [cast("Cell", members[name]) for name in names], columns)


def _of_lines(
    lines: Iterator[SheetLine | Reject], columns: Columns, names: str | None
) -> Iterator[RowItem]:
    block = _Block(columns)
    if names:
        yield from block.begin([name.strip() for name in names.split(",")])
    headed = bool(names)
    for line in lines:
        if isinstance(line, Reject):
            yield line
            continue
        if line.sheet != block.sheet:
            block = block if names else _Block(columns, line.sheet)
        if block.names:
            yield from block.next(line)
        else:
            yield from block.seek(line)
            headed = headed or bool(block.names)
    if not block.names and block.waiting is not None:
        yield from block.begin(block.waiting)
        headed = headed or bool(block.names)
    if not headed:
        raise UnreadableDelivery(RejectReason.NO_HEADER)


class _Block:
    """Rows under one header. `names` are the columns as they stand, once they are known."""

    def __init__(self, columns: Columns, sheet: int = 0) -> None:
        self.columns: Columns = columns
        self.sheet: int = sheet
        self.names: Sequence[str] = ()
        self.words: Collection[str] = ()
        self.titles: list[str] = []
        self.seen: int = 0
        self.waiting: Sequence[str] | None = None

    def known(self, names: Sequence[str]) -> int:
        return sum(1 for name in names if fold(name) in self.columns.names)

    def seek(self, line: SheetLine) -> Iterator[RowItem]:
        """Take a line that is a title, the header or its second row, or the first row below."""
        names = [values.text(cell)[:200] for cell in line.cells]
        above, self.waiting = self.waiting, None
        if above is not None:
            joined = [
                low if fold(low) in self.columns.names or not high else high
                for high, low in zip_longest(above, names, fillvalue="")
            ]
            if self.known(names) and self.known(joined) > self.known(above):
                yield from self.begin(joined)
            else:
                yield from self.begin(above)
                yield from self.next(line)
        elif self.known(names) >= self.columns.fewest:
            self.waiting = names
        elif self.seen < MOST_TITLES:
            self.seen += 1
            self.titles += [name for name in names if name]

    def begin(self, names: Sequence[str]) -> Iterator[RowItem]:
        self.names = names
        self.words = {self.columns.names.get(fold(name), "") for name in names}
        new = [name for name in names if name and fold(name) not in self.columns.names]
        if new:
            yield _unknown(new)

    def next(self, line: SheetLine) -> Iterator[RowItem]:
        cells, names = line.cells, self.names
        filled = [cell for cell in cells if cell != ""]
        first = values.text(filled[0]) if filled else ""
        if not first and not any(values.text(cell) for cell in filled):
            return
        if len(filled) <= 4 and _FOOT.match(first):
            yield Footer(_count(filled))
        elif len(filled) == 1 and self.columns.is_title(first, self.words):
            self.titles = [first]
        elif fold(first[:200]) in self.columns.names and (
            self.known([values.text(cell) for cell in cells]) >= self.columns.fewest
        ):
            self.names = [values.text(cell)[:200] for cell in cells]
        elif any(cell != "" for cell in cells[len(names) :]):
            yield Reject(line.number, RejectReason.EXTRA_CELLS)
        elif line.cut and len(cells) < len(names):
            yield Reject(line.number, RejectReason.TRUNCATED)
        else:
            title = " ".join(self.titles)[:LONGEST_CELL]
            yield _row(line.number, names, cells, self.columns, title, line.first_day)


def _count(filled: Sequence[Cell]) -> int | None:
    found = _COUNT.search(" ".join(values.text(cell) for cell in filled).replace(",", ""))
    return int(found[0]) if found else None


def _unknown(names: Sequence[str]) -> UnknownColumns:
    """Names as drift is counted by; one that may be a value is not told."""
    told = ["?" if len(name) > _LONGEST_NAME or _VALUE.search(name) else name for name in names]
    return UnknownColumns(tuple(dict.fromkeys(told))[:MOST_UNKNOWN])


def _row(
    number: int,
    names: Sequence[str],
    cells: Sequence[Cell | None],
    columns: Columns,
    title: str = "",
    first_day: str = "1899-12-30",
) -> Row | Reject:
    kept: dict[str, str] = {}
    called: dict[str, str] = {}
    for name, cell in zip(names, cells, strict=False):
        word = columns.names.get(fold(name))
        if word is None or word == PASSED_OVER or cell is None or cell == "":
            continue
        if isinstance(cell, str) and len(cell) > LONGEST_CELL:
            return Reject(number, RejectReason.TOO_LONG, name)
        found = values.text(cell)
        if sheets.REPLACED in found:
            return Reject(number, RejectReason.CHARSET, name)
        if found and word not in kept:
            kept[word], called[word] = found, name
    return Row(number, kept, called, title, first_day)


LONGEST_WORD: Final = 64
OPS: Final = words_of(Op, "operation")


def short_cell(row: Row, word: str) -> str | None:
    """A cell, cut to what a name of a place or a number of a sender can be."""
    found = row.get(word)
    return found[:LONGEST_WORD] if found else None


def row_version(row: Row, reading: ReaderContext, delivery: Delivery) -> int | Reject | None:
    """What the row tells; else what the option `version` says.

    That is the digits of the file's name (`name`), or the time of the last change (`updated`).
    """
    own = row.get("version")
    if own is not None:
        digits = own if own.isascii() and own.isdigit() else ""
    elif reading.options.get("version") == "name":
        digits = "".join(re.findall(r"[0-9]", delivery.name))
    elif reading.options.get("version") == "updated" and (at := row_updated_at(row, reading)):
        digits = str(int(at.timestamp()))
    else:
        return None
    return int(digits) if 0 < len(digits) <= 18 else row.reject(RejectReason.INVALID, "version")


def row_updated_at(row: Row, reading: ReaderContext) -> dt.datetime | None:
    """When the sender last changed the row."""
    found = row.get("updated")
    return values.instant(found, reading.tz, row.first_day) if found else None
