"""The tablet's camera: a code held before it, the operator's add-on, and what may go wrong."""

import base64
from collections.abc import AsyncGenerator
from dataclasses import replace
from pathlib import Path

import gate_browser
import people
import pytest
import screenshots
import segno
from axe_playwright_python.async_playwright import Axe
from gate_browser import Glass
from hubs import Hub
from page_browser import squares
from playwright.async_api import Browser, BrowserContext, async_playwright, expect

from twinstile.operations.startup import DatabaseTarget
from twinstile.platform.http.routes import Runtime

pytestmark = pytest.mark.timeout(240)

NUMBER = people.resident_number(7)
WIDTH, HEIGHT = 640, 480
READS = """
  window.BarcodeDetector = class {
    static async getSupportedFormats() { return ["qr_code", "ean_13"]; }
    async detect(image) {
      const canvas = document.createElement("canvas");
      [canvas.width, canvas.height] = [image.videoWidth, image.videoHeight];
      canvas.getContext("2d").drawImage(image, 0, 0);
      return (await window.decoded(canvas.toDataURL())).map((rawValue) => ({ rawValue }));
    }
  };
"""
"""What Android has and Debian's Chromium lacks: here a reader outside of the browser."""
LIGHT = """
  MediaStreamTrack.prototype.getCapabilities = () => ({ torch: true });
  MediaStreamTrack.prototype.applyConstraints = async ({ advanced: [{ torch }] }) => {
    window.lit = torch;
  };
"""
ADDON = """
const wasm = fetch("/gate/addon/reader.wasm");
const { instance } = await WebAssembly.instantiateStreaming(wasm, {});
export const detect = async ({ width, data }) =>
  instance && width > 0 && data.length ? ["%s"] : [];
"""
EMPTY_WASM = b"\0asm\1\0\0\0"
WATCHED = """async ([frames, late]) => {
  const { Eye } = await import("/gate/camera.js");
  const told = [];
  const eye = new Eye(document.createElement("video"), {
    take: (text) => told.push(text),
    several: () => told.push("several"),
    changed: () => {},
  });
  let left = [...frames];
  const open = eye.open(async () => {
    const next = left.shift();
    if (next === undefined) eye.close();
    if (next === null) await new Promise((done) => setTimeout(done, late));
    return next ?? [];
  });
  await open;
  return told;
}"""


def film(path: Path, text: str) -> Path:
    """A film of one picture in which a code is held up (YUV4MPEG2, in grey)."""
    cells = [[bool(cell) for cell in row] for row in segno.make_qr(text).matrix_iter(border=4)]
    scale = HEIGHT // len(cells)
    side = scale * len(cells)
    grey = bytearray(b"\xb0" * (WIDTH * HEIGHT))
    left, top = (WIDTH - side) // 2, (HEIGHT - side) // 2
    for y in range(side):
        row = cells[y // scale]
        line = bytes(16 if row[x // scale] else 235 for x in range(side))
        begin = (top + y) * WIDTH + left
        grey[begin : begin + side] = line
    frame = b"FRAME\n" + bytes(grey) + b"\x80" * (WIDTH * HEIGHT // 2)
    path.write_bytes(b"YUV4MPEG2 W640 H480 F10:1 Ip A1:1 C420mpeg2\n" + frame * 2)
    return path


@pytest.fixture(scope="module")
async def seeing(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Browser]:
    """A browser before whose camera somebody holds a code."""
    if gate_browser.CHROMIUM is None:
        pytest.skip("no chromium on the PATH: apt install chromium")
    path = film(tmp_path_factory.mktemp("film") / "code.y4m", NUMBER)
    camera = [
        "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-video-capture={path}",
    ]
    async with async_playwright() as playwright:
        started = await playwright.chromium.launch(
            executable_path=gate_browser.CHROMIUM, args=[*gate_browser.FLAGS, *camera]
        )
        yield started
        await started.close()


async def context_of(browser: Browser, *permissions: str) -> BrowserContext:
    opened = await browser.new_context(
        viewport=gate_browser.SIZE, locale="en-GB", permissions=list(permissions)
    )
    await opened.expose_function(
        "decoded", lambda url: squares(base64.b64decode(url.partition(",")[2]))
    )
    await opened.add_init_script(READS)
    return opened


@pytest.mark.pictures
async def test_a_code_before_the_camera_is_read_like_one_that_was_scanned(
    seeing: Browser, hub: Hub
) -> None:
    pytest.importorskip("zxingcpp")
    context = await context_of(seeing, "camera")
    await context.add_init_script(LIGHT)
    tablet = await gate_browser.enrolled(context, hub.service.base_url, hub)
    page = tablet.page
    await page.click("#more")
    await page.locator("#open-eye").dispatch_event("click")
    await expect(page.locator("#eye")).to_be_visible()
    await page.wait_for_timeout(800)
    await page.keyboard.press("Escape")
    seen = page.locator("#seen-document")
    await expect(seen).not_to_contain_text(NUMBER[-4:])  # what is typed or shown is a dialog's
    await page.click("#close-eye")
    await page.click("#open-eye")
    await expect(page.locator("#seen-document")).to_contain_text(NUMBER[-4:], timeout=30_000)
    await tablet.scan("36.5")  # a scanner and a thermometer go on working
    await tablet.press("#colours [value=GREEN]")
    await tablet.shows("PASS")
    await screenshots.take(page, "gate camera")
    found = await Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    await page.click("#light")
    await expect(page.locator("#light")).to_have_attribute("aria-pressed", "true")
    assert await page.evaluate("window.lit") is True
    await page.evaluate(
        """() => {
          window.track = document.getElementById("sight").srcObject.getTracks()[0];
          Object.defineProperty(document, "hidden", { value: true, configurable: true });
          document.dispatchEvent(new Event("visibilitychange"));
        }"""
    )
    await expect(page.locator("#eye")).to_be_hidden()
    assert await page.evaluate("window.track.readyState") == "ended"
    await tablet.shows("PASS")
    assert not tablet.complaints
    assert not tablet.foreign
    await context.close()


async def test_a_camera_that_may_not_be_used_is_told_in_words(
    seeing: Browser, browser: Browser, hub: Hub
) -> None:
    for where, permissions, words in (
        (seeing, (), "The camera was refused"),
        (browser, ("camera",), "no camera that can be used"),
    ):
        context = await context_of(where, *permissions)
        tablet = Glass(await context.new_page(), hub.service.base_url, hub).watch()
        await tablet.open()
        await tablet.page.locator("#open-eye:not([hidden])").dispatch_event("click")
        await tablet.notes(words)
        await expect(tablet.page.locator("#eye")).to_be_hidden()
        assert not tablet.complaints
        await context.close()


async def test_a_code_is_taken_once_while_it_is_held_and_never_of_two(
    seeing: Browser, hub: Hub
) -> None:
    context = await context_of(seeing, "camera")
    page = await context.new_page()
    await page.goto(f"{hub.service.base_url}/gate/")
    a, b = ["a"], ["b"]
    frames = [a, a, [], a, ["a", "b"], ["b", "a", "b"], b, b, None, b]
    told = await page.evaluate(WATCHED, [frames, 1600])
    assert told == ["a", "several", "b", "b"]
    await context.close()


async def test_an_addon_reads_where_the_browser_cannot_also_without_a_line(
    seeing: Browser, runtime: Runtime, place: DatabaseTarget, hub: Hub, tmp_path: Path
) -> None:
    (tmp_path / "decoder.js").write_text(ADDON % NUMBER)
    (tmp_path / "reader.wasm").write_bytes(EMPTY_WASM)
    (tmp_path / "notes.txt").write_text("not handed out")
    settings = runtime.settings.model_copy(update={"decoder_dir": tmp_path})
    context = await seeing.new_context(
        viewport=gate_browser.SIZE, locale="en-GB", permissions=["camera"]
    )
    async with gate_browser.station(replace(runtime, settings=settings), place) as station:
        tablet: Glass = await gate_browser.enrolled(context, station.base_url, hub)
        notes = f"{station.base_url}/gate/addon/notes.txt"
        assert (await tablet.page.request.get(notes)).status == 404
        await tablet.page.wait_for_function("navigator.serviceWorker.controller !== null")
        await station.end()
        await tablet.page.reload()
        await tablet.ready()
        await tablet.press("#open-eye")
        await expect(tablet.page.locator("#seen-document")).to_contain_text(NUMBER[-4:])
        await station.begin()
    assert not tablet.complaints
    await context.close()


async def test_without_an_addon_the_tablet_sends_pictures(browser: Browser, hub: Hub) -> None:
    client = hub.service.client()
    answer = await client.get("/gate/addon/decoder.js")
    assert answer.text == "export const detect = null;\n"
    assert (await client.get("/gate/addon/..%2Fapp.js")).status_code == 404
    assert "wasm" not in (await client.get("/gate/")).headers["content-security-policy"]
    context = await browser.new_context(viewport=gate_browser.SIZE, locale="en-GB")
    tablet = Glass(await context.new_page(), hub.service.base_url, hub).watch()
    await tablet.open()
    await expect(tablet.page.locator("#photograph")).to_be_visible()
    await expect(tablet.page.locator("#open-eye")).to_be_hidden()
    await context.close()
