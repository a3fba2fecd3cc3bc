"""Read a request body: bounded, UTF-8, and JSON that every parser understands alike (RFC 8259).

Parsers disagree about repeated names, deep nesting and other encodings, and a disagreement
between two systems is how one is tricked. Numbers that are not finite pass here and are refused
by the field they stand in, so that inside a batch only that item is at fault.
"""

import json
import math
import re
from urllib.parse import parse_qsl

from fastapi import Request

from twinstile.platform.http.problems import (
    DuplicateKey,
    InvalidEncoding,
    InvalidRequest,
    TooDeep,
    TooLarge,
    TooManyValues,
    UnsupportedMediaType,
)

MAX_DEPTH = 32
MAX_VALUES = 100_000
"""Several times what the largest backlog or manifest holds; each costs memory and time."""
FORM = "application/x-www-form-urlencoded"
MAX_FIELDS = 50
"""Fields of a form (WHATWG URL, 5.1)."""
MAX_DIGITS = 308
"""An integer with more is infinite to whoever reads numbers as doubles, so it is here."""

# A string that never ends is one token too: tried again from each quote in it, it would take
# time that grows with the square of the body.
_TOKENS = re.compile(rb'"(?:[^"\\]++|\\.)*+"?|[\[{]|[\]}]', re.DOTALL)


async def read(request: Request, limit: int) -> bytes:
    """The body, at most `limit` bytes. Raises `TooLarge` as soon as more has come."""
    declared = request.headers.get("content-length", "0")
    if declared.isascii() and declared.isdigit() and int(declared[:20]) > limit:
        raise TooLarge(limit)
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > limit:
            raise TooLarge(limit)
        chunks.append(chunk)
    return b"".join(chunks)


def require_json(content_type: str) -> None:
    """Raise `UnsupportedMediaType` unless it is JSON, in UTF-8 if it names a charset."""
    media, _, parameters = content_type.lower().partition(";")
    charset = parameters.partition("charset=")[2].strip().strip('"')
    if media.strip() != "application/json" or charset not in {"", "utf-8", "utf8"}:
        raise UnsupportedMediaType


def parse(body: bytes) -> object:
    """The JSON value. Raises a problem of status 400."""
    if body.startswith((b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")) or b"\0" in body:
        raise InvalidEncoding
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        raise InvalidEncoding from None
    if body.count(b",") > MAX_VALUES:
        raise TooManyValues(f"At most {MAX_VALUES} values are read.")
    if body.count(b"{") + body.count(b"[") > MAX_DEPTH:
        _check_depth(body)
    try:
        return _DECODER.decode(text)
    except json.JSONDecodeError:
        raise InvalidRequest("The body is not JSON.") from None


def require_form(content_type: str) -> None:
    """Raise `UnsupportedMediaType` unless it is what a form sends."""
    if content_type.partition(";")[0].strip().lower() != FORM:
        raise UnsupportedMediaType(f"Send {FORM}.")


def parse_form(body: bytes) -> dict[str, str]:
    """The fields of a form, each once. Raises `InvalidRequest`."""
    try:
        text = body.decode("ascii")
        pairs = parse_qsl(
            text, keep_blank_values=True, errors="strict", max_num_fields=MAX_FIELDS
        )
    except ValueError:
        raise InvalidRequest("This is not the content of a form.") from None
    form = dict(pairs)
    if len(form) != len(pairs) or any("\0" in part for pair in pairs for part in pair):
        raise InvalidRequest("A form names each field once, and holds text.")
    return form


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise DuplicateKey
    return members


def _integer(digits: str) -> int | float:
    if len(digits) > MAX_DIGITS:
        return -math.inf if digits.startswith("-") else math.inf
    return int(digits)


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_int=_integer)


def _check_depth(body: bytes) -> None:
    depth = 0
    for token in _TOKENS.finditer(body):
        match token.group()[:1]:
            case b"[" | b"{":
                depth += 1
                if depth > MAX_DEPTH:
                    raise TooDeep(f"At most {MAX_DEPTH} levels are read.")
            case b"]" | b"}":
                depth -= 1
            case _:
                pass
