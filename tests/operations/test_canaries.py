"""Destroyed means destroyed: a thousand invented people, and then no trace of them.

They pass the gates through the API, in batches, at the desk, on manifests, kept aside and as
fever cases. When their hub has been closed, everything that is left on the disk is searched:
data files, write-ahead log, dump, base backup, keys, published files and log, in the encodings
text is met in. Then an old backup of database and keys is put back, and searched again.
"""

import asyncio
import shutil
import subprocess
from collections.abc import AsyncGenerator, Callable
from dataclasses import replace
from pathlib import Path
from uuid import UUID, uuid4

import fever_cases
import module_database
import people
import pytest
from disk_traces import needles, owner, scan
from hubs import Hub
from people import Json
from sqlalchemy.engine import make_url

from twinstile.identity import retention, vault
from twinstile.operations import decommission, startup
from twinstile.operations import retention as endings
from twinstile.operations.startup import DatabaseTarget
from twinstile.platform.db import embedded_server
from twinstile.platform.db.database import Database
from twinstile.platform.db.postgres_binaries import binaries
from twinstile.platform.keys.data_keys import KeyDestroyed
from twinstile.platform.ops import clock
from twinstile.platform.security.roles import Role

CANARIES = 1000
PATIENTS = 5
NAME = f"ZQVX{uuid4().hex[:10].upper()}"
"""Every canary's name begins so, hence finding none of it is finding none of them."""
NUMBER = "77010119170707"
"""And every number: born on a day that no other test uses."""
CONTACT = f"canary{uuid4().hex[:12]}@example.org"
"""The address all of those on a manifest share."""
BATCH = 250

runtime, service = module_database.runtime, module_database.service


@pytest.fixture(scope="module")
async def place() -> AsyncGenerator[DatabaseTarget]:
    """A server of their own: everything on its disk is searched, again and again."""
    with embedded_server.temporary() as running:
        made = startup.inside(running)
        await startup.make_database(made)
        yield made


def number(n: int) -> str:
    return people.resident_number(n, born="19170707")


def document(n: int) -> Json:
    return people.document(number(n), name=f"{NAME} 金丝雀 {n:04}")


def identity(n: int) -> Json:
    return {"document": document(n), "result": "MATCH"}


async def program(name: str, url: str, *words: str | Path) -> None:
    """Run a program of PostgreSQL as the owner of the database."""
    parts = make_url(url)
    host = [
        "-h",
        str(parts.query.get("host") or parts.host),
        "-U",
        str(parts.username or "postgres"),
    ]
    await asyncio.to_thread(
        subprocess.run, [binaries() / name, *host, *words], check=True, capture_output=True
    )


async def pass_the_gates(hub: Hub) -> list[UUID]:
    """Let all canaries through; the cases of some of them."""
    counter, medic = iter(range(1, 10_000)), hub.client(Role.MEDIC)
    cases = [
        UUID(str((await fever_cases.confirmed(hub, identity=identity(n)))["case_id"]))
        for n in range(1, PATIENTS + 1)
    ]
    for start in range(PATIENTS + 1, CANARIES + 1, BATCH):
        items = [
            {
                "kind": "check",
                "id": str(people.new_id()),
                "counter": next(counter),
                "body": people.fact(
                    identity=identity(n),
                    # every hundredth is not understood, and so kept aside as it came
                    **({"illness": "perhaps"} if n % 100 == 99 else {}),
                ),
            }
            for n in range(start, min(start + BATCH, CANARIES + 1))
        ]
        told = await hub.client("device").post(
            "/v1/facts:batch", json={"sent_at": people.now(), "items": items}, timeout=60
        )
        assert told.status_code == 200, told.text
        states = {item["status"] for item in told.json()["items"]}
        assert states <= {"stored", "quarantined"}, states
    alone = people.check(1, identity=identity(1))
    assert (await medic.put(f"/v1/checks/{people.new_id()}", json=alone)).status_code == 201
    await on_a_manifest(hub)
    return cases


async def on_a_manifest(hub: Hub) -> None:
    supervisor, run, arrival = hub.client(Role.SUPERVISOR), people.new_id(), people.now()
    parts = {"mode": "RAIL", "service_no": "G1", "service_date": arrival[:10]}
    ends = {"origin": "A", "terminus": "B", "scheduled_arrival": arrival}
    await supervisor.put(f"/v1/runs/{run}", json={**parts, **ends})
    contact = {"channel": "EMAIL", "value": CONTACT, "owner": "OTHER"}
    entries = [
        {"entry_id": str(n), "document": document(n), "contact": contact} for n in range(1, 101)
    ]
    told = await supervisor.put(
        f"/v1/runs/{run}/manifest", json={"batch": 1, "entries": entries}
    )
    assert told.status_code == 200, told.text


@pytest.mark.usefixtures("runtime")
async def test_the_scanner_finds_what_is_there(place: DatabaseTarget, tmp_path: Path) -> None:
    """Planted in each way it is looked for, in a table, in the log before it and in a file."""
    text = f"PLANTED{uuid4().hex}"
    data = Path(await owner(place.owner_url, "SHOW data_directory"))
    for how, needle in needles(text).items():
        (tmp_path / how).write_bytes(b"xx" + needle + b"yy")
        assert any(f" {how} " in hit for hit in scan([tmp_path / how], [text])), how
    await owner(
        place.owner_url,
        f"CREATE TABLE planted AS SELECT '{text}'::text AS t",
        "CHECKPOINT",
    )
    try:
        hits = scan([data], [text])
    finally:
        await owner(place.owner_url, "DROP TABLE planted")
    assert any("/base/" in hit for hit in hits)
    assert any("/pg_wal/" in hit for hit in hits)


async def test_nothing_of_a_thousand_canaries_is_left_after_their_hub(
    hub: Hub, place: DatabaseTarget, tmp_path: Path, logged: Callable[[], str]
) -> None:
    settings, keys = hub.runtime.settings, hub.runtime.keys.of(hub.hub_id)
    cases = await pass_the_gates(hub)
    patient = await fever_cases.reveal(hub, str(cases[0]))
    assert number(1) in patient.text
    name = make_url(place.owner_url).database or ""
    dump, folder = tmp_path / "before.dump", settings.data_path / "keys" / hub.hub_id
    await program("pg_dump", place.owner_url, "-Fc", "-f", dump, name)
    shutil.copytree(folder, tmp_path / "keys")
    async with hub.runtime.database.reading() as tx:
        row = await tx.raw.fetchrow(
            "SELECT count(*), min(person_id::text) FROM vault WHERE hub_id = $1", hub.hub_id
        )
    assert row is not None
    assert row[0] >= CANARIES - CANARIES // 100
    stranger = UUID(row[1])

    places = [settings.data_path, settings.destructions_path, tmp_path / "sunset"]
    assert await search(place.owner_url, tmp_path / "living", name, places) == set()

    certificate = await decommission.run(
        hub.runtime, place, hub.hub_id, tmp_path / "sunset", clock.now(), settle_s=0
    )
    assert certificate.fault() is None
    assert certificate.rows["vault"] == row[0]
    assert certificate.rows["quarantine"] >= 9
    refused = await _refused(hub)
    assert refused == "/problems/hub-closed"
    with pytest.raises(KeyDestroyed):
        keys.get_or_create(vault.case_key(cases[0]))
    assert retention.protecting(keys) == []

    assert await search(place.owner_url, tmp_path / "after", name, places) == set()
    assert not any(needle in logged().encode() for needle in needles(NAME).values())

    restored = f"restored_{uuid4().hex[:8]}"
    await owner(place.owner_url, f"CREATE DATABASE {restored}")
    await program("pg_restore", place.owner_url, "--exit-on-error", "-d", restored, dump)
    shutil.rmtree(folder)
    shutil.copytree(tmp_path / "keys", folder)
    keys._cache.clear()
    try:
        await replay(hub, place, restored, stranger)
        assert await search(place.owner_url, tmp_path / "again", restored, places) == set()
    finally:
        await owner(place.owner_url, f"DROP DATABASE {restored} WITH (FORCE)")


async def replay(hub: Hub, place: DatabaseTarget, restored: str, stranger: UUID) -> None:
    """Open the restored database as a start of the service does."""
    keys = hub.runtime.keys.of(hub.hub_id)
    elsewhere = make_url(hub.runtime.database.url).set(database=restored)
    database = Database(elsewhere.render_as_string(hide_password=False))
    again = replace(hub.runtime, database=database)
    try:
        async with database.reading() as tx:
            back = await vault.reveal(tx, keys, hub.hub_id, stranger)
        assert back.document.number.startswith(NUMBER)  # the backup has raised the dead
        owner_url = make_url(place.owner_url).set(database=restored)
        url = owner_url.render_as_string(hide_password=False)
        assert await endings.replay_destructions(again, url, clock.now()) >= 2 + PATIENTS
        counts = " + ".join(
            f'(SELECT count(*) FROM "{table}" WHERE hub_id = $1)' for table in endings.PURGED
        )
        async with database.reading() as tx:
            left = await tx.raw.fetchrow(
                f"SELECT {counts}, (SELECT count(*) FROM closure WHERE hub_id = $1)",
                hub.hub_id,
            )
        assert left is not None
        assert tuple(left) == (0, 1)
        assert retention.protecting(keys) == []
    finally:
        await database.close()


async def _refused(hub: Hub) -> str:
    hub.runtime.gatekeeper.forget()
    body = people.check(9_999, people.resident_number())
    told = await hub.client().put(f"/v1/checks/{people.new_id()}", json=body)
    assert told.status_code == 403
    return str(told.json()["type"])


async def search(url: str, folder: Path, database: str, places: list[Path]) -> set[str]:
    """Everything that is left on the disk, a dump and a base backup among it."""
    await owner(url, "CHECKPOINT")
    data = Path(await owner(url, "SHOW data_directory"))
    await asyncio.to_thread(folder.mkdir)
    await program("pg_dump", url, "-f", folder / "dump.sql", database)
    await program("pg_basebackup", url, "-D", folder / "base", "-X", "stream", "-c", "fast")
    return await asyncio.to_thread(scan, [data, folder, *places], [NAME, NUMBER, CONTACT])
