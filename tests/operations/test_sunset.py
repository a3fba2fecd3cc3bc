"""The end of a hub: asked for in full, told before, finished after a crash, and counted."""

import asyncio
import csv
import io
import json
import sys
from pathlib import Path
from subprocess import PIPE, CompletedProcess, Popen
from uuid import UUID

import fever_cases
import ledger_reader
import module_database
import people
import pytest
from command_line import ENVIRONMENT, command
from hubs import Hub

from twinstile.cases import retention as closed_cases
from twinstile.cases.retention import LegalHold
from twinstile.cli import doctor
from twinstile.exports import aggregates
from twinstile.identity import retention
from twinstile.operations import decommission
from twinstile.operations import retention as endings
from twinstile.operations.startup import DatabaseTarget
from twinstile.platform.http.problems import Conflict
from twinstile.platform.keys import signing
from twinstile.platform.keys.data_keys import KeyUnavailable
from twinstile.platform.keys.destruction import DestructionCertificate
from twinstile.platform.ledger import signed_roots
from twinstile.platform.ops import clock
from twinstile.platform.ops.settings import Settings
from twinstile.platform.security.roles import Role

place, runtime, service = (
    module_database.place,
    module_database.runtime,
    module_database.service,
)


@pytest.mark.parametrize(
    ("count", "said"),
    [(0, "0"), (1, "*"), (7, "*"), (8, "10"), (12, "10"), (13, "15"), (1002, "1000")],
)
def test_a_small_count_is_hidden_and_any_other_rounded(count: int, said: str) -> None:
    assert aggregates.publishable_count(count) == said


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({"check": 2, "vault": 0, "fever_case": 1}, ["it: 2 check, 1 fever_case"]),
        ({"check": 0}, ["it: none"]),
        ([], ["it: none"]),
        (["20261124-001", "20261124-002"], ["it: 20261124-001, 20261124-002"]),
        (7, ["it: 7"]),
        (0, ["everything else: none"]),
    ],
)
def test_what_was_destroyed_is_told_in_words(value: object, said: list[str]) -> None:
    assert decommission.in_words({"it": value}) == said


@pytest.mark.parametrize("words", [[], ["--yes-destroy", "another"]])
def test_without_the_hubs_own_id_nothing_is_begun(tmp_path: Path, words: list[str]) -> None:
    refused = command(tmp_path, "sunset", "--data-dir", tmp_path / "data", *words)
    assert refused.returncode == 2
    assert "yes-destroy" in refused.stderr
    assert not (tmp_path / "data").exists()


async def test_a_hub_ends_once_whatever_comes_between(
    hub: Hub, place: DatabaseTarget, tmp_path: Path
) -> None:
    runtime, keys = hub.runtime, hub.runtime.keys.of(hub.hub_id)
    for counter in range(1, 10):
        body = people.check(counter, people.resident_number())
        await hub.client().put(f"/v1/checks/{people.new_id()}", json=body)
    await fever_cases.confirmed(hub)
    messages = runtime.settings.outbox_path / hub.hub_id
    messages.parent.mkdir(parents=True, exist_ok=True)
    elsewhere = tmp_path / "gateway"
    elsewhere.mkdir()
    messages.symlink_to(elsewhere)  # as where a gateway has a disk of its own
    (messages / "1.jsonl").write_text("+8613900000000")
    named = runtime.settings.model_copy(update={"hub_id": hub.hub_id})
    planned = await decommission.plan(
        type(runtime)(named, runtime.database, runtime.gatekeeper, runtime.keys)
    )
    assert (planned["vault"], planned["check"], planned["fever_case"]) == (10, 11, 1)
    # as a call that was killed when keys were gone and rows were not
    await retention.close(runtime.database, hub.hub_id, clock.now())
    counts = await decommission._written_counts(
        runtime.database, keys, hub.hub_id, tmp_path / decommission.COUNTS
    )
    await decommission._written_aggregates(
        runtime, hub.hub_id, tmp_path / decommission.AGGREGATES
    )
    await retention.destroy_all(runtime.database, keys, hub.hub_id, clock.now())

    one = await decommission.run(runtime, place, hub.hub_id, tmp_path, clock.now(), settle_s=0)
    assert one.rows == {table: counts[table] for table in endings.PURGED}
    assert one.rows["vault"] == 10
    assert not elsewhere.exists()
    assert one.members["keys_destroyed"] == planned["keys"]
    again = await decommission.run(
        runtime, place, hub.hub_id, tmp_path, clock.now(), settle_s=0
    )
    assert again == one
    read = json.loads((tmp_path / decommission.CERTIFICATE).read_text())
    assert read["key_id"] == "hub"

    text = (tmp_path / decommission.AGGREGATES).read_text("utf-8")
    rows = list(csv.DictReader(io.StringIO(text)))
    month = {row["measure"]: row["count"] for row in rows}
    assert (month["person_times_checked"], month["cases"]) == ("10", "*")
    async with runtime.database.reading() as tx:
        left = await tx.raw.fetchrow(
            'SELECT (SELECT count(*) FROM "check" WHERE hub_id = $1)'
            " + (SELECT count(*) FROM screening WHERE hub_id = $1)"
            " + (SELECT count(*) FROM fever_case WHERE hub_id = $1),"
            " (SELECT count(*) FROM event WHERE hub_id = $1 AND kind = 'destroyed')",
            hub.hub_id,
        )
    assert left is not None
    assert left[0] == 0
    assert left[1] >= 3  # the day, the epoch and the hub


async def test_the_end_of_a_hub_is_in_the_published_ledger(
    hub: Hub, place: DatabaseTarget, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where no service runs any more that would seal it."""
    monkeypatch.setattr(decommission, "SETTLE_S", 0)
    settings = hub.runtime.settings.model_copy(update={"hub_id": hub.hub_id})
    signing.signer(hub.runtime.keys.of(hub.hub_id))
    await decommission._command(settings, place, tmp_path, dry_run=False)
    certificate = json.loads((tmp_path / decommission.CERTIFICATE).read_text())
    found = [root for _, root in signed_roots.read(settings.audit_path, hub.hub_id) if root]
    entries = await ledger_reader.entries(hub.runtime, hub.hub_id)
    assert UUID(certificate["event_id"]) in {event_id for _, event_id, _ in entries}
    assert found[-1].n == len(entries)
    assert signing.verify(certificate["public_key"], found[-1].message(), found[-1].signature)


def asked(hub: Hub, place: DatabaseTarget, folder: Path, *words: str) -> CompletedProcess[str]:
    """A command at a hub of the tests."""
    return command(folder, *words, environment=around(hub, place))


def around(hub: Hub, place: DatabaseTarget) -> dict[str, str]:
    return {
        **ENVIRONMENT,
        "TWINSTILE_PROFILE": "demo",
        "TWINSTILE_HUB_ID": hub.hub_id,
        "TWINSTILE_DATA_DIR": str(hub.runtime.settings.data_path),
        "TWINSTILE_DATABASE_URL": place.owner_url,
    }


async def test_a_legal_hold_stands_against_the_end_of_a_hub(
    hub: Hub, place: DatabaseTarget, tmp_path: Path
) -> None:
    told = await fever_cases.confirmed(hub)
    case_no = str(told["case_no"])

    async def hold(kind: LegalHold) -> None:
        async with hub.runtime.database.transaction() as tx:
            await closed_cases.hold(tx, hub.hub_id, case_no, kind, "court 7", clock.now())

    async def end() -> DestructionCertificate:
        return await decommission.run(
            hub.runtime, place, hub.hub_id, tmp_path, clock.now(), settle_s=0
        )

    assert "under a legal hold: 0" in asked(hub, place, tmp_path, "hold", "list").stdout
    await hold(LegalHold.PLACED)
    words = asked(hub, place, tmp_path, "hold", "list").stdout
    assert words.startswith(f"{case_no}  since 2")
    assert "  court 7\n" in words
    kept = json.loads(asked(hub, place, tmp_path, "hold", "list", "--json").stdout)
    assert [(one["case_no"], one["reason"]) for one in kept["holds"]] == [(case_no, "court 7")]
    with pytest.raises(Conflict, match=case_no):
        await end()
    assert (await fever_cases.reveal(hub, str(told["case_id"]))).status_code == 200
    body = people.check(5, people.resident_number())
    path = f"/v1/checks/{people.new_id()}"
    assert (await hub.client().put(path, json=body)).status_code == 201  # nothing was begun
    await hold(LegalHold.LIFTED)
    assert (await end()).rows["fever_case"] == 1
    refused = asked(hub, place, tmp_path, "enrol-code")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "closed for good" in refused.stderr
    said = await asyncio.to_thread(first_words, hub, place, "--json")
    assert (said["closed"], said["enrolment_code"], said["code_expires_at"]) == (
        True,
        None,
        None,
    )
    health = {one.name: one for one in await doctor._rows(place, ended(hub))}["hub"]
    assert "entered as DEMO, closed for good" in health.found
    assert not health.well


def ended(hub: Hub) -> Settings:
    return hub.runtime.settings.model_copy(update={"hub_id": hub.hub_id})


def first_words(hub: Hub, place: DatabaseTarget, *words: str) -> dict[str, object]:
    """What `serve` says when it is ready; it ends then."""
    with Popen(
        [sys.executable, "-m", "twinstile", "serve", "--port", "0", *words],
        stdout=PIPE,
        text=True,
        env=around(hub, place),
    ) as child:
        assert child.stdout is not None
        try:
            return json.loads(child.stdout.readline())
        finally:
            child.terminate()


async def test_what_another_hub_has_published_is_not_taken_for_ones_own(
    hub: Hub, place: DatabaseTarget, tmp_path: Path
) -> None:
    (tmp_path / decommission.COUNTS).write_text(json.dumps({"hub_id": "another", "keys": 0}))
    (tmp_path / decommission.AGGREGATES).write_text("month,measure,count\n")
    with pytest.raises(Conflict, match="another hub"):
        await decommission.run(
            hub.runtime, place, hub.hub_id, tmp_path, clock.now(), settle_s=0
        )
    assert (await hub.client(Role.SUPERVISOR).get("/v1/me")).status_code == 200


@pytest.mark.parametrize("dry_run", [True, False])
async def test_without_its_keys_no_hub_ends(
    hub: Hub, place: DatabaseTarget, tmp_path: Path, *, dry_run: bool
) -> None:
    """In another data folder keys would live on, and a new key would certify their end."""
    settings = Settings(hub_id=hub.hub_id, data_dir=tmp_path / "elsewhere")
    with pytest.raises(KeyUnavailable, match="nothing was begun"):
        await decommission._command(settings, place, tmp_path, dry_run=dry_run)
    async with hub.runtime.database.reading() as tx:
        closed = await tx.raw.fetch("SELECT 1 FROM closure WHERE hub_id = $1", hub.hub_id)
    assert not closed
    assert not (tmp_path / "elsewhere" / "keys").exists()


async def test_at_a_closed_hub_people_read_and_change_nothing(hub: Hub) -> None:
    await retention.close(hub.runtime.database, hub.hub_id, clock.now())
    hub.runtime.gatekeeper.forget()
    body = people.check(1, people.resident_number())
    path = f"/v1/checks/{people.new_id()}"
    told = (await hub.client().put(path, json=body)).json()
    assert (told["type"], told["stored"], told["retryable"]) == (
        "/problems/hub-closed",
        False,
        False,
    )
    batch = {"sent_at": people.now(), "items": [{}]}
    refused = await hub.client("device").post("/v1/facts:batch", json=batch)
    assert refused.json()["type"] == "/problems/hub-closed"
    for route in ("/v1/me", "/v1/destructions", "/v1/cases"):
        assert (await hub.client(Role.SUPERVISOR).get(route)).status_code == 200
