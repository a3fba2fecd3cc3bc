"""However deliveries come, are cut short and are told again: in the end the same stands."""

import itertools
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import cast

import feed_deliveries
import people
import pytest
from feed_deliveries import end, event, traveller
from hubs import Hub
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from people import Json

from twinstile.arrivals.feeds import applier
from twinstile.arrivals.feeds.reading import FeedSettings
from twinstile.platform.db.database import Database, Transaction
from twinstile.platform.http.problems import Unavailable

KEYS = "abcd"
NUMBERS = {key: people.resident_number() for key in KEYS}
_fresh = itertools.count()


@dataclass(frozen=True)
class Told:
    """One delivery: versions by key, None: taken back. `listed`: it is a whole list."""

    rows: tuple[tuple[str, int, bool], ...]
    listed: int | None


ROW = st.tuples(st.sampled_from(KEYS), st.integers(1, 4), st.booleans())
ROWS = st.lists(ROW, max_size=4, unique_by=lambda one: one[0]).map(tuple)
CHANGES = st.builds(Told, ROWS, st.none())
LISTS = st.builds(Told, ROWS, st.integers(1, 9))
ANY = st.lists(CHANGES | LISTS, min_size=1, max_size=4)
VERSIONED = st.lists(CHANGES, min_size=1, max_size=4) | st.lists(
    LISTS, min_size=1, max_size=4, unique_by=lambda one: one.listed
)
"""Versions of a list and of a change to it cannot be compared, and two lists have two."""


def said(run: str, one: Told, n: int, *, versioned: bool) -> list[Json]:
    """The records of a delivery, which differ from those of any other in `n`."""
    made: list[Json] = [event(run, version=1, x=n)]
    for key, version, gone in one.rows:
        own: Json = {"seat": f"{key}{version}"}
        if one.listed is not None:
            own = {"seat": f"{key}{one.listed}"}
        elif gone:
            own |= {"op": "DELETE"}
        if versioned:
            own |= {"version": one.listed or version * 2 + gone}
        made.append(traveller(run, key, NUMBERS[key], **own))
    if one.listed is not None:
        made.append(end(run, len(one.rows), **({"version": one.listed} if versioned else {})))
    return made


class Dying:
    """A database whose every so many-th transaction ends before its commit, or right after."""

    def __init__(self, database: Database, deaths: Sequence[int]) -> None:
        self._database = database
        self._deaths = iter(deaths)
        self._left = next(self._deaths, -1)

    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator[Transaction]:
        self._left -= 1
        dies = self._left == 0
        async with self._database.transaction() as tx:
            yield tx
            if dies:
                self._left = next(self._deaths, -1)
                raise Unavailable

    def reading(self) -> object:
        return self._database.reading()


async def settle(hub: Hub, feed: FeedSettings, deaths: Sequence[int] = ()) -> None:
    """Apply what is due, beginning anew after each death."""
    desk = feed_deliveries.desk_of(hub)
    dying = replace(desk, database=cast("Database", Dying(hub.runtime.database, deaths)))
    for _ in range(len(deaths) + 1):
        try:
            await applier.apply_due(dying, feed)
        except Unavailable:
            continue
        return
    await applier.apply_due(desk, feed)


async def stands(hub: Hub, feed: FeedSettings, run: str) -> set[tuple[object, ...]]:
    async with hub.runtime.database.reading() as tx:
        found = await tx.raw.fetch(
            "SELECT e.seat, e.withdrawn_at IS NULL FROM manifest_entry e"
            " JOIN run_alias a USING (hub_id, run_id)"
            " WHERE hub_id = $1 AND a.service_no = $2 AND e.withdrawn_at IS NULL",
            hub.hub_id,
            run,
        )
        states = await tx.raw.fetch(
            "SELECT DISTINCT state, rows - applied - repeated - superseded"
            " FROM feed_delivery WHERE hub_id = $1 AND feed = $2",
            hub.hub_id,
            feed.name,
        )
    assert [tuple(row) for row in states] in ([("APPLIED", 0)], [])
    return {tuple(row) for row in found}


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    feed_deliveries.use()
    monkeypatch.setattr(applier, "AT_ONCE", 2)


MANY = settings(
    max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
DEATHS = st.lists(st.integers(1, 5), max_size=3)


@MANY
@given(ANY, st.data())
async def test_deliveries_applied_in_any_order_end_as_those_applied_as_they_landed(
    hub: Hub, came: list[Told], data: st.DataObject
) -> None:
    n = next(_fresh)
    one, other = (
        feed_deliveries.feed_of(hub, f"one{n}"),
        feed_deliveries.feed_of(hub, f"other{n}"),
    )
    for at, delivery in enumerate(came):
        await feed_deliveries.tell(hub, one, *said(f"A{n}", delivery, at, versioned=False))
    landed = [
        await feed_deliveries.land(hub, other, said(f"B{n}", delivery, at, versioned=False))
        for at, delivery in enumerate(came)
    ]
    for delivery_id in data.draw(st.permutations(landed)):
        await applier.apply_delivery(feed_deliveries.desk_of(hub), other, delivery_id)
    again = data.draw(st.lists(st.sampled_from(landed), max_size=2, unique=True))
    await feed_deliveries.replay(hub, other, *again)
    await settle(hub, other, data.draw(DEATHS))
    assert await stands(hub, one, f"A{n}") == await stands(hub, other, f"B{n}")


@MANY
@given(VERSIONED, st.data())
async def test_versioned_words_end_the_same_in_whatever_order_they_come(
    hub: Hub, came: list[Told], data: st.DataObject
) -> None:
    n, kept = next(_fresh), []
    for which, order in enumerate((came, data.draw(st.permutations(came)))):
        feed, run = feed_deliveries.feed_of(hub, f"v{which}{n}"), f"V{which}{n}"
        for at, delivery in enumerate(order):
            await feed_deliveries.land(hub, feed, said(run, delivery, at, versioned=True))
            await settle(hub, feed, data.draw(DEATHS) if which else ())
        kept.append(await stands(hub, feed, run))
    assert kept[0] == kept[1]
    assert len(kept[0]) <= len(KEYS)


async def test_a_list_overrules_what_landed_before_it_and_is_applied_after_it(
    hub: Hub,
) -> None:
    feed = feed_deliveries.feed_of(hub)
    changes = (Told((("a", 1, False), ("b", 1, False)), None), Told((("c", 1, False),), None))
    came = [changes[0], Told((("b", 2, False),), 2), changes[1]]
    landed = [
        await feed_deliveries.land(hub, feed, said("G1", one, n, versioned=False))
        for n, one in enumerate(came)
    ]
    for delivery_id in reversed(landed):
        await applier.apply_delivery(feed_deliveries.desk_of(hub), feed, delivery_id)
    assert await feed_deliveries.expected(hub, "G1") == {
        ("a1", "out"),
        ("b2", "in"),
        ("c1", "in"),
    }
