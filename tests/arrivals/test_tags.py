"""Tags of alerts and lists: what a tablet computes, what by chance, what a thief learns."""

import hashlib
import hmac
import re
from datetime import timedelta
from pathlib import Path

import authority_lists
import people
import pytest
import reminded_runs
from hubs import DEVICE, Hub, open_hub

from twinstile.arrivals import tags
from twinstile.arrivals.records import Op
from twinstile.identity.types import Document, DocumentKind
from twinstile.platform.security.roles import Role

PAGE = Path(__file__).resolve().parents[2] / "docs" / "api.md"
_K = DocumentKind
VECTORS = [
    (bytes(32), 20, Document(_K.RESIDENT_ID, "11010519491231002X")),
    (bytes(32), 12, Document(_K.RESIDENT_ID, "11010519491231002X")),
    (bytes(range(32)), 16, Document(_K.PASSPORT, "E12345678", "CHN")),
]


def by_a_tablet(key: bytes, number: str, bits: int) -> int:
    """As docs/api.md tells it: bit by bit, out of the digest."""
    digest = hmac.new(key, number.encode(), hashlib.sha256).digest()
    return int("".join(f"{byte:08b}" for byte in digest)[:bits], 2)


@pytest.mark.parametrize(("row", "vector"), list(enumerate(VECTORS)))
def test_the_page_has_vectors_that_hold(row: int, vector: tuple[bytes, int, Document]) -> None:
    key, bits, document = vector
    section = PAGE.read_text("utf-8").partition("| `key` | `bits` |")[2]
    told = re.findall(r"^\| .+ \| (\d+) \| `(\w+)` \| (\d+) \|$", section, re.MULTILINE)[row]
    value = tags.tag(key, document, bits)
    assert told == (str(bits), document.number, str(value))
    assert by_a_tablet(key, document.number, bits) == value


def test_a_document_has_the_tag_of_the_number_that_stays() -> None:
    key = bytes(32)
    for kind, number, stays in (
        (_K.HK_MACAU_PERMIT, "H1234567802", "H12345678"),
        (_K.TAIWAN_PERMIT, "1234567801", "12345678"),
        (_K.RESIDENT_ID, "110105491231002", "11010519491231002X"),
    ):
        assert tags.tag(key, Document(kind, number), 32) == by_a_tablet(key, stays, 32)


@pytest.mark.parametrize("count", [1, 300, tags.MOST])
def test_about_one_in_a_thousand_has_a_tag_by_chance(count: int) -> None:
    key, bits = b"k" * 32, tags.bits_for(count)
    alerts = {by_a_tablet(key, f"A{n}", bits) for n in range(count)}
    tried = 60_000
    met = sum(by_a_tablet(key, f"B{n}", bits) in alerts for n in range(tried))
    assert 0.0003 < met / tried < 0.0014


async def state(hub: Hub, etag: str = "") -> tuple[int, str, people.Json | None]:
    answer = await hub.client("device").get(
        "/v1/lanes/north-1/state", headers={"If-None-Match": etag} if etag else {}
    )
    told = answer.json()["alerts"] if answer.status_code == 200 else None
    return answer.status_code, answer.headers["ETag"], told


async def test_a_lanes_state_has_the_tags_of_live_alerts_and_changes_with_them(
    hub: Hub,
) -> None:
    first, second = people.resident_number(), people.resident_number()
    _, empty, told = await state(hub)
    assert told is None
    await authority_lists.told(hub, authority_lists.alert(first))
    await authority_lists.told(hub, authority_lists.alert(second, since=timedelta(hours=1)))
    other = await open_hub(hub.runtime, hub.service)
    await authority_lists.told(other, authority_lists.alert(people.resident_number()))
    _, one, told = await state(hub, empty)
    assert told is not None
    key, bits = bytes.fromhex(str(told["key"])), int(str(told["bits"]))
    assert told == {
        "key": key.hex(),
        "bits": 10,
        "tags": [by_a_tablet(key, first, bits)],
        "complete": True,
    }
    assert await state(hub, one) == (304, one, None)
    await authority_lists.told(hub, authority_lists.alert(second))
    _, both, told = await state(hub, one)
    assert told is not None
    assert (told["key"], told["bits"]) == (key.hex(), 11)
    assert told["tags"] == sorted(by_a_tablet(key, n, 11) for n in (first, second))
    await authority_lists.told(hub, authority_lists.alert(second, op=Op.DELETE))
    assert (await state(hub, both))[1] == one
    await authority_lists.told(hub, authority_lists.alert(first, op=Op.DELETE))
    assert (await state(hub, one))[1] == empty


async def test_linked_documents_have_tags_too_and_keys_differ_from_hub_to_hub(
    hub: Hub,
) -> None:
    number, passport = people.resident_number(), "X1234567"
    shown = {"kind": "PASSPORT", "number": passport, "issuer": "UTO", "name": "ZHANG WEI"}
    claim = {
        "document": people.document(number),
        "other": shown,
        "evidence": "BOTH_DOCUMENTS_SHOWN",
        "purpose": "IDENTIFICATION",
        "reason": "both shown",
    }
    linked = await hub.client(Role.ASSISTANT).put(f"/v1/links/{people.new_id()}", json=claim)
    assert linked.status_code == 200, linked.text
    other = await open_hub(hub.runtime, hub.service)
    for one in (hub, other):
        await authority_lists.told(one, authority_lists.alert(number))
    (_, _, told), (_, _, theirs) = await state(hub), await state(other)
    assert told is not None
    assert theirs is not None
    key = bytes.fromhex(str(told["key"]))
    assert told["tags"] == sorted(by_a_tablet(key, n, 11) for n in (number, passport))
    assert theirs["key"] != told["key"]


async def test_of_too_many_those_that_end_last_are_told(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tags, "MOST", 2)
    numbers = [people.resident_number() for _ in range(3)]
    for days, number in enumerate(numbers, 1):
        await authority_lists.told(
            hub, authority_lists.alert(number, until=timedelta(days=days))
        )
    _, _, told = await state(hub)
    assert told is not None
    assert not told["complete"]
    key = bytes.fromhex(str(told["key"]))
    assert told["tags"] == sorted(by_a_tablet(key, number, 11) for number in numbers[1:])


async def test_who_is_expected_has_a_tag_under_a_key_of_the_run(hub: Hub) -> None:
    first, second, elsewhere = (people.resident_number() for _ in range(3))
    near = await reminded_runs.announced(hub, "G7349", timedelta(minutes=20))
    other = await reminded_runs.announced(hub, "G7351", timedelta(minutes=40))
    await near.land([reminded_runs.reachable(first), reminded_runs.reachable(second)])
    await other.land([reminded_runs.reachable(elsewhere)])
    screener = hub.client()
    path = f"/v1/runs/{near.run_id}/expected-tags"
    answer = await screener.get(path)
    assert answer.status_code == 200, answer.text
    told, etag = answer.json(), answer.headers["ETag"]
    key, bits = bytes.fromhex(told["key"]), told["bits"]
    assert told["tags"] == sorted(by_a_tablet(key, number, bits) for number in (first, second))
    theirs = (await screener.get(f"/v1/runs/{other.run_id}/expected-tags")).json()
    assert theirs["key"] != told["key"]
    assert first not in answer.text
    assert (await screener.get(path, headers={"If-None-Match": etag})).status_code == 304
    await near.land([reminded_runs.reachable(second)], batch=2)
    fewer = await screener.get(path, headers={"If-None-Match": etag})
    assert fewer.json()["tags"] == [by_a_tablet(key, second, fewer.json()["bits"])]


async def test_lists_are_for_those_on_shift_and_of_runs_that_are_due(hub: Hub) -> None:
    near = await reminded_runs.announced(hub, "G7349", timedelta(minutes=20))
    later = await reminded_runs.announced(hub, "G7353", timedelta(hours=3))
    path = f"/v1/runs/{near.run_id}/expected-tags"
    assert (await hub.client(DEVICE).get(path)).status_code == 403
    assert (await hub.client().get(path)).status_code == 200
    far = f"/v1/runs/{later.run_id}/expected-tags"
    assert (await hub.client().get(far)).status_code == 404
    stranger = await open_hub(hub.runtime, hub.service)
    assert (await stranger.client().get(path)).status_code == 404
