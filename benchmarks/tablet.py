"""How fast a gate tablet is in a real browser, and whether each of its records is stored once.

    python3 dev.py bench tablet --json

A traveller is a document, a reading and a key for the credential's colour: three lines typed
into Chromium, three verdicts painted. Milliseconds from the event of the last key to the end of
the frame that shows the verdict, as the page itself measures them (`measure.js`):

* `verdict_p95_ms`: with a line;
* `verdict_slow_p95_ms`: each answer of the service takes five seconds;
* `verdict_offline_p95_ms`: the service has ended, the line is down, the page was loaded again
  and 3,600 records wait;
* `verdict_6x_p95_ms`: the same with a processor six times slower;
* `durable_p95_ms`: from the verdict to the record on the disk, in all of these.

Then the service begins again, and an answer is lost: `stored_exactly_once` is how many of all
records the database holds once, and nothing else, as a part of 1.
"""

import argparse
import asyncio
import json
import os
import shutil
import tempfile
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import _machine
from _hub import place_of, settings_of
from playwright.async_api import Page, Route, async_playwright

from twinstile.app import create_app
from twinstile.cli import serving
from twinstile.identity.documents import check_character
from twinstile.operations import startup
from twinstile.operations.startup import DatabaseTarget
from twinstile.platform.db import embedded_server
from twinstile.platform.ops import clock
from twinstile.platform.ops.settings import Settings
from twinstile.platform.security import devices, shifts
from twinstile.platform.security.roles import Role

CHROMIUM = shutil.which("chromium")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
PASSCODE = "benchmark 222"
LANE = "north-1"
SLOW_S = 5.0
QUIET_MS = 120_000

FILL = """async ([hub, lane, numbers]) => {
  const { open } = await import("/gate/store.js");
  const { newId } = await import("/gate/link.js");
  const store = await open(hub);
  for (const number of numbers) {
    const body = {
      observed_at: new Date().toISOString(), offline: true, lane_id: lane,
      temperature: { value: 36.5, unit: "C", method: "WALK_THROUGH" },
      credential: { status: "GREEN", kind: "HEALTH_CODE" },
      identity: { document: { kind: "RESIDENT_ID", number }, result: "MATCH" },
    };
    await store.add({ id: newId(), kind: "check", shift_id: null, body });
  }
}"""
MEASURED = """async () => {
  const measure = await import("/gate/measure.js");
  const found = [measure.all("painted"), measure.all("durable")];
  measure.forget();
  return found;
}"""
WAITING = """async (hub) => {
  const { open } = await import("/gate/store.js");
  return (await open(hub)).waiting();
}"""


@dataclass(slots=True)
class Bench:
    """A station of its own, and the tablet in front of it."""

    settings: Settings
    place: DatabaseTarget
    port: int = 0
    made: int = 0
    durable: list[float] = field(default_factory=list)

    @asynccontextmanager
    async def service(self) -> AsyncGenerator[None]:
        listening = serving.listen("127.0.0.1", self.port)
        self.port = listening.getsockname()[1]
        app = create_app(startup.open_runtime(self.settings, self.place))
        async with serving.running(app, listening):
            yield

    def number(self) -> str:
        self.made += 1
        digits = f"7701{self.made // 1000:02}19900101{self.made % 1000:03}"
        return digits + check_character(digits)

    async def work(self, page: Page, people: int) -> dict[str, float]:
        """Let people pass; the milliseconds until their verdicts were painted."""
        await page.evaluate(MEASURED)
        await page.focus("#scan")
        for _ in range(people):
            for line in (self.number(), "36.5"):
                await page.keyboard.insert_text(line)
                await page.keyboard.press("Enter")
            await page.keyboard.press("F2")
            await page.locator("#verdict[data-verdict=PASS]").wait_for()
        await page.wait_for_timeout(500)
        painted, durable = await page.evaluate(MEASURED)
        self.durable += durable
        return {"p50": percentile(painted, 50), "p95": percentile(painted, 95)}


def percentile(values: list[float], percent: int) -> float:
    ordered = sorted(values)
    return round(ordered[min(len(ordered) - 1, len(ordered) * percent // 100)], 1)


async def furnish(bench: Bench) -> str:
    """Schema, hub, lane and screener; a code for the tablet."""
    await startup.prepare(bench.place)
    runtime = startup.open_runtime(bench.settings, bench.place)
    now, hub_id = clock.now(), bench.settings.hub_id
    try:
        await startup.enter_hub(runtime, bench.place, now)
        async with runtime.database.transaction() as tx:
            await devices.add_lane(tx, hub_id, LANE, "north", "AUTO")
            await shifts.add_operator(
                tx, hub_id, "bench", "Bench", [Role.SCREENER], PASSCODE, now
            )
            code, _ = await devices.mint_code(tx, hub_id, LANE, now)
    finally:
        await runtime.database.close()
    return code


async def enter(page: Page, bench: Bench, code: str) -> None:
    await page.goto(f"http://127.0.0.1:{bench.port}/gate/")
    await page.fill("#code", code)
    await page.fill("#device-name", "tablet")
    await page.click("#enrol-form button")
    await page.fill("#login", "bench")
    await page.fill("#passcode", PASSCODE)
    await page.click("#sign-in-form button")
    await page.click("#start-lane")
    await page.locator("#ages[data-old=false]").wait_for()


async def measure(bench: Bench, options: argparse.Namespace) -> Mapping[str, object]:
    code = await furnish(bench)
    figures: dict[str, object] = {}
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        context = await browser.new_context(viewport={"width": 1280, "height": 800})
        page = await context.new_page()
        page.set_default_timeout(QUIET_MS)

        async def slow(route: Route) -> None:
            await asyncio.sleep(SLOW_S)
            await route.fallback()

        async with bench.service():
            await enter(page, bench, code)
            await bench.work(page, 5)
            figures["verdict"] = await bench.work(page, options.people)
            await context.route("**/v1/**", slow)
            figures["verdict_slow"] = await bench.work(page, options.people)
            await context.unroute_all(behavior="ignoreErrors")
        await context.set_offline(offline=True)
        await page.reload()
        await page.locator("body[data-ready=true]").wait_for()
        numbers = [bench.number() for _ in range(options.queued)]
        await page.evaluate(FILL, [bench.settings.hub_id, LANE, numbers])
        figures["verdict_offline"] = await bench.work(page, options.people)
        session = await context.new_cdp_session(page)
        await session.send("Emulation.setCPUThrottlingRate", {"rate": 6})
        figures["verdict_6x"] = await bench.work(page, options.people)
        await session.send("Emulation.setCPUThrottlingRate", {"rate": 1})
        await context.set_offline(offline=False)
        await hand_over(page, bench)
        await browser.close()
    return {
        **{f"{name}_p95_ms": told["p95"] for name, told in figures.items()},  # type: ignore[index]
        "durable_p95_ms": percentile(bench.durable, 95),
        "stored_exactly_once": await stored_once(bench),
        "records": bench.made,
        "p50_ms": {name: told["p50"] for name, told in figures.items()},  # type: ignore[index]
    }


async def hand_over(page: Page, bench: Bench) -> None:
    """Begin the service again, lose its first answer, and wait until nothing waits."""
    lost: list[str] = []

    async def lose(route: Route) -> None:
        if lost:
            return await route.fallback()
        lost.append(route.request.url)
        await route.fetch()
        return await route.abort()

    await page.context.route("**/v1/facts:batch", lose)
    async with bench.service():
        for _ in range(QUIET_MS // 500):
            if await page.evaluate(WAITING, bench.settings.hub_id) == 0:
                break
            await page.wait_for_timeout(500)
        else:
            raise SystemExit("the tablet still holds records after two minutes")
    if not lost:
        raise SystemExit("no answer was lost: this proves nothing")


async def stored_once(bench: Bench) -> float:
    runtime = startup.open_runtime(bench.settings, bench.place)
    try:
        async with runtime.database.reading() as tx:
            row = await tx.raw.fetchrow(
                "SELECT count(*), count(DISTINCT person_id) FROM screening WHERE hub_id = $1",
                bench.settings.hub_id,
            )
            checks = await tx.raw.fetchrow(
                'SELECT count(*), count(DISTINCT id) FROM "check" WHERE hub_id = $1',
                bench.settings.hub_id,
            )
    finally:
        await runtime.database.close()
    found = {*row, *checks}
    return 1.0 if found == {bench.made} else round(min(found) / max(bench.made, *found), 4)


async def run(options: argparse.Namespace) -> dict[str, object]:
    with tempfile.TemporaryDirectory() as folder, embedded_server.temporary() as server:
        place = place_of(server, "tablet")
        await startup.make_database(place)
        bench = Bench(settings_of(Path(folder)), place)
        told = dict(await measure(bench, options))
        told["machine"] = await _machine.facts(
            Path(folder), place.owner_url.replace("+asyncpg", "")
        )
        told["load"] = os.getloadavg()
        told["at"] = datetime.now(UTC).isoformat(timespec="seconds")
        return told


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--people", type=int, default=100, help="travellers of each part")
    parser.add_argument("--queued", type=int, default=3600, help="records that wait offline")
    parser.add_argument("--quick", action="store_true", help="few of both")
    options = parser.parse_args()
    if CHROMIUM is None:
        raise SystemExit("no chromium on the PATH: apt install chromium")
    if options.quick:
        options.people, options.queued = 5, 50
    told = asyncio.run(run(options))
    if options.json:
        print(json.dumps(told))
        return
    for name, value in told.items():
        print(f"{name:24} {value}")


if __name__ == "__main__":
    main()
