"""ICAO visible digital seals for non-constrained environments: vaccination and test proofs.

JSON that brings the certificate of its signer along, signed over the canonical form (RFC 8785)
of `data`. Source: ICAO, VDS-NC technical report 1.4. Numbers are integers in practice, and only
those have one spelling in every canonical form; others are refused.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, cast

import orjson

from twinstile.credentials.codecs import bounded
from twinstile.credentials.codecs.bounded import items, text
from twinstile.credentials.codecs.message import RAW_BYTES, Alg, CoseMessage
from twinstile.credentials.types import (
    Content,
    CredentialOutcome,
    CredentialRefused,
    EvidenceKind,
    Holder,
    Scheme,
)

_KINDS: Final = {"icao.vacc": EvidenceKind.VACCINATION, "icao.test": EvidenceKind.TEST}
_EXACT: Final = 1 << 53
"""Integers below are the same in every reader of JSON."""


@dataclass(frozen=True, slots=True)
class Seal:
    message: CoseMessage
    """Without a key id: the certificate stands for it."""
    certificate: bytes


def read(scanned: str) -> Seal:
    """The signed message of a seal and the certificate it brings."""
    if len(scanned) > bounded.MOST_TEXT:
        raise CredentialRefused(CredentialOutcome.INVALID_ENCODING)
    try:
        seal = bounded.json(scanned.encode())
    except UnicodeEncodeError:
        raise CredentialRefused(CredentialOutcome.INVALID_ENCODING) from None
    data, sig = bounded.mapping(seal.get("data")), bounded.mapping(seal.get("sig"))
    if sig.get("alg") != "ES256":
        raise CredentialRefused(CredentialOutcome.INVALID_SIGNING_FORMAT)
    signature = bounded.base64url(text(sig.get("sigvl")).encode())
    if len(signature) != RAW_BYTES:
        raise CredentialRefused(CredentialOutcome.INVALID_SIGNING_FORMAT)
    certificate = bounded.base64url(text(sig.get("cer")).encode())
    if not certificate:
        raise CredentialRefused(CredentialOutcome.KID_NOT_INCLUDED)
    signed = _canonical(data)
    return Seal(
        CoseMessage(Scheme.VDS_NC, Alg.ES256, b"", signed, signed, signature), certificate
    )


def content(payload: bytes) -> Content:
    """What the seal says; for payloads whose signature holds."""
    data = bounded.json(payload)
    head, body = bounded.mapping(data.get("hdr")), bounded.mapping(data.get("msg"))
    kind = _KINDS.get(text(head.get("t")))
    if kind is None:
        raise CredentialRefused(CredentialOutcome.NOT_SUPPORTED)
    name = text(bounded.mapping(body.get("pid")).get("n"))
    return Content(
        scheme=Scheme.VDS_NC,
        kinds=frozenset({kind}),
        body=body,
        issued=None,
        expires=None,  # it is valid as long as its signer's certificate
        sound=bool(name and (items(body.get("ve")) or body.get("ts") or body.get("tr"))),
    )


def issuer(payload: bytes) -> str:
    """The state that issued it, by its own word."""
    return text(bounded.mapping(bounded.json(payload).get("hdr")).get("is"))


def holder(body: Mapping[str, object]) -> Holder:
    person = bounded.mapping(body.get("pid"))
    # the primary identifier is set off by two blanks
    family, _, given = text(person.get("n")).partition("  ")
    return Holder(
        family=family if given else "",
        given=given,
        whole="" if given else family,
        born=text(person.get("dob")),
        passport=text(person.get("i")) or text(person.get("dn")),
    )


def ids(body: Mapping[str, object]) -> Sequence[tuple[str, str]]:
    found = text(body.get("uvci")) or text(body.get("utci"))
    return [("", found)] if found else []


def _canonical(data: Mapping[str, object]) -> bytes:
    if not _exact(data):
        raise CredentialRefused(CredentialOutcome.INVALID_CONTENT)
    return orjson.dumps(data, option=orjson.OPT_SORT_KEYS)


def _exact(data: object) -> bool:
    """Whether it has one spelling; walked level by level, and refused beyond sixteen."""
    level: list[object] = [data]
    for _ in range(bounded.MOST_DEPTH):
        deeper: list[object] = []
        for value in level:
            match value:
                case dict():
                    found = cast("Mapping[str, object]", value)
                    if not all(key.isascii() for key in found):
                        return False
                    deeper.extend(found.values())
                case list():
                    deeper.extend(cast("list[object]", value))
                case float():
                    return False
                case int() if not -_EXACT < value < _EXACT:
                    return False
                case _:
                    pass
        level = deeper
    return not level
