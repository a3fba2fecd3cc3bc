"""Date-times of CertLogic: text to UTC milliseconds, and calendar arithmetic.

Source: eu-dcc-business-rules, `certlogic/specification/README.md` 1.3.2, "Offset date-time
(`plusTime`)" and "DCC Date of birth (`dccDateOfBirth`)". The arithmetic is that of ECMAScript's
`Date.setUTC*`, which the specification names, so that a tablet's browser and this module agree
to the millisecond. Nothing is cached: a birth date does not outlive its request.
"""

import calendar
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from enum import StrEnum

MAX_AMOUNT = 100_000_000
"""The largest offset in any unit: in hours, the smallest one, it outlasts the calendar."""

_DAY = "[0-9]{4}-[0-9]{2}-[0-9]{2}"
_TIME = "(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]"
_PARTIAL = re.compile("([0-9]{4})(?:-([0-9]{2}))?")
_FULL_DAY = re.compile(_DAY)
_OFFSET = "([+-])(2[0-3]|[01]?[0-9])(?::?([0-5][0-9]))?"
_DATE_TIME = re.compile(rf"({_DAY}T{_TIME})(\.[0-9]+)?(?:Z|{_OFFSET})?")


class Unit(StrEnum):
    """What `plusTime` can add."""

    YEAR = "year"
    MONTH = "month"
    DAY = "day"
    HOUR = "hour"


def date_time(text: str) -> datetime:
    """Read any format that `plusTime` allows; no offset means UTC, a partial date its last day.

    Raises ValueError for another format or a day the calendar has not, OverflowError when the
    offset leads out of the years 1 to 9999.
    """
    matched = _DATE_TIME.fullmatch(text)
    if matched is None:
        return date_of_birth(text)
    stem, fraction, sign, hours, minutes = matched.groups()
    moment = datetime.fromisoformat(stem).replace(tzinfo=UTC)
    if fraction is not None:
        moment = moment.replace(microsecond=int(fraction[1:4].ljust(3, "0")) * 1000)
    if sign is not None:
        offset = timedelta(hours=int(hours), minutes=int(minutes or 0))
        moment = moment - offset if sign == "+" else moment + offset
    return moment


def date_of_birth(text: str) -> datetime:
    """Read YYYY, YYYY-MM or YYYY-MM-DD as midnight UTC of the last day it can mean.

    Raises ValueError for another format or a day the calendar has not.
    """
    if _FULL_DAY.fullmatch(text):
        return datetime.fromisoformat(text).replace(tzinfo=UTC)
    matched = _PARTIAL.fullmatch(text)
    if matched is None:
        raise ValueError("not a date or date-time in an allowed format")
    year, month = int(matched[1]), int(matched[2] or 12)
    # An impossible month is datetime's to refuse, monthrange would raise something of its own.
    first = datetime(year, month, 1, tzinfo=UTC)
    return first.replace(day=calendar.monthrange(year, month)[1])


def shift(unit: Unit, amount: int) -> Callable[[datetime], datetime]:
    """Prepare the addition of `amount` units, at most MAX_AMOUNT, to a moment.

    A day that the target month lacks runs over into the next one: 2020-02-29 plus a year is
    2021-03-01. The addition raises OverflowError or ValueError outside the years 1 to 9999.
    """
    match unit:
        case Unit.YEAR:
            return lambda moment: _plus_months(moment, 12 * amount)
        case Unit.MONTH:
            return lambda moment: _plus_months(moment, amount)
        case Unit.DAY:
            span = timedelta(days=amount)
        case Unit.HOUR:
            span = timedelta(hours=amount)
    return lambda moment: moment + span


def _plus_months(moment: datetime, months: int) -> datetime:
    year, month = divmod(12 * moment.year + moment.month - 1 + months, 12)
    first = moment.replace(year=year, month=month + 1, day=1)
    return first + timedelta(days=moment.day - 1)
