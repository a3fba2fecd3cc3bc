"""The command line, run as an operator runs it."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path

import httpx2
import pytest
from command_line import command

PATIENCE_S = 60
DAY_S = 300
COMMAND = [sys.executable, "-m", "twinstile"]


@pytest.fixture(scope="module")
def folder() -> Generator[Path]:
    """A data folder that the account of root's server can pass."""
    with tempfile.TemporaryDirectory(prefix="twinstile-test-") as made:
        Path(made).chmod(0o711)
        yield Path(made) / "data"


def surroundings(folder: Path, **settings: str) -> dict[str, str]:
    plain = {k: v for k, v in os.environ.items() if not k.startswith("TWINSTILE_")}
    return plain | {"TWINSTILE_DATA_DIR": str(folder), "COLUMNS": "100"} | settings


def run(folder: Path, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    return command(folder.parent, *arguments, environment=surroundings(folder, **settings))


def cold(
    folder: Path, *arguments: str, within_s: float = PATIENCE_S, **settings: str
) -> subprocess.CompletedProcess[str]:
    """Run it from nothing, as a shell does."""
    return subprocess.run(
        [*COMMAND, *arguments],
        capture_output=True,
        text=True,
        timeout=within_s,
        check=False,
        cwd=folder.parent,
        env=surroundings(folder, **settings),
    )


@contextmanager
def started(folder: Path, hub_id: str) -> Generator[subprocess.Popen[str]]:
    """A service from its very beginning."""
    child = subprocess.Popen(
        [*COMMAND, "serve", "--port", "0", "--json"],
        stdout=subprocess.PIPE,
        text=True,
        cwd=folder.parent,
        env=surroundings(folder, TWINSTILE_HUB_ID=hub_id),
    )
    assert child.stdout is not None
    with child.stdout:
        try:
            yield child
        finally:
            child.send_signal(signal.SIGTERM)
            child.wait(PATIENCE_S)


@contextmanager
def serving(
    folder: Path, hub_id: str
) -> Generator[tuple[subprocess.Popen[str], dict[str, str]]]:
    """A service, and what it said when it was ready."""
    with started(folder, hub_id) as child:
        assert child.stdout is not None
        yield child, json.loads(child.stdout.readline())


def test_help_names_every_command_and_asks_for_nothing(folder: Path) -> None:
    told = cold(folder, "--help")
    assert told.returncode == 0
    for name in ("serve", "doctor", "enrol-code", "operator", "migrate", "openapi", "demo"):
        assert name in told.stdout


def end_access(folder: Path, login: str, hub: Mapping[str, str]) -> None:
    """End a medic's access, and see that it is told."""
    ended = run(folder, "operator", "disable", login.title(), **hub)
    assert f"{login} gets in no more" in ended.stdout
    listed = json.loads(run(folder, "operator", "list", "--json", **hub).stdout)["operators"]
    on_duty = [(one["login"], one["roles"], one["disabled"]) for one in listed]
    assert on_duty == [("admin", ["administrator"], False), (login, ["medic"], True)]
    assert f"{login} (disabled)" in run(folder, "operator", "list", **hub).stdout
    nobody = run(folder, "operator", "disable", "nobody", **hub)
    assert nobody.stderr == "twinstile: There is no such operator.\n"
    unknown = run(folder, "operator", "list", TWINSTILE_HUB_ID="mistyped")
    assert (nobody.returncode, unknown.returncode) == (1, 1)
    assert "no hub mistyped in the database" in unknown.stderr


@pytest.mark.timeout(240)
def test_the_administrator_is_told_once_and_the_code_lets_one_device_in(folder: Path) -> None:
    hub = {"TWINSTILE_HUB_ID": "first"}
    with serving(folder, "first") as (child, told), httpx2.Client(base_url=told["url"]) as http:
        device = {"code": told["enrolment_code"], "name": "first desk"}
        enrolled = http.post("/v1/devices:enrol", json=device)
        assert enrolled.status_code == 201
        assert http.post("/v1/devices:enrol", json=device).status_code == 401
        device_token = {"Authorization": f"Bearer {enrolled.json()['token']}"}
        admin = {"login": told["login"], "passcode": told["passcode"]}
        shift = http.post("/v1/shifts", json=admin, headers=device_token)
        assert shift.json()["roles"] == ["administrator"]

        added = run(folder, "operator", "add", "li.na", "--role", "medic", "--json", **hub)
        again = run(folder, "operator", "add", "li.na", "--role", "medic", **hub)
        medic = json.loads(added.stdout)
        assert http.post("/v1/shifts", json=medic, headers=device_token).status_code == 201
        assert again.returncode == 1
        assert "taken" in again.stderr
        end_access(folder, "li.na", hub)
        assert http.post("/v1/shifts", json=medic, headers=device_token).status_code == 401
        lane = ("north-1", "--checkpoint", "north", "--kind")
        assert "one of AUTO, " in run(folder, "lane", *lane, "fast", **hub).stderr
        assert run(folder, "lane", *lane, "STAFFED", **hub).returncode == 0
        here = ("--lane", "north-1", "--json")
        code = json.loads(run(folder, "enrol-code", *here, **hub).stdout)["enrolment_code"]
        second = {"code": code, "name": "second desk"}
        assert http.post("/v1/devices:enrol", json=second).json()["lane_id"] == "north-1"
        rules = json.loads(run(folder, "policy", "list", "--json", **hub).stdout)
        shown = run(folder, "policy", "show", rules["in_force"], **hub)
        assert json.loads(shown.stdout)["version"] == rules["in_force"]
        document = folder.parent / "policy.json"
        document.write_text(shown.stdout)
        period = ("--from", "2026-01-01", "--to", "2026-01-02T00:00")
        found = run(folder, "policy", "replay", str(document), *period, "--json", **hub)
        assert json.loads(found.stdout)["checks"] == 0, found.stderr
        table = run(folder, "policy", "replay", str(document), *period, **hub)
        assert table.stdout.startswith("0 checks of 0 passages")
        healthy = run(folder, "doctor", "--json", TWINSTILE_PORT="0", **hub)
        assert json.loads(healthy.stdout)["well"], healthy.stdout
        found = {one["name"]: one["found"] for one in json.loads(healthy.stdout)["findings"]}
        assert len(found) == 18
        assert found["hub"] == "first, entered as PRODUCTION"
    assert child.returncode == 0
    with serving(folder, "first") as (_, told):
        assert told["login"] is None
        assert told["passcode"] is None


def test_the_end_of_the_service_is_the_end_of_its_database(folder: Path) -> None:
    with serving(folder, "second"):
        (pidfile,) = folder.glob("pg*/postmaster.pid")
        postmaster = int(pidfile.read_text().splitlines()[0])
        lost = folder / "keys" / "lost"
        lost.mkdir(mode=0o700)
        (lost / "sign.1.key").touch(mode=0o600)
        for _ in range(2):  # the refusal has entered nothing
            refused = run(folder, "enrol-code", TWINSTILE_HUB_ID="lost")
            assert refused.returncode == 1
            assert "no hub lost in the database" in refused.stderr
        shutil.rmtree(lost)
    with pytest.raises(ProcessLookupError):
        os.kill(postmaster, 0)


def test_being_told_to_renew_before_it_serves_does_not_end_the_service(folder: Path) -> None:
    """As `systemctl reload` right after a start would: a recovery may take minutes."""
    with started(folder, "third") as child:
        until = time.monotonic() + PATIENCE_S
        while not list(folder.glob("pg*/postmaster.pid")) and time.monotonic() < until:
            time.sleep(0.01)
        child.send_signal(signal.SIGHUP)
        assert child.stdout is not None
        assert json.loads(child.stdout.readline())["enrolment_code"]


@pytest.mark.parametrize(
    ("arguments", "settings", "words"),
    [
        (["serve"], {"TWINSTILE_PORT": "seventy"}, "TWINSTILE_PORT"),
        (["migrate"], {"TWINSTILE_DATABASE_URL": "postgresql://u:x9@127.0.0.1:1/d"}, "doctor"),
        (["operator", "add", "x", "--role", "pilot"], {}, "pilot"),
        (["openapi", "nowhere/v1.json", "--check"], {}, "nowhere/v1.json"),
        (["upgrade-database", "--old-programs", "/nowhere"], {}, "in /nowhere"),
    ],
)
def test_a_mistake_ends_in_words(
    folder: Path, arguments: list[str], settings: dict[str, str], words: str
) -> None:
    told = run(folder, *arguments, **settings)
    assert told.returncode != 0
    assert words in told.stderr
    assert "Traceback" not in told.stderr


@pytest.mark.parametrize(
    "words",
    [
        "keys list",
        "keys rotate",
        "audit verify",
        "audit seal",
        "audit key",
        "hold place 20261124-001 --reason x",
        "hold list",
        "operator list",
        "operator disable ann",
        "policy list",
        "sunset --dry-run",
        "sunset --yes-destroy hub",
    ],
)
def test_what_looks_after_a_hub_makes_none_in_a_wrong_folder(
    tmp_path: Path, words: str
) -> None:
    told = run(tmp_path / "wrong", *words.split())
    assert told.returncode == 1
    assert "the service's settings" in told.stderr
    assert not (tmp_path / "wrong").exists()


@pytest.mark.parametrize(
    "words",
    ["serve --port 0", "worker", "migrate", "enrol-code", "operator add x --role medic"],
)
def test_keys_without_their_database_are_not_taken_for_a_new_hub(
    tmp_path: Path, words: str
) -> None:
    keys, audit = tmp_path / "data" / "keys", tmp_path / "roots.jsonl"
    (keys / "hub").mkdir(mode=0o700, parents=True)
    (keys / "hub" / "sign.1.key").touch(mode=0o600)
    audit.touch()
    told = run(tmp_path / "data", *words.split(), TWINSTILE_AUDIT_FILE=str(audit))
    assert (told.returncode, told.stdout) == (1, "")
    for word in (str(keys), str(audit), "twinstile restore", "If a new hub is meant"):
        assert word in told.stderr
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["keys"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
@pytest.mark.parametrize("words", ["audit verify", "keys list"])
def test_an_account_that_may_not_read_the_hub_is_not_told_to_restore(
    tmp_path: Path, words: str
) -> None:
    """As anybody but the service's account is, in front of a folder one may only pass."""
    (tmp_path / "keys").mkdir(mode=0o000)
    told = run(tmp_path, *words.split())
    assert told.returncode == 1
    assert "the service's account" in told.stderr
    assert "restore" not in told.stderr


def test_the_version_is_one_however_it_is_asked_for(tmp_path: Path) -> None:
    told = [run(tmp_path / "data", *words) for words in (["version"], ["--version"])]
    assert {one.stdout for one in told} == {f"{metadata.version('twinstile')}\n"}
    assert {one.returncode for one in told} == {0}


def test_a_port_that_is_taken_is_named_before_anything_is_made(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        told = run(folder.with_name("untouched"), "serve", "--port", str(port))
    assert told.returncode == 1
    assert told.stderr == f"twinstile: 127.0.0.1 port {port}: Address already in use\n"
    assert not folder.with_name("untouched").exists()


def test_the_contract_written_is_the_contract_checked(folder: Path) -> None:
    path = folder.parent / "v1.json"
    assert cold(folder, "openapi", str(path)).returncode == 0
    assert run(folder, "openapi", str(path), "--check").returncode == 0
    document = json.loads(path.read_text())
    del document["paths"]["/livez"]
    document["info"]["title"] = "turnstile"
    path.write_text(json.dumps(document))
    told = run(folder, "openapi", str(path), "--check")
    assert told.returncode == 1
    assert "+ /paths/~1livez" in told.stdout
    assert "~ /info/title" in told.stdout


@pytest.mark.slow  # tests/simulator/test_day.py has such a day beside its own service
@pytest.mark.timeout(DAY_S + 30)
def test_a_rehearsed_day_is_counted_as_planned_and_said_in_one_object(folder: Path) -> None:
    told = cold(
        folder, "demo", "--travellers", "60", "--tablets", "2", "--json", within_s=DAY_S
    )
    assert told.returncode == 0, told.stderr
    result = json.loads(told.stdout)
    assert result["equal"]
    assert result["lost"] == 0
    assert [path.name for path in (folder / "demo").glob("demo-*.json")]
