"""Data keys, which can be destroyed one by one; what is encrypted with them: `ciphers`.

A data key lives wrapped under a master key (`masters`) in a file of its own, never in
the database or its backups: when the file is gone, what the key encrypted is gone from every
copy ever made (crypto-shredding). Key names say their purpose and period: `day.2026-11-24`,
`epoch.1473`, `case.<uuid>`.
"""

import asyncio
import fcntl
import os
import re
import threading
import time
from collections.abc import Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from twinstile.platform.keys.master_keys import (
    KEY_BYTES,
    Masters,
    MasterUnavailable,
    Wrapped,
    erase,
    sync_folder,
    write_synced,
)
from twinstile.platform.keys.master_keys import KeyUnavailable as KeyUnavailable  # noqa: PLC0414 # users

REMEMBER_S = 3600.0
"""How long an unwrapped key stays in memory; from half of it on it is asked for anew, beside
the work, so that a keeper of master keys may be away for half an hour unnoticed."""
OBTAIN_S = 0.5
"""How long somebody waits for a key that is not at hand; a transaction may be open."""
OPEN_S = 5.0
"""How long whoever reads what is stored waits for keys that are not at hand."""
_SLOW_AT_ONCE = 8
"""So many keys of a hub are asked for at a time."""
_KEY_NAME = re.compile(
    r"[a-z]+\.(?:keys|[0-9]{1,20}|[0-9]{4}-[0-9]{2}-[0-9]{2}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})"
)
"""A purpose, and what they are of: a copy somebody laid beside one is no key of ours."""
_AT_ONCE = 64
"""Keys wrapped anew under one lock: who needs a new key waits for so many."""


class KeyDestroyed(Exception):
    """The key is gone, and what it encrypted with it."""


@dataclass(slots=True)
class _Held:
    """An unwrapped key, and until when, by the monotonic clock."""

    key: bytes
    until: float
    renew_at: float


@dataclass(frozen=True, slots=True)
class _Coming:
    """A key that a thread is obtaining, and until when who needs it waits, as `_Held`."""

    key: "Future[bytes]"
    until: float


class KeyFiles:
    """The keys of one hub in a folder: created on first use, wrapped, destroyable.

    Safe for several processes: they change the folder one at a time, and presence of the file
    is looked up on each use, so that a key destroyed by one process is dead in all.
    """

    def __init__(self, folder: Path, masters: Masters) -> None:
        self._folder = folder
        self._masters = masters
        self._cache: dict[str, _Held] = {}
        self._coming: dict[tuple[str, bool], _Coming] = {}  # by name, and whether it is made
        self._obtaining = ThreadPoolExecutor(_SLOW_AT_ONCE, "keys")
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def get(self, name: str) -> bytes:
        """The key of that name. Raises `KeyDestroyed` when there is none (any more)."""
        if not self._there(name):
            self._cache.pop(name, None)
            raise KeyDestroyed(name)
        held = self._cache.get(name)
        moment = time.monotonic()
        if held is None or held.until <= moment:
            return self._load(name, moment)
        if held.renew_at <= moment:
            held.renew_at = moment + REMEMBER_S / 20
            threading.Thread(target=self._renew, args=(name, moment), daemon=True).start()
        return held.key

    def _renew(self, name: str, moment: float) -> None:
        # else the next turn, or the end of its time, tells
        with suppress(KeyDestroyed, KeyUnavailable, OSError):
            self._load(name, moment)

    def _load(self, name: str, moment: float) -> bytes:
        """Unwrap, and forget what has not been used for its time."""
        key = self._unwrapped(name)
        for old in [n for n, held in list(self._cache.items()) if held.until <= moment]:
            self._cache.pop(old, None)
        self._cache[name] = _Held(key, moment + REMEMBER_S, moment + REMEMBER_S / 2)
        return key

    def _unwrapped(self, name: str) -> bytes:
        wrapped = self._read(name)
        while True:
            try:
                return self._masters.unwrap(wrapped.master_id, wrapped.content)
            except KeyUnavailable as error:
                # it may have been wrapped anew, or destroyed, since it was read
                again = self._read(name)
                if again == wrapped:
                    raise type(error)(f"{name}: {error}") from error
                wrapped = again

    def _read(self, name: str) -> Wrapped:
        try:
            wrapped = Wrapped.read(self._path(name))
        except FileNotFoundError as error:
            raise KeyDestroyed(name) from error
        if self._tombstone(name).exists():
            raise KeyDestroyed(name)
        return wrapped

    def get_or_create(self, name: str) -> bytes:
        """The key of that name, made if it is new. A destroyed name is never made again."""
        try:
            return self.get(name)
        except KeyDestroyed:
            if self._tombstone(name).exists():
                raise
        with self._locked():
            if not self._path(name).exists() and not self._tombstone(name).exists():
                master_id = self._masters.current()
                wrapped = self._masters.wrap(master_id, os.urandom(KEY_BYTES))
                self._put({name: Wrapped(master_id, wrapped)})
        return self.get(name)

    async def obtain(self, name: str) -> bytes:
        """As `get_or_create`, beside the other work of the process unless it is at hand.

        Raises `MasterUnavailable` after `OBTAIN_S`; the key is made all the same. Who comes
        again before it is there is told so at once: a batch tried again one by one would
        otherwise wait for it again, and its neighbours behind it.
        """
        if self._at_hand(name):
            return self.get_or_create(name)
        return await self._beside(name, OBTAIN_S, make=True)

    async def open(self, name: str, within_s: float = OPEN_S) -> bytes:
        """As `get` and beside, as `obtain`, for so long."""
        if self._at_hand(name):
            return self.get(name)
        if not self._there(name):
            raise KeyDestroyed(name)
        return await self._beside(name, within_s, make=False)

    async def open_all(self, names: Iterable[str]) -> dict[str, bytes]:
        """Those of these keys that are not destroyed. Raises `MasterUnavailable` as `open`."""
        found: dict[str, bytes] = {}

        async def add(name: str) -> None:
            with suppress(KeyDestroyed):
                found[name] = await self.open(name)

        await asyncio.gather(*map(add, set(names)))
        return found

    def _at_hand(self, name: str) -> bool:
        held = self._cache.get(name)
        return held is not None and held.until > time.monotonic()

    async def _beside(self, name: str, within_s: float, *, make: bool) -> bytes:
        """The key, as a thread obtains it."""
        moment = time.monotonic()
        coming = self._coming.get((name, make))
        if coming is None:
            making = self._obtaining.submit(self.get_or_create if make else self.get, name)
            coming = self._coming[name, make] = _Coming(making, moment + within_s)
            making.add_done_callback(lambda _: self._coming.pop((name, make), None))
        try:
            async with asyncio.timeout(coming.until - moment):
                return await asyncio.shield(asyncio.wrap_future(coming.key))
        except TimeoutError as error:
            raise MasterUnavailable("a key is not there in time") from error

    def names(self, prefix: str) -> list[str]:
        """Names of living keys that begin so."""
        return self._named(f"{prefix}*.key")

    def masters(self) -> dict[str, str]:
        """The id of the master each living key is wrapped under, by the key's name."""
        found: dict[str, str] = {}
        for name in self.names(""):
            try:
                found[name] = Wrapped.read(self._path(name)).master_id
            except FileNotFoundError:
                continue  # destroyed since
        return found

    def destroyed(self, prefix: str) -> list[str]:
        """Names of destroyed keys that begin so; not of one whose destruction was cut short."""
        gone = self._named(f"{prefix}*.gone")
        return [name for name in gone if not self._path(name).exists()]

    def condemned(self) -> list[str]:
        """Names of keys that are there beside their tombstone: cut short, or restored since."""
        return [name for name in self._named("*.gone") if self._path(name).exists()]

    def _named(self, files: str) -> list[str]:
        stems = (path.stem for path in self._folder.glob(files))
        return sorted(name for name in stems if _KEY_NAME.fullmatch(name))

    def destroy(self, name: str) -> bool:
        """Overwrite and remove the key; false when it was gone already.

        The tombstone is written first: after a crash in between the job finds the key still
        there and destroys it again. A rotation that was killed may have left a second copy.
        """
        path = self._path(name)
        with self._locked():
            write_synced(self._tombstone(name), b"")
            sync_folder(self._folder)
            self._cache.pop(name, None)
            there = path.exists()
            for copy in (*self._folder.glob(f"{name}.*.new"), path):
                erase(copy)
        return there

    def rewrap(self, master_id: str) -> "Rewrapped":
        """Wrap every living key under that master that is wrapped under another.

        Each file is replaced as a whole; cut short, the next call does the rest. A key that
        cannot be opened stays as it is and is told of.
        """
        done, failed = 0, list[str]()
        with self._locked():
            for draft in self._folder.glob("*.new"):
                erase(draft)  # of a process that was killed
        due = [name for name, under in self.masters().items() if under != master_id]
        for start in range(0, len(due), _AT_ONCE):
            with self._locked():
                fresh: dict[str, Wrapped] = {}
                for name in due[start : start + _AT_ONCE]:
                    try:
                        key = self._unwrapped(name)
                        fresh[name] = Wrapped(master_id, self._masters.wrap(master_id, key))
                    except KeyDestroyed:
                        continue
                    except KeyUnavailable:
                        failed.append(name)
                self._put(fresh)
                done += len(fresh)
        return Rewrapped(done, failed)

    def _put(self, keys: dict[str, Wrapped]) -> None:
        """Write key files: each is there whole or not at all, and stays through a crash."""
        drafts = {name: self._folder / f"{name}.{os.urandom(4).hex()}.new" for name in keys}
        try:
            if len(keys) > 1:  # the disk syncs many files in little more than the time of one
                with ThreadPoolExecutor(8) as pool:
                    contents = [wrapped.bytes() for wrapped in keys.values()]
                    list(pool.map(write_synced, drafts.values(), contents))
            else:
                for name, wrapped in keys.items():
                    write_synced(drafts[name], wrapped.bytes())
            for name, draft in drafts.items():
                draft.replace(self._path(name))
        except BaseException:
            for draft in drafts.values():
                draft.unlink(missing_ok=True)
            raise
        sync_folder(self._folder)

    @contextmanager
    def _locked(self) -> Generator[None]:
        """One change of the folder at a time, across processes."""
        with _lock(self._folder / ".lock", fcntl.LOCK_EX):
            yield

    def _there(self, name: str) -> bool:
        return os.path.exists(_place(self._folder, name))  # noqa: PTH110 # for every check

    def _path(self, name: str) -> Path:
        return Path(_place(self._folder, name))

    def _tombstone(self, name: str) -> Path:
        return self._folder / f"{name}.gone"


@lru_cache(maxsize=4096)
def _place(folder: Path, name: str) -> str:
    if not _KEY_NAME.fullmatch(name):
        raise KeyUnavailable(name)
    return str(folder / f"{name}.key")


@dataclass(frozen=True, slots=True)
class Rewrapped:
    """How many keys were wrapped anew, and which could not be opened."""

    done: int
    failed: list[str]


class KeyRing:
    """The keys of every hub of this installation, one folder a hub."""

    def __init__(self, folder: Path, masters: Masters) -> None:
        self._folder = folder
        self.masters: Masters = masters
        self._hubs: dict[str, KeyFiles] = {}

    def of(self, hub_id: str) -> KeyFiles:
        """The keys of that hub."""
        if hub_id not in self._hubs:
            self._hubs[hub_id] = KeyFiles(self._folder / hub_id, self.masters)
        return self._hubs[hub_id]

    def hubs(self) -> list[str]:
        """The hubs that have a folder of keys."""
        return sorted(path.name for path in self._folder.iterdir() if path.is_dir())

    def rotate(self) -> Rewrapped:
        """Wrap all keys under a new master and give up the old one, while all are in use.

        With masters kept elsewhere, under the one that is current there by now. Cut short at
        any point, the next call goes on. The old master stays as long as one key cannot be
        opened. Raises `KeyUnavailable` when another rotation runs.
        """
        try:
            with _lock(self._folder / ".rotation", fcntl.LOCK_EX | fcntl.LOCK_NB):
                return self._rotate()
        except BlockingIOError as error:
            raise KeyUnavailable("another rotation is running") from error

    def _rotate(self) -> Rewrapped:
        self.masters.begin()
        master_id = self.masters.current()
        done, failed = 0, list[str]()
        for hub_id in self.hubs():
            result = self.of(hub_id).rewrap(master_id)
            done += result.done
            failed += [f"{hub_id}/{name}" for name in result.failed]
        if not failed:
            self.masters.end()
        return Rewrapped(done, failed)


@contextmanager
def _lock(path: Path, how: int) -> Generator[None]:
    """Hold a lock between processes; it ends with the process that holds it."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, how)
        yield
    finally:
        os.close(handle)
