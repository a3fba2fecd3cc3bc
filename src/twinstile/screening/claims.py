"""What a traveller brings beside credential, identity and temperature, and what it amounts to.

Claims of one passage add up: a symptom, a contact or a place once named stays, and no check
that comes late lowers a suspicion. Only an officer who establishes the itinerary anew replaces
it. Rules read `Coarse`: no date and no place.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final, TypedDict

from twinstile.policy.areas import NOWHERE, Areas, Level, Met, Relation, Stay
from twinstile.screening.claim_words import (
    ItinerarySource,
    SampleKind,
    SampleResult,
    Symptom,
    Tristate,
)
from twinstile.screening.types import Category

NEVER: Final = 9999
"""Hours or days since what did not happen: older than any rule asks for."""
MAX_STAYS: Final = 48
"""Places a passage may amount to; one check names at most 16."""
AHEAD: Final = timedelta(hours=1)
"""How far a sample may lie ahead of our clock and still be one taken just now."""

Sample = tuple[SampleKind, SampleResult, datetime]


@dataclass(frozen=True, slots=True)
class Claims:
    """What was claimed so far. Of tests the newest of each kind and result."""

    category: Category | None = None
    tests: frozenset[Sample] = frozenset()
    source: ItinerarySource | None = None
    starred: bool = False
    stays: tuple[Stay, ...] = ()
    declared: bool = False
    symptoms: frozenset[Symptom] = frozenset()
    contact: Tristate = Tristate.NOT_STATED
    fever_medicine: bool = False

    def joined(self, new: "Claims", *, late: bool) -> "Claims":
        """These claims with those of one more check; a late one happened before the last."""
        established = new.source is ItinerarySource.OFFICER and not late
        return Claims(
            category=self.category if late and self.category else new.category or self.category,
            tests=_newest(self.tests, new.tests, late=late),
            source=new.source or self.source,
            starred=new.starred or (self.starred and not established),
            stays=_together(() if established else self.stays, new.stays),
            declared=self.declared or new.declared,
            symptoms=self.symptoms | new.symptoms,
            contact=max(self.contact, new.contact, key=_SERIOUS.index),
            fever_medicine=self.fever_medicine or new.fever_medicine,
        )


NOTHING: Final = Claims()
_SERIOUS: Final = list(Tristate)


def _newest(
    known_samples: frozenset[Sample], new: frozenset[Sample], *, late: bool
) -> frozenset[Sample]:
    """The newest of each kind and result; a positive one is outdated by no late check."""
    if late and any(result is SampleResult.POSITIVE for _, result, _ in known_samples):
        new = frozenset(one for one in new if one[1] is SampleResult.POSITIVE)
    newest: dict[tuple[SampleKind, SampleResult], datetime] = {}
    for kind, result, at in known_samples | new:
        newest[kind, result] = max(at, newest.get((kind, result), at))
    return frozenset((kind, result, at) for (kind, result), at in newest.items())


def _together(known_stays: tuple[Stay, ...], new: tuple[Stay, ...]) -> tuple[Stay, ...]:
    """Each place once, left on the later day; not knowing when counts as the latest."""
    left = dict(known_stays)
    for code, left_on in new:
        before = left.get(code, left_on)
        left[code] = max(before, left_on) if before and left_on else None
    return tuple(left.items())[:MAX_STAYS]


@dataclass(frozen=True, slots=True)
class Coarse:
    """Claims as rules may read them."""

    category: Category = Category.TRAVELLER
    test: SampleResult | None = None
    negative_hours: int = NEVER
    negative_pcr_hours: int = NEVER
    pending: bool = False
    itinerary: bool = False
    starred: bool = False
    relation: Relation = Relation.UNKNOWN
    province: Level = Level.NONE
    county: Level = Level.NONE
    street: Level = Level.NONE
    days_since_left: int = NEVER
    declared: bool = False
    symptoms: frozenset[Symptom] = frozenset()
    contact: Tristate = Tristate.NOT_STATED
    fever_medicine: bool = False

    def facts(self) -> dict[str, object]:
        """The part of a decision's facts that comes from claims."""
        return {
            "category": self.category.value,
            "test": {
                "result": self.test.value if self.test else "NONE",
                "negative_hours": self.negative_hours,
                "negative_pcr_hours": self.negative_pcr_hours,
                "pending": self.pending,
            },
            "itinerary": {
                "known": self.itinerary,
                "starred": self.starred,
                "origin": self.relation.value,
            },
            "area": {
                "province": self.province.value,
                "county": self.county.value,
                "street": self.street.value,
                "days_since_left": self.days_since_left,
            },
            "declaration": {
                "made": self.declared,
                "symptoms": sorted(self.symptoms),
                "contact": self.contact.value,
                "fever_medicine": self.fever_medicine,
            },
        }


_PLAIN: Final = Coarse()


def coarse(
    claims: Claims, areas: Areas, at: datetime, day: date, received: Met = NOWHERE
) -> Coarse:
    """What claims amount to at a moment; `day` is its day at the hub.

    `received`: what these stays meet of the key areas that departments list.
    """
    if claims is NOTHING:
        return _PLAIN
    met = areas.met(claims.stays, day).joined(received)
    near = met.province is not Level.NONE
    newest: dict[SampleResult, datetime] = {}
    negative_pcr = None
    for kind, result, sampled in claims.tests:
        newest[result] = max(sampled, newest.get(result, sampled))
        if kind is SampleKind.PCR and result is SampleResult.NEGATIVE:
            negative_pcr = sampled
    return Coarse(
        category=claims.category or Category.TRAVELLER,
        test=_telling(newest),
        negative_hours=_hours(newest.get(SampleResult.NEGATIVE), at),
        negative_pcr_hours=_hours(negative_pcr, at),
        pending=SampleResult.PENDING in newest,
        itinerary=claims.source is not None,
        starred=claims.starred,
        relation=met.relation,
        province=met.province,
        county=met.county,
        street=met.street,
        days_since_left=max(0, (day - (met.left_on or day)).days) if near else NEVER,
        declared=claims.declared,
        symptoms=claims.symptoms,
        contact=claims.contact,
        fever_medicine=claims.fever_medicine,
    )


def _telling(newest: Mapping[SampleResult, datetime]) -> SampleResult | None:
    """The result that counts: of negative and positive the one sampled later."""
    positive, negative = newest.get(SampleResult.POSITIVE), newest.get(SampleResult.NEGATIVE)
    if positive and (negative is None or positive >= negative):
        return SampleResult.POSITIVE
    if negative:
        return SampleResult.NEGATIVE
    return SampleResult.PENDING if SampleResult.PENDING in newest else next(iter(newest), None)


def _hours(sampled: datetime | None, at: datetime) -> int:
    """Hours begun since a sample; one from the future is none."""
    if sampled is None or sampled > at + AHEAD:
        return NEVER
    return min(NEVER, -(-max(_NO_TIME, at - sampled) // _HOUR))


_NO_TIME: Final = timedelta(0)
_HOUR: Final = timedelta(hours=1)


class Packed(TypedDict, total=False):
    """Claims as stored in the fold of a screening: what was claimed, and nothing else."""

    category: str
    tests: list[tuple[str, str, str]]
    source: str
    starred: bool
    stays: list[tuple[str, str | None]]
    declared: bool
    symptoms: list[str]
    contact: str
    fever_medicine: bool


def pack(claims: Claims) -> dict[str, object]:
    """The part of a fold, see `Packed`; empty if nothing was claimed."""
    packed: dict[str, object] = {
        "category": claims.category,
        "tests": sorted((k.value, r.value, at.isoformat()) for k, r, at in claims.tests),
        "source": claims.source,
        "starred": claims.starred,
        "stays": claims.stays,
        "declared": claims.declared,
        "symptoms": sorted(claims.symptoms),
        "contact": claims.contact if claims.contact is not Tristate.NOT_STATED else None,
        "fever_medicine": claims.fever_medicine,
    }
    return {name: value for name, value in packed.items() if value}


def unpack(packed: Packed) -> Claims:
    """The inverse of `pack`."""
    if not packed:
        return NOTHING
    category, source = packed.get("category"), packed.get("source")
    return Claims(
        category=Category(category) if category else None,
        tests=frozenset(
            (SampleKind(kind), SampleResult(result), datetime.fromisoformat(at))
            for kind, result, at in packed.get("tests", ())
        ),
        source=ItinerarySource(source) if source else None,
        starred=packed.get("starred", False),
        stays=tuple(
            (code, date.fromisoformat(left_on) if left_on else None)
            for code, left_on in packed.get("stays", ())
        ),
        declared=packed.get("declared", False),
        symptoms=frozenset(map(Symptom, packed.get("symptoms", ()))),
        contact=Tristate(packed.get("contact", Tristate.NOT_STATED)),
        fever_medicine=packed.get("fever_medicine", False),
    )
