"""The one statement that reads what is known around each check of a batch: see `facts`."""

from typing import Final

from twinstile.arrivals.authorities import MARKS_SQL
from twinstile.arrivals.manifests import EXPECTATION_SQL
from twinstile.cases.referrals import CASE_NO_SQL, OPEN_CASE_SQL
from twinstile.identity.links import KIN_SQL
from twinstile.identity.vault import FORMER_SQL, MEET_SQL, OVERTAKEN_SQL
from twinstile.policy.reported_areas import REVISION_SQL
from twinstile.policy.versions import IN_FORCE_SQL
from twinstile.screening.inheritance import LAST_R2_SQL, R1_SQL, TOLD_RUNS_SQL
from twinstile.screening.suspicion import UNRESOLVED_SQL

# People are looked up one by one and by the person alone: OFFSET 0 keeps the hub, which the
# planner may take for selective, out of the choice of index (docs/decisions/0016).
# Whoever names a party waits for the others who do; what is read of it then is the last word.
TURN_SQL: Final = """
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
    'checks', {s}.checks, 'row', {s}.xmin, 'referred_at', {s}.referred_at,
    'state_since', {s}.state_since) END
"""


def _earlier_sql(screening: str) -> str:
    number = CASE_NO_SQL.format(hub="$1", case=f"{screening}.case_id")
    return _EARLIER.format(s=screening, case_no=number)


_OPEN_CASE = OPEN_CASE_SQL.format(hub="$1", people="{kin}")
_SUSPICIONS = f"""
(SELECT jsonb_object_agg(h.screening_id, coalesce(h.fold -> 'at', to_jsonb(h.referred_at)))
 FROM (SELECT * FROM screening WHERE person_id = ANY({{kin}}) OFFSET 0) h
 WHERE h.hub_id = $1 AND h.opened_at > w.observed_at - interval '14 days'
   AND {UNRESOLVED_SQL.format(s="h")})
"""  # noqa: S608 # constants of ours
_MARKS = MARKS_SQL.format(hub="$1", people="{ids}", at="w.observed_at")
# Columns, and null, of whom a check is about: mostly nothing is told, and that is read fastest.
_ABOUT_THEM = f"""
CASE WHEN w.whose IS NOT NULL THEN w.kin END AS kin, {_OPEN_CASE} AS open_case,
{_SUSPICIONS} AS suspicions, {_MARKS} AS marks
""".format(kin="w.kin", ids="w.kin || w.former")
_ABOUT = f"""
jsonb_build_object('kin', {{kin}}, 'open_case', {_OPEN_CASE}, 'suspicions', {_SUSPICIONS},
    'marks', {_MARKS})
"""
_RUN = "coalesce(e.run_id, w.run_id)"
_EXPECTED = "coalesce(e.person_id, w.person_id)"
"""Who was written to: the person of the document that the list names."""
_ENTRIES = EXPECTATION_SQL.format(hub="$1", people="w.kin || w.former")

# LATERAL with LIMIT: one look-up by index for each check, whatever the planner believes.
# Fragments of lower rooms are constants of ours; every value is a parameter.
FACTS_SQL: Final = f"""
WITH met AS ({MEET_SQL}), wanted AS MATERIALIZED (
    SELECT v.*, {KIN_SQL.format(hub="$1", person="v.whose")} AS kin,
        {FORMER_SQL.format(hub="$1", blind="v.blind", earlier="v.earlier")} AS former
    FROM (
        SELECT c.*, m.person_id, {OVERTAKEN_SQL.format(met="m")} IS TRUE AS overtaken,
            coalesce(m.person_id, (
                SELECT s.person_id FROM screening s
                WHERE s.hub_id = $1 AND s.screening_id = c.screening_id LIMIT 1)) AS whose
        FROM jsonb_to_recordset($8::jsonb) AS c(
            ordinal int, id uuid, screening_id uuid, blind bytea, earlier bytea, run_id uuid,
            observed_at timestamptz, lane_id text, party_id uuid)
        LEFT JOIN met m ON m.blind = c.blind
        OFFSET 0
    ) v
), expected AS ({_ENTRIES})
SELECT
    w.overtaken, w.person_id,
    CASE WHEN c.id IS NOT NULL THEN jsonb_build_object(
        'fingerprint', encode(c.fingerprint, 'hex'), 'fingerprint_key', c.fingerprint_key,
        'screening_id', c.screening_id, 'verdict', c.verdict, 'outcome', c.outcome,
        'state', c.state, 'reasons', c.reasons, 'policy_version', c.policy_version,
        'measures', c.measures, 'case_id', c.case_id,
        'case_no', {CASE_NO_SQL.format(hub="$1", case="c.case_id")},
        'party', c.evidence -> 'party', 'stood_since', c.evidence -> 'stood',
        'fold', k.fold, 'reminders', k.reminders, 'verifications', k.verifications,
        'services', k.services) END AS known,
    l.checkpoint, l.direction, l.kind,
    {IN_FORCE_SQL.format(hub="$1", at="w.observed_at")} AS policy_version,
    coalesce(e.run_id, w.run_id) AS run_id,
    e.entry_id,
    {R1_SQL.format(hub="$1", person=_EXPECTED, run=_RUN)} AS r1,
    {LAST_R2_SQL.format(hub="$1", checkpoint="l.checkpoint", at="w.observed_at")} AS last_r2,
    {_ABOUT_THEM},
    {_earlier_sql("n")} AS named,
    {_earlier_sql("p")} AS latest,
    CASE WHEN g.party_id IS NOT NULL THEN jsonb_build_object(
        'party_id', g.party_id, 'row', g.xmin, 'people', g.members, 'members', (
            SELECT jsonb_agg({_earlier_sql("s")} || jsonb_build_object(
                'role', m.role, 'told', CASE WHEN m.role = 'GUARDIAN'
                    THEN {TOLD_RUNS_SQL.format(hub="$1", person="s.person_id")} END,
                'about', CASE
                    WHEN m.role = 'MINOR' AND s.closed_at IS NULL AND s.person_id IS NOT NULL
                    THEN (SELECT {_ABOUT.format(kin="k.kin", ids="k.kin")}
                          FROM (SELECT {KIN_SQL.format(hub="$1", person="s.person_id")} AS kin
                                OFFSET 0) k) END
                ) ORDER BY m.joined_at, m.screening_id)
            FROM (SELECT * FROM party_member WHERE party_id = g.party_id OFFSET 0) m, LATERAL (
                SELECT s.xmin, s.* FROM screening s
                WHERE s.hub_id = $1 AND s.screening_id = m.screening_id LIMIT 1
            ) s
            WHERE m.hub_id = $1)) END AS party,
    {REVISION_SQL.format(hub="$1")} AS areas
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
    WHERE w.person_id IS NOT NULL  -- who shows nothing is met by the name of a screening alone
      AND s.hub_id = $1 AND s.state <> 'VOID'  -- entered in error: it never was
      AND (s.closed_at IS NULL OR s.opened_at > w.observed_at - interval '1 day')
    ORDER BY (s.closed_at IS NULL) DESC, s.opened_at DESC LIMIT 1
) p ON true
LEFT JOIN LATERAL (
    SELECT g.xmin, g.* FROM party g WHERE g.hub_id = $1 AND g.party_id = coalesce(
        w.party_id, (n.fold ->> 'party')::uuid, (p.fold ->> 'party')::uuid) LIMIT 1
) g ON true
ORDER BY w.ordinal
"""  # noqa: S608
