"""What became of the acknowledged checks, read from the database itself.

- lost: acknowledged, and not there
- wrong: there, but not with the content that was sent or the verdict that was told
- half: a check without its screening or its event, or the other way round; a case without its
  check; a screening that counts other checks than there are
- skipped: an event that the ledger passed over, or a number it left out
- extra: there, and never acknowledged: allowed, because the answer may be what was lost
"""

import asyncio
import json
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from uuid import UUID

import asyncpg
from fleets import Ledger
from stations import Station

SEALED_S = 15.0


@dataclass(frozen=True, slots=True)
class Judgement:
    """Counts; all but `acknowledged`, `extra` and `duplicates` must be 0."""

    acknowledged: int = 0
    lost: int = 0
    wrong: int = 0
    half: int = 0
    skipped: int = 0
    extra: int = 0
    duplicates: int = 0
    denied: int = 0
    """`stored: false` was said of a check that was stored."""
    refused: int = 0

    def __add__(self, other: "Judgement") -> "Judgement":
        mine, theirs = asdict(self), asdict(other)
        return replace(self, **{name: mine[name] + theirs[name] for name in mine})

    @property
    def harmless(self) -> bool:
        """Whether nothing was lost, falsified or torn."""
        return not (
            self.lost or self.wrong or self.half or self.skipped or self.denied or self.refused
        )


async def judge(station: Station, ledger: Ledger) -> Judgement:
    """Compare the ledger with the station's database."""
    connection = await station.connect()
    try:
        rows = await connection.fetch(_STORED_SQL, station.hub_id, list(ledger.sent))
        half = await connection.fetchval(_HALF_SQL, station.hub_id)
        skipped = await _skipped(connection, station.hub_id)
    finally:
        await connection.close()
    stored = {row["id"]: row for row in rows}
    there = ledger.acknowledged.keys() & stored.keys()
    return Judgement(
        acknowledged=len(ledger.acknowledged),
        lost=len(ledger.acknowledged) - len(there),
        wrong=sum(not _same(ledger, check_id, stored[check_id]) for check_id in there),
        half=half,
        skipped=skipped,
        extra=len(stored.keys() - ledger.acknowledged.keys()),
        duplicates=ledger.duplicates,
        denied=len(ledger.denied),
        refused=len(ledger.refused),
    )


async def _skipped(connection: asyncpg.Connection, hub_id: str) -> int:
    """What the ledger has left out, once it has had the time to catch up."""
    for _ in range(int(SEALED_S / 0.1)):
        if not await connection.fetchval(_AHEAD_SQL, hub_id):
            break
        await asyncio.sleep(0.1)
    return await connection.fetchval(_SKIPPED_SQL, hub_id)


def _same(ledger: Ledger, check_id: UUID, row: asyncpg.Record) -> bool:
    """Whether the row holds what was sent and says what was told."""
    body, told = ledger.sent[check_id], ledger.acknowledged[check_id]
    evidence = json.loads(row["evidence"])
    temperature, credential = body["temperature"], body["credential"]
    assert isinstance(temperature, dict)
    assert isinstance(credential, dict)
    return (
        row["verdict"] == told.verdict
        and row["screening_id"] == told.screening_id
        and row["case_id"] == told.case_id
        and row["counter"] == body["counter"]
        and row["observed_at"] == datetime.fromisoformat(str(body["observed_at"]))
        and evidence["temperature"]["tenths"] == round(temperature["value"] * 10)
        and evidence["credential"]["status"] == credential["status"]
        and evidence["services"] == body["services"]
        and evidence.get("illness", False) == body.get("illness", False)
    )


_STORED_SQL = """
SELECT id, verdict, screening_id, case_id, counter, observed_at, evidence
FROM "check" WHERE hub_id = $1 AND id = ANY($2::uuid[])
"""

_AHEAD_SQL = """
SELECT count(*) FROM event e LEFT JOIN ledger_head h USING (hub_id)
WHERE e.hub_id = $1 AND (h.hub_id IS NULL OR (e.tx, e.event_id) > (h.tx, h.event_id))
"""

_SKIPPED_SQL = """
SELECT (SELECT count(*) FROM event e WHERE e.hub_id = $1 AND NOT EXISTS (
           SELECT FROM ledger l WHERE l.hub_id = $1 AND l.event_id = e.event_id))
     + (SELECT coalesce(max(n), 0) - count(*) FROM ledger WHERE hub_id = $1)
"""

_HALF_SQL = """
WITH told AS (
    SELECT (body->>'check')::uuid AS id, subject_id AS screening_id, count(*) AS times
    FROM event WHERE hub_id = $1 AND kind = 'screening.checked' GROUP BY 1, 2
), made AS (
    SELECT id, screening_id, person_id, case_id FROM "check" WHERE hub_id = $1
), counted AS (
    SELECT screening_id, count(*) AS checks FROM made GROUP BY 1
)
SELECT
    -- each check has exactly one event about its screening, and each event its check
    (SELECT count(*) FROM made FULL JOIN told USING (id, screening_id)
     WHERE made.id IS NULL OR told.id IS NULL OR told.times <> 1)
    -- each check its screening, and each screening as many checks as it says
  + (SELECT count(*) FROM counted FULL JOIN
        (SELECT screening_id, checks FROM screening WHERE hub_id = $1) s
        USING (screening_id) WHERE counted.checks IS DISTINCT FROM s.checks)
    -- each person a place in the vault
  + (SELECT count(*) FROM made WHERE person_id IS NOT NULL AND NOT EXISTS (
        SELECT FROM vault v WHERE v.hub_id = $1 AND v.person_id = made.person_id))
    -- each case its check, and each check its case
  + (SELECT count(*) FROM made WHERE case_id IS NOT NULL AND NOT EXISTS (
        SELECT FROM fever_case c WHERE c.hub_id = $1 AND c.case_id = made.case_id))
  + (SELECT count(*) FROM fever_case c WHERE hub_id = $1 AND NOT EXISTS (
        SELECT FROM made WHERE made.case_id = c.case_id))
"""
