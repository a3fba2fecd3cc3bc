"""What is announced on board: a list for each run, about nobody on it."""

import dataclasses
from pathlib import Path

import people
import pytest
from hubs import Hub
from people import Json
from reminded_runs import PHONE, Run, announced, reachable, reminders

from twinstile.platform.http.routes import Runtime
from twinstile.platform.ops import clock
from twinstile.platform.security.roles import Role
from twinstile.policy.versions import Policies
from twinstile.reminders import automatic, sending

CHANNELS = """
[[channel]]
name = "conductors"
kind = "file"
carries = ["ON_BOARD"]
demo = true
folder = "{folder}"
"""


@pytest.fixture
async def run(hub: Hub) -> Run:
    return await announced(hub)


def with_conductors(runtime: Runtime, folder: Path) -> Runtime:
    file = folder / "channels.toml"
    file.write_text(CHANNELS.format(folder=folder / "board"))
    settings = runtime.settings.model_copy(update={"channels_file": file})
    return dataclasses.replace(runtime, settings=settings)


def listed(run: Run, folder: Path) -> list[Path]:
    return sorted((folder / "board" / run.hub.hub_id).glob("*.jsonl"))


def silent(number: str, *languages: str) -> Json:
    """Somebody with no address, whose languages may be known."""
    return {
        "entry_id": number[-6:],
        "document": people.document(number),
        "languages": list(languages),
    }


async def tick(run: Run, runtime: Runtime) -> None:
    await automatic.run(runtime, Policies(), run.hub.hub_id, clock.now())
    await run.work(out=sending.outbox(runtime))


async def test_whoever_announces_gets_one_text_and_counts_that_tell_of_nobody(
    run: Run, tmp_path: Path
) -> None:
    runtime = with_conductors(run.hub.runtime, tmp_path)
    numbers = [people.resident_number() for _ in range(13)]
    english = [silent(number, "en") for number in numbers[:6]]
    few = [silent(number, "zh-CN") for number in numbers[6:8]]
    others = [silent(number) for number in numbers[8:]]
    await run.land([*english, *few, *others])
    await tick(run, runtime)
    (file,) = listed(run, tmp_path)
    text = file.read_text()
    assert text.count("\n") == 1
    assert "G7349" in text
    assert "车内广播" in text
    assert "On board" in text
    assert '"counts": {"en": 6, "zh-CN,en": 5}' in text
    assert not any(number in text for number in numbers)
    (notice,) = await run.notices()
    assert (notice["contact"], notice["channel"], notice["state"]) == (
        "ON_BOARD",
        "conductors",
        "HANDED",
    )
    for _ in range(2):
        await tick(run, runtime)
    assert len(listed(run, tmp_path)) == 1


async def test_that_a_list_was_taken_reminds_nobody_before_somebody_says_it_was_read_out(
    run: Run, tmp_path: Path
) -> None:
    runtime, number = with_conductors(run.hub.runtime, tmp_path), people.resident_number()
    await run.land([silent(number)])
    await tick(run, runtime)
    (file,) = listed(run, tmp_path)
    file.unlink()
    await tick(run, runtime)
    assert await run.states() == ["SENT"]
    assert reminders(await run.pass_gate(number)) == 1
    told = {
        "kind": "R1",
        "run_id": str(run.run_id),
        "channel": "onboard-broadcast",
        "language": "zh-CN",
        "given_at": people.ago(minutes=1),
    }
    path = f"/v1/reminders/{people.new_id()}"
    answer = await run.hub.client(Role.ASSISTANT).put(path, json=told)
    assert answer.status_code < 300, answer.text
    assert reminders(await run.pass_gate(number)) == 2


async def test_people_with_an_address_have_their_own_message_beside_the_list(
    run: Run, tmp_path: Path
) -> None:
    runtime = with_conductors(run.hub.runtime, tmp_path)
    await run.land([reachable(people.resident_number(), PHONE)])
    await tick(run, runtime)
    (line,) = run.lines()
    assert line["channel"] == "PHONE"
    assert "13900004711" not in listed(run, tmp_path)[0].read_text()
    async with runtime.database.reading() as tx:
        rows = await tx.raw.fetch(
            "SELECT rows FROM access WHERE hub_id = $1 AND action = 'NOTICE'", run.hub.hub_id
        )
    assert [row[0] for row in rows] == [1]  # the list opened no address


async def test_without_a_channel_to_them_nobody_on_board_gets_a_list(run: Run) -> None:
    await run.land([silent(people.resident_number())])
    await tick(run, run.hub.runtime)
    assert await run.notices() == []


async def test_a_run_that_is_closed_needs_no_list(run: Run, tmp_path: Path) -> None:
    runtime = with_conductors(run.hub.runtime, tmp_path)
    await run.land([silent(people.resident_number())])
    await automatic.run(runtime, Policies(), run.hub.hub_id, clock.now())
    await run.hub.client(Role.SUPERVISOR).post(f"/v1/runs/{run.run_id}:close")
    await tick(run, runtime)
    assert (await run.states(), listed(run, tmp_path)) == (["WITHDRAWN"], [])
