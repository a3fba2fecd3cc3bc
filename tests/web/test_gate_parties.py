"""What stands beside a passage at the gate tablet: parties, surge orders, cards."""

import gate_browser
import people
import pytest
import screening_states
from gate_browser import Glass
from hubs import Hub
from people import Json
from playwright.async_api import expect

pytestmark = pytest.mark.timeout(240)


def child() -> str:
    return people.resident_number(born="20200229")


async def party_of(hub: Hub) -> list[Json]:
    """The members of the one party of the hub."""
    async with hub.runtime.database.reading() as tx:
        ((party_id,),) = await tx.raw.fetch(
            "SELECT party_id FROM party WHERE hub_id = $1", hub.hub_id
        )
    answer = await hub.client().get(f"/v1/parties/{party_id}")
    told: list[Json] = answer.json()["members"]
    return told


async def test_a_family_is_stated_by_one_key_and_each_has_a_verdict(
    tablet: Glass, hub: Hub
) -> None:
    members = tablet.page.locator("#members li")
    await tablet.pass_by(people.resident_number())  # a stranger, who is done
    await tablet.shows("PASS")
    await tablet.page.keyboard.press("F5")
    await expect(tablet.page.locator("#party-count")).to_contain_text("0 scanned")
    await tablet.scan(child(), "36.6")
    await tablet.shows("UNKNOWN")
    await tablet.pass_by(people.resident_number())
    await tablet.shows("PASS")
    await expect(members.nth(0)).to_contain_text("child · Pass")
    await expect(members.nth(1)).to_contain_text("guardian · Pass")
    await tablet.pass_by(people.resident_number())
    await tablet.scan(child(), "36.7")
    await tablet.shows("PASS")  # by the guardian's code
    await expect(members).to_have_count(4)
    await tablet.page.keyboard.press("F5")
    await expect(tablet.page.locator("#party")).to_be_hidden()
    await tablet.pass_by(people.resident_number())
    await tablet.waits(0)
    told = [(one["role"], one["state"]) for one in await party_of(hub)]
    assert told == [
        ("MINOR", "CLEARED"),
        ("GUARDIAN", "CLEARED"),
        ("MEMBER", "CLEARED"),
        ("MINOR", "CLEARED"),
    ]
    assert len(await gate_browser.screenings(hub)) == 6
    assert await gate_browser.disagreements(hub) == []


async def test_a_party_goes_on_after_a_reload_and_no_number_was_kept(
    tablet: Glass, hub: Hub
) -> None:
    members = tablet.page.locator("#members li")
    guardian, small, begun = people.resident_number(), child(), people.resident_number()
    await tablet.page.keyboard.press("F5")
    await tablet.pass_by(guardian)
    await tablet.shows("PASS")
    await tablet.scan(begun)  # who stands there unfinished is scanned again
    await expect(members).to_have_count(2)
    await tablet.waits(0)
    await tablet.page.reload()
    await tablet.ready()
    await expect(members).to_have_count(1)
    await expect(members.nth(0)).to_contain_text("\u2013 · guardian · Pass")
    kept = await tablet.at_rest()
    assert "GUARDIAN" in kept
    assert not any(number[-6:] in kept for number in (guardian, begun))
    await tablet.scan(small, "36.6")
    await tablet.shows("PASS")  # by the guardian's code
    await tablet.scan(guardian, "36.5")  # known again, and counted once
    await expect(members).to_have_count(2)
    await expect(members.nth(0)).to_contain_text(f"{guardian[-4:]} · guardian")
    await tablet.scan(child(), "38.6")
    await tablet.shows("CHECK")
    await expect(members.nth(1)).to_contain_text("call back")
    await tablet.press("#more", "#sign-out")
    await expect(tablet.page.locator("#sign-in")).to_be_visible(
        timeout=gate_browser.PATIENCE_MS
    )
    await tablet.waits(0)
    assert "GUARDIAN" not in await tablet.at_rest()
    assert [one["role"] for one in await party_of(hub)].count("MINOR") == 2
    assert await gate_browser.disagreements(hub) == []


async def test_a_fever_calls_the_others_of_the_party_back(tablet: Glass, hub: Hub) -> None:
    await tablet.page.keyboard.press("F5")
    guardian, friend = people.resident_number(), people.resident_number()
    await tablet.pass_by(guardian)
    await tablet.shows("PASS")
    await tablet.scan(child(), "38.6")
    await tablet.shows("CHECK", "Temperature alarm")
    members = tablet.page.locator("#members li")
    await expect(members.nth(0)).to_contain_text("guardian · call back")
    await tablet.pass_by(friend)
    await tablet.shows("CHECK", "Travels with somebody")
    await tablet.waits(0)
    alerts = (await hub.client().get("/v1/alerts", params={"kind": "PARTY_FLAGGED"})).json()
    assert len(alerts["alerts"]) == 1
    assert await gate_browser.disagreements(hub) == []


async def test_a_child_without_a_birthday_on_paper_is_one_by_the_officers_word(
    tablet: Glass, hub: Hub
) -> None:
    await tablet.page.keyboard.press("F5")
    await tablet.press("#more")
    await tablet.page.select_option("#manual-kind", "OTHER")
    await tablet.page.fill("#manual-number", "HK-7781")
    await tablet.page.fill("#manual-issuer", "household register")
    await tablet.press("#manual button")
    await tablet.press("#minor")
    await tablet.scan("36.5")
    await tablet.shows("UNKNOWN")
    await tablet.pass_by(people.resident_number())
    await tablet.shows("PASS")
    await tablet.waits(0)
    assert [one["role"] for one in await party_of(hub)] == ["MINOR", "GUARDIAN"]
    assert await gate_browser.disagreements(hub) == []


async def test_a_surge_order_is_said_and_lets_through_whom_the_service_may(
    tablet: Glass, hub: Hub
) -> None:
    surge = tablet.page.locator("#surge")
    await expect(surge).to_be_hidden()
    await screening_states.surge(hub)
    await tablet.ask()
    await expect(surge).to_contain_text("platform 4 is full", timeout=gate_browser.PATIENCE_MS)
    await expect(surge).to_contain_text("ordered by the duty_commander, confirmed by")
    await tablet.scan(people.resident_number())
    await tablet.shows("UNKNOWN")
    await tablet.press("#release")
    await tablet.shows("PASS", "Let through unscreened")
    ill = people.resident_number()
    await tablet.scan(ill, "38.6")
    await tablet.shows("CHECK")
    await tablet.press("#release")
    await tablet.notes("only after the checks")
    await tablet.shows("CHECK")
    await tablet.waits(0)
    states = sorted(one["state"] for one in await gate_browser.screenings(hub))
    assert states == ["DEFERRED", "SECONDARY"]
    await tablet.page.context.set_offline(True)
    await tablet.scan(people.resident_number())
    await tablet.press("#release")
    await tablet.ask()
    await expect(tablet.page.locator("#line")).to_contain_text(
        "Offline", timeout=gate_browser.PATIENCE_MS
    )
    await expect(surge).to_be_visible()
    await tablet.page.clock.install()
    await tablet.page.clock.fast_forward("31:00")
    await expect(surge).to_be_hidden(timeout=gate_browser.PATIENCE_MS)
    await tablet.shows("UNKNOWN")
    await tablet.page.context.set_offline(False)
