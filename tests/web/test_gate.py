"""The gate tablet in a real browser: from a scan to a verdict and to the service."""

import re
import time
from datetime import datetime

import gate_browser
import people
import pytest
import worker_clock
from gate_browser import Glass
from hubs import Hub
from playwright.async_api import BrowserContext, Route, expect

pytestmark = pytest.mark.timeout(240)


async def test_ten_people_are_screened_by_keyboard_within_two_minutes(
    tablet: Glass, hub: Hub
) -> None:
    """Cards as a reader types them, what a person types as one does: eight keys a second."""
    began = time.monotonic()
    for _ in range(10):
        await tablet.scan(people.resident_number())
        await tablet.page.keyboard.type("36.5", delay=120)
        await tablet.page.keyboard.press("Enter")
        await tablet.shows("UNKNOWN", "Ask for the health credential")
        await tablet.page.keyboard.press("F2")
        await tablet.shows("PASS", "放行")
    assert time.monotonic() - began < 120
    await tablet.waits(0)
    found = await gate_browser.screenings(hub)
    assert [one["state"] for one in found] == ["CLEARED"] * 10
    (check,) = (await gate_browser.whole(hub, found[0]))["checks"]
    assert check["evidence"]["decided"]["verdict"] == "PASS"
    assert await gate_browser.disagreements(hub) == []


async def test_a_fever_is_a_case_after_one_tap_and_a_scan(tablet: Glass, hub: Hub) -> None:
    await tablet.scan(people.resident_number(), "38.4")
    await tablet.shows("CHECK", "Temperature alarm")
    await tablet.press("#again")
    await tablet.scan("38.2")
    await tablet.shows("STOP", "Fever confirmed by two methods")
    await tablet.scan(people.resident_number())
    await tablet.shows("STOP", "Fever confirmed by two methods")
    await tablet.notes("Acknowledge the stop first")
    await tablet.waits(0)
    (screening,) = await gate_browser.screenings(hub)
    assert screening["state"] == "HELD"
    assert screening["case_id"]
    await tablet.press("#acknowledge")
    await expect(tablet.page.locator("#notice")).to_be_empty()
    await tablet.pass_by(people.resident_number())
    await tablet.shows("PASS")


async def test_a_reading_never_goes_to_somebody_by_guess(tablet: Glass, hub: Hub) -> None:
    first, second = people.resident_number(), people.resident_number()
    await tablet.pass_by(first)
    await tablet.scan("36.9")
    await tablet.notes("36.9 °C belongs to nobody")
    await tablet.shows("PASS")
    await tablet.scan("38.9")
    await tablet.shows("CHECK", "Temperature alarm")
    await tablet.notes("38.9 °C without a document")
    await tablet.scan("36.4")
    await tablet.shows("CHECK")
    await tablet.scan(second)
    await tablet.shows("CHECK")
    await expect(tablet.page.locator("#seen-temperature")).to_contain_text("38.9")
    await tablet.waits(0)
    states = [one["state"] for one in await gate_browser.screenings(hub)]
    assert sorted(states) == ["CLEARED", "SECONDARY"]


async def test_a_fever_of_nobody_can_be_discarded(tablet: Glass, hub: Hub) -> None:
    await expect(tablet.page.locator("#run")).to_have_text("No arrival is due")
    await tablet.scan("39.1")
    await tablet.shows("CHECK")
    await tablet.press("#discard")
    await tablet.shows("", "Ready")
    await tablet.scan("no code of anybody")
    await tablet.notes("A code without a document")
    await tablet.press("#discard")
    await tablet.pass_by(people.resident_number())
    await tablet.shows("PASS")
    await tablet.waits(0)
    assert len(await gate_browser.screenings(hub)) == 1


async def test_a_lane_may_measure_first(tablet: Glass, hub: Hub) -> None:
    await tablet.press("#more")
    await tablet.page.select_option("#order", "temp-first")
    await tablet.page.keyboard.press("Escape")
    await tablet.scan("36.5", people.resident_number())
    await tablet.press("#colours [value=GREEN]")
    await tablet.shows("PASS")
    await tablet.scan("38.5")
    await tablet.shows("CHECK")
    await tablet.scan(people.resident_number())
    await tablet.waits(0)
    states = [one["state"] for one in await gate_browser.screenings(hub)]
    assert sorted(states) == ["CLEARED", "SECONDARY"]


async def test_undo_writes_a_fact_that_corrects(tablet: Glass, hub: Hub) -> None:
    await tablet.pass_by(people.resident_number())
    await tablet.shows("PASS")
    await tablet.press("#undo")
    await tablet.shows("UNKNOWN")
    await tablet.notes("Taken back")
    await tablet.press("#colours [value=RED]")
    await tablet.shows("CHECK", "Health credential needs a second look")
    await expect(tablet.page.locator("#notice")).to_be_empty()
    await tablet.waits(0)
    found = await gate_browser.screenings(hub)
    assert sorted(one["state"] for one in found) == ["CLEARED", "SECONDARY"]
    checks = [
        check for one in found for check in (await gate_browser.whole(hub, one))["checks"]
    ]
    assert sorted(check["evidence"]["decided"]["verdict"] for check in checks) == [
        "CHECK",
        "PASS",
        "UNKNOWN",
    ]
    assert await gate_browser.disagreements(hub) == []


async def test_scanners_are_read_in_all_three_forms(tablet: Glass) -> None:
    by_key, by_code, by_text = (people.resident_number() for _ in range(3))
    seen = tablet.page.locator("#seen-document")
    await tablet.scan(by_key)
    await expect(seen).to_contain_text(by_key[-4:])
    await tablet.page.evaluate(
        """(line) => {
          const send = (key, code) => document.activeElement.dispatchEvent(
            new KeyboardEvent("keydown", { key, code, bubbles: true, cancelable: true }));
          const code = (one) => (/[0-9]/.test(one) ? `Digit${one}` : `Key${one}`);
          for (const one of line) send("Process", code(one));
          send("Process", "Enter");
        }""",
        by_code,
    )
    await expect(seen).to_contain_text(by_code[-4:])
    await tablet.page.focus("#scan")
    await tablet.page.keyboard.insert_text(f"{by_text}\n")
    await expect(seen).to_contain_text(by_text[-4:])


async def test_an_enter_of_a_card_clicks_no_button(tablet: Glass) -> None:
    await tablet.page.focus("#mismatch")
    number = people.resident_number()
    await tablet.scan(number)
    await expect(tablet.page.locator("#seen-document")).to_contain_text(number[-4:])
    await tablet.shows("UNKNOWN")


async def test_what_cannot_be_read_says_so(tablet: Glass) -> None:
    number = people.resident_number()
    await tablet.scan(number[:-1] + ("1" if number[-1] != "1" else "2"))
    await tablet.notes("does not fit its check digit")
    await tablet.scan("51.0")
    await tablet.notes("No living person")
    await tablet.shows("", "Ready")


async def test_a_passport_is_read_by_its_two_lines(tablet: Glass, hub: Hub) -> None:
    await tablet.scan("P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<")
    await tablet.notes("Next line")
    await tablet.scan("L898902C36UTO7408122F1204159ZE184226B<<<<<10", "36.6")
    await tablet.press("#colours [value=GREEN]")
    await tablet.shows("PASS")
    await tablet.waits(0)
    (screening,) = await gate_browser.screenings(hub)
    (check,) = (await gate_browser.whole(hub, screening))["checks"]
    assert check["evidence"]["identity"]["kind"] == "PASSPORT"
    assert check["evidence"]["identity"]["method"] == "MRZ"


async def test_what_only_the_service_knows_is_shown_when_it_says_so(
    tablet: Glass, hub: Hub
) -> None:
    number = people.resident_number()
    stopped = await hub.client().put(
        f"/v1/checks/{people.new_id()}", json=people.check(1, number, 38.6)
    )
    assert stopped.json()["state"] == "SECONDARY"
    await tablet.pass_by(number)
    await tablet.shows("CHECK")
    await tablet.notes(f"The service says of …{number[-4:]}: Second check")


async def test_somebody_held_by_a_deadline_is_told_with_since_when_and_the_first_alarm(
    tablet: Glass, hub: Hub
) -> None:
    number = people.resident_number()
    alarm = await hub.client().put(
        f"/v1/checks/{people.new_id()}", json=people.check(1, number, 37.1)
    )
    await worker_clock.later(hub, minutes=16)
    held = await gate_browser.whole(hub, alarm.json())
    zone = hub.runtime.settings.zone
    clock = datetime.fromisoformat(held["state_since"]).astimezone(zone).strftime("%H:%M")
    reasons = tablet.page.locator("#reasons")
    told = f"Held since {clock}: a medic decides · first alarm 37.1 °C"
    await tablet.pass_by(number, "36.4")
    await tablet.shows("STOP")
    await tablet.notes(f"The service says of …{number[-4:]}: Stop")
    await expect(reasons).to_have_text(told)
    await tablet.press("#acknowledge", "#again")
    await tablet.scan("36.4")
    await tablet.waits(0)
    await expect(tablet.page.locator("#seen-temperature")).to_have_text("36.4 °C · Ear")
    await tablet.shows("STOP")
    await expect(reasons).to_have_text(told)
    await tablet.page.evaluate(gate_browser.SPEAK)
    await expect(reasons).to_have_text(re.compile(f"{clock} 起留观.+首次报警 37.1 °C"))


async def test_a_second_reading_lifts_what_the_service_said_of_the_first(
    tablet: Glass, hub: Hub
) -> None:
    number = people.resident_number()
    await hub.client().put(f"/v1/checks/{people.new_id()}", json=people.check(1, number, 37.1))
    await tablet.pass_by(number, "36.4")
    await tablet.shows("CHECK", "measure again by contact", "first alarm 37.1 °C")
    await tablet.press("#again")
    await tablet.scan("36.4")
    await tablet.shows("PASS")
    await expect(tablet.page.locator("#reasons")).to_be_empty()
    await tablet.waits(0)
    (screening,) = await gate_browser.screenings(hub)
    assert screening["state"] == "CLEARED"


async def test_a_first_answer_that_is_lost_stores_nothing_twice(
    tablet: Glass, hub: Hub, context: BrowserContext
) -> None:
    lost: list[str] = []

    async def lose(route: Route) -> None:
        if lost:
            return await route.fallback()
        lost.append(route.request.url)
        await route.fetch()
        return await route.abort()

    await context.route("**/v1/facts:batch", lose)
    for _ in range(3):
        await tablet.pass_by(people.resident_number())
        await tablet.shows("PASS")
    await tablet.waits(0)
    assert lost
    assert len(await gate_browser.screenings(hub)) == 3
    assert await gate_browser.numbering(hub) == [True]


async def test_what_the_service_refused_is_offered_again_when_the_page_opens(
    tablet: Glass, hub: Hub, context: BrowserContext
) -> None:
    async def refuse(route: Route) -> None:
        problem = '{"type": "/problems/gone-destroyed", "title": "gone"}'
        await route.fulfill(status=410, content_type="application/problem+json", body=problem)

    await context.route("**/v1/facts:batch", refuse, times=1)
    async with tablet.page.expect_response("**/v1/facts:batch"):
        await tablet.pass_by(people.resident_number())
    await tablet.shows("PASS")
    await tablet.pass_by(people.resident_number())
    await tablet.shows("PASS")
    await tablet.waits(1)
    assert len(await gate_browser.screenings(hub)) == 1
    await tablet.page.reload()
    await tablet.ready()
    await tablet.waits(0)
    assert len(await gate_browser.screenings(hub)) == 2
