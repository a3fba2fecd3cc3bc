"""Files on an SFTP server: asyncssh's own, in this process, on a real socket."""

import contextlib
import gzip
from collections.abc import AsyncGenerator, AsyncIterator
from pathlib import Path
from typing import ClassVar

import asyncssh
import pytest
from folder_sender import drop, poll
from pydantic import ValidationError

from twinstile.arrivals.adapters.sftp import SftpSettings
from twinstile.arrivals.transport import FeedFault

BODY = b"train,date\nG7349,2026-11-20\n"
SERVER_KEY = asyncssh.generate_private_key("ssh-ed25519")
OTHER_KEY = asyncssh.generate_private_key("ssh-ed25519")
OURS = asyncssh.generate_private_key("ssh-ed25519")


def public(key: asyncssh.SSHKey) -> str:
    return key.export_public_key().decode().strip()


class Account(asyncssh.SSHServer):
    """Knows one password and one key."""

    talks: ClassVar[list[asyncssh.SSHServerConnection]]

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self.talks.append(conn)

    def begin_auth(self, username: str) -> bool:
        return bool(username)

    def password_auth_supported(self) -> bool:
        return True

    def validate_password(self, username: str, password: str) -> bool:
        return (username, password) == ("hub", "pass word")

    def public_key_auth_supported(self) -> bool:
        return True

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        return username == "hub" and public(key) == public(OURS)


class Tricks(asyncssh.SFTPServer):
    """Lists names no file system has, and takes nothing away."""

    async def scandir(self, path: bytes) -> AsyncIterator[asyncssh.SFTPName]:
        found = asyncssh.SFTPAttrs(size=1, permissions=0o100600, mtime=1)
        yield asyncssh.SFTPName(b"../../etc/passwd", attrs=found)
        yield asyncssh.SFTPName(b"", attrs=found)
        async for one in super().scandir(path):
            yield one


class Locked(asyncssh.SFTPServer):
    def rename(self, oldpath: bytes, newpath: bytes) -> None:
        raise asyncssh.SFTPPermissionDenied(f"{oldpath!r} stays, {newpath!r} does not come")


class Swapping(asyncssh.SFTPServer):
    """Whatever is opened grows while it is read."""

    def close(self, file_obj: object) -> None:
        super().close(file_obj)
        with contextlib.suppress(AttributeError):
            Path(file_obj.name.decode()).write_bytes(BODY * 2)


@contextlib.asynccontextmanager
async def serving(
    root: Path, kind: type[asyncssh.SFTPServer] = asyncssh.SFTPServer
) -> AsyncIterator[int]:
    def factory(channel: asyncssh.SSHServerChannel[bytes]) -> asyncssh.SFTPServer:
        return kind(channel, chroot=str(root).encode())

    class Here(Account):
        pass

    Here.talks = []

    listening = await asyncssh.listen(
        "127.0.0.1",
        0,
        server_factory=Here,
        server_host_keys=[SERVER_KEY],
        sftp_factory=factory,
    )
    async with listening:
        yield listening.get_port()
    for talk in Here.talks:
        talk.abort()
        await talk.wait_closed()


@pytest.fixture
async def port(tmp_path: Path) -> AsyncGenerator[int]:
    async with serving(tmp_path) as port:
        yield port


@pytest.fixture
def secrets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("secrets")
    (folder / "password").write_text("pass word\n")
    (folder / "key").write_bytes(OURS.export_private_key())
    return folder


def settings(at: int, secrets: Path, **more: object) -> SftpSettings:
    given: dict[str, object] = {
        "kind": "sftp",
        "host": "127.0.0.1",
        "port": at,
        "host_keys": [public(SERVER_KEY)],
        "username": "hub",
        "key_file": secrets / "key",
        "path": "/",
        "ready": "ok",
        "within_s": 5,
    }
    return SftpSettings.model_validate(given | more)


async def test_files_are_taken_by_the_rules_of_a_folder(
    tmp_path: Path, port: int, secrets: Path
) -> None:
    drop(tmp_path, ["a.csv", "a.csv.ok", "half.csv"], BODY)
    drop(tmp_path, ["b.csv.gz", "b.csv.gz.ok"], gzip.compress(BODY))
    drop(tmp_path, ["empty.csv", "empty.csv.ok"], b"")
    drop(tmp_path, ["link.csv.ok", "li\udcffst.csv", "li\udcffst.csv.ok"], BODY)
    (tmp_path / "link.csv").symlink_to("/etc/passwd")
    transport = settings(port, secrets).open()
    polled = await poll(transport)
    assert sorted(polled.names) == ["", "a.csv", "b.csv", "empty.csv", "link.csv"]
    assert polled.bodies == [BODY, BODY]
    assert sorted(polled.refused) == ["bad-name", "empty", "not-a-file"]
    assert (tmp_path / "refused/empty.csv.reason.txt").read_text() == "empty\n"
    assert (tmp_path / "done/a.csv.ok").exists()
    assert (tmp_path / "refused/link.csv").is_symlink()
    assert (await poll(transport, polled.cursor)).fetched == []
    drop(tmp_path, ["a.csv", "a.csv.ok"], BODY * 2)  # the same name with other content
    assert (await poll(transport, polled.cursor)).bodies == [BODY * 2]
    await transport.close()


async def test_what_was_not_finished_comes_again_over_a_new_connection(
    tmp_path: Path, secrets: Path
) -> None:
    drop(tmp_path, ["a.csv", "a.csv.ok"], BODY)
    async with serving(tmp_path) as port:
        transport = settings(port, secrets).open()
        assert (await poll(transport, landing=False)).bodies == [BODY]
    lost = await poll(transport)
    assert lost.fault in {"connection-lost", "connect-failed"}
    await transport.close()
    async with serving(tmp_path) as port:
        transport = settings(port, secrets).open()
        assert (await poll(transport)).bodies == [BODY]
        await transport.close()


async def test_a_password_opens_it_too(tmp_path: Path, port: int, secrets: Path) -> None:
    drop(tmp_path, ["a.csv", "a.csv.ok"], BODY)
    how = {"key_file": None, "password_file": secrets / "password"}
    transport = settings(port, secrets, **how).open()
    assert (await poll(transport)).bodies == [BODY]
    await transport.close()


@pytest.mark.parametrize(
    ("more", "fault"),
    [
        ({"host_keys": [public(OTHER_KEY)]}, "host-key-refused"),
        ({"username": "stranger", "key_file": "other"}, "unauthorised"),
        ({"path": "/away"}, "folder-missing"),
        ({"port": 1}, "connect-failed"),
        ({"host": "sftp.invalid"}, "name-unknown"),
        ({"within_s": 1e-6}, "timeout"),
    ],
)
async def test_a_server_that_is_not_as_it_should_be_is_a_fault(
    port: int, secrets: Path, more: dict[str, object], fault: str
) -> None:
    if more.get("key_file") == "other":
        (secrets / "other").write_bytes(OTHER_KEY.export_private_key())
        more = more | {"key_file": secrets / "other"}
    transport = settings(port, secrets, **more).open()
    polled = await poll(transport)
    await transport.close()
    assert (polled.fetched, polled.fault) == ([], fault)


@pytest.mark.parametrize(
    ("kind", "fault"),
    [(Tricks, "bad-name"), (Locked, "permission-denied"), (Swapping, "changed-while-read")],
)
async def test_a_server_that_plays_tricks_gives_nothing_away(
    tmp_path: Path, secrets: Path, kind: type[asyncssh.SFTPServer], fault: str
) -> None:
    for folder in ("processing", "done", "refused"):
        (tmp_path / folder).mkdir()
    drop(tmp_path, ["a.csv", "a.csv.ok"], BODY)
    async with serving(tmp_path, kind) as port:
        transport = settings(port, secrets).open()
        polled = await poll(transport)
        await transport.close()
    assert polled.fault == fault
    assert polled.bodies == ([BODY] if kind is Tricks else [])


@pytest.mark.parametrize(
    "faulty",
    [
        {"host_keys": []},
        {"host_keys": ["ssh-ed25519 nonsense"]},
        {"host": "-oProxyCommand=x"},
        {"password_file": "/x"},
        {"key_file": None},
        {"password": "secret"},
    ],
)
def test_settings_pin_the_server_and_name_one_credential(
    secrets: Path, faulty: dict[str, object]
) -> None:
    with pytest.raises(ValidationError) as raised:
        settings(22, secrets, **faulty)
    assert "secret" not in str(raised.value)


def test_a_key_nobody_can_read_is_a_fault(secrets: Path) -> None:
    (secrets / "key").write_text("-----BEGIN OPENSSH PRIVATE KEY-----\n")
    with pytest.raises(FeedFault, match="secret-unreadable"):
        settings(22, secrets).open()
