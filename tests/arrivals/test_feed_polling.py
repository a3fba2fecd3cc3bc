"""Polls: when they are due, who does them, and what a department's trouble does to them."""

import asyncio
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from pathlib import Path

import feed_deliveries
import people
import pytest
from database_sessions import end, others
from department_senders import asker_of, sender_of, state_of
from feed_deliveries import body, event, traveller
from folder_sender import drop
from hubs import Hub
from raw_http_server import Asked, answer, department

from twinstile.arrivals.adapters import folder
from twinstile.arrivals.adapters.drop import EntryKind, FileEntry
from twinstile.arrivals.feeds import applier, polling
from twinstile.arrivals.feeds.polling import LEASE
from twinstile.operations.startup import DatabaseTarget
from twinstile.platform.db.database import Database
from twinstile.platform.http.problems import Problem
from twinstile.platform.ops import clock

Script = Callable[[Asked], Iterable[bytes]]
BODY = body([event("G1")])


@pytest.fixture(autouse=True)
def formats() -> None:
    feed_deliveries.use()


class Clock:
    """Goes on when it is told to."""

    def __init__(self) -> None:
        self.at = clock.now()

    def __call__(self) -> datetime:
        return self.at

    def wait(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


def http(url: str, **more: object) -> dict[str, object]:
    return {"kind": "http", "url": url, "inside": True, "within_s": 2, **more}


async def test_what_a_department_drops_lands_and_is_moved_away(
    hub: Hub, tmp_path: Path
) -> None:
    drop(tmp_path, ["a.csv", "a.csv.ok"], BODY)
    at = Clock()
    asker = asker_of(hub, at)
    sender = sender_of(hub, {"kind": "folder", "path": tmp_path, "ready": "ok"})
    asked = await polling.poll_feed(asker, sender)
    assert asked is not None
    assert asked.fault is None
    assert (tmp_path / "done/a.csv").read_bytes() == BODY
    state = await state_of(hub)
    assert (state["deliveries"], state["as_of"]) == (1, at.at)
    at.wait(5)
    assert await polling.poll_feed(asker, sender) is None
    at.wait(5)
    assert await polling.poll_feed(asker, sender) is not None


async def test_two_workers_never_do_the_same_poll(hub: Hub) -> None:
    at = Clock()
    slow = [answer(BODY)[:20], answer(BODY)[20:]]
    async with department(lambda _: slow, drip_s=0.3) as there:
        sender = sender_of(hub, http(there.url))
        askers = [asker_of(hub, at) for _ in range(4)]
        first = await asyncio.gather(*(polling.poll_feed(one, sender) for one in askers))
        assert [one is not None for one in first].count(True) == 1
        assert len(there.asked) == 1
        at.wait(10)
        begun = asyncio.create_task(polling.poll_feed(askers[0], sender))
        await asyncio.sleep(0.1)
        at.wait(60)  # it is due again, and still being done
        assert await polling.poll_feed(askers[1], sender) is None
        assert await begun is not None
        assert len(there.asked) == 2
    assert (await state_of(hub))["deliveries"] == 1


async def test_the_lease_of_a_process_that_died_runs_out(hub: Hub, tmp_path: Path) -> None:
    at = Clock()
    dead, other = asker_of(hub, at), asker_of(hub, at)
    sender = sender_of(hub, {"kind": "folder", "path": tmp_path})
    async with hub.runtime.database.transaction() as tx:
        assert await polling.claim_poll(tx, sender, dead.worker, at.at)
    at.wait(60)
    assert await polling.poll_feed(other, sender) is None
    async with hub.runtime.database.transaction() as tx:  # it was only without its database
        assert await polling.claim_poll(tx, sender, dead.worker, at.at)
    at.wait(LEASE.total_seconds() + 1)
    assert await polling.poll_feed(other, sender) is not None


async def test_who_was_away_for_longer_than_its_lease_lands_nothing(hub: Hub) -> None:
    at, later = Clock(), Clock()
    later.wait(LEASE.total_seconds() + 1)
    slow, other = asker_of(hub, at), asker_of(hub, later)
    newer, asked = answer(body([event("G2")])), asyncio.Event()

    def script(_: Asked) -> Iterable[bytes]:
        asked.set()
        return [newer] if len(there.asked) > 1 else [answer(BODY)[:20], answer(BODY)[20:]]

    async with department(script, drip_s=1.5) as there:
        sender = sender_of(hub, http(there.url, within_s=5))
        begun = asyncio.create_task(polling.poll_feed(slow, sender))
        await asked.wait()
        assert await polling.poll_feed(other, sender) is not None
        before = await state_of(hub)
        assert await begun is not None
    assert before["deliveries"] == 1
    assert await state_of(hub) == before


async def test_a_department_that_is_down_is_let_alone_and_met_again(hub: Hub) -> None:
    at, up = Clock(), False

    def script(_: Asked) -> Iterable[bytes]:
        return [answer(BODY)] if up else [answer(status="503 Busy")]

    async with department(script) as there:
        sender, asker = sender_of(hub, http(there.url)), asker_of(hub, at)
        for _ in range(5):
            asked = await polling.poll_feed(asker, sender)
            assert asked is not None
            assert asked.fault == "department-failed"
            at.wait(10)
        state = await state_of(hub)
        assert (state["failures"], state["fault"]) == (5, "department-failed")
        assert state["as_of"] is None
        assert await polling.poll_feed(asker, sender) is None
        at.wait(20)  # half a minute since the breaker opened
        assert (await polling.poll_feed(asker, sender)) is not None
        at.wait(31)
        assert await polling.poll_feed(asker, sender) is None  # it doubles
        up = True
        at.wait(30)
        asked = await polling.poll_feed(asker, sender)
        assert asked is not None
        assert asked.fault is None
        assert len(there.asked) == 7
    state = await state_of(hub)
    assert (state["failures"], state["fault"], state["as_of"]) == (0, None, at.at)
    at.wait(10)
    assert await polling.poll_feed(asker, sender) is not None  # closed again


async def test_a_department_says_itself_when_to_come_again(hub: Hub) -> None:
    at = Clock()
    busy = [answer(status="429 Slow down", Retry_After="120")]
    async with department(lambda _: busy) as there:
        sender, asker = sender_of(hub, http(there.url)), asker_of(hub, at)
        assert await polling.poll_feed(asker, sender) is not None
        at.wait(119)
        assert await polling.poll_feed(asker, sender) is None
        at.wait(2)
        assert await polling.poll_feed(asker, sender) is not None
        assert len(there.asked) == 2


async def test_a_bad_file_is_shown_and_does_not_keep_others_waiting(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at, listed = Clock(), folder._entries

    def tricky(path: Path, most: int, before: float) -> list[FileEntry]:
        return [FileEntry("../up", 1, 1.0, EntryKind.FILE), *listed(path, most, before)]

    monkeypatch.setattr(folder, "_entries", tricky)
    asker = asker_of(hub, at)
    sender = sender_of(hub, {"kind": "folder", "path": tmp_path, "ready": "ok"})
    for number in range(7):
        drop(tmp_path, [f"{number}.csv", f"{number}.csv.ok"], body([event(f"G{number}")]))
        asked = await polling.poll_feed(asker, sender)
        assert asked is not None
        assert asked.fault == "bad-name"
        at.wait(10)
    state = await state_of(hub)
    assert (state["deliveries"], state["fault"]) == (7, "bad-name")


async def test_without_the_database_nobody_judges_the_department(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = Clock()

    async def refuse(*_: object) -> None:
        raise Problem

    async with department(lambda _: [answer(BODY)]) as there:
        sender, asker = sender_of(hub, http(there.url)), asker_of(hub, at)
        with monkeypatch.context() as broken:
            broken.setattr(polling.inbox, "receive_fetched", refuse)
            with pytest.raises(Problem):
                await polling.poll_feed(asker, sender)
        assert (await state_of(hub))["failures"] == 0
        at.wait(10)
        assert await polling.poll_feed(asker, sender) is not None
    assert (await state_of(hub))["deliveries"] == 1


async def test_nobody_is_asked_for_a_hub_there_is_not(hub: Hub, tmp_path: Path) -> None:
    sender = sender_of(hub, {"kind": "folder", "path": tmp_path})
    gone = Hub("nowhere", hub.runtime, hub.service, {})
    other = sender_of(gone, {"kind": "folder", "path": tmp_path})
    assert await polling.poll_feed(asker_of(hub), other) is None
    assert await polling.poll_feed(asker_of(hub), sender) is not None


async def test_what_landed_is_applied_by_one_of_several_through_a_restart(
    hub: Hub, place: DatabaseTarget, tmp_path: Path
) -> None:
    sender = sender_of(hub, {"kind": "folder", "path": tmp_path})
    stop = asyncio.Event()
    bases = [
        Database(place.service_url, pool_size=applier.MOST_AT_ONCE + 1, role=place.role)
        for _ in range(2)
    ]
    async with asyncio.timeout(20):
        working = [
            asyncio.create_task(applier.run_applier(hub.runtime, one, [sender], stop))
            for one in bases
        ]
        first = await feed_deliveries.land(hub, sender.feed, [event("G1")])
        await applied(hub, first)
        await end(place, await others(hub.runtime.database))
        await hub.runtime.database.close()  # this test's own way in was ended, too
        row = traveller("G2", "a", people.resident_number(), seat="1A")
        await applied(hub, await feed_deliveries.land(hub, sender.feed, [row]))
        second = await feed_deliveries.land(hub, sender.feed, [event("G2")])
        await applied(hub, second)
        await taken_up(hub, "G2", {("1A", "in")})
        stop.set()
        await asyncio.gather(*working)
    for one in bases:
        await one.close()
    assert (await state_of(hub))["applied"] == 3


async def taken_up(hub: Hub, run: str, waited: set[tuple[str, str]]) -> None:
    while True:
        if await feed_deliveries.expected(hub, run) == waited:
            return
        await asyncio.sleep(0.05)


async def applied(hub: Hub, delivery_id: object) -> None:
    while True:
        async with hub.runtime.database.reading() as tx:
            row = await tx.raw.fetchrow(
                "SELECT state, fault FROM feed_delivery WHERE hub_id = $1 AND delivery_id = $2",
                hub.hub_id,
                delivery_id,
            )
        assert row is not None
        if row[0] == "APPLIED":
            return
        await asyncio.sleep(0.05)
