"""Master keys: what wraps the data keys, and where it is kept.

Three keepers: files in the data folder (the default), keys given by a setting, or a command
that wraps and unwraps for us, so that the master key of a KMS or an HSM never comes here. Each
master has an id, which a wrapped key carries: old and new masters work side by side while keys
are wrapped anew.
"""

import base64
import binascii
import contextlib
import hashlib
import os
import re
import shlex
import signal
import subprocess
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from cryptography.hazmat.primitives.keywrap import (
    InvalidUnwrap,
    aes_key_unwrap,
    aes_key_wrap,
)
from typing_extensions import override

KEY_BYTES: Final = 32
COMMAND_S: Final = 5.0
"""How long the command may take."""
REST_S: Final = 15.0
"""So long a command that took all its time is not asked again."""
MOST_OUTPUT: Final = 4096
_ID = re.compile(rb"[A-Za-z0-9._:/@-]{1,200}")


class KeyUnavailable(Exception):
    """The key cannot be used: damaged, or the master key is another one."""


class MasterUnavailable(KeyUnavailable):
    """The command that keeps the master key does not answer; it may later."""


@dataclass(frozen=True, slots=True)
class Wrapped:
    """A key as its file has it: the id of the master it is wrapped under, a line end, bytes."""

    master_id: str
    content: bytes

    @classmethod
    def read(cls, path: Path) -> "Wrapped":
        """Raises `FileNotFoundError`."""
        master_id, _, content = path.read_bytes().partition(b"\n")
        return cls(master_id.decode("ascii", "replace"), content)

    def bytes(self) -> bytes:
        """What the file holds."""
        return self.master_id.encode() + b"\n" + self.content


class Masters(Protocol):
    """A keeper of master keys. `begin` and `end` stand around wrapping all keys anew."""

    def current(self) -> str:
        """The id of the master under which keys are wrapped now."""
        ...

    def wrap(self, master_id: str, key: bytes) -> bytes:
        """The key, wrapped under that master."""
        ...

    def unwrap(self, master_id: str, wrapped: bytes) -> bytes:
        """The inverse. Raises `KeyUnavailable`."""
        ...

    def begin(self) -> None:
        """Make the next master the current one, unless that was done and not ended."""
        ...

    def end(self) -> None:
        """Give up the master before: nothing is wrapped under it any more."""
        ...


class _Local(Masters, ABC):
    """Masters whose bytes are known here; AES-KW (RFC 3394)."""

    @abstractmethod
    def _find(self, master_id: str) -> bytes | None: ...

    @override
    def wrap(self, master_id: str, key: bytes) -> bytes:
        return aes_key_wrap(self._known(master_id), key)

    @override
    def unwrap(self, master_id: str, wrapped: bytes) -> bytes:
        try:
            return aes_key_unwrap(self._known(master_id), wrapped)
        except (InvalidUnwrap, ValueError) as error:
            raise KeyUnavailable("a wrapped key is damaged") from error

    def _known(self, master_id: str) -> bytes:
        master = self._find(master_id)
        if master is None:
            raise KeyUnavailable(f"the master key {master_id} is not there")
        return master

    @override
    def begin(self) -> None:
        """Nothing: whoever gives the masters has put the new one first."""

    @override
    def end(self) -> None:
        """Nothing: whoever gives the masters takes the old one away."""


class SuppliedMasters(_Local):
    """Masters from a setting: the first wraps, all unwrap."""

    def __init__(self, masters: Sequence[bytes]) -> None:
        self._masters: dict[str, bytes] = {fingerprint(m): m for m in masters}

    @override
    def current(self) -> str:
        return next(iter(self._masters))

    @override
    def _find(self, master_id: str) -> bytes | None:
        return self._masters.get(master_id)


class MasterFiles(_Local):
    """`master.key` in a folder, made on first use, and `master.old.key` during a rotation.

    Looked up on each need, so that processes that run follow a rotation.
    """

    def __init__(self, folder: Path) -> None:
        """Raises `KeyUnavailable` when the file is gone while keys wrapped under it are there.

        A new one would silently open none of them.
        """
        self._path: Path = folder / "master.key"
        self._old: Path = folder / "master.old.key"
        self._new: Path = folder / "master.new.key"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not self._path.exists():
            if any(folder.glob("*/*.key")):
                raise KeyUnavailable(
                    f"{self._path} is missing, and keys wrapped under it are there: restore it"
                )
            draft = self._path.with_suffix(f".{os.getpid()}.new")
            write_synced(draft, os.urandom(KEY_BYTES))
            try:
                os.link(draft, self._path)
            except FileExistsError:
                pass
            finally:
                draft.unlink()
            sync_folder(folder)
        _require_length(self._path.read_bytes())

    @override
    def current(self) -> str:
        return fingerprint(_require_length(self._path.read_bytes()))

    @override
    def _find(self, master_id: str) -> bytes | None:
        for path in (self._path, self._old):
            try:
                master = path.read_bytes()
            except FileNotFoundError:
                continue
            if fingerprint(master) == master_id:
                return _require_length(master)
        return None

    @override
    def begin(self) -> None:
        """Each step can be the last before a crash: the next call goes on from there.

        Where the old master is still the one in use, and no new one there, it begins anew: to
        give the old one up would overwrite the same file.
        """
        lost = self._old.exists() and not self._new.exists()
        if lost and self._old.read_bytes() == self._path.read_bytes():
            self._old.unlink()
        if not self._old.exists():
            write_synced(self._new, os.urandom(KEY_BYTES))
            os.link(self._path, self._old)
            sync_folder(self._path.parent)
        if self._new.exists():
            self._new.replace(self._path)
            sync_folder(self._path.parent)

    @override
    def end(self) -> None:
        erase(self._old)


class MasterCommand(Masters):
    """A command that keeps the masters; the bytes of a master never come here.

    `<command> current` prints an id; `<command> wrap <id>` and `<command> unwrap <id>` read
    the key on standard input and write the result on standard output, as bytes. Exit code 0
    means done. No shell; at most `COMMAND_S` seconds and `MOST_OUTPUT` bytes; what it says on
    standard error is not kept.
    """

    def __init__(self, line: str) -> None:
        """Raises `KeyUnavailable` for no command, `MasterUnavailable` for one that fails."""
        try:
            self._arguments: list[str] = shlex.split(line)
        except ValueError as error:
            raise KeyUnavailable("TWINSTILE_KEY_COMMAND cannot be read") from error
        self._rests_until: float = 0.0
        if not self._arguments:
            raise KeyUnavailable("TWINSTILE_KEY_COMMAND is empty")
        self.current()

    @override
    def current(self) -> str:
        said = self._ask(["current"], b"").strip()
        if not _ID.fullmatch(said):
            raise MasterUnavailable("the key command gave no id of a master key")
        return said.decode()

    @override
    def wrap(self, master_id: str, key: bytes) -> bytes:
        return self._ask(["wrap", master_id], key)

    @override
    def unwrap(self, master_id: str, wrapped: bytes) -> bytes:
        return _require_length(self._ask(["unwrap", master_id], wrapped))

    @override
    def begin(self) -> None:
        """Nothing: masters are renewed where they are kept."""

    @override
    def end(self) -> None:
        """Nothing: masters are retired where they are kept."""

    def _ask(self, verb: list[str], message: bytes) -> bytes:
        began = time.monotonic()
        if began < self._rests_until:
            raise MasterUnavailable("the key command did not answer a moment ago")
        try:
            process = subprocess.Popen(  # noqa: S603 # the operator's own command, no shell
                [*self._arguments, *verb],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        except OSError as error:
            raise MasterUnavailable("the key command cannot be run") from error
        deadline = threading.Timer(COMMAND_S, _kill, [process])
        deadline.start()
        with process:
            said = _exchange(process, message)
            deadline.cancel()
        if (ended := time.monotonic()) - began >= COMMAND_S:
            self._rests_until = ended + REST_S
        if process.returncode != 0 or not 0 < len(said) <= MOST_OUTPUT:
            raise MasterUnavailable(f"the key command failed: {verb[0]}")
        return said


def _exchange(process: subprocess.Popen[bytes], message: bytes) -> bytes:
    """Give the message, take the answer; who says too much is ended."""
    if process.stdin is None or process.stdout is None:
        raise MasterUnavailable("the key command has no pipes")
    try:
        process.stdin.write(message)
        process.stdin.close()
    except BrokenPipeError:
        pass  # it does not read; what it says and its exit code tell
    said = process.stdout.read(MOST_OUTPUT + 1)
    if len(said) > MOST_OUTPUT:
        _kill(process)
    process.wait()
    return said


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End the command with all it started: a child of it could hold the pipe open."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def open_masters(supplied_keys: str | None, command: str | None, folder: Path) -> Masters:
    """The keeper the settings name: a command, keys in base64, else files in the folder.

    Raises `KeyUnavailable`.
    """
    if command is not None:
        return MasterCommand(command)
    if supplied_keys is not None:
        return SuppliedMasters([_decoded(part) for part in supplied_keys.split(",")])
    return MasterFiles(folder)


def _decoded(setting: str) -> bytes:
    try:
        return _require_length(base64.b64decode(setting.strip(), validate=True))
    except binascii.Error as error:
        raise KeyUnavailable("TWINSTILE_MASTER_KEY is not base64") from error


def _require_length(key: bytes) -> bytes:
    if len(key) != KEY_BYTES:
        raise KeyUnavailable("the master key must be 32 bytes")
    return key


def fingerprint(master: bytes) -> str:
    """The id of a master: of 256 random bits, so it tells nothing of them."""
    return hashlib.sha256(b"twinstile master\0" + master).hexdigest()[:16]


def write_synced(path: Path, content: bytes) -> None:
    """Write a file of mode 0600 through to the disk; its folder is the caller's to sync."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def erase(path: Path) -> None:
    """Overwrite a file in place, through to the disk, and remove it; nothing if it is gone."""
    try:
        with path.open("r+b") as file:
            file.write(os.urandom(path.stat().st_size))
            file.flush()
            os.fsync(file.fileno())
        path.unlink()
    except FileNotFoundError:
        return
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make what was entered in a folder, renamed or removed there last through a crash."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
