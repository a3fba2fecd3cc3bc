"""Credentials of invented people, for benchmarks and tests: what is in them unless told.

How they are written is in `twinstile_simulator.credentials.forms`.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

from twinstile.credentials.trust import Domain, TrustedKey
from twinstile.credentials.types import Outcome
from twinstile_simulator.credentials import forms
from twinstile_simulator.credentials.forms import (
    PrivateKey,
    b64url,
    base45,
    code,
    cose,
    jwk,
    key,
    numeric,
    raw,
    spki,
)

__all__ = [
    "b64url", "base45", "certificate", "claims", "code", "cose", "dcc", "jwk", "jws", "key",
    "numeric", "raw", "seal", "spki", "trusted",
]  # fmt: skip

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


GENUINE: Final = Outcome.SUBJECT_UNCONFIRMED
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
    return {**found, forms.HCERT: {sub: body}}


def dcc(
    private: PrivateKey, content: Mapping[object, object] | None = None, kid: bytes = KID
) -> str:
    """A health certificate; by default an EU one that holds."""
    return forms.hcert(private, content or claims(CERTIFICATE), kid)


def jws(
    private: forms.CardKey, content: Mapping[str, object] | None = None, **head: object
) -> str:
    """A SMART Health Card; members of its header may be given, None leaves one out."""
    return forms.jws(private, content or CARD, None, **head)


def certificate(
    private: PrivateKey,
    issuer: PrivateKey,
    *,
    authority: bool = False,
    usages: tuple[forms.Usage, ...] = (forms.SEAL_SIGNER,),
) -> bytes:
    """DER of two years around `NOW`: an authority's, or a signer's, who may sign seals."""
    year = timedelta(days=365)
    return forms.certificate(
        private,
        issuer,
        (NOW - year, NOW + year),
        authority=authority,
        usages=() if authority else usages,
    )


def seal(
    private: forms.CardKey, signer: bytes, data: Mapping[str, object] | None = None
) -> str:
    """A visible digital seal with its signer's certificate."""
    return forms.seal(private, signer, data or SEAL)
