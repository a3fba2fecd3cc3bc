"""What a decision takes from around its screening, and how a check stores that for a replay."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import date, datetime
from typing import Final, NamedTuple, TypedDict

from twinstile.arrivals.records import Mark
from twinstile.policy.areas import NOWHERE, Level, Met
from twinstile.screening import claims
from twinstile.screening.evidence import EMPTY, Evidence
from twinstile.screening.readings import Taken
from twinstile.screening.types import Company, LaneDirection, PartyRole, VerificationKind

ALONE: Final = Company()
_NOTHING: Final = (None, EMPTY)


class DecisionContext(NamedTuple):
    """What a decision takes from around the screening, at the moment of the check.

    A tuple, because one is made for every check.
    """

    at: datetime
    day: date
    """The moment's day at the hub."""
    prior_hold: bool = False
    open_case: bool = False
    company: Company = ALONE
    direction: LaneDirection = LaneDirection.UNKNOWN
    marks: frozenset[Mark] = frozenset()
    """What police and health departments say of the person."""
    received: Met = NOWHERE
    """What the stays of the evidence meet of the key areas that departments list."""

    @classmethod
    def stored(
        cls,
        at: datetime,
        day: date,
        stored: "StoredContext",
        direction: LaneDirection = LaneDirection.UNKNOWN,
    ) -> "DecisionContext":
        """As a check stored it, see `stored_context`; the direction is that of its lane."""
        if not stored:  # of most checks; a replay reads millions
            return cls(at, day, direction=direction)
        company = stored.get("company")
        return cls(
            at,
            day,
            prior_hold=stored.get("prior_hold", False),
            open_case=stored.get("open_case", False),
            company=Company(PartyRole(company["role"]), company["guardian"], company["flagged"])
            if company
            else ALONE,
            direction=direction,
            marks=frozenset(map(Mark, stored.get("marks", ()))),
            received=_met(stored["received"]) if "received" in stored else NOWHERE,
        )


def _met(areas: "_ToldAreas") -> Met:
    left_on = areas["left_on"]
    return Met(
        province=Level(areas["province"]),
        county=Level(areas["county"]),
        street=Level(areas["street"]),
        left_on=date.fromisoformat(left_on) if left_on else None,
    )


class _ToldAreas(TypedDict):
    province: str
    county: str
    street: str
    left_on: str | None


class _ToldCompany(TypedDict):
    role: str
    guardian: str | None
    flagged: bool


class _Carried(TypedDict):
    readings: list[Taken]
    credential: str
    parts: list[str]


class StoredContext(TypedDict, total=False):
    """What a check stores of what its decision read beside the checks of its passage."""

    prior_hold: bool
    open_case: bool
    company: _ToldCompany
    claims: claims.Packed
    """Of a minor: a guardian's declaration may be among them."""
    carried: _Carried
    """What the passage began with, of the one before; with its first check."""
    marks: list[str]
    received: _ToldAreas


def stored_context(
    context: DecisionContext, evidence: Evidence, begins_with: Evidence | None
) -> Mapping[str, object]:
    """See `StoredContext`; mostly empty. Whatever is left out here cannot be replayed."""
    company, carried = context.company, None if begins_with in _NOTHING else begins_with
    found = context.prior_hold or context.open_case or context.marks
    if not found and company is ALONE and context.received is NOWHERE and carried is None:
        return {}
    known = {
        "prior_hold": context.prior_hold,
        "open_case": context.open_case,
        "company": None if company == ALONE else asdict(company),
        "claims": claims.pack(evidence.claims) if company.role is PartyRole.MINOR else None,
        "carried": carried
        and {
            "readings": carried.readings,
            "credential": carried.credential,
            "parts": sorted(carried.reused),
        },
        "marks": sorted(context.marks),
        "received": _areas(context.received) if context.received != NOWHERE else None,
    }
    return {name: value for name, value in known.items() if value}


def _areas(met: Met) -> _ToldAreas:
    province, county, street = (level.value for level in met.levels)
    left_on = met.left_on.isoformat() if met.left_on else None
    return {"province": province, "county": county, "street": street, "left_on": left_on}


def begun(stored: StoredContext) -> Evidence:
    """What a passage began with, as its first check stored it."""
    carried = stored.get("carried")
    if carried is None:
        return EMPTY
    parts = frozenset(map(VerificationKind, carried["parts"]))
    readings = tuple((tenths, method, error) for tenths, method, error in carried["readings"])
    return Evidence(readings, carried["credential"], verifications=parts, reused=parts)
