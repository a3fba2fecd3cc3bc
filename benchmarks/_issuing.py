"""Credentials of invented people, signed by invented issuers, for benchmarks and tests."""

import base64
import hashlib
import json
import zlib
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import cbor2
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.x509.oid import NameOID, ObjectIdentifier

from twinstile.credentials import certificates
from twinstile.credentials.trust import Domain, TrustedKey

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey

NOW = datetime(2026, 7, 1, 12, tzinfo=UTC)
SECOND = int(NOW.timestamp())
KID = bytes.fromhex("0123456789abcdef")
CARDS = "https://cards.example.org/issuer"
SEAL_SIGNER = ObjectIdentifier(certificates.SEAL_SIGNER)

_BASE45 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"
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


def key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def trusted(
    private: PrivateKey, domain: Domain = Domain.EU_DCC, kid: bytes = KID, **more: object
) -> TrustedKey:
    return TrustedKey(kid, spki(private), domain, **{"issuer": "UT", **more})  # pyright: ignore[reportArgumentType]


def spki(private: PrivateKey) -> bytes:
    return private.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def raw(private: ec.EllipticCurvePrivateKey, message: bytes) -> bytes:
    """An ECDSA signature as r and s."""
    r, s = decode_dss_signature(private.sign(message, ec.ECDSA(hashes.SHA256())))
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def base45(data: bytes) -> str:
    found: list[str] = []
    for at in range(0, len(data), 2):
        pair = data[at : at + 2]
        value = int.from_bytes(pair, "big")
        for _ in range(len(pair) + 1):
            value, digit = divmod(value, 45)
            found.append(_BASE45[digit])
    return "".join(found)


def code(message: bytes) -> str:
    """A COSE message as it is printed."""
    return "HC1:" + base45(zlib.compress(message, 9))


def cose(
    private: PrivateKey,
    payload: bytes,
    protected: Mapping[int, object],
    unprotected: Mapping[int, object],
) -> bytes:
    """A tagged COSE_Sign1."""
    head = cbor2.dumps(protected)
    signed = cbor2.dumps(["Signature1", head, b"", payload])
    if isinstance(private, rsa.RSAPrivateKey):
        filled = padding.PSS(padding.MGF1(hashes.SHA256()), salt_length=32)
        signature = private.sign(signed, filled, hashes.SHA256())
    else:
        signature = raw(private, signed)
    return cbor2.dumps(cbor2.CBORTag(18, [head, unprotected, payload, signature]))


def claims(body: Mapping[str, object], sub: int = 1, **more: object) -> dict[object, object]:
    """A year of validity around `NOW`; `exp` and `iat` may be given."""
    found: dict[object, object] = {1: "UT", 4: SECOND + 86_400 * 180, 6: SECOND - 86_400}
    for name, claim in (("exp", 4), ("iat", 6)):
        if name in more:
            found[claim] = more[name]
        if found[claim] is None:
            del found[claim]
    return {**found, -260: {sub: body}}


def dcc(
    private: PrivateKey, content: Mapping[object, object] | None = None, kid: bytes = KID
) -> str:
    """A health certificate; by default an EU one that holds."""
    alg = -7 if isinstance(private, ec.EllipticCurvePrivateKey) else -37
    payload = cbor2.dumps(content or claims(CERTIFICATE))
    return code(cose(private, payload, {1: alg, 4: kid}, {}))


def b64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def jwk(private: ec.EllipticCurvePrivateKey) -> dict[str, object]:
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


def jws(
    private: ec.EllipticCurvePrivateKey,
    content: Mapping[str, object] | None = None,
    **head: object,
) -> str:
    """A SMART Health Card; members of its header may be given, None leaves one out."""
    header = {"zip": "DEF", "alg": "ES256", "kid": jwk(private)["kid"], **head}
    plain = json.dumps({k: v for k, v in header.items() if v is not None}).encode()
    deflate = zlib.compressobj(9, wbits=-15)
    packed = deflate.compress(json.dumps(content or CARD).encode()) + deflate.flush()
    signed = f"{b64url(plain)}.{b64url(packed)}"
    return f"{signed}.{b64url(raw(private, signed.encode()))}"


def numeric(card: str) -> str:
    return "shc:/" + "".join(f"{ord(one) - 45:02}" for one in card)


def certificate(
    private: PrivateKey,
    issuer: PrivateKey,
    *,
    authority: bool = False,
    usages: tuple[ObjectIdentifier, ...] = (SEAL_SIGNER,),
) -> x509.Certificate:
    """Of an authority, signed by itself, or of a signer, signed by one."""
    name = x509.Name([x509.NameAttribute(NameOID.COUNTRY_NAME, "UT")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - timedelta(days=365))
        .not_valid_after(NOW + timedelta(days=365))
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.public_key()),
            critical=False,
        )
        .add_extension(
            x509.SubjectKeyIdentifier.from_public_key(private.public_key()), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
    )
    if usages and not authority:
        made = made.add_extension(x509.ExtendedKeyUsage(usages), critical=True)
    return made.sign(issuer, hashes.SHA256())


def der(made: x509.Certificate) -> bytes:
    return made.public_bytes(serialization.Encoding.DER)


def seal(
    private: ec.EllipticCurvePrivateKey, signer: bytes, data: Mapping[str, object] | None = None
) -> str:
    """A visible digital seal with its signer's certificate."""
    data = data or SEAL
    canonical = json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    sig = {
        "alg": "ES256",
        "cer": b64url(signer),
        "sigvl": b64url(raw(private, canonical.encode())),
    }
    return json.dumps({"data": data, "sig": sig}, ensure_ascii=False)
