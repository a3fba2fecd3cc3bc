"""How the gate tablet looks: accessibility, contrast, and what colour blindness leaves."""

from collections.abc import AsyncGenerator, Mapping
from datetime import timedelta

import gate_browser
import people
import pytest
import reminded_runs
import screening_states
import screenshots
import worker_clock
from axe_playwright_python.async_playwright import Axe
from gate_browser import Glass
from hubs import PASSCODE, Hub
from playwright.async_api import Browser, expect

from twinstile.platform.security.roles import Role

pytestmark = [pytest.mark.timeout(300), pytest.mark.pictures]
RULES = {
    "runOnly": {
        "type": "tag",
        "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    }
}
LANGUAGES = ("en", "zh-CN")


@pytest.fixture
async def tablet(browser: Browser, hub: Hub) -> AsyncGenerator[Glass]:
    context = await browser.new_context(
        viewport=gate_browser.SIZE, locale="en-GB", reduced_motion="reduce"
    )
    yield await gate_browser.enrolled(context, hub.service.base_url, hub)
    await context.close()


async def look(tablet: Glass, state: str, told: str) -> None:
    """Judge what is shown in each language, and keep pictures; `told`: where its words are."""
    said: list[str] = []
    for language in LANGUAGES:
        shown = await tablet.page.evaluate("document.documentElement.lang")
        if shown != language:
            await tablet.page.evaluate(gate_browser.SPEAK)
        await expect(tablet.page.locator("html")).to_have_attribute("lang", language)
        said.append(
            await tablet.page.locator(told).inner_text(timeout=gate_browser.PATIENCE_MS)
        )
        found = await Axe().run(tablet.page, options=RULES)
        assert found.violations_count == 0, found.generate_report()
        await screenshots.take(tablet.page, f"gate {state} {language}")
    assert len(set(said)) == len(LANGUAGES), f"{state} was not reached in each language: {said}"
    await tablet.page.evaluate(gate_browser.SPEAK)


async def seen(tablet: Glass, verdict: str) -> Mapping[str, screenshots.Seen]:
    """The verdict's panel as it is seen with each deficiency, and with none."""
    panel = tablet.page.locator("#verdict")
    found: dict[str, screenshots.Seen] = {}
    for deficiency in ("none", *screenshots.DEFICIENCIES):
        async with screenshots.seen_with(tablet.page, deficiency):
            png = await panel.screenshot()
        found[deficiency] = screenshots.measured(png)
        screenshots.keep_small(png, f"verdict {verdict or 'READY'} {deficiency}")
    return found


async def test_every_state_keeps_the_rules_in_every_language(tablet: Glass) -> None:
    panels: dict[str, Mapping[str, screenshots.Seen]] = {}

    async def state(verdict: str) -> None:
        await tablet.shows(verdict)
        panels[verdict] = await seen(tablet, verdict)
        await look(tablet, verdict or "READY", "#action")

    await state("")
    await tablet.scan(people.resident_number())
    await state("UNKNOWN")
    await tablet.scan("36.5")
    await tablet.press("#colours [value=GREEN]")
    await state("PASS")
    await tablet.scan(people.resident_number(), "38.6")
    await state("CHECK")
    await tablet.press("#again")
    await tablet.scan("38.4")
    await state("STOP")
    for verdict, by_eye in panels.items():
        for deficiency, panel in by_eye.items():
            assert panel.legible >= 7, (verdict, deficiency, panel)
    for one, other in (("PASS", "STOP"), ("PASS", "CHECK"), ("CHECK", "STOP")):
        for deficiency in ("none", *screenshots.DEFICIENCIES):
            mine, theirs = panels[one][deficiency], panels[other][deficiency]
            apart = screenshots.contrast(mine.luminance, theirs.luminance)
            assert apart >= 1.5, (one, other, deficiency, apart)
    await tablet.scan(people.resident_number())
    await tablet.notes("Acknowledge")
    await look(tablet, "STOP kept", "#acknowledge")
    assert not tablet.complaints
    assert not tablet.foreign


async def test_every_dialog_keeps_the_rules_in_every_language(
    tablet: Glass, browser: Browser
) -> None:
    await tablet.press("#case")
    await look(tablet, "emergency", "#case-title")
    await tablet.page.keyboard.press("Escape")
    await tablet.press("#more", "#run-selftest")
    await tablet.page.locator("#selftest-rows tr").first.wait_for()
    await look(tablet, "more", "#more-title")
    await tablet.press("#facts")
    await look(tablet, "facts", "#facts-title")
    await tablet.page.keyboard.press("Escape")
    await tablet.press("#more")
    second = Glass(await tablet.page.context.new_page(), tablet.base_url, tablet.hub).watch()
    await second.page.goto(f"{tablet.base_url}/gate/")
    await look(second, "elsewhere", "#elsewhere[open] h2")
    await second.page.close()
    await tablet.press("#sign-out")
    await look(tablet, "sign in", "#sign-in[open] h2")
    await tablet.page.fill("#login", tablet.hub.duties[Role.SCREENER].login)
    await tablet.page.fill("#passcode", PASSCODE)
    await tablet.press("#sign-in-form button")
    await look(tablet, "start", "#start[open] h2")
    other = await browser.new_context(viewport=gate_browser.SIZE, locale="zh-CN")
    fresh = Glass(await other.new_page(), tablet.base_url, tablet.hub).watch()
    await fresh.open()
    await fresh.page.locator("#enrol[open]").wait_for()
    assert await fresh.page.evaluate("document.documentElement.lang") == "zh-CN"
    await look(fresh, "enrol", "#enrol[open] h2")
    await fresh.enrol(lane_id=None)
    await fresh.page.locator("#sign-in[open]").wait_for()
    await fresh.notes("stands at no lane")
    await other.close()


async def test_what_stands_beside_a_passage_keeps_the_rules_in_every_language(
    tablet: Glass, hub: Hub
) -> None:
    run = await reminded_runs.announced(hub, "G7349", timedelta(minutes=20))
    await run.land([reminded_runs.reachable(people.resident_number())])
    await screening_states.surge(hub, run.run_id)
    await tablet.ask()
    await tablet.page.locator("#surge").wait_for()
    await tablet.press("#run")
    await look(tablet, "arrivals", "#run-title")
    await tablet.press("#runs button:has-text('G7349')")
    await tablet.page.keyboard.press("F5")
    await tablet.pass_by(people.resident_number())
    await tablet.scan(people.resident_number(born="20200101"), "38.6")
    await tablet.shows("CHECK")
    await look(tablet, "party and surge", "#surge-title")
    over = "document.documentElement.scrollWidth - innerWidth"
    assert await tablet.page.evaluate(over) <= 0


LONG_LANE = "SOUTH-HALL-UPPER-LEVEL-W-GATE-12"
"""The longest that there is."""
CUT_OFF = """() => [...document.querySelectorAll("button, input, select, #verdict, #person")]
  .filter((one) => one.offsetParent)
  .map((one) => [one.id || one.value, one.localName, one.getBoundingClientRect()])
  .filter(([, name, box]) => box.left < 0 || box.right > innerWidth
      || (/button|input|select/.test(name) && Math.min(box.width, box.height) < 59.5)
      || (innerWidth > 1000 && (box.top < 0 || box.bottom > innerHeight)))
  .map(([id]) => id)"""
OVER = """() => [document.documentElement.scrollWidth - innerWidth,
              document.documentElement.scrollHeight - innerHeight]"""


@pytest.mark.parametrize(("width", "height"), [(1280, 800), (1024, 720), (320, 800)])
async def test_buttons_are_large_and_nothing_is_cut_off(
    browser: Browser, hub: Hub, width: int, height: int
) -> None:
    context = await browser.new_context(
        viewport={"width": width, "height": height}, locale="en-GB", reduced_motion="reduce"
    )
    tablet = Glass(await context.new_page(), hub.service.base_url, hub).watch()
    await hub.client(Role.ADMINISTRATOR).put(
        f"/v1/lanes/{LONG_LANE}", json={"checkpoint": "north", "kind": "AUTO"}
    )
    await tablet.open()
    await tablet.enrol(LONG_LANE)
    await tablet.sign_in()

    async def fits(state: str) -> None:
        for language in LANGUAGES:
            await expect(tablet.page.locator("html")).to_have_attribute("lang", language)
            await screenshots.take(tablet.page, f"gate {width} wide {state} {language}")
            assert await tablet.page.evaluate(CUT_OFF) == [], (state, language)
            sides, over = await tablet.page.evaluate(OVER)
            assert sides <= 0, (state, language)
            assert over <= 0 or width < 1000, (state, language)
            await tablet.page.evaluate(gate_browser.SPEAK)

    await tablet.pass_by(people.resident_number())
    await tablet.shows("PASS")
    await fits("PASS")
    number = people.resident_number()
    for reading in (
        {"value": 37.1, "method": "WALK_THROUGH"},
        {"value": 38.6, "method": "EAR"},
    ):
        told = await hub.client().put(
            f"/v1/checks/{people.new_id()}", json=people.check(1, number, temperature=reading)
        )
    assert told.json()["state"] == "SECONDARY"
    await worker_clock.later(hub, minutes=16)
    await tablet.pass_by(number, "36.4")
    await tablet.shows("STOP", "first alarm 37.1 °C")
    await fits("STOP")
    await context.close()
