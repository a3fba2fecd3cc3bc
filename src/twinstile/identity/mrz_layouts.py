"""Where machine readable zones keep their fields (ICAO Doc 9303), one row a document size.

A row says which columns hold what and which check digit guards which columns; the reader in
`mrz` knows no column itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Part(StrEnum):
    """What a check digit guards."""

    NUMBER = "NUMBER"
    BIRTH = "BIRTH"
    EXPIRY = "EXPIRY"
    OPTIONAL = "OPTIONAL"
    COMPOSITE = "COMPOSITE"


@dataclass(frozen=True, slots=True)
class Span:
    """Columns of one line, counted from 0, `stop` excluded."""

    line: int
    start: int
    stop: int

    def of(self, lines: Sequence[str]) -> str:
        return lines[self.line][self.start : self.stop]


@dataclass(frozen=True, slots=True)
class Check:
    part: Part
    covers: tuple[Span, ...]
    digit: Span


@dataclass(frozen=True, slots=True)
class Layout:
    rows: int
    width: int
    visa: bool
    """Visas have zones of their own in the sizes of passports and cards (part 7)."""
    issuer: Span
    names: Span
    number: Span
    digit: Span
    """The check digit of the number, or a filler where the number goes on in `overflow`."""
    overflow: Span | None
    nationality: Span
    birth: Span
    sex: Span
    expiry: Span
    checks: tuple[Check, ...]
    """Of all but the number."""


CODE: Final = Span(0, 0, 2)
TD1: Final = Layout(
    rows=3,
    width=30,
    visa=False,
    issuer=Span(0, 2, 5),
    names=Span(2, 0, 30),
    number=Span(0, 5, 14),
    digit=Span(0, 14, 15),
    overflow=Span(0, 15, 30),
    nationality=Span(1, 15, 18),
    birth=Span(1, 0, 6),
    sex=Span(1, 7, 8),
    expiry=Span(1, 8, 14),
    checks=(
        Check(Part.BIRTH, (Span(1, 0, 6),), Span(1, 6, 7)),
        Check(Part.EXPIRY, (Span(1, 8, 14),), Span(1, 14, 15)),
        Check(
            Part.COMPOSITE,
            (Span(0, 5, 30), Span(1, 0, 7), Span(1, 8, 15), Span(1, 18, 29)),
            Span(1, 29, 30),
        ),
    ),
)


def _two_lines(
    width: int, *checks: Check, visa: bool = False, overflow: Span | None = None
) -> Layout:
    """All zones of two lines are alike up to the expiry."""
    return Layout(
        rows=2,
        width=width,
        visa=visa,
        issuer=Span(0, 2, 5),
        names=Span(0, 5, width),
        number=Span(1, 0, 9),
        digit=Span(1, 9, 10),
        overflow=overflow,
        nationality=Span(1, 10, 13),
        birth=Span(1, 13, 19),
        sex=Span(1, 20, 21),
        expiry=Span(1, 21, 27),
        checks=(
            Check(Part.BIRTH, (Span(1, 13, 19),), Span(1, 19, 20)),
            Check(Part.EXPIRY, (Span(1, 21, 27),), Span(1, 27, 28)),
            *checks,
        ),
    )


_FIRST: Final = (Span(1, 0, 10), Span(1, 13, 20))
TD2: Final = _two_lines(
    36,
    Check(Part.COMPOSITE, (*_FIRST, Span(1, 21, 35)), Span(1, 35, 36)),
    overflow=Span(1, 28, 35),
)
TD3: Final = _two_lines(
    44,
    Check(Part.OPTIONAL, (Span(1, 28, 42),), Span(1, 42, 43)),
    Check(Part.COMPOSITE, (*_FIRST, Span(1, 21, 43)), Span(1, 43, 44)),
)
MRV_A: Final = _two_lines(44, visa=True)
MRV_B: Final = _two_lines(36, visa=True)
LAYOUTS: Final = (TD1, TD2, TD3, MRV_A, MRV_B)
