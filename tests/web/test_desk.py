"""The service desk: a person without a phone leaves with a slip, by keyboard alone."""

import asyncio
import re
import shutil
from pathlib import Path
from urllib.parse import urlencode
from uuid import uuid4

import declared_travellers
import people
import pytest
import screenshots
from access_log_reader import reads
from http_browser import OWN_PAGE, Visitor, on_shift
from httpx2 import Response
from hubs import Hub
from page_browser import at_desk, keys, squares, violations
from playwright.async_api import Browser, expect

from twinstile.platform.security.roles import Role
from twinstile.web import catalogue

FORM = {"Content-Type": "application/x-www-form-urlencoded", "Accept-Language": "en"}
PICTURES = shutil.which("pdftoppm")
CALM = {"symptoms": "no", "contact": "no", "fever_medicine": "no", "help": "no"}


def fields(**more: str) -> dict[str, str]:
    told = {"key": str(uuid4()), "check_id": str(people.new_id()), "do": "slip", **CALM}
    return {**told, "consent": "TRAVELLER", "language": "zh-CN", "source": "SPOKEN", **more}


async def send(visitor: Visitor, path: str = "/desk", **told: str) -> Response:
    body = urlencode(told).encode()
    return await visitor.ask("POST", path, OWN_PAGE | FORM, content=body)


async def test_seven_keys_after_the_card_are_a_slip(browser: Browser, hub: Hub) -> None:
    made = await at_desk(browser, hub)
    number = people.resident_number()
    await made.page.keyboard.type(number)  # as a card reader does, and Enter
    count = await keys(made, "Enter", "n", "N", "n", "y", "F2")
    await expect(made.page.locator(".slip svg")).to_be_visible()
    assert await made.page.evaluate("window.printed")
    assert count <= 7
    (code,) = squares(await made.page.locator(".slip svg").screenshot())
    told = await declared_travellers.show(hub, code, number)
    assert told["declaration"] == {"standing": "COUNTED", "help": True}
    await keys(made, "Enter")
    await expect(made.page.locator("#number")).to_be_focused()
    assert await made.page.locator("input:checked").count() == 0
    made.clean()


@pytest.mark.skipif(
    PICTURES is None, reason="no pdftoppm on the PATH: apt install poppler-utils"
)
async def test_what_is_printed_is_read_by_a_scanner(
    browser: Browser, hub: Hub, tmp_path: Path
) -> None:
    made = await at_desk(browser, hub)
    await keys(made, "Enter", "n", "n", "n", "n", "F2")
    await expect(made.page.locator(".slip svg")).to_be_visible()
    short = await made.page.locator(".short").inner_text()
    assert re.fullmatch(r"[0-9]{4} [0-9]{4}", short)
    box = await made.page.locator(".slip svg").bounding_box()
    assert box is not None
    assert box["width"] >= 30 / 25.4 * 96
    pdf = tmp_path / "slip.pdf"
    await made.page.pdf(path=pdf, prefer_css_page_size=True)
    # 203 dots an inch, as printers of such slips have
    png = ["-r", "203", "-png", "-singlefile", str(pdf), str(tmp_path / "slip")]
    done = await asyncio.create_subprocess_exec(str(PICTURES), *png)
    assert await done.wait() == 0
    (code,) = squares((tmp_path / "slip.png").read_bytes())
    assert (await declared_travellers.find(hub, code)).json()["declaration"][
        "source"
    ] == "SPOKEN"
    assert (await declared_travellers.find(hub, short)).json()["declaration"] is not None


@pytest.mark.parametrize("locale", ["en", "zh-CN", catalogue.PSEUDO])
@pytest.mark.pictures
async def test_every_view_is_for_everybody(browser: Browser, hub: Hub, locale: str) -> None:
    made = await at_desk(browser, hub, locale)
    found: dict[str, list[str]] = {}

    async def look(view: str) -> None:
        await screenshots.take(made.page, f"desk {view} {locale}")
        found[view] = [*await made.small(), *await violations(browser, made)]

    await look("empty")
    await keys(made, "Enter", "n", "F2")
    await expect(made.page.locator("#faults")).to_be_visible()
    await look("faults")
    await made.page.locator("#number").fill(people.resident_number())
    await keys(made, "F6")
    await expect(made.page.locator("section.told")).to_be_visible()
    await look("looked-up")
    await keys(made, "n", "n", "n", "n", "F4")
    await expect(made.page.locator(".slip svg")).to_be_visible()
    await look("slip")
    assert found == {view: [] for view in found}
    made.clean()


async def state_of(hub: Hub) -> list[str]:
    """Where the passages of the hub stand."""
    period = {"from": people.ago(hours=1), "to": people.ago(hours=-1)}
    answer = await hub.client().get("/v1/screenings", params=period)
    return [one["state"] for one in answer.json()["screenings"]]


@pytest.mark.parametrize(
    ("do", "state"), [("slip", "PRESENTED"), ("nurse", "SECONDARY"), ("escort", "ASSISTED")]
)
async def test_each_key_leads_somewhere(hub: Hub, do: str, state: str) -> None:
    visitor = await on_shift(hub, Role.ASSISTANT)
    told = fields(do=do, number=people.resident_number())
    first = await send(visitor, **told)
    assert first.status_code == 200, first.text
    assert await state_of(hub) == [state]
    again = await send(visitor, **told)  # the key was pressed twice
    receipt = re.compile(r'class="receipt"[^>]*>([^<]+)<')
    assert receipt.findall(again.text) == receipt.findall(first.text) != []
    assert await state_of(hub) == [state]


async def test_without_a_document_the_slip_is_what_the_lane_knows_somebody_by(
    hub: Hub,
) -> None:
    visitor = await on_shift(hub, Role.ASSISTANT)
    page = (await send(visitor, **fields(symptoms="yes"))).text
    short = re.search(r"([0-9]{4} [0-9]{4})</p>", page)
    assert short is not None
    told = await declared_travellers.show(hub, short[1], identity=None)
    assert told["verdict"] == "CHECK"
    assert told["declaration"] == {"standing": "COUNTED", "help": False}
    assert len(await state_of(hub)) == 1


async def test_a_look_up_is_masked_on_the_record_and_with_consent(hub: Hub) -> None:
    number = people.resident_number()
    await declared_travellers.show(hub, None, number)
    visitor = await on_shift(hub, Role.ASSISTANT)
    page = await send(
        visitor, "/desk/lookup", number=number, consent="GUARDIAN", kind="RESIDENT_ID"
    )
    assert "Known here: 张*" in page.text
    assert "张伟" not in page.text
    (read,) = await reads(hub)
    assert (read["action"], read["purpose"], read["outcome"]) == (
        "LOOK_UP",
        "IDENTIFICATION",
        "SHOWN",
    )
    for _ in range(19):
        await send(visitor, "/desk/lookup", number=number, consent="TRAVELLER")
    stopped = await send(visitor, "/desk/lookup", number=number, consent="TRAVELLER")
    assert stopped.status_code == 429
    assert f'value="{number}"' in stopped.text


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"number": " \u202e\u200b"}, 'id="number-fault"'),
        ({"number": "x", "kind": "PASSPORT", "do": "burn"}, "is none of the choices"),
        ({"consent": ""}, "is missing"),
        ({"help": ""}, 'id="help-fault"'),
    ],
)
async def test_what_is_wrong_is_said_and_nothing_is_stored(
    hub: Hub, wrong: dict[str, str], said: str
) -> None:
    visitor = await on_shift(hub, Role.ASSISTANT)
    told = fields(**wrong)
    answer = await send(visitor, **told)
    assert answer.status_code == 422, answer.text
    assert said in answer.text
    assert told["key"] in answer.text
    assert await state_of(hub) == []


@pytest.mark.parametrize("role", [Role.SCREENER, Role.EPIDEMIOLOGIST, Role.ADMINISTRATOR])
async def test_the_desk_is_for_those_who_help(hub: Hub, role: Role) -> None:
    visitor = await on_shift(hub, role)
    refused = await visitor.ask("GET", "/desk")
    assert (refused.status_code, "其他岗位" in refused.text) == (403, True)
    assert (await send(visitor, **fields())).status_code == 403
    assert await state_of(hub) == []


async def test_nobody_signed_in_is_led_to_the_entry(hub: Hub) -> None:
    answer = await Visitor(hub.service).ask("GET", "/desk")
    assert (answer.status_code, answer.headers["location"]) == (303, "/enter?then=/desk")


async def test_the_desks_own_facts_are_counted_without_a_gap(hub: Hub) -> None:
    visitor = await on_shift(hub, Role.ASSISTANT)
    for _ in range(3):
        await send(visitor, **fields(number=people.resident_number()))
    device = (await visitor.ask("GET", "/v1/me")).json()["device_id"]
    told = (await visitor.ask("GET", f"/v1/devices/{device}/sync-status")).json()
    assert (told["ack_through"], told["missing"]) == (3, [])
