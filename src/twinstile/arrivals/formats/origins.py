"""Where a row of any table stands: what its sender calls it, which version it is, and when."""

import datetime as dt
import re
from typing import Final

from twinstile.arrivals.formats import rows, values
from twinstile.arrivals.formats.reasons import RejectReason
from twinstile.arrivals.formats.rows import Row
from twinstile.arrivals.records import Delivery, Op, ReaderContext, Reject

LONGEST_WORD: Final = 64
OPS: Final = rows.words_of(Op, "operation")


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
