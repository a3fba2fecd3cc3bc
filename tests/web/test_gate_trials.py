"""The gate tablet in bad hours: a full disk, a clock set wrong, a new version, nobody there."""

import asyncio
import itertools
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path

import gate_browser
import people
import pytest
from gate_browser import Glass, Station
from hubs import Hub, Service
from playwright.async_api import Browser, BrowserContext, Page, Route, expect

from twinstile.operations.startup import DatabaseTarget
from twinstile.platform.http.routes import Runtime
from twinstile.platform.security.roles import Role
from twinstile.web import gate

pytestmark = pytest.mark.timeout(300)

FILL = """async ([hub, lane, numbers]) => {
  const { open } = await import("/gate/store.js");
  const { newId } = await import("/gate/link.js");
  const store = await open(hub);
  for (const number of numbers) {
    await store.add({ id: newId(), kind: "check", shift_id: null, clock_offset_ms: null, body: {
      observed_at: new Date().toISOString(), offline: true, lane_id: lane,
      temperature: { value: 36.5, unit: "C", method: "WALK_THROUGH" },
      credential: { status: "GREEN", kind: "HEALTH_CODE" },
      identity: { document: { kind: "RESIDENT_ID", number }, result: "MATCH" },
    } });
  }
}"""
"""Facts as the page would have kept them."""


BALLAST = """async () => {
  const opened = indexedDB.open("ballast");
  const rows = { autoIncrement: true };
  opened.onupgradeneeded = () => opened.result.createObjectStore("all", rows);
  await new Promise((done) => { opened.onsuccess = done; });
  for (const size of [65536, 64]) {
    for (;;) {
      const adding = opened.result.transaction("all", "readwrite");
      adding.objectStore("all").add(crypto.getRandomValues(new Uint8Array(size)));
      const why = await new Promise((done) => {
        adding.oncomplete = () => done(null);
        adding.onabort = () => done(adding.error.name);
      });
      if (why && size === 64) return why;
      if (why) break;
    }
  }
}"""
"""Fills what the browser lets this service keep."""


@pytest.fixture
async def context(browser: Browser) -> AsyncGenerator[BrowserContext]:
    opened = await browser.new_context(viewport=gate_browser.SIZE, locale="en-GB")
    yield opened
    await opened.close()


@pytest.fixture
async def station(runtime: Runtime, place: DatabaseTarget) -> AsyncGenerator[Station]:
    async with gate_browser.station(runtime, place) as begun:
        yield begun


async def test_nobody_passes_while_the_disk_is_full(
    context: BrowserContext, service: Service, hub: Hub
) -> None:
    tablet = Glass(await context.new_page(), service.base_url, hub).watch()
    session = await context.new_cdp_session(tablet.page)
    small = {"origin": service.base_url, "quotaSize": 8 << 20}
    await session.send("Storage.overrideQuotaForOrigin", small)
    await tablet.open()
    await tablet.enrol()
    await tablet.sign_in()
    assert await tablet.page.evaluate(BALLAST) == "QuotaExceededError"
    first, second = people.resident_number(), people.resident_number()
    await tablet.pass_by(first)
    await tablet.shows("UNKNOWN", "This tablet cannot keep records now")
    await tablet.scan(second)
    await tablet.notes("let nobody pass here")
    await tablet.shows("UNKNOWN", "This tablet cannot keep records now")
    await expect(tablet.page.locator("#seen-document")).to_contain_text(first[-4:])
    await session.send("Storage.overrideQuotaForOrigin", {"origin": service.base_url})
    await tablet.shows("PASS")
    await tablet.waits(0)
    await tablet.pass_by(second)
    await tablet.shows("PASS")
    await tablet.waits(0)
    assert len(await gate_browser.screenings(hub)) == 2
    assert await gate_browser.numbering(hub) == [True]


SET = """(hours) => {
  const before = Date;
  globalThis.Date = class extends before {
    constructor(...given) {
      super(...(given.length ? given : [globalThis.Date.now()]));
    }
    static now() {
      return before.now() + hours * 3600000;
    }
  };
}"""
"""Somebody sets the tablet's clock."""


HEARD = """async (answers) => {
  const { told, offset } = await import("/gate/clock.js");
  const found = [];
  for (const [dated, lasted] of answers) {
    told(new Date(Date.now() + dated).toUTCString(), lasted);
    found.push(offset());
  }
  return found;
}"""


async def test_an_answer_that_was_long_on_its_way_says_nothing_of_the_clock(
    context: BrowserContext, service: Service
) -> None:
    page = await context.new_page()
    await page.goto(f"{service.base_url}/enter")
    # when the answer is dated from now, and how long it took, in milliseconds
    late = [(-9_000, 9_100), (-20, 23_000), (-23_000, 23_100), (-5_000, 8_000)]
    assert await page.evaluate(HEARD, late) == [0, 0, 0, 0]
    hour = 3_600_000
    behind = await page.evaluate(HEARD, [(hour, 30), (hour - 9_000, 9_100), (hour + 400, 50)])
    assert abs(behind[0] - hour) <= 1_500
    assert len(set(behind)) == 1  # facts made at once keep their order
    (ahead,) = await page.evaluate(HEARD, [(-hour, 30)])
    assert abs(ahead + hour) <= 1_500


async def test_a_clock_that_is_set_in_the_middle_of_a_shift_moves_no_record(
    context: BrowserContext, station: Station, hub: Hub
) -> None:
    tablet = await gate_browser.enrolled(context, station.base_url, hub)
    await station.end()
    for _ in range(2):
        await tablet.pass_by(people.resident_number())
        await tablet.shows("PASS")
    await tablet.page.evaluate(SET, 3)
    await tablet.pass_by(people.resident_number())
    await tablet.shows("PASS")
    await tablet.waits(3)
    await station.begin()
    await tablet.ask()
    await tablet.waits(0)
    found = await gate_browser.screenings(hub)
    assert [one["state"] for one in found] == ["CLEARED"] * 3
    assert all(one["opened_at"] > people.ago(minutes=10) for one in found)
    await expect(tablet.page.locator("#ages")).to_contain_text(
        "this tablet's clock is 180 min wrong", timeout=gate_browser.PATIENCE_MS
    )


async def test_nobody_works_who_is_not_signed_in(
    context: BrowserContext, service: Service, hub: Hub
) -> None:
    tablet = await gate_browser.enrolled(context, service.base_url, hub)
    page, number = tablet.page, people.resident_number()
    await tablet.press("#more", "#sign-out")
    await expect(page.locator("#sign-in")).to_be_visible(timeout=gate_browser.PATIENCE_MS)
    for _ in range(2):
        await page.keyboard.press("Escape")
    await expect(page.locator("#sign-in")).to_be_visible()
    await page.evaluate("document.getElementById('sign-in').close()")
    await tablet.waits(0)
    await page.focus("#scan")
    for _ in range(3):  # what ends with the shift may take a notice away
        await tablet.scan(number, "36.5")
        await page.wait_for_timeout(300)
    await tablet.notes("Nobody is signed in")
    await expect(page.locator("#seen-document")).to_have_text("\u2013")
    await tablet.sign_in(Role.ASSISTANT)
    # a finger that trembles, and a key that is held
    await tablet.scan(number, "36.5")
    await page.locator("#colours [value=GREEN]").dblclick()
    await page.keyboard.down("F2")
    await page.wait_for_timeout(500)  # as long as keyboards wait
    for _ in range(5):
        await page.keyboard.down("F2")
    await page.keyboard.up("F2")
    await tablet.shows("PASS")
    await tablet.waits(0)
    assert len(await gate_browser.screenings(hub)) == 1


async def test_of_two_codes_the_last_one_counts(
    context: BrowserContext, service: Service, hub: Hub
) -> None:
    tablet = await gate_browser.enrolled(context, service.base_url, hub)

    async def slow(route: Route) -> None:
        first = "first" in (route.request.post_data or "")
        await asyncio.sleep(0.3 if first else 0.8)
        await route.fulfill(json={"status": "GREEN" if first else "RED"})

    await context.route("**/v1/credentials:verify", slow)
    await tablet.scan(people.resident_number(), "36.5", "the first code", "the second code")
    await tablet.shows("CHECK")
    await expect(tablet.page.locator("#seen-credential")).to_have_text("Red")
    await tablet.waits(0)
    states = [one["state"] for one in await gate_browser.screenings(hub)]
    assert states == ["SECONDARY"]


RACE = """async () => {
  const { open } = await import("/gate/store.js");
  const store = await open("race");
  for (let n = 0; n < 10; n += 1) {
    const ended = store.end();
    const fact = { id: `${n}`, kind: "check", shift_id: null, clock_offset_ms: null };
    await store.add({ ...fact, body: n });
    await ended;
    const [{ body, counter }] = await store.oldest(10);
    if (body !== n) return n;
    await store.forget([counter]);
  }
  return null;
}"""


async def test_nothing_is_sealed_under_a_key_that_ends(
    context: BrowserContext, service: Service
) -> None:
    page = await context.new_page()
    await page.goto(f"{service.base_url}/enter")
    assert await page.evaluate(RACE) is None


@pytest.fixture
def versions(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Iterator[str]]:
    """Each next one is a version of the page with a file of its own, and without the last's."""

    def each() -> Iterator[str]:
        plain = gate.FILES
        for n in itertools.count(1):
            file = tmp_path / f"v{n}.css"
            file.write_text(f"/* {n} */")
            monkeypatch.setattr(gate, "FILES", {**plain, file.name: file})
            gate._worker_script.cache_clear()  # pyright: ignore[reportPrivateUsage]
            yield f"/gate/{file.name}"

    yield each()
    monkeypatch.undo()
    gate._worker_script.cache_clear()  # pyright: ignore[reportPrivateUsage]


UPDATED = "async () => { await (await navigator.serviceWorker.ready).update(); }"
WAITING = "async () => (await navigator.serviceWorker.ready).waiting !== null"
HELD = """async () => {
  const held = [];
  for (const name of await caches.keys()) {
    const files = await (await caches.open(name)).keys();
    held.push(...files.map(({ url }) => new URL(url).pathname));
  }
  return held.filter((path) => /[/]v[0-9]+[.]css$/.test(path));
}"""


async def comes_true(page: Page, expression: str) -> None:
    """Wait for an asynchronous function: the browser's own wait takes a promise for true."""
    async with asyncio.timeout(gate_browser.PATIENCE_MS / 1000):
        while not await page.evaluate(expression):  # noqa: ASYNC110 # the page tells nobody
            await asyncio.sleep(0.05)


async def test_a_new_version_takes_over_when_the_lane_is_at_rest(
    context: BrowserContext, service: Service, hub: Hub, versions: Iterator[str]
) -> None:
    old = next(versions)
    tablet = await gate_browser.enrolled(context, service.base_url, hub)
    page = tablet.page
    await page.reload()  # by the files it keeps
    await tablet.ready()
    assert await page.evaluate(HELD) == [old]

    async def cut(route: Route) -> None:
        await route.abort()

    async def arrives() -> str:
        new = next(versions)
        await page.evaluate("document.body.dataset.before = 'true'")
        await page.evaluate(UPDATED)
        await comes_true(page, WAITING)
        return new

    async def taken_over(new: str) -> None:
        await expect(page.locator("body:not([data-before])[data-ready=true]")).to_be_attached(
            timeout=gate_browser.PATIENCE_MS
        )
        await comes_true(page, f"async () => (await ({HELD})()).join() === '{new}'")

    before = page.locator("body[data-before]")
    await context.route("**/v1/facts:batch", cut)
    numbers = [people.resident_number() for _ in range(50)]
    await page.evaluate(FILL, [hub.hub_id, "north-1", numbers])
    await tablet.scan(people.resident_number(), "36.5")
    new = await arrives()
    await tablet.waits(50)
    await context.unroute("**/v1/facts:batch")
    await tablet.waits(0)
    # somebody stands here
    await tablet.shows("UNKNOWN")
    assert await page.evaluate(WAITING)
    await tablet.press("#colours [value=GREEN]")
    await taken_over(new)
    # one that took over all the same, as if the lane had been at rest when it was asked to
    await tablet.scan(people.resident_number(), "36.5")
    await tablet.shows("UNKNOWN")
    new = await arrives()
    await page.evaluate(
        "async () => (await navigator.serviceWorker.ready).waiting.postMessage('take over')"
    )
    await comes_true(page, f"async () => !(await ({WAITING})())")
    await expect(before).to_be_attached()
    await tablet.press("#colours [value=GREEN]")
    await taken_over(new)
    await tablet.waits(0)
    assert len(await gate_browser.screenings(hub)) == 52
    assert await gate_browser.numbering(hub) == [True]
    assert not tablet.complaints
