"""Keys and ciphers: AES-256-GCM under data keys that can be destroyed one by one.

A data key lives wrapped (AES-KW, RFC 3394) under the master key in a file of its own, never in
the database or its backups: when the file is gone, what the key encrypted is gone from every
copy ever made (crypto-shredding). Key names say their purpose and period: `day.2026-11-24`,
`epoch.1473`, `case.<uuid>`.
"""

import base64
import binascii
import hashlib
import hmac
import os
import re
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.keywrap import (
    InvalidUnwrap,
    aes_key_unwrap,
    aes_key_wrap,
)

KEY_BYTES = 32
NONCE_BYTES = 12
_KEY_NAME = re.compile(r"[a-z]+\.[0-9a-z-]{1,48}")


class KeyUnavailable(Exception):
    """The key cannot be used: damaged, or the master key is another one."""


class KeyDestroyed(Exception):
    """The key is gone, and what it encrypted with it."""


class KeyFiles:
    """The keys of one hub in a folder: created on first use, wrapped, destroyable.

    Safe for several processes: creation is exclusive, and presence of the file is looked up on
    each use, so that a key destroyed by one process is dead in all.
    """

    def __init__(self, folder: Path, master: bytes) -> None:
        self._folder = folder
        self._master = master
        self._cache: dict[str, bytes] = {}
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def get(self, name: str) -> bytes:
        """The key of that name. Raises `KeyDestroyed` when there is none (any more)."""
        path = self._path(name)
        if not path.exists():
            self._cache.pop(name, None)
            raise KeyDestroyed(name)
        if name not in self._cache:
            try:
                self._cache[name] = aes_key_unwrap(self._master, path.read_bytes())
            except (InvalidUnwrap, ValueError) as error:
                raise KeyUnavailable(name) from error
        return self._cache[name]

    def get_or_create(self, name: str) -> bytes:
        """The key of that name, made if it is new. A destroyed name is never made again."""
        try:
            return self.get(name)
        except KeyDestroyed:
            if self._tombstone(name).exists():
                raise
        path = self._path(name)
        draft = path.with_suffix(f".{os.getpid()}.{os.urandom(4).hex()}.new")
        _write_synced(draft, aes_key_wrap(self._master, os.urandom(KEY_BYTES)))
        try:
            os.link(draft, path)  # exclusive: the first process wins, the others read its key
        except FileExistsError:
            pass
        finally:
            draft.unlink()
        _sync_folder(self._folder)
        return self.get(name)

    def names(self, prefix: str) -> list[str]:
        """Names of living keys that begin so."""
        return sorted(p.stem for p in self._folder.glob(f"{prefix}*.key"))

    def destroyed(self, prefix: str) -> list[str]:
        """Names of destroyed keys that begin so; not of one whose destruction was cut short."""
        tombstones = self._folder.glob(f"{prefix}*.gone")
        return sorted(p.stem for p in tombstones if not self._path(p.stem).exists())

    def destroy(self, name: str) -> bool:
        """Overwrite and remove the key; false when it was gone already.

        The tombstone is written first: after a crash in between the job finds the key still
        there and destroys it again.
        """
        path = self._path(name)
        _write_synced(self._tombstone(name), b"")
        self._cache.pop(name, None)
        if not path.exists():
            return False
        _write_synced(path, os.urandom(KEY_BYTES + 8))
        path.unlink()
        _sync_folder(self._folder)
        return True

    def _path(self, name: str) -> Path:
        if not _KEY_NAME.fullmatch(name):
            raise KeyUnavailable(name)
        return self._folder / f"{name}.key"

    def _tombstone(self, name: str) -> Path:
        return self._folder / f"{name}.gone"


class KeyRing:
    """The keys of every hub of this installation, one folder a hub."""

    def __init__(self, folder: Path, master: bytes) -> None:
        self._folder = folder
        self._master = master
        self._hubs: dict[str, KeyFiles] = {}

    def of(self, hub_id: str) -> KeyFiles:
        """The keys of that hub."""
        if hub_id not in self._hubs:
            self._hubs[hub_id] = KeyFiles(self._folder / hub_id, self._master)
        return self._hubs[hub_id]


def master_key(setting: str | None, data_path: Path) -> bytes:
    """The key that wraps all others: from the setting (base64), else a file made on first use.

    Raises `KeyUnavailable` when the setting is not base64 of 32 bytes, or the file is gone
    while keys wrapped under it are still there: a new one would silently open none of them.
    """
    if setting is not None:
        try:
            key = base64.b64decode(setting, validate=True)
        except binascii.Error as error:
            raise KeyUnavailable("TWINSTILE_MASTER_KEY is not base64") from error
    else:
        path = data_path / "keys" / "master.key"
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not path.exists():
            if any(path.parent.glob("*/*.key")):
                raise KeyUnavailable(
                    f"{path} is missing, and keys wrapped under it are there: restore it"
                )
            draft = path.with_suffix(f".{os.getpid()}.new")
            _write_synced(draft, os.urandom(KEY_BYTES))
            try:
                os.link(draft, path)
            except FileExistsError:
                pass
            finally:
                draft.unlink()
            _sync_folder(path.parent)
        key = path.read_bytes()
    if len(key) != KEY_BYTES:
        raise KeyUnavailable("the master key must be 32 bytes")
    return key


def encrypt(key: bytes, plain: bytes, context: bytes) -> bytes:
    """AES-256-GCM; `context` says where the value stands, so that rows cannot be swapped."""
    nonce = os.urandom(NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, plain, context)


def decrypt(key: bytes, cipher: bytes, context: bytes) -> bytes:
    """The inverse of `encrypt`. Raises `KeyUnavailable` when key, place or bytes do not fit."""
    try:
        return AESGCM(key).decrypt(cipher[:NONCE_BYTES], cipher[NONCE_BYTES:], context)
    except InvalidTag as error:
        raise KeyUnavailable("the ciphertext does not fit its key and place") from error


def keyed_digest(key: bytes, purpose: str, message: bytes) -> bytes:
    """HMAC-SHA256, separated by purpose, e.g. a blind index or a fingerprint."""
    return hmac.digest(key, purpose.encode() + b"\0" + message, "sha256")


def token_digest(token: str) -> bytes:
    """SHA-256 of a 256-bit random token: enough to know it, useless to a thief of the table."""
    return hashlib.sha256(token.encode()).digest()


def _write_synced(path: Path, content: bytes) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
