"""Files that operators write: settings in TOML, secrets. Read whole, bounded, once.

A link is followed, as secrets that are mounted are links; what it ends at must be a regular
file. A pipe would keep the start waiting, a device would fill the memory.
"""

import json
import os
import stat
import tomllib
from pathlib import Path
from typing import Final, TypeVar, cast

from pydantic import BaseModel, ValidationError

from twinstile.platform.http import field_types

LARGEST: Final = 1 << 20
"""Bytes of a file of settings."""
LARGEST_SECRET: Final = 64 << 10

Told = TypeVar("Told", bound=BaseModel)


class InvalidFile(Exception):
    """An operator's file cannot be used; the message says which place and why, no value."""


def read(path: Path, most: int = LARGEST) -> bytes:
    """What the file holds. Raises `InvalidFile`, also for more than `most` bytes."""
    try:
        # a pipe that nobody writes to would keep even the opening waiting
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise InvalidFile(f"{path}: not a file")
            held = file.read(most + 1)
    except (OSError, ValueError) as error:  # ValueError: no path at all
        why = (error.strerror if isinstance(error, OSError) else None) or "cannot be read"
        raise InvalidFile(f"{path}: {why}") from None
    if len(held) > most:
        raise InvalidFile(f"{path}: more than {most} bytes")
    return held


def secret(path: Path) -> bytes:
    """A secret without the end of its line. Raises `InvalidFile`, also for an empty one."""
    held = read(path, LARGEST_SECRET).rstrip(b"\r\n")
    if not held:
        raise InvalidFile(f"{path}: empty")
    return held


def toml(path: Path, form: type[Told], *, optional: bool = False) -> Told:
    """What a file of settings tells. Raises `InvalidFile`.

    `optional`: where there is no file, what an empty one would tell.
    """
    if optional and _absent(path):
        return form()
    try:
        return form.model_validate(tomllib.loads(read(path).decode()))
    except ValidationError as error:
        raise InvalidFile(f"{path}: {field_types.fault(error)}") from None
    except (ValueError, RecursionError) as error:
        # of other errors the words may hold a value
        why = f": {error}" if isinstance(error, tomllib.TOMLDecodeError) else ""
        raise InvalidFile(f"{path}: not TOML in UTF-8{why}") from None


def document(path: Path) -> dict[str, object]:
    """A JSON object. Raises `InvalidFile`."""
    try:
        told: object = json.loads(read(path))
    except (ValueError, RecursionError):
        raise InvalidFile(f"{path}: not JSON in UTF-8") from None
    if not isinstance(told, dict):
        raise InvalidFile(f"{path}: not a JSON object")
    return cast("dict[str, object]", told)


def _absent(path: Path) -> bool:
    """Whether nobody has put anything there; what cannot be looked at is read and told."""
    try:
        path.lstat()
    except FileNotFoundError:
        return True
    except OSError:
        pass
    return False
