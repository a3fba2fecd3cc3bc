"""Deviations: somebody goes on against what was decided, and it is known who wanted that.

What a rule leaves open ("in principle") one officer may decide otherwise, with a reason. Any
other deviation takes two persons. Either way it is an ordinary step of the machine, out of the
second check alone, and never for somebody of a guard class: a confirmed fever, a red code, an
open case and severe illness are nobody's to override. HELD is left by a medic and by no other.
"""

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, cast
from uuid import UUID

from sqlalchemy import insert, select

from twinstile.deferrals import surge_orders
from twinstile.platform.db.database import Reading, Transaction
from twinstile.platform.http.problems import IdReused, NotFound, TransitionRefused
from twinstile.platform.keys.data_keys import KeyRing
from twinstile.platform.ops.settings import Settings
from twinstile.platform.security import approvals
from twinstile.platform.security.approvals import Approval, Ask, Kind
from twinstile.platform.security.auth import Principal, Scope
from twinstile.policy import versions
from twinstile.policy.versions import Policies
from twinstile.screening import steps, transitions
from twinstile.screening.bodies import FactStatus
from twinstile.screening.steps import LockedScreening, StepContext, StepRequest
from twinstile.screening.tables import Check, Deviation
from twinstile.screening.transition_requirements import StepDetails
from twinstile.screening.types import Ground, ScreeningEvent, ScreeningState

KIND_NAME: Final = "override"
EVENTS: Final = frozenset({ScreeningEvent.RECHECK_NORMAL_CONDITIONS, ScreeningEvent.TRANSIT_OK})
"""Ways out of the second check that may be taken against what was decided."""


@dataclass(frozen=True, slots=True)
class OverrideRequest:
    """A deviation somebody wants; `step.step_id` is its id, whatever comes of it."""

    step: StepRequest
    ground: Ground

    @property
    def content(self) -> dict[str, object]:
        """What a second person agrees to."""
        return {
            "event": self.step.event.value,
            "ground": self.ground.value,
            "particulars": self.step.particulars.told(),
        }


def kind(settings: Settings, keys: KeyRing, policies: Policies) -> Kind:
    """The deed a second person agrees to, for the application's registry."""

    async def apply(tx: Transaction, approval: Approval, who: Principal) -> None:
        at = approval.decided_at or approval.expires_at
        told = approval.content
        step = StepRequest(
            approval.approval_id,
            approval.subject_id,
            ScreeningEvent(str(told["event"])),
            at,
            approval.reason,
            StepDetails.model_validate(told["particulars"]),
        )
        desk = StepContext(who, keys.of(who.hub_id), policies, settings.zone, at)
        wanted = OverrideRequest(step, Ground(str(told["ground"])))
        await _require_open(tx, desk, step)
        rules, _ = await _deciding(tx, desk, step.screening_id)
        await _deviate(tx, desk, wanted, rules, approval)

    return Kind(KIND_NAME, Scope.STEPS_WRITE, Scope.OVERRIDES_WRITE, apply=apply)


async def deviate(
    tx: Transaction, desk: StepContext, request: OverrideRequest, by: Kind
) -> tuple[FactStatus, ScreeningState, Approval | None]:
    """Take the step at once where a rule leaves it to an officer; else ask for a second person.

    The state afterwards, and what was asked, if it was. The same again gives the same. Raises
    `NotFound`, `TransitionRefused`, `IdReused`, and what `transitions.take` raises.
    """
    step, hub_id = request.step, desk.who.hub_id
    found = await steps.lock(tx, hub_id, step.screening_id)
    if await _same_before(tx, hub_id, request):
        return FactStatus.DUPLICATE, found.state, None
    with contextlib.suppress(NotFound):
        await approvals.one(tx, hub_id, step.step_id)
        return FactStatus.ASKED, found.state, await _ask(tx, desk, request, by)
    await _require_open(tx, desk, step)
    rules, open_to_officers = await _deciding(tx, desk, step.screening_id)
    if open_to_officers and by.approves in desk.who.scopes:
        after = await _deviate(tx, desk, request, rules, None)
        return FactStatus.STORED, after, None
    return FactStatus.ASKED, found.state, await _ask(tx, desk, request, by)


async def _ask(
    tx: Transaction, desk: StepContext, request: OverrideRequest, by: Kind
) -> Approval:
    step = request.step
    asked = Ask(step.step_id, step.screening_id, request.content, step.reason)
    return await approvals.ask(tx, desk.who, by, asked, desk.at)


async def _require_open(
    tx: Transaction, desk: StepContext, step: StepRequest
) -> LockedScreening:
    """Raises `TransitionRefused` where this may never be overridden."""
    found = await steps.lock(tx, desk.who.hub_id, step.screening_id)
    if found.state is not ScreeningState.SECONDARY or step.event not in EVENTS:
        raise TransitionRefused(f"{step.event} in {found.state} is nothing to override.")
    version = await versions.in_force(tx, desk.who.hub_id, desk.at)
    policy = await desk.policies.get(tx, desk.who.hub_id, version)
    guards = await surge_orders.forbidden(
        tx, desk.who.hub_id, found, policy.parameters, desk.at
    )
    if guards:
        raise TransitionRefused(f"Never to be overridden: {', '.join(sorted(guards))}.")
    return found


async def _deciding(
    tx: Reading, desk: StepContext, screening_id: UUID
) -> tuple[Sequence[str], bool]:
    """The rules that decided the last check, and whether all of them leave it to an officer."""
    found = await tx.sql.execute(
        select(Check.reasons, Check.outcome, Check.policy_version)
        .where(Check.hub_id == desk.who.hub_id, Check.screening_id == screening_id)
        .order_by(Check.received_at.desc(), Check.id.desc())
        .limit(1)
    )
    row = found.one_or_none()
    if row is None:
        return (), False
    reasons, outcome, version = row
    policy = await desk.policies.get(tx, desk.who.hub_id, version)
    names = {str(cast("Mapping[str, object]", one)["rule_id"]) for one in reasons}
    rules = [r for r in policy.rules if r.rule_id in names and r.outcome == outcome]
    return [r.rule_id for r in rules], bool(rules) and all(r.discretion for r in rules)


async def _deviate(
    tx: Transaction,
    desk: StepContext,
    request: OverrideRequest,
    rules: Sequence[str],
    approval: Approval | None,
) -> ScreeningState:
    step = request.step
    deviating = replace(desk, deviation_id=step.step_id)
    _, after = await transitions.take(tx, deviating, step)
    await tx.sql.execute(
        insert(Deviation).values(
            hub_id=desk.who.hub_id,
            deviation_id=step.step_id,
            screening_id=step.screening_id,
            event=step.event.value,
            ground=request.ground.value,
            reason=step.reason,
            rules=list(rules),
            approval_id=approval and approval.approval_id,
            recorded_at=desk.at,
            operator_id=approval.requested_by if approval else desk.who.operator_id,
            device_id=desk.who.device_id,
        )
    )
    return after


async def _same_before(tx: Reading, hub_id: str, request: OverrideRequest) -> bool:
    """Whether this very deviation was made already. Raises `IdReused` for another."""
    found = await tx.sql.execute(
        select(
            Deviation.screening_id, Deviation.event, Deviation.ground, Deviation.reason
        ).where(Deviation.hub_id == hub_id, Deviation.deviation_id == request.step.step_id)
    )
    row = found.one_or_none()
    step = request.step
    if row and tuple(row) != (
        step.screening_id,
        step.event.value,
        request.ground.value,
        step.reason,
    ):
        raise IdReused
    return row is not None
