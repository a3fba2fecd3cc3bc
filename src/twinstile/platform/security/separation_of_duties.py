"""Who is a second person: nobody gets two voices by letting people or devices in.

A hand is the head of the line of those who entered an operator, each the next. All of one line
count as one. People and devices that were let in with the server's account are nobody's.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from twinstile.platform.db.database import Reading, Transaction
from twinstile.platform.http.problems import Unauthenticated
from twinstile.platform.security.auth import Principal


class Tie(StrEnum):
    """Why somebody is no second person; the words are for them."""

    PERSON = "You have asked for this yourself."
    DEVICE = "It was asked for on this device: decide on another."
    HAND = (
        "The same person has let both of you in. The second has to be entered by another "
        "administrator, or on the server (`twinstile operator add`)."
    )
    ENROLMENT = "Whoever asked has let this device in: decide on another."


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody on shift on a device, and who let both in; `device_hand` None: the server."""

    operator_id: UUID
    device_id: UUID
    hand: UUID
    device_hand: UUID | None

    def tie(self, operator_id: UUID, device_id: UUID, hand: UUID) -> Tie | None:
        """Why this is no second person beside that one; None if it is."""
        ties = {
            Tie.PERSON: self.operator_id == operator_id,
            Tie.HAND: self.hand == hand,
            Tie.DEVICE: self.device_id == device_id,
            Tie.ENROLMENT: self.device_hand == hand,
        }
        return next((tie for tie, holds in ties.items() if holds), None)


# Operators are entered once and keep who entered them, so the line has an end. Its length has
# no limit: whoever could make a longer one would be a hand of their own.
_HEAD_SQL = """
WITH RECURSIVE line AS (
    SELECT operator_id, created_by, 0 AS far FROM operator
    WHERE hub_id = $1 AND operator_id = $2
    UNION ALL
    SELECT o.operator_id, o.created_by, far + 1
    FROM line JOIN operator o ON o.hub_id = $1 AND o.operator_id = line.created_by
)
SELECT operator_id FROM line ORDER BY far DESC LIMIT 1
"""
# Held until the transaction ends, so that an access ends before or after it and not in between:
# what a process remembers of a token may be two seconds old.
_ACCESS_SQL = """
SELECT 1 FROM operator
WHERE hub_id = $1 AND operator_id = $2 AND disabled_at IS NULL FOR SHARE
"""
_ON_SHIFT_SQL = """
SELECT e.created_by FROM shift s
JOIN device d ON d.hub_id = s.hub_id AND d.device_id = s.device_id AND d.revoked_at IS NULL
LEFT JOIN enrolment e ON e.hub_id = d.hub_id AND e.device_id = d.device_id
WHERE s.hub_id = $1 AND s.shift_id = $2 AND s.ended_at IS NULL AND s.ends_at > $3
"""


async def head(tx: Reading, hub_id: str, operator_id: UUID) -> UUID:
    """The hand an operator belongs to: their own if nobody entered them."""
    row = await tx.raw.fetchrow(_HEAD_SQL, hub_id, operator_id)
    return row[0] if row else operator_id


async def has_access(tx: Transaction, hub_id: str, operator_id: UUID) -> bool:
    """Whether an operator has access, which cannot end before the transaction does."""
    return await tx.raw.fetchrow(_ACCESS_SQL, hub_id, operator_id) is not None


async def present(tx: Transaction, who: Principal, at: datetime) -> Person:
    """The caller, as the database has them now.

    Raises `Unauthenticated` where nobody is on shift, or no longer.
    """
    operator_id = who.operator_id
    shift = await tx.raw.fetchrow(_ON_SHIFT_SQL, who.hub_id, who.shift_id, at)
    if operator_id is None or shift is None:
        raise Unauthenticated
    if not await has_access(tx, who.hub_id, operator_id):
        raise Unauthenticated
    enrolled_by: UUID | None = shift[0]
    return Person(
        operator_id,
        who.device_id,
        await head(tx, who.hub_id, operator_id),
        enrolled_by and await head(tx, who.hub_id, enrolled_by),
    )
