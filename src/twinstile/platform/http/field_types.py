"""Types of fields that every request model shares, so that each refuses the same things.

Text never holds NUL, a lone surrogate (both break databases and files down the line) or other
control characters; times carry an offset and lie within the years a station can mean; unknown
members are refused rather than ignored.
"""

import re
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    StringConstraints,
    ValidationError,
)
from pydantic_core import PydanticCustomError

from twinstile.platform.ops import clock

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")
_ISO_MOMENT = re.compile(
    r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)", re.ASCII
)
_ISO_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
MAX_NUMBER = 2**53
LATEST = datetime(2100, 1, 1, tzinfo=UTC)


def plain(text: object) -> object:
    """The text, if it holds nothing that breaks a database or a file down the line."""
    if isinstance(text, str) and _CONTROL.search(text):
        raise PydanticCustomError("invalid-text", "control character or lone surrogate")
    return text


def _iso(moment: object) -> object:
    if isinstance(moment, datetime):
        return moment
    if not isinstance(moment, str) or not _ISO_MOMENT.fullmatch(moment):
        raise PydanticCustomError("invalid-format", "RFC 3339 with an offset")
    return _leap_second(moment) if moment[17:19] == "60" else moment


def _leap_second(moment: str) -> datetime:
    """The second that is put in at the end of a month (RFC 3339, 5.7), as the end of its 59th.

    Neither Python nor PostgreSQL has it; so it still comes after all others of its day.
    """
    try:
        last = datetime.fromisoformat(f"{moment[:17]}59{moment[19:].upper()}")
        after = last.astimezone(UTC).replace(microsecond=0) + timedelta(seconds=1)
    except (ValueError, OverflowError):
        after = None
    if after is None or (after.day, after.time()) != (1, time.min):
        raise PydanticCustomError("invalid-format", "RFC 3339 with an offset")
    return after - timedelta(microseconds=1)


def _iso_day(day: object) -> object:
    if not isinstance(day, str) or not _ISO_DAY.fullmatch(day):
        raise PydanticCustomError("invalid-format", "YYYY-MM-DD")
    return day


def _usual(moment: datetime) -> datetime:
    if not EARLIEST <= moment < LATEST:
        raise PydanticCustomError("out-of-range", "between 2000 and 2100")
    return moment.astimezone(UTC)


def _usual_day(day: date) -> date:
    if not EARLIEST.date() <= day < LATEST.date():
        raise PydanticCustomError("out-of-range", "between 2000 and 2100")
    return day


def fault(error: ValidationError) -> str:
    """Where the first fault of a document lies and why, without any value of it."""
    first = error.errors(include_input=False, include_url=False)[0]
    place = "/".join(map(str, first["loc"]))
    return f"{place}: {first['msg']}"


def _known_zone(name: str) -> str:
    clock.zone(name)
    return name


class Body(BaseModel):
    """A request body: frozen, strict about unknown members."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class Answer(BaseModel):
    """A response body: members are always there, so none has a default."""

    model_config = ConfigDict(frozen=True)


def _storable(value: JsonValue) -> JsonValue:
    """JSON that a database and every reader of numbers keep as it is."""
    match value:
        case dict():
            for name, member in value.items():
                plain(name)
                _storable(member)
        case list():
            for item in value:
                _storable(item)
        case bool() | None:
            pass
        case str():
            plain(value)
        case int() | float():
            if not abs(value) < MAX_NUMBER:
                raise PydanticCustomError("out-of-range", "a number every reader keeps")
    return value


Document = Annotated[dict[str, JsonValue], AfterValidator(_storable)]
"""A JSON object of any members, whose meaning is another's to judge."""
Moment = Annotated[
    datetime,
    BeforeValidator(_iso),
    AfterValidator(_usual),
    Field(description="RFC 3339 with offset", examples=["2026-11-24T08:15:30+08:00"]),
]
Day = Annotated[date, BeforeValidator(_iso_day)]
"""Any day of the calendar, written as one: a number would be seconds since 1970."""
ServiceDay = Annotated[Day, AfterValidator(_usual_day)]
"""A day on which something runs."""
# The constraints stand first: so they are the string's own, in the contract and in refusals.
# Narrow one with `Annotated[Word, Field(...)]`: a Field(...) as the default would come before.
_PLAIN = Field(json_schema_extra={"pattern": r"^[^\u0000-\u0008\u000b-\u001f\u007f]*$"})
Word = Annotated[
    str,
    StringConstraints(min_length=1, max_length=64, strict=True),
    BeforeValidator(plain),
    _PLAIN,
]
Line = Annotated[
    str,
    StringConstraints(min_length=1, max_length=200, strict=True),
    BeforeValidator(plain),
    _PLAIN,
]
LanguageTag = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8}){0,3}$", strict=True),
    BeforeValidator(plain),
]
"""A language after BCP 47, as far as it is looked at: `zh-CN`, `en`."""
Slug = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,31}$", strict=True),
    BeforeValidator(plain),
]
Zone = Annotated[str, AfterValidator(_known_zone)]
"""The name of a time zone, for `clock.zone`."""
