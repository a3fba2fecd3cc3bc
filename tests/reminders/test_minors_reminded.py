"""Minors are reminded before arrival by what their guardian was sent, whatever comes first."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from itertools import permutations
from uuid import UUID, uuid4

import people
import pytest
from hubs import Hub
from people import Json
from reminded_runs import Run, announced, reachable, reminders, reminders_of

from twinstile.platform.security.roles import Role

CHILD = "20200101"
FEVER = {"value": 38.9, "method": "EAR"}


def of(party: UUID, role: str) -> Json:
    return {"party": {"id": str(party), "role": role}}


def silent(number: str) -> Json:
    """Somebody on the manifest without an address."""
    return {"entry_id": f"S-{number}", "document": people.document(number)}


class Family:
    """A guardian who can be written to, another adult and a child who cannot."""

    def __init__(self, hub: Hub) -> None:
        self.hub = hub
        self.party = uuid4()
        self.guardian, self.adult = people.resident_number(), people.resident_number()
        self.child = people.resident_number(born=CHILD)

    async def travels(self) -> Run:
        run = await announced(self.hub)
        await run.land([reachable(self.guardian), silent(self.adult), silent(self.child)])
        return run

    async def leads(self, run: Run, **parts: object) -> Json:
        return await run.pass_gate(self.guardian, **of(self.party, "GUARDIAN"), **parts)

    async def follows(self, run: Run, **parts: object) -> Json:
        """The child, who was told nothing itself, and has no credential."""
        alone = {"credential": None} | of(self.party, "MINOR") | parts
        return await run.pass_gate(self.child, **alone)

    async def comes_along(self, run: Run) -> Json:
        return await run.pass_gate(self.adult, **of(self.party, "MEMBER"))


@pytest.mark.parametrize(
    "order", list(permutations(("message", "guardian", "minor"))), ids="-".join
)
async def test_a_message_to_the_guardian_counts_for_the_minor_whatever_comes_first(
    hub: Hub, order: tuple[str, ...]
) -> None:
    family, told = Family(hub), dict[str, Json]()
    run = await family.travels()
    at_gate: Mapping[str, Callable[[Run], Awaitable[Json]]] = {
        "guardian": family.leads,
        "minor": family.follows,
    }
    told["adult"] = await family.comes_along(run)
    for event in order:
        if event == "message":
            await run.taken()
        else:
            told[event] = await at_gate[event](run)
    if order[-1] == "minor":
        assert reminders(told["minor"]) == 2  # said at the gate at once
    counts = {who: await reminders_of(hub, one) for who, one in told.items()}
    assert counts == {"guardian": 2, "minor": 2, "adult": 1}


async def test_a_message_that_nobody_took_counts_for_nobody(hub: Hub) -> None:
    family = Family(hub)
    run = await family.travels()
    await run.order()
    await run.work()
    told = [await family.leads(run), await family.follows(run)]
    assert [await reminders_of(hub, one) for one in told] == [1, 1]


async def test_a_party_formed_after_the_message_counts_too(hub: Hub) -> None:
    """The guardian came by before, and names the party only with another check."""
    family = Family(hub)
    run = await family.travels()
    await run.taken()
    await run.pass_gate(family.guardian, temperature=None)
    child = await family.follows(run)
    assert reminders(child) == 1
    await family.leads(run)
    assert await reminders_of(hub, child) == 2


async def test_a_minor_at_the_second_check_is_not_decided_about_but_counts(hub: Hub) -> None:
    family = Family(hub)
    run = await family.travels()
    await run.taken()
    child = await family.follows(run, temperature=FEVER)
    before = (await hub.client().get(f"/v1/screenings/{child['screening_id']}")).json()
    await family.leads(run)
    after = (await hub.client().get(f"/v1/screenings/{child['screening_id']}")).json()
    assert [reminders(one) for one in (before, after)] == [1, 2]
    assert (after["state"], after["steps"]) == (before["state"], before["steps"])


async def change(hub: Hub, family: Family, told: Json) -> None:
    body = {
        "screening_id": told["screening_id"],
        "at": people.now(),
        "reason": "the mother was taken to hospital",
    }
    answer = await hub.client().put(
        f"/v1/parties/{family.party}/guardians/{people.new_id()}", json=body
    )
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize("first", ["message", "change"])
async def test_who_answers_for_the_minor_now_was_reminded_for_both(
    hub: Hub, first: str
) -> None:
    """First another adult without an address answers for the child, then who has one."""
    family = Family(hub)
    run = await family.travels()
    child = await family.follows(run)
    await run.pass_gate(family.adult, **of(family.party, "GUARDIAN"))
    reached = await run.pass_gate(family.guardian, **of(family.party, "MEMBER"))
    if first == "message":
        await run.taken()
        assert await reminders_of(hub, child) == 1
        await change(hub, family, reached)
    else:
        await change(hub, family, reached)
        assert await reminders_of(hub, child) == 1
        await run.taken()
    assert await reminders_of(hub, child) == 2


@pytest.mark.parametrize("early", [True, False], ids=["before", "after"])
async def test_a_message_of_another_run_says_nothing_to_the_minor(
    hub: Hub,
    early: bool,
) -> None:
    family = Family(hub)
    own, other = await announced(hub), await announced(hub)
    await own.land([silent(family.child)])
    await other.land([reachable(family.guardian)])
    if early:
        await other.taken()
    told = [await family.leads(other), await family.follows(own)]
    if not early:
        await other.taken()
    assert [await reminders_of(hub, one) for one in told] == [2, 1]


@pytest.mark.parametrize("early", [True, False], ids=["before", "after"])
async def test_a_guardian_who_came_on_another_run_was_told_of_the_minors_run(
    hub: Hub,
    early: bool,
) -> None:
    family = Family(hub)
    own = await family.travels()
    other = await announced(hub)
    await other.land([silent(family.guardian)])
    if early:
        await own.taken()
    leads = await family.leads(other, run_id=str(other.run_id))
    child = await family.follows(own)
    if not early:
        await own.taken()
    assert await reminders_of(hub, child) == 2
    assert await reminders_of(hub, leads) == 1


async def test_a_message_to_a_guardians_address_is_one_to_the_minor(hub: Hub) -> None:
    family = Family(hub)
    run = await announced(hub)
    entry = reachable(family.child)
    entry["contact"] = {**entry["contact"], "owner": "GUARDIAN"}  # type: ignore[dict-item]
    await run.land([entry])
    alone = await family.follows(run)
    await run.taken()
    assert await reminders_of(hub, alone) == 2
    assert reminders(await family.follows(run)) == 2


async def test_minors_who_come_while_the_message_is_entered_are_all_reminded(hub: Hub) -> None:
    family = Family(hub)
    run = await family.travels()
    children = [people.resident_number(born=CHILD) for _ in range(8)]
    await run.land([reachable(family.guardian), *map(silent, children)], batch=2)
    await family.leads(run)
    await run.order()
    await run.work()
    for file in run.files():
        file.unlink()
    part = {"credential": None} | of(family.party, "MINOR")
    checks = [run.pass_gate(number, **part) for number in children]
    *told, _ = await asyncio.gather(*checks, run.work())
    assert [await reminders_of(hub, one) for one in told] == [2] * 8


async def test_the_guardian_and_the_minors_are_told_in_the_figures_of_the_run(
    hub: Hub,
) -> None:
    family = Family(hub)
    run = await family.travels()
    await run.taken()
    await family.follows(run)
    await family.leads(run)
    answer = await hub.client(Role.DUTY_COMMANDER).get(f"/v1/runs/{run.run_id}/reminders")
    assert (answer.json()["checked"], answer.json()["complete_222"]) == (2, 2)
