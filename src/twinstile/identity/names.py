"""Names and numbers as others may see them, and names as they are compared."""

import re
import unicodedata
from typing import Final

from twinstile.identity import documents
from twinstile.identity.types import Document, DocumentKind

NAME_LIMIT: Final = 128

# The dot inside a transliterated name is typed in half a dozen ways, or not at all.
_DROPPED: Final = re.compile(rf"[\u00b7\u2022\u2027\u2219\u22c5\u30fb{documents.INVISIBLE}]")


def normalise(name: str) -> str:
    """Fold a name for comparison: NFKC, upper case, single spaces, no middle dots.

    Raises InvalidText for text that is empty, longer than 128 characters or not printable.
    Scripts stay apart: no algorithm yields a passport's spelling of a Han name.
    """
    return documents.fold(name, limit=NAME_LIMIT, drop=_DROPPED)


def mask_number(document: Document) -> str:
    """Show enough to tell two cards apart on a desk, and not the birth date.

    A resident number, whatever paper it is on, keeps region and last four
    (`770101********0015`), an old one its last three; every other number its first one or two
    and last two; up to four characters are hidden altogether.
    """
    number, size = document.number, len(document.number)
    known = documents.recognised(document)
    if known.kind is DocumentKind.RESIDENT_ID and len(known.number) == 18:
        head, tail = 6, (4 if size == 18 else 3)
    elif size > 4:
        head, tail = (2 if size > 7 else 1), 2
    else:
        head, tail = 0, 0
    return number[:head] + "*" * (size - head - tail) + number[size - tail :]


def mask_name(name: str) -> str:
    """Keep the first character of each word: initials where letters have case, else `*`.

    Of a name typed with spaces between single characters only the first one is kept.
    """
    return " ".join(
        ("*" if place and len(word) == 1 else word[0]) + "*"
        if unicodedata.category(word[0]) == "Lo"
        else word[0] + "."
        for place, word in enumerate(name.split())
    )
