"""What becomes of decisions that a device made by itself: they are looked at again on arrival.

The passage is over by then, and nothing can be decided for it any more. So what the service
knows and the device did not (a suspicion of another screening) never moves the passage: it
raises an alert. What the passage itself brought, such as a fever, counts as ever.
"""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from uuid import UUID

from twinstile.policy.types import HubPolicy
from twinstile.screening.facts import GateCheck
from twinstile.screening.types import Decision, Verdict
from twinstile.screening.visit import Visit

STOPPED = frozenset({Verdict.CHECK, Verdict.STOP})


class ReviewCause(StrEnum):
    """Why a decision is told once more."""

    HIT = "HIT"
    """Another screening of the person is under suspicion; the device could not know."""
    MORE_CAUTIOUS = "MORE_CAUTIOUS"
    """The service would have shown more than the device did, of the same evidence."""
    LESS_CAUTIOUS = "LESS_CAUTIOUS"
    LATER_PASSAGE = "LATER_PASSAGE"
    """A check that came late raises a suspicion; the person was cleared elsewhere since."""


@dataclass(frozen=True, slots=True)
class Review:
    """What the service decides of a passage that is over."""

    cause: ReviewCause
    screening_id: UUID
    """Of the passage that is over."""
    check_id: UUID
    """Of the check that was handed over."""
    decided: Verdict | None
    """What the lane showed, if the device said so."""
    decision: Decision

    @property
    def alarming(self) -> bool:
        """Whether somebody must see to it."""
        return self.cause is not ReviewCause.LESS_CAUTIOUS

    def facts(self) -> dict[str, object]:
        """Codes and ids for the alert."""
        return {
            "cause": self.cause.value,
            "check": str(self.check_id),
            "decided": self.decided and self.decided.value,
            "verdict": self.decision.verdict.value,
            "rules": [reason.rule_id for reason in self.decision.reasons],
        }


def is_over(check: GateCheck, policy: HubPolicy) -> bool:
    """Whether the person let through by the device has gone on by the time it is told."""
    since = timedelta(seconds=policy.parameters.duplicate_seconds)
    let_by = check.decided in {None, Verdict.PASS}
    return check.offline and let_by and check.received_at - check.moment > since


def decision_in_force(
    check: GateCheck, decision: Decision, unaware: Decision | None
) -> tuple[Decision, ReviewCause | None]:
    """The decision that holds for the passage, and why another one is told, if one is.

    `unaware` is the decision without what only the service knows, for a passage that is over.
    """
    if unaware and unaware.verdict is Verdict.PASS and decision.verdict > Verdict.PASS:
        return unaware, ReviewCause.HIT
    if check.decided is None or check.decided is decision.verdict:
        return decision, None
    more = decision.verdict > check.decided
    return decision, ReviewCause.MORE_CAUTIOUS if more else ReviewCause.LESS_CAUTIOUS


def cleared_since(check: GateCheck, latest: Visit) -> bool:
    """Whether a check that came late, and stops, is of somebody who was cleared since."""
    return latest.state.value.startswith("CLEARED") and latest.last_at > check.moment
