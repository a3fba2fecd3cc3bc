"""What a replay found: counts, queues and examples; random ids and codes, no identity."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from twinstile.replay.queues import QueueHour, Station
from twinstile.screening.types import ScreeningState, Verdict


@dataclass(frozen=True, slots=True)
class PassageSeen:
    """A passage as one of the two policies leaves it."""

    state: ScreeningState
    verdict: Verdict
    rules: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StateShift:
    """How many passages ended so under the policies of then, and so under the other."""

    before: ScreeningState
    after: ScreeningState
    decided_by_person: bool
    screenings: int


@dataclass(frozen=True, slots=True)
class CheckShift:
    """How many checks were shown one verdict, and would be shown the other."""

    before: Verdict
    after: Verdict | None
    """None: there would have been no such check, for the passage was over."""
    checks: int


@dataclass(frozen=True, slots=True)
class RuleShift:
    """How many decisions a rule was a reason of."""

    rule_id: str
    before: int
    after: int


@dataclass(frozen=True, slots=True)
class ReplayExample:
    """A passage that would have ended elsewhere."""

    screening_id: UUID
    checkpoint: str | None
    decided_by_person: bool
    before: PassageSeen
    after: PassageSeen


@dataclass(frozen=True, slots=True)
class CaseShift:
    """Passages whose suspicion the checks confirmed, so that a case is opened or joined."""

    before: int
    after: int
    would_not_open: int
    would_open: int


@dataclass(frozen=True, slots=True)
class QueueShift:
    station: Station
    lanes: int
    before: QueueHour
    after: QueueHour


@dataclass(frozen=True, slots=True)
class HourShift:
    """One hour of a checkpoint."""

    hour: datetime
    checkpoint: str | None
    checks: int
    elsewhere: int
    queues: list[QueueShift]


@dataclass(frozen=True, slots=True)
class ReplayResult:
    """What a replay found. `elsewhere` counts what would have gone another way."""

    checks: int
    screenings: int
    begun_before: int
    """Checks left out: their passage began before the period."""
    checks_elsewhere: int
    screenings_elsewhere: int
    reasons_elsewhere: int
    """Checks with the same verdict and state for other reasons."""
    decided_by_person: int
    """Passages that a person moved; their steps are kept as they were."""
    cases: CaseShift
    verdicts: list[CheckShift]
    states: list[StateShift]
    rules: list[RuleShift]
    hours: list[HourShift]
    hours_left_off: int
    examples: list[ReplayExample]
