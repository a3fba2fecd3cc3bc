"""One spelling for what keyboards, readers and feeds supply in many.

Full-width digits, ligatures and lower case fold together (Unicode NFKC, then upper case).
Control characters, NUL and lone surrogates are refused: no document prints them, PostgreSQL
and UTF-8 cannot hold the last two, and the first is how log lines are forged.
"""

import re
import unicodedata
from typing import Final

from twinstile.identity.types import InvalidText

INVISIBLE: Final = "\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff"
"""Soft hyphen, zero-width and direction marks, for a regular expression's character class.

Copying from office programs and web pages leaves them behind unseen."""

_FORBIDDEN: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


def fold(raw: str, *, limit: int, drop: re.Pattern[str]) -> str:
    """Fold `raw` to its one spelling, single-spaced, without what `drop` matches; idempotent.

    Raises InvalidText when it is empty, holds a forbidden character or is longer than
    `limit`, before or after folding: NFKC can make one character eighteen.
    """
    if len(raw) > limit:
        raise InvalidText("longer than allowed")
    if _FORBIDDEN.search(raw):
        raise InvalidText("holds control characters")
    # Upper-casing can leave a letter and its accent apart that belong in one character.
    upper = drop.sub("", unicodedata.normalize("NFKC", raw)).upper()
    folded = " ".join(unicodedata.normalize("NFKC", upper).split())
    if not folded:
        raise InvalidText("empty")
    if len(folded) > limit:
        raise InvalidText("longer than allowed")
    return folded
