"""Run as a process of its own: a workbook on standard input, its rows as JSON on output.

The library that opens workbooks lays each sheet out whole: two cells far apart in a file of one
kilobyte ask for more memory than there is, and end the process. So it is not ours. What it may
take is limited here, before anything is read; hidden sheets are left out.
"""

import datetime as dt
import io
import json
import resource
import sys
import zipfile
from collections.abc import Iterator
from typing import Final

from python_calamine import (
    CalamineError,
    CalamineWorkbook,
    PasswordError,
    SheetTypeEnum,
    SheetVisibleEnum,
)

MOST_MEMORY: Final = 1024**3  # bytes of address space, the interpreter's included
MOST_CPU_S: Final = 30
MOST_UNPACKED: Final = 300 * 1024**2  # bytes that a workbook's parts say they hold
MOST_SHEETS: Final = 64
FIRST_DAYS: Final = {False: "1899-12-30", True: "1904-01-01"}


def fault(body: bytes) -> str | None:
    """Why a workbook is not opened at all."""
    if not body.startswith(b"PK"):
        return None
    try:
        with zipfile.ZipFile(io.BytesIO(body)) as parts:
            sizes = [part.file_size for part in parts.infolist()]
    except (zipfile.BadZipFile, ValueError, NotImplementedError, OSError):
        return "damaged"
    return "too-large" if sum(sizes) > MOST_UNPACKED or len(sizes) > 4096 else None


def counts_from_1904(body: bytes) -> bool:
    """Whether a plain number is a day of the system that old workbooks of Macs keep."""
    try:
        with zipfile.ZipFile(io.BytesIO(body)) as parts:
            head = parts.read("xl/workbook.xml")
    except (zipfile.BadZipFile, KeyError, ValueError, NotImplementedError, OSError):
        return False
    return b'date1904="1"' in head or b'date1904="true"' in head


def rounded(moment: dt.datetime) -> dt.datetime:
    """To the second: fractions of a day are not exact."""
    return (moment + dt.timedelta(microseconds=500_000)).replace(microsecond=0)


def plain(cell: object) -> object:
    """Moments as text of one form; a time of more than a day as its hours."""
    match cell:
        case dt.datetime():
            return rounded(cell).isoformat()
        case dt.date():
            return cell.isoformat()
        case dt.time():
            return rounded(dt.datetime.combine(dt.date(2000, 1, 1), cell)).time().isoformat()
        case dt.timedelta():
            minutes = round(cell.total_seconds() / 60)
            return f"{minutes // 60:02}:{minutes % 60:02}"
        case _:
            return cell


def rows(body: bytes) -> Iterator[object]:
    """What is printed: the first day, then `[sheet, row, cells]` of each row with content."""
    yield FIRST_DAYS[counts_from_1904(body)]
    with CalamineWorkbook.from_filelike(io.BytesIO(body)) as book:
        shown = [
            sheet.name
            for sheet in book.sheets_metadata
            if sheet.typ == SheetTypeEnum.WorkSheet
            and sheet.visible == SheetVisibleEnum.Visible
        ]
        for place, name in enumerate(shown[:MOST_SHEETS]):
            for number, cells in enumerate(book.get_sheet_by_name(name).iter_rows(), 1):
                if any(cell != "" for cell in cells):
                    yield [place, number, [plain(cell) for cell in cells]]


def main() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (MOST_CPU_S, MOST_CPU_S))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    body = sys.stdin.buffer.read()
    end = fault(body) or "end"
    try:
        for row in rows(body) if end == "end" else ():
            print(json.dumps(row))  # noqa: T201 -- the answer
    except PasswordError:
        end = "password"
    except MemoryError:
        end = "too-large"
    except (CalamineError, ValueError, OverflowError):
        end = "damaged"
    print(json.dumps(end))  # noqa: T201 -- the answer


if __name__ == "__main__":
    main()
