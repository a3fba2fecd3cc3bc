"""Record checks: facts, decision, one write, for any number of checks of one hub at once.

The order of the house: one statement recognises (and locks) people and reads the situation of
every check, the pure rules decide check by check, one statement writes what was decided, and a
confirmed suspicion opens its case, all in the caller's transaction.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import cast
from uuid import UUID
from zoneinfo import ZoneInfo

from twinstile.cases import case_merge, referrals
from twinstile.cases.referrals import Identification
from twinstile.declarations import passes
from twinstile.declarations.types import PresentedDeclaration
from twinstile.deferrals import deferrals
from twinstile.deferrals.deferrals import Deferred
from twinstile.identity import vault
from twinstile.platform.db.database import Transaction, as_json
from twinstile.platform.http.problems import Overtaken
from twinstile.platform.keys.data_keys import KeyFiles
from twinstile.platform.ops import observability
from twinstile.policy.versions import Policies
from twinstile.screening import alerts, facts, fold, inheritance, party_members
from twinstile.screening.alerts import Raised
from twinstile.screening.bodies import FactStatus
from twinstile.screening.facts import GateCheck
from twinstile.screening.reviews import Review
from twinstile.screening.types import AlertKind, ScreeningEvent, ScreeningState
from twinstile.screening.visit import RecordedCheck, Visit
from twinstile.screening.visits import CheckBatch


@dataclass(frozen=True, slots=True)
class RecordingContext:
    """What the recording of a hub's checks needs beside the checks."""

    hub_id: str
    keys: KeyFiles
    policies: Policies
    zone: ZoneInfo
    at: datetime


async def record(
    tx: Transaction,
    context: RecordingContext,
    checks: Sequence[GateCheck],
    *,
    counting: bool = False,
) -> list[RecordedCheck]:
    """Record checks of one hub, in order, and return what became of each.

    A check that was stored before gets its first answer again. With `counting`, the devices'
    counters are noted too; who notes them later in the same transaction leaves it out. Two
    statements however many checks, three if cases are opened; more where an alarm joins an open
    case, somebody belongs to a party, is to be alerted, is deferred or comes back. Raises
    `Overtaken` when another request has moved the same passage or party since it was read.
    """
    hub_id = context.hub_id
    today = context.at.astimezone(context.zone).date()
    identities = [check.identity for check in checks if check.identity]
    presented = await passes.read(tx, context.keys, hub_id, checks)
    checks = [presented.named(check) for check in checks]
    documents = await vault.document_set(context.keys, hub_id, today, identities)
    situations = await facts.look_up(tx, hub_id, checks, documents)
    policies = {
        version: await context.policies.get(tx, hub_id, version)
        for version in {situation.policy_version for situation in situations}
        | {s.known.policy_version for s in situations if s.known}
    }
    revision = situations[0].areas if situations else None
    received = await context.policies.received(tx, hub_id, revision)
    batch = CheckBatch(policies, context.zone, received)
    for check, situation in zip(checks, situations, strict=True):
        batch.take(presented.joined(check, situation, batch.touched), situation)
        done = batch.done[-1]
        if done.status is not FactStatus.DUPLICATE:
            passage = batch.touched[done.screening_id]
            presented.bind(check, passage.screening_id, passage.person_id)
    openings = await referrals.opening_rows(
        tx, context.keys, hub_id, context.zone, batch.openings(), context.at
    )
    numbers = await _write(tx, context, batch, openings, checks if counting else ())
    _count(context, batch)
    await referrals.join(tx, hub_id, batch.joining, context.at)
    await party_members.join(tx, hub_id, batch.parties.party_rows(), batch.parties.member_rows)
    await inheritance.reach_minors(tx, hub_id, batch.reminded)
    await alerts.raise_all(tx, hub_id, batch.alerts, context.at)
    await passes.write(tx, hub_id, presented)
    await _review(tx, context, batch.reviews)
    await deferrals.end(tx, hub_id, batch.returned(), ScreeningEvent.REENTER, None, context.at)
    let = [
        Deferred(p.screening_id, p.person_id, p.due_at or context.at) for p in batch.released()
    ]
    await deferrals.begin(tx, context.keys, hub_id, context.zone, let, context.at)
    await _name_cases(tx, context, batch)
    shown = presented.shown
    return [_told(done, numbers, shown.get(done.id)) for done in batch.done]


def _count(context: RecordingContext, batch: CheckBatch) -> None:
    """Count passages that began, by whether the traveller was on a list."""
    listed = [
        passage.entry_id is not None
        for passage in batch.touched.values()
        if passage.row is None and passage.person_id is not None
    ]
    for told, passages in (("yes", sum(listed)), ("no", len(listed) - sum(listed))):
        if passages:
            observability.PASSAGES.labels(context.hub_id, told).inc(passages)


async def _review(
    tx: Transaction, context: RecordingContext, reviews_due: Sequence[Review]
) -> None:
    """Count decisions of devices that are told once more, and alert somebody."""
    for review in reviews_due:
        observability.REVIEWED.labels(context.hub_id, review.cause).inc()
    raised = [
        Raised(AlertKind.RETROSPECTIVE, review.screening_id, review.facts())
        for review in reviews_due
        if review.alarming
    ]
    await alerts.raise_all(tx, context.hub_id, raised, context.at)


async def _name_cases(tx: Transaction, context: RecordingContext, batch: CheckBatch) -> None:
    """Cases that had no name get that of the document shown now."""
    for case_id, person_id, check in batch.named:
        if check.identity is not None:
            who = (check.identity, "SHOWN", check.device_id, check.operator_id)
            shown = Identification(case_id, person_id, *who)
            await case_merge.identify(
                tx, context.keys, context.hub_id, context.zone, shown, context.at
            )


def _told(
    done: RecordedCheck, numbers: Mapping[UUID, str], declaration: PresentedDeclaration | None
) -> RecordedCheck:
    number = numbers.get(done.case_id) if done.case_id else None
    if number is None and declaration is None:
        return done
    return done._replace(case_no=number or done.case_no, shown=declaration)


# Rows to be moved are found one by one and named by their place: joined by their key, the
# planner may read the whole hub for them (docs/decisions/0016).
_WRITTEN = """
WITH stored AS (
    INSERT INTO "check" (
        hub_id, id, screening_id, person_id, run_id, lane_id, device_id, operator_id, shift_id,
        counter, observed_at, received_at, clock_offset_ms, clock_suspect, offline, evidence,
        fingerprint, fingerprint_key, status, verdict, outcome, state, reasons, policy_version,
        case_id, measures)
    SELECT $1, c.* FROM jsonb_to_recordset($2::jsonb) AS c(
        id uuid, screening_id uuid, person_id uuid, run_id uuid, lane_id text, device_id uuid,
        operator_id uuid, shift_id uuid, counter bigint, observed_at timestamptz,
        received_at timestamptz, clock_offset_ms int, clock_suspect bool, offline bool,
        evidence jsonb, fingerprint bytea, fingerprint_key text, status text, verdict text,
        outcome text, state text, reasons jsonb, policy_version text, case_id uuid,
        measures jsonb)
    ON CONFLICT DO NOTHING
    RETURNING id
), folded AS (
    SELECT * FROM jsonb_to_recordset($3::jsonb) AS s(
        "row" xid, screening_id uuid, person_id uuid, run_id uuid, entry_id text,
        checkpoint text, state text, opened_at timestamptz, state_since timestamptz,
        due_at timestamptz, closed_at timestamptz, referred_at timestamptz,
        deferred_at timestamptz, case_id uuid, supersedes uuid, fold jsonb, checks int,
        reminders text[], verifications text[], services text[])
), begun AS (
    INSERT INTO screening (
        hub_id, screening_id, person_id, run_id, entry_id, checkpoint, state, opened_at,
        state_since, due_at, closed_at, referred_at, deferred_at, case_id, supersedes, fold,
        checks, reminders, verifications, services)
    SELECT $1, screening_id, person_id, run_id, entry_id, checkpoint, state, opened_at,
        state_since, due_at, closed_at, referred_at, deferred_at, case_id, supersedes, fold,
        checks, reminders, verifications, services
    FROM folded WHERE "row" IS NULL
    ON CONFLICT DO NOTHING
    RETURNING screening_id
), moved AS (
    UPDATE screening SET
        person_id = f.person_id, run_id = f.run_id, entry_id = f.entry_id, state = f.state,
        state_since = CASE WHEN screening.state = f.state
                      THEN screening.state_since ELSE f.state_since END,
        due_at = CASE
            WHEN screening.state = f.state THEN screening.due_at
            -- nobody is kept by order beyond the order
            WHEN f.state IN ('SECONDARY', 'HELD') AND screening.order_until > $6
                THEN least(f.due_at, screening.order_until)
            ELSE f.due_at END,
        closed_at = f.closed_at, referred_at = coalesce(screening.referred_at, f.referred_at),
        deferred_at = coalesce(screening.deferred_at, f.deferred_at),
        case_id = coalesce(screening.case_id, f.case_id), fold = f.fold, checks = f.checks,
        reminders = f.reminders, verifications = f.verifications, services = f.services
    FROM folded f, LATERAL (
        SELECT s.ctid FROM screening s
        WHERE s.hub_id = $1 AND s.screening_id = f.screening_id LIMIT 1
    ) found
    WHERE screening.ctid = found.ctid AND screening.xmin = f."row"
    RETURNING screening.screening_id
), noted AS (
    INSERT INTO event (hub_id, event_id, at, kind, subject_id, device_id, operator_id, body)
    SELECT $1, e.* FROM jsonb_to_recordset($4::jsonb) AS e(
        event_id uuid, at timestamptz, kind text, subject_id uuid, device_id uuid,
        operator_id uuid, body jsonb)
), present AS (
    SELECT * FROM jsonb_to_recordset($5::jsonb) AS n(device_id uuid, counters bigint[])
), met AS (
    SELECT d.device_id FROM device d JOIN present USING (device_id)
    WHERE d.hub_id = $1 ORDER BY d.device_id FOR NO KEY UPDATE OF d
), counted AS (
    UPDATE device SET last_contact_at = $6, counters = device.counters + (
        SELECT range_agg(int8range(n, n + 1)) FROM unnest(p.counters) AS n)
    FROM present p JOIN met USING (device_id)
    WHERE device.hub_id = $1 AND device.device_id = p.device_id
)
"""
_COUNTS = """
SELECT (SELECT count(*) FROM stored),
       (SELECT count(*) FROM begun) + (SELECT count(*) FROM moved)
"""
_WRITE_SQL = f"{_WRITTEN}{_COUNTS}, NULL::jsonb"
_WRITE_AND_OPEN_SQL = f"""
{_WRITTEN}, {referrals.OPEN_SQL.format(hub="$1", openings="$7")}
{_COUNTS}, (SELECT jsonb_object_agg(case_id, case_no) FROM opened)
"""  # noqa: S608 # fragments of ours; every value is a parameter


async def _write(
    tx: Transaction,
    context: RecordingContext,
    batch: CheckBatch,
    openings: list[dict[str, object]],
    counted: Sequence[GateCheck],
) -> dict[UUID, str]:
    """Write what was decided in one statement; the numbers of the cases it opened, by id."""
    if not batch.check_rows and not counted:
        return {}
    row = await tx.raw.fetchrow(
        _WRITE_AND_OPEN_SQL if openings else _WRITE_SQL,
        context.hub_id,
        as_json(batch.check_rows),
        as_json([_row(passage) for passage in batch.touched.values()]),
        as_json(batch.event_rows),
        as_json(_counters(counted)),
        context.at,
        *([as_json(openings)] if openings else []),
    )
    checks, passages, opened = row or (0, 0, None)
    told = cast("dict[str, str]", opened or {})
    numbers = {UUID(case_id): case_no for case_id, case_no in told.items()}
    written = (checks, passages, len(numbers))
    if written != (len(batch.check_rows), len(batch.touched), len(openings)):
        # Another request stored the same check, or moved the same screening, since we read:
        # nothing of ours is written, and sent again it is decided on what is there then.
        raise Overtaken("The same passage was recorded just now.", retry_after_s=1)
    return numbers


def _counters(checks: Sequence[GateCheck]) -> list[dict[str, object]]:
    """The counters that have come, by device."""
    of: dict[UUID, list[int]] = {}
    for check in checks:
        of.setdefault(check.device_id, []).append(check.counter)
    return [{"device_id": device, "counters": counters} for device, counters in of.items()]


def _row(passage: Visit) -> dict[str, object]:
    closed = passage.last_at if passage.state.terminal else None
    return {
        "row": passage.row,
        "screening_id": passage.screening_id,
        "person_id": passage.person_id,
        "run_id": passage.run_id,
        "entry_id": passage.entry_id,
        "checkpoint": passage.checkpoint,
        "state": passage.state,
        "opened_at": passage.opened_at,
        "state_since": passage.state_since,
        "due_at": passage.due_at,
        "closed_at": closed,
        "referred_at": passage.referred_at,
        "deferred_at": passage.last_at if passage.state is ScreeningState.DEFERRED else None,
        "case_id": passage.case_id,
        "supersedes": passage.supersedes,
        "checks": passage.checks,
        **fold.pack(
            passage.evidence,
            passage.last_device or passage.screening_id,
            passage.last_at,
            passage.party_id,
            passage.along,
        ),
    }
