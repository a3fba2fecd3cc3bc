"""What a decided check leaves behind: its own row, and the events that tell of it."""

from collections.abc import Mapping
from uuid import UUID

from uuid_utils.compat import uuid7

from twinstile.screening.facts import GateCheck
from twinstile.screening.passage import Passage, Recorded
from twinstile.screening.types import Decision

CLOCK_TOLERANCE_MS = 120_000


def of_check(
    check: GateCheck,
    passage: Passage,
    answer: Recorded,
    guardian: UUID | None,
    around: Mapping[str, object],
) -> dict[str, object]:
    """The row of a check, with what counted beside its own evidence (`surroundings.told`)."""
    decision = answer.decision
    (key, fingerprint), *_ = check.fingerprints.items()
    beside = {
        "around": around,
        "party": answer.party,
        "inherited": {"from": str(guardian)} if guardian else None,
        "reused": sorted(passage.evidence.reused) or None,
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
        "verdict": decision.verdict,
        "outcome": decision.outcome,
        "state": passage.state,
        "reasons": [{"rule_id": r.rule_id, "code": r.code} for r in decision.reasons],
        "measures": answer.measures or None,
        "policy_version": decision.policy_version,
        "case_id": passage.case_id,
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


def told(decision: Decision) -> dict[str, object]:
    """A decision as an event tells it."""
    return {
        "verdict": decision.verdict,
        "rules": [r.rule_id for r in decision.reasons],
        "policy": decision.policy_version,
        "path": [[s.before, s.event, s.after] for s in decision.path],
    }
