"""The one place where time is read.

Time is a fact: the edge reads the clock once and passes the moment down, so that a resend, a
replay and a test see the same instant. Everything is aware UTC.
"""

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

JUMP_S = 3600.0
CALM_S = 86_400.0
"""After a jump it takes so long until the clock is trusted with what cannot be undone."""


def now() -> datetime:
    """The present moment, aware, in UTC."""
    return datetime.now(UTC)


def since_boot() -> float:
    """Seconds that no setting of the clock changes; where it can be had, sleep counts."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


def zone(name: str) -> ZoneInfo:
    """A time zone. Raises `ValueError` for a name the IANA database has not."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # OSError: the name of a region
        raise ValueError("not a time zone of the IANA database") from None


async def pause(stop: asyncio.Event, seconds: float) -> None:
    """Wait that long, or until `stop`."""
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        pass


class ClockWatch:
    """Whether the clock has gone steadily, as far as this process has seen."""

    def __init__(self, at: datetime, elapsed: Callable[[], float] = since_boot) -> None:
        self._elapsed = elapsed
        self._offset = at.timestamp() - elapsed()
        self._calm_from = elapsed()

    def steady(self, at: datetime) -> bool:
        """False within `CALM_S` after the clock was set by more than `JUMP_S`."""
        elapsed = self._elapsed()
        offset = at.timestamp() - elapsed
        if abs(offset - self._offset) > JUMP_S:
            self._calm_from = elapsed + CALM_S
        self._offset = offset
        return elapsed >= self._calm_from
