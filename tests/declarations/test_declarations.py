"""A declaration before arrival: one receipt, kept as a digest, that opens one report."""

import asyncio
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from typing import Any
from uuid import uuid4

import pytest
from declared_travellers import CALM, ILL, OWN, body, correct, declare, dispute, report
from httpx2 import Response
from hubs import Hub, open_hub
from refusals import refused
from worker_clock import later

from twinstile.declarations import store
from twinstile.declarations.store import New
from twinstile.declarations.types import SHOWN_AGAIN, Answers
from twinstile.identity import retention
from twinstile.operations import retention as destruction
from twinstile.platform.http.problems import Conflict
from twinstile.platform.ops import clock
from twinstile.platform.security.roles import Role
from twinstile.policy.versions import Policies
from twinstile.screening.claim_words import Tristate

MINUTE = timedelta(minutes=1)
TABLES = ("declaration", "declaration_word", "appeal")


async def post(hub: Hub, told: object) -> Response:
    return await hub.service.client().post("/v1/declarations", json=told)


async def kept(hub: Hub) -> dict[str, list[str]]:
    """Every row about declarations, as text."""
    async with hub.runtime.database.reading() as tx:
        return {
            name: [
                row[0]
                for row in await tx.raw.fetch(
                    f"SELECT t::text FROM {name} t WHERE hub_id = $1", hub.hub_id
                )
            ]
            for name in TABLES
        }


async def test_whoever_declares_gets_a_receipt_and_reads_by_it_what_was_said(hub: Hub) -> None:
    given = await declare(hub, **ILL)
    told = await report(hub, given)
    assert told["answers"] == ILL
    assert (told["pass_code"], told["source"], told["revision"]) == (
        given["pass_code"],
        "OWN",
        1,
    )
    assert (told["passage"], told["appeals"], told["presented_at"]) == (None, [], None)
    assert not given["calm"]
    assert (await declare(hub))["calm"]


async def test_what_is_stored_holds_neither_receipt_nor_pass_nor_answers(
    hub: Hub, logged: Callable[[], str]
) -> None:
    given = await declare(hub, symptoms=["BLEEDING", "CONFUSION"], contact="UNSURE")
    await report(hub, given)
    rows = str(await kept(hub))
    for secret in (
        str(given["receipt"])[-26:],
        str(given["pass_code"])[4:],
        "BLEEDING",
        "UNSURE",
    ):
        assert secret not in rows
        assert secret not in logged()


async def test_the_same_again_gets_the_same_receipt_for_a_while(hub: Hub) -> None:
    told = body(hub)
    first, second = await post(hub, told), await post(hub, told)
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json() == second.json()
    assert first.headers["Cache-Control"] == "no-store"
    assert refused(await post(hub, {**told, **ILL}), 409, "id-reused") == []
    assert len((await kept(hub))["declaration"]) == 1


async def test_the_receipt_is_not_shown_again_ten_minutes_later(hub: Hub) -> None:
    keys, zone, at = hub.runtime.keys.of(hub.hub_id), hub.runtime.settings.zone, clock.now()
    said = Answers(frozenset(), Tristate.NO, fever_medicine=False, help=False)
    new = New(uuid4(), said, "en")
    async with hub.runtime.database.transaction() as tx:
        first = await store.make(tx, keys, hub.hub_id, zone, new, at)
        again = await store.make(tx, keys, hub.hub_id, zone, new, at + SHOWN_AGAIN)
        assert (first.new, again.new, again.receipt) == (True, False, first.receipt)
        later_on = at + SHOWN_AGAIN + timedelta(seconds=1)
        with pytest.raises(Conflict):
            await store.make(tx, keys, hub.hub_id, zone, new, later_on)


async def test_around_midnight_the_same_again_is_the_same(hub: Hub) -> None:
    keys, zone = hub.runtime.keys.of(hub.hub_id), hub.runtime.settings.zone
    midnight = datetime.combine(clock.now().astimezone(zone).date(), time(), zone)
    new = New(
        uuid4(), Answers(frozenset(), Tristate.NO, fever_medicine=False, help=False), "en"
    )
    async with hub.runtime.database.transaction() as tx:
        first = await store.make(tx, keys, hub.hub_id, zone, new, midnight - MINUTE)
        again = await store.make(tx, keys, hub.hub_id, zone, new, midnight + MINUTE)
    assert (again.new, again.receipt, again.head) == (False, first.receipt, first.head)


async def test_one_declaration_sent_ten_times_at_once_is_one(hub: Hub) -> None:
    told = body(hub)
    answers = await asyncio.gather(*(post(hub, told) for _ in range(10)))
    assert {answer.status_code for answer in answers} <= {200, 201}
    assert len({answer.json()["receipt"] for answer in answers}) == 1
    assert len((await kept(hub))["declaration"]) == 1


@pytest.mark.parametrize("missing", CALM)
async def test_no_answer_is_taken_for_granted(hub: Hub, missing: str) -> None:
    told = {name: said for name, said in body(hub).items() if name != missing}
    assert refused(await post(hub, told), 422, "invalid-input") == [
        {"pointer": f"/{missing}", "code": "missing"}
    ]
    assert (await kept(hub))["declaration"] == []


async def test_nobody_reads_a_report_without_its_receipt(hub: Hub) -> None:
    given = await declare(hub)
    receipt = str(given["receipt"])
    guessed = receipt[:-1] + ("A" if receipt[-1] != "A" else "B")
    of_pass = f"tsr.{hub.hub_id}.{str(given['pass_code'])[4:]}"
    other = await open_hub(hub.runtime, hub.service)
    elsewhere = receipt.replace(hub.hub_id, other.hub_id)
    answers = [
        await hub.service.client(token).get(OWN)
        for token in (guessed, of_pass, elsewhere, None)
    ]
    for answer in answers:
        assert refused(answer, 401, "unauthenticated") == []
    assert len({answer.json()["detail"] for answer in answers[:3]}) == 1
    assert refused(await hub.client(Role.SUPERVISOR).get(OWN), 403, "forbidden") == []


@pytest.mark.parametrize("path", ["/v1/me", "/v1/lanes", "/v1/screenings?limit=1"])
async def test_a_receipt_opens_nothing_else(hub: Hub, path: str) -> None:
    given = await declare(hub)
    answer = await hub.service.client(str(given["receipt"])).get(path)
    assert refused(answer, 401, "unauthenticated") == []


async def test_a_correction_replaces_the_answers_and_keeps_the_earlier_word(hub: Hub) -> None:
    given = await declare(hub)
    done = await correct(hub, given, 1, symptoms=["COUGH"])
    assert (done.status_code, done.json()["revision"], done.json()["calm"]) == (200, 2, False)
    again = await correct(hub, given, 1, symptoms=["COUGH"])
    assert again.json() == done.json()
    stale = await correct(hub, given, 1, symptoms=["RASH"])
    assert refused(stale, 409, "conflict") == []
    told = await report(hub, given)
    assert told["answers"] == ILL
    words = told["words"]
    assert isinstance(words, list)
    assert [word["revision"] for word in words] == [1, 2]


async def test_it_is_corrected_nineteen_times_at_most(hub: Hub) -> None:
    given = await declare(hub)
    said = [{"symptoms": ["COUGH"]}, {"symptoms": []}]
    for revision in range(1, 20):
        done = await correct(hub, given, revision, **said[(revision - 1) % 2])
        assert done.status_code == 200, done.text
    assert refused(await correct(hub, given, 20, **said[1]), 409, "conflict") == []


async def test_two_corrections_at_once_are_not_lost_in_each_other(hub: Hub) -> None:
    given = await declare(hub)
    answers = await asyncio.gather(
        *(correct(hub, given, 1, symptoms=[code]) for code in ("COUGH", "RASH", "FEVER"))
    )
    assert sorted(answer.status_code for answer in answers) == [200, 409, 409]


async def test_one_receipt_asks_sixty_times_a_minute(hub: Hub) -> None:
    given = await declare(hub)
    client = hub.service.client(str(given["receipt"]))
    stati = [(await client.get(OWN)).status_code for _ in range(62)]
    assert stati[:60] == [200] * 60
    assert stati[-1] == 429


async def test_a_declaration_ends_with_its_day(hub: Hub) -> None:
    given = await declare(hub)
    await hub.service.client(str(given["receipt"])).put(
        f"{OWN}/appeals/{uuid4()}", json={"about": "OTHER", "text": "warum?"}
    )
    assert all(rows for rows in (await kept(hub)).values())
    last_day = date.fromisoformat(str(given["kept_until"]))
    at = datetime.combine(last_day, time(23, 59), hub.runtime.settings.zone)
    await destruction.retain(hub.runtime, Policies(), hub.hub_id, at)
    assert await report(hub, given)
    await destruction.retain(hub.runtime, Policies(), hub.hub_id, at + MINUTE)
    assert await kept(hub) == {name: [] for name in TABLES}
    answer = await hub.service.client(str(given["receipt"])).get(OWN)
    assert refused(answer, 401, "unauthenticated") == []


async def test_with_the_key_of_the_day_goes_what_was_said(hub: Hub) -> None:
    given = await declare(hub)
    keys = hub.runtime.keys.of(hub.hub_id)
    for name in keys.names("day."):
        keys.destroy(name)
    answer = await hub.service.client(str(given["receipt"])).get(OWN)
    assert refused(answer, 410, "gone-destroyed") == []


async def test_the_longest_appeal_in_the_longest_spelling_is_taken(hub: Hub) -> None:
    given, text = await declare(hub), "\U0001f9d1" * 1000
    answer = await dispute(hub, given, text)
    assert (answer.status_code, answer.json()["text"]) == (201, text)


async def test_a_report_that_ends_while_it_is_read_is_gone(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    given, honest = await declare(hub), store.answers

    async def late(*asked: Any) -> Answers:
        async with hub.runtime.database.transaction() as tx:
            await store.forget(tx, hub.hub_id, clock.now() + MINUTE)
        return await honest(*asked)

    monkeypatch.setattr(store, "answers", late)
    answer = await hub.service.client(str(given["receipt"])).get(OWN)
    assert refused(answer, 410, "gone-destroyed") == []


async def test_a_closed_hub_takes_none(hub: Hub) -> None:
    await retention.close(hub.runtime.database, hub.hub_id, clock.now())
    assert refused(await post(hub, body(hub)), 403, "hub-closed") == []


async def test_at_a_closed_hub_a_report_is_read_and_changed_no_more(hub: Hub) -> None:
    given = await declare(hub)
    await retention.close(hub.runtime.database, hub.hub_id, clock.now())
    own = hub.service.client(str(given["receipt"]))
    refusals = [
        await correct(hub, given, 1, **ILL),
        await dispute(hub, given, "x"),
        await own.put(f"{OWN}/reminder", json={"kind": "R1"}),
    ]
    assert [refused(answer, 403, "hub-closed") for answer in refusals] == [[]] * 3
    assert (await report(hub, given))["revision"] == 1


async def test_a_hub_that_is_not_here_takes_none(hub: Hub) -> None:
    told = {**body(hub), "hub": "elsewhere"}
    assert refused(await post(hub, told), 404, "not-found") == []


async def test_the_worker_ends_them_too(hub: Hub) -> None:
    await declare(hub)
    await later(hub, days=1)
    assert (await kept(hub))["declaration"]
