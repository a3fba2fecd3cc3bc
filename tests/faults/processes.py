"""Processes of the machine, read from /proc: who runs in which folder, who is whose child.

Nothing is looked for by name: the laboratory ends what it started, or what works in a database
folder of its own, and nothing else.
"""

import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path


def children(parent: int) -> list[int]:
    """The living children of a process."""
    return [pid for pid, whose in _parents() if whose == parent]


def _parents() -> Iterator[tuple[int, int]]:
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                # the name in brackets may hold anything; state and parent come after it
                after = (entry / "stat").read_text().rpartition(")")[2].split()
                if after[0] != "Z":
                    yield int(entry.name), int(after[1])


def alive(pid: int) -> bool:
    """Whether it runs; one that waits for its parent to look has ended."""
    return any(pid == living for living, _ in _parents())


def title(pid: int) -> str:
    """What a process calls itself: PostgreSQL's say what they do."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
    return ""


def kill(pid: int, number: signal.Signals = signal.SIGKILL) -> bool:
    """Send a signal; false when there is no such process any more."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True
