"""Who was near a patient on board, by the rules of a policy. Pure: places in, reasons out.

A place that is not known well enough is never taken for far away: whoever may have been near is
found with a reason that is not certain, counts half and is a general contact at most.
"""

import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Final
from uuid import UUID

from twinstile.contacts.seats import Seat
from twinstile.policy.types import ContactClass, ContactRule, ContactRules, Conveyance, Zone

MOST_POINTS: Final = 100
_ROWS_OF_A_BAY: Final = 2
_NEAREST: Final = list(ContactClass).index


@dataclass(frozen=True, slots=True)
class RunLocation:
    """Where somebody was on a run. `leg` are the places of their stops among those of the run.

    `earlier`: they had been placed there before a correction.
    """

    coach: str | None
    seat: Seat | None
    leg: tuple[int, int] | None
    earlier: bool = False


@dataclass(frozen=True, slots=True)
class Aboard:
    """Somebody on a run: where they are placed, then where they were before; at least one."""

    person_id: UUID
    places: tuple[RunLocation, ...]
    crew: bool = False
    party: str | None = None


@dataclass(frozen=True, slots=True)
class ContactReason:
    """Why somebody is a contact. `legs` are those travelled together, of how many; or None."""

    rule_id: str
    contact_class: ContactClass
    points: int
    certain: bool = True
    earlier: bool = False
    legs: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class TracedContact:
    """A contact with every reason, the best first."""

    person_id: UUID
    reasons: tuple[ContactReason, ...]

    @property
    def contact_class(self) -> ContactClass:
        return min((one.contact_class for one in self.reasons), key=_NEAREST)

    @property
    def points(self) -> int:
        """Those of the best reason, and five for each other one."""
        return min(MOST_POINTS, self.reasons[0].points + 5 * (len(self.reasons) - 1))


def near(
    patient: Aboard, others: Sequence[Aboard], conveyance: Conveyance, rules: ContactRules
) -> list[TracedContact]:
    """Everybody of a run who was near the patient, in no order."""
    applying = [rule for rule in rules.rules if conveyance in rule.conveyances]
    party = [rule for rule in rules.rules if rule.zone is Zone.PARTY]
    found: list[TracedContact] = []
    for other in others:
        reasons = list(_on_board(patient, other, applying, rules))
        if patient.party is not None and other.party == patient.party:
            reasons += [
                ContactReason(rule.rule_id, rule.contact_class, rule.weight) for rule in party
            ]
        if reasons:
            found.append(TracedContact(other.person_id, ordered(reasons)))
    return found


def ordered(reasons: Sequence[ContactReason]) -> tuple[ContactReason, ...]:
    """One reason a rule, the best first."""
    best: dict[str, ContactReason] = {}
    for reason in sorted(reasons, key=_rank):
        best.setdefault(reason.rule_id, reason)
    return tuple(best.values())


def _rank(reason: ContactReason) -> tuple[int, int, str]:
    return _NEAREST(reason.contact_class), -reason.points, reason.rule_id


def ranked(contacts: Sequence[TracedContact]) -> list[TracedContact]:
    """Everybody once, with all reasons; the nearest first."""
    gathered: dict[UUID, list[ContactReason]] = {}
    for one in contacts:
        gathered.setdefault(one.person_id, []).extend(one.reasons)
    whole = [
        TracedContact(person_id, ordered(reasons)) for person_id, reasons in gathered.items()
    ]
    return sorted(
        whole, key=lambda one: (_NEAREST(one.contact_class), -one.points, one.person_id)
    )


def _on_board(
    patient: Aboard, other: Aboard, applying: Sequence[ContactRule], rules: ContactRules
) -> Iterator[ContactReason]:
    for mine, its in product(patient.places, other.places):
        legs = _legs(mine, its)
        if legs and not legs[0]:
            continue  # one had left when the other came
        for rule in applying:
            within = _within(rule, mine, its, rules, is_crew=other.crew)
            if within is not False:
                yield _reason(
                    rule,
                    legs,
                    certain=within is True,
                    earlier=mine.earlier or its.earlier,
                )


def _reason(
    rule: ContactRule, legs: tuple[int, int] | None, *, certain: bool, earlier: bool
) -> ContactReason:
    points = rule.weight * (legs[0] / legs[1] if legs else 1)
    points /= (1 if certain else 2) * (2 if earlier else 1)
    return ContactReason(
        rule.rule_id,
        rule.contact_class if certain else ContactClass.GENERAL,
        max(1, round(points)),
        certain,
        earlier,
        legs,
    )


def _legs(mine: RunLocation, its: RunLocation) -> tuple[int, int] | None:
    """How many legs of mine both were on board, of how many; None: the stops are not known."""
    if mine.leg is None or its.leg is None:
        return None
    shared = min(mine.leg[1], its.leg[1]) - max(mine.leg[0], its.leg[0])
    return max(0, shared), mine.leg[1] - mine.leg[0]


def counted(stops: Sequence[str]) -> Mapping[str, int]:
    """The places of the stops of a run, by name; not of one that it comes to twice."""
    names = Counter(called(stop) for stop in stops)
    return {name: n for n, stop in enumerate(stops) if names[name := called(stop)] == 1}


def called(stop: str) -> str:
    """A stop as it is compared: lists of travellers and timetables write it differently."""
    name = " ".join(unicodedata.normalize("NFKC", stop).casefold().split())
    return name.removesuffix("站").removesuffix(" station") or name


def leg(
    stops: Mapping[str, int], board: str | None, alight: str | None
) -> tuple[int, int] | None:
    """The places of two stops among those of a run; None unless both are known, in order."""
    since, until = stops.get(called(board or "")), stops.get(called(alight or ""))
    if since is None or until is None or since >= until:
        return None
    return since, until


def _within(
    rule: ContactRule,
    mine: RunLocation,
    its: RunLocation,
    rules: ContactRules,
    *,
    is_crew: bool,
) -> bool | None:
    """Whether the other was in the zone around the patient; None: it cannot be told."""
    match rule.zone:
        case Zone.EVERYBODY:
            return True
        case Zone.CREW:
            return is_crew
        case Zone.CREW_OF_COACH:
            return False if not is_crew else its.coach is None or _same(mine.coach, its.coach)
        case Zone.COACH:
            return _same(mine.coach, its.coach)
        case Zone.ROWS | Zone.BAYS | Zone.COMPARTMENT:
            return _close_by(rule, mine, its, rules)
        case Zone.PARTY | Zone.GATE:
            return False


def _same(mine: str | None, its: str | None) -> bool | None:
    return None if mine is None or its is None else mine == its


def _close_by(
    rule: ContactRule, mine: RunLocation, its: RunLocation, rules: ContactRules
) -> bool | None:
    coaches = mine.coach is not None or its.coach is not None
    together = _same(mine.coach, its.coach) if coaches else True
    if together is False:
        return False
    if mine.seat is None or its.seat is None:
        return None
    apart = _apart(rule.zone, mine.seat, its.seat, rules)
    if apart is None:
        return None
    return False if apart > rule.reach else together


def _apart(zone: Zone, mine: Seat, its: Seat, rules: ContactRules) -> int | None:
    """How many rows, bays or compartments lie between; None for seats of two kinds."""
    if (mine.level is None) != (its.level is None) or (mine.letter is None) != (
        its.letter is None
    ):
        return None
    if zone is Zone.ROWS and mine.level is None:
        return abs(mine.number - its.number) if mine.letter else None
    size = rules.bay_seats
    if mine.level is not None or zone is Zone.COMPARTMENT:
        size = rules.berth_numbers
    elif mine.letter is not None:
        size = _ROWS_OF_A_BAY
    return abs((mine.number - 1) // size - (its.number - 1) // size)


@dataclass(frozen=True, slots=True)
class DataCoverage:
    """How much of what finding contacts rests on was known, each from 0 to 100.

    None: nothing of it was needed.
    """

    patient: int | None
    """Coach, seat and stops of the patient on each run."""
    places: int | None
    """The others' coach and seat."""
    legs: int | None
    """Pairs of whom it is known on which legs they were on board together."""
    crew: int | None
    """Runs whose crew is on the list."""
    gate: int | None
    """Those beside the patient whom somebody knows; 0: lane and minute are not known."""
    named: int | None
    """Contacts whose identity could be kept for the case."""

    @property
    def score(self) -> int:
        """The mean of what was needed."""
        told = [
            one
            for one in (
                self.patient,
                self.places,
                self.legs,
                self.crew,
                self.gate,
                self.named,
            )
            if one is not None
        ]
        return round(sum(told) / len(told)) if told else 0


def share(part: int, total: int) -> int | None:
    """A part in per cent; None of nothing."""
    return round(100 * part / total) if total else None


def known_beside(people: int, strangers: int | None) -> int:
    """Points of 100 for a gate with so many people known and not; None: which is not known."""
    if strangers is None:
        return 0
    return round(100 * people / (people + strangers)) if strangers else 100


def known_of(patient: Aboard, others: Sequence[Aboard]) -> tuple[int, int, int]:
    """Points of 100 for the patient's place; others with coach and seat; pairs with legs."""
    here = patient.places[0]
    told = [here.coach is not None, here.seat is not None, here.leg is not None]
    placed = sum(any(place.seat is not None for place in other.places[:1]) for other in others)
    legs = sum(
        any(_legs(here, place) is not None for place in other.places[:1]) for other in others
    )
    return round(100 * sum(told) / len(told)), placed, legs
