"""The tables of a GTFS zip, row by row: nothing is unpacked to a disk or as a whole.

What a zip says of itself is not believed beyond what it may cost: its directory, each table and
each line have a size they may not pass.
"""

import csv
import datetime as dt
import io
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from typing import IO, Final

from twinstile.arrivals.formats import sheets
from twinstile.arrivals.formats.reasons import RejectReason
from twinstile.arrivals.records import UnreadableDelivery

MOST_UNPACKED: Final = 1 << 30
"""Bytes of one table."""
MOST_DIRECTORY: Final = 1 << 17
"""Bytes of the list of members, before it is read: some thousand of them."""
MOST_ROWS: Final = 20_000_000
LONGEST_LINE: Final = 1 << 16
LATEST_HOUR: Final = 240
"""Of a trip that is days under way."""

_END: Final = b"PK\x05\x06"
_END_OF_ZIP64: Final = b"PK\x06\x07"
_TIME: Final = re.compile(r"(\d{1,3}):([0-5]?\d):([0-5]?\d)", re.ASCII)
_BROKEN: Final = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    OSError,
    csv.Error,
    struct.error,
    ValueError,
    NotImplementedError,  # of the library: a version or a compression it does not know
)


class Tables:
    """The tables of one feed by their names, in whatever folder of the zip they are.

    Raises `UnreadableDelivery`, as all its functions do.
    """

    def __init__(self, body: bytes) -> None:
        _check_archive(body)
        try:
            self._zip: zipfile.ZipFile = zipfile.ZipFile(io.BytesIO(body))
        except _BROKEN:
            raise UnreadableDelivery(RejectReason.DAMAGED) from None
        self._members: dict[str, zipfile.ZipInfo] = {}
        parts = (one for one in self._zip.infolist() if not one.filename.startswith("__MACOSX"))
        for one in sorted(parts, key=lambda one: one.filename.count("/")):
            self._members.setdefault(one.filename.rpartition("/")[2].lower(), one)

    def __contains__(self, name: str) -> bool:
        return f"{name}.txt" in self._members

    def rows(
        self, name: str, needed: Sequence[str], wished: Sequence[str] = ()
    ) -> Iterator[tuple[int, list[str]]]:
        """Numbered rows with the asked cells, in the order asked; a wished one may be empty."""
        member = self._members.get(f"{name}.txt")
        if member is None:
            raise UnreadableDelivery(RejectReason.NOT_GTFS)
        if member.file_size > MOST_UNPACKED:
            raise UnreadableDelivery(RejectReason.TOO_LARGE)
        if member.flag_bits & 1 or member.compress_type not in {
            zipfile.ZIP_STORED,
            zipfile.ZIP_DEFLATED,
        }:
            raise UnreadableDelivery(RejectReason.NOT_GTFS)
        try:
            with self._zip.open(member) as packed:
                yield from _rows(packed, needed, wished)
        except _BROKEN:
            raise UnreadableDelivery(RejectReason.DAMAGED) from None


def seconds(text: str) -> int | None:
    """A time of a service day, which may be past 24:00:00; None: it is none."""
    found = _TIME.fullmatch(text)
    if found is None:
        return None
    hours, minutes, rest = map(int, found.groups())
    return hours * 3600 + minutes * 60 + rest if hours < LATEST_HOUR else None


def day_of(text: str) -> dt.date | None:
    if len(text) != 8 or not (text.isascii() and text.isdecimal()):
        return None
    try:
        return dt.date(int(text[:4]), int(text[4:6]), int(text[6:]))
    except ValueError:
        return None


def midnight_of(day: dt.date, zone: dt.tzinfo) -> dt.datetime:
    """What times of a day of service count from: noon less 12 hours (GTFS reference)."""
    noon = dt.datetime.combine(day, dt.time(12), zone).astimezone(dt.UTC)
    return noon - dt.timedelta(hours=12)


def _check_archive(body: bytes) -> None:
    if not body.startswith(b"PK"):
        sheets.refuse_web_page(body)
        raise UnreadableDelivery(RejectReason.NOT_GTFS)
    end = body.rfind(_END)
    if end < 0:
        raise UnreadableDelivery(RejectReason.TRUNCATED)
    if len(body) < end + 22:
        raise UnreadableDelivery(RejectReason.DAMAGED)
    (directory,) = struct.unpack_from("<I", body, end + 12)
    if directory > MOST_DIRECTORY or body[max(0, end - 20) :].startswith(_END_OF_ZIP64):
        raise UnreadableDelivery(RejectReason.TOO_LARGE)


def _rows(
    packed: IO[bytes], needed: Sequence[str], wished: Sequence[str]
) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(_lines(packed))
    header = [cell.strip() for cell in next(reader, list[str]())]
    if not set(needed) <= set(header):
        raise UnreadableDelivery(RejectReason.NOT_GTFS)
    places = [header.index(one) if one in header else -1 for one in (*needed, *wished)]
    width = max(places) + 1
    for row in reader:
        if len(row) >= width:
            yield reader.line_num, [row[at].strip() if at >= 0 else "" for at in places]
        elif row:
            yield (
                reader.line_num,
                [row[at].strip() if 0 <= at < len(row) else "" for at in places],
            )


def _lines(packed: IO[bytes]) -> Iterator[str]:
    text = io.TextIOWrapper(packed, "utf-8-sig", errors="replace", newline="")
    for _ in range(MOST_ROWS):
        line = text.readline(LONGEST_LINE)
        if not line:
            return
        if len(line) == LONGEST_LINE:
            raise UnreadableDelivery(RejectReason.TOO_LONG)
        yield line.replace("\0", "") if "\0" in line else line
    raise UnreadableDelivery(RejectReason.TOO_LARGE)
