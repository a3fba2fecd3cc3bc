"""Processes a killed database server leaves behind, which hold its memory and its lock.

A server whose first process (the postmaster) was killed ends by itself as soon as its other
processes notice. One that is in the middle of a long statement notices at its end: the cluster
cannot be started until then. Nobody can want its result, so it is ended.
"""

import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_PROC = Path("/proc")


def end(cluster: Path) -> int:
    """Kill what works in the folder of a cluster for a postmaster that is gone; how many.

    PostgreSQL recovers from that as from a power cut. On systems without /proc nothing is
    found, and the caller waits a little longer.
    """
    inside = {pid: parent for pid, parent in _processes() if _works_in(pid, cluster)}
    # a postmaster itself is started by somebody outside; one that shuts down is left to it
    orphans = [
        pid for pid, parent in inside.items() if parent not in inside and not _postmaster(pid)
    ]
    for pid in orphans:
        with suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)
    return len(orphans)


def _processes() -> Iterator[tuple[int, int]]:
    for entry in _PROC.glob("[0-9]*"):
        with suppress(OSError):
            # after the name, which is in brackets and may hold anything: state, parent
            yield (
                int(entry.name),
                int((entry / "stat").read_text().rpartition(")")[2].split()[1]),
            )


def _works_in(pid: int, cluster: Path) -> bool:
    with suppress(OSError):
        return (_PROC / str(pid) / "cwd").readlink() == cluster
    return False


def _postmaster(pid: int) -> bool:
    """A server's other processes call themselves `postgres: what they do`."""
    with suppress(OSError):
        return not (_PROC / str(pid) / "cmdline").read_bytes().startswith(b"postgres: ")
    return True
