"""From the evidence of a screening to a decision: pure, told the moment and the policy.

`Evidence` is the fold of everything the checks of one screening brought, in order. Its figures
become coarse facts, the policy's rules speak about these, and the most cautious rule wins.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import date, datetime
from functools import lru_cache
from typing import TypedDict

from twinstile.arrivals.types import ALERTS, Mark
from twinstile.policy import measures
from twinstile.policy.areas import NOWHERE, Level, Met
from twinstile.policy.measures import Ordered
from twinstile.policy.types import HubPolicy, Parameters
from twinstile.screening import claims, machine
from twinstile.screening.claims import Claims, Coarse
from twinstile.screening.types import (
    Company,
    Decision,
    Direction,
    Outcome,
    PartyRole,
    Reading,
    Reason,
    ReleaseFacts,
    ReminderKind,
    ScreeningState,
    ServiceKind,
    TemperatureMethod,
    Verdict,
    VerificationKind,
)

MAX_READINGS = 50
_REUSABLE = frozenset({VerificationKind.CREDENTIAL, VerificationKind.TEMPERATURE})
EMERGENCY = "EMERGENCY"
NONE = "NONE"
ALONE = Company()
RELEASE_FORBIDDEN = Reason("RELEASE-GUARD", "release-forbidden")
MARKED: Mapping[Mark, Reason] = {
    Mark.ALERT_STOP: Reason("AUTHORITY-STOP", "authority-stop"),
    Mark.ALERT_CHECK: Reason("AUTHORITY-CHECK", "authority-check"),
    Mark.STATUS_RED: Reason("HEALTH-RED", "health-record-red"),
    Mark.CLOSE_CONTACT: Reason("HEALTH-CONTACT", "health-record-contact"),
    Mark.STATUS_YELLOW: Reason("HEALTH-YELLOW", "health-record-yellow"),
}
"""No policy can do without these: whoever is marked goes to the second check at least."""
RED = frozenset({Mark.STATUS_RED, Mark.CLOSE_CONTACT})


@dataclass(frozen=True, slots=True)
class Brought:
    """What one check brings: each part may be missing."""

    reading: Reading | None
    credential: str | None
    identity: str | None
    illness: bool
    reminders: frozenset[ReminderKind]
    services: frozenset[ServiceKind]
    claims: Claims | None = None
    emergency: str | None = None

    @property
    def looked_at(self) -> frozenset[VerificationKind]:
        """What of credential and temperature this check looks at itself."""
        there = {
            VerificationKind.TEMPERATURE: self.reading is not None,
            VerificationKind.CREDENTIAL: self.credential is not None,
        }
        return frozenset(kind for kind, is_there in there.items() if is_there)


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a screening holds so far; of credential and identity the latest word counts."""

    readings: tuple[tuple[int, str, int | None], ...] = ()
    """Tenths of a degree, method, and the thermometer's own error band if it is known."""
    credential: str = NONE
    identity: str = NONE
    illness: bool = False
    verifications: frozenset[VerificationKind] = frozenset()
    reminders: frozenset[ReminderKind] = frozenset()
    services: frozenset[ServiceKind] = frozenset()
    claims: Claims = field(default=claims.NOTHING, compare=False)
    """Not compared: a decision depends on what they amount to, see `Beside`."""
    emergency: str = NONE
    reused: frozenset[VerificationKind] = frozenset()
    """What counts from the passage before, until it is looked at anew."""

    def joined(self, brought: Brought, *, late: bool = False) -> "Evidence":
        """The evidence with one more check in it.

        A late check happened before the last one that is known. It may add a fever; it never
        has the last word on temperature, credential or identity, so it lowers no suspicion.
        """
        fresh = brought.reading is not None and VerificationKind.TEMPERATURE in self.reused
        readings = () if fresh else self.readings
        kinds = set(self.verifications)
        if brought.reading is not None:
            kinds.add(VerificationKind.RECHECK if readings else VerificationKind.TEMPERATURE)
            new = brought.reading
            taken = (new.tenths, new.method.value, new.error_tenths)
            readings = _bounded((taken, *readings) if late else (*readings, taken))
        if brought.credential is not None:
            kinds.add(VerificationKind.CREDENTIAL)
        if brought.identity is not None and brought.identity != "NOT_CHECKED":
            kinds.add(VerificationKind.IDENTITY)
        return Evidence(
            readings=readings,
            credential=_last_word(self.credential, brought.credential, late=late),
            identity=_last_word(self.identity, brought.identity, late=late),
            illness=self.illness or brought.illness,
            verifications=frozenset(kinds),
            reminders=self.reminders | brought.reminders,
            services=self.services | brought.services,
            claims=self.claims.joined(brought.claims, late=late)
            if brought.claims
            else self.claims,
            emergency=brought.emergency or self.emergency,
            reused=self.reused - brought.looked_at if self.reused else self.reused,
        )

    def again(self) -> "Evidence":
        """What counts of this evidence at the same person's next passage: never identity."""
        parts = self.verifications & _REUSABLE
        return Evidence(
            readings=self.readings[-1:],
            credential=self.credential,
            verifications=parts,
            reused=parts,
        )


def _last_word(known: str, brought: str | None, *, late: bool) -> str:
    return known if brought is None or (late and known != NONE) else brought


def _bounded(
    readings: tuple[tuple[int, str, int | None], ...],
) -> tuple[tuple[int, str, int | None], ...]:
    """At most `MAX_READINGS`, and never without the highest of each method."""
    if len(readings) <= MAX_READINGS:
        return readings
    peaks = {
        method: max((r for r in readings if r[1] == method), key=lambda r: r[0])
        for _, method, _ in readings
    }
    old = readings[: -(MAX_READINGS - len(TemperatureMethod))]
    return (*(r for r in peaks.values() if r in old), *readings[len(old) :])


@dataclass(frozen=True, slots=True)
class Around:
    """What a decision takes from around the screening, at the moment of the check."""

    at: datetime
    day: date
    """The moment's day at the hub."""
    prior_hold: bool = False
    open_case: bool = False
    company: Company = ALONE
    direction: Direction = Direction.UNKNOWN
    marks: frozenset[Mark] = frozenset()
    """What police and health departments say of the person."""
    received: Met = NOWHERE
    """What the stays of the evidence meet of the key areas that departments list."""

    @classmethod
    def stored(
        cls, at: datetime, day: date, told: "Told", direction: Direction = Direction.UNKNOWN
    ) -> "Around":
        """As a check stored it, see `told`; the direction is that of its lane."""
        company = told.get("company")
        return cls(
            at,
            day,
            prior_hold=told.get("prior_hold", False),
            open_case=told.get("open_case", False),
            company=Company(PartyRole(company["role"]), company["guardian"], company["flagged"])
            if company
            else ALONE,
            direction=direction,
            marks=frozenset(map(Mark, told.get("marks", ()))),
            received=_met(told["received"]) if "received" in told else NOWHERE,
        )


def _met(told: "_ToldAreas") -> Met:
    left_on = told["left_on"]
    return Met(
        province=Level(told["province"]),
        county=Level(told["county"]),
        street=Level(told["street"]),
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
    readings: list[tuple[int, str, int | None]]
    credential: str
    parts: list[str]


class Told(TypedDict, total=False):
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


def told(
    around: Around, evidence: Evidence, begins_with: Evidence | None
) -> Mapping[str, object]:
    """See `Told`; mostly nothing. Whatever is left out here cannot be replayed."""
    company, carried = around.company, begins_with if begins_with != Evidence() else None
    known = {
        "prior_hold": around.prior_hold,
        "open_case": around.open_case,
        "company": None if company == ALONE else asdict(company),
        "claims": claims.pack(evidence.claims) if company.role is PartyRole.MINOR else None,
        "carried": carried
        and {
            "readings": carried.readings,
            "credential": carried.credential,
            "parts": sorted(carried.reused),
        },
        "marks": sorted(around.marks),
        "received": _areas(around.received) if around.received != NOWHERE else None,
    }
    return {name: value for name, value in known.items() if value}


def _areas(met: Met) -> _ToldAreas:
    province, county, street = (level.value for level in met.levels)
    left_on = met.left_on.isoformat() if met.left_on else None
    return {"province": province, "county": county, "street": street, "left_on": left_on}


def begun(told: Told) -> Evidence:
    """What a passage began with, as its first check stored it."""
    carried = told.get("carried")
    if carried is None:
        return Evidence()
    parts = frozenset(map(VerificationKind, carried["parts"]))
    readings = tuple((tenths, method, error) for tenths, method, error in carried["readings"])
    return Evidence(readings, carried["credential"], verifications=parts, reused=parts)


@dataclass(frozen=True, slots=True)
class Beside:
    """The same with the claims, as coarse as rules read it."""

    claims: Coarse = field(default_factory=Coarse)
    prior_hold: bool = False
    open_case: bool = False
    company: Company = ALONE
    direction: Direction = Direction.UNKNOWN
    marks: frozenset[Mark] = frozenset()


def decide(
    state: ScreeningState, evidence: Evidence, around: Around, policy: HubPolicy
) -> Decision:
    """What the policy says of this evidence, with every reason, and where that leads."""
    told = claims.coarse(evidence.claims, policy.areas, around.at, around.day, around.received)
    known = (around.prior_hold, around.open_case, around.company, around.direction)
    beside = Beside(told, *known, around.marks)
    return _decide(state, evidence, beside, policy)


def ordered(
    decision: Decision, evidence: Evidence, around: Around, policy: HubPolicy
) -> tuple[Ordered, ...]:
    """The measures that come with a decision, with their dates."""
    asked = [
        (rule.rule_id, measure)
        for rule in policy.named([reason.rule_id for reason in decision.reasons])
        for measure in rule.measures
    ]
    if not asked:
        return ()
    met = policy.areas.met(evidence.claims.stays, around.day).joined(around.received)
    return measures.ordered(asked, around.at, around.day, met.left_on)


@lru_cache(maxsize=4096)
def _decide(
    state: ScreeningState, evidence: Evidence, beside: Beside, policy: HubPolicy
) -> Decision:
    """A decision depends on nothing else, and most of a train's passengers bring the same."""
    applying = policy.applying(facts(state, evidence, beside, policy.parameters))
    outcome = max((Outcome(rule.outcome) for rule in applying), default=Outcome.PASS)
    reasons = tuple(Reason(rule.rule_id, rule.code) for rule in applying)
    if outcome is Outcome.DEFER and _guarded(evidence, beside, policy.parameters):
        outcome, reasons = Outcome.SECONDARY, (*reasons, RELEASE_FORBIDDEN)
    if evidence.emergency != NONE and outcome is not Outcome.HOLD:
        # help does not wait for a policy that forgot it
        outcome, reasons = Outcome.HOLD, (Reason(EMERGENCY, "emergency"), *reasons)
    if not beside.marks:
        return machine.conclude(state, outcome, reasons, policy.version)
    because = (reason for mark, reason in MARKED.items() if mark in beside.marks)
    outcome, reasons = max(outcome, Outcome.SECONDARY), (*because, *reasons)
    decision = machine.conclude(state, outcome, reasons, policy.version)
    if Mark.ALERT_STOP in beside.marks:
        # nobody is held by it: the lane stops, and the second check finds out
        return replace(decision, verdict=max(decision.verdict, Verdict.STOP))
    return decision


def highest(
    readings: Iterable[tuple[int, str, int | None]], parameters: Parameters
) -> int | None:
    """The highest reading in tenths, its error band added; None if nothing was measured."""
    return max(
        (
            tenths + (parameters.error_tenths.get(method, 0) if error is None else error)
            for tenths, method, error in readings
        ),
        default=None,
    )


def _guarded(evidence: Evidence, beside: Beside, parameters: Parameters) -> bool:
    """Whether this person may not be let through unverified, whatever a policy says."""
    return bool(
        machine.release_forbidden(
            ReleaseFacts(
                highest_tenths=highest(evidence.readings, parameters),
                threshold_tenths=parameters.threshold_tenths,
                red=evidence.credential == "RED" or bool(beside.marks & RED),
                authority_hit=bool(beside.marks & ALERTS),
                open_case=beside.prior_hold or beside.open_case,
                severely_ill=evidence.illness,
            )
        )
    )


def facts(
    state: ScreeningState, evidence: Evidence, beside: Beside, parameters: Parameters
) -> Mapping[str, object]:
    """The coarse facts a policy's rules may speak about; docs/policy lists them."""
    threshold = parameters.threshold_tenths
    alarms = [
        tenths + (parameters.error_tenths.get(method, 0) if error is None else error)
        >= threshold
        for tenths, method, error in evidence.readings
    ]
    latest, method, _ = evidence.readings[-1] if evidence.readings else (None, None, None)
    return {
        "state": state.value,
        "temperature": {
            "measured": latest is not None,
            "latest": latest,
            "latest_contact": method in parameters.contact_methods,
            "alarmed": any(alarms),
            "latest_alarms": bool(alarms) and alarms[-1],
            "latest_method_alarmed": any(
                alarm and reading[1] == method
                for alarm, reading in zip(alarms, evidence.readings, strict=True)
            ),
            "methods_at_threshold": len(
                {method for tenths, method, _ in evidence.readings if tenths >= threshold}
            ),
        },
        "credential": {"status": evidence.credential},
        "identity": {"result": evidence.identity},
        "illness": evidence.illness,
        "emergency": evidence.emergency,
        "prior_hold": beside.prior_hold,
        **beside.claims.facts(),
        "party": {
            "role": beside.company.role or NONE,
            "guardian": beside.company.guardian or "ABSENT",
            "flagged": beside.company.flagged,
        },
        "direction": beside.direction.value,
        "parameters": {
            "threshold_tenths": threshold,
            "invalid_below_tenths": parameters.invalid_below_tenths,
            "confirm_methods": parameters.confirm_methods,
        },
    }


def tenths(value: float, unit: str) -> int:
    """A reading in tenths of a degree Celsius, °F converted (NIST SP 811, appendix B.8)."""
    celsius = (value - 32) / 1.8 if unit == "F" else value
    return round(celsius * 10)


def reading(
    value: float, unit: str, method: TemperatureMethod, at: datetime, error: float | None
) -> Reading:
    """A reading as the thermometer gave it; its error band in °C."""
    return Reading(tenths(value, unit), method, at, band(error))


def band(error: float | None) -> int | None:
    """An error band in °C as tenths."""
    return None if error is None else round(error * 10)
