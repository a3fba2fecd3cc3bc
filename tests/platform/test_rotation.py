"""A new master key: under use, through a kill at any point, and from a keeper outside."""

import asyncio
import base64
import itertools
import os
import signal
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path
from uuid import uuid4

import module_database
import people
import pytest
from command_line import ENVIRONMENT, command
from hubs import Hub
from timing import at_once

from twinstile.platform.keys import data_keys, master_keys
from twinstile.platform.keys.data_keys import KeyRing, KeyUnavailable
from twinstile.platform.keys.master_keys import MasterCommand, MasterFiles, MasterUnavailable
from twinstile.platform.security.roles import Role

LEAST_A_MINUTE = 20_000
place, runtime, service = (
    module_database.place,
    module_database.runtime,
    module_database.service,
)
"""All keys of a data folder are rotated: in that of all tests, those of thousands of hubs."""

KMS = """\
#!{python}
import base64, os, sys
from pathlib import Path
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
folder = Path(__file__).parent
with (folder / "asked").open("a") as log:
    log.write(sys.argv[1] + "\\n")
if (folder / "down").exists():
    sys.stderr.write("the KMS is away\\n")
    sys.exit(3)
if sys.argv[1] == "current":
    print((folder / "current").read_text())
    sys.exit()
cipher = AESGCM((folder / ("kms-" + sys.argv[2])).read_bytes())
message = sys.stdin.buffer.read()
if sys.argv[1] == "wrap":
    nonce = os.urandom(12)
    sys.stdout.buffer.write(nonce + cipher.encrypt(nonce, message, b""))
else:
    sys.stdout.buffer.write(cipher.decrypt(message[:12], message[12:], b""))
"""


def program(path: Path, text: str) -> Path:
    path.write_text(text)
    path.chmod(stat.S_IRWXU)
    return path


@pytest.fixture
def kms(tmp_path: Path) -> Path:
    """A program that keeps master keys in a folder of its own, as a wrapper of a KMS would."""
    folder = tmp_path / "kms"
    folder.mkdir()
    for name in ("one", "two"):
        (folder / f"kms-{name}").write_bytes(os.urandom(32))
    (folder / "current").write_text("one")
    return program(folder / "kms", KMS.format(python=sys.executable))


def ring(folder: Path) -> KeyRing:
    """The keys as a process that has just started sees them."""
    return KeyRing(folder, MasterFiles(folder))


async def test_keys_are_rotated_under_load_without_an_error(hub: Hub) -> None:
    """A fever case needs a new key, its person an old one; both go on while masters change."""
    folder = hub.runtime.settings.data_path / "keys"
    medic, stop = hub.client(Role.MEDIC), asyncio.Event()
    cases: list[str] = []
    opened = asyncio.Semaphore(0)
    counter = itertools.count(1)

    async def work() -> None:
        while not stop.is_set():
            number = people.resident_number()
            for method in ("WALK_THROUGH", "EAR"):
                fever = {"value": 38.6, "method": method}
                body = people.check(next(counter), number, temperature=fever)
                told = await medic.put(f"/v1/checks/{people.new_id()}", json=body)
                assert told.status_code == 201, told.text
            cases.append(told.json()["case_id"])
            await read(cases[-1])
            opened.release()

    async def read(case: str) -> None:
        url = f"/v1/cases/{case}/person:reveal"
        seen = await medic.post(url, json={"purpose": "TREATMENT"})
        assert seen.status_code == 200, seen.text

    before = ring(folder).masters.current()
    async with asyncio.TaskGroup() as crew:  # what fails in one ends all
        for _ in range(4):
            crew.create_task(work())
        for _ in range(3):
            for _ in range(3):
                await opened.acquire()
            result = await asyncio.to_thread(ring(folder).rotate)
            assert result.failed == []
        stop.set()
    now = ring(folder).masters.current()
    assert now != before
    assert set(hub.runtime.keys.of(hub.hub_id).masters().values()) == {now}
    assert not (folder / "master.old.key").exists()
    assert len(cases) >= 9
    for files in (hub.runtime.keys.of(hub.hub_id), ring(folder).of(hub.hub_id)):
        files._cache.clear()
        assert all(files.get(f"case.{case}") for case in cases)
    for case in cases:
        await read(case)


ROTATE = """
import sys
from pathlib import Path
from twinstile.platform.keys.data_keys import KeyRing
from twinstile.platform.keys.master_keys import MasterFiles
folder = Path(sys.argv[1])
print("begun", flush=True)
KeyRing(folder, MasterFiles(folder)).rotate()
"""


def rotation(folder: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", ROTATE, folder], stdout=subprocess.PIPE, env=ENVIRONMENT
    )


def test_a_rotation_killed_at_any_point_is_finished_by_the_next(tmp_path: Path) -> None:
    first = ring(tmp_path)
    plain = {f"case.{n:03}": first.of("hub").get_or_create(f"case.{n:03}") for n in range(150)}
    killed = 0
    for delay_ms in range(1, 40, 3):
        running = rotation(tmp_path)
        assert running.stdout is not None
        running.stdout.readline()
        time.sleep(delay_ms / 1000)
        running.send_signal(signal.SIGKILL)
        killed += running.wait() == -signal.SIGKILL
        running.stdout.close()
        now = ring(tmp_path).of("hub")
        assert {name: now.get(name) for name in plain} == plain
    assert killed > 3
    assert ring(tmp_path).rotate().failed == []
    last = ring(tmp_path)
    assert set(last.of("hub").masters().values()) == {last.masters.current()}
    assert not list(tmp_path.rglob("*.new*"))
    assert not (tmp_path / "master.old.key").exists()
    assert {name: last.of("hub").get(name) for name in plain} == plain


@pytest.mark.parametrize(
    "step", ["new written", "old linked", "new in place", "old overwritten"]
)
def test_each_step_of_making_a_master_may_be_the_last(tmp_path: Path, step: str) -> None:
    files = ring(tmp_path)
    key = files.of("hub").get_or_create("day.2026-11-24")
    master, old, new = (tmp_path / f"master{part}.key" for part in ("", ".old", ".new"))
    new.write_bytes(os.urandom(32))
    if step != "new written":
        os.link(master, old)
    if step == "new in place":
        new.replace(master)
    if step == "old overwritten":
        new.unlink()
        old.unlink()
        old.write_bytes(os.urandom(32))
    assert ring(tmp_path).of("hub").get("day.2026-11-24") == key
    assert ring(tmp_path).rotate().failed == []
    assert ring(tmp_path).of("hub").get("day.2026-11-24") == key
    assert [path.name for path in tmp_path.glob("master*")] == ["master.key"]


def test_a_key_that_cannot_be_opened_keeps_the_old_master(tmp_path: Path) -> None:
    files = ring(tmp_path)
    key = files.of("hub").get_or_create("day.2026-11-24")
    files.of("hub").get_or_create("day.2026-11-25")
    broken = tmp_path / "hub" / "day.2026-11-25.key"
    whole = broken.read_bytes()
    broken.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    assert ring(tmp_path).rotate().failed == ["hub/day.2026-11-25"]
    assert (tmp_path / "master.old.key").exists()
    assert ring(tmp_path).of("hub").get("day.2026-11-24") == key
    broken.write_bytes(whole)
    assert ring(tmp_path).rotate() == data_keys.Rewrapped(1, [])
    assert not (tmp_path / "master.old.key").exists()


def test_a_key_destroyed_during_a_rotation_stays_destroyed(tmp_path: Path) -> None:
    files, names = ring(tmp_path), [f"case.{n:03}" for n in range(200)]
    for name in names:
        files.of("hub").get_or_create(name)
    running = rotation(tmp_path)
    assert running.stdout is not None
    running.stdout.readline()
    for name in reversed(names):
        assert files.of("hub").destroy(name)
    assert running.wait() == 0
    running.stdout.close()
    assert files.of("hub").names("") == []
    assert files.of("hub").destroyed("") == names


KILLED = """
import os, signal, sys
from pathlib import Path
from twinstile.platform.keys import data_keys, master_keys
def kill(path, content):
    master_keys.write_synced(path, content)
    os.kill(os.getpid(), signal.SIGKILL)
data_keys.write_synced = kill
folder = Path(sys.argv[1])
data_keys.KeyRing(folder, master_keys.MasterFiles(folder)).rotate()
"""


def test_a_key_is_destroyed_with_the_copy_that_a_killed_rotation_left(tmp_path: Path) -> None:
    hub = ring(tmp_path).of("hub")
    for name in ("case.1", "case.12"):
        hub.get_or_create(name)
    subprocess.run([sys.executable, "-c", KILLED, tmp_path], env=ENVIRONMENT, check=False)
    copies = {path.name.rpartition(".")[0][:-9] for path in (tmp_path / "hub").glob("*.new")}
    assert copies
    for name in sorted(copies):
        assert hub.destroy(name)
    left = sorted(path.name for path in (tmp_path / "hub").iterdir())
    assert [name for name in left if name.endswith(".new")] == []
    assert {name for name in ("case.1", "case.12") if f"{name}.gone" in left} == copies


def test_twenty_thousand_keys_a_minute_are_wrapped_anew(tmp_path: Path) -> None:
    files = ring(tmp_path)
    under = files.masters.current()
    folder = tmp_path / "hub"
    folder.mkdir()
    for n in range(1000):
        wrapped = files.masters.wrap(under, os.urandom(32))
        (folder / f"case.{n}.key").write_bytes(master_keys.Wrapped(under, wrapped).bytes())
    seconds: list[float] = []
    for _ in range(3):
        begun = time.monotonic()
        assert files.rotate() == data_keys.Rewrapped(1000, [])
        seconds.append(time.monotonic() - begun)
    assert 1000 / min(seconds) * 60 >= LEAST_A_MINUTE


def test_a_setting_rotates_by_a_second_key_behind_a_comma(tmp_path: Path) -> None:
    one, two = (base64.b64encode(os.urandom(32)).decode() for _ in range(2))
    before = KeyRing(tmp_path, master_keys.open_masters(one, None, tmp_path))
    key = before.of("hub").get_or_create("day.2026-11-24")
    both = KeyRing(tmp_path, master_keys.open_masters(f"{two},{one}", None, tmp_path))
    assert both.rotate() == data_keys.Rewrapped(1, [])
    after = KeyRing(tmp_path, master_keys.open_masters(two, None, tmp_path))
    assert after.of("hub").get("day.2026-11-24") == key
    with pytest.raises(KeyUnavailable, match="is not there"):
        KeyRing(tmp_path, master_keys.open_masters(one, None, tmp_path)).of("hub").get(
            "day.2026-11-24"
        )


def test_a_kms_wraps_and_its_master_never_comes_here(tmp_path: Path, kms: Path) -> None:
    folder = tmp_path / "keys"
    keys = KeyRing(folder, MasterCommand(str(kms)))
    name = f"case.{uuid4()}"
    key = keys.of("hub").get_or_create(name)
    for path in folder.rglob("*"):
        assert path.is_dir() or (kms.parent / "kms-one").read_bytes() not in path.read_bytes()
        assert path.is_dir() or key not in path.read_bytes()
    (kms.parent / "current").write_text("two")
    keys.of("hub").get_or_create("day.2026-11-24")
    assert set(keys.of("hub").masters().values()) == {"one", "two"}
    assert keys.rotate() == data_keys.Rewrapped(1, [])
    (kms.parent / "kms-one").unlink()
    assert KeyRing(folder, MasterCommand(str(kms))).of("hub").get(name) == key


def test_a_kms_that_is_away_is_not_noticed_for_half_an_hour(
    tmp_path: Path, kms: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = KeyRing(tmp_path / "keys", MasterCommand(str(kms))).of("hub")
    key = keys.get_or_create("day.2026-11-24")
    (kms.parent / "down").touch()
    begun = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: begun + data_keys.REMEMBER_S * 0.9)
    before = set(threading.enumerate())
    assert keys.get("day.2026-11-24") == key
    for asking in set(threading.enumerate()) - before:
        if not isinstance(asking, threading.Timer):  # its own, which may not have begun yet
            asking.join()  # beside the work, and in vain; it must not see the clock jump below
    monkeypatch.setattr(time, "monotonic", lambda: begun + data_keys.REMEMBER_S + 1)
    with pytest.raises(MasterUnavailable):
        keys.get("day.2026-11-24")
    with pytest.raises(MasterUnavailable):
        keys.get_or_create("day.2026-11-25")
    (kms.parent / "down").unlink()
    assert keys.get("day.2026-11-24") == key


def test_an_unwrapped_key_is_asked_for_again_beside_the_work(
    tmp_path: Path, kms: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = KeyRing(tmp_path / "keys", MasterCommand(str(kms))).of("hub")
    keys.get_or_create("day.2026-11-24")
    asked = kms.parent / "asked"
    asked.write_text("")
    begun = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: begun + data_keys.REMEMBER_S * 0.6)
    for _ in range(50):
        keys.get("day.2026-11-24")
    monkeypatch.undo()
    while not asked.read_text():
        time.sleep(0.02)
    assert asked.read_text() == "unwrap\n"
    monkeypatch.setattr(time, "monotonic", lambda: begun + data_keys.REMEMBER_S * 1.2)
    while "case" in keys._cache or keys._cache["day.2026-11-24"].until < begun + 4000:
        time.sleep(0.02)
    keys.get("day.2026-11-24")
    assert asked.read_text() == "unwrap\n"


@pytest.mark.parametrize(
    "script",
    [
        "exit 1",
        "exec cat",  # waits for nothing, says nothing
        "echo 'an id with spaces'",
        "head -c 100000 /dev/zero",
        "yes",
        "sleep 100 & sleep 100",
        "kill -9 $$",
    ],
)
def test_a_command_that_misbehaves_is_refused_in_time(
    tmp_path: Path, script: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(master_keys, "COMMAND_S", 0.5)
    wrapper = program(tmp_path / "wrapper", f"#!/bin/sh\n{script}\n")
    begun = time.monotonic()
    with pytest.raises(MasterUnavailable):
        MasterCommand(f"{wrapper} --with 'two words'")
    assert time.monotonic() - begun < 3


def test_a_kms_that_hangs_is_not_asked_by_everybody(
    tmp_path: Path, kms: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each who asked would wait the whole time, and in a process that serves all with them."""
    monkeypatch.setattr(master_keys, "COMMAND_S", 2.0)
    keys = KeyRing(tmp_path / "keys", MasterCommand(str(kms))).of("hub")
    honest, asked = kms.read_text(), kms.parent / "asked"
    program(kms, f"#!/bin/sh\necho $1 >> {asked}\nexec sleep 100\n")
    asked.write_text("")
    begun = time.monotonic()
    for number in range(5):
        with pytest.raises(MasterUnavailable):
            keys.get_or_create(f"case.{number}")
    assert time.monotonic() - begun < 3.8
    assert len(asked.read_text().split()) == 1
    program(kms, honest)
    rested = time.monotonic() + master_keys.REST_S
    monkeypatch.setattr(time, "monotonic", lambda: rested)
    assert keys.get_or_create("case.1")


async def test_nobody_waits_twice_for_a_key_that_is_slow_to_come(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keeper = master_keys.SuppliedMasters([bytes(32)])
    honest, keys = keeper.wrap, KeyRing(tmp_path / "keys", keeper).of("hub")
    come = threading.Event()

    def slow(master_id: str, key: bytes) -> bytes:
        come.wait(10)
        return honest(master_id, key)

    monkeypatch.setattr(keeper, "wrap", slow)
    try:
        with pytest.raises(MasterUnavailable):
            await keys.obtain("case.1")
        for _ in range(5):
            with pytest.raises(MasterUnavailable):
                await at_once(keys.obtain("case.1"))
    finally:
        come.set()
    made = await asyncio.to_thread(keys.get_or_create, "case.1")  # behind whoever makes it
    assert await keys.obtain("case.1") == made


@pytest.mark.parametrize("line", ["", "  ", "'open", "/nowhere/at/all"])
def test_a_command_that_is_none_is_told(line: str) -> None:
    with pytest.raises(KeyUnavailable):
        MasterCommand(line)


def test_the_commands_list_and_rotate(tmp_path: Path) -> None:
    key = ring(tmp_path / "keys").of("hub").get_or_create("day.2026-11-24")
    listed = command(tmp_path, "keys", "list", "--data-dir", tmp_path)
    assert "hub: living: 1 day" in listed.stdout
    assert command(tmp_path, "keys", "rotate", "--data-dir", tmp_path).returncode == 0
    assert ring(tmp_path / "keys").of("hub").get("day.2026-11-24") == key
    (tmp_path / "keys" / "hub" / "day.2026-11-24.key").write_bytes(b"damaged")
    failed = command(tmp_path, "keys", "rotate", "--data-dir", tmp_path)
    assert failed.returncode == 1
    assert "hub/day.2026-11-24 cannot be opened" in failed.stderr


def test_a_rotation_whose_new_master_was_lost_does_not_erase_the_one_in_use(
    tmp_path: Path,
) -> None:
    """The link to the old master outlived a power cut, the new master's file did not."""
    ring = KeyRing(tmp_path, MasterFiles(tmp_path))
    key = ring.of("hub").get_or_create("day.2026-11-24")
    (tmp_path / "master.old.key").hardlink_to(tmp_path / "master.key")
    ring.rotate()
    again = KeyRing(tmp_path, MasterFiles(tmp_path))
    assert again.of("hub").get("day.2026-11-24") == key
    assert ring.rotate().done == 1
    assert not (tmp_path / "master.old.key").exists()
