"""Which feeds this installation has: an operator's file, read at the start.

`[[feed]]` tells who sends what to which hub and how often, `[feed.transport]` how it comes.
Secrets are files of their own and are read whenever they are needed.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Final, Literal, Self, TypeAlias

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    model_validator,
)

from twinstile.arrivals.adapters.exchange import ExchangeSettings
from twinstile.arrivals.adapters.folder import FolderSettings
from twinstile.arrivals.adapters.http import HttpSettings
from twinstile.arrivals.adapters.sftp import SftpSettings
from twinstile.arrivals.feeds.reading import FORMATS, FeedSettings
from twinstile.arrivals.transport import FeedFault, FeedTransport, FilePath, secret
from twinstile.platform.http import request_signatures
from twinstile.platform.http.request_signatures import Algorithm, SharedKey
from twinstile.platform.ops import config_files
from twinstile.platform.ops.config_files import InvalidFile
from twinstile.platform.ops.settings import Settings

NAME: Final = r"^[a-z0-9][a-z0-9-]{0,38}$"
STALE_AFTER: Final = 3
"""How many expected intervals without a word make a feed stale."""


class Department(StrEnum):
    """Who sends."""

    RAIL = "rail"
    POLICE = "police"
    HEALTH = "health"
    CARRIER = "carrier"


class _ConfigModel(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


def _computable(algorithm: Algorithm) -> Algorithm:
    if not request_signatures.computable(algorithm):
        raise ValueError("this machine's OpenSSL has no such algorithm")
    return algorithm


class PushKey(_ConfigModel):
    """A secret a department signs with. Two at a time let it change to a new one."""

    key_id: str = Field(pattern=r"^[A-Za-z0-9._-]{1,64}$")
    key_file: FilePath
    algorithm: Annotated[Algorithm, AfterValidator(_computable)] = Algorithm.HMAC_SHA256

    def read(self) -> SharedKey:
        """Raises `FeedFault` where the file cannot be used."""
        try:
            return SharedKey(self.key_id, secret(self.key_file), self.algorithm)
        except ValueError:
            raise FeedFault("secret-unreadable") from None


class PushSettings(_ConfigModel):
    """The department comes itself: `POST /v1/feeds/{feed}/deliveries`."""

    kind: Literal["push"]
    keys: tuple[PushKey, ...] = Field(min_length=1, max_length=5)


PulledTransport: TypeAlias = HttpSettings | FolderSettings | SftpSettings | ExchangeSettings


def _known(name: str) -> str:
    if name not in FORMATS:
        raise ValueError(f"one of {', '.join(FORMATS)}")
    return name


class _Entry(_ConfigModel):
    """`[[feed]]`."""

    name: str = Field(pattern=NAME)
    hub: str | None = Field(default=None, pattern=r"^[a-z0-9][a-z0-9-]{1,30}$")
    department: Department
    format: Annotated[str, AfterValidator(_known)]
    interval_s: int = Field(default=60, ge=10, le=86_400)
    expected_interval_s: int | None = Field(default=None, ge=10, le=31 * 86_400)
    stops: tuple[Annotated[str, Field(min_length=1, max_length=100)], ...] = Field(
        default=(), max_length=200
    )
    options: dict[str, Annotated[str, Field(max_length=500)]] = Field(
        default_factory=dict, max_length=50
    )
    transport: Annotated[PulledTransport | PushSettings, Field(discriminator="kind")]


class _File(_ConfigModel):
    feed: tuple[_Entry, ...] = Field(default=(), max_length=100)

    @model_validator(mode="after")
    def _unique(self) -> Self:
        names = Counter((one.hub, one.name) for one in self.feed)
        if names and max(names.values()) > 1:
            raise ValueError("two feeds of a hub have the same name")
        pushed = [one for one in self.feed if isinstance(one.transport, PushSettings)]
        keys = Counter((one.name, key.key_id) for one in pushed for key in _keys(one.transport))
        if keys and max(keys.values()) > 1:
            raise ValueError("two keys of feeds of the same name have the same key_id")
        return self


def _keys(transport: PulledTransport | PushSettings) -> tuple[PushKey, ...]:
    return transport.keys if isinstance(transport, PushSettings) else ()


@dataclass(frozen=True, slots=True)
class FeedSource:
    """A department's system behind one feed of one hub."""

    feed: FeedSettings
    department: Department
    interval: timedelta
    """Between two polls."""
    expected: timedelta
    """How long it may take at most until the department is heard of again."""
    transport: PulledTransport | PushSettings

    @property
    def keys(self) -> tuple[PushKey, ...]:
        """What it signs with where it comes itself."""
        return _keys(self.transport)

    def open(self) -> FeedTransport | None:
        """None: it comes itself. Raises `FeedFault` where a secret cannot be used."""
        return None if isinstance(self.transport, PushSettings) else self.transport.open()


def feed_sources(settings: Settings) -> tuple[FeedSource, ...]:
    """The feeds of this installation. Raises `InvalidFile`."""
    told = _load(settings.feeds_file, settings.feeds_path)
    senders = tuple(_feed_source(one, settings) for one in told.feed)
    if len({(one.feed.hub_id, one.feed.name) for one in senders}) < len(senders):
        raise InvalidFile(
            f"{settings.feeds_path}: two feeds of {settings.hub_id} have one name"
        )
    return senders


def _feed_source(entry: _Entry, settings: Settings) -> FeedSource:
    interval = timedelta(seconds=entry.interval_s)
    expected = timedelta(seconds=entry.expected_interval_s or entry.interval_s)
    options: Mapping[str, str] = entry.options
    feed = FeedSettings(
        entry.hub or settings.hub_id,
        entry.name,
        entry.format,
        settings.zone,
        frozenset(entry.stops),
        options,
    )
    return FeedSource(feed, entry.department, interval, expected, entry.transport)


@lru_cache(maxsize=8)
def _load(named: Path | None, path: Path) -> _File:
    return config_files.toml(path, _File, optional=named is None)
