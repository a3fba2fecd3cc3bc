"""A day of invented travellers, recorded as the gates record it, and copied by SQL.

Most bring the same: a plain reading and a good code. Some have no code at first, a reading that
is missing, a fever that an ear thermometer confirms or not, a test or an itinerary to show. One
device in ten is offline and sends later, so that its checks come late and out of order.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID, uuid4

from twinstile.identity.documents import check_character
from twinstile.platform.db.database import Transaction
from twinstile.platform.http.routes import Runtime
from twinstile.platform.security import devices
from twinstile.platform.security.auth import Principal
from twinstile.platform.security.hub_modes import HubMode
from twinstile.policy.versions import Policies
from twinstile.screening import checks, intake
from twinstile.screening.bodies import CheckFact
from twinstile.screening.facts import GateCheck

Json = dict[str, object]
LANES = {
    "north-1": ("north", "AUTO"),
    "north-2": ("north", "AUTO"),
    "north-a": ("north", "ASSISTED"),
    "north-s": ("north", "SECONDARY"),
    "south-1": ("south", "AUTO"),
    "south-s": ("south", "SECONDARY"),
}
BATCH = 200
OFFLINE = 0.1
BEFORE = timedelta(hours=5)
"""How long before the day some were met; longer than a passage lasts."""
AREAS = ("610113", "610100", "110105", "310115", "4201", "61", "HKG")
_GREEN: Json = {"status": "GREEN"}


@dataclass(frozen=True, slots=True)
class Sent:
    """A check on its way: when it happened, when it came in, at which lane, and its body."""

    moment: datetime
    received_at: datetime
    lane_id: str
    body: Json


def travellers(number: int, begins: datetime, lasts: timedelta, seed: int) -> list[Sent]:
    """The checks of so many travellers, in the order they come in."""
    dice = random.Random(seed)
    sent: list[Sent] = []
    for serial in range(number):
        at = begins + lasts * dice.random()
        sent.extend(_traveller(dice, serial, at))
    return sorted(sent, key=lambda one: one.received_at)


def _traveller(dice: random.Random, serial: int, at: datetime) -> Iterator[Sent]:
    document = {"kind": "RESIDENT_ID", "number": _number(serial), "name": "张伟"}
    identity = {"document": document, "result": "MATCH"}
    checkpoint = dice.choice(("north", "south"))
    lane = f"{checkpoint}-1"
    offline = dice.random() < OFFLINE
    whole: Json = {"temperature": _plain(dice), "credential": _GREEN, "identity": identity}
    whole |= _claims(dice, at)
    kind, again = dice.random(), at + timedelta(seconds=dice.uniform(60, 600))
    desk = f"{checkpoint}-s"
    ear = {"value": round(dice.uniform(36.2, 38.6), 1), "method": "EAR"}
    if kind < 0.94:
        yield _sent(dice, at, lane, whole, offline=offline)
        return
    if kind < 0.95:
        yield _sent(dice, at, lane, whole | {"temperature": None}, offline=offline)
        yield _sent(dice, again, lane, whole, offline=offline)
    elif kind < 0.96:
        yield _sent(dice, at, lane, whole | {"credential": {"status": "NOT_PRESENTED"}})
        yield _sent(dice, again, desk, {"credential": _GREEN, "identity": identity})
    elif kind < 0.97:
        status = dice.choice(("YELLOW", "RED", "STALE", "UNAVAILABLE", "NOT_FOUND"))
        yield _sent(dice, at, lane, whole | {"credential": {"status": status}}, offline=offline)
        yield _sent(dice, again, desk, {"temperature": ear, "identity": identity})
    else:
        fever = {"value": round(dice.uniform(36.8, 39.2), 1), "method": "WALK_THROUGH"}
        yield _sent(dice, at, lane, whole | {"temperature": fever}, offline=offline)
        yield _sent(dice, again, desk, {"temperature": ear, "identity": identity})
        if dice.random() < 0.3:  # met again within the hour, with nothing to see
            yield _sent(dice, again + timedelta(minutes=20), lane, whole)
        if dice.random() < 0.3:  # walked away from an alarm hours before
            yield _sent(dice, at - BEFORE, lane, whole | {"temperature": fever})


def _sent(
    dice: random.Random, at: datetime, lane_id: str, body: Json, *, offline: bool = False
) -> Sent:
    """An offline device sends minutes later, so others of the same passage may come before."""
    late = timedelta(seconds=dice.uniform(300, 3600) if offline else 0)
    known = {name: part for name, part in body.items() if part is not None}
    return Sent(at, at + late, lane_id, {**known, "offline": offline})


def _plain(dice: random.Random) -> Json:
    return {
        "value": round(min(36.9, dice.gauss(36.4, 0.25)), 1),
        "method": "WALK_THROUGH",
        "site": "FOREHEAD",
    }


def _claims(dice: random.Random, at: datetime) -> Json:
    """One in four shows a test or says where they were."""
    if dice.random() > 0.25:
        return {}
    sampled = at - timedelta(hours=dice.uniform(1, 80))
    left = (at - timedelta(days=dice.randrange(1, 15))).date()
    return {
        "test": {
            "kind": "PCR",
            "result": dice.choice(("NEGATIVE",) * 8 + ("PENDING", "POSITIVE")),
            "sampled_at": sampled.isoformat(),
        },
        "itinerary": {
            "source": "CARD",
            "starred": dice.random() < 0.1,
            "areas": [
                {"code": code, "left_on": left.isoformat()} for code in dice.sample(AREAS, 2)
            ],
        },
    }


def _number(serial: int) -> str:
    """A resident ID number of nobody: no division begins with 77."""
    born = date(1950, 1, 1) + timedelta(days=serial // 900)
    digits = f"770101{born:%Y%m%d}{serial % 900 + 1:03}"
    return digits + check_character(digits)


async def lanes(tx: Transaction, hub_id: str) -> None:
    """Enter the lanes these travellers go through."""
    for lane_id, (checkpoint, kind) in LANES.items():
        await devices.add_lane(tx, hub_id, lane_id, checkpoint, kind)


async def recorded(runtime: Runtime, hub_id: str, sent: Sequence[Sent]) -> None:
    """Record the checks by the way of the gates, so many in a transaction."""
    policies, keys = Policies(), runtime.keys.of(hub_id)
    tablets = {lane_id: uuid4() for lane_id in LANES}
    for start in range(0, len(sent), BATCH):
        batch = sent[start : start + BATCH]
        at = batch[-1].received_at
        stand = checks.RecordingContext(hub_id, keys, policies, runtime.settings.zone, at)
        gate = [
            await _check(runtime, hub_id, tablets, one, start + place)
            for place, one in enumerate(batch, 1)
        ]
        async with runtime.database.transaction() as tx:
            await checks.record(tx, stand, gate)


async def _check(
    runtime: Runtime, hub_id: str, tablets: dict[str, UUID], one: Sent, counter: int
) -> GateCheck:
    nobody = Principal(
        hub_id,
        tablets[one.lane_id],
        one.lane_id,
        None,
        None,
        frozenset(),
        frozenset(),
        None,
        mode=HubMode.DEMO,
    )
    at = one.received_at
    receiver = await intake.receiver(runtime, nobody, at)
    fact = CheckFact.model_validate({**one.body, "observed_at": one.moment.isoformat()})
    return intake.check(fact, _id(one.moment), counter, at, receiver)


def _id(moment: datetime) -> UUID:
    """A UUIDv7 of that moment."""
    milliseconds = int(moment.timestamp() * 1000)
    tail = uuid4().int & ((1 << 62) - 1)
    return UUID(int=(milliseconds << 80) | (7 << 76) | (2 << 62) | tail)


_COLUMNS = """
SELECT column_name FROM information_schema.columns
WHERE table_schema = 'public' AND table_name = $1 ORDER BY ordinal_position
"""
_NEW_ID = "md5({column}::text || n)::uuid"
_NEW = {
    # a UUIDv7 of the same moment
    (
        "check",
        "id",
    ): "(left(replace(id::text, '-', ''), 13) || left(md5(id::text || n), 19))::uuid",
    **{
        (table, column): _NEW_ID.format(column=column)
        for table, columns in {
            "screening": ("screening_id", "person_id", "supersedes"),
            "check": ("screening_id", "person_id"),
            "event": ("event_id", "subject_id"),
        }.items()
        for column in columns
    },
}
"""What a copy does not take over: it is other passages of other people at the same moments."""


async def copied(tx: Transaction, hub_id: str, times: int) -> None:
    """Copy everything recorded at the hub so many times, under new ids."""
    for table in ("screening", "check", "event"):
        names = [name for (name,) in await tx.raw.fetch(_COLUMNS, table) if name != "tx"]
        values = [_NEW.get((table, name), f'"{name}"') for name in names]
        columns = ", ".join(f'"{name}"' for name in names)
        await tx.raw.execute(
            f'INSERT INTO "{table}" ({columns}) SELECT {", ".join(values)}'  # noqa: S608 # ours
            f' FROM "{table}", generate_series(1, $2::int) n WHERE hub_id = $1',
            hub_id,
            times,
        )
