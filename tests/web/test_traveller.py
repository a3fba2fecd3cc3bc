"""The traveller's page: four answers and a code, on any telephone, without JavaScript."""

import re
from urllib.parse import urlencode
from uuid import uuid4

import declared_travellers
import pytest
import screenshots
from http_browser import OWN_PAGE, Visitor
from httpx2 import Response
from hubs import Hub, open_hub
from page_browser import NARROW, Sheet, sheet, squares, violations
from playwright.async_api import Browser, expect

from twinstile.platform.security.hub_modes import HubMode
from twinstile.platform.security.roles import Role
from twinstile.web import catalogue

LOCALES = ("en", "zh-CN", catalogue.PSEUDO)
CALM = {"symptoms": "no", "contact": "no", "fever_medicine": "no", "help": "no"}
FORM = {"Content-Type": "application/x-www-form-urlencoded", "Accept-Language": "en"}
MOST_BYTES = 15 << 10


async def opened(
    browser: Browser, hub: Hub, path: str = "/traveller", locale: str = "en"
) -> Sheet:
    made, context = await sheet(browser, hub.service.base_url, java_script_enabled=False)
    await made.page.set_viewport_size(NARROW)
    here = {"name": "lang", "value": locale, "url": hub.service.base_url}
    await context.add_cookies([here])  # pyright: ignore[reportArgumentType]
    await made.go(f"{path}?hub={hub.hub_id}")
    return made


async def declared(made: Sheet, **answers: str) -> str:
    """What stands in the receipt's place after these answers."""
    await made.tick(**{**CALM, **answers})
    await made.page.locator("main form button").click()
    await expect(made.page.locator(".pass svg")).to_be_visible()
    return await made.page.locator(".receipt code").inner_text()


async def typed(made: Sheet, receipt: str) -> None:
    await made.page.locator("#receipt").fill(receipt)
    await made.page.locator("main form button").click()


async def send(here: Hub, **fields: str) -> Response:
    told = {"hub": here.hub_id, **fields}
    body = urlencode(told).encode()
    return await Visitor(here.service).ask("POST", "/traveller", OWN_PAGE | FORM, content=body)


async def test_four_answers_give_a_code_that_a_gate_reads(browser: Browser, hub: Hub) -> None:
    made = await opened(browser, hub)
    await declared(made)
    (code,) = squares(await made.page.locator(".pass svg").screenshot())
    assert re.fullmatch(r"TWD1[A-Z2-7]{26}", code)
    told = await declared_travellers.show(hub, code)
    assert (told["verdict"], told["declaration"]) == (
        "PASS",
        {"standing": "COUNTED", "help": False},
    )
    assert "?" not in made.page.url
    made.clean()


async def test_on_paper_the_code_is_read_too(browser: Browser, hub: Hub) -> None:
    made = await opened(browser, hub)
    await declared(made)
    await made.page.emulate_media(media="print")
    (code,) = squares(await made.page.screenshot(full_page=True))
    assert code.startswith("TWD1")
    assert not await made.page.locator("main form").is_visible()
    box = await made.page.locator(".pass svg").bounding_box()
    assert box is not None
    assert box["width"] >= 30 / 25.4 * 96


@pytest.mark.parametrize("locale", LOCALES)
@pytest.mark.pictures
async def test_every_view_is_for_everybody(browser: Browser, hub: Hub, locale: str) -> None:
    made = await opened(browser, hub, locale=locale)
    found: dict[str, list[str]] = {}

    async def look(view: str) -> None:
        await screenshots.take(made.page, f"traveller {view} {locale}")
        found[view] = [*await made.small(), *await violations(browser, made)]

    await look("questions")
    await made.page.locator("main form button").click()
    await expect(made.page.locator("#faults")).to_be_visible()
    await look("faults")
    receipt = await declared(made, symptoms="yes", help="yes")
    await look("given")
    await made.page.locator("main form button").click()
    await expect(made.page.locator("blockquote, textarea")).to_be_visible()
    await look("report")
    await made.go(f"/traveller/report?hub={hub.hub_id}")
    await look("opening")
    await typed(made, "nothing")
    await look("closed")
    await typed(made, receipt.lower())
    await expect(made.page.locator("textarea")).to_be_visible()
    assert found == {view: [] for view in found}
    made.clean()


async def test_what_is_missing_is_said_and_what_was_ticked_stays(
    browser: Browser, hub: Hub
) -> None:
    made = await opened(browser, hub)
    await made.tick(contact="unsure")
    await made.page.locator("main form button").click()
    faults = made.page.locator("#faults a")
    assert await faults.all_inner_texts() == [
        "Feeling ill: is missing",
        "Medicine against fever: is missing",
        "Help: is missing",
    ]
    await expect(made.page.locator("input[name=contact][value=unsure]")).to_be_checked()
    await faults.first.click()
    assert made.page.url.endswith("#symptoms")
    await made.tick(symptoms="no", fever_medicine="no", help="no")
    await made.page.locator("main form button").click()
    await expect(made.page.locator(".pass svg")).to_be_visible()


async def test_whoever_says_yes_is_received_calmly(browser: Browser, hub: Hub) -> None:
    made = await opened(browser, hub)
    receipt = await declared(made, symptoms="yes")
    told = await made.page.locator(".told").inner_text()
    assert "Nobody is fined" in told
    assert await made.page.locator("[role=alert]").count() == 0
    await made.go(f"/traveller/report?hub={hub.hub_id}")
    await typed(made, receipt)
    await expect(made.page.get_by_text("Nobody is fined")).to_be_visible()
    await made.tick(symptoms="no", help="yes")
    await made.page.get_by_role("button", name="Save the correction").click()
    await expect(made.page.get_by_text("expect you and assist")).to_be_visible()
    await expect(made.page.get_by_text("Nobody is fined")).to_have_count(0)


async def test_the_report_is_read_corrected_and_disputed(browser: Browser, hub: Hub) -> None:
    made = await opened(browser, hub)
    receipt = await declared(made)
    (code,) = squares(await made.page.locator(".pass svg").screenshot())
    await made.page.get_by_role("button", name="I have read this").click()
    await expect(made.page.get_by_role("status")).to_have_text("Thank you.")
    await declared_travellers.show(hub, code)
    await made.go(f"/traveller/report?hub={hub.hub_id}")
    await typed(made, receipt)
    await expect(made.page.locator("dl")).to_contain_text("Cleared")
    await made.tick(contact="yes")
    await made.page.get_by_role("button", name="Save the correction").click()
    await expect(made.page.get_by_role("status")).to_have_text("Your correction is saved.")
    await expect(made.page.locator("input[name=contact][value=yes]")).to_be_checked()
    await made.page.locator("textarea").fill("I was\nnot <b>ill</b>")
    await made.page.get_by_role("button", name="Send").click()
    await expect(made.page.locator("blockquote")).to_contain_text("I was not <b>ill</b>")
    (appeal,) = (await hub.client(Role.SUPERVISOR).get("/v1/appeals")).json()["appeals"]
    said = {"decided": "UPHELD", "text": "Sorry."}
    path = f"/v1/appeals/{appeal['appeal_id']}/answer"
    await hub.client(Role.SUPERVISOR).put(path, json=said)
    await made.go(f"/traveller/report?hub={hub.hub_id}")
    await typed(made, receipt)
    await expect(made.page.locator("blockquote")).to_contain_text("You are right. Sorry.")
    made.clean()


async def test_a_receipt_is_never_part_of_an_address_and_another_opens_nothing(
    browser: Browser, hub: Hub
) -> None:
    made = await opened(browser, hub, "/traveller/report")
    await typed(made, "AAAA " * 6 + "AA")
    await expect(made.page.locator("#faults")).to_contain_text("no report has this receipt")
    assert "AAAA" not in made.page.url
    assert await made.page.locator("#receipt").input_value() == "AAAA " * 6 + "AA"


async def test_sent_twice_it_is_one_and_from_an_old_page_another(hub: Hub) -> None:
    told = {"key": str(uuid4()), **CALM}
    first, second = [(await send(hub, **told)).text for _ in range(2)]
    receipts = [re.findall(r"<code>([A-Z2-7 ]+)</code>", page) for page in (first, second)]
    assert receipts[0] == receipts[1] != []
    other = await send(hub, **{**told, "contact": "yes"})
    assert re.findall(r"<code>([A-Z2-7 ]+)</code>", other.text) != receipts[0]


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"key": "no-key", **CALM}, 422),
        ({"key": str(uuid4()), **CALM, "symptoms": "<script>"}, 422),
        ({"key": str(uuid4()), **CALM, "symptoms": "x" * 9000}, 422),
        ({"key": str(uuid4()), **CALM, "hub": "nowhere"}, 404),
        ({"key": str(uuid4()), **CALM, "hub": "a b"}, 404),
    ],
)
async def test_what_no_form_of_ours_sends_is_refused(
    hub: Hub, fields: dict[str, str], status: int
) -> None:
    answer = await send(hub, **fields)
    assert answer.status_code == status, answer.text
    assert "<script>" not in answer.text.partition("<main")[2]


async def test_a_form_of_somebody_elses_page_is_refused(hub: Hub) -> None:
    body = urlencode({"hub": hub.hub_id, "key": str(uuid4()), **CALM}).encode()
    for said in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "null"}, {}):
        answer = await Visitor(hub.service).ask("POST", "/traveller", said | FORM, content=body)
        assert answer.status_code == 403


@pytest.mark.parametrize("locale", LOCALES)
async def test_a_page_is_small_and_is_kept_nowhere(hub: Hub, locale: str) -> None:
    visitor = Visitor(hub.service)
    page = await visitor.ask("GET", f"/traveller?hub={hub.hub_id}&lang={locale}")
    given = await send(hub, key=str(uuid4()), **CALM)
    styles = {
        name: len((await visitor.ask("GET", name)).content)
        for name in set(re.findall(r'(?:href|src)="(/pages/[^"]+)"', page.text + given.text))
    }
    for whole in (page, given):
        assert whole.headers["Cache-Control"] == "no-store"
        assert len(whole.content) + sum(styles.values()) <= MOST_BYTES, styles
        assert "<script" not in whole.text


async def test_a_demo_hub_says_so_and_stays_in_every_link(browser: Browser, hub: Hub) -> None:
    demo = await open_hub(hub.runtime, hub.service, HubMode.DEMO)
    made = await opened(browser, demo)
    await expect(made.page.locator(".practice").last).to_contain_text("Demonstration")
    await made.page.get_by_role("link", name="中文").click()
    assert f"hub={demo.hub_id}" in made.page.url
    await expect(made.page.locator("input[name=hub]")).to_have_value(demo.hub_id)
