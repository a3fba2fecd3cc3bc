"""The place of origin is told of who is sent back, in two hours or aloud."""

from collections.abc import Sequence
from uuid import UUID, uuid4

import fever_cases
import ledger_reader
import partner_systems
import people
import pytest
import worker_clock
from httpx2 import Response
from hubs import Hub
from test_case_merge import join_cases, take_back
from test_every_way import reach, unheard
from test_receivers import alerts

from twinstile.cases.types import CaseState
from twinstile.platform.security.roles import Role


async def told(
    hub: Hub,
    case_id: str,
    notice_id: UUID | None = None,
    who: Role = Role.MEDIC,
    **more: object,
) -> Response:
    body = {"office": "Quzhou command", "by": "TELEPHONE", "told_at": people.now(), **more}
    path = f"/v1/cases/{case_id}/origin-notices/{notice_id or uuid4()}"
    return await hub.client(who).put(path, json=body)


async def sent_back(hub: Hub) -> str:
    case_id = await fever_cases.case_of(hub)
    answer = await fever_cases.dispose(hub, case_id, "PERSUADED_RETURN", consent=True)
    assert answer.status_code == 200, answer.text
    return case_id


async def awaited(hub: Hub, case_id: str) -> list[people.Json]:
    waits = (await fever_cases.read(hub, case_id))["waits"]
    return [one for one in waits if one["kind"] == "ORIGIN"]


async def test_it_rings_after_two_hours_until_somebody_has_told(hub: Hub) -> None:
    case_id = await sent_back(hub)
    await worker_clock.later(hub, minutes=119)
    assert "ORIGIN_UNTOLD" not in await alerts(hub)
    await worker_clock.later(hub, minutes=121)
    assert "ORIGIN_UNTOLD" in await alerts(hub)
    notice_id = uuid4()
    answer = await told(hub, case_id, notice_id, reference="QZ-7")
    assert answer.status_code == 200, answer.text
    assert (await told(hub, case_id, notice_id)).status_code == 409  # another one, by that id
    again = await told(
        hub, case_id, notice_id, reference="QZ-7", told_at=answer.json()["told_at"]
    )
    assert again.json() == answer.json()
    await worker_clock.later(hub, minutes=122)
    assert "ORIGIN_UNTOLD" not in await alerts(hub)
    whole = await fever_cases.read(hub, case_id)
    assert whole["origin_notices"] == [answer.json()]
    assert answer.json()["disposition_id"] == whole["dispositions"][0]["disposition_id"]


async def test_another_train_gives_no_more_time_and_another_way_ends_it(hub: Hub) -> None:
    case_id = await sent_back(hub)
    first = await awaited(hub, case_id)
    assert len(first) == 1
    await fever_cases.dispose(hub, case_id, "PERSUADED_RETURN", consent=True)
    assert await awaited(hub, case_id) == first
    await fever_cases.dispose(hub, case_id, "DESIGNATED_HOSPITAL")
    assert await awaited(hub, case_id) == []
    assert (await told(hub, case_id)).status_code == 409
    await fever_cases.dispose(hub, case_id, "PERSUADED_RETURN", consent=True)
    assert (await fever_cases.move(hub, case_id, "taken_up")).status_code == 200
    assert len(await awaited(hub, case_id)) == 1


@pytest.mark.parametrize("elsewhere", ["HOME_ISOLATION", "EMERGENCY_CARE"])
async def test_whoever_was_sent_elsewhere_since_has_not_returned(
    hub: Hub, elsewhere: str
) -> None:
    case_id = await sent_back(hub)
    assert (await fever_cases.dispose(hub, case_id, elsewhere)).status_code == 200
    assert (await fever_cases.move(hub, case_id, "taken_up")).status_code == 200
    refused = await fever_cases.move(hub, case_id, "returned")
    assert (refused.status_code, refused.json()["type"]) == (
        409,
        "/problems/transition-refused",
    )
    assert (await fever_cases.read(hub, case_id))["state"] == "FOLLOWING_UP"


async def on_the_way_home(hub: Hub) -> str:
    case_id = await sent_back(hub)
    assert (await fever_cases.move(hub, case_id, "taken_up")).status_code == 200
    return case_id


async def test_a_case_goes_on_with_the_way_home_of_one_that_is_merged_into_it(hub: Hub) -> None:
    kept = await reach(hub, CaseState.FOLLOWING_UP)
    gone = await on_the_way_home(hub)
    (wait,) = await awaited(hub, gone)
    assert (await told(hub, kept)).status_code == 409
    await join_cases(hub, kept, gone)
    assert (await fever_cases.read(hub, gone))["followed_by"] == kept
    assert await awaited(hub, kept) == [{**wait, "subject_id": kept}]
    answer = await told(hub, kept)
    assert answer.status_code == 200, answer.text
    assert await awaited(hub, kept) == []
    (way,) = (await fever_cases.read(hub, gone))["dispositions"]
    assert answer.json()["disposition_id"] == way["disposition_id"]
    assert (await fever_cases.move(hub, kept, "returned")).status_code == 200


@pytest.mark.parametrize("told_before", [False, True])
async def test_the_way_home_leaves_again_with_its_patient(hub: Hub, told_before: bool) -> None:
    """They were two after all: the case that stays waits for nobody who was never its own."""
    stays = await reach(hub, CaseState.FOLLOWING_UP)
    gone = await on_the_way_home(hub)
    (wait,) = await awaited(hub, gone)
    link_id = await join_cases(hub, stays, gone)
    if told_before:
        assert (await told(hub, stays)).status_code == 200
    assert (await take_back(hub, link_id)).status_code == 200
    again = str((await fever_cases.read(hub, gone))["followed_by"])
    assert again != stays
    assert await awaited(hub, stays) == []
    waits = [] if told_before else [{**wait, "subject_id": again}]
    assert await awaited(hub, again) == waits
    assert (await told(hub, stays)).status_code == 409
    assert (await fever_cases.move(hub, stays, "returned")).status_code == 409
    assert (await told(hub, again)).status_code == 200
    assert await awaited(hub, again) == []


async def test_who_is_on_the_way_home_waits_on_when_another_leaves(hub: Hub) -> None:
    stays = await on_the_way_home(hub)
    gone = await on_the_way_home(hub)
    before = await awaited(hub, stays)
    link_id = await join_cases(hub, stays, gone)
    assert (await take_back(hub, link_id)).status_code == 200
    assert await awaited(hub, stays) == before
    assert (await told(hub, stays)).status_code == 200


async def test_a_case_that_sent_its_patient_elsewhere_later_keeps_its_own_way(hub: Hub) -> None:
    gone = await on_the_way_home(hub)
    kept = await reach(hub, CaseState.IN_CARE)
    await join_cases(hub, kept, gone)
    assert (await fever_cases.read(hub, gone))["followed_by"] == kept
    assert await awaited(hub, kept) == []
    assert (await told(hub, kept)).status_code == 409
    assert (await fever_cases.move(hub, kept, "discharged")).status_code == 200
    assert (await fever_cases.move(hub, kept, "returned")).status_code == 409


async def test_who_is_on_the_way_home_stays_so_whatever_another_case_decided(hub: Hub) -> None:
    kept = await on_the_way_home(hub)
    gone = await reach(hub, CaseState.DISPOSED)
    before = await awaited(hub, kept)
    await join_cases(hub, gone, kept)
    assert (await fever_cases.read(hub, gone))["followed_by"] == kept
    assert await awaited(hub, kept) == before
    assert (await told(hub, kept)).status_code == 200
    assert (await fever_cases.move(hub, kept, "returned")).status_code == 200


@pytest.mark.parametrize(
    ("way", "rings"), [(("lost",), True), (("taken_up", "confirmed"), True), (("died",), False)]
)
async def test_the_home_of_who_is_lost_or_ill_on_the_way_still_has_to_hear_of_it(
    hub: Hub, way: Sequence[str], rings: bool
) -> None:
    case_id = await sent_back(hub)
    for event in way:
        if event == "lost":
            await unheard(hub, case_id)
        else:
            assert (await fever_cases.move(hub, case_id, event)).status_code == 200
    assert bool(await awaited(hub, case_id)) is rings


async def test_partners_hear_that_it_was_told_and_not_by_whom(hub: Hub) -> None:
    case_id = await sent_back(hub)
    assert (await told(hub, case_id, who=Role.SCREENER)).status_code == 403
    assert (await told(hub, case_id, by="SMOKE")).status_code == 422
    assert (await told(hub, case_id)).status_code == 200
    department = await partner_systems.enter(hub)
    await ledger_reader.seal(hub.runtime.database, hub.hub_id)
    answer = await department.changes(types="case.origin-told")
    (change,) = answer.json()["changes"]
    assert change["fields"] == {
        "case_no": (await fever_cases.read(hub, case_id))["case_no"],
        "by": "TELEPHONE",
    }
