"""Every route as a page of somebody else would use it, and the locks of every page."""

import re
from collections.abc import Iterator
from uuid import UUID

from fastapi.routing import APIRoute
from http_browser import Visitor, on_shift
from hubs import Hub

from twinstile import app
from twinstile.platform.security.roles import Role

READING = {"GET", "HEAD"}
UNKNOWN = UUID("01890000-0000-7000-8000-000000000000")
STYLED = "/docs"
"""The one page whose parts of others set styles."""
BY_SECRET = {
    "/v1/declarations/own",
    "/v1/declarations/own/reminder",
    "/v1/declarations/own/appeals/{appeal_id}",
}
"""By a receipt in a header of its own, which no page of somebody else has."""
OPEN = {
    "/v1/declarations",
    "/v1/devices:enrol",
    "/v1/feeds/{feed}/deliveries",
    "/v1/handovers:answer",
    "/v1/handovers:read",
    "/v1/oauth/token",
    "/v1/self-reports",
}
"""Cookies are no matter there: what counts is in the body (a code; see `require_fresh`)."""


def routes() -> Iterator[APIRoute]:
    for router in app.ROUTERS:
        for route in router.routes:
            assert isinstance(route, APIRoute)
            yield route


def address(route: APIRoute) -> str:
    return re.sub(r"\{[^}]+\}", str(UNKNOWN), route.path)


async def test_no_page_of_somebody_else_writes_anything_by_our_cookies(hub: Hub) -> None:
    visitor = await on_shift(hub, Role.SUPERVISOR)
    foreign = {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}
    seen = 0
    for route in routes():
        if route.path in BY_SECRET | OPEN:
            continue
        for method in route.methods - READING:
            for media in ("application/json", "application/x-www-form-urlencoded"):
                headers = foreign | {"Content-Type": media}
                answer = await visitor.ask(method, address(route), headers, content=b"{}")
                assert answer.status_code == 403, (method, route.path, answer.text)
                assert "access-control-allow-origin" not in answer.headers
                if route.include_in_schema:
                    assert answer.json()["type"] == "/problems/foreign-page", route.path
                seen += 1
    assert seen > 100
    assert (await visitor.ask("GET", "/v1/me")).json()["shift_id"]  # nothing ended it


async def pages(visitor: Visitor) -> Iterator[tuple[str, dict[str, str]]]:
    found: list[tuple[str, dict[str, str]]] = []
    for route in routes():
        if "GET" in route.methods and not route.include_in_schema:
            answer = await visitor.ask("GET", address(route))
            if answer.headers.get("content-type", "").startswith("text/html"):
                found.append((route.path, dict(answer.headers)))
    return iter(found)


async def test_every_page_is_locked(hub: Hub) -> None:
    visitor = await on_shift(hub, Role.SUPERVISOR)
    found = dict(await pages(visitor))
    assert {"/", "/enter", "/gate/", "/desk", "/traveller", STYLED} <= found.keys()
    for path, headers in found.items():
        policy = dict(
            part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";")
        )
        for name in ("default-src", "base-uri", "frame-ancestors"):
            assert policy[name] == "'none'", (path, name)
        assert policy["form-action"] in {"'self'", "'none'"}, path
        assert policy.get("script-src", "'none'") in {"'self'", "'none'"}, path
        unsafe = {name for name, sources in policy.items() if "unsafe" in sources}
        assert unsafe == ({"style-src"} if path == STYLED else set()), path
        assert not re.search(r"https?:|\*", headers["content-security-policy"]), path
        assert headers["cache-control"] == "no-store", path
        assert headers["x-content-type-options"] == "nosniff", path
        assert headers["cross-origin-opener-policy"] == "same-origin", path
        assert headers["referrer-policy"] in {"same-origin", "no-referrer"}, path
