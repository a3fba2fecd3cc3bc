"""Files that others drop: when one may be taken, and where it goes. Over any protocol.

A file is taken by renaming it into `processing/`: from then on its name is free for the next
one and nobody replaces what we read. It is read there, handed over, and moved on to `done/` or
`refused/` once that has been committed. Whatever stands in `processing/` at the beginning of a
poll was not finished by the last one and comes first; that it may come twice is for the
pipeline to see, by its digest.

Senders have signs for a file that is whole: a marker beside it (`x.csv.ok`, or `x.ok`), empty
or with a digest; a manifest with digest and count; or only that it looks the same at two polls.
"""

import datetime as dt
import fnmatch
import hashlib
import json
import math
import re
import stat
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import PurePosixPath
from typing import Annotated, Final, Protocol, cast

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from twinstile.arrivals import transport
from twinstile.arrivals.records import Delivery, UnreadableDelivery
from twinstile.arrivals.transport import (
    MOST_BYTES,
    MOST_DELIVERIES,
    FeedFault,
    FetchedDelivery,
    TransportSettings,
)

WORK: Final = "processing"
DONE: Final = "done"
REFUSED: Final = "refused"
MOST_LISTED: Final = 20_000
MOST_SWEPT: Final = 200
LARGEST_MARKER: Final = 4096
LONGEST_NAME: Final = 200
UNFINISHED: Final = (".tmp", ".part", ".partial", ".filepart", ".crdownload")
"""How programs name what they still write: not ours, as names with a dot in front are not."""
NAMELESS: Final = "bad-name."
"""Before the digest of a name that is not kept."""
_ODD = re.compile(r"[\x00-\x1f\x7f-\x9f/\\\ud800-\udfff\u200e\u200f\u202a-\u202e\u2066-\u2069]")


class ReadySign(StrEnum):
    """How a sender says that a file is whole."""

    OK = "ok"
    MD5 = "md5"
    SHA256 = "sha256"
    SM3 = "sm3"
    MANIFEST = "manifest"  # JSON {"sha256": ..., "rows": ...}
    STABLE = "stable"


DIGESTS: Final = {
    ReadySign.MD5: "md5",
    ReadySign.SHA256: "sha256",
    ReadySign.SM3: "sm3",
    ReadySign.MANIFEST: "sha256",
}


def _computable(ready: ReadySign) -> ReadySign:
    try:
        hashlib.new(DIGESTS.get(ready, "sha256"), usedforsecurity=False)
    except ValueError:
        raise ValueError(f"this machine's OpenSSL has no {ready}") from None
    return ready


class DropSettings(TransportSettings):
    ready: Annotated[ReadySign, AfterValidator(_computable)] = ReadySign.STABLE
    pattern: str = Field(default="*", min_length=1, max_length=100)
    """Of names, as a shell has it; others are left alone."""
    keep_days: int = Field(default=7, ge=0, le=31)
    """Files are removed from `done/` and `refused/` after that long: they hold people."""


class EntryKind(StrEnum):
    FILE = "FILE"
    FOLDER = "FOLDER"
    OTHER = "OTHER"  # links, pipes, devices: never followed, never opened


@dataclass(frozen=True, slots=True)
class FileEntry:
    """A name in a folder as it was listed; `changed` is the other side's clock, in seconds."""

    name: str
    size: int
    changed: float
    kind: EntryKind

    @classmethod
    def of_mode(cls, name: str, mode: int, size: int, changed: float) -> "FileEntry":
        """An entry by the mode POSIX has of it."""
        kind = EntryKind.OTHER
        if stat.S_ISREG(mode):
            kind = EntryKind.FILE
        elif stat.S_ISDIR(mode):
            kind = EntryKind.FOLDER
        return cls(name, size, changed, kind)

    def stamp(self) -> str:
        told = f"{self.name}\0{self.size}\0{self.changed}".encode(errors="surrogateescape")
        return hashlib.blake2b(told, digest_size=8).hexdigest()


class FileStore(Protocol):
    """The little of a file system that is needed. All raise `FeedFault`; paths are relative."""

    async def prepare(self, folders: Sequence[str]) -> None:
        """Make the folders there are not yet."""
        ...

    async def entries(
        self, folder: str, most: int, before: float = math.inf
    ) -> list[FileEntry]:
        """At most so many names, in any order: of those that changed before that moment."""
        ...

    async def read(self, path: str, most: int) -> bytes | None:
        """The content, at most `most` + 1 bytes; None where it changed meanwhile or is gone."""
        ...

    async def move(self, path: str, to: str) -> bool:
        """Rename; false where there is nothing (any more)."""
        ...

    async def look(self, path: str) -> FileEntry | None:
        """What the name is itself, not what it leads to; None where there is nothing."""
        ...

    async def write(self, path: str, content: bytes) -> None: ...

    async def touch(self, path: str, at: dt.datetime) -> None: ...

    async def remove(self, path: str) -> None: ...

    async def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class FetchedFile(FetchedDelivery):
    """A delivery with the names it has in `processing/`."""

    names: tuple[str, ...] = ()


class FileDrop:
    """A `FeedTransport` over a `FileStore`."""

    def __init__(self, store: FileStore, settings: DropSettings) -> None:
        self._store = store
        self._settings = settings
        self._marked = settings.ready is not ReadySign.STABLE

    async def fetch(
        self, cursor: str | None, now: dt.datetime
    ) -> AsyncIterator[FetchedDelivery]:
        await self._store.prepare((WORK, DONE, REFUSED))
        await self._sweep(now)
        working = await self._store.entries(WORK, MOST_LISTED)
        seen = await self._store.entries("", MOST_LISTED)
        fault = "too-many-files" if len(seen) >= MOST_LISTED else None
        if any(_is_impossible(one.name) for one in (*working, *seen)):
            fault = "bad-name"
        begun = {one.name for one in working if not _is_impossible(one.name)}
        takeable, following = self._choose(seen, _stamps(cursor), begun)
        left, told = MOST_DELIVERIES, cursor or ""
        for name in (*self._unmarked(sorted(begun)), *takeable):
            kept = name if name in begun else await self._take(name)
            if not kept:
                continue
            taken = await self._open(kept, following, now)
            if taken is None:
                fault = "changed-while-read"
                continue
            left, told = left - 1, following
            yield taken
            if not left:
                break
        if told != following:
            yield FetchedDelivery(None, following)
        if fault:
            raise FeedFault(fault)

    async def acknowledge(self, fetched: FetchedDelivery) -> None:
        if not isinstance(fetched, FetchedFile) or fetched.delivery is None:
            return
        at = fetched.delivery.received_at
        folder = REFUSED if fetched.refused else DONE
        for name in fetched.names:
            place = f"{folder}/{name}"
            if await self._store.look(place):
                place = f"{place}.{at:%Y%m%dT%H%M%S%f}"
            if await self._store.move(f"{WORK}/{name}", place):
                await self._store.touch(place, at)
                if fetched.refused and name == fetched.names[0]:
                    reason = f"{fetched.refused}\n".encode()
                    await self._store.write(f"{place}.reason.txt", reason)

    async def close(self) -> None:
        await self._store.close()

    def _choose(
        self,
        seen: Iterable[FileEntry],
        before: frozenset[str],
        begun: frozenset[str] | set[str],
    ) -> tuple[list[str], str]:
        """The names to take, the oldest first, and the cursor that remembers the others."""
        ours = sorted(
            (
                one
                for one in seen
                if one.kind is not EntryKind.FOLDER and self._is_delivery(one.name)
            ),
            key=lambda one: (one.changed, one.name),
        )
        free = [one.name for one in ours if one.name not in begun]
        if self._marked:
            names = {one.name for one in ours}
            files = self._unmarked(free)
            return [name for name in files if names.intersection(self._markers(name))], ""
        stamps = {one.name: one.stamp() for one in ours}
        same = [name for name in free if stamps[name] in before]
        taken = frozenset(same[:MOST_DELIVERIES])
        others = [stamp for name, stamp in stamps.items() if name not in taken]
        return same, json.dumps(others[:MOST_DELIVERIES]) if others else ""

    def _is_delivery(self, name: str) -> bool:
        if _is_impossible(name) or name.startswith(".") or name.lower().endswith(UNFINISHED):
            return False
        return self._is_marker(name) or fnmatch.fnmatchcase(name, self._settings.pattern)

    def _is_marker(self, name: str) -> bool:
        return self._marked and name.endswith(f".{self._settings.ready}")

    def _unmarked(self, names: Iterable[str]) -> list[str]:
        return [name for name in names if not self._is_marker(name)]

    def _markers(self, name: str) -> tuple[str, ...]:
        """The names a marker of the file may have."""
        ending = f".{self._settings.ready}"
        return (name + ending, PurePosixPath(name).stem + ending) if self._marked else ()

    async def _take(self, name: str) -> str:
        """Rename into `processing/`; the name it has there, empty where it is gone."""
        kept = (
            name if _is_safe(name) else NAMELESS + hashlib.sha256(_raw(name)).hexdigest()[:16]
        )
        return kept if await self._store.move(name, f"{WORK}/{kept}") else ""

    async def _marker(self, name: str) -> str | None:
        """The marker of a file in `processing/`, which follows it there."""
        for marker in self._markers(name):
            place = f"{WORK}/{marker}"
            if await self._store.look(place) or await self._store.move(marker, place):
                return marker
        return None

    async def _open(self, name: str, cursor: str, now: dt.datetime) -> FetchedFile | None:
        """Read what stands in `processing/`; None where it is not quiet yet."""
        marker = await self._marker(name)
        names = (name, marker) if marker else (name,)
        try:
            body = await self._body(name)
            if body is None:
                return None
            told = await self._marker_rows(marker, body)
            if name.endswith(".gz"):
                body = transport.gunzip(body, MOST_BYTES)
        except UnreadableDelivery as refusal:
            shown = "" if name.startswith(NAMELESS) else name
            return FetchedFile(Delivery(b"", now, shown), cursor, refusal.reason, names)
        delivery = Delivery(body, now, name.removesuffix(".gz"), row_count=told)
        return FetchedFile(delivery, cursor, names=names)

    async def _body(self, name: str) -> bytes | None:
        entry = await self._store.look(f"{WORK}/{name}")
        if entry is None:
            return None
        if name.startswith(NAMELESS):
            raise UnreadableDelivery("bad-name")
        if entry.kind is not EntryKind.FILE:
            raise UnreadableDelivery("not-a-file")
        if entry.size > MOST_BYTES:
            raise UnreadableDelivery("too-large")
        body = await self._store.read(f"{WORK}/{name}", MOST_BYTES)
        if body == b"":
            raise UnreadableDelivery("empty")
        return body

    async def _marker_rows(self, marker: str | None, body: bytes) -> int | None:
        """Check the digest a marker tells, and give the number of rows it tells."""
        if self._settings.ready not in DIGESTS:
            return None
        held = await self._store.read(f"{WORK}/{marker}", LARGEST_MARKER) if marker else None
        told = _read_marker(self._settings.ready, held or b"")
        computed = hashlib.new(DIGESTS[self._settings.ready], body, usedforsecurity=False)
        if told.digest.lower() != computed.hexdigest():
            raise UnreadableDelivery("digest-mismatch")
        return told.rows

    async def _sweep(self, now: dt.datetime) -> None:
        """Remove old files that are done with, a few at each poll."""
        until = (now - dt.timedelta(days=self._settings.keep_days)).timestamp()
        for folder in (DONE, REFUSED):
            for one in await self._store.entries(folder, MOST_SWEPT, until):
                if one.kind is not EntryKind.FOLDER and _is_safe(one.name):
                    await self._store.remove(f"{folder}/{one.name}")


class FileMarker(BaseModel):
    """What a manifest says of the file beside it; members of the sender's own are let be."""

    model_config = ConfigDict(frozen=True, validate_by_name=True)

    digest: str = Field(max_length=128, validation_alias="sha256")
    rows: int | None = Field(default=None, ge=0, le=10_000_000)


def _read_marker(ready: ReadySign, content: bytes) -> FileMarker:
    """Of a manifest, its members; of any other, the first word, as `sha256sum` writes it."""
    try:
        text = content.decode("utf-8-sig")
        if ready is ReadySign.MANIFEST:
            return FileMarker.model_validate_json(text)
        return FileMarker(digest=text.split()[0].lstrip("\\"))
    except (ValueError, IndexError):
        raise UnreadableDelivery("marker-unreadable") from None


def _is_impossible(name: str) -> bool:
    """A name no file system has: the other side plays tricks with paths."""
    return name in {"", ".", ".."} or "/" in name or "\0" in name


def _stamps(cursor: str | None) -> frozenset[str]:
    try:
        told = cast("object", json.loads(cursor or "[]"))
    except ValueError:
        return frozenset()
    stamps = cast("list[object]", told) if isinstance(told, list) else []
    return frozenset(stamp for stamp in stamps if isinstance(stamp, str))


def _is_safe(name: str) -> bool:
    """Whether the name can be kept, shown and written down anywhere."""
    return (
        not _is_impossible(name)
        and not _ODD.search(name)
        and len(_raw(name)) <= LONGEST_NAME
        and not name.startswith((".", NAMELESS))
        and name == name.strip()
    )


def _raw(name: str) -> bytes:
    return name.encode(errors="surrogateescape")
