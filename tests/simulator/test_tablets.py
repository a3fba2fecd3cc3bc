import json
from collections.abc import Awaitable, Callable

import httpx2
import pytest

from twinstile_simulator import tablets
from twinstile_simulator.client import RequestRefused, ServiceClient
from twinstile_simulator.tablets import SimulatedTablet

Handler = Callable[[httpx2.Request], httpx2.Response]


async def _with(
    handler: Handler, work: Callable[[SimulatedTablet], Awaitable[None]]
) -> SimulatedTablet:
    transport = httpx2.MockTransport(handler)
    async with httpx2.AsyncClient(transport=transport, base_url="http://hub") as http:
        tablet = SimulatedTablet(ServiceClient(http), "token", "exit-1")
        await work(tablet)
    return tablet


def _stored(id_: str) -> dict[str, object]:
    return {"id": id_, "status": "stored", "screening_id": "s", "state": "CLEARED"}


async def test_a_check_that_finds_the_service_busy_is_sent_again_unchanged():
    seen: list[tuple[str, bytes]] = []

    def busy_once(request: httpx2.Request) -> httpx2.Response:
        seen.append((request.url.path, request.content))
        if len(seen) == 1:
            return httpx2.Response(503, json={"type": "/problems/busy", "title": "busy"})
        if len(seen) == 2:
            raise httpx2.ReadTimeout("no answer", request=request)
        return httpx2.Response(201, json=_stored(request.url.path.rsplit("/", 1)[1]))

    async def work(tablet: SimulatedTablet) -> None:
        answer = await tablet.check({"illness": False})
        assert answer.state == "CLEARED"

    tablet = await _with(busy_once, work)
    assert len(set(seen)) == 1
    assert len(seen) == 3
    assert len(tablet.waits_ms) == len(tablet.acknowledged) == 1


async def test_a_refused_check_is_not_acknowledged_and_names_the_place_not_the_value():
    problem = {"type": "/problems/out-of-range", "errors": [{"pointer": "/temperature"}]}

    async def work(tablet: SimulatedTablet) -> None:
        with pytest.raises(RequestRefused, match=r"422 out-of-range /temperature$"):
            await tablet.check({"temperature": 99})

    tablet = await _with(lambda _: httpx2.Response(422, json=problem), work)
    assert not tablet.acknowledged


async def test_a_backlog_is_handed_over_until_every_fact_is_settled(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(tablets, "PAUSE_S", 0)
    monkeypatch.setattr(tablets, "CHUNK", 3)
    rounds: list[list[int]] = []

    def forgetful(request: httpx2.Request) -> httpx2.Response:
        items = json.loads(request.content)["items"]
        assert len(items) <= 3
        rounds.append([item["counter"] for item in items])
        assert all(item["body"]["offline"] for item in items)
        statuses = {2: "retry", 5: "quarantined"} if len(rounds) <= 2 else {}
        answers = [
            {"id": item["id"], "status": statuses.get(item["counter"], "stored"), "check": None}
            for item in items
        ]
        missing = [[4, 4]] if len(rounds) == 2 else []
        return httpx2.Response(
            200, json={"items": answers, "ack_through": 1, "missing": missing}
        )

    async def work(tablet: SimulatedTablet) -> None:
        ids = [tablet.keep({"illness": False}) for _ in range(6)]
        assert ids == sorted(set(ids))
        answers = await tablet.replay()
        assert set(answers) == set(ids)

    tablet = await _with(forgetful, work)
    assert rounds == [[1, 2, 3], [4, 5, 6], [2, 4]]
    assert len(tablet.acknowledged) == 5
    assert not tablet.backlog
    assert tablet.counter == 6


async def test_a_service_that_never_takes_a_fact_is_given_up(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(tablets, "PAUSE_S", 0)

    def never(request: httpx2.Request) -> httpx2.Response:
        (item,) = json.loads(request.content)["items"]
        answers = [{"id": item["id"], "status": "retry", "check": None}]
        return httpx2.Response(200, json={"items": answers, "ack_through": 0, "missing": []})

    async def work(tablet: SimulatedTablet) -> None:
        tablet.keep({"illness": False})
        with pytest.raises(RequestRefused, match="1 facts stay open"):
            await tablet.replay()
        assert len(tablet.backlog) == 1

    await _with(never, work)
