"""Pages for travellers and the desk in a real browser, and what is measured of each."""

import io
from dataclasses import dataclass, field
from typing import cast
from urllib.parse import parse_qsl, urlsplit

import pytest
from axe_playwright_python.async_playwright import Axe
from browsing import on_shift
from hubs import Hub
from playwright.async_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    Request,
    ViewportSize,
    expect,
)

from twinstile.platform.roles import Role

NARROW: ViewportSize = {"width": 320, "height": 800}
WIDE: ViewportSize = {"width": 1280, "height": 900}
_RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}


@dataclass
class Sheet:
    """One page, what it asked for, and whatever it complained about."""

    page: Page
    base_url: str
    complaints: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)

    def watch(self) -> None:
        """Note requests to elsewhere and refusals of the page's own policy."""
        self.page.on("request", self._asked)
        self.page.on("console", self._said)
        self.page.on("pageerror", lambda error: self.complaints.append(error.message))

    def _asked(self, request: Request) -> None:
        parts = urlsplit(request.url)
        if parts.scheme != "data" and parts.netloc != urlsplit(self.base_url).netloc:
            self.foreign.append(request.url)
        ours = parts.path.startswith(("/traveller", "/desk"))
        if ours and not {name for name, _ in parse_qsl(parts.query)} <= {"hub", "lang"}:
            self.complaints.append(f"something in the address: {parts.query}")

    def _said(self, line: ConsoleMessage) -> None:
        if line.type in {"error", "warning"} and "422" not in line.text:
            self.complaints.append(line.text)

    async def go(self, path: str) -> None:
        """Open a page of the service."""
        await self.page.goto(self.base_url + path)

    async def tick(self, **answers: str) -> None:
        """Answer questions, by the name of each."""
        for name, value in answers.items():
            await self.page.locator(f"input[name={name}][value={value}]").check()

    async def small(self) -> list[str]:
        """What can be pressed and is lower than 60 CSS pixels, or runs out of the page."""
        return cast("list[str]", await self.page.evaluate(_SMALL))

    def clean(self) -> None:
        """Fail if the page complained or asked anybody else."""
        assert self.complaints == []
        assert self.foreign == []


_SMALL = """() => {
    const found = [];
    if (document.documentElement.scrollWidth > innerWidth) found.push("wider than the screen");
    for (const one of document.querySelectorAll("main a, main button, main label:has(input),"
            + " main select, main input[type=text], main input:not([type]), main summary")) {
        const box = one.getBoundingClientRect();
        const low = box.width && box.height < 59.5;
        if (low) found.push(`${one.outerHTML.slice(0, 60)} ${box.height}`);
    }
    return found;
}"""


async def sheet(
    browser: Browser, base_url: str, *, java_script_enabled: bool = True
) -> tuple[Sheet, BrowserContext]:
    """A page in a browser of its own."""
    context = await browser.new_context(
        viewport=WIDE, locale="en", java_script_enabled=java_script_enabled
    )
    made = Sheet(await context.new_page(), base_url)
    made.watch()
    return made, context


async def violations(browser: Browser, sheet: Sheet) -> list[str]:
    """What axe finds in the page as it is shown; looked at in a page that may run scripts."""
    html = await sheet.page.content()
    context = await browser.new_context(viewport=WIDE, bypass_csp=True)
    try:
        page = await context.new_page()
        await page.goto(f"{sheet.base_url}/livez")
        await page.set_content(html)
        await page.wait_for_load_state("networkidle")
        found = await Axe().run(page, options=_RULES)
        told = cast("list[dict[str, object]]", found.response["violations"])
        return [f"{one['id']}: {str(one['nodes'])[:200]}" for one in told]
    finally:
        await context.close()


def squares(picture: bytes) -> list[str]:
    """The texts of the QR codes in a picture."""
    zxingcpp, image = pytest.importorskip("zxingcpp"), pytest.importorskip("PIL.Image")
    found = zxingcpp.read_barcodes(image.open(io.BytesIO(picture)))
    return [one.text for one in found]


async def at_desk(
    browser: Browser,
    hub: Hub,
    locale: str = "en",
    path: str = "/desk",
    role: Role = Role.ASSISTANT,
) -> Sheet:
    """A page of the desk in a browser that was let in, with somebody on shift."""
    visitor = await on_shift(hub, role)
    made, context = await sheet(browser, hub.service.base_url)
    await context.add_init_script("window.print = () => { window.printed = true; }")
    host = "127.0.0.1"
    kept = [*visitor.cookies.items(), ("lang", locale)]
    await context.add_cookies(
        [
            {"name": name, "value": value, "url": f"https://{host}/", "secure": True}
            if name.startswith("__Host-")
            else {"name": name, "value": value, "url": hub.service.base_url}
            for name, value in kept
        ]
    )
    await made.go(path)
    first = made.page.locator("[autofocus]")
    if await first.count():  # who types before the page listens types into nothing
        await expect(first.first).to_be_focused()
    return made


async def keys(made: Sheet, *pressed: str) -> int:
    """Press these keys; how many they are."""
    for key in pressed:
        await made.page.keyboard.press(key)
    return len(pressed)
