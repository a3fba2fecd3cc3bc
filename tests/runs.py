"""Runs whose people are reminded by messages: landed, ordered, sent by the worker, taken."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

import people
from hubs import Hub
from people import Json

from twinstile.platform import clock
from twinstile.platform.roles import Role
from twinstile.screening.notices import sending
from twinstile.screening.notices.sending import Outbox

PHONE = "+86 139-0000-4711"


def reachable(number: str, value: str = PHONE, *languages: str, **more: object) -> Json:
    """An entry with an address."""
    contact = {
        "channel": "EMAIL" if "@" in value else "PHONE",
        "value": value,
        "owner": "SELF",
    }
    return {
        "entry_id": f"E-{number[-4:]}",
        "document": people.document(number),
        "contact": contact,
        "languages": list(languages),
        **more,
    }


@dataclass(frozen=True, slots=True)
class Run:
    """A run that is due in two hours, and everything that is asked about it."""

    hub: Hub
    run_id: UUID
    arrival: datetime

    async def land(self, entries: Sequence[Json], batch: int = 1) -> None:
        path = f"/v1/runs/{self.run_id}/manifest"
        body = {"batch": batch, "entries": entries}
        answer = await self.hub.client(Role.SUPERVISOR).put(path, json=body)
        assert answer.status_code == 200, answer.text

    async def order(
        self, order_id: UUID | None = None, who: str = Role.SUPERVISOR, **body: object
    ) -> tuple[int, Json]:
        path = f"/v1/runs/{self.run_id}/notices/{order_id or people.new_id()}"
        answer = await self.hub.client(who).put(path, json={"kind": "R1", **body})
        told: Json = answer.json()
        return answer.status_code, told

    async def work(self, after: timedelta = timedelta(), out: Outbox | None = None) -> None:
        """The worker's tick, so long from now."""
        moment = clock.now() + after
        await sending.run(out or sending.outbox(self.hub.house), self.hub.hub_id, moment)

    async def notices(self, **query: str) -> list[Json]:
        answer = await self.hub.client(Role.SCREENER).get(
            f"/v1/runs/{self.run_id}/notices", params=query
        )
        assert answer.status_code == 200, answer.text
        told: list[Json] = answer.json()["notices"]
        return told

    async def states(self) -> list[object]:
        return sorted(str(one["state"]) for one in await self.notices())

    async def summary(self) -> Json:
        answer = await self.hub.client(Role.DUTY_COMMANDER).get(
            f"/v1/runs/{self.run_id}/reminders"
        )
        assert answer.status_code == 200, answer.text
        told: Json = answer.json()
        return told

    async def pass_gate(self, number: str, **parts: object) -> Json:
        """A check of somebody, who says nothing of reminders before arrival."""
        answer = await self.hub.client().put(
            f"/v1/checks/{people.new_id()}", json=people.check(number=number, **parts)
        )
        assert answer.status_code == 201, answer.text
        told: Json = answer.json()
        return told

    @property
    def folder(self) -> Path:
        return self.hub.house.settings.outbox_path / self.hub.hub_id

    def files(self) -> list[Path]:
        return sorted(self.folder.glob("*.jsonl"))

    async def taken(self) -> None:
        """Order, let the worker write, and take the files as a gateway does."""
        await self.order()
        await self.work()
        for file in self.files():
            file.unlink()
        await self.work()

    def lines(self) -> list[Json]:
        return [json.loads(line) for f in self.files() for line in f.read_text().splitlines()]


async def announced(
    hub: Hub, service_no: str = "G7349", soon: timedelta = timedelta(hours=2)
) -> Run:
    arrival = clock.now() + soon
    run_id = people.new_id()
    body = {
        "mode": "RAIL",
        "service_no": service_no,
        "service_date": arrival.date().isoformat(),
        "origin": "Shanghai Hongqiao",
        "terminus": "Hangzhou East",
        "scheduled_arrival": arrival.isoformat(),
    }
    answer = await hub.client(Role.SUPERVISOR).put(f"/v1/runs/{run_id}", json=body)
    assert answer.status_code == 200
    return Run(hub, run_id, arrival)


def reminders(told: Json) -> object:
    return told["completeness"]["reminders"]


async def reminders_of(hub: Hub, told: Json) -> object:
    seen = await hub.client().get(f"/v1/screenings/{told['screening_id']}")
    return reminders(seen.json())
