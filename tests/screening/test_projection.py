"""A screening is a projection: its row says what its checks and events say, told again."""

import people
import step_bodies
from hubs import Hub

from twinstile.platform.security.roles import Role
from twinstile.screening.types import ScreeningState

EAR = {"value": 38.4, "method": "EAR"}
NORMAL = {"value": 36.6, "method": "EAR"}


async def test_the_events_of_each_screening_lead_from_the_start_to_its_state(hub: Hub) -> None:
    client, medic = hub.client(), hub.client(Role.MEDIC)
    counter = 0

    async def check(who: object, number: str, **changes: object) -> str:
        nonlocal counter
        counter += 1
        body = people.check(counter, number, **changes)
        answer = await (medic if who is Role.MEDIC else client).put(
            f"/v1/checks/{people.new_id()}", json=body
        )
        return str(answer.json()["screening_id"])

    fever, alarm, plain, half, red = (people.resident_number() for _ in range(5))
    await check(None, fever, celsius=38.2)
    await check(Role.MEDIC, fever, temperature=EAR)
    await check(Role.MEDIC, fever, temperature=NORMAL)
    await check(None, alarm, celsius=37.1)
    await check(Role.MEDIC, alarm, temperature=NORMAL)
    await check(None, plain)
    await check(None, half, credential=None)
    await check(None, half, temperature=None)
    stopped = await check(None, red, credential={"status": "RED"})
    await client.put(
        f"/v1/screenings/{stopped}/steps/{people.new_id()}",
        json=step_bodies.body("refuse", reason="no time"),
    )
    period = {"from": people.ago(hours=1), "to": people.ago(hours=-1)}
    listed = (await client.get("/v1/screenings", params=period)).json()["screenings"]
    assert len(listed) == 5
    for row in listed:
        whole = (await client.get(f"/v1/screenings/{row['screening_id']}")).json()
        state = ScreeningState.EXPECTED.value
        for step in whole["steps"]:
            assert step["before"] == state
            state = step["after"]
        assert state == whole["state"] == row["state"]
        assert whole["checks"][-1]["state"] in {s["after"] for s in whole["steps"]}


async def test_pages_of_screenings_hold_each_one_once(hub: Hub) -> None:
    items = [
        {"kind": "check", "id": str(people.new_id()), "counter": n, "body": people.fact()}
        for n in range(1, 24)
    ]
    await hub.client("device").post(
        "/v1/facts:batch", json={"sent_at": people.now(), "items": items}
    )
    period = {"from": people.ago(hours=1), "to": people.ago(hours=-1), "limit": "5"}
    seen: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        params = period | ({"cursor": cursor} if cursor else {})
        page = (await hub.client().get("/v1/screenings", params=params)).json()
        seen += [row["screening_id"] for row in page["screenings"]]
        cursor = page["next"]
    assert len(seen) == len(set(seen)) == 23
