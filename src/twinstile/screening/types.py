"""Words of a screening.

Invariant: verdicts and outcomes compare by caution, so `max` of several is the one to act on.
"""

# ruff: noqa: S105 -- "PASS" is a word for a lane

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from twinstile.platform.ops import state_machine
from twinstile.screening.severity import Cautious


class Verdict(Cautious):
    """What a lane shows. UNKNOWN asks for more evidence; it is never green and never red."""

    PASS = "PASS"
    UNKNOWN = "UNKNOWN"
    CHECK = "CHECK"
    STOP = "STOP"


class Outcome(Cautious):
    """What a policy rule may conclude."""

    PASS = "PASS"
    PASS_WITH_CONDITIONS = "PASS_WITH_CONDITIONS"
    DEFER = "DEFER"  # let through unverified at low risk; closed by data later
    WAIT = "WAIT"  # the evidence is complete, an answer is awaited
    REPEAT = "REPEAT"  # the evidence is missing or unusable: measure or read again
    ASSIST = "ASSIST"  # the traveller needs a person's help to show it
    SECONDARY = "SECONDARY"
    RETURN = "RETURN"  # offer to return; nobody is sent back without consent
    HOLD = "HOLD"


class ScreeningState(StrEnum):
    EXPECTED = "EXPECTED"
    PRESENTED = "PRESENTED"
    ASSISTED = "ASSISTED"
    VERIFYING = "VERIFYING"
    SECONDARY = "SECONDARY"
    HELD = "HELD"
    REFUSAL = "REFUSAL"
    RETURN_PENDING = "RETURN_PENDING"
    TRANSIT_HELD = "TRANSIT_HELD"
    DEFERRED = "DEFERRED"
    CLEARED = "CLEARED"
    CLEARED_CONDITIONAL = "CLEARED_CONDITIONAL"
    CLEARED_TRANSIT = "CLEARED_TRANSIT"
    HANDED_OVER = "HANDED_OVER"
    RETURNED = "RETURNED"
    DENIED = "DENIED"
    DEFERRED_UNRESOLVED = "DEFERRED_UNRESOLVED"
    NO_SHOW = "NO_SHOW"
    ABANDONED = "ABANDONED"
    VOID = "VOID"

    @property
    def terminal(self) -> bool:
        """Nothing leaves this state; a correction is a new screening that supersedes."""
        return self in _TERMINAL


_TERMINAL = frozenset(
    {
        ScreeningState.CLEARED,
        ScreeningState.CLEARED_CONDITIONAL,
        ScreeningState.CLEARED_TRANSIT,
        ScreeningState.HANDED_OVER,
        ScreeningState.RETURNED,
        ScreeningState.DENIED,
        ScreeningState.DEFERRED_UNRESOLVED,
        ScreeningState.NO_SHOW,
        ScreeningState.ABANDONED,
        ScreeningState.VOID,
    }
)


class ScreeningEvent(StrEnum):
    PRESENT = "present"
    TRANSIT_DECLARED = "transit_declared"
    FUSE_BYPASS = "fuse_bypass"
    RUN_CLOSED = "run_closed"
    VOID = "void"
    EVIDENCE_COMPLETE = "evidence_complete"
    ASSIST_NEEDED = "assist_needed"
    ALARM = "alarm"
    REFUSE = "refuse"
    FUSE_RELEASE = "fuse_release"
    TIMEOUT = "timeout"
    PASS = "pass"
    PASS_WITH_CONDITIONS = "pass_with_conditions"
    FLAG = "flag"
    PROVIDER_UNAVAILABLE = "provider_unavailable"
    PROVIDER_UNAVAILABLE_LOW_RISK = "provider_unavailable_low_risk"
    TRANSIT_OK = "transit_ok"
    RECHECK_NORMAL = "recheck_normal"
    RECHECK_NORMAL_CONDITIONS = "recheck_normal_conditions"
    CONFIRMED_ABNORMAL = "confirmed_abnormal"
    POLICY_RETURN = "policy_return"
    DENY_BOARDING = "deny_boarding"
    ABSCONDED = "absconded"
    HANDOVER_ACK = "handover_ack"
    NOT_A_CASE = "not_a_case"
    CONSENT = "consent"
    LAWFUL_ORDER = "lawful_order"
    RETURN_CHOSEN = "return_chosen"
    CUSTODY = "custody"
    BOARDED = "boarded"
    CHANGED_MIND = "changed_mind"
    CONNECTION_BOARDED = "connection_boarded"
    EXIT_CHOSEN = "exit_chosen"
    MISSED = "missed"
    MATCHED_CLEAR = "matched_clear"
    MATCHED_CONDITIONS = "matched_conditions"
    MATCHED_RISK = "matched_risk"
    REENTER = "reenter"


class Category(StrEnum):
    """As whom somebody passes."""

    TRAVELLER = "TRAVELLER"
    CREW = "CREW"
    STAFF = "STAFF"
    INFANT = "INFANT"
    DIPLOMAT = "DIPLOMAT"


class LaneDirection(StrEnum):
    """Which way a lane leads."""

    UNKNOWN = "UNKNOWN"
    ARRIVING = "ARRIVING"
    DEPARTING = "DEPARTING"


class ReminderKind(StrEnum):
    R1 = "R1"  # before arrival, given to a whole run
    R2 = "R2"  # in the hub


class NoticeKind(StrEnum):
    """Which message to one person of a run; each counts as R1."""

    R1 = "R1"  # when the manifest has landed, or as ordered
    R1_AGAIN = "R1_AGAIN"  # shortly before the arrival


class Addressee(StrEnum):
    """To what kind of address a message goes."""

    PHONE = "PHONE"
    EMAIL = "EMAIL"
    APP = "APP"
    ON_BOARD = "ON_BOARD"  # whoever announces on a run: for all, and about nobody


class NoticeState(StrEnum):
    """Where one message stands."""

    WAITING = "WAITING"  # to be sent, or to be tried again
    SENDING = "SENDING"  # given to the channel, which has not answered
    HANDED = "HANDED"  # lies ready for somebody who has not taken it
    SENT = "SENT"
    DELIVERED = "DELIVERED"
    RECEIVED = "RECEIVED"  # the traveller, or staff beside them, said so
    FAILED = "FAILED"
    UNKNOWN = "UNKNOWN"  # the answer was lost: sent or not, nobody can tell
    WITHDRAWN = "WITHDRAWN"  # the traveller is no longer expected


COUNTING = frozenset({NoticeState.SENT, NoticeState.DELIVERED, NoticeState.RECEIVED})
"""A notice in one of these is a reminder given."""


class ServiceKind(StrEnum):
    S1 = "S1"  # assistance at the lane
    S2 = "S2"  # onward service


class ServiceOutcome(StrEnum):
    OFFERED = "OFFERED"
    ACCEPTED = "ACCEPTED"
    DECLINED = "DECLINED"
    NOT_NEEDED = "NOT_NEEDED"


class VerificationKind(StrEnum):
    """Evidence a check can hold; a recheck is kept apart so that it counts as no second one."""

    CREDENTIAL = "CREDENTIAL"
    TEMPERATURE = "TEMPERATURE"
    IDENTITY = "IDENTITY"
    RECHECK = "RECHECK"


class TemperatureMethod(StrEnum):
    WALK_THROUGH = "WALK_THROUGH"
    CONTACTLESS = "CONTACTLESS"
    EAR = "EAR"
    AXILLARY = "AXILLARY"
    ORAL = "ORAL"


class TemperatureSite(StrEnum):
    FOREHEAD = "FOREHEAD"
    WRIST = "WRIST"
    EAR = "EAR"
    AXILLA = "AXILLA"
    MOUTH = "MOUTH"


class AlertKind(StrEnum):
    """What an alert is about."""

    ABSCONDED = "ABSCONDED"
    """Somebody under suspicion walked off. After a day it goes to the authority."""
    LEFT_LANE = "LEFT_LANE"
    """Somebody went away from a lane with a check half done."""
    OVERDUE = "OVERDUE"
    """Somebody is held, or refuses, for longer than foreseen."""
    ORDER_ENDED = "ORDER_ENDED"
    """The lawful order ended by which somebody was kept: decide now."""
    PARTY_FLAGGED = "PARTY_FLAGGED"
    """Somebody had passed when a companion turned out to be ill."""
    DEFERRAL_UNRESOLVED = "DEFERRAL_UNRESOLVED"
    DEFERRAL_RISK = "DEFERRAL_RISK"
    """Data say since that somebody let through is at risk."""
    """Somebody let through unscreened was not settled in time."""
    RETROSPECTIVE = "RETROSPECTIVE"
    """What arrived late says of a passage that is over: somebody should have been stopped."""
    CASE_OVERDUE = "CASE_OVERDUE"
    """Nobody moved a case on in time."""
    NEVER_ARRIVED = "NEVER_ARRIVED"
    """A patient on the way was to have arrived."""
    CARE_OVERDUE = "CARE_OVERDUE"
    """Nobody has looked at somebody in a room in time."""
    FOLLOW_UP_OVERDUE = "FOLLOW_UP_OVERDUE"
    """Nobody has reached a patient who was to be called."""
    RECEIVER_DECLINED = "RECEIVER_DECLINED"
    """A receiver will not take a patient, and no other was found."""
    ORIGIN_UNTOLD = "ORIGIN_UNTOLD"
    """Nobody has told the place of origin that somebody is sent back there."""
    REPORT_DUE = "REPORT_DUE"
    REPORT_OVERDUE = "REPORT_OVERDUE"
    APPEAL_OVERDUE = "APPEAL_OVERDUE"
    CHANNEL_DOWN = "CHANNEL_DOWN"
    """Messages to travellers do not leave by a channel."""
    TRUST_LIST_STALE = "TRUST_LIST_STALE"
    """The list that certificates are judged by is older than a day, or what is new waits."""
    FEED_STALE = "FEED_STALE"
    """A department was not heard of for longer than agreed: verify by hand."""
    FEED_REJECTS = "FEED_REJECTS"
    """Much of what a department sends cannot be used."""
    FEED_UNMATCHED = "FEED_UNMATCHED"
    """Much of what a department sends is about runs nobody has announced."""
    UNMATCHED = "UNMATCHED"
    """Many of those who come are on no list."""


class Emergency(StrEnum):
    """How somebody came who goes straight to a case, without a name if need be."""

    UNCONSCIOUS = "UNCONSCIOUS"
    SEVERELY_ILL = "SEVERELY_ILL"
    INJURED = "INJURED"
    DECEASED = "DECEASED"


class PartyRole(StrEnum):
    """What somebody is among those they travel with."""

    GUARDIAN = "GUARDIAN"  # answers for the minors; one at a time
    MEMBER = "MEMBER"
    MINOR = "MINOR"  # by the document or by an officer's word


@dataclass(frozen=True, slots=True)
class Belonging:
    """What a check says of the party somebody travels with."""

    party_id: UUID
    role: PartyRole


@dataclass(frozen=True, slots=True)
class Company:
    """What the rules may know of those somebody travels with."""

    role: PartyRole | None = None
    guardian: str | None = None
    """The guardian's credential; None: no guardian was met."""
    flagged: bool = False
    """Somebody else of the party is under a suspicion of their own."""


class GuardClass(StrEnum):
    """Why surge mode may not release somebody."""

    READING = "READING"
    RED = "RED"
    AUTHORITY_HIT = "AUTHORITY_HIT"
    OPEN_CASE = "OPEN_CASE"
    ILLNESS = "ILLNESS"


Transition = state_machine.Transition[ScreeningState, ScreeningEvent]


@dataclass(frozen=True, slots=True)
class TemperatureReading:
    tenths: int
    """Tenths of a degree Celsius."""
    method: TemperatureMethod
    observed_at: datetime
    error_tenths: int | None = None
    """The thermometer's own error band; None: what the policy says of the method."""


@dataclass(frozen=True, slots=True)
class Completeness:
    """How much of 2-2-2 a screening holds: a measure of the hub, never a reason to stop."""

    reminders: int
    verifications: int
    services: int
    complete: bool


@dataclass(frozen=True, slots=True)
class Reason:
    rule_id: str
    code: str


@dataclass(frozen=True, slots=True)
class Decision:
    """What a check led to, with the way the screening took and every reason."""

    outcome: Outcome
    verdict: Verdict
    path: tuple[Transition, ...]
    state: ScreeningState
    reasons: tuple[Reason, ...]
    policy_version: str


@dataclass(frozen=True, slots=True)
class ReleaseFacts:
    """What surge mode must know of a person before it lets them through unscreened."""

    highest_tenths: int | None
    """The highest valid reading of this passage, first or confirmed; None: none was taken."""
    threshold_tenths: int
    red: bool
    authority_hit: bool
    open_case: bool
    severely_ill: bool


class Ground(StrEnum):
    """Why somebody goes on against what was decided; counted, with words beside it."""

    MEDIC_ABSENT = "MEDIC_ABSENT"
    HARDSHIP = "HARDSHIP"
    EVIDENCE_ELSEWHERE = "EVIDENCE_ELSEWHERE"
    """Shown in a way no rule knows."""
    RULE_UNFIT = "RULE_UNFIT"
    """The rule does not mean this traveller."""
    OTHER = "OTHER"
