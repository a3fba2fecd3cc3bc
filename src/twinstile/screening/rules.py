"""From the evidence of a screening to a decision: pure, told the moment and the policy.

Its figures become coarse facts, the policy's rules speak about these, and the most cautious
rule wins; what no policy may leave out is said here.
"""

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from typing import NamedTuple

from twinstile.arrivals.records import ALERTS, Mark
from twinstile.policy import measures
from twinstile.policy.measures import OrderedMeasure
from twinstile.policy.types import HubPolicy, Parameters
from twinstile.screening import claims, machine
from twinstile.screening.claims import Coarse
from twinstile.screening.decision_context import ALONE, DecisionContext
from twinstile.screening.evidence import NONE, Evidence
from twinstile.screening.readings import highest, upper
from twinstile.screening.types import (
    Company,
    Decision,
    LaneDirection,
    Outcome,
    Reason,
    ReleaseFacts,
    ScreeningState,
    Verdict,
)

CARE_FIRST = Reason("EMERGENCY", "emergency")
"""Help does not wait for a policy that forgot it."""
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


class CoarseContext(NamedTuple):
    """What is beside the evidence, with its claims, as coarse as rules read it.

    A tuple, because one is made and looked up for every check.
    """

    claims: Coarse = Coarse()
    prior_hold: bool = False
    open_case: bool = False
    company: Company = ALONE
    direction: LaneDirection = LaneDirection.UNKNOWN
    marks: frozenset[Mark] = frozenset()


def decide(
    state: ScreeningState, evidence: Evidence, context: DecisionContext, policy: HubPolicy
) -> Decision:
    """What the policy says of this evidence, with every reason, and where that leads."""
    told = claims.coarse(
        evidence.claims, policy.areas, context.at, context.day, context.received
    )
    known = (context.prior_hold, context.open_case, context.company, context.direction)
    beside = CoarseContext(told, *known, context.marks)
    return _decide(state, evidence, beside, policy)


def ordered(
    decision: Decision, evidence: Evidence, context: DecisionContext, policy: HubPolicy
) -> tuple[OrderedMeasure, ...]:
    """The measures that come with a decision, with their dates."""
    because = [reason.rule_id for reason in decision.reasons]
    asked = [
        (rule.rule_id, measure)
        for rule in (policy.named(because) if because else ())
        for measure in rule.measures
    ]
    if not asked:
        return ()
    met = policy.areas.met(evidence.claims.stays, context.day).joined(context.received)
    return measures.ordered(asked, context.at, context.day, met.left_on)


@lru_cache(maxsize=4096)
def _decide(
    state: ScreeningState, evidence: Evidence, rule_context: CoarseContext, policy: HubPolicy
) -> Decision:
    """A decision depends on nothing else, and most of a train's passengers bring the same."""
    applying = policy.applying(facts(state, evidence, rule_context, policy.parameters))
    outcome = max((Outcome(rule.outcome) for rule in applying), default=Outcome.PASS)
    reasons = tuple(Reason(rule.rule_id, rule.code) for rule in applying)
    if outcome is Outcome.DEFER and _guarded(evidence, rule_context, policy.parameters):
        outcome, reasons = Outcome.SECONDARY, (*reasons, RELEASE_FORBIDDEN)
    if evidence.emergency != NONE and outcome is not Outcome.HOLD:
        outcome, reasons = Outcome.HOLD, (CARE_FIRST, *reasons)
    if not rule_context.marks:
        return machine.conclude(state, outcome, reasons, policy.version)
    because = (reason for mark, reason in MARKED.items() if mark in rule_context.marks)
    outcome, reasons = max(outcome, Outcome.SECONDARY), (*because, *reasons)
    decision = machine.conclude(state, outcome, reasons, policy.version)
    if Mark.ALERT_STOP in rule_context.marks:
        # nobody is held by it: the lane stops, and the second check finds out
        return replace(decision, verdict=max(decision.verdict, Verdict.STOP))
    return decision


def _guarded(evidence: Evidence, rule_context: CoarseContext, parameters: Parameters) -> bool:
    """Whether this person may not be let through unverified, whatever a policy says."""
    return bool(
        machine.release_forbidden(
            ReleaseFacts(
                highest_tenths=highest(evidence.readings, parameters),
                threshold_tenths=parameters.threshold_tenths,
                red=evidence.credential == "RED" or bool(rule_context.marks & RED),
                authority_hit=bool(rule_context.marks & ALERTS),
                open_case=rule_context.prior_hold or rule_context.open_case,
                severely_ill=evidence.illness,
            )
        )
    )


def facts(
    state: ScreeningState,
    evidence: Evidence,
    rule_context: CoarseContext,
    parameters: Parameters,
) -> Mapping[str, object]:
    """The coarse facts a policy's rules may speak about; docs/policy lists them."""
    threshold = parameters.threshold_tenths
    alarms = [upper(taken, parameters) >= threshold for taken in evidence.readings]
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
        "prior_hold": rule_context.prior_hold,
        **rule_context.claims.facts(),
        "party": {
            "role": rule_context.company.role or NONE,
            "guardian": rule_context.company.guardian or "ABSENT",
            "flagged": rule_context.company.flagged,
        },
        "direction": rule_context.direction.value,
        "parameters": {
            "threshold_tenths": threshold,
            "invalid_below_tenths": parameters.invalid_below_tenths,
            "confirm_methods": parameters.confirm_methods,
        },
    }
