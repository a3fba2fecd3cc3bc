"""Closed vocabularies of a case, and the legal times of a report."""

from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from typing import Final

from twinstile.platform.ops import state_machine


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


class Travel(StrEnum):
    """How the patient gets to the receiver."""

    AMBULANCE = "AMBULANCE"
    VEHICLE = "VEHICLE"  # of the hub or the receiver, point to point
    ESCORTED = "ESCORTED"  # on foot or by train, somebody goes along
    ALONE = "ALONE"


class ReleaseFinding(StrEnum):
    """Why somebody is released: what explains the reading."""

    NORMAL_ON_RECHECK = "NORMAL_ON_RECHECK"
    MEASURING_FAULT = "MEASURING_FAULT"
    EXERTION_OR_HEAT = "EXERTION_OR_HEAT"
    KNOWN_CONDITION = "KNOWN_CONDITION"
    VACCINE_REACTION = "VACCINE_REACTION"
    NOT_INFECTIOUS = "NOT_INFECTIOUS"


class Reply(StrEnum):
    """What a receiver says when asked to take a patient."""

    ACCEPTED = "ACCEPTED"
    DECLINED = "DECLINED"


class Severity(StrEnum):
    """How ill a patient is, the least first. Anybody may raise it, a clinician lowers it."""

    NONE = "NONE"
    MILD = "MILD"
    MODERATE = "MODERATE"
    SEVERE = "SEVERE"
    CRITICAL = "CRITICAL"

    @property
    def rank(self) -> int:
        """0 for the least."""
        return list(Severity).index(self)


class RoomKind(StrEnum):
    HOLDING = "HOLDING"
    ISOLATION = "ISOLATION"
    TENT = "TENT"


class FacilityKind(StrEnum):
    HOSPITAL = "HOSPITAL"
    CLINIC = "CLINIC"
    ISOLATION = "ISOLATION"
    COMMUNITY = "COMMUNITY"
    AUTHORITY = "AUTHORITY"


class Care(StrEnum):
    """What somebody in a room was given or asked (IHR 2005, article 32)."""

    SEEN = "SEEN"
    TEMPERATURE = "TEMPERATURE"
    WATER = "WATER"
    MEAL = "MEAL"
    TOILET = "TOILET"
    MEDICINE = "MEDICINE"
    TELEPHONE = "TELEPHONE"
    INTERPRETER = "INTERPRETER"
    INFORMED = "INFORMED"  # what happens next, and how to object


class Vehicle(StrEnum):
    AMBULANCE = "AMBULANCE"
    CAR = "CAR"
    COACH = "COACH"
    TRAIN = "TRAIN"
    ON_FOOT = "ON_FOOT"


class Handover(StrEnum):
    """What a receiver answers to the one question whether the patient has come."""

    HERE = "HERE"  # and the receiver answers for them from now on
    NOT_HERE = "NOT_HERE"
    REFUSED = "REFUSED"  # they came, and were not taken


class Means(StrEnum):
    """How an office elsewhere was told of somebody who is on the way to it."""

    TELEPHONE = "TELEPHONE"
    FAX = "FAX"
    MESSAGE = "MESSAGE"
    SYSTEM = "SYSTEM"  # of the offices themselves


class LegEnding(StrEnum):
    HANDED_OVER = "HANDED_OVER"
    REFUSED = "REFUSED"
    DIVERTED = "DIVERTED"
    UNSIGNED = "UNSIGNED"  # the case went on, and nobody signed for it
    MERGED = "MERGED"  # the patient is where another case of theirs says


class Via(StrEnum):
    """How a word about a case came."""

    LINK = "LINK"  # somebody outside, by a link that was sent to them
    STAFF = "STAFF"  # as somebody on duty heard it


class LinkKind(StrEnum):
    """What a link given to somebody outside opens."""

    HANDOVER = "HANDOVER"
    SELF_REPORT = "SELF_REPORT"


class ContactPurpose(StrEnum):
    """What a scheduled contact with a patient, or with who answers for them, is for."""

    CALL = "CALL"  # seen? which result? temperature and symptoms
    TEST = "TEST"  # a call on a day of a test
    RESULT = "RESULT"  # of the hospital
    ORIGIN = "ORIGIN"  # the place of origin acknowledges a return


class By(StrEnum):
    """How somebody was tried to be reached."""

    TELEPHONE = "TELEPHONE"
    VISIT = "VISIT"
    RECEIVER = "RECEIVER"  # through who answers for them
    SELF = "SELF"  # their own report


class Reached(StrEnum):
    """What became of an attempt to reach somebody."""

    REACHED = "REACHED"
    NO_ANSWER = "NO_ANSWER"
    WRONG_NUMBER = "WRONG_NUMBER"
    REFUSED = "REFUSED"


class TestResult(StrEnum):
    NEGATIVE = "NEGATIVE"
    POSITIVE = "POSITIVE"
    PENDING = "PENDING"


class MergeCause(StrEnum):
    """How it turned out that two cases are one person's."""

    LINKED = "LINKED"  # their documents were
    IDENTIFIED = "IDENTIFIED"  # the patient of one was
    RECKONED = "RECKONED"  # by links that stood, at the round of the hour


class Wait(StrEnum):
    """What a case waits for beside the end of its state."""

    CARE = "CARE"  # the next look at somebody in a room
    RECEIVER = "RECEIVER"  # another receiver, after one has declined
    REPORT_SOON = "REPORT_SOON"  # the report the law asks for, shortly before its time is up
    REPORT = "REPORT"  # the same, when its time is up
    FOLLOW_UP = "FOLLOW_UP"  # the next contact of the schedule
    ORIGIN = "ORIGIN"  # that somebody tells the place of origin of a return


Transition = state_machine.Transition[CaseState, CaseEvent]


class Within(StrEnum):
    """How soon the law wants the report (National CDA, reporting norm of 2026)."""

    TWO_HOURS = "TWO_HOURS"  # class A, B managed as A, new or of unknown cause, outbreaks
    ONE_DAY = "ONE_DAY"  # other B and C, carriers as ordered


class CaseClass(StrEnum):
    """How sure the diagnosis is, as on the report card of 2019."""

    SUSPECTED = "SUSPECTED"
    CLINICAL = "CLINICAL"
    CONFIRMED = "CONFIRMED"
    CARRIER = "CARRIER"


LIMITS: Final[Mapping[Within, timedelta]] = {
    Within.TWO_HOURS: timedelta(hours=2),
    Within.ONE_DAY: timedelta(hours=24),
}
WARNED_BEFORE: Final = timedelta(minutes=30)
"""How long before the legal deadline it rings for the first time."""
