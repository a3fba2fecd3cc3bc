"""Signatures others can check: Ed25519 (RFC 8032), one key in use a hub, older ones kept.

The private key is the 32 byte seed of RFC 8032, section 5.1.5, kept as any other key of the hub
(`sign.000001`, wrapped, see `crypto`). A key is named to the outside by the first 16 hex digits
of the SHA-256 over its 32 byte public key: whoever holds the public key can recompute the name.
"""

import base64
import hashlib
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from twinstile.platform.keys.data_keys import KeyFiles

PREFIX = "sign."
_FIRST = 1


@dataclass(frozen=True, slots=True)
class Signer:
    """A key that signs. `public_key` is base64 of the 32 raw bytes."""

    key_id: str
    public_key: str
    _private: Ed25519PrivateKey = field(repr=False)

    def sign(self, message: bytes) -> str:
        """Base64 of the 64 byte signature."""
        return base64.b64encode(self._private.sign(message)).decode()


def signer(keys: KeyFiles) -> Signer:
    """The hub's newest signing key, made on first use. Raises `KeyUnavailable`."""
    names = keys.names(PREFIX)
    return _load(keys.get_or_create(names[-1] if names else _name(_FIRST)))


def rotate(keys: KeyFiles) -> Signer:
    """Sign with a new key from now on; the older ones stay, to verify what they signed."""
    taken = [int(name.removeprefix(PREFIX)) for name in _ever(keys)]
    return _load(keys.get_or_create(_name(max(taken, default=0) + 1)))


def public_keys(keys: KeyFiles) -> dict[str, str]:
    """The public key (base64) of each signing key that lives, by key id, oldest first."""
    known = [_load(keys.get(name)) for name in keys.names(PREFIX)]
    return {one.key_id: one.public_key for one in known}


def verify(public_key: str, message: bytes, signature: str) -> bool:
    """Whether that key signed the message; false for anything unreadable."""
    try:
        public = Ed25519PublicKey.from_public_bytes(base64.b64decode(public_key, validate=True))
        public.verify(base64.b64decode(signature, validate=True), message)
    except (InvalidSignature, ValueError):
        return False
    return True


def fingerprint(public_key: str) -> str:
    """The id of a public key (base64); empty for anything unreadable."""
    try:
        return _fingerprint(base64.b64decode(public_key, validate=True))
    except ValueError:
        return ""


def _fingerprint(raw: bytes) -> str:
    return hashlib.sha256(raw).hexdigest()[:16]


def _ever(keys: KeyFiles) -> list[str]:
    return [*keys.names(PREFIX), *keys.destroyed(PREFIX)]


def _name(number: int) -> str:
    return f"{PREFIX}{number:06}"


def _load(seed: bytes) -> Signer:
    private = Ed25519PrivateKey.from_private_bytes(seed)
    raw = private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    return Signer(_fingerprint(raw), base64.b64encode(raw).decode(), private)
