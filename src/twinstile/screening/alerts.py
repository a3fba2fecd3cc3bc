"""Alerts: what a person must see to, until somebody has or it is over.

An alert is raised in the transaction of what it tells, once while it is open. The worker passes
on those that nobody closed in time, and closes those that events have overtaken: somebody who
had left is back, or the state nobody moved was left.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import ColumnElement, RowMapping, select, tuple_, update
from uuid_utils.compat import uuid7

from twinstile.platform.db.database import Reading, Transaction, as_json
from twinstile.platform.http import paging
from twinstile.platform.http.problems import Conflict, NotFound
from twinstile.platform.ledger import events
from twinstile.platform.ledger.events import Event
from twinstile.platform.security.auth import Principal
from twinstile.screening.tables import Alert
from twinstile.screening.types import AlertKind

OPEN_AT_ONCE: Final = 500
"""Alerts the worker looks at in one go."""
SEEN_TO: Final = timedelta(hours=4)
"""How long somebody who closed an alert has for what goes on."""


@dataclass(frozen=True, slots=True)
class EscalationPlan:
    """When an alert of a kind goes on, and to whom; to nobody: it is closed then."""

    after: timedelta
    to: str | None


PLANS: Final[Mapping[AlertKind, EscalationPlan | None]] = {
    AlertKind.ABSCONDED: EscalationPlan(timedelta(hours=24), "authority"),
    AlertKind.LEFT_LANE: EscalationPlan(timedelta(hours=24), None),
    AlertKind.OVERDUE: EscalationPlan(timedelta(minutes=30), "duty_commander"),
    AlertKind.ORDER_ENDED: EscalationPlan(timedelta(minutes=15), "duty_commander"),
    AlertKind.PARTY_FLAGGED: EscalationPlan(timedelta(hours=24), None),
    AlertKind.DEFERRAL_UNRESOLVED: None,
    AlertKind.DEFERRAL_RISK: EscalationPlan(timedelta(minutes=15), "duty_commander"),
    AlertKind.RETROSPECTIVE: EscalationPlan(timedelta(hours=2), "duty_commander"),
    AlertKind.CASE_OVERDUE: EscalationPlan(timedelta(minutes=15), "duty_commander"),
    AlertKind.NEVER_ARRIVED: EscalationPlan(timedelta(minutes=5), "duty_commander"),
    AlertKind.CARE_OVERDUE: EscalationPlan(timedelta(minutes=10), "duty_commander"),
    AlertKind.FOLLOW_UP_OVERDUE: EscalationPlan(timedelta(hours=2), "duty_commander"),
    AlertKind.RECEIVER_DECLINED: EscalationPlan(timedelta(minutes=10), "duty_commander"),
    AlertKind.ORIGIN_UNTOLD: EscalationPlan(timedelta(minutes=15), "duty_commander"),
    AlertKind.REPORT_DUE: EscalationPlan(timedelta(minutes=15), "duty_commander"),
    AlertKind.APPEAL_OVERDUE: EscalationPlan(timedelta(hours=4), "duty_commander"),
    AlertKind.REPORT_OVERDUE: EscalationPlan(timedelta(minutes=5), "duty_commander"),
    AlertKind.CHANNEL_DOWN: EscalationPlan(timedelta(minutes=10), "duty_commander"),
    AlertKind.TRUST_LIST_STALE: EscalationPlan(timedelta(hours=1), "duty_commander"),
    AlertKind.FEED_STALE: EscalationPlan(timedelta(minutes=15), "duty_commander"),
    AlertKind.FEED_REJECTS: EscalationPlan(timedelta(minutes=30), "duty_commander"),
    AlertKind.FEED_UNMATCHED: EscalationPlan(timedelta(minutes=30), "duty_commander"),
    AlertKind.UNMATCHED: EscalationPlan(timedelta(minutes=10), "duty_commander"),
}


@dataclass(frozen=True, slots=True)
class Raised:
    """An alert to raise of a screening, or of what else its kind is about.

    `facts` are codes and times, never who it is.
    """

    kind: AlertKind
    subject_id: UUID
    facts: dict[str, object]


_RAISE = """
WITH wanted AS (
    SELECT * FROM jsonb_to_recordset($2::jsonb) AS w(
        alert_id uuid, kind text, subject_id uuid, due_at timestamptz, facts jsonb)
), added AS (
    INSERT INTO alert (hub_id, alert_id, kind, subject_id, raised_at, due_at, level, facts)
    SELECT $1, alert_id, kind, subject_id, $3, due_at, 0, facts FROM wanted
    ON CONFLICT (hub_id, subject_id, kind) WHERE closed_at IS NULL DO NOTHING
    RETURNING alert_id
)
SELECT alert_id FROM added
"""


async def raise_all(
    tx: Transaction, hub_id: str, raised: Sequence[Raised], at: datetime
) -> None:
    """Raise alerts, each unless one of its kind is open of its subject."""
    if not raised:
        return
    by_id = {uuid7(): one for one in raised}
    rows = [
        {
            "alert_id": alert_id,
            "kind": one.kind,
            "subject_id": one.subject_id,
            "due_at": plan and at + plan.after,
            "facts": one.facts,
        }
        for alert_id, one in by_id.items()
        for plan in (PLANS[one.kind],)
    ]
    for (alert_id,) in await tx.raw.fetch(_RAISE, hub_id, as_json(rows), at):
        one = by_id[alert_id]
        body: dict[str, object] = {"alert_id": str(alert_id), "kind": one.kind.value}
        await events.append(tx, [Event(hub_id, "alert.raised", one.subject_id, at, body)])


_OVERTAKEN = """
UPDATE alert SET closed_at = $2, closed_reason = 'overtaken'
FROM screening s
WHERE alert.hub_id = $1 AND alert.closed_at IS NULL
  AND s.hub_id = $1 AND s.screening_id = alert.subject_id
  AND CASE
      WHEN alert.kind IN ('OVERDUE', 'ORDER_ENDED') THEN s.state <> alert.facts ->> 'state'
      WHEN alert.kind IN ('ABSCONDED', 'LEFT_LANE') THEN EXISTS (
          SELECT FROM screening n
          WHERE n.person_id = s.person_id AND n.hub_id = $1 AND n.checks > 0
            AND n.opened_at > alert.raised_at)
      ELSE false END
RETURNING alert.alert_id, alert.kind, alert.subject_id
"""
_DUE = """
UPDATE alert a SET
    level = CASE WHEN p.next IS NULL THEN a.level ELSE a.level + 1 END,
    due_at = NULL,
    closed_at = CASE WHEN p.next IS NULL THEN $2 END,
    closed_reason = CASE WHEN p.next IS NULL THEN 'expired' END
FROM (
    SELECT alert_id, t.next FROM alert
    JOIN unnest($3::text[], $4::text[]) AS t(kind, next) USING (kind)
    WHERE hub_id = $1 AND closed_at IS NULL AND due_at <= $2
    ORDER BY raised_at LIMIT $5 FOR UPDATE OF alert SKIP LOCKED
) p
WHERE a.hub_id = $1 AND a.alert_id = p.alert_id
RETURNING a.alert_id, a.kind, a.subject_id, p.next
"""


async def go_on(tx: Transaction, hub_id: str, now: datetime) -> int:
    """Close what is over and pass on what nobody closed in time; how many alerts that were."""
    over = await tx.raw.fetch(_OVERTAKEN, hub_id, now)
    kinds = [(kind.value, plan.to) for kind, plan in PLANS.items() if plan]
    names, nexts = zip(*kinds, strict=True)
    due = await tx.raw.fetch(_DUE, hub_id, now, list(names), list(nexts), OPEN_AT_ONCE)
    moved = [(row[0], row[1], row[2], None) for row in over]
    moved += [(row[0], row[1], row[2], row[3]) for row in due]
    await _tell(tx, hub_id, moved, now)
    return len(moved)


async def _tell(
    tx: Transaction,
    hub_id: str,
    moved: Sequence[tuple[UUID, str, UUID, str | None]],
    now: datetime,
) -> None:
    for alert_id, kind, subject_id, to in moved:
        told = "alert.escalated" if to else "alert.closed"
        body: dict[str, object] = {"alert_id": str(alert_id), "kind": kind, "to": to}
        await events.append(tx, [Event(hub_id, told, subject_id, now, body)])


_OVER = """
UPDATE alert SET closed_at = $2, closed_reason = 'overtaken'
WHERE hub_id = $1 AND closed_at IS NULL AND kind = $3 AND subject_id <> ALL($4::uuid[])
RETURNING alert_id, kind, subject_id, NULL::text
"""
_SEEN_TO = """
SELECT subject_id FROM alert
WHERE hub_id = $1 AND kind = $3 AND subject_id = ANY($4::uuid[])
  AND closed_by IS NOT NULL AND closed_at > $2
"""


async def hold(
    tx: Transaction,
    hub_id: str,
    kind: AlertKind,
    troubles: Mapping[UUID, dict[str, object]],
    now: datetime,
) -> None:
    """Hold the alerts of a kind to what goes on now, told by its facts: the others are over.

    What somebody has closed is raised again after some hours, if it still goes on.
    """
    over = await tx.raw.fetch(_OVER, hub_id, now, kind, list(troubles))
    await _tell(tx, hub_id, [(row[0], row[1], row[2], None) for row in over], now)
    if troubles:
        rows = await tx.raw.fetch(_SEEN_TO, hub_id, now - SEEN_TO, kind, list(troubles))
        seen = {row[0] for row in rows}
        raised = [Raised(kind, of, told) for of, told in troubles.items() if of not in seen]
        await raise_all(tx, hub_id, raised, now)


_COLUMNS = (
    Alert.alert_id,
    Alert.kind,
    Alert.subject_id,
    Alert.raised_at,
    Alert.due_at,
    Alert.level,
    Alert.facts,
    Alert.closed_at,
    Alert.closed_by,
    Alert.closed_reason,
)


async def page(
    tx: Reading,
    hub_id: str,
    *,
    kind: AlertKind | None,
    closed: bool,
    cursor: str | None,
    limit: int,
) -> list[RowMapping]:
    """Alerts, the latest first, from the cursor on; at most `limit`."""
    wanted: list[ColumnElement[bool]] = [Alert.hub_id == hub_id]
    if not closed:
        wanted.append(Alert.closed_at.is_(None))
    if kind is not None:
        wanted.append(Alert.kind == kind.value)
    place = tuple_(Alert.raised_at, Alert.alert_id)
    if cursor is not None:
        wanted.append(place < paging.decode(cursor))
    found = await tx.sql.execute(
        select(*_COLUMNS)
        .where(*wanted)
        .order_by(Alert.raised_at.desc(), Alert.alert_id.desc())
        .limit(limit)
    )
    return list(found.mappings())


async def close(
    tx: Transaction, who: Principal, alert_id: UUID, reason: str, at: datetime
) -> RowMapping:
    """Somebody has seen to it. The same again changes nothing.

    Raises `NotFound`, and `Conflict` when it was closed otherwise before.
    """
    mine = (Alert.hub_id == who.hub_id, Alert.alert_id == alert_id)
    closed = await tx.sql.execute(
        update(Alert)
        .where(*mine, Alert.closed_at.is_(None))
        .values(closed_at=at, closed_by=who.operator_id, closed_reason=reason)
        .returning(Alert.subject_id, Alert.kind)
    )
    row = closed.one_or_none()
    if row is not None:
        subject_id, kind = row
        body: dict[str, object] = {"alert_id": str(alert_id), "kind": kind, "reason": reason}
        happening = Event(
            who.hub_id, "alert.closed", subject_id, at, body, who.device_id, who.operator_id
        )
        await events.append(tx, [happening])
    found = await tx.sql.execute(select(*_COLUMNS).where(*mine))
    alert = found.mappings().one_or_none()
    if alert is None:
        raise NotFound("There is no such alert.")
    if (alert["closed_by"], alert["closed_reason"]) != (who.operator_id, reason):
        raise Conflict("The alert was closed before.")
    return alert
