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
class ColumnSpan:
    """Columns of one line, counted from 0, `stop` excluded."""

    line: int
    start: int
    stop: int

    def of(self, lines: Sequence[str]) -> str:
        return lines[self.line][self.start : self.stop]


@dataclass(frozen=True, slots=True)
class CheckDigit:
    part: Part
    covers: tuple[ColumnSpan, ...]
    digit: ColumnSpan


@dataclass(frozen=True, slots=True)
class Layout:
    rows: int
    width: int
    visa: bool
    """Visas have zones of their own in the sizes of passports and cards (part 7)."""
    issuer: ColumnSpan
    names: ColumnSpan
    number: ColumnSpan
    digit: ColumnSpan
    """The check digit of the number, or a filler where the number goes on in `overflow`."""
    overflow: ColumnSpan | None
    nationality: ColumnSpan
    birth: ColumnSpan
    sex: ColumnSpan
    expiry: ColumnSpan
    checks: tuple[CheckDigit, ...]
    """Of all but the number."""


CODE: Final = ColumnSpan(0, 0, 2)
TD1: Final = Layout(
    rows=3,
    width=30,
    visa=False,
    issuer=ColumnSpan(0, 2, 5),
    names=ColumnSpan(2, 0, 30),
    number=ColumnSpan(0, 5, 14),
    digit=ColumnSpan(0, 14, 15),
    overflow=ColumnSpan(0, 15, 30),
    nationality=ColumnSpan(1, 15, 18),
    birth=ColumnSpan(1, 0, 6),
    sex=ColumnSpan(1, 7, 8),
    expiry=ColumnSpan(1, 8, 14),
    checks=(
        CheckDigit(Part.BIRTH, (ColumnSpan(1, 0, 6),), ColumnSpan(1, 6, 7)),
        CheckDigit(Part.EXPIRY, (ColumnSpan(1, 8, 14),), ColumnSpan(1, 14, 15)),
        CheckDigit(
            Part.COMPOSITE,
            (
                ColumnSpan(0, 5, 30),
                ColumnSpan(1, 0, 7),
                ColumnSpan(1, 8, 15),
                ColumnSpan(1, 18, 29),
            ),
            ColumnSpan(1, 29, 30),
        ),
    ),
)


def _two_lines(
    width: int, *checks: CheckDigit, visa: bool = False, overflow: ColumnSpan | None = None
) -> Layout:
    """All zones of two lines are alike up to the expiry."""
    return Layout(
        rows=2,
        width=width,
        visa=visa,
        issuer=ColumnSpan(0, 2, 5),
        names=ColumnSpan(0, 5, width),
        number=ColumnSpan(1, 0, 9),
        digit=ColumnSpan(1, 9, 10),
        overflow=overflow,
        nationality=ColumnSpan(1, 10, 13),
        birth=ColumnSpan(1, 13, 19),
        sex=ColumnSpan(1, 20, 21),
        expiry=ColumnSpan(1, 21, 27),
        checks=(
            CheckDigit(Part.BIRTH, (ColumnSpan(1, 13, 19),), ColumnSpan(1, 19, 20)),
            CheckDigit(Part.EXPIRY, (ColumnSpan(1, 21, 27),), ColumnSpan(1, 27, 28)),
            *checks,
        ),
    )


_FIRST: Final = (ColumnSpan(1, 0, 10), ColumnSpan(1, 13, 20))
TD2: Final = _two_lines(
    36,
    CheckDigit(Part.COMPOSITE, (*_FIRST, ColumnSpan(1, 21, 35)), ColumnSpan(1, 35, 36)),
    overflow=ColumnSpan(1, 28, 35),
)
TD3: Final = _two_lines(
    44,
    CheckDigit(Part.OPTIONAL, (ColumnSpan(1, 28, 42),), ColumnSpan(1, 42, 43)),
    CheckDigit(Part.COMPOSITE, (*_FIRST, ColumnSpan(1, 21, 43)), ColumnSpan(1, 43, 44)),
)
MRV_A: Final = _two_lines(44, visa=True)
MRV_B: Final = _two_lines(36, visa=True)
LAYOUTS: Final = (TD1, TD2, TD3, MRV_A, MRV_B)
