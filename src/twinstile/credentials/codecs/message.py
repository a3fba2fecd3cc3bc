"""A signed message of a credential, and whether a key made its signature.

Two algorithms are known, as the schemes prescribe: ECDSA on P-256, and RSA-PSS of 2,048 to
4,096 bits, both with SHA-256. A key of another kind verifies nothing, whatever a header says.
"""

import hashlib
from collections.abc import Callable
from enum import Enum
from functools import lru_cache
from typing import Final, NamedTuple

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from typing_extensions import override

from twinstile.credentials.types import Scheme

RSA_BITS: Final = range(2048, 4097)
RAW_BYTES: Final = 64
"""Of an ECDSA signature on P-256: r and s side by side."""


class Alg(Enum):
    ES256 = -7  # as COSE numbers them
    PS256 = -37


class CoseMessage(NamedTuple):
    form: Scheme
    alg: Alg
    kid: bytes
    signed: bytes
    """What the signature is over."""
    payload: bytes
    signature: bytes

    @property
    def mark(self) -> bytes:
        """What the signature is remembered by: r alone, for (r, n - s) is as good a one."""
        return self.signature[: RAW_BYTES // 2] if self.alg is Alg.ES256 else self.signature

    @override
    def __repr__(self) -> str:
        return f"Message({self.form})"


_PREHASHED: Final = Prehashed(hashes.SHA256())
_ECDSA: Final = ec.ECDSA(_PREHASHED)
_PSS: Final = padding.PSS(padding.MGF1(hashes.SHA256()), salt_length=32)

Check = Callable[[bytes, bytes], None]
"""Of a signature and a digest; raises InvalidSignature."""


@lru_cache(maxsize=4096)
def loaded(spki: bytes) -> tuple[Alg, Check] | None:
    """What a key verifies and how; None: nothing here."""
    try:
        key = serialization.load_der_public_key(spki)
    except (ValueError, UnsupportedAlgorithm):
        return None
    match key:
        case ec.EllipticCurvePublicKey() if isinstance(key.curve, ec.SECP256R1):
            return Alg.ES256, lambda raw, digest: key.verify(der(raw), digest, _ECDSA)
        case rsa.RSAPublicKey() if key.key_size in RSA_BITS:
            return Alg.PS256, lambda raw, digest: key.verify(raw, digest, _PSS, _PREHASHED)
        case _:
            return None


def verifies(message: CoseMessage, spki: bytes) -> bool:
    """Whether the signature of the message was made by that key's owner."""
    known = loaded(spki)
    if known is None or known[0] is not message.alg:
        return False
    try:
        known[1](message.signature, hashlib.sha256(message.signed).digest())
    except InvalidSignature:
        return False
    return True


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
