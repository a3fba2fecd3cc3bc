"""Which channels this installation has, and which of them takes a message: an operator's file.

What no channel carries goes into the folder. Of an exercise nothing leaves by another way, and
of a demo only by a channel that says so: invented numbers may be somebody's.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from twinstile.arrivals.adapters.calls import Calls, Name
from twinstile.arrivals.transport import FeedFault, FilePath
from twinstile.platform.ops import config_files
from twinstile.platform.ops.settings import Settings
from twinstile.platform.security.hub_modes import HubMode
from twinstile.reminders.channels import FILE, Channel, FileChannel
from twinstile.reminders.gateway import Gateway, GatewaySettings
from twinstile.screening.types import Addressee


class _Named(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    name: Name
    carries: tuple[Addressee, ...] = Field(min_length=1, max_length=10)
    demo: bool = False
    """Also the messages of a demo hub."""


class FolderEntry(_Named):
    kind: Literal["file"]
    folder: FilePath

    def open(self) -> Channel:
        return FileChannel(self.folder)

    def fault(self) -> str | None:
        """Why it could take nothing, if that is known beforehand."""
        return None


class GatewayEntry(_Named, GatewaySettings):
    def open(self) -> Channel:
        return Gateway(self)

    def fault(self) -> str | None:
        """Why it could take nothing, if that is known beforehand."""
        try:
            Calls(self, 0)
        except FeedFault as fault:
            return fault.reason
        return None


Entry = Annotated[FolderEntry | GatewayEntry, Field(discriminator="kind")]


class _File(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    channel: tuple[Entry, ...] = Field(default=(), max_length=20)

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        names = [one.name for one in self.channel]
        if len({*names, FILE}) != len(names) + 1:
            raise ValueError(f"each channel has a name of its own, and none is {FILE!r}")
        carried = [kind for one in self.channel for kind in one.carries]
        if len(set(carried)) != len(carried):
            raise ValueError("two channels carry the same kind of address")
        return self


@dataclass(frozen=True, slots=True)
class Channels:
    """The channels by name, what each carries, and which take part in a demo."""

    entries: Mapping[str, FolderEntry | GatewayEntry]
    outbox: Path

    def route(self, kind: Addressee, mode: HubMode) -> str | None:
        """The channel a message takes; None: there is none for those on board."""
        for one in self.entries.values():
            if kind in one.carries and (mode is HubMode.PRODUCTION or self._shown(one, mode)):
                return one.name
        return None if kind is Addressee.ON_BOARD else FILE

    def carried(self, name: str) -> list[Addressee]:
        """What a channel carries at a hub that is neither a demo nor an exercise."""
        return [kind for kind in Addressee if self.route(kind, HubMode.PRODUCTION) == name]

    def _shown(self, one: _Named, mode: HubMode) -> bool:
        return mode is HubMode.DEMO and one.demo

    def open(self) -> dict[str, Channel]:
        """Every channel, the folder among them."""
        own = {name: entry.open() for name, entry in self.entries.items()}
        return {FILE: FileChannel(self.outbox), **own}


def of(settings: Settings) -> Channels:
    """The channels of this installation. Raises `InvalidFile`."""
    return _load(settings.channels_file, settings.channels_path, settings.outbox_path)


@lru_cache(maxsize=8)
def _load(named: Path | None, path: Path, outbox: Path) -> Channels:
    told = config_files.toml(path, _File, optional=named is None)
    return Channels({one.name: one for one in told.channel}, outbox)
