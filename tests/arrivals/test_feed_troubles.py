"""Everything departments have ever done to a feed: each ends in a state that people can see.

The transports' and formats' own tests know more of each; here it is polled, landed and applied
as in service, and looked at where an operator looks: `GET /v1/feeds`, its quarantine, the
doctor.
"""

import gzip
import hashlib
import json
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import feed_deliveries
import pytest
from department_senders import asker_of
from feed_deliveries import body, end, event, traveller
from feed_service import station
from hubs import Hub
from people import Json
from raw_http_server import Asked, answer, department

from twinstile.arrivals.feeds import applier, config, feed_status, polling
from twinstile.arrivals.transport import MOST_BYTES
from twinstile.cli import doctor
from twinstile.operations.startup import DatabaseTarget
from twinstile.platform.ops import clock, observability
from twinstile.platform.security.roles import Role
from twinstile.screening import feed_alerts

GOOD = body([event("G1")])
PAGE = b"<!DOCTYPE html><p>Sign in"
ZIP = b"PK\x03\x04" * 9
Script = Callable[[Asked], Iterable[bytes]]
FILE = """
    [[feed]]
    name = "rail"
    hub = "HUB"
    department = "rail"
    format = "FORMAT"
    interval_s = 60
    [feed.transport]
    TRANSPORT
"""


@dataclass(frozen=True)
class Seen:
    """What an operator sees."""

    feed: Json
    bad: Json
    doctor: doctor.Diagnosis

    @property
    def reasons(self) -> set[str]:
        return {one["reason"] for part in ("rows", "deliveries") for one in self.bad[part]}


@asynccontextmanager
async def opened(
    hub: Hub, place: DatabaseTarget, folder: Path, transport: str, kind: str = "test"
) -> AsyncGenerator[Hub]:
    feed_deliveries.use()
    told = FILE.replace("TRANSPORT", transport).replace("FORMAT", kind)
    async with station(hub, place, folder, told) as here:
        yield here


async def poll(hub: Hub, times: int = 1) -> Seen:
    """Poll as in service, a minute apart, apply, and look."""
    (sender,) = config.feed_sources(hub.runtime.settings)
    at = clock.now() - timedelta(minutes=times - 1)
    for number in range(times):
        now = at + timedelta(minutes=number)
        await polling.poll_feed(asker_of(hub, lambda now=now: now), sender)
        await applier.apply_due(feed_deliveries.desk_of(hub), sender.feed)
    return await look(hub)


async def look(hub: Hub) -> Seen:
    (sender,) = config.feed_sources(hub.runtime.settings)
    (feed,) = (await hub.client(Role.DUTY_COMMANDER).get("/v1/feeds")).json()["feeds"]
    bad = await hub.client(Role.SUPERVISOR).get("/v1/feeds/rail/quarantine")
    async with hub.runtime.database.reading() as tx:
        (stand,) = await feed_status.feed_statuses(tx, [sender], clock.now())
    return Seen(feed, bad.json(), doctor.feed(stand))


def http(url: str, **more: object) -> str:
    told = {"kind": "http", "url": url, "inside": True, "within_s": 0.4, **more}
    return "\n    ".join(f"{name} = {json.dumps(value)}" for name, value in told.items())


BOMB = gzip.compress(bytes(MOST_BYTES + 1))
ANSWERS: dict[str, tuple[str, Script, dict[str, object]]] = {
    "a page to sign in": (
        "html-page", lambda _: [answer(PAGE, content_type="text/csv")], {},
    ),
    "an error inside a 200": (
        "error-body", lambda _: [answer(b'{"code": 7, "data": null}')],
        {"expect_pointer": "/code", "expect_value": "0"},
    ),
    "a body cut short": ("answer-broken", lambda _: [answer(GOOD[:-9], length=len(GOOD))], {}),
    "a gigantic body": ("too-large", lambda _: [answer(b"", length=MOST_BYTES + 1)], {}),
    "a body drop by drop": (
        "timeout", lambda _: [answer(b"", length=99), *[b"x"] * 99], {},
    ),
    "a bomb": (
        "too-large", lambda _: [answer(BOMB, content_encoding="gzip")], {"compressed": True},
    ),
    "a redirect inside": (
        "redirected", lambda _: [answer(status="302 Found", location="http://169.254.169.254/")],
        {},
    ),
    "a name that leads inside": (
        "address-refused", lambda _: [answer(GOOD)], {"inside": False},
    ),
    "pages in a circle": (
        "cursor-loop",
        lambda asked: [answer(b'{"next": "%d"}' % (1 + ("after=1" in asked.target)))],
        {"cursor_parameter": "after", "next_pointer": "/next"},
    ),
    "another schema": (
        "wrong-media-type", lambda _: [answer(GOOD, content_type="text/xml")],
        {"media_types": ["application/json"]},
    ),
    "no right any more": ("unauthorised", lambda _: [answer(status="401 No")], {}),
    "a fault of its own": ("department-failed", lambda _: [answer(status="500 Oh")], {}),
}  # fmt: skip


@pytest.mark.parametrize("trouble", ANSWERS)
async def test_what_a_department_answers_ends_in_a_fault_with_words(
    trouble: str, hub: Hub, place: DatabaseTarget, tmp_path: Path
) -> None:
    fault, script, more = ANSWERS[trouble]
    drip = 0.05 if trouble == "a body drop by drop" else 0
    async with (
        department(script, drip_s=drip) as there,
        opened(hub, place, tmp_path, http(there.url, **more)) as here,
    ):
        seen = await poll(here)
    assert seen.feed["fault"]["code"] == fault
    assert set(seen.feed["fault"]["words"]) == {"en", "zh-CN"}
    assert (seen.feed["condition"], seen.feed["failures"]) == ("NEVER", 1)
    assert seen.doctor.advice == seen.feed["fault"]["words"]["en"]
    assert fault in seen.doctor.found


async def test_a_cursor_that_expired_is_forgotten_and_nothing_comes_twice(
    hub: Hub, place: DatabaseTarget, tmp_path: Path
) -> None:
    def script(asked: Asked) -> Iterable[bytes]:
        if "after=old" in asked.target:
            return [answer(status="410 Gone")]
        return [answer(json.dumps({"next": "old", "run": "G1", "key": "a"}).encode())]

    paging = http("URL", cursor_parameter="after", next_pointer="/next")
    async with (
        department(script) as there,
        opened(hub, place, tmp_path, paging.replace("URL", there.url)) as here,
    ):
        seen = await poll(here, times=2)
    counters = seen.feed["counters"]
    assert counters["deliveries"] == 1
    assert counters["duplicates"] > 0
    assert seen.feed["waiting"] == 0


FILES: dict[str, tuple[str, str, dict[str, bytes]]] = {
    "half written, by its digest": (
        "digest-mismatch", "sha256",
        {"a": GOOD[:-4], "a.sha256": hashlib.sha256(GOOD).hexdigest().encode()},
    ),
    "empty": ("empty", "ok", {"a": b"", "a.ok": b""}),
    "a charset nobody has": (
        "charset", "ok", {"a.csv": b"\xff\xfa\xff,\xff\xff\n" * 9, "a.ok": b""},
    ),
    "a bomb": ("too-large", "ok", {"a.gz": BOMB, "a.gz.ok": b""}),
    "a table of other columns": ("no-header", "ok", {"a.csv": b"x,y\n1,2\n", "a.csv.ok": b""}),
    "a page": ("html", "ok", {"a.csv": b"<html><p>Sign in", "a.csv.ok": b""}),
    "a workbook that is none": ("damaged", "ok", {"a.xlsx": ZIP, "a.xlsx.ok": b""}),
}  # fmt: skip


@pytest.mark.parametrize("trouble", FILES)
async def test_what_is_dropped_and_cannot_be_used_is_refused_or_given_up_with_a_reason(
    trouble: str, hub: Hub, place: DatabaseTarget, tmp_path: Path
) -> None:
    reason, ready, files = FILES[trouble]
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    for name, content in files.items():
        (inbox / name).write_bytes(content)
    transport = f'kind = "folder"\n    path = "{inbox}"\n    ready = "{ready}"'
    async with opened(hub, place, tmp_path, transport, "rail") as here:
        seen = await poll(here)
    assert seen.reasons == {reason}
    assert seen.feed["dead"] + seen.feed["counters"]["refused"] == 1
    (shown,) = seen.bad["deliveries"]
    assert set(shown["words"]) == {"en", "zh-CN"}
    assert seen.doctor.well == (shown["state"] == "REFUSED")


async def test_a_file_that_is_still_written_or_a_link_is_left_alone(
    hub: Hub, place: DatabaseTarget, tmp_path: Path
) -> None:
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    (inbox / "a").write_bytes(GOOD[:9])
    (inbox / "b.part").write_bytes(GOOD)
    (inbox / "passwd").symlink_to("/etc/passwd")
    (inbox / "passwd.ok").write_bytes(b"")
    transport = f'kind = "folder"\n    path = "{inbox}"\n    ready = "ok"'
    async with opened(hub, place, tmp_path, transport) as here:
        seen = await poll(here)
    assert seen.reasons == {"not-a-file"}
    assert seen.feed["counters"]["deliveries"] == 0
    assert (inbox / "a").exists()


async def test_counters_that_lie_withdraw_nobody_and_new_columns_are_shown(
    hub: Hub, place: DatabaseTarget, tmp_path: Path
) -> None:
    numbers = [f"77010119900201{number:03}X" for number in range(2)]
    lists = [
        [event("G1"), *(traveller("G1", str(n), number) for n, number in enumerate(numbers))],
        [traveller("G1", "9", numbers[0]), {"columns": ["新列"]}, end("G1", 1, told=206)],
    ]
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    transport = f'kind = "folder"\n    path = "{inbox}"\n    ready = "ok"'
    async with opened(hub, place, tmp_path, transport) as here:
        for number, one in enumerate(lists):
            (inbox / f"{number}").write_bytes(body(one))
            (inbox / f"{number}.ok").write_bytes(b"")
        seen = await poll(here)
        kept = "SELECT withdrawn_at FROM manifest_entry WHERE hub_id = $1"
        withdrawn = await feed_deliveries.rows(here, kept)
    assert set(withdrawn) == {(None,)}
    assert [one["name"] for one in seen.feed["unknown_columns"]] == ["新列"]


async def test_people_are_told_of_silence_and_of_what_cannot_be_used_and_when_it_is_over(
    hub: Hub, place: DatabaseTarget, tmp_path: Path
) -> None:
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    transport = f'kind = "folder"\n    path = "{inbox}"\n    ready = "ok"'
    async with opened(hub, place, tmp_path, transport) as here:
        senders = config.feed_sources(here.runtime.settings)

        async def told(after: timedelta) -> list[str]:
            async with here.runtime.database.transaction() as tx:
                await feed_alerts.watch(tx, here.hub_id, senders, clock.now() + after)
            open_now = await here.client(Role.DUTY_COMMANDER).get("/v1/alerts")
            assert all(one["facts"]["feed"] == "rail" for one in open_now.json()["alerts"])
            return sorted(one["kind"] for one in open_now.json()["alerts"])

        soon, late = timedelta(0), timedelta(minutes=4)
        assert await told(late) == []  # it was never heard of
        (inbox / "a").write_bytes(body([event("G1"), "no row", "nor this"]))
        (inbox / "a.ok").write_bytes(b"")
        await poll(here)
        assert await told(soon) == ["FEED_REJECTS"]
        assert await told(late) == ["FEED_REJECTS", "FEED_STALE"]
        assert await told(late) == ["FEED_REJECTS", "FEED_STALE"]
        assert await told(soon) == ["FEED_REJECTS"]
        commander = here.client(Role.DUTY_COMMANDER)
        (one,) = (await commander.get("/v1/alerts")).json()["alerts"]
        await commander.put(
            f"/v1/alerts/{one['alert_id']}/closure", json={"reason": "told them"}
        )
        assert await told(soon) == []  # they know
        assert (await here.service.client().get("/metrics")).status_code == 200
        labels = {"hub": here.hub_id, "feed": "rail"}
        shares = observability.REGISTRY.get_sample_value(
            "twinstile_feed_share", {**labels, "of": "rejected"}
        )
        assert shares == pytest.approx(2 / 3)
        age = observability.REGISTRY.get_sample_value("twinstile_feed_age_seconds", labels)
        assert age is not None
        assert 0 <= age < 60
