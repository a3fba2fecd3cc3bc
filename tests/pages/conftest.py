"""A browser for the tests of pages: Debian's Chromium, started once a module."""

from collections.abc import AsyncGenerator

import pytest
from glass import CHROMIUM, FLAGS
from playwright.async_api import Browser, Page, async_playwright


@pytest.fixture(scope="module")
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
