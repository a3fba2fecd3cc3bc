"""HTTPS of a closed hub in a real browser: what a device may do before and after it trusts."""

import asyncio
import socket
import ssl
import subprocess
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from gate_browser import CHROMIUM, FLAGS
from hubs import PASSCODE, Hub
from playwright.async_api import Browser, Error, async_playwright, expect

from twinstile.app import create_app
from twinstile.cli import serving
from twinstile.platform.http import guard
from twinstile.platform.http.routes import Runtime
from twinstile.platform.ops import clock
from twinstile.platform.security import tls
from twinstile.platform.security.roles import Role
from twinstile.web import trust_certificate

NAME = "hub-east.test"
PATIENCE_MS = 30_000
CERTUTIL = "/usr/bin/certutil"

needs_browser = pytest.mark.skipif(
    CHROMIUM is None or not Path(CERTUTIL).exists(),
    reason="no chromium or certutil: apt install chromium libnss3-tools",
)


@dataclass(frozen=True, slots=True)
class Closed:
    """A hub that is reached by its own name over HTTPS."""

    folder: Path
    port: int
    share: str

    @property
    def base_url(self) -> str:
        return f"https://{NAME}:{self.port}"


@pytest.fixture(scope="module")
async def closed(
    runtime: Runtime, tmp_path_factory: pytest.TempPathFactory
) -> AsyncGenerator[Closed]:
    folder = tmp_path_factory.mktemp("closed") / "tls"
    tls.make(folder, "East", tls.parsed([NAME]), clock.now())
    listening = serving.listen("127.0.0.1", 0)
    port = listening.getsockname()[1]
    told = runtime.settings.model_copy(update={"data_dir": folder.parent, "port": port})
    told.__dict__.pop("data_path", None)
    sharing = serving.listen("127.0.0.1", 0)
    (share,) = serving.addresses(sharing)
    assert serving.addresses(listening, folder / "server.pem") == [f"https://{NAME}:{port}"]
    async with (
        serving.running(create_app(runtime), listening, folder / "server.pem"),
        serving.running(trust_certificate.app(told), sharing),
    ):
        yield Closed(folder, port, share)


@asynccontextmanager
async def device(home: Path, authority: bytes | None) -> AsyncGenerator[Browser]:
    """A browser of a device of its own, which trusts the authority or nobody."""
    database = home / ".pki" / "nssdb"
    database.mkdir(parents=True)
    store = ("-d", f"sql:{database}")
    await run(CERTUTIL, "-N", *store, "--empty-password")
    if authority is not None:
        (home / "ca.crt").write_bytes(authority)
        await run(CERTUTIL, "-A", *store, "-n", "hub", "-t", "C,,", "-i", home / "ca.crt")
    async with async_playwright() as playwright:
        started = await playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=[*FLAGS, f"--host-resolver-rules=MAP {NAME} 127.0.0.1"],
            env={"HOME": str(home)},
        )
        yield started
        await started.close()


async def run(*command: object) -> None:
    await asyncio.to_thread(subprocess.run, [str(word) for word in command], check=True)


@needs_browser
async def test_a_device_that_trusts_the_hub_works_and_one_that_does_not_is_told(
    closed: Closed, hub: Hub, tmp_path: Path
) -> None:
    async with device(tmp_path / "stranger", None) as stranger:
        page = await stranger.new_page()
        await page.goto(f"{closed.share}/?lang=en")
        await expect(page.get_by_text(tls.authority(closed.folder).fingerprint)).to_be_visible()
        await expect(page.get_by_text("does not trust the hub yet")).to_be_visible(
            timeout=PATIENCE_MS
        )
        await page.screenshot(path=tmp_path / "install.png", full_page=True)
        async with page.expect_download() as waiting:
            await page.get_by_role("link", name="Get the certificate").click()
        landed = await (await waiting.value).path()
        got = await asyncio.to_thread(Path(landed).read_bytes)
        with pytest.raises(Error, match="ERR_CERT_AUTHORITY_INVALID"):
            await page.goto(closed.base_url)
    assert got == tls.authority(closed.folder).der
    async with device(tmp_path / "friend", got) as friend:
        page = await friend.new_page()
        await page.goto(f"{closed.share}/?lang=en")
        await expect(page.get_by_text("This device trusts the hub.")).to_be_visible(
            timeout=PATIENCE_MS
        )
        await page.goto(f"{closed.base_url}/enter?lang=en")
        await expect(page.get_by_text("not protected")).to_have_count(0)
        code = await hub.client(Role.ADMINISTRATOR).post("/v1/enrolments", json={})
        await page.get_by_label("One-time code").fill(code.json()["code"])
        await page.get_by_label("Name of this device").fill("tablet")
        await page.get_by_role("button", name="Let this device in").click()
        await page.get_by_label("Login").fill(hub.duties[Role.SCREENER].login)
        await page.get_by_label("Passcode").fill(PASSCODE)
        await page.get_by_role("button", name="Sign in").click()
        await expect(page.get_by_text("is signed in until")).to_be_visible(timeout=PATIENCE_MS)
        await page.goto(f"{closed.base_url}/gate/")
        assert await page.evaluate("isSecureContext && 'subtle' in crypto")
        worker = "navigator.serviceWorker.ready.then((all) => all.active !== null)"
        assert await page.evaluate(worker)


async def served(closed: Closed) -> bytes:
    """The certificate a new connection gets."""
    return await asyncio.to_thread(_served, closed)


def _served(closed: Closed) -> bytes:
    trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    trusting.load_verify_locations(
        cadata=ssl.DER_cert_to_PEM_cert(tls.authority(closed.folder).der)
    )
    with (
        socket.create_connection(("127.0.0.1", closed.port), timeout=30) as plain,
        trusting.wrap_socket(plain, server_hostname=NAME) as spoken,
    ):
        return spoken.getpeercert(binary_form=True) or b""


async def test_a_renewed_certificate_is_taken_up_while_it_serves(closed: Closed) -> None:
    before = await served(closed)
    tls.renew(closed.folder, tls.parsed([NAME]), clock.now())
    async with asyncio.timeout(60):
        while await served(closed) == before:  # noqa: ASYNC110 -- it is told by nobody
            await asyncio.sleep(0.2)
    whole = (closed.folder / "server.pem").read_bytes()
    (closed.folder / "server.pem").write_bytes(b"spoiled")
    await asyncio.sleep(2 * guard.SWEEP_S)
    assert await served(closed)  # what cannot be read changes nothing
    (closed.folder / "server.pem").write_bytes(whole)


async def test_a_greeting_that_does_not_go_on_is_ended(closed: Closed) -> None:
    async def silent(sent: bytes) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", closed.port)
        writer.write(sent)
        async with asyncio.timeout(60):
            assert len(await reader.read(1000)) < 1000
            assert await reader.read() == b""
        writer.close()

    # nothing, half a greeting, and plain HTTP
    await asyncio.gather(
        *map(silent, (b"", b"\x16\x03\x01\x02\x00", b"GET / HTTP/1.1\r\n\r\n"))
    )


async def test_refusals_are_heard_over_tls(closed: Closed) -> None:
    trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    trusting.load_verify_locations(
        cadata=ssl.DER_cert_to_PEM_cert(tls.authority(closed.folder).der)
    )
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", closed.port, ssl=trusting, server_hostname=NAME
    )
    writer.write(b"GET / HTTP/1.1\r\nhost: a\r\n" + b"x: " + b"y" * 40_000)
    async with asyncio.timeout(60):
        answer = await reader.read()
    assert answer.startswith(b"HTTP/1.1 431 ")
    assert b"head-too-large" in answer
    writer.close()
