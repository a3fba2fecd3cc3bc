"""Surge orders: checks suspended where two persons say so, for half an hour at most.

An order is in force by the clock alone: nothing has to run for it to end. It lets nobody pass
by itself; it makes the step `fuse_release` and the bypass of a run possible, both guarded.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, cast
from uuid import UUID

from sqlalchemy import RowMapping, insert, or_, select, update

from twinstile.arrivals import authorities
from twinstile.arrivals.records import ALERTS
from twinstile.cases.referrals import OPEN_CASE_SQL
from twinstile.deferrals.tables import Fuse
from twinstile.identity import links
from twinstile.platform.db.database import Reading, Transaction
from twinstile.platform.http.problems import Conflict, FieldFault, InvalidInput, NotFound
from twinstile.platform.ledger import events
from twinstile.platform.ledger.events import Event
from twinstile.platform.security import approvals, devices
from twinstile.platform.security.approvals import Approval, Ask, Kind
from twinstile.platform.security.auth import Principal, Scope
from twinstile.policy.types import Parameters
from twinstile.screening import machine, rules
from twinstile.screening.readings import Taken, highest
from twinstile.screening.steps import LockedScreening
from twinstile.screening.suspicion import UNRESOLVED_SQL
from twinstile.screening.types import GuardClass, ReleaseFacts

LASTS: Final = timedelta(minutes=30)
SHOWN_FOR: Final = timedelta(hours=24)
MOST_SHOWN: Final = 100


async def _begin(tx: Transaction, approval: Approval, who: Principal) -> None:
    """The second person has confirmed: the order is in force from this moment."""
    since = approval.decided_at or approval.requested_at
    scope = cast("dict[str, list[str]]", approval.content)
    await tx.sql.execute(
        insert(Fuse).values(
            hub_id=approval.hub_id,
            fuse_id=approval.subject_id,
            checkpoints=scope["checkpoints"],
            runs=[UUID(run) for run in scope["runs"]],
            reason=approval.reason,
            ordered_by=approval.requested_by,
            confirmed_by=who.operator_id,
            since=since,
            until=since + LASTS,
        )
    )
    await _tell(tx, who, "fuse.begun", approval.subject_id, since, dict(approval.content))


KIND: Final = Kind(
    "fuse", Scope.FUSES_ORDER, Scope.FUSES_WRITE, lifetime=timedelta(minutes=10), apply=_begin
)


@dataclass(frozen=True, slots=True)
class SurgeOrderRequest:
    """What a duty commander asks for: where, and why."""

    fuse_id: UUID
    checkpoints: Sequence[str]
    runs: Sequence[UUID]
    reason: str


async def order(
    tx: Transaction, who: Principal, request: SurgeOrderRequest, at: datetime
) -> Approval:
    """Ask for a surge order; a second person puts it in force. Raises `InvalidInput`."""
    for place, checkpoint in enumerate(request.checkpoints):
        if await devices.direction_of(tx, who.hub_id, checkpoint) is None:
            raise InvalidInput(errors=[FieldFault(f"/checkpoints/{place}", "unknown-value")])
    content = {"checkpoints": list(request.checkpoints), "runs": [str(r) for r in request.runs]}
    asked = Ask(request.fuse_id, request.fuse_id, content, request.reason)
    return await approvals.ask(tx, who, KIND, asked, at)


async def end(
    tx: Transaction, who: Principal, fuse_id: UUID, reason: str, at: datetime
) -> RowMapping:
    """End an order early; one person is enough for that. The same again changes nothing.

    Raises `NotFound`, and `Conflict` when it is over already.
    """
    mine = (Fuse.hub_id == who.hub_id, Fuse.fuse_id == fuse_id)
    done = await tx.sql.execute(
        update(Fuse)
        .where(*mine, Fuse.ended_at.is_(None), Fuse.until > at)
        .values(ended_at=at, ended_by=who.operator_id, ended_reason=reason)
        .returning(Fuse.fuse_id)
    )
    if done.one_or_none() is not None:
        await _tell(tx, who, "fuse.ended", fuse_id, at, {"reason": reason})
    found = await tx.sql.execute(select(*_COLUMNS).where(*mine))
    row = found.mappings().one_or_none()
    if row is None:
        raise NotFound("There is no such surge order.")
    if (row["ended_by"], row["ended_reason"]) != (who.operator_id, reason):
        raise Conflict("The surge order is over already.")
    return row


_COLUMNS = (
    Fuse.fuse_id,
    Fuse.checkpoints,
    Fuse.runs,
    Fuse.reason,
    Fuse.ordered_by,
    Fuse.confirmed_by,
    Fuse.since,
    Fuse.until,
    Fuse.ended_at,
    Fuse.ended_by,
    Fuse.ended_reason,
)


async def latest(tx: Reading, hub_id: str, at: datetime) -> list[RowMapping]:
    """Orders in force, and those of the last day; what ends last comes first."""
    found = await tx.sql.execute(
        select(*_COLUMNS)
        .where(Fuse.hub_id == hub_id, Fuse.until > at - SHOWN_FOR)
        .order_by(Fuse.until.desc(), Fuse.fuse_id)
        .limit(MOST_SHOWN)
    )
    return list(found.mappings())


async def covering(
    tx: Reading, hub_id: str, at: datetime, checkpoint: str | None, run_id: UUID | None
) -> UUID | None:
    """The order in force at that moment at this checkpoint or for this run, if there is one."""
    found = await tx.sql.execute(
        select(Fuse.fuse_id)
        .where(
            Fuse.hub_id == hub_id,
            Fuse.until > at,
            Fuse.since <= at,
            Fuse.ended_at.is_(None),
            or_(Fuse.checkpoints.contains([checkpoint]), Fuse.runs.contains([run_id])),
        )
        .order_by(Fuse.until.desc())
        .limit(1)
    )
    return found.scalar_one_or_none()


_HERE = """
SELECT f.fuse_id, f.checkpoints @> ARRAY[$3::text] AS whole_checkpoint,
    ARRAY(SELECT r.service_no FROM run r
          WHERE r.hub_id = $1 AND r.run_id = ANY(f.runs) ORDER BY r.service_no) AS runs,
    f.reason, o.display_name AS ordered_by, c.display_name AS confirmed_by, f.since, f.until
FROM fuse f
LEFT JOIN operator o ON o.hub_id = $1 AND o.operator_id = f.ordered_by
LEFT JOIN operator c ON c.hub_id = $1 AND c.operator_id = f.confirmed_by
WHERE f.hub_id = $1 AND f.until > $2 AND f.since <= $2 AND f.ended_at IS NULL
  AND (f.checkpoints @> ARRAY[$3::text] OR f.runs && $4::uuid[])
ORDER BY f.until DESC, f.fuse_id LIMIT 20
"""


async def here(
    tx: Reading, hub_id: str, at: datetime, checkpoint: str, runs: Sequence[UUID]
) -> list[dict[str, object]]:
    """Orders in force at a checkpoint or for any of these runs, with who said so."""
    rows = await tx.raw.fetch(_HERE, hub_id, at, checkpoint, list(runs))
    return [dict(row) for row in rows]


_EVER_SQL = f"""
SELECT
    EXISTS (SELECT FROM "check" c WHERE c.screening_id = $2 AND c.hub_id = $1
            AND c.evidence -> 'credential' ->> 'status' = 'RED'),
    EXISTS (SELECT FROM "check" c WHERE c.screening_id = $2 AND c.hub_id = $1
            AND (c.evidence ->> 'illness')::boolean),
    EXISTS (SELECT FROM screening s WHERE s.person_id = ANY($3::uuid[]) AND s.hub_id = $1
            AND s.screening_id <> $2 AND s.referred_at > $4::timestamptz - interval '14 days'
            AND {UNRESOLVED_SQL.format(s="s")}),
    {OPEN_CASE_SQL.format(hub="$1", people="$3::uuid[]")} IS NOT NULL
"""  # noqa: S608 # fragments of ours; every value is a parameter


async def forbidden(
    tx: Reading,
    hub_id: str,
    locked: LockedScreening,
    parameters: Parameters,
    at: datetime,
) -> tuple[GuardClass, ...]:
    """Every reason why this person may not be let through unscreened.

    Whatever was ever read in this passage counts, not the last word; so does a suspicion of
    another passage that nobody has resolved, under whichever of the person's documents.
    """
    people = await links.kin(tx, hub_id, locked.person_id) if locked.person_id else []
    row = await tx.raw.fetchrow(_EVER_SQL, hub_id, locked.screening_id, people, at)
    red, ill, suspected, case = row or (False, False, False, False)
    marks = await authorities.marks(tx, hub_id, people, at)
    readings = cast("list[Taken]", locked.fold.get("readings", []))
    return machine.release_forbidden(
        ReleaseFacts(
            highest_tenths=highest(readings, parameters),
            threshold_tenths=parameters.threshold_tenths,
            red=red or bool(marks & rules.RED),
            authority_hit=bool(marks & ALERTS),
            open_case=suspected or case,
            severely_ill=ill,
        )
    )


async def _tell(
    tx: Transaction,
    who: Principal,
    kind: str,
    fuse_id: UUID,
    at: datetime,
    body: dict[str, object],
) -> None:
    happening = Event(who.hub_id, kind, fuse_id, at, body, who.device_id, who.operator_id)
    await events.append(tx, [happening])
