"""The vault and its end: after the due day nothing tells who was here."""

import subprocess
from datetime import date, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import module_database
import people
import pytest
from hubs import Hub

from twinstile.identity import extended_retention, retention, vault
from twinstile.identity.types import Document, DocumentHolder, DocumentKind
from twinstile.identity.vault import Identity
from twinstile.operations.startup import DatabaseTarget
from twinstile.platform.db.database import Database
from twinstile.platform.db.postgres_binaries import binaries
from twinstile.platform.keys.data_keys import KeyDestroyed, KeyFiles, KeyUnavailable
from twinstile.platform.keys.master_keys import SuppliedMasters
from twinstile.platform.ops import clock
from twinstile.platform.security.roles import Role

RETENTION_DAYS = 14
place, runtime, service = (
    module_database.place,
    module_database.runtime,
    module_database.service,
)
"""The whole database is dumped: with the hubs of all other tests it is large."""


async def screen(hub: Hub, number: str, name: str, counter: int = 1) -> people.Json:
    identity = {"document": people.document(number, name=name), "result": "MATCH"}
    answer = await hub.client().put(
        f"/v1/checks/{people.new_id()}", json=people.check(counter, identity=identity)
    )
    assert answer.status_code == 201
    told: people.Json = answer.json()
    return told


async def test_who_was_met_without_a_name_has_the_first_that_is_told(hub: Hub) -> None:
    number, today = people.resident_number(), clock.now().date()
    keys = hub.runtime.keys.of(hub.hub_id)

    async def met(*names: str | None) -> Identity:
        document = Document(DocumentKind.RESIDENT_ID, number, None)
        told = [Identity(document, DocumentHolder(name, None, None)) for name in names]
        async with hub.runtime.database.transaction() as tx:
            ids = await vault.recognise(tx, keys, hub.hub_id, today, told)
            assert len(set(ids)) == 1
            return await vault.reveal(tx, keys, hub.hub_id, ids[0])

    assert (await met(None)).holder.name is None
    assert (await met(None, "王一", None, "王二")).holder.name == "王一"
    assert (await met("王三")).holder.name == "王一"
    assert (await met(None)).holder.name == "王一"


async def test_a_patient_who_was_met_without_a_name_has_one(hub: Hub) -> None:
    number = people.resident_number()
    bare = {"document": {"kind": "RESIDENT_ID", "number": number}, "result": "MATCH"}
    first = people.check(1, identity=bare)
    assert (await hub.client().put(f"/v1/checks/{people.new_id()}", json=first)).is_success
    named = {"document": people.document(number, name="李三"), "result": "MATCH"}
    ill = people.check(2, identity=named, emergency="UNCONSCIOUS")
    answer = await hub.client().put(f"/v1/checks/{people.new_id()}", json=ill)
    case_id = answer.json()["case_id"]
    told = await hub.client(Role.MEDIC).post(
        f"/v1/cases/{case_id}/person:reveal", json={"purpose": "TREATMENT"}
    )
    assert told.json()["name"] == "李三"


def dump(hub: Hub) -> str:
    """The whole database as its owner would back it up."""
    url = hub.runtime.database.url.set(drivername="postgresql", username=None)
    host, database = url.query["host"], url.database
    command = [binaries() / "pg_dump", "--inserts", "-h", host, "-U", "postgres", database]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


async def run(hub: Hub, days: int) -> retention.Purge:
    zone = hub.runtime.settings.zone
    return await retention.run(
        hub.runtime.database,
        hub.runtime.keys.of(hub.hub_id),
        hub.hub_id,
        zone,
        RETENTION_DAYS,
        clock.now() + timedelta(days=days),
    )


async def test_the_database_never_holds_a_name_or_a_number_in_clear(hub: Hub) -> None:
    if hub.runtime.database.url.query.get("host") is None:
        pytest.skip("dumps the embedded server only")
    number, name = people.resident_number(), "欧阳金丝雀"
    await screen(hub, number, name)
    await hub.client("device").post(
        "/v1/facts:batch",
        json={
            "sent_at": people.now(),
            "items": [
                {
                    "kind": "check",
                    "id": str(people.new_id()),
                    "counter": 9,
                    "body": people.fact(number, illness="perhaps"),
                }
            ],
        },
    )
    content = dump(hub)
    assert "screening.checked" in content
    assert number not in content
    assert name not in content
    assert number.encode().hex() not in content


async def test_a_day_is_kept_for_its_time_and_then_nothing_is_left(hub: Hub) -> None:
    keys = hub.runtime.keys.of(hub.hub_id)
    today = clock.now().astimezone(hub.runtime.settings.zone).date()
    numbers = [people.resident_number() for _ in range(5)]
    told = [await screen(hub, number, "李娜", n) for n, number in enumerate(numbers, 1)]
    assert await run(hub, RETENTION_DAYS) == retention.Purge(0, 0)
    async with hub.runtime.database.reading() as tx:
        row = await tx.raw.fetchrow(
            "SELECT person_id, cipher FROM vault WHERE hub_id = $1 LIMIT 1", hub.hub_id
        )
        assert row is not None
        who = await vault.reveal(tx, keys, hub.hub_id, row["person_id"])
        assert who.document.number in numbers
    assert await run(hub, RETENTION_DAYS + 1) == retention.Purge(1, 5)
    assert await run(hub, RETENTION_DAYS + 1) == retention.Purge(0, 0)
    assert vault.day_key(today) not in keys.names("day.")
    async with hub.runtime.database.reading() as tx:
        left = await tx.raw.fetchrow("SELECT count(*) FROM vault WHERE hub_id = $1", hub.hub_id)
        assert left is not None
        assert left[0] == 0
    with pytest.raises(KeyDestroyed):
        keys.get_or_create(vault.day_key(today))
    # what is left of the passage says nothing of the person
    whole = await hub.client().get(f"/v1/screenings/{told[0]['screening_id']}")
    assert whole.json()["state"] == "CLEARED"
    assert not any(number in whole.text for number in numbers)


async def test_a_person_of_a_case_outlives_the_day_under_the_key_of_the_case(hub: Hub) -> None:
    number, medic = people.resident_number(), hub.client(Role.MEDIC)
    for counter, method in ((1, "WALK_THROUGH"), (2, "EAR")):
        fever = {"value": 38.6, "method": method}
        answer = await medic.put(
            f"/v1/checks/{people.new_id()}",
            json=people.check(counter, number, temperature=fever),
        )
    case = answer.json()["case_id"]
    assert (await run(hub, RETENTION_DAYS + 1)).people == 1
    why = {"purpose": "TREATMENT"}
    person = await medic.post(f"/v1/cases/{case}/person:reveal", json=why)
    assert person.status_code == 200
    assert number in person.text


async def test_the_same_person_is_recognised_on_a_later_day_of_the_epochs(hub: Hub) -> None:
    keys, number = hub.runtime.keys.of(hub.hub_id), people.resident_number()
    await screen(hub, number, "王芳")
    day = clock.now().astimezone(hub.runtime.settings.zone).date()
    async with hub.runtime.database.transaction() as tx:
        row = await tx.raw.fetchrow("SELECT person_id FROM vault WHERE hub_id=$1", hub.hub_id)
        assert row is not None
        who = await vault.reveal(tx, keys, hub.hub_id, row["person_id"])
        later = day + timedelta(days=vault.EPOCH_DAYS)
        assert vault.epoch_of(later) == vault.epoch_of(day) + 1
        (again,) = await vault.recognise(tx, keys, hub.hub_id, later, [who])
        assert again == row["person_id"]
        much_later = day + timedelta(days=3 * vault.EPOCH_DAYS)
        (stranger,) = await vault.recognise(tx, keys, hub.hub_id, much_later, [who])
        assert stranger != row["person_id"]


@pytest.mark.parametrize("start", [0, 4, 13], ids=lambda day: f"day {day} of its epoch")
async def test_a_person_id_ends_with_the_second_epoch_however_often_it_is_met(
    hub: Hub, start: int
) -> None:
    keys = hub.runtime.keys.of(hub.hub_id)
    document = Document(DocumentKind.PASSPORT, "L898902C3", "UTO")
    begin = date.fromordinal(52_800 * vault.EPOCH_DAYS + start)
    ids: dict[UUID, list[int]] = {}
    for day in (begin + timedelta(days=10 * n) for n in range(8)):
        async with hub.runtime.database.transaction() as tx:
            (met,) = await vault.recognise(
                tx, keys, hub.hub_id, day, [Identity(document, DocumentHolder())]
            )
            assert await vault.find(tx, keys, hub.hub_id, day, document) == met
        ids.setdefault(met, []).append(vault.epoch_of(day))
    assert [epochs[0] for epochs in ids.values()] == [52_800, 52_802, 52_804]
    assert all(epochs[-1] <= epochs[0] + 1 for epochs in ids.values())


async def certified(hub: Hub) -> dict[str, int]:
    """The keys destroyed so far, with how many rows went with each."""
    async with hub.runtime.database.reading() as tx:
        rows = await tx.raw.fetch(
            "SELECT key_id, rows FROM destruction WHERE hub_id = $1", hub.hub_id
        )
    return {row["key_id"]: row["rows"] for row in rows}


@pytest.mark.parametrize(("rows_deleted", "rows_told"), [(False, 1), (True, 0)])
async def test_a_run_that_crashed_is_certified_by_the_next(
    hub: Hub, rows_deleted: bool, rows_told: int
) -> None:
    keys = hub.runtime.keys.of(hub.hub_id)
    await screen(hub, people.resident_number(), "李娜")
    (day,), (epoch,) = keys.names("day."), keys.names("epoch.")
    keys.destroy(day)
    keys.destroy(epoch)
    if rows_deleted:
        async with hub.runtime.database.transaction() as tx:
            await tx.raw.execute("DELETE FROM vault WHERE hub_id = $1", hub.hub_id)
    assert await run(hub, 0) == retention.Purge(1, rows_told)
    assert await certified(hub) == {day: rows_told, epoch: 0}
    assert await run(hub, 0) == retention.Purge(0, 0)


def test_a_destruction_that_was_cut_short_is_not_told_as_done(tmp_path: Path) -> None:
    keys = KeyFiles(tmp_path, SuppliedMasters([bytes(32)]))
    for name in ("day.2026-11-24", "day.2026-11-25"):
        keys.get_or_create(name)
        (tmp_path / f"{name}.gone").touch()
    keys.destroy("day.2026-11-24")
    assert keys.destroyed("day.") == ["day.2026-11-24"]


async def test_a_cipher_moved_to_another_persons_row_does_not_open(
    hub: Hub, place: DatabaseTarget
) -> None:
    keys, day = hub.runtime.keys.of(hub.hub_id), date(2026, 11, 24)
    pair = [
        Identity(Document(DocumentKind.PASSPORT, number, "UTO"), DocumentHolder("EXAMPLE"))
        for number in ("L898902C3", "L898902C4")
    ]
    held = extended_retention.HOLD_SQL.format(hub="$1", held="new")
    case_key = vault.case_key(uuid4())
    async with hub.runtime.database.transaction() as tx:
        ids = await vault.recognise(tx, keys, hub.hub_id, day, pair)
        for person_id, identity in zip(ids, pair, strict=True):
            cipher = await extended_retention.sealed(
                keys, hub.hub_id, case_key, person_id, identity
            )
            await tx.raw.execute(
                "WITH new AS (SELECT $4 AS key_id, $2::uuid AS person_id,"
                f" now() AS held_at, $3::bytea AS cipher) {held}",
                hub.hub_id,
                person_id,
                cipher,
                case_key,
            )
            assert (
                await extended_retention.reveal(tx, keys, hub.hub_id, case_key, person_id)
                in pair
            )
    owner = Database(place.owner_url, pool_size=1)
    async with owner.transaction() as tx:
        for table in ("vault", "vault_held"):
            await tx.raw.execute(
                f"UPDATE {table} mine SET cipher = other.cipher FROM {table} other"
                " WHERE mine.hub_id = $1 AND other.hub_id = $1"
                " AND mine.person_id <> other.person_id",
                hub.hub_id,
            )
    await owner.close()
    async with hub.runtime.database.reading() as tx:
        for person_id in ids:
            with pytest.raises(KeyUnavailable):
                await vault.reveal(tx, keys, hub.hub_id, person_id)
            with pytest.raises(KeyUnavailable):
                await extended_retention.reveal(tx, keys, hub.hub_id, case_key, person_id)


def test_a_key_file_is_readable_by_its_owner_only(hub: Hub, tmp_path: Path) -> None:
    folder = hub.runtime.settings.data_path / "keys"
    keys = list(folder.rglob("*.key"))
    assert keys
    assert {oct(key.stat().st_mode & 0o777) for key in keys} == {"0o600"}
    assert not tmp_path.samefile(folder)
