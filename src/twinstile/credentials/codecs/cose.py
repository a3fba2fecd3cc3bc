"""COSE_Sign1 (RFC 9052): headers, payload and signature, and what the signature is over.

The payload is not looked at before its signature is known to hold. In the field the tag is
often left out or wrapped in that of a CWT, and one code in eight has its key id in the
unprotected header only; where both headers have a value, the protected one counts.
"""

from functools import lru_cache
from typing import Final

from twinstile.credentials.codecs import bounded
from twinstile.credentials.codecs.message import Alg, CoseMessage
from twinstile.credentials.types import CredentialOutcome, CredentialRefused, Scheme

_SIGN1: Final = b"\xd2"
_TAGS: Final = (b"\xd9\xd9\xf7", b"\xd8\x3d", _SIGN1)  # CBOR itself, CWT, COSE_Sign1
_ALG: Final = 1
_KID: Final = 4
_ALGORITHMS: Final = {alg.value: alg for alg in Alg}


def read(data: bytes, form: Scheme) -> CoseMessage:
    """A message whose parts are in place. Nothing is known of its signature yet."""
    parts = bounded.items(
        bounded.cbor(data[1:] if data.startswith(_SIGN1) else _untagged(data))
    )
    if len(parts) != 4:
        raise CredentialRefused(CredentialOutcome.INVALID_SIGNING_FORMAT)
    protected, found, payload, signature = parts
    if (
        type(protected) is not bytes
        or type(payload) is not bytes
        or type(signature) is not bytes
    ):
        raise CredentialRefused(CredentialOutcome.INVALID_SIGNING_FORMAT)
    unprotected = bounded.numbered(found)
    if not data.endswith(signature):
        raise CredentialRefused(
            CredentialOutcome.INVALID_SIGNING_FORMAT
        )  # something comes after it
    alg, kid, prefix = _header(protected)
    if unprotected:
        alg = alg if alg is not None else unprotected.get(_ALG)
        kid = kid if kid is not None else unprotected.get(_KID)
    if not isinstance(alg, int) or alg not in _ALGORITHMS:
        raise CredentialRefused(CredentialOutcome.INVALID_SIGNING_FORMAT)
    if not isinstance(kid, bytes):
        raise CredentialRefused(CredentialOutcome.KID_NOT_INCLUDED)
    signed = prefix + _head(len(payload)) + payload
    return CoseMessage(form, _ALGORITHMS[alg], kid, signed, payload, signature)


def _untagged(data: bytes) -> bytes:
    for tag in _TAGS * 2:  # in either order
        data = data.removeprefix(tag)
    return data


def _head(size: int) -> bytes:
    """The head of a byte string of less than 64 KiB, as short as it may be."""
    if size < 24:
        return bytes((0x40 + size,))
    return bytes((0x58, size)) if size < 0x100 else b"\x59" + size.to_bytes(2, "big")


@lru_cache(maxsize=128)
def _header(protected: bytes) -> tuple[object, object, bytes]:
    """Algorithm and key id of a protected header, and how what it signs begins."""
    header = bounded.numbered(bounded.cbor(protected) if protected else {})
    prefix = b"\x84\x6aSignature1" + _head(len(protected)) + protected + b"\x40"
    return header.get(_ALG), header.get(_KID), prefix
