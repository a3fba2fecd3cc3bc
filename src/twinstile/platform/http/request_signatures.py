"""Requests signed with a shared secret: HMAC-SHA256, or HMAC-SM3 (GB/T 32905).

What is signed are six lines: the method in upper case; path and query as they are sent, the
parts of the query between `&` sorted bytewise, and no `?` without a query; the digest of the
body (SHA-256 or SM3) in lower-case hex; the timestamp in Unix seconds; a nonce never used
before; the key's id. The signature is lower-case hex. As the digest is among what is signed, a
stranger is refused before a byte of the body is read.
"""

import datetime as dt
import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

KEY_ID: Final = "Feed-Key-Id"
TIMESTAMP: Final = "Feed-Timestamp"
NONCE: Final = "Feed-Nonce"
DIGEST: Final = "Feed-Digest"
SIGNATURE: Final = "Feed-Signature"

SKEW: Final = dt.timedelta(minutes=5)
"""How far the clocks of sender and receiver may be apart."""
LEAST_SECRET: Final = 16
_SHAPES: Final = {
    KEY_ID: re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII),
    TIMESTAMP: re.compile(r"[0-9]{1,12}", re.ASCII),
    NONCE: re.compile(r"[A-Za-z0-9._-]{16,64}", re.ASCII),
    DIGEST: re.compile(r"[0-9a-f]{64}", re.ASCII),
    SIGNATURE: re.compile(r"[0-9a-f]{64}", re.ASCII),
}


class Algorithm(StrEnum):
    HMAC_SHA256 = "HMAC-SHA256"
    HMAC_SM3 = "HMAC-SM3"


_HASHES: Final = {Algorithm.HMAC_SHA256: "sha256", Algorithm.HMAC_SM3: "sm3"}


class SignatureFault(Exception):
    """A request is not signed as it has to be; `reason` is a word of ours."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason: str = reason


@dataclass(frozen=True, slots=True)
class SharedKey:
    """A secret two sides hold. Raises `ValueError` where it is short, or has no hash here."""

    key_id: str
    secret: bytes = field(repr=False)
    algorithm: Algorithm = Algorithm.HMAC_SHA256

    def __post_init__(self) -> None:
        if not computable(self.algorithm):
            raise ValueError(f"this machine's OpenSSL has no {_HASHES[self.algorithm]}")
        if len(self.secret) < LEAST_SECRET:
            raise ValueError(f"a secret has at least {LEAST_SECRET} bytes")

    def digest(self, body: bytes) -> str:
        return hashlib.new(_HASHES[self.algorithm], body).hexdigest()

    def sign(self, text: str) -> str:
        return hmac.new(self.secret, text.encode(), _HASHES[self.algorithm]).hexdigest()


@dataclass(frozen=True, slots=True)
class SignedHead:
    """A request whose head is as it was signed. Its body still has to fit the digest."""

    key: SharedKey
    nonce: str
    digest: str

    def check(self, body: bytes) -> None:
        """Raise `SignatureFault` unless this is the body that was signed."""
        if not hmac.compare_digest(self.key.digest(body), self.digest):
            raise SignatureFault("digest-mismatch")


def computable(algorithm: Algorithm) -> bool:
    """Whether this machine has the hash; SM3 is not in every build of OpenSSL."""
    try:
        hashlib.new(_HASHES[algorithm])
    except ValueError:
        return False
    return True


def canonical(
    method: str, target: str, digest: str, timestamp: str, nonce: str, key_id: str
) -> str:
    """What is signed; `target` is path and query as they stand in the request line."""
    path, mark, query = target.partition("?")
    ordered = f"{path}?{'&'.join(sorted(query.split('&')))}" if mark and query else path
    return f"{method.upper()}\n{ordered}\n{digest}\n{timestamp}\n{nonce}\n{key_id}"


def headers(
    key: SharedKey, method: str, target: str, body: bytes, at: dt.datetime
) -> dict[str, str]:
    """What to send with a request so that the other side knows it is ours."""
    stamp, nonce = str(int(at.timestamp())), secrets.token_urlsafe(18)
    digest = key.digest(body)
    signature = key.sign(canonical(method, target, digest, stamp, nonce, key.key_id))
    return {
        KEY_ID: key.key_id,
        TIMESTAMP: stamp,
        NONCE: nonce,
        DIGEST: digest,
        SIGNATURE: signature,
    }


def verify(
    keys: Iterable[SharedKey],
    method: str,
    target: str,
    headers: Mapping[str, str],
    now: dt.datetime,
) -> SignedHead:
    """Check the head of a request; to keep the nonce is up to the caller.

    Raises `SignatureFault`.
    """
    given = {name: headers.get(name, "") for name in _SHAPES}
    if not all(given.values()):
        raise SignatureFault("signature-missing")
    if not all(shape.fullmatch(given[name]) for name, shape in _SHAPES.items()):
        raise SignatureFault("signature-malformed")
    key = next((one for one in keys if one.key_id == given[KEY_ID]), None)
    if key is None:
        raise SignatureFault("key-unknown")
    signed = canonical(
        method, target, given[DIGEST], given[TIMESTAMP], given[NONCE], given[KEY_ID]
    )
    if not hmac.compare_digest(key.sign(signed), given[SIGNATURE]):
        raise SignatureFault("signature-mismatch")
    if abs(int(given[TIMESTAMP]) - now.timestamp()) > SKEW.total_seconds():
        raise SignatureFault("clock-skew")
    return SignedHead(key, given[NONCE], given[DIGEST])
