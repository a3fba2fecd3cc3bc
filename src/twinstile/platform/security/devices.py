"""Hubs, lanes, devices and the one-time codes that let a device in."""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID, uuid4

from sqlalchemy import func, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from twinstile.platform.db.database import Reading, Transaction
from twinstile.platform.db.tables import (
    Closure,
    Device,
    Enrolment,
    Hub,
    Lane,
    Quarantine,
)
from twinstile.platform.http.problems import EnrolmentRefused, HubClosed, NotFound
from twinstile.platform.keys.ciphers import token_digest
from twinstile.platform.ledger import events
from twinstile.platform.ledger.events import Event
from twinstile.platform.ops.settings import Settings
from twinstile.platform.security.auth import Principal, TokenKind, mint_token
from twinstile.platform.security.hub_modes import HubMode

CODE_ALPHABET = "23456789ABCDEFGHJKMNPQRSTVWXYZ"  # no 0/O, 1/I/L, U: read aloud over a radio
CODE_LENGTH = 10
MOST_LANES = 2000
CODE_LIFETIME = timedelta(minutes=30)


class LaneKind(StrEnum):
    """What a lane is for."""

    AUTO = "AUTO"
    STAFFED = "STAFFED"
    ASSISTED = "ASSISTED"
    SECONDARY = "SECONDARY"
    TRANSIT = "TRANSIT"
    CREW = "CREW"


class Direction(StrEnum):
    """Which way people go at a checkpoint."""

    ARRIVING = "ARRIVING"
    DEPARTING = "DEPARTING"


@dataclass(frozen=True, slots=True)
class Enrolled:
    """What a newly enrolled device must remember."""

    hub_id: str
    device_id: UUID
    lane_id: str | None
    token: str


async def open_hub(
    tx: Transaction, settings: Settings, at: datetime, mode: HubMode | None = None
) -> bool:
    """Enter the hub of the settings; false when it was there already.

    Its mode is that of the profile unless given, and stays what it is entered as.
    """
    opened = await tx.sql.execute(
        upsert(Hub)
        .values(
            hub_id=settings.hub_id,
            name=settings.hub_name,
            timezone=settings.timezone,
            opened_at=at,
            mode=(mode or settings.mode).value,
        )
        .on_conflict_do_nothing()
        .returning(Hub.hub_id)
    )
    return opened.one_or_none() is not None


async def mode_of(tx: Reading, hub_id: str) -> HubMode | None:
    """What a hub of this installation is for; None for an unknown one."""
    found = await tx.sql.execute(select(Hub.mode).where(Hub.hub_id == hub_id))
    mode = found.scalar_one_or_none()
    return HubMode(mode) if mode else None


async def require_open(tx: Reading, hub_id: str) -> HubMode:
    """What the hub is for. Raises `NotFound` for an unknown one, `HubClosed`."""
    mode = await mode_of(tx, hub_id)
    if mode is None:
        raise NotFound("There is no such hub here.")
    if await closed_at(tx, hub_id) is not None:
        raise HubClosed
    return mode


async def closed_at(tx: Reading, hub_id: str) -> datetime | None:
    """When a hub was closed for good; None of one that takes people."""
    found = await tx.sql.execute(select(Closure.closed_at).where(Closure.hub_id == hub_id))
    return found.scalar_one_or_none()


async def hub(tx: Reading, hub_id: str) -> tuple[str, HubMode]:
    """The name of a hub as it is shown to people, and its mode. Raises `NotFound`."""
    found = await tx.sql.execute(select(Hub.name, Hub.mode).where(Hub.hub_id == hub_id))
    row = found.one_or_none()
    if row is None:
        raise NotFound("There is no such hub.")
    name, mode = row
    return name, HubMode(mode)


async def add_lane(
    tx: Transaction,
    hub_id: str,
    lane_id: str,
    checkpoint: str,
    kind: str,
    direction: Direction | None = None,
) -> Direction:
    """Enter a lane, or change its checkpoint and kind; which way people go there.

    A checkpoint has one direction: the one named last counts for all its lanes.
    """
    way = direction or await direction_of(tx, hub_id, checkpoint) or Direction.ARRIVING
    values = {"checkpoint": checkpoint, "kind": kind, "direction": way.value}
    await tx.sql.execute(
        upsert(Lane)
        .values(hub_id=hub_id, lane_id=lane_id, **values)
        .on_conflict_do_update(index_elements=[Lane.hub_id, Lane.lane_id], set_=values)
    )
    await tx.sql.execute(
        update(Lane)
        .where(Lane.hub_id == hub_id, Lane.checkpoint == checkpoint, Lane.direction != way)
        .values(direction=way.value)
    )
    return way


async def direction_of(tx: Reading, hub_id: str, checkpoint: str | None) -> Direction | None:
    """Which way people go at a checkpoint; None where there is no lane."""
    found = await tx.sql.execute(
        select(Lane.direction)
        .where(Lane.hub_id == hub_id, Lane.checkpoint == checkpoint)
        .order_by(Lane.lane_id)
        .limit(1)
    )
    way = found.scalar_one_or_none()
    return None if way is None else Direction(way)


async def lane(tx: Reading, hub_id: str, lane_id: str) -> tuple[str, str, str]:
    """Checkpoint, kind and direction of a lane. Raises `NotFound`."""
    found = await tx.sql.execute(
        select(Lane.checkpoint, Lane.kind, Lane.direction).where(
            Lane.hub_id == hub_id, Lane.lane_id == lane_id
        )
    )
    row = found.one_or_none()
    if row is None:
        raise NotFound("There is no such lane.")
    checkpoint, kind, direction = row
    return checkpoint, kind, direction


async def lanes(tx: Reading, hub_id: str) -> list[str]:
    """The lanes of the hub, by name."""
    found = await tx.sql.execute(
        select(Lane.lane_id)
        .where(Lane.hub_id == hub_id)
        .order_by(Lane.lane_id)
        .limit(MOST_LANES)
    )
    return list(found.scalars())


async def mint_code(
    tx: Transaction,
    hub_id: str,
    lane_id: str | None,
    at: datetime,
    by: UUID | None = None,
) -> tuple[str, datetime]:
    """A new one-time enrolment code `<hub>:<10 characters>` and when it expires.

    `by` is the operator who makes it; the device counts as theirs (`approvals`). Raises
    `NotFound` for an unknown lane, `HubClosed`.
    """
    await require_open(tx, hub_id)
    if lane_id is not None:
        await lane(tx, hub_id, lane_id)
    code = "".join(secrets.choice(CODE_ALPHABET) for _ in range(CODE_LENGTH))
    expires_at = at + CODE_LIFETIME
    await tx.sql.execute(
        insert(Enrolment).values(
            hub_id=hub_id,
            code_hash=token_digest(code),
            lane_id=lane_id,
            created_at=at,
            expires_at=expires_at,
            created_by=by,
        )
    )
    return f"{hub_id}:{code}", expires_at


async def enrol(tx: Transaction, code: str, name: str, at: datetime) -> Enrolled:
    """Let a device in. The update settles the race of two devices with one code.

    Raises `EnrolmentRefused` for an unknown, used or expired code alike.
    """
    hub_id, _, secret = code.partition(":")
    normal = secret.strip().upper().replace("-", "").replace(" ", "")
    device_id = uuid4()
    used = await tx.sql.execute(
        update(Enrolment)
        .where(
            Enrolment.hub_id == hub_id.strip().lower(),
            Enrolment.code_hash == token_digest(normal),
            Enrolment.used_at.is_(None),
            Enrolment.expires_at > at,
        )
        .values(used_at=at, device_id=device_id)
        .returning(Enrolment.hub_id, Enrolment.lane_id)
    )
    row = used.one_or_none()
    if row is None:
        raise EnrolmentRefused
    hub_id, lane_id = row
    token = mint_token(TokenKind.DEVICE, hub_id)
    await tx.sql.execute(
        insert(Device).values(
            hub_id=hub_id,
            device_id=device_id,
            name=name,
            lane_id=lane_id,
            token_hash=token_digest(token),
            enrolled_at=at,
        )
    )
    await events.append(
        tx, [Event(hub_id, "device.enrolled", device_id, at, {}, device_id=device_id)]
    )
    return Enrolled(hub_id, device_id, lane_id, token)


async def revoke(tx: Transaction, who: Principal, device_id: UUID, at: datetime) -> None:
    """Shut a device out, and with it every shift on it. Raises `NotFound`."""
    revoked = await tx.sql.execute(
        update(Device)
        .where(Device.hub_id == who.hub_id, Device.device_id == device_id)
        .values(revoked_at=func.coalesce(Device.revoked_at, at))
        .returning(Device.device_id)
    )
    if revoked.one_or_none() is None:
        raise NotFound("There is no such device.")
    await events.append(
        tx,
        [
            Event(
                who.hub_id, "device.revoked", device_id, at, {}, who.device_id, who.operator_id
            )
        ],
    )


@dataclass(frozen=True, slots=True)
class SyncStatus:
    """How far a device's facts have come: `missing` are inclusive ranges of counters."""

    ack_through: int
    missing: list[tuple[int, int]]
    quarantined: int
    last_contact_at: datetime | None


_GAPS = """
WITH device_counters AS (
    SELECT counters, last_contact_at FROM device WHERE hub_id = $1 AND device_id = $2
), gap AS (
    SELECT unnest(int8multirange(int8range(1, upper(counters))) - counters) AS missing
    FROM device_counters WHERE NOT isempty(counters)
)
SELECT
    d.last_contact_at,
    coalesce(upper(d.counters) - 1, 0) AS highest,
    coalesce(
        (SELECT array_agg(lower(missing) ORDER BY missing) FROM gap), '{}'
    ) AS first_missing,
    coalesce(
        (SELECT array_agg(upper(missing) - 1 ORDER BY missing) FROM gap), '{}'
    ) AS last_missing
FROM device_counters d
"""


async def sync_status(tx: Reading, hub_id: str, device_id: UUID) -> SyncStatus:
    """What has arrived from a device and which counters are missing. Raises `NotFound`."""
    row = await tx.raw.fetchrow(_GAPS, hub_id, device_id)
    if row is None:
        raise NotFound("There is no such device.")
    last_contact_at, highest, first_missing, last_missing = row
    counted = await tx.sql.execute(
        select(func.count())
        .select_from(Quarantine)
        .where(Quarantine.hub_id == hub_id, Quarantine.device_id == device_id)
    )
    return SyncStatus(
        ack_through=first_missing[0] - 1 if first_missing else highest,
        missing=list(zip(first_missing, last_missing, strict=True)),
        quarantined=counted.scalar_one(),
        last_contact_at=last_contact_at,
    )


async def next_counter(tx: Transaction, hub_id: str, device_id: UUID) -> int:
    """The next counter of a device whose facts are made here, by a page that counts nothing.

    Nobody else gets it until the transaction ends.
    """
    row = await tx.raw.fetchrow(
        "SELECT coalesce(upper(counters), 1) FROM device"
        " WHERE hub_id = $1 AND device_id = $2 FOR NO KEY UPDATE",
        hub_id,
        device_id,
    )
    return int(row[0]) if row else 1


async def note_counters(
    tx: Transaction, hub_id: str, device_id: UUID, counters: list[int], at: datetime
) -> None:
    """Record which fact counters have arrived. Last in a transaction: it locks the device."""
    await tx.raw.execute(
        """
        UPDATE device
        SET last_contact_at = $4,
            counters = counters + (
                SELECT range_agg(int8range(n, n + 1)) FROM unnest($3::bigint[]) AS n)
        WHERE hub_id = $1 AND device_id = $2
        """,
        hub_id,
        device_id,
        counters,
        at,
    )
