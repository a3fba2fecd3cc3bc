"""Objects out of JSON, however they are wrapped: lines, lists, answers of services.

Members of an object that holds a list hold for each object of the list: a run with its
travellers gives one row a traveller. Long lists are read one object at a time.
"""

import io
import json
import re
from collections.abc import Iterator, Mapping
from typing import Final, TypeAlias, cast

from twinstile.arrivals.formats import sheets
from twinstile.arrivals.formats.reasons import RejectReason
from twinstile.arrivals.formats.sheets import physical
from twinstile.arrivals.records import Delivery, Reject, UnreadableDelivery

Object: TypeAlias = Mapping[str, object]

LONGEST_LINE: Final = 1 << 22
"""Of one object of JSON lines, which may be a run with all its travellers."""
MOST_DEPTH: Final = 6
_DECODER: Final = json.JSONDecoder()
_SPACE: Final = re.compile(r"[\s\ufeff]*")
_TOKEN: Final = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[\[\]{}]', re.DOTALL)
_CODES: Final = frozenset({"code", "errcode", "errorcode", "retcode", "resultcode", "success"})
_LISTS: Final = frozenset({"data", "list", "rows", "records", "items", "result", "content"})
_ABOUT: Final = _CODES | {
    *("msg", "message", "errmsg", "total", "totalcount", "count", "page", "pageno", "pagenum"),
    *("pagesize", "size", "pages", "timestamp", "requestid", "traceid", "hasnext"),
}
"""What an answer says of itself."""
_GOOD: Final = frozenset({"", "0", "00", "0000", "000000", "200", "ok", "success", "true"})


def looks_like(body: bytes) -> bool:
    """Whether text starts as JSON does; the encoding is not yet known."""
    return body[:64].replace(b"\0", b"").lstrip(b"\xef\xbb\xbf\xff\xfe \t\r\n")[:1] in {
        b"{",
        b"[",
    }


def read_objects(
    delivery: Delivery, encoding: str | None = None
) -> Iterator[tuple[int, Object] | Reject]:
    """Numbered objects: by line where each has its own, else in their order.

    Raises `UnreadableDelivery`, at once or after what could be read.
    """
    opened = sheets.open_text(delivery.body, encoding)
    start = opened.tell()
    first = [opened.readline(LONGEST_LINE) for _ in range(5)]
    opened.seek(start)
    several = sum(1 for line in first if line.strip()) > 1
    if several and any(line.startswith("{") and _object(line) for line in first):
        yield from _lines(opened)
    else:
        for number, found in enumerate(_document(opened.read()), 1):
            yield (
                (number, found) if found is not None else Reject(number, RejectReason.MALFORMED)
            )


def _fault(line: str) -> RejectReason:
    return RejectReason.TOO_LONG if len(line) > LONGEST_LINE else RejectReason.MALFORMED


def _lines(opened: io.TextIOWrapper) -> Iterator[tuple[int, Object] | Reject]:
    last = 0
    for number, line in physical(opened, LONGEST_LINE):
        if not line.strip("\ufeff \t\r\n"):
            continue
        found = _object(line)
        try:
            flat = list(_flat(found, {}, 0)) if found else []
        except ValueError:
            flat = []
        for one in flat:
            last = max(last + 1, number)
            yield last, one
        if not flat:
            last = max(last + 1, number)
            yield Reject(last, _fault(line))


def _object(line: str) -> dict[str, object] | None:
    try:
        found = json.loads(line.strip("\ufeff \t\r\n"))
    except (ValueError, RecursionError):
        return None
    return cast("dict[str, object]", found) if isinstance(found, dict) else None


def _document(text: str) -> Iterator[Object | None]:
    """The objects of a text; None for a member of a list that is none or goes too deep."""
    at = _after(text, 0)
    try:
        if text[at] == "[":
            yield from _elements(text, at, {}, 0)
            return
        told, lists, _ = _outer(text, at, 0)
        held, inner = _envelope(told)
        for start in lists:
            yield from _elements(text, start, held, 0)
        for one in inner:
            yield from _flat(one, held, 0)
        if held and not lists and not inner:
            yield held
    except (ValueError, RecursionError, IndexError):
        whole = text.rstrip("\0 \t\r\n")[-1:] in {"}", "]"}
        raise UnreadableDelivery(
            RejectReason.DAMAGED if whole else RejectReason.TRUNCATED
        ) from None


def _envelope(members: dict[str, object]) -> tuple[Object, list[dict[str, object]]]:
    """What of an answer holds for its rows, and the objects it has as text.

    Raises `UnreadableDelivery` for one that reports an error, or has nothing where its list
    should be.
    """
    held: dict[str, object] = {}
    inner: list[dict[str, object]] = []
    for name, value in members.items():
        word = name.replace("_", "").lower()
        if word in _CODES and str(value).lower() not in _GOOD:
            raise UnreadableDelivery(RejectReason.ERROR_ANSWER)
        if word in _LISTS and value in (None, ""):
            raise UnreadableDelivery(RejectReason.NO_DATA)
        found = _inside(value)
        if found is not value:
            some = cast("list[object]", found if isinstance(found, list) else [found])
            inner += [cast("dict[str, object]", one) for one in some if isinstance(one, dict)]
        elif word not in _ABOUT:
            held[name] = value
    return held, inner


def _inside(value: object) -> object:
    """A value, or what it holds when it is JSON once more."""
    if not isinstance(value, str) or value[:1] not in {"{", "["}:
        return value
    try:
        return cast("object", json.loads(value))
    except (ValueError, RecursionError):
        return value


def _flat(
    members: Mapping[str, object], inherited: Mapping[str, object], depth: int
) -> Iterator[Object]:
    row, lists = _split(members, depth)
    row = {**inherited, **row}
    for one in lists:
        yield from _flat(one, row, depth + 1)
    if not lists:
        yield row


def _split(
    members: Mapping[str, object], depth: int
) -> tuple[dict[str, object], list[dict[str, object]]]:
    """The members of an object and of those within it, and the objects of its lists."""
    if depth > MOST_DEPTH:
        raise ValueError("too deep")
    row: dict[str, object] = {}
    lists: list[dict[str, object]] = []
    for name, told in members.items():
        value = _inside(told)
        if isinstance(value, dict):
            more, within = _split(cast("dict[str, object]", value), depth + 1)
            row, lists = {**more, **row}, lists + within
        elif isinstance(value, list):
            items = cast("list[object]", value)
            objects = [cast("dict[str, object]", one) for one in items if isinstance(one, dict)]
            lists += objects
            if not objects:
                row[name] = _join(items)
        else:
            row[name] = value
    return row, lists


def _join(value: object) -> object:
    """A list of words as one cell."""
    if not isinstance(value, list):
        return value
    return ",".join(str(one) for one in cast("list[object]", value)[:64])


def _elements(text: str, at: int, inherited: Object, depth: int) -> Iterator[Object | None]:
    """The objects of a list, each decoded when it is its turn."""
    at = _after(text, at + 1)
    while text[at] != "]":
        found, at = _DECODER.raw_decode(text, at)
        if isinstance(found, dict):
            try:
                yield from _flat(cast("dict[str, object]", found), inherited, depth)
            except ValueError:  # too deep
                yield None
        else:
            yield None
        at = _next(text, at, "]")


def _outer(text: str, at: int, depth: int) -> tuple[dict[str, object], list[int], int]:
    """The members of an object around lists, where the lists begin, and where it ends."""
    if depth > MOST_DEPTH:
        raise ValueError("too deep")
    row: dict[str, object] = {}
    lists: list[int] = []
    at = _after(text, at + 1)
    while text[at] != "}":
        name, at = _DECODER.raw_decode(text, at)
        at = _after(text, at)
        if not isinstance(name, str) or text[at] != ":":
            raise ValueError("no member")
        at = _after(text, at + 1)
        if text[at] == "{":
            more, within, at = _outer(text, at, depth + 1)
            row, lists = {**more, **row}, lists + within
        elif text[at] == "[" and text[_after(text, at + 1)] in "{]":
            lists.append(at)
            at = _skip(text, at)
        else:
            value, at = _DECODER.raw_decode(text, at)
            row[name] = _join(value)
        at = _next(text, at, "}")
    return row, lists, at + 1


def _after(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at


def _next(text: str, at: int, closing: str) -> int:
    """Past a comma, or at what closes."""
    at = _after(text, at)
    if text[at] == ",":
        return _after(text, at + 1)
    if text[at] != closing:
        raise ValueError("neither goes on nor ends")
    return at


def _skip(text: str, at: int) -> int:
    depth = 0
    for found in _TOKEN.finditer(text, at):
        token = found.group()
        depth += token in {"[", "{"}
        depth -= token in {"]", "}"}
        if depth == 0:
            return found.end()
    raise ValueError("it does not end")
