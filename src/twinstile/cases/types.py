"""Words of a case, and what each disposition asks for.

Invariant: dispositions are appended, never replaced; the last one is final, all were ever.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from twinstile.platform import machine


class CaseOrigin(StrEnum):
    """The only three things that open a case."""

    CONFIRMED_ABNORMAL = "CONFIRMED_ABNORMAL"
    CLINICIAN = "CLINICIAN"
    EMERGENCY = "EMERGENCY"


class CaseState(StrEnum):
    ASSESSING = "ASSESSING"
    DISPOSED = "DISPOSED"
    IN_TRANSFER = "IN_TRANSFER"
    IN_CARE = "IN_CARE"
    FOLLOWING_UP = "FOLLOWING_UP"
    CLOSED_NOT_FEVER = "CLOSED_NOT_FEVER"
    CLOSED_EXCLUDED = "CLOSED_EXCLUDED"
    CLOSED_RECOVERED = "CLOSED_RECOVERED"
    CLOSED_CONFIRMED = "CLOSED_CONFIRMED"
    CLOSED_RETURNED = "CLOSED_RETURNED"
    CLOSED_TRANSFERRED = "CLOSED_TRANSFERRED"
    CLOSED_LOST = "CLOSED_LOST"
    CLOSED_DECEASED = "CLOSED_DECEASED"
    CLOSED_MERGED = "CLOSED_MERGED"

    @property
    def terminal(self) -> bool:
        """Nothing leaves this state; a correction is a new fact that supersedes."""
        return self.name.startswith("CLOSED_")


class CaseEvent(StrEnum):
    DISPOSE = "dispose"
    REDISPOSE = "redispose"
    EMERGENCY = "emergency"
    DISPATCHED = "dispatched"  # the vehicle has left with the patient
    DIVERTED = "diverted"  # to another receiver while on the way
    ADMITTED = "admitted"  # hospital, clinic or facility has the patient
    TAKEN_UP = "taken_up"  # a community or place of origin answers for the patient
    DISCHARGED = "discharged"
    NEW_SYMPTOMS = "new_symptoms"
    NOT_FEVER = "not_fever"
    EXCLUDED = "excluded"
    CONFIRMED = "confirmed"
    RECOVERED = "recovered"
    RETURNED = "returned"  # the place of origin acknowledges
    TRANSFERRED = "transferred"  # another authority answers from now on
    LOST = "lost"
    DIED = "died"
    MERGED = "merged"
    TIMEOUT = "timeout"


class Disposition(StrEnum):
    DESIGNATED_HOSPITAL = "DESIGNATED_HOSPITAL"
    FEVER_CLINIC = "FEVER_CLINIC"
    CENTRAL_ISOLATION = "CENTRAL_ISOLATION"
    HOME_ISOLATION = "HOME_ISOLATION"
    PERSUADED_RETURN = "PERSUADED_RETURN"
    HEALTH_MONITORING = "HEALTH_MONITORING"
    PUBLIC_HEALTH_OBSERVATION = "PUBLIC_HEALTH_OBSERVATION"  # IHR (2005) article 30
    RELEASED = "RELEASED"
    DENIED_ENTRY = "DENIED_ENTRY"
    EMERGENCY_CARE = "EMERGENCY_CARE"
    POLICE_CUSTODY = "POLICE_CUSTODY"


class FollowUp(StrEnum):
    """How contact is kept once the receiver answers for the patient."""

    NONE = "NONE"
    HOSPITAL_RESULT = "HOSPITAL_RESULT"  # a result within 24 h, then daily to the outcome
    CLINIC_CALLS = "CLINIC_CALLS"  # at 24 h: seen? which result? again at 48 h
    DAILY = "DAILY"  # temperature every day, tests on the days of policy
    ORIGIN_ACKNOWLEDGES = "ORIGIN_ACKNOWLEDGES"  # within 24 h


@dataclass(frozen=True, slots=True)
class Terms:
    """What a disposition asks for before, during and at the end."""

    needs_receiver: bool
    needs_consent: bool
    acknowledged_by: CaseEvent
    """The event by which somebody else answers for the patient."""
    follow_up: FollowUp
    closes_by: frozenset[CaseEvent]
    """The endings it is meant to have; loss and death can end any."""


_RESULT: Final = frozenset({CaseEvent.CONFIRMED, CaseEvent.EXCLUDED, CaseEvent.RECOVERED})
_END: Final = frozenset({CaseEvent.EXCLUDED, CaseEvent.RECOVERED})
_HANDED: Final = frozenset({CaseEvent.TRANSFERRED})


def _received(by: CaseEvent, follow_up: FollowUp, closes_by: frozenset[CaseEvent]) -> Terms:
    return Terms(
        needs_receiver=True,
        needs_consent=False,
        acknowledged_by=by,
        follow_up=follow_up,
        closes_by=closes_by,
    )


TERMS: Final[Mapping[Disposition, Terms]] = {
    Disposition.DESIGNATED_HOSPITAL: _received(
        CaseEvent.ADMITTED, FollowUp.HOSPITAL_RESULT, _RESULT
    ),
    Disposition.FEVER_CLINIC: _received(
        CaseEvent.ADMITTED,
        FollowUp.CLINIC_CALLS,
        frozenset({CaseEvent.EXCLUDED, CaseEvent.CONFIRMED, CaseEvent.LOST}),
    ),
    Disposition.CENTRAL_ISOLATION: _received(CaseEvent.ADMITTED, FollowUp.DAILY, _END),
    Disposition.HOME_ISOLATION: _received(CaseEvent.TAKEN_UP, FollowUp.DAILY, _END),
    Disposition.PERSUADED_RETURN: Terms(
        needs_receiver=True,
        needs_consent=True,
        acknowledged_by=CaseEvent.TAKEN_UP,
        follow_up=FollowUp.ORIGIN_ACKNOWLEDGES,
        closes_by=frozenset({CaseEvent.RETURNED}),
    ),
    Disposition.HEALTH_MONITORING: _received(CaseEvent.TAKEN_UP, FollowUp.DAILY, _END),
    Disposition.PUBLIC_HEALTH_OBSERVATION: _received(
        CaseEvent.TAKEN_UP, FollowUp.DAILY, _END | _HANDED
    ),
    Disposition.RELEASED: Terms(
        needs_receiver=False,
        needs_consent=False,
        acknowledged_by=CaseEvent.EXCLUDED,
        follow_up=FollowUp.NONE,
        closes_by=frozenset({CaseEvent.EXCLUDED}),
    ),
    Disposition.DENIED_ENTRY: _received(CaseEvent.TRANSFERRED, FollowUp.NONE, _HANDED),
    Disposition.EMERGENCY_CARE: _received(
        CaseEvent.ADMITTED, FollowUp.HOSPITAL_RESULT, _RESULT
    ),
    Disposition.POLICE_CUSTODY: _received(CaseEvent.TRANSFERRED, FollowUp.NONE, _HANDED),
}


Transition = machine.Transition[CaseState, CaseEvent]
