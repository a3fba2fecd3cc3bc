"""The words of policy: a compiled, versioned document that a hub decides by."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NewType

from twinstile.policy.areas import Areas

PolicyVersion = NewType("PolicyVersion", str)


class Transit(StrEnum):
    """What somebody with an onward ticket may do inside the hub."""

    ALLOWED = "ALLOWED"
    ESCORTED = "ESCORTED"
    EXIT_REQUIRED = "EXIT_REQUIRED"


class AlternativeOffer(StrEnum):
    """Another way of doing what was refused, offered before the refusal was written down."""

    OTHER_DEVICE = "OTHER_DEVICE"
    SELF_MEASURED_UNDER_VIEW = "SELF_MEASURED_UNDER_VIEW"
    SAME_SEX_STAFF = "SAME_SEX_STAFF"
    PRIVATE_ROOM = "PRIVATE_ROOM"
    OTHER_DOCUMENT = "OTHER_DOCUMENT"
    PAPER_DECLARATION = "PAPER_DECLARATION"
    PROXY_LOOK_UP = "PROXY_LOOK_UP"
    INTERPRETER = "INTERPRETER"
    NONE_FITS = "NONE_FITS"


class MeasureKind(StrEnum):
    SAMPLE = "SAMPLE"
    TEST = "TEST"
    REGISTER = "REGISTER"
    TRANSFER = "TRANSFER"
    HOME_ISOLATION = "HOME_ISOLATION"
    CENTRAL_ISOLATION = "CENTRAL_ISOLATION"
    HEALTH_MONITORING = "HEALTH_MONITORING"


class MeasureAnchor(StrEnum):
    """The day a measure counts from."""

    LEFT_AREA = "LEFT_AREA"
    ARRIVAL = "ARRIVAL"
    LAST_CONTACT = "LAST_CONTACT"


@dataclass(frozen=True, slots=True)
class Isolation:
    """How many days somebody is followed from the day of the anchor, and tested on which."""

    days: int
    test_days: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Parameters:
    """The figures of a policy. Temperatures are tenths of a degree Celsius."""

    threshold_tenths: int
    invalid_below_tenths: int
    confirm_methods: int
    error_tenths: Mapping[str, int]
    contact_methods: frozenset[str]
    passage_minutes: int
    hold_window_hours: int
    duplicate_seconds: int
    reminder_minutes: int
    retention_days: int
    case_retention_days: int
    complete: tuple[int, int, int]
    deadline_seconds: Mapping[str, int]
    reuse_minutes: int
    """How long credential and temperature of the last passage count on re-entry; 0: never."""
    transit: Transit
    refusal_alternatives: tuple[AlternativeOffer, ...]
    """One of these was offered before a measurement counts as refused, if any fits."""
    party: bool
    """Whether an abnormal member flags the others of a party."""
    replay_hours: int
    """How old facts of a device that was offline may be when they arrive."""
    remind_hours: int
    """How long before its arrival the people of a run are reminded by themselves; 0: never."""
    remind_again_minutes: int
    """How long before the arrival once more; 0: never."""
    isolation: Mapping[str, Isolation]
    """By the code of a disposition."""
    lost_after_attempts: int
    """So many attempts in a row to reach a patient fail before they may be called lost."""
    lost_apart_hours: int
    """An attempt is another one so long after the last that counted; 0: always.

    Four hours: morning, midday and evening are three, and redialling is one.
    """


@dataclass(frozen=True, slots=True)
class Measure:
    """What a rule asks of a traveller; `measures.ordered` gives it dates."""

    kind: MeasureKind
    days: int | None = None
    anchor: MeasureAnchor | None = None
    test_days: tuple[int, ...] = ()
    within_hours: int | None = None
    mode: str | None = None
    """How, e.g. COACH or POINT_TO_POINT."""


@dataclass(frozen=True, slots=True)
class Alternative:
    """The published "or" of a rule: what may be done instead."""

    outcome: str
    measures: tuple[Measure, ...]
    text: Mapping[str, str]


class Conveyance(StrEnum):
    """What people were aboard of, as far as who was near depends on it."""

    AIRCRAFT = "AIRCRAFT"
    TRAIN = "TRAIN"  # air-conditioned, closed: seats and hard sleepers
    TRAIN_SLEEPER = "TRAIN_SLEEPER"  # closed compartments
    TRAIN_OPEN = "TRAIN_OPEN"  # with windows that open
    COACH = "COACH"
    COACH_OPEN = "COACH_OPEN"
    SHIP = "SHIP"


class Zone(StrEnum):
    """Who is near somebody; what is not of a conveyance stands first."""

    PARTY = "PARTY"
    GATE = "GATE"  # at the same lane; `reach` in minutes
    COMPARTMENT = "COMPARTMENT"
    BAYS = "BAYS"  # `reach` bays on either side
    ROWS = "ROWS"  # `reach` rows on either side, in the same coach if there are coaches
    COACH = "COACH"  # of a ship: the cabin
    CREW_OF_COACH = "CREW_OF_COACH"
    CREW = "CREW"
    EVERYBODY = "EVERYBODY"


class ContactClass(StrEnum):
    """How near, from the nearest."""

    CLOSE = "CLOSE"
    GENERAL = "GENERAL"


@dataclass(frozen=True, slots=True)
class ContactRule:
    """Whoever is in the zone is a contact of that class. `weight` is 1 to 100."""

    rule_id: str
    zone: Zone
    conveyances: frozenset[Conveyance]
    """Empty: wherever the zone is."""
    reach: int
    contact_class: ContactClass
    weight: int
    text: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class ContactRules:
    """Who counts as a contact on board and at the gate."""

    version: str
    by_mode: Mapping[str, Conveyance]
    """What a run is taken for, unless somebody knows better."""
    berth_numbers: int
    """Numbers of berths that share a compartment or bay."""
    bay_seats: int
    """Seats of a bay where they have a number and no letter."""
    rules: tuple[ContactRule, ...]


@dataclass(frozen=True, slots=True)
class PolicyRule:
    """One rule: when it holds, what it concludes, and why in words (per language)."""

    rule_id: str
    outcome: str
    code: str
    text: Mapping[str, str]
    holds: Callable[[Mapping[str, object]], bool]
    measures: tuple[Measure, ...] = ()
    alternatives: tuple[Alternative, ...] = ()
    discretion: bool = False
    """"In principle": an officer may decide otherwise, with a reason."""


@dataclass(frozen=True, slots=True, eq=False)
class HubPolicy:
    """A policy ready to decide by. One that was compiled again is another object."""

    version: PolicyVersion
    parameters: Parameters
    rules: tuple[PolicyRule, ...]
    contacts: ContactRules
    areas: Areas = field(default_factory=Areas)

    def applying(self, facts: Mapping[str, object]) -> tuple[PolicyRule, ...]:
        """Every rule that holds, in the policy's order."""
        return tuple(rule for rule in self.rules if rule.holds(facts))

    def named(self, rule_ids: Collection[str]) -> tuple[PolicyRule, ...]:
        """The rules of a decision, in the policy's order, with what each leaves open."""
        return tuple(rule for rule in self.rules if rule.rule_id in rule_ids)
