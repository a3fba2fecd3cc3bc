"""How long people would stand: a queue of each station, simulated from stored moments. Pure.

One queue first come, first served before c lanes with a constant time of service (G/D/c), by
the recursion of Kiefer and Wolfowitz (On the theory of queues with many servers, Trans. AMS 78,
1955). Constant times end in the order they began, so c moments are all that is remembered.

It compares policies; it does not tell how long people stood. The stored moment of a check is
the one at which it was made, after the wait; who gives up or is let forward is not known.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Station(StrEnum):
    """Where people wait; AUTO is the first lane, whatever its kind."""

    AUTO = "AUTO"
    ASSISTED = "ASSISTED"
    SECONDARY = "SECONDARY"


SERVICE_S: Final = {Station.AUTO: 6.0, Station.ASSISTED: 120.0, Station.SECONDARY: 300.0}
"""Seconds one person takes, whatever the policy: at a lane 4 s by hand, 2 s by the machine."""
LONGEST_P95_S: Final = 600.0
"""What nine in ten and more should not wait longer than."""
MOST_LANES: Final = 400


@dataclass(frozen=True, slots=True)
class QueueHour:
    """One hour at a station under one policy. Waits in seconds, of those who came in it."""

    people: int
    p50_s: float
    p95_s: float
    lanes_needed: int | None
    """For a 95th percentile of at most ten minutes, were the hall empty when the hour began."""


class Queue:
    """One station over the hours, in order; who is waiting when an hour ends, waits on."""

    def __init__(self, service_s: float) -> None:
        self._service_s = service_s
        self._free: deque[float] = deque()

    def hour(self, begins: float, arrivals: Sequence[float], lanes: int) -> QueueHour:
        """What an hour adds: moments of arrival in order, and how many lanes were at work."""
        while len(self._free) > lanes:
            self._free.popleft()  # of those that stand idle the longest first
        while len(self._free) < lanes:
            self._free.appendleft(min([begins, *self._free]))
        waits = sorted(waited(arrivals, self._free, self._service_s))
        return QueueHour(
            len(waits), quantile(waits, 0.5), quantile(waits, 0.95), self._needed(arrivals)
        )

    def _needed(self, arrivals: Sequence[float]) -> int | None:
        if not arrivals:
            return 0
        room = arrivals[-1] - arrivals[0] + LONGEST_P95_S + self._service_s
        fewest = max(1, int(len(arrivals) * 0.95 * self._service_s / room))
        for lanes in range(fewest, MOST_LANES + 1):
            free = deque([arrivals[0]] * lanes)
            if quantile(sorted(waited(arrivals, free, self._service_s)), 0.95) <= LONGEST_P95_S:
                return lanes
        return None


def waited(arrivals: Iterable[float], free: deque[float], service_s: float) -> list[float]:
    """Each arrival's wait; `free`, when each lane is free, earliest first, moves on."""
    waits: list[float] = []
    for at in arrivals:
        start = max(at, free.popleft())
        free.append(start + service_s)
        waits.append(start - at)
    return waits


def quantile(ordered: Sequence[float], share: float) -> float:
    """The nearest-rank quantile, to a tenth; 0 of nobody."""
    if not ordered:
        return 0.0
    return round(ordered[max(0, -int(-len(ordered) * share // 1) - 1)], 1)
