"""How the gate tablet looks: accessibility, contrast, and what colour blindness leaves.

Pictures of every state are left in the folder TWINSTILE_PICTURES, if it is set.
"""

import os
from collections.abc import AsyncGenerator
from datetime import timedelta
from pathlib import Path

import crossings
import glass
import people
import pytest
import runs
from axe_playwright_python.async_playwright import Axe
from glass import Glass
from hubs import Hub
from playwright.async_api import Browser, Page

pytestmark = pytest.mark.timeout(300)
RULES = {
    "runOnly": {
        "type": "tag",
        "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    }
}
DEFICIENCIES = ("deuteranopia", "protanopia", "achromatopsia")
LANGUAGES = ("en", "zh-CN")
COLOURS = """() => {
  const panel = document.getElementById("verdict");
  const { color, backgroundColor, backgroundImage } = getComputedStyle(panel);
  const all = (backgroundImage + backgroundColor).match(/rgba?\\([^)]*\\)/g);
  return [color, ...all].map((one) => one.match(/[\\d.]+/g).map(Number));
}"""


@pytest.fixture
async def tablet(browser: Browser, hub: Hub) -> AsyncGenerator[Glass]:
    context = await browser.new_context(
        viewport=glass.SIZE, locale="en-GB", reduced_motion="reduce"
    )
    yield await glass.enrolled(context, hub.service.base_url, hub)
    await context.close()


async def look(tablet: Glass, state: str) -> None:
    """Judge what is shown in each language, and keep a picture."""
    for language in LANGUAGES:
        shown = await tablet.page.evaluate("document.documentElement.lang")
        if shown != language:
            await tablet.page.evaluate("document.getElementById('language').click()")
        found = await Axe().run(tablet.page, options=RULES)
        assert found.violations_count == 0, found.generate_report()
        await picture(tablet.page, f"{state} {language}")
    await tablet.page.evaluate("document.getElementById('language').click()")


async def picture(page: Page, name: str) -> None:
    folder = os.environ.get("TWINSTILE_PICTURES")
    if folder:
        path = Path(folder) / f"gate {name}.png".replace(" ", "-")
        await page.screenshot(path=path)


def luminance(colour: list[float]) -> float:
    """WCAG 2.2, relative luminance."""
    parts = [channel / 255 for channel in colour[:3]]
    r, g, b = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * r + 0.7152 * g + 0.0722 * b


def contrast(one: float, other: float) -> float:
    low, high = sorted((one, other))
    return (high + 0.05) / (low + 0.05)


async def test_every_state_keeps_the_rules_in_every_language(tablet: Glass) -> None:
    grounds: dict[str, float] = {}

    async def seen(verdict: str) -> None:
        await tablet.shows(verdict)
        text, *ground = await tablet.page.evaluate(COLOURS)
        opaque = [colour for colour in ground if len(colour) < 4 or colour[3] > 0]
        for colour in opaque:
            assert contrast(luminance(text), luminance(colour)) >= 7, (verdict, colour)
        grounds[verdict] = sum(map(luminance, opaque)) / len(opaque)
        await look(tablet, verdict or "READY")
        await deficiencies(tablet, verdict)

    await seen("")
    await tablet.scan(people.resident_number())
    await seen("UNKNOWN")
    await tablet.scan("36.5")
    await tablet.press("#colours [value=GREEN]")
    await seen("PASS")
    await tablet.scan(people.resident_number(), "38.6")
    await seen("CHECK")
    await tablet.press("#again")
    await tablet.scan("38.4")
    await seen("STOP")
    assert contrast(grounds["PASS"], grounds["STOP"]) >= 1.5
    assert contrast(grounds["PASS"], grounds["CHECK"]) >= 1.5
    assert contrast(grounds["CHECK"], grounds["STOP"]) >= 1.5
    await tablet.scan(people.resident_number())
    await tablet.notes("Acknowledge")
    await look(tablet, "STOP kept")
    assert not tablet.complaints
    assert not tablet.foreign


async def deficiencies(tablet: Glass, verdict: str) -> None:
    session = await tablet.page.context.new_cdp_session(tablet.page)
    for kind in DEFICIENCIES:
        await session.send("Emulation.setEmulatedVisionDeficiency", {"type": kind})
        await picture(tablet.page, f"{verdict} {kind}")
    await session.send("Emulation.setEmulatedVisionDeficiency", {"type": "none"})
    await session.detach()


async def test_every_dialog_keeps_the_rules_in_every_language(
    tablet: Glass, browser: Browser
) -> None:
    await tablet.press("#case")
    await look(tablet, "emergency")
    await tablet.page.keyboard.press("Escape")
    await tablet.press("#more", "#run-selftest")
    await tablet.page.locator("#selftest-rows tr").first.wait_for()
    await look(tablet, "more")
    await tablet.press("#sign-out")
    await tablet.page.locator("#sign-in[open]").wait_for()
    await look(tablet, "sign in")
    other = await browser.new_context(viewport=glass.SIZE, locale="zh-CN")
    fresh = Glass(await other.new_page(), tablet.base_url, tablet.hub).watch()
    await fresh.open()
    await fresh.page.locator("#enrol[open]").wait_for()
    assert await fresh.page.evaluate("document.documentElement.lang") == "zh-CN"
    await look(fresh, "enrol")
    await fresh.enrol()
    await fresh.page.locator("#sign-in[open]").wait_for()
    await other.close()


async def test_what_stands_beside_a_passage_keeps_the_rules_in_every_language(
    tablet: Glass, hub: Hub
) -> None:
    run = await runs.announced(hub, "G7349", timedelta(minutes=20))
    await run.land([runs.reachable(people.resident_number())])
    await crossings.surge(hub, run.run_id)
    await tablet.page.locator("#surge").wait_for()
    await tablet.press("#run")
    await look(tablet, "arrivals")
    await tablet.press("#runs button:has-text('G7349')")
    await tablet.page.keyboard.press("F5")
    await tablet.pass_by(people.resident_number())
    await tablet.scan(people.resident_number(born="20200101"), "38.6")
    await tablet.shows("CHECK")
    await look(tablet, "party and surge")
    over = "document.documentElement.scrollWidth - innerWidth"
    assert await tablet.page.evaluate(over) <= 0


@pytest.mark.parametrize("width", [1280, 1024, 320])
async def test_buttons_are_large_and_nothing_is_cut_off(
    browser: Browser, hub: Hub, width: int
) -> None:
    context = await browser.new_context(viewport={"width": width, "height": 800})
    tablet = await glass.enrolled(context, hub.service.base_url, hub)
    await tablet.pass_by(people.resident_number())
    await tablet.shows("PASS")
    await picture(tablet.page, f"{width} wide")
    small = await tablet.page.evaluate(
        """() => [...document.querySelectorAll("button, input, select")]
          .filter((one) => one.offsetParent)
          .map((one) => [one.id, one.getBoundingClientRect()])
          .filter(([, box]) => Math.min(box.width, box.height) < 59.5 || box.right > innerWidth)
          .map(([id]) => id)"""
    )
    assert small == []
    sides, over = await tablet.page.evaluate(
        """() => [document.documentElement.scrollWidth - innerWidth,
                  document.documentElement.scrollHeight - innerHeight]"""
    )
    assert sides <= 0
    assert over <= 0 or width < 1000
    await context.close()
