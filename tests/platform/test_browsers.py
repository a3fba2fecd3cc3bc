"""Browsers: the same rights as by token, in cookies that no other page can use."""

import asyncio
from datetime import timedelta

import people
import pytest
from http_browser import OWN_PAGE, Visitor, on_shift
from hubs import PASSCODE, Hub
from starlette.requests import Request

from twinstile.platform.ops import clock, settings
from twinstile.platform.security import browser_sessions
from twinstile.platform.security.auth import DEVICE_SCOPES, ROLE_SCOPES
from twinstile.platform.security.roles import Role
from twinstile.platform.security.shifts import FAILURES_BEFORE_LOCK, SHIFT_LENGTH

JSON = {"Content-Type": "application/json"}
FOREIGN = (
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},  # another port of this host, which has the same cookies
    {"Sec-Fetch-Site": "same-site", "Origin": "http://127.0.0.1:1"},
    {"Sec-Fetch-Site": "odd"},
    {"Origin": "http://evil.example"},
    {"Origin": "null"},
)


async def test_a_browser_gets_its_tokens_in_cookies_that_no_script_reads(hub: Hub) -> None:
    visitor = Visitor(hub.service)
    enrolled = await visitor.enrol(hub)
    signed_in = await visitor.sign_in(hub)
    for answer in (enrolled, signed_in):
        assert answer.status_code == 201
        assert answer.json()["token"] is None
        for line in answer.headers.get_list("set-cookie"):
            name, _, rest = line.partition("=")
            value, *attributes = (part.strip().lower() for part in rest.split(";"))
            assert name.startswith("__Host-")
            assert value.split(".")[0] not in answer.text
            assert {"path=/", "secure", "httponly", "samesite=strict"} <= set(attributes)
            assert not any(part.startswith("domain") for part in attributes)
    shift = next(c for c in signed_in.headers.get_list("set-cookie") if "shift" in c)
    left = int(shift.partition("Max-Age=")[2].partition(";")[0])
    assert 0 < left <= SHIFT_LENGTH.total_seconds()


async def test_a_cookie_gives_the_principal_that_its_token_gives(hub: Hub) -> None:
    visitor = Visitor(hub.service)
    await visitor.enrol(hub)
    device = (await visitor.ask("GET", "/v1/me")).json()
    assert (device["lane_id"], device["operator_id"]) == ("north-1", None)
    assert device["scopes"] == sorted(DEVICE_SCOPES)
    await visitor.sign_in(hub, Role.MEDIC)
    by_cookie = (await visitor.ask("GET", "/v1/me")).json()
    assert by_cookie["scopes"] == sorted(ROLE_SCOPES[Role.MEDIC])
    by_token = hub.service.client(visitor.cookies[browser_sessions.SHIFT])
    assert (await by_token.get("/v1/me")).json() == by_cookie


async def test_rights_are_those_of_the_shift_or_else_of_the_device(hub: Hub) -> None:
    visitor = await on_shift(hub, Role.ADMINISTRATOR)
    assert (await visitor.ask("GET", "/v1/operators")).status_code == 200
    assert (await visitor.ask("GET", "/v1/cases")).json()["type"] == "/problems/forbidden"
    # an administrator may hand over no facts, the tablet may, whoever works on it
    fact = {"kind": "check", "id": str(people.new_id()), "counter": 1, "body": {}}
    batch = {"sent_at": clock.now().isoformat(), "items": [fact]}
    assert (await visitor.ask("POST", "/v1/facts:batch", json=batch)).status_code == 200
    device = dict(visitor.cookies)
    assert (await visitor.ask("DELETE", "/v1/shifts/current")).status_code == 204
    assert browser_sessions.SHIFT not in visitor.cookies
    refused = await visitor.ask("GET", "/v1/operators")
    assert (refused.status_code, refused.json()["type"]) == (401, "/problems/sign-in-needed")
    assert (await visitor.ask("POST", "/v1/facts:batch", json=batch)).status_code == 200
    visitor.cookies = device  # the cookie of the shift that ended, kept by somebody
    refused = await visitor.ask("GET", "/v1/operators")
    assert refused.json()["type"] == "/problems/sign-in-needed"
    assert (await visitor.ask("POST", "/v1/facts:batch", json=batch)).status_code == 200


@pytest.mark.parametrize("headers", FOREIGN)
async def test_a_page_of_somebody_else_gets_nothing(hub: Hub, headers: dict[str, str]) -> None:
    visitor = await on_shift(hub)
    for method, path in (
        ("GET", "/v1/me"),
        ("POST", "/v1/shifts"),
        ("PUT", "/v1/lanes/north-1"),
        ("DELETE", "/v1/shifts/current"),
    ):
        refused = await visitor.ask(method, path, headers | JSON, content=b"{}")
        if method == "GET" and "Origin" in headers and "Sec-Fetch-Site" not in headers:
            continue  # an old browser: SameSite keeps the cookie from it
        assert refused.status_code == 403, (method, refused.text)
        assert refused.json()["type"] == "/problems/foreign-page"
    code = await hub.client(Role.ADMINISTRATOR).post("/v1/enrolments", json={})
    told = {"code": code.json()["code"], "name": "t", "browser": True}
    fresh = Visitor(hub.service)
    refused = await fresh.ask("POST", "/v1/devices:enrol", headers, json=told)
    assert refused.json()["type"] == "/problems/foreign-page"
    assert (await fresh.ask("POST", "/v1/devices:enrol", json=told)).status_code == 201


async def test_a_write_says_which_page_asks_and_is_none_a_form_can_make(hub: Hub) -> None:
    visitor = await on_shift(hub, Role.SUPERVISOR)
    silent = await visitor.ask("POST", "/v1/enrolments", JSON, content=b"{}")
    assert silent.json()["type"] == "/problems/foreign-page"
    typed = {"Sec-Fetch-Site": "none", **JSON}
    assert (
        await visitor.ask("POST", "/v1/enrolments", typed, content=b"{}")
    ).status_code == 403
    assert (await visitor.ask("GET", "/v1/me", {"Sec-Fetch-Site": "none"})).status_code == 200
    # a browser without Fetch Metadata names its origin
    old = {"Origin": hub.service.base_url, **JSON}
    assert (await visitor.ask("POST", "/v1/enrolments", old, content=b"{}")).status_code == 201
    for media in ("", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
        run = f"/v1/runs/{hub.duties[Role.MEDIC].device_id}:close"
        headers = OWN_PAGE | ({"Content-Type": media} if media else {})
        refused = await visitor.ask("POST", run, headers)
        assert refused.json()["type"] == "/problems/unsupported-media-type", media
    answer = await visitor.ask("POST", run, OWN_PAGE | JSON)
    assert answer.json()["type"] == "/problems/not-found"


async def test_where_others_could_read_along_no_browser_is_let_in(hub: Hub) -> None:
    code = await hub.client(Role.ADMINISTRATOR).post("/v1/enrolments", json={})
    told = {"code": code.json()["code"], "name": "t", "browser": True}
    plain = OWN_PAGE | {"Host": "hub-east.local"}
    refused = await Visitor(hub.service).ask("POST", "/v1/devices:enrol", plain, json=told)
    assert (refused.status_code, refused.json()["type"]) == (403, "/problems/https-needed")
    visitor = Visitor(hub.service)
    assert (await visitor.ask("POST", "/v1/devices:enrol", json=told)).status_code == 201
    assert (await visitor.ask("GET", "/v1/me", plain)).status_code == 401


@pytest.mark.parametrize(
    ("scheme", "host", "public_url", "safe"),
    [
        ("https", "hub-east.local", None, True),
        ("http", "localhost:8222", None, True),
        ("http", "[::1]:8222", None, True),
        ("http", "hub-east.local", None, False),
        ("http", "localhost.evil.example", None, False),
        ("http", "10.0.0.2", None, False),
        ("http", "Hub-East.local", "https://hub-east.local", True),
        ("http", "hub-east.local:8222", "https://hub-east.local", False),
        ("http", "hub-east.local", "http://hub-east.local", False),
    ],
)
def test_shelter_is_https_here_or_at_the_proxy_or_this_machine(
    scheme: str, host: str, public_url: str | None, safe: bool
) -> None:
    asked = Request(
        {
            "type": "http",
            "scheme": scheme,
            "path": "/",
            "query_string": b"",
            "headers": [(b"host", host.encode())],
        }
    )
    told = settings.load(public_url=public_url)
    assert browser_sessions.sheltered(asked, told) is safe


async def test_a_browser_is_enrolled_once_and_anew_when_it_was_revoked(hub: Hub) -> None:
    visitor = Visitor(hub.service)
    first = (await visitor.enrol(hub)).json()["device_id"]
    again = await visitor.enrol(hub)
    assert (again.status_code, again.json()["type"]) == (409, "/problems/already-enrolled")
    revoked = await hub.client(Role.SUPERVISOR).delete(f"/v1/devices/{first}")
    assert revoked.status_code == 204
    assert (await visitor.enrol(hub)).json()["device_id"] != first


async def test_a_revoked_browser_is_told_to_forget_everything(hub: Hub) -> None:
    visitor = await on_shift(hub)
    device = (await visitor.ask("GET", "/v1/me")).json()["device_id"]
    await hub.client(Role.SUPERVISOR).delete(f"/v1/devices/{device}")
    answer = await visitor.ask("GET", "/v1/me")
    assert (answer.status_code, answer.json()["type"]) == (401, "/problems/device-revoked")
    assert answer.headers["clear-site-data"] == '"cache", "cookies", "storage"'
    # a program keeps its backlog, and is told the same
    by_token = await hub.service.client(visitor.cookies[browser_sessions.DEVICE]).get("/v1/me")
    assert by_token.json()["type"] == "/problems/device-revoked"
    assert "clear-site-data" not in by_token.headers


async def test_a_token_nobody_knows_empties_no_browser(hub: Hub) -> None:
    """After a restore the database may not know a tablet, whose facts it has not either."""
    visitor = Visitor(hub.service, {browser_sessions.DEVICE: f"tsd.{hub.hub_id}.{'x' * 43}"})
    answer = await visitor.ask("GET", "/v1/me")
    assert (answer.status_code, answer.json()["type"]) == (401, "/problems/unauthenticated")
    assert "clear-site-data" not in answer.headers
    for odd in ("", "x" * 5000, "tsp.a.b", '"', "tss.."):
        visitor.cookies = {browser_sessions.DEVICE: odd, browser_sessions.SHIFT: odd}
        assert (await visitor.ask("GET", "/v1/me")).status_code == 401


async def test_signing_in_ends_what_was_open_and_old_cookies_open_nothing(hub: Hub) -> None:
    visitor = await on_shift(hub, Role.SCREENER)
    planted = dict(visitor.cookies)
    await visitor.sign_in(hub, Role.MEDIC)
    assert (await visitor.ask("GET", "/v1/me")).json()["roles"] == ["medic"]
    thief = Visitor(hub.service, {browser_sessions.SHIFT: planted[browser_sessions.SHIFT]})
    assert (await thief.ask("GET", "/v1/me")).status_code == 401
    ended = await hub.runtime.gatekeeper.principal(planted[browser_sessions.DEVICE])
    async with hub.runtime.database.reading() as tx:
        rows = await tx.raw.fetch(
            "SELECT kind, operator_id FROM event WHERE device_id = $1 ORDER BY at, event_id",
            ended.device_id,
        )
    medic, screener = (hub.duties[r].operator_id for r in (Role.MEDIC, Role.SCREENER))
    assert [tuple(row) for row in rows if row[0].startswith("shift")] == [
        ("shift.started", screener),
        ("shift.ended", screener),
        ("shift.started", medic),
    ]


async def test_of_two_who_sign_in_at_once_one_stays(hub: Hub) -> None:
    visitor = Visitor(hub.service)
    await visitor.enrol(hub)
    one, other = (Visitor(hub.service, dict(visitor.cookies)) for _ in range(2))
    await asyncio.gather(one.sign_in(hub, Role.MEDIC), other.sign_in(hub, Role.SCREENER))
    answers = [(await v.ask("GET", "/v1/alerts")).status_code for v in (one, other)]
    assert sorted(answers) == [200, 401]


async def test_a_shift_of_a_browser_ends_by_itself(hub: Hub) -> None:
    long_ago = clock.now() - SHIFT_LENGTH - timedelta(seconds=1)
    ended = await hub.another(Role.SCREENER, at=long_ago)
    visitor = Visitor(
        hub.service,
        {browser_sessions.DEVICE: ended.device_token, browser_sessions.SHIFT: ended.token},
    )
    assert (await visitor.ask("GET", "/v1/runs")).json()["type"] == "/problems/sign-in-needed"


async def test_guesses_in_a_browser_lock_the_login_as_elsewhere(hub: Hub) -> None:
    visitor = Visitor(hub.service)
    await visitor.enrol(hub)
    login = hub.duties[Role.MEDIC].login
    told = {"login": login, "passcode": "wrong"}
    for _ in range(FAILURES_BEFORE_LOCK):
        refused = await visitor.ask("POST", "/v1/shifts", json=told)
        assert refused.status_code == 401
        assert "set-cookie" not in refused.headers
    locked = await visitor.ask("POST", "/v1/shifts", json=told | {"passcode": PASSCODE})
    assert locked.status_code == 429


async def test_a_token_in_the_header_is_judged_by_itself(hub: Hub) -> None:
    visitor = await on_shift(hub)
    for header in ("Bearer wrong", "Basic abc", ""):
        answer = await visitor.ask("GET", "/v1/me", OWN_PAGE | {"Authorization": header})
        assert answer.status_code == 401, header
