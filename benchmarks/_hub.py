"""The stage: one hub with lanes, tablets and screeners on shift, as the service enters them."""

from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from sqlalchemy import insert

from twinstile.operations import startup
from twinstile.operations.startup import DatabaseTarget
from twinstile.platform.db import embedded_server
from twinstile.platform.db.database import APP_ROLE
from twinstile.platform.db.tables import Shift
from twinstile.platform.keys.ciphers import token_digest
from twinstile.platform.ops import clock
from twinstile.platform.ops import settings as configuration
from twinstile.platform.ops.settings import Profile, Settings
from twinstile.platform.security import devices, shifts
from twinstile.platform.security.auth import TokenKind, mint_token
from twinstile.platform.security.roles import Role
from twinstile.policy import versions

LANES = {"north-1": "north", "north-2": "north", "south-1": "south", "south-2": "south"}


def settings_of(folder: Path) -> Settings:
    """The shipped settings, whatever this shell has set, with the data in that folder.

    But for the profile: travellers are invented, and a hub for real people takes none of those.
    """
    return configuration.load(
        profile=Profile.DEMO, data_dir=folder, database_url=None, owner_database_url=None
    )


def place_of(server: embedded_server.EmbeddedServer, database: str) -> DatabaseTarget:
    """A database of its own on the one server."""
    return DatabaseTarget(
        server.url(database, APP_ROLE), role="", owner_url=server.url(database), embedded=True
    )


@dataclass(frozen=True, slots=True)
class Tablet:
    """An enrolled tablet with a screener signed in on it."""

    token: str
    lane_id: str
    shift_id: str
    policy_version: str


async def furnish(settings: Settings, place: DatabaseTarget, tablets: int) -> list[Tablet]:
    """Schema, hub, lanes, and so many tablets."""
    await startup.prepare(place)
    runtime = startup.open_runtime(settings, place)
    now, hub_id = clock.now(), settings.hub_id
    try:
        await startup.enter_hub(runtime, place, now)
        async with runtime.database.transaction() as tx:
            for lane_id, checkpoint in LANES.items():
                await devices.add_lane(tx, hub_id, lane_id, checkpoint, "AUTO")
            operator_id = await shifts.add_operator(
                tx, hub_id, "bench", "Bench", [Role.SCREENER], startup.new_passcode(), now
            )
            policy = await versions.in_force(tx, hub_id, now)
            enrolled_tablets = []
            for number in range(tablets):
                lane_id = list(LANES)[number % len(LANES)]
                code, _ = await devices.mint_code(tx, hub_id, lane_id, now)
                enrolled = await devices.enrol(tx, code, f"tablet {number}", now)
                token, shift_id = mint_token(TokenKind.SHIFT, hub_id), uuid4()
                enrolled_tablets.append(Tablet(token, lane_id, str(shift_id), policy))
                # as signing in leaves it, without its tenth of a second for each passcode
                await tx.sql.execute(
                    insert(Shift).values(
                        hub_id=hub_id,
                        shift_id=shift_id,
                        device_id=enrolled.device_id,
                        operator_id=operator_id,
                        token_hash=token_digest(token),
                        roles=[Role.SCREENER],
                        started_at=now,
                        ends_at=now + shifts.SHIFT_LENGTH,
                    )
                )
    finally:
        await runtime.database.close()
    return enrolled_tablets
