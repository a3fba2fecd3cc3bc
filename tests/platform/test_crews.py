"""A lane that is taken over from somebody on another device."""

import asyncio

import people
from hubs import DEVICE, Hub, open_hub
from people import Json

from twinstile.platform.security.roles import Role


async def state(hub: Hub, token: str | None = None) -> Json:
    client = hub.service.client(token) if token else hub.client()
    told: Json = (await client.get("/v1/lanes/north-1/state")).json()
    return told


async def test_who_takes_a_lane_over_is_told_to_who_worked_it_and_ends_no_shift(
    hub: Hub,
) -> None:
    first = hub.duties[Role.SCREENER]
    next_one = await hub.another(Role.SCREENER, "north-1")
    (member,) = (await state(hub, next_one.token))["crew"]  # type: ignore[misc]
    assert (member["shift_id"], member["operator"]) == (str(first.shift_id), "the screener")
    assert (await state(hub))["taken_over"] is None
    taken = people.new_id()
    path, body = f"/v1/lanes/north-1/take-overs/{taken}", {"shift_id": str(first.shift_id)}
    client = hub.service.client(next_one.token)
    assert [(await client.put(path, json=body)).status_code for _ in range(2)] == [204, 204]
    reused = await client.put(path, json={"shift_id": str(next_one.shift_id)})
    assert reused.json()["type"] == "/problems/id-reused"
    told = (await state(hub))["taken_over"]
    assert (told["take_over_id"], told["operator"]) == (str(taken), "the screener")  # type: ignore[index]
    assert (await state(hub, next_one.token))["taken_over"] is None
    assert (await hub.client().get("/v1/me")).json()["shift_id"] == str(first.shift_id)
    unmanned = await hub.client(DEVICE).get("/v1/lanes/north-1/state")
    assert (unmanned.json()["crew"], unmanned.json()["taken_over"]) == ([], None)


async def test_a_lane_taken_over_twice_at_the_same_moment_is_taken_over_once(hub: Hub) -> None:
    next_one = await hub.another(Role.SCREENER, "north-1")
    client, body = (
        hub.service.client(next_one.token),
        {"shift_id": str(hub.duties[Role.SCREENER].shift_id)},
    )
    for _ in range(3):
        path = f"/v1/lanes/north-1/take-overs/{people.new_id()}"
        answers = await asyncio.gather(*(client.put(path, json=body) for _ in range(5)))
        assert [answer.status_code for answer in answers] == [204] * 5


async def test_a_lane_is_taken_over_by_who_stands_there_from_who_works_there(hub: Hub) -> None:
    assistant, screener = hub.duties[Role.ASSISTANT], hub.duties[Role.SCREENER]
    path = f"/v1/lanes/north-1/take-overs/{people.new_id()}"
    elsewhere = await hub.client(Role.ASSISTANT).put(
        path, json={"shift_id": str(screener.shift_id)}
    )
    assert elsewhere.status_code == 409
    for shift_id in (assistant.shift_id, screener.shift_id, people.new_id()):
        answer = await hub.client().put(path, json={"shift_id": str(shift_id)})
        assert answer.status_code == 404  # at another lane, one's own, nobody's
    stranger = await open_hub(hub.runtime, hub.service)
    theirs = await stranger.client().put(path, json={"shift_id": str(screener.shift_id)})
    assert theirs.status_code == 404
