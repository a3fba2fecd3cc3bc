"""Record checks: facts, decision, one write, for any number of checks of one hub at once.

The order of the house: people are recognised (and locked), the situation of every check is read
in one statement, the pure rules decide check by check, one statement writes what was decided,
and a confirmed suspicion opens its case, all in the caller's transaction.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from twinstile.cases import referrals
from twinstile.identity import vault
from twinstile.platform.auth import Principal
from twinstile.platform.crypto import KeyFiles
from twinstile.platform.db import Transaction, as_json
from twinstile.platform.errors import Unavailable
from twinstile.policy.versions import Policies
from twinstile.screening import facts
from twinstile.screening.facts import GateCheck
from twinstile.screening.passages import Batch, Passage, Recorded


@dataclass(frozen=True, slots=True)
class Stand:
    """What the recording of a hub's checks needs beside the checks."""

    who: Principal
    keys: KeyFiles
    policies: Policies
    zone: ZoneInfo
    at: datetime


async def record(tx: Transaction, stand: Stand, checks: Sequence[GateCheck]) -> list[Recorded]:
    """Record checks of the caller's hub, in order, and return what became of each.

    A check that was stored before gets its first answer again. Raises `Gone` when today's
    identities were destroyed already, `Unavailable` when the same check is being stored by
    another request at this moment.
    """
    hub_id = stand.who.hub_id
    today = stand.at.astimezone(stand.zone).date()
    people = await _recognise(tx, stand, checks, today)
    situations = await facts.look_up(tx, hub_id, checks, people)
    policies = {
        version: await stand.policies.get(tx, hub_id, version)
        for version in {situation.policy_version for situation in situations}
        | {s.known.policy_version for s in situations if s.known}
    }
    batch = Batch(policies, stand.at)
    for check, person_id, situation in zip(checks, people, situations, strict=True):
        batch.take(check, person_id, situation)
    await referrals.open_cases(
        tx, stand.keys, stand.who, stand.zone, batch.openings(), stand.at
    )
    await _write(tx, hub_id, batch)
    named = {done.case_id for done in batch.done if done.case_id}
    numbers = await referrals.numbers(tx, hub_id, named)
    return [
        replace(done, case_no=numbers.get(done.case_id)) if done.case_id else done
        for done in batch.done
    ]


async def _recognise(
    tx: Transaction, stand: Stand, checks: Sequence[GateCheck], today: date
) -> list[UUID | None]:
    shown = [check.identity for check in checks if check.identity]
    ids = iter(await vault.recognise(tx, stand.keys, stand.who.hub_id, today, shown))
    return [next(ids) if check.identity else None for check in checks]


_WRITE_SQL = """
WITH stored AS (
    INSERT INTO "check" (
        hub_id, id, screening_id, person_id, run_id, lane_id, device_id, operator_id, shift_id,
        counter, observed_at, received_at, clock_offset_ms, clock_suspect, offline, evidence,
        fingerprint, fingerprint_key, status, verdict, outcome, state, reasons, policy_version,
        case_id)
    SELECT $1, c.* FROM jsonb_to_recordset($2::jsonb) AS c(
        id uuid, screening_id uuid, person_id uuid, run_id uuid, lane_id text, device_id uuid,
        operator_id uuid, shift_id uuid, counter bigint, observed_at timestamptz,
        received_at timestamptz, clock_offset_ms int, clock_suspect bool, offline bool,
        evidence jsonb, fingerprint bytea, fingerprint_key text, status text, verdict text,
        outcome text, state text, reasons jsonb, policy_version text, case_id uuid)
    ON CONFLICT DO NOTHING
    RETURNING id
), folded AS (
    INSERT INTO screening (
        hub_id, screening_id, person_id, run_id, entry_id, checkpoint, state, opened_at,
        state_since, due_at, closed_at, referred_at, case_id, supersedes, fold, checks,
        reminders, verifications, services)
    SELECT $1, s.* FROM jsonb_to_recordset($3::jsonb) AS s(
        screening_id uuid, person_id uuid, run_id uuid, entry_id text, checkpoint text,
        state text, opened_at timestamptz, state_since timestamptz, due_at timestamptz,
        closed_at timestamptz, referred_at timestamptz, case_id uuid, supersedes uuid,
        fold jsonb, checks smallint, reminders text[], verifications text[], services text[])
    ON CONFLICT (hub_id, screening_id) DO UPDATE SET
        person_id = excluded.person_id, run_id = excluded.run_id,
        entry_id = excluded.entry_id, state = excluded.state,
        state_since = CASE WHEN screening.state = excluded.state
                      THEN screening.state_since ELSE excluded.state_since END,
        due_at = CASE WHEN screening.state = excluded.state
                 THEN screening.due_at ELSE excluded.due_at END,
        closed_at = excluded.closed_at,
        referred_at = coalesce(screening.referred_at, excluded.referred_at),
        case_id = coalesce(screening.case_id, excluded.case_id), fold = excluded.fold,
        checks = excluded.checks, reminders = excluded.reminders,
        verifications = excluded.verifications, services = excluded.services
), noted AS (
    INSERT INTO event (hub_id, event_id, at, kind, subject_id, device_id, operator_id, body)
    SELECT $1, e.* FROM jsonb_to_recordset($4::jsonb) AS e(
        event_id uuid, at timestamptz, kind text, subject_id uuid, device_id uuid,
        operator_id uuid, body jsonb)
)
SELECT count(*) FROM stored
"""


async def _write(tx: Transaction, hub_id: str, batch: Batch) -> None:
    if not batch.check_rows:
        return
    row = await tx.raw.fetchrow(
        _WRITE_SQL,
        hub_id,
        as_json(batch.check_rows),
        as_json([_row(passage) for passage in batch.touched.values()]),
        as_json(batch.event_rows),
    )
    if row is None or row[0] != len(batch.check_rows):
        # The same id is being stored by another request: its answer is the right one.
        raise Unavailable("The same check is being stored just now.", retry_after_s=1)


def _row(passage: Passage) -> dict[str, object]:
    closed = passage.last_at if passage.state.terminal else None
    return {
        "screening_id": passage.screening_id,
        "person_id": passage.person_id,
        "run_id": passage.run_id,
        "entry_id": passage.entry_id,
        "checkpoint": passage.checkpoint,
        "state": passage.state,
        "opened_at": passage.opened_at,
        "state_since": passage.last_at,
        "due_at": passage.due_at,
        "closed_at": closed,
        "referred_at": passage.referred_at,
        "case_id": passage.case_id,
        "supersedes": passage.supersedes,
        "checks": passage.checks,
        **facts.pack(
            passage.evidence, passage.last_device or passage.screening_id, passage.last_at
        ),
    }
