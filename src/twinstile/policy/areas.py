"""Places: what a code means, how far from the hub it is, and which are listed as key areas.

A code is one of GB/T 2260 (province 2 digits, prefecture 4, county 6), with 9 digits a street
of GB/T 10114, or an ISO 3166 country in three letters. Whatever lies across the border control
(another country; 71, 81 and 82) is ABROAD. Pure and precomputed: a policy lists some hundred
areas, a traveller names a few places.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from enum import StrEnum
from functools import lru_cache
from typing import Final

Stay = tuple[str, date | None]
"""Where somebody was, spelt as `normal` does, and when they left it; None: nobody knows."""

PATTERN: Final = r"^([1-9][0-9]([0-9]{2}([0-9]{2}([0-9]{3})?)?)?|[A-Z]{3})$"
HOME_COUNTRY: Final = "CHN"
_ACROSS: Final = {"TWN": "71", "HKG": "81", "MAC": "82"}
_PARTS: Final[tuple[int, ...]] = (9, 6, 2)
"""Digits of a street, a county, a province: what two codes can have in common."""
_COUNTRY: Final = 2
"""A country is met as a province is."""


class Level(StrEnum):
    """What is said of a key area, from the least to the most severe."""

    NONE = "NONE"
    LOW = "LOW"
    CASES = "CASES"  # there are cases; no level was declared
    MEDIUM = "MEDIUM"
    HIGH = "HIGH"


class Relation(StrEnum):
    """Where somebody comes from, from the hub's own county outwards."""

    UNKNOWN = "UNKNOWN"
    SAME_COUNTY = "SAME_COUNTY"
    SAME_PREFECTURE = "SAME_PREFECTURE"
    SAME_PROVINCE = "SAME_PROVINCE"
    OTHER_PROVINCE = "OTHER_PROVINCE"
    ABROAD = "ABROAD"


@dataclass(frozen=True, slots=True)
class KeyArea:
    """An area somebody listed; stays from `since` on count, until the last day of the list."""

    code: str
    level: Level
    since: date
    until: date


@dataclass(frozen=True, slots=True)
class Met:
    """How an itinerary lies to the hub and to its key areas on a day.

    Each level is the worst of the areas that agree with a stay in province, county or street.
    """

    relation: Relation = Relation.UNKNOWN
    province: Level = Level.NONE
    county: Level = Level.NONE
    street: Level = Level.NONE
    left_on: date | None = None
    """When the area was left that is met most closely; the latest day of several."""

    def joined(self, other: "Met") -> "Met":
        """The same with what another list of areas makes of these stays."""
        if other is NOWHERE:  # as nearly always: most hubs receive no list
            return self
        mine, its = self.levels, other.levels
        depth = [sum(level is not Level.NONE for level in of) for of in (mine, its)]
        left = [
            met.left_on
            for met, deep in zip((self, other), depth, strict=True)
            if deep == max(depth)
        ]
        known = [day for day in left if day is not None]
        worse = (max(pair, key=_LEVELS.index) for pair in zip(mine, its, strict=True))
        return Met(
            self.relation,
            *worse,
            left_on=max(known) if known and len(known) == len(left) else None,
        )

    @property
    def levels(self) -> tuple[Level, Level, Level]:
        """By province, county and street."""
        return self.province, self.county, self.street


@dataclass(frozen=True, slots=True)
class Areas:
    """The hub's own area and its key areas, by what a stay can have in common with them."""

    home: tuple[str, ...] = ()
    listed: tuple[KeyArea, ...] = ()
    by_part: Mapping[str, tuple[KeyArea, ...]] = field(
        default_factory=dict[str, tuple[KeyArea, ...]], compare=False
    )

    def met(self, stays: Sequence[Stay], day: date) -> Met:
        """What the stays meet on that day. Without stays nothing is known."""
        if not stays:
            return Met()
        worst: dict[int, int] = {}
        left: dict[int, list[date | None]] = {}
        for code, left_on in stays:
            for digits, part in _parts(code):
                for area in self.by_part.get(part, ()):
                    if area.since <= day <= area.until and (left_on or day) >= area.since:
                        worst[digits] = max(worst.get(digits, 0), _SEVERITY[area.level])
                        left.setdefault(digits, []).append(left_on)
        dates = left[max(left)] if left else []
        known = [left_on for left_on in dates if left_on is not None]
        return Met(
            _RELATIONS[max(self._distance(code) for code, _ in stays)],
            *(_LEVELS[worst.get(digits, 0)] for digits in reversed(_PARTS)),
            left_on=max(known) if known and len(known) == len(dates) else None,
        )

    def listed_met(self, stays: Sequence[Stay], day: date) -> Met:
        """The same of a list that knows no home; nothing where it meets no area."""
        if not (stays and self.listed):
            return NOWHERE
        met = self.met(stays, day)
        return replace(met, relation=Relation.UNKNOWN) if met.levels != _NO_LEVELS else NOWHERE

    def _distance(self, code: str) -> int:
        if code.isalpha() or code[:2] in _ACROSS_CODES:
            return _DISTANCE[Relation.ABROAD]
        near = [_distance(code, home) for home in self.home]
        return min(near, default=_DISTANCE[Relation.UNKNOWN])


_PLACES: Final = 4096
"""How many places are remembered as they were taken apart: there are 3,000 counties."""
NO_AREAS: Final = Areas()
NOWHERE: Final = Met()
_NO_LEVELS: Final = (Level.NONE, Level.NONE, Level.NONE)
_LEVELS: Final = tuple(Level)
_SEVERITY: Final = {level: severity for severity, level in enumerate(Level)}
_RELATIONS: Final = tuple(Relation)
_DISTANCE: Final = {relation: distance for distance, relation in enumerate(Relation)}
_ACROSS_CODES: Final = frozenset(_ACROSS.values())


def compiled(home: Iterable[str], listed: Iterable[KeyArea]) -> Areas:
    """The same, spelt one way and looked up by what a stay can have in common with an area."""
    areas = tuple(
        KeyArea(normal(area.code), area.level, area.since, area.until) for area in listed
    )
    by_part: dict[str, dict[KeyArea, None]] = {}
    for area in areas:
        for _, part in _parts(area.code):
            # of a thousand streets of one county, the county has what they say but once
            by_part.setdefault(part, {})[replace(area, code=part)] = None
    return Areas(
        tuple(map(normal, home)), areas, {part: tuple(said) for part, said in by_part.items()}
    )


def normal(code: str) -> str:
    """One spelling of a place: 610000 is 61, 610100 is 6101, 610113000 is 610113, HKG is 81."""
    code = _ACROSS.get(code, code)
    for digits, nothing in ((9, "000"), (6, "00"), (4, "00")):
        if len(code) == digits and code.endswith(nothing):
            code = code.removesuffix(nothing)
    return code


@lru_cache(maxsize=_PLACES)
def _parts(code: str) -> tuple[tuple[int, str], ...]:
    if code.isalpha():
        return ((_COUNTRY, code),)
    return tuple((digits, code[:digits]) for digits in _PARTS if len(code) >= digits)


@lru_cache(maxsize=_PLACES)
def _distance(code: str, home: str) -> int:
    for digits, relation in _SHARED:
        if len(code) >= digits and code[:digits] == home[:digits]:
            return _DISTANCE[relation]
    return _DISTANCE[Relation.OTHER_PROVINCE]


_SHARED: Final = (
    (6, Relation.SAME_COUNTY),
    (4, Relation.SAME_PREFECTURE),
    (2, Relation.SAME_PROVINCE),
)
