"""Which encoding a text is in, told by its bytes: what a header says of it is often wrong.

Never GBK: GB18030 reads all of it, and has the characters of names that GBK has not.
"""

import io
import re
from collections.abc import Mapping
from typing import Final

from twinstile.arrivals.formats.reasons import RejectReason
from twinstile.arrivals.records import UnreadableDelivery

ENCODINGS: Final = (
    "utf-8",
    "utf-16-le",
    "utf-16-be",
    "gb18030",
    "big5",
    "shift_jis",
    "latin-1",
)
"""What the option `encoding` may name; without it the first four are told apart."""
REPLACED: Final = "\ufffd"
_MARKS: Final[Mapping[bytes, str]] = {
    b"\xef\xbb\xbf": "utf-8",
    b"\xff\xfe": "utf-16-le",
    b"\xfe\xff": "utf-16-be",
}
_HTML: Final = re.compile(
    rb"\s*(<!--.*?-->\s*)*<(!doctype html|html|head|body|script|meta|table|style|div)\b",
    re.IGNORECASE | re.DOTALL,
)
_OTHERS: Final[Mapping[bytes, RejectReason]] = {
    b"\x1f\x8b": RejectReason.COMPRESSED,
    b"BZh": RejectReason.COMPRESSED,
    b"\xfd7zXZ": RejectReason.COMPRESSED,
    b"7z\xbc\xaf": RejectReason.COMPRESSED,
    b"Rar!": RejectReason.COMPRESSED,
    b"(\xb5/\xfd": RejectReason.COMPRESSED,
    b"%PDF": RejectReason.NOT_A_TABLE,
    b"\x89PNG": RejectReason.NOT_A_TABLE,
    b"\xff\xd8\xff": RejectReason.NOT_A_TABLE,
}
_LEAST_NULS: Final = 0.2
"""Of the first bytes, where every other one of ASCII in UTF-16 is NUL."""
_LONGEST_LINE: Final = 1 << 16


def open_text(body: bytes, told: str | None = None) -> io.TextIOWrapper:
    """The text, with lines that end in any of the usual ways; what is no character replaced.

    Raises `Unreadable` for what is no text, or in no encoding we know.
    """
    if not body.strip(b"\0 \t\r\n\xef\xbb\xbf"):
        raise UnreadableDelivery(RejectReason.EMPTY)
    for start, reason in _OTHERS.items():
        if body.startswith(start):
            raise UnreadableDelivery(reason)
    mark = next((mark for mark in _MARKS if body.startswith(mark)), b"")
    encoding = _MARKS.get(mark) or told or _guessed(body)
    text = io.BytesIO(body)
    text.seek(len(mark))
    head = body[len(mark) : len(mark) + 4096].decode(encoding, "replace").lstrip()
    if _HTML.match(head.encode("utf-8", "replace")):
        raise UnreadableDelivery(RejectReason.HTML)
    if head.startswith("<"):
        raise UnreadableDelivery(RejectReason.NOT_A_TABLE)
    return io.TextIOWrapper(text, encoding, errors="replace", newline=None)


def refuse_web_page(body: bytes) -> None:
    """Of what should be no text: raises `Unreadable` where nothing or a web page came."""
    if not body:
        raise UnreadableDelivery(RejectReason.EMPTY)
    if _HTML.match(body[:4096].removeprefix(b"\xef\xbb\xbf")):
        raise UnreadableDelivery(RejectReason.HTML)


def _guessed(body: bytes) -> str:
    head = body[:4096]
    even, odd = head[::2].count(0), head[1::2].count(0)
    if even + odd > _LEAST_NULS * len(head) and max(even, odd) > 4 * min(even, odd):
        return "utf-16-le" if odd > even else "utf-16-be"
    if body.isascii():
        return "utf-8"
    telling, sound = 0, {"utf-8": 0, "gb18030": 0}
    for line in io.BytesIO(body):
        if line.isascii():
            continue
        telling += 1
        for encoding in sound:
            sound[encoding] += _decodes(line[:_LONGEST_LINE], encoding)
    # hardly anything else is UTF-8 by chance, so that one broken line does not decide
    for encoding, lines in sound.items():
        if 2 * lines >= telling:
            return encoding
    raise UnreadableDelivery(RejectReason.CHARSET)


def _decodes(line: bytes, encoding: str) -> bool:
    try:
        line.decode(encoding)
    except UnicodeDecodeError as broken:
        return broken.end >= len(line) > _LONGEST_LINE - 4  # cut by us
    return True
