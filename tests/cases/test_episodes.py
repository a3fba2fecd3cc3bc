"""Whatever people do at once: one open case a person and episode, and no end is ever left."""

import asyncio
import random
from collections.abc import Sequence
from uuid import uuid4

import fever_cases
import people
import pytest
from httpx2 import Response
from hubs import Hub

from twinstile.cases.types import CaseEvent, CaseState
from twinstile.platform.security.roles import Role

ENDINGS = ("not_fever", "excluded", "lost", "died")
OPERATORS = (Role.MEDIC, Role.EPIDEMIOLOGIST, Role.SUPERVISOR)


async def link(hub: Hub, one: str, other: str) -> None:
    body = {
        "document": people.document(one),
        "other": people.document(other),
        "evidence": "BOTH_DOCUMENTS_SHOWN",
        "purpose": "IDENTIFICATION",
        "reason": "both shown",
    }
    answer = await hub.client(Role.ASSISTANT).put(f"/v1/links/{uuid4()}", json=body)
    assert answer.status_code < 300, answer.text


async def alarm(hub: Hub, number: str) -> None:
    """Two methods find a fever in somebody, whatever became of them before."""
    for celsius, method in ((38.1, "WALK_THROUGH"), (38.6, "EAR")):
        body = people.check(number=number, temperature={"value": celsius, "method": method})
        answer = await hub.client(Role.MEDIC).put(f"/v1/checks/{people.new_id()}", json=body)
        assert answer.status_code in {201, 409, 503}, answer.text


async def cases(hub: Hub) -> dict[str, tuple[str, object, object]]:
    """State, end and person of every case, as they are stored."""
    async with hub.runtime.database.reading() as tx:
        rows = await tx.raw.fetch(
            "SELECT case_id, state, closed_at, person_id FROM fever_case WHERE hub_id = $1",
            hub.hub_id,
        )
    return {str(case_id): (state, closed, who) for case_id, state, closed, who in rows}


async def open_cases(hub: Hub) -> list[str]:
    return [case_id for case_id, (_, closed, _) in (await cases(hub)).items() if not closed]


async def test_many_lanes_at_once_open_one_case_of_a_person(hub: Hub) -> None:
    number = people.resident_number()
    await asyncio.gather(*(alarm(hub, number) for _ in range(6)))
    assert len(await open_cases(hub)) == 1


async def test_alarms_of_two_linked_documents_at_once_are_one_case(hub: Hub) -> None:
    one, other = people.resident_number(), people.resident_number()
    await link(hub, one, other)
    await asyncio.gather(*(alarm(hub, number) for number in (one, other) * 3))
    assert len(await open_cases(hub)) == 1


async def test_of_many_who_end_a_case_at_once_one_does(hub: Hub) -> None:
    case_id = await fever_cases.case_of(hub)
    answers = await asyncio.gather(
        *(fever_cases.move(hub, case_id, event) for event in ENDINGS * 2)
    )
    won = [answer for answer in answers if answer.status_code == 200]
    assert len(won) == 1
    assert {answer.status_code for answer in answers} == {200, 409}
    assert (await fever_cases.read(hub, case_id))["state"] == won[0].json()["after"]


@pytest.mark.parametrize("event", sorted(CaseEvent))
async def test_nothing_leaves_an_end(hub: Hub, event: str) -> None:
    case_id = await fever_cases.case_of(hub)
    assert (await fever_cases.move(hub, case_id, "excluded")).status_code == 200
    before = (await cases(hub))[case_id]
    for who in OPERATORS:
        answer = await fever_cases.move(hub, case_id, event, who=who)
        assert answer.status_code in {403, 409, 422}, answer.text
    assert (await fever_cases.dispose(hub, case_id)).status_code == 409
    assert (await cases(hub))[case_id] == before


async def _act(hub: Hub, dice: random.Random, numbers: Sequence[str]) -> None:
    """Somebody does something to somebody, sensible or not."""
    known = list(await cases(hub))
    if not known or dice.random() < 0.3:
        await alarm(hub, dice.choice(numbers))
        return
    case_id, who = dice.choice(known), dice.choice(OPERATORS)
    answer: Response
    if dice.random() < 0.3:
        answer = await fever_cases.dispose(hub, case_id, who=who)
    else:
        answer = await fever_cases.move(hub, case_id, dice.choice(sorted(CaseEvent)), who=who)
    assert answer.status_code in {200, 201, 403, 409, 422, 503}, answer.text


@pytest.mark.timeout(300)
@pytest.mark.parametrize("seed", [222, 2022])
async def test_random_hands_at_once_break_no_invariant(hub: Hub, seed: int) -> None:
    dice = random.Random(seed)  # reproducible, not secret
    numbers = [people.resident_number() for _ in range(3)]
    await link(hub, numbers[0], numbers[1])
    ended: dict[str, tuple[str, object, object]] = {}
    for _ in range(12):
        await asyncio.gather(*(_act(hub, dice, numbers) for _ in range(4)))
        now = await cases(hub)
        assert {case_id: now[case_id] for case_id in ended} == ended
        ended |= {case_id: row for case_id, row in now.items() if row[1]}
        assert all(CaseState(state).terminal == bool(end) for state, end, _ in now.values())
        # three documents of two persons
        assert sum(not end for _, end, _ in now.values()) <= 2
