"""Replays as they are asked for: by HTTP, and done by the job of the clock."""

from collections.abc import Mapping
from datetime import timedelta
from typing import cast
from uuid import UUID

import module_database
import people
import pytest
from httpx2 import Response
from hubs import CHECKPOINT, Hub
from people import Json

from twinstile import worker
from twinstile.operations.startup import DatabaseTarget
from twinstile.platform.ops import clock
from twinstile.platform.security.devices import LaneKind
from twinstile.platform.security.roles import Role
from twinstile.policy import documents
from twinstile.policy.versions import Policies
from twinstile.replay import requests, stream

place, runtime, service = (
    module_database.place,
    module_database.runtime,
    module_database.service,
)

PATH = "/v1/policies/cn-hub-2/replays"


def body(replay_id: UUID | None = None, **more: object) -> Json:
    period = {"from": people.ago(hours=1), "to": people.ago(seconds=-0.0)}
    return {"id": str(replay_id or people.new_id()), **period, **more}


async def ask(hub: Hub, asked: Json, path: str = PATH, who: str = Role.SUPERVISOR) -> Response:
    return await hub.client(who).post(path, json=asked)


async def read(hub: Hub, asked: Response, who: str = Role.EPIDEMIOLOGIST) -> dict[str, object]:
    answer = await hub.client(who).get(asked.json()["href"])
    assert answer.status_code == 200, answer.text
    return cast("dict[str, object]", answer.json())


async def work(hub: Hub, later: timedelta = timedelta(0)) -> None:
    runtime = hub.runtime
    now = clock.now() + later
    await requests.work(runtime.database, Policies(), runtime.settings.zone, hub.hub_id, now)


async def test_a_draft_is_tried_on_what_was_decided_and_decides_nothing(
    hub: Hub, place: DatabaseTarget
) -> None:
    fever = await hub.client().put(
        f"/v1/checks/{people.new_id()}", json=people.check(1, celsius=37.4)
    )
    plain = await hub.client().put(f"/v1/checks/{people.new_id()}", json=people.check(2))
    pack = documents.pack("cn-hub")
    figures = cast("Mapping[str, object]", pack["parameters"])
    draft = {**pack, "version": "milder-1", "parameters": {**figures, "threshold_tenths": 380}}
    supervisor = hub.client(Role.SUPERVISOR)
    stored = await supervisor.put("/v1/policies/milder-1", json={"document": draft})
    assert stored.status_code in {200, 201}, stored.text
    asked = await ask(hub, body(), "/v1/policies/milder-1/replays")
    assert asked.status_code == 202, asked.text
    assert (await read(hub, asked))["found"] is None
    jobs = {job.name: job for job in worker.jobs_of(hub.runtime, place)}
    await jobs["replays"].work(clock.now())
    told = await read(hub, asked)
    assert (told["state"], told["checks"], told["checks_expected"]) == ("DONE", 2, 2)
    found = cast("dict[str, object]", told["found"])
    assert (found["checks"], found["screenings_elsewhere"]) == (2, 1)
    (example,) = cast("list[dict[str, object]]", found["examples"])
    assert example["screening_id"] == fever.json()["screening_id"]
    assert cast("dict[str, object]", example["after"])["state"] == "CLEARED"
    listed = await hub.client(Role.EPIDEMIOLOGIST).get("/v1/policies/milder-1/replays")
    assert [one["id"] for one in listed.json()["replays"]] == [asked.json()["id"]]
    again = await hub.client().get(f"/v1/checks/{fever.json()['id']}")
    assert again.json()["policy_version"] == plain.json()["policy_version"] == "cn-hub-2"
    assert again.json()["state"] == "SECONDARY"


async def test_lanes_of_every_kind_stand_before_one_of_three_queues(hub: Hub) -> None:
    for kind in LaneKind:
        lane = {"checkpoint": CHECKPOINT, "kind": kind, "direction": "ARRIVING"}
        await hub.client(Role.ADMINISTRATOR).put(f"/v1/lanes/of-{kind.lower()}", json=lane)
    by_hand = people.check(lane_id="of-staffed")
    await hub.client().put(f"/v1/checks/{people.new_id()}", json=by_hand)
    asked = await ask(hub, body())
    await work(hub)
    told = await read(hub, asked)
    assert told["state"] == "DONE"
    (hour,) = cast("Json", told["found"])["hours"]
    assert [(queue["station"], queue["lanes"]) for queue in hour["queues"]] == [("AUTO", 1)]


async def test_the_same_again_is_the_same_and_one_is_at_work_at_a_time(hub: Hub) -> None:
    first = body()
    asked = await ask(hub, first)
    resent = await ask(hub, first)
    assert (resent.status_code, resent.json()) == (202, asked.json())
    other = await ask(hub, {**first, "from": people.ago(hours=2)})
    assert (other.status_code, other.json()["type"]) == (409, "/problems/id-reused")
    elsewhere = await ask(hub, first, "/v1/policies/cn-hub-9/replays")
    assert elsewhere.status_code == 404
    second = await ask(hub, body())
    assert (second.status_code, second.headers["Retry-After"]) == (429, "30")
    await work(hub)
    assert (await read(hub, asked))["state"] == "DONE"
    assert (await ask(hub, first)).status_code == 202
    assert (await ask(hub, body())).status_code == 202


@pytest.mark.parametrize(
    "period",
    [
        {"from": people.ago(days=32), "to": people.ago(hours=1)},
        dict.fromkeys(("from", "to"), people.ago(hours=1)),
        {"from": people.ago(hours=1), "to": people.ago(hours=2)},
        {"from": people.ago(hours=1), "to": people.ago(hours=-1)},
    ],
)
async def test_a_period_is_past_and_at_most_31_days(hub: Hub, period: Json) -> None:
    answer = await ask(hub, {**body(), **period})
    assert answer.status_code == 422
    assert answer.json()["errors"] == [{"pointer": "/to", "code": "out-of-range"}]


async def test_a_period_without_checks_finds_nothing(hub: Hub) -> None:
    asked = await ask(hub, {**body(), "from": people.ago(days=30), "to": people.ago(days=29)})
    await work(hub)
    told = await read(hub, asked)
    found = cast("dict[str, object]", told["found"])
    assert (told["state"], found["checks"], found["hours"]) == ("DONE", 0, [])


async def test_one_that_was_interrupted_is_begun_anew_and_at_last_given_up(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    await hub.client().put(f"/v1/checks/{people.new_id()}", json=people.check(1))
    asked = await ask(hub, body())
    died: list[int] = []

    async def dies(*_: object) -> None:
        died.append(1)
        raise ConnectionError

    with monkeypatch.context() as patched:
        patched.setattr(stream, "run", dies)
        with pytest.raises(ConnectionError):
            await work(hub)
    assert (await read(hub, asked))["state"] == "RUNNING"
    await work(hub)  # it may still be alive
    assert (await read(hub, asked))["state"] == "RUNNING"
    await work(hub, requests.LEASE * 2)
    told = await read(hub, asked)
    assert (told["state"], told["checks"]) == ("DONE", 1)
    lost = await ask(hub, body())
    for attempt in range(requests.MOST_ATTEMPTS):
        with monkeypatch.context() as patched:
            patched.setattr(stream, "run", dies)
            with pytest.raises(ConnectionError):
                await work(hub, requests.LEASE * 3 * attempt)
    await work(hub, requests.LEASE * 12)
    told = await read(hub, lost)
    assert (told["state"], told["fault"], told["found"]) == ("FAILED", "INTERRUPTED", None)
    assert len(died) == 1 + requests.MOST_ATTEMPTS


async def test_who_lost_a_replay_writes_nothing_to_it(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither after somebody ended it, nor after another process began it."""
    asked = await ask(hub, body())
    finish = stream.run

    async def slow(*arguments: object) -> object:
        ended = await hub.client(Role.DUTY_COMMANDER).delete(asked.json()["href"])
        assert ended.status_code == 204
        return await finish(*arguments)  # pyright: ignore[reportArgumentType]

    monkeypatch.setattr(stream, "run", slow)
    await work(hub)
    told = await read(hub, asked)
    assert (told["state"], told["found"]) == ("CANCELED", None)
    second = await ask(hub, body())

    async def overtaken(*arguments: object) -> object:
        monkeypatch.setattr(stream, "run", finish)
        await work(hub, requests.LEASE * 2)
        return await finish(*arguments)  # pyright: ignore[reportArgumentType]

    monkeypatch.setattr(stream, "run", overtaken)
    await work(hub)
    assert (await read(hub, second))["state"] == "DONE"


async def test_progress_is_told_and_a_canceled_one_stops_in_the_middle(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "PAGE", 2)
    monkeypatch.setattr(stream, "TOLD_EVERY_S", 0)
    items = [
        {"kind": "check", "id": str(people.new_id()), "counter": n, "body": people.fact()}
        for n in range(1, 8)
    ]
    await hub.client("device").post(
        "/v1/facts:batch", json={"sent_at": people.now(), "items": items}
    )
    asked = await ask(hub, body())
    noted: list[int] = []
    note = requests.ReplayAttempt.progress

    async def seen(self: requests.ReplayAttempt, checks: int) -> None:
        noted.append(checks)
        if checks == 4:
            await hub.client(Role.SUPERVISOR).delete(asked.json()["href"])
        await note(self, checks)

    monkeypatch.setattr(requests.ReplayAttempt, "progress", seen)
    await work(hub)
    assert noted == [2, 4]
    told = await read(hub, asked)
    assert (told["state"], told["checks"]) == ("CANCELED", 2)


async def test_too_many_checks_are_said_before_anything_is_read(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "MOST_CHECKS", 1)
    for counter in (1, 2):
        await hub.client().put(f"/v1/checks/{people.new_id()}", json=people.check(counter))
    asked = await ask(hub, body())
    await work(hub)
    told = await read(hub, asked)
    assert (told["state"], told["fault"]) == ("FAILED", "TOO_MANY_CHECKS")


async def test_a_result_is_kept_for_14_days(hub: Hub) -> None:
    asked = await ask(hub, body())
    await work(hub)
    await work(hub, requests.KEPT - timedelta(hours=1))
    assert (await read(hub, asked))["state"] == "DONE"
    await work(hub, requests.KEPT + timedelta(hours=1))
    gone = await hub.client(Role.EPIDEMIOLOGIST).get(asked.json()["href"])
    assert gone.status_code == 404


async def test_a_replay_is_found_under_its_version_and_hub_alone(hub: Hub) -> None:
    asked = await ask(hub, body())
    path = asked.json()["href"].replace("cn-hub-2", "cn-hub-3")
    for method in ("GET", "DELETE"):
        answer = await hub.client(Role.SUPERVISOR).request(method, path)
        assert answer.status_code == 404
    assert (await read(hub, asked))["state"] == "WAITING"
