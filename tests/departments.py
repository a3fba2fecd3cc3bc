"""A partner department's system, let in as an administrator lets it in."""

from dataclasses import dataclass

import httpx2
from hubs import Hub

from twinstile.platform.roles import Role


@dataclass(frozen=True, slots=True)
class Department:
    """A system with its credentials and an access token."""

    hub: Hub
    partner_id: str
    client_id: str
    secret: str
    token: str

    async def changes(self, after: str | None = None, **query: object) -> httpx2.Response:
        """Ask the feed."""
        asked = {**query, **({"after": after} if after is not None else {})}
        return await self.hub.service.client(self.token).get(
            "/v1/changes", params=asked, timeout=40
        )


async def enter(hub: Hub, **body: object) -> Department:
    """Enter a department, of the health kind unless told otherwise, and get it a token."""
    entered = await hub.client(Role.ADMINISTRATOR).post(
        "/v1/partners", json={"name": "City health commission", "kind": "health", **body}
    )
    assert entered.status_code == 201, entered.text
    told = entered.json()
    given = await ask(hub, told["client_id"], told["client_secret"])
    assert given.status_code == 200, given.text
    return Department(
        hub,
        told["partner_id"],
        told["client_id"],
        told["client_secret"],
        given.json()["access_token"],
    )


async def ask(hub: Hub, client_id: str, secret: str, **form: str) -> httpx2.Response:
    """Ask for a token with the credentials in the form."""
    return await hub.service.client().post(
        "/v1/oauth/token",
        data={
            "grant_type": "client_credentials",
            "client_id": client_id,
            "client_secret": secret,
            **form,
        },
    )
