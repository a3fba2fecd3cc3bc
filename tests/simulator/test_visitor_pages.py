"""Whoever runs the demonstration is told where to look on, and gets in with what is told."""

import io
import re

from http_browser import Visitor
from hubs import PASSCODE, Hub
from rich.console import Console

from twinstile.platform.security.roles import Role
from twinstile_simulator.client import connect
from twinstile_simulator.hub import BrowserAccess as Guest
from twinstile_simulator.hub import OperatorAccount, print_pages


async def test_the_pages_there_are_are_told_with_a_code_that_lets_in(hub: Hub) -> None:
    client = hub.client(Role.ADMINISTRATOR)
    made = await client.post("/v1/enrolments", json={"lane_id": "north-1"})
    account = OperatorAccount(hub.duties[Role.SCREENER].login, PASSCODE)
    guest = Guest("north-1", made.json()["code"], account)
    said = Console(file=io.StringIO(), width=60)
    base_url = hub.service.base_url
    async with connect(base_url) as service:
        await print_pages(service, guest, base_url, said)
    text = said.file.getvalue()
    told = re.search(rf"{base_url}/enter#(\S+)", text)
    assert told is not None
    assert account.login in text
    for path in re.findall(rf"{base_url}(/\S+)  ", text):
        assert (await hub.service.client().get(path)).status_code != 404
    assert f"{base_url}/gate/" in text
    browser = Visitor(hub.service)
    body = {"code": told[1], "name": "mine", "browser": True}
    assert (await browser.ask("POST", "/v1/devices:enrol", json=body)).status_code == 201
    body = {"login": account.login, "passcode": account.passcode}
    assert (await browser.ask("POST", "/v1/shifts", json=body)).status_code == 201
    assert (await browser.ask("GET", "/v1/me")).json()["lane_id"] == "north-1"
