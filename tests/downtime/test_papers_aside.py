"""Checks that show no document: the passage they name says whose they are."""

import people
import pytest
import screening_states
from hubs import Hub

from twinstile.platform.security.roles import Role

EAR_FEVER = {"value": 38.9, "method": "EAR"}
EAR_NORMAL = {"value": 36.5, "method": "EAR"}
NOBODY: people.Json = {"identity": {"result": "NOT_CHECKED"}}


async def put(hub: Hub, number: str | None, **parts: object) -> people.Json:
    answer = await hub.client(Role.MEDIC).put(
        f"/v1/checks/{people.new_id()}", json=people.check(1, number, **parts)
    )
    assert answer.status_code == 201, answer.text
    told: people.Json = answer.json()
    return told


def bare(screening: object, **parts: object) -> people.Json:
    """A further reading of a passage, the document already put away."""
    return {"identity": None, "screening_id": str(screening), **parts}


async def held(hub: Hub, number: str, **parts: object) -> people.Json:
    await put(hub, number, celsius=38.2, **parts)
    told = await put(hub, number, temperature=EAR_FEVER, **parts)
    assert told["state"] == "HELD"
    return told


async def scan(hub: Hub, *bodies: people.Json) -> list[people.Json]:
    items = [
        {"kind": "check", "id": str(people.new_id()), "counter": n, "body": body}
        for n, body in enumerate(bodies, 1)
    ]
    answer = await hub.client("device").post(
        "/v1/facts:batch", json={"sent_at": people.now(), "items": items}
    )
    return [item["check"] for item in answer.json()["items"]]


@pytest.mark.parametrize("in_one", [False, True])
async def test_a_reading_without_the_document_forgets_no_suspicion(
    hub: Hub, in_one: bool
) -> None:
    number, screening = people.resident_number(), people.new_id()
    await held(hub, number)
    # begun without a document, so that it does not join the passage that is held
    await put(hub, None, **NOBODY, screening_id=str(screening), credential=None)
    shown = people.fact(number, screening_id=str(screening), celsius=36.4)
    again = people.fact(None, **bare(screening, temperature=EAR_NORMAL))
    if in_one:
        _, told = await scan(hub, shown, again)
    else:
        await scan(hub, shown)
        (told,) = await scan(hub, again)
    assert told["screening_id"] == str(screening)
    assert (told["state"], told["verdict"]) == ("SECONDARY", "CHECK")
    assert [r["rule_id"] for r in told["reasons"]] == ["PRIOR-HOLD"]


@pytest.mark.parametrize("in_one", [False, True])
async def test_a_fever_confirmed_without_the_document_joins_the_open_case(
    hub: Hub, in_one: bool
) -> None:
    number, screening = people.resident_number(), people.new_id()
    case = (await held(hub, number))["case_no"]
    await put(hub, None, **NOBODY, screening_id=str(screening), credential=None)
    shown = people.fact(number, screening_id=str(screening), celsius=38.4)
    again = people.fact(None, **bare(screening, temperature=EAR_FEVER))
    if in_one:
        _, told = await scan(hub, shown, again)
    else:
        await put(hub, number, screening_id=str(screening), celsius=38.4)
        told = await put(hub, None, **bare(screening, temperature=EAR_FEVER))
    assert (told["state"], told["case_no"]) == ("HELD", case)


async def test_nobody_with_an_open_case_is_let_through_unverified(hub: Hub) -> None:
    """However long ago the suspicion was raised: the case says that it stands."""
    await screening_states.govern(hub, hold_window_hours=1)
    number = people.resident_number()
    await held(hub, number, observed_at=people.ago(hours=3))
    told = await put(hub, number, credential={"status": "UNAVAILABLE"})
    assert told["state"] == "SECONDARY"
    assert "RELEASE-GUARD" in {reason["rule_id"] for reason in told["reasons"]}
