"""How a screening moves: the table of `stages` applied to events, outcomes and guards.

Pure: no clock, no database. Invariant: nothing here lowers caution by itself. A policy outcome
moves nobody out of HELD, and the verdict is never milder than the state or the outcome.
"""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import Final

from twinstile.platform.ops.state_machine import IllegalTransition
from twinstile.screening.stages import MACHINE
from twinstile.screening.types import (
    Completeness,
    Decision,
    GuardClass,
    Outcome,
    Reason,
    ReleaseFacts,
    ReminderKind,
    ScreeningEvent,
    ScreeningState,
    ServiceKind,
    Verdict,
    VerificationKind,
)

__all__ = [
    "DEADLINES",
    "HUMAN_EVENTS",
    "PASSED",
    "SHOWN_IN_STATE",
    "START",
    "TERMINAL",
    "IllegalTransition",
    "completeness",
    "conclude",
    "edges",
    "release_forbidden",
    "route",
    "step",
    "timer",
    "verdict",
    "walk",
]

START: Final = MACHINE.start
TERMINAL: Final = frozenset(ScreeningState) - frozenset(MACHINE.stages)
PASSED: Final = frozenset(
    {
        ScreeningState.CLEARED,
        ScreeningState.CLEARED_CONDITIONAL,
        ScreeningState.CLEARED_TRANSIT,
    }
)
"""Ends of somebody who was checked and goes on."""
HUMAN_EVENTS: Final = MACHINE.roles()
DEADLINES: Final = {state: stage.deadline for state, stage in MACHINE.stages.items()}

edges = MACHINE.edges
step = MACHINE.step
timer = MACHINE.timer
walk = MACHINE.walk


def route(state: ScreeningState, outcome: Outcome) -> tuple[ScreeningEvent, ...]:
    """Name the events by which a check's outcome moves a screening, in order; often none.

    No outcome moves HELD (a clinician does), and none moves an end: a later check of a finished
    passage belongs to a new screening. A return needs the traveller's consent, so RETURN brings
    to SECONDARY and a person offers it. From SECONDARY, PASS means that the *recheck* passed:
    policy must not conclude it from another reading of the kind that alarmed.
    """
    match state:
        case ScreeningState.PRESENTED | ScreeningState.ASSISTED | ScreeningState.VERIFYING:
            events = _from_lane(state, outcome)
        case ScreeningState.EXPECTED:
            events = (ScreeningEvent.PRESENT, *_from_lane(ScreeningState.PRESENTED, outcome))
        case ScreeningState.DEFERRED:
            # Deferred again on coming back, nothing changes: its deadline goes on.
            back = (ScreeningEvent.REENTER, *_from_lane(ScreeningState.PRESENTED, outcome))
            events = () if outcome is Outcome.DEFER else back
        case ScreeningState.SECONDARY:
            events = _from_secondary(outcome)
        case ScreeningState.REFUSAL:
            events = _from_refusal(outcome)
        case ScreeningState.TRANSIT_HELD:
            events = _raised(ScreeningEvent.ALARM, outcome)
        case ScreeningState.RETURN_PENDING:
            # Only a confirmed suspicion stops an agreed return.
            hold = outcome is Outcome.HOLD
            events = _raised(ScreeningEvent.CHANGED_MIND, outcome) if hold else ()
        case (
            ScreeningState.HELD
            | ScreeningState.CLEARED
            | ScreeningState.CLEARED_CONDITIONAL
            | ScreeningState.CLEARED_TRANSIT
            | ScreeningState.HANDED_OVER
            | ScreeningState.RETURNED
            | ScreeningState.DENIED
            | ScreeningState.DEFERRED_UNRESOLVED
            | ScreeningState.NO_SHOW
            | ScreeningState.ABANDONED
            | ScreeningState.VOID
        ):
            events = ()
    return events


_VERIFIED: Final[Mapping[Outcome, tuple[ScreeningEvent, ...]]] = {
    Outcome.PASS: (ScreeningEvent.PASS,),
    Outcome.PASS_WITH_CONDITIONS: (ScreeningEvent.PASS_WITH_CONDITIONS,),
    Outcome.DEFER: (ScreeningEvent.PROVIDER_UNAVAILABLE_LOW_RISK,),
    Outcome.WAIT: (),
}
"""What follows when the evidence is complete; waiting is a rest in VERIFYING."""


def _from_lane(state: ScreeningState, outcome: Outcome) -> tuple[ScreeningEvent, ...]:
    verifying = state is ScreeningState.VERIFYING
    complete = () if verifying else (ScreeningEvent.EVIDENCE_COMPLETE,)
    match outcome:
        case Outcome.PASS | Outcome.PASS_WITH_CONDITIONS | Outcome.DEFER | Outcome.WAIT:
            return (*complete, *_VERIFIED[outcome])
        case Outcome.REPEAT:
            return ()
        case Outcome.ASSIST:
            return () if state is ScreeningState.ASSISTED else (ScreeningEvent.ASSIST_NEEDED,)
        case Outcome.SECONDARY | Outcome.RETURN | Outcome.HOLD:
            return _raised(ScreeningEvent.FLAG if verifying else ScreeningEvent.ALARM, outcome)


def _from_secondary(outcome: Outcome) -> tuple[ScreeningEvent, ...]:
    match outcome:
        case Outcome.PASS:
            return (ScreeningEvent.RECHECK_NORMAL,)
        case Outcome.PASS_WITH_CONDITIONS:
            return (ScreeningEvent.RECHECK_NORMAL_CONDITIONS,)
        case (
            Outcome.DEFER
            | Outcome.WAIT
            | Outcome.REPEAT
            | Outcome.ASSIST
            | Outcome.SECONDARY
            | Outcome.RETURN
        ):
            # Nobody flagged is at low risk: neither deferred nor left waiting unattended.
            return ()
        case Outcome.HOLD:
            return (ScreeningEvent.CONFIRMED_ABNORMAL,)


def _from_refusal(outcome: Outcome) -> tuple[ScreeningEvent, ...]:
    """End a refusal: it is the traveller's own act, and so is being checked after all.

    Half a check ends nothing, so REPEAT and ASSIST leave it standing.
    """
    if outcome in {Outcome.REPEAT, Outcome.ASSIST}:
        return ()
    return (ScreeningEvent.CONSENT, *_from_lane(ScreeningState.PRESENTED, outcome))


def _raised(to_secondary: ScreeningEvent, outcome: Outcome) -> tuple[ScreeningEvent, ...]:
    if outcome < Outcome.SECONDARY:
        return ()
    if outcome is Outcome.HOLD:
        return (to_secondary, ScreeningEvent.CONFIRMED_ABNORMAL)
    return (to_secondary,)


SHOWN_IN_STATE: Final[Mapping[ScreeningState, Verdict]] = {
    ScreeningState.EXPECTED: Verdict.UNKNOWN,
    ScreeningState.PRESENTED: Verdict.UNKNOWN,
    ScreeningState.VERIFYING: Verdict.UNKNOWN,
    ScreeningState.DEFERRED: Verdict.UNKNOWN,
    ScreeningState.DEFERRED_UNRESOLVED: Verdict.UNKNOWN,
    ScreeningState.NO_SHOW: Verdict.UNKNOWN,
    ScreeningState.ABANDONED: Verdict.UNKNOWN,
    ScreeningState.VOID: Verdict.UNKNOWN,
    ScreeningState.ASSISTED: Verdict.CHECK,
    ScreeningState.SECONDARY: Verdict.CHECK,
    ScreeningState.TRANSIT_HELD: Verdict.CHECK,
    ScreeningState.HELD: Verdict.STOP,
    ScreeningState.REFUSAL: Verdict.STOP,
    ScreeningState.RETURN_PENDING: Verdict.STOP,
    ScreeningState.HANDED_OVER: Verdict.STOP,
    ScreeningState.RETURNED: Verdict.STOP,
    ScreeningState.DENIED: Verdict.STOP,
    ScreeningState.CLEARED: Verdict.PASS,
    ScreeningState.CLEARED_CONDITIONAL: Verdict.PASS,
    ScreeningState.CLEARED_TRANSIT: Verdict.PASS,
}

_SHOWN_FOR_OUTCOME: Final[Mapping[Outcome, Verdict]] = {
    Outcome.PASS: Verdict.PASS,
    Outcome.PASS_WITH_CONDITIONS: Verdict.PASS,
    # Let through, but nobody verified them: green would say that somebody had.
    Outcome.DEFER: Verdict.UNKNOWN,
    Outcome.WAIT: Verdict.UNKNOWN,
    Outcome.REPEAT: Verdict.UNKNOWN,
    Outcome.ASSIST: Verdict.CHECK,
    Outcome.SECONDARY: Verdict.CHECK,
    Outcome.RETURN: Verdict.STOP,
    Outcome.HOLD: Verdict.STOP,
}


def verdict(state: ScreeningState, outcome: Outcome) -> Verdict:
    """Show on the lane what is more cautious: the outcome or the state it led to."""
    return max(SHOWN_IN_STATE[state], _SHOWN_FOR_OUTCOME[outcome])


def conclude(
    state: ScreeningState, outcome: Outcome, reasons: tuple[Reason, ...], policy_version: str
) -> Decision:
    """Move a screening in `state` by `outcome` and say what the lane shows."""
    path = walk(state, route(state, outcome))
    after = path[-1].after if path else state
    return Decision(outcome, verdict(after, outcome), path, after, reasons, policy_version)


def release_forbidden(facts: ReleaseFacts) -> tuple[GuardClass, ...]:
    """Every reason why surge mode may not let this person through; empty where it may.

    HELD and REFUSAL need no reason here: the table gives them no such edge.
    """
    highest = facts.highest_tenths
    classes = {
        GuardClass.READING: highest is not None and highest >= facts.threshold_tenths,
        GuardClass.RED: facts.red,
        GuardClass.AUTHORITY_HIT: facts.authority_hit,
        GuardClass.OPEN_CASE: facts.open_case,
        GuardClass.ILLNESS: facts.severely_ill,
    }
    return tuple(guard for guard, holds in classes.items() if holds)


def completeness(
    reminders: AbstractSet[ReminderKind],
    verifications: AbstractSet[VerificationKind],
    services: AbstractSet[ServiceKind],
    required: tuple[int, int, int] = (2, 2, 2),
) -> Completeness:
    """Count what a screening holds of 2-2-2.

    The first verification is a health credential with a temperature, the second is identity:
    different kinds by independent evidence, so a recheck counts as neither. A service counts
    once offered, whatever the traveller answered.
    """
    first = (
        VerificationKind.CREDENTIAL in verifications
        and VerificationKind.TEMPERATURE in verifications
    )
    second = VerificationKind.IDENTITY in verifications
    heard, seen, offered = len(reminders), first + second, len(services)
    to_hear, to_see, to_offer = required
    complete = heard >= to_hear and seen >= to_see and offered >= to_offer
    return Completeness(heard, seen, offered, complete)
