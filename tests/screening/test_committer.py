"""Group commit: what gathers is committed together, and nobody pays for a neighbour."""

import asyncio
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import asyncpg
import database_sessions
import people
import pytest
from faulty_checks import spoiled
from httpx2 import Response
from hubs import Hub, open_hub

from twinstile.operations.startup import DatabaseTarget
from twinstile.platform.db.database import Database
from twinstile.platform.http.problems import Busy, Unavailable
from twinstile.platform.ops import clock
from twinstile.platform.security.auth import Principal, Scope
from twinstile.platform.security.hub_modes import HubMode
from twinstile.platform.security.roles import Role
from twinstile.policy.versions import Policies
from twinstile.screening import checks, committer, facts, intake
from twinstile.screening.bodies import CheckBody, FactStatus
from twinstile.screening.committer import Committer
from twinstile.screening.facts import GateCheck
from twinstile.screening.intake import Receiver

FEVER = {"value": 38.4, "method": "EAR"}


async def put(hub: Hub, body: people.Json, who: Role = Role.SCREENER) -> Response:
    return await hub.client(who).put(f"/v1/checks/{people.new_id()}", json=body)


@contextmanager
def statements(monkeypatch: pytest.MonkeyPatch) -> Generator[list[str]]:
    """Every statement any connection of this process sends through the driver in the block."""
    seen: list[str] = []

    def spy(name: str) -> None:
        honest = getattr(asyncpg.Connection, name)

        async def noting(self: object, query: str, *args: object, **more: object) -> object:
            seen.append(query)
            return await honest(self, query, *args, **more)

        patch.setattr(asyncpg.Connection, name, noting)

    with monkeypatch.context() as patch:
        for name in ("fetch", "fetchrow", "execute"):
            spy(name)
        yield seen


async def test_a_batch_costs_three_statements_whatever_is_in_it(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """People with facts, the people of new cases, write; and begin and commit."""
    feverish = [people.resident_number() for _ in range(4)]
    await asyncio.gather(
        *(
            put(hub, people.check(n, number, celsius=38.1))
            for n, number in enumerate(feverish, 1)
        )
    )
    mixed = [
        *(people.check(n, number, temperature=FEVER) for n, number in enumerate(feverish, 11)),
        *(people.check(n) for n in range(21, 41)),
    ]
    await put(hub, people.check(99))  # who is calling is known from here on
    await put(hub, people.check(99), Role.MEDIC)
    with statements(monkeypatch) as seen:
        answers = await asyncio.gather(*(put(hub, body, Role.MEDIC) for body in mixed))
    assert [answer.status_code for answer in answers] == [201] * len(mixed)
    assert len({answer.json()["case_no"] for answer in answers[:4]} - {None}) == 4
    batches = sum(statement.startswith("COMMIT") for statement in seen)
    own = [s for s in seen if not s.startswith(("BEGIN", "COMMIT"))]
    assert 1 <= batches < len(mixed) / 2
    assert len(own) <= 3 * batches, own


async def test_a_check_that_cannot_be_recorded_sinks_no_neighbour(hub: Hub) -> None:
    bad = people.new_id()
    client = hub.client()
    await put(hub, people.check(1))
    with spoiled(bad):
        first = asyncio.create_task(client.put(f"/v1/checks/{bad}", json=people.check(2)))
        others = await asyncio.gather(*(put(hub, people.check(n)) for n in range(3, 13)))
        refused = await first
    assert [answer.status_code for answer in others] == [201] * 10
    assert refused.status_code == 500
    assert (await client.get(f"/v1/checks/{bad}")).status_code == 404
    for answer in others:
        stored = await client.get(f"/v1/checks/{answer.json()['id']}")
        assert stored.json()["verdict"] == answer.json()["verdict"]


@asynccontextmanager
async def gathering(
    monkeypatch: pytest.MonkeyPatch, count: int
) -> AsyncGenerator[asyncio.Event]:
    """The next batch, once it has begun, waits until so many checks have come behind it."""
    look_up, record = facts.look_up, Committer.record
    begun, come = asyncio.Event(), asyncio.Semaphore(0)

    async def waiting(*given: Any) -> list[facts.Situation]:
        if not begun.is_set():
            begun.set()
            for _ in range(count):
                await come.acquire()
        return await look_up(*given)

    async def counted(*given: Any) -> Any:
        if begun.is_set():
            come.release()  # it is in the queue before anybody else has a turn
        return await record(*given)

    with monkeypatch.context() as patch:
        patch.setattr(facts, "look_up", waiting)
        patch.setattr(Committer, "record", counted)
        yield begun


async def test_nobody_hears_of_what_was_wrong_with_a_neighbour(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who is too late to be tried alone comes again: told else, a tablet would give it up."""
    await put(hub, people.check(1))
    monkeypatch.setattr(committer, "_late", lambda _: True)
    bad = people.new_id()
    ids = [bad if n == 5 else people.new_id() for n in range(10)]
    with spoiled(bad):
        async with gathering(monkeypatch, len(ids)) as begun:
            first = asyncio.create_task(put(hub, people.check(2)))
            await begun.wait()
            answers = await asyncio.gather(
                *(
                    hub.client().put(f"/v1/checks/{check_id}", json=people.check(n))
                    for n, check_id in enumerate(ids, 3)
                )
            )
    assert (await first).status_code == 201
    neighbours = [answer for answer, one in zip(answers, ids, strict=True) if one != bad]
    assert {answer.status_code for answer in neighbours} == {503}
    assert {answer.json()["type"] for answer in neighbours} == {"/problems/busy"}
    assert {answer.json()["stored"] for answer in neighbours} == {False}


async def test_a_wait_that_something_else_cancels_does_not_end_the_committer(hub: Hub) -> None:
    """As a driver does that tears a connection down: nobody told the committer to end."""
    bad = people.new_id()
    with spoiled(bad, asyncio.CancelledError):
        refused = await hub.client().put(f"/v1/checks/{bad}", json=people.check(1))
    assert (refused.status_code, refused.json()["stored"]) == (503, None)
    assert (await put(hub, people.check(2))).status_code == 201


async def test_nobody_waits_for_a_committer_that_was_told_to_end(
    hub: Hub, place: DatabaseTarget, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it was committing nobody knows; what had only gathered is not stored."""
    monkeypatch.setattr(committer, "PATIENCE_S", 60)
    monkeypatch.setitem(committer.SERVER_SETTINGS, "lock_timeout", "10s")
    first, second = await received(hub, 1), await received(hub, 2)
    elsewhere = Database(place.owner_url, pool_size=1)
    async with elsewhere.transaction() as tx, another_process(hub) as ending:
        await tx.raw.execute("LOCK TABLE screening IN ACCESS EXCLUSIVE MODE")
        begun = asyncio.create_task(ending.record(*first))
        await database_sessions.until_one_waits(place)
        waiting = asyncio.create_task(ending.record(*second))
        await asyncio.sleep(0)
    await elsewhere.close()
    told = await asyncio.wait_for(
        asyncio.gather(begun, waiting, return_exceptions=True), timeout=5
    )
    assert [type(error) for error in told] == [Unavailable, Busy]


async def test_somebody_another_request_works_on_is_told_to_come_again_and_nobody_else(
    hub: Hub, place: DatabaseTarget
) -> None:
    number = people.resident_number()
    await put(hub, people.check(1, number))
    elsewhere = Database(place.owner_url, pool_size=1)
    async with elsewhere.transaction() as tx:
        await tx.raw.execute("SELECT FROM vault WHERE hub_id = $1 FOR UPDATE", hub.hub_id)
        held, *others = await asyncio.gather(
            put(hub, people.check(2, number)), *(put(hub, people.check(n)) for n in range(3, 9))
        )
    await elsewhere.close()
    assert [answer.status_code for answer in others] == [201] * 6
    assert held.status_code == 503
    assert held.headers["Retry-After"] == "1"
    assert held.json()["type"] == "/problems/busy"
    assert held.json()["stored"] is False
    assert (await put(hub, people.check(2, number))).status_code == 201


@pytest.mark.parametrize("limit", ["MOST_WAITING", "PATIENCE_S"])
async def test_a_queue_does_not_grow_it_answers(
    hub: Hub, place: DatabaseTarget, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    """While the database stands still, late checks are told to come again, and none is lost."""
    await put(hub, people.check(1))
    monkeypatch.setattr(committer, limit, 4 if limit == "MOST_WAITING" else 0.05)
    elsewhere = Database(place.owner_url, pool_size=1)
    loop = asyncio.get_running_loop()

    async def timed(counter: int) -> tuple[Response, float]:
        began = loop.time()
        return await put(hub, people.check(counter)), loop.time() - began

    async with elsewhere.transaction() as tx:
        await tx.raw.execute("LOCK TABLE case_day, screening IN ACCESS EXCLUSIVE MODE")
        first = asyncio.create_task(put(hub, people.check(2)))
        await asyncio.sleep(0.05)
        rush = await asyncio.gather(*(timed(n) for n in range(3, 33)))
    await elsewhere.close()
    answers = [answer for answer, _ in rush] + [await first]
    refused = [answer for answer in answers if answer.status_code == 503]
    assert len(refused) >= 20
    assert {answer.json()["stored"] for answer in refused} == {False}
    assert {answer.headers["Retry-After"] for answer in refused} == {"1"}
    assert max(taken for _, taken in rush) < 2
    assert (await put(hub, people.check(40))).status_code == 201


async def test_checks_of_several_hubs_never_share_a_batch(hub: Hub) -> None:
    other_hub = await open_hub(hub.runtime, hub.service)
    number = people.resident_number()
    bodies = [people.check(n, number) for n in range(1, 9)]
    answers = await asyncio.gather(
        *(put(where, body) for body in bodies for where in (hub, other_hub))
    )
    assert {answer.status_code for answer in answers} == {201}
    mine = {answer.json()["screening_id"] for answer in answers[::2]}
    theirs = {answer.json()["screening_id"] for answer in answers[1::2]}
    assert not mine & theirs


async def test_the_same_check_sent_twice_at_once_is_stored_once(hub: Hub) -> None:
    check_id, body = people.new_id(), people.check(1)
    answers = await asyncio.gather(
        *(hub.client().put(f"/v1/checks/{check_id}", json=body) for _ in range(8))
    )
    assert sorted(answer.status_code for answer in answers) == [200] * 7 + [201]
    assert len({answer.json()["screening_id"] for answer in answers}) == 1


@asynccontextmanager
async def another_process(hub: Hub) -> AsyncGenerator[Committer]:
    """The committer of a second process, at work."""
    other = Committer(hub.runtime, Policies())
    work = asyncio.create_task(other.run())
    try:
        await other.warm()
        yield other
    finally:
        work.cancel()
        await asyncio.wait({work})


async def received(hub: Hub, counter: int, **more: object) -> tuple[Receiver, GateCheck]:
    """A check of the screener's tablet, as the route hands it on."""
    duty = hub.duties[Role.SCREENER]
    who = Principal(
        *(hub.hub_id, duty.device_id, duty.lane_id, duty.operator_id, duty.shift_id),
        *(frozenset({duty.role}), frozenset({Scope.CHECKS_WRITE}), None),
        mode=HubMode.DEMO,
    )
    receiver = await intake.receiver(hub.runtime, who, clock.now())
    body = CheckBody.model_validate(people.check(counter, **more))
    return receiver, intake.check(body, people.new_id(), counter, body.sent_at, receiver)


async def test_a_check_sent_to_two_processes_at_once_is_never_said_not_to_be_stored(
    hub: Hub,
) -> None:
    async with another_process(hub) as one, another_process(hub) as two:
        for counter in range(1, 21):
            receiver, check = await received(hub, counter, identity=None)
            done = await asyncio.gather(*(c.record(receiver, check) for c in (one, two)))
            assert {d.status for d in done} == {FactStatus.STORED, FactStatus.DUPLICATE}


async def test_who_is_worked_on_elsewhere_is_decided_on_what_that_leaves(hub: Hub) -> None:
    """The second process waits for the first one's person, and then sees the fever."""
    number = people.resident_number()
    receiver, fever = await received(hub, 1, number=number, celsius=38.6)
    _, normal = await received(hub, 2, number=number)
    policies = Policies()
    stand = checks.RecordingContext(
        hub.hub_id, receiver.keys, policies, receiver.zone, receiver.at
    )
    async with another_process(hub) as other:
        async with hub.runtime.database.transaction() as tx:
            (first,) = await checks.record(tx, stand, [fever])
            waiting = asyncio.create_task(other.record(receiver, normal))
            await asyncio.sleep(0.1)
            assert not waiting.done()
        second = await waiting
    assert second.screening_id == first.screening_id
    assert second.decision.state is first.decision.state


async def test_what_others_do_to_a_screening_between_reading_and_writing_is_kept(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fold that was read is written only over what was read; else it is read again."""
    number = people.resident_number()
    first = await put(hub, people.check(1, number, celsius=38.6, services=[]))
    screening_id = first.json()["screening_id"]
    act = {"screening_id": screening_id, "kind": "S2", "outcome": "ACCEPTED"}
    fact = {"kind": "service", "id": str(people.new_id()), "counter": 2}
    body = {
        "sent_at": people.now(),
        "items": [{**fact, "body": act | {"given_at": people.now()}}],
    }
    honest, meanwhile = facts.look_up, iter([body])

    async def look_up(*given: Any) -> list[facts.Situation]:
        found = await honest(*given)
        for backlog in meanwhile:
            done = await hub.client().post("/v1/facts:batch", json=backlog)
            assert done.json()["items"][0]["status"] == "stored"
        return found

    monkeypatch.setattr(facts, "look_up", look_up)
    offered = [{"kind": "S1", "outcome": "OFFERED"}]
    assert (await put(hub, people.check(3, number, services=offered))).status_code == 201
    whole = await hub.client().get(f"/v1/screenings/{screening_id}")
    assert whole.json()["completeness"]["services"] == 2


async def test_the_counters_of_every_check_of_a_batch_have_arrived(hub: Hub) -> None:
    device = hub.duties[Role.SCREENER].device_id
    await asyncio.gather(*(put(hub, people.check(n)) for n in (1, 2, 3, 4, 7)))
    answer = await hub.client().get(f"/v1/devices/{device}/sync-status")
    told = answer.json()
    assert (told["ack_through"], told["missing"]) == (4, [[5, 6]])


async def test_a_connection_that_was_cut_between_two_checks_is_not_noticed(
    hub: Hub, place: DatabaseTarget
) -> None:
    """The first check of a hub reads its policy through SQLAlchemy, which remembers that."""
    assert (await put(hub, people.check(1))).status_code == 201
    elsewhere = Database(place.owner_url, pool_size=1)
    async with elsewhere.reading() as tx:
        await tx.raw.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
            " WHERE pid <> pg_backend_pid() AND datname = current_database()"
            " AND application_name = 'twinstile' AND query = 'COMMIT'"
        )
    await elsewhere.close()
    assert (await put(hub, people.check(2))).status_code == 201
