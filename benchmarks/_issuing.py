"""Credentials of invented people, for benchmarks and tests: what is in them unless told.

EU and WHO certificates: `twinstile_simulator.credentials.certificates`. SMART Health Cards:
JWS of deflated JSON (HL7 SMART Health Cards and Links). VDS-NC: canonical JSON with its
signer's certificate (ICAO).
"""

import base64
import hashlib
import json
import zlib
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ObjectIdentifier

from twinstile.credentials.trust import Domain, TrustedKey
from twinstile.credentials.types import CredentialOutcome
from twinstile_simulator.credentials.certificates import (
    HCERT,
    PrivateKey,
    encode_health_certificate,
    issue_x509,
)
from twinstile_simulator.credentials.certificates import encode_base45 as base45
from twinstile_simulator.credentials.certificates import encode_code as code
from twinstile_simulator.credentials.certificates import encode_public_key as spki
from twinstile_simulator.credentials.certificates import generate_key as key
from twinstile_simulator.credentials.certificates import sign_cose as cose
from twinstile_simulator.credentials.certificates import sign_raw as raw

__all__ = [
    "b64url", "base45", "certificate", "claims", "code", "cose", "dcc", "jwk", "jws", "key",
    "numeric", "raw", "seal", "spki", "trusted",
]  # fmt: skip

CardKey = ec.EllipticCurvePrivateKey
SEAL_SIGNER = ObjectIdentifier("2.23.136.1.1.14.2")
"""The key usage of signers of health seals."""
NOW = datetime(2026, 7, 1, 12, tzinfo=UTC)
SECOND = int(NOW.timestamp())
KID = bytes.fromhex("0123456789abcdef")
CARDS = "https://cards.example.org/issuer"

CERTIFICATE = {
    "ver": "1.3.0",
    "nam": {
        "fn": "Musterfrau-Gößinger",
        "fnt": "MUSTERFRAU<GOESSINGER",
        "gn": "Gabriele",
        "gnt": "GABRIELE",
    },
    "dob": "1998-02-26",
    "v": [
        {
            "tg": "840539006",
            "vp": "1119305005",
            "mp": "EU/1/20/1528",
            "ma": "ORG-100030215",
            "dn": 2,
            "sd": 2,
            "dt": "2026-02-18",
            "co": "AT",
            "is": "Ministry of Health, Austria",
            "ci": "URN:UVCI:01:AT:10807843F94AEE0EE5093FBC254BD813#B",
        }
    ],
}
CARD = {
    "iss": CARDS,
    "nbf": SECOND - 86_400,
    "vc": {
        "type": ["https://smarthealth.cards#health-card"],
        "credentialSubject": {
            "fhirVersion": "4.0.1",
            "fhirBundle": {
                "resourceType": "Bundle",
                "type": "collection",
                "entry": [
                    {
                        "fullUrl": "resource:0",
                        "resource": {
                            "resourceType": "Patient",
                            "name": [{"family": "Anyperson", "given": ["John", "B."]}],
                            "birthDate": "1951-01-20",
                        },
                    },
                    {
                        "fullUrl": "resource:1",
                        "resource": {
                            "resourceType": "Immunization",
                            "status": "completed",
                            "vaccineCode": {
                                "coding": [
                                    {"system": "http://hl7.org/fhir/sid/cvx", "code": "207"}
                                ]
                            },
                            "patient": {"reference": "resource:0"},
                            "occurrenceDateTime": "2026-01-01",
                            "lotNumber": "0000001",
                        },
                    },
                ],
            },
        },
    },
}
SEAL = {
    "hdr": {"is": "UTO", "t": "icao.vacc", "v": 1},
    "msg": {
        "pid": {"dob": "1961-05-15", "i": "PA0941262", "n": "CITIZEN  JANE SUE", "sex": "F"},
        "uvci": "VB0009990012",
        "ve": [{"des": "XM68M6", "dis": "RA01.0", "nam": "Vaxzevria", "vd": [{"seq": 1}]}],
    },
}


GENUINE: Final = CredentialOutcome.SUBJECT_UNCONFIRMED
"""What one comes to that nothing speaks against, with nobody there to compare."""


def trusted(
    private: PrivateKey, domain: Domain = Domain.EU_DCC, kid: bytes = KID, **more: object
) -> TrustedKey:
    return TrustedKey(kid, spki(private), domain, **{"issuer": "UT", **more})  # pyright: ignore[reportArgumentType]


def claims(body: Mapping[str, object], sub: int = 1, **more: object) -> dict[object, object]:
    """A year of validity around `NOW`; `exp` and `iat` may be given."""
    found: dict[object, object] = {1: "UT", 4: SECOND + 86_400 * 180, 6: SECOND - 86_400}
    for name, claim in (("exp", 4), ("iat", 6)):
        if name in more:
            found[claim] = more[name]
        if found[claim] is None:
            del found[claim]
    return {**found, HCERT: {sub: body}}


def dcc(
    private: PrivateKey, content: Mapping[object, object] | None = None, kid: bytes = KID
) -> str:
    """A health certificate; by default an EU one that holds."""
    return encode_health_certificate(private, content or claims(CERTIFICATE), kid)


def jws(private: CardKey, content: Mapping[str, object] | None = None, **head: object) -> str:
    """A SMART Health Card; members of its header may be given, None leaves one out."""
    return _sign_card(private, content or CARD, None, **head)


def certificate(
    private: PrivateKey,
    issuer: PrivateKey,
    *,
    authority: bool = False,
    usages: tuple[ObjectIdentifier, ...] = (SEAL_SIGNER,),
) -> bytes:
    """DER of two years around `NOW`: an authority's, or a signer's, who may sign seals."""
    year = timedelta(days=365)
    return issue_x509(
        private,
        issuer,
        (NOW - year, NOW + year),
        authority=authority,
        usages=() if authority else usages,
    )


def seal(private: CardKey, signer: bytes, data: Mapping[str, object] | None = None) -> str:
    """A visible digital seal with its signer's certificate."""
    return _sign_seal(private, signer, data or SEAL)


def b64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def jwk(private: CardKey) -> dict[str, object]:
    """The public key, with its thumbprint (RFC 7638) as its id."""
    numbers = private.public_key().public_numbers()
    x, y = (b64url(one.to_bytes(32, "big")) for one in (numbers.x, numbers.y))
    members = f'{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}'
    kid = b64url(hashlib.sha256(members.encode()).digest())
    return {
        "kty": "EC",
        "crv": "P-256",
        "x": x,
        "y": y,
        "kid": kid,
        "use": "sig",
        "alg": "ES256",
    }


def _sign_card(
    private: CardKey,
    content: Mapping[str, object],
    printed: Mapping[str, object] | None = None,
    **head: object,
) -> str:
    """A SMART Health Card; members of its header may be given, None leaves one out."""
    header = {"zip": "DEF", "alg": "ES256", "kid": jwk(private)["kid"], **head}
    plain = b64url(json.dumps({k: v for k, v in header.items() if v is not None}).encode())
    signature = raw(private, f"{plain}.{_deflated(content)}".encode())
    return f"{plain}.{_deflated(printed or content)}.{b64url(signature)}"


def _deflated(content: Mapping[str, object]) -> str:
    deflate = zlib.compressobj(9, wbits=-15)
    return b64url(deflate.compress(json.dumps(content).encode()) + deflate.flush())


def numeric(card: str) -> str:
    """A card as the digits of its QR code."""
    return "shc:/" + "".join(f"{ord(one) - 45:02}" for one in card)


def _sign_seal(
    private: CardKey,
    signer: bytes,
    data: Mapping[str, object],
    printed: Mapping[str, object] | None = None,
) -> str:
    """A visible digital seal with its signer's certificate."""
    canonical = json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    sig = {
        "alg": "ES256",
        "cer": b64url(signer),
        "sigvl": b64url(raw(private, canonical.encode())),
    }
    return json.dumps({"data": printed or data, "sig": sig}, ensure_ascii=False)
