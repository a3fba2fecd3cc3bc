"""Cases as rows, entered directly, and the line list read back as an epidemiologist would."""

import csv
import io
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode
from uuid import UUID, uuid4

from httpx2 import Response
from hubs import Hub

from twinstile.platform.roles import Role

MORNING = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)
DAY = timedelta(days=1)
CASES = "/v1/exports/cases.csv?purpose=INVESTIGATION"


async def enter(hub: Hub, opened_at: datetime = MORNING, **columns: object) -> UUID:
    """A case without a screening of its own."""
    case_id: UUID = uuid4()
    row: dict[str, object] = {
        "hub_id": hub.hub_id,
        "case_id": case_id,
        "case_no": f"{opened_at:%Y%m%d}-{case_id.int % 10**9}",
        "screening_id": uuid4(),
        "origin": "CLINICIAN",
        "state": "ASSESSING",
        "opened_at": opened_at,
        "state_since": opened_at,
        **columns,
    }
    await _insert(hub, "fever_case", row)
    return case_id


async def send(
    hub: Hub, case_id: UUID, code: str, recorded_at: datetime, receiver: str
) -> None:
    row = {
        "hub_id": hub.hub_id,
        "disposition_id": uuid4(),
        "case_id": case_id,
        "code": code,
        "state": "DISPOSED",
        "receiver": receiver,
        "decided_at": recorded_at,
        "recorded_at": recorded_at,
        "device_id": uuid4(),
        "operator_id": uuid4(),
    }
    await _insert(hub, "disposition", row)


async def depart(hub: Hub, case_id: UUID, at: datetime) -> None:
    """A way that has ended."""
    row = {
        "hub_id": hub.hub_id,
        "leg_id": uuid4(),
        "case_id": case_id,
        "receiver": "somebody",
        "vehicle": "AMBULANCE",
        "crew": [],
        "departed_at": at,
        "expected_at": at,
        "recorded_at": at,
        "device_id": uuid4(),
        "ended_at": at,
        "ending": "UNSIGNED",
    }
    await _insert(hub, "leg", row)


async def follow(hub: Hub, case_id: UUID, **columns: object) -> None:
    """A contact of a schedule."""
    row = {"hub_id": hub.hub_id, "follow_up_id": uuid4(), "case_id": case_id}
    await _insert(hub, "follow_up", {**row, "kind": "CALL", "day": 1, **columns})


async def screen(hub: Hub, opened_at: datetime = MORNING, **columns: object) -> UUID:
    """A screening as its checks left it."""
    screening_id: UUID = uuid4()
    row: dict[str, object] = {
        "hub_id": hub.hub_id,
        "screening_id": screening_id,
        "state": "CLEARED",
        "opened_at": opened_at,
        "state_since": opened_at,
        "fold": "{}",
        "checks": 1,
        "reminders": ["R1", "R2"],
        "verifications": ["CREDENTIAL", "TEMPERATURE", "IDENTITY"],
        "services": ["S1", "S2"],
        **columns,
    }
    await _insert(hub, "screening", row)
    return screening_id


async def defer(
    hub: Hub, screening_id: UUID, at: datetime, closure: tuple[timedelta, str] | None
) -> None:
    """Put a screening off, and settle it so long afterwards by that event, if ever."""
    row: dict[str, object] = {
        "hub_id": hub.hub_id,
        "deferral_id": uuid4(),
        "screening_id": screening_id,
        "reason": "OUTAGE",
        "opened_at": at,
        "due_at": at + DAY,
    }
    if closure:
        row |= {"closed_at": at + closure[0], "outcome": closure[1]}
    await _insert(hub, "deferral", row)


async def _insert(hub: Hub, table: str, row: dict[str, object]) -> None:
    places = ", ".join(f"${n}" for n in range(1, len(row) + 1))
    async with hub.house.database.transaction() as tx:
        await tx.raw.execute(
            f"INSERT INTO {table} ({', '.join(row)}) VALUES ({places})", *row.values()
        )


def period(since: datetime = MORNING, until: datetime = MORNING + DAY) -> str:
    return urlencode({"from": since.isoformat(), "to": until.isoformat()})


async def export(hub: Hub, query: str | None = None) -> Response:
    client = hub.client(Role.EPIDEMIOLOGIST)
    return await client.get(f"{CASES}&{query or period()}")


async def rows(hub: Hub, query: str | None = None) -> list[dict[str, str]]:
    answer = await export(hub, query)
    assert answer.status_code == 200, answer.text
    return list(csv.DictReader(io.StringIO(answer.content.decode("utf-8"))))
