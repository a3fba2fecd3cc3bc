"""The gate tablet without a line: it decides, keeps, and hands over each fact exactly once."""

import asyncio
import json
import secrets
from collections.abc import AsyncGenerator
from pathlib import Path

import gate_browser
import people
import pytest
from gate_browser import Glass, Station
from hubs import PASSCODE, Hub, Service
from playwright.async_api import BrowserContext, Route, async_playwright, expect

from twinstile.arrivals import tags
from twinstile.identity import documents, mrz
from twinstile.identity.forms import DocumentForm
from twinstile.operations.startup import DatabaseTarget
from twinstile.platform.http.routes import Runtime
from twinstile.platform.ops import clock
from twinstile.platform.security.roles import Role

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
async def station(runtime: Runtime, place: DatabaseTarget) -> AsyncGenerator[Station]:
    async with gate_browser.station(runtime, place) as begun:
        yield begun


async def test_a_killed_service_and_a_reload_lose_nothing(
    context: BrowserContext, station: Station, hub: Hub
) -> None:
    tablet = await gate_browser.enrolled(context, station.base_url, hub)
    await tablet.pass_by(people.resident_number())
    await tablet.shows("PASS")
    await tablet.waits(0)
    await station.end()
    for _ in range(5):
        await tablet.pass_by(people.resident_number())
        await tablet.shows("PASS")
    await expect(tablet.page.locator("#line")).to_contain_text("Offline", timeout=30_000)
    await tablet.waits(5)
    await context.set_offline(True)
    await tablet.page.reload()
    await tablet.ready()
    await tablet.waits(5)
    await tablet.scan(people.resident_number(), "38.7")
    await tablet.shows("CHECK", "Temperature alarm")
    await tablet.waits(6)
    await context.set_offline(False)
    await station.begin()
    await tablet.waits(0)
    states = [one["state"] for one in await gate_browser.screenings(hub)]
    assert sorted(states) == ["CLEARED"] * 6 + ["SECONDARY"]
    assert await gate_browser.numbering(hub) == [True]
    assert not tablet.complaints


@pytest.mark.usefixtures("browser")  # or a word why there is none
async def test_a_browser_that_died_begins_where_it_was(
    station: Station, hub: Hub, tmp_path: Path
) -> None:
    async with async_playwright() as playwright:

        async def begin() -> BrowserContext:
            return await playwright.chromium.launch_persistent_context(
                str(tmp_path / "profile"),
                executable_path=gate_browser.CHROMIUM,
                args=gate_browser.FLAGS,
                viewport=gate_browser.SIZE,
                locale="en-GB",
            )

        context = await begin()
        tablet = await gate_browser.enrolled(context, station.base_url, hub)
        await station.end()
        for _ in range(3):
            await tablet.pass_by(people.resident_number())
            await tablet.shows("PASS")
        await tablet.waits(3)
        await context.close()
        context = await begin()
        again = Glass(await context.new_page(), station.base_url, hub).watch()
        await again.open()
        await again.waits(3)
        await again.pass_by(people.resident_number())
        await again.shows("PASS")
        await again.waits(4)
        await station.begin()
        await again.waits(0)
        await context.close()
    assert len(await gate_browser.screenings(hub)) == 4
    assert await gate_browser.numbering(hub) == [True]


async def test_the_disk_tells_nothing_and_its_key_ends_with_the_shift(
    context: BrowserContext, station: Station, hub: Hub
) -> None:
    tablet = await gate_browser.enrolled(context, station.base_url, hub)
    await station.end()
    number = people.resident_number()
    await tablet.pass_by(number)
    await tablet.shows("PASS")
    await tablet.waits(1)
    (row,) = await tablet.kept()
    assert number not in json.dumps(row)
    assert number[:14] not in json.dumps(row)
    key = """async (name) => {
      const opened = indexedDB.open(name);
      await new Promise((done) => { opened.onsuccess = done; });
      const held = opened.result.transaction("kept").objectStore("kept").get("key");
      await new Promise((done) => { held.onsuccess = done; });
      opened.result.close();
      globalThis.found ??= [];
      globalThis.found.push(held.result);
      const exported = await crypto.subtle.exportKey("raw", held.result).then(() => true, () => false);
      const iv = new Uint8Array(12);
      const said = new TextEncoder().encode("x");
      const sealed = await crypto.subtle.encrypt({ name: "AES-GCM", iv }, globalThis.found[0], said);
      const reads = await crypto.subtle.decrypt({ name: "AES-GCM", iv }, held.result, sealed);
      return [exported, reads.byteLength === 1];
    }"""  # noqa: E501
    name = f"gate.{hub.hub_id}"
    assert await tablet.page.evaluate(key, name) == [False, True]
    await tablet.press("#more", "#sign-out")
    await tablet.page.wait_for_timeout(500)
    assert await tablet.page.evaluate(key, name) == [False, True]  # one fact still waits
    await station.begin()
    await tablet.waits(0)
    await expect(tablet.page.locator("#sign-in")).to_be_visible()
    await tablet.page.wait_for_timeout(1000)
    with pytest.raises(Exception, match="OperationError"):
        await tablet.page.evaluate(key, name)
    assert len(await gate_browser.screenings(hub)) == 1


async def who_works(tablet: Glass) -> str | None:
    """The shift that the browser's cookies are of, as the service knows it."""
    found: str | None = await tablet.page.evaluate(
        "async () => (await (await fetch('/v1/me', { cache: 'no-store' })).json()).shift_id"
    )
    return found


async def test_a_shift_that_is_signed_out_without_a_line_has_ended(
    context: BrowserContext, station: Station, hub: Hub
) -> None:
    tablet = await gate_browser.enrolled(context, station.base_url, hub)
    assert await who_works(tablet) is not None
    await station.end()  # nothing waits: the key ends at once
    await tablet.press("#more", "#sign-out")
    await expect(tablet.page.locator("#sign-in")).to_be_visible(
        timeout=gate_browser.PATIENCE_MS
    )
    await tablet.page.wait_for_timeout(500)
    await tablet.page.reload()
    await tablet.ready()
    await station.begin()
    await tablet.ask()
    await expect(tablet.page.locator("#sign-in")).to_be_visible(timeout=60_000)
    assert await who_works(tablet) is None


@pytest.mark.parametrize("what", ["enrol", "sign in"])
async def test_nobody_is_let_in_while_an_older_question_is_open(
    context: BrowserContext, hub: Hub, what: str
) -> None:
    """Answered later, it would say that nobody works here, or end the shift begun since."""
    tablet = Glass(await context.new_page(), hub.service.base_url, hub).watch()
    await tablet.open()
    if what == "sign in":
        await tablet.enrol()
        await expect(tablet.page.locator("#sign-in")).to_be_visible()
    there, through = asyncio.Event(), asyncio.Event()
    posted: list[str] = []

    async def dawdle(route: Route) -> None:
        answer = await route.fetch()
        there.set()
        await through.wait()
        await route.fulfill(response=answer)

    async def let_in() -> None:
        if what == "enrol":
            await tablet.enrol()
        await tablet.sign_in()

    await context.route("**/v1/me", dawdle, times=1)
    tablet.page.on("request", lambda asked: posted.append(asked.method))
    tried = asyncio.create_task(
        tablet.page.evaluate("new Promise((done) => addEventListener('submit', () => done()))")
    )
    await tablet.ask()
    await there.wait()
    letting = asyncio.create_task(let_in())
    await tried
    await tablet.page.wait_for_timeout(200)
    assert "POST" not in posted
    through.set()
    await letting
    await tablet.pass_by(people.resident_number())
    await tablet.shows("PASS")
    for dialog in ("#enrol", "#sign-in"):
        await expect(tablet.page.locator(dialog)).to_be_hidden()
    await tablet.waits(0)
    assert not tablet.complaints


async def test_nobody_is_left_in_front_when_the_shift_ends(
    context: BrowserContext, service: Service, hub: Hub
) -> None:
    tablet = await gate_browser.enrolled(context, service.base_url, hub)
    first = await who_works(tablet)
    number = people.resident_number()
    await tablet.scan(number, "36.5")
    await tablet.shows("UNKNOWN")
    await tablet.press("#more")
    await tablet.page.fill("#manual-name", "Anna")
    await tablet.press("#sign-out")
    await expect(tablet.page.locator("#sign-in")).to_be_visible(
        timeout=gate_browser.PATIENCE_MS
    )
    await tablet.waits(0)
    await expect(tablet.page.locator("#seen-document")).to_have_text("\u2013")
    await expect(tablet.page.locator("#manual-name")).to_have_value("")
    page = await tablet.page.content()
    assert number[-4:] not in page
    async with hub.runtime.database.reading() as tx:
        shifts = await tx.raw.fetch(
            'SELECT shift_id FROM "check" WHERE hub_id = $1', hub.hub_id
        )
    assert [str(row[0]) for row in shifts] == [first]  # what was begun is whose who began it


async def test_the_next_shift_has_its_rules_without_a_line(
    context: BrowserContext, station: Station, hub: Hub
) -> None:
    tablet = await gate_browser.enrolled(context, station.base_url, hub)
    await tablet.press("#more", "#sign-out")
    await tablet.page.wait_for_timeout(1000)  # the key has ended, and what was kept under it
    await tablet.sign_in()
    await station.end()
    await tablet.page.reload()
    await tablet.ready()
    await tablet.pass_by(people.resident_number())
    await tablet.shows("PASS")
    await tablet.waits(1)
    await station.begin()
    await tablet.waits(0)
    # and somebody who takes over, without a line, from one who ended the shift with one
    await tablet.press("#more", "#sign-out")
    await tablet.page.wait_for_timeout(1000)
    await station.end()
    await tablet.page.fill("#login", hub.duties[Role.ASSISTANT].login)
    await tablet.page.fill("#passcode", "nobody can tell")
    await tablet.press("#sign-in-form button", "#start-lane")
    await tablet.notes("you take over now")
    await tablet.page.reload()
    await tablet.ready()
    await tablet.pass_by(people.resident_number())
    await tablet.shows("PASS")


async def test_facts_of_two_hubs_are_stored_separately(
    context: BrowserContext, service: Service, hub: Hub
) -> None:
    tablet = await gate_browser.enrolled(context, service.base_url, hub)
    await expect(tablet.page.locator("#mode")).to_have_text("DEMO")
    names = await tablet.page.evaluate(
        "async () => (await indexedDB.databases()).map((d) => d.name)"
    )
    assert names == [f"gate.{hub.hub_id}"]
    made: list[str] = []
    tablet.page.on("request", lambda request: made.append(request.post_data or ""))
    await tablet.pass_by(people.resident_number())
    await tablet.waits(0)
    (batch,) = [json.loads(body) for body in made if "items" in body]
    assert batch["made_for"] == hub.hub_id


async def test_a_tablet_that_is_shut_out_forgets_everything(
    context: BrowserContext, service: Service, hub: Hub
) -> None:
    tablet = await gate_browser.enrolled(context, service.base_url, hub)
    await tablet.pass_by(people.resident_number())
    await tablet.waits(0)
    administrator = hub.client(Role.ADMINISTRATOR)
    devices = (await administrator.get("/v1/devices")).json()["devices"]
    (own,) = [one["device_id"] for one in devices if one["name"] == "tablet"]
    assert (await administrator.delete(f"/v1/devices/{own}")).status_code == 204
    await tablet.ask()
    await expect(tablet.page.locator("#enrol")).to_be_visible(timeout=60_000)
    await tablet.ready()
    names = await tablet.page.evaluate(
        "async () => (await indexedDB.databases()).map((d) => d.name)"
    )
    assert names == []
    await expect(tablet.page.locator("#seen-document")).to_have_text("\u2013")


TAGGED = """async ([alerts, documents]) => {
  const { asker } = await import("/gate/tags.js");
  const suspect = await asker(alerts);
  return Promise.all(documents.map(suspect));
}"""


async def test_tags_of_alerts_are_found_as_the_service_makes_them(
    context: BrowserContext, service: Service
) -> None:
    page = await context.new_page()
    await page.goto(f"{service.base_url}/enter")
    today = clock.now().date()
    card = [
        "I<UTOD231458907<<<<<<<<<<<<<<<",
        "7408122F1204159UTO<<<<<<<<<<<6",
        "ERIKSSON<<ANNA<MARIA<<<<<<<<<<",
    ]
    shown: list[people.Json] = [
        {"kind": "RESIDENT_ID", "number": people.resident_number()},
        {"kind": "RESIDENT_ID", "number": "330106730605001"},
        {"kind": "HK_MACAU_PERMIT", "number": "H1234567800"},
        {"kind": "TAIWAN_PERMIT", "number": "1234567801"},
        {"kind": "PASSPORT", "number": "e 1234-5678"},
        {
            "kind": "PASSPORT",
            "mrz": [
                "P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<",
                "L898902C36UTO7408122F1204159ZE184226B<<<<<10",
            ],
        },
        {"kind": "ID_CARD", "mrz": card},
    ]
    key = secrets.token_bytes(32)
    for one in shown:
        form = DocumentForm.model_validate(one)
        read = (
            mrz.read(form.mrz, today=today, declared=form.kind).read
            if form.mrz
            else documents.read(form.kind, form.number or "", today=today)
        )
        alerts = {"key": key.hex(), "bits": 40, "tags": [tags.tag(key, read.document, 40)]}
        found = await page.evaluate(TAGGED, [alerts, shown])
        assert found == [other is one for other in shown], one["kind"]
    assert await page.evaluate(TAGGED, [None, shown]) == [False] * len(shown)


async def test_somebody_takes_over_without_a_line_by_a_claim(
    context: BrowserContext, station: Station, hub: Hub
) -> None:
    tablet = await gate_browser.enrolled(context, station.base_url, hub)
    await station.end()
    await tablet.pass_by(people.resident_number())
    await tablet.waits(1)
    await tablet.press("#more", "#sign-out")
    other = hub.duties[Role.ASSISTANT]
    await expect(tablet.page.locator("#sign-in")).to_be_visible()
    await tablet.page.fill("#login", other.login)
    await tablet.page.fill("#passcode", "nobody can tell")
    await tablet.press("#sign-in-form button", "#start-lane")
    await tablet.notes("you take over now")
    await tablet.pass_by(people.resident_number())
    await tablet.waits(3)
    await station.begin()
    await tablet.ask()
    await tablet.waits(0)
    await expect(tablet.page.locator("#sign-in")).to_be_visible(timeout=60_000)
    me = await tablet.page.evaluate("async () => (await fetch('/v1/me')).json()")
    assert me["shift_id"] is None  # the first shift has ended as well
    (claim,) = (await hub.client(Role.SUPERVISOR).get("/v1/offline-shifts")).json()["shifts"]
    assert claim["operator_id"] == str(other.operator_id)
    assert claim["confirmed_at"] is None
    async with hub.runtime.database.reading() as tx:
        rows = await tx.raw.fetch(
            'SELECT shift_id FROM "check" WHERE hub_id = $1 ORDER BY counter', hub.hub_id
        )
    first, second = (str(row[0]) for row in rows)
    assert (first != second, second) == (True, claim["shift_id"])
    await tablet.page.fill("#login", other.login)
    await tablet.page.fill("#passcode", PASSCODE)
    await tablet.press("#sign-in-form button")
    await expect(tablet.page.locator("#claim-said")).to_contain_text(other.login)
    await tablet.press("#claim-dialog [value=yes]")
    await expect(tablet.page.locator("#start")).to_be_visible(timeout=gate_browser.PATIENCE_MS)
    shifts = await hub.client(Role.SUPERVISOR).get("/v1/offline-shifts?confirmed=true")
    assert shifts.json()["shifts"][0]["confirmed_at"]
