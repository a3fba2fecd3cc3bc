"""The words of sharing, and what each kind of partner may see at most.

Lists of what may leave, never of what may not: a member that an event gains later stays in the
house until it is entered here and granted.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID


class PartnerKind(StrEnum):
    """Which department a partner is."""

    HEALTH = "health"


class ChangeType(StrEnum):
    """What a partner can hear of."""

    CASE_OPENED = "case.opened"
    CASE_MOVED = "case.moved"
    CASE_OVERDUE = "case.overdue"
    CASE_LATE = "case.late"
    """Something a case waits for has not come in time."""
    CASE_ACKNOWLEDGED = "case.acknowledged"
    CASE_ASSESSED = "case.assessed"
    CASE_SUSPECTED = "case.suspected"
    CASE_REPORTED = "case.reported"
    CASE_CONTACTS = "case.contacts-traced"
    DEFERRAL_ROUTED = "deferral.routed"
    DEFERRAL_CLOSED = "deferral.closed"
    CASE_DEPARTED = "case.departed"
    CASE_FOLLOW_UP = "case.follow-up"
    CASE_ORIGIN_TOLD = "case.origin-told"
    CASE_MERGED = "case.merged"
    CASE_SEPARATED = "case.separated"
    CASE_HANDOVER = "case.handover"
    """What the receiver of a way says of its arrival."""
    SCREENING_CHECKED = "screening.checked"
    DESTROYED = "destroyed"
    """The data about this subject were destroyed: forget what you hold of it."""


OF_CASES = frozenset(kind for kind in ChangeType if kind.startswith("case."))
"""Whose subjects end. Who hears of none is not told of their end, which would count them."""


class Use(StrEnum):
    """How a member of an event's body leaves."""

    AS_IS = "as-is"
    PSEUDONYM = "pseudonym"
    """An id of ours, replaced as the subject's is."""


Fields = Mapping[str, Use]

_STEP: Fields = dict.fromkeys(("case_no", "before", "event", "after"), Use.AS_IS)

TERMS: Mapping[PartnerKind, Mapping[ChangeType, Fields]] = {
    PartnerKind.HEALTH: {
        ChangeType.CASE_OPENED: {
            "case_no": Use.AS_IS,
            "origin": Use.AS_IS,
            "screening_id": Use.PSEUDONYM,
        },
        # `reason` is typed by people, and names may stand in it
        ChangeType.CASE_MOVED: {**_STEP, "code": Use.AS_IS},
        ChangeType.CASE_OVERDUE: _STEP,
        ChangeType.CASE_LATE: dict.fromkeys(("case_no", "waits_for", "since"), Use.AS_IS),
        ChangeType.CASE_ACKNOWLEDGED: dict.fromkeys(("case_no", "reply"), Use.AS_IS),
        ChangeType.CASE_ASSESSED: dict.fromkeys(("case_no", "before", "severity"), Use.AS_IS),
        ChangeType.CASE_SUSPECTED: dict.fromkeys(
            ("case_no", "within", "case_class", "disease", "due_at"), Use.AS_IS
        ),
        ChangeType.CASE_REPORTED: dict.fromkeys(("case_no", "in_time"), Use.AS_IS),
        ChangeType.CASE_CONTACTS: {
            **dict.fromkeys(("case_no", "close", "general", "completeness"), Use.AS_IS),
            "list_id": Use.PSEUDONYM,
        },
        ChangeType.DEFERRAL_ROUTED: {
            **dict.fromkeys(("destination", "due_at"), Use.AS_IS),
            "deferral_id": Use.PSEUDONYM,
        },
        ChangeType.DEFERRAL_CLOSED: {"outcome": Use.AS_IS, "deferral_id": Use.PSEUDONYM},
        ChangeType.CASE_DEPARTED: dict.fromkeys(
            ("case_no", "vehicle", "expected_at", "diverted"), Use.AS_IS
        ),
        ChangeType.CASE_FOLLOW_UP: dict.fromkeys(
            ("case_no", "kind", "by", "outcome", "result"), Use.AS_IS
        ),
        ChangeType.CASE_ORIGIN_TOLD: dict.fromkeys(("case_no", "by"), Use.AS_IS),
        ChangeType.CASE_MERGED: {
            **dict.fromkeys(("case_no", "into", "cause"), Use.AS_IS),
            "into_id": Use.PSEUDONYM,
        },
        ChangeType.CASE_SEPARATED: dict.fromkeys(
            ("case_no", "merged", "separated_from"), Use.AS_IS
        ),
        ChangeType.CASE_HANDOVER: dict.fromkeys(("case_no", "answer", "via"), Use.AS_IS),
        ChangeType.SCREENING_CHECKED: dict.fromkeys(("verdict", "policy"), Use.AS_IS),
        ChangeType.DESTROYED: {},
    }
}

SOURCES: Mapping[ChangeType, str] = {
    **{kind: kind.value for kind in ChangeType},
    ChangeType.DESTROYED: "subject-destroyed",
}
"""The kind of event each type of change is made from."""


@dataclass(frozen=True, slots=True)
class Partner:
    """The caller of the feed, and what it was granted."""

    hub_id: str
    partner_id: UUID
    kind: PartnerKind
    grants: Mapping[ChangeType, frozenset[str]]
