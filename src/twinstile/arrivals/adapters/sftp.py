"""Files on a department's SFTP server, by the same rules as in a folder of ours.

The server's key is pinned: who shows another one is not talked to. Nothing of the account this
service runs under (its SSH configuration, keys, agent) is used.
"""

import asyncio
import contextlib
import datetime as dt
import math
import socket
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from typing import Annotated, Final, Literal, Self, TypeVar, cast

import asyncssh
from pydantic import AfterValidator, Field, model_validator

from twinstile.arrivals.adapters.drop import DropSettings, EntryKind, FileDrop, FileEntry
from twinstile.arrivals.transport import FeedFault, FilePath, secret

T = TypeVar("T")

CONNECT_S: Final = 5.0
REASONS: Final[tuple[tuple[type[Exception], str], ...]] = (
    (asyncssh.HostKeyNotVerifiable, "host-key-refused"),
    (asyncssh.PermissionDenied, "unauthorised"),
    (asyncssh.SFTPPermissionDenied, "permission-denied"),
    (asyncssh.SFTPNoSuchFile, "folder-missing"),
    (asyncssh.SFTPNoSuchPath, "folder-missing"),
    (asyncssh.SFTPNoSpaceOnFilesystem, "disk-full"),
    (asyncssh.SFTPQuotaExceeded, "disk-full"),
    (asyncssh.SFTPConnectionLost, "connection-lost"),
    (asyncssh.SFTPNoConnection, "connection-lost"),
    (asyncssh.SFTPError, "io-error"),
    (asyncssh.ConnectionLost, "connection-lost"),
    (asyncssh.Error, "call-failed"),
    (socket.gaierror, "name-unknown"),
    (TimeoutError, "timeout"),
    (OSError, "connect-failed"),
)
_GONE: Final = (asyncssh.SFTPNoSuchFile, asyncssh.SFTPNoSuchPath)


def _host_key(text: str) -> str:
    try:
        asyncssh.import_public_key(text)
    except asyncssh.KeyImportError:
        raise ValueError("a public key as OpenSSH writes it") from None
    return text


HostKey = Annotated[str, Field(max_length=2000), AfterValidator(_host_key)]


class SftpSettings(DropSettings):
    kind: Literal["sftp"]
    host: str = Field(pattern=r"^[A-Za-z0-9.:-]{1,253}$")
    port: int = Field(default=22, ge=1, le=65535)
    host_keys: tuple[HostKey, ...] = Field(min_length=1, max_length=5)
    """The server's public keys (`ssh-keyscan`, compared with what the department tells)."""
    username: str = Field(min_length=1, max_length=64)
    password_file: FilePath | None = None
    key_file: FilePath | None = None
    path: str = Field(default=".", min_length=1, max_length=500)

    @model_validator(mode="after")
    def _one_credential(self) -> Self:
        if (self.password_file is None) == (self.key_file is None):
            raise ValueError("one of password_file and key_file")
        return self

    def open(self) -> FileDrop:
        """Raises `FeedFault` where a file of a secret cannot be used."""
        password = key = None
        try:
            if self.password_file is not None:
                password = secret(self.password_file).decode()
            if self.key_file is not None:
                key = asyncssh.import_private_key(secret(self.key_file))
        except (asyncssh.KeyImportError, asyncssh.KeyEncryptionError, UnicodeDecodeError):
            raise FeedFault("secret-unreadable") from None
        return FileDrop(_Server(self, password, key), self)


class _Server:
    """A `FileStore`. A connection is made when it is needed, and again when it was lost."""

    def __init__(
        self, settings: SftpSettings, password: str | None, key: asyncssh.SSHKey | None
    ) -> None:
        self._settings = settings
        self._password = password
        self._key = key
        self._connection: asyncssh.SSHClientConnection | None = None
        self._client: asyncssh.SFTPClient | None = None

    async def prepare(self, folders: Sequence[str]) -> None:
        async def work(sftp: asyncssh.SFTPClient) -> None:
            for folder in folders:
                found = await _look(sftp, self._at(folder))
                if found is None:
                    await sftp.mkdir(self._at(folder))
                elif found.kind is not EntryKind.FOLDER:
                    raise FeedFault("permission-denied")

        await self._run(work)

    async def entries(
        self, folder: str, most: int, before: float = math.inf
    ) -> list[FileEntry]:
        async def work(sftp: asyncssh.SFTPClient) -> list[FileEntry]:
            found: list[FileEntry] = []
            names = cast("AsyncGenerator[asyncssh.SFTPName]", sftp.scandir(self._at(folder)))
            async with contextlib.aclosing(names):
                async for one in names:
                    entry = _entry(str(one.filename), one.attrs)
                    if entry.name not in {".", ".."} and entry.changed < before:
                        found.append(entry)
                    if len(found) == most:
                        break
            return found

        return await self._run(work)

    async def look(self, path: str) -> FileEntry | None:
        return await self._run(lambda sftp: _look(sftp, self._at(path)))

    async def read(self, path: str, most: int) -> bytes | None:
        async def work(sftp: asyncssh.SFTPClient) -> bytes | None:
            before = await _look(sftp, self._at(path))
            if before is None or before.kind is not EntryKind.FILE:
                return None
            async with sftp.open(self._at(path), "rb") as file:
                content = cast("bytes", await file.read(min(before.size, most) + 1))
            return content if await _look(sftp, self._at(path)) == before else None

        return await self._run(work)

    async def move(self, path: str, to: str) -> bool:
        async def work(sftp: asyncssh.SFTPClient) -> bool:
            try:
                await sftp.rename(self._at(path), self._at(to))
            except _GONE:
                return False
            return True

        return await self._run(work)

    async def write(self, path: str, content: bytes) -> None:
        async def work(sftp: asyncssh.SFTPClient) -> None:
            async with sftp.open(self._at(path), "wb") as file:
                await file.write(content)

        await self._run(work)

    async def touch(self, path: str, at: dt.datetime) -> None:
        times = (int(at.timestamp()), int(at.timestamp()))

        async def work(sftp: asyncssh.SFTPClient) -> None:
            found = await _look(sftp, self._at(path))
            if found is not None and found.kind is EntryKind.FILE:  # a link leads elsewhere
                await sftp.utime(self._at(path), times)

        await self._run(work)

    async def remove(self, path: str) -> None:
        await self._run(lambda sftp: sftp.remove(self._at(path)))

    async def close(self) -> None:
        if self._connection is not None:
            self._connection.abort()
            await self._connection.wait_closed()
        self._connection = self._client = None

    def _at(self, path: str) -> str:
        return f"{self._settings.path.rstrip('/')}/{path}" if path else self._settings.path

    async def _run(self, work: Callable[[asyncssh.SFTPClient], Awaitable[T]]) -> T:
        """Do it on the connection, within its time. Raises `FeedFault`."""
        try:
            async with asyncio.timeout(self._settings.within_s):
                return await work(self._client or await self._connect())
        except FeedFault:
            raise
        except (asyncssh.Error, OSError) as error:
            reason = _reason(error)
            if not isinstance(error, asyncssh.SFTPError) or reason == "connection-lost":
                await self.close()
            raise FeedFault(reason) from None

    async def _connect(self) -> asyncssh.SFTPClient:
        settings = self._settings
        await self.close()
        known = [asyncssh.import_public_key(one) for one in settings.host_keys]
        self._connection = await asyncssh.connect(
            settings.host,
            settings.port,
            known_hosts=(known, [], []),
            username=settings.username,
            password=self._password,
            client_keys=[self._key] if self._key else None,
            agent_path=None,
            config=None,
            connect_timeout=min(CONNECT_S, settings.within_s),
            login_timeout=settings.within_s,
        )
        self._client = await self._connection.start_sftp_client(path_errors="surrogateescape")
        return self._client


def _reason(error: Exception) -> str:
    return next(word for kind, word in REASONS if isinstance(error, kind))


async def _look(sftp: asyncssh.SFTPClient, path: str) -> FileEntry | None:
    try:
        return _entry(path.rpartition("/")[2], await sftp.lstat(path))
    except _GONE:
        return None


def _entry(name: str, attributes: asyncssh.SFTPAttrs) -> FileEntry:
    mode, size = attributes.permissions or 0, attributes.size or 0
    return FileEntry.of_mode(name, mode, size, attributes.mtime or 0)
