"""Operators, and their signing in on a device for a shift."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import func, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from twinstile.platform.db.database import Database, Reading, Transaction
from twinstile.platform.db.tables import Device, Operator, Shift
from twinstile.platform.http.problems import (
    AlreadyExists,
    NotFound,
    SignInRefused,
    TooMany,
)
from twinstile.platform.keys.ciphers import token_digest
from twinstile.platform.ledger import events
from twinstile.platform.ledger.events import Event
from twinstile.platform.security.auth import Principal, TokenKind, mint_token, scopes_of
from twinstile.platform.security.roles import Role

SHIFT_LENGTH = timedelta(hours=12)
FAILURES_BEFORE_LOCK = 5
LOCK = timedelta(minutes=1)
LONGEST_LOCK = timedelta(minutes=15)
MOST_OPERATORS = 2000

_HASHER = PasswordHasher()  # argon2id, the library's defaults (RFC 9106, low memory)
_NOBODY = (
    "$argon2id$v=19$m=65536,t=3,p=4$ctxHb6J27NTp7wZLwQfd+g"
    "$KeJyux6w7dDbKFzcJ0+iHxJun5PF4Vc8kdHdihn5Xzo"
)
"""Made by `_HASHER`, of no passcode; once for all, for each takes a tenth of a second."""


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A shift that has begun."""

    shift_id: UUID
    token: str
    roles: frozenset[Role]
    scopes: frozenset[str]
    ends_at: datetime


async def add_operator(
    tx: Transaction,
    hub_id: str,
    login: str,
    display_name: str,
    roles: Sequence[Role],
    passcode: str,
    at: datetime,
    by: UUID | None = None,
) -> UUID:
    """Enter a person on duty. Raises `AlreadyExists` when the login is taken.

    `by` is the operator who enters them; the two count as one where two are asked for.
    """
    operator_id = uuid4()
    passcode_hash = await asyncio.to_thread(_HASHER.hash, passcode)
    added = await tx.sql.execute(
        upsert(Operator)
        .values(
            hub_id=hub_id,
            operator_id=operator_id,
            login=login.lower(),
            display_name=display_name,
            roles=sorted(set(roles)),
            passcode_hash=passcode_hash,
            created_at=at,
            created_by=by,
        )
        .on_conflict_do_nothing(index_elements=[Operator.hub_id, Operator.login])
        .returning(Operator.operator_id)
    )
    if added.one_or_none() is None:
        raise AlreadyExists("This login is taken.")
    await events.append(
        tx,
        [Event(hub_id, "operator.added", operator_id, at, {"roles": sorted(set(roles))})],
    )
    return operator_id


async def name_of(tx: Reading, hub_id: str, operator_id: UUID) -> str:
    """What colleagues call an operator. Raises `NotFound`."""
    found = await tx.sql.execute(
        select(Operator.display_name).where(
            Operator.hub_id == hub_id, Operator.operator_id == operator_id
        )
    )
    name = found.scalar_one_or_none()
    if name is None:
        raise NotFound("There is no such operator.")
    return name


@dataclass(frozen=True, slots=True)
class OnDuty:
    """An operator as administrators see them."""

    operator_id: UUID
    login: str
    display_name: str
    roles: list[Role]
    disabled: bool


async def operators(tx: Reading, hub_id: str) -> list[OnDuty]:
    """Every operator of the hub by login, those without access any more included."""
    found = await tx.sql.execute(
        select(
            Operator.operator_id,
            Operator.login,
            Operator.display_name,
            Operator.roles,
            Operator.disabled_at,
        )
        .where(Operator.hub_id == hub_id)
        .order_by(Operator.login)
        .limit(MOST_OPERATORS)
    )
    return [
        OnDuty(operator_id, login, name, [Role(role) for role in roles], disabled is not None)
        for operator_id, login, name, roles, disabled in found
    ]


async def known_by(tx: Reading, hub_id: str, login: str) -> UUID:
    """Whose login it is. Raises `NotFound`."""
    found = await tx.sql.execute(
        select(Operator.operator_id).where(
            Operator.hub_id == hub_id, Operator.login == login.lower()
        )
    )
    operator_id = found.scalar_one_or_none()
    if operator_id is None:
        raise NotFound("There is no such operator.")
    return operator_id


async def disable_operator(
    tx: Transaction,
    hub_id: str,
    operator_id: UUID,
    at: datetime,
    by: Principal | None = None,
) -> None:
    """End a person's access, shifts included. Raises `NotFound`.

    `by` is who does it through the API; None is whoever has the server's account.
    """
    disabled = await tx.sql.execute(
        update(Operator)
        .where(Operator.hub_id == hub_id, Operator.operator_id == operator_id)
        .values(disabled_at=func.coalesce(Operator.disabled_at, at))
        .returning(Operator.operator_id)
    )
    if disabled.one_or_none() is None:
        raise NotFound("There is no such operator.")
    hand = (by.device_id, by.operator_id) if by else (None, None)
    await events.append(tx, [Event(hub_id, "operator.disabled", operator_id, at, {}, *hand)])


_ATTEMPT_SQL = """
UPDATE operator SET
    failures = failures + 1,
    locked_until = CASE WHEN failures + 1 >= $4
        THEN $3::timestamptz + least($5::interval * 2 ^ least(failures + 1 - $4, 10), $6)
        ELSE locked_until END
WHERE hub_id = $1 AND login = $2 AND disabled_at IS NULL
  AND (locked_until IS NULL OR locked_until <= $3)
RETURNING operator_id, passcode_hash, roles
"""


async def sign_in(
    database: Database,
    device: Principal,
    login: str,
    passcode: str,
    at: datetime,
    *,
    alone: bool = False,
) -> SignedIn:
    """Begin a shift on the device; `alone`: whatever shift is open on it ends.

    An attempt is counted as a failure before the passcode is looked at, and success takes the
    count back: however many guesses come at once, no more are verified than the lock allows.
    The passcode is checked outside any transaction (it takes a tenth of a second), and for an
    unknown login too, so that time does not tell which logins exist. The lock does tell it: an
    unknown login is never locked. Only an enrolled device gets to ask.

    Raises `SignInRefused`, or `TooMany` while the login is locked.
    """
    row = await _count_attempt(database, device.hub_id, login.lower(), at)
    if row is None:
        await asyncio.to_thread(_fits, _NOBODY, passcode)
        raise SignInRefused
    operator_id, passcode_hash, roles = row
    if not await asyncio.to_thread(_fits, passcode_hash, passcode):
        async with database.transaction() as tx:
            await events.append(
                tx,
                [
                    Event(
                        device.hub_id, "operator.refused", operator_id, at, {}, device.device_id
                    )
                ],
            )
        raise SignInRefused
    async with database.transaction() as tx:
        if alone:
            await _end_others(tx, device, at)
        return await _begin(tx, device, operator_id, frozenset(map(Role, roles)), at)


async def _count_attempt(
    database: Database, hub_id: str, login: str, at: datetime
) -> tuple[UUID, str, list[str]] | None:
    """Who wants to sign in, the attempt counted; None for an unknown login."""
    async with database.transaction() as tx:
        row = await tx.raw.fetchrow(
            _ATTEMPT_SQL, hub_id, login, at, FAILURES_BEFORE_LOCK, LOCK, LONGEST_LOCK
        )
        if row is not None:
            return row[0], row[1], row[2]
        found = await tx.sql.execute(
            select(Operator.locked_until).where(
                Operator.hub_id == hub_id,
                Operator.login == login,
                Operator.disabled_at.is_(None),
            )
        )
        locked_until = found.scalar_one_or_none()
    if locked_until is None:
        return None
    wait = max(0, int((locked_until - at).total_seconds())) + 1
    raise TooMany("Too many wrong passcodes; wait a little.", retry_after_s=wait)


def _fits(passcode_hash: str, passcode: str) -> bool:
    try:
        return _HASHER.verify(passcode_hash, passcode)
    except (VerificationError, InvalidHashError):
        return False


async def _end_others(tx: Transaction, device: Principal, at: datetime) -> None:
    """End what is open on the device. Its row is locked: of two at once, one stays."""
    here = (Device.hub_id == device.hub_id, Device.device_id == device.device_id)
    await tx.sql.execute(select(Device.device_id).where(*here).with_for_update(key_share=True))
    ended = await tx.sql.execute(
        update(Shift)
        .where(
            Shift.hub_id == device.hub_id,
            Shift.device_id == device.device_id,
            Shift.ended_at.is_(None),
            Shift.ends_at > at,
        )
        .values(ended_at=at)
        .returning(Shift.shift_id, Shift.operator_id)
    )
    await events.append(
        tx,
        [
            Event(device.hub_id, "shift.ended", shift_id, at, {}, device.device_id, operator)
            for shift_id, operator in ended
        ],
    )


async def _begin(
    tx: Transaction, device: Principal, operator_id: UUID, roles: frozenset[Role], at: datetime
) -> SignedIn:
    shift_id = uuid4()
    token = mint_token(TokenKind.SHIFT, device.hub_id)
    ends_at = at + SHIFT_LENGTH
    await tx.sql.execute(
        update(Operator)
        .where(Operator.hub_id == device.hub_id, Operator.operator_id == operator_id)
        .values(failures=0, locked_until=None)
    )
    await tx.sql.execute(
        insert(Shift).values(
            hub_id=device.hub_id,
            shift_id=shift_id,
            device_id=device.device_id,
            operator_id=operator_id,
            token_hash=token_digest(token),
            roles=sorted(roles),
            started_at=at,
            ends_at=ends_at,
        )
    )
    await events.append(
        tx,
        [
            Event(
                device.hub_id,
                "shift.started",
                shift_id,
                at,
                {"lane_id": device.lane_id},
                device.device_id,
                operator_id,
            )
        ],
    )
    return SignedIn(shift_id, token, roles, frozenset(map(str, scopes_of(roles))), ends_at)


async def sign_out(tx: Transaction, who: Principal, at: datetime) -> None:
    """End the caller's shift."""
    if who.shift_id is None:
        raise NotFound("No shift is open on this token.")
    await tx.sql.execute(
        update(Shift)
        .where(Shift.hub_id == who.hub_id, Shift.shift_id == who.shift_id)
        .values(ended_at=at)
    )
    await events.append(
        tx,
        [
            Event(
                who.hub_id, "shift.ended", who.shift_id, at, {}, who.device_id, who.operator_id
            )
        ],
    )


@dataclass(frozen=True, slots=True)
class ShiftRecord:
    """A shift as it was worked: by whom, in which roles, from when until when."""

    operator_id: UUID | None
    """None of a shift that a tablet claims and nobody has confirmed."""
    roles: frozenset[Role]
    started_at: datetime
    ended_at: datetime
    disabled_at: datetime | None

    def covers(self, moment: datetime, tolerance: timedelta) -> bool:
        """Whether a fact of that moment may bear this operator's name.

        The tolerance is for clocks; a disabled operator gets none, for that is a moment of
        our own clock after which nothing may be done in that name.
        """
        within = self.started_at - tolerance <= moment <= self.ended_at + tolerance
        return within and (self.disabled_at is None or moment < self.disabled_at)


async def read_shifts(
    tx: Reading, hub_id: str, device_id: UUID, shift_ids: set[UUID]
) -> dict[UUID, ShiftRecord]:
    """The shifts of these ids that were worked on this device, ended ones included."""
    if not shift_ids:
        return {}
    found = await tx.sql.execute(
        select(
            Shift.shift_id,
            Shift.operator_id,
            Shift.roles,
            Shift.started_at,
            func.coalesce(Shift.ended_at, Shift.ends_at),
            Operator.disabled_at,
        )
        .join(
            Operator,
            (Operator.hub_id == Shift.hub_id) & (Operator.operator_id == Shift.operator_id),
        )
        .where(
            Shift.hub_id == hub_id, Shift.device_id == device_id, Shift.shift_id.in_(shift_ids)
        )
    )
    return {
        shift_id: ShiftRecord(operator_id, frozenset(map(Role, roles)), began, ended, disabled)
        for shift_id, operator_id, roles, began, ended, disabled in found
    }
