"""What cells mean: one spelling of text, days and times as people and spreadsheets write."""

import datetime as dt
import math
import re
import unicodedata
from typing import Final

from twinstile.arrivals.formats.sheets import Cell
from twinstile.identity.documents import INVISIBLE

_UNSEEN: Final = re.compile(rf"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff{INVISIBLE}]")
_FORMULA: Final = re.compile(r'="(.*)"')
_NOTHING: Final = frozenset(
    {"-", "--", "---", "----", "—", "——", "/", "\\", "\\n", "null", "none", "nan", "n/a", "nil"}
    | {"(null)", "<null>", "undefined", "无", "暂无", "空", "#n/a"}
)
"""How systems and people write that there is nothing."""
_DAY: Final = re.compile(r"(\d{4})(?:[-/.年](\d{1,2})[-/.月](\d{1,2})日?|(\d\d)(\d\d))(?!\d)")
_TIME: Final = re.compile(
    r"(?P<next>次日|第二天|翌日|隔日|\+1\s)?\s*(?P<h>\d{1,3})[:.时](?P<m>\d{1,2})(?:[:分]\d{0,2}(?:\.\d+)?)?分?"
    r"\s*(?P<after>\(?\+1\)?|次日)?"
)
_EXACT: Final = re.compile(r".*([Zz]|[+-]\d\d:?\d\d)")
_SERIAL: Final = re.compile(r"\d{5}(\.\d+)?")
_YEARS: Final = range(1800, 9000)  # beyond them are defaults of systems, which no zone can hold
_BARE: Final = re.compile(rf"(?:{_DAY.pattern})|\d{{5}}")
_RUN_ON: Final = re.compile(r"(\d{8})(\d\d)(\d\d)(?:\d\d)?")
_EPOCH: Final = re.compile(r"(1\d{9})(?:\d{3})?")  # until 2033
_LATEST_HOUR: Final = 96  # of a run that is days under way


def text(cell: Cell | None) -> str:
    """A cell in one spelling: NFKC, single-spaced, without what nobody sees; or empty."""
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return str(cell).lower()
    if isinstance(cell, float):
        whole = math.isfinite(cell) and cell.is_integer() and abs(cell) < 1e15
        return str(int(cell)) if whole else str(cell)
    found = str(cell)
    if wrapped := _FORMULA.fullmatch(found):  # how spreadsheets are kept from counting with it
        found = wrapped[1]
    if not found.isascii():
        found = unicodedata.normalize("NFKC", found)
    return " ".join(_UNSEEN.sub("", found).split()).removeprefix("'")


def is_nothing(text: str) -> bool:
    return not text or text.lower() in _NOTHING


def day(text: str, first_day: str = "1899-12-30") -> dt.date | None:
    """A day in one of its spellings, or as the number of days since `first_day`; else None."""
    if _SERIAL.fullmatch(text):
        return dt.date.fromisoformat(first_day) + dt.timedelta(days=int(float(text)))
    told = _DAY.match(text)
    if told is None:
        return None
    year, *rest = (int(part) for part in told.groups() if part)
    try:
        return dt.date(year, *rest) if year in _YEARS else None
    except ValueError:
        return None


def moment(
    text: str, on: dt.date, tz: dt.tzinfo, first_day: str = "1899-12-30"
) -> dt.datetime | None:
    """When something is: a time of the day `on` or of one after it, or a whole moment.

    `24:10` and `次日00:10` are ten past midnight of the next day. A time that a clock leaves
    out is read as if it had not been put forward yet.
    """
    if (told := _DAY.match(text)) and day(text):
        on, text = day(text) or on, text[told.end() :].lstrip("Tt ")
        if _EXACT.fullmatch(text):
            with_offset = f"{on.isoformat()}T{text}"
            return _exact(with_offset)
    elif _SERIAL.fullmatch(text):
        on = day(text, first_day) or on
        text = str(float(text) % 1)
    if re.fullmatch(r"0?\.\d+|0|0\.0", text):  # a fraction of the day
        minutes = round(float(text) * 1440)
    elif clock := _TIME.fullmatch(text):
        hours, rest = int(clock["h"]), int(clock["m"])
        if hours >= _LATEST_HOUR or rest > 59:
            return None
        minutes = hours * 60 + rest + 1440 * bool(clock["next"] or clock["after"])
    elif re.fullmatch(r"([01]?\d|2[0-3])[0-5]\d", text):
        minutes = int(text[:-2]) * 60 + int(text[-2:])
    else:
        return None
    days, minutes = divmod(minutes, 1440)
    on = on + dt.timedelta(days=days)
    local = dt.datetime.combine(on, dt.time(minutes // 60, minutes % 60), tz)
    return local.astimezone(dt.UTC)


def instant(
    text: str, tz: dt.tzinfo, first_day: str = "1899-12-30", *, ends: bool = False
) -> dt.datetime | None:
    """A moment told whole: with its day, or as seconds or milliseconds since 1970; else None.

    A bare day is the moment it begins, or the one it `ends`.
    """
    if epoch := _EPOCH.fullmatch(text):
        return dt.datetime.fromtimestamp(int(epoch[1]), dt.UTC)
    if run_on := _RUN_ON.fullmatch(text):
        text = "{} {}:{}".format(*run_on.groups())
    on = day(text, first_day)
    if on is None:
        return None
    if _BARE.fullmatch(text):
        local = dt.datetime.combine(on + dt.timedelta(days=ends), dt.time(), tz)
        return local.astimezone(dt.UTC)
    return moment(text, on, tz, first_day)


def _exact(text: str) -> dt.datetime | None:
    try:
        return dt.datetime.fromisoformat(text.upper()).astimezone(dt.UTC)
    except (ValueError, OverflowError):
        return None


_COACH: Final = re.compile(r"(加?)0*(\d{1,2})(?:号?车厢?|coach|car)?", re.IGNORECASE)
_PLACE: Final = re.compile(
    r"(?:(加?)0*(\d{1,2})(?:号?车厢?|[-/]))?"
    r"(?:0*(\d{1,3})?(?:[号排])?([A-Z])?(?:[号座])*([上中下])?铺?|无座|不对号|站票|无席)"
)


def read_seat(
    coach: str | None, seat: str | None
) -> tuple[str | None, str | None, tuple[str, ...]]:
    """Coach, seat and what was in no known form. `05车12F号` and `5-12F` are coach 5, seat 12F.

    A spreadsheet makes days of some seats; those are lost, the traveller is not.
    """
    doubts: tuple[str, ...] = ()
    told, sits = None, None
    if coach:
        found = _COACH.fullmatch(coach.replace(" ", ""))
        told = f"{found[1]}{found[2]}" if found else None
        doubts = () if found else ("coach-unreadable",)
    if seat:
        found = _PLACE.fullmatch(seat.replace(" ", "").upper())
        if found is None:
            doubts = (*doubts, "seat-unreadable")
        else:
            extra, number, digits, letter, berth = found.groups(default="")
            told = told or f"{extra}{number}" or None
            sits = f"{digits}{letter}{berth}" or None
    return told, sits, doubts
