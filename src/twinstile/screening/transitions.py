"""Steps that no check brings: those of a person on duty, and those of the clock."""

from datetime import datetime
from typing import Final, TypeAlias, cast
from uuid import UUID
from zoneinfo import ZoneInfo

from twinstile.cases import referrals
from twinstile.cases.referrals import Opening
from twinstile.cases.types import CaseOrigin
from twinstile.deferrals import deferrals, surge_orders
from twinstile.deferrals.deferrals import Deferred
from twinstile.platform.db.database import Database, Transaction
from twinstile.platform.http.problems import TransitionRefused
from twinstile.platform.keys.data_keys import KeyFiles
from twinstile.platform.ledger import events
from twinstile.platform.ledger.events import Event
from twinstile.platform.security import approvals, devices
from twinstile.platform.security.approvals import Approval, Ask, Kind
from twinstile.platform.security.auth import Principal, Scope
from twinstile.platform.security.devices import Direction
from twinstile.policy import versions
from twinstile.policy.types import HubPolicy
from twinstile.policy.versions import Policies
from twinstile.screening import alerts, machine, party_members, steps, transition_requirements
from twinstile.screening.alerts import Raised
from twinstile.screening.bodies import FactStatus
from twinstile.screening.deadlines import KEPT_BY_ORDER, due
from twinstile.screening.party_members import SeparationReasonNeeded
from twinstile.screening.steps import LockedScreening, StepContext, StepRequest, TargetState
from twinstile.screening.types import AlertKind, ScreeningEvent, ScreeningState

TIMER_BATCH = 500
_Readings: TypeAlias = list[tuple[int, str, int | None]]
_S = ScreeningState
_E = ScreeningEvent


async def take(
    tx: Transaction, desk: StepContext, step: StepRequest
) -> tuple[FactStatus, ScreeningState]:
    """Take a step if the table has it, the caller's role may and it brings what it needs.

    Sent again, the same step answers `duplicate` and changes nothing. A step into HELD by a
    medic opens the case. What takes two persons is asked for: the answer is `asked`, and the
    state that of before. Raises `InvalidInput`, `NotFound`, `Forbidden`, `TransitionRefused`,
    `IdReused`.
    """
    transition_requirements.judge(step.event, step.at, step.particulars)
    who, at = desk.who, desk.at
    found = await steps.lock(tx, who.hub_id, step.screening_id)
    if await steps.taken_before(tx, who.hub_id, step) is not None:
        return FactStatus.DUPLICATE, found.state
    after = steps.allowed(who, found.state, step.event, desk.deviation_id)
    if step.event is _E.VOID and (found.case_id or found.referred_at):
        content = {"state": found.state.value, "at": step.at.isoformat()}
        asked = Ask(step.step_id, step.screening_id, content, step.reason)
        await approvals.ask(tx, who, VOID_IN_DOUBT, asked, at)
        return FactStatus.ASKED, found.state
    policy = await desk.policies.get(
        tx, who.hub_id, await versions.in_force(tx, who.hub_id, at)
    )
    fuse_id = await _require(tx, desk, policy, step, found, after)
    told = {"fuse_id": str(fuse_id)} if fuse_id else {}
    happening = steps.happening(who, step, found.state, after, at, **told)
    await events.append_own(tx, happening)
    limit = step.particulars.until or found.order_until
    departure = step.particulars.departure
    due_at = due(after, policy, at, departure=departure, order_until=limit)
    case_id = found.case_id
    if after is _S.HELD and case_id is None:
        case_id = await open_case(tx, who, desk.keys, desk.zone, found, at)
        await party_members.flag(tx, who.hub_id, step.screening_id, at)
    await steps.move(tx, who.hub_id, found, TargetState(after, due_at, case_id, limit), at)
    if found.state is _S.DEFERRED:
        left = [found.screening_id]
        await deferrals.end(tx, who.hub_id, left, step.event, who.operator_id, at)
    if after is _S.DEFERRED and due_at is not None:
        let = [Deferred(found.screening_id, found.person_id, due_at, fuse_id)]
        await deferrals.begin(tx, desk.keys, who.hub_id, desk.zone, let, at)
    if step.event is _E.ABSCONDED:
        facts = step.particulars.told() | {"state": found.state.value}
        raised = [Raised(AlertKind.ABSCONDED, step.screening_id, facts)]
        await alerts.raise_all(tx, who.hub_id, raised, at)
    return FactStatus.STORED, after


async def _require(
    tx: Transaction,
    desk: StepContext,
    policy: HubPolicy,
    step: StepRequest,
    locked: LockedScreening,
    after: ScreeningState,
) -> UUID | None:
    """What the table of ways cannot say; the surge order that a release rests on.

    Raises `TransitionRefused`, `SeparationReasonNeeded`, and `InvalidInput` for an escort that
    is missing, or where the policy's other ways were not offered.
    """
    hub_id = desk.who.hub_id
    if step.event is _E.DENY_BOARDING:
        way = await devices.direction_of(tx, hub_id, locked.checkpoint)
        if way is not Direction.DEPARTING:
            raise TransitionRefused("Boarding is denied at a checkpoint of departures only.")
    if step.event is _E.REFUSE:
        transition_requirements.judge_refusal(step.particulars, policy.parameters)
    if step.event is _E.TRANSIT_OK:
        steps.require_transit(policy, step.particulars)
    if step.particulars.separation_reason is None and await party_members.parts(
        tx, hub_id, step.screening_id, after
    ):
        raise SeparationReasonNeeded
    if step.event is not _E.FUSE_RELEASE:
        return None
    fuse_id = await surge_orders.covering(tx, hub_id, desk.at, locked.checkpoint, locked.run_id)
    if fuse_id is None:
        raise TransitionRefused("No surge order in force covers this passage.")
    classes = await surge_orders.forbidden(tx, hub_id, locked, policy.parameters, desk.at)
    if classes:
        raise TransitionRefused(f"Surge mode releases nobody with {', '.join(classes)}.")
    return fuse_id


async def _void_in_doubt(tx: Transaction, approval: Approval, who: Principal) -> None:
    """The second person agrees that a passage with a suspicion or a case was an error."""
    found = await steps.lock(tx, approval.hub_id, approval.subject_id)
    try:
        after = machine.step(found.state, _E.VOID)
    except machine.IllegalTransition as error:
        raise TransitionRefused(f"{_E.VOID} is not possible in {found.state}.") from error
    at = approval.decided_at or approval.requested_at
    moment = datetime.fromisoformat(str(approval.content["at"]))
    step = StepRequest(
        approval.approval_id, approval.subject_id, _E.VOID, moment, approval.reason
    )
    happening = steps.happening(
        who, step, found.state, after, at, asked_by=str(approval.requested_by)
    )
    await events.append_own(tx, happening)
    await steps.move(tx, approval.hub_id, found, TargetState(after, None, found.case_id), at)


VOID_IN_DOUBT: Final = Kind(
    "void", Scope.STEPS_WRITE, Scope.VOIDS_APPROVE, apply=_void_in_doubt
)


async def open_case(
    tx: Transaction,
    who: Principal,
    keys: KeyFiles,
    zone: ZoneInfo,
    locked: LockedScreening,
    at: datetime,
) -> UUID:
    """A case of somebody who is held, or the one they have open. Raises `MasterUnavailable`."""
    readings = [tenths for tenths, *_ in cast("_Readings", locked.fold.get("readings", []))]
    opening = Opening(
        case_id=referrals.case_of(locked.screening_id),
        screening_id=locked.screening_id,
        person_id=locked.person_id,
        run_id=locked.run_id,
        origin=CaseOrigin.CLINICIAN,
        opened_at=at,
        first_tenths=readings[0] if readings else None,
        peak_tenths=max(readings, default=None),
        device_id=who.device_id,
        operator_id=who.operator_id,
    )
    cases = await referrals.open_cases(tx, keys, who.hub_id, zone, [opening], at)
    return cases[locked.screening_id][0]


async def expire_due(database: Database, policies: Policies, hub_id: str, now: datetime) -> int:
    """Fire the deadline of every screening that is past it; how many there were.

    Rows another process works on are skipped: they are its own to move.
    """
    async with database.transaction() as tx:
        late = [
            (found, event, machine.step(found.state, event))
            for found in await steps.lock_overdue(tx, hub_id, now, TIMER_BATCH)
            if (event := machine.timer(found.state)) is not None
        ]
        if not late:
            return 0
        policy = await policies.get(tx, hub_id, await versions.in_force(tx, hub_id, now))
        happenings: list[Event] = []
        alarms: list[Raised] = []
        for found, event, after in late:
            due_at = due(after, policy, now, order_until=found.order_until)
            landing = TargetState(after, due_at, found.case_id, found.order_until)
            await steps.move(tx, hub_id, found, landing, now)
            body: dict[str, object] = {
                "path": [[found.state, event, after]],
                "reason": "deadline",
            }
            happenings.append(Event(hub_id, "screening.overdue", found.screening_id, now, body))
            alarms += _alarms(found, after, now)
        await events.append(tx, happenings)
        await alerts.raise_all(tx, hub_id, alarms, now)
        over = [found.screening_id for found, *_ in late if found.state is _S.DEFERRED]
        await deferrals.end(tx, hub_id, over, _E.TIMEOUT, None, now)
        return len(late)


_ALARMS: Final = {
    (_S.HELD, _S.HELD): AlertKind.OVERDUE,
    (_S.REFUSAL, _S.REFUSAL): AlertKind.OVERDUE,
    (_S.PRESENTED, _S.ABANDONED): AlertKind.LEFT_LANE,
    (_S.DEFERRED, _S.DEFERRED_UNRESOLVED): AlertKind.DEFERRAL_UNRESOLVED,
}
"""Which moves of the clock a person has to hear of."""


def _alarms(locked: LockedScreening, after: ScreeningState, now: datetime) -> list[Raised]:
    ended = locked.order_until is not None and locked.order_until <= now
    kinds = [_ALARMS.get((locked.state, after))]
    if after in KEPT_BY_ORDER and ended:
        kinds.append(AlertKind.ORDER_ENDED)
    facts: dict[str, object] = {"state": after.value, "checkpoint": locked.checkpoint}
    return [Raised(kind, locked.screening_id, facts) for kind in kinds if kind]
