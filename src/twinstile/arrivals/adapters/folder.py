"""Files in a folder of this machine: a share that is mounted, or where an SFTP server drops."""

import asyncio
import contextlib
import datetime as dt
import errno
import itertools
import math
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, Literal, TypeVar

from twinstile.arrivals.adapters.drop import DropSettings, FileDrop, FileEntry
from twinstile.arrivals.transport import FeedFault, FilePath

T = TypeVar("T")

REASONS: Final = {
    errno.EACCES: "permission-denied",
    errno.EPERM: "permission-denied",
    errno.EROFS: "permission-denied",
    errno.ENOENT: "folder-missing",
    errno.ENOTDIR: "folder-missing",
    errno.EEXIST: "folder-missing",
    errno.ENOSPC: "disk-full",
    errno.EDQUOT: "disk-full",
    errno.ESTALE: "share-lost",
}
_QUIET: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class FolderSettings(DropSettings):
    kind: Literal["folder"]
    path: FilePath

    def open(self) -> FileDrop:
        return FileDrop(_Folder(self.path, self.within_s), self)


class _Folder:
    """A `FileStore`. A share that hangs holds up its one thread, and so only itself."""

    def __init__(self, root: Path, within_s: float) -> None:
        self._root = root
        self._within_s = within_s
        self._thread = ThreadPoolExecutor(1, "folder")

    async def prepare(self, folders: Sequence[str]) -> None:
        await self._run(lambda: _prepare(self._root, folders))

    async def entries(
        self, folder: str, most: int, before: float = math.inf
    ) -> list[FileEntry]:
        return await self._run(lambda: _entries(self._root / folder, most, before))

    async def look(self, path: str) -> FileEntry | None:
        return await self._run(lambda: _look(self._root / path))

    async def read(self, path: str, most: int) -> bytes | None:
        return await self._run(lambda: _read(self._root / path, most))

    async def move(self, path: str, to: str) -> bool:
        return await self._run(lambda: _move(self._root / path, self._root / to))

    async def write(self, path: str, content: bytes) -> None:
        await self._run(lambda: (self._root / path).write_bytes(content))

    async def touch(self, path: str, at: dt.datetime) -> None:
        times = (at.timestamp(), at.timestamp())
        await self._run(lambda: os.utime(self._root / path, times, follow_symlinks=False))

    async def remove(self, path: str) -> None:
        await self._run(lambda: (self._root / path).unlink(missing_ok=True))

    async def close(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def _run(self, work: Callable[[], T]) -> T:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._within_s):
                return await loop.run_in_executor(self._thread, work)
        except TimeoutError:
            raise FeedFault("timeout") from None
        except OSError as error:
            raise FeedFault(REASONS.get(error.errno or 0, "io-error")) from None


def _prepare(root: Path, folders: Sequence[str]) -> None:
    for folder in folders:
        place = root / folder
        place.mkdir(exist_ok=True)
        if place.is_symlink() or not os.access(place, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, "not a folder of ours")


def _entries(folder: Path, most: int, before: float) -> list[FileEntry]:
    with os.scandir(folder) as listing:
        found = (one for one in _known(listing) if one.changed < before)
        return list(itertools.islice(found, most))


def _known(listing: Iterator[os.DirEntry[str]]) -> Iterator[FileEntry]:
    for one in listing:
        with contextlib.suppress(FileNotFoundError):
            yield _entry(one.name, one.stat(follow_symlinks=False))


def _entry(name: str, status: os.stat_result) -> FileEntry:
    return FileEntry.of_mode(name, status.st_mode, status.st_size, status.st_mtime)


def _look(path: Path) -> FileEntry | None:
    try:
        return _entry(path.name, path.lstat())
    except FileNotFoundError:
        return None


def _read(path: Path, most: int) -> bytes | None:
    try:
        opened = os.open(path, _QUIET)
    except FileNotFoundError:
        return None
    with os.fdopen(opened, "rb") as file:
        before = os.fstat(opened)
        content = file.read(most + 1)
        after = os.fstat(opened)
    same = (before.st_size, before.st_mtime_ns) == (after.st_size, after.st_mtime_ns)
    return content if same and len(content) == after.st_size else None


def _move(path: Path, to: Path) -> bool:
    try:
        path.rename(to)
    except FileNotFoundError:
        if not to.parent.is_dir():
            raise
        return False
    return True
