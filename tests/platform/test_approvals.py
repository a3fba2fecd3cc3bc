"""Deeds that take two persons: the mechanism, through HTTP, with kinds made for these tests."""

import asyncio
from collections.abc import AsyncGenerator
from datetime import timedelta
from uuid import uuid4

import asyncpg
import module_database
import pytest
import second_person
from httpx2 import AsyncHTTPTransport
from hubs import Hub, Service, open_hub
from second_person import decide, told

from twinstile import worker
from twinstile.app import create_app
from twinstile.cli import serving
from twinstile.operations import startup
from twinstile.operations.startup import DatabaseTarget
from twinstile.platform.db.database import Transaction
from twinstile.platform.http.problems import (
    ApprovalDecided,
    ApprovalLapsed,
    Conflict,
    Forbidden,
    IdReused,
    NotFound,
)
from twinstile.platform.http.routes import Runtime
from twinstile.platform.ledger import events
from twinstile.platform.ledger.events import Event
from twinstile.platform.ops import clock
from twinstile.platform.security import approvals
from twinstile.platform.security.approvals import Approval, Kind
from twinstile.platform.security.auth import Principal, Scope
from twinstile.platform.security.roles import Role

place, runtime, service = (
    module_database.place,
    module_database.runtime,
    module_database.service,
)

DONE = "trial.done"
SECOND = "/problems/second-person-required"
DECIDED = "/problems/approval-decided"
LAPSED = "/problems/approval-lapsed"


async def do(tx: Transaction, approval: Approval, by: Principal) -> None:
    if approval.content.get("impossible"):
        raise Conflict
    at = approval.decided_at or clock.now()
    happening = Event(by.hub_id, DONE, approval.subject_id, at, approval.content)
    await events.append(tx, [happening])


TRIAL = Kind("trial", Scope.REPORTS_READ, Scope.EXPORTS_APPROVE, timedelta(minutes=30), do)
LOAN = Kind("loan", Scope.REPORTS_READ, Scope.EXPORTS_APPROVE, timedelta(minutes=10))


@pytest.fixture(scope="module")
async def trials(runtime: Runtime, place: DatabaseTarget) -> AsyncGenerator[Service]:
    """A service of its own that knows these kinds."""
    app = create_app(startup.open_runtime(runtime.settings, place))
    app.state.kinds = approvals.registry(TRIAL, LOAN)
    listening = serving.listen("127.0.0.1", 0)
    (base_url,) = serving.addresses(listening)
    async with serving.running(app, listening), AsyncHTTPTransport() as transport:
        yield Service(base_url, transport)


@pytest.fixture
async def hub(runtime: Runtime, trials: Service) -> Hub:
    return await open_hub(runtime, trials)


def token(hub: Hub, role: Role = Role.DUTY_COMMANDER) -> str:
    return hub.tokens[role]


async def test_what_a_second_person_grants_is_done_once_and_on_the_record(hub: Hub) -> None:
    asked = await second_person.ask(hub, token(hub), TRIAL, content={"lanes": ["north-1"]})
    (shown,) = (await second_person.waiting(hub.client(Role.SUPERVISOR)))["approvals"]
    assert shown["approval_id"] == str(asked.approval_id)
    assert (shown["content"], shown["verdict"]) == ({"lanes": ["north-1"]}, None)
    assert await told(hub, asked.subject_id) == []
    granted = await decide(hub.client(Role.SUPERVISOR), asked.approval_id)
    assert granted.status_code == 200, granted.text
    answer = granted.json()
    assert answer["decided_by"] == str(hub.duties[Role.SUPERVISOR].operator_id)
    assert answer["used_at"] == answer["decided_at"] is not None
    again = await decide(hub.client(Role.SUPERVISOR), asked.approval_id)
    assert again.json() == answer
    assert await second_person.record(hub, asked.subject_id) == [(DONE, {"lanes": ["north-1"]})]
    happened = await second_person.record(hub, asked.approval_id)
    kinds = ["approval.asked", "approval.granted", "approval.used"]
    assert [kind for kind, _ in happened] == kinds
    for _, body in happened:
        assert body == {
            "kind": "trial",
            "subject_id": str(asked.subject_id),
            "digest": answer["digest"],
        }
    assert (await second_person.waiting(hub.client(Role.SUPERVISOR)))["approvals"] == []


async def test_the_same_request_again_is_the_same_and_another_is_refused(hub: Hub) -> None:
    same = {"approval_id": uuid4(), "subject_id": uuid4(), "content": {"a": {"b": 1, "a": 2}}}
    first = await second_person.ask(hub, token(hub), TRIAL, **same)
    assert await second_person.ask(hub, token(hub), TRIAL, **same) == first
    assert await told(hub, first.approval_id) == ["approval.asked"]
    for other in ({"content": {"a": 1}}, {"reason": "another"}, {"subject_id": uuid4()}):
        with pytest.raises(IdReused):
            await second_person.ask(hub, token(hub), TRIAL, **same | other)
    with pytest.raises(IdReused):
        await second_person.ask(hub, token(hub), LOAN, **same)
    with pytest.raises(IdReused):  # the same by somebody else is somebody else's
        await second_person.ask(hub, token(hub, Role.SUPERVISOR), TRIAL, **same)


async def test_a_refusal_has_a_reason_and_nothing_is_done(hub: Hub) -> None:
    asked = await second_person.ask(hub, token(hub), TRIAL)
    supervisor = hub.client(Role.SUPERVISOR)
    silent = await decide(supervisor, asked.approval_id, "REFUSED")
    assert silent.json()["errors"] == [{"pointer": "/reason", "code": "missing"}]
    refused = await decide(supervisor, asked.approval_id, "REFUSED", "not now")
    assert (refused.json()["verdict"], refused.json()["used_at"]) == ("REFUSED", None)
    assert (await decide(supervisor, asked.approval_id)).json()["type"] == DECIDED
    assert await told(hub, asked.approval_id) == ["approval.asked", "approval.refused"]
    assert await told(hub, asked.subject_id) == []


async def test_whoever_asked_may_take_it_back_and_not_grant_it(hub: Hub) -> None:
    asked = await second_person.ask(hub, token(hub), TRIAL)
    commander = hub.client(Role.DUTY_COMMANDER)
    for _ in range(2):
        own = await decide(commander, asked.approval_id)
        assert (own.status_code, own.json()["type"]) == (403, SECOND)
        assert own.json()["stored"] is True
    happened = await second_person.record(hub, asked.approval_id)
    assert [kind for kind, _ in happened] == ["approval.asked", "approval.attempted"]
    assert happened[-1][1]["tie"] == "PERSON"
    back = await decide(commander, asked.approval_id, "REFUSED", "a mistake")
    assert back.json()["verdict"] == "REFUSED"


async def test_the_same_person_on_another_device_is_no_second(hub: Hub) -> None:
    asked = await second_person.ask(hub, token(hub), TRIAL)
    elsewhere = hub.duties[Role.SUPERVISOR].device_token
    again = await second_person.sign_in(hub, elsewhere, hub.duties[Role.DUTY_COMMANDER].login)
    assert (await decide(again.client(hub), asked.approval_id)).json()["type"] == SECOND
    assert (await decide(hub.client(Role.SUPERVISOR), asked.approval_id)).status_code == 200


async def test_another_person_on_the_same_device_is_no_second(hub: Hub) -> None:
    asked = await second_person.ask(hub, token(hub), TRIAL)
    there = hub.duties[Role.DUTY_COMMANDER].device_token
    second = await second_person.sign_in(hub, there, hub.duties[Role.SUPERVISOR].login)
    refused = await decide(second.client(hub), asked.approval_id)
    assert refused.json()["type"] == SECOND
    assert "device" in refused.json()["detail"]


async def test_whom_one_person_let_in_counts_as_that_person(hub: Hub) -> None:
    """Directly, through others, both of them, and in either direction."""
    boss = hub.client(Role.ADMINISTRATOR)
    desk = [(await hub.another(Role.SCREENER)).device_token for _ in range(4)]
    both = (Role.ADMINISTRATOR, Role.SUPERVISOR)
    child = await second_person.sign_in(hub, desk[0], await second_person.operator(boss, *both))
    grown = await second_person.operator(child.client(hub), Role.SUPERVISOR)
    grandchild = await second_person.sign_in(hub, desk[1], grown)
    sister = await second_person.sign_in(
        hub, desk[2], await second_person.operator(boss, *both)
    )
    line = (child, grandchild, sister)
    for first in line:
        asked = await second_person.ask(hub, first.token, TRIAL)
        for second in line:
            refused = await decide(second.client(hub), asked.approval_id)
            assert refused.json()["type"] == SECOND, (first, second)
    attempts = await told(hub, asked.approval_id)
    assert attempts == ["approval.asked", *["approval.attempted"] * 3]
    other = await second_person.sign_in(hub, desk[3], hub.duties[Role.SUPERVISOR].login)
    assert (await decide(other.client(hub), asked.approval_id)).status_code == 200


async def test_a_device_that_whoever_asks_let_in_is_none_to_decide_on(hub: Hub) -> None:
    supervisor = hub.client(Role.SUPERVISOR)
    own = await second_person.device(hub, supervisor)
    asked = await second_person.ask(hub, token(hub, Role.SUPERVISOR), TRIAL)
    login = hub.duties[Role.DUTY_COMMANDER].login
    there = await second_person.sign_in(hub, own, login)
    refused = await decide(there.client(hub), asked.approval_id)
    assert (refused.json()["type"], "let this device in" in refused.text) == (SECOND, True)
    elsewhere = await second_person.device(hub, hub.client(Role.ADMINISTRATOR))
    better = await second_person.sign_in(hub, elsewhere, login)
    assert (await decide(better.client(hub), asked.approval_id)).status_code == 200


async def test_the_database_itself_does_not_store_one_person_for_two(hub: Hub) -> None:
    asked = await second_person.ask(hub, token(hub), TRIAL)
    other = uuid4()
    granted = {
        "decided_by": other,
        "decided_device": other,
        "decided_hand": other,
        "decided_device_hand": None,
        "verdict": "GRANTED",
        "decided_at": asked.requested_at,
        "decision_reason": None,
        "used_at": None,
    }
    for wrong in (
        {"decided_by": asked.requested_by},
        {"decided_device": asked.requested_device},
        {"decided_hand": asked.requested_hand},
        {"decided_device_hand": asked.requested_hand},
        {"decided_by": None},
        {"decided_at": asked.expires_at},
        {"decided_at": None},
        {"verdict": "REFUSED"},
        {"verdict": None, "decided_at": None, "used_at": asked.requested_at},
        {"verdict": "MAYBE"},
    ):
        with pytest.raises(asyncpg.CheckViolationError):
            await write(hub, asked, granted | wrong)
    await write(hub, asked, granted)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await write(hub, asked, {"requested_by": other})


async def write(hub: Hub, approval: Approval, columns: dict[str, object]) -> None:
    places = ", ".join(f"{name} = ${n}" for n, name in enumerate(columns, 3))
    async with hub.runtime.database.transaction() as tx:
        await tx.raw.execute(
            f"UPDATE approval SET {places} WHERE hub_id = $1 AND approval_id = $2",
            hub.hub_id,
            approval.approval_id,
            *columns.values(),
        )


async def test_of_two_who_decide_at_once_one_does(hub: Hub) -> None:
    deputies = [await hub.another(Role.SUPERVISOR) for _ in range(4)]
    clients = [hub.service.client(deputy.token) for deputy in deputies]
    asked = await second_person.ask(hub, token(hub), TRIAL)
    answers = await asyncio.gather(
        *(decide(client, asked.approval_id) for client in clients[:2]),
        *(decide(client, asked.approval_id, "REFUSED", "no") for client in clients[2:]),
    )
    assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409]
    (decided,) = [answer.json() for answer in answers if answer.status_code == 200]
    done = 1 if decided["verdict"] == "GRANTED" else 0
    assert (await told(hub, asked.subject_id)).count(DONE) == done


async def test_whose_time_is_over_ends_by_itself_or_when_looked_at(hub: Hub) -> None:
    late = clock.now() - TRIAL.lifetime
    first, second = [await second_person.ask(hub, token(hub), TRIAL, late) for _ in range(2)]
    supervisor = hub.client(Role.SUPERVISOR)
    assert (await second_person.waiting(supervisor))["approvals"] == []
    lapsed = await decide(supervisor, first.approval_id)
    assert (lapsed.status_code, lapsed.json()["type"]) == (409, LAPSED)
    assert (await decide(supervisor, first.approval_id)).json()["type"] == DECIDED
    timers = next(j for j in worker.jobs_of(hub.runtime, PLACELESS) if j.name == "timers")
    await timers.work(clock.now())
    for asked in (first, second):
        ended = ["approval.asked", "approval.expired"]
        assert await told(hub, asked.approval_id) == ended
        read = await supervisor.get(f"/v1/approvals/{asked.approval_id}")
        assert (read.json()["verdict"], read.json()["decided_by"]) == ("EXPIRED", None)


PLACELESS = DatabaseTarget("", "", "", embedded=False)


async def test_a_grant_and_the_end_of_the_time_do_not_both_happen(hub: Hub) -> None:
    asked = await second_person.ask(hub, token(hub), TRIAL)

    async def expire() -> int:
        async with hub.runtime.database.transaction() as tx:
            return await approvals.expire(tx, hub.hub_id, asked.expires_at)

    answer, ended = await asyncio.gather(
        decide(hub.client(Role.SUPERVISOR), asked.approval_id), expire()
    )
    ended += await expire()
    assert (answer.status_code, ended) in {(200, 0), (409, 1)}
    assert len(await told(hub, asked.subject_id)) == 1 - ended


async def test_whoever_asked_may_have_gone_home_but_not_lost_access(hub: Hub) -> None:
    supervisor, boss = hub.client(Role.SUPERVISOR), hub.client(Role.ADMINISTRATOR)
    gone = await hub.another(Role.DUTY_COMMANDER)
    asked = await second_person.ask(hub, gone.token, TRIAL)
    assert (await hub.service.client(gone.token).delete("/v1/shifts/current")).is_success
    assert (await decide(supervisor, asked.approval_id)).status_code == 200
    out = await hub.another(Role.DUTY_COMMANDER)
    asked = await second_person.ask(hub, out.token, TRIAL)
    assert (await boss.delete(f"/v1/operators/{out.operator_id}")).is_success
    refused = await decide(supervisor, asked.approval_id)
    assert (refused.status_code, refused.json()["type"]) == (409, LAPSED)
    assert await told(hub, asked.approval_id) == ["approval.asked", "approval.expired"]


@pytest.mark.parametrize(
    "end",
    [
        "UPDATE shift SET ended_at = now() WHERE hub_id = $1 AND shift_id = $2",
        (
            "UPDATE operator SET disabled_at = now() WHERE hub_id = $1 AND operator_id ="
            " (SELECT operator_id FROM shift WHERE shift_id = $2)"
        ),
        (
            "UPDATE device SET revoked_at = now() WHERE hub_id = $1 AND device_id ="
            " (SELECT device_id FROM shift WHERE shift_id = $2)"
        ),
    ],
)
async def test_who_has_just_lost_access_decides_nothing(hub: Hub, end: str) -> None:
    """Even while this process still remembers the token."""
    asked = await second_person.ask(hub, token(hub), TRIAL)
    supervisor = hub.client(Role.SUPERVISOR)
    await second_person.waiting(supervisor)
    async with hub.runtime.database.transaction() as tx:
        await tx.raw.execute(end, hub.hub_id, hub.duties[Role.SUPERVISOR].shift_id)
    assert (await decide(supervisor, asked.approval_id)).status_code == 401
    assert await told(hub, asked.approval_id) == ["approval.asked"]


async def test_what_cannot_be_done_is_not_granted(hub: Hub) -> None:
    asked = await second_person.ask(hub, token(hub), TRIAL, content={"impossible": True})
    refused = await decide(hub.client(Role.SUPERVISOR), asked.approval_id)
    assert refused.json()["type"] == "/problems/conflict"
    assert await told(hub, asked.approval_id) == ["approval.asked"]


async def test_what_was_changed_after_it_was_asked_is_not_granted(
    hub: Hub, place: DatabaseTarget
) -> None:
    asked = await second_person.ask(hub, token(hub), TRIAL, content={"lanes": ["north-1"]})
    owner = await asyncpg.connect(place.owner_url.replace("+asyncpg", ""))
    try:
        await owner.execute(
            "UPDATE approval SET content = '{\"lanes\": []}' WHERE approval_id = $1",
            asked.approval_id,
        )
    finally:
        await owner.close()
    refused = await decide(hub.client(Role.SUPERVISOR), asked.approval_id)
    assert refused.json()["type"] == LAPSED
    assert await told(hub, asked.subject_id) == []


async def test_each_kind_has_scopes_of_its_own(hub: Hub) -> None:
    with pytest.raises(Forbidden):
        await second_person.ask(hub, token(hub, Role.MEDIC), TRIAL)
    with pytest.raises(Forbidden):  # nobody is on shift
        await second_person.ask(hub, hub.duties[Role.SUPERVISOR].device_token, TRIAL)
    asked = await second_person.ask(hub, token(hub, Role.EPIDEMIOLOGIST), TRIAL)
    medic = hub.client(Role.MEDIC)
    assert (await decide(medic, asked.approval_id)).json()["type"] == "/problems/forbidden"
    assert (await second_person.waiting(medic))["approvals"] == []
    path = f"/v1/approvals/{asked.approval_id}"
    assert (await medic.get(path)).status_code == 404
    assert (await hub.client(Role.EPIDEMIOLOGIST).get(path)).status_code == 200
    elsewhere = await open_hub(hub.runtime, hub.service)
    for answer in (
        await elsewhere.client(Role.SUPERVISOR).get(path),
        await decide(elsewhere.client(Role.SUPERVISOR), asked.approval_id),
    ):
        assert answer.status_code == 404


async def test_pages_show_every_open_request_once(hub: Hub) -> None:
    asked = [
        str((await second_person.ask(hub, token(hub), TRIAL)).approval_id) for _ in range(5)
    ]
    seen: list[str] = []
    cursor: dict[str, object] = {}
    for _ in range(3):
        page = await second_person.waiting(hub.client(Role.SUPERVISOR), limit=2, **cursor)
        seen += [approval["approval_id"] for approval in page["approvals"]]
        cursor = {"cursor": page["next"]}
    assert (seen, cursor["cursor"]) == (asked, None)


async def test_what_is_granted_for_later_is_used_once_in_time_by_whoever_asked(
    hub: Hub,
) -> None:
    async def use(role: Role, approval: Approval, after: timedelta) -> Approval:
        who = await hub.runtime.gatekeeper.principal(token(hub, role))
        at = clock.now() + after
        async with hub.runtime.database.transaction() as tx:
            return await approvals.use(tx, who, LOAN, approval.approval_id, at)

    soon, late = timedelta(minutes=9), timedelta(minutes=10, seconds=1)
    asked = await second_person.ask(hub, token(hub, Role.EPIDEMIOLOGIST), LOAN)
    with pytest.raises(ApprovalDecided):
        await use(Role.EPIDEMIOLOGIST, asked, soon)
    granted = await decide(hub.client(Role.SUPERVISOR), asked.approval_id)
    assert granted.json()["used_at"] is None
    with pytest.raises(NotFound):
        await use(Role.SUPERVISOR, asked, soon)
    with pytest.raises(ApprovalLapsed):
        await use(Role.EPIDEMIOLOGIST, asked, late)
    used = await asyncio.gather(
        *(use(Role.EPIDEMIOLOGIST, asked, soon) for _ in range(3)), return_exceptions=True
    )
    assert sorted(type(one).__name__ for one in used) == [
        "Approval",
        "ApprovalDecided",
        "ApprovalDecided",
    ]
    assert (await told(hub, asked.approval_id)).count("approval.used") == 1
