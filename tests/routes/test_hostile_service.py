"""The whole hostile corpus against a service in a process of its own, over HTTP.

What each case is answered is held by the tests beside this one; here it is counted that no
answer is a 5xx, that each is a problem document, that none says what was sent, that nothing of
it is in the log, and that the process holds hardly more memory afterwards.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, Iterator
from dataclasses import dataclass

import httpx2
import pytest
import slow_clients
import stations
from hostile import UNREADABLE, spoiled
from refusals import unsaid
from route_examples import TARGETS
from stations import PASSCODE, Station
from test_hostile_lists import QUESTIONS
from test_wire import BROKEN

from twinstile.platform.security.roles import Role

pytestmark = pytest.mark.timeout(300)
AT_ONCE = 4
MOST_GROWTH_KIB = 20 << 10
AT_LEAST = 1000


@dataclass(frozen=True, slots=True)
class Case:
    """One request of the corpus; `known`: whether it comes with a token."""

    method: str
    path: str
    body: bytes = b""
    content_type: str = "application/json"
    who: str | None = "shift"


def corpus() -> Iterator[Case]:
    for target in TARGETS:
        who = target.who and ("device" if target.who == "device" else "shift")
        for bad in UNREADABLE:
            yield Case(target.method, target.path, bad.body, bad.content_type, who)
        for fault in target.faults:
            body = spoiled(target.body(), fault)
            yield Case(target.method, target.path, body, who=who)
        yield Case(target.method, target.path, b"", who=who)
        if who:
            yield Case(target.method, target.path, json.dumps(target.body()).encode(), who=None)
    yield from (Case("GET", question) for question, _ in QUESTIONS)


@pytest.fixture(scope="module")
async def station() -> AsyncGenerator[Station]:
    async with stations.station() as there:
        yield there


@pytest.fixture(scope="module")
async def tokens(station: Station) -> dict[str, str]:
    """Of a device, and of somebody on shift there who may do everything."""
    told = station.told
    async with httpx2.AsyncClient(base_url=station.url, timeout=30) as client:

        async def post(path: str, token: str | None, body: object) -> dict[str, str]:
            headers = {"Authorization": f"Bearer {token}"} if token else {}
            answer = await client.post(path, json=body, headers=headers)
            assert answer.is_success, answer.text
            done: dict[str, str] = answer.json()
            return done

        code = {"code": told["enrolment_code"], "name": "tablet"}
        device = (await post("/v1/devices:enrol", None, code))["token"]
        first = {"login": told["login"], "passcode": told["passcode"]}
        admin = (await post("/v1/shifts", device, first))["token"]
        everything = {"login": "all", "display_name": "All", "passcode": PASSCODE}
        await post("/v1/operators", admin, {**everything, "roles": list(Role)})
        shift = await post("/v1/shifts", device, {"login": "all", "passcode": PASSCODE})
        return {"device": device, "shift": shift["token"]}


async def test_the_corpus_leaves_a_service_as_it_was(
    station: Station, tokens: dict[str, str]
) -> None:
    cases = list(corpus())
    assert len(cases) >= AT_LEAST
    faults: list[tuple[Case, str]] = []

    async def send(client: httpx2.AsyncClient, case: Case) -> None:
        headers = {"content-type": case.content_type} if case.content_type else {}
        if case.who:
            headers["authorization"] = f"Bearer {tokens[case.who]}"
        answer = await client.request(
            case.method, case.path, content=case.body, headers=headers
        )
        unsaid(f"{answer.text} {answer.headers}")
        problem = answer.headers["content-type"] == "application/problem+json"
        if not 400 <= answer.status_code < 500 or not problem:
            faults.append((case, answer.text))

    async def in_turn(mine: list[Case]) -> None:
        async with httpx2.AsyncClient(base_url=station.url, timeout=30) as client:
            for case in mine:
                await send(client, case)

    await asyncio.gather(*(in_turn(cases[n::50]) for n in range(AT_ONCE)))  # everything warm
    before = slow_clients.resident_kib(station)
    await asyncio.gather(*(in_turn(cases[n::AT_ONCE]) for n in range(AT_ONCE)))
    grown = slow_clients.resident_kib(station) - before
    assert faults == []
    assert grown <= MOST_GROWTH_KIB
    unsaid(station.log())


@pytest.mark.parametrize(("fields", "body"), BROKEN)
async def test_what_is_no_http_is_a_problem_too(
    station: Station, tokens: dict[str, str], fields: tuple[str, ...], body: bytes
) -> None:
    lines = [
        "POST /v1/facts:batch HTTP/1.1",
        "Host: hub",
        f"Authorization: Bearer {tokens['device']}",
    ]
    async with slow_clients.line(station) as (reader, writer):
        writer.write("\r\n".join([*lines, *fields, "", ""]).encode() + body)
        answer = await asyncio.wait_for(reader.read(-1), 10)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"content-type: application/problem+json" in answer
    assert answer.count(b"HTTP/1.1 ") == 1
