"""Appeals answered and declarations found on the pages of the desk."""

from urllib.parse import urlencode
from uuid import uuid4

import declared_travellers
import people
import pytest
import screenshots
from access_log_reader import reads
from declared_travellers import ILL
from http_browser import OWN_PAGE, Visitor, on_shift
from httpx2 import Response
from hubs import Hub
from page_browser import at_desk, keys, violations
from playwright.async_api import Browser, expect

from twinstile.platform.security.roles import Role
from twinstile.web import catalogue

FORM = {"Content-Type": "application/x-www-form-urlencoded", "Accept-Language": "en"}
WORDS = "My test was of yesterday.\n<b>And nobody asked.</b>"


async def send(visitor: Visitor, path: str, **told: str) -> Response:
    body = urlencode(told).encode()
    return await visitor.ask("POST", path, OWN_PAGE | FORM, content=body)


async def see(visitor: Visitor, path: str) -> Response:
    return await visitor.ask("GET", path, OWN_PAGE | FORM)


async def test_an_appeal_is_read_on_the_record_and_answered_by_keyboard(
    browser: Browser, hub: Hub
) -> None:
    given = await declared_travellers.declare(hub)
    await declared_travellers.show(hub, given["pass_code"], people.resident_number())
    assert (await declared_travellers.dispute(hub, given, WORDS)).status_code == 201
    made = await at_desk(browser, hub, path="/desk/appeals", role=Role.SUPERVISOR)
    assert WORDS not in await made.page.content()
    await keys(made, "Enter")
    await expect(made.page.locator("blockquote")).to_have_text(WORDS)
    await expect(made.page.locator("main")).to_contain_text("At the gate: ")
    assert [read["action"] for read in await reads(hub)] == ["REVEAL"]
    await made.page.locator("input[name=decided]").first.focus()
    await keys(made, "u", "F2")
    await expect(made.page.locator("#faults")).to_contain_text("Answer: is missing")
    assert await made.page.locator("input[value=UPHELD]").is_checked()
    await made.page.locator("#text").fill("You are right: the measure ends today.")
    await keys(made, "F2")
    await expect(made.page.locator("main")).to_contain_text("None waits")
    (appeal,) = (await declared_travellers.report(hub, given))["appeals"]
    assert (appeal["decided"], appeal["answer"]) == (
        "UPHELD",
        "You are right: the measure ends today.",
    )
    made.clean()


async def test_an_appeal_is_answered_once_by_those_who_may(hub: Hub) -> None:
    given = await declared_travellers.declare(hub)
    appeal = str(uuid4())
    await declared_travellers.dispute(hub, given, WORDS, appeal)
    told = {"appeal_id": appeal, "decided": "REJECTED", "text": "It stays."}
    for role in (Role.SCREENER, Role.ASSISTANT, Role.MEDIC):
        visitor = await on_shift(hub, role)
        assert (await see(visitor, "/desk/appeals")).status_code == 403
        assert (await send(visitor, "/desk/appeals/read", appeal_id=appeal)).status_code == 403
        assert (await send(visitor, "/desk/appeals/answer", **told)).status_code == 403
    visitor = await on_shift(hub, Role.DUTY_COMMANDER)
    for _ in range(2):  # the key was pressed twice
        assert (await send(visitor, "/desk/appeals/answer", **told)).status_code == 303
    other = await send(visitor, "/desk/appeals/answer", **{**told, "decided": "UPHELD"})
    assert other.status_code == 409
    page = await send(visitor, "/desk/appeals/read", appeal_id=appeal)
    assert "This one has been answered" in page.text
    assert "&lt;b&gt;And nobody asked" in page.text
    unknown = await send(visitor, "/desk/appeals/read", appeal_id=str(uuid4()))
    assert unknown.status_code == 404
    assert (await send(visitor, "/desk/appeals/read", appeal_id="x")).status_code == 303


async def test_a_declaration_is_found_by_what_is_shown_and_few_times(hub: Hub) -> None:
    given = await declared_travellers.declare(hub, **ILL)
    visitor = await on_shift(hub, Role.ASSISTANT)
    page = await send(visitor, "/desk/declaration", pass_code=str(given["pass_code"]))
    assert "Feeling ill</dt><dd>Yes" in page.text
    assert "Help</dt><dd>No" in page.text
    (read,) = await reads(hub)
    assert (read["action"], read["purpose"]) == ("LOOK_UP", "SUBJECT_REQUEST")
    nothing = await send(visitor, "/desk/declaration", pass_code="2026 0424")
    assert "Nothing was declared under this here" in nothing.text
    for wrong in ("", "x" * 60, str(given["receipt"])):
        answer = await send(visitor, "/desk/declaration", pass_code=wrong)
        assert answer.status_code == 422
    for _ in range(20):
        last = await send(visitor, "/desk/declaration", pass_code="2026 0424")
    assert last.status_code == 429
    assert (await see(await on_shift(hub), "/desk/declaration")).status_code == 403


@pytest.mark.pictures
@pytest.mark.parametrize("locale", ["en", "zh-CN", catalogue.PSEUDO])
async def test_every_view_is_for_everybody(browser: Browser, hub: Hub, locale: str) -> None:
    given = await declared_travellers.declare(hub, **ILL)
    await declared_travellers.dispute(hub, given, WORDS)
    made = await at_desk(browser, hub, locale, "/desk/appeals", Role.SUPERVISOR)
    found: dict[str, list[str]] = {}

    async def look(view: str) -> None:
        await screenshots.take(made.page, f"desk {view} {locale}")
        found[view] = [*await made.small(), *await violations(browser, made)]

    await look("appeals")
    await keys(made, "Enter")
    await expect(made.page.locator("blockquote")).to_be_visible()
    await look("appeal")
    await made.go("/desk/declaration")
    await made.page.locator("#pass_code").fill(str(given["pass_code"]))
    await keys(made, "Enter")
    await expect(made.page.locator("dl")).to_be_visible()
    await look("declaration")
    assert found == {view: [] for view in found}
    made.clean()


async def test_an_appeal_whose_key_is_gone_is_said_to_be_so_in_words(hub: Hub) -> None:
    given, appeal = await declared_travellers.declare(hub), str(uuid4())
    await declared_travellers.dispute(hub, given, WORDS, appeal)
    visitor, files = await on_shift(hub, Role.SUPERVISOR), hub.runtime.keys.of(hub.hub_id)
    for name in files.names("day."):
        files.destroy(name)
    page = await send(visitor, "/desk/appeals/read", appeal_id=appeal)
    assert (page.status_code, page.headers["content-type"][:9]) == (410, "text/html")
    assert catalogue.words_of("en").say("problem.410") in page.text
