"""The way in, in a real browser: cookies, wiping, a scanned code, every language."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import pytest
import screenshots
from axe_playwright_python.async_playwright import Axe
from hubs import PASSCODE, Hub
from playwright.async_api import Browser, Page, expect

from twinstile.platform.security.roles import Role
from twinstile.web import catalogue

LOCALES = (*catalogue.locales(), catalogue.PSEUDO)
PATIENCE_MS = 30_000


@pytest.fixture
async def complaints(page: Page, hub: Hub) -> AsyncGenerator[list[str]]:
    """What the page complains of, and whom else it asks; there must be nothing of it."""
    ours, found = urlsplit(hub.service.base_url).netloc, []
    page.on("console", lambda line: found.append(line.text) if line.type == "error" else None)
    page.on("pageerror", lambda error: found.append(error.message))
    page.on("request", lambda asked: found.append(asked.url) if ours not in asked.url else None)
    yield found
    unsaid = [line for line in found if "Failed to load resource" not in line]
    assert not unsaid


async def code_for(hub: Hub, lane_id: str | None = "north-1") -> str:
    client = hub.client(Role.ADMINISTRATOR)
    answer = await client.post("/v1/enrolments", json={"lane_id": lane_id})
    return answer.json()["code"]


async def let_in(page: Page, hub: Hub, lane_id: str | None = "north-1") -> None:
    await page.goto(f"{hub.service.base_url}/enter?lang=en")
    await page.get_by_label("One-time code").fill(await code_for(hub, lane_id))
    await page.get_by_label("Name of this device").fill("North 1")
    await page.get_by_role("button", name="Let this device in").click()
    await expect(page.get_by_label("Login")).to_be_visible(timeout=PATIENCE_MS)


async def sign_in(page: Page, hub: Hub, role: Role) -> None:
    await page.get_by_label("Login").fill(hub.duties[role].login)
    await page.get_by_label("Passcode").fill(PASSCODE)
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_text("is signed in until")).to_be_visible(timeout=PATIENCE_MS)


@asynccontextmanager
async def evil() -> AsyncGenerator[str]:
    """A page of somebody else on the same host."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        head = b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\nconnection: close\r\n\r\n"
        writer.write(head + b"<!doctype html><p>hello")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"


async def violations(page: Page) -> list[str]:
    found = await Axe().run(page)
    return [f"{one['id']}: {one['help']}" for one in found.response["violations"]]


@pytest.mark.usefixtures("complaints")
async def test_a_browser_is_let_in_signs_in_and_is_wiped_when_it_is_revoked(
    page: Page, hub: Hub
) -> None:
    await let_in(page, hub)
    await sign_in(page, hub, Role.SCREENER)
    cookies = {c["name"]: c for c in await page.context.cookies()}
    for name in ("__Host-device", "__Host-shift"):
        assert cookies[name]["httpOnly"]
        assert cookies[name]["secure"]
        assert cookies[name]["sameSite"] == "Strict"
    assert await page.evaluate("document.cookie") == ""
    ask = "(path) => fetch(path).then((a) => a.status)"
    await page.goto(f"{hub.service.base_url}/docs")  # a page whose policy lets scripts fetch
    assert await page.evaluate(ask, "/v1/alerts") == 200
    await page.evaluate("localStorage.setItem('kept', 'x'); indexedDB.open('kept')")
    me = await page.evaluate("fetch('/v1/me').then((a) => a.json())")
    await hub.client(Role.SUPERVISOR).delete(f"/v1/devices/{me['device_id']}")
    assert await page.evaluate(ask, "/v1/alerts") == 401
    await page.goto(f"{hub.service.base_url}/docs")
    assert await page.evaluate("localStorage.getItem('kept')") is None
    assert await page.evaluate("indexedDB.databases().then((all) => all.length)") == 0
    left = {c["name"] for c in await page.context.cookies()}
    assert not left & {"__Host-device", "__Host-shift"}


async def test_another_port_of_the_same_host_cannot_use_the_cookies(
    page: Page, hub: Hub
) -> None:
    """The cookies are of the host, whatever the port: what refuses is what the browser says."""
    await let_in(page, hub)
    await sign_in(page, hub, Role.SUPERVISOR)
    async with evil() as other:
        for form in ("out", "code"):
            await page.goto(other)
            async with page.expect_response(f"{hub.service.base_url}/enter/{form}") as answer:
                await page.evaluate(
                    """(action) => {
                        const form = document.createElement("form");
                        form.method = "post";
                        form.action = action;
                        document.body.append(form);
                        form.submit();
                    }""",
                    f"{hub.service.base_url}/enter/{form}",
                )
            assert (await answer.value).status == 403
            await page.wait_for_url(f"{hub.service.base_url}/enter/{form}")
    await page.goto(f"{hub.service.base_url}/enter")
    await expect(page.get_by_text("is signed in until")).to_be_visible(timeout=PATIENCE_MS)


@pytest.mark.usefixtures("complaints")
async def test_a_scanned_code_is_in_its_field_and_no_longer_in_the_address(
    page: Page, hub: Hub
) -> None:
    code = await code_for(hub)
    await page.goto(f"{hub.service.base_url}/enter?lang=en#{code}")
    await expect(page.get_by_label("One-time code")).to_have_value(code)
    assert page.url == f"{hub.service.base_url}/enter"
    await page.get_by_label("Name of this device").fill("North 1")
    await page.keyboard.press("Enter")
    await expect(page.get_by_text("Lane north-1")).to_be_visible(timeout=PATIENCE_MS)


async def test_the_way_in_needs_no_script(browser: Browser, hub: Hub) -> None:
    context = await browser.new_context(java_script_enabled=False)
    page = await context.new_page()
    await let_in(page, hub)
    await sign_in(page, hub, Role.MEDIC)
    await page.get_by_role("button", name="Sign out").click()
    await expect(page.get_by_label("Login")).to_be_visible(timeout=PATIENCE_MS)
    await context.close()


@pytest.mark.pictures
@pytest.mark.parametrize("locale", LOCALES)
@pytest.mark.usefixtures("complaints")
async def test_every_state_is_accessible_in_every_language_and_fits_a_narrow_screen(
    page: Page, hub: Hub, locale: str
) -> None:
    async def look(state: str, path: str = "/enter") -> None:
        if path:
            await page.goto(f"{hub.service.base_url}{path}?lang={locale}")
        await screenshots.take(page, f"entry {state} {locale}")
        assert not await violations(page), state
        width = await page.evaluate("document.documentElement.scrollWidth")
        assert width <= 320, (state, width)

    await page.set_viewport_size({"width": 320, "height": 640})
    await look("front", "/")
    await look("device")
    await page.locator("#code").fill("hub:WRONG")
    await page.locator("#name").fill("North 1")
    await page.locator("main form button").click()
    await expect(page.locator("#faults")).to_be_visible(timeout=PATIENCE_MS)
    await look("device-refused", "")
    await let_in(page, hub)
    await look("sign-in")
    await page.goto(f"{hub.service.base_url}/enter?lang=en")
    await sign_in(page, hub, Role.SUPERVISOR)
    await look("signed-in")
    await page.locator("form[action='/enter/code'] button").click()
    await expect(page.locator("svg")).to_be_visible(timeout=PATIENCE_MS)
    await look("code", "")
    problem = await page.goto(f"{hub.service.base_url}/enter?lang={locale}")
    assert problem is not None
    targets = await page.evaluate(
        """[...document.querySelectorAll("main a, main button, main input, main select")]
            .map((one) => one.getBoundingClientRect().height)"""
    )
    assert min(targets) >= 44
