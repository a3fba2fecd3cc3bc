"""Which arrival a lane serves, and who of it is expected, as the tablet knows it offline."""

import re
from datetime import timedelta

import gate_browser
import people
import pytest
import reminded_runs
from hubs import Hub
from playwright.async_api import BrowserContext, expect

pytestmark = pytest.mark.timeout(240)


def numbers(text: str) -> set[str]:
    """Those that stand alone, and are no part of an id."""
    return set(re.findall(r"(?<![\w.-])\d+(?![\w-])", text))


async def test_a_scan_finds_its_arrival_offline_and_no_list_is_ever_on_the_disk(
    context: BrowserContext, hub: Hub
) -> None:
    ours, theirs, nobody, late, *others = (people.resident_number() for _ in range(20))
    near = await reminded_runs.announced(hub, "G7349", timedelta(minutes=20))
    other = await reminded_runs.announced(hub, "G7351", timedelta(minutes=50))
    await near.land([reminded_runs.reachable(number) for number in (ours, late, *others)])
    await other.land([reminded_runs.reachable(theirs)])
    tablet = await gate_browser.enrolled(context, hub.service.base_url, hub)
    await expect(tablet.page.locator("#run")).to_have_text("Choose the arrival")
    await expect(tablet.page.locator("#ages")).to_contain_text(
        "people just now", timeout=gate_browser.PATIENCE_MS
    )
    paths = [f"/v1/runs/{run.run_id}/expected-tags" for run in (near, other)]
    lists = [(await hub.client().get(path)).json() for path in paths]
    await tablet.press("#run", "#runs button:has-text('G7349')")
    seen = tablet.page.locator("#seen-run")
    await expect(tablet.page.locator("#run")).to_contain_text("G7349 · Shanghai Hongqiao")
    await context.set_offline(True)
    for number, said in (
        (ours, "G7349 · on the list"),
        (theirs, "G7351 · on the list"),
        (nobody, "G7349 · on no list"),
    ):
        await tablet.pass_by(number)
        await tablet.shows("PASS")
        await expect(seen).to_have_text(said)
    held = await tablet.at_rest()
    assert "G7349" in held  # what was kept could be read
    assert not any(told["key"] in held for told in lists)
    # a tag is a number of few digits: some of the rules' own are like that
    rules = await hub.client().get("/v1/lanes/north-1/state")
    tags = {str(tag) for told in lists for tag in told["tags"]}
    assert not tags & (numbers(held) - numbers(rules.text))
    worker = await hub.client().get("/gate/sw.js")
    assert await tablet.cached() <= set(re.findall(r'"(/[^"]*)"', worker.text))
    await tablet.page.reload()
    await tablet.ready()
    await expect(tablet.page.locator("#run")).to_contain_text("G7349")
    await expect(tablet.page.locator("#ages")).to_contain_text("people never")
    await tablet.pass_by(late)
    await expect(seen).to_have_text("G7349")
    await context.set_offline(False)
    await tablet.waits(0)
    found = await gate_browser.screenings(hub)
    assert sorted(str(one["run_id"]) for one in found) == sorted(
        [str(near.run_id)] * 3 + [str(other.run_id)]
    )
    assert not tablet.complaints
    assert not tablet.foreign


async def test_the_arrival_is_chosen_by_one_tap_and_given_up_by_another(
    context: BrowserContext, hub: Hub
) -> None:
    tablet = await gate_browser.enrolled(context, hub.service.base_url, hub)
    run = tablet.page.locator("#run")
    await expect(run).to_be_disabled()  # nothing is due
    await reminded_runs.announced(hub, "G7349", timedelta(minutes=20))
    await tablet.ask()
    await expect(run).to_be_enabled(timeout=gate_browser.PATIENCE_MS)
    await run.click()
    await tablet.page.keyboard.press("Enter")  # the first is the nearest
    await expect(run).to_contain_text("G7349")
    await tablet.pass_by(people.resident_number())
    # without a list of the carrier nobody is said to be missing on it
    await expect(tablet.page.locator("#seen-run")).to_have_text("G7349")
    await run.click()
    await tablet.press("#runs button:has-text('No single arrival')")
    await expect(run).to_have_text("Choose the arrival")
    await tablet.pass_by(people.resident_number())
    await expect(tablet.page.locator("#seen-run")).to_have_text("\u2013")
