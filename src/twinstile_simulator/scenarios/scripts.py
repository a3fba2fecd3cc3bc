"""Scripts of special travellers: which requests are sent, by whom, and how each must end.

The crowd is drawn by chance; special travellers are written down in tables. Each request names
the state it must lead to, so the totals follow from the tables alone.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from enum import StrEnum

from twinstile_simulator import documents
from twinstile_simulator.credentials.presentations import Presentation
from twinstile_simulator.documents import InventedDocument
from twinstile_simulator.protocol import State


class ScriptDesk(StrEnum):
    """Whose tablet or desk sends a request."""

    LANE = "LANE"
    DEPARTURES = "DEPARTURES"
    ASSISTED = "ASSISTED"
    SECONDARY = "SECONDARY"
    SUPERVISOR = "SUPERVISOR"
    COMMANDER = "COMMANDER"
    EPIDEMIOLOGIST = "EPIDEMIOLOGIST"


class DayPeriod(StrEnum):
    """When a group comes; the policy is changed between morning and afternoon."""

    BEFORE_OPENING = "BEFORE_OPENING"
    MORNING = "MORNING"
    AFTERNOON = "AFTERNOON"
    PROVIDER_OUTAGE = "PROVIDER_OUTAGE"
    """After the gates are closed, while a provider is away."""
    AFTER_OUTAGE = "AFTER_OUTAGE"

    @property
    def under_new_policy(self) -> bool:
        return self not in {DayPeriod.BEFORE_OPENING, DayPeriod.MORNING}


class DepartmentReport(StrEnum):
    """What a department reports of somebody before they come."""

    POLICE_CHECK = "POLICE_CHECK"
    POLICE_STOP = "POLICE_STOP"
    POLICE_LIFTED = "POLICE_LIFTED"
    POLICE_LATE = "POLICE_LATE"
    """Reported while the server of the police is away."""
    DOCUMENT_LOST = "DOCUMENT_LOST"
    DOCUMENT_FOUND = "DOCUMENT_FOUND"
    """It was lost, and a later check was good."""
    HEALTH_RED = "HEALTH_RED"
    HEALTH_GREEN = "HEALTH_GREEN"
    CLOSE_CONTACT = "CLOSE_CONTACT"


CLOCK, DISPOSITION, OVERRIDE, IDENTIFICATION = "clock", "disposition", "override", "identify"
"""Actions that are neither a check nor a step of the state machine."""
PRESENTED = "presented"
"""The part of a check that holds a presentation: its text is looked up when it is sent."""


@dataclass(frozen=True, slots=True)
class ScriptAction:
    """One request about a traveller, and the state it must lead to."""

    desk: ScriptDesk
    state: State
    event: str | None = None
    """A step of the state machine, or one of the other actions; without one it is a check."""
    content: Mapping[str, object] = field(default_factory=dict[str, object])
    """Parts of the check or of the step; a timedelta is a moment so far from now."""
    new_visit: bool = False

    @property
    def transition(self) -> str | None:
        """The step of the state machine that a person takes, if it is one."""
        if self.event == OVERRIDE:
            return str(self.content["event"])
        return None if self.event in {CLOCK, DISPOSITION, IDENTIFICATION} else self.event


Script = tuple[ScriptAction, ...]
WELL = {"value": 36.6, "method": "WALK_THROUGH"}


def check(desk: ScriptDesk, state: State, /, **parts: object) -> ScriptAction:
    """A check of somebody well, with these parts changed, or left out if None."""
    well = {"temperature": WELL, "credential": {"status": "GREEN"}, "identity": "MATCH"}
    content = {name: part for name, part in (well | parts).items() if part is not None}
    return ScriptAction(desk, state, content=content)


def step(desk: ScriptDesk, event: str, state: State, /, **content: object) -> ScriptAction:
    """A step that no check brings."""
    return ScriptAction(desk, state, event, content)


def begin_visit(action: ScriptAction) -> ScriptAction:
    """The same action, with which another visit begins."""
    return replace(action, new_visit=True)


def by_clock(state: State) -> ScriptAction:
    """Nobody does anything until a deadline of the service has passed."""
    return ScriptAction(ScriptDesk.SUPERVISOR, state, CLOCK)


@dataclass(frozen=True, slots=True)
class GroupMember:
    """One person of a group."""

    script: Script
    papers: Callable[[int], InventedDocument | None] = documents.guest_id
    born: date = documents.GROWN_UP
    role: str | None = None
    """In the party, if the group is one."""
    name: str = "Guest"


@dataclass(frozen=True, slots=True)
class TravellerGroup:
    """People who come together, or one; of each at least one group comes."""

    kind: str
    members: tuple[GroupMember, ...]
    per_1000: float = 0
    period: DayPeriod = DayPeriod.MORNING
    expected: bool = False
    """On the manifest of a train of their own."""
    batched: bool = False
    """Their first checks are sent in one request."""
    looked_up: bool = False
    """Must be found by the document at the end of the day."""
    report: DepartmentReport | None = None


@dataclass(frozen=True, slots=True)
class ScriptedTraveller:
    """A person who comes."""

    key: str
    member: GroupMember
    document: InventedDocument | None

    @property
    def script(self) -> Script:
        return self.member.script

    @property
    def presentation(self) -> Presentation | None:
        """The credential that is presented at the first check."""
        presented = self.script[0].content.get(PRESENTED)
        return presented if isinstance(presented, Presentation) else None

    @property
    def visits(self) -> list[Script]:
        """The script, cut where another visit begins."""
        starts = [place for place, action in enumerate(self.script) if action.new_visit]
        return [
            self.script[begin:end]
            for begin, end in zip([0, *starts], [*starts, None], strict=True)
        ]


@dataclass(frozen=True, slots=True)
class GroupArrival:
    """A group that comes."""

    group: TravellerGroup
    travellers: tuple[ScriptedTraveller, ...]


def list_travellers(arrivals: Sequence[GroupArrival]) -> Iterator[ScriptedTraveller]:
    """All travellers, one by one."""
    return (traveller for arrival in arrivals for traveller in arrival.travellers)


def count_kinds(arrivals: Sequence[GroupArrival]) -> dict[str, int]:
    """How many people of each kind come."""
    counted: Counter[str] = Counter()
    for arrival in arrivals:
        counted[arrival.group.kind] += len(arrival.travellers)
    return dict(counted)
