"""A signed message of a credential, and whether a key made its signature.

Two algorithms are known, as the schemes prescribe: ECDSA on P-256, and RSA-PSS of 2,048 to
4,096 bits, both with SHA-256. A key of another kind verifies nothing, whatever a header says.
"""

import hashlib
from dataclasses import dataclass, field
from enum import Enum
from functools import lru_cache
from typing import Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

from twinstile.credentials.types import Scheme

RSA_BITS: Final = range(2048, 4097)
RAW_BYTES: Final = 64
"""Of an ECDSA signature on P-256: r and s side by side."""


class Alg(Enum):
    ES256 = -7  # as COSE numbers them
    PS256 = -37


@dataclass(frozen=True, slots=True)
class Message:
    form: Scheme
    alg: Alg
    kid: bytes
    signed: bytes = field(repr=False)
    """What the signature is over."""
    payload: bytes = field(repr=False)
    signature: bytes = field(repr=False)

    @property
    def mark(self) -> bytes:
        """What the signature is remembered by: r alone, for (r, n - s) is as good a one."""
        return self.signature[: RAW_BYTES // 2] if self.alg is Alg.ES256 else self.signature


_PREHASHED: Final = Prehashed(hashes.SHA256())
_ECDSA: Final = ec.ECDSA(_PREHASHED)
_PSS: Final = padding.PSS(padding.MGF1(hashes.SHA256()), salt_length=32)


@lru_cache(maxsize=4096)
def loaded(spki: bytes) -> ec.EllipticCurvePublicKey | rsa.RSAPublicKey | None:
    """The key, if it is one that verifies anything here."""
    try:
        key = serialization.load_der_public_key(spki)
    except (ValueError, UnsupportedAlgorithm):
        return None
    match key:
        case ec.EllipticCurvePublicKey() if isinstance(key.curve, ec.SECP256R1):
            return key
        case rsa.RSAPublicKey() if key.key_size in RSA_BITS:
            return key
        case _:
            return None


def verifies(message: Message, spki: bytes) -> bool:
    """Whether the signature of the message was made by that key's owner."""
    key = loaded(spki)
    digest = hashlib.sha256(message.signed).digest()
    try:
        if message.alg is Alg.ES256 and isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(der(message.signature), digest, _ECDSA)
            return True
        if message.alg is Alg.PS256 and isinstance(key, rsa.RSAPublicKey):
            key.verify(message.signature, digest, _PSS, _PREHASHED)
            return True
    except InvalidSignature:
        pass
    return False


def der(raw: bytes) -> bytes:
    """R and s as OpenSSL reads them; of a signature of another length, one that never holds."""
    if len(raw) != RAW_BYTES:
        return b""
    r, s = raw[:32].lstrip(b"\0"), raw[32:].lstrip(b"\0")
    if not r or not s:
        return b""
    if r[0] & 0x80:
        r = b"\0" + r
    if s[0] & 0x80:
        s = b"\0" + s
    return b"\x30%c\x02%c%b\x02%c%b" % (len(r) + len(s) + 4, len(r), r, len(s), s)
