"""What the access log of a hub says, as its supervisor reads it, and who looked somebody up."""

from urllib.parse import urlencode

import people
from httpx2 import Response
from hubs import Hub

from twinstile.platform.roles import Role


async def page(hub: Hub, who: str = Role.SUPERVISOR, **query: object) -> Response:
    """One page of the log around now."""
    period = {"from": people.ago(hours=13), "to": people.ago(hours=-1)}
    return await hub.client(who).get(f"/v1/access?{urlencode(period | query)}")


async def reads(hub: Hub, **query: object) -> list[people.Json]:
    """The rows of the log, the latest first."""
    answer = await page(hub, **query)
    assert answer.status_code == 200, answer.text
    rows: list[people.Json] = answer.json()["reads"]
    return rows


async def look_up(hub: Hub, number: str, who: str = Role.ASSISTANT, **more: object) -> Response:
    """Somebody with a resident number, looked up at the desk."""
    body = {"document": people.document(number), "purpose": "IDENTIFICATION", **more}
    return await hub.client(who).post("/v1/lookups", json=body)
