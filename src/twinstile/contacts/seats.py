"""Seats and coaches as carriers write them, read as far as who sat near whom needs it. Pure.

Row and letter: `12F`, `012 F`, `12排F座`, `F12`. A berth: `15号下铺`, `15下`, `berth 15L`. A
seat of a coach without letters: `87`. No seat at all: `无座`.
"""

import re
import unicodedata
from dataclasses import dataclass
from typing import Final

_NOISE: Final = re.compile(r"[\s.\-_/号座排铺位]|ROW|SEAT|BERTH")
_SEAT: Final = re.compile(r"(?P<number>[0-9]{1,3})(?P<mark>[A-Z上中下])?", re.ASCII)
_TURNED: Final = re.compile(r"([A-Z])([0-9]{1,3})", re.ASCII)
_LEVELS: Final = {"上": "U", "中": "M", "下": "L"}
_BERTH_WORDS: Final = ("铺", "BERTH")
_COACH: Final = re.compile(r"(?:COACH|CAR|CABIN)|[\s.\-_]|车厢|车|号|舱")


@dataclass(frozen=True, slots=True)
class Seat:
    """A row and letter, a berth (`level` U, M or L), or a bare number."""

    number: int
    letter: str | None = None
    level: str | None = None


def seat(text: str | None) -> Seat | None:
    """The seat a text names; None where it names none that is understood."""
    if text is None:
        return None
    plain = unicodedata.normalize("NFKC", text).upper()
    said = _TURNED.sub(r"\2\1", _NOISE.sub("", plain))
    found = _SEAT.fullmatch(said)
    if found is None or int(found["number"]) == 0:
        return None
    number, mark = int(found["number"]), found["mark"]
    if mark in _LEVELS:
        return Seat(number, level=_LEVELS[mark])
    if any(word in plain for word in _BERTH_WORDS) and mark in {None, "U", "M", "L"}:
        return Seat(number, level=mark or "L")
    return Seat(number, letter=mark)


def coach(text: str | None) -> str | None:
    """One spelling of a coach or cabin: `03`, `3车` and `coach 3` are the same."""
    if text is None:
        return None
    said = _COACH.sub("", unicodedata.normalize("NFKC", text).upper()).lstrip("0")
    return said or None
