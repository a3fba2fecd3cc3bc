"""The special people of a day, each with a script: what is asked, of whom, and how it ends.

The crowd is drawn by chance; guests are written down, in the table of `personas`. Each request
names the state it must lead to, so the totals follow from the table alone.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum

from twinstile_simulator import documents
from twinstile_simulator.credentials.presentations import Presentation
from twinstile_simulator.documents import Document
from twinstile_simulator.protocol import State


class Desk(StrEnum):
    """Whose tablet or desk sends a request."""

    LANE = "LANE"
    DEPARTURES = "DEPARTURES"
    ASSISTED = "ASSISTED"
    SECONDARY = "SECONDARY"
    SUPERVISOR = "SUPERVISOR"
    COMMANDER = "COMMANDER"
    EPIDEMIOLOGIST = "EPIDEMIOLOGIST"


class Way(StrEnum):
    """How the first check of each of a group reaches the service."""

    ONLINE = "ONLINE"
    TOGETHER = "TOGETHER"
    """All in one request."""
    SHIFT_CHANGE = "SHIFT_CHANGE"
    """From a tablet without a line, which another officer took over when half were checked."""
    PAPER = "PAPER"
    """From forms, keyed in when the service was there again."""


class Turn(StrEnum):
    """When somebody comes who cannot come with the others."""

    BEFORE = "BEFORE"
    """Before the gates are opened."""
    AWAY = "AWAY"
    """After they are closed, while a provider is away."""
    AFTER = "AFTER"
    """When it is back."""


class Known(StrEnum):
    """What a department says of somebody before they come."""

    CHECKED = "CHECKED"
    """The police ask to look at them."""
    STOPPED = "STOPPED"
    """They ask to stop them."""
    LIFTED = "LIFTED"
    """They asked, and took it back."""
    LATE = "LATE"
    """They ask while their server is away, and are heard when it is back."""
    DOCUMENT_LOST = "DOCUMENT_LOST"
    DOCUMENT_FOUND = "DOCUMENT_FOUND"
    """It was lost, and a later check was good."""
    RED = "RED"
    """To the health department."""
    GREEN = "GREEN"
    CONTACT = "CONTACT"
    """A close contact."""


@dataclass(frozen=True, slots=True)
class Move:
    """One request about a guest, and the state it must lead to."""

    desk: Desk
    state: State
    event: str | None = None
    """A step of the state machine or a word of `hosts.DEEDS`; without one it is a check."""
    told: Mapping[str, object] = field(default_factory=dict[str, object])
    """Parts of the check, or what the step brings; a timedelta is a moment so far from now."""
    again: bool = False
    """Begins another passage."""

    @property
    def taken(self) -> str | None:
        """The step of the state machine that a person takes, if it is one."""
        if self.event == OVERRIDE:
            return str(self.told["event"])
        return None if self.event in _NO_STEPS else self.event


CLOCK = "wait"
REMIND = "remind"
ARRIVE = "arrive"
NOTICED = "noticed"
DISPOSITION = "disposition"
OVERRIDE = "override"
SHOWN = "shown"
"""What a check tells of a code: the text is looked up when it is sent."""
NAMING = "naming"
_NO_STEPS = {CLOCK, DISPOSITION, NAMING, REMIND, ARRIVE, NOTICED}
Script = tuple[Move, ...]
Papers = Callable[[int], Document | None]


@dataclass(frozen=True, slots=True)
class Member:
    """One person of a group."""

    script: Script
    papers: Papers = documents.guest_id
    born: date = documents.GROWN_UP
    role: str | None = None
    """In the party, if the group is one."""
    name: str = "Guest"


@dataclass(frozen=True, slots=True)
class Group:
    """People who come together, or one; of each at least one group comes."""

    kind: str
    members: tuple[Member, ...]
    per_1000: float = 0
    afternoon: bool = False
    """Comes after the policy was changed."""
    expected: bool = False
    """Stands on the manifest of a train of the guests' own."""
    early: bool = False
    """Of the one that comes before its time."""
    reachable: bool = False
    """Has an address on the manifest."""
    way: Way = Way.ONLINE
    found: bool = False
    """Must be found again by the document, at the day's end."""
    known: Known | None = None
    """To a department."""
    turn: Turn | None = None
    """Else they come with the others."""


@dataclass(frozen=True, slots=True)
class Guest:
    """A person who comes."""

    key: str
    script: Script
    document: Document | None
    born: date
    role: str | None
    name: str = "Guest"

    @property
    def shows(self) -> Presentation | None:
        """The code that is looked at with the first check."""
        shown = self.script[0].told.get(SHOWN)
        return shown if isinstance(shown, Presentation) else None

    @property
    def passages(self) -> list[Script]:
        """The script, cut where another passage begins."""
        starts = [place for place, move in enumerate(self.script) if move.again]
        return [
            self.script[begin:end]
            for begin, end in zip([0, *starts], [*starts, None], strict=True)
        ]


@dataclass(frozen=True, slots=True)
class Visit:
    """A group that comes."""

    group: Group
    guests: tuple[Guest, ...]


def everybody(invited: tuple[Visit, ...]) -> Iterator[Guest]:
    """All guests, one by one."""
    return (guest for visit in invited for guest in visit.guests)


def kinds(invited: tuple[Visit, ...]) -> dict[str, int]:
    """How many people of each kind come."""
    counted: Counter[str] = Counter()
    for visit in invited:
        counted[visit.group.kind] += len(visit.guests)
    return dict(counted)
