"""Entering what became of messages, whoever says so; what was sent counts from then on."""

from collections.abc import Collection, Mapping
from datetime import datetime
from itertools import groupby
from typing import Final, NamedTuple
from uuid import UUID

from twinstile.platform.db.database import Transaction, as_json
from twinstile.platform.ops import observability
from twinstile.reminders.types import FOLLOWS, DeliveryOutcome
from twinstile.screening import inheritance
from twinstile.screening.types import COUNTING, NoticeState

MOST_SAID: Final = 50
"""States that are remembered of a message; the first are dropped."""

_SETTLE = f"""
UPDATE notice n SET state = w.state, at = $3, due_at = w.due_at,
    evidence = CASE WHEN jsonb_array_length(n.evidence) < {MOST_SAID}
               THEN n.evidence ELSE n.evidence - 0 END || w.said
FROM jsonb_to_recordset($2::jsonb) AS w(
    notice_id uuid, state text, due_at timestamptz, said jsonb, after text[])
WHERE n.hub_id = $1 AND n.notice_id = ANY($4::uuid[]) AND n.notice_id = w.notice_id
  AND n.state = ANY(w.after)
RETURNING n.run_id, n.person_id, n.channel, n.state
"""  # noqa: S608 # a figure of ours


class Settled(NamedTuple):
    """A message whose state has changed."""

    run_id: UUID
    person_id: UUID
    channel: str
    state: NoticeState


async def settle(
    tx: Transaction,
    hub_id: str,
    outcomes: Mapping[UUID, DeliveryOutcome],
    at: datetime,
    due: Mapping[UUID, datetime] | None = None,
) -> list[Settled]:
    """Enter outcomes; those whose state did change. `due`: which of them to look at again when.

    What comes late or twice changes nothing: a message that was delivered is not sent any more.
    """
    when = due or {}
    rows = [
        {
            "notice_id": notice_id,
            "state": outcome.state,
            "due_at": when.get(notice_id),
            "after": sorted(FOLLOWS[outcome.state]),
            "said": _said(outcome, at),
        }
        for notice_id, outcome in outcomes.items()
    ]
    found = await tx.raw.fetch(_SETTLE, hub_id, as_json(rows), at, list(outcomes))
    settled = sorted(
        Settled(run_id, person_id, channel, NoticeState(state))
        for run_id, person_id, channel, state in found
    )
    counted = [one for one in settled if one.state in COUNTING]
    for run_id, theirs in groupby(counted, lambda one: one.run_id):
        await inheritance.reach_people(tx, hub_id, run_id, [one.person_id for one in theirs])
    for one in settled:
        observability.NOTICES.labels(hub_id, one.channel, one.state).inc()
    return settled


async def look_again(
    tx: Transaction, hub_id: str, notices: Collection[UUID], due: datetime
) -> None:
    """Look at messages that lie with a channel, and of which there is no news, then again."""
    if notices:
        await tx.raw.execute(
            "UPDATE notice SET due_at = $3 WHERE hub_id = $1 AND notice_id = ANY($2::uuid[])"
            " AND state = 'HANDED'",
            hub_id,
            list(notices),
            due,
        )


def _said(outcome: DeliveryOutcome, at: datetime) -> dict[str, object]:
    """What is kept as evidence: no text and no address, and of a provider's words not many."""
    return {
        "state": outcome.state.value,
        "at": at.isoformat(),
        **({"ref": outcome.ref[:200]} if outcome.ref else {}),
        **({"code": outcome.code[:64]} if outcome.code else {}),
    }
