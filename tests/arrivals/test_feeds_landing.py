"""What came is stored as it came, with the place to go on from, or not at all."""

from datetime import datetime

import pytest
from hubs import Hub

from twinstile.arrivals.feeds import inbox
from twinstile.arrivals.feeds.inbox import ReceiptOutcome, ReceivedDelivery, StoredDelivery
from twinstile.arrivals.feeds.reading import FeedSettings
from twinstile.arrivals.records import Delivery
from twinstile.arrivals.transport import FetchedDelivery
from twinstile.identity.vault import day_key
from twinstile.platform.keys.data_keys import KeyDestroyed
from twinstile.platform.ops import clock

BODY = "车次,姓名\nG7349,金丝雀\n".encode()


def feed_of(hub: Hub, name: str = "rail") -> FeedSettings:
    return FeedSettings(hub.hub_id, name, "rail", hub.runtime.settings.zone)


def delivery(body: bytes = BODY, name: str = "名单-20261128.csv") -> Delivery:
    return Delivery(body, clock.now(), name, "text/csv", 1)


async def take(
    hub: Hub, fetched: FetchedDelivery, *, at: datetime | None = None
) -> ReceivedDelivery:
    keys = hub.runtime.keys.of(hub.hub_id)
    async with hub.runtime.database.transaction() as tx:
        return await inbox.receive_fetched(tx, keys, feed_of(hub), fetched, at or clock.now())


async def kept(hub: Hub, landed: ReceivedDelivery) -> StoredDelivery:
    assert landed.delivery_id
    async with hub.runtime.database.reading() as tx:
        found = await inbox.get_delivery(tx, feed_of(hub), landed.delivery_id)
    assert found
    return found


async def state(hub: Hub, columns: str) -> tuple[object, ...]:
    async with hub.runtime.database.reading() as tx:
        row = await tx.raw.fetchrow(
            f"SELECT {columns} FROM feed_state WHERE hub_id = $1 AND feed = 'rail'", hub.hub_id
        )
    return tuple(row or ())


async def cursor(hub: Hub) -> str | None:
    (kept,) = await state(hub, "cursor")
    assert isinstance(kept, str)
    return await inbox.open_cursor(hub.runtime.keys.of(hub.hub_id), feed_of(hub), kept)


async def test_where_to_go_on_is_kept_encrypted(hub: Hub) -> None:
    place = '{"on": [["str", "2026-11-28"], ["str", "330106199001010010"]]}'
    await take(hub, FetchedDelivery(None, place))
    (kept,) = await state(hub, "cursor")
    assert "330106199001010010" not in str(kept)
    assert await cursor(hub) == place
    keys = hub.runtime.keys.of(hub.hub_id)
    assert await inbox.open_cursor(keys, feed_of(hub, "other"), str(kept)) is None
    assert await inbox.open_cursor(keys, feed_of(hub), place) is None


async def test_a_delivery_is_kept_whole_and_opens_as_it_came(hub: Hub) -> None:
    came = delivery()
    found = await kept(hub, await take(hub, FetchedDelivery(came, "1")))
    async with hub.runtime.database.reading() as tx:
        row = await tx.raw.fetchrow(
            "SELECT cipher FROM feed_delivery WHERE delivery_id = $1", found.delivery_id
        )
        opened = await inbox.open_delivery(
            tx, hub.runtime.keys.of(hub.hub_id), hub.hub_id, found
        )
    assert row
    assert "金丝雀".encode() not in row[0]
    assert (opened.body, opened.name, opened.media_type, opened.row_count) == (
        came.body,
        came.name,
        came.media_type,
        came.row_count,
    )


async def test_the_same_bytes_again_are_counted_and_the_cursor_moves_on(hub: Hub) -> None:
    first = await take(hub, FetchedDelivery(delivery(), "1"))
    again = await take(hub, FetchedDelivery(delivery(name="other.csv"), "2"))
    other = await take(hub, FetchedDelivery(delivery(b"other"), "3"))
    moved = await take(hub, FetchedDelivery(None, "4"))
    assert [one.outcome for one in (first, again, other, moved)] == [
        ReceiptOutcome.NEW,
        ReceiptOutcome.DUPLICATE,
        ReceiptOutcome.NEW,
        ReceiptOutcome.NOTHING,
    ]
    assert await cursor(hub) == "4"
    assert await state(hub, "landed, deliveries, duplicates, refused") == (2, 2, 1, 0)
    assert [(await kept(hub, one)).n for one in (first, other)] == [1, 2]


async def test_what_nobody_should_read_is_counted_and_never_a_duplicate(hub: Hub) -> None:
    landed = [await take(hub, FetchedDelivery(None, str(n), refused="half")) for n in range(2)]
    assert [one.outcome for one in landed] == [ReceiptOutcome.REFUSED, ReceiptOutcome.REFUSED]
    assert await cursor(hub) == "1"
    assert await state(hub, "deliveries, refused") == (0, 2)


async def test_bytes_and_cursor_land_both_or_neither(hub: Hub) -> None:
    async def cut_short() -> None:
        keys = hub.runtime.keys.of(hub.hub_id)
        async with hub.runtime.database.transaction() as tx:
            await inbox.receive_fetched(
                tx, keys, feed_of(hub), FetchedDelivery(delivery(), "1"), clock.now()
            )
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await cut_short()
    assert await state(hub, "cursor") == ()
    assert (await take(hub, FetchedDelivery(delivery(), "1"))).outcome is ReceiptOutcome.NEW


async def test_a_delivery_ends_with_the_key_of_its_day(hub: Hub) -> None:
    now = clock.now()
    found = await kept(hub, await take(hub, FetchedDelivery(delivery(), "1"), at=now))
    keys = hub.runtime.keys.of(hub.hub_id)
    keys.destroy(day_key(found.day))
    async with hub.runtime.database.reading() as tx:
        with pytest.raises(KeyDestroyed):
            await inbox.open_delivery(tx, keys, hub.hub_id, found)
