"""Reads machine readable zones of travel documents (ICAO Doc 9303 parts 3 to 7).

The layouts are rows of `zones`. Check digits miss some 7 % of single mistakes, and names have
none: an officer looks at name and birth date even when every digit holds.
"""

import datetime as dt
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import cycle
from typing import Final

from twinstile.identity import documents, mrz_layouts
from twinstile.identity.types import DocumentHolder, DocumentKind, Finding, ReadDocument, Sex

_FILLER: Final = "<"
_VALUES: Final = {c: i for i, c in enumerate("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ")} | {
    _FILLER: 0
}
_SEXES: Final = {"M": Sex.MALE, "F": Sex.FEMALE, _FILLER: Sex.UNSPECIFIED, "X": Sex.UNSPECIFIED}
_LINE_LIMIT: Final = 64  # the widest zone has 44, readers add a line end or blanks
_LINE: Final = re.compile(r"[0-9A-Z<]+")
_NAME: Final = re.compile(r"[A-Z ]+")
_KINDS: Final = {"P": DocumentKind.PASSPORT, "V": DocumentKind.VISA}
"""By the first letter of the document code; all others are on cards."""
_OF_THE_NUMBER: Final = frozenset(
    {Finding.SYNTHETIC, Finding.UNKNOWN_ISSUER, Finding.UNKNOWN_SERIES}
)
_EXPIRY_REACH: Final = 50  # years: an expiry lies nearer to today than half a century


class InvalidZone(ValueError):
    """The lines are of no size, alphabet or type that is read here. Never echoes them."""


@dataclass(frozen=True, slots=True)
class ReadZone:
    """What the lane needs of a zone. Its optional data are checked and not handed on."""

    read: ReadDocument
    code: str
    nationality: str | None
    primary: str = field(repr=False)
    secondary: str = field(repr=False)
    """Empty for a holder of a single name."""
    name_cut: bool
    """The field is full: the whole name may be longer, so compare beginnings."""
    born: str = field(repr=False)
    """ISO 8601 at the precision the zone has: `1974-08-12`, `1974-08`, `1974` or empty."""
    expires_on: dt.date | None
    """None when the document does not expire or the date is implausible."""
    failed: frozenset[mrz_layouts.Part]


def check_digit(characters: str) -> int:
    """Weigh characters of a zone 7, 3, 1, 7, … modulo 10; a filler counts 0."""
    weighed = zip(characters, cycle((7, 3, 1)), strict=False)
    return sum(_VALUES[character] * weight for character, weight in weighed) % 10


def read(
    lines: Sequence[str], *, today: dt.date, declared: DocumentKind | None = None
) -> ReadZone:
    """Read the lines of one zone, blank ends ignored, and judge it on the hub's `today`.

    The zone says what it is on; which of the cards of China is told by the kind declared, else
    by the number. Years have two digits: a birth is the latest one not after today (so a
    centenarian reads a century too young), an expiry the one nearest to today.

    Raises InvalidZone for lines that are no zone known here, or a zone without a number.
    """
    rows = _rows(lines)
    layout = _layout(rows)
    number, digit = _number(layout, rows)
    numbered = _document(rows, layout, number.replace(_FILLER, ""), today, declared)
    primary, secondary = _identifiers(layout.names.of(rows))
    born, doubts = _birth(layout.birth.of(rows), today)
    expires_on, expiry_doubts = _expiry(layout.expiry.of(rows), today)
    failed = {check.part for check in layout.checks if not _holds(check, rows)}
    if digit != str(check_digit(number)):
        failed.add(mrz_layouts.Part.NUMBER)
    holder = DocumentHolder(
        name=f"{primary} {secondary}".strip() or None,
        birth_date=dt.date.fromisoformat(born) if len(born) == 10 else None,
        sex=_SEXES.get(layout.sex.of(rows)),
    )
    doubts |= expiry_doubts | (numbered.findings & _OF_THE_NUMBER)
    if failed:
        doubts |= {Finding.INVALID_CHECK}
    if holder.sex is None or not primary or not _NAME.fullmatch(f"{primary}{secondary}"):
        doubts |= {Finding.MALFORMED}
    return ReadZone(
        read=ReadDocument(numbered.document, holder, documents.conclude(doubts)),
        code=mrz_layouts.CODE.of(rows).rstrip(_FILLER),
        nationality=_state(layout.nationality.of(rows)),
        primary=primary,
        secondary=secondary,
        name_cut=not layout.names.of(rows).endswith(_FILLER),
        born=born,
        expires_on=expires_on,
        failed=frozenset(failed),
    )


def _rows(lines: Sequence[str]) -> tuple[str, ...]:
    if len(lines) > 3 or any(len(line) > _LINE_LIMIT for line in lines):
        raise InvalidZone("longer than any zone")
    rows = tuple(line.strip() for line in lines)
    if not all(_LINE.fullmatch(row) for row in rows):
        raise InvalidZone("characters outside A-Z, 0-9 and <")
    return rows


def _layout(rows: tuple[str, ...]) -> mrz_layouts.Layout:
    size = (len(rows), *{len(row) for row in rows})
    # a card of three lines is never a visa, whatever letter it bears
    visa = len(rows) == 2 and rows[0][0] == "V"
    for layout in mrz_layouts.LAYOUTS:
        if (layout.rows, layout.width) == size and layout.visa is visa and rows[0][0].isalpha():
            return layout
    raise InvalidZone("no zone of this size and type is known")


def _number(layout: mrz_layouts.Layout, rows: tuple[str, ...]) -> tuple[str, str]:
    """The number and its check digit; a card's long one goes on in the optional data."""
    number, digit = layout.number.of(rows), layout.digit.of(rows)
    if digit != _FILLER or layout.overflow is None or number.endswith(_FILLER):
        return number, digit
    more = layout.overflow.of(rows).partition(_FILLER)[0]
    return number + more[:-1], more[-1:]


def _document(
    rows: tuple[str, ...],
    layout: mrz_layouts.Layout,
    number: str,
    today: dt.date,
    declared: DocumentKind | None,
) -> ReadDocument:
    if not number:
        raise InvalidZone("no document number")
    issuer = _state(layout.issuer.of(rows))
    kind = _KINDS.get(rows[0][0], DocumentKind.ID_CARD)
    if kind is DocumentKind.ID_CARD and issuer in {"CHN", documents.SPECIMEN_ISSUER}:
        likely = documents.classify(number)[0] if issuer == "CHN" else kind
        told = (declared or likely, likely)
        kind = next((one for one in told if one in documents.NAMED_BY_KIND), kind)
    return documents.read(kind, number, today=today, issuer=issuer)


def _holds(check: mrz_layouts.CheckDigit, rows: tuple[str, ...]) -> bool:
    covered = "".join(span.of(rows) for span in check.covers)
    digit = check.digit.of(rows)
    # An empty field has nothing to guard; part 4 lets the optional data's digit be left out.
    if digit == _FILLER:
        return not covered.strip(_FILLER)
    return digit == str(check_digit(covered))


def _identifiers(names: str) -> tuple[str, str]:
    """Split at the first double filler; single ones stand for spaces within a part."""
    primary, _, secondary = names.partition(2 * _FILLER)
    return _words(primary), _words(secondary)


def _words(part: str) -> str:
    return " ".join(part.replace(_FILLER, " ").split())


def _state(text: str) -> str | None:
    code = text.replace(_FILLER, "")
    return documents.normalise_issuer(code) if code else None


def _birth(text: str, today: dt.date) -> tuple[str, frozenset[Finding]]:
    """Read YYMMDD, fillers standing for unknown parts, into a reduced ISO 8601 date."""
    known = text.partition(_FILLER)[0]
    if len(known) % 2 or not text.replace(_FILLER, "0").isdigit():
        return "", frozenset({Finding.IMPLAUSIBLE_DATE})
    if not known:
        return "", frozenset({Finding.INCOMPLETE_DATE})
    short = "-".join(known[i : i + 2] for i in range(0, len(known), 2))
    century = today.year // 100
    born = f"{century}{short}"
    if born > today.isoformat()[: len(born)]:
        born = f"{century - 1}{short}"
    try:
        dt.date.fromisoformat(born + "0000-01-01"[len(born) :])
    except ValueError:
        return "", frozenset({Finding.IMPLAUSIBLE_DATE})
    return born, frozenset({Finding.INCOMPLETE_DATE} if len(born) < 10 else ())


def _expiry(text: str, today: dt.date) -> tuple[dt.date | None, frozenset[Finding]]:
    """Read YYMMDD; a field of fillers is a document that does not expire."""
    if not text.strip(_FILLER):
        return None, frozenset()
    earliest = today.year - _EXPIRY_REACH
    try:
        year = earliest + (int(text[:2]) - earliest) % 100
        expires_on = dt.date(year, int(text[2:4]), int(text[4:]))
    except ValueError:
        return None, frozenset({Finding.IMPLAUSIBLE_DATE})
    return expires_on, frozenset({Finding.EXPIRED} if expires_on < today else ())
