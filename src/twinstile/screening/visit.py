"""One passage while a batch is decided: what it holds, what belongs to it, what it may open."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from twinstile.cases.referrals import Opening, case_of
from twinstile.cases.types import CaseOrigin
from twinstile.declarations.types import PresentedDeclaration
from twinstile.identity.types import Finding
from twinstile.platform.security.devices import LaneKind
from twinstile.policy.types import HubPolicy
from twinstile.screening import machine
from twinstile.screening.bodies import FactStatus
from twinstile.screening.claims import NOTHING
from twinstile.screening.evidence import EMPTY, NONE, Evidence
from twinstile.screening.facts import Earlier, EarlierCheck, GateCheck, PersonContext, Situation
from twinstile.screening.fold import BEGUN, VisitMetadata
from twinstile.screening.readings import first_alarm
from twinstile.screening.types import (
    Category,
    Completeness,
    Decision,
    Outcome,
    Reason,
    ReminderKind,
    ScreeningState,
    Verdict,
)

UNRESOLVED = frozenset(
    {
        ScreeningState.SECONDARY,
        ScreeningState.HELD,
        ScreeningState.REFUSAL,
        ScreeningState.RETURN_PENDING,
    }
)
"""A suspicion stands; the person is still here, or so it is believed."""


class Visit(NamedTuple):
    """A screening as it stands while a batch is decided.

    A tuple, because two of these many words are made for every check.
    """

    screening_id: UUID
    person_id: UUID | None
    run_id: UUID | None
    entry_id: str | None
    checkpoint: str | None
    state: ScreeningState
    opened_at: datetime
    evidence: Evidence
    supersedes: UUID | None
    case_id: UUID | None
    case_no: str | None
    party_id: UUID | None
    checks: int
    last_device: UUID | None
    last_at: datetime
    row: str | None = None
    """The version of its row when it was read; None: it begins here."""
    referred_at: datetime | None = None
    along: VisitMetadata = BEGUN
    opening: Opening | None = None
    policy: HubPolicy | None = None
    due_at: datetime | None = None
    state_since: datetime | None = None
    """When its state was entered; None: it has none yet."""


class OpenSuspicion(NamedTuple):
    """A suspicion that stood before a check, and that the check did not lift."""

    state: ScreeningState
    since: datetime
    alarm_tenths: int | None
    """The first reading that alarmed, if one did."""


class RecordedCheck(NamedTuple):
    """What became of a check: the decision as first made, and the case if there is one."""

    id: UUID
    status: FactStatus
    reused: bool
    """The id was used before with other content; nothing of this check was stored."""
    screening_id: UUID
    decision: Decision
    completeness: Completeness
    case_id: UUID | None
    case_no: str | None
    policy: HubPolicy
    measures: Sequence[object]
    """What was ordered, as `Ordered` or as stored."""
    party: Mapping[str, str] | None
    """The party this passage belongs to and its role there, as told in the answer."""
    findings: Sequence[Finding] = ()
    """What reading the document found, this time."""
    shown: PresentedDeclaration | None = None
    """What became of the declaration that was shown, this time."""
    stands: OpenSuspicion | None = None


def differs(check: GateCheck, key: str, first: bytes) -> bool:
    """Whether a check has other content than the first of its id, by the fingerprint of that.

    When its key is destroyed, or not yet known to this one, the id alone says that it is the
    same.
    """
    return check.fingerprints.get(key, first) != first


def again(check: GateCheck, previous: EarlierCheck, policy: HubPolicy) -> RecordedCheck:
    """The first decision once more."""
    decision = Decision(
        Outcome(previous.outcome),
        Verdict(previous.verdict),
        (),
        ScreeningState(previous.state),
        tuple(Reason(r["rule_id"], r["code"]) for r in previous.reasons),
        previous.policy_version,
    )
    return RecordedCheck(
        check.id,
        FactStatus.DUPLICATE,
        differs(check, previous.fingerprint_key, previous.fingerprint),
        previous.screening_id,
        decision,
        completeness(previous.evidence, policy),
        previous.case_id,
        previous.case_no,
        policy,
        previous.measures,
        previous.party,
        check.findings,
        stands=_stands(decision.state, previous.stood_since, previous.evidence, policy),
    )


def open_suspicion(before: Visit, after: Visit, policy: HubPolicy) -> OpenSuspicion | None:
    """What stands of a passage as it did before a check; None: no suspicion does."""
    since = before.state_since if before.state is after.state else None
    return _stands(after.state, since, after.evidence, policy)


def _stands(
    state: ScreeningState, since: datetime | None, evidence: Evidence, policy: HubPolicy
) -> OpenSuspicion | None:
    if since is None or state not in UNRESOLVED:
        return None
    return OpenSuspicion(state, since, first_alarm(evidence.readings, policy.parameters))


def as_passage(earlier: Earlier, situation: Situation) -> Visit:
    return Visit(
        earlier.screening_id,
        earlier.person_id,
        earlier.run_id,
        earlier.entry_id,
        situation.checkpoint,
        earlier.state,
        earlier.opened_at,
        earlier.evidence,
        None,
        earlier.case_id,
        earlier.case_no,
        earlier.party_id,
        earlier.checks,
        earlier.last_device,
        earlier.last_at,
        row=earlier.row,
        referred_at=earlier.referred_at,
        along=earlier.along,
        state_since=earlier.state_since,
    )


def opened_by(passage: Visit, check: GateCheck, evidence: Evidence) -> Opening:
    readings = [tenths for tenths, _, _ in evidence.readings]
    return Opening(
        case_id=case_of(passage.screening_id),
        screening_id=passage.screening_id,
        person_id=passage.person_id,
        run_id=passage.run_id,
        origin=CaseOrigin.CONFIRMED_ABNORMAL
        if evidence.emergency == NONE
        else CaseOrigin.EMERGENCY,
        opened_at=check.received_at,
        first_tenths=readings[0] if readings else None,
        peak_tenths=max(readings, default=None),
        device_id=check.device_id,
        operator_id=check.operator_id,
    )


_WAITING = (UNRESOLVED - {ScreeningState.SECONDARY}) | {
    ScreeningState.TRANSIT_HELD,
    ScreeningState.DEFERRED,
}


def joins(passage: Visit, check: GateCheck, policy: HubPolicy) -> bool:
    """Whether a check is part of this passage: it is open, and near enough in time.

    Somebody held is met again for as long as a hold counts, and so is who waits in transit, was
    deferred or was never measured; any other passage is a short walk. A screening that was
    forgotten open, or a fact of another day, does not touch the other.
    """
    held = passage.state in _WAITING or passage.checks == 0
    window = (
        timedelta(hours=policy.parameters.hold_window_hours)
        if held
        else timedelta(minutes=policy.parameters.passage_minutes)
    )
    return not passage.state.terminal and abs(check.moment - passage.last_at) < window


def carried_over(
    last: Visit | None, person_id: UUID | None, check: GateCheck, policy: HubPolicy
) -> Evidence:
    """What a new passage begins with: credential and temperature of the one before, or nothing.

    Only of a passage that was cleared without ever being referred, and whose own evidence was
    all its own; counted from its first check.
    """
    if (
        last is None
        or last.state is not ScreeningState.CLEARED
        or last.person_id is None
        or last.person_id != person_id
        or last.referred_at is not None
        or last.case_id is not None
        or last.evidence.reused
        or not timedelta(0)
        <= check.moment - last.opened_at
        < timedelta(minutes=policy.parameters.reuse_minutes)
    ):
        return EMPTY
    return last.evidence.again()


CATEGORIES: Mapping[str, Category] = {LaneKind.CREW: Category.CREW}
"""Whom a lane is for, by its kind, as long as no check says otherwise."""


def at_lane(check: GateCheck, passage: Visit, situation: Situation) -> GateCheck:
    """The check with the category of its lane, where nobody named one in this passage."""
    category = CATEGORIES.get(situation.lane or "")
    claimed = check.brought.claims or NOTHING
    if category is None or claimed.category or passage.evidence.claims.category:
        return check
    brought = replace(check.brought, claims=replace(claimed, category=category))
    return replace(
        check, brought=brought, evidence=check.evidence | {"category": category.value}
    )


def follows(last: Visit, check: GateCheck, policy: HubPolicy) -> tuple[UUID | None, bool]:
    """What a new passage supersedes, and whether another device just finished that one."""
    since = abs(check.moment - last.last_at)
    figures = policy.parameters
    window = timedelta(minutes=max(figures.passage_minutes, figures.reuse_minutes))
    close = timedelta(seconds=figures.duplicate_seconds)
    other_device = last.last_device not in (None, check.device_id)
    return last.screening_id if since < window else None, other_device and since < close


def completeness(evidence: Evidence, policy: HubPolicy) -> Completeness:
    return machine.completeness(
        evidence.reminders,
        evidence.verifications,
        evidence.services,
        policy.parameters.complete,
    )


def group_reminders(
    check: GateCheck, situation: Situation, policy: HubPolicy
) -> frozenset[ReminderKind]:
    """Reminders given to the whole run, and in the hall a short while before."""
    if situation.last_r2 is None:
        return situation.reminders
    window = timedelta(minutes=policy.parameters.reminder_minutes)
    heard = situation.last_r2 > check.moment - window
    return situation.reminders | {ReminderKind.R2} if heard else situation.reminders


def suspected_before(
    check: GateCheck,
    passage: Visit,
    about: PersonContext,
    mine: Sequence[Visit],
    policy: HubPolicy,
) -> bool:
    """Whether another screening of this person raised a suspicion nobody has resolved."""
    if not (about.suspicions or mine):
        return False
    window = timedelta(hours=policy.parameters.hold_window_hours)
    known = dict(about.suspicions)
    for own in mine:
        known.pop(own.screening_id, None)
        if own.state in UNRESOLVED or (own.referred_at and not own.state.terminal):
            known[own.screening_id] = own.last_at
    known.pop(passage.screening_id, None)
    return any(abs(check.moment - at) < window for at in known.values())


def open_case_of(about: PersonContext, mine: Sequence[Visit]) -> tuple[UUID, str | None] | None:
    """The case this person has open, by what was read or by what this batch opened."""
    opened = ((p.opening.case_id, None) for p in mine if p.opening)
    return about.open_case or next(opened, None)
