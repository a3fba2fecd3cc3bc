"""How a policy changes on a hub that works: written by one, in force by two, and back again."""

import random
from collections.abc import Mapping
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import httpx2
import module_database
import people
import pytest
import second_person
from hubs import Hub
from people import Json
from second_person import Somebody, decide

from twinstile.operations import startup
from twinstile.operations.startup import DatabaseTarget
from twinstile.platform.ops import clock
from twinstile.platform.security.roles import Role
from twinstile.policy import documents, versions

place, runtime, service = (
    module_database.place,
    module_database.runtime,
    module_database.service,
)

FIRST = str(documents.pack("cn-hub")["version"])
MILD = "cn-hub-mild"


def document(version: str = MILD, threshold: int = 385) -> Json:
    """The usual policy with another threshold."""
    whole = deepcopy(documents.pack("cn-hub"))
    whole["version"] = version
    whole["parameters"] = {**whole["parameters"], "threshold_tenths": threshold}
    return whole


async def write(hub: Hub, who: str = Role.SUPERVISOR, **more: object) -> httpx2.Response:
    whole = {**document(), **more}
    path = f"/v1/policies/{whole['version']}"
    return await hub.client(who).put(path, json={"document": whole})


async def ask(
    client: httpx2.AsyncClient, version: str = MILD, **more: object
) -> httpx2.Response:
    body = {"id": str(uuid4()), "reason": "order 12", **more}
    return await client.post(f"/v1/policies/{version}/activations", json=body)


async def activate(hub: Hub, version: str = MILD, **more: object) -> Json:
    """The commander asks, the supervisor agrees."""
    asked = await ask(hub.client(Role.DUTY_COMMANDER), version, **more)
    assert asked.status_code == 202, asked.text
    granted = await decide(hub.client(Role.SUPERVISOR), asked.json()["approval_id"])
    assert granted.status_code == 200, granted.text
    answer: Json = granted.json()
    return answer


async def listed(hub: Hub) -> Mapping[str, tuple[str | None, bool]]:
    found = (await hub.client().get("/v1/policies")).json()["policies"]
    return {one["version"]: (one["effective_from"], one["in_force"]) for one in found}


async def in_force(hub: Hub) -> str:
    (now,) = [version for version, (_, holds) in (await listed(hub)).items() if holds]
    return now


async def fevered(hub: Hub, **more: object) -> Json:
    """A contactless reading between the two thresholds."""
    body = people.check(celsius=37.8, **more)
    answer = await hub.client().put(f"/v1/checks/{people.new_id()}", json=body)
    assert answer.status_code == 201, answer.text
    told: Json = answer.json()
    return told


async def test_a_written_version_decides_nothing(hub: Hub) -> None:
    assert (await write(hub)).status_code == 201
    assert await listed(hub) == {
        FIRST: (startup.ALWAYS.isoformat().replace("+00:00", "Z"), True),
        MILD: (None, False),
    }
    assert (await fevered(hub))["policy_version"] == FIRST
    read = (await hub.client().get(f"/v1/policies/{MILD}")).json()
    assert (read["document"], read["activations"]) == (document(), [])


async def test_two_persons_put_a_version_in_force_and_an_earlier_one_again(hub: Hub) -> None:
    await write(hub)
    tablet = hub.client("device")
    before = await tablet.get("/v1/lanes/north-1/state")
    assert (await fevered(hub))["verdict"] == "CHECK"
    granted = await activate(hub)
    assert granted["content"]["version"] == MILD
    assert (await fevered(hub))["verdict"] == "PASS"
    unchanged = {"If-None-Match": before.headers["etag"]}
    after = await tablet.get("/v1/lanes/north-1/state", headers=unchanged)
    assert (after.status_code, after.json()["policy_version"]) == (200, MILD)
    back = await activate(hub, FIRST)
    told = await fevered(hub)
    assert (told["verdict"], told["policy_version"]) == ("CHECK", FIRST)
    first = (await hub.client().get(f"/v1/policies/{FIRST}")).json()
    held = [one["approval_id"] for one in first["activations"]]
    assert held == [back["approval_id"], None]
    told = await second_person.told(hub, granted["approval_id"])
    assert told == [
        "approval.asked",
        "approval.granted",
        "policy.activated",
        "approval.used",
    ]


async def test_what_was_observed_before_is_decided_as_it_was_then(hub: Hub) -> None:
    """And asking for a moment that has passed when it is granted does not reach back."""
    await write(hub)
    asked = await ask(hub.client(Role.DUTY_COMMANDER), effective_from=people.ago(minutes=5))
    between = people.ago(minutes=1)
    await decide(hub.client(Role.SUPERVISOR), asked.json()["approval_id"])
    late = people.fact(celsius=37.8, observed_at=between)
    item = {"kind": "check", "id": str(people.new_id()), "counter": 1, "body": late}
    batch = {"sent_at": people.now(), "items": [item]}
    answer = await hub.client("device").post("/v1/facts:batch", json=batch)
    (kept,) = answer.json()["items"]
    assert kept["check"]["policy_version"] == FIRST
    assert await in_force(hub) == MILD


async def test_a_version_may_wait_for_its_moment_and_be_called_off(hub: Hub) -> None:
    await write(hub)
    soon = datetime.now(UTC).replace(microsecond=0) + timedelta(days=2)

    async def at(moment: datetime) -> str:
        async with hub.runtime.database.reading() as tx:
            return await versions.in_force(tx, hub.hub_id, moment)

    await activate(hub, effective_from=soon.isoformat())
    assert await in_force(hub) == FIRST
    just_before = soon - timedelta(microseconds=1)
    assert (await at(just_before), await at(soon)) == (FIRST, MILD)
    await activate(hub, FIRST, effective_from=soon.isoformat())
    assert await at(soon) == FIRST
    assert (await at(just_before), await in_force(hub)) == (FIRST, FIRST)


async def test_a_version_is_written_once(hub: Hub) -> None:
    assert (await write(hub)).status_code == 201
    again = await write(hub, Role.DUTY_COMMANDER)
    assert (again.status_code, again.json()) == (200, {"version": MILD})
    title = {"title": {"en": "other", "zh-CN": "另一个"}}
    for other in (title, {"version": FIRST, **title}):
        refused = await write(hub, **other)
        assert refused.json()["type"] == "/problems/id-reused"
    pack = documents.pack("cn-hub")
    assert (await write(hub, **pack)).status_code == 200
    misnamed = await hub.client(Role.SUPERVISOR).put(
        "/v1/policies/cn-hub-other", json={"document": document()}
    )
    assert misnamed.json()["type"] == "/problems/conflict"


async def test_what_no_hub_can_decide_by_is_not_written(hub: Hub) -> None:
    refused = await write(hub, rules=[])
    assert refused.json()["errors"] == [{"pointer": "/document", "code": "no-policy"}]
    strict = {
        "id": "NO-CODE",
        "when": {"===": [{"var": "credential.status"}, "NOT_PRESENTED"]},
        "outcome": "RETURN",
        "code": "no-code",
        "text": {"en": "No code.", "zh-CN": "没有码。"},
    }
    told = await write(hub, rules=[*document()["rules"], strict])
    assert (told.status_code, told.json()["type"]) == (422, "/problems/policy-refused")
    (finding,) = [one for one in told.json()["findings"] if one["rule_id"] == "NO-CODE"]
    assert set(finding["text"]) == set(finding["remedy"]) == {"en", "zh-CN"}
    assert MILD not in await listed(hub)
    commander = hub.client(Role.DUTY_COMMANDER)
    assert (await ask(commander)).json()["type"] == "/problems/not-found"


async def test_a_moment_too_far_away_is_refused(hub: Hub) -> None:
    for moment in (people.ago(hours=1), people.ago(days=-31)):
        answer = await ask(hub.client(Role.SUPERVISOR), FIRST, effective_from=moment)
        faults = answer.json()["errors"]
        assert faults == [{"pointer": "/effective_from", "code": "out-of-range"}]


async def test_the_same_request_is_sent_again_without_harm(hub: Hub) -> None:
    commander = hub.client(Role.DUTY_COMMANDER)
    same = {"id": str(uuid4())}
    first, again = [await ask(commander, FIRST, **same) for _ in range(2)]
    assert first.json() == again.json()
    other = await ask(commander, FIRST, **same, effective_from=people.now())
    assert other.json()["type"] == "/problems/id-reused"
    done = await decide(hub.client(Role.SUPERVISOR), same["id"])
    assert (await ask(commander, FIRST, **same)).json() == first.json()
    assert done.json()["verdict"] == "GRANTED"


async def test_what_the_release_before_put_in_force_is_taken_over(
    hub: Hub, place: DatabaseTarget
) -> None:
    """It knows no activations: a service of this release adds them at its start."""
    async with startup.owner(place.owner_url) as owner:
        await owner.exec_driver_sql(
            f"DELETE FROM policy_activation WHERE hub_id = '{hub.hub_id}'"
        )
    nothing = await hub.client().get("/v1/policies")
    assert nothing.json()["type"] == "/problems/not-found"
    await startup.enter_hub(hub.runtime, place, clock.now())
    assert await in_force(hub) == FIRST
    await write(hub)
    await activate(hub)
    await startup.enter_hub(hub.runtime, place, clock.now())
    assert await in_force(hub) == MILD
    async with hub.runtime.database.reading() as tx:
        row = await tx.raw.fetchrow(OLD_RELEASE, hub.hub_id, clock.now())
    assert row is not None
    assert row[0] == MILD  # so both decide alike while both serve


OLD_RELEASE = """
SELECT p.version FROM policy p
WHERE p.hub_id = $1 AND p.effective_from <= $2
ORDER BY p.effective_from DESC, p.recorded_at DESC LIMIT 1
"""


class Schemer:
    """One person who is an administrator and everything else, and makes more of themselves."""

    def __init__(self, hub: Hub, chance: random.Random, first: Somebody, token: str) -> None:
        self.hub = hub
        self.chance = chance
        self.sessions = [first]
        self.logins = [first.login]
        self.devices = [token]
        self.asked: list[str] = []
        self.answers: list[str] = []

    def someone(self) -> httpx2.AsyncClient:
        return self.chance.choice(self.sessions).client(self.hub)

    async def enter(self) -> None:
        self.logins.append(await second_person.operator(self.someone(), *POWERS))

    async def enrol(self) -> None:
        self.devices.append(await second_person.device(self.hub, self.someone()))

    async def sign_in(self) -> None:
        login, token = self.chance.choice(self.logins), self.chance.choice(self.devices)
        self.sessions.append(await second_person.sign_in(self.hub, token, login))

    async def ask(self) -> None:
        answer = await ask(self.someone(), self.chance.choice((FIRST, MILD)))
        self.asked.append(answer.json()["approval_id"])

    async def approve(self) -> None:
        for approval_id in self.asked[-2:]:
            answer = await decide(self.someone(), approval_id)
            self.answers.append(answer.json()["type"])


POWERS = (Role.ADMINISTRATOR, Role.SUPERVISOR, Role.DUTY_COMMANDER)
MOVES = (Schemer.enter, Schemer.enrol, Schemer.sign_in, Schemer.ask, Schemer.approve)


@pytest.mark.parametrize("seed", range(2))
async def test_one_person_puts_nothing_in_force_with_any_number_of_themselves(
    hub: Hub, seed: int
) -> None:
    await write(hub)
    chance = random.Random(seed)
    token = await second_person.device(hub, hub.client(Role.ADMINISTRATOR))
    login = await second_person.operator(hub.client(Role.ADMINISTRATOR), *POWERS)
    first = await second_person.sign_in(hub, token, login)
    one = Schemer(hub, chance, first, token)
    await one.ask()
    for _ in range(25):
        await chance.choice(MOVES)(one)
    await one.approve()
    assert set(one.answers) == {"/problems/second-person-required"}
    async with hub.runtime.database.reading() as tx:
        rows = await tx.raw.fetch(
            "SELECT verdict FROM approval WHERE hub_id = $1 AND verdict IS NOT NULL",
            hub.hub_id,
        )
    assert rows == []
    assert await in_force(hub) == FIRST
    # and it was not for want of trying: somebody else may
    second = await decide(hub.client(Role.SUPERVISOR), one.asked[-1])
    assert second.status_code == 200, second.text
