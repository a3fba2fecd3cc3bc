"""Tallies: how many passed a lane in an hour without the service. Counts, never screenings.

One valid tally a lane and hour, kept by the database; a correction supersedes it.
"""

from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import RowMapping, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from twinstile.downtime.tables import Tally
from twinstile.platform.db.database import Reading, Transaction
from twinstile.platform.http.problems import (
    AlreadyExists,
    Conflict,
    FieldFault,
    IdReused,
    InvalidInput,
    NotFound,
    TooLate,
)
from twinstile.platform.ledger import events
from twinstile.platform.ledger.events import Event
from twinstile.platform.security import devices
from twinstile.platform.security.auth import Principal
from twinstile.screening.bodies import FactStatus

HOUR = timedelta(hours=1)
MOST = 2000


@dataclass(frozen=True, slots=True)
class Counted:
    """What somebody counted at a lane in [since, until)."""

    lane_id: str
    since: datetime
    until: datetime
    passed: int
    fever_suspected: int
    refused: int
    not_screened: int


async def record(
    tx: Transaction,
    who: Principal,
    tally_id: UUID,
    counted: Counted,
    supersedes: UUID | None,
    window: tuple[datetime, datetime],
) -> FactStatus:
    """Record a tally, or the correction of one; sent again it changes nothing.

    `window` is from the oldest moment that may still be told until now. Raises `InvalidInput`,
    `TooLate`, `IdReused`, `AlreadyExists` while the lane has a valid tally of that hour, and
    `Conflict` for a correction of what is not valid (any more).
    """
    oldest, now = window
    if await _same(tx, who.hub_id, tally_id, counted):
        return FactStatus.DUPLICATE
    hour = counted.since.replace(minute=0, second=0, microsecond=0)
    if not counted.since < counted.until <= min(hour + HOUR, now):
        raise InvalidInput(errors=[FieldFault("/to", "out-of-range")])
    if counted.since < oldest:
        raise TooLate
    try:
        await devices.lane(tx, who.hub_id, counted.lane_id)
    except NotFound:
        raise InvalidInput(errors=[FieldFault("/lane_id", "unknown-value")]) from None
    if supersedes is not None:
        await _supersede(tx, who.hub_id, supersedes, (counted.lane_id, hour), tally_id)
    added = await tx.sql.execute(
        upsert(Tally)
        .values(
            hub_id=who.hub_id,
            tally_id=tally_id,
            hour=hour,
            recorded_at=now,
            device_id=who.device_id,
            operator_id=who.operator_id,
            **asdict(counted),
        )
        .on_conflict_do_nothing()
        .returning(Tally.tally_id)
    )
    if added.one_or_none() is None:
        if await _same(tx, who.hub_id, tally_id, counted):
            return FactStatus.DUPLICATE
        raise AlreadyExists("This lane has a tally of that hour: correct it with `supersedes`.")
    body: dict[str, object] = {"supersedes": supersedes and str(supersedes)}
    told = Event(
        who.hub_id, "tally.recorded", tally_id, now, body, who.device_id, who.operator_id
    )
    await events.append(tx, [told])
    return FactStatus.STORED


async def _same(tx: Transaction, hub_id: str, tally_id: UUID, counted: Counted) -> bool:
    """Whether this very tally is there already. Raises `IdReused` for another one."""
    columns = [getattr(Tally, name) for name in asdict(counted)]
    found = await tx.sql.execute(
        select(*columns).where(Tally.hub_id == hub_id, Tally.tally_id == tally_id)
    )
    row = found.one_or_none()
    if row is not None and Counted(*row) != counted:
        raise IdReused
    return row is not None


async def _supersede(
    tx: Transaction, hub_id: str, earlier: UUID, of: tuple[str, datetime], by: UUID
) -> None:
    lane_id, hour = of
    done = await tx.sql.execute(
        update(Tally)
        .where(
            Tally.hub_id == hub_id,
            Tally.tally_id == earlier,
            Tally.lane_id == lane_id,
            Tally.hour == hour,
            Tally.superseded_by.is_(None),
        )
        .values(superseded_by=by)
        .returning(Tally.tally_id)
    )
    if done.one_or_none() is None:
        raise Conflict("There is no valid tally of this lane and hour under that id.")


async def listed(
    tx: Reading, hub_id: str, since: datetime, until: datetime
) -> list[RowMapping]:
    """Tallies that begin in [since, until), superseded ones too, at most `MOST`."""
    found = await tx.sql.execute(
        select(*Tally.__table__.columns)
        .where(Tally.hub_id == hub_id, Tally.since >= since, Tally.since < until)
        .order_by(Tally.since, Tally.lane_id, Tally.recorded_at)
        .limit(MOST)
    )
    return list(found.mappings())
