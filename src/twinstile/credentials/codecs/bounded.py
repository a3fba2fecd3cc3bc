"""Decoders that end: every size and depth has a limit, every failure is `Refused`."""

import binascii
import zlib
from collections.abc import Callable
from typing import Final, cast

import cbor2
import orjson

from twinstile.credentials.types import CredentialOutcome, CredentialRefused

MOST_TEXT: Final = 8192
"""Characters of a scanned text; the largest QR code has 4,296 of base45, 7,089 digits."""
MOST_DEPTH: Final = 16

_URL_SAFE: Final = bytes.maketrans(b"-_+/", b"+/!!")


def _refuse(_value: object, _immutable: bool) -> object:  # noqa: FBT001 - cbor2 calls it so
    raise CredentialRefused(CredentialOutcome.INVALID_ENCODING)


def _untagged(value: object, _immutable: bool) -> object:  # noqa: FBT001
    return value


_TAGS: Final[dict[int, Callable[[object, bool], object]]] = {
    # numbers of any size, shared values, patterns, sets: nothing a credential is made of
    **dict.fromkeys((2, 3, 4, 5, 25, 28, 29, 30, 35, 36, 37, 100, 256, 258, 260, 261), _refuse),
    **dict.fromkeys((1004, 43000, 55799), _refuse),
    0: _untagged,  # a moment stays the text, or the number, that was signed
    1: _untagged,
}


def inflate(data: bytes, *, limit: int, window: int) -> bytes:
    """One whole compressed stream and nothing after it; `window` as in `zlib`."""
    stream = zlib.decompressobj(window)
    try:
        found = stream.decompress(data, limit)
    except zlib.error:
        raise CredentialRefused(CredentialOutcome.INVALID_COMPRESSION) from None
    if not stream.eof or stream.unused_data:
        raise CredentialRefused(CredentialOutcome.INVALID_COMPRESSION)
    return found


def cbor(data: bytes) -> object:
    """The first item of CBOR, of plain values, without doubled keys."""
    try:
        return cbor2.loads(
            data,
            max_depth=MOST_DEPTH,
            allow_duplicate_keys=False,
            semantic_decoders=_TAGS,
            tag_hook=_refuse,
        )
    except (cbor2.CBORError, ValueError):
        raise CredentialRefused(CredentialOutcome.INVALID_ENCODING) from None


def claims(payload: bytes) -> dict[object, object]:
    """A map of CBOR; what it calls undefined is null, as in every other form."""
    found = cbor(payload)
    return numbered(_defined(found) if _UNDEFINED in payload else found)


_UNDEFINED: Final = b"\xf7"


def _defined(value: object) -> object:
    """As deep as `MOST_DEPTH`."""
    match value:
        case dict():
            members = cast("dict[object, object]", value)
            return {name: _defined(one) for name, one in members.items()}
        case list():
            return [_defined(one) for one in cast("list[object]", value)]
        case _:
            return None if value is cbor2.undefined else value


def json(data: bytes) -> dict[str, object]:
    """A JSON object in UTF-8 without mark, NaN or anything after it."""
    try:
        found = orjson.loads(data)
    except orjson.JSONDecodeError:
        raise CredentialRefused(CredentialOutcome.INVALID_ENCODING) from None
    return mapping(found)


def mapping(value: object) -> dict[str, object]:
    """An object; of CBOR it may have keys that are no texts, and then nobody asks for them."""
    if not isinstance(value, dict):
        raise CredentialRefused(CredentialOutcome.INVALID_CONTENT)
    return cast("dict[str, object]", value)


def numbered(value: object) -> dict[object, object]:
    """A map of CBOR, whatever its keys."""
    if not isinstance(value, dict):
        raise CredentialRefused(CredentialOutcome.INVALID_CONTENT)
    return cast("dict[object, object]", value)


def items(value: object) -> list[object]:
    """A list; of anything else an empty one."""
    return cast("list[object]", value) if isinstance(value, list) else []


def text(value: object, otherwise: str = "") -> str:
    """A text; of anything else another."""
    return value if isinstance(value, str) else otherwise


def base64url(data: bytes) -> bytes:
    """Strictly of its alphabet, padded or not."""
    plain = data.rstrip(b"=").translate(_URL_SAFE)
    try:
        return binascii.a2b_base64(plain + b"=" * (-len(plain) % 4), strict_mode=True)
    except binascii.Error:
        raise CredentialRefused(CredentialOutcome.INVALID_ENCODING) from None


def number(value: object) -> float | None:
    """Seconds since 1970, or None where there are none.

    NaN and infinity are refused: no comparison with them ever finds a credential expired.
    """
    if value is None or (type(value) is int and 0 <= value < _AGES):
        return value
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise CredentialRefused(CredentialOutcome.INVALID_CONTENT)
    if not -_AGES < value < _AGES:
        raise CredentialRefused(CredentialOutcome.INVALID_CONTENT)
    return float(value)


_AGES: Final = 1e12
"""Thirty thousand years in seconds: also what milliseconds would be taken for."""
