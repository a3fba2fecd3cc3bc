"""How long travellers wait for help: from when it was first needed until it last ended."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from twinstile.screening.types import ScreeningState

_ASSISTED = ScreeningState.ASSISTED


@dataclass(frozen=True, slots=True)
class Assisted:
    """That somebody needed help, since when, and until when; not until None: it goes on."""

    since: datetime
    until: datetime | None = None

    def packed(self) -> list[str | None]:
        """As the fold of a screening holds it."""
        return [self.since.isoformat(), self.until.isoformat() if self.until else None]


def unpack(packed: Sequence[str | None] | None) -> Assisted | None:
    """The inverse of `packed`."""
    match packed:
        case [str(since), until]:
            end = datetime.fromisoformat(until) if until else None
            return Assisted(datetime.fromisoformat(since), end)
        case _:
            return None


def moved(
    previous: Assisted | None, before: ScreeningState, after: ScreeningState, at: datetime
) -> Assisted | None:
    """What is known after a move. Whoever needs help again has waited since the first time."""
    if before is not _ASSISTED and after is _ASSISTED:
        return Assisted(previous.since if previous else at)
    if before is _ASSISTED and after is not _ASSISTED and previous:
        return Assisted(previous.since, max(previous.since, at))
    return previous
