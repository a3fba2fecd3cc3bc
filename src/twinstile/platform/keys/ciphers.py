"""What is encrypted, and what is known by its digest alone."""

import hashlib
import hmac
import os
from collections.abc import Iterable

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from twinstile.platform.keys.master_keys import KeyUnavailable

NONCE_BYTES = 12


class DecryptionFailed(KeyUnavailable):
    """No key of ours opens it: another has the name of its key, or it was moved."""


def encrypt(key: bytes, plain: bytes, context: bytes) -> bytes:
    """AES-256-GCM; `context` says where the value stands, so that rows cannot be swapped."""
    return encrypt_all(key, [(plain, context)])[0]


def encrypt_all(key: bytes, values: Iterable[tuple[bytes, bytes]]) -> list[bytes]:
    """As `encrypt`, values with their contexts in order: the key is made ready once."""
    cipher = AESGCM(key)
    return [
        (nonce := os.urandom(NONCE_BYTES)) + cipher.encrypt(nonce, plain, context)
        for plain, context in values
    ]


def decrypt(key: bytes, cipher: bytes, context: bytes) -> bytes:
    """The inverse of `encrypt`. Raises `DecryptionFailed` when anything does not fit."""
    try:
        sealed = memoryview(cipher)[NONCE_BYTES:]  # no copy: it may be many megabytes
        return AESGCM(key).decrypt(cipher[:NONCE_BYTES], sealed, context)
    except InvalidTag as error:
        raise DecryptionFailed("the ciphertext does not fit its key and place") from error


def keyed_digest(key: bytes, purpose: str, message: bytes) -> bytes:
    """HMAC-SHA256, separated by purpose, e.g. a blind index or a fingerprint."""
    return hmac.digest(key, purpose.encode() + b"\0" + message, "sha256")


def token_digest(token: str) -> bytes:
    """SHA-256 of a 256-bit random token: enough to know it, useless to a thief of the table."""
    return hashlib.sha256(token.encode()).digest()
