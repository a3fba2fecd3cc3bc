"""What the database knows that a check's decision needs, read for a whole batch at once."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import cast
from uuid import UUID

from twinstile.arrivals.manifests import EXPECTATION_SQL
from twinstile.cases.referrals import CASE_NO_SQL, OPEN_CASE_SQL
from twinstile.identity.links import KIN_SQL
from twinstile.identity.types import Finding
from twinstile.identity.vault import MEET_SQL, OVERTAKEN_SQL, Identity, Shown
from twinstile.platform.db import Transaction, as_json
from twinstile.policy.versions import IN_FORCE_SQL
from twinstile.screening.fold import Fold, unpack
from twinstile.screening.inheritance import LAST_R2_SQL, R1_SQL
from twinstile.screening.rules import Brought, Evidence
from twinstile.screening.suspicion import UNRESOLVED_SQL
from twinstile.screening.types import (
    Belonging,
    Direction,
    PartyRole,
    ReminderKind,
    ScreeningState,
    Verdict,
)

__all__ = ["Earlier", "GateCheck", "Known", "Situation", "look_up"]


@dataclass(frozen=True, slots=True)
class GateCheck:
    """A check as it came in: everything that is known of it without the database."""

    id: UUID
    counter: int
    observed_at: datetime
    """By the device's own clock; kept, and never used to order or decide."""
    moment: datetime
    """When it happened by our clock, see `intake.corrected`."""
    received_at: datetime
    clock_offset_ms: int
    offline: bool
    decided: Verdict | None
    """What the lane showed, if the device said so."""
    screening_id: UUID | None
    run_id: UUID | None
    lane_id: str | None
    device_id: UUID
    operator_id: UUID | None
    shift_id: UUID | None
    identity: Identity | None
    party: Belonging | None
    brought: Brought
    evidence: dict[str, object]
    """What is stored of it: codes and figures, no identity."""
    findings: Sequence[Finding]
    """What reading the document found."""
    fingerprints: dict[str, bytes]
    """HMACs of the body by name of the living epoch keys, the present one first."""


@dataclass(frozen=True, slots=True)
class Known:
    """A check stored before under the same id."""

    fingerprint: bytes
    fingerprint_key: str
    screening_id: UUID
    verdict: str
    outcome: str
    state: str
    reasons: list[dict[str, str]]
    policy_version: str
    case_id: UUID | None
    case_no: str | None
    evidence: Evidence
    """What the screening of that check holds by now."""
    measures: list[dict[str, object]]
    party: dict[str, str] | None


@dataclass(frozen=True, slots=True)
class Earlier:
    """A screening that a check may belong to or follow."""

    screening_id: UUID
    state: ScreeningState
    person_id: UUID | None
    opened_at: datetime
    last_device: UUID | None
    last_at: datetime
    evidence: Evidence
    case_id: UUID | None
    case_no: str | None
    run_id: UUID | None
    entry_id: str | None
    checks: int
    row: str
    """The version of its row, by which it is moved if nobody else has moved it since."""
    party_id: UUID | None
    referred_at: datetime | None


@dataclass(frozen=True, slots=True)
class Gathering:
    """A party as it was read: how many people, and their passages with what each is in it."""

    party_id: UUID
    row: str
    """The version of its row, as of a screening."""
    people: int
    members: tuple[tuple[PartyRole, Earlier], ...]


@dataclass(frozen=True, slots=True)
class Situation:
    """All that is known around one check."""

    person_id: UUID | None
    known: Known | None
    checkpoint: str | None
    direction: Direction
    policy_version: str
    run_id: UUID | None
    entry_id: str | None
    reminders: frozenset[ReminderKind]
    last_r2: datetime | None
    kin: tuple[UUID, ...]
    """The person and everybody linked to them: what is told of the person here is of all."""
    suspicions: dict[UUID, datetime]
    """The person's screenings that nobody resolved, and when each had its last check."""
    open_case: tuple[UUID, str] | None
    """Id and number of the person's open case: a further alarm joins it."""
    named: Earlier | None
    """The screening the device named, if it exists."""
    latest: Earlier | None
    """The person's open screening, else the last one of the past day."""
    party: Gathering | None
    """The party the check names, or that its passage belongs to."""


# People are looked up one by one and by the person alone: OFFSET 0 keeps the hub, which the
# planner may take for selective, out of the choice of index (docs/decisions/0016).
# Whoever names a party waits for the others who do; what is read of it then is the last word.
_TURN_SQL = """
SELECT l.party_id
FROM (SELECT unnest($2::uuid[]) AS party_id ORDER BY 1) w, LATERAL (
    SELECT p.party_id FROM party p
    WHERE p.hub_id = $1 AND p.party_id = w.party_id LIMIT 1 FOR NO KEY UPDATE
) l
"""
_EARLIER = """
CASE WHEN {s}.screening_id IS NOT NULL THEN jsonb_build_object(
    'screening_id', {s}.screening_id, 'state', {s}.state, 'person_id', {s}.person_id,
    'opened_at', {s}.opened_at, 'fold', {s}.fold, 'reminders', {s}.reminders,
    'verifications', {s}.verifications, 'services', {s}.services, 'case_id', {s}.case_id,
    'case_no', {case_no}, 'run_id', {s}.run_id, 'entry_id', {s}.entry_id,
    'checks', {s}.checks, 'row', {s}.xmin, 'referred_at', {s}.referred_at) END
"""


def _earlier_sql(screening: str) -> str:
    number = CASE_NO_SQL.format(hub="$1", case=f"{screening}.case_id")
    return _EARLIER.format(s=screening, case_no=number)


_RUN = "coalesce(e.run_id, w.run_id)"

# LATERAL with LIMIT: one look-up by index for each check, whatever the planner believes.
# Fragments of lower rooms are constants of ours; every value is a parameter.
_FACTS_SQL = f"""
WITH met AS ({MEET_SQL}), wanted AS MATERIALIZED (
    SELECT c.*, m.person_id, {OVERTAKEN_SQL.format(met="m")} IS TRUE AS overtaken,
        {KIN_SQL.format(hub="$1", person="m.person_id")} AS kin
    FROM jsonb_to_recordset($8::jsonb) AS c(
        ordinal int, id uuid, screening_id uuid, blind bytea, run_id uuid,
        observed_at timestamptz, lane_id text, party_id uuid)
    LEFT JOIN met m ON m.blind = c.blind
), expected AS ({EXPECTATION_SQL.format(hub="$1")})
SELECT
    w.overtaken, w.person_id,
    CASE WHEN c.id IS NOT NULL THEN jsonb_build_object(
        'fingerprint', encode(c.fingerprint, 'hex'), 'fingerprint_key', c.fingerprint_key,
        'screening_id', c.screening_id, 'verdict', c.verdict, 'outcome', c.outcome,
        'state', c.state, 'reasons', c.reasons, 'policy_version', c.policy_version,
        'measures', c.measures, 'case_id', c.case_id,
        'case_no', {CASE_NO_SQL.format(hub="$1", case="c.case_id")},
        'party', c.evidence -> 'party', 'fold', k.fold, 'reminders', k.reminders,
        'verifications', k.verifications, 'services', k.services) END AS known,
    l.checkpoint, l.direction,
    {IN_FORCE_SQL.format(hub="$1", at="w.observed_at")} AS policy_version,
    coalesce(e.run_id, w.run_id) AS run_id,
    e.entry_id,
    {R1_SQL.format(hub="$1", person="w.person_id", run=_RUN)} AS r1,
    {LAST_R2_SQL.format(hub="$1", checkpoint="l.checkpoint", at="w.observed_at")} AS last_r2,
    (SELECT jsonb_object_agg(h.screening_id, coalesce(h.fold -> 'at', to_jsonb(h.referred_at)))
     FROM (SELECT * FROM screening WHERE person_id = ANY(w.kin) OFFSET 0) h
     WHERE h.hub_id = $1 AND h.opened_at > w.observed_at - interval '14 days'
     AND {UNRESOLVED_SQL.format(s="h")}
    ) AS suspicions,
    {OPEN_CASE_SQL.format(hub="$1", person="ANY(w.kin)")} AS open_case,
    w.kin,
    {_earlier_sql("n")} AS named,
    {_earlier_sql("p")} AS latest,
    CASE WHEN g.party_id IS NOT NULL THEN jsonb_build_object(
        'party_id', g.party_id, 'row', g.xmin, 'people', g.members, 'members', (
            SELECT jsonb_agg({_earlier_sql("s")} || jsonb_build_object('role', m.role))
            FROM (SELECT * FROM party_member WHERE party_id = g.party_id OFFSET 0) m, LATERAL (
                SELECT s.xmin, s.* FROM screening s
                WHERE s.hub_id = $1 AND s.screening_id = m.screening_id LIMIT 1
            ) s
            WHERE m.hub_id = $1)) END AS party
FROM wanted w
LEFT JOIN lane l ON l.hub_id = $1 AND l.lane_id = w.lane_id
LEFT JOIN expected e ON e.ordinal = w.ordinal
LEFT JOIN LATERAL (
    SELECT * FROM "check" c WHERE c.hub_id = $1 AND c.id = w.id LIMIT 1
) c ON true
LEFT JOIN LATERAL (
    SELECT * FROM screening s WHERE s.hub_id = $1 AND s.screening_id = c.screening_id LIMIT 1
) k ON true
LEFT JOIN LATERAL (
    SELECT s.xmin, s.* FROM screening s
    WHERE s.hub_id = $1 AND s.screening_id = w.screening_id LIMIT 1
) n ON true
LEFT JOIN LATERAL (
    SELECT s.* FROM (SELECT xmin, * FROM screening WHERE person_id = ANY(w.kin) OFFSET 0) s
    WHERE s.hub_id = $1 AND s.state <> 'VOID'  -- entered in error: it never was
      AND (s.closed_at IS NULL OR s.opened_at > w.observed_at - interval '1 day')
    ORDER BY (s.closed_at IS NULL) DESC, s.opened_at DESC LIMIT 1
) p ON true
LEFT JOIN LATERAL (
    SELECT g.xmin, g.* FROM party g WHERE g.hub_id = $1 AND g.party_id = coalesce(
        w.party_id, (n.fold ->> 'party')::uuid, (p.fold ->> 'party')::uuid) LIMIT 1
) g ON true
ORDER BY w.ordinal
"""  # noqa: S608


async def look_up(
    tx: Transaction, hub_id: str, checks: Sequence[GateCheck], documents: Shown
) -> list[Situation]:
    """The situation of each check, in order, with the person of its document.

    `documents` are those of the checks that bring one. One statement, which enters new people
    too; sent once more if somebody was being worked on by another transaction when it began,
    and one before it where a check names a party.
    """
    blinds = iter(documents.blinds)
    # what is read of a party with its first check serves the others
    parties = {check.party.party_id: check.id for check in reversed(checks) if check.party}
    wanted = as_json(
        [
            {
                "ordinal": ordinal,
                "id": check.id,
                "screening_id": check.screening_id,
                "blind": "\\x" + next(blinds).hex() if check.identity else None,
                "run_id": check.run_id,
                "observed_at": check.moment,
                "lane_id": check.lane_id,
                "party_id": check.party.party_id
                if check.party and parties[check.party.party_id] == check.id
                else None,
            }
            for ordinal, check in enumerate(checks)
        ]
    )
    if parties:
        await tx.raw.execute(_TURN_SQL, hub_id, list(parties))
    rows = await tx.raw.fetch(_FACTS_SQL, hub_id, *documents.arguments, wanted)
    if any(row[0] for row in rows):  # now we have the turn, and nobody else can
        rows = await tx.raw.fetch(_FACTS_SQL, hub_id, *documents.arguments, wanted)
    return [_situation(*row) for row in rows]


def _situation(  # noqa: PLR0913, PLR0917 # one parameter a column of the statement, in its order
    _overtaken: bool,  # noqa: FBT001
    person_id: UUID | None,
    known: dict[str, object] | None,
    checkpoint: str | None,
    direction: str | None,
    policy_version: str,
    run_id: UUID | None,
    entry_id: str | None,
    r1: bool,  # noqa: FBT001
    last_r2: datetime | None,
    suspicions: dict[str, str] | None,
    open_case: dict[str, str] | None,
    kin: list[UUID | None],
    named: dict[str, object] | None,
    latest: dict[str, object] | None,
    party: dict[str, object] | None,
) -> Situation:
    return Situation(
        person_id,
        _known(known) if known else None,
        checkpoint,
        Direction(direction or Direction.UNKNOWN),
        policy_version,
        run_id,
        entry_id,
        frozenset({ReminderKind.R1} if r1 else ()),
        last_r2,
        tuple(person_id for person_id in kin if person_id is not None),
        {UUID(of): datetime.fromisoformat(at) for of, at in (suspicions or {}).items()},
        (UUID(open_case["case_id"]), open_case["case_no"]) if open_case else None,
        _earlier(named) if named else None,
        _earlier(latest) if latest else None,
        _gathering(party) if party else None,
    )


def _gathering(row: dict[str, object]) -> Gathering:
    members = cast("list[dict[str, object]]", row["members"] or [])
    return Gathering(
        UUID(str(row["party_id"])),
        str(row["row"]),
        cast("int", row["people"]),
        tuple((PartyRole(str(member["role"])), _earlier(member)) for member in members),
    )


def _known(row: dict[str, object]) -> Known:
    text = {name: str(value) for name, value in row.items()}
    return Known(
        bytes.fromhex(text["fingerprint"]),
        text["fingerprint_key"],
        UUID(text["screening_id"]),
        text["verdict"],
        text["outcome"],
        text["state"],
        cast("list[dict[str, str]]", row["reasons"]),
        text["policy_version"],
        UUID(text["case_id"]) if row["case_id"] else None,
        cast("str | None", row["case_no"]),
        unpack(row)[0],
        cast("list[dict[str, object]]", row["measures"] or []),
        cast("dict[str, str] | None", row["party"]),
    )


def _earlier(row: dict[str, object]) -> Earlier:
    text = {name: str(value) for name, value in row.items()}
    evidence, device, at = unpack(row)
    return Earlier(
        UUID(text["screening_id"]),
        ScreeningState(text["state"]),
        UUID(text["person_id"]) if row["person_id"] else None,
        datetime.fromisoformat(text["opened_at"]),
        device,
        at or datetime.fromisoformat(text["opened_at"]),
        evidence,
        UUID(text["case_id"]) if row["case_id"] else None,
        cast("str | None", row["case_no"]),
        UUID(text["run_id"]) if row["run_id"] else None,
        text["entry_id"] if row["entry_id"] else None,
        int(text["checks"]),
        text["row"],
        UUID(party) if (party := cast("Fold", row["fold"]).get("party")) else None,
        datetime.fromisoformat(text["referred_at"]) if row["referred_at"] else None,
    )
