"""What each disposition asks for: before it is made, while it lasts, and to end.

One table. Invariant: dispositions are appended, never replaced; the last one is final, all were
ever.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Final

from pydantic import Field, StrictBool, StringConstraints

from twinstile.cases.types import CaseEvent, Disposition, ReleaseFinding, Travel
from twinstile.platform.http.field_types import (
    Body,
    Line,
    Moment,
    ServiceDay,
    Slug,
    Word,
)
from twinstile.platform.http.problems import FieldFault
from twinstile.policy import areas
from twinstile.policy.types import MeasureAnchor


class FollowUp(StrEnum):
    """How contact is kept once the receiver answers for the patient."""

    NONE = "NONE"
    HOSPITAL_RESULT = "HOSPITAL_RESULT"  # a result within 24 h, then daily to the outcome
    CLINIC_CALLS = "CLINIC_CALLS"  # at 24 h: seen? which result? again at 48 h
    DAILY = "DAILY"  # temperature every day, tests on the days of policy
    ORIGIN_ACKNOWLEDGES = "ORIGIN_ACKNOWLEDGES"  # within 24 h


class DispositionDetails(Body):
    """What is known of the way. Which of these one needs and takes depends on its code."""

    facility_id: Slug | None = Field(
        default=None, description="a receiver the hub has entered, whose places are counted"
    )
    beyond_capacity: StrictBool | None = Field(
        default=None, description="true: sent there although all its places are taken"
    )
    travel: Travel | None = Field(default=None, description="how the patient gets there")
    area: Annotated[str, StringConstraints(pattern=areas.PATTERN, strict=True)] | None = Field(
        default=None,
        description="division (GB/T 2260) or country of the home or destination",
        examples=["330106"],
    )
    home_possible: StrictBool | None = Field(
        default=None, description="a room of one's own and supplies are certain"
    )
    anchor: MeasureAnchor | None = Field(default=None, description="what the days count from")
    anchor_date: ServiceDay | None = Field(
        default=None, description="the day of that, which is day 0", examples=["2026-11-24"]
    )
    service_no: Word | None = Field(
        default=None, description="train, flight or ship", examples=["G7350"]
    )
    departs_at: Moment | None = Field(default=None, description="when that leaves")
    informed: Line | None = Field(
        default=None, description="which office at the destination was told"
    )
    authority: Line | None = Field(
        default=None, description="which office orders or takes over; no traveller's name"
    )
    legal_basis: Word | None = Field(
        default=None, description="code of the provision", examples=["CN-IDPCL-39"]
    )
    finding: ReleaseFinding | None = Field(
        default=None, description="what explains the reading"
    )


class DispositionBody(Body):
    code: Disposition
    receiver: Line | None = Field(
        default=None,
        description="who is to answer for the patient",
        examples=["First People's Hospital"],
    )
    decided_at: Moment
    reason: Line | None = None
    consent: StrictBool | None = Field(
        default=None, description="whether the traveller agrees, where the code asks for it"
    )
    particulars: DispositionDetails = Field(
        default_factory=DispositionDetails,
        description="what the code needs, see docs/cases.md",
        examples=[{"travel": "AMBULANCE"}],
    )


@dataclass(frozen=True, slots=True)
class DispositionRequirements:
    """What a disposition asks for before, during and at the end."""

    needs_receiver: bool
    needs: frozenset[str]
    """Particulars without which it is not made."""
    takes: frozenset[str]
    """Particulars it may have as well."""
    needs_consent: bool
    acknowledged_by: CaseEvent
    """The event by which somebody else answers for the patient."""
    follow_up: FollowUp
    closes_by: frozenset[CaseEvent]
    """The endings it is meant to have; loss and death can end any."""
    origin_told_within: timedelta | None
    """How soon the place of origin is told who comes; None: nobody asks for it."""


_RESULT: Final = frozenset({CaseEvent.CONFIRMED, CaseEvent.EXCLUDED, CaseEvent.RECOVERED})
_END: Final = frozenset({CaseEvent.EXCLUDED, CaseEvent.RECOVERED})
_HANDED: Final = frozenset({CaseEvent.TRANSFERRED})


_PLAN: Final = "anchor anchor_date"
_PLACE: Final = "facility_id beyond_capacity"


def _terms(
    by: CaseEvent,
    follow_up: FollowUp,
    closes_by: frozenset[CaseEvent],
    *,
    needs: str = "",
    takes: str = "",
    needs_receiver: bool = True,
    needs_consent: bool = False,
    origin_told_within: timedelta | None = None,
) -> DispositionRequirements:
    return DispositionRequirements(
        needs_receiver=needs_receiver,
        needs=frozenset(needs.split()),
        takes=frozenset(takes.split()),
        needs_consent=needs_consent,
        acknowledged_by=by,
        follow_up=follow_up,
        closes_by=closes_by,
        origin_told_within=origin_told_within,
    )


_D = Disposition
_E = CaseEvent
_F = FollowUp
REQUIREMENTS: Final[Mapping[Disposition, DispositionRequirements]] = {
    _D.DESIGNATED_HOSPITAL: _terms(
        _E.ADMITTED, _F.HOSPITAL_RESULT, _RESULT, needs="travel", takes=_PLACE
    ),
    _D.FEVER_CLINIC: _terms(
        _E.ADMITTED,
        _F.CLINIC_CALLS,
        frozenset({_E.EXCLUDED, _E.CONFIRMED, _E.LOST}),
        needs="travel",
        takes=_PLACE,
    ),
    _D.CENTRAL_ISOLATION: _terms(
        _E.ADMITTED, _F.DAILY, _END, needs=f"travel {_PLAN}", takes=f"{_PLACE} legal_basis"
    ),
    _D.HOME_ISOLATION: _terms(
        _E.TAKEN_UP,
        _F.DAILY,
        _END,
        needs=f"area home_possible {_PLAN}",
        takes="travel facility_id legal_basis",
    ),
    _D.PERSUADED_RETURN: _terms(
        _E.TAKEN_UP,
        _F.ORIGIN_ACKNOWLEDGES,
        frozenset({_E.RETURNED}),
        needs="area service_no departs_at",
        takes="travel",
        needs_consent=True,
        origin_told_within=timedelta(hours=2),
    ),
    _D.HEALTH_MONITORING: _terms(
        _E.TAKEN_UP, _F.DAILY, _END, needs=f"area {_PLAN}", takes="travel facility_id"
    ),
    _D.PUBLIC_HEALTH_OBSERVATION: _terms(
        _E.TAKEN_UP,
        _F.DAILY,
        _END | _HANDED,
        needs=f"area informed {_PLAN}",
        takes="service_no departs_at",
    ),
    _D.RELEASED: _terms(
        _E.EXCLUDED,
        _F.NONE,
        frozenset({_E.EXCLUDED}),
        needs="finding",
        needs_receiver=False,
    ),
    _D.DENIED_ENTRY: _terms(
        _E.TRANSFERRED, _F.NONE, _HANDED, needs="authority legal_basis", takes="departs_at"
    ),
    # nothing may keep an emergency waiting
    _D.EMERGENCY_CARE: _terms(
        _E.ADMITTED, _F.HOSPITAL_RESULT, _RESULT, takes=f"travel {_PLACE}"
    ),
    _D.POLICE_CUSTODY: _terms(_E.TRANSFERRED, _F.NONE, _HANDED, needs="authority legal_basis"),
}

_AHEAD: Final = timedelta(hours=72)
_SLACK: Final = timedelta(minutes=5)
_LONGEST_AGO: Final = timedelta(days=60)


def faults(form: DispositionBody, at: datetime) -> Iterator[FieldFault]:
    """What a disposition made at that moment lacks, or brings without need."""
    requirements = REQUIREMENTS[form.code]
    brought = set(form.particulars.model_dump(exclude_none=True))
    to_facility = "facility_id" in brought & requirements.takes
    if requirements.needs_receiver and form.receiver is None and not to_facility:
        yield FieldFault("/receiver", "missing")
    if requirements.needs_consent and form.consent is not True:
        yield FieldFault("/consent", "needs-consent")
    for name, fault in _particulars(requirements, brought, form.particulars, at):
        yield FieldFault(f"/particulars/{name}", fault)


def _particulars(
    requirements: DispositionRequirements,
    brought: set[str],
    details: DispositionDetails,
    at: datetime,
) -> Iterator[tuple[str, str]]:
    needs, takes = requirements.needs, requirements.takes
    yield from ((name, "missing") for name in sorted(needs - brought))
    yield from ((name, "unknown-field") for name in sorted(brought - needs - takes))
    if "home_possible" in needs and details.home_possible is False:
        yield "home_possible", "unfit-evidence"
    departs = details.departs_at
    if departs is not None and not at - _SLACK <= departs <= at + _AHEAD:
        yield "departs_at", "out-of-range"
    day = details.anchor_date
    if day is not None and not (at - _LONGEST_AGO).date() <= day <= (at + _AHEAD).date():
        yield "anchor_date", "out-of-range"
