"""Repairs what a scanner that poses as a keyboard has typed, and finds a code in an address.

Such a scanner presses the keys of an American keyboard; a tablet set to another one prints what
stands on its own keys there. A prefix is lost when the field was not yet in focus, and an input
method prints wide characters; some apps put a code behind an address. What comes out is tried,
not trusted: a reading counts when the container's checksum holds, and then its signature has
yet to be checked like any other.
"""

import re
import unicodedata
from collections.abc import Iterator, Mapping
from typing import Final
from urllib.parse import unquote, unquote_plus

from twinstile.credentials.codecs import bounded, hcert, shc, vds_nc
from twinstile.credentials.types import CredentialRefused

_PREFIXES: Final = (hcert.PREFIX, shc.PREFIX)
_INSIDE: Final = re.compile(
    r"hc1[:;](?P<hcert>[0-9a-z $%*+\-./:]+)|shc:/(?P<shc>[0-9/]+)|(?P<jws>eyJ[\w.-]+)",
    re.IGNORECASE,
)
_ENDS: Final = "\r\n\t"  # a blank is a digit of base45

_TYPED: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:shc"
_SAME: Final = dict(zip(_TYPED, _TYPED, strict=True))
_LATIN: Final = {**_SAME, "*": "(", "/": "-"}
_CYRILLIC: Final = dict(
    zip("QWERTYUIOPASDFGHJKLZXCVBNM", "ЙЦУКЕНГШЩЗФЫВАПРОЛДЯЧСМИТЬ", strict=True)
)
_PRINTED: Final[Mapping[str, Mapping[str, str]]] = {
    "American, with capitals locked": {key: key.swapcase() for key in _TYPED},
    "wide": {key: "\u3000" if key == " " else chr(ord(key) - 0x20 + 0xFF00) for key in _TYPED},
    "German": {**_LATIN, "Y": "Z", "Z": "Y", "+": "`", "-": "ß", ":": "Ö"},
    "Spanish": {**_LATIN, "+": "¿", "-": "'", ":": "Ñ"},
    "Italian": {**_LATIN, "+": "^", "-": "'", ":": "ç"},
    "French": {
        **_SAME,
        **dict(zip("1234567890", "&é\"'(-è_çà", strict=True)),
        **dict(zip("AQZWM$%*-./:", "QAWZ?458):!M", strict=True)),
    },
    "Russian": {
        **_SAME,
        **_CYRILLIC,
        **dict(zip("$./:shc", ";ю.Жырс", strict=True)),
    },
}
"""What each layout prints where the American one prints the key."""

LAYOUTS: Final[Mapping[str, Mapping[int, str]]] = {
    name: {ord(printed): key for key, printed in keys.items()}
    for name, keys in _PRINTED.items()
}
"""From what was printed back to what was typed."""


def repair(typed: str) -> str:
    """What was scanned, if some reading of the text holds together; else the text itself."""
    text = typed.strip(_ENDS)
    if len(text) > bounded.MOST_TEXT:
        return text
    readings = (text, *(text.translate(layout) for layout in LAYOUTS.values()))
    found = (one for reading in readings for one in _whole(reading))
    return next((one for tries in (found, _within(text)) for one in tries if _reads(one)), text)


def _within(text: str) -> Iterator[str]:
    """Codes between blanks, in an address, under a prefix in other letters."""
    for undone in (str, unquote, unquote_plus):
        reading = unicodedata.normalize("NFKC", undone(text)).strip()
        yield reading
        yield from _whole(reading)
        yield reading[reading.find("{") : reading.rfind("}") + 1]
        for match in _INSIDE.finditer(reading):
            if (body := match["hcert"]) is not None:
                yield hcert.PREFIX + body
                yield hcert.PREFIX + body.strip().upper()
            elif (digits := match["shc"]) is not None:
                yield shc.PREFIX + digits
            else:
                yield match["jws"]


def _whole(reading: str) -> Iterator[str]:
    """The reading, and with as much of a prefix as may have been lost."""
    yield reading
    for prefix in _PREFIXES:
        for lost in range(1, len(prefix) + 1):
            if reading.startswith(prefix[lost:]):
                yield prefix + reading[len(prefix) - lost :]


def _reads(reading: str) -> bool:
    try:
        if reading.startswith(hcert.PREFIX):
            hcert.read(reading)
        elif reading.startswith("{"):
            _read_object(reading)
        else:
            shc.read(reading)
    except CredentialRefused:
        return False
    return True


def _read_object(reading: str) -> None:
    if '"verifiableCredential"' in reading:
        for card in shc.cards(reading):
            shc.read(card)
    else:
        vds_nc.read(reading)
