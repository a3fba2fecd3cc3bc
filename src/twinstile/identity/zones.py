"""Where machine readable zones keep their fields (ICAO Doc 9303), one row a document size.

A row says which columns hold what and which check digit guards which columns; the reader in
`mrz` knows no column itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from twinstile.identity.types import DocumentKind


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
    kind: DocumentKind
    types: str
    """First letters of the document codes printed in this layout."""
    rows: int
    width: int
    code: Span
    issuer: Span
    names: Span
    number: Span
    nationality: Span
    birth: Span
    sex: Span
    expiry: Span
    checks: tuple[Check, ...]


TD3: Final = Layout(
    kind=DocumentKind.PASSPORT,
    types="P",
    rows=2,
    width=44,
    code=Span(0, 0, 2),
    issuer=Span(0, 2, 5),
    names=Span(0, 5, 44),
    number=Span(1, 0, 9),
    nationality=Span(1, 10, 13),
    birth=Span(1, 13, 19),
    sex=Span(1, 20, 21),
    expiry=Span(1, 21, 27),
    checks=(
        Check(Part.NUMBER, (Span(1, 0, 9),), Span(1, 9, 10)),
        Check(Part.BIRTH, (Span(1, 13, 19),), Span(1, 19, 20)),
        Check(Part.EXPIRY, (Span(1, 21, 27),), Span(1, 27, 28)),
        Check(Part.OPTIONAL, (Span(1, 28, 42),), Span(1, 42, 43)),
        Check(
            Part.COMPOSITE,
            (Span(1, 0, 10), Span(1, 13, 20), Span(1, 21, 43)),
            Span(1, 43, 44),
        ),
    ),
)
LAYOUTS: Final = (TD3,)
