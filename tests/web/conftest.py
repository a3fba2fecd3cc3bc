"""A browser for the tests of pages: Debian's Chromium, started once for all of them."""

from collections.abc import AsyncGenerator

import gate_browser
import pytest
from gate_browser import CHROMIUM, FLAGS, Glass
from hubs import Hub
from playwright.async_api import Browser, BrowserContext, Page, async_playwright


@pytest.fixture(scope="session")
async def browser() -> AsyncGenerator[Browser]:
    if CHROMIUM is None:
        pytest.skip("no chromium on the PATH: apt install chromium")
    async with async_playwright() as playwright:
        started = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield started
        await started.close()


@pytest.fixture
async def page(browser: Browser) -> AsyncGenerator[Page]:
    opened = await browser.new_page(viewport={"width": 1280, "height": 1000})
    yield opened
    await opened.close()


@pytest.fixture
async def context(browser: Browser) -> AsyncGenerator[BrowserContext]:
    """A browser of a tablet's size."""
    opened = await browser.new_context(viewport=gate_browser.SIZE, locale="en-GB")
    yield opened
    await opened.close()


@pytest.fixture
async def tablet(context: BrowserContext, hub: Hub) -> AsyncGenerator[Glass]:
    """A gate tablet with somebody signed in, which has nothing to complain about at the end."""
    opened = await gate_browser.enrolled(context, hub.service.base_url, hub)
    yield opened
    assert not opened.complaints
    assert not opened.foreign
