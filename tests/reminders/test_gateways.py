"""Messages through a gateway over HTTP: what it took, refused, lost and never answered."""

import dataclasses
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path

import people
import pytest
from hubs import Hub, open_hub
from message_gateway import TOKEN, Gateway, gateway
from reminded_runs import PHONE, Run, announced, reachable, reminders
from runtimes import served

from twinstile.cli import doctor
from twinstile.platform.http.routes import Runtime
from twinstile.platform.ops import clock
from twinstile.platform.ops.config_files import InvalidFile
from twinstile.platform.security.hub_modes import HubMode
from twinstile.policy.versions import Policies
from twinstile.reminders import automatic, routing, sending

MINUTE = timedelta(minutes=1)


@pytest.fixture
async def sms() -> AsyncIterator[Gateway]:
    async with gateway() as here:
        yield here


@pytest.fixture
async def run(hub: Hub) -> Run:
    return await announced(hub)


def through(hub: Hub, file: Path) -> Runtime:
    """The house with this file of channels."""
    settings = hub.runtime.settings.model_copy(update={"channels_file": file})
    return dataclasses.replace(hub.runtime, settings=settings)


async def ordered(run: Run, runtime: Runtime, *numbers: str) -> None:
    """A manifest has landed, and the clock has seen it."""
    await run.land([reachable(number, PHONE, "en") for number in numbers])
    await automatic.run(runtime, Policies(), run.hub.hub_id, clock.now())


async def work(run: Run, runtime: Runtime, after: timedelta = timedelta()) -> None:
    await run.work(after, sending.outbox(runtime))


def numbers(count: int) -> list[str]:
    return [people.resident_number() for _ in range(count)]


async def test_a_message_leaves_by_the_gateway_and_counts_once_it_was_delivered(
    run: Run, sms: Gateway, tmp_path: Path, logged: Callable[[], str]
) -> None:
    runtime, (number,) = through(run.hub, sms.written(tmp_path)), numbers(1)
    await ordered(run, runtime, number)
    await work(run, runtime)
    (message,) = sms.taken
    assert message["to"] == "8613900004711"
    assert "G7349" in message["content"]["text"]  # type: ignore[index]
    assert message["valid_until"] == f"{run.arrival:%Y-%m-%dT%H:%M:%SZ}"
    assert f"Authorization: Bearer {TOKEN}".lower() in sms.heads[0].lower()
    (notice,) = await run.notices()
    assert (notice["channel"], notice["state"]) == ("sms", "HANDED")
    assert notice["evidence"][-1]["ref"] == "g-0"  # type: ignore[index]
    await work(run, runtime, timedelta(seconds=5))
    assert sms.asked == 0
    for minutes in (1, 2):
        await work(run, runtime, minutes * MINUTE)
    assert (sms.asked, await run.states()) == (2, ["HANDED"])
    sms.status = "delivered"
    await work(run, runtime, 3 * MINUTE)
    assert await run.states() == ["DELIVERED"]
    assert reminders(await run.pass_gate(number)) == 2
    assert "4711" not in logged()


@pytest.mark.parametrize("trouble", ["429", "401", "302"])
async def test_what_a_gateway_refused_is_tried_again_and_comes_once(
    run: Run, sms: Gateway, tmp_path: Path, trouble: str
) -> None:
    runtime = through(run.hub, sms.written(tmp_path))
    await ordered(run, runtime, *numbers(3))
    sms.troubles = [trouble]
    await work(run, runtime)
    assert (await run.states(), sms.taken) == (["WAITING"] * 3, [])
    async with run.hub.runtime.database.reading() as tx:
        (known,) = await tx.raw.fetch(
            "SELECT code, open_until IS NOT NULL FROM notice_channel WHERE hub_id = $1",
            run.hub.hub_id,
        )
    words = {"429": "rate-limited", "401": "unauthorised", "302": "redirected"}
    assert tuple(known) == (words[trouble], trouble != "302")  # it said when to come again
    await work(run, runtime, 2 * MINUTE)
    assert await run.states() == ["HANDED"] * 3
    assert set(sms.times().values()) == {1}


@pytest.mark.parametrize(
    "trouble", ["hang", "500 after", "garbage", "other words", "cut off", "drip", "flood"]
)
async def test_where_the_answer_was_lost_the_gateway_is_asked_and_nothing_comes_twice(
    run: Run, sms: Gateway, tmp_path: Path, trouble: str
) -> None:
    runtime = through(run.hub, sms.written(tmp_path))
    await ordered(run, runtime, *numbers(2))
    sms.troubles, sms.status = [trouble], "delivered"
    await work(run, runtime)
    assert await run.states() == ["SENDING"] * 2
    await work(run, runtime, 2 * MINUTE)
    assert await run.states() == ["DELIVERED"] * 2
    assert list(sms.times().values()) == [1, 1]


async def test_what_the_gateway_never_saw_is_sent_after_all(
    run: Run, sms: Gateway, tmp_path: Path
) -> None:
    runtime = through(run.hub, sms.written(tmp_path))
    await ordered(run, runtime, *numbers(4))
    sms.troubles = ["500 before", "half"]
    for minutes in range(0, 14, 2):
        await work(run, runtime, minutes * MINUTE)
    assert await run.states() == ["HANDED"] * 4
    assert list(sms.times().values()) == [1] * 4


async def test_without_a_way_to_ask_a_lost_answer_stays_unknown(
    run: Run, sms: Gateway, tmp_path: Path
) -> None:
    runtime = through(run.hub, sms.written(tmp_path, ask=False))
    await ordered(run, runtime, *numbers(2))
    sms.troubles = ["500 after"]
    for minutes in range(0, 10, 2):
        await work(run, runtime, minutes * MINUTE)
    assert await run.states() == ["UNKNOWN"] * 2
    assert list(sms.times().values()) == [1, 1]


async def test_a_gateway_that_never_tells_the_end_has_not_reminded_anybody(
    run: Run, sms: Gateway, tmp_path: Path
) -> None:
    runtime, (number,) = through(run.hub, sms.written(tmp_path)), numbers(1)
    await ordered(run, runtime, number)
    await work(run, runtime)
    await work(run, runtime, timedelta(hours=2, seconds=1))
    (notice,) = await run.notices()
    assert (notice["state"], notice["evidence"][-1]["code"]) == ("FAILED", "no-receipt")  # type: ignore[index]


async def test_nothing_a_gateway_says_brings_an_address_into_our_records(
    run: Run, sms: Gateway, tmp_path: Path
) -> None:
    runtime = through(run.hub, sms.written(tmp_path))
    await ordered(run, runtime, *numbers(1))
    sms.troubles = ["reject"]
    await work(run, runtime)
    (notice,) = await run.notices()
    assert notice["state"] == "FAILED"
    assert "4711" not in str(notice)
    assert notice["evidence"][-1]["code"] == "withheld"  # type: ignore[index]


async def test_a_gateway_that_is_away_keeps_no_other_channel_waiting(
    run: Run, sms: Gateway, tmp_path: Path
) -> None:
    runtime = through(run.hub, sms.written(tmp_path, together=2))
    by_phone, by_mail = numbers(6), people.resident_number()
    await run.land([reachable(by_mail, "a@example.org"), *map(reachable, by_phone)])
    await automatic.run(runtime, Policies(), run.hub.hub_id, clock.now())
    sms.troubles = ["hang"] * 3
    await work(run, runtime)
    assert len(run.lines()) == 1
    assert await run.states() == ["HANDED", *["SENDING"] * 6]


async def test_one_message_a_call_may_be_a_form(run: Run, tmp_path: Path) -> None:
    async with gateway() as mail:
        file = tmp_path / "channels.toml"
        file.write_text(f"""
[[channel]]
name = "mail"
kind = "http"
carries = ["EMAIL"]
demo = true
url = "{mail.url}/v1/form"
inside = true
encoding = "form"
accepted = "SENT"
body = {{ To = "{{to}}", Body = "{{text}} [{{language}}]", Ref = "{{id}}" }}
""")
        runtime = through(run.hub, file)
        await run.land([reachable(people.resident_number(), "a@example.org", "en")])
        await automatic.run(runtime, Policies(), run.hub.hub_id, clock.now())
        await work(run, runtime)
    (form,) = mail.taken
    (notice,) = await run.notices()
    assert (form["To"], form["Ref"]) == (["a@example.org"], [notice["notice_id"]])
    assert str(form["Body"]).endswith("[en]']")
    assert notice["state"] == "SENT"


async def test_of_a_demo_hub_nothing_leaves_by_a_gateway_of_real_travellers(
    hub: Hub, sms: Gateway, tmp_path: Path
) -> None:
    drill = await open_hub(hub.runtime, hub.service, HubMode.DEMO)
    file = sms.written(tmp_path)
    file.write_text(file.read_text().replace("demo = true\n", ""))
    run, runtime = await announced(drill), through(hub, file)
    await ordered(run, runtime, *numbers(2))
    await work(run, runtime)
    assert (len(run.lines()), sms.taken) == (2, [])


async def test_messages_of_a_channel_that_is_no_more_end_and_can_be_ordered_again(
    run: Run, sms: Gateway, tmp_path: Path
) -> None:
    runtime = through(run.hub, sms.written(tmp_path))
    await ordered(run, runtime, *numbers(2))
    await run.work()  # the file was taken away, and the service started again
    (notice, _) = await run.notices()
    assert (notice["state"], notice["evidence"][-1]["code"]) == ("FAILED", "no-channel")  # type: ignore[index]
    await run.order()
    await run.work()
    assert await run.states() == ["HANDED"] * 2


async def test_a_secret_that_cannot_be_read_is_seen_by_whoever_looks(
    runtime: Runtime, sms: Gateway, tmp_path: Path
) -> None:
    file = sms.written(tmp_path)
    (tmp_path / "sms.token").unlink()
    settings = runtime.settings.model_copy(update={"channels_file": file})
    (finding,) = doctor._gateways(settings)
    assert (finding.found, finding.well) == ("secret-unreadable", False)
    own = dataclasses.replace(runtime, settings=settings)
    async with served(own) as service:
        hub = await open_hub(own, service)
        run = await announced(hub)
        await run.land([reachable(people.resident_number())])
        await run.order()
        await work(run, own)
        told = (await hub.client().get("/v1/channels")).json()["channels"]
    by_name = {one["channel"]: one for one in told}
    assert by_name["sms"]["carries"] == ["PHONE"]
    assert by_name["file"]["carries"] == ["EMAIL", "APP"]
    assert (by_name["sms"]["working"], by_name["sms"]["code"]) == (False, "secret-unreadable")
    (tmp_path / "sms.token").write_text(TOKEN)
    await work(run, own, 2 * MINUTE)  # and is used as soon as it is there
    assert len(sms.taken) == 1


GOOD = Gateway("https://gateway.example")


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ('name = "sms"', 'name = "file"', "none is 'file'"),
        ('carries = ["PHONE"]', "carries = []", "carries"),
        ('carries = ["PHONE"]', 'carries = ["PIGEON"]', "carries"),
        ("{{id}}".format(), "{person}", "person"),
        ('"{messages}"', '"all of them"', "{messages}"),
        ("together = 50", "together = 1", "together"),
        ("https://", "gopher://", "url"),
        ("https://", "https://user:secret@", "url"),
        ('id = "/reference"', "", "ask needs"),
        ('delivered = "DELIVERED"', 'delivered = "READ"', "states"),
        ("[[channel]]", "[[channel", "channels.toml"),
        ("within_s = 0.4", "within_s = 40", "within_s"),
    ],
)
def test_a_file_that_cannot_be_meant_so_is_refused_with_its_place(
    runtime: Runtime, tmp_path: Path, old: str, new: str, fault: str
) -> None:
    file = GOOD.written(tmp_path)
    settings = runtime.settings.model_copy(update={"channels_file": file})
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))
    with pytest.raises(InvalidFile, match=fault) as refusal:
        routing.of(settings)
    assert "secret" not in str(refusal.value)


def test_two_channels_for_one_kind_of_address_are_refused(
    runtime: Runtime, tmp_path: Path
) -> None:
    file = GOOD.written(tmp_path, ask=False)
    file.write_text(file.read_text() + file.read_text().replace('"sms"', '"other"'))
    with pytest.raises(InvalidFile, match="the same kind"):
        routing.of(runtime.settings.model_copy(update={"channels_file": file}))
