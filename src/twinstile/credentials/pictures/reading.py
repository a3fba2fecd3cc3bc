"""The codes on a picture, read by a process of its own (`lens`) that is ended in time.

The picture goes through a pipe and is nowhere else. Nothing of it is written or logged.
"""

import asyncio
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Final, cast

from pydantic import TypeAdapter, ValidationError

from twinstile.credentials.bodies import LONGEST
from twinstile.platform.http.problems import Busy, FieldFault, InvalidInput, Problem

WITHIN_S: Final = 4.0
"""A reading, the start of its process included."""
MOST_WAIT_S: Final = 2.0
MOST_AT_ONCE: Final = 2
MOST_ANSWER: Final = 1 << 20  # bytes
MOST_CODES: Final = 4
"""Of which each may have to wait for its provider."""
NEEDED: Final = ("PIL", "zxingcpp")

_TOLD: Final = TypeAdapter[list[str] | str](list[str] | str, config={"strict": True})
_LENS: Final = str(Path(__file__).with_name("lens.py"))
_CHUNK: Final = "shc:/"


class PicturesNotRead(Problem):
    status = 501
    slug = "pictures-not-read"
    title = "This service reads no pictures: its extra `images` is not installed"


class UnreadablePicture(InvalidInput):
    slug = "picture-unreadable"
    title = "No code could be looked for on this picture"


REASONS: Final[Mapping[str, str]] = {
    "damaged": "The picture is damaged or no PNG, JPEG or WebP.",
    "too-large": "The picture has too many pixels. Send a smaller one.",
    "too-many-codes": "There are too many codes on the picture. Show one at a time.",
    "too-slow": "Looking for codes on the picture took too long. Send a smaller one.",
}


def installed() -> bool:
    return all(find_spec(name) is not None for name in NEEDED)


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads pictures, so many at a time and no more."""

    places: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(MOST_AT_ONCE))

    async def read(self, picture: bytes) -> Sequence[str]:
        """The texts of the codes on it, those of one card in one; none: it shows no code.

        Raises `PicturesNotRead`, `UnreadablePicture`, and `Busy` while others are read.
        """
        if not installed():
            raise PicturesNotRead
        try:
            async with asyncio.timeout(MOST_WAIT_S):
                await self.places.acquire()
        except TimeoutError:
            raise Busy(retry_after_s=1) from None
        try:
            return _texts(await _looked_at(picture))
        finally:
            self.places.release()


async def _looked_at(picture: bytes) -> bytes:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-IB", _LENS, stdin=PIPE, stdout=PIPE, stderr=DEVNULL, env={}
    )
    try:
        async with asyncio.timeout(WITHIN_S):
            return await _exchange(process, picture)
    except TimeoutError:
        raise _unreadable("too-slow") from None
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def _exchange(process: Process, picture: bytes) -> bytes:
    source = cast("asyncio.StreamWriter", process.stdin)
    answer = cast("asyncio.StreamReader", process.stdout)
    with suppress(ConnectionError):  # it has ended, and its end tells why
        source.write(picture)
        await source.drain()
    source.close()
    try:
        return await answer.readexactly(MOST_ANSWER)
    except asyncio.IncompleteReadError as end:
        return end.partial


def _texts(answer: bytes) -> Sequence[str]:
    """What a code may hold to be judged; a card in several codes is one text."""
    try:
        told = _TOLD.validate_json(answer)
    except ValidationError:  # it was ended for what it took, or brought down by what it read
        raise _unreadable("damaged") from None
    if isinstance(told, str):
        raise _unreadable(told if told in REASONS else "damaged")
    parts = [text for text in told if text.startswith(_CHUNK) and text.count("/") == 3]
    whole = [" ".join(parts)] if parts else []
    whole += [text for text in told if text not in parts]
    texts = [text for text in whole if text.isprintable() and 0 < len(text) <= LONGEST]
    if len(texts) > MOST_CODES:
        raise _unreadable("too-many-codes")
    return texts


def _unreadable(reason: str) -> UnreadablePicture:
    return UnreadablePicture(REASONS[reason], errors=[FieldFault("", reason)])
