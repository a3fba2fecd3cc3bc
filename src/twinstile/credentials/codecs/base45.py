"""Base45 (RFC 9285): three characters c, d, e are the two bytes of c + 45 d + 45² e.

The digits of a text are one long integer of three-byte lanes, so that a handful of operations
works on all of them at once: a tenth of the time that a loop takes.
"""

from typing import Final

from twinstile.credentials.codecs import bounded
from twinstile.credentials.types import CredentialOutcome, CredentialRefused

_ALPHABET: Final = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"
_NONE: Final = 0xFF
_DIGITS: Final = bytes(
    _ALPHABET.index(code) if code in _ALPHABET else _NONE for code in range(256)
)
_LANES: Final = bounded.MOST_TEXT // 3 + 1
_LOWEST: Final = int.from_bytes(b"\0\0\xff" * _LANES)
_HIGHEST: Final = int.from_bytes(b"\xff\0\0" * _LANES)


def decode(text: str) -> bytes:
    """The bytes of a text of at most 8,192 characters; strict, without blanks at the ends."""
    try:
        digits = text.encode("ascii").translate(_DIGITS)
    except UnicodeEncodeError:
        raise CredentialRefused(CredentialOutcome.INVALID_ENCODING) from None
    lanes, rest = divmod(len(digits), 3)
    if len(digits) > bounded.MOST_TEXT or rest == 1 or _NONE in digits:
        raise CredentialRefused(CredentialOutcome.INVALID_ENCODING)
    if rest:
        digits += b"\0"
        lanes += 1
    packed = int.from_bytes(digits)  # a lane is 256² c + 256 d + e
    first, second = packed >> 16 & _LOWEST, packed >> 8 & _LOWEST
    values = 45**2 * packed - (45**2 * 256 - 45) * second - (45**2 * 256**2 - 1) * first
    found = bytearray(values.to_bytes(3 * lanes))
    if values & _HIGHEST or (rest and found[-2]):
        raise CredentialRefused(CredentialOutcome.INVALID_ENCODING)
    del found[::3]
    if rest:
        del found[-2]
    return bytes(found)
