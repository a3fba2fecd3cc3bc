"""What ends leaves a certificate, reaches partners, and does not come back by a restore."""

import asyncio
import base64
import hashlib
import json
import threading
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import cast
from uuid import UUID

import asyncpg
import fever_cases
import module_database
import people
import pytest
from command_line import command
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hubs import Hub

from twinstile.arrivals import manifests
from twinstile.cases import retention as closed_cases
from twinstile.cases.retention import LegalHold
from twinstile.identity import retention
from twinstile.operations import retention as endings
from twinstile.operations.startup import DatabaseTarget
from twinstile.platform.db.database import Database, Transaction
from twinstile.platform.http.problems import Busy, NotFound
from twinstile.platform.keys import destruction, signing
from twinstile.platform.keys.data_keys import KeyRing
from twinstile.platform.keys.destruction import DestructionReason
from twinstile.platform.ops import clock
from twinstile.platform.security.roles import Role
from twinstile.policy.versions import Policies

place, runtime, service = (
    module_database.place,
    module_database.runtime,
    module_database.service,
)

CASE_KEY = "case.2b0c3f5e-7d41-4a52-9a44-0d9f3c1e6b57"
KEPT = 60
"""Days after closure, as the pack `cn-hub` says."""


async def retain(hub: Hub, days: float) -> int:
    """The retention job of the hub, so many days from now."""
    now = clock.now() + timedelta(days=days)
    return await endings.retain(hub.runtime, Policies(), hub.hub_id, now)


async def a_closed_case(hub: Hub, number: str) -> Mapping[str, str]:
    told = await fever_cases.confirmed(hub, number)
    closed = await fever_cases.move(hub, str(told["case_id"]), "not_fever")
    assert closed.status_code in {200, 201}, closed.text
    return cast("Mapping[str, str]", told)


async def rows(hub: Hub, query: str, *arguments: object) -> list[asyncpg.Record]:
    async with hub.runtime.database.reading() as tx:
        return await tx.raw.fetch(query, hub.hub_id, *arguments)


def certificates(hub: Hub) -> dict[str, destruction.DestructionCertificate]:
    found = destruction.read(hub.runtime.settings.destructions_path, hub.hub_id)
    return {one.word("key_id"): one for one in found}


async def test_the_identity_of_a_case_ends_some_time_after_its_closure(hub: Hub) -> None:
    number = people.resident_number()
    told = await a_closed_case(hub, number)
    open_case = await fever_cases.confirmed(hub, people.resident_number())
    key_id, other = f"case.{told['case_id']}", f"case.{open_case['case_id']}"
    await retain(hub, KEPT - 0.1)
    assert set(hub.runtime.keys.of(hub.hub_id).names("case.")) == {key_id, other}
    assert await retain(hub, KEPT + 0.1) == 1
    assert hub.runtime.keys.of(hub.hub_id).names("case.") == [other]
    held = await rows(hub, "SELECT key_id FROM vault_held WHERE hub_id = $1")
    assert [row[0] for row in held] == [other]
    seen = await fever_cases.reveal(hub, told["case_id"])
    assert seen.status_code == 404, seen.text
    (event,) = await rows(
        hub,
        "SELECT subject_id::text, body FROM event"
        " WHERE hub_id = $1 AND kind = 'subject-destroyed'",
    )
    assert event[0] == told["case_id"]
    assert event[1] == {"key_class": "case", "count": 1}
    assert await retain(hub, KEPT + 0.1) == 0


async def test_a_legal_hold_keeps_the_identity_of_a_case_until_it_is_lifted(hub: Hub) -> None:
    told = await a_closed_case(hub, people.resident_number())

    async def hold(kind: LegalHold) -> None:
        async with hub.runtime.database.transaction() as tx:
            await closed_cases.hold(
                tx, hub.hub_id, told["case_no"], kind, "court order 7", clock.now()
            )

    await hold(LegalHold.PLACED)
    await retain(hub, KEPT + 1)
    assert hub.runtime.keys.of(hub.hub_id).names("case.") == [f"case.{told['case_id']}"]
    await hold(LegalHold.LIFTED)
    assert await retain(hub, KEPT + 1) == 1
    assert hub.runtime.keys.of(hub.hub_id).names("case.") == []


async def test_a_hold_is_not_promised_where_nothing_is_left_to_keep(hub: Hub) -> None:
    told = await a_closed_case(hub, people.resident_number())
    await retain(hub, KEPT + 1)
    with pytest.raises(NotFound, match="nothing can be kept"):
        await endings.hold(
            hub.runtime,
            hub.hub_id,
            told["case_no"],
            LegalHold.PLACED,
            "court order 7",
            clock.now(),
        )
    placed = "SELECT 1 FROM event WHERE hub_id = $1 AND kind = 'case.hold-placed'"
    assert await rows(hub, placed) == []


async def test_a_hold_placed_while_the_job_runs_is_kept(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = await a_closed_case(hub, people.resident_number())
    due = closed_cases.due

    async def slow(*asked: object) -> list[UUID]:
        found = await due(*asked)  # pyright: ignore[reportArgumentType] # passed on
        if isinstance(asked[0], Transaction):
            return found
        await endings.hold(
            hub.runtime,
            hub.hub_id,
            told["case_no"],
            LegalHold.PLACED,
            "court order 7",
            clock.now(),
        )
        return found

    monkeypatch.setattr(closed_cases, "due", slow)
    assert await retain(hub, KEPT + 1) == 1  # the day alone
    assert hub.runtime.keys.of(hub.hub_id).names("case.") == [f"case.{told['case_id']}"]


async def test_what_was_destroyed_is_published_though_the_job_fails_behind_it(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = people.check(1, people.resident_number())
    await hub.client().put(f"/v1/checks/{people.new_id()}", json=body)
    (day,) = hub.runtime.keys.of(hub.hub_id).names("day.")

    async def forget(*_: object) -> None:
        raise Busy

    monkeypatch.setattr(manifests, "delete_expired_entries", forget)
    with pytest.raises(Busy):
        await retain(hub, 15)
    assert day in certificates(hub)


async def test_who_destroys_a_key_holds_up_nobody_while_others_change_keys(hub: Hub) -> None:
    """As a rotation does that asks a slow keeper: it has the folder for many keys."""
    keys = hub.runtime.keys.of(hub.hub_id)
    keys.get_or_create(CASE_KEY)
    taken, others_went_on = threading.Event(), threading.Event()

    def rotate() -> bool:
        with keys._locked():
            taken.set()
            return others_went_on.wait(5)

    rotating = asyncio.create_task(asyncio.to_thread(rotate))
    await asyncio.to_thread(taken.wait)
    destroying = asyncio.create_task(
        retention.destroy(
            hub.runtime.database,
            keys,
            hub.hub_id,
            CASE_KEY,
            DestructionReason.RETENTION,
            clock.now(),
        )
    )
    await asyncio.sleep(0.05)
    others_went_on.set()
    await destroying
    assert await rotating
    assert keys.names("case.") == []


async def test_a_certificate_can_be_checked_by_anybody(hub: Hub, tmp_path: Path) -> None:
    body = people.check(1, people.resident_number())
    await hub.client().put(f"/v1/checks/{people.new_id()}", json=body)
    (day,) = hub.runtime.keys.of(hub.hub_id).names("day.")
    await retain(hub, 15)
    listed = await hub.client(Role.SUPERVISOR).get("/v1/destructions")
    # on some days an epoch of the index ends as well
    ended = [one["key_id"] for one in listed.json()["destructions"]]
    assert [key for key in ended if not key.startswith("epoch.")] == [day]
    read = await hub.client(Role.EPIDEMIOLOGIST).get(f"/v1/destructions/{day}")
    told = read.json()
    assert told["rows"] == {
        "vault": 1,
        "vault_contact": 0,
        "quarantine": 0,
        "vault_held": 0,
        "person_link": 0,
    }
    assert told["reason"] == "RETENTION"
    (event,) = await rows(
        hub,
        "SELECT event_id::text, body FROM event WHERE hub_id = $1 AND kind = 'destroyed'"
        " AND body ->> 'key_class' = 'day'",
    )
    assert event[0] == told["event_id"]
    period = day.removeprefix("day.")
    assert event[1] == {"key_class": "day", "period": period, "count": 1}
    published = certificates(hub)[day]
    assert (published.document, published.signature) == (told["document"], told["signature"])
    file = tmp_path / "certificate.json"
    file.write_bytes(published.line())
    key = ["--key", told["signing_key"]]
    assert command(tmp_path, "destructions", "verify", file, *key).returncode == 0
    other = command(tmp_path, "destructions", "verify", file, "--key", "0" * 16)
    assert "another key" in other.stderr
    missing = await hub.client(Role.SUPERVISOR).get("/v1/destructions/day.1999-01-01")
    assert missing.status_code == 404


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (b'"vault":1', b'"vault":0', "signature"),
        (b'"reason":"RETENTION"', b'"reason":"SUNSET"', "signature"),
        (b'"signing_key":"', b'"signing_key":"0', "not the one"),
        (b'"form":"twinstile', b'"form":"other', "no certificate"),
        (b"{", b"[", "no certificate"),
    ],
)
async def test_an_edited_certificate_is_found(
    hub: Hub, old: bytes, new: bytes, said: str
) -> None:
    body = people.check(1, people.resident_number())
    await hub.client().put(f"/v1/checks/{people.new_id()}", json=body)
    await retain(hub, 15)
    (one,) = (it for key, it in certificates(hub).items() if key.startswith("day."))
    assert old in one.line()
    assert one.fault() is None
    edited = destruction.parse(one.line().replace(old, new, 1))
    fault = "no certificate" if edited is None else edited.fault()
    assert fault is not None
    assert said in fault


async def test_what_a_restore_brings_back_is_destroyed_again(
    hub: Hub, place: DatabaseTarget
) -> None:
    """Keys and rows of before, and a database that knows nothing of the destruction."""
    number, keys = people.resident_number(), hub.runtime.keys.of(hub.hub_id)
    told = await a_closed_case(hub, number)
    folder = hub.runtime.settings.data_path / "keys" / hub.hub_id
    saved = {path: path.read_bytes() for path in folder.glob("*.key")}
    before = {
        table: await rows(hub, f"SELECT * FROM {table} WHERE hub_id = $1")
        for table in ("vault", "vault_held")
    }
    assert await retain(hub, KEPT + 1) == 2
    proofs = certificates(hub)
    assert {"day", "case"} <= {one.word("key_class") for one in proofs.values()}
    for tombstone in folder.glob("*.gone"):
        tombstone.unlink()
    for path, content in saved.items():
        path.write_bytes(content)
    keys._cache.clear()
    owner = Database(place.owner_url, pool_size=1)
    async with owner.transaction() as tx:
        await tx.raw.execute("DELETE FROM destruction WHERE hub_id = $1", hub.hub_id)
        await tx.raw.execute(
            "DELETE FROM event WHERE hub_id = $1 AND kind LIKE '%destroyed'", hub.hub_id
        )
        for table, records in before.items():
            for record in records:
                marks = ", ".join(f"${n}" for n in range(1, len(record) + 1))
                await tx.raw.execute(
                    f"INSERT INTO {table} ({', '.join(record.keys())}) VALUES ({marks})",
                    *record.values(),
                )
    await owner.close()
    back = await fever_cases.reveal(hub, told["case_id"])
    assert number in back.text  # the restore has brought the name back
    now = clock.now()
    assert await endings.replay_destructions(hub.runtime, place.owner_url, now) >= 2
    assert (await fever_cases.reveal(hub, told["case_id"])).status_code == 404
    assert not [name for name in keys.names("") if name in proofs]
    for table in before:
        assert await rows(hub, f"SELECT 1 FROM {table} WHERE hub_id = $1") == []
    assert {k: one.document for k, one in certificates(hub).items()} == {
        k: one.document for k, one in proofs.items()
    }
    listed = await hub.client(Role.SUPERVISOR).get("/v1/destructions")
    assert {one["key_id"] for one in listed.json()["destructions"]} == set(proofs)
    again = await retention.replay(
        hub.runtime.database, keys, hub.hub_id, hub.runtime.settings.destructions_path, now
    )
    assert again == 0


async def test_a_forged_certificate_destroys_nothing(hub: Hub, place: DatabaseTarget) -> None:
    body = people.check(1, people.resident_number())
    await hub.client().put(f"/v1/checks/{people.new_id()}", json=body)
    keys, file = hub.runtime.keys.of(hub.hub_id), hub.runtime.settings.destructions_path
    (day,) = keys.names("day.")
    keys.get_or_create("day.2020-01-01")
    await retention.destroy(
        hub.runtime.database,
        keys,
        hub.hub_id,
        "day.2020-01-01",
        destruction.DestructionReason.RETENTION,
        clock.now(),
    )
    await destruction.publish(hub.runtime.database, hub.hub_id, file)
    forged = certificates(hub)["day.2020-01-01"].line().replace(b"day.2020-01-01", day.encode())
    with file.open("ab") as lines:
        lines.write(forged)
    await endings.replay_destructions(hub.runtime, place.owner_url, clock.now())
    assert keys.names("day.") == [day]


async def test_the_services_role_cannot_have_facts_deleted(
    hub: Hub, place: DatabaseTarget
) -> None:
    """It may enter a certificate of the hub's end; one the hub has not signed ends nothing."""
    body = people.check(1, people.resident_number())
    await hub.client().put(f"/v1/checks/{people.new_id()}", json=body)
    keys = hub.runtime.keys.of(hub.hub_id)
    signing.signer(keys)
    stranger = KeyRing(hub.runtime.settings.data_path / "stranger", hub.runtime.keys.masters)
    async with hub.runtime.database.transaction() as tx:
        await destruction.certify(
            tx,
            stranger.of(hub.hub_id),
            hub.hub_id,
            destruction.HUB,
            {},
            destruction.DestructionReason.SUNSET,
            clock.now(),
        )
    await endings.replay_destructions(hub.runtime, place.owner_url, clock.now())
    assert len(await rows(hub, 'SELECT 1 FROM "check" WHERE hub_id = $1')) == 1


async def test_the_command_lists_what_was_published(hub: Hub, tmp_path: Path) -> None:
    keys = hub.runtime.keys.of(hub.hub_id)
    keys.get_or_create(CASE_KEY)
    await retention.destroy(
        hub.runtime.database,
        keys,
        hub.hub_id,
        CASE_KEY,
        destruction.DestructionReason.SUNSET,
        clock.now(),
    )
    file = hub.runtime.settings.destructions_path
    await destruction.publish(hub.runtime.database, hub.hub_id, file)
    data = hub.runtime.settings.data_path
    told = command(tmp_path, "destructions", "list", "--data-dir", data)
    assert f"{hub.hub_id}  {CASE_KEY}  SUNSET" in told.stdout


async def test_a_certificate_signed_by_a_stranger_destroys_nothing(
    hub: Hub, place: DatabaseTarget
) -> None:
    """Whoever can write the file can sign with a key of their own."""
    body = people.check(1, people.resident_number())
    await hub.client().put(f"/v1/checks/{people.new_id()}", json=body)
    keys, settings = hub.runtime.keys.of(hub.hub_id), hub.runtime.settings
    (day,) = keys.names("day.")
    signing.signer(keys)  # as the sealer makes it, within the first minute
    seed = Ed25519PrivateKey.generate()
    public = seed.public_key().public_bytes_raw()
    for key_id in (day, destruction.HUB):
        said = {
            "form": destruction.FORM,
            "hub_id": hub.hub_id,
            "key_id": key_id,
            "key_class": key_id.partition(".")[0],
            "period": key_id.partition(".")[2],
            "destroyed_at": clock.now().isoformat(),
            "rows": {},
            "event_id": str(people.new_id()),
            "public_key": base64.b64encode(public).decode(),
            "signing_key": hashlib.sha256(public).hexdigest()[:16],
        }
        text = json.dumps(said, sort_keys=True, separators=(",", ":"))
        signature = base64.b64encode(seed.sign(text.encode())).decode()
        forged = destruction.DestructionCertificate(text, signature)
        assert forged.fault() is None
        with settings.destructions_path.open("ab") as lines:
            lines.write(forged.line())
    await endings.replay_destructions(hub.runtime, place.owner_url, clock.now())
    assert keys.names("day.") == [day]
    assert await rows(hub, "SELECT 1 FROM closure WHERE hub_id = $1") == []
