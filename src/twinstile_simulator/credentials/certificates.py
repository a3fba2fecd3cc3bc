"""EU and WHO health certificates as they are printed, written after their specification.

Base45, zlib, COSE_Sign1, CWT (ehn-dcc-development/eu-dcc-hcert-spec), with X.509 signers.
"""

import zlib
from collections.abc import Mapping
from datetime import datetime

import cbor2
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.x509.oid import NameOID, ObjectIdentifier

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey

TESTS_ONLY = ObjectIdentifier("1.3.6.1.4.1.1847.2021.1.1")
"""The key usage of EU certificates of tests."""
HCERT = -260
_BASE45 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"


def generate_key() -> ec.EllipticCurvePrivateKey:
    """Generate a P-256 key."""
    return ec.generate_private_key(ec.SECP256R1())


def encode_public_key(private: PrivateKey) -> bytes:
    """The public key, DER SubjectPublicKeyInfo."""
    return private.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def sign_raw(private: ec.EllipticCurvePrivateKey, message: bytes) -> bytes:
    """Sign with ECDSA; the signature as r and s."""
    r, s = decode_dss_signature(private.sign(message, ec.ECDSA(hashes.SHA256())))
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def encode_base45(data: bytes) -> str:
    """Base45 (RFC 9285)."""
    digits: list[str] = []
    for at in range(0, len(data), 2):
        pair = data[at : at + 2]
        value = int.from_bytes(pair, "big")
        for _ in range(len(pair) + 1):
            value, digit = divmod(value, 45)
            digits.append(_BASE45[digit])
    return "".join(digits)


def encode_code(message: bytes) -> str:
    """A COSE message as the text of its QR code."""
    return "HC1:" + encode_base45(zlib.compress(message, 9))


def sign_cose(
    private: PrivateKey,
    payload: bytes,
    protected: Mapping[int, object],
    unprotected: Mapping[int, object],
    printed: bytes | None = None,
) -> bytes:
    """A tagged COSE_Sign1; a forged one carries `printed` instead of what was signed."""
    head = cbor2.dumps(protected)
    signed = cbor2.dumps(["Signature1", head, b"", payload])
    if isinstance(private, rsa.RSAPrivateKey):
        pss = padding.PSS(padding.MGF1(hashes.SHA256()), salt_length=32)
        signature = private.sign(signed, pss, hashes.SHA256())
    else:
        signature = sign_raw(private, signed)
    parts = [head, unprotected, printed or payload, signature]
    return cbor2.dumps(cbor2.CBORTag(18, parts))


def encode_health_certificate(
    private: PrivateKey,
    claims: Mapping[object, object],
    kid: bytes,
    printed: Mapping[object, object] | None = None,
) -> str:
    """The text of a health certificate of these claims."""
    alg = -7 if isinstance(private, ec.EllipticCurvePrivateKey) else -37
    forged = cbor2.dumps(printed) if printed else None
    message = sign_cose(private, cbor2.dumps(claims), {1: alg, 4: kid}, {}, forged)
    return encode_code(message)


def issue_x509(
    private: PrivateKey,
    issuer: PrivateKey,
    period: tuple[datetime, datetime],
    *,
    authority: bool = False,
    usages: tuple[ObjectIdentifier, ...] = (),
    country: str = "UT",
) -> bytes:
    """The DER of an authority's certificate, signed by itself, or of a signer's."""
    name = x509.Name([x509.NameAttribute(NameOID.COUNTRY_NAME, country)])
    builder = (
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
        builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=True)
    return builder.sign(issuer, hashes.SHA256()).public_bytes(serialization.Encoding.DER)
