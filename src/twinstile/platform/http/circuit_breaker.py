"""When to stop asking a partner that does not answer, and when to try again.

A value and not a device: each step gives the next state, so that it may live in memory or in a
row. Time and chance are handed in. Calls have to end well within `FIRST_WAIT`: an answer that
comes while nobody was sent out to try is from before the breaker opened, and changes nothing.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

IN_A_ROW: Final = 5
WINDOW: Final = 20
WINDOW_FAILED: Final = 10
FIRST_WAIT: Final = timedelta(seconds=30)
"""Also the shortest: nobody who is down is asked more often."""
LONGEST_WAIT: Final = timedelta(minutes=10)
SPREAD: Final = 0.2
"""Waits differ by this share to each side, lest all who wait return in one moment."""
_DOUBLINGS: Final = 5  # 30 s · 2^5 is beyond the longest wait


class BreakerState(StrEnum):
    CLOSED = "CLOSED"
    OPEN = "OPEN"
    TRYING = "TRYING"  # one call is out to see whether it is over


@dataclass(frozen=True, slots=True)
class Breaker:
    recent: tuple[bool, ...] = ()
    """How the last calls ended, the newest last; true: it failed."""
    opened: int = 0
    """How often in a row it opened; 0: closed."""
    again_at: datetime | None = None
    """The earliest moment of the next call; None: closed."""
    trying: bool = False

    @property
    def state(self) -> BreakerState:
        if self.again_at is None:
            return BreakerState.CLOSED
        return BreakerState.TRYING if self.trying else BreakerState.OPEN

    def allows(self, now: datetime) -> bool:
        """Whether a call may go out. A clock set back keeps nobody waiting for longer."""
        if self.again_at is None:
            return True
        return not timedelta(0) < self.again_at - now <= LONGEST_WAIT * (1 + SPREAD)

    def asked(self, now: datetime) -> "Breaker":
        """A call that was allowed goes out.

        No other follows one that tries until it ends, or until a whole wait has gone by.
        """
        if self.again_at is None:
            return self
        return replace(self, again_at=now + _wait(self.opened, 0.5), trying=True)

    def succeeded(self) -> "Breaker":
        if self.again_at is None:
            return replace(self, recent=(*self.recent, False)[-WINDOW:])
        return Breaker() if self.trying else self

    def failed(self, now: datetime, chance: float) -> "Breaker":
        """`chance`: evenly from 0 to 1, spreads the wait."""
        recent = (*self.recent, True)[-WINDOW:]
        if self.again_at is None and not _too_many(recent):
            return replace(self, recent=recent)
        if self.again_at is not None and not self.trying:
            return self
        opened = self.opened + 1
        return Breaker(opened=opened, again_at=now + _wait(opened, chance))


def _too_many(recent: tuple[bool, ...]) -> bool:
    row = recent[-IN_A_ROW:]
    return (len(row) == IN_A_ROW and all(row)) or (
        len(recent) == WINDOW and sum(recent) >= WINDOW_FAILED
    )


def _wait(opened: int, chance: float) -> timedelta:
    doubled = FIRST_WAIT * 2 ** min(opened - 1, _DOUBLINGS)
    return max(FIRST_WAIT, min(doubled, LONGEST_WAIT) * (1 + SPREAD * (2 * chance - 1)))
