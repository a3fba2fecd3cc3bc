"""The stored members of parties: who belongs, who is the guardian, who may not be parted."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import select, update

from twinstile.platform.db.database import Reading, Transaction, as_json
from twinstile.platform.http.problems import Conflict, IdReused, NotFound, Overtaken
from twinstile.platform.ledger import events
from twinstile.platform.ledger.events import Event
from twinstile.platform.security.auth import Principal
from twinstile.screening import alerts, inheritance, machine
from twinstile.screening.bodies import FactStatus
from twinstile.screening.parties import flagged
from twinstile.screening.tables import Party, PartyMember, Screening
from twinstile.screening.types import PartyRole, ScreeningState


class SeparationReasonNeeded(Conflict):
    slug = "separation-reason-needed"
    title = "This would part a minor from the guardian: say why in `separation_reason`"


GUARDIAN_CHANGED = "party.guardian-changed"
SHOWN = 500
"""Passages of a party that are shown, the latest: sixty people may each come by again."""

_JOIN = """
WITH new AS (
    SELECT * FROM jsonb_to_recordset($2::jsonb) AS p(
        party_id uuid, "row" xid, members int, at timestamptz, device_id uuid,
        operator_id uuid)
), formed AS (
    INSERT INTO party (hub_id, party_id, opened_at, device_id, operator_id, members)
    SELECT $1, party_id, at, device_id, operator_id, members FROM new WHERE "row" IS NULL
    ON CONFLICT DO NOTHING
    RETURNING party_id
), grown AS (
    UPDATE party SET members = new.members FROM new
    WHERE party.hub_id = $1 AND party.party_id = new.party_id AND party.xmin = new."row"
    RETURNING party.party_id
), joined AS (
    INSERT INTO party_member (hub_id, screening_id, party_id, role, joined_at)
    SELECT $1, m.* FROM jsonb_to_recordset($3::jsonb) AS m(
        screening_id uuid, party_id uuid, role text, at timestamptz)
    ON CONFLICT DO NOTHING
    RETURNING screening_id
)
SELECT (SELECT count(*) FROM formed) + (SELECT count(*) FROM grown),
       (SELECT count(*) FROM joined)
"""


async def join(
    tx: Transaction,
    hub_id: str,
    parties: Sequence[dict[str, object]],
    members: Sequence[dict[str, object]],
) -> None:
    """Enter passages into parties; `Overtaken` if others of them were met since the reading."""
    if not parties:
        return
    row = await tx.raw.fetchrow(_JOIN, hub_id, as_json(parties), as_json(members))
    if row is None or tuple(row) != (len(parties), len(members)):
        raise Overtaken("The same party was recorded just now.", retry_after_s=1)


async def stored(tx: Reading, hub_id: str, party_id: UUID) -> tuple[datetime, int]:
    """When a party was first met, and how many people it has. Raises `NotFound`."""
    found = await tx.sql.execute(
        select(Party.opened_at, Party.members).where(
            Party.hub_id == hub_id, Party.party_id == party_id
        )
    )
    row = found.one_or_none()
    if row is None:
        raise NotFound("There is no such party.")
    opened_at, members = row
    return opened_at, members


@dataclass(frozen=True, slots=True)
class GuardianChange:
    """Another member becomes the guardian, and why."""

    change_id: UUID
    party_id: UUID
    screening_id: UUID
    at: datetime
    reason: str


async def change_guardian(
    tx: Transaction, who: Principal, change: GuardianChange, at: datetime
) -> FactStatus:
    """Make another member the guardian; the one before stays a member.

    Sent again, the same change answers `duplicate`. Raises `NotFound`, `IdReused`, and
    `Conflict` for a minor.
    """
    hub_id = who.hub_id
    locked = await tx.sql.execute(
        select(Party.party_id)
        .where(Party.hub_id == hub_id, Party.party_id == change.party_id)
        .with_for_update(key_share=True)
    )
    if locked.one_or_none() is None:
        raise NotFound("There is no such party.")
    told: dict[str, object] = {
        "screening_id": str(change.screening_id),
        "reason": change.reason,
        "at": change.at.isoformat(),
    }
    earlier = await events.find(tx, hub_id, change.change_id)
    if earlier is not None:
        same = earlier.kind == GUARDIAN_CHANGED and earlier.subject_id == change.party_id
        if not same or told != {name: earlier.body.get(name) for name in told}:
            raise IdReused
        return FactStatus.DUPLICATE
    mine = (PartyMember.hub_id == hub_id, PartyMember.party_id == change.party_id)
    found = await tx.sql.execute(
        select(PartyMember.screening_id, PartyMember.role).where(*mine)
    )
    roles = {screening_id: PartyRole(role) for screening_id, role in found}
    if change.screening_id not in roles:
        raise NotFound("There is no such member of the party.")
    if roles[change.screening_id] is PartyRole.MINOR:
        raise Conflict("A minor answers for nobody.")
    before = next((of for of, role in roles.items() if role is PartyRole.GUARDIAN), None)
    body = told | {"before": before and str(before)}
    hand = (who.device_id, who.operator_id, change.change_id)
    await events.append_own(
        tx, Event(hub_id, GUARDIAN_CHANGED, change.party_id, at, body, *hand)
    )
    for screening_id, role in (
        (before, PartyRole.MEMBER),
        (change.screening_id, PartyRole.GUARDIAN),
    ):
        await tx.sql.execute(
            update(PartyMember)
            .where(*mine, PartyMember.screening_id == screening_id)
            .values(role=role.value)
        )
    await inheritance.reach_minors(tx, hub_id, [change.party_id])
    return FactStatus.STORED


_TAKEN_TO: Final[Mapping[ScreeningState, frozenset[ScreeningState]]] = {
    ScreeningState.HANDED_OVER: frozenset({ScreeningState.HANDED_OVER}),
    ScreeningState.DENIED: frozenset({ScreeningState.DENIED}),
    ScreeningState.RETURN_PENDING: frozenset(
        {ScreeningState.RETURN_PENDING, ScreeningState.RETURNED}
    ),
}
"""Where somebody is taken away to, and where the other has to be for them to be together."""

_PARTED = """
SELECT EXISTS (
    SELECT FROM party_member m, LATERAL (
        SELECT * FROM (SELECT * FROM party_member WHERE party_id = m.party_id OFFSET 0) o
        WHERE o.hub_id = $1
          AND (m.role, o.role) IN (('MINOR', 'GUARDIAN'), ('GUARDIAN', 'MINOR'))
    ) o, LATERAL (
        SELECT s.state FROM screening s
        WHERE s.hub_id = $1 AND s.screening_id = o.screening_id LIMIT 1
    ) other
    WHERE m.hub_id = $1 AND m.screening_id = $2 AND other.state <> ALL($3))
"""


async def parts(tx: Reading, hub_id: str, screening_id: UUID, after: ScreeningState) -> bool:
    """Whether a step takes a minor from the guardian, or the guardian from a minor."""
    together = _TAKEN_TO.get(after)
    if together is None:
        return False
    row = await tx.raw.fetchrow(_PARTED, hub_id, screening_id, list(together))
    return bool(row and row[0])


_PASSED = """
SELECT o.party_id, o.screening_id
FROM party_member m, LATERAL (
    SELECT * FROM (SELECT * FROM party_member WHERE party_id = m.party_id OFFSET 0) o
    WHERE o.hub_id = $1 AND o.screening_id <> m.screening_id LIMIT 500
) o, LATERAL (
    SELECT s.state FROM screening s
    WHERE s.hub_id = $1 AND s.screening_id = o.screening_id LIMIT 1
) other
WHERE m.hub_id = $1 AND m.screening_id = $2 AND other.state = ANY($3)
"""


async def flag(tx: Transaction, hub_id: str, screening_id: UUID, at: datetime) -> None:
    """Alert those of somebody's party who have passed: a clinician found a suspicion."""
    passed = [state.value for state in machine.PASSED]
    rows = await tx.raw.fetch(_PASSED, hub_id, screening_id, passed)
    raised = [flagged(party_id, other, screening_id) for party_id, other in rows]
    await alerts.raise_all(tx, hub_id, raised, at)


_MEMBERS = (
    PartyMember.screening_id,
    PartyMember.role,
    PartyMember.joined_at,
    Screening.state,
    Screening.state_since,
    Screening.checkpoint,
    Screening.case_id,
    Screening.supersedes,
)


async def listed(tx: Reading, hub_id: str, party_id: UUID) -> list[dict[str, object]]:
    """The passages of a party as they stand, in the order they joined."""
    found = await tx.sql.execute(
        select(*_MEMBERS)
        .join(
            Screening,
            (Screening.hub_id == PartyMember.hub_id)
            & (Screening.screening_id == PartyMember.screening_id),
        )
        .where(PartyMember.hub_id == hub_id, PartyMember.party_id == party_id)
        .order_by(PartyMember.joined_at.desc(), PartyMember.screening_id.desc())
        .limit(SHOWN)
    )
    return [dict(row) for row in reversed(found.mappings().all())]
