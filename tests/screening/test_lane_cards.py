"""Cards that lead from a lane to the desk, through HTTP."""

import asyncio
from uuid import UUID

import people
from hubs import DEVICE, Hub, open_hub
from people import Json

from twinstile.platform.roles import Role

CARD = "TWH1" + "MNOP" * 4


async def give(hub: Hub, given_id: UUID, counter: int, **body: object) -> Json:
    item = {"kind": "card", "id": str(given_id), "counter": counter, "body": body}
    batch = {"sent_at": people.now(), "items": [item]}
    answer = await hub.client(DEVICE).post("/v1/facts:batch", json=batch)
    assert answer.status_code == 200, answer.text
    told: Json = answer.json()["items"][0]
    return told


async def checked(hub: Hub, counter: int) -> tuple[str, Json]:
    check_id = str(people.new_id())
    body = people.check(counter, credential={"status": "NOT_PRESENTED"})
    answer = await hub.client().put(f"/v1/checks/{check_id}", json=body)
    return check_id, answer.json()


async def test_the_last_who_was_given_a_card_is_found_and_only_here(hub: Hub) -> None:
    (one, _), (two, told) = await checked(hub, 1), await checked(hub, 2)
    more = {"card": CARD, "to": "NURSE", "given_at": people.now()}
    first = people.new_id()
    assert (await give(hub, first, 3, check_id=one, **more))["status"] == "stored"
    assert (await give(hub, first, 3, check_id=one, **more))["status"] == "duplicate"
    reused = await give(hub, first, 3, check_id=two, **more)
    assert (reused["status"], reused["problem"]["type"]) == (  # type: ignore[index]
        "quarantined",
        "/problems/id-reused",
    )
    assert (await give(hub, people.new_id(), 4, check_id=two, **more))["status"] == "stored"
    found = await hub.client(Role.ASSISTANT).get(f"/v1/lane-cards/{CARD}")
    assert found.json()["screening_id"] == told["screening_id"]
    assert found.json().keys() == {"screening_id", "state", "checkpoint", "opened_at"}
    other = await open_hub(hub.house, hub.service)
    elsewhere = await other.client(Role.ASSISTANT).get(f"/v1/lane-cards/{CARD}")
    assert elsewhere.status_code == 404


async def test_a_card_handed_over_twice_at_the_same_moment_is_given_once(hub: Hub) -> None:
    check_id, _ = await checked(hub, 1)
    body = {"card": CARD, "to": "NURSE", "given_at": people.now(), "check_id": check_id}
    for counter in range(2, 5):
        given_id = people.new_id()
        told = await asyncio.gather(*(give(hub, given_id, counter, **body) for _ in range(4)))
        assert sorted(str(one["status"]) for one in told) == ["duplicate"] * 3 + ["stored"]


async def test_who_was_sent_to_the_desk_by_a_tablet_without_a_shift_is_known_there(
    hub: Hub,
) -> None:
    check_id = str(people.new_id())
    check = people.check(1, celsius=None)
    told = (await hub.client().put(f"/v1/checks/{check_id}", json=check)).json()
    assert told["state"] in {"PRESENTED", "VERIFYING"}
    body = {"card": CARD, "to": "DESK", "given_at": people.now(), "check_id": check_id}
    assert (await give(hub, people.new_id(), 2, **body))["status"] == "stored"
    found = (await hub.client(Role.ASSISTANT).get(f"/v1/lane-cards/{CARD}")).json()
    assert (found["screening_id"], found["state"]) == (told["screening_id"], told["state"])


async def test_a_card_for_a_check_nobody_made_is_kept_aside(hub: Hub) -> None:
    body = {"card": CARD, "to": "DESK", "given_at": people.now()}
    told = await give(hub, people.new_id(), 1, check_id=str(people.new_id()), **body)
    assert told["status"] == "quarantined"
    assert told["problem"]["errors"] == [  # type: ignore[index]
        {"pointer": "/body/check_id", "code": "unknown-value"}
    ]
    check_id, _ = await checked(hub, 2)
    bad = await give(hub, people.new_id(), 3, **{**body, "card": "TWH1", "check_id": check_id})
    assert bad["status"] == "quarantined"
