"""Who used the processors: read from /proc, so that a figure names its disturbances (Linux)."""

import os
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

TICK_S = 1 / os.sysconf("SC_CLK_TCK")
_BUSY = (0, 1, 2, 5, 6, 7)  # user, nice, system, irq, softirq, steal of proc(5) "cpu"


@dataclass(frozen=True, slots=True)
class Used:
    """Processor seconds so far: of the whole machine, and of each tree of processes."""

    machine: float
    trees: Mapping[str, float]

    def since(self, earlier: "Used") -> "Used":
        return Used(
            self.machine - earlier.machine,
            {name: used - earlier.trees[name] for name, used in self.trees.items()},
        )


def used(roots: Mapping[str, int]) -> Used:
    """What the processes `roots` and all below them have used.

    A child that ended meanwhile is counted by the parent that waited for it, so that a backend
    which comes and goes is not lost.
    """
    own: dict[int, float] = {}
    waited: dict[int, float] = {}
    children: defaultdict[int, list[int]] = defaultdict(list)
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue  # it ended while we looked
        pid = int(folder.name)
        children[int(fields[1])].append(pid)
        own[pid] = (int(fields[11]) + int(fields[12])) * TICK_S
        waited[pid] = (int(fields[13]) + int(fields[14])) * TICK_S
    total = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
    return Used(
        sum(int(total[place]) for place in _BUSY) * TICK_S,
        {
            name: sum(own.get(pid, 0) for pid in below(root, children)) + waited.get(root, 0)
            for name, root in roots.items()
        },
    )


def below(root: int, children: Mapping[int, list[int]]) -> list[int]:
    """A process and all its descendants."""
    found = [root]
    for pid in found:
        found.extend(children.get(pid, ()))
    return found
