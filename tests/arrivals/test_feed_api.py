"""Feeds over HTTP: what comes signed, what operators see, and what they take up again."""

import asyncio
from collections.abc import AsyncGenerator
from datetime import datetime, timedelta
from pathlib import Path

import feed_deliveries
import people
import pytest
from department_senders import state_of
from feed_deliveries import body, event
from feed_service import station
from httpx2 import Response
from hubs import Hub, open_hub
from people import Json

from twinstile.arrivals.feeds import config, feed_status
from twinstile.arrivals.feeds.feed_status import FeedCondition
from twinstile.arrivals.transport import MOST_BYTES
from twinstile.operations.startup import DatabaseTarget
from twinstile.platform.http import request_signatures
from twinstile.platform.http.request_signatures import SharedKey
from twinstile.platform.ops import clock
from twinstile.platform.security.roles import Role

KEY = SharedKey("psb-1", b"sixteen bytes or more")
FEEDS = """
    [[feed]]
    name = "police"
    hub = "HUB"
    department = "police"
    format = "test"
    interval_s = 60
    [feed.transport]
    kind = "push"
    keys = [
        { key_id = "psb-1", key_file = "HERE/psb-1.key" },
        { key_id = "psb-2", key_file = "HERE/not-there.key" },
    ]

    [[feed]]
    name = "rail"
    hub = "HUB"
    department = "rail"
    format = "test"
    [feed.transport]
    kind = "folder"
    path = "HERE"

    [[feed]]
    name = "other"
    hub = "elsewhere"
    department = "rail"
    format = "test"
    [feed.transport]
    kind = "folder"
    path = "HERE"
"""
BODY = body([event("G1")])


@pytest.fixture
async def here(hub: Hub, place: DatabaseTarget, tmp_path: Path) -> AsyncGenerator[Hub]:
    feed_deliveries.use()
    (tmp_path / "psb-1.key").write_bytes(KEY.secret + b"\n")
    async with station(hub, place, tmp_path, FEEDS) as opened:
        yield opened


def signed(
    content: bytes = BODY,
    feed: str = "police",
    key: SharedKey = KEY,
    at: datetime | None = None,
) -> dict[str, str]:
    target = f"/v1/feeds/{feed}/deliveries"
    return request_signatures.headers(key, "POST", target, content, at or clock.now())


async def push(
    hub: Hub, headers: dict[str, str], content: bytes = BODY, feed: str = "police"
) -> Response:
    return await hub.service.client().post(
        f"/v1/feeds/{feed}/deliveries", content=content, headers=headers
    )


def refused(answer: Response, reason: str) -> None:
    assert answer.status_code == 401, answer.text
    told = answer.json()
    assert (told["type"], told["detail"]) == ("/problems/signature-refused", f"{reason}.")


async def feeds(hub: Hub, who: str = Role.DUTY_COMMANDER) -> dict[str, Json]:
    answer = await hub.client(who).get("/v1/feeds")
    assert answer.status_code == 200, answer.text
    return {one["feed"]: one for one in answer.json()["feeds"]}


async def test_a_department_brings_a_delivery_and_brings_it_again(here: Hub) -> None:
    first = await push(here, signed())
    assert first.status_code == 202, first.text
    assert first.json()["outcome"] == "NEW"
    again = await push(here, signed())
    assert again.json() == {"outcome": "DUPLICATE", "delivery_id": None}
    state = (await feeds(here))["police"]
    assert (state["condition"], state["stale"], state["fault"]) == ("OK", False, None)
    assert state["counters"]["deliveries"] == state["counters"]["duplicates"] == 1
    assert (state["transport"], state["waiting"]) == ("push", 1)


async def test_a_request_is_good_once(here: Hub) -> None:
    headers = signed()
    assert (await push(here, headers)).status_code == 202
    refused(await push(here, headers), "nonce-used")
    state = (await feeds(here))["police"]
    assert state["fault"]["code"] == "nonce-used"
    assert set(state["fault"]["words"]) == {"en", "zh-CN"}
    assert state["condition"] == "FAILING"
    assert (await push(here, signed(b"{}"), b"{}")).status_code == 202
    assert (await feeds(here))["police"]["fault"] is None


async def test_whose_clock_is_wrong_is_shown_as_the_fault_of_its_feed(here: Hub) -> None:
    refused(await push(here, signed(at=clock.now() - timedelta(minutes=6))), "clock-skew")
    state = (await feeds(here))["police"]
    assert (state["condition"], state["fault"]["code"]) == ("NEVER", "clock-skew")


async def test_another_body_than_the_signed_one_is_refused(here: Hub) -> None:
    refused(await push(here, signed(), BODY + b" "), "digest-mismatch")
    assert (await feeds(here))["police"]["fault"]["code"] == "digest-mismatch"


async def test_a_stranger_is_refused_before_a_byte_of_the_body_and_leaves_nothing(
    here: Hub,
) -> None:
    stranger = SharedKey(KEY.key_id, b"x" * 16)
    refused(await push(here, {}, b"x" * 100), "signature-missing")
    refused(await push(here, signed(key=stranger)), "signature-mismatch")
    refused(await push(here, signed(key=SharedKey("psb-2", b"x" * 16))), "key-unknown")
    refused(await push(here, signed(feed="nobody"), feed="nobody"), "key-unknown")
    refused(await push(here, signed(feed="rail"), feed="rail"), "key-unknown")
    refused(await push(here, signed(feed="rail")), "signature-mismatch")
    assert await state_of(here, "police") == {}

    assert await head(here, {}) == 401


async def head(hub: Hub, headers: dict[str, str]) -> int:
    """The status of the answer to a head alone, with more to come than is taken."""
    host, _, port = hub.service.base_url.removeprefix("http://").rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    told = {"Host": host, "Content-Length": str(MOST_BYTES + 1), **headers}
    lines = ["POST /v1/feeds/police/deliveries HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in told.items()]
    writer.write("\r\n".join([*lines, "", ""]).encode())
    status = (await reader.readline()).split()[1]
    writer.close()
    return int(status)


async def test_what_is_too_large_or_compressed_is_refused(here: Hub) -> None:
    assert await head(here, signed()) == 413
    packed = await push(here, signed() | {"Content-Encoding": "gzip"})
    assert packed.status_code == 415


async def test_nonces_are_forgotten_when_no_clock_takes_them(here: Hub) -> None:
    await push(here, signed())
    async with here.runtime.database.transaction() as tx:
        await tx.raw.execute(
            "UPDATE feed_nonce SET used_at = used_at - interval '11 minutes' WHERE hub_id = $1",
            here.hub_id,
        )
    await push(here, signed())
    kept = await feed_deliveries.rows(here, "SELECT used_at FROM feed_nonce WHERE hub_id = $1")
    assert len(kept) == 1


async def test_how_feeds_do_is_seen_at_the_lane_and_of_the_own_hub_only(here: Hub) -> None:
    seen = await feeds(here, Role.SCREENER)
    assert set(seen) == {"police", "rail"}
    rail = seen["rail"]
    assert (rail["condition"], rail["as_of"], rail["stale"]) == ("NEVER", None, True)
    assert rail["words"]["en"] == "Nothing has come yet: verify by hand."
    elsewhere = await open_hub(here.runtime, here.service)
    assert await feeds(elsewhere) == {}


async def test_a_word_grows_old_and_so_does_one_that_waits_to_be_applied(here: Hub) -> None:
    (police, rail) = feed_status.sources_of_hub(
        config.feed_sources(here.runtime.settings), here.hub_id
    )
    assert (await push(here, signed())).status_code == 202
    now = clock.now()

    async def conditions(after: timedelta) -> list[FeedCondition]:
        async with here.runtime.database.reading() as tx:
            found = await feed_status.feed_statuses(tx, [police, rail], now + after)
        return [one.condition for one in found]

    assert await conditions(timedelta(minutes=2, seconds=59)) == ["OK", "NEVER"]
    assert await conditions(timedelta(minutes=3, seconds=1)) == ["STALE", "NEVER"]
    async with here.runtime.database.transaction() as tx:  # it came a second time since
        await tx.raw.execute(
            "UPDATE feed_state SET as_of = $2 WHERE hub_id = $1",
            here.hub_id,
            now + timedelta(minutes=3),
        )
    assert await conditions(timedelta(minutes=3, seconds=1)) == ["STALE", "NEVER"]
    await feed_deliveries.applier.apply_due(feed_deliveries.desk_of(here), police.feed)
    assert await conditions(timedelta(minutes=3, seconds=1)) == ["OK", "NEVER"]


async def test_who_sends_what_nobody_can_use_grows_old(here: Hub) -> None:
    (police, _) = feed_status.sources_of_hub(
        config.feed_sources(here.runtime.settings), here.hub_id
    )

    async def standing_after(*said: Json | str) -> datetime:
        assert (await push(here, signed(body(said)), body(said))).status_code == 202
        await feed_deliveries.applier.apply_due(feed_deliveries.desk_of(here), police.feed)
        async with here.runtime.database.reading() as tx:
            (found,) = await feed_status.feed_statuses(tx, [police], clock.now())
        assert found.as_of is not None
        return found.as_of

    good = await standing_after(event("G1"))
    bad = await standing_after({"cut": "truncated"})
    assert good < bad
    assert await standing_after("no row") == bad
    assert await standing_after({"cut": "truncated"}, event("G1")) == bad
    assert await standing_after(event("G2"), "no row") > bad


async def test_rows_set_aside_are_listed_page_by_page_and_taken_up_again(here: Hub) -> None:
    bad = [event("G1"), "no row", event("G2"), "nor this"]
    assert (await push(here, signed(body(bad)), body(bad))).status_code == 202
    cut = [event("G3"), {"cut": "charset"}, {"columns": ["新列"]}]
    assert (await push(here, signed(body(cut)), body(cut))).status_code == 202
    (police, _) = feed_status.sources_of_hub(
        config.feed_sources(here.runtime.settings), here.hub_id
    )
    await feed_deliveries.applier.apply_due(feed_deliveries.desk_of(here), police.feed)
    supervisor = here.client(Role.SUPERVISOR)
    path = "/v1/feeds/police/quarantine"
    first = (await supervisor.get(path, params={"limit": 1})).json()
    assert [(one["state"], one["reason"]) for one in first["deliveries"]] == [
        ("DEAD", "charset")
    ]
    assert [(one["row"], one["reason"]) for one in first["rows"]] == [(2, "malformed-row")]
    assert first["rows"][0]["words"]["zh-CN"]
    more = {"limit": 1, "cursor": first["next"]}
    second = (await supervisor.get(path, params=more)).json()
    assert ([one["row"] for one in second["rows"]], second["next"]) == ([4], None)
    assert second["deliveries"] == []
    assert not {"no row", "nor this", "G1"} & set(str([first, second]).split("'"))
    assert (await supervisor.get(path, params={"cursor": "x"})).status_code == 422
    assert (await supervisor.get("/v1/feeds/other/quarantine")).status_code == 404
    state = (await feeds(here))["police"]
    assert (state["dead"], state["counters"]["rejected"]) == (1, 2)

    again = await supervisor.post("/v1/feeds/police/replays", json={})
    dead = first["deliveries"][0]["delivery_id"]
    assert again.json() == {"replayed": [dead]}
    assert (await feeds(here))["police"]["waiting"] == 1
    told = await feed_deliveries.rows(
        here, "SELECT kind, body FROM event WHERE hub_id = $1 AND kind = 'feed.replayed'"
    )
    assert told == [("feed.replayed", {"feed": "police"})]
    named = first["rows"][0]["delivery_id"]
    one = await supervisor.post("/v1/feeds/police/replays", json={"deliveries": [named]})
    assert one.json() == {"replayed": [named]}


async def test_answers_say_which_feeds_they_rest_on_and_whether_those_are_stale(
    here: Hub,
) -> None:
    supervisor = here.client(Role.SUPERVISOR)
    span = {"from": "2026-11-28T00:00:00Z", "to": "2026-11-29T00:00:00Z"}
    never = {"source": "rail", "as_of": None, "stale": True}
    runs = await supervisor.get("/v1/runs", params=span)
    assert runs.json()["sources"] == [never]
    counts = await supervisor.get(f"/v1/runs/{people.new_id()}/expectations")
    assert counts.json()["sources"] == [never]
    asked = {"document": people.document(), "purpose": "IDENTIFICATION", "reason": "shown"}
    found = await supervisor.post("/v1/lookups", json=asked)
    assert [(one["source"], one["stale"]) for one in found.json()["sources"]] == [
        ("police", True)
    ]

    async def lane(etag: str = "") -> tuple[int, str, dict[str, bool]]:
        answer = await here.client().get(
            "/v1/lanes/north-1/state", headers={"If-None-Match": etag} if etag else {}
        )
        told = answer.json()["sources"] if answer.status_code == 200 else []
        stale = {one["source"]: one["stale"] for one in told}
        return answer.status_code, answer.headers["etag"], stale

    _, before, stale = await lane()
    assert stale == {"police": True, "rail": True}
    assert (await push(here, signed())).status_code == 202
    _, after, stale = await lane(before)
    assert stale == {"police": False, "rail": True}
    assert (await push(here, signed())).status_code == 202  # heard of again
    assert (await lane(after))[0] == 304
