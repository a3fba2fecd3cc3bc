"""Decompression that stops at a size, so that a small bomb stays small."""

import zlib
from typing import Final

from twinstile.arrivals.records import UnreadableDelivery

_GZIP: Final = 16 + zlib.MAX_WBITS


class Inflater:
    """Takes a gzip stream of any number of members in pieces; gives at most `most` bytes."""

    def __init__(self, most: int) -> None:
        self._left = most
        self._member = zlib.decompressobj(_GZIP)
        self._begun = False

    def feed(self, piece: bytes) -> bytes:
        """What the piece adds. Raises `Unreadable`: `gzip-broken` or `too-large`."""
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
        """Nothing more comes. Raises `Unreadable` where a member is cut off."""
        if self._begun and not self._member.eof:
            raise UnreadableDelivery("truncated")


def gunzip(body: bytes, most: int) -> bytes:
    """The whole of a gzip file. Raises `Unreadable`."""
    inflater = Inflater(most)
    inflated = inflater.feed(body)
    inflater.end()
    return inflated
