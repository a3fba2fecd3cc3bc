"""What the settings of all transports share: frozen, closed, secrets only as paths of files."""

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from twinstile.arrivals.transport import POLL_S, FeedFault
from twinstile.platform.ops import config_files
from twinstile.platform.ops.config_files import InvalidFile


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
