"""The reference page in a real browser: it shows the operations and asks nobody else."""

from pathlib import Path
from urllib.parse import urlsplit

from hubs import Service
from playwright.async_api import Page, expect

from twinstile import app
from twinstile.web import openapi


async def test_the_reference_shows_every_operation_and_asks_only_this_server(
    page: Page, service: Service, tmp_path: Path
) -> None:
    asked: list[str] = []
    complaints: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda line: complaints.append(line.text))
    page.on("pageerror", lambda error: complaints.append(error.message))
    await page.goto(f"{service.base_url}/docs")
    groups: dict[str, set[str]] = {}
    for _, _, operation in openapi.operations(app.contract()):
        (name,) = operation["tags"]
        groups.setdefault(name, set()).add(f"operations-{name}-{operation['operationId']}")
    shown = page.locator(".opblock")
    await expect(page.locator(".opblock-tag")).to_have_count(len(groups), timeout=60_000)
    for name, wanted in groups.items():
        group = page.locator(f"#operations-tag-{name}")
        await group.dispatch_event("click")
        await expect(shown).to_have_count(len(wanted), timeout=60_000)
        assert set(await shown.evaluate_all("all => all.map((one) => one.id)")) == wanted
        await group.dispatch_event("click")
        await expect(shown).to_have_count(0, timeout=60_000)
    await page.locator("#operations-tag-devices").click()
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
    for name, path in (("For travellers", "/traveller"), ("Service desk", "/desk")):
        await expect(page.get_by_role("link", name=name)).to_have_attribute("href", path)
    await page.get_by_role("link", name="中文").click()
    await expect(page.get_by_text("两次提醒")).to_be_visible()
    await page.get_by_role("link", name="接口文档").click()
    await expect(page).to_have_url(f"{service.base_url}/docs")
