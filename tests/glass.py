"""A gate tablet in a real browser: what an officer does on its glass and sees there."""

import re
import shutil
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import people
from hubs import PASSCODE, Hub
from people import Json
from playwright.async_api import (
    BrowserContext,
    ConsoleMessage,
    Page,
    Request,
    ViewportSize,
    expect,
)

from twinstile import opening, serving
from twinstile.app import create_app
from twinstile.opening import Place
from twinstile.platform.roles import Role
from twinstile.platform.web import House

CHROMIUM = shutil.which("chromium")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
SIZE: ViewportSize = {"width": 1280, "height": 800}
SPEAK = "() => { document.body.click(); document.getElementById('language').click(); }"
"""Another language; something else is touched before: a button twice at once is meant once."""
PATIENCE_MS = 30_000
"""For what the page does by itself, on a machine that does much else."""

AT_REST = """async (name) => {
  const opened = indexedDB.open(name);
  await new Promise((done) => { opened.onsuccess = done; });
  const kept = opened.result.transaction("kept").objectStore("kept");
  const [names, values] = [kept.getAllKeys(), kept.getAll()];
  await new Promise((done) => { values.onsuccess = done; });
  const { open } = await import("/gate/store.js");
  const store = await open(name.replace("gate.", ""));
  const told = [];
  for (const one of names.result) told.push(await store.kept(one).catch(() => null));
  opened.result.close();
  return JSON.stringify([told, { ...localStorage }, { ...sessionStorage }]);
}"""
"""What the disk of the tablet holds of a hub, as the page reads it, the outbox apart."""


@dataclass(slots=True)
class Station:
    """The service of a tablet: killed and begun again under the same address."""

    house: House
    place: Place
    port: int = 0
    _running: AsyncExitStack | None = None

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def begin(self) -> None:
        listening = serving.listen("127.0.0.1", self.port)
        self.port = listening.getsockname()[1]
        app = create_app(opening.open_house(self.house.settings, self.place))
        self._running = AsyncExitStack()
        await self._running.enter_async_context(serving.running(app, listening))

    async def end(self) -> None:
        if self._running is not None:
            await self._running.aclose()
            self._running = None


@asynccontextmanager
async def station(house: House, place: Place) -> AsyncGenerator[Station]:
    made = Station(house, place)
    await made.begin()
    try:
        yield made
    finally:
        await made.end()


@dataclass(slots=True)
class Glass:
    """The page of one tablet, and whatever it complained about."""

    page: Page
    base_url: str
    hub: Hub
    complaints: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)

    def watch(self) -> "Glass":
        ours = urlsplit(self.base_url).netloc

        def said(message: ConsoleMessage) -> None:
            # no answer, or 401 before anybody signed in, is no complaint of the page
            if message.type == "error" and "Failed to load resource" not in message.text:
                self.complaints.append(message.text)

        def asked(request: Request) -> None:
            if urlsplit(request.url).netloc != ours and not request.url.startswith("data:"):
                self.foreign.append(request.url)

        self.page.on("console", said)
        self.page.on("pageerror", lambda error: self.complaints.append(error.message))
        self.page.on("request", asked)
        return self

    async def open(self) -> None:
        await self.page.goto(f"{self.base_url}/gate/")
        await self.ready()

    async def ready(self) -> None:
        await expect(self.page.locator("body[data-ready=true]")).to_be_attached(
            timeout=PATIENCE_MS
        )

    async def enrol(self, lane_id: str | None = "north-1") -> None:
        """Let the tablet in as its first user does, with a code of the administrator."""
        asked = await self.hub.client(Role.ADMINISTRATOR).post(
            "/v1/enrolments", json={"lane_id": lane_id}
        )
        page = self.page
        await expect(page.locator("#enrol")).to_be_visible(timeout=PATIENCE_MS)
        await page.fill("#code", asked.json()["code"])
        await page.fill("#device-name", "tablet")
        await page.click("#enrol-form button")

    async def sign_in(self, role: Role = Role.SCREENER) -> None:
        page = self.page
        await expect(page.locator("#sign-in")).to_be_visible(timeout=PATIENCE_MS)
        await page.fill("#login", self.hub.duties[role].login)
        await page.fill("#passcode", PASSCODE)
        await page.click("#sign-in-form button")
        await expect(page.locator("#start")).to_be_visible(timeout=PATIENCE_MS)
        await page.click("#start-lane")
        await expect(page.locator("#ages")).to_contain_text(
            re.compile("rules just now|规则 刚刚"), timeout=PATIENCE_MS
        )

    async def scan(self, *lines: str) -> None:
        for line in lines:
            await self.page.keyboard.type(line)
            await self.page.keyboard.press("Enter")

    async def press(self, *selectors: str) -> None:
        for selector in selectors:
            await self.page.click(selector)

    async def pass_by(self, number: str, celsius: str = "36.5") -> None:
        """Somebody with a green code, as an officer sees them in few seconds."""
        await self.scan(number, celsius)
        await self.press("#colours [value=GREEN]")

    async def ask(self) -> None:
        """Let the page ask the service now, and not only at its next turn."""
        await self.page.evaluate("dispatchEvent(new Event('online'))")

    async def shows(self, verdict: str, *texts: str) -> None:
        panel = self.page.locator("#verdict")
        try:
            await expect(panel).to_have_attribute("data-verdict", verdict, timeout=PATIENCE_MS)
        except AssertionError as failed:
            failed.add_note(await self.page.locator("body").inner_text())  # why, and of whom
            raise
        for text in texts:
            await expect(panel).to_contain_text(text)

    async def notes(self, text: str) -> None:
        await expect(self.page.locator("#notice")).to_contain_text(text, timeout=PATIENCE_MS)

    async def waits(self, count: int) -> None:
        """So many facts are on the disk of the tablet, and nowhere else."""
        said = "all sent" if count == 0 else f"{count} waiting"
        await expect(self.page.locator("#line")).to_contain_text(said, timeout=PATIENCE_MS)
        for _ in range(PATIENCE_MS // 250):
            if len(await self.kept()) == count:
                return
            await self.page.wait_for_timeout(250)
        raise AssertionError(f"the disk does not hold {count} facts")

    async def at_rest(self) -> str:
        """What the page could read of its disk again, but for the outbox."""
        found: str = await self.page.evaluate(AT_REST, f"gate.{self.hub.hub_id}")
        return found

    async def cached(self) -> set[str]:
        """The paths of what was laid aside of answers, for when there is no line."""
        found: list[str] = await self.page.evaluate(
            """async () => {
              const names = await caches.keys();
              const held = await Promise.all(names.map((name) => caches.open(name)));
              const asked = await Promise.all(held.map((cache) => cache.keys()));
              return asked.flat().map((one) => new URL(one.url).pathname);
            }"""
        )
        return set(found)

    async def kept(self) -> list[Json]:
        """What the disk of the tablet holds of this hub's outbox, as it lies there."""
        found: list[Json] = await self.page.evaluate(
            """async (name) => {
              const opened = indexedDB.open(name);
              await new Promise((done) => { opened.onsuccess = done; });
              const all = opened.result.transaction("outbox").objectStore("outbox").getAll();
              await new Promise((done) => { all.onsuccess = done; });
              opened.result.close();
              return all.result.map((row) => ({
                ...row,
                iv: null,
                sealed: new TextDecoder("latin1").decode(row.sealed),
              }));
            }""",
            f"gate.{self.hub.hub_id}",
        )
        return found


async def enrolled(context: BrowserContext, base_url: str, hub: Hub) -> Glass:
    """A tablet with somebody signed in, ready for the first traveller."""
    glass = Glass(await context.new_page(), base_url, hub).watch()
    await glass.open()
    await glass.enrol()
    await glass.sign_in()
    return glass


async def screenings(hub: Hub) -> Sequence[Json]:
    period = {"from": people.ago(hours=1), "to": people.ago(hours=-1), "limit": 500}
    answer = await hub.client(Role.SCREENER).get("/v1/screenings", params=period)
    assert answer.status_code == 200, answer.text
    found: list[Json] = answer.json()["screenings"]
    return found


async def whole(hub: Hub, screening: Json) -> Json:
    answer = await hub.client(Role.SCREENER).get(f"/v1/screenings/{screening['screening_id']}")
    told: Json = answer.json()
    return told


async def numbering(hub: Hub) -> list[bool]:
    """Of each tablet: whether all its counters have arrived."""
    client = hub.client(Role.ADMINISTRATOR)
    told = (await client.get("/v1/devices")).json()["devices"]
    ids = [one["device_id"] for one in told if one["name"] == "tablet"]
    status = [(await client.get(f"/v1/devices/{one}/sync-status")).json() for one in ids]
    return [not one["missing"] and one["ack_through"] > 0 for one in status]


async def disagreements(hub: Hub) -> list[Json]:
    """Checks of the last hour that the service decides otherwise than the lane did."""
    period = {"from": people.ago(hours=1), "to": people.ago(hours=-1)}
    answer = await hub.client(Role.SUPERVISOR).get("/v1/disagreements", params=period)
    found: list[Json] = answer.json()["disagreements"]
    return found
