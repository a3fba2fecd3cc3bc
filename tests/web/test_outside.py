"""The page behind a receiver's link, in a real browser without scripts, and as bytes."""

from typing import Literal

import pytest
import screenshots
from axe_playwright_python.async_playwright import Axe
from hubs import Hub
from playwright.async_api import Browser, expect
from transfers_in_progress import link, on_the_way, ways


@pytest.mark.pictures
async def test_a_receiver_answers_with_one_press_on_a_small_telephone(
    hub: Hub, browser: Browser
) -> None:
    case_id, leg_id = await on_the_way(hub)
    address = f"{hub.service.base_url}/handover/{await link(hub, case_id, leg_id)}"
    context = await browser.new_context(
        java_script_enabled=False, viewport={"width": 320, "height": 640}
    )
    page = await context.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    await page.goto(address)
    await expect(
        page.get_by_role("heading", name="Has the patient come to you?")
    ).to_be_visible()
    await page.get_by_role("link", name="中文").click()
    await expect(page.get_by_text("患者是否已到达贵处")).to_be_visible()
    await page.get_by_role("link", name="English").click()
    await screenshots.take(page, "handover question")
    for button in await page.get_by_role("button").all():
        box = await button.bounding_box()
        assert box is not None
        assert box["height"] >= 60
        assert box["x"] + box["width"] <= 320
    await page.get_by_label("Who answers").fill("ward 3")
    await page.get_by_role("button", name="Came, and we do not take them").click()
    await expect(page.get_by_role("alert")).to_contain_text("is missing")
    await expect(page.get_by_label("Who answers")).to_have_value("ward 3")
    await page.get_by_role("button", name="Yes, here").click()
    await expect(page.get_by_role("heading", name="Thank you")).to_be_visible()
    await screenshots.take(page, "handover receipt")
    await page.reload()
    await expect(page.get_by_text("Yes, here")).to_be_visible()
    assert {url for url in asked if not url.startswith(hub.service.base_url)} == set()
    await context.close()
    (way,) = await ways(hub, case_id)
    assert way["ending"] == "HANDED_OVER"


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_nobody_is_kept_from_answering(
    hub: Hub, browser: Browser, scheme: Literal["light", "dark"]
) -> None:
    case_id, leg_id = await on_the_way(hub)
    token = await link(hub, case_id, leg_id)
    context = await browser.new_context(bypass_csp=True, color_scheme=scheme)
    page = await context.new_page()
    for path in (f"/handover/{token}", "/handover/hub.nothing"):
        await page.goto(f"{hub.service.base_url}{path}")
        found = await Axe().run(page)
        assert found.violations_count == 0, found.generate_report()
    await context.close()


async def test_the_page_is_locked_small_and_kept_by_nobody(hub: Hub) -> None:
    case_id, leg_id = await on_the_way(hub)
    path = f"/handover/{await link(hub, case_id, leg_id)}"
    async with hub.service.client() as client:
        client.headers["origin"] = hub.service.base_url
        shown = await client.get(path)
        assert shown.status_code == 200
        assert len(shown.content) < 15_000
        policy = shown.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert policy.count("form-action") == 1
        assert "script-src" not in policy
        assert shown.headers["cache-control"] == "no-store"
        assert (await client.get("/handover/hub.nothing")).status_code == 404
        refused = await client.post(path, json={"answer": "HERE"})
        assert refused.status_code == 415
        for told in (
            {"signed_by": "ward 3"},
            {"answer": "HERE"},
            {"answer": "x", "signed_by": "ward 3"},
            {"answer": "HERE", "signed_by": "x" * 65},
            {"answer": "HERE", "signed_by": "a\x07b"},
        ):
            assert (await client.post(path, data=told)).status_code == 422, told
        told = {"answer": "NOT_HERE", "signed_by": "<b>ward</b>"}
        assert "&lt;b&gt;ward" in (await client.post(path, data=told)).text
    (way,) = await ways(hub, case_id)
    assert [receipt["answer"] for receipt in way["receipts"]] == ["NOT_HERE"]
