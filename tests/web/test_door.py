"""The way in, as pages: enrolment, sign-in and sign-out without JavaScript."""

import re
from urllib.parse import urlencode

import pytest
from http_browser import OWN_PAGE, Visitor
from httpx2 import Response
from hubs import PASSCODE, Hub, Service

from twinstile.platform.security import browser_sessions
from twinstile.platform.security.roles import Role
from twinstile.platform.security.shifts import FAILURES_BEFORE_LOCK

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
ENGLISH = {"Accept-Language": "en"}


async def look(visitor: Visitor, path: str = "/enter") -> Response:
    return await visitor.ask("GET", path, ENGLISH)


async def send(visitor: Visitor, path: str, **fields: str) -> Response:
    headers = OWN_PAGE | FORM | ENGLISH
    return await visitor.ask("POST", path, headers, content=urlencode(fields).encode())


async def let_in(hub: Hub, lane_id: str | None = "north-1") -> Visitor:
    asked = await hub.client(Role.ADMINISTRATOR).post(
        "/v1/enrolments", json={"lane_id": lane_id}
    )
    visitor = Visitor(hub.service)
    done = await send(visitor, "/enter/device", code=asked.json()["code"], name="North 1")
    assert (done.status_code, done.headers["location"]) == (303, "/enter")
    return visitor


async def sign_in(visitor: Visitor, hub: Hub, role: Role, **more: str) -> Response:
    login = hub.duties[role].login
    return await send(visitor, "/enter/shift", login=login, passcode=PASSCODE, **more)


async def test_a_browser_is_let_in_and_people_sign_in_and_out(hub: Hub) -> None:
    visitor = Visitor(hub.service)
    assert 'action="/enter/device"' in (await look(visitor)).text
    visitor = await let_in(hub)
    page = (await look(visitor)).text
    assert "Lane north-1" in page
    assert 'action="/enter/shift"' in page
    done = await sign_in(visitor, hub, Role.SCREENER)
    assert (done.status_code, done.headers["location"]) == (303, "/enter")
    page = (await look(visitor)).text
    assert "the screener is signed in until" in page
    assert 'action="/enter/code"' not in page
    out = await send(visitor, "/enter/out")
    assert out.status_code == 303
    assert browser_sessions.SHIFT not in visitor.cookies
    assert 'action="/enter/shift"' in (await look(visitor)).text


async def test_after_signing_in_one_is_where_one_wanted_to_go_but_never_elsewhere(
    hub: Hub,
) -> None:
    visitor = await let_in(hub)
    page = (await look(visitor, "/enter?then=/desk/slips")).text
    assert '<input type="hidden" name="then" value="/desk/slips">' in page
    done = await sign_in(visitor, hub, Role.MEDIC, then="/desk/slips")
    assert done.headers["location"] == "/desk/slips"
    for elsewhere in (
        "//evil.example",
        "https://evil.example",
        "/\\evil",
        "/a?b",
        "x",
        "/%2fe",
    ):
        done = await sign_in(visitor, hub, Role.MEDIC, then=elsewhere)
        assert done.headers["location"] == "/enter", elsewhere
    hostile = (await look(visitor, '/enter?then="><script>')).text
    assert "<script>" not in hostile.replace('<script type="module"', "")


async def test_what_is_wrong_is_said_and_what_was_typed_stays(hub: Hub) -> None:
    fresh = Visitor(hub.service)
    empty = await send(fresh, "/enter/device", code=" ", name="")
    assert empty.status_code == 422
    assert "There are 2 things to put right" in empty.text
    assert '<a href="#code">One-time code: is missing</a>' in empty.text
    wrong = await send(fresh, "/enter/device", code='hub:"><b>WRONG', name="my <tablet>")
    assert wrong.status_code == 401
    assert "this code is unknown, used or expired" in wrong.text
    assert 'value="my &lt;tablet&gt;"' in wrong.text
    assert "<b>" not in wrong.text
    visitor = await let_in(hub)
    login = hub.duties[Role.MEDIC].login
    refused = await send(visitor, "/enter/shift", login=login, passcode="wrong", then="/desk")
    assert refused.status_code == 401
    assert f'value="{login}"' in refused.text
    assert 'name="then" value="/desk"' in refused.text
    assert "wrong" not in refused.text.partition("<form")[2]
    for _ in range(FAILURES_BEFORE_LOCK - 1):
        await send(visitor, "/enter/shift", login=login, passcode="wrong")
    locked = await sign_in(visitor, hub, Role.MEDIC)
    assert locked.status_code == 429
    assert int(locked.headers["retry-after"]) > 0
    assert "wait a few minutes" in locked.text


async def test_an_administrator_shows_a_code_for_another_device(hub: Hub) -> None:
    office = await let_in(hub, None)
    await sign_in(office, hub, Role.ADMINISTRATOR)
    page = (await look(office)).text
    assert "<option>north-a</option>" in page
    made = await send(office, "/enter/code", lane_id="north-a")
    assert "within 30 minutes" in made.text
    assert "<svg" in made.text
    code = re.search(r'<code dir="ltr">([^<]+)</code>', made.text)
    assert code is not None
    assert hub.service.base_url + "/enter" in made.text
    tablet = Visitor(hub.service)
    await send(tablet, "/enter/device", code=code[1], name="assisted")
    assert (await tablet.ask("GET", "/v1/me")).json()["lane_id"] == "north-a"
    assert (await send(office, "/enter/code", lane_id="nowhere")).status_code == 404
    assert (await send(office, "/enter/code", lane_id="x" * 99)).status_code == 422
    await sign_in(office, hub, Role.SCREENER)
    refused = await send(office, "/enter/code", lane_id="")
    assert refused.status_code == 403
    assert "You may not do this" in refused.text


async def test_a_form_of_somebody_else_does_nothing(hub: Hub) -> None:
    visitor = await let_in(hub)
    await sign_in(visitor, hub, Role.SCREENER)
    for page in (
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "null"},
        {"Origin": "http://evil.example"},
        {},
    ):
        refused = await visitor.ask("POST", "/enter/out", page | FORM)
        assert refused.status_code == 403, page
    assert (await visitor.ask("GET", "/v1/alerts")).status_code == 200
    # browsers that say no more name their origin, for our pages let them
    own = {"Origin": hub.service.base_url} | FORM
    assert (await visitor.ask("POST", "/enter/out", own)).status_code == 303


@pytest.mark.parametrize(
    ("body", "media", "status"),
    [
        (b"code=a&code=b&name=c", FORM["Content-Type"], 400),
        (b"code=%00&name=c", FORM["Content-Type"], 400),
        (b"code=%ff&name=c", FORM["Content-Type"], 400),
        ("code=中".encode(), FORM["Content-Type"], 400),
        (b"&".join(b"f%d=1" % n for n in range(60)), FORM["Content-Type"], 400),
        (b"code=" + b"x" * 40_000, FORM["Content-Type"], 413),
        (b'{"code": "a"}', "application/json", 415),
        (b"code=a", "", 415),
        (b"code=%0aa&name=%07", FORM["Content-Type"], 422),
    ],
)
async def test_what_is_no_form_is_refused_in_words(
    hub: Hub, body: bytes, media: str, status: int
) -> None:
    headers = OWN_PAGE | ({"Content-Type": media} if media else {})
    answer = await Visitor(hub.service).ask("POST", "/enter/device", headers, content=body)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"].startswith("text/html")


async def test_a_revoked_browser_is_emptied_and_told(hub: Hub) -> None:
    visitor = await let_in(hub)
    device_id = (await visitor.ask("GET", "/v1/me")).json()["device_id"]
    await hub.client(Role.SUPERVISOR).delete(f"/v1/devices/{device_id}")
    answer = await look(visitor)
    assert answer.status_code == 401
    assert answer.headers["clear-site-data"] == browser_sessions.FORGET
    assert "This device was shut out" in answer.text


async def test_without_https_nobody_is_asked_for_a_passcode(hub: Hub) -> None:
    plain = ENGLISH | {"Host": "hub-east.local"}
    page = (await Visitor(hub.service).ask("GET", "/enter", plain)).text
    assert "This connection is not protected (no HTTPS)" in page
    assert "<input" not in page


async def test_a_language_is_chosen_and_kept(hub: Hub) -> None:
    visitor = Visitor(hub.service)
    chinese = await visitor.ask("GET", "/enter", {"Accept-Language": "zh"})
    assert '<html lang="zh-CN" dir="ltr"' in chinese.text
    assert "登记本设备" in chinese.text
    assert "set-cookie" not in chinese.headers
    chosen = await look(visitor, "/enter?lang=zh-CN")
    assert "httponly" in chosen.headers["set-cookie"].lower()
    assert "登记本设备" in (await look(visitor)).text
    pseudo = await look(visitor, "/enter?lang=ar-XB")
    assert '<html lang="ar-XB" dir="rtl"' in pseudo.text
    for unknown in ("fr", "../../etc", "%00", "x" * 5000):
        assert (await look(Visitor(hub.service), f"/enter?lang={unknown}")).status_code == 200


async def test_pages_carry_the_locked_policy(hub: Hub) -> None:
    visitor = Visitor(hub.service)
    for path in ("/", "/enter"):
        headers = (await look(visitor, path)).headers
        policy = dict(
            part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";")
        )
        assert policy["default-src"] == policy["frame-ancestors"] == "'none'"
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["cache-control"] == "no-store"
        assert headers["referrer-policy"] == "same-origin"


HERE_IS_A_BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


@pytest.mark.parametrize(
    ("path", "status"),
    [("/nowhere", 404), ("/desk/nowhere", 404), ("//x.example/a", 404), ("/desk/lookup", 405)],
)
async def test_where_no_page_is_a_browser_is_led_to_the_front(
    service: Service, path: str, status: int
) -> None:
    for locale, words in (("en", "To the front page"), ("zh-CN", "返回首页")):
        headers = HERE_IS_A_BROWSER | {"Accept-Language": locale}
        answer = await Visitor(service).ask("GET", path, headers)
        assert (answer.status_code, answer.headers["content-language"]) == (status, locale)
        assert f'href="/">{words}' in answer.text
        assert path not in answer.text
        assert "unsafe" not in answer.headers["content-security-policy"]


@pytest.mark.parametrize(
    ("path", "accept"),
    [("/nowhere", "*/*"), ("/nowhere", "application/json"), ("/v1/nowhere", "text/html")],
)
async def test_where_no_operation_is_a_program_gets_a_problem(
    service: Service, path: str, accept: str
) -> None:
    answer = await Visitor(service).ask("GET", path, {"Accept": accept})
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["type"] == "/problems/not-found"
