"""The reference page in a real browser: it shows the operations and asks nobody else."""

import json
from pathlib import Path
from urllib.parse import urlsplit

from hubs import Service
from playwright.async_api import Page, expect


async def test_the_reference_shows_operations_and_asks_only_this_server(
    page: Page, service: Service, tmp_path: Path
) -> None:
    asked: list[str] = []
    complaints: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda line: complaints.append(line.text))
    page.on("pageerror", lambda error: complaints.append(error.message))
    await page.goto(f"{service.base_url}/docs")
    async with service.client() as client:
        document = json.loads((await client.get("/openapi.json")).text)
    first = document["tags"][0]["name"]
    count = sum(
        first in operation["tags"]
        for methods in document["paths"].values()
        for operation in methods.values()
    )
    # groups further down are drawn when somebody comes there
    drawn = page.locator(f'[id^="operations-{first}-"]')
    await expect(drawn).to_have_count(count, timeout=60_000)
    await page.get_by_text("List the devices of the hub").first.click()
    await expect(page.get_by_text("Needs the scope").first).to_be_visible()
    await page.screenshot(path=tmp_path / "reference.png")
    outside = [url for url in asked if not _ours(url, service)]
    assert not outside
    assert not complaints


def _ours(url: str, service: Service) -> bool:
    """A picture inside the style sheet is a request to nobody."""
    return url.startswith("data:") or urlsplit(url).netloc == urlsplit(service.base_url).netloc


async def test_the_front_page_leads_to_the_reference_in_two_languages(
    page: Page, service: Service
) -> None:
    await page.goto(service.base_url)
    await expect(page.get_by_role("heading", name="twinstile")).to_be_visible()
    await page.get_by_role("link", name="中文").click()
    await expect(page.get_by_text("两次提醒")).to_be_visible()
    await page.get_by_role("link", name="接口文档").click()
    await expect(page).to_have_url(f"{service.base_url}/docs")
