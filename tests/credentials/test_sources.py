"""Trust lists that are fetched: over a real line, bounded, and never past two persons."""

import asyncio
import datetime as dt
import json
import re
import tomllib
from dataclasses import replace
from pathlib import Path

import _issuing as made
import people
import pytest
import runtimes
from credential_issuers import CERTIFICATES, SIGNERS, begin, decide, listed
from hubs import Hub, open_hub
from people import Json
from trust_list_publishers import Publisher, fetch, publisher, source

from twinstile import worker
from twinstile.credentials.sources import settings
from twinstile.credentials.trust import (
    Domain,
    HashType,
    Slice,
    TrustedKey,
    TrustList,
    by_kid,
    digest,
)
from twinstile.credentials.trusting.fetched_lists import Fetched
from twinstile.operations.startup import DatabaseTarget
from twinstile.platform.ops import clock
from twinstile.platform.ops.config_files import InvalidFile
from twinstile.platform.security.roles import Role

__all__ = ["publisher"]

SIGNED = 'signature_url = "https://x.example/list.sig"\nsigner_file = "/nowhere/x.pem"'
MINUTE = dt.timedelta(minutes=1)
HOUR = dt.timedelta(hours=1)


async def kept(hub: Hub) -> list[Json]:
    return (await hub.client("device").get("/v1/trust-lists")).json()["lists"]


async def state(hub: Hub) -> Json:
    return (await hub.client().get("/v1/lanes/north-1/state")).json()["trust_list"]


async def stands(hub: Hub) -> Json:
    async with hub.runtime.database.reading() as tx:
        row = await tx.raw.fetchrow(
            "SELECT as_of, fault, failures, breaker::text FROM trust_source WHERE hub_id = $1",
            hub.hub_id,
        )
    assert row is not None
    return dict(zip(("as_of", "fault", "failures", "breaker"), row, strict=True))


async def ask(hub: Hub, version: int) -> Json:
    answer = await hub.client(Role.SUPERVISOR).post(
        f"/v1/trust-lists/{version}/activations",
        json={"id": str(people.new_id()), "reason": "looked at it"},
    )
    assert answer.status_code == 202, answer.text
    return answer.json()


async def test_what_a_source_adds_under_a_known_authority_is_in_force(
    hub: Hub, publisher: Publisher
) -> None:
    await begin(hub, 7, listed(CERTIFICATES[0], hours=3))
    publisher.publish(listed(*CERTIFICATES[:2], hours=2))
    await fetch(hub, source(hub, publisher))
    one = (await kept(hub))[0]
    assert (one["version"], one["in_force"], one["fetched"]) == (8, True, True)
    told = await state(hub)
    assert (told["version"], told["age_s"] // 3600) == (8, 2)


async def test_a_first_list_waits_for_two_and_can_be_asked_for_again(
    hub: Hub, publisher: Publisher
) -> None:
    publisher.publish(listed(*CERTIFICATES))
    await fetch(hub, source(hub, publisher))
    assert await state(hub) is None
    asked = await ask(hub, 1)
    refused = await decide(hub, asked["approval_id"], "REFUSED")
    assert refused.status_code == 200
    again = await ask(hub, 1)
    own = await hub.client(Role.SUPERVISOR).put(
        f"/v1/approvals/{again['approval_id']}/decision", json={"verdict": "GRANTED"}
    )
    assert own.status_code == 403
    assert (await decide(hub, again["approval_id"])).status_code == 200
    assert (await state(hub))["version"] == 1


async def test_keys_that_vanish_at_the_source_stay_until_two_agree(
    hub: Hub, publisher: Publisher
) -> None:
    await begin(hub, 1, listed(*CERTIFICATES, hours=3))
    publisher.publish(listed(CERTIFICATES[0], hours=2))
    main = source(hub, publisher)
    await fetch(hub, main)
    await fetch(hub, main, after=2 * HOUR)  # and the same does not wait twice
    assert [(one["version"], one["in_force"]) for one in await kept(hub)] == [
        (2, False),
        (1, True),
    ]
    await decide(hub, (await ask(hub, 2))["approval_id"])
    assert (await state(hub))["version"] == 2


async def test_a_source_that_wavers_does_not_fill_the_table(
    hub: Hub, publisher: Publisher
) -> None:
    await begin(hub, 1, listed(*CERTIFICATES, hours=3))
    main = source(hub, publisher)
    for hours in range(4):
        publisher.publish(listed(CERTIFICATES[hours % 2], hours=2 - hours / 4))
        await fetch(hub, main, after=hours * HOUR)
    assert [one["version"] for one in await kept(hub)] == [2, 1]


async def test_a_source_that_goes_back_is_not_believed(hub: Hub, publisher: Publisher) -> None:
    await begin(hub, 1, listed(CERTIFICATES[0], hours=5))
    main = source(hub, publisher)
    publisher.publish(listed(*CERTIFICATES[:2], hours=2))
    await fetch(hub, main)
    publisher.publish(listed(*CERTIFICATES, hours=3))
    await fetch(hub, main, after=2 * HOUR)
    assert (await stands(hub))["fault"] == "older"
    assert [one["version"] for one in await kept(hub)] == [2, 1]


async def test_nobody_fetches_what_is_older_than_the_list_in_force(
    hub: Hub, publisher: Publisher
) -> None:
    await begin(hub, 1, listed(CERTIFICATES[0], hours=1))
    publisher.publish(listed(*CERTIFICATES, hours=2))
    await fetch(hub, source(hub, publisher))
    assert [one["version"] for one in await kept(hub)] == [1]


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"status": "503 Service Unavailable"}, "refused"),
        ({"status": "301 Moved Permanently"}, "refused"),
        ({"body": b"<html>"}, "unreadable"),
        ({"body": b"[" * 100_000}, "unreadable"),
        ({"body": b"{}"}, "unreadable"),
        ({"body": b" " * (settings.MOST_BYTES + 1)}, "too-large"),
        ({"silent": True}, "timeout"),
        ({"body": json.dumps(listed(CERTIFICATES[0], hours=-1)).encode()}, "not-yet"),
    ],
)
async def test_a_source_that_fails_is_seen_to_fail_and_changes_nothing(
    hub: Hub, publisher: Publisher, change: dict[str, object], fault: str
) -> None:
    for name, value in change.items():
        setattr(publisher, name, value)
    main = source(hub, publisher)
    await fetch(hub, main)
    found = await stands(hub)
    assert (found["fault"], found["failures"], found["as_of"]) == (fault, 1, None)
    assert await kept(hub) == []
    assert len(publisher.asked) == 1
    await fetch(hub, main, after=MINUTE)
    assert len(publisher.asked) == 1
    await fetch(hub, main, after=6 * MINUTE)
    assert len(publisher.asked) == 2


async def test_a_source_that_is_down_is_asked_less_and_less(
    hub: Hub, publisher: Publisher
) -> None:
    publisher.status = "500 Internal Server Error"
    main = source(hub, publisher, interval_s=60)
    for minutes in range(8):
        await fetch(hub, main, after=minutes * MINUTE)
    before = len(publisher.asked)
    assert '"again_at": "' in (await stands(hub))["breaker"]
    await fetch(hub, main, after=7 * MINUTE + MINUTE / 6)
    assert len(publisher.asked) == before


async def test_what_is_told_of_another_domain_refuses_the_whole(
    hub: Hub, publisher: Publisher
) -> None:
    publisher.publish(listed(CERTIFICATES[0]))
    await fetch(hub, source(hub, publisher, domains=["ICVP"]))
    assert (await stands(hub))["fault"] == "other-domain"


def directory(*signers: int, at: dt.datetime, rids: list[str] | None = None) -> Json:
    keys = [made.jwk(SIGNERS[one]) for one in signers]
    crl = {"kid": keys[0]["kid"], "method": "rid", "ctr": 1, "rids": rids or []}
    issuer = {"issuer": {"iss": made.CARDS, "name": "x"}, "keys": keys, "crls": [crl]}
    return {"directory": "https://x.example", "time": at.isoformat(), "issuerInfo": [issuer]}


async def test_a_directory_of_card_issuers_is_as_fresh_as_its_publisher_confirms_it(
    hub: Hub, publisher: Publisher
) -> None:
    """By ETag, without the body again; the other domains stay, and their age counts as well."""
    published = clock.now() - dt.timedelta(days=90)
    publisher.publish(directory(0, at=published, rids=["card1", "card2.1687450765"]))
    cards = source(hub, publisher, "vci", name="cards")
    await fetch(hub, cards)
    await decide(hub, (await ask(hub, 1))["approval_id"])
    assert (await state(hub))["freshness"] == "FRESH"
    whole = (await hub.client("device").get("/v1/trust-lists/1")).json()
    (revoked,) = json.loads(whole["document"])["revoked_cards"].values()
    assert revoked == {"card1": None, "card2": 1687450765.0}
    await fetch(hub, cards, after=7 * HOUR)
    assert publisher.asked[-1]["if-none-match"] == publisher.etag
    lists = await kept(hub)
    assert [(one["version"], one["in_force"]) for one in lists] == [(2, True), (1, False)]
    publisher.publish(directory(0, 1, at=published - MINUTE))
    await fetch(hub, cards, after=9 * HOUR)
    assert (await stands(hub))["fault"] == "older"


async def test_a_revocation_that_cannot_be_read_refuses_the_whole(
    hub: Hub, publisher: Publisher
) -> None:
    publisher.publish(directory(0, at=clock.now(), rids=["card 1"]))
    await fetch(hub, source(hub, publisher, "vci"))
    assert (await stands(hub))["fault"] == "revocation-unreadable"


async def test_a_key_set_brings_keys_of_its_issuer_and_leaves_other_domains_alone(
    hub: Hub, publisher: Publisher
) -> None:
    await begin(hub, 1, listed(*CERTIFICATES, hours=2))
    publisher.publish({"keys": [made.jwk(SIGNERS[0])]})
    await fetch(hub, source(hub, publisher, "jwks", issuer=made.CARDS))
    asked = await ask(hub, 2)
    waiting = (await hub.client(Role.DUTY_COMMANDER).get("/v1/approvals")).json()
    (content,) = [one["content"] for one in waiting["approvals"]]
    assert (content["added"], content["removed"], content["unvouched"]) == (1, 0, 1)
    await decide(hub, asked["approval_id"])
    whole = (await hub.client("device").get("/v1/trust-lists/2")).json()
    keys = json.loads(whole["document"])["keys"]
    assert sorted(key["domain"] for key in keys) == ["EU_DCC"] * 3 + ["SHC"]
    # what nobody fetches is as old as it was
    assert (await state(hub))["age_s"] // 3600 == 2


async def test_two_processes_ask_once_and_make_one_list(hub: Hub, publisher: Publisher) -> None:
    await begin(hub, 1, listed(CERTIFICATES[0], hours=3))
    publisher.publish(listed(*CERTIFICATES, hours=2))
    main = source(hub, publisher)
    await asyncio.gather(*(fetch(hub, main) for _ in range(4)))
    assert len(publisher.asked) == 1
    assert [one["version"] for one in await kept(hub)] == [2, 1]


async def test_sources_are_told_with_what_is_wrong_with_them(
    publisher: Publisher, tmp_path: Path, hub: Hub, place: DatabaseTarget
) -> None:
    """As the worker asks them: from the operator's file."""
    written = tmp_path / "trust.toml"
    written.write_text(
        f'[[source]]\nname = "main"\nhub = "{hub.hub_id}"\nform = "list"\ninside = true\n'
        f'domains = ["EU_DCC"]\nurl = "{publisher.url}"\n'
    )
    configured = hub.runtime.settings.model_copy(update={"trust_file": written})
    runtime = replace(hub.runtime, settings=configured)
    async with runtimes.served(runtime) as service:
        there = await open_hub(runtime, service)
        written.write_text(written.read_text().replace(hub.hub_id, there.hub_id))
        settings._load.cache_clear()
        path, client = "/v1/trust-sources", there.client("device")
        (never,) = (await client.get(path)).json()["sources"]
        assert (never["name"], never["as_of"], never["fault"]) == ("main", None, None)
        publisher.status = "404 Not Found"
        (job,) = [one for one in worker.jobs_of(runtime, place) if one.name == "trust"]
        await job.work(clock.now())
        (failed,) = (await client.get(path)).json()["sources"]
        assert (failed["fault"], failed["failures"]) == ("refused", 1)


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ('form = "jwks"', "a key set has an issuer"),
        ('form = "list"', "a list has domains"),
        ('form = "vci"\nissuer = "https://x.example"', "a key set has an issuer"),
        ('form = "did"', "form"),
        ('form = "vci"\ninterval_s = 1', "interval_s"),
        ('form = "vci"\nurl = "http://x.example/"', "https"),
        ('form = "vci"\nsigner_file = "x.pem"', "go together"),
        (f'form = "jwks"\nissuer = "https://x.example"\n{SIGNED}', "only a directory"),
        (f'form = "vci"\n{SIGNED}'.replace("https", "http"), "over https"),
        (f'form = "vci"\n{SIGNED}', "No such file"),
    ],
)
def test_a_file_of_sources_that_cannot_be_meant_so_is_refused(
    hub: Hub, written: str, said: str, tmp_path: Path
) -> None:
    told = tmp_path / "trust.toml"
    url = "" if "\nurl" in written else 'url = "https://x.example/list"\n'
    told.write_text(f'[[source]]\nname = "main"\n{url}{written}\n')
    configured = hub.runtime.settings.model_copy(update={"trust_file": told})
    with pytest.raises(InvalidFile, match=said):
        settings.of(configured)


def test_the_example_that_operators_are_shown_names_what_there_is() -> None:
    page = Path("docs/credentials.md").read_text("utf-8")
    _providers, example = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    for told in tomllib.loads(example)["source"]:
        settings.SourceSettings.model_validate(told)
    lacking = {n for n in settings.SourceSettings.model_fields if f"`{n}`" not in page}
    assert lacking == {"hub"}  # of an installation with several


async def test_a_list_in_force_cannot_be_asked_for(hub: Hub) -> None:
    await begin(hub, 1, listed(CERTIFICATES[0]))
    answer = await hub.client(Role.SUPERVISOR).post(
        "/v1/trust-lists/1/activations",
        json={"id": str(people.new_id()), "reason": "again"},
    )
    assert answer.status_code == 409


def test_sources_end_no_revocation_of_a_domain_they_do_not_tell_of() -> None:
    by_hand = TrustedKey(b"by-hand!", b"", Domain.ICVP, "UT")
    held = {HashType.UCI: Slice.of([digest(b"one")])}
    at, end = clock.now(), clock.now() + dt.timedelta(days=7)
    before = TrustList(1, at, end, by_kid([by_hand]), revoked={b"by-hand!": held})
    told = Fetched(frozenset({Domain.EU_DCC}), at, end, (), (), {b"fetched!": held}, None)
    assert told.offer(2, before).revoked == {b"by-hand!": held, b"fetched!": held}
    whole = Fetched(frozenset(Domain), at, end, (), (), {b"fetched!": held}, None)
    assert whole.offer(2, before).revoked == {b"fetched!": held}
