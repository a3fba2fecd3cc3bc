"""People on manifests who have not come to a lane: what may become of them before they do.

Somebody expected has no row of their own; the row begins with what happens to them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID, uuid5

from sqlalchemy import insert, select
from uuid_utils.compat import uuid7

from twinstile.arrivals import manifests
from twinstile.arrivals.authorities import MARKS_SQL
from twinstile.cases.referrals import OPEN_CASE_SQL
from twinstile.deferrals import deferrals, surge_orders
from twinstile.deferrals.deferrals import Deferred
from twinstile.identity.links import KIN_SQL
from twinstile.platform.db.database import Database, Transaction
from twinstile.platform.http.problems import (
    FieldFault,
    IdReused,
    InvalidInput,
    TransitionRefused,
)
from twinstile.platform.ledger import events
from twinstile.platform.ledger.events import Event
from twinstile.platform.security.auth import Principal
from twinstile.policy import versions
from twinstile.policy.versions import Policies
from twinstile.screening import machine, steps, transition_requirements
from twinstile.screening.bodies import FactStatus
from twinstile.screening.deadlines import LATEST, due
from twinstile.screening.steps import StepContext, StepRequest
from twinstile.screening.suspicion import UNRESOLVED_SQL
from twinstile.screening.tables import Screening
from twinstile.screening.types import ScreeningEvent, ScreeningState

OF_ENTRIES: Final = frozenset({ScreeningEvent.VOID, ScreeningEvent.TRANSIT_DECLARED})
"""What a person may say of somebody who is expected."""

RUNS_AT_ONCE: Final = 20

# Whoever passed with another of their documents has come, be it before the two were linked; who
# walked off under a suspicion with it is expected all the same.
_OUTSTANDING = f"""
SELECT m.* FROM (
    SELECT e.*, {KIN_SQL.format(hub="$1", person="e.person_id")} AS kin FROM manifest_entry e
    WHERE e.hub_id = $1 AND e.run_id = $2 AND e.withdrawn_at IS NULL {{which}} OFFSET 0
) m
WHERE NOT EXISTS (
      SELECT FROM screening s
      WHERE s.hub_id = $1 AND s.run_id = $2 AND s.entry_id = m.entry_id)
  AND NOT EXISTS (
      SELECT FROM (SELECT * FROM screening WHERE person_id = ANY(m.kin) OFFSET 0) s
      WHERE s.hub_id = $1 AND s.checks > 0
        AND s.state <> 'VOID' AND s.opened_at > $3::timestamptz - interval '1 day'
        AND (s.person_id = m.person_id OR s.closed_at IS NULL
             OR NOT {UNRESOLVED_SQL.format(s="s")}))
"""  # noqa: S608 # a fragment of ours; every value is a parameter
ALL_OUTSTANDING_SQL: Final = _OUTSTANDING.format(which="")
"""The entries of a run ($2) of a hub ($1) whose travellers have not come by $3."""
_ONE = _OUTSTANDING.format(which="AND e.entry_id = $4")
ONE_OUTSTANDING_SQL: Final = f"SELECT person_id FROM ({_ONE}) o"  # noqa: S608
"""The person of one of them."""
_ABSENT_SQL = f"SELECT entry_id, person_id FROM ({ALL_OUTSTANDING_SQL}) o ORDER BY entry_id"  # noqa: S608

# Nobody with an open case, with a suspicion that nobody resolved, or of whom a department says
# something is let by unseen, whichever of their documents the manifest names.
_HARMLESS = f"""
SELECT o.entry_id, o.person_id,
    {OPEN_CASE_SQL.format(hub="$1", people="o.kin")} IS NULL
    AND NOT EXISTS (
        SELECT FROM (SELECT * FROM screening WHERE person_id = ANY(o.kin) OFFSET 0) s
        WHERE s.hub_id = $1 AND s.referred_at > $3::timestamptz - interval '14 days'
          AND {UNRESOLVED_SQL.format(s="s")})
    AND {MARKS_SQL.format(hub="$1", people="o.kin", at="$3::timestamptz")} IS NULL
FROM ({{outstanding}}) o
ORDER BY o.entry_id
"""  # noqa: S608 # fragments of ours; every value is a parameter
_HARMLESS_SQL = _HARMLESS.format(outstanding=ALL_OUTSTANDING_SQL)
_ONE_SQL = _HARMLESS.format(outstanding=_ONE)


@dataclass(frozen=True, slots=True)
class StartedScreening:
    """Somebody expected to whom something has happened."""

    screening_id: UUID
    person_id: UUID
    entry_id: str


async def take(
    tx: Transaction, desk: StepContext, run_id: UUID, entry_id: str, step: StepRequest
) -> tuple[FactStatus, UUID, ScreeningState]:
    """Take a step of somebody expected; the screening it begins, and its state.

    The id of the screening follows from the step's, so a resend finds it. Raises `NotFound`
    for an unknown run, `Forbidden`, `InvalidInput`, `IdReused`, and `TransitionRefused` for
    somebody who is not expected (any more), who stays inside under a suspicion, or where a
    policy lets nobody stay inside.
    """
    if step.event not in OF_ENTRIES:
        raise InvalidInput(errors=[FieldFault("/event", "unknown-value")])
    transition_requirements.judge(step.event, step.at, step.particulars)
    who = desk.who
    step = replace(step, screening_id=uuid5(step.step_id, "expected"))
    await manifests.lock_run(tx, who.hub_id, run_id)
    if await steps.taken_before(tx, who.hub_id, step) is not None:
        return await _again(tx, who.hub_id, run_id, entry_id, step)
    after = steps.allowed(who, machine.START, step.event)
    found = await tx.raw.fetch(_ONE_SQL, who.hub_id, run_id, desk.at, entry_id)
    if not found:
        raise TransitionRefused("Nobody of that entry is expected (any more).")
    _, person_id, harmless = found[0]
    if step.event is ScreeningEvent.TRANSIT_DECLARED and not harmless:
        raise TransitionRefused("There is a case or a suspicion: they have to be checked.")
    policy = await desk.policies.get(
        tx, who.hub_id, await versions.in_force(tx, who.hub_id, desk.at)
    )
    if step.event is ScreeningEvent.TRANSIT_DECLARED:
        steps.require_transit(policy, step.particulars)
    due_at = due(after, policy, desk.at, departure=step.particulars.departure)
    happening = steps.happening(who, step, machine.START, after, desk.at)
    await events.append_own(tx, happening)
    begun = [StartedScreening(step.screening_id, person_id, entry_id)]
    await _begin(tx, who.hub_id, run_id, begun, after, desk.at, due_at)
    return FactStatus.STORED, step.screening_id, after


async def _again(
    tx: Transaction, hub_id: str, run_id: UUID, entry_id: str, step: StepRequest
) -> tuple[FactStatus, UUID, ScreeningState]:
    """The step was taken before; of this entry, or the id is another's."""
    found = await tx.sql.execute(
        select(Screening.run_id, Screening.entry_id, Screening.state).where(
            Screening.hub_id == hub_id, Screening.screening_id == step.screening_id
        )
    )
    first_run, first_entry, state = found.one()
    if first_run != run_id or first_entry not in {entry_id, None}:
        raise IdReused
    return FactStatus.DUPLICATE, step.screening_id, ScreeningState(state)


async def _begin(
    tx: Transaction,
    hub_id: str,
    run_id: UUID,
    begun: Sequence[StartedScreening],
    state: ScreeningState,
    at: datetime,
    due_at: datetime | None = None,
) -> None:
    rows: Sequence[Mapping[str, object]] = [
        {
            "hub_id": hub_id,
            "screening_id": one.screening_id,
            "person_id": one.person_id,
            "run_id": run_id,
            "entry_id": one.entry_id,
            "state": state.value,
            "opened_at": at,
            "state_since": at,
            "due_at": due_at,
            "closed_at": at if state.terminal else None,
            "deferred_at": at if state is ScreeningState.DEFERRED else None,
            "fold": {},
            "checks": 0,
            "reminders": [],
            "verifications": [],
            "services": [],
        }
        for one in begun
    ]
    if rows:
        await tx.sql.execute(insert(Screening), rows)


async def bypass(
    tx: Transaction, desk: StepContext, run_id: UUID, reason: str
) -> tuple[int, int]:
    """Let by whoever of a run is still expected, on a surge order that names the run.

    How many were, and how many were kept back because of a case or a suspicion. Again: whoever
    has been announced since. Raises `NotFound`, `TransitionRefused` without such an order.
    """
    who, at = desk.who, desk.at
    await manifests.lock_run(tx, who.hub_id, run_id)
    fuse_id = await surge_orders.covering(tx, who.hub_id, at, None, run_id)
    if fuse_id is None:
        raise TransitionRefused("No surge order in force names this run.")
    rows = await tx.raw.fetch(_HARMLESS_SQL, who.hub_id, run_id, at)
    let = [
        StartedScreening(uuid7(), person_id, entry_id)
        for entry_id, person_id, free in rows
        if free
    ]
    if not let:
        return 0, len(rows)
    policy = await desk.policies.get(
        tx, who.hub_id, await versions.in_force(tx, who.hub_id, at)
    )
    event = ScreeningEvent.FUSE_BYPASS
    after = machine.step(machine.START, event)
    due_at = due(after, policy, at) or at
    await _begin(tx, who.hub_id, run_id, let, after, at, due_at)
    await events.append(
        tx,
        [
            steps.happening(
                who,
                StepRequest(uuid7(), one.screening_id, event, at, reason),
                machine.START,
                after,
                at,
                fuse_id=str(fuse_id),
            )
            for one in let
        ],
    )
    deferred = [Deferred(one.screening_id, one.person_id, due_at, fuse_id) for one in let]
    await deferrals.begin(tx, desk.keys, who.hub_id, desk.zone, deferred, at)
    return len(let), len(rows) - len(let)


async def close_run(
    tx: Transaction, hub_id: str, run_id: UUID, at: datetime, who: Principal | None = None
) -> int:
    """Nobody else is expected of the run: whoever did not come is NO_SHOW; how many.

    Closing a closed run changes nothing. Raises `NotFound`.
    """
    if not await manifests.close_run(tx, hub_id, run_id, at):
        return 0
    rows = await tx.raw.fetch(_ABSENT_SQL, hub_id, run_id, at)
    absent = [StartedScreening(uuid7(), person_id, entry_id) for entry_id, person_id in rows]
    after = machine.step(machine.START, ScreeningEvent.RUN_CLOSED)
    await _begin(tx, hub_id, run_id, absent, after, at)
    body: dict[str, object] = {"no_show": len(absent)}
    hand = (who.device_id, who.operator_id) if who else (None, None)
    await events.append(tx, [Event(hub_id, "run.closed", run_id, at, body, *hand)])
    return len(absent)


async def close_overdue(
    database: Database, policies: Policies, hub_id: str, now: datetime
) -> int:
    """Close runs whose people can no longer be expected; how many.

    An hour after the run arrived (`deadline_seconds.EXPECTED`), or a day after it should have
    if nobody says that it did.
    """
    async with database.transaction() as tx:
        policy = await policies.get(tx, hub_id, await versions.in_force(tx, hub_id, now))
        own = machine.DEADLINES[machine.START].default.total_seconds()
        wait = policy.parameters.deadline_seconds.get(machine.START, own)
        arrived = now - timedelta(seconds=wait)
        runs = await manifests.overdue_runs(tx, hub_id, arrived, now - LATEST, RUNS_AT_ONCE)
        for run_id in runs:
            await close_run(tx, hub_id, run_id, now)
        return len(runs)
