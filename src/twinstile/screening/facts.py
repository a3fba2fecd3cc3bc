"""What the database knows that a check's decision needs, read for a whole batch at once."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Final, NamedTuple, cast
from uuid import UUID

from twinstile.arrivals.records import Mark
from twinstile.identity.types import Finding
from twinstile.identity.vault import Identity, MeetArguments
from twinstile.platform.db.database import Transaction, as_json
from twinstile.screening.evidence import Brought, Evidence
from twinstile.screening.fold import Fold, VisitMetadata, read_metadata, unpack
from twinstile.screening.statement import FACTS_SQL, TURN_SQL
from twinstile.screening.types import (
    Belonging,
    LaneDirection,
    PartyRole,
    ReminderKind,
    ScreeningState,
    Verdict,
)

__all__ = ["Earlier", "EarlierCheck", "GateCheck", "Situation", "look_up"]


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
    pass_code: str | None = field(default=None, repr=False)
    """What was read of the traveller's declaration, see `declared.codes`."""


@dataclass(frozen=True, slots=True)
class EarlierCheck:
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
    stood_since: datetime | None
    """Since when the state of that decision stands, if it stood before that check."""


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
    along: VisitMetadata
    state_since: datetime


class PersonContext(NamedTuple):
    """What is told of a person elsewhere at the hub, whichever document they show.

    A tuple, because one is made for every check.
    """

    kin: tuple[UUID, ...] = ()
    """The person and everybody linked to them: the rest is of all of these."""
    suspicions: Mapping[UUID, datetime] = MappingProxyType({})
    """Their screenings that nobody resolved, and when each had its last check."""
    open_case: tuple[UUID, str] | None = None
    """Id and number of an open case: a further alarm joins it."""
    marks: frozenset[Mark] = frozenset()
    """What police and health departments say of them at the moment of the check."""


NOBODY = PersonContext()
_DIRECTIONS: Final[Mapping[str | None, LaneDirection]] = {
    None: LaneDirection.UNKNOWN,
    **{direction.value: direction for direction in LaneDirection},
}
_R1: Final = frozenset({ReminderKind.R1})


@dataclass(frozen=True, slots=True)
class Gathering:
    """A party as it was read: how many people, and their passages with what each is in it."""

    party_id: UUID
    row: str
    """The version of its row, as of a screening."""
    people: int
    members: tuple[tuple[PartyRole, Earlier], ...]
    about: tuple[PersonContext, ...]
    """Of its minors whose passage is open: they may be decided about without a check."""
    told: frozenset[UUID]
    """Of which runs the guardian was sent a message."""


class Situation(NamedTuple):
    """All that is known around one check."""

    person_id: UUID | None
    """By the document; None: none was shown."""
    about: PersonContext
    """Of this person; without a document, of the person of the screening that is named."""
    known: EarlierCheck | None
    checkpoint: str | None
    direction: LaneDirection
    lane: str | None
    """The kind of lane the check was made at."""
    policy_version: str
    run_id: UUID | None
    entry_id: str | None
    reminders: frozenset[ReminderKind]
    last_r2: datetime | None
    named: Earlier | None
    """The screening the device named, if it exists."""
    latest: Earlier | None
    """The person's open screening, else the last one of the past day."""
    party: Gathering | None
    """The party the check names, or that its passage belongs to."""
    areas: int | None
    """The revision of the key areas that were received, see `Policies.received`."""


async def look_up(
    tx: Transaction, hub_id: str, checks: Sequence[GateCheck], documents: MeetArguments
) -> list[Situation]:
    """The situation of each check, in order, with the person of its document.

    `documents` are those of the checks that bring one. One statement, which enters new people
    too; sent once more if somebody was being worked on by another transaction when it began,
    and one before it where a check names a party.
    """
    blinds = zip(documents.blinds, documents.earlier, strict=True)
    # what is read of a party with its first check serves the others
    parties = {check.party.party_id: check.id for check in reversed(checks) if check.party}
    wanted = as_json(
        [
            {
                "ordinal": ordinal,
                "id": check.id,
                "screening_id": check.screening_id,
                **(_by(*next(blinds)) if check.identity else {}),
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
        await tx.raw.execute(TURN_SQL, hub_id, list(parties))
    rows = await tx.raw.fetch(FACTS_SQL, hub_id, *documents.arguments, wanted)
    if any(row[0] for row in rows):  # now we have the turn, and nobody else can
        rows = await tx.raw.fetch(FACTS_SQL, hub_id, *documents.arguments, wanted)
    return [_situation(*row) for row in rows]


def _by(blind: bytes, earlier: bytes) -> dict[str, str]:
    return {"blind": "\\x" + blind.hex(), "earlier": "\\x" + earlier.hex()}


def _situation(  # noqa: PLR0913, PLR0917 # one parameter a column of the statement, in its order
    _overtaken: bool,  # noqa: FBT001
    person_id: UUID | None,
    stored: dict[str, object] | None,
    checkpoint: str | None,
    direction: str | None,
    lane: str | None,
    policy_version: str,
    run_id: UUID | None,
    entry_id: str | None,
    r1: bool,  # noqa: FBT001
    last_r2: datetime | None,
    kin: list[UUID] | None,
    open_case: dict[str, str] | None,
    suspicions: dict[str, str] | None,
    marks: list[str] | None,
    named: dict[str, object] | None,
    latest: dict[str, object] | None,
    party: dict[str, object] | None,
    areas: int | None,
) -> Situation:
    return Situation(
        person_id,
        _about(kin, open_case, suspicions, marks) if kin else NOBODY,
        _known(stored) if stored else None,
        checkpoint,
        _DIRECTIONS[direction],
        lane,
        policy_version,
        run_id,
        entry_id,
        _R1 if r1 else frozenset(),
        last_r2,
        _earlier(named) if named else None,
        _earlier(latest) if latest else None,
        _gathering(party) if party else None,
        areas,
    )


def _about(
    kin: Iterable[UUID],
    open_case: Mapping[str, str] | None,
    suspicions: Mapping[str, str] | None,
    marks: Iterable[str] | None,
) -> PersonContext:
    if not (open_case or suspicions or marks):  # of most people
        return PersonContext(tuple(kin))
    known = (suspicions or {}).items()
    return PersonContext(
        tuple(kin),
        {UUID(of): datetime.fromisoformat(at) for of, at in known},
        (UUID(open_case["case_id"]), open_case["case_no"]) if open_case else None,
        frozenset(map(Mark, marks or ())),
    )


def _about_member(row: Mapping[str, object]) -> PersonContext:
    return _about(
        map(UUID, cast("list[str]", row["kin"])),
        cast("dict[str, str] | None", row["open_case"]),
        cast("dict[str, str] | None", row["suspicions"]),
        cast("list[str] | None", row["marks"]),
    )


def _gathering(row: dict[str, object]) -> Gathering:
    members = cast("list[dict[str, object]]", row["members"] or [])
    return Gathering(
        UUID(str(row["party_id"])),
        str(row["row"]),
        cast("int", row["people"]),
        tuple((PartyRole(str(member["role"])), _earlier(member)) for member in members),
        tuple(
            _about_member(cast("dict[str, object]", member["about"]))
            for member in members
            if member["about"]
        ),
        frozenset(
            UUID(run) for member in members for run in cast("list[str]", member["told"] or [])
        ),
    )


def _known(row: dict[str, object]) -> EarlierCheck:
    text = {name: str(value) for name, value in row.items()}
    return EarlierCheck(
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
        datetime.fromisoformat(text["stood_since"]) if row["stood_since"] else None,
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
        read_metadata(row),
        datetime.fromisoformat(text["state_since"]),
    )
