"""The columns of a screening that hold its evidence: written and read back."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, TypedDict, cast
from uuid import UUID

from twinstile.screening import assisted, claims
from twinstile.screening.assisted import Assisted
from twinstile.screening.claims import NOTHING, Packed
from twinstile.screening.evidence import NONE, Evidence
from twinstile.screening.types import ReminderKind, ServiceKind, VerificationKind


class Fold(TypedDict):
    """The part of a screening's evidence that no column of its own holds, as stored."""

    readings: list[tuple[int, str, int | None]]
    credential: str
    identity: str
    illness: bool
    device: str
    at: str
    claims: Packed
    party: str
    emergency: str
    reused: list[str]
    lane: str
    """The kind of lane at which the passage began."""
    assisted: list[str | None]


@dataclass(frozen=True, slots=True)
class VisitMetadata:
    """What a screening holds beside its evidence; no decision depends on it."""

    lane: str | None = None
    assisted: Assisted | None = None


BEGUN: Final = VisitMetadata()
_VERIFICATIONS: Final = tuple(VerificationKind)


def read_metadata(row: Mapping[str, object]) -> VisitMetadata:
    """That part of a fold as stored."""
    fold = cast("Fold", row["fold"])
    return VisitMetadata(fold.get("lane"), assisted.unpack(fold.get("assisted")))


def pack(
    evidence: Evidence,
    device_id: UUID,
    at: datetime,
    party_id: UUID | None,
    metadata: VisitMetadata = BEGUN,
) -> dict[str, object]:
    """The columns of a screening that hold its evidence."""
    claimed = claims.pack(evidence.claims) if evidence.claims is not NOTHING else None
    return {
        "fold": {
            "readings": evidence.readings,
            "credential": evidence.credential,
            "identity": evidence.identity,
            "illness": evidence.illness,
            "device": device_id,
            "at": at,
            **({"claims": claimed} if claimed else {}),
            **({"party": party_id} if party_id else {}),
            **({"emergency": evidence.emergency} if evidence.emergency != NONE else {}),
            **({"reused": sorted(evidence.reused)} if evidence.reused else {}),
            **({"lane": metadata.lane} if metadata.lane else {}),
            **({"assisted": metadata.assisted.packed()} if metadata.assisted else {}),
        },
        "reminders": sorted(evidence.reminders),
        "verifications": [kind for kind in _VERIFICATIONS if kind in evidence.verifications],
        "services": sorted(evidence.services),
    }


def unpack(row: Mapping[str, object]) -> tuple[Evidence, UUID | None, datetime | None]:
    """The inverse of `pack`: the evidence, and the last check's device and moment."""
    columns = cast("Mapping[str, list[str]]", row)
    reminders = frozenset(map(ReminderKind, columns["reminders"]))
    if not row["fold"]:
        return Evidence(reminders=reminders), None, None
    fold = cast("Fold", row["fold"])
    evidence = Evidence(
        readings=tuple((tenths, method, error) for tenths, method, error in fold["readings"]),
        credential=fold["credential"],
        identity=fold["identity"],
        illness=fold["illness"],
        verifications=frozenset(map(VerificationKind, columns["verifications"])),
        reminders=reminders,
        services=frozenset(map(ServiceKind, columns["services"])),
        claims=claims.unpack(fold.get("claims", {})),
        emergency=fold.get("emergency", NONE),
        reused=frozenset(map(VerificationKind, fold.get("reused", ()))),
    )
    return evidence, UUID(fold["device"]), datetime.fromisoformat(fold["at"])
