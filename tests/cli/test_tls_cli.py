"""HTTPS as an operator sets it up: commands, and the service that starts with it."""

import json
import ssl
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest
from command_line import ENVIRONMENT, command

from twinstile.platform.security import tls

PATIENCE_S = 100


@contextmanager
def started(folder: Path, *words: str) -> Generator[dict[str, object]]:
    """A command that goes on, and what it says first."""
    running = subprocess.Popen(
        [sys.executable, "-m", "twinstile", *words, "--json"],
        cwd=folder,
        env=ENVIRONMENT | {"TWINSTILE_PROFILE": "demo"},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert running.stdout is not None
    try:
        yield json.loads(running.stdout.readline())
    finally:
        running.terminate()
        assert running.wait(PATIENCE_S) == 0
        running.stdout.close()


def fetched(url: str, authority: bytes | None = None) -> bytes:
    trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if authority:
        trusting.load_verify_locations(cadata=ssl.DER_cert_to_PEM_cert(authority))
    with urllib.request.urlopen(url, timeout=PATIENCE_S, context=trusting) as answer:
        return answer.read()


def test_what_is_made_is_told_shared_and_renewed(tmp_path: Path) -> None:
    data = ("--data-dir", tmp_path / "data")
    assert "tls init" in command(tmp_path, "tls", "show", *data).stderr
    made = command(tmp_path, "tls", "init", "Hub-East.local", "127.0.0.1", *data, "--json")
    assert made.returncode == 0, made.stderr
    told = json.loads(made.stdout)
    assert told["names"] == ["hub-east.local", "127.0.0.1"]
    again = command(tmp_path, "tls", "init", "other.local", *data)
    assert again.returncode == 1
    assert "tls renew" in again.stderr
    assert command(tmp_path, "tls", "init", "not a name", *data).returncode == 1
    shown = command(tmp_path, "tls", "show", *data).stdout
    assert told["fingerprint"] in shown
    assert "PRIVATE" not in shown
    before = (tmp_path / "data/tls/server.pem").read_bytes()
    renewed = json.loads(command(tmp_path, "tls", "renew", *data, "--json").stdout)
    assert renewed["fingerprint"] == told["fingerprint"]
    assert (tmp_path / "data/tls/server.pem").read_bytes() != before
    where = ("--host", "127.0.0.1", "--port", "0")
    with started(tmp_path, "tls", "share", *where, *map(str, data)) as shared:
        authority = fetched(f"{shared['url']}/hub-ca.crt")
        assert b"PRIVATE" not in fetched(f"{shared['url']}/")
        assert shared["fingerprint"] == told["fingerprint"]
    assert authority == tls.authority(tmp_path / "data/tls").der


@pytest.fixture
def open_folder() -> Generator[Path]:
    """One that the account of root's server can pass; pytest's own are closed to it."""
    with tempfile.TemporaryDirectory(prefix="twinstile-test-") as made:
        Path(made).chmod(0o711)
        yield Path(made)


def test_the_service_serves_with_it_in_one_process_and_in_two(open_folder: Path) -> None:
    data = ("--data-dir", str(open_folder / "data"))
    command(open_folder, "tls", "init", "127.0.0.1", "localhost", *data)
    authority = tls.authority(open_folder / "data/tls").der
    for workers in ("1", "2"):
        with started(
            open_folder, "serve", "--port", "0", "--workers", workers, *data
        ) as service:
            url = str(service["url"])
            assert url.startswith("https://localhost:")
            assert service["addresses"] == [url, url.replace("localhost", "127.0.0.1")]
            assert fetched(f"{url}/readyz", authority) == b'{"status":"ok"}'
