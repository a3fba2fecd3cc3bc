"""Tables of any kind as lines of cells: separated text, and workbooks of office programs.

Lazily, in the order of the file. Workbooks are opened in a process of their own (`workbook`).
"""

import csv
import io
import json
import re
import subprocess
import sys
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO, Final, TypeAlias, cast

from twinstile.arrivals.formats.reasons import TEXTS, RejectReason
from twinstile.arrivals.records import Delivery, Reject, UnreadableDelivery

ENCODINGS: Final = (
    "utf-8",
    "utf-16-le",
    "utf-16-be",
    "gb18030",
    "big5",
    "shift_jis",
    "latin-1",
)
"""What the option `encoding` may name; without it the first four are told apart."""
REPLACED: Final = "\ufffd"
_MARKS: Final[Mapping[bytes, str]] = {
    b"\xef\xbb\xbf": "utf-8",
    b"\xff\xfe": "utf-16-le",
    b"\xfe\xff": "utf-16-be",
}
_HTML: Final = re.compile(
    rb"\s*(<!--.*?-->\s*)*<(!doctype html|html|head|body|script|meta|table|style|div)\b",
    re.IGNORECASE | re.DOTALL,
)
_OTHERS: Final[Mapping[bytes, RejectReason]] = {
    b"\x1f\x8b": RejectReason.COMPRESSED,
    b"BZh": RejectReason.COMPRESSED,
    b"\xfd7zXZ": RejectReason.COMPRESSED,
    b"7z\xbc\xaf": RejectReason.COMPRESSED,
    b"Rar!": RejectReason.COMPRESSED,
    b"(\xb5/\xfd": RejectReason.COMPRESSED,
    b"%PDF": RejectReason.NOT_A_TABLE,
    b"\x89PNG": RejectReason.NOT_A_TABLE,
    b"\xff\xd8\xff": RejectReason.NOT_A_TABLE,
}
_LEAST_NULS: Final = 0.2
"""Of the first bytes, where every other one of ASCII in UTF-16 is NUL."""
_LONGEST_LINE: Final = 1 << 16


def open_text(body: bytes, encoding_name: str | None = None) -> io.TextIOWrapper:
    """The text, with lines that end in any of the usual ways; what is no character replaced.

    Raises `UnreadableDelivery` for what is no text, or in no encoding we know.
    """
    if not body.strip(b"\0 \t\r\n\xef\xbb\xbf"):
        raise UnreadableDelivery(RejectReason.EMPTY)
    for start, reason in _OTHERS.items():
        if body.startswith(start):
            raise UnreadableDelivery(reason)
    mark = next((mark for mark in _MARKS if body.startswith(mark)), b"")
    encoding = _MARKS.get(mark) or encoding_name or _guess_encoding(body)
    text = io.BytesIO(body)
    text.seek(len(mark))
    head = body[len(mark) : len(mark) + 4096].decode(encoding, "replace").lstrip()
    if _HTML.match(head.encode("utf-8", "replace")):
        raise UnreadableDelivery(RejectReason.HTML)
    if head.startswith("<"):
        raise UnreadableDelivery(RejectReason.NOT_A_TABLE)
    return io.TextIOWrapper(text, encoding, errors="replace", newline=None)


def refuse_web_page(body: bytes) -> None:
    """Of no text: raises `UnreadableDelivery` where nothing or a web page came."""
    if not body:
        raise UnreadableDelivery(RejectReason.EMPTY)
    if _HTML.match(body[:4096].removeprefix(b"\xef\xbb\xbf")):
        raise UnreadableDelivery(RejectReason.HTML)


def _guess_encoding(body: bytes) -> str:
    head = body[:4096]
    even, odd = head[::2].count(0), head[1::2].count(0)
    if even + odd > _LEAST_NULS * len(head) and max(even, odd) > 4 * min(even, odd):
        return "utf-16-le" if odd > even else "utf-16-be"
    if body.isascii():
        return "utf-8"
    telling, sound = 0, {"utf-8": 0, "gb18030": 0}
    for line in io.BytesIO(body):
        if line.isascii():
            continue
        telling += 1
        for encoding in sound:
            sound[encoding] += _decodes(line[:_LONGEST_LINE], encoding)
    # hardly anything else is UTF-8 by chance, so that one broken line does not decide
    for encoding, lines in sound.items():
        if 2 * lines >= telling:
            return encoding
    raise UnreadableDelivery(RejectReason.CHARSET)


def _decodes(line: bytes, encoding: str) -> bool:
    try:
        line.decode(encoding)
    except UnicodeDecodeError as broken:
        return broken.end >= len(line) > _LONGEST_LINE - 4  # cut by us
    return True


Cell: TypeAlias = str | int | float
"""As the sender keeps it; dates and times of a workbook are text by ISO 8601."""

LONGEST_LINE: Final = 1 << 16
MOST_CELLS: Final = 512
MOST_LINES_OF_A_ROW: Final = 20
"""That a quoted value may go on over; then its quotation mark was not meant."""
_DELIMITERS: Final = "\t|;,"
_QUOTED: Final = re.compile(r'"[^"]*"')
_WORKBOOKS: Final = (b"PK\x03\x04", b"PK\x05\x06", b"\xd0\xcf\x11\xe0")


@dataclass(frozen=True, slots=True)
class SheetLine:
    """Cells of one row. Rows of later sheets are counted on from the last of the one before.

    `first_day` is the day 0 of plain numbers that mean dates. `cut` says that the text ended
    within this line, perhaps before it was whole.
    """

    sheet: int
    number: int
    cells: Sequence[Cell]
    first_day: str = "1899-12-30"
    cut: bool = False


def is_workbook(body: bytes) -> bool:
    return body.startswith(_WORKBOOKS)


def lines(delivery: Delivery, options: Mapping[str, str]) -> Iterator[SheetLine | Reject]:
    """Raises `UnreadableDelivery`, at once or after what could be read."""
    if is_workbook(delivery.body):
        return _of_workbook(delivery.body)
    return separated(
        open_text(delivery.body, options.get("encoding")), options.get("delimiter")
    )


def separated(
    text: io.TextIOWrapper, delimiter: str | None = None
) -> Iterator[SheetLine | Reject]:
    """Lines of text whose cells stand between delimiters; which, is seen in the first lines."""
    source = physical(text, LONGEST_LINE)
    ahead = deque(islice(source, 40))
    mark = delimiter or _delimiter([line for _, line in ahead])
    while ahead or (ahead := deque(islice(source, 1))):
        number, line = ahead.popleft()
        if len(line) > LONGEST_LINE:
            yield Reject(number, RejectReason.TOO_LONG)
            continue
        whole = [line]
        if line.count('"') % 2:
            ahead.extend(islice(source, max(0, MOST_LINES_OF_A_ROW - len(ahead))))
            odd = (n for n, (_, text) in enumerate(ahead, 1) if text.count('"') % 2)
            whole += [ahead.popleft()[1] for _ in range(next(odd, 0))]
        yield from _parsed(number, whole, mark)


def _parsed(number: int, rows: list[str], mark: str) -> Iterator[SheetLine | Reject]:
    open_quote = len(rows) == 1 and rows[0].count('"') % 2
    quoting = csv.QUOTE_NONE if open_quote else csv.QUOTE_MINIMAL
    reader = csv.reader(rows, delimiter=mark, quoting=quoting)
    done = 0
    try:
        for cells in reader:
            cut = reader.line_num == len(rows) and not rows[-1].endswith("\n")
            if len(cells) > MOST_CELLS:
                yield Reject(number + done, RejectReason.EXTRA_CELLS)
            elif any(cells):
                yield SheetLine(0, number + done, cells, cut=cut)
            done = reader.line_num
    except csv.Error:
        yield Reject(number + done, RejectReason.MALFORMED)


def physical(text: io.TextIOWrapper, longest: int) -> Iterator[tuple[int, str]]:
    """Numbered lines; of one that is too long just so much that this is seen."""
    number = 0
    while line := text.readline(longest + 1):
        number += 1
        rest = line
        while len(rest) > longest and not rest.endswith("\n"):
            rest = text.readline(longest + 1)
        yield number, line.replace("\0", "")


def _delimiter(ahead: Sequence[str]) -> str:
    bare = "".join(_QUOTED.sub("", line) for line in ahead)
    return max(_DELIMITERS, key=bare.count) if any(d in bare for d in _DELIMITERS) else ","


def _of_workbook(body: bytes) -> Iterator[SheetLine | Reject]:
    script = str(Path(__file__).with_name("workbook.py"))
    with subprocess.Popen(  # noqa: S603 -- our own interpreter and script
        [sys.executable, "-I", script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={},
    ) as process:
        try:
            yield from _told(process, body)
        finally:
            process.kill()


def _told(process: subprocess.Popen[bytes], body: bytes) -> Iterator[SheetLine | Reject]:
    source, answer = cast("tuple[IO[bytes], IO[bytes]]", (process.stdin, process.stdout))
    with suppress(BrokenPipeError):  # it has ended: its answer or its end tells why
        source.write(body)
    with suppress(BrokenPipeError):
        source.close()
    first_day, offset, last, sheet = "", 0, 0, 0
    for told in answer:
        match json.loads(told):
            case "end":
                return
            case str(word) if first_day or word in TEXTS:
                raise UnreadableDelivery(word)
            case str(word):
                first_day = word
            case row:
                place, number, cells = cast("tuple[int, int, list[Cell]]", row)
                if place != sheet:
                    sheet, offset = place, last
                last = offset + number
                if len(cells) > MOST_CELLS:
                    yield Reject(last, RejectReason.EXTRA_CELLS)
                else:
                    yield SheetLine(sheet, last, cells, first_day)
    # killed for what it took, or brought down by what it read
    raise UnreadableDelivery(
        RejectReason.TOO_LARGE if process.wait() < 0 else RejectReason.DAMAGED
    )
