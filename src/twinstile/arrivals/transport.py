"""How deliveries are fetched: the one interface of all transports.

A transport brings bytes and knows nothing of what they mean. It keeps no memory of its own:
where it stood is the cursor, stored in the transaction that stores the bytes.
"""

import datetime as dt
import zlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, Protocol, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from twinstile.arrivals.records import Delivery, UnreadableDelivery
from twinstile.platform.ops import config_files
from twinstile.platform.ops.config_files import InvalidFile

MOST_BYTES: Final = 20 * 1024 * 1024
"""Of one delivery, after decompression."""
MOST_DELIVERIES: Final = 100
"""Of one poll; the next poll goes on."""
POLL_S: Final = 10.0
"""For one call to a department, from connecting to the last byte."""
LONGEST_CURSOR: Final = 4096


class FeedFault(Exception):
    """A department could not be asked, or answered what is no delivery.

    `reason` is a word of ours and goes to people and metrics: no address, no content.
    `retry_after_s` is the department's own word on when to come again.
    """

    def __init__(self, reason: str, retry_after_s: float | None = None) -> None:
        super().__init__(reason)
        self.reason: str = reason
        self.retry_after_s: float | None = retry_after_s


@dataclass(frozen=True, slots=True)
class FetchedDelivery:
    """A delivery, and where to go on once it has landed.

    Without a delivery only the cursor has moved, and is stored all the same. With `refused`, a
    word of ours, it came in a state nobody should read (half of it, empty, other than its
    digest says): there is no content, it is counted under that word and never a duplicate.
    """

    delivery: Delivery | None
    cursor: str
    refused: str | None = None


class FeedTransport(Protocol):
    def fetch(self, cursor: str | None, now: dt.datetime) -> AsyncIterator[FetchedDelivery]:
        """What has come since the cursor (None: from the beginning), in order.

        At most `MOST_DELIVERIES`, each at most `MOST_BYTES`. Raises `FeedFault`; deliveries
        handed out before it stand.
        """
        ...

    async def acknowledge(self, fetched: FetchedDelivery) -> None:
        """Told after the commit: move the file away. May be told twice, or never."""
        ...

    async def close(self) -> None: ...


_GZIP: Final = 16 + zlib.MAX_WBITS


class Inflater:
    """Takes a gzip stream of any number of members in pieces; gives at most `most` bytes."""

    def __init__(self, most: int) -> None:
        self._left = most
        self._member = zlib.decompressobj(_GZIP)
        self._begun = False

    def feed(self, piece: bytes) -> bytes:
        """What the piece adds. Raises `UnreadableDelivery`: `gzip-broken` or `too-large`."""
        parts: list[bytes] = []
        while piece:
            if self._member.eof:
                self._member = zlib.decompressobj(_GZIP)
            self._begun = True
            try:
                part = self._member.decompress(piece, self._left + 1)
            except zlib.error:
                raise UnreadableDelivery("gzip-broken") from None
            self._left -= len(part)
            if self._left < 0:
                raise UnreadableDelivery("too-large")
            parts.append(part)
            piece = self._member.unused_data.lstrip(b"\0") or self._member.unconsumed_tail
        return b"".join(parts)

    def end(self) -> None:
        """Nothing more comes. Raises `UnreadableDelivery` where a member is cut off."""
        if self._begun and not self._member.eof:
            raise UnreadableDelivery("truncated")


def gunzip(body: bytes, most: int) -> bytes:
    """The whole of a gzip file. Raises `UnreadableDelivery`."""
    inflater = Inflater(most)
    inflated = inflater.feed(body)
    inflater.end()
    return inflated


def _absolute(path: Path) -> Path:
    if not path.is_absolute():
        raise ValueError("an absolute path")
    return path


FilePath = Annotated[Path, AfterValidator(_absolute)]


class TransportSettings(BaseModel):
    """`[feed.transport]` of one feed."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    within_s: float = Field(default=POLL_S, gt=0, le=60)
    """For one call, from connecting to the last byte."""


def secret(path: Path) -> bytes:
    """What a secret's file holds, without the end of its line. Raises `FeedFault`."""
    try:
        return config_files.secret(path)
    except InvalidFile:
        raise FeedFault("secret-unreadable") from None


class TransportCursor(BaseModel):
    """A cursor of ours, as JSON; one that cannot be read is the beginning."""

    model_config = ConfigDict(frozen=True)

    @classmethod
    def of(cls, cursor: str | None) -> Self:
        try:
            return cls.model_validate_json(cursor or "{}")
        except ValidationError:
            return cls()

    def written(self) -> str:
        return self.model_dump_json(exclude_defaults=True)
