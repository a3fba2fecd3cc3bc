"""Forms of an outage keyed in by keyboard alone, and compared by a second person."""

import re
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlencode

import people
import pytest
import screenshots
from http_browser import OWN_PAGE, Visitor, on_shift
from httpx2 import Response
from hubs import Hub
from page_browser import Sheet, at_desk, keys, violations
from people import Json
from playwright.async_api import Browser, expect

from twinstile.operations.startup import DatabaseTarget
from twinstile.platform.db.database import Database
from twinstile.platform.ops import clock
from twinstile.platform.security.roles import Role
from twinstile.web import catalogue

FORM = {"Content-Type": "application/x-www-form-urlencoded", "Accept-Language": "en"}
DOCS = Path(__file__).parents[2] / "docs" / "operators.md"


def hours_ago(hub: Hub, hours: float) -> tuple[str, str]:
    """The day and the time that would stand on a form."""
    then = clock.now().astimezone(hub.runtime.settings.zone) - timedelta(hours=hours)
    return f"{then:%Y-%m-%d}", f"{then:%H%M}"


def fields(hub: Hub, no: str = "A-0001", hours: float = 5, **more: str) -> dict[str, str]:
    day, time = hours_ago(hub, hours)
    return {
        "check_id": str(people.new_id()),
        "again_id": str(people.new_id()),
        "form_no": no,
        "lane_id": "north-1",
        "day": day,
        "time": time,
        "number": people.resident_number(),
        "belongs": "yes",
        "celsius": "36.6",
        "method": "ear",
        "method2": "none",
        "credential": "green",
        "reminded": "yes",
        "s1": "offered",
        "s2": "declined",
        "ill": "no",
        "decision": "PASS",
        **more,
    }


FEVER = {"celsius": "38,4", "celsius2": "38.2", "method": "contactless", "method2": "ear"}


async def send(visitor: Visitor, path: str = "/desk/paper", **told: str) -> Response:
    body = urlencode(told).encode()
    return await visitor.ask("POST", path, OWN_PAGE | FORM, content=body)


async def forms(hub: Hub) -> list[Json]:
    found: list[Json] = (await hub.client(Role.SUPERVISOR).get("/v1/paper-forms")).json()[
        "forms"
    ]
    return found


async def typed(made: Sheet, *words: str) -> None:
    for word in words:
        await made.page.keyboard.type(word)
        await keys(made, "Enter")


async def test_a_form_is_keyed_without_a_mouse_and_the_next_one_follows(
    browser: Browser, hub: Hub
) -> None:
    made = await at_desk(browser, hub, path="/desk/paper")
    day, time = hours_ago(hub, 5)
    await typed(made, "a-0017")
    await keys(made, "Enter")  # the lane stands there already
    await typed(made, day, time, "张伟", people.resident_number())
    await keys(made, "y")
    await typed(made, "36.6")
    await keys(made, "c", "Enter", "n", "g", "y", "o", "d", "n", "p", "F2")
    await expect(made.page.get_by_role("status")).to_contain_text("Form A-0017 is kept: pass")
    await expect(made.page.locator("#form_no")).to_be_focused()
    assert await made.page.locator("#day").input_value() == day
    made.clean()
    (form,) = await forms(hub)
    stored = (await hub.client().get(f"/v1/checks/{form['check_id']}")).json()
    assert stored["verdict"] == "PASS"
    evidence = stored["evidence"]
    assert (evidence["source"], evidence["form_no"]) == ("PAPER", "A-0017")
    assert evidence["temperature"]["method"] == "CONTACTLESS"
    assert evidence["decided"] == {"verdict": "PASS", "policy_version": "PAPER"}


async def test_both_readings_of_a_fever_count_and_another_person_compares(hub: Hub) -> None:
    keyer, second = await on_shift(hub, Role.ASSISTANT), await on_shift(hub, Role.MEDIC)
    told = fields(hub, "C-0001", decision="STOP", **FEVER)
    page = await send(keyer, **told)
    assert page.status_code == 200, page.text
    assert "Form C-0001 is kept: stop" in page.text
    assert "You keyed this one" in page.text
    again = await send(keyer, **told)
    assert "Form C-0001 is kept: stop" in again.text
    (screening,) = await screenings(hub)
    assert (screening["state"], bool(screening["case_id"])) == ("HELD", True)
    seen = (await second.ask("GET", "/desk/paper", OWN_PAGE | FORM)).text
    assert re.findall(r"<strong>([\d.]+) °C</strong> (\w+)", seen) == [
        ("38.4", "Contactless"),
        ("38.2", "Ear"),
    ]
    unsaid = await send(second, "/desk/paper/look", form_no="C-0001", agrees="no")
    assert unsaid.status_code == 422
    assert "Say what differs" in unsaid.text
    own = await send(keyer, "/desk/paper/look", form_no="C-0001", agrees="yes")
    assert own.status_code == 403
    done = await send(
        second, "/desk/paper/look", form_no="C-0001", agrees="no", reason="36.4 on paper"
    )
    assert (done.status_code, done.headers["location"]) == (303, "/desk/paper")
    assert "None waits" in (await second.ask("GET", "/desk/paper", OWN_PAGE | FORM)).text
    (form,) = await forms(hub)
    assert (form["agrees"], form["reason"]) == (False, "36.4 on paper")


async def screenings(hub: Hub) -> list[Json]:
    period = {"from": people.ago(hours=80), "to": people.ago(hours=-1)}
    found: list[Json] = (await hub.client().get("/v1/screenings", params=period)).json()[
        "screenings"
    ]
    return found


WRONG = [
    ({"form_no": "north"}, "Number of the form: not in this form"),
    ({"time": "24:00"}, "Time (24 h): not in this form"),
    ({"day": "2026-02-30"}, "Date: not in this form"),
    ({"day": "2020-01-01"}, "Date: is older than what may be keyed in"),
    ({"day": "2099-12-31"}, "Time (24 h): is too high"),
    ({"lane_id": "south-9"}, "Lane: is none of the choices"),
    ({"number": " \u202e\u200b"}, "number-fault"),
    ({"celsius": "59"}, "Temperature °C: is too high"),
    ({"celsius": ""}, "Temperature °C: is missing"),
    ({"method": "none"}, "Temperature °C: is missing"),
    ({"decision": ""}, "Decision: is missing"),
]


async def test_what_is_wrong_is_said_with_all_that_was_keyed(hub: Hub) -> None:
    visitor = await on_shift(hub, Role.ASSISTANT)
    for wrong, said in WRONG:
        told = fields(hub, **wrong, name="张伟")
        answer = await send(visitor, **told)
        assert answer.status_code == 422, wrong
        assert said in answer.text, wrong
        assert told["check_id"] in answer.text
        assert 'value="张伟"' in answer.text
    assert await forms(hub) == []


async def test_a_form_is_keyed_once_whoever_keys_it(hub: Hub) -> None:
    first, second = await on_shift(hub, Role.ASSISTANT), await on_shift(hub, Role.SCREENER)
    told = fields(hub)
    assert (await send(first, **told)).status_code == 200
    other = await send(second, **fields(hub))
    assert other.status_code == 422
    assert "Number of the form: was keyed before" in other.text
    changed = await send(first, **{**told, **FEVER})
    assert "Number of the form: was keyed before" in changed.text
    assert len(await screenings(hub)) == 1


async def test_where_there_are_no_lanes_it_says_so_and_how_to_add_one(
    hub: Hub, place: DatabaseTarget
) -> None:
    visitor = await on_shift(hub)
    owner = Database(place.owner_url, pool_size=1)
    async with owner.transaction() as tx:
        await tx.raw.execute("DELETE FROM lane WHERE hub_id = $1", hub.hub_id)
    await owner.close()
    page = (await visitor.ask("GET", "/desk/paper", OWN_PAGE | FORM)).text
    assert "There are no lanes at this hub" in page
    (command,) = re.findall("<code[^>]*>(twinstile [^<]+)</code>", page)
    assert command in DOCS.read_text()
    assert 'name="form_no"' not in page
    assert (await send(visitor, **fields(hub))).status_code == 422
    assert await forms(hub) == []


async def test_the_page_is_for_those_who_check(hub: Hub) -> None:
    visitor = await on_shift(hub, Role.EPIDEMIOLOGIST)
    assert (await visitor.ask("GET", "/desk/paper")).status_code == 403
    assert (await send(visitor, **fields(hub))).status_code == 403
    answer = await Visitor(hub.service).ask("GET", "/desk/paper")
    assert (answer.status_code, answer.headers["location"]) == (303, "/enter?then=/desk/paper")
    foreign = {**FORM, "Sec-Fetch-Site": "cross-site"}
    visitor = await on_shift(hub, Role.ASSISTANT)
    body = urlencode(fields(hub)).encode()
    assert (await visitor.ask("POST", "/desk/paper", foreign, content=body)).status_code == 403
    assert await forms(hub) == []


@pytest.mark.pictures
@pytest.mark.parametrize("locale", ["en", "zh-CN", catalogue.PSEUDO])
async def test_every_view_is_for_everybody(browser: Browser, hub: Hub, locale: str) -> None:
    await send(await on_shift(hub, Role.ASSISTANT), **fields(hub, "C-0001", **FEVER))
    made = await at_desk(browser, hub, locale, "/desk/paper", Role.MEDIC)
    found: dict[str, list[str]] = {}

    async def look(view: str) -> None:
        await screenshots.take(made.page, f"paper {view} {locale}")
        found[view] = [*await made.small(), *await violations(browser, made)]

    await typed(made, "x")
    await keys(made, "F2")
    await expect(made.page.locator("#faults")).to_be_visible()
    assert await made.page.locator("#form_no").input_value() == "x"
    await look("faults")
    assert found == {view: [] for view in found}
    made.clean()
