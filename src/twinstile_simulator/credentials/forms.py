"""Credentials as they are printed, written by hand after their specifications.

EU, WHO: base45, zlib, COSE_Sign1, CWT (ehn-dcc-development/eu-dcc-hcert-spec). SMART Health
Cards: JWS of deflated JSON (HL7 SMART Health Cards and Links). VDS-NC: canonical JSON with its
signer's certificate (ICAO). `printed` is what a forged one says instead of what was signed.
"""

import base64
import hashlib
import json
import zlib
from collections.abc import Mapping
from datetime import datetime

import cbor2
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.x509.oid import NameOID, ObjectIdentifier

CardKey = ec.EllipticCurvePrivateKey
Usage = ObjectIdentifier
PrivateKey = CardKey | rsa.RSAPrivateKey

SEAL_SIGNER = ObjectIdentifier("2.23.136.1.1.14.2")
TESTS_ONLY = ObjectIdentifier("1.3.6.1.4.1.1847.2021.1.1")
"""What a certificate allows its key to sign: health seals; EU certificates of tests."""
HCERT = -260
_BASE45 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"


def key() -> CardKey:
    return ec.generate_private_key(ec.SECP256R1())


def spki(private: PrivateKey) -> bytes:
    """The public key, DER SubjectPublicKeyInfo."""
    return private.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def raw(private: CardKey, message: bytes) -> bytes:
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
    printed: bytes | None = None,
) -> bytes:
    """A tagged COSE_Sign1."""
    head = cbor2.dumps(protected)
    signed = cbor2.dumps(["Signature1", head, b"", payload])
    if isinstance(private, rsa.RSAPrivateKey):
        filled = padding.PSS(padding.MGF1(hashes.SHA256()), salt_length=32)
        signature = private.sign(signed, filled, hashes.SHA256())
    else:
        signature = raw(private, signed)
    parts = [head, unprotected, printed or payload, signature]
    return cbor2.dumps(cbor2.CBORTag(18, parts))


def hcert(
    private: PrivateKey,
    claims: Mapping[object, object],
    kid: bytes,
    printed: Mapping[object, object] | None = None,
) -> str:
    """A health certificate of these claims."""
    alg = -7 if isinstance(private, CardKey) else -37
    forged = cbor2.dumps(printed) if printed else None
    return code(cose(private, cbor2.dumps(claims), {1: alg, 4: kid}, {}, forged))


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


def jws(
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


def certificate(
    private: PrivateKey,
    issuer: PrivateKey,
    period: tuple[datetime, datetime],
    *,
    authority: bool = False,
    usages: tuple[Usage, ...] = (),
    country: str = "UT",
) -> bytes:
    """DER: of an authority, signed by itself, or of a signer, signed by one."""
    name = x509.Name([x509.NameAttribute(NameOID.COUNTRY_NAME, country)])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(period[0])
        .not_valid_after(period[1])
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.public_key()),
            critical=False,
        )
        .add_extension(
            x509.SubjectKeyIdentifier.from_public_key(private.public_key()), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
    )
    if usages:
        made = made.add_extension(x509.ExtendedKeyUsage(usages), critical=True)
    return made.sign(issuer, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


def seal(
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
