"""The pass of a declaration at the tablet: sent as the service takes it, told as it answers."""

from collections.abc import AsyncGenerator

import declared_travellers
import gate_browser
import people
import pytest
from declared_travellers import ILL
from gate_browser import Glass
from hubs import Hub
from people import Json
from playwright.async_api import Browser, expect

from twinstile.operations.startup import DatabaseTarget
from twinstile.platform.http.routes import Runtime
from twinstile.platform.security.roles import Role

pytestmark = pytest.mark.timeout(240)
READ = """async (lines) => {
  const { read } = await import("/gate/scan.js");
  return lines.map((line) => { const { what, code } = read(line); return code ?? what; });
}"""


@pytest.fixture
async def tablet(browser: Browser, hub: Hub) -> AsyncGenerator[Glass]:
    context = await browser.new_context(viewport=gate_browser.SIZE, locale="en-GB")
    opened = await gate_browser.enrolled(context, hub.service.base_url, hub)
    yield opened
    assert not opened.complaints
    await context.close()


async def checks(hub: Hub) -> list[Json]:
    """Every check of the hub's passages, in the order in which they came."""
    found: list[Json] = []
    for one in await gate_browser.screenings(hub):
        found += (await gate_browser.whole(hub, one))["checks"]
    return found


async def disagreements(hub: Hub) -> list[tuple[object, object]]:
    """What tablets showed and the service would have, where the two differ."""
    period = {"from": people.ago(hours=1), "to": people.ago(hours=-1)}
    answer = await hub.client(Role.SUPERVISOR).get("/v1/disagreements", params=period)
    return [(one["decided"], one["verdict"]) for one in answer.json()["disagreements"]]


async def declared(tablet: Glass, words: str) -> None:
    seen = tablet.page.locator("#seen-pass")
    await expect(seen).to_have_text(words, timeout=gate_browser.PATIENCE_MS)


async def test_a_pass_is_asked_about_while_the_rest_is_read(tablet: Glass, hub: Hub) -> None:
    calm, ill = (
        await declared_travellers.declare(hub, help=True),
        await declared_travellers.declare(hub, **ILL),
    )
    number = people.resident_number()
    await tablet.scan(str(calm["pass_code"]), number)  # in the order travellers are told
    await declared(tablet, "Counts for this person")
    await tablet.notes(f"…{number[-4:]} wants help")
    await tablet.scan("36.5")
    await tablet.press("#colours [value=GREEN]")
    await tablet.shows("PASS")
    other = people.resident_number()
    await tablet.scan(other, str(ill["pass_code"]).lower())
    await tablet.shows("CHECK", "symptoms")
    await tablet.scan("36.5")
    await tablet.press("#colours [value=GREEN]")
    await tablet.shows("CHECK", "symptoms")  # what was declared does not end with a reading
    await tablet.scan(people.resident_number(), str(calm["pass_code"]))
    await declared(tablet, "Somebody else's")
    await tablet.notes("Somebody else's")
    await tablet.waits(0)
    states = {one["screening_id"]: one["state"] for one in await gate_browser.screenings(hub)}
    assert sorted(states.values()) == ["CLEARED", "PRESENTED", "SECONDARY"]
    standings = [check["evidence"]["pass"]["standing"] for check in await checks(hub)]
    assert sorted(standings) == ["COUNTED"] * 4 + ["OTHERS"]
    assert await disagreements(hub) == []


async def test_another_pass_takes_the_place_of_none_by_guess(tablet: Glass, hub: Hub) -> None:
    first, second = (
        await declared_travellers.declare(hub),
        await declared_travellers.declare(hub),
    )
    await tablet.scan(people.resident_number(), str(first["pass_code"]))
    await declared(tablet, "Counts for this person")
    await tablet.scan(str(second["pass_code"]))
    await tablet.notes("Another declaration")
    await declared(tablet, "Counts for this person")
    await tablet.press("#again")
    await tablet.scan(str(second["pass_code"]))
    await declared(tablet, "Counts for this person")
    await tablet.scan("TWD1AAAAAAAAAAAAAAAAAAAAAAAAAA")
    await tablet.press("#again")
    await tablet.scan("TWD1AAAAAAAAAAAAAAAAAAAAAAAAAA", "36.5")
    await tablet.press("#colours [value=GREEN]")
    await tablet.shows("PASS")
    await declared(tablet, "Not known here")
    await tablet.waits(0)


async def test_a_slip_is_somebody_where_there_is_no_document(tablet: Glass, hub: Hub) -> None:
    slip = (await declared_travellers.key_in(hub, **ILL)).json()
    short = slip["short_code"]
    await tablet.scan(f"{short[:4]} {short[4:]}", "38.6")
    await tablet.shows("CHECK", "Temperature alarm")
    await declared(tablet, "Counts for this person")
    await tablet.press("#again")
    await tablet.scan("38.4")
    await tablet.shows("STOP")
    await tablet.press("#acknowledge")
    await tablet.scan(people.resident_number(), "36.5")  # the next one, and not this person's
    await tablet.press("#colours [value=GREEN]")
    await tablet.shows("PASS")
    await tablet.waits(0)
    states = {one["state"]: one for one in await gate_browser.screenings(hub)}
    assert sorted(states) == ["CLEARED", "HELD"]
    held = (await gate_browser.whole(hub, states["HELD"]))["checks"]
    assert len(held) == 2


async def test_without_a_line_a_pass_waits_and_says_no_more_than_is_known(
    browser: Browser, runtime: Runtime, place: DatabaseTarget, hub: Hub
) -> None:
    calm, ill = (
        await declared_travellers.declare(hub),
        await declared_travellers.declare(hub, **ILL),
    )
    context = await browser.new_context(viewport=gate_browser.SIZE, locale="en-GB")
    async with gate_browser.station(runtime, place) as station:
        tablet = await gate_browser.enrolled(context, station.base_url, hub)
        await station.end()
        await tablet.ask()
        await expect(tablet.page.locator("#line")).to_contain_text("Offline", timeout=60_000)
        numbers = [people.resident_number() for _ in range(2)]
        for given, number in zip((calm, ill), numbers, strict=True):
            await tablet.scan(str(given["pass_code"]), number, "36.5")
            await tablet.press("#colours [value=GREEN]")
            await tablet.shows("PASS")
            await declared(tablet, "Shown")
        assert len(await tablet.kept()) == 2
        assert not any(str(ill["pass_code"]) in row["sealed"] for row in await tablet.kept())
        await station.begin()
        await tablet.ask()
        await tablet.waits(0)
        await tablet.shows("CHECK")
        await tablet.notes(f"The service says of …{numbers[1][-4:]}: Second check")
    assert [check["evidence"]["pass"]["standing"] for check in await checks(hub)] == [
        "COUNTED",
        "COUNTED",
    ]
    assert await disagreements(hub) == [("PASS", "CHECK")]
    await context.close()


async def test_what_is_a_pass_and_what_is_none(browser: Browser, hub: Hub) -> None:
    slip = (await declared_travellers.key_in(hub)).json()["short_code"]
    wrong = slip[:-1] + str((int(slip[-1]) + 1) % 10)
    page = await browser.new_page()
    await page.goto(f"{hub.service.base_url}/gate/")
    square = "TWD1ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    told = {
        square: square,
        square.lower(): square,
        f"{slip[:4]}-{slip[4:]}": slip,
        slip: slip,
        f"{wrong[:4]} {wrong[4:]}": "unreadable",
        square[:-1]: "credential",
        f"{square}1": "credential",
        square.replace("Z", "1"): "credential",
    }
    assert await page.evaluate(READ, list(told)) == list(told.values())
    await page.close()
