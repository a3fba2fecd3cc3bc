"""Whom a reminder reaches: read by the gate for those to come, noted for those who came before.

Each way is said twice, as a fragment for the gate's statement and as an update of passages that
have begun; both must mean the same.
"""

from collections.abc import Collection
from datetime import datetime
from typing import Final
from uuid import UUID

from twinstile.platform.db.database import Transaction
from twinstile.screening.types import COUNTING, NoticeKind, ReminderKind

_COUNTING = ", ".join(f"'{state}'" for state in sorted(COUNTING))
_KINDS = ", ".join(f"'{kind}'" for kind in NoticeKind)
NOTICED_SQL: Final = f"""
EXISTS (SELECT FROM (SELECT * FROM notice WHERE person_id = {{person}} OFFSET 0) n
        WHERE n.hub_id = {{hub}} AND n.run_id = {{run}} AND n.kind IN ({_KINDS})
          AND n.state IN ({_COUNTING}))
"""  # noqa: S608 # words of ours
"""Whether this person was sent a message about this run. For a minor it is also asked of the
guardian, who was told for both. Looked up by the person alone: docs/decisions/0016."""

TOLD_RUNS_SQL: Final = f"""
(SELECT jsonb_agg(n.run_id) FROM (SELECT * FROM notice WHERE person_id = {{person}} OFFSET 0) n
 WHERE n.hub_id = {{hub}} AND n.kind IN ({_KINDS}) AND n.state IN ({_COUNTING}))
"""  # noqa: S608 # words of ours
"""The same, of every run."""

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
_NOTICED_GUARDIAN = NOTICED_SQL.format(hub="$1", person="g.person_id", run="screening.run_id")
_OF_MINORS = _MARK.format(
    condition=f"""screening_id IN (
        SELECT m.screening_id FROM party_member m WHERE m.hub_id = $1
        AND m.party_id = ANY($3::uuid[]) AND m.role = 'MINOR')
      AND EXISTS (
        SELECT FROM party_member m
        JOIN party_member a
            ON a.hub_id = $1 AND a.party_id = m.party_id AND a.role = 'GUARDIAN'
        JOIN screening g ON g.hub_id = $1 AND g.screening_id = a.screening_id
        WHERE m.hub_id = $1 AND m.screening_id = screening.screening_id
          AND ($2 = ANY(g.reminders) AND coalesce(g.run_id = screening.run_id, true)
               OR {_NOTICED_GUARDIAN}))"""  # noqa: S608 # constants of ours
)
_GUARDED = """
SELECT party_id FROM party p WHERE p.hub_id = $1 AND p.party_id IN (
    SELECT a.party_id
    FROM (SELECT * FROM screening WHERE person_id = ANY($2::uuid[]) OFFSET 0) g
    JOIN party_member a ON a.hub_id = $1 AND a.screening_id = g.screening_id
    WHERE g.hub_id = $1 AND a.role = 'GUARDIAN')
ORDER BY party_id FOR NO KEY UPDATE
"""


async def reach_run(tx: Transaction, hub_id: str, run_id: UUID) -> None:
    """Everybody of a run was reminded before arrival."""
    await tx.raw.execute(_OF_RUN, hub_id, ReminderKind.R1.value, run_id)


async def reach_people(
    tx: Transaction, hub_id: str, run_id: UUID, people: Collection[UUID]
) -> None:
    """These people of a run were reminded before arrival, and the minors they answer for.

    Their parties are locked as by the gate, so that nobody joins one unseen.
    """
    if not people:
        return
    guarded = await tx.raw.fetch(_GUARDED, hub_id, list(people))
    await tx.raw.execute(_OF_PEOPLE, hub_id, ReminderKind.R1.value, run_id, list(people))
    await reach_minors(tx, hub_id, [party_id for (party_id,) in guarded])


async def reach_minors(tx: Transaction, hub_id: str, parties: Collection[UUID]) -> None:
    """Minors were reminded before arrival if whoever answers for them now was, of their run."""
    if parties:
        await tx.raw.execute(_OF_MINORS, hub_id, ReminderKind.R1.value, list(parties))


async def reach_checkpoint(
    tx: Transaction, hub_id: str, checkpoint: str, since: datetime, until: datetime
) -> None:
    """Who came to a checkpoint in [since, until) was reminded in the hub."""
    place = (ReminderKind.R2.value, checkpoint, since, until)
    await tx.raw.execute(_AT_CHECKPOINT, hub_id, *place)
