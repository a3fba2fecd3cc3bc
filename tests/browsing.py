"""A browser as the service sees it: it keeps cookies and says which page asks.

The client of the tests would not send a `Secure` cookie over HTTP; a browser does, to loopback.
What a real one does is seen in tests/pages.
"""

from dataclasses import dataclass, field
from http.cookies import SimpleCookie

from httpx2 import Response
from hubs import PASSCODE, Hub, Service

from twinstile.platform.roles import Role

OWN_PAGE = {"Sec-Fetch-Site": "same-origin"}


@dataclass(slots=True)
class Visitor:
    """One browser; `cookies` are what it keeps."""

    service: Service
    cookies: dict[str, str] = field(default_factory=dict)

    async def ask(
        self, method: str, path: str, headers: dict[str, str] | None = None, **more: object
    ) -> Response:
        """Ask as a page of the service does, unless the headers say otherwise."""
        kept = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        said = (OWN_PAGE if headers is None else headers) | ({"Cookie": kept} if kept else {})
        answer = await self.service.client().request(method, path, headers=said, **more)
        for line in answer.headers.get_list("set-cookie"):
            for name, morsel in SimpleCookie(line).items():
                if morsel["max-age"] == "0":
                    self.cookies.pop(name, None)
                else:
                    self.cookies[name] = morsel.value
        return answer

    async def enrol(self, hub: Hub, lane_id: str | None = "north-1") -> Response:
        """Be let in with a code of the hub's administrator."""
        asked = await hub.client(Role.ADMINISTRATOR).post(
            "/v1/enrolments", json={"lane_id": lane_id}
        )
        told = {"code": asked.json()["code"], "name": "tablet", "browser": True}
        return await self.ask("POST", "/v1/devices:enrol", json=told)

    async def sign_in(self, hub: Hub, role: Role = Role.SCREENER) -> Response:
        """Sign that person of the hub in."""
        told = {"login": hub.duties[role].login, "passcode": PASSCODE}
        return await self.ask("POST", "/v1/shifts", json=told)


async def on_shift(hub: Hub, role: Role = Role.SCREENER) -> Visitor:
    """A browser that was let in, with somebody signed in on it."""
    visitor = Visitor(hub.service)
    assert (await visitor.enrol(hub)).status_code == 201
    assert (await visitor.sign_in(hub, role)).status_code == 201
    return visitor
