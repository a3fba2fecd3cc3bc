"""COSE_Sign1 (RFC 9052), read by hand as far as it is fixed.

Nothing of the payload is looked at: it is decoded when its signature is known to hold. In the
field the tag is often left out or wrapped in that of a CWT, and one code in eight has its key
id in the unprotected header only; where both headers have a value, the protected one counts.
"""

from functools import lru_cache
from typing import Final

from twinstile.credentials.codecs import bounded
from twinstile.credentials.codecs.message import Alg, Message
from twinstile.credentials.types import Outcome, Refused, Scheme

_TAGS: Final = (b"\xd2", b"\xd8\x3d", b"\xd9\xd9\xf7")  # COSE_Sign1, CWT, CBOR itself
_FOUR: Final = b"\x84"
_EMPTY_MAP: Final = b"\xa0"
_ALG: Final = 1
_KID: Final = 4
_MOST_HEADER: Final = 2048
_ALGORITHMS: Final = {alg.value: alg for alg in Alg}


def read(data: bytes, form: Scheme) -> Message:
    """A message whose parts are in place. Nothing is known of its signature yet."""
    at = 0
    for _ in _TAGS:
        at += next((len(tag) for tag in _TAGS if data.startswith(tag, at)), 0)
    if not data.startswith(_FOUR, at):
        raise Refused(Outcome.INVALID_SIGNING_FORMAT)
    protected, at = _bytes(data, at + 1)
    unprotected, at = _map(data, at)
    payload, at = _bytes(data, at)
    signature, at = _bytes(data, at)
    if at != len(data) or len(protected) > _MOST_HEADER:
        raise Refused(Outcome.INVALID_SIGNING_FORMAT)
    alg, kid, prefix = _header(protected)
    alg = alg if alg is not None else unprotected.get(_ALG)
    kid = kid if kid is not None else unprotected.get(_KID)
    if not isinstance(alg, int) or alg not in _ALGORITHMS:
        raise Refused(Outcome.INVALID_SIGNING_FORMAT)
    if not isinstance(kid, bytes):
        raise Refused(Outcome.KID_NOT_INCLUDED)
    signed = b"%b%b%b" % (prefix, _head(len(payload)), payload)
    return Message(form, _ALGORITHMS[alg], kid, signed, payload, signature)


def _bytes(data: bytes, at: int) -> tuple[bytes, int]:
    """A byte string of known length, and where it ends."""
    head = data[at] if at < len(data) else 0
    if 0x40 <= head < 0x58:
        size, at = head - 0x40, at + 1
    elif head in {0x58, 0x59, 0x5A}:
        wide = 1 << (head - 0x58)
        size, at = int.from_bytes(data[at + 1 : at + 1 + wide], "big"), at + 1 + wide
    else:
        raise Refused(Outcome.INVALID_SIGNING_FORMAT)
    end = at + size
    if end > len(data):
        raise Refused(Outcome.INVALID_SIGNING_FORMAT)
    return data[at:end], end


def _head(size: int) -> bytes:
    """The head of a byte string, as short as it may be."""
    if size < 24:
        return bytes([0x40 + size])
    if size < 0x100:
        return bytes([0x58, size])
    return (
        b"\x59%b" % size.to_bytes(2, "big") if size < 0x10000 else b"\x5a%b" % size.to_bytes(4)
    )


def _map(data: bytes, at: int) -> tuple[dict[object, object], int]:
    """The unprotected header, which anybody may have filled, and where it ends."""
    if data.startswith(_EMPTY_MAP, at):
        return {}, at + 1
    found, size = bounded.leading_cbor(data[at : at + _MOST_HEADER])
    return bounded.numbered(found), at + size


@lru_cache(maxsize=128)
def _header(protected: bytes) -> tuple[object, object, bytes]:
    """Algorithm and key id of a protected header, and how what it signs begins."""
    header = bounded.numbered(bounded.cbor(protected) if protected else {})
    prefix = b"\x84\x6aSignature1%b%b\x40" % (_head(len(protected)), protected)
    return header.get(_ALG), header.get(_KID), prefix
