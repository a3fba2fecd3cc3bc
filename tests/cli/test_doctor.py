"""The doctor finds what is wrong and changes nothing."""

import os
import socket
import tempfile
from collections.abc import Generator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from twinstile.cli import doctor
from twinstile.cli.findings import Diagnosis
from twinstile.platform.ops import clock
from twinstile.platform.security import tls


def findings(**settings: object) -> dict[str, Diagnosis]:
    return {finding.name: finding for finding in doctor.examine(settings)}


@pytest.fixture(autouse=True)
def without_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("TWINSTILE_DATABASE_URL", raising=False)
    monkeypatch.chdir(tmp_path)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


@pytest.fixture
def open_folder() -> Generator[Path]:
    """One that the account of root's server can pass; pytest's own are closed to it."""
    with tempfile.TemporaryDirectory(prefix="twinstile-test-") as made:
        Path(made).chmod(0o711)
        yield Path(made)


def test_before_the_first_start_all_is_well_and_nothing_is_made(open_folder: Path) -> None:
    folder = open_folder / "data"
    found = findings(data_dir=folder, port=free_port(), backup_dir=open_folder / "backups")
    assert all(finding.well for finding in found.values()), found
    assert list(found) == [
        "python", "settings", "entry rules", "data folder", "keys", "disk", "backup",
        "audit file", "port", "https", "postgresql", "database",
    ]  # fmt: skip
    assert not folder.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="an ordinary account runs the server itself")
def test_a_folder_closed_to_the_account_of_roots_server_is_found(open_folder: Path) -> None:
    closed = open_folder / "closed"
    closed.mkdir(mode=0o700)
    finding = findings(data_dir=closed / "data", port=free_port())["postgresql"]
    assert f"cannot pass {closed}" in finding.found


def test_wrong_settings_end_the_examination_and_show_no_value() -> None:
    found = findings(database_url="postgresql://u:postgres@host/d")
    assert list(found) == ["python", "settings"]
    assert "TWINSTILE_DATABASE_URL" in found["settings"].found
    assert "host" not in found["settings"].found


def test_keys_that_others_can_read_are_found(tmp_path: Path) -> None:
    master = tmp_path / "keys" / "master.key"
    master.parent.mkdir(mode=0o700)
    master.write_bytes(bytes(32))
    master.chmod(0o644)
    finding = findings(data_dir=tmp_path, port=free_port())["keys"]
    assert "master.key is open" in finding.found
    assert "chmod" in finding.advice
    master.chmod(0o600)
    assert findings(data_dir=tmp_path, port=free_port())["keys"].well


def test_keys_without_their_database_are_found(open_folder: Path) -> None:
    assert findings(data_dir=open_folder, port=free_port())["database"].well
    (open_folder / "keys" / "hub").mkdir(mode=0o700, parents=True)
    assert findings(data_dir=open_folder, port=free_port())["database"].well
    (open_folder / "keys" / "hub" / "sign.1.key").touch(mode=0o600)
    finding = findings(data_dir=open_folder, port=free_port())["database"]
    assert "there are keys" in finding.found
    assert "restore" in finding.advice


def test_a_master_key_cut_short_is_found(tmp_path: Path) -> None:
    master = tmp_path / "keys" / "master.key"
    master.parent.mkdir(mode=0o700)
    master.write_bytes(bytes(7))
    master.chmod(0o600)
    assert "32 bytes" in findings(data_dir=tmp_path, port=free_port())["keys"].found


def test_a_port_used_by_something_else_is_found(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        found = findings(data_dir=tmp_path, port=other.getsockname()[1])
    assert not found["port"].well


class Alive(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'{"status":"ok"}')

    def log_message(self, format: str, *args: object) -> None: ...  # noqa: A002 # its name


def test_a_service_of_another_data_folder_is_told_from_our_own(tmp_path: Path) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), Alive) as other:
        Thread(target=other.serve_forever, daemon=True).start()
        place = {"data_dir": tmp_path, "port": other.server_port}
        assert "TWINSTILE_DATA_DIR" in findings(**place)["port"].advice
        (tmp_path / "keys").mkdir(mode=0o700)
        assert findings(**place)["port"].well
        other.shutdown()


def test_a_database_that_does_not_answer_is_found(tmp_path: Path) -> None:
    url = f"postgresql://u:x9y8@127.0.0.1:{free_port()}/d"
    finding = findings(data_dir=tmp_path, port=free_port(), database_url=url)["database"]
    assert "no answer" in finding.found
    assert "x9y8" not in finding.found + finding.advice


def test_the_age_of_the_newest_backup_is_told(tmp_path: Path) -> None:
    to = tmp_path / "backups"
    assert findings(data_dir=tmp_path, port=free_port())["backup"].well
    place = {"data_dir": tmp_path, "port": free_port(), "backup_dir": to}
    (tmp_path / "keys").mkdir(mode=0o700)
    assert "twinstile backup" in findings(**place)["backup"].advice
    for hours, well in ((80, False), (3, True)):
        moment = clock.now() - timedelta(hours=hours)
        made = to / f"twinstile-{moment:%Y%m%dT%H%M%S.%f}Z"
        made.mkdir(parents=True)
        (made / "manifest.json").touch()
        finding = findings(**place)["backup"]
        assert (finding.well, f"{hours} h" in finding.found) == (well, True)


def test_plain_http_for_other_machines_is_told(open_folder: Path) -> None:
    told = {"data_dir": open_folder / "data", "port": free_port()}
    assert findings(**told)["https"].well
    open_to_others = findings(host="0.0.0.0", **told)["https"]
    assert "tls init" in open_to_others.advice
    proxied = findings(host="0.0.0.0", public_url="https://hub.example", **told)
    assert proxied["https"].well


def test_a_certificate_that_ends_soon_is_told(open_folder: Path) -> None:
    told = {"data_dir": open_folder / "data", "port": free_port()}
    folder, names = open_folder / "data" / "tls", tls.parsed(["hub.local"])
    tls.make(folder, "East", names, clock.now())
    fresh = findings(**told)["https"]
    assert fresh.well
    assert "hub.local until " in fresh.found
    assert "this machine alone" in fresh.found
    assert "alone" not in findings(host="0.0.0.0", **told)["https"].found
    tls.renew(folder, names, clock.now() - tls.SERVER_LASTS + timedelta(days=29))
    assert "tls renew" in findings(**told)["https"].advice
    (folder / "server.pem").write_bytes(b"spoiled")
    assert findings(**told)["https"].advice
    for name in ("server.pem", "hub-ca.crt", "hub-ca.key"):
        (folder / name).unlink()
    long_ago = clock.now() - tls.AUTHORITY_LASTS + timedelta(days=90)
    tls.make(folder, "East", names, long_ago)
    tls.renew(folder, names, clock.now())
    assert "new authority" in findings(**told)["https"].advice
