"""Trust lists: only what is usable is believed, versions rise, two agree on what vanishes."""

import asyncio
import datetime as dt
import hashlib
import json
from dataclasses import replace
from pathlib import Path

import _issuing as made
import pytest
from asyncpg import InsufficientPrivilegeError
from credential_issuers import (
    AUTHORITY,
    CERTIFICATES,
    ROOT,
    SIGNERS,
    begin,
    decide,
    listed,
    overwritten,
    put,
    scanned,
    text,
)
from cryptography.hazmat.primitives.asymmetric import rsa
from hubs import Hub
from people import Json

from twinstile import worker
from twinstile.credentials import certificates
from twinstile.credentials.trust import Denied, Domain, HashType, Slice, digest
from twinstile.credentials.trusting import changes, lists, snapshots
from twinstile.credentials.trusting.snapshots import ListedKey, OfferedList
from twinstile.operations.startup import DatabaseTarget
from twinstile.platform.db.database import Database
from twinstile.platform.keys import signing
from twinstile.platform.ops import clock
from twinstile.platform.security.roles import Role

DOCUMENT = json.loads(Path("openapi/v1.json").read_text("utf-8"))
ROOTS = frozenset({"ab" * 32})
STRANGER = made.certificate(SIGNERS[0], made.key(), usages=())


async def trust(hub: Hub) -> Json | None:
    return (await hub.client().get("/v1/lanes/north-1/state")).json()["trust_list"]


async def outcome(hub: Hub, signer: int) -> Json:
    answer = await hub.client().post(
        "/v1/credentials:verify", json={"text": scanned(signer), "channel": "SERIAL"}
    )
    assert answer.status_code == 200, answer.text
    return answer.json()


def believed(*entries: ListedKey, authorities: tuple[str, ...] = ()) -> snapshots.Believed:
    now = clock.now()
    return snapshots.believe(OfferedList(1, now, now, entries, authorities))


def test_each_entry_is_judged_by_itself() -> None:
    good = ListedKey(Domain.EU_DCC, None, text(CERTIFICATES[0]), None)
    small = made.certificate(rsa.generate_private_key(65537, 1024), AUTHORITY)
    card = made.jwk(SIGNERS[1])
    found = believed(
        good,
        good,
        ListedKey(Domain.EU_DCC, None, "MAAA", None),
        ListedKey(Domain.EU_DCC, None, "A", None),
        ListedKey(Domain.EU_DCC, None, text(small), None),
        ListedKey(Domain.EU_DCC, None, None, card),
        ListedKey(Domain.SHC, made.CARDS, None, card),
        *(
            ListedKey(Domain.SHC, made.CARDS, None, {**card, **odd})
            for odd in ({"kid": "x"}, {"use": "enc"}, {"alg": "ES384"}, {"d": "AAAA"})
        ),
        ListedKey(Domain.VDS_NC, None, text(CERTIFICATES[1]), None),
        ListedKey(Domain.VDS_NC, None, text(ROOT), None),
        authorities=(text(ROOT), text(CERTIFICATES[0]), "MAAA"),
    )
    assert [key.domain for key in found.keys] == [Domain.EU_DCC, Domain.SHC, Domain.VDS_NC]
    assert sum(found.refused.values()) == 10
    assert found.keys[0].kid not in found.unvouched
    assert found.keys[1].kid in found.unvouched


def test_whom_another_signed_is_vouched_for_by_nobody() -> None:
    entry = ListedKey(Domain.EU_DCC, None, text(STRANGER), None)
    found = believed(entry, authorities=(text(ROOT),))
    assert {key.kid for key in found.keys} == found.unvouched


def test_a_list_is_read_as_it_was_written() -> None:
    now = clock.now()
    entries = [ListedKey(Domain.EU_DCC, None, text(der), None) for der in CERTIFICATES]
    whole = OfferedList(1, now, now, entries, ())
    first = snapshots.follow(whole, snapshots.believe(whole), None)
    part = OfferedList(2, now, now, entries[:1], ())
    second = snapshots.follow(part, snapshots.believe(part), first)
    assert snapshots.authorities(snapshots.written(second, ROOTS)) == ROOTS
    again = snapshots.read(snapshots.written(second, ROOTS))
    assert (again.version, again.issued_at, again.not_after) == (2, now, now)
    assert {k: set(v) for k, v in again.keys.items()} == {
        k: set(v) for k, v in second.keys.items()
    }
    assert sorted(key.removed for (key,) in again.keys.values()) == [False, True, True]
    assert snapshots.written(again, ROOTS) == snapshots.written(second, ROOTS)


async def test_a_list_that_only_adds_is_in_force_at_once_and_signed(hub: Hub) -> None:
    assert await trust(hub) is None
    await begin(hub, 1, listed(CERTIFICATES[0], hours=2))
    body = listed(*CERTIFICATES[:2])
    second = await put(hub, 2, body)
    assert second.status_code == 200, second.text
    assert (second.json()["in_force"], second.json()["added"]) == (True, 1)
    assert (await put(hub, 2, body)).json()["in_force"]
    told = await trust(hub)
    assert told is not None
    assert (told["version"], told["freshness"]) == (2, "FRESH")
    whole = (await hub.client("device").get("/v1/trust-lists/2")).json()
    public = signing.public_keys(hub.runtime.keys.of(hub.hub_id))[whole["signing_key"]]
    assert signing.verify(public, whole["document"].encode(), whole["signature"])
    found = await outcome(hub, 1)
    assert (found["authenticity"], found["snapshot"]) == ("YES", 2)
    assert (await outcome(hub, 2))["outcome"] == "ISSUER_NOT_TRUSTED"


async def test_keys_vanish_only_when_two_agree(hub: Hub) -> None:
    await begin(hub, 1, listed(*CERTIFICATES, hours=2))
    asked = (await put(hub, 2, listed(CERTIFICATES[0]))).json()
    assert (asked["in_force"], asked["removed"]) == (False, 2)
    assert (await outcome(hub, 1))["authenticity"] == "YES"
    done = await decide(hub, asked["approval"]["approval_id"])
    assert done.status_code == 200, done.text
    found = await outcome(hub, 1)
    assert (found["outcome"], found["colour"], found["snapshot"]) == (
        "TERMINATED_KEYS",
        "RED",
        2,
    )


async def test_a_key_that_nobody_vouches_for_takes_two(hub: Hub) -> None:
    await begin(hub, 1, listed(CERTIFICATES[1], hours=2))
    asked = (await put(hub, 2, listed(CERTIFICATES[1], STRANGER))).json()
    assert (asked["in_force"], asked["unvouched"]) == (False, 1)
    await decide(hub, asked["approval"]["approval_id"], "REFUSED")
    assert (await outcome(hub, 1))["snapshot"] == 1


@pytest.mark.parametrize(("version", "hours"), [(4, 1), (5, 1), (6, 3)])
async def test_an_older_list_is_refused(hub: Hub, version: int, hours: float) -> None:
    """By its version, and by the moment it was issued."""
    await begin(hub, 5, listed(CERTIFICATES[0], hours=2))
    refused = await put(hub, version, listed(*CERTIFICATES, hours=hours))
    assert refused.status_code == 409
    slug = "id-reused" if version == 5 else "trust-list-older"
    assert refused.json()["type"].endswith(slug)


async def test_a_list_that_waited_while_another_came_is_not_put_in_force(hub: Hub) -> None:
    await begin(hub, 1, listed(CERTIFICATES[0], hours=3))
    asked = (await put(hub, 3, listed(STRANGER, hours=1))).json()
    await put(hub, 2, listed(*CERTIFICATES, hours=2))
    refused = await decide(hub, asked["approval"]["approval_id"])
    assert refused.json()["type"].endswith("trust-list-older")
    told = await trust(hub)
    assert told is not None
    assert told["version"] == 2


async def test_a_list_that_the_hub_did_not_sign_is_not_believed(hub: Hub) -> None:
    await begin(hub, 1, listed(CERTIFICATES[0]))
    async with hub.runtime.database.transaction() as tx:
        await tx.raw.execute(
            "INSERT INTO trust_list SELECT hub_id, 9, recorded_at, recorded_by, source,"
            " replace(document, '\"removed\":false', '\"removed\":true'), key_id, signature,"
            " 1, activated_at FROM trust_list WHERE hub_id = $1",
            hub.hub_id,
        )
    assert await trust(hub) is None
    assert (await outcome(hub, 0))["colour"] == "UNKNOWN"


async def test_an_old_list_is_told_in_words(hub: Hub) -> None:
    await begin(hub, 1, listed(CERTIFICATES[0], hours=80))
    told = await trust(hub)
    assert told is not None
    assert told["freshness"] == "OLD"
    assert "yellow" in told["text"]["en"]
    assert (await outcome(hub, 0))["colour"] == "YELLOW"


async def test_what_is_revoked_and_what_is_denied_is_refused(hub: Hub) -> None:
    uci = made.CERTIFICATE["v"][0]["ci"]
    revoked = {
        "key_id": certificates.read(CERTIFICATES[0]).kid.hex(),
        "kind": "UCI",
        "hashes": [digest(uci.encode()).hex()],
    }
    denied = certificates.read(CERTIFICATES[1]).kid.hex()
    body = listed(*CERTIFICATES, hours=2, revoked=[revoked], denied_keys=[denied])
    await begin(hub, 1, body)
    assert (await outcome(hub, 0))["outcome"] == "REVOKED"
    assert (await outcome(hub, 1))["outcome"] == "REVOKED_KEYS"
    asked = (await put(hub, 2, listed(*CERTIFICATES))).json()
    assert (asked["in_force"], asked["unrevoked"]) == (False, 1)
    assert (await outcome(hub, 0))["outcome"] == "REVOKED"
    await decide(hub, asked["approval"]["approval_id"])
    assert (await outcome(hub, 0))["revocation"] == "YES"
    assert (await outcome(hub, 1))["outcome"] == "REVOKED_KEYS"


def test_lists_of_revoked_certificates_are_read_as_they_were_written() -> None:
    now = clock.now()
    offer = OfferedList(
        1,
        now,
        now,
        (),
        (),
        {b"12345678": {HashType.UCI: Slice.of([bytes(16), b"a" * 16])}},
        {b"kid": {"rid": None, "other": 1.5}},
        Denied(frozenset({b"k"}), frozenset({b"h" * 16})),
    )
    first = snapshots.follow(offer, snapshots.believe(offer), None)
    again = snapshots.read(snapshots.written(first, ROOTS))
    assert again.revoked == offer.revoked
    assert again.revoked_cards == offer.revoked_cards
    assert again.denied == offer.denied


def offered(*ders: bytes, revoked: snapshots.Revoked | None = None) -> OfferedList:
    entries = [ListedKey(Domain.EU_DCC, None, text(der), None) for der in ders]
    return OfferedList(1, clock.now(), clock.now(), entries, [text(ROOT)], revoked or {})


def change(before: list[OfferedList], now: OfferedList) -> changes.TrustListChange:
    """What an offer changes after those before it, one after the other."""
    held, vouched = None, frozenset[str]()
    for one in before:
        usable = snapshots.believe(one)
        held, vouched = snapshots.follow(one, usable, held), usable.authorities
    return changes.compare(now, snapshots.believe(now), held, vouched)


def test_a_key_that_was_taken_off_returns_only_when_two_agree() -> None:
    """What was red yesterday is not green today because a list says so again."""
    before = [offered(*CERTIFICATES), offered(*CERTIFICATES[:2])]
    found = change(before, offered(*CERTIFICATES))
    assert (found.added, found.unvouched, found.returned) == (1, 0, 1)
    assert found.why_two
    assert not change(before, offered(*CERTIFICATES[:2])).why_two


def elsewhere(der: bytes, domain: Domain, issuer: str | None = None) -> OfferedList:
    """The first two certificates as ever, and that one beside them."""
    plain = offered(*CERTIFICATES[:2])
    return replace(plain, entries=[*plain.entries, ListedKey(domain, issuer, text(der), None)])


@pytest.mark.parametrize(
    ("domain", "issuer", "two"),
    [
        (Domain.EU_DCC, "XX", ("returned",)),
        (Domain.DDCC, None, ("returned", "new_domains")),
        (Domain.ICVP, None, ("returned", "new_domains")),
    ],
)
def test_a_key_that_was_taken_off_returns_by_no_other_door(
    domain: Domain, issuer: str | None, two: tuple[str, ...]
) -> None:
    before = [offered(*CERTIFICATES), offered(*CERTIFICATES[:2])]
    assert change(before, elsewhere(CERTIFICATES[2], domain, issuer)).why_two == two


def test_a_key_signs_in_another_domain_only_when_two_agree() -> None:
    """Whoever vouches for a state's EU certificates has not been asked about yellow cards."""
    plain = offered(*CERTIFICATES[:2])
    known = elsewhere(CERTIFICATES[1], Domain.DDCC)
    assert change([plain], known).why_two == ("new_domains",)
    assert change([plain], elsewhere(CERTIFICATES[2], Domain.ICVP)).why_two == ("new_domains",)
    more = elsewhere(CERTIFICATES[0], Domain.DDCC).entries
    both = replace(known, entries=[*known.entries, *more])
    assert change([known], both).why_two == ("new_domains",)
    fresh = offered(CERTIFICATES[2]).entries
    assert not change([known], replace(known, entries=[*known.entries, *fresh])).why_two


def test_a_key_with_a_new_certificate_is_no_key_that_returns() -> None:
    """It is in use by the one it has: nothing that was red would be green."""
    first, second, third = (
        made.certificate(SIGNERS[0], AUTHORITY, usages=()) for _ in range(3)
    )
    before = [offered(first), offered(second)]
    assert change(before, offered(second, third)).returned == 0
    assert change(before, offered(second, first)).returned == 1


def test_what_was_revoked_is_valid_again_only_when_two_agree() -> None:
    kid, one, other = b"k" * 8, digest(b"1"), digest(b"2")

    def taken_back(*hashes: bytes) -> OfferedList:
        held = {kid: {HashType.UCI: Slice.of(hashes)}} if hashes else {}
        return offered(CERTIFICATES[0], revoked=held)

    assert change([taken_back(one, other)], taken_back(one)).unrevoked == 1
    assert change([taken_back(one)], taken_back()).why_two
    assert not change([taken_back(one)], taken_back(one, other)).why_two


@pytest.mark.parametrize(
    ("before", "now", "unrevoked"),
    [
        ({"a": None}, {}, 1),
        ({"a": None}, {"a": 5.0}, 1),
        ({"a": 5.0}, {"a": 4.0}, 1),
        ({"a": 5.0}, {"a": 5.0}, 0),
        ({"a": 5.0}, {"a": 6.0}, 0),
        ({"a": 5.0}, {"a": None}, 0),
    ],
)
def test_a_card_is_revoked_no_longer_only_when_two_agree(
    before: dict[str, float | None], now: dict[str, float | None], unrevoked: int
) -> None:
    plain = offered(CERTIFICATES[0])
    one, other = (replace(plain, revoked_cards={b"k": ids}) for ids in (before, now))
    assert change([one], other).unrevoked == unrevoked


def test_two_issuers_of_cards_may_have_one_key() -> None:
    card = made.jwk(SIGNERS[1])
    issuers = ("https://a.example/one", "https://a.example/two")
    found = believed(*(ListedKey(Domain.SHC, one, None, card) for one in issuers))
    assert [key.issuer for key in found.keys] == list(issuers)


def test_authorities_of_one_name_beyond_some_are_not_tried() -> None:
    """Each would be tried on each key: some hundred by some thousand signatures."""
    roots = [made.certificate(AUTHORITY, AUTHORITY, authority=True) for _ in range(9)]
    assert len(set(roots)) == 9
    found = believed(authorities=tuple(map(text, roots)))
    assert len(found.authorities) == snapshots.MOST_NAMESAKES
    assert sum(found.refused.values()) == 1


async def test_lists_that_another_followed_a_month_ago_end_and_none_comes_back(
    hub: Hub, place: DatabaseTarget
) -> None:
    """By the hand of the owner: the service could otherwise bring back the one before."""
    await begin(hub, 1, listed(CERTIFICATES[0], hours=9))
    for version in (2, 4, 5):
        await put(hub, version, listed(*CERTIFICATES[:2], hours=9 - version))
    waiting = await put(hub, 3, listed(*CERTIFICATES, hours=1))
    assert waiting.status_code == 409
    await put(hub, 6, listed(CERTIFICATES[0], hours=1))
    aged = "UPDATE trust_list SET activated_at = $2 WHERE hub_id = $1 AND version < 5"
    owner = Database(place.owner_url, pool_size=1)
    async with owner.transaction() as tx:
        old = clock.now() - lists.KEPT_FOR - dt.timedelta(hours=1)
        await tx.raw.execute(aged, hub.hub_id, old)
    await owner.close()
    async with hub.runtime.database.transaction() as tx:
        with pytest.raises(InsufficientPrivilegeError):
            await lists.forget(tx, clock.now())
    (nightly,) = [one for one in worker.jobs_of(hub.runtime, place) if one.name == "forgetting"]
    await nightly.work(clock.now())
    kept = (await hub.client("device").get("/v1/trust-lists")).json()["lists"]
    found = [(one["version"], one["in_force"]) for one in kept]
    assert found == [(6, False), (5, True), (4, False)]
    refused = await put(hub, 2, listed(*CERTIFICATES[:2], hours=7))
    assert (refused.status_code, refused.json()["type"].rpartition("/")[2]) == (
        409,
        "trust-list-older",
    )


async def test_of_a_list_that_the_hub_did_not_sign_nothing_is_signed_again(
    hub: Hub, place: DatabaseTarget
) -> None:
    """Who can write the table alone neither lets a key in nor keeps the hub from lists."""
    await begin(hub, 1, listed(CERTIFICATES[0], hours=2))
    planted = snapshots.believe(offered(*CERTIFICATES))
    held = snapshots.follow(offered(*CERTIFICATES), planted, None)
    await overwritten(hub, place, snapshots.written(held, planted.authorities))
    asked = (await put(hub, 2, listed(*CERTIFICATES, hours=1))).json()
    assert (asked["in_force"], asked["added"], asked["new_authorities"]) == (False, 3, 1)
    done = await decide(hub, asked["approval"]["approval_id"])
    assert done.status_code == 200, done.text
    assert (await outcome(hub, 1))["authenticity"] == "YES"


async def test_the_lists_of_a_hub_are_told_newest_first_page_by_page(hub: Hub) -> None:
    await begin(hub, 1, listed(CERTIFICATES[0], hours=5))
    await put(hub, 2, listed(*CERTIFICATES[:2], hours=4))
    await put(hub, 4, listed(STRANGER, hours=3))
    device = hub.client("device")
    first = (await device.get("/v1/trust-lists", params={"limit": 2})).json()
    assert [(one["version"], one["in_force"]) for one in first["lists"]] == [
        (4, False),
        (2, True),
    ]
    assert first["lists"][0]["activated_at"] is None
    assert first["lists"][0]["follows"] == 2
    rest = await device.get("/v1/trust-lists", params={"limit": 2, "cursor": first["next"]})
    assert [one["version"] for one in rest.json()["lists"]] == [1]
    assert rest.json()["next"] is None
    strange = await device.get("/v1/trust-lists", params={"cursor": "0"})
    assert strange.status_code == 422


async def test_a_lane_leads_its_tablet_to_the_keys_and_says_how_old_they_are(hub: Hub) -> None:
    await begin(hub, 1, listed(CERTIFICATES[0], hours=30))
    device = hub.client("device")
    lane = await device.get("/v1/lanes/north-1/state")
    told = lane.json()["trust_list"]
    assert (told["freshness"], told["age_s"] // 3600) == ("AGING", 30)
    whole = await device.get(told["keys"])
    assert hashlib.sha256(whole.json()["document"].encode()).hexdigest() == told["sha256"]
    known = {"If-None-Match": whole.headers["etag"]}
    again = await device.get(told["keys"], headers=known)
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == whole.headers["etag"]
    # a list that only grows older does not make the tablet read its lane's state anew
    await asyncio.sleep(1.1)
    known = {"If-None-Match": lane.headers["etag"]}
    assert (await device.get("/v1/lanes/north-1/state", headers=known)).status_code == 304


async def test_one_person_cannot_use_the_numbers_up(hub: Hub) -> None:
    leap = await put(hub, 1001, listed(CERTIFICATES[0], hours=2))
    assert (leap.status_code, leap.json()["errors"][0]["pointer"]) == (422, "number")
    await begin(hub, 1000, listed(CERTIFICATES[0], hours=2))
    for number in (2001, 2**53 - 1):
        leap = await put(hub, number, listed(CERTIFICATES[0]))
        assert leap.status_code == 422, leap.text
        assert "at most 1000 above the one in force, now 1000" in leap.json()["detail"]
    assert (await put(hub, 2000, listed(CERTIFICATES[0]))).json()["in_force"]


async def test_keys_are_denied_and_given_back_only_when_two_agree(hub: Hub) -> None:
    kids = [certificates.read(der).kid.hex() for der in CERTIFICATES]
    await begin(hub, 1, listed(*CERTIFICATES, hours=4))
    asked = (await put(hub, 2, listed(*CERTIFICATES, hours=3, denied_keys=kids))).json()
    assert (asked["in_force"], asked["waits_for"], asked["denied"]) == (False, ["denied"], 3)
    assert (await outcome(hub, 0))["authenticity"] == "YES"
    await decide(hub, asked["approval"]["approval_id"])
    assert (await outcome(hub, 0))["outcome"] == "REVOKED_KEYS"
    assert (await put(hub, 3, listed(*CERTIFICATES, hours=2))).json()["in_force"]
    assert (await outcome(hub, 0))["outcome"] == "REVOKED_KEYS"
    body = listed(*CERTIFICATES, given_back_keys=kids[:1])
    asked = (await put(hub, 4, body)).json()
    assert (asked["in_force"], asked["waits_for"]) == (False, ["given_back"])
    assert (await outcome(hub, 0))["outcome"] == "REVOKED_KEYS"
    await decide(hub, asked["approval"]["approval_id"])
    assert (await outcome(hub, 0))["authenticity"] == "YES"
    assert (await outcome(hub, 1))["outcome"] == "REVOKED_KEYS"


async def test_a_certificate_that_was_denied_is_given_back_when_two_agree(hub: Hub) -> None:
    mark = digest(made.CERTIFICATE["v"][0]["ci"].encode()).hex()
    await begin(hub, 1, listed(*CERTIFICATES, hours=3))
    assert (await put(hub, 2, listed(*CERTIFICATES, hours=2, denied_hashes=[mark]))).json()[
        "in_force"
    ]
    assert (await outcome(hub, 0))["outcome"] == "REVOKED"
    asked = (await put(hub, 3, listed(*CERTIFICATES, given_back_hashes=[mark]))).json()
    assert (asked["waits_for"], asked["given_back"]) == (["given_back"], 1)
    await decide(hub, asked["approval"]["approval_id"])
    assert (await outcome(hub, 0))["revocation"] == "YES"


async def test_a_list_for_longer_than_thirty_days_takes_two(hub: Hub) -> None:
    await begin(hub, 1, listed(CERTIFICATES[0], hours=3))
    far = listed(CERTIFICATES[0], hours=2, not_after="2099-01-01T00:00:00Z")
    asked = (await put(hub, 2, far)).json()
    assert (asked["in_force"], asked["waits_for"]) == (False, ["long"])
    near = (clock.now() + dt.timedelta(days=29)).isoformat()
    assert (await put(hub, 3, listed(CERTIFICATES[0], not_after=near))).json()["in_force"]


async def test_a_list_without_a_usable_key_is_refused_in_words(hub: Hub) -> None:
    for entries in ([{"domain": "EU_DCC"}], [{"domain": "SHC", "certificate": "MAAA"}]):
        refused = await put(hub, 1, listed(entries=entries))
        assert refused.status_code == 422, refused.text
        assert refused.json()["errors"] == [{"pointer": "/entries", "code": "no-usable-key"}]
        assert "No key of the list can be used: 1 " in refused.json()["detail"]
    empty = await hub.client("device").get("/v1/trust-lists")
    assert empty.json()["lists"] == []


@pytest.mark.parametrize(
    ("issued", "ends", "pointer"),
    [(-3, -1, "/not_after"), (3, 60, "/issued_at"), (1, 0.5, "/not_after"), (1, 60, None)],
)
async def test_the_fault_of_a_moment_is_told_where_it_is(
    hub: Hub, issued: float, ends: float, pointer: str | None
) -> None:
    """Minutes from now. A publisher's clock may be two minutes before ours."""
    now = clock.now()
    body = listed(
        CERTIFICATES[0],
        issued_at=(now + dt.timedelta(minutes=issued)).isoformat(),
        not_after=(now + dt.timedelta(minutes=ends)).isoformat(),
    )
    told = (await put(hub, 1, body)).json()
    assert [one["pointer"] for one in told.get("errors", ())] == [pointer] * bool(pointer)


async def test_the_second_person_sees_what_changes_for_whom_and_why_it_waits(hub: Hub) -> None:
    await begin(hub, 1, listed(*CERTIFICATES[:2], hours=2))
    kid = certificates.read(CERTIFICATES[1]).kid.hex()
    body = listed(CERTIFICATES[1], CERTIFICATES[2], denied_keys=[kid])
    asked = (await put(hub, 2, body)).json()
    second = hub.client(Role.DUTY_COMMANDER)
    (waiting,) = (await second.get("/v1/approvals")).json()["approvals"]
    (row,) = waiting["content"]["issuers"]
    assert {**row, "issuer": None} == {
        "domain": "EU_DCC",
        "issuer": None,
        "added": 1,
        "removed": 1,
        "returned": 0,
        "denied": 1,
        "given_back": 0,
    }
    assert row["issuer"]
    assert asked["issuers"] == [row]
    whole = (await second.get("/v1/trust-lists/2")).json()
    found = hashlib.sha256(whole["document"].encode()).hexdigest()
    assert found == whole["sha256"] == waiting["content"]["sha256"] == asked["sha256"]
    kept = (await second.get("/v1/trust-lists")).json()["lists"]
    assert [one["waits_for"] for one in kept] == [["removed", "denied"], []]
    assert waiting["content"]["waits_for"] == asked["waits_for"] == ["removed", "denied"]
    await decide(hub, asked["approval"]["approval_id"])
    kept = (await second.get("/v1/trust-lists")).json()["lists"]
    assert [one["waits_for"] for one in kept] == [[], []]


def test_issuers_beyond_some_are_told_together() -> None:
    card = made.jwk(SIGNERS[1])
    many = changes.MOST_ISSUERS + 5
    entries = [ListedKey(Domain.SHC, f"https://a.example/{n}", None, card) for n in range(many)]
    found = change([], replace(offered(), entries=entries))
    assert len(found.issuers) == changes.MOST_ISSUERS + 1
    assert [one.added for one in found.issuers if one.issuer is None] == [5]
    assert changes.read_change(changes.write_change(found)) == found


def test_what_an_older_release_wrote_of_a_change_is_read() -> None:
    told = changes.write_change(change([], offered(CERTIFICATES[0])))
    new = ("first", "long", "denied", "given_back", "issuers")
    found = changes.read_change({k: v for k, v in told.items() if k not in new})
    assert found.why_two == ("new_authorities",)


async def test_the_documents_example_is_a_list_that_can_be_used(hub: Hub) -> None:
    request = DOCUMENT["paths"]["/v1/trust-lists/{number}"]["put"]["requestBody"]
    told = (await put(hub, 1, request["content"]["application/json"]["example"])).json()
    assert (told["added"], told["refused"]) == (1, {})
    assert (told["in_force"], told["first"], told["long"]) == (False, True, True)
