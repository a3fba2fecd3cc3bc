"""SMART Health Cards: a JWS of a deflated FHIR bundle, as text, digits or file.

Source: HL7 SMART Health Cards and Links 1.0. Several codes for one card are deprecated there
and read here up to three. FHIR is read as plain objects; what is not known counts as absent.
"""

import binascii
import re
from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from typing import Final, cast

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

PREFIX: Final = "shc:/"
MOST_INFLATED: Final = 256 << 10
MOST_FILE: Final = 16 << 10
MOST_CHUNKS: Final = 3

_RAW_DEFLATE: Final = -15
_TYPE: Final = "https://smarthealth.cards#health-card"
_CHUNK: Final = re.compile(r"shc:/([1-9])/([1-9])/([0-9]+)")
_NONE: Final = 0xFF
_PAIRS: Final = bytes(
    45 + 10 * (pair >> 4) + (pair & 15) if pair >> 4 < 10 and pair & 15 < 10 else _NONE
    for pair in range(256)
)
"""Two digits, read as one hexadecimal byte, to the character they stand for."""
_KINDS: Final = {
    "Immunization": EvidenceKind.VACCINATION,
    "Observation": EvidenceKind.TEST,
    "DiagnosticReport": EvidenceKind.TEST,
}


def jws(scanned: str) -> str:
    """The card in what was scanned: a JWS, digits, or all codes of one card in any order."""
    if not scanned.startswith(PREFIX):
        return scanned
    if "/" not in (digits := scanned[len(PREFIX) :]):
        return _characters(digits)
    parts = scanned.split()
    found: dict[int, str] = {}
    for part in parts[: MOST_CHUNKS + 1]:
        chunk = _CHUNK.fullmatch(part)
        if chunk is None or int(chunk[2]) != len(parts) or len(parts) > MOST_CHUNKS:
            raise CredentialRefused(CredentialOutcome.INVALID_ENCODING)
        found[int(chunk[1])] = _characters(chunk[3])
    if sorted(found) != list(range(1, len(parts) + 1)):
        raise CredentialRefused(CredentialOutcome.INVALID_ENCODING)
    return "".join(found[number] for number in sorted(found))


def cards(file: str) -> Sequence[str]:
    """The cards of a `.smart-health-card` file."""
    if len(file) > MOST_FILE:
        raise CredentialRefused(CredentialOutcome.INVALID_ENCODING)
    found = items(bounded.json(_utf8(file)).get("verifiableCredential"))
    if not found or not all(isinstance(card, str) for card in found):
        raise CredentialRefused(CredentialOutcome.INVALID_ENCODING)
    return cast("list[str]", found)


def read(scanned: str) -> CoseMessage:
    """The signed message of a card."""
    if len(scanned) > bounded.MOST_TEXT:
        raise CredentialRefused(CredentialOutcome.INVALID_ENCODING)
    card = _utf8(jws(scanned))
    signed, dot, signature = card.rpartition(b".")
    header, _, payload = signed.partition(b".")
    if not dot or not payload or b"." in payload:
        raise CredentialRefused(CredentialOutcome.INVALID_SIGNING_FORMAT)
    kid = _kid(header)
    raw = bounded.base64url(signature)
    if len(raw) != RAW_BYTES:
        raise CredentialRefused(CredentialOutcome.INVALID_SIGNING_FORMAT)
    return CoseMessage(Scheme.SHC, Alg.ES256, kid, signed, bounded.base64url(payload), raw)


def content(payload: bytes, issuers: Collection[str]) -> Content:
    """What the payload says, if it names one of the issuers its signature's key belongs to."""
    inflated = bounded.inflate(payload, limit=MOST_INFLATED, window=_RAW_DEFLATE)
    claims = bounded.json(inflated)
    if text(claims.get("iss")) not in issuers:
        raise CredentialRefused(CredentialOutcome.ISSUER_NOT_TRUSTED)
    card = bounded.mapping(claims.get("vc"))
    if _TYPE not in items(card.get("type")):
        raise CredentialRefused(CredentialOutcome.INVALID_CONTENT)
    types = [resource.get("resourceType") for resource in _resources(claims)]
    issued = bounded.number(claims.get("nbf"))
    return Content(
        Scheme.SHC,
        frozenset([kind for one in types if (kind := _KINDS.get(text(one)))]),
        claims,
        issued,
        bounded.number(claims.get("exp")),
        issued is not None and types.count("Patient") <= 1,
    )


def issuer(payload: bytes) -> str:
    """The address of the issuer, by its own word."""
    inflated = bounded.inflate(payload, limit=MOST_INFLATED, window=_RAW_DEFLATE)
    return text(bounded.json(inflated).get("iss"))


def holder(body: Mapping[str, object]) -> Holder:
    """The patient; nobody, where a card has none."""
    for resource in _resources(body):
        if resource.get("resourceType") == "Patient":
            return _patient(resource)
    return Holder()


def ids(body: Mapping[str, object]) -> Sequence[tuple[str, str]]:
    rid = text(bounded.mapping(body.get("vc")).get("rid"))
    return [("", rid)] if rid else []


def _resources(claims: Mapping[str, object]) -> Sequence[Mapping[str, object]]:
    subject = bounded.mapping(bounded.mapping(claims.get("vc")).get("credentialSubject"))
    entries = items(bounded.mapping(subject.get("fhirBundle")).get("entry"))
    return [bounded.mapping(bounded.mapping(one).get("resource")) for one in entries]


def _characters(digits: str) -> str:
    try:
        return binascii.unhexlify(digits).translate(_PAIRS).decode("ascii")
    except ValueError:  # an odd count, no digits, or pairs that stand for nothing
        raise CredentialRefused(CredentialOutcome.INVALID_ENCODING) from None


def _utf8(value: str) -> bytes:
    try:
        return value.encode()
    except UnicodeEncodeError:
        raise CredentialRefused(CredentialOutcome.INVALID_ENCODING) from None


@lru_cache(maxsize=128)
def _kid(header: bytes) -> bytes:
    """The key id of a header that says what every card's header says."""
    found = bounded.json(bounded.base64url(header))
    if found.get("alg") != "ES256" or found.get("zip") != "DEF":
        raise CredentialRefused(CredentialOutcome.INVALID_SIGNING_FORMAT)
    kid = text(found.get("kid"))
    if not kid:
        raise CredentialRefused(CredentialOutcome.KID_NOT_INCLUDED)
    return kid.encode()


def _patient(patient: Mapping[str, object]) -> Holder:
    names = [bounded.mapping(one) for one in items(patient.get("name"))]
    name = names[0] if names else {}
    return Holder(
        family=text(name.get("family")),
        given=" ".join(map(text, items(name.get("given")))),
        whole="" if "family" in name else text(name.get("text")),
        born=text(patient.get("birthDate")),
    )
