"""What an officer types at the gate besides a document, and a disagreement made on purpose."""

from datetime import datetime, timedelta

import gate_browser
import people
import pytest
from gate_browser import Glass
from hubs import DEVICE, Hub
from playwright.async_api import expect

from twinstile.policy import documents

pytestmark = pytest.mark.timeout(240)


async def test_a_test_and_a_journey_are_typed_and_decided_by(tablet: Glass, hub: Hub) -> None:
    page = tablet.page
    await tablet.scan(people.resident_number(), "36.5")
    await tablet.press("#more", "#facts")
    await page.select_option("#test-kind", "ANTIGEN")
    await page.select_option("#test-result", "POSITIVE")
    yesterday = datetime.now() - timedelta(hours=20)  # noqa: DTZ005 # by the tablet's own clock
    await page.fill("#test-sampled", f"{yesterday:%Y-%m-%dT%H:%M}")
    await tablet.press("#test-form button")
    await tablet.shows("CHECK", "Positive test")
    await expect(page.locator("#seen-credential")).to_contain_text("Antigen Positive")
    await tablet.pass_by(people.resident_number())
    await tablet.shows("PASS")
    await tablet.scan(people.resident_number(), "36.5")
    await tablet.press("#more", "#facts")
    await page.fill("#journey-areas", "610113 nowhere")
    await tablet.press("#journey-form button")
    await tablet.notes("no code of a place")
    await tablet.press("#more", "#facts")
    await page.fill("#journey-areas", "610113, jpn")
    await page.fill("#journey-left", f"{yesterday:%Y-%m-%d}")
    await page.check("#journey-starred")
    await tablet.press("#journey-form button")
    await page.keyboard.press("F2")
    await tablet.shows("PASS", "city with a risk area")
    await tablet.waits(0)
    found = await gate_browser.screenings(hub)
    assert sorted(str(one["state"]) for one in found) == [
        "CLEARED",
        "CLEARED_CONDITIONAL",
        "SECONDARY",
    ]
    (conditional,) = [one for one in found if one["state"] == "CLEARED_CONDITIONAL"]
    checks = (await gate_browser.whole(hub, conditional))["checks"]
    evidence = checks[-1]["evidence"]  # type: ignore[index]
    assert [stay["code"] for stay in evidence["itinerary"]["areas"]] == ["610113", "JPN"]
    assert evidence["itinerary"]["source"] == "OFFICER"
    assert await gate_browser.disagreements(hub) == []


async def test_a_tablet_with_an_old_policy_is_contradicted_and_says_so(
    tablet: Glass, hub: Hub
) -> None:
    await tablet.page.context.set_offline(True)
    document = documents.pack("cn-hub")
    stricter = {**document["parameters"], "threshold_tenths": 368}  # type: ignore[dict-item]
    # in force a little before, so that no clock that is a second behind misses it
    stricter_policy = {**document, "version": "stricter-1", "parameters": stricter}
    await hub.adopt(stricter_policy, timedelta(seconds=30))
    number = people.resident_number()
    await tablet.pass_by(number, "36.7")
    await tablet.shows("PASS")
    await tablet.waits(1)
    await tablet.page.context.set_offline(False)
    await tablet.notes(f"The service says of …{number[-4:]}: Second check")
    await tablet.shows("CHECK")
    (told,) = await gate_browser.disagreements(hub)
    assert (told["decided"], told["verdict"]) == ("PASS", "CHECK")
    figures = (await hub.client().get("/metrics")).text
    assert f'reviewed_total{{cause="MORE_CAUTIOUS",hub="{hub.hub_id}"}} 1.0' in figures
    alerts = (await hub.client().get("/v1/alerts")).json()["alerts"]
    assert [one["facts"]["cause"] for one in alerts if "cause" in one["facts"]] == [
        "MORE_CAUTIOUS"
    ]
    lane = await hub.client(DEVICE).get("/v1/lanes/north-1/state")
    assert lane.json()["policy_version"] == "stricter-1"
    async with tablet.page.expect_response("**/v1/lanes/*/state"):
        await tablet.ask()
    again = people.resident_number()  # by the new policy the two agree
    await tablet.scan(again, "36.7")
    await tablet.shows("CHECK", "Temperature alarm")
    await tablet.waits(0)
    assert len(await gate_browser.disagreements(hub)) == 1
