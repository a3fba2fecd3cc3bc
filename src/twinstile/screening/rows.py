"""What a decided check leaves behind: its own row, and the events that tell of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from uuid import UUID

from uuid_utils.compat import uuid7

from twinstile.screening.facts import GateCheck
from twinstile.screening.types import Decision
from twinstile.screening.visit import RecordedCheck, Visit

CLOCK_TOLERANCE_MS = 120_000


def of_check(
    check: GateCheck,
    passage: Visit,
    answer: RecordedCheck,
    words: "StoredDecision",
    guardian: UUID | None,
    stored_context: Mapping[str, object],
) -> dict[str, object]:
    """The row of a check, with the context that was read for it."""
    (key, fingerprint), *_ = check.fingerprints.items()
    beside = {
        "around": stored_context,
        "party": answer.party,
        "inherited": {"from": guardian} if guardian else None,
        "reused": sorted(passage.evidence.reused) or None,
        "stood": answer.stands.since if answer.stands else None,
    }
    return {
        "id": check.id,
        "screening_id": passage.screening_id,
        "person_id": passage.person_id,
        "run_id": passage.run_id,
        "lane_id": check.lane_id,
        "device_id": check.device_id,
        "operator_id": check.operator_id,
        "shift_id": check.shift_id,
        "counter": check.counter,
        "observed_at": check.observed_at,
        "received_at": check.received_at,
        "clock_offset_ms": check.clock_offset_ms,
        "clock_suspect": abs(check.clock_offset_ms) > CLOCK_TOLERANCE_MS,
        "offline": check.offline,
        "evidence": check.evidence | {name: said for name, said in beside.items() if said},
        "fingerprint": "\\x" + fingerprint.hex(),
        "fingerprint_key": key,
        "status": answer.status,
        "measures": answer.measures or None,
        "case_id": passage.case_id,
        **words.columns,
    }


def of_event(
    check: GateCheck, kind: str, subject_id: UUID, body: Mapping[str, object]
) -> dict[str, object]:
    """The row of an event that a check brought about."""
    return {
        "event_id": uuid7(),
        "at": check.received_at,
        "kind": kind,
        "subject_id": subject_id,
        "device_id": check.device_id,
        "operator_id": check.operator_id,
        "body": body,
    }


@dataclass(frozen=True, slots=True)
class StoredDecision:
    """A decision as it is stored."""

    columns: Mapping[str, object]
    """Of the check."""
    told: Mapping[str, object]
    """In the body of an event."""


@lru_cache(maxsize=512)
def words(decision: Decision) -> StoredDecision:
    """The words of a decision; most of a train's passengers have the same."""
    common = {"verdict": decision.verdict.value}
    columns = {
        "outcome": decision.outcome.value,
        "state": decision.state.value,
        "reasons": [{"rule_id": r.rule_id, "code": r.code} for r in decision.reasons],
        "policy_version": decision.policy_version,
    }
    told = {
        "rules": [r.rule_id for r in decision.reasons],
        "policy": decision.policy_version,
        "path": [[s.before.value, s.event.value, s.after.value] for s in decision.path],
    }
    return StoredDecision(common | columns, common | told)
