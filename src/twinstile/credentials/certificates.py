"""Certificates and keys of issuers, read as they are found in the field.

Some are not quite DER, and a strict reader of X.509 refuses them; what is needed of them is
read leniently, and a key counts only if it is of a kind that verifies something here.
"""

import binascii
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Protocol, cast

from asn1crypto import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)

from twinstile.credentials.codecs import bounded
from twinstile.credentials.codecs.bounded import text
from twinstile.credentials.codecs.message import loaded
from twinstile.credentials.trust import Domain, TrustedKey
from twinstile.credentials.types import CredentialRefused, EvidenceKind

MOST_BYTES: Final = 8192
SEAL_SIGNER: Final = "2.23.136.1.1.14.2"
"""Extended key usage of a signer of VDS-NC health seals."""
KID_BYTES: Final = 8

_HEALTH: Final = {
    f"{arc}.{number}": kind
    for arc in ("1.3.6.1.4.1.1847.2021.1", "1.3.6.1.4.1.0.1847.2021.1")  # the second by mistake
    for number, kind in enumerate(
        (EvidenceKind.TEST, EvidenceKind.VACCINATION, EvidenceKind.RECOVERY), 1
    )
}
_HASHES: Final[Mapping[str, hashes.HashAlgorithm]] = {
    "sha256": hashes.SHA256(),
    "sha384": hashes.SHA384(),
    "sha512": hashes.SHA512(),
}
_COORDINATE: Final = 32
_POINT: Final = bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d03010703420004")
"""What stands before x and y in the SubjectPublicKeyInfo of a key on P-256."""


class _Node(Protocol):
    """A value of asn1crypto, which comes without types."""

    native: Mapping[str, object]

    def dump(self) -> bytes: ...

    def __getitem__(self, name: str) -> "_Node": ...


class _Usage(Protocol):
    dotted: str


class _Parsed(Protocol):
    subject: _Node
    issuer: _Node
    not_valid_before: datetime
    not_valid_after: datetime
    extended_key_usage_value: Sequence[_Usage] | None
    key_identifier: bytes | None
    authority_key_identifier: bytes | None
    ca: bool | None
    signature: bytes
    signature_algo: str
    hash_algo: str

    def __getitem__(self, name: str) -> _Node: ...


class _Loader(Protocol):
    def load(self, encoded_data: bytes, *, strict: bool) -> _Parsed: ...


class UnusableKey(ValueError):
    """A certificate or key that cannot be read, or that nothing here verifies by."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """What is needed of a certificate."""

    spki: bytes = field(repr=False)
    country: str
    """Of the subject; empty where it names none."""
    not_before: datetime
    not_after: datetime
    usages: frozenset[str] | None
    """Extended key usages, dotted; None where there are none, so that nothing is ruled out."""
    key_id: bytes
    """Subject key identifier, may be empty."""
    authority_id: bytes
    subject: bytes = field(repr=False)
    issuer: bytes = field(repr=False)
    authority: bool
    sha256: bytes
    signed: bytes = field(repr=False)
    signature: bytes = field(repr=False)
    algorithm: bytes = field(repr=False)
    """Of the signature on it, as it was signed."""
    signed_by: tuple[str, str]
    """Algorithm and digest of the signature on it."""

    @property
    def kid(self) -> bytes:
        """As health certificates name the key."""
        return self.sha256[:KID_BYTES]


def read(der: bytes) -> Certificate:
    """Raises UnusableKey."""
    if len(der) > MOST_BYTES:
        raise UnusableKey("longer than any certificate")
    try:
        return _read(der)
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
        raise UnusableKey("no certificate") from error


def _read(der: bytes) -> Certificate:
    parsed = cast("_Loader", x509.Certificate).load(der, strict=True)
    body = parsed["tbs_certificate"]
    usages = parsed.extended_key_usage_value
    country = parsed.subject.native.get("country_name")
    return Certificate(
        spki=body["subject_public_key_info"].dump(),
        country=country.upper() if isinstance(country, str) else "",
        not_before=parsed.not_valid_before,
        not_after=parsed.not_valid_after,
        usages=frozenset(one.dotted for one in usages) if usages else None,
        key_id=parsed.key_identifier or b"",
        authority_id=parsed.authority_key_identifier or b"",
        subject=parsed.subject.dump(),
        issuer=parsed.issuer.dump(),
        authority=bool(parsed.ca),
        sha256=hashlib.sha256(der).digest(),
        signed=body.dump(),
        signature=parsed.signature,
        algorithm=body["signature"].dump(),
        signed_by=(parsed.signature_algo, parsed.hash_algo),
    )


def issued_by(certificate: Certificate, spki: bytes) -> bool:
    """Whether the owner of that key signed the certificate; says nothing of its dates."""
    scheme, digest = certificate.signed_by
    chosen = _HASHES.get(digest)
    try:
        key = serialization.load_der_public_key(spki)
        match key:
            case rsa.RSAPublicKey() if chosen and key.key_size in _AUTHORITY_BITS:
                filled = (
                    padding.PSS(padding.MGF1(chosen), padding.PSS.AUTO)
                    if scheme == "rsassa_pss"
                    else padding.PKCS1v15()
                )
                key.verify(certificate.signature, certificate.signed, filled, chosen)
                return True
            case ec.EllipticCurvePublicKey() if chosen:
                key.verify(certificate.signature, certificate.signed, ec.ECDSA(chosen))
                return True
            case _:
                return False
    except (InvalidSignature, UnsupportedAlgorithm, ValueError):
        return False


def ids(certificate: Certificate, spki: bytes) -> frozenset[bytes]:
    """The certificate's id, and those of everything that is as good a certificate.

    Whoever shows one may write what its authority, of that key, did not sign another way: other
    lengths around it, another algorithm named, (r, n - s) for (r, s). The id is over all of it.
    """
    signatures = [certificate.signature]
    key = serialization.load_der_public_key(spki)
    if isinstance(key, ec.EllipticCurvePublicKey):
        r, s = decode_dss_signature(certificate.signature)
        signatures.append(encode_dss_signature(r, key.curve.group_order - s))
    before = certificate.signed + certificate.algorithm
    written = (_tlv(0x30, before + _tlv(0x03, b"\0" + one)) for one in signatures)
    return frozenset(hashlib.sha256(one).digest()[:KID_BYTES] for one in written) | {
        certificate.kid
    }


def _tlv(tag: int, content: bytes) -> bytes:
    """As DER has it."""
    size = len(content)
    if size < 0x80:
        return bytes((tag, size)) + content
    length = size.to_bytes((size.bit_length() + 7) // 8)
    return bytes((tag, 0x80 | len(length))) + length + content


def kinds(certificate: Certificate) -> frozenset[EvidenceKind] | None:
    """What a signer of health certificates may sign; None: everything.

    A list of usages that names nothing of health allows nothing of health.
    """
    if certificate.usages is None:
        return None
    return frozenset(_HEALTH[one] for one in certificate.usages if one in _HEALTH)


def signer(certificate: Certificate, domain: Domain, issuer: str | None = None) -> TrustedKey:
    """The key of a document signer, by the id that health certificates name it by.

    However its certificate writes it (a point compressed, RSA by another name), it is the one
    key of all its ids, and written so that browsers read it. Raises UnusableKey for a key of a
    kind or size that verifies no credential here.
    """
    if loaded(certificate.spki) is None:
        raise UnusableKey("neither P-256 nor RSA of 2,048 to 4,096 bits")
    return TrustedKey(
        kid=certificate.kid,
        spki=serialization.load_der_public_key(certificate.spki).public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        ),
        domain=domain,
        issuer=issuer or certificate.country,
        kinds=kinds(certificate),
        not_before=certificate.not_before,
        not_after=certificate.not_after,
    )


def authority(certificate: Certificate, issuer: str | None = None) -> TrustedKey:
    """The key of a state's signing authority, which vouches for the signers of seals."""
    if not certificate.authority or not certificate.key_id:
        raise UnusableKey("no authority")
    return TrustedKey(
        kid=certificate.key_id,
        spki=certificate.spki,
        domain=Domain.VDS_NC,
        issuer=issuer or certificate.country,
        not_before=certificate.not_before,
        not_after=certificate.not_after,
    )


def of_jwk(jwk: Mapping[str, object], domain: Domain, issuer: str, kid: bytes) -> TrustedKey:
    """A key on P-256 as JSON has it, its coordinates too short or too long by zero bytes."""
    if jwk.get("kty") != "EC" or jwk.get("crv") != "P-256":
        raise UnusableKey("not on P-256")
    spki = _POINT + _coordinate(jwk.get("x")) + _coordinate(jwk.get("y"))
    if loaded(spki) is None:
        raise UnusableKey("no point of P-256")
    return TrustedKey(kid=kid, spki=spki, domain=domain, issuer=issuer)


def of_card_issuer(jwk: Mapping[str, object], issuer: str) -> TrustedKey:
    """The key of an issuer of SMART Health Cards, whose id is its thumbprint (RFC 7638)."""
    kid = text(jwk.get("kid"))
    if "d" in jwk:
        raise UnusableKey("its private half is published with it")
    if jwk.get("use", "sig") != "sig" or jwk.get("alg", "ES256") != "ES256":
        raise UnusableKey("for something else than signing cards")
    if not issuer.startswith("https://") or issuer.endswith("/"):
        raise UnusableKey("the issuer is no address such as cards name")
    if kid != thumbprint(jwk):
        raise UnusableKey("the id is not the thumbprint of the key")
    return of_jwk(jwk, Domain.SHC, issuer, kid.encode())


def thumbprint(jwk: Mapping[str, object]) -> str:
    members = ",".join(f'"{name}":"{text(jwk.get(name))}"' for name in ("crv", "kty", "x", "y"))
    digest = hashlib.sha256(f"{{{members}}}".encode()).digest()
    return binascii.b2a_base64(digest, newline=False).rstrip(b"=").translate(_URL).decode()


def _coordinate(value: object) -> bytes:
    try:
        found = bounded.base64url(text(value).encode())
    except CredentialRefused as error:
        raise UnusableKey("a coordinate is no base64") from error
    shortened = found.lstrip(b"\0")
    if not shortened or len(shortened) > _COORDINATE:
        raise UnusableKey("a coordinate is of another curve")
    return shortened.rjust(_COORDINATE, b"\0")


_AUTHORITY_BITS: Final = range(2048, 8193)
_URL: Final = bytes.maketrans(b"+/", b"-_")
