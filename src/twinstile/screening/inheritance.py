"""Whom a reminder reaches: read by the gate for those to come, noted for those who came before.

Each way is said twice, as a fragment for the gate's statement and as an update of passages that
have begun; both must mean the same.
"""

from collections.abc import Collection
from datetime import datetime
from typing import Final
from uuid import UUID

from twinstile.platform.db import Transaction
from twinstile.screening.types import COUNTING, ReminderKind

_COUNTING = ", ".join(f"'{state}'" for state in sorted(COUNTING))
NOTICED_SQL: Final = f"""
EXISTS (SELECT FROM (SELECT * FROM notice WHERE person_id = {{person}} OFFSET 0) n
        WHERE n.hub_id = {{hub}} AND n.run_id = {{run}} AND n.kind = 'R1'
          AND n.state IN ({_COUNTING}))
"""  # noqa: S608 # words of ours
"""Whether this person was sent a message about this run. For a minor it may be asked of the
guardian, who was told for both. Looked up by the person alone: docs/decisions/0016."""

R1_SQL: Final = f"""
(EXISTS (SELECT FROM reminder r
         WHERE r.hub_id = {{hub}} AND r.kind = 'R1' AND r.run_id = {{run}}) OR {NOTICED_SQL})
"""
"""Whether this person was reminded before arrival: with the whole run, or by a message."""

LAST_R2_SQL: Final = """
(SELECT max(least(coalesce(r.until, r.given_at), {at})) FROM reminder r
 WHERE r.hub_id = {hub} AND r.kind = 'R2' AND r.checkpoint = {checkpoint}
   AND r.given_at <= {at} AND r.given_at > {at} - interval '1 day')
"""
"""When a reminder was last heard at a checkpoint by that moment, to its end if it went on."""

# Rows in the order of their ids, as the gates lock them.
_MARK = """
WITH theirs AS (
    SELECT screening_id FROM screening
    WHERE hub_id = $1 AND NOT reminders @> ARRAY[$2::text] AND {condition}
    ORDER BY screening_id FOR NO KEY UPDATE
)
UPDATE screening s SET reminders = s.reminders || $2::text FROM theirs t
WHERE s.hub_id = $1 AND s.screening_id = t.screening_id
"""
_OF_RUN = _MARK.format(condition="run_id = $3")
_OF_PEOPLE = _MARK.format(condition="run_id = $3 AND person_id = ANY($4::uuid[])")
_AT_CHECKPOINT = _MARK.format(
    condition="checkpoint = $3 AND opened_at >= $4 AND opened_at < $5"
)


async def reach_run(tx: Transaction, hub_id: str, run_id: UUID) -> None:
    """Everybody of a run was reminded before arrival."""
    await tx.raw.execute(_OF_RUN, hub_id, ReminderKind.R1.value, run_id)


async def reach_people(
    tx: Transaction, hub_id: str, run_id: UUID, people: Collection[UUID]
) -> None:
    """These people of a run were reminded before arrival."""
    if people:
        await tx.raw.execute(_OF_PEOPLE, hub_id, ReminderKind.R1.value, run_id, list(people))


async def reach_checkpoint(
    tx: Transaction, hub_id: str, checkpoint: str, since: datetime, until: datetime
) -> None:
    """Who came to a checkpoint in [since, until) was reminded in the hub."""
    place = (ReminderKind.R2.value, checkpoint, since, until)
    await tx.raw.execute(_AT_CHECKPOINT, hub_id, *place)
