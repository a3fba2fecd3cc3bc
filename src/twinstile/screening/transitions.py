"""Steps that no check brings: a person's on duty, a deadline's, the closing of a run."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias, cast
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import insert, select, update
from uuid_utils.compat import uuid7

from twinstile.arrivals import manifests
from twinstile.cases import referrals
from twinstile.cases.referrals import Opening
from twinstile.cases.types import CaseOrigin
from twinstile.platform import events
from twinstile.platform.auth import Principal
from twinstile.platform.crypto import KeyFiles
from twinstile.platform.db import Database, Transaction
from twinstile.platform.errors import Forbidden, IdReused, NotFound, TransitionRefused
from twinstile.platform.events import Happening
from twinstile.platform.tables import Event
from twinstile.policy import versions
from twinstile.policy.types import HubPolicy
from twinstile.policy.versions import Policies
from twinstile.screening import machine
from twinstile.screening.bodies import FactStatus
from twinstile.screening.deadlines import due
from twinstile.screening.tables import Screening
from twinstile.screening.types import ScreeningEvent, ScreeningState

TIMER_BATCH = 500
_Readings: TypeAlias = list[tuple[int, str, int | None]]


@dataclass(frozen=True, slots=True)
class Step:
    """What a person on duty asks for."""

    step_id: UUID
    screening_id: UUID
    event: ScreeningEvent
    at: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class Desk:
    """What taking a step needs beside the step."""

    who: Principal
    keys: KeyFiles
    policies: Policies
    zone: ZoneInfo
    at: datetime


async def take(tx: Transaction, desk: Desk, step: Step) -> tuple[FactStatus, ScreeningState]:
    """Take a step if the table has it and the caller's role may.

    Sent again, the same step answers `duplicate` and changes nothing. A step into HELD by a
    medic opens the case. Raises `NotFound`, `Forbidden`, `TransitionRefused`, `IdReused`.
    """
    who = desk.who
    locked = await tx.sql.execute(
        select(
            Screening.state,
            Screening.person_id,
            Screening.run_id,
            Screening.case_id,
            Screening.fold,
        )
        .where(Screening.hub_id == who.hub_id, Screening.screening_id == step.screening_id)
        .with_for_update(key_share=True)
    )
    row = locked.one_or_none()
    if row is None:
        raise NotFound("There is no such screening.")
    name, person_id, run_id, case_id, fold = row
    state = ScreeningState(name)
    if await _taken_before(tx, who.hub_id, step):
        return FactStatus.DUPLICATE, state
    if not who.roles & machine.HUMAN_EVENTS.get(step.event, frozenset()):
        raise Forbidden("No role of yours may take this step.")
    try:
        after = machine.step(state, step.event)
    except machine.IllegalTransition as error:
        raise TransitionRefused(f"{step.event} is not possible in {state}.") from error
    if after is ScreeningState.HELD and case_id is None:
        readings = [tenths for tenths, *_ in cast("_Readings", fold.get("readings", []))]
        opening = Opening(
            case_id=referrals.case_of(step.screening_id),
            screening_id=step.screening_id,
            person_id=person_id,
            run_id=run_id,
            origin=CaseOrigin.CLINICIAN,
            opened_at=desk.at,
            first_tenths=readings[0] if readings else None,
            peak_tenths=max(readings, default=None),
            device_id=who.device_id,
            operator_id=who.operator_id,
        )
        cases = await referrals.open_cases(
            tx, desk.keys, who.hub_id, desk.zone, [opening], desk.at
        )
        case_id, _ = cases[step.screening_id]
    version = await versions.in_force(tx, who.hub_id, desk.at)
    policy = await desk.policies.get(tx, who.hub_id, version)
    await _move(tx, who.hub_id, step.screening_id, after, policy, desk.at, case_id)
    await events.append(
        tx,
        [
            Happening(
                who.hub_id,
                "screening.step",
                step.screening_id,
                desk.at,
                {
                    "path": [[state, step.event, after]],
                    "reason": step.reason,
                    "at": step.at.isoformat(),
                },
                who.device_id,
                who.operator_id,
                event_id=step.step_id,
            )
        ],
    )
    return FactStatus.STORED, after


async def _taken_before(tx: Transaction, hub_id: str, step: Step) -> bool:
    found = await tx.sql.execute(
        select(Event.subject_id, Event.body).where(
            Event.hub_id == hub_id, Event.event_id == step.step_id
        )
    )
    row = found.one_or_none()
    if row is None:
        return False
    subject_id, body = row
    path = cast("list[tuple[str, str, str]]", body.get("path", []))
    first = (subject_id, path[0][1] if path else None, body.get("reason"))
    if first != (step.screening_id, step.event.value, step.reason):
        raise IdReused
    return True


async def _move(
    tx: Transaction,
    hub_id: str,
    screening_id: UUID,
    after: ScreeningState,
    policy: HubPolicy,
    at: datetime,
    case_id: UUID | None,
) -> None:
    changes: dict[str, object] = {
        "state": after.value,
        "state_since": at,
        "due_at": due(after, policy, at),
        "closed_at": at if after.terminal else None,
        "case_id": case_id,
    }
    mine = (Screening.hub_id == hub_id, Screening.screening_id == screening_id)
    await tx.sql.execute(update(Screening).where(*mine).values(**changes))
    for state, column in (
        (ScreeningState.SECONDARY, Screening.referred_at),
        (ScreeningState.DEFERRED, Screening.deferred_at),
    ):
        if after is state:
            await tx.sql.execute(
                update(Screening).where(*mine, column.is_(None)).values({column: at})
            )


async def expire_due(database: Database, policies: Policies, hub_id: str, now: datetime) -> int:
    """Fire the deadline of every screening that is past it; how many there were.

    Rows another process works on are skipped: they are its own to move.
    """
    async with database.transaction() as tx:
        found = await tx.sql.execute(
            select(Screening.screening_id, Screening.state, Screening.case_id)
            .where(Screening.hub_id == hub_id, Screening.due_at <= now)
            .order_by(Screening.due_at)
            .limit(TIMER_BATCH)
            .with_for_update(skip_locked=True, key_share=True)
        )
        rows = found.all()
        if not rows:
            return 0
        policy = await policies.get(tx, hub_id, await versions.in_force(tx, hub_id, now))
        happenings: list[Happening] = []
        for screening_id, name, case_id in rows:
            state = ScreeningState(name)
            event = machine.timer(state)
            if event is None:
                continue
            after = machine.step(state, event)
            await _move(tx, hub_id, screening_id, after, policy, now, case_id)
            happenings.append(
                Happening(
                    hub_id,
                    "screening.overdue",
                    screening_id,
                    now,
                    {"path": [[state, event, after]], "reason": "deadline"},
                )
            )
        await events.append(tx, happenings)
        return len(happenings)


_OUTSTANDING_SQL = """
SELECT m.entry_id, m.person_id FROM manifest_entry m
WHERE m.hub_id = $1 AND m.run_id = $2 AND m.withdrawn_at IS NULL
  AND NOT EXISTS (
      SELECT FROM screening s
      WHERE s.hub_id = $1 AND s.run_id = $2 AND s.entry_id = m.entry_id)
  AND NOT EXISTS (
      SELECT FROM screening s
      WHERE s.hub_id = $1 AND s.person_id = m.person_id AND s.checks > 0
        AND s.opened_at > $3::timestamptz - interval '1 day')
ORDER BY m.entry_id
"""


async def close_run(tx: Transaction, who: Principal, run_id: UUID, at: datetime) -> int:
    """Nobody else is expected of the run: whoever did not come is NO_SHOW; how many.

    Closing a closed run changes nothing. Raises `NotFound`.
    """
    if not await manifests.close(tx, who.hub_id, run_id, at):
        return 0
    rows = await tx.raw.fetch(_OUTSTANDING_SQL, who.hub_id, run_id, at)
    absent: Sequence[dict[str, object]] = [
        {
            "hub_id": who.hub_id,
            "screening_id": uuid7(),
            "person_id": person_id,
            "run_id": run_id,
            "entry_id": entry_id,
            "state": machine.step(machine.START, ScreeningEvent.RUN_CLOSED).value,
            "opened_at": at,
            "state_since": at,
            "closed_at": at,
            "fold": {},
            "checks": 0,
            "reminders": [],
            "verifications": [],
            "services": [],
        }
        for entry_id, person_id in rows
    ]
    if absent:
        await tx.sql.execute(insert(Screening), absent)
    await events.append(
        tx,
        [
            Happening(
                who.hub_id,
                "run.closed",
                run_id,
                at,
                {"no_show": len(absent)},
                who.device_id,
                who.operator_id,
            )
        ],
    )
    return len(absent)
