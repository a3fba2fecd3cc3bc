"""When a screening is a suspicion that nobody has resolved, as statements of this room ask it.

Whoever was referred is under it while the passage is open, in whatever state, and after
leaving: alone, in custody, sent home or denied boarding. A clinician resolves it, or the
closure of the case of somebody who was handed over or returned.
"""

from typing import Final

UNRESOLVED_SQL: Final = """
({s}.referred_at IS NOT NULL AND (
    {s}.closed_at IS NULL
    OR {s}.state IN ('ABANDONED', 'DENIED', 'DEFERRED_UNRESOLVED')
    OR ({s}.state IN ('HANDED_OVER', 'RETURNED') AND (
        -- one look-up: of NOT EXISTS the planner may make a hash of all cases
        SELECT f.closed_at FROM fever_case f
        WHERE f.hub_id = {s}.hub_id AND f.case_id = {s}.case_id LIMIT 1) IS NULL)))
"""
