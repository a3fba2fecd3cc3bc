"""The PostgreSQL server that comes with twinstile and lives as long as its process.

A data folder holds one cluster (`pg18/`, named for its major version), its log and one lock
file. The server inherits the lock and holds it until its last process is gone, so "is this
cluster in use?" never depends on process ids, which are reused, or on zombies. Who starts the
server owns it; another process that asks for the same folder borrows it and stops nothing.

The server is a direct child that shuts down cleanly when its parent ends, however it ends
(`launch`). It listens on a Unix socket in a folder of mode 0700 and nowhere else: whoever gets
in is the same account (or root). Folders made here are given to that account; modes of others
are never changed.
"""

import contextlib
import fcntl
import os
import shutil
import signal
import socket
import stat
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType
from typing import IO, Self
from urllib.parse import quote

from twinstile.platform.db import orphans, postgres_binaries
from twinstile.platform.db.postgres_binaries import EmbeddedError, Launcher, ServerAccount

__all__ = [
    "DURABLE",
    "THROWAWAY",
    "EmbeddedError",
    "EmbeddedServer",
    "begin",
    "default_root",
    "start",
    "temporary",
]

SUPERUSER = "postgres"
PORT = 5432  # only part of the socket's name
SOCKET_PATH_LIMIT = 107  # bytes, sockaddr_un
SSL_REQUEST = struct.pack("!ii", 8, 80877103)  # every server answers it with one letter
MAX_CONNECTIONS = 300
RESTORING = "restoring"
"""The folder beside a cluster in which a restore builds the one to come."""
LOG_LIMIT = 4 * 1024 * 1024  # bytes; a longer log is set aside at the next start

DURABLE: Mapping[str, str] = MappingProxyType(
    {
        "listen_addresses": "",
        "port": str(PORT),
        "unix_socket_permissions": "0700",
        "max_connections": str(MAX_CONNECTIONS),
        "fsync": "on",
        "full_page_writes": "on",
        "synchronous_commit": "on",
        # Filling a new segment of the log with zeros held up every commit for 15 to 60 ms, once
        # a second in a rush. What was written once is used again, so keep more of it.
        "wal_init_zero": "off",
        "min_wal_size": "512MB",
        # values in a failed statement's message go to the client and stay out of the log
        "log_min_messages": "log",
        "log_min_error_statement": "panic",
        "log_error_verbosity": "terse",
        "log_checkpoints": "off",
        # after a crash one call for the file system, not one a file: 0.4 s instead of 3
        **({"recovery_init_sync_method": "syncfs"} if sys.platform == "linux" else {}),
    }
)
THROWAWAY: Mapping[str, str] = MappingProxyType(
    {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}
)


class EmbeddedServer:
    """A running server, owned (this process started it) or borrowed (another one did)."""

    def __init__(
        self, cluster: Path, sockets: Path, process: subprocess.Popen[bytes] | None
    ) -> None:
        self._cluster = cluster
        self._sockets = sockets
        self._process = process

    @property
    def owned(self) -> bool:
        """Whether `stop` ends the server."""
        return self._process is not None

    def lives(self) -> bool:
        """Whether the server runs; of a borrowed one, whether it has not been shut down."""
        if self._process is None:
            return _status(self._cluster) is not None
        return self._process.poll() is None

    def url(
        self, database: str, user: str = SUPERUSER, *, driver: str = "postgresql+asyncpg"
    ) -> str:
        """Address a database, for asyncpg itself or libpq with `driver="postgresql"`."""
        host = quote(str(self._sockets))
        return f"{driver}://{quote(user, '')}@/{quote(database, '')}?host={host}"

    def stop(self) -> None:
        """End open sessions and shut down cleanly; a borrowed server is left alone."""
        if self._process is None:
            return
        for request in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):  # fast, immediate, last
            self._process.send_signal(request)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(30)
                break
        with contextlib.suppress(OSError), _lock(self._cluster) as lock:
            if _locked(lock):  # nobody else is about to use the folder
                self._sockets.rmdir()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def default_root() -> Path:
    """Where data belong when nobody says; root's own home would be closed to its server."""
    if os.geteuid() == 0:
        return Path("/var/lib/twinstile")
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local/share") / "twinstile"


def start(
    data_root: Path,
    *,
    settings: Mapping[str, str] | None = None,
    bindir: Path | None = None,
    patience: float = 120.0,
    on_wait: Callable[[float], None] | None = None,
) -> EmbeddedServer:
    """Start the server of `data_root`, or borrow the one that runs there already.

    `settings` are added to `DURABLE`. Recovery after a power cut can take minutes: `on_wait` is
    told the seconds waited, about once a second, and after `patience` seconds we give up. Call
    it from the main thread, because the server ends with the thread that started it.

    Raises `EmbeddedError`.
    """
    if threading.current_thread() is not threading.main_thread():
        raise EmbeddedError("the embedded server must be started from the main thread")
    return begin(
        data_root, settings=settings, bindir=bindir, patience=patience, on_wait=on_wait
    )


def begin(
    data_root: Path,
    *,
    settings: Mapping[str, str] | None = None,
    bindir: Path | None = None,
    patience: float = 120.0,
    on_wait: Callable[[float], None] | None = None,
) -> EmbeddedServer:
    """Do as `start` from a thread of which the caller knows that it will last."""
    wanted = {**DURABLE, **(settings or {})}
    ticks = _ticks(patience, on_wait)
    try:
        root = _root(data_root.expanduser().resolve())
        tools = postgres_binaries.binaries(bindir)
        cluster = root / f"pg{postgres_binaries.major(tools)}"
        with _lock(cluster) as lock:
            while not _locked(lock):
                if sockets := _serving(cluster):
                    return EmbeddedServer(cluster, sockets, None)
                orphans.end(cluster)
                next(ticks)
            account = postgres_binaries.account(cluster)
            tools = postgres_binaries.within_reach(tools, root, account)
            run = Launcher(tools, account, lock.fileno())
            if not cluster.exists():
                _initialise(cluster, run, wanted)
            return _serve(cluster, run, wanted, ticks)
    except OSError as refused:
        raise EmbeddedError(
            f"the data folder {data_root} cannot be used: {refused}"
        ) from refused


@contextlib.contextmanager
def claim(data_root: Path) -> Generator[Path]:
    """Keep everybody from the cluster of a data folder, and name it, there or not.

    Raises `EmbeddedError` when a server uses it.
    """
    root = _root(data_root.expanduser().resolve())
    cluster = root / f"pg{postgres_binaries.major(postgres_binaries.binaries())}"
    with _lock(cluster) as lock:
        if not _locked(lock):
            raise EmbeddedError(f"{cluster} is in use: stop the service first")
        yield cluster


@contextlib.contextmanager
def temporary(settings: Mapping[str, str] = THROWAWAY) -> Generator[EmbeddedServer]:
    """Have a server whose data are deleted with it, for tests and demonstrations."""
    with tempfile.TemporaryDirectory(prefix="twinstile-") as made:
        Path(made).chmod(0o711)  # passable for the account of root's server
        with start(Path(made), settings=settings) as server:
            yield server


def _ticks(patience: float, on_wait: Callable[[float], None] | None) -> Iterator[None]:
    """Each `next` is one short wait; after `patience` seconds it raises."""
    began = reported = time.monotonic()
    while (now := time.monotonic()) - began < patience:
        if on_wait and now - reported >= 1:
            reported = now
            on_wait(now - began)
        time.sleep(0.01)
        yield
    raise EmbeddedError(
        f"PostgreSQL was not ready after {patience:.0f} s. After a power cut it may need "
        "longer to recover: read its log, and try again with more patience"
    )


def _root(path: Path) -> Path:
    """Make the data folder unless it is there, passable for the account of root's server."""
    if not path.is_dir():
        path.mkdir(parents=True)
        path.chmod(0o711 if os.geteuid() == 0 else 0o700)
    return path


def _lock(cluster: Path) -> IO[bytes]:
    path = cluster.with_suffix(".lock")
    path.touch(mode=0o600)  # who can open it could hold it
    return path.open("ab")


def _locked(lock: IO[bytes]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _status(cluster: Path) -> tuple[int, Path, str] | None:
    """Read the process id, socket folder and state a server has written down (pidfile.h)."""
    try:
        lines = (cluster / "postmaster.pid").read_text().splitlines()
    except FileNotFoundError:
        return None
    if len(lines) < 8:  # the server has only begun
        return None
    return int(lines[0]), Path(lines[4]), lines[7].strip()


def _serving(cluster: Path) -> Path | None:
    """The socket folder of a server that answers.

    A killed one's last processes hold lock and socket for a moment: connecting would succeed.
    """
    status = _status(cluster)
    if status is None or status[2] != "ready":
        return None
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(1)
        try:
            probe.connect(str(status[1] / f".s.PGSQL.{PORT}"))
            probe.sendall(SSL_REQUEST)
            return status[1] if probe.recv(1) else None
        except OSError:
            return None


def _initialise(cluster: Path, run: Launcher, settings: Mapping[str, str]) -> None:
    """Make an empty cluster, under another name first so that half of one is never started."""
    if (cluster.parent / RESTORING).exists():
        raise EmbeddedError(
            f"a restore into {cluster.parent} was interrupted: run `twinstile restore` again"
        )
    for other in cluster.parent.glob("pg[0-9][0-9]"):
        raise EmbeddedError(
            f"{other} was made by another major version than {cluster.name}: run `twinstile "
            "upgrade-database`, or `twinstile restore` with a backup made before the upgrade"
        )
    fresh = cluster.with_suffix(".new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(0o700)
    os.chown(fresh, run.account.uid, run.account.gid)
    arguments = ["-D", str(fresh), "-U", SUPERUSER, "-A", "trust", "--encoding=UTF8"]
    arguments += ["--locale=C.UTF-8", "--data-checksums", "--no-instructions"]
    if postgres_binaries.major(run.folder) >= 17:
        arguments.append("--locale-provider=builtin")  # the same order on every machine
    if settings["fsync"] == "off":
        arguments.append("--no-sync")
    initdb = run("initdb", arguments, subprocess.PIPE)
    said, _ = initdb.communicate(timeout=300)
    if initdb.returncode != 0:
        raise EmbeddedError(f"no cluster could be made in {cluster.parent}:\n{_tail(said)}")
    fresh.rename(cluster)


def _serve(
    cluster: Path, run: Launcher, settings: Mapping[str, str], ticks: Iterator[None]
) -> EmbeddedServer:
    """Start the server and wait until it takes connections."""
    sockets = _socket_folder(cluster, run.account)
    _forget_the_dead(cluster, sockets)
    log = cluster.with_suffix(".log")
    if log.exists() and log.stat().st_size > LOG_LIMIT:
        log.replace(cluster.with_suffix(".log.1"))
    options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    log.touch(mode=0o600)
    with log.open("ab+") as sink:
        began = sink.tell()
        process = run("postgres", ["-D", str(cluster), "-k", str(sockets), *options], sink)
        server = EmbeddedServer(cluster, sockets, process)
        try:
            while process.poll() is None:
                if (now := _status(cluster)) and now[::2] == (process.pid, "ready"):
                    return server
                next(ticks)
        except BaseException:
            server.stop()
            raise
        sink.seek(began)
        raise EmbeddedError(f"PostgreSQL did not start:\n{_tail(sink.read())}")


def _socket_folder(cluster: Path, account: ServerAccount) -> Path:
    """Make a folder of mode 0700 for the socket; the path of the data may be too long."""
    name = f"twinstile-{sha256(os.fsencode(cluster)).hexdigest()[:16]}"
    for base in (os.environ.get("XDG_RUNTIME_DIR"), "/run", tempfile.gettempdir(), "/tmp"):  # noqa: S108 -- its owner and mode are checked
        if (
            not base
            or not os.access(base, os.W_OK)
            or postgres_binaries.barrier(Path(base), account)
        ):
            continue
        folder = Path(base).resolve() / name
        if len(os.fsencode(folder / f".s.PGSQL.{PORT}")) <= SOCKET_PATH_LIMIT:
            break
    else:
        raise EmbeddedError("no folder for a socket: set XDG_RUNTIME_DIR to one of your own")
    with contextlib.suppress(FileExistsError):
        folder.mkdir(0o700)
        os.chown(folder, account.uid, account.gid)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != account.uid or found.st_mode & 0o077:
        raise EmbeddedError(f"{folder} should be a closed folder of {account.name}: remove it")
    return folder


def _forget_the_dead(cluster: Path, sockets: Path) -> None:
    """Remove what a killed server left, under our lock.

    PostgreSQL would do so itself, except where another process has its old number by now (as in
    a container, where numbers repeat) or where a power cut left the file empty.
    """
    left = cluster / "postmaster.pid"
    pid = left.read_text().partition("\n")[0] if left.exists() else ""
    with contextlib.suppress(OSError):
        if pid and Path(f"/proc/{pid}/cwd").readlink() == cluster:
            return  # started by other hands: PostgreSQL refuses to be the second
    for remnant in (left, *sockets.glob(".s.PGSQL.*")):
        remnant.unlink(missing_ok=True)


def _tail(output: bytes) -> str:
    return output.decode(errors="replace").strip()[-2000:]
