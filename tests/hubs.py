"""A hub with everything it needs to work, entered in a few statements.

Sign-in takes a tenth of a second on purpose, so shifts are entered here as sign-in leaves them;
signing in itself is tested in `platform/test_auth.py`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import httpx2
from argon2 import PasswordHasher
from sqlalchemy import insert

from twinstile.opening import ALWAYS
from twinstile.platform import clock, devices
from twinstile.platform.auth import TokenKind, mint_token
from twinstile.platform.ciphers import token_digest
from twinstile.platform.db import Transaction
from twinstile.platform.modes import HubMode
from twinstile.platform.roles import Role
from twinstile.platform.shifts import SHIFT_LENGTH
from twinstile.platform.tables import Device, Operator, Shift
from twinstile.platform.web import House
from twinstile.policy import documents, versions

PASSCODE = "correct horse 222"
_PASSCODE_HASH = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSCODE)
_POLICY = documents.pack("cn-hub")

CHECKPOINT = "north"
LANES = {"north-1": "AUTO", "north-a": "ASSISTED", "north-s": "SECONDARY"}
DESKS: Mapping[Role, str | None] = {
    **dict.fromkeys(Role),
    Role.SCREENER: "north-1",
    Role.ASSISTANT: "north-a",
    Role.MEDIC: "north-s",
}
DEVICE = "device"


@dataclass(frozen=True, slots=True)
class Service:
    """Where the service under test is; all clients share one pool of connections."""

    base_url: str
    transport: httpx2.AsyncHTTPTransport

    def client(self, token: str | None = None) -> httpx2.AsyncClient:
        """Somebody who speaks to the service, with a token or without."""
        return httpx2.AsyncClient(
            base_url=self.base_url,
            transport=self.transport,
            headers={"Authorization": f"Bearer {token}"} if token else {},
        )


@dataclass(frozen=True, slots=True)
class Duty:
    """A person on shift on a device at a lane (or none)."""

    role: Role
    lane_id: str | None
    device_id: UUID
    operator_id: UUID
    shift_id: UUID
    device_token: str
    token: str

    @property
    def login(self) -> str:
        """The login of this person; the passcode is PASSCODE."""
        return f"o{self.operator_id.hex[:12]}"


@dataclass(frozen=True, slots=True)
class Hub:
    """One hub, and everybody on duty there."""

    hub_id: str
    house: House
    service: Service
    duties: Mapping[Role, Duty]

    @property
    def tokens(self) -> Mapping[str, str]:
        """Bearer tokens by role; `device` is the token of the screener's tablet."""
        return {
            DEVICE: self.duties[Role.SCREENER].device_token,
            **{role: duty.token for role, duty in self.duties.items()},
        }

    def client(self, who: str = Role.SCREENER) -> httpx2.AsyncClient:
        """A client of that role, or of a tablet without anyone on shift (`device`)."""
        return self.service.client(self.tokens[who])

    async def adopt(
        self, document: Mapping[str, object], before: timedelta = timedelta()
    ) -> None:
        """Let the hub decide by another policy from now on, or since so long before."""
        now = clock.now()
        async with self.house.database.transaction() as tx:
            await versions.put_in_force(tx, self.hub_id, document, now - before, now)

    async def another(
        self, role: Role, lane_id: str | None = None, at: datetime | None = None
    ) -> Duty:
        """One more person of that role, on one more device, on shift since then or now."""
        async with self.house.database.transaction() as tx:
            duties = await _enter(tx, self.hub_id, [(role, lane_id)], at or clock.now())
        return duties[0]


async def open_hub(house: House, service: Service, mode: HubMode | None = None) -> Hub:
    """Enter a new hub: its lanes, the usual policy, and one duty for each role.

    It is a demo hub, which takes invented documents, unless another mode is given.
    """
    hub_id = f"t{uuid4().hex[:20]}"
    settings = house.settings.model_copy(update={"hub_id": hub_id})
    now = clock.now()
    async with house.database.transaction() as tx:
        await devices.open_hub(tx, settings, now, mode)
        await versions.put_in_force(tx, hub_id, _POLICY, ALWAYS, now)
        for lane_id, kind in LANES.items():
            await devices.add_lane(tx, hub_id, lane_id, CHECKPOINT, kind)
        duties = await _enter(tx, hub_id, list(DESKS.items()), now)
    return Hub(hub_id, house, service, {duty.role: duty for duty in duties})


async def _enter(
    tx: Transaction, hub_id: str, desks: Sequence[tuple[Role, str | None]], at: datetime
) -> list[Duty]:
    duties = [
        Duty(
            role,
            lane_id,
            uuid4(),
            uuid4(),
            uuid4(),
            mint_token(TokenKind.DEVICE, hub_id),
            mint_token(TokenKind.SHIFT, hub_id),
        )
        for role, lane_id in desks
    ]
    for table, row in ((Device, _device), (Operator, _operator), (Shift, _shift)):
        await tx.sql.execute(
            insert(table), [{"hub_id": hub_id, **row(duty, at)} for duty in duties]
        )
    return duties


def _device(duty: Duty, at: datetime) -> dict[str, object]:
    return {
        "device_id": duty.device_id,
        "name": f"tablet of the {duty.role}",
        "lane_id": duty.lane_id,
        "token_hash": token_digest(duty.device_token),
        "enrolled_at": at,
    }


def _operator(duty: Duty, at: datetime) -> dict[str, object]:
    return {
        "operator_id": duty.operator_id,
        "login": duty.login,
        "display_name": f"the {duty.role}",
        "roles": [duty.role.value],
        "passcode_hash": _PASSCODE_HASH,
        "created_at": at,
    }


def _shift(duty: Duty, at: datetime) -> dict[str, object]:
    return {
        "shift_id": duty.shift_id,
        "device_id": duty.device_id,
        "operator_id": duty.operator_id,
        "token_hash": token_digest(duty.token),
        "roles": [duty.role.value],
        "started_at": at,
        "ends_at": at + SHIFT_LENGTH,
    }
