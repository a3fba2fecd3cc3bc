"""What is sent to nobody, because it is or holds a certificate, card or seal, or a link to one.

Those carry name, birth date and passport number in plain sight. A scanner or a browser may have
damaged one so that it cannot be read here; whom it was sent to could read it all the same. So
this asks for traces, in every reading of the text, and rather keeps a code too many.
"""

import re
import unicodedata
from collections.abc import Iterator
from typing import Final
from urllib.parse import unquote

from twinstile.credentials import wedge
from twinstile.credentials.codecs import bounded
from twinstile.credentials.types import CredentialRefused

MOST_ROUNDS: Final = 3
"""Of percent-encoding, one in the other."""

_TRACES: Final = re.compile(
    r"hc1[^0-9a-z]|shc\W|shlink|vhlink|verifiablecredential"
    r"|icao\W?(?:vacc|test)|sigvl|uvci|[0-9]{60}"
    r"|(?:0[013-9]|1[0-2]|[236][0-9]|4[0-5]|5[02-9]|7[0-7]){15}"
)
"""In small letters and without blanks. The last is a piece of a card's digits, each two of
which are one of its characters; of as many other digits one in three hundred is."""
_PACKED: Final = re.compile(r"[0-9a-z $%*+\-./:]{60,}")
_RARE: Final = frozenset(" $%*+")
_RARE_SEEN: Final = 4
"""Of base45's signs that no address and no token has side by side."""
_SIGNED: Final = re.compile(r"(?<![\w-])([\w-]++)\.(?=[\w-]{8})")
"""A part of a JWS before another one."""
_LONG: Final = re.compile(r"[\w-]{300}")
"""The content of a card or a signer's certificate; no token is that long."""


def never_leaves(text: str) -> bool:
    """Whether a text has to stay in the house, whatever provider would take it."""
    return any(
        _is_card(text) or any(_tells(typed) for typed in _typed(text))
        for text in _decoded(text)
    )


def _decoded(text: str) -> Iterator[str]:
    """The text, and what is left of it without its encodings."""
    for _ in range(MOST_ROUNDS):
        yield text
        text, encoded = unquote(text), text
        if text == encoded:
            return


def _typed(text: str) -> Iterator[str]:
    """The text, and what a keyboard was meant to print."""
    yield text
    yield unicodedata.normalize("NFKC", text)
    for layout in wedge.LAYOUTS.values():
        yield text.translate(layout)


def _tells(reading: str) -> bool:
    small = reading.lower()
    return (
        _TRACES.search("".join(small.split())) is not None
        or any(len(_RARE & set(run)) >= _RARE_SEEN for run in _PACKED.findall(small))
        or _LONG.search(reading) is not None
    )


def _is_card(text: str) -> bool:
    return any(_heads_card(part) for part in _SIGNED.findall(text))


def _heads_card(part: str) -> bool:
    """Whether it ends in a card's header: its content is deflated, or it cannot be read."""
    at = part.lower().find("eyj")
    if at < 0:
        return False
    try:
        return "zip" in bounded.json(bounded.base64url(part[at:].encode()))
    except (CredentialRefused, UnicodeEncodeError):
        return True
