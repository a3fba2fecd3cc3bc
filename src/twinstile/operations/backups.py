"""Backups: taken beside the service, proved by restoring them, pruned by age.

A backup is complete when its folder has lost the ending `.partial`: whatever is killed or runs
out of disk before that leaves nothing that could be taken for one. Keys are never in it.
"""

import asyncio
import fcntl
import os
import re
import shutil
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from importlib import metadata
from pathlib import Path

from twinstile.operations import startup
from twinstile.operations.startup import DatabaseTarget
from twinstile.platform.db import embedded_server
from twinstile.platform.keys import signing
from twinstile.platform.ops import backup_archive, clock
from twinstile.platform.ops.backup_archive import BackupError, Manifest
from twinstile.platform.ops.settings import Settings

PARTIAL = ".partial"
_STAMP = "%Y%m%dT%H%M%S.%f"
_NAME = re.compile(r"twinstile-(\d{8}T\d{6}\.\d{6})Z")


@dataclass(frozen=True, slots=True)
class BackupResult:
    """A backup that is complete, and older ones that went."""

    path: Path
    manifest: Manifest
    size: int
    seconds: float
    pruned: list[Path]


@dataclass(frozen=True, slots=True)
class BackupVerification:
    """What was proved. `signed` is None where the keys are not at hand."""

    manifest: Manifest
    signed: bool | None
    restored: bool
    seconds: float


def folder_of(settings: Settings, to: Path | None = None) -> Path:
    """Where backups go. Raises `BackupError` when nobody has said."""
    if to is None and settings.backup_dir is None:
        raise BackupError("Where to? Set TWINSTILE_BACKUP_DIR, or give --to FOLDER.")
    return (to or settings.backup_dir or Path()).expanduser().absolute()


def take(settings: Settings, to: Path, on_wait: Callable[[float], None] | None) -> BackupResult:
    """Back the database of the settings up into a new folder in `to`.

    Raises `BackupError`, `EmbeddedError`.
    """
    if settings.database_url is None and not any(settings.data_path.glob("pg[0-9][0-9]")):
        raise BackupError(
            f"There is no database in {settings.data_path}: nothing was backed up."
        )
    with startup.server(settings, on_wait) as place:
        return take_from(settings, place, to)


def take_from(settings: Settings, place: DatabaseTarget, to: Path) -> BackupResult:
    """The same, of a server that runs."""
    began, now = time.monotonic(), clock.now()
    try:
        with _turn(to):
            path = to / f"twinstile-{now.strftime(_STAMP)}Z"
            manifest = _fill(settings, place, path, now)
            size = sum(file.stat().st_size for file in path.iterdir())
            pruned = prune(to, now - timedelta(days=settings.backup_keep_days))
    except OSError as error:
        why = error.strerror or type(error).__name__
        raise BackupError(f"No backup was made in {to}: {why}.") from error
    return BackupResult(path, manifest, size, time.monotonic() - began, pruned)


@contextmanager
def _turn(to: Path) -> Generator[None]:
    """One backup at a time in a folder; what a killed one left is removed."""
    if not to.exists():
        to.mkdir(mode=0o700, parents=True)
    with (to / ".lock").open("ab") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise BackupError(f"Another backup is being made in {to}.") from error
        for left in to.glob(f"twinstile-*{PARTIAL}"):
            shutil.rmtree(left)
        yield


def _fill(settings: Settings, place: DatabaseTarget, path: Path, now: datetime) -> Manifest:
    """Write under another name, wait for the disk, then take the name."""
    if not startup.key_folder(settings).is_dir():
        raise BackupError(
            f"{startup.key_folder(settings)} is not there: run this as the service's account, "
            "with the service's settings."
        )
    signer = signing.signer(startup.key_ring(settings).of(settings.hub_id))
    version = metadata.version("twinstile")
    draft = path.with_name(path.name + PARTIAL)
    draft.mkdir(mode=0o700)
    try:
        unsigned = asyncio.run(
            backup_archive.write(
                place.owner_url, draft, version, now.isoformat(timespec="seconds")
            )
        )
        named = replace(unsigned, hub_id=settings.hub_id)
        manifest = replace(named, signature=signer.sign(named.message()))
        backup_archive.write_manifest(draft, manifest)
        _synced(draft)
        draft.rename(path)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    _synced(path.parent)
    return manifest


def _synced(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def list_backups(folder: Path) -> list[tuple[datetime, Path]]:
    """The complete backups of a folder, oldest first."""
    named = ((path, _NAME.fullmatch(path.name)) for path in folder.glob("twinstile-*"))
    return sorted(
        (datetime.strptime(f"{name[1]}+0000", f"{_STAMP}%z"), path)
        for path, name in named
        if name and (path / backup_archive.MANIFEST).is_file()
    )


def prune(folder: Path, before: datetime) -> list[Path]:
    """Remove backups older than that, never the newest; which ones went."""
    gone = [path for moment, path in list_backups(folder)[:-1] if moment < before]
    for path in gone:
        # under this name it is no backup any more, even when its removal is cut short
        shutil.rmtree(path.rename(path.with_name(path.name + PARTIAL)))
    return gone


async def take_apart(settings: Settings) -> None:
    """Take one in a process of its own: it reads for long, and no request may wait for it.

    Raises `BackupError`; the process has said why on standard error.
    """
    command = [
        "backup",
        "--data-dir",
        str(settings.data_path),
        "--to",
        str(folder_of(settings)),
    ]
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "twinstile", *command),
        stdout=asyncio.subprocess.DEVNULL,
        env={**os.environ, "TWINSTILE_HUB_ID": settings.hub_id},
    )
    try:
        code = await child.wait()
    finally:
        if child.returncode is None:
            child.kill()  # what it leaves is no backup
            await child.wait()
    if code != 0:
        raise BackupError("No backup was made; standard error says why.")


def verify(settings: Settings, backup: Path, *, quick: bool) -> BackupVerification:
    """Compare the files with their hashes and signature; unless quick, restore them as well.

    The scratch server lives in the folder for temporary files and is deleted. Raises
    `BackupError`, `EmbeddedError`.
    """
    began = time.monotonic()
    manifest = backup_archive.read(backup)
    backup_archive.check_files(backup, manifest)
    signed = is_signed(settings, manifest)
    if signed is False:
        raise BackupError(
            f"{backup} was not signed by this hub's keys: it was made elsewhere, or changed."
        )
    if not quick:
        with embedded_server.temporary() as running:
            asyncio.run(load(startup.inside(running), backup, manifest))
    return BackupVerification(manifest, signed, not quick, time.monotonic() - began)


async def load(place: DatabaseTarget, backup: Path, manifest: Manifest) -> None:
    """Fill the empty database of a place and compare every row. Raises `BackupError`."""
    await startup.make_database(place)
    await backup_archive.load(place.owner_url, backup, manifest)


def is_signed(settings: Settings, manifest: Manifest) -> bool | None:
    """Whether a key of the hub has signed it; None where its keys are not at hand."""
    if not any((startup.key_folder(settings) / manifest.hub_id).glob(f"{signing.PREFIX}*.key")):
        return None
    keys = startup.key_ring(settings).of(manifest.hub_id)
    return any(
        signing.verify(public, manifest.message(), manifest.signature)
        for public in signing.public_keys(keys).values()
    )
