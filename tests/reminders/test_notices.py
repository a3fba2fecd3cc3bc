"""Messages to the people of a run: through HTTP, real files and the worker's own function."""

import asyncio
import stat
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

import access_log_reader
import module_database
import people
import pytest
from hubs import DEVICE, Hub
from people import Json
from reminded_runs import PHONE, Run, announced, reachable, reminders, reminders_of

from twinstile.cli import doctor
from twinstile.operations.startup import DatabaseTarget
from twinstile.platform.ops import clock, observability
from twinstile.platform.ops.settings import Settings
from twinstile.platform.security.roles import Role
from twinstile.reminders import health, sending
from twinstile.reminders.channels import FILE, Channel, ChannelDown, FileChannel
from twinstile.reminders.sending import Outbox
from twinstile.reminders.types import DeliveryOutcome, Message, MessageBatch
from twinstile.screening.types import NoticeState
from twinstile.worker import jobs_of

place, runtime, service = (
    module_database.place,
    module_database.runtime,
    module_database.service,
)

EMAIL = "somebody.kanarienvogel@example.org"
LATER = timedelta(seconds=60)
"""After it a channel's answer counts as lost."""


@pytest.fixture
async def run(hub: Hub) -> Run:
    return await announced(hub)


async def test_a_message_counts_for_its_person_once_a_gateway_has_taken_it(
    hub: Hub, run: Run, logged: Callable[[], str]
) -> None:
    reached, later, nobody = (people.resident_number() for _ in range(3))
    silent = {"entry_id": "none", "document": people.document(nobody), "languages": ["en"]}
    await run.land([reachable(reached, PHONE, "fr", "en-GB"), reachable(later, EMAIL), silent])
    status, told = await run.order()
    assert (status, told) == (200, {"status": "stored", "notices": 2, "unreachable": 1})
    await run.work()
    assert await run.states() == ["HANDED", "HANDED"]
    before = [await run.pass_gate(reached), await run.pass_gate(nobody)]
    assert [reminders(one) for one in before] == [1, 1]

    (file,) = run.files()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(run.folder.stat().st_mode) == 0o700
    lines = {line["channel"]: line for line in run.lines()}
    assert lines["PHONE"]["to"] == "+8613900004711"
    assert lines["EMAIL"]["to"] == EMAIL
    assert (lines["PHONE"]["language"], lines["EMAIL"]["language"]) == ("en", "zh-CN,en")
    assert "G7349" in str(lines["PHONE"]["text"])
    assert "温馨提示" in str(lines["EMAIL"]["text"])
    assert "Please have your document" in str(lines["EMAIL"]["text"])
    assert datetime.fromisoformat(str(lines["EMAIL"]["not_after"])) == run.arrival
    assert lines["EMAIL"]["mode"] == "DEMO"

    file.unlink()  # the gateway takes it
    await run.work()
    assert await run.states() == ["SENT", "SENT"]
    assert [await reminders_of(hub, one) for one in before] == [2, 1]
    assert reminders(await run.pass_gate(later)) == 2
    for one in await run.notices():
        assert [said["state"] for said in one["evidence"]] == ["HANDED", "SENT"]
        assert {said["ref"] for said in one["evidence"]} == {file.name}
    summary = await run.summary()
    assert (summary["expected"], summary["unreachable"]) == (3, 1)
    assert (summary["checked"], summary["complete_222"]) == (3, 2)
    counts = {
        (n["contact"], n["language"], n["state"]): n["notices"] for n in summary["notices"]
    }  # type: ignore[attr-defined]
    assert counts == {("PHONE", "en", "SENT"): 1, ("EMAIL", "zh-CN,en", "SENT"): 1}
    (read,) = await access_log_reader.reads(hub, action="NOTICE")
    assert (read["purpose"], read["rows"], read["fields"]) == ("REMINDER", 2, ["contact"])
    await nothing_tells(hub, run, logged())


async def nothing_tells(hub: Hub, run: Run, log: str) -> None:
    """Neither row, nor answer, nor log has an address in clear."""
    async with hub.runtime.database.reading() as tx:
        for table in ("vault_contact", "notice", "notice_order", "event", "access"):
            rows = await tx.raw.fetch(
                f"SELECT t::text FROM {table} t WHERE hub_id = $1", hub.hub_id
            )
            assert rows, table
            log += "".join(row[0] for row in rows)
    log += str(await run.notices()) + str(await run.summary())
    for secret in ("13900004711", "kanarienvogel"):
        assert secret not in log
        assert secret.encode().hex() not in log


async def test_the_clock_of_the_service_sends(run: Run, place: DatabaseTarget) -> None:
    await run.land([reachable(people.resident_number())])
    await run.order()
    (job,) = (job for job in jobs_of(run.hub.runtime, place) if job.name == "notices")
    await job.work(clock.now())
    assert len(run.lines()) == 1


async def test_an_order_is_harmless_to_send_again(run: Run) -> None:
    await run.land([reachable(people.resident_number()), reachable(people.resident_number())])
    order = people.new_id()
    first = await run.order(order)
    await run.work()
    again = await run.order(order)
    assert (first[1]["status"], again[1]["status"]) == ("stored", "duplicate")
    assert (first[1]["notices"], again[1]["notices"]) == (2, 2)
    status, told = await run.order(order, entry_id="E-1")
    assert (status, told["type"]) == (409, "/problems/id-reused")
    assert (await run.order())[1]["notices"] == 0  # another order, and all have their message
    await run.work()
    assert len(run.lines()) == 2


async def test_many_who_order_at_once_send_everybody_one_message(run: Run) -> None:
    await run.land([reachable(people.resident_number()) for _ in range(5)])
    answers = await asyncio.gather(*(run.order() for _ in range(6)))
    assert {status for status, _ in answers} == {200}
    await asyncio.gather(*(run.work() for _ in range(3)))
    assert len(run.lines()) == 5
    assert await run.states() == ["HANDED"] * 5


async def test_one_traveller_can_be_reminded_alone(run: Run) -> None:
    one, other = people.resident_number(), people.resident_number()
    await run.land([reachable(one), reachable(other, EMAIL)])
    _, told = await run.order(entry_id=f"E-{other[-4:]}")
    assert told == {"status": "stored", "notices": 1, "unreachable": 0}
    await run.work()
    assert [line["to"] for line in run.lines()] == [EMAIL]
    status, told = await run.order(entry_id="of nobody")
    assert (status, told["errors"]) == (
        422,
        [{"pointer": "/entry_id", "code": "unknown-value"}],
    )


@pytest.mark.parametrize("role", [Role.SCREENER, Role.MEDIC, DEVICE])
async def test_not_everybody_may_write_to_a_whole_train(run: Run, role: str) -> None:
    status, _ = await run.order(who=role)
    assert status == 403


async def test_of_a_run_that_has_arrived_nobody_is_reminded(hub: Hub, run: Run) -> None:
    await run.land([reachable(people.resident_number())])
    await run.order()
    await run.work(timedelta(hours=2, seconds=1))  # the worker was away meanwhile
    assert run.files() == []
    (notice,) = await run.notices()
    assert (notice["state"], notice["evidence"][-1]["code"]) == ("FAILED", "too-late")
    await hub.client(Role.SUPERVISOR).post(f"/v1/runs/{run.run_id}:close")
    status, told = await run.order()
    assert (status, told["type"]) == (409, "/problems/conflict")
    missing = await hub.client(Role.SUPERVISOR).put(
        f"/v1/runs/{people.new_id()}/notices/{people.new_id()}", json={"kind": "R1"}
    )
    assert missing.status_code == 404


async def test_whoever_is_no_longer_expected_is_not_written_to(run: Run) -> None:
    stays, leaves = reachable(people.resident_number()), reachable(people.resident_number())
    await run.land([stays, leaves])
    await run.order()
    await run.land([stays], batch=2)
    await run.work()
    assert len(run.lines()) == 1
    assert await run.states() == ["HANDED", "WITHDRAWN"]
    await run.land([stays, leaves], batch=3)  # and comes after all
    assert (await run.order())[1]["notices"] == 1
    await run.work()
    assert len(run.lines()) == 2


async def test_what_nobody_takes_before_arrival_is_taken_back_and_has_failed(
    hub: Hub, run: Run
) -> None:
    number = people.resident_number()
    await run.land([reachable(number)])
    await run.order()
    await run.work()
    channels = (await hub.client().get("/v1/channels")).json()["channels"]
    assert channels[0]["counts"] == {"HANDED": 1}
    assert channels[0]["oldest_handed"] is not None
    await run.work(timedelta(hours=2, seconds=1))
    assert run.files() == []
    assert b"4711" not in b"".join(file.read_bytes() for file in run.folder.iterdir())
    (notice,) = await run.notices(state="FAILED")
    assert notice["evidence"][-1]["code"] == "not-collected"
    await run.work(timedelta(hours=2, seconds=20))
    assert await run.states() == ["FAILED"]
    assert reminders(await run.pass_gate(number)) == 1
    await run.work(timedelta(hours=80))
    assert list(run.folder.iterdir()) == [] or all(
        file.stat().st_mtime > (clock.now() - timedelta(hours=25)).timestamp()
        for file in run.folder.iterdir()
    )


@dataclass(slots=True)
class Scripted:
    """A channel that does as it is told; what the world got is in `sent`."""

    act: Callable[[Sequence[Message]], Mapping[UUID, DeliveryOutcome]]
    answers: Callable[[Sequence[UUID]], Mapping[UUID, DeliveryOutcome]] = lambda _: {}
    sent: list[UUID] = field(default_factory=list[UUID])
    at_once: int = 100
    asked_every: timedelta = timedelta()
    deadline_s: float = 0.2

    async def send(
        self, batch: MessageBatch, messages: Sequence[Message]
    ) -> Mapping[UUID, DeliveryOutcome]:
        del batch
        told = self.act(messages)
        self.sent += [message.notice_id for message in messages]
        return told

    async def ask(
        self, batch: MessageBatch, notices: Sequence[UUID], at: datetime, *, answered: bool
    ) -> Mapping[UUID, DeliveryOutcome]:
        del batch, at, answered
        return self.answers(notices)


def through(hub: Hub, channel: Channel) -> Outbox:
    return Outbox(hub.runtime, {FILE: channel})


def all_are(
    state: NoticeState,
) -> Callable[[Sequence[Message]], Mapping[UUID, DeliveryOutcome]]:
    return lambda messages: {
        m.notice_id: DeliveryOutcome(state, f"ref-{m.to}") for m in messages
    }


def down(_: Sequence[Message]) -> Mapping[UUID, DeliveryOutcome]:
    raise ChannelDown("provider-away")


def crash(_: Sequence[Message]) -> Mapping[UUID, DeliveryOutcome]:
    raise RuntimeError(PHONE)


async def test_a_provider_that_delivers_is_believed_and_one_that_fails_too(
    hub: Hub, run: Run
) -> None:
    good, bad = people.resident_number(), people.resident_number()
    await run.land([reachable(good), reachable(bad, EMAIL)])
    await run.order()
    channel = Scripted(
        lambda ms: {
            m.notice_id: DeliveryOutcome(
                NoticeState.DELIVERED if m.contact == "PHONE" else NoticeState.FAILED, "p-1"
            )
            for m in ms
        }
    )
    await run.work(out=through(hub, channel))
    assert await run.states() == ["DELIVERED", "FAILED"]
    assert reminders(await run.pass_gate(good)) == 2
    assert reminders(await run.pass_gate(bad)) == 1
    assert (await run.order())[1]["notices"] == 1  # what failed is tried again
    await run.work(out=through(hub, Scripted(all_are(NoticeState.SENT))))
    assert await run.states() == ["DELIVERED", "SENT"]


async def test_a_channel_that_is_down_is_tried_again_and_everybody_can_see_it(
    hub: Hub, run: Run
) -> None:
    await run.land([reachable(people.resident_number())])
    await run.order()
    channel = Scripted(down)
    broken = through(hub, channel)
    for minutes, state in ((0, "WAITING"), (0.5, "WAITING"), (2, "WAITING"), (8, "WAITING")):
        await run.work(timedelta(minutes=minutes), broken)
        assert await run.states() == [state]
    (shown,) = (await hub.client().get("/v1/channels")).json()["channels"]
    assert (shown["working"], shown["failures"], shown["code"]) == (False, 3, "provider-away")
    assert shown["failing_since"] is not None
    assert metric("provider-away", hub) == 3
    await run.work(timedelta(minutes=40), broken)
    (notice,) = await run.notices()
    assert (notice["state"], notice["attempts"]) == ("FAILED", 4)
    assert channel.sent == []
    await run.order()
    await run.work(timedelta(minutes=41), through(hub, Scripted(all_are(NoticeState.SENT))))
    (shown,) = (await hub.client().get("/v1/channels")).json()["channels"]
    assert (shown["working"], shown["code"]) == (True, None)


def metric(code: str, hub: Hub) -> float | None:
    return observability.REGISTRY.get_sample_value(
        "twinstile_channel_faults_total", {"hub": hub.hub_id, "channel": FILE, "code": code}
    )


async def test_a_channel_that_fails_again_and_again_is_let_alone_for_a_while(
    hub: Hub, run: Run
) -> None:
    tried: list[int] = []

    def refuse(messages: Sequence[Message]) -> Mapping[UUID, DeliveryOutcome]:
        tried.append(len(messages))
        return down(messages)

    await run.land([reachable(people.resident_number()) for _ in range(8)])
    await run.order()
    broken = through(hub, Scripted(refuse, at_once=1))
    await run.work(out=broken)
    assert tried == [1] * 5
    await run.work(timedelta(seconds=20), broken)
    assert len(tried) == 5
    await run.work(timedelta(seconds=40), broken)  # one probe
    assert len(tried) == 6
    (shown,) = (await hub.client().get("/v1/channels")).json()["channels"]
    assert shown["paused_until"] is not None


async def test_where_the_answer_was_lost_nobody_is_written_to_twice_by_itself(
    hub: Hub, run: Run, logged: Callable[[], str]
) -> None:
    number = people.resident_number()
    await run.land([reachable(number)])
    await run.order()
    await run.work(out=through(hub, Scripted(crash)))
    assert PHONE not in logged()
    assert await run.states() == ["SENDING"]
    fresh = Scripted(all_are(NoticeState.SENT))
    await run.work(out=through(hub, fresh))
    assert await run.states() == ["SENDING"]
    await run.work(LATER, through(hub, fresh))
    (notice,) = await run.notices(state="UNKNOWN")
    assert notice["evidence"][-1]["code"] == "answer-lost"
    assert reminders(await run.pass_gate(number)) == 1
    assert (await run.order())[1]["notices"] == 0
    await run.work(LATER, through(hub, fresh))
    assert fresh.sent == []
    assert (await run.order(entry_id=f"E-{number[-4:]}"))[1]["notices"] == 1
    await run.work(LATER, through(hub, fresh))
    assert len(fresh.sent) == 1


async def test_a_channel_that_hangs_is_cut_off_and_asked_later(hub: Hub, run: Run) -> None:
    class Hanging(Scripted):
        async def send(
            self, batch: MessageBatch, messages: Sequence[Message]
        ) -> Mapping[UUID, DeliveryOutcome]:
            await asyncio.Event().wait()
            return await super().send(batch, messages)

    await run.land([reachable(people.resident_number())])
    await run.order()
    delivered = DeliveryOutcome(NoticeState.DELIVERED, "p-7")
    channel = Hanging(down, lambda notices: dict.fromkeys(notices, delivered))
    await run.work(out=through(hub, channel))
    assert metric("no-answer", hub) == 1
    await run.work(LATER, through(hub, channel))
    assert await run.states() == ["DELIVERED"]


class Killed(BaseException):
    """The process is gone."""


@pytest.mark.parametrize("moment", ["before", "half", "after"])
async def test_a_worker_killed_in_the_middle_sends_nobody_twice(
    hub: Hub, run: Run, moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before the file is begun, with half of it, and with all of it but no word of that."""
    numbers = [people.resident_number() for _ in range(3)]
    await run.land([reachable(number) for number in numbers])
    await run.order()
    out = sending.outbox(hub.runtime)
    write = FileChannel._write

    def killed(self: FileChannel, batch: MessageBatch, text: str) -> None:
        if moment == "after":
            write(self, batch, text)
        if moment == "half":
            run.folder.mkdir(mode=0o700, parents=True)
            self._draft(batch).write_text(text[:40])
        raise Killed

    monkeypatch.setattr(FileChannel, "_write", killed)
    with pytest.raises(Killed):
        await run.work(out=out)
    monkeypatch.undo()
    assert await run.states() == ["SENDING"] * 3
    await run.work()  # another worker, at once: what is under way is not its business
    assert len(run.lines()) == (3 if moment == "after" else 0)
    await run.work(LATER)
    await run.work(2 * LATER)
    expected = {"before": ("UNKNOWN", 0), "half": ("HANDED", 3), "after": ("HANDED", 3)}
    state, lines = expected[moment]
    assert await run.states() == [state] * 3
    assert len(run.lines()) == lines


async def test_a_disk_that_takes_nothing_is_a_channel_that_is_down(hub: Hub, run: Run) -> None:
    await run.land([reachable(people.resident_number())])
    await run.order()
    run.folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    run.folder.write_text("in the way")
    await run.work()
    assert await run.states() == ["WAITING"]
    (shown,) = (await hub.client().get("/v1/channels")).json()["channels"]
    assert shown["code"] == "storage"
    run.folder.unlink()
    await run.work(LATER)
    assert len(run.lines()) == 1


async def test_a_traveller_who_shows_the_message_has_received_it(hub: Hub, run: Run) -> None:
    number = people.resident_number()
    await run.land([reachable(number)])
    await run.order()
    (waiting,) = await run.notices()
    before = await run.pass_gate(number)
    path = f"/v1/notices/{waiting['notice_id']}/receipt"

    async def say(by: str, who: str = Role.ASSISTANT) -> tuple[int, Json]:
        answer = await hub.client(who).put(path, json={"said_by": by})
        return answer.status_code, answer.json()

    assert (await say("STAFF"))[0] == 409  # nothing was sent yet
    await run.work(out=through(hub, Scripted(crash)))
    await run.work(LATER)
    assert await run.states() == ["UNKNOWN"]
    assert await say("TRAVELLER") == (200, {"status": "stored"})
    assert await say("TRAVELLER") == (200, {"status": "duplicate"})
    assert (await say("STAFF"))[1]["type"] == "/problems/id-reused"
    assert (await say("STAFF", Role.EPIDEMIOLOGIST))[0] == 403
    assert await run.states() == ["RECEIVED"]
    assert await reminders_of(hub, before) == 2
    unknown = await hub.client().put(
        f"/v1/notices/{people.new_id()}/receipt", json={"said_by": "STAFF"}
    )
    assert unknown.status_code == 404


async def test_an_address_ends_with_the_day_it_came(
    hub: Hub, run: Run, place: DatabaseTarget
) -> None:
    await run.land([reachable(people.resident_number())])
    await run.order()
    hub.runtime.keys.of(hub.hub_id).destroy(hub.runtime.keys.of(hub.hub_id).names("day.")[0])
    await run.work()
    (notice,) = await run.notices()
    assert (notice["state"], notice["evidence"][-1]["code"]) == ("FAILED", "contact-destroyed")
    retention = next(job for job in jobs_of(hub.runtime, place) if job.name == "retention")
    await retention.work(clock.now() + timedelta(days=15, hours=1))
    async with hub.runtime.database.reading() as tx:
        for table in ("vault_contact", "notice", "notice_order"):
            left = await tx.raw.fetch(f"SELECT 1 FROM {table} WHERE hub_id = $1", hub.hub_id)
            assert left == [], table


async def test_a_manifest_that_leaves_an_address_out_takes_it_back(run: Run) -> None:
    number = people.resident_number()
    await run.land([reachable(number)])
    await run.land([{"entry_id": "1", "document": people.document(number)}], batch=2)
    assert (await run.order())[1] == {"status": "stored", "notices": 0, "unreachable": 1}


@pytest.mark.parametrize(
    ("channel", "value"),
    [
        ("PHONE", "not a number"),
        ("PHONE", "1234"),
        ("PHONE", "+1234567890123456"),
        ("EMAIL", "nobody"),
        ("EMAIL", "a@b"),
        ("EMAIL", "a b@example.org"),
        ("EMAIL", "a@example.org,b@example.org"),
        ("APP", "short"),
        ("APP", "名字名字名字名字"),
    ],
)
async def test_what_is_no_address_is_refused_and_not_repeated(
    hub: Hub, run: Run, channel: str, value: str
) -> None:
    entry = {
        "entry_id": "1",
        "document": people.document(),
        "contact": {"channel": channel, "value": value, "owner": "SELF"},
    }
    answer = await hub.client(Role.SUPERVISOR).put(
        f"/v1/runs/{run.run_id}/manifest", json={"batch": 1, "entries": [entry]}
    )
    assert answer.status_code == 422
    assert answer.json()["errors"] == [
        {"pointer": "/entries/0/contact/value", "code": "invalid-format"}
    ]
    assert value not in answer.text


async def test_pages_show_every_message_once(run: Run) -> None:
    await run.land([reachable(people.resident_number()) for _ in range(5)])
    await run.order()
    seen: list[object] = []
    cursor: dict[str, str] = {}
    for _ in range(3):
        answer = await run.hub.client().get(
            f"/v1/runs/{run.run_id}/notices", params={"limit": "2", **cursor}
        )
        seen += [one["notice_id"] for one in answer.json()["notices"]]
        cursor = {"cursor": answer.json()["next"]} if answer.json()["next"] else {}
    assert len(seen) == len(set(seen)) == 5
    assert cursor == {}


async def test_the_report_of_a_period_counts_messages_and_why_they_failed(
    hub: Hub, run: Run
) -> None:
    await run.land([reachable(people.resident_number()) for _ in range(2)])
    await run.order()
    await run.work()
    await run.work(timedelta(hours=2, seconds=1))
    broadcast = {
        "kind": "R1",
        "run_id": str(run.run_id),
        "channel": "onboard-broadcast",
        "language": "zh-CN",
        "given_at": people.ago(minutes=30),
        "until": people.ago(minutes=20),
    }
    await hub.client(Role.ASSISTANT).put(f"/v1/reminders/{people.new_id()}", json=broadcast)
    period = {"from": people.ago(hours=1), "to": people.ago(hours=-1)}
    answer = await hub.client(Role.EPIDEMIOLOGIST).get("/v1/reports/reminders", params=period)
    assert answer.status_code == 200, answer.text
    told = answer.json()
    kind = {"kind": "R1", "language": "zh-CN", "count": 1}
    assert told["reminders"] == [{**kind, "channel": "onboard-broadcast"}]
    (row,) = told["notices"]
    assert (row["state"], row["code"], row["count"]) == ("FAILED", "not-collected", 2)
    (shown,) = (await run.summary())["broadcasts"]  # type: ignore[misc]
    assert shown["until"] is not None
    before = {"from": people.ago(hours=3), "to": people.ago(hours=2)}
    answer = await hub.client(Role.EPIDEMIOLOGIST).get("/v1/reports/reminders", params=before)
    assert (answer.json()["reminders"], answer.json()["notices"]) == ([], [])


def at_hub(hub: Hub) -> Settings:
    return hub.runtime.settings.model_copy(update={"hub_id": hub.hub_id})


async def test_the_doctor_says_whether_messages_leave(
    hub: Hub, run: Run, place: DatabaseTarget
) -> None:
    async def finding() -> doctor.Diagnosis:
        found = await doctor._rows(place, at_hub(hub))
        (one,) = [one for one in found if one.name.startswith("messages")]
        return one

    assert (await finding()).well
    await run.land([reachable(people.resident_number()) for _ in range(2)])
    await run.order()
    await run.work(timedelta(minutes=-11))
    assert (await finding()).well  # nothing was due then
    await run.work()
    assert "2 HANDED" in (await finding()).found
    async with hub.runtime.database.transaction() as tx:
        await tx.raw.execute(
            "UPDATE notice SET at = at - interval '11 minutes' WHERE hub_id = $1", hub.hub_id
        )
    assert "outbox" in (await finding()).advice
    async with hub.runtime.database.transaction() as tx:
        await health.note(tx, hub.hub_id, FILE, "storage", clock.now())
    assert "storage" in (await finding()).found


async def test_screens_and_officers_find_their_text_in_both_languages(hub: Hub) -> None:
    told = (await hub.client(DEVICE).get("/v1/reminder-texts")).json()["texts"]
    assert {one["language"] for one in told} == {"en", "zh-CN"}
    assert all("Hub" in one["text"] for one in told)
