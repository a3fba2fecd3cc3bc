"""Reminders that go on: loops in the hall, screens, announcements on board."""

from datetime import timedelta
from uuid import UUID

import people
import pytest
from hubs import CHECKPOINT, DEVICE, Hub
from people import Json

from twinstile.platform.ops import clock
from twinstile.platform.security.roles import Role

MINUTE = timedelta(minutes=1)


def loop(since: float, until: float | None, **more: object) -> Json:
    """A reminder in the hall from so many minutes ago until so many ago."""
    now = clock.now()
    return {
        "kind": "R2",
        "checkpoint": CHECKPOINT,
        "channel": "screen",
        "language": "zh-CN",
        "given_at": (now - since * MINUTE).isoformat(),
        **({"until": (now - until * MINUTE).isoformat()} if until is not None else {}),
        **more,
    }


async def tell(hub: Hub, body: Json, reminder_id: UUID | None = None) -> tuple[int, Json]:
    answer = await hub.client(Role.SUPERVISOR).put(
        f"/v1/reminders/{reminder_id or people.new_id()}", json=body
    )
    told: Json = answer.json()
    return answer.status_code, told


async def come(hub: Hub, minutes_ago: float) -> str:
    """Somebody passes then, whom nobody at the lane reminds; the screening."""
    at = (clock.now() - minutes_ago * MINUTE).isoformat()
    body = people.check(observed_at=at, reminders=[], offline=True)
    answer = await hub.client().put(f"/v1/checks/{people.new_id()}", json=body)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["screening_id"])


async def heard(hub: Hub, screening_id: str) -> bool:
    seen = await hub.client().get(f"/v1/screenings/{screening_id}")
    return bool(seen.json()["completeness"]["reminders"])


@pytest.mark.parametrize("told_before", [True, False])
async def test_a_loop_counts_for_those_who_come_while_it_runs_and_shortly_after(
    hub: Hub, *, told_before: bool
) -> None:
    """Told before they come or after: the same. Shortly is an hour, as the pack says."""
    body = loop(200, 120)
    if told_before:
        assert await tell(hub, body) == (200, {"status": "stored"})
    cases = {201: False, 199: True, 150: True, 121: True, 61: True, 59: False}
    seen = {minutes: await come(hub, minutes) for minutes in cases}
    if not told_before:
        assert await tell(hub, body) == (200, {"status": "stored"})
    assert {minutes: await heard(hub, one) for minutes, one in seen.items()} == cases


async def test_a_loop_elsewhere_is_not_heard_here(hub: Hub) -> None:
    screening = await come(hub, 5)
    await tell(hub, loop(10, 1, checkpoint="south"))
    assert not await heard(hub, screening)


@pytest.mark.parametrize(("since", "until"), [(10, 10), (5, 10), (241, 0.5), (1, -6)])
async def test_what_is_no_time_that_has_passed_is_refused(
    hub: Hub, since: float, until: float
) -> None:
    status, told = await tell(hub, loop(since, until))
    assert status == 422
    assert told["errors"] == [{"pointer": "/until", "code": "out-of-range"}]


async def test_a_screen_tells_of_itself_again_and_again_with_its_devices_token(
    hub: Hub,
) -> None:
    """Quarters of an hour; of the one in which it was dark nothing is told, nothing counts."""
    items = [
        {
            "kind": "reminder",
            "id": str(people.new_id()),
            "counter": counter,
            "body": loop(since, since - 15),
        }
        for counter, since in enumerate((300, 285, 180), 1)
    ]
    batch = {"sent_at": people.now(), "items": items}
    for status in ("stored", "duplicate"):
        answer = await hub.client(DEVICE).post("/v1/facts:batch", json=batch)
        assert [item["status"] for item in answer.json()["items"]] == [status] * 3
    came = {minutes: await come(hub, minutes) for minutes in (299, 205, 190, 170)}
    assert [await heard(hub, one) for one in came.values()] == [True, False, False, True]


async def test_the_same_reminder_with_another_end_is_another(hub: Hub) -> None:
    reminder_id, body = people.new_id(), loop(30, 10)
    assert (await tell(hub, body, reminder_id))[1] == {"status": "stored"}
    assert (await tell(hub, body, reminder_id))[1] == {"status": "duplicate"}
    longer = {**body, "until": clock.now().isoformat()}
    status, told = await tell(hub, longer, reminder_id)
    assert (status, told["type"]) == (409, "/problems/id-reused")
