"""Health certificates in the EU's container, which WHO took over: HC1, base45, zlib, COSE, CWT.

Source: ehn-dcc-development/eu-dcc-hcert-spec; sub-claims: WorldHealthOrganization/smart-trust.
"""

import zlib
from typing import Final

from twinstile.credentials.codecs import base45, bounded, cose, dcc, who
from twinstile.credentials.codecs.message import CoseMessage
from twinstile.credentials.types import Content, CredentialOutcome, CredentialRefused, Scheme

PREFIX: Final = "HC1:"
MOST_INFLATED: Final = 12 << 10
"""Bytes; what a QR code can hold is less than a quarter, before it is inflated."""

_ISSUER: Final = 1
_EXPIRES: Final = 4
_NOT_BEFORE: Final = 5
_ISSUED: Final = 6
_HCERT: Final = -260
_READERS: Final = {
    1: dcc.content,
    3: who.document,
    4: who.document,
    -6: who.vaccination,
}
"""By sub-claim."""


def read(text: str) -> CoseMessage:
    """The signed message of a code."""
    if not text.startswith(PREFIX):
        raise CredentialRefused(CredentialOutcome.NOT_SUPPORTED)
    packed = base45.decode(text[len(PREFIX) :])
    data = bounded.inflate(packed, limit=MOST_INFLATED, window=zlib.MAX_WBITS)
    return cose.read(data, Scheme.HCERT)


def content(payload: bytes) -> Content:
    """What the payload says; for payloads whose signature holds."""
    claims = bounded.claims(payload)
    if _HCERT not in claims:  # the core data set of early WHO codes, without claims around it
        return who.document(bounded.mapping(claims), None, None)
    begins = bounded.number(claims.get(_ISSUED))
    if _NOT_BEFORE in claims:
        begins = max(begins or 0.0, bounded.number(claims[_NOT_BEFORE]) or 0.0)
    expires = bounded.number(claims.get(_EXPIRES))
    for sub, body in bounded.numbered(claims[_HCERT]).items():
        if isinstance(sub, int) and sub in _READERS:
            return _READERS[sub](bounded.mapping(body), begins, expires)
    raise CredentialRefused(CredentialOutcome.NOT_SUPPORTED)


def issuer(payload: bytes) -> str:
    """The state that issued it, by its own word; not always where the dose was given."""
    return bounded.text(bounded.numbered(bounded.cbor(payload)).get(_ISSUER))
