"""Repairs what a scanner that poses as a keyboard has typed.

Such a scanner presses the keys of an American keyboard; a tablet set to another one prints what
stands on its own keys there. A prefix is lost when the field was not yet in focus, and an input
method prints wide characters. What comes out is tried, not trusted: a reading counts when the
container's checksum holds, and then its signature has yet to be checked like any other.
"""

from collections.abc import Iterator, Mapping
from typing import Final

from twinstile.credentials.codecs import bounded, hcert, shc, vds_nc
from twinstile.credentials.types import Refused

_PREFIXES: Final = (hcert.PREFIX, shc.PREFIX)
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
    return next((one for reading in readings for one in _whole(reading) if _reads(one)), text)


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
            vds_nc.read(reading)
        else:
            shc.read(reading)
    except Refused:
        return False
    return True
